package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Merge makes one lead of two that are of one customer: id goes, and into keeps its id, its owner and its turn. It has from then on every
// arrival, deed and note of both, its clocks are decided over all of them by their own time, and a T.O. owed for either is owed for it. What
// id cost anybody in turns is given back, since a returning customer costs none. Merging the same two again changes nothing.
func (r *Router) Merge(ctx context.Context, id, into, reason, by, actor string) (*Lead, error) {
	store, f, err := r.judge(ctx, id, reason, by)
	if err != nil {
		return nil, err
	}
	if other, err := r.StoreOf(into); err != nil || other != store {
		return nil, fault("into", "lead %q is not at store %s", into, store)
	}
	h, err := r.hasher(ctx, store)
	if err != nil {
		return nil, err
	}
	return retry(ctx, func() (*Lead, error) {
		from, err := r.store.Lead(ctx, id)
		if err != nil {
			return nil, err
		}
		to, err := r.store.Lead(ctx, into)
		if errors.Is(err, ErrNotFound) {
			return nil, fault("into", "there is no lead %q", into)
		}
		if err != nil {
			return nil, err
		}
		if from.Into == into {
			return to, nil // asked for again
		}
		if err := mergeable(from, to); err != nil {
			return nil, err
		}
		m := f.merge(from, to, r.store.Now())
		m.Actor = actor
		m.Drop = h.allPrints(from, f.Relays, whole)
		m.Add = m.Drop
		tell(m, KindMerged, reason, by)
		if err := r.owe(ctx, f, m.To); err != nil {
			return nil, err
		}
		if err := r.store.Move(ctx, store, m); err != nil {
			return nil, err
		}
		return r.store.Lead(ctx, into)
	})
}

// Split makes a lead of its own of some arrivals that turn out to be another customer's. It stays with the owner, who was told of them, and
// costs no turn, as they cost none when they came; its clocks run from them, since nothing that was done is known to have been done about
// them. Splitting off the same again changes nothing.
func (r *Router) Split(ctx context.Context, id string, touches []int, reason, by, actor string) (*Lead, error) {
	store, f, err := r.judge(ctx, id, reason, by)
	if err != nil {
		return nil, err
	}
	if len(touches) == 0 {
		return nil, fault("touches", "which arrivals are another customer's must be told by their numbers")
	}
	touches = slices.Compact(slices.Sorted(slices.Values(touches)))
	h, err := r.hasher(ctx, store)
	if err != nil {
		return nil, err
	}
	split := h.LeadID(store, "split/"+id+"/"+strings.Trim(fmt.Sprint(touches), "[]"))
	return retry(ctx, func() (*Lead, error) {
		from, err := r.store.Lead(ctx, id)
		if err != nil {
			return nil, err
		}
		if done, err := r.store.Lead(ctx, split); !errors.Is(err, ErrNotFound) {
			return done, err // asked for again
		}
		figures, err := r.store.Figures(ctx, store)
		if err != nil {
			return nil, err
		}
		m, err := f.split(from, split, touches, r.store.Now())
		if err != nil {
			return nil, err
		}
		m.Actor = actor
		to := m.To.After
		if to.Label = to.Source; !slices.Contains(f.Sources.Known, to.Source) && !slices.Contains(figures.Labels, to.Source) {
			to.Label = otherSource
		}
		m.To.Counts[CountReceived+"|"+to.Label]++
		m.Add = h.allPrints(to, f.Relays, whole)
		stays := h.allPrints(m.From.After, f.Relays, whole)
		for _, p := range m.Add {
			if !slices.ContainsFunc(stays, func(s Print) bool { return s.key() == p.key() }) {
				m.Drop = append(m.Drop, p)
			}
		}
		tell(m, KindSplit, reason, by)
		m.To.Event.Deal = &Deal{To: to.Owner, Reason: "the owner stays"}
		if err := r.store.Move(ctx, store, m); err != nil {
			return nil, err
		}
		return r.store.Lead(ctx, split)
	})
}

// otherSource is what sources that are no labels count as.
const otherSource = "other"

