package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/hours"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// A bygone is a store whose past is made up: its books, and a daemon that looks at its clock every few seconds while anything can fall due.
type bygone struct {
	t      testing.TB
	r      *rand.Rand
	books  *miniredis.Miniredis
	store  *rdb.Store
	router *router.Router
	home   *router.Rooftop
	clock  time.Time
	tick   time.Duration // how often the daemon looks
	looked time.Time
	awake  time.Time // until when somebody may be on though the store is closed

	leads    []string
	customer map[string]int
	n        int
}

// newBygone begins on a Monday at six in the morning.
func newBygone(t testing.TB, seed uint64, home *router.Rooftop) *bygone {
	t.Helper()
	b := &bygone{
		t: t, r: rand.New(rand.NewPCG(seed, 7)), books: miniredis.RunT(t), home: home, tick: 1900 * time.Millisecond,
		clock: time.Date(2026, 6, 1, 11, 0, 0, 0, time.UTC), customer: map[string]int{},
	}
	c := redis.NewClient(&redis.Options{Addr: b.books.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	b.store = rdb.New(c, rdb.Options{Now: func() time.Time { return b.clock }})
	b.router = router.New(b.store, []*router.Rooftop{home})
	b.must(b.router.Tick(t.Context(), home.ID))
	b.looked = b.clock
	return b
}

func (b *bygone) must(_ any, err error) {
	b.t.Helper()
	if fault := (*router.FaultError)(nil); err != nil && !errors.As(err, &fault) {
		b.t.Fatal(err)
	}
}

// wait lets time pass as the daemon does.
func (b *bygone) wait(d time.Duration) {
	b.t.Helper()
	to := b.clock.Add(d)
	for {
		at := b.looked.Add(b.tick)
		if b.home.Hours != nil && !b.home.Hours.Open(at) && !b.awake.After(at) {
			// Nothing falls due while nobody is there.
			if open, ok := b.home.Hours.NextOpen(at); ok {
				at = open.Add(time.Duration(b.r.Int64N(int64(b.tick)))).Truncate(time.Millisecond)
			}
		}
		if at.After(to) {
			break
		}
		b.clock, b.looked = at, at
		b.must(b.router.Tick(b.t.Context(), b.home.ID))
	}
	b.clock = to
}

// arrive is a new customer, or an old one who comes again.
func (b *bygone) arrive(customer int, change func(*router.Arrival)) string {
	b.t.Helper()
	b.n++
	a := routertest.Arrival(customer, b.clock.Add(-time.Duration(b.r.IntN(9))*time.Second).Truncate(time.Second))
	a.Token, a.Place, a.Enquiry.IDs = fmt.Sprintf("mail-%d", b.n), fmt.Sprintf("leads/1/%d", b.n), nil
	a.Enquiry.Customer.Comments = a.Token
	if change != nil {
		change(a)
	}
	taken, err := b.router.Take(b.t.Context(), b.home.ID, a)
	if err != nil {
		b.t.Fatal(err)
	}
	if taken.Disposition == router.DispositionNew {
		b.leads = append(b.leads, taken.Lead)
		b.customer[taken.Lead] = customer
	}
	return taken.Lead
}

func (b *bygone) one() string {
	recent := b.leads[max(0, len(b.leads)-25):]
	return recent[b.r.IntN(len(recent))]
}

// happen does one thing of many.
func (b *bygone) happen() {
	ctx := b.t.Context()
	if len(b.leads) == 0 {
		b.arrive(b.n, nil)
		return
	}
	someone := b.home.Roster[b.r.IntN(len(b.home.Roster))].ID
	switch n := b.r.IntN(100); {
	case n < 38:
		b.arrive(b.n, nil)
	case n < 40:
		b.arrive(b.n, func(a *router.Arrival) { a.Channel = router.WalkIn })
	case n < 42:
		b.arrive(b.n, func(a *router.Arrival) { a.Named = someone })
	case n < 44:
		b.arrive(b.n, func(a *router.Arrival) { a.Desk = "service" })
	case n < 47:
		// The customer of a closed lead comes again.
		for _, id := range b.leads {
			if l, err := b.router.Lead(ctx, id); err == nil && l.State == router.Lost {
				b.must(b.router.Find(ctx, b.home.ID, nil, l.Customer.Emails[0], ""))
				if open, err := b.router.Find(ctx, b.home.ID, nil, l.Customer.Emails[0], ""); err == nil && open == id {
					b.arrive(b.customer[id], nil)
					break
				}
			}
		}
	case n < 75:
		kind := []router.Kind{router.KindAttempt, router.KindAttempt, router.KindResponse, router.KindContact, router.KindShow}[b.r.IntN(5)]
		at := b.clock.Add(-time.Duration(b.r.IntN(600)) * time.Second)
		b.must(b.router.Log(ctx, b.one(), router.Entry{Kind: kind, Channel: "call", At: at}))
	case n < 79:
		b.must(b.router.Log(ctx, b.one(), router.Entry{Kind: router.KindWillWait}))
	case n < 81:
		id := b.one()
		b.must(b.router.Log(ctx, id, router.Entry{Kind: router.KindLost, Reason: "price"}))
		b.must(b.router.Log(ctx, id, router.Entry{Kind: router.KindTurnover, Outcome: "lost", Reason: "price"}))
	case n < 84:
		b.must(b.router.Log(ctx, b.one(), router.Entry{Kind: router.KindVoid, Reason: "spam"}))
	case n < 87:
		l, err := b.router.Lead(ctx, b.one())
		b.must(l, err)
		if len(l.Evidence) > 0 {
			b.must(b.router.Correct(ctx, l.ID, l.Evidence[b.r.IntN(len(l.Evidence))].Seq, "", "", ""))
		}
	case n < 90:
		b.must(b.router.Assign(ctx, b.one(), someone, "", "mia", ""))
	default:
		status := []router.Status{router.On, router.Off, router.Busy, router.Auto, router.Auto}[b.r.IntN(5)]
		var until time.Time
		if status == router.On || status != router.Auto && b.r.IntN(4) > 0 {
			until = b.clock.Add(time.Duration(1+b.r.IntN(5400)) * time.Second)
		}
		if status == router.On {
			b.awake = later(b.awake, until)
		}
		b.must(b.router.SetFloor(ctx, b.home.ID, someone, status, until, "", ""))
	}
}

// between waits as long as it takes to something new: less by day than by night.
func (b *bygone) between(mean time.Duration) {
	if b.home.Hours != nil && !b.home.Hours.Open(b.clock) {
		mean *= 20
	}
	b.wait(min(time.Duration(b.r.ExpFloat64()*float64(mean)), 8*mean).Truncate(time.Millisecond))
}

// replayed replays the past on home.
func (b *bygone) replayed(home *router.Rooftop, start time.Time) (*replay, *simulation) {
	b.t.Helper()
	ctx := b.t.Context()
	past, err := readHistory(ctx, b.store, b.home.ID, start, b.clock.Add(time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := newReplay(ctx, home, past)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(r.close)
	if err := r.run(ctx, nil); err != nil {
		b.t.Fatal(err)
	}
	s, err := r.outcome(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return r, s
}

func week(t testing.TB, entries map[string]string) *hours.Calendar {
	t.Helper()
	w, err := hours.ParseWeek(entries)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	return hours.New(zone, w, nil)
}

func opening(t testing.TB, entries map[string]string) *hours.History {
	t.Helper()
	return hours.NewHistory(week(t, entries))
}

// busyStore has shifts, caps, weights, re-deals, a desk and spaced openings.
func busyStore(t testing.TB) *router.Rooftop {
	f := routertest.Rooftop("main-street", "alice", "bob", "carl", "dora", "eve")
	f.Hours = opening(t, map[string]string{"mon-sun": "10:00-14:00"})
	f.Location = time.UTC
	f.Desks = map[string]router.Desk{"service": {Owner: "sam"}}
	f.Routing.ReassignAfter = 15 * time.Minute
	f.Routing.CatchUpMax = 2
	f.Roster[1].Schedule = week(t, map[string]string{"mon-sun": "10:30-12:00, 12:30-14:00"})
	f.Roster[2].MaxUntouched = 3
	f.Roster[3].Weight = 2
	f.Roster[3].MaxUntouched = 4
	f.Roster[4].Schedule = week(t, map[string]string{"tue-sun": "11:15-14:00"})
	f.Roster[0].MaxUntouched = 5
	f.Roster[1].MaxUntouched = 2
	return f
}

// On the same floor and by the same rules the replay is what happened: who got each lead first and has it at the end, every turn, and
// every lead that was taken away. The books stay as they are.
func TestSimulateSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			b := newBygone(t, seed, busyStore(t))
			for range 400 {
				b.between(20 * time.Second)
				b.happen()
			}
			b.wait(time.Hour)
			if v, err := b.router.Verify(t.Context(), b.home.ID, nil); err != nil || !v.OK() {
				t.Fatalf("the past: %+v, %v", v, err)
			}
			before := b.books.Dump()
			r, s := b.replayed(b.home, time.Time{})
			if diff := cmp.Diff(before, b.books.Dump()); diff != "" {
				t.Errorf("the books before and after:\n%s", diff)
			}

			now := newTally()
			events, err := r.store.Events(t.Context(), b.home.ID, 0, 1_000_000)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				now.apply(e)
			}
			t.Logf("%d leads, %d held, %d re-dealt, %d escalated, %d left out; %+v", s.Arrivals.Then, s.Held.Then, s.Redealt.Then, s.Escalated.Then, s.LeftOut, s.Fairness)
			if diff := cmp.Diff(now, r.past.tally, cmp.AllowUnexported(tally{}, standing{})); diff != "" {
				t.Errorf("replay and past:\n%s", diff)
			}
			if s.OwnerDiffer != 0 || s.LeftOut != 0 {
				t.Errorf("%d first owners differ, %d events left out, want none", s.OwnerDiffer, s.LeftOut)
			}
			if s.Held.Then == 0 || s.Redealt.Then == 0 || s.Arrivals.Then < 150 {
				t.Errorf("%d arrivals, %d held, %d re-dealt: the past tries nothing", s.Arrivals.Then, s.Held.Then, s.Redealt.Then)
			}
			f := s.Fairness
			if len(f.Faults) != 0 || f.Decisions == 0 || f.Common.Spread > f.Common.Bound || f.Return.Spread > f.Return.Bound {
				t.Errorf("fairness = %+v, want no fault and every spread within its bound", f)
			}
		})
	}
}

