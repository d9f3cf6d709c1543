package router

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Rebuilt is what Rebuild mended.
type Rebuilt struct {
	Store  string       `json:"store"`
	Events int64        `json:"events"` // number of the last event
	Mended int          `json:"mended"`
	What   []Difference `json:"what"` // of these the first
}

// A Mend sets one derived thing right.
type Mend struct {
	Kind  string // see book.go
	Field string // lead, person, counter or timer

	Value   int64 // of a set or counter
	Was     int64 // of a counter
	Gone    bool  // it is to be taken away
	Turns   *Turns
	Hand    *Hand
	Lead    Fields // the fields of a lead that are wrong; an empty value is a field too many
	Version int64  // of the lead
	Print   Print
	Holders []Holder // who has Print, the oldest first; none: take it away
}

// A Holder is a lead that has a print, or that somebody of it was forgotten.
type Holder struct {
	Lead      string // empty where Forgotten is set
	Last      []byte // keyed hash of the last name
	Forgotten time.Time
}

// errBusy says that a store was written to all the time.
var errBusy = errors.New("so much is written that it cannot be compared: again when it is calmer, or while no daemon runs")

// Rebuild makes everything anew that follows from the log and the leads' own records, as far as it is not what they say, and tells what was
// not: leads, sets, counters, the rotation, fingerprints. It is safe beside running daemons: nothing is written where an event came between.
func (r *Router) Rebuild(ctx context.Context, rooftop string, progress func(done, head int64)) (*Rebuilt, error) {
	if _, err := r.hasher(ctx, rooftop); err != nil {
		return nil, err
	}
	done := &Rebuilt{Store: rooftop, What: []Difference{}}
	if err := r.mendDerived(ctx, rooftop, done, progress); err != nil {
		return nil, err
	}
	if err := r.mendIndex(ctx, rooftop, done); err != nil {
		return nil, err
	}
	return done, nil
}

const mendTries = 10

func (r *Router) mendDerived(ctx context.Context, rooftop string, done *Rebuilt, progress func(done, head int64)) error {
	b, _, err := ReadSeal(ctx, r.store, rooftop)
	if err != nil {
		return err
	}
	for range mendTries {
		live, err := r.store.Derived(ctx, rooftop)
		if err != nil {
			return err
		}
		if err := r.replay(ctx, rooftop, b, max(live.Head, live.Last), progress); err != nil {
			return err
		}
		if len(b.Faults) > 0 {
			return fmt.Errorf("the log itself is not sound, so that nothing can be made from it: %s; restore a backup", b.Faults[0])
		}
		done.Events = b.Head
		v := &Verification{}
		now := r.store.Now()
		v.compare(b, live, now)
		mends := b.mends(live, now)
		more, err := r.mendLeads(ctx, rooftop, b, v)
		if err != nil {
			return err
		}
		if mends = append(mends, more...); len(mends) == 0 {
			return nil
		}
		if err = r.mend(ctx, rooftop, live.Head, mends); err == nil {
			// All was compared at one event and mended at the same.
			done.note(len(mends), v.Differences)
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return errBusy
}

func (r *Router) mend(ctx context.Context, rooftop string, head int64, mends []Mend) error {
	const chunk = 500
	for some := range slices.Chunk(mends, chunk) {
		if err := r.store.Mend(ctx, rooftop, head, some); err != nil {
			return err
		}
		for _, m := range some {
			if m.Kind == ofHead {
				head = m.Value
			}
		}
	}
	return nil
}

func (d *Rebuilt) note(n int, what []Difference) {
	d.Mended += n
	d.What = append(d.What, what[:min(len(what), mostFaults-len(d.What))]...)
	slices.SortFunc(d.What, func(x, y Difference) int { return cmp.Compare(x.What, y.What) })
}

// mends are what makes the live sets what follows from the log.
func (b *Book) mends(live *Derived, now time.Time) (all []Mend) {
	if live.Head != b.Head {
		all = append(all, Mend{Kind: ofHead, Value: b.Head}) // the first: the others are compared with it
	}
	log := b.derived()
	for kind, set := range live.sets() {
		for m := range union(set, log[kind]) {
			n, ok := log[kind][m]
			if was, had := set[m]; had != ok || was != n {
				all = append(all, Mend{Kind: kind, Field: m, Value: n, Was: was, Gone: !ok})
			}
		}
	}
	turned := false
	for id := range union(live.Turns, b.Turns) {
		x, ok := live.Turns[id]
		y, knows := b.Turns[id]
		since := func(t Turns) Turns {
			if t.Gen != b.gen {
				t.Since = 0
			}
			t.Gen = 0
			return t
		}
		if ok != knows || since(x) != since(y) {
			y = since(y)
			y.Gen = b.gen
			all = append(all, Mend{Kind: ofRotation, Field: id, Turns: &y, Gone: !knows})
			turned = true
		}
	}
	if turned && b.hasRef || b.hasRef && live.Ref != b.Ref {
		all = append(all, Mend{Kind: ofReference, Value: b.Ref})
	}
	if live.Gen != b.gen {
		all = append(all, Mend{Kind: ofGeneration, Value: b.gen})
	}
	was, is := lasting(live.Hands, now), lasting(b.Hands, now)
	for who := range union(was, is) {
		if y, ok := is[who]; was[who].String() != y.String() {
			all = append(all, Mend{Kind: ofHand, Field: who, Hand: &y, Gone: !ok})
		}
	}
	return all
}

// mendLeads compares the leads themselves.
func (r *Router) mendLeads(ctx context.Context, rooftop string, b *Book, v *Verification) (all []Mend, err error) {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(b.Leads)), 500) {
		live, err := r.store.LeadFields(ctx, rooftop, ids)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			log := b.Leads[id]
			wrong := Fields{}
			for name := range union(log, live[i]) {
				if told(name) && name != "v" && log[name] != live[i][name] {
					wrong[name] = log[name]
				}
			}
			if len(wrong) > 0 || live[i].version() != log.version() {
				v.lead(id, log, live[i])
				all = append(all, Mend{Kind: ofLead, Field: id, Lead: wrong, Version: log.version()})
			}
		}
	}
	return all, nil
}

