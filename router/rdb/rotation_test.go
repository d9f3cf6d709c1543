package rdb_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadfloor/router"
	"leadfloor/router/hours"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// Each test here is named by what other lead routers got wrong, and fails where this one does.

func floorOf(t testing.TB, people ...string) *routertest.Bench {
	c := routertest.Miniredis(t)
	return routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) },
		routertest.Rooftop("main-street", people...))
}

func set(b *routertest.Bench, who string, s router.Status) {
	b.T.Helper()
	if _, err := b.SetFloor(b.T.Context(), b.Home.ID, who, s, time.Time{}, "mia", ""); err != nil {
		b.T.Fatal(err)
	}
}

func tick(b *routertest.Bench) {
	b.T.Helper()
	if _, err := b.Tick(b.T.Context(), b.Home.ID); err != nil {
		b.T.Fatal(err)
	}
}

func attempt(b *routertest.Bench, lead string) {
	b.T.Helper()
	if _, err := b.Log(b.T.Context(), lead, router.Entry{Kind: router.KindAttempt, Channel: "call"}); err != nil {
		b.T.Fatal(err)
	}
}

func lead(b *routertest.Bench, id string) *router.Lead {
	b.T.Helper()
	l, err := b.Lead(b.T.Context(), id)
	if err != nil {
		b.T.Fatal(err)
	}
	return l
}

func turns(b *routertest.Bench) map[string]router.Turns {
	b.T.Helper()
	f, err := b.Figures(b.T.Context(), b.Home.ID)
	if err != nil {
		b.T.Fatal(err)
	}
	return f.Turns
}

// owners takes n new leads, a minute apart, and says who got them.
func owners(b *routertest.Bench, n int) []string {
	b.T.Helper()
	var all []string
	for range n {
		b.Clock.Add(time.Minute)
		all = append(all, b.Arrive(b.Next()).Owner)
	}
	return all
}

func tally(owners []string) map[string]int {
	all := map[string]int{}
	for _, o := range owners {
		all[o]++
	}
	return all
}