// tell fills in the two events of a move.
func tell(m *Move, kind Kind, reason, by string) {
	for _, c := range []struct {
		*Change
		is, other string
	}{{m.From, "into", m.To.Before.ID}, {m.To, "from", m.From.Before.ID}} {
		c.Event = Event{Kind: kind, At: m.Now, Lead: c.Before.ID, By: by, Detail: map[string]string{c.is: c.other}}
		if reason != "" {
			c.Event.Detail["reason"] = reason
		}
	}
}

func mergeable(from, to *Lead) error {
	switch {
	case from.ID == to.ID:
		return fault("into", "lead %s cannot be merged into itself", to.ID)
	case from.Into != "":
		return fault("", "lead %s was merged into %s", from.ID, from.Into)
	case to.Into != "":
		return fault("into", "lead %s was merged into %s", to.ID, to.Into)
	case from.State.Closed():
		return fault("", "lead %s is closed as %s", from.ID, from.State)
	case to.State.Closed():
		return fault("into", "lead %s is closed as %s", to.ID, to.State)
	case from.Desk != to.Desk:
		return fault("into", "lead %s is for the %s desk and lead %s for the %s desk", from.ID, from.Desk, to.ID, to.Desk)
	case !from.Personal || !to.Personal:
		return fault("", "whose a lead was is not known once it is forgotten")
	case to.Past:
		return fault("into", "lead %s is history: merge it into the other", to.ID)
	}
	return nil
}

// merge derives what becomes of two leads that are one.
func (f *Rooftop) merge(from, to *Lead, now time.Time) *Move {
	stub, after := *from, *to
	m := &Move{
		Now: now, Touches: map[int]int{},
		From: &Change{Now: now, Before: from, After: &stub, Counts: map[string]int64{}},
		To:   &Change{Now: now, Before: to, After: &after, Counts: map[string]int64{}},
	}
	after.Touches, after.Evidence = slices.Clone(to.Touches), slices.Concat(to.Evidence, from.Evidence)
	sortEvidence(after.Evidence)
	for _, t := range from.Touches {
		after.Arrivals++
		m.Touches[t.N] = after.Arrivals
		t.N = after.Arrivals
		if t.Disposition == DispositionNew {
			t.Disposition = DispositionTouch
		}
		after.Touches = append(after.Touches, t)
	}
	for _, n := range from.Notes {
		m.Notes = append(m.Notes, n.Event)
	}
	if from.ArrivedAt.Before(after.ArrivedAt) {
		after.ArrivedAt = from.ArrivedAt
	}
	if t := from.Timers.Close; !t.IsZero() && (after.Timers.Close.IsZero() || t.Before(after.Timers.Close)) {
		after.Timers.Close = t
	}
	// A T.O. that is owed already goes on being owed by the manager who was told, by the time that was told.
	if t := from.Turnover; t != nil && t.State != TurnoverDone && (to.Turnover == nil || to.Turnover.State == TurnoverDone || t.DueAt.Before(to.Turnover.DueAt)) {
		after.Turnover = t
	}

	both := live(after.Touches, after.Evidence)
	f.follow(&after, both, now)
	// Each step of the one lead was counted if it was for either.
	was, other := live(to.Touches, to.Evidence), live(from.Touches, from.Evidence)
	was.stops = append(was.stops, other.stops...)
	was.milestones.or(other.milestones)
	f.count(m.To, was, both, Evidence{})
	f.reckon(m.To, both, from, to)

	stub = Lead{
		ID: from.ID, Store: from.Store, Version: from.Version, First: from.First, Channel: from.Channel, Source: from.Source, Label: from.Label, Desk: from.Desk,
		Owner: from.Owner, State: Void, Into: to.ID, ArrivedAt: from.ArrivedAt, Assigned: from.Assigned, Activity: from.Activity, Arrivals: from.Arrivals,
		Personal: true, Past: from.Past,
	}
	if !from.Past {
		m.From.Counts[CountVoid+"|"+from.Label]++
	}
	m.From.Back = from.Charged
	return m
}

