package ingest

import (
	"strconv"
	"strings"
	"time"

	"leadfloor/adf"
	"leadfloor/router"
)

// Locale is how a store reads what is written without saying where: dates without a zone, numbers without a country.
type Locale struct {
	Location *time.Location // nil: dates stay without a zone
	Country  string         // ISO 3166; empty: US
}

// enquiry tells in the words of the business what a prospect says. It adds nothing and leaves out nothing that a person would read.
func enquiry(p *adf.Prospect, l Locale) router.Enquiry {
	e := router.Enquiry{
		IDs: ids(p.IDs), Status: p.Status, RequestedAt: l.date(p.RequestDate), Vehicles: make([]router.Vehicle, 0, len(p.Vehicles)),
		Vendor: vendor(&p.Vendor), Provider: provider(&p.Provider),
	}
	c := &p.Customer
	comments := []string{c.Comments}
	for i := range c.Contacts {
		x := l.contact(&c.Contacts[i])
		if i == 0 {
			e.Customer = router.Customer{Name: x.Name, Emails: x.Emails, Phones: x.Phones, Address: x.Address}
		} else {
			e.Customer.Contacts = append(e.Customer.Contacts, x)
		}
		comments = append(comments, c.Contacts[i].Comments)
	}
	e.Customer.IDs = ids(c.IDs)
	e.Customer.Comments = paragraphs(append(comments, p.Comments)...)
	if t := c.Timeframe; t != nil {
		e.Customer.Timeframe = timeframe(t)
	}
	for i := range p.Vehicles {
		e.Vehicles = append(e.Vehicles, vehicle(&p.Vehicles[i]))
	}
	return e
}

func (l Locale) date(s string) string {
	t, zoned, err := adf.ParseDate(s)
	switch {
	case err != nil:
		return ""
	case zoned:
		return t.Format(time.RFC3339Nano)
	case l.Location != nil:
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), l.Location).Format(time.RFC3339Nano)
	}
	return t.Format("2006-01-02T15:04:05.999999999")
}

func (l Locale) contact(c *adf.Contact) router.Contact {
	x := router.Contact{Name: name(c.Names)}
	for _, m := range c.Emails {
		if m.Value != "" {
			x.Emails = append(x.Emails, m.Value)
		}
	}
	for _, t := range c.Phones {
		if t.Value != "" {
			x.Phones = append(x.Phones, router.Phone{Raw: t.Value, E164: router.E164(t.Value, l.Country), Type: t.Type, Time: t.Time, Preferred: t.Preferred})
		}
	}
	if len(c.Addresses) > 0 {
		x.Address = address(&c.Addresses[0])
	}
	return x
}

// name takes the parts as they are given and invents none.
func name(parts []adf.Name) router.Name {
	var n router.Name
	add := func(to *string, v string) {
		switch {
		case v == "" || *to == v:
		case *to == "":
			*to = v
		default:
			*to += " " + v
		}
	}
	for _, p := range parts {
		switch p.Part {
		case "first":
			add(&n.First, p.Value)
		case "middle":
			add(&n.Middle, p.Value)
		case "last", "surname":
			add(&n.Last, p.Value)
		case "suffix":
			add(&n.Suffix, p.Value)
		default:
			add(&n.Full, p.Value)
		}
	}
	return n
}

// whole is a name in one piece.
func whole(n router.Name) string {
	if n.Full != "" {
		return n.Full
	}
	return strings.Join(strings.Fields(n.First+" "+n.Middle+" "+n.Last+" "+n.Suffix), " ")
}

func address(a *adf.Address) *router.Address {
	x := &router.Address{Apartment: a.Apartment, City: a.City, Region: a.RegionCode, PostalCode: a.PostalCode, Country: a.Country}
	for _, s := range a.Streets {
		if s.Value != "" {
			x.Streets = append(x.Streets, s.Value)
		}
	}
	if len(x.Streets) == 0 && x.Apartment+x.City+x.Region+x.PostalCode+x.Country == "" {
		return nil
	}
	return x
}

func ids(all []adf.ID) []router.ID {
	var out []router.ID
	for _, id := range all {
		seq, err := strconv.Atoi(id.Sequence)
		value := id.Value
		if value == "" && err != nil {
			value = id.Sequence // some write the id into the sequence
		}
		if value != "" || id.Source != "" {
			out = append(out, router.ID{Value: value, Source: id.Source, Sequence: seq})
		}
	}
	return out
}

