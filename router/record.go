package router

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// A Record is an enquiry as it is kept beside its lead: personal, erased by forget.
type Record struct {
	Enquiry Enquiry `json:"q"`
	Beside
}

// Beside is what is kept of an arrival beside its enquiry.
type Beside struct {
	Message string `json:"m,omitempty"` // Message-ID
	Place   string `json:"w,omitempty"` // where it was read, to tell which mails hold a person who is to be forgotten
	Named   string `json:"s,omitempty"` // the salesperson named in it
	Note    string `json:"n,omitempty"`
}

// Bounds of what is kept of one enquiry: anybody can write to a lead address, and the mailbox has the whole of it.
const (
	maxRecord  = 256 << 10 // bytes
	maxComment = 16 << 10
	maxField   = 512
	maxList    = 20
)

// ErrTooLong says of an arrival that its enquiry is longer than its Most.
var ErrTooLong = errors.New("an enquiry that is too long")

// encodeRecord writes what is kept of an arrival, as json.Marshal would of a Record. Of the same bytes, so that what is long is written once,
// says are those from saysFrom on: all but its ids and dates, which a vendor may change when it sends the same again.
func encodeRecord(a *Arrival) (record, says []byte, err error) {
	beside := Beside{clip(a.Message, maxField), clip(a.Place, maxField), clip(a.Named, maxField), clip(a.Note, maxComment)}
	last, err := json.Marshal(&beside)
	if err != nil {
		return nil, nil, fmt.Errorf("encode an enquiry: %w", err)
	}
	var b bytes.Buffer
	b.WriteString(`{"q":`)
	before := b.Len()
	if err := json.NewEncoder(&b).Encode(&a.Enquiry); err != nil {
		return nil, nil, fmt.Errorf("encode an enquiry: %w", err)
	}
	b.Truncate(b.Len() - 1) // it ends a line
	q := b.Bytes()[before:]
	if a.Most > 0 && len(q) > a.Most {
		return nil, nil, ErrTooLong
	}
	_, says, _ = bytes.Cut(q, []byte(saysFrom)) // within a text a quotation mark would have a backslash before it
	if last[0] = ','; len(last) == len(`{}`) {
		last = last[1:]
	}
	if b.Write(last); b.Len() <= maxRecord {
		return b.Bytes(), says, nil
	}
	record, err = json.Marshal(Record{a.Enquiry.bounded(), beside})
	if err != nil {
		return nil, nil, fmt.Errorf("encode an enquiry: %w", err)
	}
	return record, says, nil
}

// saysFrom is where the ids and dates of an Enquiry are over.
const saysFrom = `"customer":`

// bounded is an enquiry of which no more is kept than any customer has to say.
func (e Enquiry) bounded() Enquiry {
	person := func(mails []string, phones []Phone, n Name) ([]string, []Phone, Name) {
		mails, phones = slices.Clone(few(mails)), slices.Clone(few(phones))
		for i := range mails {
			mails[i] = clip(mails[i], maxField)
		}
		for i := range phones {
			phones[i] = Phone{Raw: clip(phones[i].Raw, maxField), E164: phones[i].E164}
		}
		return mails, phones, Name{Full: clip(n.Full, maxField), First: clip(n.First, maxField), Middle: clip(n.Middle, maxField), Last: clip(n.Last, maxField)}
	}
	party := func(p Party) Party { return Party{Name: clip(p.Name, maxField), Service: clip(p.Service, maxField)} }
	out := Enquiry{Status: clip(e.Status, maxField), RequestedAt: e.RequestedAt, Vendor: party(e.Vendor), Provider: party(e.Provider), Vehicles: []Vehicle{}}
	for _, id := range few(e.IDs) {
		out.IDs = append(out.IDs, ID{Value: clip(id.Value, maxField), Source: clip(id.Source, maxField), Sequence: id.Sequence})
	}
	c := &out.Customer
	c.Emails, c.Phones, c.Name = person(e.Customer.Emails, e.Customer.Phones, e.Customer.Name)
	c.Comments, c.Timeframe = clip(e.Customer.Comments, maxComment), clip(e.Customer.Timeframe, maxField)
	for _, x := range few(e.Customer.Contacts) {
		mails, phones, name := person(x.Emails, x.Phones, x.Name)
		c.Contacts = append(c.Contacts, Contact{Name: name, Emails: mails, Phones: phones})
	}
	for _, v := range few(e.Vehicles) {
		out.Vehicles = append(out.Vehicles, Vehicle{
			Interest: clip(v.Interest, maxField), Status: clip(v.Status, maxField), Year: v.Year, Make: clip(v.Make, maxField), Model: clip(v.Model, maxField),
			Trim: clip(v.Trim, maxField), VIN: clip(v.VIN, maxField), Stock: clip(v.Stock, maxField), Comments: clip(v.Comments, maxField),
		})
	}
	return out
}

