package rdb_test

import (
	"context"
	"testing"
	"time"

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