func timeframe(t *adf.Timeframe) string {
	s := t.Description
	if t.EarliestDate != "" {
		s = sentence(s, "from "+t.EarliestDate)
	}
	if t.LatestDate != "" {
		s = sentence(s, "until "+t.LatestDate)
	}
	return s
}

func sentence(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

// paragraphs joins what stands in several places, each text once.
func paragraphs(texts ...string) string {
	var out []string
	for _, t := range texts {
		known := t == ""
		for _, o := range out {
			known = known || o == t
		}
		if !known {
			out = append(out, t)
		}
	}
	return strings.Join(out, "\n")
}

func vehicle(v *adf.Vehicle) router.Vehicle {
	x := router.Vehicle{
		Interest: v.Interest, Status: v.Status, Make: v.Make, Model: v.Model, Trim: v.Trim, VIN: v.VIN, Stock: v.Stock, BodyStyle: v.BodyStyle,
		Transmission: v.Transmission, Doors: v.Doors, Condition: v.Condition, Comments: paragraphs(v.Comments, v.PriceComments),
	}
	if year, err := strconv.Atoi(v.Year); err == nil {
		x.Year = year
	} else {
		x.YearText = v.Year
	}
	if len(v.Odometers) > 0 {
		o := v.Odometers[0]
		x.Odometer = &router.Odometer{Value: o.Value, Units: o.Units, Status: o.Status}
	}
	if len(v.Prices) > 0 {
		p := v.Prices[0]
		x.Price = &router.Price{Value: p.Value, Type: p.Type, Currency: p.Currency}
	}
	for _, c := range v.ColorCombinations {
		x.Colors = append(x.Colors, router.Color{Exterior: c.Exterior, Interior: c.Interior, Preference: c.Preference})
	}
	for _, o := range v.Options {
		if o.Name != "" {
			x.Options = append(x.Options, o.Name)
		}
	}
	if f := v.Finance; f != nil {
		x.Finance = &router.Finance{Method: f.Method}
		for _, a := range f.Amounts {
			x.Finance.Amounts = append(x.Finance.Amounts, router.Amount{Value: a.Value, Type: a.Type, Limit: a.Limit, Currency: a.Currency})
		}
		if b := f.Balance; b != nil {
			x.Finance.Amounts = append(x.Finance.Amounts, router.Amount{Value: b.Value, Type: "balance-" + b.Type, Currency: b.Currency})
		}
	}
	return x
}

func vendor(v *adf.Vendor) router.Party {
	p := router.Party{Name: v.Name, IDs: ids(v.IDs), URL: v.URL}
	reach(&p, v.Contacts)
	return p
}

// named is the salesperson whom a prospect names: the store's contact, where that is not the store itself.
func named(v *adf.Vendor) string {
	for i := range v.Contacts {
		c := &v.Contacts[i]
		n := whole(name(c.Names))
		if strings.EqualFold(n, v.Name) {
			n = ""
		}
		for _, m := range c.Emails {
			if m.Value != "" {
				return strings.TrimSpace(n + " <" + m.Value + ">")
			}
		}
		if n != "" {
			return n
		}
	}
	return ""
}

func provider(v *adf.Provider) router.Party {
	p := router.Party{Name: whole(name(v.Names)), IDs: ids(v.IDs), Service: v.Service, URL: v.URL}
	if len(v.Emails) > 0 {
		p.Email = v.Emails[0].Value
	}
	if len(v.Phones) > 0 {
		p.Phone = v.Phones[0].Value
	}
	reach(&p, v.Contacts)
	return p
}

// reach fills in from the first contact what a party does not say itself.
func reach(p *router.Party, contacts []adf.Contact) {
	if len(contacts) == 0 {
		return
	}
	c := contacts[0]
	if p.Name == "" {
		p.Name = whole(name(c.Names))
	}
	if p.Email == "" && len(c.Emails) > 0 {
		p.Email = c.Emails[0].Value
	}
	if p.Phone == "" && len(c.Phones) > 0 {
		p.Phone = c.Phones[0].Value
	}
}