// few is the beginning of a list.
func few[T any](all []T) []T { return all[:min(len(all), maxList)] }

// clip cuts a text that is too long, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// Fill puts the personal records, one for each arrival in order, into a lead: the customer with what each touch added, every vehicle once.
func (l *Lead) Fill(records [][]byte) error {
	l.Vehicles = []Vehicle{}
	first := true
	for i, b := range records {
		if len(b) == 0 || i >= len(l.Touches) {
			continue
		}
		var rec Record
		if err := json.Unmarshal(b, &rec); err != nil {
			return fmt.Errorf("lead %s: record %d: %w", l.ID, i+1, err)
		}
		t := &l.Touches[i]
		t.Enquiry, t.Message, t.Place = &rec.Enquiry, rec.Message, rec.Place
		if l.Touches[i].Disposition == DispositionDuplicate {
			continue
		}
		if first {
			first = false
			l.Customer = rec.Enquiry.Customer
			l.Vehicles = append(l.Vehicles, rec.Enquiry.Vehicles...)
			continue
		}
		l.merge(&rec.Enquiry)
	}
	return nil
}

// Write puts notes into a lead, in the order of their events.
func (l *Lead) Write(notes []Note) {
	l.Notes = notes
	slices.SortFunc(l.Notes, func(a, b Note) int { return cmp.Compare(a.Event, b.Event) })
}

// merge adds what a later enquiry brings that is new.
func (l *Lead) merge(e *Enquiry) {
	c := &l.Customer
	for _, m := range e.Customer.Emails {
		if !hasEmail(c.Emails, m) {
			c.Emails = append(c.Emails, m)
		}
	}
	for _, p := range e.Customer.Phones {
		if !hasPhone(c.Phones, p) {
			c.Phones = append(c.Phones, p)
		}
	}
	if c.Address == nil {
		c.Address = e.Customer.Address
	}
	if c.Name == (Name{}) {
		c.Name = e.Customer.Name
	}
	for _, v := range e.Vehicles {
		if !hasVehicle(l.Vehicles, v) {
			l.Vehicles = append(l.Vehicles, v)
		}
	}
}

func hasEmail(all []string, m string) bool {
	for _, x := range all {
		if NormalEmail(x) == NormalEmail(m) {
			return true
		}
	}
	return false
}

func hasPhone(all []Phone, p Phone) bool {
	for _, x := range all {
		if x.Raw == p.Raw || x.E164 != "" && x.E164 == p.E164 {
			return true
		}
	}
	return false
}

func hasVehicle(all []Vehicle, v Vehicle) bool {
	for _, x := range all {
		if v.VIN != "" && x.VIN == v.VIN || v.Stock != "" && x.Stock == v.Stock {
			return true
		}
		if v.VIN == "" && v.Stock == "" && x.Interest == v.Interest && x.Year == v.Year && x.Make == v.Make && x.Model == v.Model && x.Trim == v.Trim {
			return true
		}
	}
	return false
}
