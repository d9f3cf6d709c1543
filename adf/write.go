package adf

import (
	"io"
	"unicode"
	"unicode/utf8"
)

// Write writes d as an ADF 1.0 document: in UTF-8, in the order of the DTD, with what ADF 1.0 does not know behind what it knows. Reading it again
// gives d, but for lines and diagnostics. Required elements without children of their own are written even where they are empty; a document that
// lacks others is written without them, and Validate names them. Characters that XML forbids are left out. The error is w's.
func Write(w io.Writer, d *Document) error {
	_, err := d.WriteTo(w)
	return err
}

// WriteTo writes d as Write does and returns the number of bytes written.
func (d *Document) WriteTo(w io.Writer) (int64, error) {
	p := printer{b: make([]byte, 0, 4096)}
	p.b = append(p.b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<?adf version=\"1.0\"?>"...)
	p.open(elADF)
	for i := range d.Prospects {
		p.prospect(&d.Prospects[i])
	}
	p.extra(d.Extra)
	p.close(elADF)
	p.b = append(p.b, '\n')
	n, err := w.Write(p.b)
	return int64(n), err
}

// A printer appends elements to b.
type printer struct {
	b      []byte
	indent int
}

// An attrValue is an attribute to be written; one without a value is not.
type attrValue struct {
	id    attribute
	value string
}

func (p *printer) line() {
	p.b = append(p.b, '\n')
	for range p.indent {
		p.b = append(p.b, "  "...)
	}
}

func (p *printer) start(e element, attrs []attrValue) {
	p.line()
	p.b = append(append(p.b, '<'), elementNames[e]...)
	for _, a := range attrs {
		if a.value != "" {
			p.attr(attributeNames[a.id], a.value)
		}
	}
	p.b = append(p.b, '>')
}

func (p *printer) attr(name, value string) {
	p.b = append(append(append(p.b, ' '), name...), `="`...)
	p.text(value, true)
	p.b = append(p.b, '"')
}

func (p *printer) open(e element, attrs ...attrValue) {
	p.start(e, attrs)
	p.indent++
}

func (p *printer) close(e element) {
	p.indent--
	p.line()
	p.end(elementNames[e])
}

func (p *printer) end(name string) {
	p.b = append(append(append(p.b, "</"...), name...), '>')
}

// leaf writes an element with text.
func (p *printer) leaf(e element, value string, attrs ...attrValue) {
	p.start(e, attrs)
	p.text(value, false)
	p.end(elementNames[e])
}

// maybe writes an element that need not be there, where it has text.
func (p *printer) maybe(e element, value string, attrs ...attrValue) {
	if value != "" {
		p.leaf(e, value, attrs...)
	}
}

// text writes s so that reading it gives s again, but for what XML forbids.
func (p *printer) text(s string, inAttr bool) {
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case r == '&':
			p.b = append(p.b, "&amp;"...)
		case r == '<':
			p.b = append(p.b, "&lt;"...)
		case r == '>':
			p.b = append(p.b, "&gt;"...)
		case r == '"' && inAttr:
			p.b = append(p.b, "&quot;"...)
		case r == '\r':
			p.b = append(p.b, "&#13;"...)
		case r == '\n' && inAttr:
			p.b = append(p.b, "&#10;"...)
		case r == '\t' && inAttr:
			p.b = append(p.b, "&#9;"...)
		case r == utf8.RuneError && n == 1, !isChar(r):
		default:
			p.b = append(p.b, s[i:i+n]...)
		}
		i += n
	}
}

func (p *printer) extra(list []Element) {
	for i := range list {
		p.line()
		p.element(&list[i])
	}
}

// element writes an element of Extra. White space is added around its children only where it has no text of its own.
func (p *printer) element(e *Element) {
	if e.Name == "" {
		p.text(e.Text, false)
		return
	}
	name := xmlName(e.Name)
	p.b = append(append(p.b, '<'), name...)
	for _, a := range e.Attrs {
		p.attr(xmlName(a.Name), a.Value)
	}
	p.b = append(p.b, '>')
	p.text(e.Text, false)
	p.indent++
	for i := range e.Children {
		p.line()
		p.element(&e.Children[i])
	}
	p.indent--
	if len(e.Children) > 0 {
		p.line()
	}
	p.end(name)
}

