package routertest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"leadfloor/router"
)

func (b *Bench) merge(id, into string) *router.Lead {
	b.T.Helper()
	l, err := b.Merge(b.T.Context(), id, into, "one customer", "mia", "test")
	if err != nil {
		b.T.Fatal(err)
	}
	return l
}

func (b *Bench) split(id string, touches ...int) *router.Lead {
	b.T.Helper()
	l, err := b.Split(b.T.Context(), id, touches, "two customers", "mia", "test")
	if err != nil {
		b.T.Fatal(err)
	}
	return l
}

// merging is the part of the suite on leads that turn out to be one, or two.
var merging = map[string]func(*testing.T, benchFor){
	"two leads of one customer are merged": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		first := b.Arrive(b.Next())
		b.Clock.Add(time.Minute)
		second := b.Arrive(b.Next())
		b.log(second.Lead, router.Entry{Kind: router.KindAttempt, Channel: "call", Note: "no answer"})
		for range 2 { // again changes nothing
			l := b.merge(second.Lead, first.Lead)
			Want(t, "lead", l.ID, first.Lead)
			Want(t, "owner", l.Owner, "alice")
			Want(t, "state", l.State, router.Attempted)
			Want(t, "touches", len(l.Touches), 2)
			Want(t, "emails", fmt.Sprint(l.Customer.Emails), "[customer1@example.com customer2@example.com]")
			Want(t, "notes", len(l.Notes), 1)
			Want(t, "attempt", l.Stops[router.ClockAttempt].WallSeconds, 60)
			Want(t, "response clock", l.Running.Response, l.ArrivedAt)
		}
		gone := b.lead(second.Lead)
		Want(t, "merged into", gone.Into, first.Lead)
		Want(t, "state", gone.State, router.Void)
		Want(t, "touches", len(gone.Touches), 0)
		f := b.figures()
		Want(t, "received", f.Counts["recv|autotrader"], 2)
		Want(t, "void", f.Counts["void|autotrader"], 1)
		Want(t, "untouched", f.Untouched, 0)
		Want(t, "bob's pass: the turn is given back", f.Turns["bob"].Pass, 0)
		Want(t, "alice's pass", f.Turns["alice"].Pass, router.Turn)

		// What is known of either is known of the one.
		Want(t, "by email", b.find("customer2@example.com"), first.Lead)
		Want(t, "the customer again", b.Arrive(writes(b, 2)).Lead, first.Lead)
		Want(t, "a copy", b.Arrive(copyOf(b, 2)).Disposition, router.DispositionDuplicate)
		a := Arrival(2, b.Clock.Now())
		a.Place = "leads/1/555"
		Want(t, "the mail itself, in another place", b.Arrive(a).Lead, first.Lead)
		l := b.log(second.Lead, router.Entry{Kind: router.KindContact})
		Want(t, "told of the one that is gone", l.ID, first.Lead)
		l, err := b.Assign(t.Context(), second.Lead, "carl", "", "mia", "test")
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "assigned", l.ID+" "+l.Owner, first.Lead+" carl")
	},
	"merged clocks are decided by the evidence": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		first := b.Arrive(b.Next())
		arrived := b.Clock.Now()
		b.Clock.Add(4 * time.Minute)
		second := b.Arrive(b.Next())
		b.Clock.Add(3 * time.Minute)
		b.tick() // the first is overdue, and was counted
		b.log(second.Lead, router.Entry{Kind: router.KindResponse, Channel: "email"})
		l := b.merge(first.Lead, second.Lead)
		Want(t, "owner", l.Owner, "bob")
		Want(t, "arrived", l.ArrivedAt, arrived)
		Want(t, "response", l.Stops[router.ClockResponse].WallSeconds, 420)
		Want(t, "start of contact", l.Running.Contact, arrived)
		Want(t, "due", l.DueAt == nil, true)
		b.Clock.Add(time.Hour)
		b.tick()
		c := b.figures().Counts
		Want(t, "due", c["due|autotrader"], 1)
		Want(t, "missed", c["miss|autotrader"], 1)
		Want(t, "responded", c["resp|autotrader"], 1)

		// Nobody answered either: one customer waits, since the earlier.
		third := b.Arrive(b.Next())
		begun := b.Clock.Now()
		b.Clock.Add(time.Minute)
		fourth := b.Arrive(b.Next())
		l = b.merge(third.Lead, fourth.Lead)
		Want(t, "start", l.Running.Response, begun)
		Want(t, "due", *l.DueAt, begun.Add(5*time.Minute))
		Want(t, "untouched", b.figures().Untouched, 1)
		b.Clock.Add(time.Hour)
		b.tick()
		c = b.figures().Counts
		Want(t, "due", c["due|autotrader"], 2)
		Want(t, "missed", c["miss|autotrader"], 2)
	},
	"what is owed for a merged lead stays owed": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Managers = append(b.Home.Managers, router.Person{ID: "max", Name: "Max"})
		first, second := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		owed := b.log(second, router.Entry{Kind: router.KindWillWait}).Turnover
		b.Clock.Add(10 * time.Minute)
		l := b.merge(second, first)
		Want(t, "owed", l.Turnover.State, router.TurnoverOwed)
		Want(t, "by", l.Turnover.By, owed.By)
		Want(t, "due", l.Turnover.DueAt, owed.DueAt)
		Want(t, "owed", b.figures().TurnoversOwed, 1)
		l = b.log(first, router.Entry{Kind: router.KindTurnover, Outcome: router.OutcomeSaved})
		Want(t, "done", l.Turnover.State, router.TurnoverDone)

		third := b.Arrive(b.Next()).Lead
		shown := b.log(b.Arrive(b.Next()).Lead, router.Entry{Kind: router.KindShow})
		b.merge(shown.ID, third)
		b.Clock.Add(14 * time.Hour)
		b.tick()
		Want(t, "owed at closing time", b.lead(third).Turnover.State, router.TurnoverOwed)
	},
	"a held lead is merged, and nobody waits behind it": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		first := b.Arrive(b.Next()).Lead
		b.set("alice", router.Off)
		second, third := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		Want(t, "owner", b.merge(second, first).Owner, "alice")
		Want(t, "waiting", b.figures().Waiting, 1)
		Want(t, "untouched of alice", b.figures().PersonUntouched["alice"], 1)
		Want(t, "stays held", b.merge(first, third).State, router.Waiting)
		b.set("alice", router.On)
		l := b.lead(third)
		Want(t, "owner", l.Owner, "alice")
		Want(t, "touches", len(l.Touches), 3)
		Want(t, "waiting", b.figures().Waiting, 0)
	},
	"what cannot be merged or split": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Desks = map[string]router.Desk{"service": {Owner: "sam"}}
		a := b.Next()
		a.Desk = "service"
		service, open, sold, void := b.Arrive(a).Lead, b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		b.log(sold, router.Entry{Kind: router.KindSale})
		b.log(void, router.Entry{Kind: router.KindVoid})
		for what, ids := range map[string][2]string{
			"itself": {open, open}, "a sold one": {sold, open}, "into a sold one": {open, sold}, "a void one": {void, open}, "another desk": {service, open},
			"into nothing": {open, "main-street-nothing"}, "into another store's": {open, "elsewhere-1"},
		} {
			if _, err := b.Merge(t.Context(), ids[0], ids[1], "", "mia", "test"); err == nil {
				t.Errorf("%s was merged", what)
			}
		}
		for what, x := range map[string]struct {
			lead    string
			touches []int
		}{"nothing": {open, nil}, "all": {open, []int{1}}, "what is not there": {open, []int{2}}, "of a void one": {void, []int{1}}} {
			if _, err := b.Split(t.Context(), x.lead, x.touches, "", "mia", "test"); err == nil {
				t.Errorf("%s was split off", what)
			}
		}
	},
	"arrivals of another customer are split off": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Routing.ReassignAfter = 15 * time.Minute
		first := b.Arrive(b.Next())
		b.Clock.Add(time.Minute)
		other := b.Next() // no name, the same phone: taken for the same customer
		other.Enquiry.Customer.Name, other.Enquiry.Customer.Phones = router.Name{}, Arrival(1, b.Clock.Now()).Enquiry.Customer.Phones
		other.Source = "cargurus"
		Want(t, "disposition", b.Arrive(other).Disposition, router.DispositionTouch)
		asked := b.Clock.Now()
		b.Clock.Add(time.Minute)
		b.log(first.Lead, router.Entry{Kind: router.KindResponse, Channel: "call"})
		before := b.figures()
		var id string
		for range 2 { // again changes nothing
			l := b.split(first.Lead, 2)
			id = l.ID
			Want(t, "owner", l.Owner, "alice")
			Want(t, "state", l.State, router.Untouched)
			Want(t, "source", l.Source, "cargurus")
			Want(t, "emails", fmt.Sprint(l.Customer.Emails), "[customer2@example.com]")
			Want(t, "was", l.Touches[0].Disposition, router.DispositionNew)
			Want(t, "clock", l.Running.Response, asked)
			Want(t, "due", *l.DueAt, asked.Add(5*time.Minute))
		}
		rest := b.lead(first.Lead)
		Want(t, "emails", fmt.Sprint(rest.Customer.Emails), "[customer1@example.com]")
		Want(t, "touches", len(rest.Touches), 1)
		Want(t, "state", rest.State, router.Responded)
		f := b.figures()
		Want(t, "received", f.Counts["recv|cargurus"], 1)
		Want(t, "touches", f.Counts["touch|cargurus"], 1)
		Want(t, "turns", f.Turns["alice"].Turns, before.Turns["alice"].Turns)
		Want(t, "untouched of alice", f.PersonUntouched["alice"], 1)

		Want(t, "by email", b.find("customer2@example.com"), id)
		Want(t, "by the other's", b.find("customer1@example.com"), first.Lead)
		Want(t, "writes again", b.Arrive(writes(b, 2)).Lead, id)
		Want(t, "the other", b.Arrive(writes(b, 1)).Lead, first.Lead)
		b.Clock.Add(20 * time.Minute)
		b.tick()
		Want(t, "re-dealt like any other", b.lead(id).Owner, "bob")

		// Merged again, it has another number, and can be split off once more.
		Want(t, "owner", b.merge(id, first.Lead).Owner, "alice")
		l := b.lead(first.Lead)
		var last []int
		for _, x := range l.Touches {
			if x.Source == "cargurus" {
				last = append(last, x.N)
			}
		}
		again := b.split(first.Lead, last...)
		if again.ID == id {
			t.Errorf("split off as lead %s, which is gone", id)
		}
	},
	"the first arrival is split off": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		first := b.Arrive(b.Next())
		b.Clock.Add(time.Hour)
		b.Arrive(writes(b, 1))
		b.Clock.Add(time.Minute)
		b.log(first.Lead, router.Entry{Kind: router.KindResponse})
		l := b.split(first.Lead, 1)
		rest := b.lead(first.Lead)
		Want(t, "arrived", rest.ArrivedAt, l.ArrivedAt.Add(time.Hour))
		Want(t, "response", rest.Stops[router.ClockResponse].WallSeconds, 60)
		Want(t, "enquiry", rest.Touches[0].Enquiry.Customer.Comments, "still for sale?")
		Want(t, "copy of the first", b.Arrive(copyOf(b, 1)).Lead, l.ID)
	},
	"of two merges across each other one is done": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		x, y := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		var wg sync.WaitGroup
		errs := make(chan error, 2)
		for _, p := range [][2]string{{x, y}, {y, x}} {
			wg.Go(func() {
				_, err := b.Merge(t.Context(), p[0], p[1], "", "mia", "test")
				errs <- err
			})
		}
		wg.Wait()
		if a, b := <-errs, <-errs; (a == nil) == (b == nil) {
			t.Errorf("merged across: %v, %v", a, b)
		}
		Want(t, "untouched", b.figures().Untouched, 1)
	},
}

// copyOf is the n-th customer's first enquiry under another identity.
func copyOf(b *Bench, n int) *router.Arrival {
	a := Arrival(n, b.Clock.Now())
	a.Token, a.Place = fmt.Sprint("copy/", n), fmt.Sprint("leads/2/", n)
	return a
}

func (b *Bench) find(email string) string {
	b.T.Helper()
	id, err := b.Find(b.T.Context(), b.Home.ID, nil, email, "")
	if err != nil {
		b.T.Fatal(err)
	}
	return id
}
