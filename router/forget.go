package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Erased is what came of Forget.
type Erased struct {
	Leads []string    `json:"leads"` // what was personal of these is erased
	Mails []MailPlace `json:"mails"` // which still hold the person
	// Held are the ids of quarantined messages of theirs that are kept, since they are of others too.
	Held []string `json:"held"`
}

// A MailPlace is where a mail lies that a lead came from.
type MailPlace struct {
	Lead        string `json:"lead,omitempty"`
	Mailbox     string `json:"mailbox,omitempty"`
	UIDValidity uint32 `json:"uidvalidity,omitempty"`
	UID         uint32 `json:"uid,omitempty"`
	File        string `json:"file,omitempty"`       // where it was imported from
	Message     string `json:"message_id,omitempty"` // by which copies of it are found elsewhere
}

// Forget erases the person who asks in a lead: what is personal of it and of every other lead of theirs, notes and fingerprints. The events
// and the counts stay. What the person wrote until now is not taken again, wherever it is found; what they write from now on is a new
// customer's. It may be repeated.
func (r *Router) Forget(ctx context.Context, id, reason, by, actor string) (*Erased, error) {
	f, h, leads, err := r.ofPerson(ctx, id, reason, by)
	if err != nil {
		return nil, err
	}
	done := &Erased{Mails: []MailPlace{}, Held: []string{}}
	// The lead that was named comes last: until it is done the call can be repeated and finds the others.
	for _, other := range leads {
		mails, err := r.erase(ctx, f, h, other.ID, Event{By: by, Actor: actor, Detail: map[string]string{"reason": reason}}, true)
		if err != nil {
			return nil, err
		}
		done.Leads = append(done.Leads, other.ID)
		done.Mails = append(done.Mails, mails...)
	}
	slices.SortFunc(done.Mails, func(a, b MailPlace) int {
		return cmp.Or(cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.UIDValidity, b.UIDValidity), cmp.Compare(a.UID, b.UID), cmp.Compare(a.File, b.File))
	})
	done.Mails = slices.Compact(done.Mails)
	return done, nil
}

// Person returns what tells whether an enquiry is of the person who asks in a lead, as Forget takes it: nothing is, once they are forgotten.
func (r *Router) Person(ctx context.Context, id string) (func(*Enquiry) bool, error) {
	f, h, leads, err := r.ofPerson(ctx, id, "", "")
	if err != nil {
		return nil, err
	}
	var own []Print
	for _, x := range leads {
		own = append(own, h.allPrints(x, f.Relays, asker)...)
	}
	return func(e *Enquiry) bool {
		return slices.ContainsFunc(h.Prints(asker(e), f.Relays), func(p Print) bool {
			return slices.ContainsFunc(own, p.same)
		})
	}, nil
}

// ofPerson finds all leads of the person who asks in one, which comes last, for whoever judges about them.
func (r *Router) ofPerson(ctx context.Context, id, reason, by string) (*Rooftop, Hasher, []*Lead, error) {
	store, f, err := r.judge(ctx, id, reason, by)
	if err != nil {
		return nil, Hasher{}, nil, err
	}
	h, err := r.hasher(ctx, store)
	if err != nil {
		return nil, Hasher{}, nil, err
	}
	l, err := r.standing(ctx, id)
	if err != nil {
		return nil, Hasher{}, nil, err
	}
	others, err := r.ofSame(ctx, f, h, l)
	return f, h, append(others, l), err
}

// same says whether two prints are one customer's: of a phone two last names that differ are two people.
func (p Print) same(q Print) bool {
	return p.key() == q.key() && (p.Kind != PrintPhone || len(p.Last) == 0 || len(q.Last) == 0 || string(p.Last) == string(q.Last))
}

