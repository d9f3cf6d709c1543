package rdb_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

func TestStoreOnMiniredis(t *testing.T) {
	routertest.TestStore(t, func(t testing.TB, now func() time.Time) router.Store {
		return rdb.New(routertest.Miniredis(t), rdb.Options{Now: now})
	})
}

func TestStoreOnRedis(t *testing.T) {
	server := routertest.StartRedis(t)
	routertest.TestStore(t, func(t testing.TB, now func() time.Time) router.Store {
		c := server.Client()
		t.Cleanup(func() { _ = c.Close() })
		if err := c.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		return rdb.New(c, rdb.Options{Now: now})
	})
}

// The same with every decision waiting for a replica, where the store of each test may lie on any of three masters.
func TestStoreOnCluster(t *testing.T) {
	c := routertest.StartCluster(t, 10*time.Second, "--appendonly", "no").Client()
	defer c.Close()
	routertest.TestStore(t, func(t testing.TB, now func() time.Time) router.Store {
		err := c.ForEachMaster(context.Background(), func(ctx context.Context, n *redis.Client) error { return n.FlushAll(ctx).Err() })
		if err != nil {
			t.Fatal(err)
		}
		return rdb.New(c, rdb.Options{Now: now, WaitReplicas: 1})
	})
}

func TestStoreOnSentinel(t *testing.T) {
	c := routertest.StartSentinel(t, 10*time.Second, "--appendonly", "no").Client()
	defer c.Close()
	routertest.TestStore(t, func(t testing.TB, now func() time.Time) router.Store {
		if err := c.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		return rdb.New(c, rdb.Options{Now: now, WaitReplicas: 1})
	})
}
