package mail_test

import (
	"fmt"
	"strings"

	"leadfloor/adf/mail"
)

// summary writes what a person would check of a Mail, a line a thing. Diagnostics of the ADF parser are its own matter and left out.
func summary(m *mail.Mail) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind: %s\n", m.Kind)
	for _, f := range [][2]string{{"source", m.Source}, {"channel", m.Channel}, {"suspect", m.Suspect}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
		}
	}
	for _, p := range m.Prospects {
		b.WriteString("lead:")
		word := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, " %s %s", name, value)
			}
		}
		quoted := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, " %s %q", name, value)
			}
		}
		for _, id := range p.IDs {
			word("id", id.Value)
		}
		quoted("service", p.Provider.Service)
		quoted("date", p.RequestDate)
		for _, c := range p.Customer.Contacts {
			for _, n := range c.Names {
				quoted(n.Part, n.Value)
			}
			for _, e := range c.Emails {
				word("email", e.Value)
				if e.Preferred {
					b.WriteString("!")
				}
			}
			for _, e := range c.Phones {
				word(strings.NewReplacer("voice", "phone").Replace(e.Type), e.Value)
				if e.Preferred {
					b.WriteString("!")
				}
			}
			for _, a := range c.Addresses {
				for _, s := range a.Streets {
					quoted("street", s.Value)
				}
				quoted("city", a.City)
				word("region", a.RegionCode)
				word("postal", a.PostalCode)
			}
		}
		b.WriteString("\n")
		for _, v := range p.Vehicles {
			fmt.Fprintf(&b, "  %s %s", v.Interest, v.Status)
			for _, s := range []string{v.Year, v.Make} {
				if s != "" {
					b.WriteString(" " + s)
				}
			}
			fmt.Fprintf(&b, " %q", v.Model)
			quoted("trim", v.Trim)
			word("vin", v.VIN)
			word("stock", v.Stock)
			for _, id := range v.IDs {
				word("id", id.Value)
			}
			for _, x := range v.Prices {
				word("price", x.Value+x.Currency)
			}
			for _, x := range v.Odometers {
				word("odometer", x.Value+x.Units)
			}
			for _, x := range v.ColorCombinations {
				quoted("exterior", x.Exterior)
			}
			b.WriteString("\n")
		}
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, "  %s %q", name, value)
			}
		}
		if p.Vendor.Name != "" {
			line("vendor", p.Vendor.Name)
			for _, id := range p.Vendor.IDs {
				word("id", id.Value)
			}
			b.WriteString("\n")
		}
		for _, l := range [][2]string{{"says", p.Customer.Comments}, {"rest", p.Comments}} {
			if l[1] != "" {
				line(l[0], l[1])
				b.WriteString("\n")
			}
		}
	}
	for _, d := range m.Diagnostics {
		if ours[d.Code] {
			fmt.Fprintf(&b, "diagnostic: %s\n", d.Code)
		}
	}
	return b.String()
}

// ours are the codes that this package writes.
var ours = map[string]bool{
	mail.SuspectUnreadable: true, mail.SuspectStarBOD: true, mail.SuspectSize: true, mail.SuspectHeader: true, mail.SuspectDepth: true, mail.SuspectParts: true, mail.SuspectLeads: true,
	"adf-limit": true, "tnef": true, "salvaged": true, "archive-limit": true, "archive-unreadable": true, "bad-boundary": true, "unknown-encoding": true,
}