// evenly is a past of so many leads, a minute apart, on a store that never closes.
func evenly(t *testing.T, home *router.Rooftop, leads int) *bygone {
	t.Helper()
	b := newBygone(t, 1, home)
	for range leads {
		b.clock = b.clock.Add(time.Minute)
		b.arrive(b.n, nil)
	}
	return b
}

// One more person has an equal part from the first turn on.
func TestSimulateOneMore(t *testing.T) {
	b := evenly(t, routertest.Rooftop("main-street", "alice", "bob", "carl"), 302)
	_, s := b.replayed(routertest.Rooftop("main-street", "alice", "bob", "carl", "dora"), time.Time{})
	var got []string
	for _, p := range s.People {
		got = append(got, fmt.Sprint(p.ID, p.First, p.Turns, p.Share))
	}
	want := []string{"alice{101 76} {101 76} 75.5", "bob{101 76} {101 76} 75.5", "carl{100 75} {100 75} 75.5", "dora{0 75} {0 75} 75.5"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got against want:\n%s", diff)
	}
	if f := s.Fairness; f.Common.Spread != 1 || f.Common.Bound != 1 || f.Decisions != 302 || len(f.Faults) > 0 {
		t.Errorf("fairness = %+v, want 302 decisions, a spread of 1 and the bound 1", f)
	}
	if s.OwnerDiffer == 0 || s.OwnerDiffer > 302 {
		t.Errorf("first owner differs for %d leads, want some", s.OwnerDiffer)
	}
}

