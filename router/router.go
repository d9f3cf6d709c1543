package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Router runs the business of all configured rooftops over one Store. It may be used by many goroutines.
type Router struct {
	store Store

	mu       sync.RWMutex
	rooftops map[string]*Rooftop
	ids      []string                            // in the order of the configuration
	hashers  map[string]Hasher                   // of the stores opened so far
	retained map[string]time.Time                // when to look next for what was kept long enough
	habits   map[string]map[string]time.Duration // of each store, see Learn
}

// A FaultError is a request that cannot be met as it stands; its text says why and is meant for people.
type FaultError struct {
	Field, Text string
}

func (e *FaultError) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

func fault(field, format string, args ...any) error {
	return &FaultError{Field: field, Text: fmt.Sprintf(format, args...)}
}

// New makes a Router. It does not speak to the store yet: each rooftop is opened when it is first used, so that a daemon can start, and
// say that it waits, while the store is away.
func New(store Store, rooftops []*Rooftop) *Router {
	r := &Router{store: store, hashers: map[string]Hasher{}, retained: map[string]time.Time{}, habits: map[string]map[string]time.Duration{}}
	r.Configure(rooftops)
	return r
}

// Configure replaces the rooftops. Hours that are other than before are in force from now on: what is past goes by those that were.
func (r *Router) Configure(rooftops []*Rooftop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	byID := map[string]*Rooftop{}
	var ids []string
	for _, f := range rooftops {
		if old, ok := r.rooftops[f.ID]; ok {
			f = f.Following(old.versions(), r.store.Now())
		}
		byID[f.ID] = f
		ids = append(ids, f.ID)
	}
	r.rooftops, r.ids = byID, ids
}

// Recall reads anew by which hours the past of every rooftop goes: whoever begins to lead may have missed what others loaded meanwhile, and
// whoever loaded something learns since when it is in force.
func (r *Router) Recall(ctx context.Context) error {
	for _, f := range r.Rooftops() {
		if err := r.recall(ctx, f.ID); err != nil {
			return err
		}
	}
	return nil
}

func (r *Router) recall(ctx context.Context, rooftop string) error {
	past, err := r.store.Hours(ctx, rooftop)
	if err != nil {
		return fmt.Errorf("recall the hours of store %s: %w", rooftop, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.rooftops[rooftop]; ok {
		r.rooftops[rooftop] = f.Following(past, r.store.Now())
	}
	return nil
}

// Open opens every rooftop. It is what a start or a command does to learn at once whether the store can be used.
func (r *Router) Open(ctx context.Context) error {
	for _, f := range r.Rooftops() {
		if _, err := r.hasher(ctx, f.ID); err != nil {
			return err
		}
	}
	return nil
}

// hasher opens a rooftop where that was not done yet, and recalls its hours.
func (r *Router) hasher(ctx context.Context, rooftop string) (Hasher, error) {
	r.mu.RLock()
	h, ok := r.hashers[rooftop]
	r.mu.RUnlock()
	if ok {
		return h, nil
	}
	identity, err := r.store.Open(ctx, rooftop)
	if err != nil {
		return Hasher{}, fmt.Errorf("open store %s: %w", rooftop, err)
	}
	if err := r.recall(ctx, rooftop); err != nil {
		return Hasher{}, err
	}
	h = NewHasher(identity)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hashers[rooftop] = h
	return h, nil
}

// open finds a configured store and opens it where that was not done yet.
func (r *Router) open(ctx context.Context, id string) (*Rooftop, Hasher, error) {
	r.mu.RLock()
	f, known := r.rooftops[id]
	h, opened := r.hashers[id]
	r.mu.RUnlock()
	if known && opened {
		return f, h, nil
	}
	if _, err := r.Rooftop(id); err != nil {
		return nil, Hasher{}, err // before keys are made for it
	}
	h, err := r.hasher(ctx, id)
	if err != nil {
		return nil, Hasher{}, err
	}
	f, err = r.Rooftop(id) // its hours have a past now
	return f, h, err
}

// forget has a rooftop opened anew where the store says that its keys are gone or others: somebody emptied it, or it
// came back empty, or was restored.
func (r *Router) forget(rooftop string, err error) error {
	if errors.Is(err, ErrUnopened) {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.hashers, rooftop)
	}
	return err
}

// Rooftops lists the configured stores.
func (r *Router) Rooftops() []*Rooftop {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*Rooftop, 0, len(r.ids))
	for _, id := range r.ids {
		all = append(all, r.rooftops[id])
	}
	return all
}

