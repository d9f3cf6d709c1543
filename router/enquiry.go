package router

import (
	"slices"
	"strings"
)

// An Enquiry is what one arrival says: who asks, about what, through whom. Its JSON is the one that users see everywhere.
type Enquiry struct {
	IDs         []ID      `json:"ids,omitempty"`
	Status      string    `json:"status,omitempty"`       // new or resend
	RequestedAt string    `json:"requested_at,omitempty"` // RFC 3339, without a zone where none is known; kept, never trusted as a clock
	Customer    Customer  `json:"customer"`
	Vehicles    []Vehicle `json:"vehicles"`
	Vendor      Party     `json:"vendor"`
	Provider    Party     `json:"provider"`
}

// ID is an identifier and who gave it.
type ID struct {
	Value    string `json:"value"`
	Source   string `json:"source,omitempty"`
	Sequence int    `json:"sequence,omitempty"`
}

// Customer is who asks: the first contact, with any co-buyers in Contacts.
type Customer struct {
	Name      Name      `json:"name"`
	Emails    []string  `json:"emails,omitempty"`
	Phones    []Phone   `json:"phones,omitempty"`
	Address   *Address  `json:"address,omitempty"`
	IDs       []ID      `json:"ids,omitempty"`
	Comments  string    `json:"comments,omitempty"`
	Timeframe string    `json:"timeframe,omitempty"`
	Contacts  []Contact `json:"contacts,omitempty"`
}

// Contact is a further person, such as a co-buyer.
type Contact struct {
	Name    Name     `json:"name"`
	Emails  []string `json:"emails,omitempty"`
	Phones  []Phone  `json:"phones,omitempty"`
	Address *Address `json:"address,omitempty"`
}

// Name is a name, whole or in parts, as it was given.
type Name struct {
	Full   string `json:"full,omitempty"`
	First  string `json:"first,omitempty"`
	Middle string `json:"middle,omitempty"`
	Last   string `json:"last,omitempty"`
	Suffix string `json:"suffix,omitempty"`
}

// Phone is a number as written and, where it can be one, as E.164.
type Phone struct {
	Raw       string `json:"raw"`
	E164      string `json:"e164,omitempty"`
	Type      string `json:"type,omitempty"`
	Time      string `json:"time,omitempty"`
	Preferred bool   `json:"preferred,omitempty"`
}

// Address is a postal address.
type Address struct {
	Streets    []string `json:"streets,omitempty"`
	Apartment  string   `json:"apartment,omitempty"`
	City       string   `json:"city,omitempty"`
	Region     string   `json:"region,omitempty"`
	PostalCode string   `json:"postal_code,omitempty"`
	Country    string   `json:"country,omitempty"`
}

// Vehicle is one vehicle asked about or, by its interest, one to be traded in.
type Vehicle struct {
	Interest     string    `json:"interest,omitempty"`
	Status       string    `json:"status,omitempty"`
	Year         int       `json:"year,omitempty"`
	YearText     string    `json:"year_text,omitempty"` // where it is no number
	Make         string    `json:"make,omitempty"`
	Model        string    `json:"model,omitempty"`
	Trim         string    `json:"trim,omitempty"`
	VIN          string    `json:"vin,omitempty"`
	Stock        string    `json:"stock,omitempty"`
	BodyStyle    string    `json:"body_style,omitempty"`
	Transmission string    `json:"transmission,omitempty"`
	Doors        string    `json:"doors,omitempty"`
	Condition    string    `json:"condition,omitempty"`
	Odometer     *Odometer `json:"odometer,omitempty"`
	Price        *Price    `json:"price,omitempty"`
	Colors       []Color   `json:"colors,omitempty"`
	Options      []string  `json:"options,omitempty"`
	Finance      *Finance  `json:"finance,omitempty"`
	Comments     string    `json:"comments,omitempty"`
}

// Odometer is a reading as written.
type Odometer struct {
	Value  string `json:"value"`
	Units  string `json:"units,omitempty"`
	Status string `json:"status,omitempty"`
}

// Price is an amount as written.
type Price struct {
	Value    string `json:"value"`
	Type     string `json:"type,omitempty"`
	Currency string `json:"currency,omitempty"`
}

// Color is a wanted pair of colours.
type Color struct {
	Exterior   string `json:"exterior,omitempty"`
	Interior   string `json:"interior,omitempty"`
	Preference string `json:"preference,omitempty"`
}

// Finance is how the customer means to pay.
type Finance struct {
	Method  string   `json:"method,omitempty"`
	Amounts []Amount `json:"amounts,omitempty"`
}

// Amount is one figure of a Finance: downpayment, monthly, total, balance.
type Amount struct {
	Value    string `json:"value"`
	Type     string `json:"type,omitempty"`
	Limit    string `json:"limit,omitempty"`
	Currency string `json:"currency,omitempty"`
}

// Party is the store that an enquiry is for, or the provider that sent it.
type Party struct {
	Name    string `json:"name,omitempty"`
	IDs     []ID   `json:"ids,omitempty"`
	Service string `json:"service,omitempty"`
	URL     string `json:"url,omitempty"`
	Email   string `json:"email,omitempty"`
	Phone   string `json:"phone,omitempty"`
}

// Reachable says whether anybody in the enquiry can be called or written to.
func (e *Enquiry) Reachable() bool {
	if slices.ContainsFunc(e.Customer.Emails, writable) || hasE164(e.Customer.Phones) {
		return true
	}
	for _, c := range e.Customer.Contacts {
		if slices.ContainsFunc(c.Emails, writable) || hasE164(c.Phones) {
			return true
		}
	}
	return false
}

// writable says whether somebody may read what is written to an address. One with a slip of the pen is worth a salesperson's look; "n/a" and
// none@none.com are not.
func writable(email string) bool {
	local, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(email)), "@")
	return local != "" && !nobodysName(local)
}

func hasE164(phones []Phone) bool {
	for _, p := range phones {
		if p.E164 != "" {
			return true
		}
	}
	return false
}