// Who weighs twice as much gets twice as many, who left the roster none, and their leads go to the others.
func TestSimulateWeights(t *testing.T) {
	b := evenly(t, routertest.Rooftop("main-street", "alice", "bob", "carl"), 300)
	b.must(b.router.Assign(t.Context(), b.leads[299], "carl", "", "mia", ""))
	changed := routertest.Rooftop("main-street", "alice", "bob")
	changed.Roster[0].Weight = 2
	_, s := b.replayed(changed, time.Time{})
	got := map[string]int{}
	for _, p := range s.People {
		got[p.ID] = p.Turns.Now
	}
	if diff := cmp.Diff(got, map[string]int{"alice": 200, "bob": 100, "carl": 0}); diff != "" {
		t.Errorf("turns, got against want:\n%s", diff)
	}
	if s.LeftOut > 1 {
		t.Errorf("left out = %d, want the pick of who is gone at most", s.LeftOut)
	}
}

// What was done about a lead that is held on the changed floor is done when somebody has it: the lead still goes to the floor.
func TestSimulateHeld(t *testing.T) {
	b := evenly(t, routertest.Rooftop("main-street", "alice", "bob"), 10) // before nine in the morning in Chicago
	for _, id := range b.leads {
		b.must(b.router.Log(t.Context(), id, router.Entry{Kind: router.KindAttempt, Channel: "call"}))
	}
	b.must(b.router.Log(t.Context(), b.leads[3], router.Entry{Kind: router.KindVoid, Reason: "spam"}))
	l, err := b.router.Lead(t.Context(), b.leads[5])
	b.must(l, err)
	b.must(b.router.Correct(t.Context(), l.ID, l.Evidence[0].Seq, "", "", ""))
	b.tick = time.Minute
	b.wait(6 * time.Hour)
	changed := routertest.Rooftop("main-street", "alice", "bob")
	changed.Hours = opening(t, map[string]string{"mon-sun": "09:00-20:00"})
	r, s := b.replayed(changed, time.Time{})
	if s.Held != (thenNow{0, 10}) || s.StillHeld != (thenNow{0, 1}) { // the void one is never dealt
		t.Errorf("held %+v, still held %+v, want all ten now, and one to the end", s.Held, s.StillHeld)
	}
	for i, id := range b.leads {
		l, err := r.router.Lead(t.Context(), id)
		want := router.Attempted
		switch i {
		case 3:
			want = router.Void
		case 5:
			want = router.Untouched
		}
		if err != nil || l.State != want {
			t.Errorf("lead %d: %v, %v, want %s", i, l.State, err, want)
		}
	}
}

