package routertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"leadfloor/router"
	"leadfloor/router/hours"
)

// Clock is a hand-moved clock.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// NewClock starts at a Monday noon.
func NewClock() *Clock { return &Clock{t: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

// Now is the time on the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Add moves it on.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// Rooftop is a store without hours and with a roster of the given people, all always on; mia manages.
func Rooftop(id string, people ...string) *router.Rooftop {
	f := &router.Rooftop{
		ID: id, Name: id, Country: "US", Location: time.UTC, Routing: router.DefaultRouting, Duplicates: router.DefaultDuplicates,
		Managers: []router.Person{{ID: "mia", Name: "Mia"}}, Sources: router.Sources{Max: 20},
	}
	f.Routing.Buckets = []float64{30, 60, 120, 300, 600, 900, 1800, 3600, 14400, 86400, 604800}
	for _, p := range people {
		f.Roster = append(f.Roster, router.Salesperson{Person: router.Person{ID: p, Name: p}, Weight: 1})
	}
	return f
}

// Arrival is the n-th customer's enquiry.
func Arrival(n int, at time.Time) *router.Arrival {
	return &router.Arrival{
		Token: fmt.Sprintf("message-%d/0", n), Place: fmt.Sprintf("leads/1/%d", n), Channel: router.Email, Source: "autotrader", At: at,
		Enquiry: router.Enquiry{
			IDs: []router.ID{{Value: fmt.Sprintf("id-%d", n), Source: "Autotrader"}},
			Customer: router.Customer{
				Name: router.Name{First: "Pat", Last: fmt.Sprintf("Number%d", n)}, Emails: []string{fmt.Sprintf("customer%d@example.com", n)},
				Phones: []router.Phone{{Raw: fmt.Sprintf("312 555 %04d", n), E164: fmt.Sprintf("+1312555%04d", n)}},
			},
			Vehicles: []router.Vehicle{{Interest: "buy", Status: "used", Year: 2020, Make: "Honda", Model: "Civic"}},
		},
	}
}

// Bench is a router over a store, with a clock to move.
type Bench struct {
	*router.Router
	Store router.Store
	T     testing.TB
	Clock *Clock
	Home  *router.Rooftop
	n     int
}

// NewBench opens home on the store that open makes.
func NewBench(t testing.TB, open func(now func() time.Time) router.Store, home *router.Rooftop) *Bench {
	t.Helper()
	b := &Bench{T: t, Clock: NewClock(), Home: home}
	b.Store = open(b.Clock.Now)
	b.Router = router.New(b.Store, []*router.Rooftop{home})
	t.Cleanup(func() {
		if !t.Failed() {
			b.Verified()
		}
	})
	return b
}

// Verified fails the test where the books do not balance.
func (b *Bench) Verified() *router.Verification {
	b.T.Helper()
	v, err := b.Verify(context.Background(), b.Home.ID, nil)
	if err != nil {
		b.T.Fatal(err)
	}
	for _, f := range v.Faults {
		b.T.Errorf("verify: %s", f)
	}
	for _, d := range v.Differences {
		b.T.Errorf("verify: %s: live %q, log %q", d.What, d.Live, d.Log)
	}
	return v
}

// Arrive takes an arrival that must not fail.
func (b *Bench) Arrive(a *router.Arrival) router.Taken {
	b.T.Helper()
	taken, err := b.Take(b.T.Context(), b.Home.ID, a)
	if err != nil {
		b.T.Fatal(err)
	}
	return taken
}

// ArriveAll takes arrivals in one call, none of which may fail.
func (b *Bench) ArriveAll(all ...*router.Arrival) (taken []router.Taken) {
	b.T.Helper()
	for i, a := range b.TakeAll(b.T.Context(), b.Prepared(all...)) {
		if a.Err != nil {
			b.T.Fatalf("arrival %d: %v", i, a.Err)
		}
		taken = append(taken, a.Taken)
	}
	return taken
}

// Prepared are arrivals ready to be taken.
func (b *Bench) Prepared(all ...*router.Arrival) (ready []*router.Prepared) {
	b.T.Helper()
	for _, a := range all {
		p, err := b.Prepare(b.T.Context(), b.Home.ID, a)
		if err != nil {
			b.T.Fatal(err)
		}
		ready = append(ready, p)
	}
	return ready
}

// Next is the enquiry of a customer who never wrote before.
func (b *Bench) Next() *router.Arrival {
	b.n++
	return Arrival(b.n, b.Clock.Now())
}

// Want compares.
func Want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func (b *Bench) log(id string, e router.Entry) *router.Lead {
	b.T.Helper()
	l, err := b.Log(b.T.Context(), id, e)
	if err != nil {
		b.T.Fatal(err)
	}
	return l
}

func (b *Bench) set(who string, s router.Status) router.FloorNow {
	b.T.Helper()
	f, err := b.SetFloor(b.T.Context(), b.Home.ID, who, s, time.Time{}, "mia", "test")
	if err != nil {
		b.T.Fatal(err)
	}
	return f
}

func (b *Bench) tick() int {
	b.T.Helper()
	n, err := b.Tick(b.T.Context(), b.Home.ID)
	if err != nil {
		b.T.Fatal(err)
	}
	return n
}

func (b *Bench) figures() *router.Figures {
	b.T.Helper()
	f, err := b.Figures(b.T.Context(), b.Home.ID)
	if err != nil {
		b.T.Fatal(err)
	}
	return f
}

// TestStore is what every router.Store must do. Each test ends with the books verified.
func TestStore(t *testing.T, open func(t testing.TB, now func() time.Time) router.Store) {
	bench := func(t *testing.T, people ...string) *Bench {
		home := Rooftop("main-street", people...)
		return NewBench(t, func(now func() time.Time) router.Store { return open(t, now) }, home)
	}
	for _, part := range []map[string]func(*testing.T, benchFor){suite, keeping, merging, timing} {
		for name, test := range part {
			t.Run(name, func(t *testing.T) { test(t, bench) })
		}
	}
}

type benchFor func(t *testing.T, people ...string) *Bench

var suite = map[string]func(*testing.T, benchFor){
	"strict round robin": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		var order []string
		for range 7 {
			order = append(order, b.Arrive(b.Next()).Owner)
		}
		Want(t, "order", fmt.Sprint(order), "[alice bob carl alice bob carl alice]")
		Want(t, "spread", floorOf(b).Spread, 1)
	},
	"weights": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Roster[0].Weight = 3
		got := map[string]int{}
		for range 40 {
			got[b.Arrive(b.Next()).Owner]++
		}
		Want(t, "turns", fmt.Sprint(got), "map[alice:30 bob:10]")
	},
	"the same place again gives the same answer": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		a := b.Next()
		first := b.Arrive(a)
		again := b.Arrive(a)
		Want(t, "disposition", again.Disposition, router.DispositionNew)
		Want(t, "again", again.Again, true)
		Want(t, "owner", again.Owner, first.Owner)
		Want(t, "lead", again.Lead, first.Lead)
		Want(t, "next owner", b.Arrive(b.Next()).Owner, "bob")
	},
	"the same message in another place is a replay": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		a := b.Next()
		b.Arrive(a)
		a.Place = "leads/1/999"
		Want(t, "disposition", b.Arrive(a).Disposition, router.DispositionReplay)
		Want(t, "received", b.figures().Counts["recv|autotrader"], 1)
		Want(t, "touches", b.figures().Counts["touch|autotrader"], 1)
	},
	"a resend is a duplicate only of the same person's": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		first := b.Arrive(b.Next())
		again := Arrival(1, b.Clock.Now())
		again.Token, again.Place = "other/0", "leads/1/77"
		got := b.Arrive(again)
		Want(t, "disposition", got.Disposition, router.DispositionDuplicate)
		Want(t, "lead", got.Lead, first.Lead)
		stranger := b.Next() // another person under the same campaign code
		stranger.Enquiry.IDs = Arrival(1, b.Clock.Now()).Enquiry.IDs
		Want(t, "stranger", b.Arrive(stranger).Disposition, router.DispositionNew)
		Want(t, "duplicates", b.figures().Counts["dup|autotrader"], 1)
	},
	"whoever sends again with another address is known by both": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		first := b.Arrive(b.Next())
		again := Arrival(1, b.Clock.Now())
		again.Token, again.Place, again.Enquiry.Customer.Emails = "other/0", "leads/1/77", []string{"mended@example.com"}
		Want(t, "disposition", b.Arrive(again).Disposition, router.DispositionDuplicate)
		back := Arrival(1, b.Clock.Now())
		back.Token, back.Place, back.Enquiry.IDs, back.Enquiry.Customer = "back/0", "leads/1/78", nil, router.Customer{Emails: []string{"mended@example.com"}}
		back.Enquiry.Vehicles = nil
		got := b.Arrive(back)
		Want(t, "by the other address", got.Disposition, router.DispositionTouch)
		Want(t, "lead", got.Lead, first.Lead)
	},
	"a returning customer keeps the owner and costs no turn": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		first := b.Arrive(b.Next())
		b.Clock.Add(48 * time.Hour)
		back := Arrival(1, b.Clock.Now())
		back.Token, back.Place, back.Enquiry.IDs = "back/0", "leads/1/50", nil
		back.Enquiry.Customer.Phones = nil
		back.Enquiry.Vehicles = []router.Vehicle{{Interest: "buy", Make: "Toyota", Model: "Camry"}}
		got := b.Arrive(back)
		Want(t, "disposition", got.Disposition, router.DispositionTouch)
		Want(t, "owner", got.Owner, first.Owner)
		l, err := b.Lead(t.Context(), first.Lead)
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "touches", len(l.Touches), 2)
		Want(t, "vehicles", len(l.Vehicles), 2)
		Want(t, "phones", len(l.Customer.Phones), 1)
		Want(t, "start of the clock", l.Running.Attempt, l.ArrivedAt)
		Want(t, "next", b.Arrive(b.Next()).Owner, "bob")
	},
	"two people on one phone stay two leads, a co-buyer does not": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		first := b.Arrive(b.Next())
		other := b.Next()
		other.Enquiry.Customer.Phones = Arrival(1, b.Clock.Now()).Enquiry.Customer.Phones
		Want(t, "other last name", b.Arrive(other).Disposition, router.DispositionNew)
		nameless := b.Next()
		nameless.Enquiry.Customer = router.Customer{Phones: Arrival(1, b.Clock.Now()).Enquiry.Customer.Phones}
		Want(t, "no last name: the newest", b.Arrive(nameless).Disposition, router.DispositionTouch)
		cobuyer := b.Next()
		cobuyer.Enquiry.Customer.Contacts = []router.Contact{{Emails: []string{"Customer1@EXAMPLE.com"}}}
		got := b.Arrive(cobuyer)
		Want(t, "co-buyer", got.Disposition, router.DispositionTouch)
		Want(t, "co-buyer's lead", got.Lead, first.Lead)
	},
	"an identifier with three last names loses its weight": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		shared := []router.Phone{{Raw: "312 555 7777", E164: "+13125557777"}}
		for range 3 {
			a := b.Next()
			a.Enquiry.Customer.Phones = shared
			Want(t, "disposition", b.Arrive(a).Disposition, router.DispositionNew)
		}
		a := b.Next()
		a.Enquiry.Customer = router.Customer{Phones: shared}
		Want(t, "after three names", b.Arrive(a).Disposition, router.DispositionNew)
	},
	"a dead lead's customer goes to the former owner": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		b.Arrive(b.Next())
		second := b.Arrive(b.Next())
		b.log(second.Lead, router.Entry{Kind: router.KindSale})
		back := Arrival(2, b.Clock.Now())
		back.Token, back.Place, back.Enquiry.IDs, back.Enquiry.Customer.Comments = "back/0", "leads/1/50", nil, "again"
		got := b.Arrive(back)
		Want(t, "disposition", got.Disposition, router.DispositionNew)
		Want(t, "owner", got.Owner, "bob")
		Want(t, "next", b.Arrive(b.Next()).Owner, "carl")
		Want(t, "then", b.Arrive(b.Next()).Owner, "alice")
		Want(t, "bob's turn was charged", b.Arrive(b.Next()).Owner, "carl")
	},
	"nobody on: held, then dealt in arrival order, spaced": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.set("alice", router.Off)
		b.set("bob", router.Off)
		var ids []string
		for range 3 {
			got := b.Arrive(b.Next())
			Want(t, "owner", got.Owner, "mia")
			Want(t, "state", got.State, router.Waiting)
			ids = append(ids, got.Lead)
			b.Clock.Add(time.Second)
		}
		Want(t, "waiting", b.figures().Waiting, 3)
		Want(t, "untouched", b.figures().Untouched, 3)
		Want(t, "untouched of the manager", b.figures().PersonUntouched["mia"], 0)
		b.set("bob", router.On)
		Want(t, "waiting", b.figures().Waiting, 2)
		late := b.Arrive(b.Next()) // must not pass those who wait
		Want(t, "late", late.State, router.Waiting)
		for i := range 3 {
			l, err := b.Lead(t.Context(), ids[i])
			if err != nil {
				t.Fatal(err)
			}
			Want(t, "state", l.State, router.Untouched)
			Want(t, "owner", l.Owner, "bob")
			b.Clock.Add(b.Home.Routing.OpeningSpacing)
			b.tick()
		}
		Want(t, "waiting", b.figures().Waiting, 0)
		l, _ := b.Lead(t.Context(), late.Lead)
		Want(t, "late owner", l.Owner, "bob")
	},
	"busy ends by itself": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.set("alice", router.Busy)
		Want(t, "owner", b.Arrive(b.Next()).Owner, "bob")
		b.Clock.Add(61 * time.Minute)
		Want(t, "owner", b.Arrive(b.Next()).Owner, "alice")
	},
	"a returner is owed one turn, never a flood": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		b.set("carl", router.Off)
		for range 20 {
			b.Arrive(b.Next())
		}
		b.set("carl", router.Auto)
		got := map[string]int{}
		for range 7 {
			got[b.Arrive(b.Next()).Owner]++
		}
		Want(t, "turns", fmt.Sprint(got), "map[alice:2 bob:2 carl:3]")
	},
	"a new hire joins at the back": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		for range 3 {
			b.Arrive(b.Next())
		}
		b.Home.Roster = append(b.Home.Roster, Rooftop("x", "aaron").Roster...)
		var order []string
		for range 4 {
			order = append(order, b.Arrive(b.Next()).Owner)
		}
		Want(t, "order", fmt.Sprint(order), "[bob alice aaron bob]")
	},
	"a cap is no lost turn": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Roster[0].MaxUntouched = 1
		first := b.Arrive(b.Next())
		Want(t, "first", first.Owner, "alice")
		Want(t, "second", b.Arrive(b.Next()).Owner, "bob")
		Want(t, "third", b.Arrive(b.Next()).Owner, "bob")
		b.log(first.Lead, router.Entry{Kind: router.KindAttempt, Channel: "call"})
		Want(t, "fourth", b.Arrive(b.Next()).Owner, "alice")
	},
	"a manual pick wins and is charged": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		first := b.Arrive(b.Next())
		l, err := b.Assign(t.Context(), first.Lead, "carl", "speaks Polish", "mia", "test")
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "owner", l.Owner, "carl")
		Want(t, "untouched of alice", b.figures().PersonUntouched["alice"], 0)
		Want(t, "next", b.Arrive(b.Next()).Owner, "bob")
		Want(t, "then", b.Arrive(b.Next()).Owner, "alice")
	},
	"the clocks and the funnel": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(b.Next()).Lead
		b.Clock.Add(2 * time.Minute)
		l := b.log(id, router.Entry{Kind: router.KindAttempt, Channel: "call"})
		Want(t, "state", l.State, router.Attempted)
		Want(t, "attempt", l.Stops[router.ClockAttempt].WallSeconds, 120)
		b.Clock.Add(2 * time.Minute)
		l = b.log(id, router.Entry{Kind: router.KindResponse, Channel: "email"})
		Want(t, "response", l.Stops[router.ClockResponse].WallSeconds, 240)
		b.Clock.Add(time.Hour)
		l = b.log(id, router.Entry{Kind: router.KindContact})
		Want(t, "state", l.State, router.Contacted)
		b.log(id, router.Entry{Kind: router.KindAppointment})
		b.log(id, router.Entry{Kind: router.KindShow})
		l = b.log(id, router.Entry{Kind: router.KindSale})
		Want(t, "state", l.State, router.Sold)
		c := b.figures().Counts
		for _, name := range []string{"recv", "resp", "cont", "appt", "show", "sold"} {
			Want(t, name, c[name+"|autotrader"], 1)
		}
		Want(t, "bucket", c["h|response|autotrader|300"], 1)
		Want(t, "sum", c["hs|response|autotrader"], 240_000)
		Want(t, "untouched", b.figures().Untouched, 0)
	},
	"evidence counts by its own time": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		arrived := b.Clock.Now()
		id := b.Arrive(b.Next()).Lead
		b.Clock.Add(10 * time.Minute)
		b.log(id, router.Entry{Kind: router.KindContact})
		l := b.log(id, router.Entry{Kind: router.KindResponse, At: arrived.Add(3 * time.Minute)})
		Want(t, "response", l.Stops[router.ClockResponse].WallSeconds, 180)
		Want(t, "contact", l.Stops[router.ClockContact].WallSeconds, 600)
		l = b.log(id, router.Entry{Kind: router.KindAttempt, At: arrived.Add(-time.Hour)})
		Want(t, "attempt", l.Stops[router.ClockAttempt].WallSeconds, 0)
		Want(t, "counted once", b.figures().Counts["resp|autotrader"], 1)
	},
	"a touch restarts only clocks that had stopped": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(b.Next()).Lead
		arrived := b.Clock.Now()
		b.Clock.Add(time.Minute)
		b.log(id, router.Entry{Kind: router.KindAttempt, Channel: "call"})
		b.Clock.Add(time.Hour)
		back := Arrival(1, b.Clock.Now())
		back.Token, back.Place, back.Enquiry.IDs, back.Enquiry.Customer.Comments = "back/0", "leads/1/50", nil, "hello?"
		Want(t, "disposition", b.Arrive(back).Disposition, router.DispositionTouch)
		l, _ := b.Lead(t.Context(), id)
		Want(t, "state", l.State, router.Untouched)
		Want(t, "attempt clock", l.Running.Attempt, b.Clock.Now())
		Want(t, "response clock", l.Running.Response, arrived)
		Want(t, "untouched", b.figures().Untouched, 1)
	},
	"deadlines are counted once, at the deadline": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		late, quick := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		b.Clock.Add(time.Minute)
		b.log(quick, router.Entry{Kind: router.KindResponse, Channel: "call"})
		Want(t, "due before", b.figures().Counts["due|autotrader"], 0)
		b.Clock.Add(5 * time.Minute)
		Want(t, "overdue", b.figures().Overdue, 1)
		b.tick()
		b.tick()
		c := b.figures().Counts
		Want(t, "due", c["due|autotrader"], 2)
		Want(t, "missed", c["miss|autotrader"], 1)
		Want(t, "alice's", c["pmiss|alice"], 1)
		Want(t, "bob's", c["pmiss|bob"], 0)
		Want(t, "bob's due", c["pdue|bob"], 1)
		b.Clock.Add(time.Hour)
		b.log(late, router.Entry{Kind: router.KindResponse})
		b.tick()
		Want(t, "missed after", b.figures().Counts["miss|autotrader"], 1)
	},
	"what came overnight is due at one instant, also what is read late": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		week, err := hours.ParseWeek(map[string]string{"mon-fri": "18:00-20:00"})
		if err != nil {
			t.Fatal(err)
		}
		b.Home.Hours = hours.NewHistory(hours.New(time.UTC, week, nil))
		b.Home.Routing.OpeningGrace = 30 * time.Minute
		night := b.Clock.Now()
		id := b.Arrive(b.Next()).Lead
		due := *b.lead(id).DueAt
		b.Clock.Add(time.Hour)
		b.log(id, router.Entry{Kind: router.KindContact, Channel: "call"})
		b.Clock.Add(due.Sub(b.Clock.Now()) + time.Minute)
		b.tick()
		Want(t, "due", b.figures().Counts["due|autotrader"], 1)
		again := Arrival(1, night.Add(2*time.Hour))
		again.Token, again.Place, again.Enquiry.IDs, again.Enquiry.Customer.Comments = "again/0", "leads/1/50", nil, "hello?"
		Want(t, "disposition", b.Arrive(again).Disposition, router.DispositionTouch)
		Want(t, "due at", *b.lead(id).DueAt, due)
		b.tick()
		b.tick()
		c := b.figures().Counts
		Want(t, "due", c["due|autotrader"], 2)
		Want(t, "missed", c["miss|autotrader"], 1)
	},
	"untouched too long: to the next, never back, then a manager": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		b.Home.Routing.ReassignAfter = 15 * time.Minute
		id := b.Arrive(b.Next()).Lead
		var owners []string
		for range 4 {
			l, _ := b.Lead(t.Context(), id)
			owners = append(owners, l.Owner)
			b.Clock.Add(16 * time.Minute)
			b.tick()
			b.tick()
		}
		Want(t, "owners", fmt.Sprint(owners), "[alice bob carl mia]")
	},
	"a source has a pace of its own": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		b.Home.Routing.BySource = map[string]router.Pace{"cargurus": {ResponseTarget: 3 * time.Minute, WarnAfter: 4 * time.Minute, ReassignAfter: 10 * time.Minute, MaxRedeals: 1}}
		slow := b.Arrive(b.Next()).Lead
		a := b.Next()
		a.Source = "cargurus"
		quick := b.Arrive(a).Lead
		Want(t, "due", *b.lead(quick).DueAt, b.Clock.Now().Add(3*time.Minute))
		Want(t, "due by the rule for all", *b.lead(slow).DueAt, b.Clock.Now().Add(5*time.Minute))
		b.Clock.Add(4 * time.Minute)
		b.tick()
		Want(t, "missed", b.figures().Counts["miss|cargurus"], 1)
		Want(t, "missed by the rule for all", b.figures().Counts["miss|autotrader"], 0)
		var owners []string
		for range 3 {
			owners = append(owners, b.lead(quick).Owner)
			b.Clock.Add(10 * time.Minute)
			b.tick()
		}
		Want(t, "owners", fmt.Sprint(owners), "[bob carl mia]")
		Want(t, "owner by the rule for all", b.lead(slow).Owner, "alice")
		events, err := b.Why(t.Context(), quick)
		if err != nil {
			t.Fatal(err)
		}
		told := map[router.Kind]string{}
		for _, e := range events {
			switch e.Kind {
			case router.KindWarned:
				told[e.Kind] = e.Detail["reason"]
			case router.KindRedealt:
				told[e.Kind] = e.Deal.Reason
			}
		}
		Want(t, "why warned", told[router.KindWarned], "untouched for 4m0s of open time, the rule for cargurus")
		Want(t, "why dealt again", told[router.KindRedealt], "untouched for 10m0s of open time, the rule for cargurus")

		// The customer of the other source writes through this one: that enquiry goes by its rule.
		b.log(slow, router.Entry{Kind: router.KindResponse})
		b.Clock.Add(time.Minute)
		again := writes(b, 1)
		again.Source = "cargurus"
		b.Arrive(again)
		Want(t, "due", *b.lead(slow).DueAt, b.Clock.Now().Add(3*time.Minute))
		answered := b.log(slow, router.Entry{Kind: router.KindResponse})
		l, err := b.Correct(t.Context(), slow, answered.Evidence[1].Seq, "another's", "mia", "test")
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "due again", *l.DueAt, b.Clock.Now().Add(3*time.Minute))
	},
	"a salesperson whom a trusted source names gets the lead, and is charged": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		b.Home.Routing.ReassignAfter = 15 * time.Minute
		b.Home.Roster[2].Name, b.Home.Roster[2].Email = "Carl Öst", "carl@dealer.example"
		b.set("bob", router.Off)
		names := func(who string, trusted bool) (router.Taken, *router.Deal) {
			t.Helper()
			a := b.Next()
			a.Named, a.Trusted = who, trusted
			got := b.Arrive(a)
			events, err := b.Why(t.Context(), got.Lead)
			if err != nil {
				t.Fatal(err)
			}
			return got, events[0].Deal
		}
		for _, x := range []struct {
			named          string
			trusted        bool
			owner, because string
		}{
			{"Carl Ost", true, "carl", "named by a trusted source"},
			{"Somebody Else <CARL@dealer.example>", true, "carl", "named by a trusted source"},
			{"Carl Öst", false, "alice", "rotation"},
			{"carl", false, "alice", "rotation"},
			{"Zoe Zander", true, "carl", "rotation; the salesperson named is not on the roster"},
			{"bob", true, "alice", "rotation; the salesperson named is off"},
			{"", true, "carl", "rotation"},
		} {
			got, deal := names(x.named, x.trusted)
			Want(t, fmt.Sprintf("owner where %q is named, trusted %t", x.named, x.trusted), got.Owner, x.owner)
			Want(t, "because", deal.Reason, x.because)
			Want(t, "cost", deal.Cost, router.Turn)
		}
		Want(t, "turns of carl", b.figures().Turns["carl"].Turns, 4)

		b.Home.Roster[0].Name = "Carl Ost" // of two of one name nobody knows which
		_, deal := names("Carl Öst", true)
		Want(t, "because", deal.Reason, "rotation; the salesperson named is not on the roster")
		b.Home.Roster[0].Name = "alice"
		first, _ := names("Carl Öst", true)
		b.Clock.Add(16 * time.Minute)
		b.tick()
		Want(t, "named is like picked: owner", b.lead(first.Lead).Owner, "carl")
		b.set("alice", router.Off)
		b.set("carl", router.Off)
		got, deal := names("Carl Öst", true)
		Want(t, "nobody on", got.State, router.Waiting)
		Want(t, "because", deal.Reason, "nobody is eligible; the salesperson named is off")
	},
	"an owner at work on it keeps it": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Routing.ReassignAfter = 15 * time.Minute
		id := b.Arrive(b.Next()).Lead
		b.Clock.Add(10 * time.Minute)
		b.log(id, router.Entry{Kind: router.KindAttempt, Channel: "call"})
		b.Clock.Add(time.Second)
		back := Arrival(1, b.Clock.Now())
		back.Token, back.Place, back.Enquiry.IDs, back.Enquiry.Customer.Comments = "back/0", "leads/1/50", nil, "hello?"
		b.Arrive(back)
		b.Clock.Add(20 * time.Minute)
		b.tick()
		l, _ := b.Lead(t.Context(), id)
		Want(t, "owner", l.Owner, "alice")
	},
	"protection ends": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Routing.ReassignAfter = 15 * time.Minute
		id := b.Arrive(b.Next()).Lead
		b.Clock.Add(time.Minute)
		b.log(id, router.Entry{Kind: router.KindAttempt, Channel: "call"})
		b.Clock.Add(time.Second)
		back := Arrival(1, b.Clock.Now())
		back.Token, back.Place, back.Enquiry.IDs, back.Enquiry.Customer.Comments = "back/0", "leads/1/50", nil, "hello?"
		b.Arrive(back)
		b.Clock.Add(20 * time.Minute)
		b.tick()
		l, _ := b.Lead(t.Context(), id)
		Want(t, "owner at work on it", l.Owner, "alice")
		b.Clock.Add(4 * time.Hour)
		b.tick()
		l, _ = b.Lead(t.Context(), id)
		Want(t, "owner who left it", l.Owner, "bob")
	},
	"a pick outlasts the customer's next mail": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Routing.ReassignAfter = 15 * time.Minute
		id := b.Arrive(b.Next()).Lead
		if _, err := b.Assign(t.Context(), id, "bob", "knows them", "mia", "test"); err != nil {
			t.Fatal(err)
		}
		b.log(id, router.Entry{Kind: router.KindAttempt, Channel: "call"})
		b.Clock.Add(5 * time.Hour)
		back := Arrival(1, b.Clock.Now())
		back.Token, back.Place, back.Enquiry.IDs, back.Enquiry.Customer.Comments = "back/0", "leads/1/50", nil, "hello?"
		b.Arrive(back)
		b.Clock.Add(time.Hour)
		b.tick()
		l, _ := b.Lead(t.Context(), id)
		Want(t, "owner", l.Owner, "bob")
	},
	"a T.O. is owed before a lead may close": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(b.Next()).Lead
		l := b.log(id, router.Entry{Kind: router.KindLost, Reason: "bought elsewhere"})
		Want(t, "state", l.State, router.Contacted)
		Want(t, "owed", l.Turnover.State, router.TurnoverOwed)
		Want(t, "owed", b.figures().TurnoversOwed, 1)
		if _, err := b.Log(t.Context(), id, router.Entry{Kind: router.KindLost, Reason: "price"}); err == nil {
			t.Error("a lead with a T.O. owed closed")
		}
		if _, err := b.Log(t.Context(), id, router.Entry{Kind: router.KindTurnover, By: "alice", Outcome: "taken"}); err == nil {
			t.Error("a salesperson took a T.O.")
		}
		l = b.log(id, router.Entry{Kind: router.KindTurnover, Outcome: "taken"})
		Want(t, "taken by", l.Turnover.By, "mia")
		Want(t, "taken", l.Turnover.State, router.TurnoverTaken)
		l = b.log(id, router.Entry{Kind: router.KindTurnover, By: "mia", Outcome: "lost", Reason: "price"})
		Want(t, "state", l.State, router.Lost)
		Want(t, "owed", b.figures().TurnoversOwed, 0)
		Want(t, "outcomes", b.figures().Counts["to|lost"], 1)
	},
	"T.O.s go round the managers": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.Home.Managers = append(b.Home.Managers, router.Person{ID: "max", Name: "Max"})
		var order []string
		for range 4 {
			l := b.log(b.Arrive(b.Next()).Lead, router.Entry{Kind: router.KindWillWait})
			order = append(order, l.Turnover.By)
		}
		Want(t, "managers", fmt.Sprint(order), "[mia max mia max]")
	},
	"what was told by mistake is taken back": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(b.Next()).Lead
		b.Clock.Add(time.Minute)
		b.log(id, router.Entry{Kind: router.KindAttempt, Channel: "call"})
		b.Clock.Add(time.Minute)
		sold := b.log(id, router.Entry{Kind: router.KindSale})
		event := sold.Evidence[len(sold.Evidence)-1].Seq
		l, err := b.Correct(t.Context(), id, event, "another customer's", "mia", "test")
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "state", l.State, router.Attempted)
		Want(t, "sold", l.SoldAt == nil, true)
		Want(t, "clock to response", l.Running.Response, l.ArrivedAt)
		Want(t, "due", *l.DueAt, l.ArrivedAt.Add(5*time.Minute))
		Want(t, "gross", b.figures().Counts["sold|autotrader"], 1)
		Want(t, "corrections", b.figures().Counts["corr|sale"], 1)
		if _, err := b.Correct(t.Context(), id, event, "", "mia", "test"); err != nil {
			t.Errorf("again: %v", err)
		}
		Want(t, "corrections", b.figures().Counts["corr|sale"], 1)
		l = b.log(id, router.Entry{Kind: router.KindResponse})
		Want(t, "state", l.State, router.Responded)
		if _, err := b.Correct(t.Context(), id, 1, "", "mia", "test"); err == nil {
			t.Error("an event that told nothing was taken back")
		}
	},
	"a show without a sale owes a T.O. at closing time": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(b.Next()).Lead
		b.log(id, router.Entry{Kind: router.KindShow})
		b.tick()
		Want(t, "owed", b.figures().TurnoversOwed, 0)
		b.Clock.Add(13 * time.Hour)
		b.tick()
		Want(t, "owed", b.figures().TurnoversOwed, 1)
	},
	"the same call again is answered though it closed the lead": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(b.Next()).Lead
		e := router.Entry{Kind: router.KindVoid, Reason: "spam", Token: "one", Note: "sent by a machine"}
		b.log(id, e)
		l := b.log(id, e)
		Want(t, "state", l.State, router.Void)
		Want(t, "notes", len(l.Notes), 1)
		e.Token = "two"
		if _, err := b.Log(t.Context(), id, e); err == nil {
			t.Error("a void lead was made void again")
		}
	},
	"void gives the turn back": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		id := b.Arrive(b.Next()).Lead
		l := b.log(id, router.Entry{Kind: router.KindVoid, Reason: "spam"})
		Want(t, "state", l.State, router.Void)
		Want(t, "void", b.figures().Counts["void|autotrader"], 1)
		Want(t, "next", b.Arrive(b.Next()).Owner, "bob") // both at the same pass: alice had hers later
		Want(t, "then", b.Arrive(b.Next()).Owner, "alice")
		Want(t, "untouched", b.figures().Untouched, 2)
	},
	"no-contact needs attempts or time": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(b.Next()).Lead
		_, err := b.Log(t.Context(), id, router.Entry{Kind: router.KindLost, Reason: router.ReasonNoContact})
		var fault *router.FaultError
		if !errors.As(err, &fault) {
			t.Fatalf("err = %v, want a fault", err)
		}
		for range 6 {
			b.log(id, router.Entry{Kind: router.KindAttempt, Channel: "call"})
		}
		Want(t, "state", b.log(id, router.Entry{Kind: router.KindLost, Reason: router.ReasonNoContact}).State, router.Lost)
		Want(t, "attempts", b.figures().Counts["att|alice|call"], 6)
	},
	"logging twice with one token counts once": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(b.Next()).Lead
		for range 3 {
			b.log(id, router.Entry{Kind: router.KindAttempt, Channel: "call", Token: "one"})
		}
		Want(t, "attempts", b.figures().Counts["att|alice|call"], 1)
	},
	"a walk-in is contacted at once": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		a := b.Next()
		a.Channel, a.Source, a.By = router.WalkIn, "walk-in", "mia"
		a.Enquiry.Customer = router.Customer{Name: router.Name{Full: "Robin Hill"}}
		got := b.Arrive(a)
		Want(t, "state", got.State, router.Contacted)
		Want(t, "owner", got.Owner, "alice")
		Want(t, "again", b.Arrive(a).State, router.Contacted)
		Want(t, "contacted", b.figures().Counts["cont|walk-in"], 1)
	},
	"sources are bounded": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.Home.Sources = router.Sources{Known: []string{"autotrader"}, Max: 3}
		for i := range 30 {
			a := b.Next()
			a.Source = fmt.Sprintf("forged-%d", i)
			b.Arrive(a)
		}
		Want(t, "labels", len(b.figures().Labels), 3) // two that came first, and other
		Want(t, "other", b.figures().Counts["recv|other"], 28)
	},
	"parked messages": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		park := func(token, place, fate string) router.Taken {
			t.Helper()
			got, err := b.Park(t.Context(), "main-street", token, place, router.Parked{Fate: fate, Reason: "adf-unreadable", Raw: []byte("x"), KeepFor: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		Want(t, "first", park("m1", "leads/1/1", "quarantined").Disposition, "quarantined")
		Want(t, "again", park("m1", "leads/1/1", "quarantined").Disposition, "quarantined")
		Want(t, "elsewhere", park("m1", "leads/1/2", "quarantined").Disposition, router.DispositionReplay)
		Want(t, "other", park("m2", "leads/1/3", "other").Disposition, "other")
		Want(t, "quarantined", b.figures().Quarantined, 1)
		list, err := b.Parked(t.Context(), "main-street", true, 10)
		if err != nil || len(list) != 1 || list[0].Reason != "adf-unreadable" || !list[0].Kept {
			t.Errorf("Parked = %+v, %v", list, err)
		}
	},
	"what was decided is told": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		first := b.Arrive(b.Next())
		if _, err := b.Park(t.Context(), "main-street", "m1", "leads/1/9", router.Parked{Fate: "quarantined", Reason: "unsigned", KeepFor: time.Hour}); err != nil {
			t.Fatal(err)
		}
		decided := func(token, place string) string {
			t.Helper()
			got, ok, err := b.Decided(t.Context(), "main-street", token, place)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return "no"
			}
			return fmt.Sprintf("%s again=%t fate=%s lead=%t", got.Disposition, got.Again, got.Fate, got.Lead == first.Lead)
		}
		Want(t, "a lead, there", decided("message-1/0", "leads/1/1"), "new again=true fate= lead=true")
		Want(t, "a lead, elsewhere", decided("message-1/0", "leads/1/2"), "replay again=false fate= lead=true")
		Want(t, "what is held, there", decided("m1", "leads/1/9"), "quarantined again=true fate=quarantined lead=false")
		Want(t, "what is held, elsewhere", decided("m1", "leads/2/9"), "replay again=false fate=quarantined lead=false")
		Want(t, "a stranger", decided("m2", "leads/1/9"), "no")
	},
	"a quarantine ends once": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		raw := bytes.Repeat([]byte("x"), 40<<20)
		park := func(token string) (id string, kept bool) {
			t.Helper()
			if _, err := b.Park(t.Context(), "main-street", token, "leads/1/"+token, router.Parked{Fate: "quarantined", Reason: "unsigned", Raw: raw, KeepFor: time.Hour}); err != nil {
				t.Fatal(err)
			}
			id, err := b.HeldID(t.Context(), "main-street", token)
			if err != nil {
				t.Fatal(err)
			}
			p, err := b.Held(t.Context(), "main-street", id)
			if err != nil {
				t.Fatal(err)
			}
			if p.Kept != bytes.Equal(p.Raw, raw) {
				t.Errorf("held: kept = %t with %d bytes", p.Kept, len(p.Raw))
			}
			return id, p.Kept
		}
		one, kept := park("1")
		Want(t, "the first is kept", kept, true)
		two, kept := park("2")
		Want(t, "the second, over the budget", kept, false)
		if err := b.BeginRelease(t.Context(), "main-street", one, "", ""); err != nil {
			t.Fatal(err)
		}
		var begun *router.FaultError
		if err := b.Discard(t.Context(), "main-street", one, "spam", "mia", ""); !errors.As(err, &begun) {
			t.Errorf("discard once its release has begun: %v, want a fault", err)
		}
		var ended *router.EndedError
		for range 2 {
			if err := b.Release(t.Context(), "main-street", one, []string{"lead-1", "lead-2"}, "mia", "ops"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Held(t.Context(), "main-street", one); !errors.As(err, &ended) || strings.Join(ended.Leads(), " ") != "lead-1 lead-2" || ended.Event.By != "mia" || ended.Event.Actor != "ops" {
			t.Errorf("held when released: %v, want the release", err)
		}
		if err := b.Discard(t.Context(), "main-street", two, "spam", "", ""); err != nil {
			t.Fatal(err)
		}
		if err := b.BeginRelease(t.Context(), "main-street", two, "", ""); !errors.As(err, &ended) || ended.Event.Kind != router.KindDiscarded {
			t.Errorf("release when discarded: %v, want that it was", err)
		}
		if err := b.Release(t.Context(), "main-street", "none", nil, "", ""); !errors.Is(err, router.ErrNotFound) {
			t.Errorf("release of nothing: %v, want ErrNotFound", err)
		}
		Want(t, "quarantined", b.figures().Quarantined, 0)
		_, kept = park("3")
		Want(t, "a third, now that there is room", kept, true)
	},
	"senders are admitted within their limit": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		start := b.Clock.Now()
		admit := func(sender, token string, after time.Duration) bool {
			t.Helper()
			ok, err := b.Admit(t.Context(), "main-street", sender, token, start.Add(after), router.Limit{Messages: 2, Per: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		Want(t, "first", admit("a.example", "m1", 0), true)
		Want(t, "the same again", admit("a.example", "m1", 0), true)
		Want(t, "second", admit("a.example", "m2", 30*time.Second), true)
		Want(t, "third", admit("a.example", "m3", 59*time.Second), false)
		Want(t, "another sender's", admit("b.example", "m4", 59*time.Second), true)
		Want(t, "third, when the first is out of sight", admit("a.example", "m3", 60*time.Second), true)
		Want(t, "the second again", admit("a.example", "m2", 30*time.Second), true)
		Want(t, "one that arrived before them and is read late", admit("a.example", "m5", 20*time.Second), false)
	},
	"found by id, email or phone": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		first, second := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		find := func(id, email, phone string) string {
			t.Helper()
			var ids []router.ID
			if id != "" {
				ids = []router.ID{{Value: id, Source: "Autotrader"}}
			}
			got, err := b.Find(t.Context(), "main-street", ids, email, phone)
			if err != nil {
				return err.Error()
			}
			return got
		}
		Want(t, "by id", find("id-2", "", ""), second)
		Want(t, "by email", find("", "CUSTOMER1@example.com", ""), first)
		Want(t, "by phone", find("", "", "(312) 555-0002"), second)
		if _, err := b.Find(t.Context(), "main-street", nil, "nobody@example.com", ""); !errors.Is(err, router.ErrNotFound) {
			t.Errorf("a stranger: %v, want ErrNotFound", err)
		}
	},
	"a hostile enquiry is bounded": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		a := b.Next()
		a.Enquiry.Customer.Comments = strings.Repeat("ü", 5<<20)
		for range 5000 {
			a.Enquiry.Vehicles = append(a.Enquiry.Vehicles, router.Vehicle{Make: strings.Repeat("x", 1000)})
			a.Enquiry.Customer.Phones = append(a.Enquiry.Customer.Phones, router.Phone{Raw: strings.Repeat("9", 1000)})
		}
		l, err := b.Lead(t.Context(), b.Arrive(a).Lead)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(l.Customer.Comments); n < 16000 || n > 17000 {
			t.Errorf("%d bytes of comments are kept", n)
		}
		Want(t, "email", l.Customer.Emails[0], "customer1@example.com")
		if len(l.Vehicles) > 20 || len(l.Customer.Phones) > 20 {
			t.Errorf("%d vehicles and %d phones are kept", len(l.Vehicles), len(l.Customer.Phones))
		}
	},
	"quarantined bytes are bounded, and go when they are old": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		raw := make([]byte, 1<<20)
		for n := range 70 {
			token := fmt.Sprint("m", n)
			if _, err := b.Park(t.Context(), "main-street", token, "leads/1/"+token, router.Parked{Fate: "quarantined", Reason: "no-lead", Raw: raw, KeepFor: time.Hour}); err != nil {
				t.Fatal(err)
			}
			b.Clock.Add(time.Millisecond)
		}
		kept := func() (n int) {
			list, err := b.Parked(t.Context(), "main-street", true, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range list {
				if p.Kept {
					n++
				}
			}
			return n
		}
		Want(t, "kept", kept(), 64)
		Want(t, "listed", b.figures().Quarantined, 70)
		b.Clock.Add(2 * time.Hour)
		if _, err := b.Park(t.Context(), "main-street", "late", "leads/1/late", router.Parked{Fate: "quarantined", Reason: "no-lead", Raw: raw, KeepFor: time.Hour}); err != nil {
			t.Fatal(err)
		}
		Want(t, "listed", b.figures().Quarantined, 1)
		Want(t, "kept", kept(), 1)
	},
	"lists with cursors": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		for i := range 25 {
			b.Arrive(b.Next())
			if i%5 == 0 {
				b.Clock.Add(time.Second) // several leads share an instant
			}
		}
		seen := map[string]bool{}
		cursor, pages := "", 0
		for {
			leads, next, err := b.Leads(t.Context(), "main-street", router.Query{Limit: 4, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range leads {
				if seen[l.ID] {
					t.Errorf("lead %s twice", l.ID)
				}
				seen[l.ID] = true
			}
			pages++
			if cursor = next; next == "" {
				break
			}
		}
		Want(t, "leads", len(seen), 25)
		Want(t, "pages", pages, 7)
		leads, _, err := b.Leads(t.Context(), "main-street", router.Query{Owner: "bob", Limit: 100})
		Want(t, "bob's", len(leads), 12)
		if err != nil {
			t.Error(err)
		}
	},
	"several in one call, in order": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		old := b.Next()
		lead := b.Arrive(old).Lead // alice's
		b.Clock.Add(10 * time.Minute)
		b.log(lead, router.Entry{Kind: router.KindResponse})
		again := func(a *router.Arrival, token string) *router.Arrival {
			c := *a
			c.Token, c.Place = token, token
			return &c
		}
		asks := func(a *router.Arrival, token string) *router.Arrival {
			c := again(a, token)
			c.Enquiry.IDs, c.Enquiry.Vehicles = nil, []router.Vehicle{{Make: "Honda", Model: token}}
			return c
		}
		first, second, third := b.Next(), b.Next(), b.Next()
		late := asks(old, "late")
		late.At = b.Clock.Now().Add(-5 * time.Minute)
		all := []*router.Arrival{first, old, again(first, "copy"), late, second, asks(first, "touch"), again(second, "copied"), asks(old, "question"), again(old, "read again"), third}
		all[8].Token = old.Token // the same message in another place
		want := []string{
			"new bob", "new alice again", "duplicate bob", "touch alice", "new carl", "touch bob", "duplicate carl", "touch alice", "replay alice", "new alice",
		}
		told := func(taken router.Taken) string {
			s := fmt.Sprint(taken.Disposition, " ", taken.Owner)
			if taken.Again {
				s += " again"
			}
			return s
		}
		taken := b.ArriveAll(all...)
		for i := range want {
			Want(t, fmt.Sprint("arrival ", i), told(taken[i]), want[i])
		}
		for i, same := range b.ArriveAll(all...) {
			Want(t, fmt.Sprint("lead of arrival ", i, " taken again"), same.Lead, taken[i].Lead)
			Want(t, fmt.Sprint("arrival ", i, " taken again"), same.Again, i != 8)
		}
		for _, p := range floorOf(b).People {
			Want(t, "turns of "+p.ID, p.Turns, map[string]int64{"alice": 2, "bob": 1, "carl": 1}[p.ID])
		}
		Want(t, "none", len(b.ArriveAll()), 0)
	},
	"any in one call as one after the other": func(t *testing.T, bench benchFor) {
		one := bench(t, "alice", "bob", "carl")
		home := *one.Home
		home.ID = "other-street"
		many := &Bench{T: t, Clock: one.Clock, Home: &home, Store: one.Store, Router: router.New(one.Store, []*router.Rooftop{&home})}
		rng := rand.New(rand.NewPCG(1, 2))
		var all []*router.Arrival
		for len(all) < 600 {
			var a router.Arrival
			if n := len(all); n == 0 || rng.IntN(4) > 0 {
				a = *Arrival(n, one.Clock.Now())
				if rng.IntN(20) == 0 {
					a.Source = fmt.Sprint("source-", rng.IntN(30))
				}
				if rng.IntN(20) == 0 {
					a.Actor = "api:key"
				}
			} else {
				a = *all[max(0, n-1-rng.IntN(100))]
				switch rng.IntN(3) {
				case 0: // read again, in another place or there
					if rng.IntN(2) == 0 {
						a.Place += "x"
					}
				case 1: // sent again
					a.Token = fmt.Sprint("copy-", n)
				case 2:
					a.Token = fmt.Sprint("touch-", n)
					a.Enquiry.IDs, a.Enquiry.Vehicles = nil, []router.Vehicle{{Make: "Honda", Model: a.Token}}
				}
			}
			all = append(all, &a)
		}
		// Who covers for an owner who is off may be another, because touches come last.
		told := func(taken router.Taken) string {
			return fmt.Sprint(taken.Disposition, " ", taken.Owner, " ", taken.State, " ", taken.Again)
		}
		for i := 0; i < len(all); {
			n := min(1+rng.IntN(150), len(all)-i)
			together := many.ArriveAll(all[i : i+n]...)
			for j, a := range all[i : i+n] {
				Want(t, fmt.Sprint("arrival ", i+j), told(together[j]), told(one.Arrive(a)))
			}
			i += n
			switch rng.IntN(3) { // the floor changes, and both tell of it
			case 0:
				one.Clock.Add(time.Minute)
			case 1:
				for _, b := range []*Bench{one, many} {
					b.set("bob", []router.Status{router.Off, router.On}[i%2])
				}
			}
		}
		many.Verified()
		Want(t, "spread", floorOf(many).Spread, floorOf(one).Spread)
	},
	"many at once, several routers": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl", "dora", "eve")
		var wg sync.WaitGroup
		const n, workers = 200, 8
		fates := make(chan router.Disposition, n*workers)
		for w := range workers {
			wg.Go(func() {
				for i := range n {
					i = (i + w*25) % n
					a := Arrival(1000+i, b.Clock.Now())
					got, err := b.Take(context.Background(), "main-street", a)
					if err != nil {
						t.Error(err)
						return
					}
					if !got.Again {
						fates <- got.Disposition
					}
				}
			})
		}
		wg.Wait()
		close(fates)
		count := map[router.Disposition]int{}
		for d := range fates {
			count[d]++
		}
		Want(t, "decided", fmt.Sprint(count), "map[new:200]")
		Want(t, "spread", floorOf(b).Spread, 0)
		for _, p := range floorOf(b).People {
			Want(t, "turns of "+p.ID, p.Turns, 40)
		}
	},
}

func floorOf(b *Bench) router.FloorNow {
	b.T.Helper()
	f, err := b.Floor(b.T.Context(), b.Home.ID)
	if err != nil {
		b.T.Fatal(err)
	}
	return f
}
