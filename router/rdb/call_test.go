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

// keyOf is a key of the store that all of this uses.
func keyOf(name string) string { return "lf:{main-street}:" + name }

// A refusal leaves everything as it was; when it is over the same call is carried out, once.
func TestRefusedCallsChangeNothing(t *testing.T) {
	server := routertest.StartRedis(t)
	c := server.Client()
	t.Cleanup(func() { _ = c.Close() })
	for name, fault := range map[string]struct{ happen, mend []any }{
		"OOM":      {[]any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}},
		"READONLY": {[]any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			b := routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }, routertest.Rooftop("main-street", "alice", "bob"))
			b.Arrive(b.Next())
			before := c.DBSize(t.Context()).Val()
			refused := b.Next()
			server.Do(fault.happen...)
			_, err := b.Take(t.Context(), b.Home.ID, refused)
			server.Do(fault.mend...)
			if err == nil || errors.Is(err, router.ErrBroken) || !strings.Contains(err.Error(), name) {
				t.Errorf("Take = %v, want %s and no damage", err, name)
			}
			if after := c.DBSize(t.Context()).Val(); after != before {
				t.Errorf("keys = %d, want still %d", after, before)
			}
			routertest.Want(t, "disposition afterwards", b.Arrive(refused).Disposition, router.DispositionNew)
		})
	}
}

// A key that is not what it should be stops its store, and the store alone.
func TestBrokenStoreIsLeftAlone(t *testing.T) {
	server := routertest.StartRedis(t)
	c := server.Client()
	t.Cleanup(func() { _ = c.Close() })
	homes := []*router.Rooftop{routertest.Rooftop("main-street", "alice"), routertest.Rooftop("north", "bob")}
	r := router.New(rdb.New(c, rdb.Options{}), homes)
	take := func(n int, store string) error {
		_, err := r.Take(t.Context(), store, routertest.Arrival(n, time.Now()))
		return err
	}
	if err := errors.Join(take(1, "main-street"), take(1, "north")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Del(t.Context(), keyOf("ua")).Err(), c.Set(t.Context(), keyOf("ua"), "no hash", 0).Err()); err != nil {
		t.Fatal(err)
	}
	if err := take(2, "main-street"); !errors.Is(err, router.ErrBroken) || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("Take = %v, want ErrBroken and why", err)
	}
	calls := func() string {
		for line := range strings.Lines(server.Do("INFO", "commandstats")) {
			if strings.HasPrefix(line, "cmdstat_evalsha:") {
				return strings.Split(line, ",")[0]
			}
		}
		return ""
	}
	before := calls()
	if err := take(3, "main-street"); !errors.Is(err, router.ErrBroken) {
		t.Errorf("Take = %v, want ErrBroken", err)
	}
	if after := calls(); after != before || after == "" {
		t.Errorf("after another Take: %s, want still %s: nothing may be added to the damage", after, before)
	}
	if err := take(2, "north"); err != nil {
		t.Errorf("Take of the other store = %v, want none", err)
	}
}

// Without the replicas that a decision must wait for it is carried out and not acknowledged; the same call again is.
func TestWaitForReplicas(t *testing.T) {
	master, replica := routertest.StartRedis(t, "--repl-diskless-sync-delay", "0"), routertest.StartRedis(t)
	c := master.Client()
	t.Cleanup(func() { _ = c.Close() })
	b := routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now, WaitReplicas: 1}) }, routertest.Rooftop("main-street", "alice", "bob"))
	alone := router.New(rdb.New(c, rdb.Options{Now: b.Clock.Now}), []*router.Rooftop{b.Home})
	if _, err := alone.Take(t.Context(), b.Home.ID, b.Next()); err != nil { // the next is decided in one round trip
		t.Fatal(err)
	}
	a := b.Next()
	if _, err := b.Take(t.Context(), b.Home.ID, a); err == nil || !strings.Contains(err.Error(), "only 0 of 1 replicas have the decision") {
		t.Fatalf("Take = %v, want that no replica has it", err)
	}
	replica.Do("REPLICAOF", "127.0.0.1", portOf(t, master.Addr))
	var taken router.Taken
	for deadline := time.Now().Add(20 * time.Second); ; { // each try waits a second for the replica
		var err error
		if taken, err = b.Take(t.Context(), b.Home.ID, a); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if !taken.Again || taken.Owner != "bob" {
		t.Errorf("Take = %+v, want the first decision again", taken)
	}
	master.Do("SCRIPT", "FLUSH")
	b.Arrive(b.Next())
	replica.Freeze()
	defer replica.Thaw()
	if _, err := b.Take(t.Context(), b.Home.ID, b.Next()); err == nil || !strings.Contains(err.Error(), "only 0 of 1 replicas") {
		t.Errorf("Take with the replica frozen = %v, want that no replica has it", err)
	}
}

// Decisions go on while their slot moves to another master of the cluster, with and without waiting for replicas.
func TestSlotMoves(t *testing.T) {
	cluster := routertest.StartCluster(t, 5*time.Second)
	c := cluster.Client()
	t.Cleanup(func() { _ = c.Close() })
	for n, wait := range []int{0, 1} {
		if err := c.ForEachMaster(t.Context(), func(ctx context.Context, n *redis.Client) error { return n.FlushAll(ctx).Err() }); err != nil {
			t.Fatal(err)
		}
		b := routertest.NewBench(t, func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now, WaitReplicas: wait}) }, routertest.Rooftop("main-street", "alice", "bob"))
		for range 20 {
			b.Arrive(b.Next())
		}
		move := cluster.Move(keyOf("meta"))
		move(10)
		done := make(chan error, 1)
		arrival := b.Next()
		go func() {
			var err error
			for range 50 { // its keys lie on two nodes meanwhile: again later
				if _, err = b.Take(context.WithoutCancel(t.Context()), b.Home.ID, arrival); err == nil {
					break
				}
			}
			done <- err
		}()
		move(0)
		if err := <-done; err != nil {
			t.Errorf("move %d: Take = %v", n, err)
		}
		for range 5 {
			b.Arrive(b.Next())
		}
		if v := b.Verified(); v.Leads != 26 {
			t.Errorf("move %d: leads = %d, want 26", n, v.Leads)
		}
	}
}
