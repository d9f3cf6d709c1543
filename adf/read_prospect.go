package adf

import (
	"bytes"
	"strconv"
	"strings"
)

func (r *reader) addProspect(id int32) {
	if len(r.doc.Prospects) == r.max {
		r.note(CodeLimitLeads, r.nodes.at(id).tag, id)
		return
	}
	r.prospect(grow(&r.doc.Prospects), id)
}

func (r *reader) prospect(p *Prospect, id int32) {
	r.check(id)
	p.Status = r.choice(id, atStatus, prospectStatuses)
	p.Line = r.line(r.nodes.at(id).tag)
	p.IDs = take(r, &r.slabs.ids, elID)
	p.Vehicles = take(r, &r.slabs.vehicles, elVehicle)
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		r.prospectChild(p, c)
	}
	r.keepStray(&p.Extra, id)
	none(&p.IDs)
	none(&p.Vehicles)
}

func (r *reader) prospectChild(p *Prospect, c int32) {
	switch e := r.nodes.at(c).element; e {
	case elID:
		r.addID(&p.IDs, c)
	case elRequestDate:
		r.set(&p.RequestDate, c, &p.Extra)
		r.date(c, p.RequestDate)
	case elVehicle:
		r.vehicle(grow(&p.Vehicles), c)
	case elCustomer:
		r.customer(&p.Customer, c)
	case elVendor:
		r.vendor(&p.Vendor, c)
	case elProvider:
		r.provider(&p.Provider, c)
	case elComments:
		r.join(&p.Comments, c)
	case elTimeframe:
		r.customerChild(&p.Customer, c)
	case elVendorName:
		r.set(&p.Vendor.Name, c, &p.Extra)
	case elStatus:
		if v := strings.ToLower(r.leaf(c)); p.Status == prospectStatuses[0] && (v == "new" || v == "resend") {
			p.Status = v
			return
		}
		r.keep(&p.Extra, c)
	case elProspect:
		r.addNested(c)
	default:
		if e == elContact || tolerated[elContact][e] && e != elID && e != elURL || fits(elContact, e) {
			r.customerChild(&p.Customer, c)
			return
		}
		if fits(elVehicle, e) {
			if len(p.Vehicles) == 0 {
				p.Vehicles = append(p.Vehicles, Vehicle{Interest: interests[0], Status: vehicleStatuses[0]})
			}
			r.vehicleChild(&p.Vehicles[0], c)
			return
		}
		r.keep(&p.Extra, c)
	}
}

// addNested reads a prospect within another as one behind it. The outer one may move in memory thereby, so that the inner one waits.
func (r *reader) addNested(c int32) { r.nested = append(r.nested, c) }

// addID reads an identifier. One may hold its value in an attribute; one that holds nothing is left out.
func (r *reader) addID(ids *[]ID, id int32) {
	v := ID{Value: r.leaf(id), Sequence: r.attribute(id, atSequence), Source: r.attribute(id, atSource)}
	if n, err := strconv.Atoi(v.Sequence); v.Sequence != "" && (err != nil || n < 1) {
		r.noteWhat(CodeValue, r.nodes.at(id).tag, id, uint8(atSequence), true)
	}
	if n := r.nodes.at(id); n.flags&isVariant != 0 && v.Source == "" {
		v.Source = strings.ToLower(string(r.local(id)))
	}
	if v != (ID{}) {
		*ids = append(*ids, v)
	}
}

// date notes a date that the specification does not allow.
func (r *reader) date(id int32, v string) {
	if v != "" && !isSpecDate(v) {
		r.note(CodeDate, r.nodes.at(id).tag, id)
	}
}

func (r *reader) customer(cu *Customer, id int32) {
	r.check(id)
	if cu.Contacts == nil {
		cu.Contacts = take(r, &r.slabs.contacts, elContact)
	}
	if cu.IDs == nil {
		cu.IDs = take(r, &r.slabs.ids, elID)
	}
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		r.customerChild(cu, c)
	}
	r.keepStray(&cu.Extra, id)
	none(&cu.IDs)
	none(&cu.Contacts)
}

