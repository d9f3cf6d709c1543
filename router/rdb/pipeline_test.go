package rdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// batch are the enquiries of n customers who never wrote before.
func batch(b *routertest.Bench, n int) []*router.Prepared {
	var all []*router.Arrival
	for range n {
		all = append(all, b.Next())
	}
	return b.Prepared(all...)
}

// inTurn fails the test unless all were dealt to alice and bob in turn.
func inTurn(t *testing.T, answers []router.Answer) {
	t.Helper()
	for i, a := range answers {
		if want := []string{"alice", "bob"}[i%2]; a.Err != nil || a.Taken.Owner != want || a.Taken.Disposition != router.DispositionNew {
			t.Errorf("answer %d = %s to %q, %v, want new to %s", i, a.Taken.Disposition, a.Taken.Owner, a.Err, want)
		}
	}
}

// flusher has the server forget its scripts in the middle of the next pipeline.
type flusher struct{ armed atomic.Bool }

func (f *flusher) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f *flusher) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (f *flusher) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !f.armed.CompareAndSwap(true, false) {
			return next(ctx, cmds)
		}
		half := len(cmds) / 2
		return next(ctx, append(append(append([]redis.Cmder{}, cmds[:half]...), redis.NewStatusCmd(ctx, "script", "flush")), cmds[half:]...))
	}
}

func TestScriptsForgottenWithinAPipeline(t *testing.T) {
	f := &flusher{}
	single := routertest.StartRedis(t).Client()
	t.Cleanup(func() { _ = single.Close() })
	single.AddHook(f)
	cluster := routertest.StartCluster(t, 5*time.Second).Client()
	t.Cleanup(func() { _ = cluster.Close() })
	cluster.OnNewNode(func(c *redis.Client) { c.AddHook(f) })
	for name, o := range map[string]struct {
		c    redis.UniversalClient
		wait int
	}{"single": {single, 0}, "cluster": {cluster, 0}, "cluster with replicas": {cluster, 1}} {
		t.Run(name, func(t *testing.T) {
			home := routertest.Rooftop(fmt.Sprint("store-", o.wait), "alice", "bob")
			for i := range home.Roster {
				home.Roster[i].MaxUntouched = 1000 // whoever is capped is dealt one lead in a call
			}
			b := routertest.NewBench(t, func(now func() time.Time) router.Store {
				return rdb.New(o.c, rdb.Options{Now: now, WaitReplicas: o.wait})
			}, home)
			inTurn(t, b.TakeAll(t.Context(), batch(b, 10)))
			f.armed.Store(true)
			inTurn(t, b.TakeAll(t.Context(), batch(b, 11)))
			if f.armed.Load() {
				t.Error("nothing was flushed")
			}
			if v := b.Verified(); v.Leads != 21 {
				t.Errorf("leads = %d, want 21", v.Leads)
			}
		})
	}
}

// cut is a connection that ends after some more bytes were read from it.
type cut struct {
	net.Conn
	left *atomic.Int64
}

func (c cut) Read(b []byte) (int, error) {
	left := c.left.Load()
	if left == 0 {
		_ = c.Close()
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), left)])
	c.left.Add(-int64(n))
	return n, err
}

// Where a connection ends within the answers nobody knows; the same arrivals again tell what was decided, and double nothing.
func TestPipelineCut(t *testing.T) {
	server := routertest.StartRedis(t)
	var left atomic.Int64
	const plenty = 1 << 40
	left.Store(plenty)
	c := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return cut{conn, &left}, err
	}})
	t.Cleanup(func() { _ = c.Close() })
	b := routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }, routertest.Rooftop("main-street", "alice", "bob"))
	inTurn(t, b.TakeAll(t.Context(), batch(b, 2)))
	all := batch(b, 20)
	left.Store(100)
	failed := 0
	for _, a := range b.TakeAll(t.Context(), all) {
		if a.Err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("no arrival failed")
	}
	left.Store(plenty)
	inTurn(t, b.TakeAll(t.Context(), all))
	if v := b.Verified(); v.Leads != 22 {
		t.Errorf("leads = %d, want 22", v.Leads)
	}
}

// A server that stops in the middle of pipelines, and comes back, loses and doubles nothing.
func TestKilledWithinPipelines(t *testing.T) {
	server := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	c := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	b := routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }, routertest.Rooftop("main-street", "alice", "bob"))
	inTurn(t, b.TakeAll(t.Context(), batch(b, 2)))
	for range 3 {
		all, before := batch(b, 200), c.XLen(t.Context(), keyOf("ev")).Val()
		done := make(chan []router.Answer)
		go func() { done <- b.TakeAll(context.WithoutCancel(t.Context()), all) }()
		for c.XLen(t.Context(), keyOf("ev")).Val() == before { // until it has begun
		}
		server.Kill()
		<-done
		server.Start()
		inTurn(t, b.TakeAll(t.Context(), all))
	}
	if v := b.Verified(); v.Leads != 602 {
		t.Errorf("leads = %d, want 602", v.Leads)
	}
}

// caller counts calls of scripts.
type caller struct{ calls atomic.Int64 }

func (c *caller) note(cmds ...redis.Cmder) {
	for _, cmd := range cmds {
		if cmd.Name() == "evalsha" {
			c.calls.Add(1)
		}
	}
}