// ofSame finds the other leads of the first who asks in a lead: of the same email, of the same phone unless the last names are known and
// differ, or of the same name and postcode. What three last names share is nobody's.
func (r *Router) ofSame(ctx context.Context, f *Rooftop, h Hasher, l *Lead) ([]*Lead, error) {
	own := h.allPrints(l, f.Relays, asker)
	if len(own) == 0 {
		return nil, nil
	}
	ids, err := r.store.Find(ctx, f.ID, own)
	if err != nil {
		return nil, err
	}
	others := map[string]*Lead{}
	holders := map[string][]Print{} // of one print, each with its last name
	for _, id := range ids {
		x, err := r.store.Lead(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		others[id] = x
		for _, p := range h.allPrints(x, f.Relays, whole) {
			holders[p.key()] = append(holders[p.key()], p)
		}
	}
	delete(others, l.ID)
	names := func(p Print) int {
		seen := map[string]bool{}
		for _, x := range append(holders[p.key()], p) {
			if len(x.Last) > 0 {
				seen[string(x.Last)] = true
			}
		}
		return len(seen)
	}
	var all []*Lead
	for _, x := range others {
		theirs := h.allPrints(x, f.Relays, whole)
		if slices.ContainsFunc(own, func(p Print) bool {
			return names(p) < 3 && slices.ContainsFunc(theirs, p.same)
		}) {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(a, b *Lead) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// asker is of an enquiry the customer alone, without those who buy with them.
func asker(e *Enquiry) *Enquiry {
	c := e.Customer
	c.Contacts = nil
	return &Enquiry{Customer: c}
}

func whole(e *Enquiry) *Enquiry { return e }

// key is the print without the last name beside it.
func (p Print) key() string { return string(p.Kind) + string(p.Hash) }

// allPrints are the fingerprints of every arrival of a lead, or of the part of it that is chosen.
func (h Hasher) allPrints(l *Lead, relays []string, part func(*Enquiry) *Enquiry) (all []Print) {
	seen := map[string]bool{}
	for _, t := range l.Touches {
		if t.Enquiry == nil {
			continue
		}
		e := part(t.Enquiry)
		for _, p := range append(h.Prints(e, relays), h.idPrints(e)...) {
			if k := p.key() + string(p.Last); !seen[k] {
				seen[k] = true
				all = append(all, p)
			}
		}
	}
	return all
}

// erase takes away what is personal of one lead, and tells where the mails lie that it came from.
func (r *Router) erase(ctx context.Context, f *Rooftop, h Hasher, id string, e Event, tombstone bool) ([]MailPlace, error) {
	return retry(ctx, func() ([]MailPlace, error) {
		before, err := r.store.Lead(ctx, id)
		if err != nil || !before.Personal {
			return nil, err
		}
		now := r.store.Now()
		after := *before
		after.Personal, after.Running, after.DueAt, after.Timers, after.CoveredBy = false, Running{}, nil, Timers{}, ""
		if !after.State.Closed() {
			after.State = Forgotten
		}
		if t := before.Turnover; t != nil && t.State != TurnoverDone {
			after.Turnover = nil
		}
		e.Kind, e.At, e.Lead = KindForgotten, now, id
		if e.Detail["reason"] == "" {
			e.Detail = nil
		}
		own := h.allPrints(before, f.Relays, whole)
		// What identifies nobody today may have been a customer's before it was named a relay.
		erase := &Erasure{Prints: append(h.allPrints(before, nil, whole), own...)}
		if tombstone {
			erase.Tombstones = slices.DeleteFunc(own, func(p Print) bool { return p.Kind == PrintID })
		}
		c := &Change{Now: now, Token: "forget/" + id, Before: before, After: &after, Event: e, Erase: erase}
		if _, err := r.store.Put(ctx, f.ID, c); err != nil {
			return nil, fmt.Errorf("forget: %w", err)
		}
		return before.mails(), nil
	})
}

// mails are the places of the mails that a lead came from.
func (l *Lead) mails() (all []MailPlace) {
	for _, t := range l.Touches {
		m := MailPlace{Lead: l.ID, Message: t.Message}
		if file, ok := strings.CutPrefix(t.Place, "import/"); ok {
			m.File = file
		} else {
			// A mailbox may have a slash in its name, numbers have none.
			p := strings.Split(t.Place, "/")
			if n := len(p); n >= 3 {
				validity, err1 := strconv.ParseUint(p[n-2], 10, 32)
				uid, err2 := strconv.ParseUint(p[n-1], 10, 32)
				if err1 == nil && err2 == nil {
					m.Mailbox, m.UIDValidity, m.UID = strings.Join(p[:n-2], "/"), uint32(validity), uint32(uid)
				}
			}
		}
		if m.Mailbox != "" || m.File != "" || m.Message != "" {
			all = append(all, m)
		}
	}
	return all
}
