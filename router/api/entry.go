package api

import (
	"cmp"
	"fmt"
	"strings"

	"leadfloor/router"
)

// entry is a lead as JSON: an enquiry in the form that users see everywhere, and how it came.
type entry struct {
	router.Enquiry
	Customer customer `json:"customer"`

	Channel router.Channel `json:"channel"` // phone, walk-in or http; http unless told
	Source  string         `json:"source"`  // unless told the provider's name, else phone or walk-in
	Desk    string         `json:"desk"`
	By      string         `json:"by"` // who enters it
	Note    string         `json:"note"`

	Comments string `json:"comments"` // beside the customer's own
}

// customer may give a single email and phone without a list.
type customer struct {
	router.Customer
	Email string        `json:"email"`
	Phone *router.Phone `json:"phone"`
}

// arrival reads the entry as what came in at a store.
func (e *entry) arrival(f *router.Rooftop) (*router.Arrival, error) {
	var faults []fault
	bad := func(field, format string, args ...any) {
		faults = append(faults, fault{field, fmt.Sprintf(format, args...)})
	}

	switch e.Channel {
	case "":
		e.Channel = router.HTTP
	case router.PhoneUp, router.WalkIn, router.HTTP:
	default:
		bad("channel", "unknown channel %q: want phone, walk-in or http", e.Channel)
	}
	if e.Status != "" && e.Status != "new" && e.Status != "resend" {
		bad("status", "unknown status %q: want new or resend", e.Status)
	}
	if e.By != "" {
		if _, ok := f.Person(e.By); !ok {
			bad("by", "nobody of id %q at store %s", e.By, f.ID)
		}
	}

	q := e.Enquiry
	q.Customer = e.Customer.Customer
	if e.Customer.Email != "" {
		q.Customer.Emails = append(q.Customer.Emails, e.Customer.Email)
	}
	if e.Customer.Phone != nil {
		q.Customer.Phones = append(q.Customer.Phones, *e.Customer.Phone)
	}
	q.Customer.Comments = strings.TrimSpace(q.Customer.Comments + "\n" + e.Comments)
	reach := func(path string, emails []string, phones []router.Phone) {
		for i, m := range emails {
			if router.NormalEmail(m) == "" {
				bad(fmt.Sprintf("%s.emails[%d]", path, i), "is no email address")
			}
		}
		for i := range phones {
			dial(&phones[i], f.Country)
		}
	}
	reach("customer", q.Customer.Emails, q.Customer.Phones)
	for i, c := range q.Customer.Contacts {
		reach(fmt.Sprintf("customer.contacts[%d]", i), c.Emails, c.Phones)
	}
	byHand := e.Channel != router.HTTP || e.By != ""
	switch {
	case q.Reachable(), len(faults) > 0:
	case !byHand:
		bad("customer", "needs an email address or a phone number that can be one")
	case q.Customer.Name == router.Name{}:
		bad("customer", "needs a name, an email address or a phone number")
	}
	if len(faults) > 0 {
		return nil, wrong(faults...)
	}

	if q.Vehicles == nil {
		q.Vehicles = []router.Vehicle{} // a list is never null
	}
	source := cmp.Or(e.Source, q.Provider.Name)
	if source == "" && e.Channel != router.HTTP {
		source = string(e.Channel) // nobody sent whoever calls or walks in
	}
	return &router.Arrival{
		Channel: e.Channel, Source: router.Slug(source), Desk: e.Desk, Enquiry: q, By: e.By, Note: e.Note,
	}, nil
}

// dial completes a number that somebody wrote down: what is sent as E.164 is believed only where it is a number.
func dial(p *router.Phone, country string) {
	if p.Raw == "" {
		p.Raw = p.E164
	}
	written := p.E164
	if p.E164 = router.E164(p.Raw, country); p.E164 == "" && written != "" {
		p.E164 = router.E164(written, country)
	}
}