// split derives what becomes of a lead when some of its arrivals are another customer's.
func (f *Rooftop) split(from *Lead, id string, touches []int, now time.Time) (*Move, error) {
	switch {
	case from.Into != "":
		return nil, fault("", "lead %s was merged into %s", from.ID, from.Into)
	case from.State == Void:
		return nil, fault("", "lead %s is void", from.ID)
	case !from.Personal:
		return nil, fault("", "whose a lead was is not known once it is forgotten")
	}
	rest := *from
	fresh := Lead{
		ID: id, Store: from.Store, Desk: from.Desk, Owner: from.Owner, State: Untouched, Assigned: &now, Personal: true, Stops: map[Clock]Stop{},
	}
	if from.State == Waiting {
		fresh.State, fresh.Assigned = Waiting, nil
	}
	m := &Move{
		Now: now, Touches: map[int]int{},
		From: &Change{Now: now, Before: from, After: &rest, Counts: map[string]int64{}},
		To:   &Change{Now: now, Before: &Lead{ID: id, Store: from.Store, Personal: true}, After: &fresh, Counts: map[string]int64{}},
	}
	rest.Touches = nil
	var stays, goes *Touch // the earliest arrivals that are no copies
	earliest := func(first **Touch, t *Touch) {
		if t.Disposition != DispositionDuplicate && (*first == nil || t.At.Before((*first).At)) {
			*first = t
		}
	}
	for i := range from.Touches {
		t := from.Touches[i]
		if !slices.Contains(touches, t.N) {
			rest.Touches = append(rest.Touches, t)
			earliest(&stays, &from.Touches[i])
			continue
		}
		if t.Disposition == DispositionHistory {
			return nil, fault("touches", "arrival %d of lead %s is history", t.N, from.ID)
		}
		earliest(&goes, &from.Touches[i])
		fresh.Arrivals++
		m.Touches[t.N] = fresh.Arrivals
		t.N = fresh.Arrivals
		fresh.Touches = append(fresh.Touches, t)
	}
	for _, n := range touches {
		if _, ok := m.Touches[n]; !ok {
			return nil, fault("touches", "lead %s has no arrival %d", from.ID, n)
		}
	}
	if goes == nil || stays == nil {
		return nil, fault("touches", "an arrival that is no copy must go, and another must stay")
	}
	fresh.Touches[m.Touches[goes.N]-1].Disposition = DispositionNew
	fresh.Channel, fresh.Source, fresh.ArrivedAt = goes.Channel, goes.Source, goes.At
	rest.ArrivedAt = stays.At

	old, left := live(from.Touches, from.Evidence), live(rest.Touches, rest.Evidence)
	f.follow(&rest, left, now)
	f.count(m.From, old, left, Evidence{})
	f.reckon(m.From, left, from)
	begun := live(fresh.Touches, nil)
	f.follow(&fresh, begun, now)
	f.reckon(m.To, begun)
	if fresh.State != Waiting {
		m.To.Counts[CountAssigned+"|"+fresh.Owner]++
	}
	return m, nil
}

// or takes the earlier of each step.
func (m *Milestones) or(o Milestones) {
	for _, x := range []struct {
		is *(*time.Time)
		or *time.Time
	}{
		{&m.AttemptedAt, o.AttemptedAt}, {&m.RespondedAt, o.RespondedAt}, {&m.ContactedAt, o.ContactedAt}, {&m.AppointmentAt, o.AppointmentAt},
		{&m.ShownAt, o.ShownAt}, {&m.SoldAt, o.SoldAt}, {&m.LostAt, o.LostAt},
	} {
		if *x.is == nil || x.or != nil && x.or.Before(**x.is) {
			*x.is = x.or
		}
	}
}

// standing reads a lead that somebody has something to tell of: where it was merged into another, that one.
func (r *Router) standing(ctx context.Context, id string) (*Lead, error) {
	for range mostMerges {
		l, err := r.store.Lead(ctx, id)
		if err != nil || l.Into == "" {
			return l, err
		}
		id = l.Into
	}
	return nil, fmt.Errorf("lead %q: merged more than %d times: %w", id, mostMerges, ErrNotFound)
}

// mostMerges bounds how often a lead that was merged is followed.
const mostMerges = 16
