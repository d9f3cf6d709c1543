package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"leadfloor/router"
)

// A sheet is a page of labelled lines for people.
type sheet struct{ b strings.Builder }

// part begins a part of the sheet.
func (s *sheet) part(title string) { fmt.Fprintf(&s.b, "\n%s\n", title) }

// line writes a label and its value, of which every line stands under the first; nothing where there is no value. Both may be what a
// stranger wrote.
func (s *sheet) line(label, value string) {
	if strings.TrimSpace(value) == "" {
		return
	}
	for text := range strings.Lines(value) {
		s.b.WriteString(strings.TrimRight(printable(fmt.Sprintf("  %-11s %s", label, text)), " ") + "\n")
		label = ""
	}
}

// table writes a table, indented.
func (s *sheet) table(t table) {
	var b strings.Builder
	_ = t.writeTable(&b) // a Builder takes everything
	for line := range strings.Lines(b.String()) {
		s.b.WriteString("  " + line)
	}
}

// enquiry writes what one enquiry says.
func (s *sheet) enquiry(q *router.Enquiry) {
	s.line("status", q.Status)
	s.line("asked", q.RequestedAt)
	for _, id := range q.IDs {
		s.line("id", strings.TrimSpace(id.Value+" "+id.Source))
	}
	s.asker(&q.Customer)
	for i := range q.Vehicles {
		s.line(cmp.Or(q.Vehicles[i].Interest, "vehicle"), vehicleDetails(&q.Vehicles[i]))
	}
	s.line("vendor", q.Vendor.Name)
	s.line("provider", q.Provider.Name)
	if !q.Reachable() {
		s.line("reachable", "no: neither an email address nor a phone number, so it would be quarantined")
	}
}

// asker writes who asks, and with whom.
func (s *sheet) asker(c *router.Customer) {
	s.person(c.Name, c.Emails, c.Phones, c.Address)
	s.line("timeframe", c.Timeframe)
	s.line("comments", c.Comments)
	for _, x := range c.Contacts {
		s.line("and", cmp.Or(wholeName(x.Name), "-"))
		s.person(router.Name{}, x.Emails, x.Phones, x.Address)
	}
}

func (s *sheet) person(n router.Name, emails []string, phones []router.Phone, a *router.Address) {
	s.line("name", wholeName(n))
	for _, m := range emails {
		s.line("email", m)
	}
	for _, p := range phones {
		text := cmp.Or(p.E164, p.Raw)
		if p.E164 != "" && p.E164 != p.Raw {
			text += " (" + p.Raw + ")"
		}
		if p.Type != "" {
			text += ", " + p.Type
		}
		if p.Time != "" {
			text += ", " + p.Time
		}
		if p.Preferred {
			text += ", preferred"
		}
		s.line("phone", text)
	}
	if a != nil {
		s.line("address", list(append(slices.Clone(a.Streets), a.Apartment, a.City, a.Region, a.PostalCode, a.Country)...))
	}
}

// list joins what is not empty.
func list(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// vehicleDetails is all that is known of a vehicle.
func vehicleDetails(v *router.Vehicle) string {
	labelled := func(label, value string) string {
		if value == "" {
			return ""
		}
		return label + " " + value
	}
	parts := []string{
		strings.TrimSpace(v.Status + " " + vehicleName(v)), labelled("VIN", v.VIN), labelled("stock", v.Stock), v.BodyStyle, v.Transmission,
		labelled("doors", v.Doors), labelled("condition", v.Condition),
	}
	if o := v.Odometer; o != nil {
		parts = append(parts, labelled("odometer", strings.TrimSpace(o.Value+" "+o.Units)))
	}
	if p := v.Price; p != nil {
		parts = append(parts, labelled("price", strings.Join(strings.Fields(p.Value+" "+p.Currency+" "+p.Type), " ")))
	}
	for _, c := range v.Colors {
		parts = append(parts, labelled("exterior", c.Exterior), labelled("interior", c.Interior))
	}
	parts = append(parts, v.Options...)
	if m := v.Finance; m != nil {
		parts = append(parts, labelled("pays by", m.Method))
		for _, a := range m.Amounts {
			parts = append(parts, labelled(a.Type, strings.TrimSpace(a.Value+" "+a.Currency)))
		}
	}
	text := cmp.Or(list(parts...), "-")
	if v.Comments != "" {
		text += "\n" + v.Comments
	}
	return text
}

// wholeName is a name in one piece.
func wholeName(n router.Name) string {
	return cmp.Or(n.Full, strings.Join(strings.Fields(strings.Join([]string{n.First, n.Middle, n.Last, n.Suffix}, " ")), " "))
}

// vehicleName is what a vehicle is called, or the number that it has.
func vehicleName(v *router.Vehicle) string {
	year := v.YearText
	if v.Year != 0 {
		year = strconv.Itoa(v.Year)
	}
	return cmp.Or(strings.Join(strings.Fields(strings.Join([]string{year, v.Make, v.Model, v.Trim}, " ")), " "), v.VIN, v.Stock)
}