// Rooftop finds a configured store; ErrNotFound where there is none of that id.
func (r *Router) Rooftop(id string) (*Rooftop, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	f, ok := r.rooftops[id]
	if !ok {
		return nil, fmt.Errorf("store %q: %w", id, ErrNotFound)
	}
	return f, nil
}

// StoreOf is the configured store that a lead belongs to, by its id.
func (r *Router) StoreOf(lead string) (string, error) {
	if i := strings.LastIndexByte(lead, '-'); i > 0 {
		if _, err := r.Rooftop(lead[:i]); err == nil {
			return lead[:i], nil
		}
	}
	return "", fmt.Errorf("lead %q: %w", lead, ErrNotFound)
}

// judge finds the store of a lead that somebody judges about, and refuses a reason that is too long and whoever is nobody there.
func (r *Router) judge(ctx context.Context, lead, reason, by string) (store string, f *Rooftop, err error) {
	if store, err = r.StoreOf(lead); err != nil {
		return "", nil, err
	}
	if f, _, err = r.open(ctx, store); err != nil {
		return "", nil, err
	}
	if len(reason) > 200 {
		return "", nil, fault("reason", "longer than 200 bytes")
	}
	return store, f, f.known(by)
}

// Now is the store's clock.
func (r *Router) Now() time.Time { return r.store.Now() }

// Floor candidates as configuration and schedule have them.
func (f *Rooftop) candidates(now time.Time) []Candidate {
	open := f.Hours == nil || f.Hours.Open(now)
	all := make([]Candidate, len(f.Roster))
	for i, s := range f.Roster {
		all[i] = Candidate{ID: s.ID, On: open, Weight: max(1, s.Weight), Cap: s.MaxUntouched}
		if s.Schedule != nil {
			all[i].On = s.Schedule.Open(now)
		}
	}
	return all
}

// timers are those of a lead whose clock to response started with an enquiry of a source at arrived, and whose owner has it from now on.
func (f *Rooftop) timers(arrived, now time.Time, source string) Timers {
	pace := f.Routing.Pace(source)
	from := now
	if f.Hours != nil && !f.Hours.Open(now) {
		// Nobody is expected to answer before the doors open.
		if open, ok := f.Hours.NextOpen(now); ok {
			from = open
		}
	}
	t := Timers{Due: f.Due(arrived, source), PersonDue: f.Due(now, source)}
	if d := pace.WarnAfter; d > 0 {
		t.Warn = f.after(from, d)
	}
	if d := pace.ReassignAfter; d > 0 {
		t.Reassign = f.after(from, d)
	}
	return t
}

// Take decides what an arrival is and, if it is new, whose it is. Taking the same arrival again changes nothing and gives the same answer.
func (r *Router) Take(ctx context.Context, rooftop string, a *Arrival) (Taken, error) {
	p, err := r.Prepare(ctx, rooftop, a)
	if err != nil {
		return Taken{}, err
	}
	out := r.TakeAll(ctx, []*Prepared{p})[0]
	return out.Taken, out.Err
}

// Prepared is an arrival at a rooftop that is ready to be taken now.
type Prepared struct {
	token   string // the arrival's
	rooftop *Rooftop
	hasher  Hasher
	take    *Take // nil where it is of no interest
}