func (c *caller) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *caller) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.note(cmd)
		return next(ctx, cmd)
	}
}

func (c *caller) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.note(cmds...)
		return next(ctx, cmds)
	}
}

// Where a floor is not known to be as it was one arrival is decided alone, and those after it in one call. Only where nobody is on each goes alone.
func TestCallsOnAnUnknownFloor(t *testing.T) {
	c := routertest.StartRedis(t).Client()
	t.Cleanup(func() { _ = c.Close() })
	count := &caller{}
	c.AddHook(count)
	for _, store := range []string{"first-street", "second-street"} { // by the second the server knows the script
		b := routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }, routertest.Rooftop(store, "alice", "bob"))
		want := func(what string, want int64) {
			t.Helper()
			all := batch(b, 20)
			before := count.calls.Load()
			for i, a := range b.TakeAll(t.Context(), all) {
				if a.Err != nil || a.Taken.Disposition != router.DispositionNew {
					t.Fatalf("%s: answer %d = %+v", what, i, a)
				}
			}
			if n := count.calls.Load() - before; n != want && store != "first-street" {
				t.Errorf("%s: calls = %d, want %d", what, n, want)
			}
		}
		want("an unknown floor", 3)
		want("a floor that is as it was", 1)
		for _, who := range []string{"alice", "bob"} {
			if _, err := b.SetFloor(t.Context(), b.Home.ID, who, router.Off, time.Time{}, "mia", "test"); err != nil {
				t.Fatal(err)
			}
		}
		want("nobody on", 22)
		if v := b.Verified(); v.Leads != 60 {
			t.Errorf("leads = %d, want 60", v.Leads)
		}
	}
}

// refuser answers the next call of a script in place of the server, and keeps its keys.
type refuser struct {
	armed atomic.Bool
	keys  []any
}

func (r *refuser) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *refuser) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); args[0] == "evalsha" && r.armed.CompareAndSwap(true, false) {
			r.keys = args[3 : 3+args[2].(int)]
			cmd.SetErr(io.EOF)
			return io.EOF
		}
		return next(ctx, cmd)
	}
}

func (r *refuser) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Of arrivals that are decided in one call those before one that meets a damaged key are written to the end.
func TestDamagedWithinACall(t *testing.T) {
	server := routertest.StartRedis(t)
	c, r := server.Client(), &refuser{}
	t.Cleanup(func() { _ = c.Close() })
	c.AddHook(r)
	open := func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }
	b := routertest.NewBench(t, open, routertest.Rooftop("main-street", "alice", "bob"))
	inTurn(t, b.TakeAll(t.Context(), batch(b, 2)))
	all := batch(b, 5)
	r.armed.Store(true)
	b.TakeAll(t.Context(), all)
	const base, own, third = 13, 6, 2 // keys of a store, of an arrival with an email, a phone and an id; an arrival
	token, print := *r.keys[base+own*third].(*string), *r.keys[base+own*third+3].(*string)
	for _, key := range []string{token, print} {
		was := c.Dump(t.Context(), key).Val()
		c.Del(t.Context(), key)
		c.Set(t.Context(), key, "not a hash", 0)
		for i, a := range b.TakeAll(t.Context(), all) {
			if !errors.Is(a.Err, router.ErrBroken) {
				t.Errorf("%s: answer %d = %v, want that the keys are damaged", key, i, a.Err)
			}
		}
		c.Del(t.Context(), key)
		if was != "" {
			c.Restore(t.Context(), key, 0, was)
		}
		b.Store = open(b.Clock.Now) // which knows nothing of the damage
		b.Router = router.New(b.Store, []*router.Rooftop{b.Home})
		if v := b.Verified(); v.Leads != 4 {
			t.Errorf("%s: leads = %d, want 4", key, v.Leads)
		}
	}
	inTurn(t, b.TakeAll(t.Context(), all))
	if v := b.Verified(); v.Leads != 7 {
		t.Errorf("leads = %d, want 7", v.Leads)
	}
}

// A server that refuses to write is full, not damaged: nothing is decided until it has room, and then everything is.
func TestRefusedWithinACall(t *testing.T) {
	server := routertest.StartRedis(t)
	c := server.Client()
	t.Cleanup(func() { _ = c.Close() })
	b := routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }, routertest.Rooftop("main-street", "alice", "bob"))
	inTurn(t, b.TakeAll(t.Context(), batch(b, 2)))
	for _, n := range []int{1, 6} {
		all := batch(b, n*2)
		c.ConfigSet(t.Context(), "maxmemory", "1")
		for i, a := range append(b.TakeAll(t.Context(), all[:n]), b.TakeAll(t.Context(), all[n:])...) {
			if a.Err == nil || errors.Is(a.Err, router.ErrBroken) || !redis.HasErrorPrefix(errors.Unwrap(a.Err), "OOM") {
				t.Errorf("answer %d of %d = %v, want that there is no room", i, n, a.Err)
			}
		}
		c.ConfigSet(t.Context(), "maxmemory", "0")
		inTurn(t, b.TakeAll(t.Context(), all))
	}
	if v := b.Verified(); v.Leads != 16 {
		t.Errorf("leads = %d, want 16", v.Leads)
	}
}