// Days before the hours were edited have the hours that they had, unless others are asked about.
func TestSimulateEditedHours(t *testing.T) {
	b := evenly(t, routertest.Rooftop("main-street", "alice", "bob"), 10) // from six in the morning on
	edited := routertest.Rooftop("main-street", "alice", "bob")
	edited.Hours = opening(t, map[string]string{"mon-sun": "09:00-20:00"})
	for i, f := range []*router.Rooftop{b.home, edited} {
		if _, _, err := b.store.Leading(t.Context(), []*router.Rooftop{f}, fmt.Sprint(i), b.clock.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if _, s := b.replayed(edited, time.Time{}); s.Held != (thenNow{0, 0}) || s.OwnerDiffer != 0 {
		t.Errorf("with the hours of now: held %+v, want none", s.Held)
	}
	edited.Hours = opening(t, map[string]string{"mon-sun": "09:00-19:00"})
	if _, s := b.replayed(edited, time.Time{}); s.Held != (thenNow{0, 10}) {
		t.Errorf("with other hours: held %+v, want all ten now", s.Held)
	}
}

// A later beginning leaves out what arrived before, and keeps who was set by hand then.
func TestSimulateWindow(t *testing.T) {
	home := routertest.Rooftop("main-street", "alice", "bob")
	b := evenly(t, home, 20)
	b.must(b.router.SetFloor(t.Context(), home.ID, "bob", router.Off, time.Time{}, "", ""))
	start := b.clock.Add(time.Millisecond)
	for range 5 {
		b.clock = b.clock.Add(time.Minute)
		b.arrive(b.n, nil)
	}
	b.must(b.router.Log(t.Context(), b.leads[0], router.Entry{Kind: router.KindAttempt}))
	_, s := b.replayed(home, start)
	if s.Arrivals != (thenNow{5, 5}) || s.People[0].First != (thenNow{5, 5}) || s.People[1].First != (thenNow{}) || s.OwnerDiffer != 0 {
		t.Errorf("simulation = %+v, want five leads, all alice's", s)
	}

	// A log whose beginning was sealed can be replayed from a later day on.
	c := redis.NewClient(&redis.Options{Addr: b.books.Addr()})
	defer c.Close()
	if err := c.XDel(t.Context(), "lf:{main-street}:ev", "1-0").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := readHistory(t.Context(), b.store, home.ID, time.Time{}, b.clock.Add(time.Millisecond)); !errors.Is(err, errSealed) {
		t.Errorf("a log without its beginning: %v, want %v", err, errSealed)
	}
	if h, err := readHistory(t.Context(), b.store, home.ID, start, b.clock.Add(time.Millisecond)); err != nil || len(h.tally.first) != 5 {
		t.Errorf("from a later day: %v, want five leads", err)
	}
	if err := c.XDel(t.Context(), "lf:{main-street}:ev", "4-0").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := readHistory(t.Context(), b.store, home.ID, start, b.clock.Add(time.Millisecond)); err == nil || !strings.HasPrefix(err.Error(), "event 5 follows event 3") {
		t.Errorf("a log with a hole: %v, want an error that says where", err)
	}
}

// BenchmarkSimulateYear replays a year of 12,000 leads on a floor of twelve with shifts, caps and re-deals. Nine of ten leads that come by
// day are tried a quarter of an hour later, and answered the next day.
func BenchmarkSimulateYear(b *testing.B) {
	var people []string
	for i := range 12 {
		people = append(people, fmt.Sprintf("p%02d", i))
	}
	home := routertest.Rooftop("main-street", people...)
	home.Hours = opening(b, map[string]string{"mon-fri": "09:00-20:00", "sat": "09:00-18:00"})
	home.Routing.ReassignAfter = time.Hour
	for i := range home.Roster {
		home.Roster[i].MaxUntouched = 20
		if i%2 == 0 {
			home.Roster[i].Schedule = week(b, map[string]string{"mon-fri": "09:00-17:00"})
		}
	}
	y := newBygone(b, 1, home)
	y.tick = 15 * time.Minute
	const leads = 12_000
	for n := range leads {
		y.wait(365*24*time.Hour/leads - 15*time.Minute)
		id := y.arrive(y.n, nil)
		y.wait(15 * time.Minute)
		if n%10 != 0 {
			y.must(y.router.Log(b.Context(), id, router.Entry{Kind: router.KindAttempt, Channel: "call"}))
		}
		if n > 30 {
			y.must(y.router.Log(b.Context(), y.leads[n-30], router.Entry{Kind: router.KindContact, Channel: "call"}))
		}
	}
	for b.Loop() {
		_, s := y.replayed(home, time.Time{})
		b.ReportMetric(float64(s.Arrivals.Now), "leads")
		b.ReportMetric(float64(s.Redealt.Now), "re-dealt")
		b.ReportMetric(float64(s.Held.Now), "held")
	}
}

// A store that was never used is not opened: that would make its keys.
func TestSimulateWritesNothing(t *testing.T) {
	books := miniredis.RunT(t)
	file := filepath.Join(t.TempDir(), "leadfloor.yaml")
	text := fmt.Sprintf("redis: {url: \"redis://%s/0\"}\nlisten: 127.0.0.1:8080\nstores: [{id: main-street, timezone: America/Chicago, roster: [{id: alice}]}]\n", books.Addr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := command(t, "simulate", "--config", file)
	if want := "leadfloor: the log of store main-street is empty: there is nothing to simulate\n"; code != exitFailed || stderr != want {
		t.Errorf("exit code = %d, standard error = %q, want %d and %q", code, stderr, exitFailed, want)
	}
	if got := books.Dump(); got != "" {
		t.Errorf("the books hold %q, want nothing", got)
	}
}