func (r *reader) customerChild(cu *Customer, c int32) {
	switch e := r.nodes.at(c).element; e {
	case elContact:
		r.addContact(&cu.Contacts, c, &cu.IDs, nil)
	case elID:
		r.addID(&cu.IDs, c)
	case elTimeframe:
		r.timeframe(cu, c)
	case elComments:
		r.join(&cu.Comments, c)
	default:
		r.orContact(&cu.Contacts, c, &cu.IDs, nil, &cu.Extra)
	}
}

func (r *reader) timeframe(cu *Customer, id int32) {
	r.check(id)
	if cu.Timeframe != nil {
		r.keep(&cu.Extra, id)
		return
	}
	var t Timeframe
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		switch r.nodes.at(c).element {
		case elDescription:
			r.set(&t.Description, c, &t.Extra)
		case elEarliestDate:
			r.set(&t.EarliestDate, c, &t.Extra)
			r.date(c, t.EarliestDate)
		case elLatestDate:
			r.set(&t.LatestDate, c, &t.Extra)
			r.date(c, t.LatestDate)
		default:
			r.keep(&t.Extra, c)
		}
	}
	// The DTD has text alone in it.
	if s := r.stray(id); s != "" {
		if t.Description == "" {
			t.Description = s
		} else {
			r.keepStray(&t.Extra, id)
		}
	}
	if t.Description+t.EarliestDate+t.LatestDate != "" || t.Extra != nil {
		cu.Timeframe = &t
	}
}

// addContact reads a contact. Identifiers in it go to ids, and an address of the web to url, where the owner of the contact has them.
func (r *reader) addContact(contacts *[]Contact, id int32, ids *[]ID, url *string) {
	r.check(id)
	ct := grow(contacts)
	ct.PrimaryContact = r.attribute(id, atPrimary)
	if r.lookup(id, atPrimary) != nil && ct.PrimaryContact != "0" && ct.PrimaryContact != "1" {
		r.noteWhat(CodeValue, r.nodes.at(id).tag, id, uint8(atPrimary), true)
	}
	ct.Names = take(r, &r.slabs.names, elName, elPart)
	ct.Emails = take(r, &r.slabs.emails, elEmail)
	ct.Phones = take(r, &r.slabs.phones, elPhone)
	ct.Addresses = take(r, &r.slabs.addresses, elAddress)
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		if !r.contactChild(ct, c, ids, url) {
			r.keep(&ct.Extra, c)
		}
	}
	r.keepStray(&ct.Extra, id)
	none(&ct.Names)
	none(&ct.Emails)
	none(&ct.Phones)
	none(&ct.Addresses)
}

// orContact reads an element that stands beside the contact into it, making one where there is none, or keeps it in extra.
func (r *reader) orContact(contacts *[]Contact, c int32, ids *[]ID, url *string, extra *[]Element) {
	e := r.nodes.at(c).element
	if !fits(elContact, e) && (!tolerated[elContact][e] || e == elComments) {
		r.keep(extra, c)
		return
	}
	if len(*contacts) == 0 {
		var ct Contact
		if r.contactChild(&ct, c, ids, url) && !ct.empty() {
			*contacts = append(*contacts, ct)
		}
		return
	}
	r.contactChild(&(*contacts)[0], c, ids, url)
}

func (c *Contact) empty() bool {
	return c.Names == nil && c.Emails == nil && c.Phones == nil && c.Addresses == nil && c.Comments == "" && c.Extra == nil
}

// contactChild reads an element into a contact, where it has a place there. Names, emails and phones without text are left out.
func (r *reader) contactChild(ct *Contact, c int32, ids *[]ID, url *string) bool {
	switch e := r.nodes.at(c).element; e {
	case elName, elPart:
		ct.Names = r.name(ct.Names, c)
	case elEmail:
		ct.Emails = r.email(ct.Emails, c)
	case elPhone:
		ct.Phones = r.phone(ct.Phones, c)
	case elAddress:
		r.address(&ct.Addresses, c, url)
	case elComments:
		r.join(&ct.Comments, c)
	case elID:
		if ids == nil {
			return false
		}
		r.addID(ids, c)
	case elURL:
		if url == nil {
			return false
		}
		r.set(url, c, &ct.Extra)
	case elStreet, elApartment, elCity, elRegionCode, elPostalCode, elCountry:
		var a Address
		if len(ct.Addresses) > 0 {
			a = ct.Addresses[0]
		}
		if r.addressChild(&a, c, url); a.empty() {
			return true
		}
		if len(ct.Addresses) == 0 {
			ct.Addresses = append(ct.Addresses, a)
		}
		ct.Addresses[0] = a
	default:
		return false
	}
	return true
}