// xmlName returns name with everything replaced that XML, or the parser, would not take for a part of a name.
func xmlName(name string) string {
	ok := name != ""
	for i, r := range name {
		if !isNameRune(r, i == 0) {
			ok = false
		}
	}
	if ok {
		return name
	}
	b := make([]byte, 0, len(name)+1)
	for _, r := range name {
		if !isNameRune(r, len(b) == 0) {
			r = '_'
		}
		b = utf8.AppendRune(b, r)
	}
	if len(b) == 0 {
		return "_"
	}
	return string(b)
}

func isNameRune(r rune, first bool) bool {
	switch {
	case r == '_', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r >= utf8.RuneSelf && r != utf8.RuneError && unicode.IsLetter(r):
		return true
	}
	return !first && ('0' <= r && r <= '9' || r == '-' || r == '.')
}

func (p *printer) ids(ids []ID) {
	for _, id := range ids {
		if id != (ID{}) {
			p.leaf(elID, id.Value, attrValue{atSequence, id.Sequence}, attrValue{atSource, id.Source})
		}
	}
}

func (p *printer) prospect(v *Prospect) {
	p.open(elProspect, attrValue{atStatus, v.Status})
	p.ids(v.IDs)
	p.leaf(elRequestDate, v.RequestDate)
	for i := range v.Vehicles {
		p.vehicle(&v.Vehicles[i])
	}
	p.customer(&v.Customer)
	p.vendor(&v.Vendor)
	p.provider(&v.Provider)
	p.maybe(elComments, v.Comments)
	p.extra(v.Extra)
	p.close(elProspect)
}

func (p *printer) vehicle(v *Vehicle) {
	p.open(elVehicle, attrValue{atInterest, v.Interest}, attrValue{atStatus, v.Status})
	p.ids(v.IDs)
	p.leaf(elYear, v.Year)
	p.leaf(elMake, v.Make)
	p.leaf(elModel, v.Model)
	p.maybe(elVIN, v.VIN)
	p.maybe(elStock, v.Stock)
	p.maybe(elTrim, v.Trim)
	p.maybe(elDoors, v.Doors)
	p.maybe(elBodyStyle, v.BodyStyle)
	p.maybe(elTransmission, v.Transmission)
	for _, o := range v.Odometers {
		p.maybe(elOdometer, o.Value, attrValue{atStatus, o.Status}, attrValue{atUnits, o.Units})
	}
	p.maybe(elCondition, v.Condition)
	for i := range v.ColorCombinations {
		c := &v.ColorCombinations[i]
		p.open(elColorCombination)
		p.maybe(elInteriorColor, c.Interior)
		p.maybe(elExteriorColor, c.Exterior)
		p.leaf(elPreference, c.Preference)
		p.extra(c.Extra)
		p.close(elColorCombination)
	}
	for _, i := range v.ImageTags {
		p.leaf(elImageTag, i.URL, attrValue{atWidth, i.Width}, attrValue{atHeight, i.Height}, attrValue{atAltText, i.AltText})
	}
	for i := range v.Prices {
		p.price(&v.Prices[i])
	}
	p.maybe(elPriceComments, v.PriceComments)
	for i := range v.Options {
		o := &v.Options[i]
		p.open(elOption)
		p.leaf(elOptionName, o.Name)
		p.maybe(elManufacturerCode, o.ManufacturerCode)
		p.maybe(elStock, o.Stock)
		p.maybe(elWeighting, o.Weighting)
		if o.Price != nil {
			p.price(o.Price)
		}
		p.extra(o.Extra)
		p.close(elOption)
	}
	if f := v.Finance; f != nil {
		p.open(elFinance)
		p.leaf(elMethod, f.Method)
		for _, a := range f.Amounts {
			p.maybe(elAmount, a.Value, attrValue{atType, a.Type}, attrValue{atLimit, a.Limit}, attrValue{atCurrency, a.Currency})
		}
		if b := f.Balance; b != nil {
			p.maybe(elBalance, b.Value, attrValue{atType, b.Type}, attrValue{atCurrency, b.Currency})
		}
		p.extra(f.Extra)
		p.close(elFinance)
	}
	p.maybe(elComments, v.Comments)
	p.extra(v.Extra)
	p.close(elVehicle)
}