// Prepare does all of Take that can be done ahead and beside other things.
func (r *Router) Prepare(ctx context.Context, rooftop string, a *Arrival) (*Prepared, error) {
	f, h, err := r.open(ctx, rooftop)
	if err != nil {
		return nil, err
	}
	if a.Token == "" {
		return nil, fault("token", "an arrival without identity")
	}
	if !a.Channel.Valid() {
		return nil, fault("channel", "unknown channel %q: want email, http, phone or walk-in", a.Channel)
	}
	if err := f.known(a.By); err != nil {
		return nil, err
	}
	record, says, err := encodeRecord(a)
	if err != nil {
		return nil, err
	}
	now := r.store.Now()
	at := a.At
	if at.IsZero() || at.After(now) {
		at = now
	}
	p := &Prepared{token: a.Token, rooftop: f, hasher: h}
	if keep := f.Retention.Personal; a.History && keep > 0 && now.Sub(at) > keep {
		return p, nil
	}
	desk := a.Desk
	if desk == "" {
		desk = DeskSales
	}
	t := &Take{
		Now: now, Epoch: h.epoch, Token: h.Token(a.Token), Place: h.Place(a.Place), LeadID: h.LeadID(f.ID, a.Token), At: at,
		Prints: append(h.Prints(&a.Enquiry, f.Relays), h.idPrints(&a.Enquiry)...), IDPrint: h.IDPrint(&a.Enquiry), ContentPrint: h.ContentPrint(says), Resend: a.Enquiry.Status == "resend",
		Channel: a.Channel, Source: a.Source, Desk: desk, By: a.By, Actor: a.Actor,
		Known: f.Sources.Known, MaxSources: f.Sources.Max,
		Floor: f.candidates(now), CatchUp: f.Routing.CatchUpMax, Holder: f.Holder(),
		Record: record, Timers: f.timers(at, now, a.Source), Waited: now.Sub(at).Seconds(), Bucket: f.bucket(now.Sub(at)),
		Windows: f.Duplicates, AfterHours: f.Hours != nil && !f.Hours.Open(at), History: a.History, Written: a.Written,
	}
	if t.Written.IsZero() {
		t.Written = at
	}
	if a.History {
		t.Timers = Timers{}
	}
	t.Due = t.Timers.Due
	for _, m := range f.Managers {
		t.Managers = append(t.Managers, m.ID)
	}
	if d, ok := f.Desks[desk]; ok {
		t.Fixed = d.Owner
	} else if desk != DeskSales {
		return nil, fault("desk", "unknown desk %q", desk)
	}
	if _, ok := f.Person(a.Owner); ok {
		t.Named = a.Owner
	} else if a.Trusted && a.Named != "" && !a.History {
		t.Named, t.Present = f.named(a.Named), true
	}
	p.take = t
	return p, nil
}

// TakeAll takes arrivals at one and the same rooftop, in order as Store.TakeAll does, and gives an answer for each.
func (r *Router) TakeAll(ctx context.Context, all []*Prepared) []Answer {
	takes := make([]*Take, 0, len(all))
	for _, p := range all {
		if p.take != nil {
			takes = append(takes, p.take)
		}
	}
	var answers []Answer
	if len(takes) > 0 {
		answers = r.store.TakeAll(ctx, all[0].rooftop.ID, takes)
	}
	out := make([]Answer, len(all))
	for i, p := range all {
		if p.take == nil {
			out[i].Taken.Disposition = DispositionExpired
			continue
		}
		out[i].Taken, out[i].Err = r.conclude(ctx, p, answers[0])
		answers = answers[1:]
	}
	return out
}

// conclude is what there is to do once the store has answered.
func (r *Router) conclude(ctx context.Context, p *Prepared, answer Answer) (Taken, error) {
	f, h, t := p.rooftop, p.hasher, p.take
	taken, err := answer.Taken, answer.Err
	for tries := 0; err == nil && taken.Late != ""; tries++ {
		var l *Lead
		if l, err = r.store.Lead(ctx, taken.Late); err != nil {
			break
		}
		if tries == 20 {
			err = ErrConflict
			break
		}
		t.Late = f.late(l, t)
		again := r.store.TakeAll(ctx, f.ID, []*Take{t})[0]
		taken, err = again.Taken, again.Err
	}
	if err := r.forget(f.ID, err); err != nil {
		return Taken{}, fmt.Errorf("take arrival at %s: %w", f.ID, err)
	}
	if t.Channel == WalkIn && taken.Lead != "" && !t.History && taken.Disposition != DispositionDuplicate && (taken.Disposition != DispositionReplay || taken.Again) {
		// Whoever stands in the showroom is spoken to at once. The token makes it once.
		by := t.By
		if by == "" {
			by = taken.Owner
		}
		l, err := r.Log(ctx, taken.Lead, Entry{Kind: KindContact, By: by, Channel: "visit", At: t.At, Actor: t.Actor, Token: "walk-in/" + h.short("walk-in", p.token)})
		if err != nil {
			return Taken{}, err
		}
		taken.State = l.State
	}
	return taken, nil
}

// Park notes a message without a lead: p.Fate is other or quarantined.
func (r *Router) Park(ctx context.Context, rooftop, token, place string, p Parked) (Taken, error) {
	f, err := r.Rooftop(rooftop)
	if err != nil {
		return Taken{}, err
	}
	h, err := r.hasher(ctx, rooftop)
	if err != nil {
		return Taken{}, err
	}
	p.Now, p.Token, p.Place, p.ID = r.store.Now(), h.Token(token), h.Place(place), h.heldID(token)
	taken, err := r.store.Park(ctx, f.ID, &p)
	if err := r.forget(rooftop, err); err != nil {
		return Taken{}, fmt.Errorf("park a message at %s: %w", f.ID, err)
	}
	return taken, nil
}

