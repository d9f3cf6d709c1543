package adf_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"leadfloor/adf"
)

// generator makes documents as senders write them: always the same for a seed.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 20000530))} }

func (g generator) one(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

func (g generator) words(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = g.one("please", "call", "me", "about", "this", "car", "is", "it", "still", "available", "& how much", "price < $20,000?", "café", "“today”",
			"after 5pm", "I'd", "like", "a", "test", "drive", "with", "my", "wife", "trade-in", "2.5L", "4x4", "—", "thanks!", "at&t", "#7", "naïve", "50%")
	}
	return strings.Join(list, " ")
}

func (g generator) person() (first, last string) {
	return g.one("Ada", "Bo", "Chloë", "Dmitri", "Eve", "Fatima", "José"), g.one("Stone", "Müller", "O'Neil", "van Dyk", "Kim", "Smith-Jones", "Ng")
}

func (g generator) phone() string {
	return g.one("(%03d) 555-01%02d", "%03d-555-01%02d", "+1 %03d 555 01%02d", "%03d55501%02d")
}

func (g generator) phones() (list []adf.Phone) {
	for range 1 + g.IntN(3) {
		list = append(list, adf.Phone{
			Value:     fmt.Sprintf(g.phone(), 200+g.IntN(700), g.IntN(100)),
			Type:      g.one("voice", "voice", "cellphone", "fax", "phone"),
			Time:      g.one("nopreference", "nopreference", "morning", "day"),
			Preferred: g.chance(10),
		})
	}
	return list
}

func (g generator) contact(business bool) adf.Contact {
	first, last := g.person()
	c := adf.Contact{}
	switch {
	case business:
		c.Names = []adf.Name{{Value: last + " Motors", Part: "full", Type: "business"}}
	case g.chance(60):
		c.Names = []adf.Name{{Value: first, Part: "first", Type: "individual"}, {Value: last, Part: "last", Type: "individual"}}
		if g.chance(30) {
			c.Names = append(c.Names, adf.Name{Value: first + " " + last, Part: "full", Type: "individual"})
		}
	default:
		c.Names = []adf.Name{{Value: first + " " + last, Part: "full", Type: "individual"}}
	}
	if g.chance(90) {
		c.Emails = []adf.Email{{Value: fmt.Sprintf("user%03d@example.com", g.IntN(1000)), Preferred: g.chance(20)}}
	}
	if g.chance(80) || c.Emails == nil {
		c.Phones = g.phones()
	}
	if g.chance(60) {
		a := adf.Address{Type: g.one("", "home", "work")}
		a.Streets = []adf.Street{{Value: fmt.Sprintf("%d Main St", 1+g.IntN(999)), Line: "1"}}
		if g.chance(30) {
			a.Streets = append(a.Streets, adf.Street{Value: "Floor " + fmt.Sprint(g.IntN(30)), Line: "2"})
		}
		a.City, a.RegionCode, a.PostalCode, a.Country = g.one("Springfield", "Québec", "San José"), g.one("CA", "TX", "QC"), fmt.Sprintf("%05d", g.IntN(100000)), g.one("US", "CA")
		c.Addresses = []adf.Address{a}
	}
	return c
}

func (g generator) vehicle(interest string) adf.Vehicle {
	v := adf.Vehicle{
		Interest: interest, Status: g.one("new", "used"), Year: fmt.Sprint(1990 + g.IntN(37)), Make: g.one("Ford", "Citroën", "Land Rover", "Toyota", "BMW"),
		Model: g.one("F-150", "C3", "Defender 110", "Camry", "X5", "Town & Country"),
	}
	if g.chance(60) {
		v.VIN = fmt.Sprintf("1HGCM82633A%06d", g.IntN(1e6))
	}
	if g.chance(60) {
		v.Stock = fmt.Sprintf("P%04d", g.IntN(1e4))
	}
	if g.chance(60) {
		v.Trim = g.one("LE", "XLT", "Sport", "2D Coupe")
	}
	if g.chance(40) {
		v.Doors, v.BodyStyle, v.Transmission = g.one("2", "4"), g.one("SUV", "Sedan"), g.one("A", "M")
	}
	if g.chance(40) {
		v.Odometers = []adf.Odometer{{Value: fmt.Sprint(g.IntN(200000)), Status: g.one("", "original"), Units: g.one("mi", "km")}}
	}
	if g.chance(30) {
		v.ColorCombinations = []adf.ColorCombination{{Interior: g.one("", "black"), Exterior: g.one("red", "blue"), Preference: "1"}}
	}
	if g.chance(60) {
		v.Prices = []adf.Price{{Value: fmt.Sprint(1000 + g.IntN(90000)), Type: g.one("quote", "asking", "msrp"), Currency: g.one("", "USD")}}
	}
	for i := range g.IntN(2) * g.IntN(8) {
		v.Options = append(v.Options, adf.Option{Name: g.one("Keyless Entry", "Sport Seats", "Tow Package"), ManufacturerCode: fmt.Sprint("p", i), Weighting: "65"})
	}
	if g.chance(20) {
		v.Finance = &adf.Finance{Method: "finance", Amounts: []adf.Amount{{Value: "5000", Type: "downpayment", Limit: "maximum", Currency: "USD"}}}
	}
	if g.chance(30) {
		v.Comments = g.words(3 + g.IntN(10))
	}
	return v
}