// Overlapping jobs re-assigned one lead dozens of times, and two workers dealt the same lead, or to the same person twice.
func TestOverlappingWorkersDealOnce(t *testing.T) {
	const people, leads, workers = 4, 40, 4
	server := routertest.StartRedis(t)
	clock := routertest.NewClock()
	home := routertest.Rooftop("main-street", "alice", "bob", "carl", "dora")
	home.Routing.ReassignAfter = 15 * time.Minute
	routers := make([]*router.Router, workers)
	for i := range routers {
		c := server.Client()
		t.Cleanup(func() { _ = c.Close() })
		routers[i] = router.New(rdb.New(c, rdb.Options{Now: clock.Now}), []*router.Rooftop{home})
	}
	ctx := t.Context()
	together := func(work func(*router.Router) error) {
		t.Helper()
		var all sync.WaitGroup
		for _, r := range routers {
			all.Go(func() {
				if err := work(r); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}

	together(func(r *router.Router) error { // every worker reads the whole mailbox
		for n := range leads {
			if _, err := r.Take(ctx, home.ID, routertest.Arrival(n, clock.Now())); err != nil {
				return err
			}
		}
		return nil
	})
	for id, p := range standing(t, routers[0], home.ID) {
		routertest.Want(t, "turns of "+id, p.Turns, leads/people)
	}

	clock.Add(16 * time.Minute)
	together(func(r *router.Router) error {
		_, err := r.Tick(ctx, home.ID)
		return err
	})
	all, _, err := routers[0].Leads(ctx, home.ID, router.Query{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	routertest.Want(t, "leads", len(all), leads)
	for _, l := range all {
		routertest.Want(t, "re-deals of "+l.ID, l.Redeals, 1)
		if slices.Contains(l.Missed, l.Owner) {
			t.Errorf("lead %s went back to %s, who missed it", l.ID, l.Owner)
		}
	}
	var sum int64
	for _, p := range standing(t, routers[0], home.ID) {
		sum += p.Turns
	}
	routertest.Want(t, "turns", sum, 2*leads)
	v, err := routers[1].Verify(ctx, home.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	routertest.Want(t, "verify", fmt.Sprint(v.Faults, v.Differences), "[] []")
}

func standing(t testing.TB, r *router.Router, store string) map[string]router.Turns {
	t.Helper()
	f, err := r.Figures(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	return f.Turns
}

// Auto-assignment overwrote a human's pick seconds later.
func TestPickIsNotOverwritten(t *testing.T) {
	b := floorOf(t, "alice", "bob", "carl")
	b.Home.Routing.ReassignAfter = 15 * time.Minute
	set(b, "carl", router.Off)
	fresh := b.Arrive(b.Next()).Lead
	for _, s := range []router.Status{router.Off, router.On} {
		set(b, "alice", s)
		set(b, "bob", s)
	}
	set(b, "alice", router.Off)
	set(b, "bob", router.Off)
	held := b.Arrive(b.Next()).Lead
	for _, id := range []string{fresh, held} {
		if _, err := b.Assign(t.Context(), id, "carl", "knows them", "mia", ""); err != nil {
			t.Fatal(err)
		}
	}
	set(b, "alice", router.On)
	set(b, "bob", router.On)
	for range 20 {
		b.Clock.Add(7 * time.Minute)
		tick(b)
		b.Arrive(b.Next())
		for _, id := range []string{fresh, held} {
			routertest.Want(t, "owner", lead(b, id).Owner, "carl")
		}
	}
}

// A pick that comes at the very instant of a re-deal wins, whoever is first.
func TestPickBesideRedeal(t *testing.T) {
	for range 20 {
		b := floorOf(t, "alice", "bob", "carl")
		b.Home.Routing.ReassignAfter = 15 * time.Minute
		id := b.Arrive(b.Next()).Lead
		b.Clock.Add(16 * time.Minute)
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := b.Assign(t.Context(), id, "carl", "knows them", "mia", ""); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if _, err := b.Tick(t.Context(), b.Home.ID); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		b.Clock.Add(16 * time.Minute)
		tick(b)
		routertest.Want(t, "owner", lead(b, id).Owner, "carl")
	}
}

// The order was rebuilt at each tick, restart or change of members, and the first person got everything.
func TestRotationOutlivesTicksRestartsAndRosterChanges(t *testing.T) {
	c := routertest.Miniredis(t)
	clock := routertest.NewClock()
	roster := []string{"alice", "bob", "carl", "dora"}
	var got []string
	for n := range 16 {
		// A new process each time, which finds the roster in another order.
		slices.Reverse(roster)
		r := router.New(rdb.New(c, rdb.Options{Now: clock.Now}), []*router.Rooftop{routertest.Rooftop("main-street", roster...)})
		if _, err := r.Tick(t.Context(), "main-street"); err != nil {
			t.Fatal(err)
		}
		taken, err := r.Take(t.Context(), "main-street", routertest.Arrival(n, clock.Now()))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, taken.Owner)
	}
	routertest.Want(t, "order", strings.Join(got, " "), strings.TrimSpace(strings.Repeat("alice bob carl dora ", 4)))

	// One leaves, one comes, one comes back: the others' order stays, and nobody gets a series.
	got = nil
	for n, who := range []string{"alice bob carl dora", "alice bob carl", "alice bob carl erin", "alice bob erin dora"} {
		r := router.New(rdb.New(c, rdb.Options{Now: clock.Now}), []*router.Rooftop{routertest.Rooftop("main-street", strings.Fields(who)...)})
		for i := range 2 {
			taken, err := r.Take(t.Context(), "main-street", routertest.Arrival(100+10*n+i, clock.Now()))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, taken.Owner)
		}
	}
	// alice and bob; carl, and since dora left alice; bob and carl, erin being new and at the back; dora, owed one, and then alice.
	routertest.Want(t, "order", strings.Join(got, " "), "alice bob carl alice bob carl dora alice")
}

// With an even number of people only every second one was served; or one was never served at all.
func TestEverybodyIsServedWhateverTheirNumber(t *testing.T) {
	for n := 1; n <= 12; n++ {
		var people []string
		for i := range n {
			people = append(people, fmt.Sprintf("p%02d", i))
		}
		b := floorOf(t, people...)
		for round := range 4 {
			var got []string
			for range n {
				if round%2 == 1 {
					tick(b) // twice as many steps as leads
				}
				got = append(got, b.Arrive(b.Next()).Owner)
			}
			routertest.Want(t, fmt.Sprintf("round %d of %d people", round, n), strings.Join(got, " "), strings.Join(people, " "))
		}
	}
}

// A capped or busy person lost the turn, and with caps the distribution was uneven.
func TestCappedAndBusyKeepTheirTurn(t *testing.T) {
	b := floorOf(t, "alice", "bob", "carl")
	b.Home.Roster[0].MaxUntouched = 1
	set(b, "carl", router.Busy)
	first := b.Arrive(b.Next())
	routertest.Want(t, "first", first.Owner, "alice")
	routertest.Want(t, "while two cannot", strings.Join(owners(b, 2), " "), "bob bob")
	attempt(b, first.Lead)
	b.Clock.Add(time.Hour) // busy is over
	// bob is two turns ahead: carl is owed one of them, alice the one that she is behind by, and then all are level.
	routertest.Want(t, "then", strings.Join(owners(b, 3), " "), "carl alice bob")

	// Over a day on which every lead is answered before the next comes, a cap costs nobody anything.
	b = floorOf(t, "alice", "bob", "carl", "dora")
	for i := range b.Home.Roster {
		b.Home.Roster[i].MaxUntouched = i // none, 1, 2, 3
	}
	var all []string
	for range 40 {
		taken := b.Arrive(b.Next())
		attempt(b, taken.Lead)
		all = append(all, taken.Owner)
	}
	routertest.Want(t, "turns", fmt.Sprint(tally(all)), "map[alice:10 bob:10 carl:10 dora:10]")
}

// After a holiday came a flood; or nothing for as long as it had lasted.
func TestHolidayNeitherFloodsNorStarves(t *testing.T) {
	for _, most := range []int{0, 1, 3} {
		b := floorOf(t, "alice", "bob", "carl", "dora")
		b.Home.Routing.CatchUpMax = most
		owners(b, 8)
		set(b, "dora", router.Off)
		owners(b, 90)
		set(b, "dora", router.On)
		first := tally(owners(b, 4+most))["dora"]
		if first < 1 || first > 1+most {
			t.Errorf("with catch_up_max %d, %d of the first %d leads went to who returned, want 1 to %d", most, first, 4+most, 1+most)
		}
		later := tally(owners(b, 40))
		for who, n := range later {
			if n < 9 || n > 11 {
				t.Errorf("with catch_up_max %d, %s got %d of 40 leads after a return, want 10", most, who, n)
			}
		}
		routertest.Want(t, "people served", len(later), 4)
	}
}

// At a change of shift nobody stays: who goes at that instant is no measure for who comes, the last turn dealt is.
func TestShiftsThatChangeAtOnce(t *testing.T) {
	week := func(days, spans string) *hours.Calendar {
		var w hours.Week
		if err := w.Set(days, spans); err != nil {
			t.Fatal(err)
		}
		return hours.New(time.UTC, w, nil)
	}
	b := floorOf(t, "alice", "bob", "carl")
	b.Home.Roster[0].Schedule = week("mon-sun", "00:00-16:00")
	b.Home.Roster[1].Schedule = week("mon-sun", "00:00-16:00")
	b.Home.Roster[2].Schedule = week("mon-sun", "16:00-24:00")
	set(b, "bob", router.Off)
	owners(b, 10)
	set(b, "bob", router.Auto) // at pass 9, one turn behind alice; the last turn dealt left alice at 10
	tick(b)
	b.Clock.Add(4 * time.Hour)
	tick(b)
	routertest.Want(t, "pass of carl", turns(b)["carl"].Pass, 9*router.Turn)
	set(b, "alice", router.On) // overtime: behind nobody, and raised by nothing
	routertest.Want(t, "pass of alice", turns(b)["alice"].Pass, 10*router.Turn)
}

// Leads went to people who had left or were away; were stuck when all had been full or off; and newer were dealt before older.
func TestLeadsGoOnlyToWhoIsThereAndOldestFirst(t *testing.T) {
	b := floorOf(t, "alice", "bob", "carl")
	owners(b, 4)
	b.Home.Roster = b.Home.Roster[1:] // alice leaves, and is next but one
	set(b, "bob", router.Off)
	routertest.Want(t, "owners", fmt.Sprint(tally(owners(b, 6))), "map[carl:6]")

	// All full: nothing is lost, and each attempt lets one more through, the oldest first.
	b = floorOf(t, "alice", "bob")
	for i := range b.Home.Roster {
		b.Home.Roster[i].MaxUntouched = 1
	}
	var dealt, held []string
	for n := range 6 {
		b.Clock.Add(time.Minute)
		taken := b.Arrive(b.Next())
		if n < 2 {
			dealt = append(dealt, taken.Lead)
			continue
		}
		routertest.Want(t, "state", taken.State, router.Waiting)
		routertest.Want(t, "holder", taken.Owner, "mia")
		held = append(held, taken.Lead)
	}
	tick(b)
	for _, id := range held {
		routertest.Want(t, "state while all are full", lead(b, id).State, router.Waiting)
	}
	for n, id := range held {
		attempt(b, dealt[n])
		b.Clock.Add(time.Minute)
		newer := b.Arrive(b.Next())
		routertest.Want(t, "newer", newer.State, router.Waiting)
		tick(b)
		routertest.Want(t, fmt.Sprintf("held lead %d", n), lead(b, id).State, router.Untouched)
		dealt = append(dealt, id)
	}

	// All off overnight: dealt at opening in the order of arrival, to everybody in turn, though the mails were read in another order.
	b = floorOf(t, "alice", "bob")
	set(b, "alice", router.Off)
	set(b, "bob", router.Off)
	evening := b.Clock.Now()
	b.Clock.Add(time.Hour)
	ids := make([]string, 6)
	for _, n := range []int{3, 0, 5, 1, 4, 2} {
		ids[n] = b.Arrive(routertest.Arrival(n, evening.Add(time.Duration(n)*time.Minute))).Lead
	}
	set(b, "alice", router.On)
	set(b, "bob", router.On)
	var got []string
	for n, id := range ids {
		tick(b)
		tick(b) // spaced, however often somebody looks
		waiting := 0
		for _, id := range ids {
			if lead(b, id).State == router.Waiting {
				waiting++
			}
		}
		routertest.Want(t, "waiting", waiting, len(ids)-n-1)
		got = append(got, lead(b, id).Owner)
		b.Clock.Add(b.Home.Routing.OpeningSpacing)
	}
	routertest.Want(t, "owners", strings.Join(got, " "), "alice bob alice bob alice bob")
}

// A copied or merged lead was never dealt, and a duplicate rejected the enquiry altogether.
func TestCopiesAreKeptAndStrangersDealt(t *testing.T) {
	b := floorOf(t, "alice", "bob", "carl")
	first := b.Arrive(routertest.Arrival(1, b.Clock.Now()))
	before := turns(b)

	copied := routertest.Arrival(1, b.Clock.Now())
	copied.Place = "second-mailbox/1/1"
	got := b.Arrive(copied)
	routertest.Want(t, "a copy in another mailbox", got.Disposition, router.DispositionReplay)
	routertest.Want(t, "its lead", got.Lead, first.Lead)
	b.Clock.Add(time.Minute)
	resent := routertest.Arrival(1, b.Clock.Now())
	resent.Token, resent.Place, resent.Enquiry.Customer.Comments = "resent", "leads/1/900", "evenings only"
	got = b.Arrive(resent)
	routertest.Want(t, "sent again", got.Disposition, router.DispositionDuplicate)
	routertest.Want(t, "its lead", got.Lead, first.Lead)
	asks := routertest.Arrival(1, b.Clock.Now())
	asks.Token, asks.Place, asks.Enquiry.IDs, asks.Enquiry.Customer.Comments = "asks", "leads/1/901", nil, "still there?"
	got = b.Arrive(asks)
	routertest.Want(t, "the customer again", got.Disposition, router.DispositionTouch)
	routertest.Want(t, "owner", got.Owner, first.Owner)
	for who, p := range turns(b) {
		routertest.Want(t, "pass of "+who, p.Pass, before[who].Pass)
	}

	l := lead(b, first.Lead)
	routertest.Want(t, "enquiries kept", len(l.Touches), 3)
	routertest.Want(t, "what the copy said", l.Touches[1].Enquiry.Customer.Comments, "evenings only")

	// Another person under the same number of a campaign is no copy, and is dealt like anybody.
	stranger := routertest.Arrival(2, b.Clock.Now())
	stranger.Enquiry.IDs = routertest.Arrival(1, b.Clock.Now()).Enquiry.IDs
	got = b.Arrive(stranger)
	routertest.Want(t, "stranger", got.Disposition, router.DispositionNew)
	routertest.Want(t, "stranger's owner", got.Owner, "bob")
}

// A copy of what was made void came in as a new lead, and cost a turn again.
func TestCopyOfVoidIsNoLead(t *testing.T) {
	b := floorOf(t, "alice", "bob")
	void := b.Arrive(routertest.Arrival(1, b.Clock.Now())).Lead
	if _, err := b.Log(t.Context(), void, router.Entry{Kind: router.KindVoid, Reason: "spam"}); err != nil {
		t.Fatal(err)
	}
	before := turns(b)
	again := func(n int) *router.Arrival {
		a := routertest.Arrival(1, b.Clock.Now())
		a.Token, a.Place = fmt.Sprintf("again-%d", n), fmt.Sprintf("leads/1/90%d", n)
		return a
	}
	b.Clock.Add(24 * time.Hour)
	got := b.Arrive(again(1))
	routertest.Want(t, "the same id", got.Disposition, router.DispositionDuplicate)
	routertest.Want(t, "its lead", got.Lead, void)
	for who, p := range turns(b) {
		routertest.Want(t, "turns of "+who, p.Turns, before[who].Turns)
	}

	// Another enquiry of theirs is a lead, though the last one was none; what says that it was sent before belongs to what was a lead.
	asks := again(2)
	asks.Enquiry.IDs, asks.Enquiry.Customer.Comments = nil, "a real question"
	lives := b.Arrive(asks)
	routertest.Want(t, "another enquiry", lives.Disposition, router.DispositionNew)
	resend := again(3)
	resend.Enquiry.IDs, resend.Enquiry.Status, resend.Enquiry.Customer.Comments = nil, "resend", "sent once more"
	got = b.Arrive(resend)
	routertest.Want(t, "a resend", got.Disposition, router.DispositionDuplicate)
	routertest.Want(t, "its lead", got.Lead, lives.Lead)
}

// A void lead that had been taken from its first owner gave nothing back: neither who missed it nor who picked it up was dealt anything.
func TestVoidGivesBackAllThatItCost(t *testing.T) {
	b := floorOf(t, "alice", "bob", "carl")
	b.Home.Routing.ReassignAfter = 15 * time.Minute
	b.Home.Routing.MaxRedeals = 1
	id := b.Arrive(b.Next()).Lead
	for range 2 { // alice misses it, then bob: a manager has it, and pays no turn
		b.Clock.Add(16 * time.Minute)
		tick(b)
	}
	routertest.Want(t, "owner", lead(b, id).Owner, "mia")
	if _, err := b.Assign(t.Context(), id, "carl", "asked for", "mia", ""); err != nil {
		t.Fatal(err)
	}
	for who, p := range turns(b) {
		routertest.Want(t, "pass of "+who, p.Pass, router.Turn)
	}
	if _, err := b.Log(t.Context(), id, router.Entry{Kind: router.KindVoid, Reason: "spam"}); err != nil {
		t.Fatal(err)
	}
	for who, p := range turns(b) {
		routertest.Want(t, "pass of "+who, p.Pass, 0)
		routertest.Want(t, "turns of "+who, p.Turns, 1) // what was dealt was dealt
	}
}

// A pick of who had the lead already was no pick: the next re-deal took it away.
func TestPickOfTheOwnerHolds(t *testing.T) {
	b := floorOf(t, "alice", "bob")
	b.Home.Routing.ReassignAfter = 15 * time.Minute
	id := b.Arrive(b.Next()).Lead
	before, due := turns(b)["alice"], lead(b, id).Timers.PersonDue
	for range 2 {
		if _, err := b.Assign(t.Context(), id, "alice", "knows them", "mia", ""); err != nil {
			t.Fatal(err)
		}
	}
	events, err := b.Why(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	routertest.Want(t, "events", len(events), 2)
	routertest.Want(t, "why", events[1].Deal.Reason, "knows them")
	b.Clock.Add(16 * time.Minute)
	tick(b)
	routertest.Want(t, "owner", lead(b, id).Owner, "alice")
	routertest.Want(t, "pass", turns(b)["alice"].Pass, before.Pass)
	routertest.Want(t, "own deadline", lead(b, id).Assigned.Add(b.Home.Routing.ResponseTarget), due)
	f, err := b.Figures(t.Context(), b.Home.ID)
	if err != nil {
		t.Fatal(err)
	}
	routertest.Want(t, "assigned", f.Counts["asg|alice"], 1)
}

// A re-deal that fell due at closing time, nobody being on any more, gave the lead to a manager for good.
func TestRedealAtClosingWaitsForTheMorning(t *testing.T) {
	b := floorOf(t, "alice", "bob")
	b.Home.Routing.ReassignAfter = 15 * time.Minute
	late := b.Arrive(b.Next())
	routertest.Want(t, "owner", late.Owner, "alice")
	set(b, "alice", router.Off)
	set(b, "bob", router.Off)
	b.Clock.Add(10 * time.Minute)
	night := b.Arrive(b.Next()).Lead
	b.Clock.Add(10 * time.Minute)
	tick(b)
	l := lead(b, late.Lead)
	routertest.Want(t, "state", l.State, router.Waiting)
	routertest.Want(t, "holder", l.Owner, "mia")
	f, err := b.Figures(t.Context(), b.Home.ID)
	if err != nil {
		t.Fatal(err)
	}
	routertest.Want(t, "waiting", f.Waiting, 2)
	routertest.Want(t, "untouched of who missed it", f.PersonUntouched["alice"], 0)

	// In the morning who missed it comes first: the lead goes to another, and what came later is dealt after it.
	b.Clock.Add(12 * time.Hour)
	b.Home.Roster[0].MaxUntouched = 1
	set(b, "bob", router.On)
	set(b, "alice", router.On)
	routertest.Want(t, "owner", lead(b, late.Lead).Owner, "bob")
	routertest.Want(t, "the night's", lead(b, night).State, router.Waiting)
	b.Clock.Add(b.Home.Routing.OpeningSpacing)
	tick(b)
	routertest.Want(t, "the night's", lead(b, night).Owner, "alice")
	if f, err = b.Figures(t.Context(), b.Home.ID); err != nil {
		t.Fatal(err)
	}
	var assigned int64
	for name, n := range f.Counts {
		if strings.HasPrefix(name, "h|assignment|") {
			assigned += n
		}
	}
	routertest.Want(t, "clocks to assignment", assigned, 2)

	// Where only who missed it comes, a manager has it, and those behind it go on.
	b = floorOf(t, "alice", "bob")
	b.Home.Routing.ReassignAfter = 15 * time.Minute
	first := b.Arrive(b.Next()).Lead
	set(b, "alice", router.Off)
	set(b, "bob", router.Off)
	b.Clock.Add(16 * time.Minute)
	tick(b)
	second := b.Arrive(b.Next()).Lead
	set(b, "alice", router.On)
	routertest.Want(t, "owner", lead(b, first).Owner, "mia")
	routertest.Want(t, "state", lead(b, first).State, router.Untouched)
	routertest.Want(t, "the one behind it", lead(b, second).Owner, "alice")
}

// A manager who had a lead in the end lost it again when the customer wrote once more.
func TestManagersLeadIsNotDealtAgain(t *testing.T) {
	b := floorOf(t, "alice", "bob")
	b.Home.Routing.ReassignAfter, b.Home.Routing.MaxRedeals = 15*time.Minute, 0
	id := b.Arrive(routertest.Arrival(1, b.Clock.Now())).Lead
	b.Clock.Add(16 * time.Minute)
	tick(b)
	attempt(b, id)
	b.Clock.Add(5 * time.Hour)
	asks := routertest.Arrival(1, b.Clock.Now())
	asks.Token, asks.Place, asks.Enquiry.IDs, asks.Enquiry.Customer.Comments = "asks", "leads/1/901", nil, "still there?"
	b.Arrive(asks)
	b.Clock.Add(time.Hour)
	tick(b)
	routertest.Want(t, "owner", lead(b, id).Owner, "mia")
	events, err := b.Why(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	given := 0
	for _, e := range events {
		if e.Kind == router.KindEscalated {
			given++
		}
	}
	routertest.Want(t, "times given to the manager", given, 1)
}

// A touch that was read after somebody had tried already counted as untouched: what was read last counted, not what happened last.
func TestTouchReadAfterALaterTry(t *testing.T) {
	b := floorOf(t, "alice")
	id := b.Arrive(routertest.Arrival(1, b.Clock.Now())).Lead
	b.Clock.Add(time.Minute)
	first := b.Clock.Now()
	log := func(k router.Kind) {
		t.Helper()
		if _, err := b.Log(t.Context(), id, router.Entry{Kind: k, Channel: "call"}); err != nil {
			t.Fatal(err)
		}
	}
	log(router.KindResponse)
	b.Clock.Add(time.Hour)
	asked := b.Clock.Now()
	b.Clock.Add(2 * time.Minute)
	log(router.KindAttempt)
	b.Clock.Add(8 * time.Minute)
	log(router.KindResponse)
	again := func(n int, at time.Time) *router.Lead {
		a := routertest.Arrival(1, at)
		a.Token, a.Place, a.Enquiry.IDs, a.Enquiry.Customer.Comments = fmt.Sprint("asks-", n), fmt.Sprint("leads/1/90", n), nil, fmt.Sprint("question ", n)
		got := b.Arrive(a)
		routertest.Want(t, "disposition", got.Disposition, router.DispositionTouch)
		routertest.Want(t, "again", b.Arrive(a).Again, true)
		l := lead(b, id)
		routertest.Want(t, "state told", got.State, l.State)
		return l
	}
	counts := func() map[string]int64 {
		t.Helper()
		f, err := b.Figures(t.Context(), b.Home.ID)
		if err != nil {
			t.Fatal(err)
		}
		return f.Counts
	}

	l := again(1, asked)
	routertest.Want(t, "state", l.State, router.Responded)
	routertest.Want(t, "attempt", l.Stops[router.ClockAttempt].WallSeconds, 120)
	routertest.Want(t, "response", l.Stops[router.ClockResponse].WallSeconds, 600)
	tick(b)
	routertest.Want(t, "responses in 10 minutes", counts()["h|response|autotrader|600"], 1)
	routertest.Want(t, "due", counts()["due|autotrader"], 2)
	routertest.Want(t, "missed", counts()["miss|autotrader"], 1)
	routertest.Want(t, "missed by the owner", counts()["pmiss|alice"], 1)

	// Before the first answer its clock ran already: it goes on as it was.
	l = again(2, first.Add(-30*time.Second))
	routertest.Want(t, "state", l.State, router.Responded)
	routertest.Want(t, "response", l.Stops[router.ClockResponse].Started, asked)
	routertest.Want(t, "due", counts()["due|autotrader"], 2)

	// Of two that nobody answered the earlier starts the clock, whichever is read first.
	b.Clock.Add(time.Hour)
	early := b.Clock.Now()
	b.Clock.Add(time.Minute)
	again(3, b.Clock.Now())
	l = again(4, early)
	routertest.Want(t, "state", l.State, router.Untouched)
	routertest.Want(t, "start", l.Running.Response, early)
	routertest.Want(t, "due", *l.DueAt, early.Add(b.Home.Routing.ResponseTarget))
	b.Clock.Add(10 * time.Minute)
	tick(b)
	tick(b)
	routertest.Want(t, "due", counts()["due|autotrader"], 3)
	routertest.Want(t, "missed", counts()["miss|autotrader"], 2)
}

// A returner who was owed a turn, or somebody who had been picked for, made the floor look unfair though it was dealt by the law.
func TestSpreadIsOfWhatWasDealtInTurn(t *testing.T) {
	b := floorOf(t, "alice", "bob", "carl", "dora")
	spread := func(what string, most int) {
		t.Helper()
		for range 12 {
			b.Clock.Add(time.Minute)
			b.Arrive(b.Next())
			f, err := b.Floor(t.Context(), b.Home.ID)
			if err != nil {
				t.Fatal(err)
			}
			if f.Spread > most {
				t.Errorf("%s: spread = %d, want at most %d", what, f.Spread, most)
			}
		}
	}
	spread("all there", 1)
	set(b, "dora", router.Off)
	spread("without dora", 1)
	set(b, "dora", router.On)
	spread("dora is owed a turn", 1)
	for range 3 {
		if _, err := b.Assign(t.Context(), b.Arrive(b.Next()).Lead, "alice", "asked for", "mia", ""); err != nil {
			t.Fatal(err)
		}
	}
	set(b, "dora", router.Off)
	spread("alice is ahead", 1)
	got := turns(b)
	routertest.Want(t, "alice is not compared", got["alice"].Since, -1)
	if got["bob"].Since < 3 {
		t.Errorf("bob's turns = %d, want those that were dealt since", got["bob"].Since)
	}
}

// Of a customer who writes again and again, a copy of the first mail was taken for a new one.
func TestCopyIsFoundBehindManyTouches(t *testing.T) {
	b := floorOf(t, "alice")
	id := b.Arrive(routertest.Arrival(1, b.Clock.Now())).Lead
	for n := range 80 {
		a := routertest.Arrival(1, b.Clock.Now())
		a.Token, a.Place, a.Enquiry.IDs, a.Enquiry.Customer.Comments = fmt.Sprint("again-", n), fmt.Sprint("leads/1/", 900+n), nil, fmt.Sprint("question ", n)
		routertest.Want(t, "again", b.Arrive(a).Disposition, router.DispositionTouch)
	}
	b.Clock.Add(time.Hour)
	a := routertest.Arrival(1, b.Clock.Now())
	a.Token, a.Place = "copy", "leads/2/1"
	got := b.Arrive(a)
	routertest.Want(t, "a copy of the first", got.Disposition, router.DispositionDuplicate)
	routertest.Want(t, "its lead", got.Lead, id)
}

// The holder of leads that wait is on the floor too where there are no managers: held leads filled the holder's cap, and nobody could be dealt
// to any more.
func TestHeldIsNotUntouchedByTheHolder(t *testing.T) {
	b := floorOf(t, "alice", "bob")
	b.Home.Managers = nil
	b.Home.Roster[0].MaxUntouched = 1
	set(b, "alice", router.Off)
	set(b, "bob", router.Off)
	for range 3 {
		got := b.Arrive(b.Next())
		routertest.Want(t, "holder", got.Owner, "alice")
		routertest.Want(t, "state", got.State, router.Waiting)
	}
	set(b, "alice", router.On)
	f, err := b.Figures(t.Context(), b.Home.ID)
	if err != nil {
		t.Fatal(err)
	}
	routertest.Want(t, "waiting", f.Waiting, 2)
	routertest.Want(t, "untouched of the holder", f.PersonUntouched["alice"], 1)
	routertest.Want(t, "untouched", f.Untouched, 3)
}

// A customer of several leads that are over belongs to who had the last of them, not the first.
func TestReturnsToTheLastOwner(t *testing.T) {
	b := floorOf(t, "alice", "bob", "carl")
	again := func(n int) router.Taken {
		a := routertest.Arrival(1, b.Clock.Now())
		a.Token, a.Place, a.Enquiry.IDs = fmt.Sprintf("again-%d", n), fmt.Sprintf("leads/1/90%d", n), nil
		a.Enquiry.Customer.Comments = a.Token
		return b.Arrive(a)
	}
	id, picks := b.Arrive(routertest.Arrival(1, b.Clock.Now())).Lead, []string{"bob", "carl", "alice"}
	for n, pick := range picks {
		if _, err := b.Assign(t.Context(), id, pick, "asked for", "mia", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Log(t.Context(), id, router.Entry{Kind: router.KindSale}); err != nil {
			t.Fatal(err)
		}
		b.Clock.Add(time.Hour)
		before := turns(b)[pick].Pass
		got := again(n)
		routertest.Want(t, "disposition", got.Disposition, router.DispositionNew)
		routertest.Want(t, "owner", got.Owner, pick)
		routertest.Want(t, "the turn it cost", turns(b)[pick].Pass-before, router.Turn)
		id = got.Lead
	}
}