// mendIndex makes the fingerprints anew from the leads' own records.
func (r *Router) mendIndex(ctx context.Context, rooftop string, done *Rebuilt) error {
	f, err := r.Rooftop(rooftop)
	if err != nil {
		return err
	}
	h, err := r.hasher(ctx, rooftop)
	if err != nil {
		return err
	}
	for range mendTries {
		live, err := r.store.Derived(ctx, rooftop)
		if err != nil {
			return err
		}
		want, prints, err := r.index(ctx, f, h)
		if err != nil {
			return err
		}
		var mends []Mend
		var what []Difference
		differ := func(p Print, has, wants []Holder) {
			for i := range has {
				if !has[i].Forgotten.IsZero() { // of which there is no other record
					wants = append([]Holder{has[i]}, wants...)
				}
			}
			if sameHolders(has, wants) {
				return
			}
			mends = append(mends, Mend{Kind: ofPrint, Print: p, Holders: wants})
			what = append(what, Difference{What: "fingerprint of " + holders(append(wants, has...)), Live: holders(has), Log: holders(wants)})
		}
		err = r.store.Index(ctx, rooftop, func(p Print, has []Holder) {
			differ(p, has, want[p.key()])
			delete(want, p.key())
		})
		if err != nil {
			return err
		}
		for key, wants := range want {
			differ(prints[key], nil, wants)
		}
		if len(mends) == 0 {
			return nil
		}
		if err = r.mend(ctx, rooftop, live.Head, mends); err == nil {
			done.note(len(mends), what)
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return errBusy
}

// index is who has which print, by its key, the oldest first, as the leads' own records say.
func (r *Router) index(ctx context.Context, f *Rooftop, h Hasher) (map[string][]Holder, map[string]Print, error) {
	type holder struct {
		Holder
		first int64
	}
	all, prints := map[string][]holder{}, map[string]Print{}
	for cursor := ""; ; {
		leads, next, err := r.store.Leads(ctx, f.ID, Query{Limit: 500, Cursor: cursor})
		if err != nil {
			return nil, nil, err
		}
		for _, l := range leads {
			for _, p := range h.allPrints(l, f.Relays, whole) {
				all[p.key()] = append(all[p.key()], holder{Holder{Lead: l.ID, Last: p.Last}, l.First})
				prints[p.key()] = Print{Kind: p.Kind, Hash: p.Hash}
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	const newest = 16 // of an identifier, as take keeps them
	out := make(map[string][]Holder, len(all))
	for key, some := range all {
		slices.SortFunc(some, func(a, b holder) int { return cmp.Or(cmp.Compare(a.first, b.first), bytes.Compare(a.Last, b.Last)) })
		for _, x := range some[max(0, len(some)-newest):] {
			out[key] = append(out[key], x.Holder)
		}
	}
	return out, prints, nil
}

// sameHolders compares in any order: which of several is the oldest is not known to the last.
func sameHolders(a, b []Holder) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y Holder) bool {
			return x.Lead == y.Lead && bytes.Equal(x.Last, y.Last) && x.Forgotten.Equal(y.Forgotten)
		}) {
			return false
		}
	}
	return true
}

// holders names leads for people; a print itself is nobody's business.
func holders(all []Holder) string {
	var ids []string
	for _, x := range all {
		if x.Lead != "" && !slices.Contains(ids, x.Lead) {
			ids = append(ids, x.Lead)
		}
	}
	slices.Sort(ids)
	switch len(ids) {
	case 0:
		return "none"
	case 1:
		return ids[0]
	}
	return ids[0] + " and " + strconv.Itoa(len(ids)-1) + " more"
}
