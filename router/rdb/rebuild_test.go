package rdb_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// TestRebuild damages one key at a time behind the router's back: each is mended, and named.
func TestRebuild(t *testing.T) {
	server := routertest.StartRedis(t)
	type damage = func(ctx context.Context, c *redis.Client, lead string) error
	del := func(names ...string) damage {
		return func(ctx context.Context, c *redis.Client, _ string) error {
			for _, name := range names {
				if err := c.Del(ctx, key(name)).Err(); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for name, test := range map[string]struct {
		do    damage
		wants string
	}{
		"nothing":     {func(context.Context, *redis.Client, string) error { return nil }, ""},
		"sets":        {del("leads", "ua", "ud", "due", "wait", "owed"), "arrival main-street-"},
		"counters":    {del("cnt", "unt"), "counter recv|autotrader"},
		"rotation":    {del("rot"), "rotation of alice"},
		"set by hand": {del("hand"), "set by hand"},
		"owner": {func(ctx context.Context, c *redis.Client, l string) error {
			return c.HSet(ctx, key("l:"+l), "ow", "carl").Err()
		}, " ow"},
		"stray field": {func(ctx context.Context, c *redis.Client, l string) error {
			return c.HSet(ctx, key("l:"+l), "pk", "1").Err()
		}, " pk"},
		"lost lead": {func(ctx context.Context, c *redis.Client, l string) error { return c.Del(ctx, key("l:"+l)).Err() }, " ow"},
		"stray lead": {func(ctx context.Context, c *redis.Client, _ string) error {
			return c.ZAdd(ctx, key("ua"), redis.Z{Score: 1, Member: "main-street-x"}).Err()
		}, "untouched main-street-x"},
		"line": {func(ctx context.Context, c *redis.Client, _ string) error {
			return c.HSet(ctx, key("meta"), "line", "9;carl 720720 9 1 1 1 0;").Err()
		}, "rotation of carl"},
		"count of events": {func(ctx context.Context, c *redis.Client, _ string) error {
			return c.HSet(ctx, key("meta"), "seq", 3).Err()
		}, "last event"},
		"fingerprints": {func(ctx context.Context, c *redis.Client, _ string) error {
			keys, err := c.Keys(ctx, key("fp:*")).Result()
			if err != nil {
				return err
			}
			for _, k := range keys {
				values, err := c.HVals(ctx, k).Result()
				if err != nil {
					return err
				}
				if strings.Contains(strings.Join(values, ","), "!") {
					continue // that somebody was forgotten stands nowhere else
				}
				if err := c.Del(ctx, k).Err(); err != nil {
					return err
				}
			}
			return nil
		}, "fingerprint of main-street-"},
		"stray fingerprints": {func(ctx context.Context, c *redis.Client, _ string) error {
			return c.HSet(ctx, key("fp:000"), "eAAAAAAAAAAA", "main-street-none:").Err()
		}, "fingerprint of main-street-none"},
	} {
		t.Run(name, func(t *testing.T) {
			c := server.Client()
			t.Cleanup(func() { _ = c.Close() })
			ctx := t.Context()
			if err := c.FlushAll(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			home := routertest.Rooftop("main-street", "alice", "bob", "carl")
			store := rdb.New(c, rdb.Options{})
			b := routertest.NewBench(t, func(now func() time.Time) router.Store {
				store = rdb.New(c, rdb.Options{Now: now})
				return store
			}, home)
			var ids []string
			for range 12 {
				ids = append(ids, b.Arrive(b.Next()).Lead)
				b.Clock.Add(time.Minute)
			}
			for _, e := range []router.Entry{{Kind: router.KindResponse, Channel: "call"}, {Kind: router.KindWillWait}} {
				if _, err := b.Log(ctx, ids[3], e); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := b.Forget(ctx, ids[5], "", "", "test"); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Seal(ctx, home.ID, b.Clock.Now().Add(-6*time.Minute), nil, nil, "", nil); err != nil {
				t.Fatal(err)
			}
			for _, who := range []string{"alice", "bob", "carl"} { // nobody: what comes is held
				if _, err := b.SetFloor(ctx, home.ID, who, router.Off, time.Time{}, "mia", "test"); err != nil {
					t.Fatal(err)
				}
			}
			b.Arrive(b.Next())
			if _, err := b.SetFloor(ctx, home.ID, "bob", router.On, time.Time{}, "mia", "test"); err != nil {
				t.Fatal(err)
			}
			b.Verified()

			if err := test.do(ctx, c, ids[7]); err != nil {
				t.Fatal(err)
			}
			done, err := b.Rebuild(ctx, home.ID, nil)
			if err != nil {
				t.Fatal(err)
			}
			var what strings.Builder
			for _, d := range done.What {
				what.WriteString(d.What + "\n")
			}
			if !strings.Contains(what.String(), test.wants) || (done.Mended == 0) != (name == "nothing") {
				t.Errorf("mended %d:\n%swant %q among them", done.Mended, what.String(), test.wants)
			}
			b.Verified()
			again, err := b.Rebuild(ctx, home.ID, nil)
			if err != nil || again.Mended != 0 {
				t.Errorf("again: mended %+v, %v, want nothing", again, err)
			}
			// It goes on as if nothing had been: the known are known, the forgotten are not brought back, and turns go round.
			if l, err := b.Lead(ctx, ids[7]); err != nil || l.Owner != "bob" {
				t.Errorf("lead = %+v, %v", l, err)
			}
			back := routertest.Arrival(2, b.Clock.Now())
			back.Token, back.Place, back.Enquiry.IDs, back.Enquiry.Customer.Comments = "back/0", "leads/1/99", nil, "again"
			if got := b.Arrive(back); got.Disposition != router.DispositionTouch || got.Lead != ids[1] {
				t.Errorf("the known = %+v, want a touch", got)
			}
			gone := routertest.Arrival(6, b.Clock.Now().Add(-time.Hour))
			gone.Token, gone.Place = "gone/0", "leads/1/98"
			if got := b.Arrive(gone); got.Disposition != router.DispositionForgotten {
				t.Errorf("the forgotten = %+v", got)
			}
			if got := b.Arrive(b.Next()); got.Owner != "bob" {
				t.Errorf("next = %+v, want bob, who alone is on", got)
			}
		})
	}
}

// TestRebuildBeside has an event come between the comparison and the mending: it is compared again.
func TestRebuildBeside(t *testing.T) {
	c := routertest.Miniredis(t)
	home := routertest.Rooftop("main-street", "alice", "bob")
	var x *between
	b := routertest.NewBench(t, func(now func() time.Time) router.Store {
		x = &between{Store: rdb.New(c, rdb.Options{Now: now})}
		return x
	}, home)
	b.Arrive(b.Next())
	if err := c.Del(t.Context(), key("ua")).Err(); err != nil {
		t.Fatal(err)
	}
	x.times, x.do = 2, func() { b.Arrive(b.Next()) }
	done, err := b.Rebuild(t.Context(), home.ID, nil)
	if err != nil || done.Mended != 1 {
		t.Errorf("rebuild = %+v, %v, want one thing mended", done, err)
	}
	if err := c.Del(t.Context(), key("ua")).Err(); err != nil {
		t.Fatal(err)
	}
	x.times = 1000
	if _, err := b.Rebuild(t.Context(), home.ID, nil); err == nil || !strings.Contains(err.Error(), "while no daemon runs") {
		t.Errorf("rebuild of a busy store: %v", err)
	}
	x.times = 0
	if _, err := b.Rebuild(t.Context(), home.ID, nil); err != nil {
		t.Error(err)
	}
	if err := c.XDel(t.Context(), key("ev"), "2-0").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Rebuild(t.Context(), home.ID, nil); err == nil || !strings.Contains(err.Error(), "the log itself is not sound") {
		t.Errorf("rebuild from a broken log: %v", err)
	}
	if err := c.Del(t.Context(), key("ev"), key("meta")).Err(); err != nil { // so that the books balance at the end
		t.Fatal(err)
	}
	if _, err := b.Floor(t.Context(), home.ID); !errors.Is(err, router.ErrUnopened) {
		t.Errorf("a store without keys: %v", err)
	}
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// between does something before each of its next mends.
type between struct {
	router.Store
	times int
	do    func()
}

func (b *between) Mend(ctx context.Context, rooftop string, head int64, mends []router.Mend) error {
	if b.times > 0 {
		b.times--
		b.do()
	}
	return b.Store.Mend(ctx, rooftop, head, mends)
}