// document makes one lead that conforms to ADF 1.0, of 1 to 6 kB.
func (g generator) document() *adf.Document {
	p := adf.Prospect{
		Status:      g.one("new", "new", "resend"),
		RequestDate: fmt.Sprintf("20%02d-%02d-%02dT%02d:%02d:%02d-0%d:00", g.IntN(27), 1+g.IntN(12), 1+g.IntN(28), g.IntN(24), g.IntN(60), g.IntN(60), 4+g.IntN(5)),
		IDs:         []adf.ID{{Value: fmt.Sprint(g.IntN(1e8)), Sequence: "1", Source: g.one("Cobalt", "AutoSite", "Cars & Co")}},
		Vehicles:    []adf.Vehicle{g.vehicle("buy")},
		Customer:    adf.Customer{Contacts: []adf.Contact{g.contact(false)}, Comments: g.words(5 + g.IntN(60))},
		Vendor:      adf.Vendor{Name: g.one("Acura of Bellevue", "Springfield Toyota", "Auto Müller"), Contacts: []adf.Contact{g.contact(true)}},
	}
	if g.chance(40) {
		p.Vehicles = append(p.Vehicles, g.vehicle("trade-in"))
	}
	if g.chance(30) {
		p.Customer.Timeframe = &adf.Timeframe{Description: "within 2 weeks"}
	}
	if g.chance(70) {
		p.Provider = adf.Provider{Names: []adf.Name{{Value: g.one("CarPoint", "AutoWeb"), Part: "full", Type: "business"}}, Service: "Used Car Classifieds",
			URL: "http://example.com/?a=1&b=2", Emails: []adf.Email{{Value: "leads@example.com"}}}
		if g.chance(50) {
			p.Provider.Contacts = []adf.Contact{g.contact(true)}
		}
	}
	return &adf.Document{Prospects: []adf.Prospect{p}}
}

// text writes a document.
func text(tb testing.TB, d *adf.Document) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := adf.Write(&b, d); err != nil {
		tb.Fatalf("Write: %v", err)
	}
	return b.Bytes()
}

// rewrite writes the same document in other words of XML: other quotes, CDATA sections, references, comments, white space.
func (g generator) rewrite(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	if g.chance(80) {
		b.WriteString(g.one("", "\ufeff") + `<?xml version="1.0" encoding="UTF-8"?>` + g.one("", "\n", "\r\n"))
	}
	dec := xml.NewDecoder(bytes.NewReader(data))
	leaf := false
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return b.Bytes()
		}
		if err != nil {
			tb.Fatalf("the generated document is not well-formed: %v", err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if g.chance(10) {
				b.WriteString(g.one("<!-- a comment -->", "\n", "<!--<b>-->", "<?pi <b> ?>", "\t"))
			}
			b.WriteString("<" + t.Name.Local)
			g.Shuffle(len(t.Attr), func(i, j int) { t.Attr[i], t.Attr[j] = t.Attr[j], t.Attr[i] })
			for _, a := range t.Attr {
				q := g.one(`"`, `'`)
				b.WriteString(g.one(" ", "  ", "\n") + a.Name.Local + g.one("=", " = ") + q + g.escape(a.Value, q) + q)
			}
			b.WriteString(g.one("", " ") + ">")
			leaf = true
		case xml.EndElement:
			b.WriteString("</" + t.Name.Local + g.one("", " ") + ">")
			leaf = false
		case xml.CharData:
			switch s := string(t); {
			case strings.TrimSpace(s) == "":
				b.WriteString(g.one("", "\n", "\r\n", "  "))
			case !leaf:
				b.WriteString(g.escape(s, ""))
			default:
				b.WriteString(g.one("", " ", "\n\t"))
				half := len(s) / 2
				for half > 0 && half < len(s) && s[half]&0xc0 == 0x80 {
					half--
				}
				for i, part := range []string{s[:half], s[half:]} {
					switch {
					case part == "":
					case g.chance(20) && !strings.Contains(part, "]]>"):
						b.WriteString("<![CDATA[" + part + "]]>")
					default:
						b.WriteString(g.escape(part, ""))
					}
					if i == 0 && g.chance(10) {
						b.WriteString("<!-- half -->")
					}
				}
				b.WriteString(g.one("", " ", "\r\n"))
			}
		}
	}
}

// escape escapes what must be, and some of what need not.
func (g generator) escape(s, quote string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString(g.one("&amp;", "&#38;", "&#x26;"))
		case r == '<':
			b.WriteString(g.one("&lt;", "&#60;"))
		case r == '>':
			b.WriteString(g.one("&gt;", "&#x3E;"))
		case strings.ContainsRune(quote, r):
			b.WriteString(g.one("&quot;", "&#34;"))
			if r == '\'' {
				b.Reset()
				return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;").Replace(s)
			}
		case r > 0x9f && g.chance(30): // references below are read as windows-1252, which encoding/xml does not
			fmt.Fprintf(&b, "&#%d;", r)
		case quote != "" && (r == '\n' || r == '\t' || r == '\r'), r == '\r':
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
