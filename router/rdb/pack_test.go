package rdb_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// Among whom a lead was dealt is told once in many events. It must be known of each, wherever the log is read from.
func TestEventsFromAnywhere(t *testing.T) {
	const leads = 400
	c := routertest.StartRedis(t).Client()
	t.Cleanup(func() { _ = c.Close() })
	clock := routertest.NewClock()
	store := rdb.New(c, rdb.Options{Now: clock.Now})
	b := routertest.NewBench(t, func(func() time.Time) router.Store { return store }, routertest.Rooftop("main-street", "alice", "bob", "carl", "dora"))
	b.Home.Roster[1].Weight = 2
	b.Home.Routing.ReassignAfter = 20 * time.Minute
	for n := range leads {
		clock.Add(time.Minute)
		id := b.Arrive(b.Next()).Lead
		switch n % 50 {
		case 7:
			if _, err := b.Assign(t.Context(), id, "carl", "asked for", "mia", ""); err != nil {
				t.Fatal(err)
			}
		case 11:
			if _, err := b.Log(t.Context(), id, router.Entry{Kind: router.KindVoid, Reason: "spam"}); err != nil {
				t.Fatal(err)
			}
		case 13:
			tick(b)
		}
		if n == 20 {
			set(b, "dora", router.Busy)
		}
	}

	read := func(after int64, page int) (all []router.Event) {
		t.Helper()
		for {
			events, err := store.Events(t.Context(), b.Home.ID, after, page)
			if err != nil {
				t.Fatal(err)
			}
			if all = append(all, events...); len(events) < page {
				return all
			}
			after = all[len(all)-1].Seq
		}
	}
	whole := read(0, 100_000)
	for _, e := range whole {
		if d := e.Deal; d != nil && e.Kind != router.KindFloor && d.Cost > 0 && len(d.In)+len(d.Out) != len(b.Home.Roster) {
			t.Errorf("event %d, %s, names %d in and %d out, want %d in all", e.Seq, e.Kind, len(d.In), len(d.Out), len(b.Home.Roster))
		}
	}
	for _, from := range []int{1, 2, 30, 255, 256, 257, 400, len(whole) - 1} {
		if d := cmp.Diff(whole[from:], read(int64(from), 37)); d != "" {
			t.Errorf("read from event %d on (-whole +pages):\n%.2000s", from+1, d)
		}
	}
}
