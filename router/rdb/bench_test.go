package rdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// BenchmarkAssign measures the decision on a new lead against a script that does nothing, and one that does nothing with the same arguments,
// over 16 connections to a real server. server-us/op is the server's own processor time (INFO cpu).
func BenchmarkAssign(b *testing.B) {
	server := routertest.StartRedis(b)
	c := redis.NewClient(&redis.Options{Addr: server.Addr, PoolSize: 16})
	defer c.Close()
	ctx := context.Background()
	bare := redis.NewScript("return 1")
	args := []any{strings.Repeat("x", 2200), strings.Repeat("x", 400), "token", "place"}
	keys := make([]string, 22)
	for i := range keys {
		keys[i] = fmt.Sprintf("{bench}:%d", i)
	}
	run := func(name string, f func(n int64) error) {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(8)
			var n atomic.Int64
			before := serverCPU(b, c)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := f(n.Add(1)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64((serverCPU(b, c)-before).Microseconds())/float64(b.N), "server-us/op")
		})
	}
	run("bare-evalsha", func(int64) error { return bare.Run(ctx, c, keys[:1]).Err() })
	run("same-arguments", func(int64) error { return bare.Run(ctx, c, keys, args...).Err() })

	people := make([]string, 12)
	for i := range people {
		people[i] = fmt.Sprintf("person-%d", i)
	}
	var homes []*router.Rooftop
	for i := range 50 {
		homes = append(homes, routertest.Rooftop(fmt.Sprintf("store-%d", i), people...))
	}
	r := router.New(rdb.New(c, rdb.Options{}), homes)
	if err := r.Open(ctx); err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	run("take", func(int64) error {
		n := next.Add(1)
		_, err := r.Take(ctx, homes[n%50].ID, routertest.Arrival(int(n), time.Now()))
		return err
	})
	run("take-again", func(n int64) error {
		n = n%next.Load() + 1
		_, err := r.Take(ctx, homes[n%50].ID, routertest.Arrival(int(n), time.Now()))
		return err
	})
}

func serverCPU(b *testing.B, c *redis.Client) time.Duration {
	b.Helper()
	text, err := c.Info(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	var sum time.Duration
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			var s float64
			if err := json.Unmarshal([]byte(value), &s); err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(s * float64(time.Second))
		}
	}
	return sum
}