// name reads a name, or the part of one that is an element of its own.
func (r *reader) name(names []Name, id int32) []Name {
	n := r.nodes.at(id)
	r.checkNames(id)
	hasPart := r.lookup(id, atPart) != nil
	v := Name{Part: nameParts[0], Type: nameTypes[0]}
	switch {
	case n.element == elPart:
		v.Part = r.partName(id)
		if hasPart {
			v.Part = r.choice(id, atPart, nameParts)
		}
	default:
		v.Part = r.choice(id, atPart, nameParts)
		v.Type = r.choice(id, atType, nameTypes)
		if !hasPart && v.Type != nameTypes[0] {
			for _, part := range nameParts {
				if v.Type == part { // the part was put into the type
					v.Part, v.Type = part, nameTypes[0]
				}
			}
		}
	}
	parts := false
	for c := n.first; c != 0 && n.element == elName; c = r.nodes.at(c).next {
		parts = parts || r.nodes.at(c).element == elPart
	}
	if !parts {
		if v.Value = r.inside(id); v.Value != "" {
			names = append(names, v)
		}
		return names
	}
	if v.Value = r.stray(id); v.Value != "" {
		names = append(names, v)
	}
	for c := n.first; c != 0; c = r.nodes.at(c).next {
		if r.nodes.at(c).element == elPart {
			r.note(CodeVariant, r.nodes.at(c).tag, c)
			names = r.name(names, c)
		}
	}
	return names
}

// partName returns which part an element such as first, or part with a type, holds.
func (r *reader) partName(id int32) string {
	name := strings.TrimSuffix(strings.ToLower(string(r.local(id))), "name")
	if name == "part" {
		for _, at := range [...]attribute{atType, atOther} {
			n := r.nodes.at(id)
			for i := range int32(n.attrs) {
				a := r.attrs.at(n.attr + i)
				if a.id == at && (at != atOther || bytes.EqualFold(r.src[a.nameStart:a.nameEnd], []byte("name"))) {
					if v := strings.ToLower(r.value(a, id)); v != "" {
						return v
					}
				}
			}
		}
	}
	for _, part := range nameParts {
		if name == part || name == "sur" && part == "surname" {
			return part
		}
	}
	return nameParts[0]
}

func (r *reader) email(emails []Email, id int32) []Email {
	v := Email{Value: r.leaf(id), Preferred: r.yes(id, atPreferred)}
	if v.Value == "" {
		return emails
	}
	return append(emails, v)
}

func (r *reader) phone(phones []Phone, id int32) []Phone {
	v := Phone{Value: r.leaf(id), Type: r.choice(id, atType, phoneTypes), Time: r.choice(id, atTime, phoneTimes), Preferred: r.yes(id, atPreferred)}
	if a := r.lookup(id, atBestTime); a != nil {
		switch best := strings.ToLower(r.value(a, id)); best {
		case "", "0", "no", "false":
		case "1", "yes", "true": // the specification's example uses it so
			v.Preferred = true
		default:
			if v.Time == phoneTimes[0] {
				v.Time = best
			}
		}
	}
	if n := r.nodes.at(id); n.flags&isVariant != 0 && v.Type == phoneTypes[0] {
		if name := strings.ToLower(string(r.local(id))); name == "cellphone" || name == "mobilephone" {
			v.Type = "cellphone"
		}
	}
	if v.Value == "" {
		return phones
	}
	return append(phones, v)
}

func (r *reader) address(addresses *[]Address, id int32, url *string) {
	r.check(id)
	a := Address{Type: r.choice(id, atType, addressTypes)}
	a.Streets = take(r, &r.slabs.streets, elStreet)
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		r.addressChild(&a, c, url)
	}
	none(&a.Streets)
	if s := r.stray(id); s != "" {
		if len(a.Streets) == 0 {
			r.note(CodeStray, r.nodes.at(id).start, id)
			a.Streets = append(a.Streets, Street{Value: s})
		} else {
			r.keepStray(&a.Extra, id)
		}
	}
	if !a.empty() {
		*addresses = append(*addresses, a)
	}
}

func (a *Address) empty() bool {
	return len(a.Streets) == 0 && a.Apartment+a.City+a.RegionCode+a.PostalCode+a.Country == "" && a.Extra == nil
}