// Parked lists what was parked, newest first.
func (r *Router) Parked(ctx context.Context, rooftop string, quarantined bool, limit int) ([]Parked, error) {
	if _, err := r.Rooftop(rooftop); err != nil {
		return nil, err
	}
	return r.store.Parked(ctx, rooftop, quarantined, limit)
}

// Lead reads one lead.
func (r *Router) Lead(ctx context.Context, id string) (*Lead, error) {
	if _, err := r.StoreOf(id); err != nil {
		return nil, err
	}
	return r.store.Lead(ctx, id)
}

// Leads lists leads, newest first.
func (r *Router) Leads(ctx context.Context, rooftop string, q Query) ([]*Lead, string, error) {
	if _, err := r.Rooftop(rooftop); err != nil {
		return nil, "", err
	}
	if q.State != "" && !q.State.Valid() {
		return nil, "", fault("state", "unknown state %q", q.State)
	}
	return r.store.Leads(ctx, rooftop, q)
}

// Why returns every event that concerns a lead, in order.
func (r *Router) Why(ctx context.Context, id string) ([]Event, error) {
	l, err := r.Lead(ctx, id)
	if err != nil {
		return nil, err
	}
	var all []Event
	after := l.First - 1
	for {
		events, err := r.store.Events(ctx, l.Store, after, 500)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Lead == id {
				all = append(all, e)
			}
			after = e.Seq
		}
		if len(events) < 500 || after >= l.Version {
			return all, nil
		}
	}
}

// Figures reads what the metrics show.
func (r *Router) Figures(ctx context.Context, rooftop string) (*Figures, error) {
	f, _, err := r.open(ctx, rooftop)
	if err != nil {
		return nil, err
	}
	g, err := r.store.Figures(ctx, rooftop)
	if err != nil {
		return nil, r.forget(rooftop, err)
	}
	r.silence(f, g, r.store.Now())
	return g, nil
}

// retry repeats a read, a decision and a write until nobody came in between.
func retry[T any](ctx context.Context, f func() (T, error)) (T, error) {
	var v T
	var err error
	for range 20 {
		v, err = f()
		if !errors.Is(err, ErrConflict) || ctx.Err() != nil {
			return v, err
		}
	}
	return v, err
}

func oneOf(word string, words []string) bool { return slices.Contains(words, word) }

// Find is the lead that somebody outside means: by an id that the lead came with, else by email, else by phone. It returns ErrNotFound
// where there is none, and ErrConflict where several open leads fit.
func (r *Router) Find(ctx context.Context, rooftop string, ids []ID, email, phone string) (string, error) {
	f, err := r.Rooftop(rooftop)
	if err != nil {
		return "", err
	}
	h, err := r.hasher(ctx, rooftop)
	if err != nil {
		return "", err
	}
	ask := func(prints []Print) ([]string, error) {
		if len(prints) == 0 {
			return nil, nil
		}
		return r.store.Find(ctx, rooftop, prints)
	}
	var prints []Print
	for _, id := range ids {
		if id.Value != "" && id.Source != "" {
			prints = append(prints, Print{Kind: PrintID, Hash: h.idHash(id.Source, id.Value)})
		}
	}
	person := Enquiry{Customer: Customer{Phones: []Phone{{E164: E164(phone, f.Country)}}}}
	if email != "" {
		person.Customer.Emails = []string{email}
	}
	for _, set := range [][]Print{prints, h.Prints(&person, f.Relays)} {
		leads, err := ask(set)
		if err != nil {
			return "", err
		}
		if len(leads) > 0 {
			return r.current(ctx, leads)
		}
	}
	return "", fmt.Errorf("a lead of that customer: %w", ErrNotFound)
}

// current picks among several leads the one that still lives, or where none does the newest.
func (r *Router) current(ctx context.Context, leads []string) (string, error) {
	var open, newest *Lead
	for _, id := range leads {
		l, err := r.standing(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		if newest == nil || l.ArrivedAt.After(newest.ArrivedAt) {
			newest = l
		}
		if l.State.Closed() {
			continue
		}
		if open != nil && open.ID != l.ID {
			return "", fmt.Errorf("several open leads fit: %w", ErrConflict)
		}
		open = l
	}
	switch {
	case open != nil:
		return open.ID, nil
	case newest != nil:
		return newest.ID, nil
	}
	return "", fmt.Errorf("a lead of that customer: %w", ErrNotFound)
}
