package rdb_test

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"leadfloor/router"
	"leadfloor/router/hours"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// life asks until the answer is no longer the remembered one.
func life(t *testing.T, s *rdb.Store, was string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // the server is another process
		if is, err := s.Life(t.Context()); err == nil && is != was || time.Now().After(deadline) {
			return is
		}
	}
}

// Every way in which a server can have forgotten something begins another life, and nothing else does.
func TestLife(t *testing.T) {
	server := routertest.StartRedis(t, "--appendonly", "yes")
	c := server.Client()
	defer c.Close()
	home := routertest.Rooftop("main-street", "alice")
	replica := func() (*rdb.Store, *router.Router) {
		s := rdb.New(c, rdb.Options{})
		r := router.New(s, []*router.Rooftop{home})
		if err := r.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s, r
	}
	s, r := replica()
	take := func(n int) {
		t.Helper()
		if _, err := r.Take(t.Context(), home.ID, routertest.Arrival(n, s.Now())); err != nil {
			t.Fatal(err)
		}
	}
	take(1)
	first := life(t, s, "")
	if first == "" {
		t.Fatal("Life = nothing")
	}
	take(2)
	same := func(what string) {
		t.Helper()
		other, _ := replica() // without what the first remembers
		if got, err := other.Life(t.Context()); err != nil || got != first {
			t.Errorf("after %s: Life = %s, %v, want still %s", what, got, err, first)
		}
	}
	same("an event")
	next := func(what string) {
		t.Helper()
		is := life(t, s, first)
		if is == first {
			t.Errorf("after %s: Life = %s, want another", what, is)
		}
		first = is
		same(what)
	}
	server.Kill()
	server.Start()
	next("a restart")

	if err := c.ConfigSet(t.Context(), "repl-diskless-sync-delay", "0").Err(); err != nil {
		t.Fatal(err)
	}
	second := routertest.StartRedis(t)
	d := second.Client()
	defer d.Close()
	if err := d.Do(t.Context(), "REPLICAOF", "127.0.0.1", portOf(t, server.Addr)).Err(); err != nil {
		t.Fatal(err)
	}
	next("another replication history")

	// Fewer events than were seen, by the same server: every replica learns of it, though new ones come at once.
	if err := c.HIncrBy(t.Context(), "lf:{main-street}:meta", "seq", -1).Err(); err != nil {
		t.Fatal(err)
	}
	next("a lost event")

	epoch := c.HGet(t.Context(), "lf:{main-street}:meta", "epoch").Val()
	if err := c.HSet(t.Context(), "lf:{main-street}:meta", "epoch", epoch+"1").Err(); err != nil {
		t.Fatal(err)
	}
	next("a new epoch")

	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Tick(t.Context(), home.ID); !errors.Is(err, router.ErrUnopened) {
		t.Errorf("Tick = %v, want ErrUnopened", err)
	}
	take(3)
	next("all was thrown away")
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A replica that opened a store before it was emptied writes nothing into the new one under the old one's secret: the same message would
// otherwise be two leads.
func TestReplicasAgreeOnTheSecret(t *testing.T) {
	c := routertest.Miniredis(t)
	home := routertest.Rooftop("main-street", "alice", "bob")
	open := func() *router.Router {
		r := router.New(rdb.New(c, rdb.Options{}), []*router.Rooftop{home})
		if err := r.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		return r
	}
	a, b := open(), open()
	take := func(r *router.Router) (router.Taken, error) {
		return r.Take(t.Context(), home.ID, routertest.Arrival(1, time.Now()))
	}
	if _, err := take(a); err != nil {
		t.Fatal(err)
	}
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := take(a); !errors.Is(err, router.ErrUnopened) {
		t.Fatalf("Take = %v, want ErrUnopened", err)
	}
	first, err := take(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(b); !errors.Is(err, router.ErrUnopened) {
		t.Fatalf("Take of the other replica = %v, want ErrUnopened", err)
	}
	again, err := take(b)
	if err != nil {
		t.Fatal(err)
	}
	if again.Lead != first.Lead || !again.Again {
		t.Errorf("Take of the other replica = %+v, want lead %s again", again, first.Lead)
	}
}

// A lease that was taken by a clock far ahead does not outlast the clock's return.
func TestLeaseOfAClockAhead(t *testing.T) {
	clock := routertest.NewClock()
	l := rdb.NewLedger(rdb.New(routertest.Miniredis(t), rdb.Options{Now: clock.Now}))
	claim := func(holder string) (int64, bool) {
		t.Helper()
		fence, held, err := l.Claim(t.Context(), "leads", holder, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return fence, held
	}
	clock.Add(time.Hour)
	one, _ := claim("a")
	clock.Add(-time.Hour)
	if _, held := claim("b"); held {
		t.Error("b holds at once, want it to give a the time to renew")
	}
	clock.Add(21 * time.Second)
	two, held := claim("b")
	if !held || two <= one {
		t.Errorf("Claim = %d, %t, want it held by b under a fence over %d", two, held, one)
	}
}

// A fence rises also over a lease that the store has lost: a holder of before is refused.
func TestFenceOutlivesTheLease(t *testing.T) {
	clock := routertest.NewClock()
	c := routertest.Miniredis(t)
	l := rdb.NewLedger(rdb.New(c, rdb.Options{Now: clock.Now}))
	one, _, err := l.Claim(t.Context(), "leads", "a", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	clock.Add(time.Second)
	two, held, err := l.Claim(t.Context(), "leads", "b", 10*time.Second)
	if err != nil || !held || two <= one {
		t.Fatalf("Claim = %d, %t, %v, want it held under a fence over %d", two, held, err, one)
	}
	if err := l.Settle(t.Context(), "leads", one, 7, []rdb.Place{{UID: 1, Fate: "lead"}}); !errors.Is(err, rdb.ErrFenced) {
		t.Errorf("Settle = %v, want ErrFenced", err)
	}
}

// A decision that was made anew takes the place of the lost one, in the ledger and in what is counted.
func TestSettleAnew(t *testing.T) {
	l := rdb.NewLedger(rdb.New(routertest.Miniredis(t), rdb.Options{}))
	for _, p := range []rdb.Place{{UID: 1, Fate: "lead"}, {UID: 1, Fate: "touch"}, {UID: 1, Fate: "touch", Anew: true}, {UID: 2, Fate: "other", Anew: true}} {
		if err := l.Settle(t.Context(), "leads", 1, 7, []rdb.Place{p}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := l.Account(t.Context(), "leads", nil)
	if err != nil {
		t.Fatal(err)
	}
	routertest.Want(t, "fates", a.ByFate["touch"], int64(1))
	for fate, want := range map[string]int64{"lead": 0, "touch": 1, "other": 1} {
		routertest.Want(t, "counted as "+fate, a.Fates[fate], want)
	}
}

// Many places in one call are set as one after the other: each once, and what was made anew in the place of what was lost.
func TestSettleMany(t *testing.T) {
	l := rdb.NewLedger(rdb.New(routertest.Miniredis(t), rdb.Options{}))
	settle := func(all ...rdb.Place) {
		t.Helper()
		if err := l.Settle(t.Context(), "leads", 1, 7, all); err != nil {
			t.Fatal(err)
		}
	}
	first, later := [8]byte{1}, [8]byte{2}
	settle(rdb.Place{UID: 1, Fate: "lead", Digest: first}, rdb.Place{UID: 2, Fate: "lead", Digest: first}, rdb.Place{UID: 3, Fate: "touch", Digest: first})
	settle(
		rdb.Place{UID: 1, Fate: "lead", Digest: later},                                                 // set before
		rdb.Place{UID: 2, Fate: "touch", Digest: first, Anew: true},                                    // of another fate now
		rdb.Place{UID: 3, Fate: "touch", Digest: later, Anew: true},                                    // of the same
		rdb.Place{UID: 4, Fate: "lead", Digest: first}, rdb.Place{UID: 4, Fate: "lead", Digest: later}, // twice
		rdb.Place{UID: 500, Fate: "lead", Digest: first}, rdb.Place{UID: 5, Fate: "other", Digest: first}, // of another shard, and back
	)
	want := []rdb.Place{
		{UID: 1, Fate: "lead", Digest: first}, {UID: 2, Fate: "touch", Digest: first}, {UID: 3, Fate: "touch", Digest: later},
		{UID: 4, Fate: "lead", Digest: first}, {UID: 5, Fate: "other", Digest: first}, {UID: 500, Fate: "lead", Digest: first},
	}
	got, err := l.Settled(t.Context(), "leads", 7)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b rdb.Place) int { return cmp.Compare(a.UID, b.UID) })
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("settled (-want +got):\n%s", d)
	}
	a, err := l.Account(t.Context(), "leads", nil)
	if err != nil {
		t.Fatal(err)
	}
	for fate, want := range map[string]int64{"lead": 3, "touch": 2, "other": 1} {
		routertest.Want(t, "counted as "+fate, a.Fates[fate], want)
		routertest.Want(t, "there as "+fate, a.ByFate[fate], want)
	}
}

// Where the power fails in the middle of a decision Redis 7 keeps its beginning in the file and carries it out at the second start after.
// Once the file was written anew nothing is left of it.
func TestPowerFailsInADecision(t *testing.T) {
	server := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	c := server.Client()
	t.Cleanup(func() { _ = c.Close() })
	b := routertest.NewBench(t, func(func() time.Time) router.Store { return rdb.New(c, rdb.Options{}) }, routertest.Rooftop("main-street", "alice", "bob"))
	store := rdb.New(c, rdb.Options{})
	compact := func(want bool) {
		t.Helper()
		if done, err := store.Compact(t.Context()); err != nil || done != want {
			t.Fatalf("Compact = %t, %v, want %t", done, err, want)
		}
		server.Compact() // waits for it
	}
	compact(true)
	compact(false)
	for range 20 {
		b.Arrive(b.Next())
	}
	server.Kill()
	server.LoseTail(300) // its last counters and the event
	server.Start()
	b.Verified()
	life(t, store, "")
	if done, err := rdb.New(c, rdb.Options{}).Compact(t.Context()); err != nil || !done {
		t.Fatalf("Compact after the loss = %t, %v, want it done", done, err)
	}
	server.Compact()
	b.Arrive(b.Next())
	server.Kill()
	server.Start()
	if v := b.Verified(); v.Leads != 20 {
		t.Errorf("leads = %d, want 19 and a new one", v.Leads)
	}
}

// The configuration that was loaded last leads at each store that it has.
func TestLeading(t *testing.T) {
	c := routertest.Miniredis(t)
	s := rdb.New(c, rdb.Options{})
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	leading := func(hash string, loaded time.Time, want string, stores ...string) {
		t.Helper()
		var rooftops []*router.Rooftop
		for _, id := range stores {
			rooftops = append(rooftops, routertest.Rooftop(id, "alice"))
		}
		other, since, err := s.Leading(t.Context(), rooftops, hash, loaded)
		if err != nil || other != want || want != "" && !since.After(loaded) {
			t.Errorf("Leading of %s = %q since %s, %v, want %q", hash, other, since, err, want)
		}
	}
	leading("a", at, "", "main-street", "north")
	leading("a", at, "", "main-street", "north")
	leading("b", at.Add(time.Second), "", "south") // another service
	leading("a", at, "", "main-street", "north")
	leading("c", at.Add(2*time.Second), "", "north")
	leading("a", at, "c", "main-street", "north")
	leading("a", at.Add(3*time.Second), "", "main-street", "north") // loaded again
	leading("c", at.Add(2*time.Second), "a", "north")
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	leading("c", at.Add(2*time.Second), "", "north")
	leading("a", at.Add(3*time.Second), "", "main-street", "north")
	leading("c", at.Add(2*time.Second), "a", "north")
}

// Where the key of its hours is lost those of now are for all time, and are kept from then on as the first. A calendar that nobody can read
// is an error, not a guess.
func TestLostHours(t *testing.T) {
	c := routertest.Miniredis(t)
	s := rdb.New(c, rdb.Options{})
	loaded := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	started := func(text string) *router.Router {
		t.Helper()
		f := routertest.Rooftop("main-street", "alice")
		calendar, err := hours.ParseCalendar(text)
		if err != nil {
			t.Fatal(err)
		}
		f.Hours = hours.NewHistory(calendar)
		return router.New(s, []*router.Rooftop{f})
	}
	lead := func(text string, loaded time.Time) {
		t.Helper()
		if other, _, err := s.Leading(t.Context(), started(text).Rooftops(), text, loaded); err != nil || other != "" {
			t.Fatalf("Leading = %q, %v", other, err)
		}
	}
	kept := func(want string) {
		t.Helper()
		r := started("UTC; sun 10:00-12:00")
		if err := r.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		f, err := r.Rooftop("main-street")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, v := range f.Hours.Versions() {
			got += v.Calendar.String() + ". "
		}
		routertest.Want(t, "hours", got, want)
	}
	lead("UTC; mon 09:00-17:00", loaded)
	lead("UTC; sun 10:00-12:00", loaded.Add(time.Hour))
	kept("UTC; mon 09:00-17:00. UTC; sun 10:00-12:00. ")
	if err := c.Del(t.Context(), key("hours")).Err(); err != nil {
		t.Fatal(err)
	}
	kept("UTC; sun 10:00-12:00. ")
	lead("UTC; sun 10:00-12:00", loaded.Add(time.Hour))
	lead("UTC; sat 10:00-12:00", loaded.Add(2*time.Hour))
	kept("UTC; sun 10:00-12:00. UTC; sat 10:00-12:00. UTC; sun 10:00-12:00. ")

	if err := c.RPush(t.Context(), key("hours"), "1795435200000|Mars/Olympus").Err(); err != nil {
		t.Fatal(err)
	}
	err := started("UTC").Open(t.Context())
	const want = `recall the hours of store main-street: those in force since 2026-11-23T12:00:00Z: parse calendar "Mars/Olympus": unknown time zone Mars/Olympus`
	if err == nil || err.Error() != want {
		t.Errorf("Open = %v\n want %s", err, want)
	}
}
