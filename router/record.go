package router

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// A Record is an enquiry as it is kept beside its lead: personal, erased by forget.
type Record struct {
	Enquiry Enquiry `json:"q"`
	Message string  `json:"m,omitempty"` // Message-ID
	Named   string  `json:"s,omitempty"` // the salesperson named in it
	Note    string  `json:"n,omitempty"`
}

func encodeRecord(a *Arrival) ([]byte, error) {
	b, err := json.Marshal(Record{Enquiry: a.Enquiry, Message: a.Message, Named: a.Named, Note: a.Note})
	if err != nil {
		return nil, fmt.Errorf("encode an enquiry: %w", err)
	}
	return b, nil
}

// Fill puts the personal records, one for each arrival in order, into a lead: the customer with what each touch added, every vehicle once.
func (l *Lead) Fill(records [][]byte) error {
	l.Vehicles = []Vehicle{}
	for i, b := range records {
		if len(b) == 0 || i >= len(l.Touches) {
			continue
		}
		var rec Record
		if err := json.Unmarshal(b, &rec); err != nil {
			return fmt.Errorf("lead %s: record %d: %w", l.ID, i+1, err)
		}
		l.Touches[i].Enquiry = &rec.Enquiry
		if l.Touches[i].Disposition == DispositionDuplicate {
			continue
		}
		if i == 0 {
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
