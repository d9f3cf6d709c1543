package rdb_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

func TestLedger(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) *redis.Client{
		"miniredis": func(t *testing.T) *redis.Client { return routertest.Miniredis(t) },
		"redis": func(t *testing.T) *redis.Client {
			c := routertest.StartRedis(t).Client()
			t.Cleanup(func() { _ = c.Close() })
			return c
		},
	} {
		t.Run(name, func(t *testing.T) { testLedger(t, open(t)) })
	}
}

func testLedger(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	clock := routertest.NewClock()
	l := rdb.NewLedger(rdb.New(c, rdb.Options{Now: clock.Now}))
	claim := func(holder string) (int64, bool) {
		t.Helper()
		fence, held, err := l.Claim(ctx, "leads", holder, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return fence, held
	}
	one, held := claim("a")
	routertest.Want(t, "a holds", held, true)
	_, held = claim("b")
	routertest.Want(t, "b holds beside a", held, false)
	again, _ := claim("a")
	routertest.Want(t, "fence of the renewal", again, one)
	clock.Add(31 * time.Second)
	two, held := claim("b")
	routertest.Want(t, "b holds after a", held, true)
	if two <= one {
		t.Errorf("fence = %d after %d", two, one)
	}

	at := clock.Now().Truncate(time.Second)
	places := []rdb.Place{{UID: 7, Digest: [8]byte{1, 2}, Fate: "lead", At: at}, {UID: 4_000_000_000, Fate: "skipped"}}
	if err := l.Settle(ctx, "leads", one, 9, places); !errors.Is(err, rdb.ErrFenced) {
		t.Errorf("late write: %v, want ErrFenced", err)
	}
	for range 2 { // a second time changes nothing
		if err := l.Settle(ctx, "leads", two, 9, places); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Settle(ctx, "leads", two, 9, []rdb.Place{{UID: 7, Fate: "other"}}); err != nil {
		t.Fatal(err)
	}
	got, err := l.Settled(ctx, "leads", 9)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b rdb.Place) int { return cmp.Compare(a.UID, b.UID) })
	if d := gocmp.Diff(places, got); d != "" {
		t.Errorf("settled (-want +got):\n%s", d)
	}
	account, err := l.Account(ctx, "leads", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &rdb.Account{Fates: map[string]int64{"lead": 1, "skipped": 1}, Places: map[uint32]int64{9: 2}, ByFate: map[string]int64{"lead": 1, "skipped": 1}}
	if d := gocmp.Diff(want, account); d != "" {
		t.Errorf("account (-want +got):\n%s", d)
	}

	unfinished := func(holder string, want map[rdb.Attempt]int) {
		t.Helper()
		got, err := l.Unfinished(ctx, "leads", holder)
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("unfinished (-want +got):\n%s", d)
		}
	}
	begin := func(holder string, uids ...uint32) {
		t.Helper()
		if err := l.Begin(ctx, "leads", holder, 9, uids); err != nil {
			t.Fatal(err)
		}
	}
	unfinished("a", map[rdb.Attempt]int{})
	begin("a", 7, 4_000_000_000)
	unfinished("b", map[rdb.Attempt]int{{9, 7}: 1, {9, 4_000_000_000}: 1})
	unfinished("b", map[rdb.Attempt]int{{9, 7}: 1, {9, 4_000_000_000}: 1})
	begin("a", 8)
	begin("a", 7)
	unfinished("b", map[rdb.Attempt]int{{9, 7}: 2, {9, 4_000_000_000}: 1})
	begin("a", 7)
	unfinished("a", map[rdb.Attempt]int{{9, 7}: 2, {9, 4_000_000_000}: 1}) // it lives to tell
	begin("a", 7)
	begin("a")
	unfinished("b", map[rdb.Attempt]int{{9, 7}: 2, {9, 4_000_000_000}: 1})

	first, err := l.FirstSight(ctx, "leads", clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	later, err := l.FirstSight(ctx, "leads", clock.Now().Add(time.Hour))
	if err != nil || !later.Equal(first) {
		t.Errorf("first sight = %v, %v; want %v", later, err, first)
	}
	if err := l.Release(ctx, "leads", "b", two); err != nil {
		t.Fatal(err)
	}
	three, held := claim("a")
	routertest.Want(t, "a holds after the release", held, true)
	if three <= two {
		t.Errorf("fence = %d after %d", three, two)
	}
}