func (r *reader) addressChild(a *Address, c int32, url *string) {
	switch r.nodes.at(c).element {
	case elStreet:
		s := Street{Value: r.leaf(c), Line: r.attribute(c, atLine)}
		if r.lookup(c, atLine) != nil && (len(s.Line) != 1 || s.Line < "1" || s.Line > "5") {
			r.noteWhat(CodeValue, r.nodes.at(c).tag, c, uint8(atLine), true)
		}
		if name := r.local(c); s.Line == "" && (name[len(name)-1] == '1' || name[len(name)-1] == '2') {
			s.Line = string(name[len(name)-1:])
		}
		if s.Value != "" {
			a.Streets = append(a.Streets, s)
		}
	case elApartment:
		r.set(&a.Apartment, c, &a.Extra)
	case elCity:
		r.set(&a.City, c, &a.Extra)
	case elRegionCode:
		r.set(&a.RegionCode, c, &a.Extra)
	case elPostalCode:
		r.set(&a.PostalCode, c, &a.Extra)
	case elCountry:
		r.set(&a.Country, c, &a.Extra)
		if a.Country != "" && !isLetters(a.Country, 2) {
			r.note(CodeContentValue, r.nodes.at(c).tag, c)
		}
	case elURL:
		if url != nil {
			r.set(url, c, &a.Extra)
			return
		}
		r.keep(&a.Extra, c)
	default:
		r.keep(&a.Extra, c)
	}
}

// isLetters reports whether s is made of n upper-case letters, as the codes of ISO 3166 and ISO 4217 are.
func isLetters(s string, n int) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return len(s) == n
}

func (r *reader) vendor(v *Vendor, id int32) {
	r.check(id)
	if v.IDs == nil {
		v.IDs = take(r, &r.slabs.ids, elID)
	}
	if v.Contacts == nil {
		v.Contacts = take(r, &r.slabs.contacts, elContact)
	}
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		switch r.nodes.at(c).element {
		case elID:
			r.addID(&v.IDs, c)
		case elVendorName:
			r.set(&v.Name, c, &v.Extra)
		case elURL:
			r.set(&v.URL, c, &v.Extra)
		case elContact:
			r.addContact(&v.Contacts, c, &v.IDs, &v.URL)
		case elName:
			if v.Name == "" && r.count(id, elVendorName) == 0 {
				r.set(&v.Name, c, &v.Extra)
				continue
			}
			r.orContact(&v.Contacts, c, &v.IDs, &v.URL, &v.Extra)
		default:
			r.orContact(&v.Contacts, c, &v.IDs, &v.URL, &v.Extra)
		}
	}
	r.keepStray(&v.Extra, id)
	none(&v.IDs)
	none(&v.Contacts)
}

// count returns how many children of a kind a node has.
func (r *reader) count(id int32, e element) (n int) {
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		if r.nodes.at(c).element == e {
			n++
		}
	}
	return n
}

func (r *reader) provider(v *Provider, id int32) {
	r.check(id)
	if v.IDs == nil && v.Names == nil {
		v.IDs = take(r, &r.slabs.ids, elID)
		v.Names = take(r, &r.slabs.names, elName, elPart)
		v.Emails = take(r, &r.slabs.emails, elEmail)
		v.Phones = take(r, &r.slabs.phones, elPhone)
		v.Contacts = take(r, &r.slabs.contacts, elContact)
	}
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		switch r.nodes.at(c).element {
		case elID:
			r.addID(&v.IDs, c)
		case elName, elPart:
			v.Names = r.name(v.Names, c)
		case elService:
			r.set(&v.Service, c, &v.Extra)
		case elURL:
			r.set(&v.URL, c, &v.Extra)
		case elEmail:
			v.Emails = r.email(v.Emails, c)
		case elPhone:
			v.Phones = r.phone(v.Phones, c)
		case elContact:
			r.addContact(&v.Contacts, c, &v.IDs, &v.URL)
		default:
			r.orContact(&v.Contacts, c, &v.IDs, &v.URL, &v.Extra)
		}
	}
	r.keepStray(&v.Extra, id)
	none(&v.Names)
	none(&v.Emails)
	none(&v.Phones)
	none(&v.IDs)
	none(&v.Contacts)
}