func (p *printer) price(v *Price) {
	p.leaf(elPrice, v.Value, attrValue{atType, v.Type}, attrValue{atCurrency, v.Currency}, attrValue{atDelta, v.Delta},
		attrValue{atRelativeTo, v.RelativeTo}, attrValue{atSource, v.Source})
}

func (p *printer) customer(v *Customer) {
	if len(v.Contacts)+len(v.IDs)+len(v.Extra) == 0 && v.Timeframe == nil && v.Comments == "" {
		return
	}
	p.open(elCustomer)
	p.contacts(v.Contacts)
	p.ids(v.IDs)
	if t := v.Timeframe; t != nil {
		p.open(elTimeframe)
		p.maybe(elDescription, t.Description)
		p.maybe(elEarliestDate, t.EarliestDate)
		p.maybe(elLatestDate, t.LatestDate)
		p.extra(t.Extra)
		p.close(elTimeframe)
	}
	p.maybe(elComments, v.Comments)
	p.extra(v.Extra)
	p.close(elCustomer)
}

func (p *printer) contacts(list []Contact) {
	for i := range list {
		c := &list[i]
		p.open(elContact, attrValue{atPrimary, c.PrimaryContact})
		p.names(c.Names)
		p.emails(c.Emails)
		p.phones(c.Phones)
		for k := range c.Addresses {
			a := &c.Addresses[k]
			p.open(elAddress, attrValue{atType, a.Type})
			for _, s := range a.Streets {
				p.maybe(elStreet, s.Value, attrValue{atLine, s.Line})
			}
			p.maybe(elApartment, a.Apartment)
			p.maybe(elCity, a.City)
			p.maybe(elRegionCode, a.RegionCode)
			p.maybe(elPostalCode, a.PostalCode)
			p.maybe(elCountry, a.Country)
			p.extra(a.Extra)
			p.close(elAddress)
		}
		p.maybe(elComments, c.Comments)
		p.extra(c.Extra)
		p.close(elContact)
	}
}

func (p *printer) names(list []Name) {
	for _, n := range list {
		p.maybe(elName, n.Value, attrValue{atPart, n.Part}, attrValue{atType, n.Type})
	}
}

func (p *printer) emails(list []Email) {
	for _, e := range list {
		p.maybe(elEmail, e.Value, attrValue{atPreferred, preferred(e.Preferred)})
	}
}

func (p *printer) phones(list []Phone) {
	for _, f := range list {
		p.maybe(elPhone, f.Value, attrValue{atType, f.Type}, attrValue{atTime, f.Time}, attrValue{atPreferred, preferred(f.Preferred)})
	}
}

func preferred(yes bool) string {
	if yes {
		return "1"
	}
	return ""
}

func (p *printer) vendor(v *Vendor) {
	if len(v.IDs)+len(v.Contacts)+len(v.Extra) == 0 && v.Name == "" && v.URL == "" {
		return
	}
	p.open(elVendor)
	p.ids(v.IDs)
	p.maybe(elVendorName, v.Name)
	p.maybe(elURL, v.URL)
	p.contacts(v.Contacts)
	p.extra(v.Extra)
	p.close(elVendor)
}

func (p *printer) provider(v *Provider) {
	if len(v.IDs)+len(v.Names)+len(v.Emails)+len(v.Phones)+len(v.Contacts)+len(v.Extra) == 0 && v.Service == "" && v.URL == "" {
		return
	}
	p.open(elProvider)
	p.ids(v.IDs)
	p.names(v.Names)
	p.maybe(elService, v.Service)
	p.maybe(elURL, v.URL)
	p.emails(v.Emails)
	p.phones(v.Phones)
	p.contacts(v.Contacts)
	p.extra(v.Extra)
	p.close(elProvider)
}
