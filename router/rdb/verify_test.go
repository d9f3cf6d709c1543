package rdb_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// TestVerifySees changes one key at a time behind the router's back: each change must be found.
func TestVerifySees(t *testing.T) {
	ctx := context.Background()
	for name, tamper := range map[string]func(c *redis.Client, lead string) (wants string, err error){
		"owner": func(c *redis.Client, l string) (string, error) {
			return "lead " + l + " ow", c.HSet(ctx, key("l:"+l), "ow", "bob").Err()
		},
		"state": func(c *redis.Client, l string) (string, error) {
			return "lead " + l + " st", c.HSet(ctx, key("l:"+l), "st", "sold").Err()
		},
		"lost lead": func(c *redis.Client, l string) (string, error) {
			return "lead " + l + " ow", c.Del(ctx, key("l:"+l)).Err()
		},
		"counter": func(c *redis.Client, _ string) (string, error) {
			return "counter recv|autotrader", c.HIncrBy(ctx, key("cnt"), "recv|autotrader", 1).Err()
		},
		"pass": func(c *redis.Client, _ string) (string, error) {
			return "rotation of alice", c.HSet(ctx, key("meta"), "line", "0;bob 720720 0 1 0 0 0;alice 720720 0 1 0 0 0;").Err()
		},
		"stray person": func(c *redis.Client, _ string) (string, error) {
			return "rotation of dora", c.HSet(ctx, key("rot"), "dora", "0|1|1|1|1|1").Err()
		},
		"untouched": func(c *redis.Client, l string) (string, error) {
			return "untouched " + l, c.ZRem(ctx, key("ua"), l).Err()
		},
		"deadline": func(c *redis.Client, l string) (string, error) {
			return "deadline " + l, c.ZRem(ctx, key("ud"), l).Err()
		},
		"overdue": func(c *redis.Client, l string) (string, error) {
			return "overdue " + l, c.ZAdd(ctx, key("over"), redis.Z{Score: 1, Member: l}).Err()
		},
		"timer": func(c *redis.Client, l string) (string, error) {
			return "timer " + l, c.ZAdd(ctx, key("due"), redis.Z{Score: 1, Member: l}).Err()
		},
		"set by hand": func(c *redis.Client, _ string) (string, error) {
			return "set by hand bob", c.HSet(ctx, key("hand"), "bob", "off|0|").Err()
		},
		"person": func(c *redis.Client, _ string) (string, error) {
			return "untouched of alice", c.HIncrBy(ctx, key("unt"), "alice", 5).Err()
		},
		"stray lead": func(c *redis.Client, _ string) (string, error) {
			return "arrival main-street-x", c.ZAdd(ctx, key("leads"), redis.Z{Score: 1, Member: "main-street-x"}).Err()
		},
		"event": func(c *redis.Client, _ string) (string, error) { return "missing", c.XDel(ctx, key("ev"), "3-0").Err() },
		"unjust event": func(c *redis.Client, _ string) (string, error) {
			// Eve deals herself a lead.
			return "it was the turn of", appendEvent(c, `{"to":"bob","cost":720720,"in":{"alice":9999,"bob":0}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := routertest.Miniredis(t)
			clock := routertest.NewClock()
			r := router.New(rdb.New(c, rdb.Options{Now: clock.Now}), []*router.Rooftop{routertest.Rooftop("main-street", "alice", "bob", "carl")})
			var lead string
			for n := range 5 {
				taken, err := r.Take(ctx, "main-street", routertest.Arrival(n, clock.Now()))
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					lead = taken.Lead
				}
			}
			if v, err := r.Verify(ctx, "main-street", nil); err != nil || !v.OK() {
				t.Fatalf("before: %+v, %v", v, err)
			}
			want, err := tamper(c, lead)
			if err != nil {
				t.Fatal(err)
			}
			v, err := r.Verify(ctx, "main-street", nil)
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, d := range v.Differences {
				all.WriteString(d.What + "\n")
			}
			all.WriteString(strings.Join(v.Faults, "\n"))
			if !strings.Contains(all.String(), want) {
				t.Errorf("verify found\n%s\nwant %q", all.String(), want)
			}
			f, err := r.Figures(ctx, "main-street")
			if err != nil || f.Difference == 0 || !f.Checked.Equal(clock.Now().Truncate(time.Millisecond)) {
				t.Errorf("figures: difference %d, checked %v, %v", f.Difference, f.Checked, err)
			}
		})
	}
}

func key(name string) string { return "lf:{main-street}:" + name }

func appendEvent(c *redis.Client, deal string) error {
	ctx := context.Background()
	seq, err := c.HIncrBy(ctx, key("meta"), "seq", 1).Result()
	if err != nil {
		return err
	}
	return c.XAdd(ctx, &redis.XAddArgs{Stream: key("ev"), ID: strconv.FormatInt(seq, 10) + "-0", Values: []any{"k", "dealt", "t", "1", "d", deal}}).Err()
}

// An event tells who is eligible, or which event told it last, not long ago: a log that was sealed has that event still.
func TestLooksBackNotFar(t *testing.T) {
	c := routertest.Miniredis(t)
	b := routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }, routertest.Rooftop("main-street", "alice", "bob"))
	for range 600 {
		b.Arrive(b.Next())
	}
	all, err := c.XRange(t.Context(), key("ev"), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for i, m := range all {
		if deal, _ := m.Values["d"].(string); strings.Contains(deal, `"in":`) {
			told = i
		}
		if i-told >= 256 {
			t.Fatalf("event %s looks back over %d events", m.ID, i-told)
		}
	}
}
