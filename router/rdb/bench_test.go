package rdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

const (
	benchConns  = 16
	benchStores = 50
)

// A bench is a server with a chain of fifty stores of twelve people each.
type bench struct {
	*router.Router
	b     *testing.B
	c     *redis.Client
	homes []*router.Rooftop
	taken atomic.Int64
	args  atomic.Pointer[[]any] // of the last script that was called
}

func newBench(b *testing.B, o rdb.Options, args ...string) *bench {
	b.Helper()
	x := &bench{b: b, c: redis.NewClient(&redis.Options{Addr: routertest.StartRedis(b, args...).Addr, PoolSize: benchConns})}
	b.Cleanup(func() { _ = x.c.Close() })
	x.c.AddHook(x)
	people := make([]string, 12)
	for i := range people {
		people[i] = fmt.Sprintf("person-%d", i)
	}
	for i := range benchStores {
		x.homes = append(x.homes, routertest.Rooftop(fmt.Sprintf("store-%d", i), people...))
	}
	x.Router = router.New(rdb.New(x.c, o), x.homes)
	if err := x.Open(context.Background()); err != nil {
		b.Fatal(err)
	}
	return x
}

func (x *bench) DialHook(next redis.DialHook) redis.DialHook { return next }

func (x *bench) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); x.args.Load() == nil && args[0] == "evalsha" {
			x.args.Store(&args)
		}
		return next(ctx, cmd)
	}
}

func (x *bench) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

var _ redis.Hook = (*bench)(nil)

// take takes one more new customer.
func (x *bench) take() error {
	n := x.taken.Add(1)
	_, err := x.Take(context.Background(), x.homes[n%benchStores].ID, routertest.Arrival(int(n), time.Now()))
	return err
}

// cost is what a number of calls took: by the clock on the wall, and of the server's own processor time.
type cost struct{ wall, server time.Duration }

// spend does something n times over all connections.
func (x *bench) spend(n int, f func() error) cost {
	x.b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	before, start := serverCPU(x.b, x.c), time.Now()
	var all sync.WaitGroup
	for range benchConns {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					x.b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return cost{time.Since(start), serverCPU(x.b, x.c) - before}
}

func (x *bench) info(section, field string) int64 {
	x.b.Helper()
	text, err := x.c.Info(context.Background(), section).Result()
	if err != nil {
		x.b.Fatal(err)
	}
	_, rest, _ := strings.Cut(text, "\n"+field+":")
	line, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		x.b.Fatal(err)
	}
	return n
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// BenchmarkAssign holds the decision on a new lead against a script that does nothing, with one key and with the very same keys and
// arguments, over 16 connections by turns.
func BenchmarkAssign(b *testing.B) {
	const rounds, calls = 9, 4000
	x := newBench(b, rdb.Options{})
	ctx := context.Background()
	nothing := redis.NewScript("return 1")
	if err := nothing.Load(ctx, x.c).Err(); err != nil {
		b.Fatal(err)
	}
	if err := x.take(); err != nil {
		b.Fatal(err)
	}
	same := slices.Clone(*x.args.Load())
	same[1] = nothing.Hash()
	b.ResetTimer()
	for range b.N {
		var throughput, cpu, own, anchor []float64
		for range rounds {
			bare := x.spend(calls, func() error { return nothing.EvalSha(ctx, x.c, []string{"{bench}"}).Err() })
			args := x.spend(calls, func() error { return x.c.Do(ctx, same...).Err() })
			take := x.spend(calls, x.take)
			throughput = append(throughput, float64(bare.wall)/float64(take.wall))
			cpu = append(cpu, float64(take.server)/float64(args.server))
			own, anchor = append(own, float64(take.server.Microseconds())/calls), append(anchor, float64(args.server.Microseconds())/calls)
		}
		b.ReportMetric(median(throughput), "throughput/bare")
		b.ReportMetric(median(cpu), "server-cpu/same-arguments")
		b.ReportMetric(median(own), "server-us/take")
		b.ReportMetric(median(anchor), "server-us/same-arguments")
	}
}

// BenchmarkAssignGrowth fills the stores with leads that nobody has touched, and reports what the decision costs at the end of it against at
// the beginning, and the memory of a lead, with and without what is personal of it. With LEADFLOOR_LONG it is a million leads, else 50,000.
func BenchmarkAssignGrowth(b *testing.B) {
	const few = 10_000
	many := 50_000
	if os.Getenv("LEADFLOOR_LONG") != "" {
		many = 1_000_000
	}
	ctx := context.Background()
	nothing := redis.NewScript("return 1")
	for range b.N {
		x := newBench(b, rdb.Options{})
		empty := x.info("memory", "used_memory_dataset")
		fill := func(to int) { x.spend(to-int(x.taken.Load()), x.take) }
		// The machine is not as quick at the end as at the beginning: what does nothing tells how much.
		ratio := func() float64 {
			const rounds, calls = 9, 2000
			if err := nothing.Load(ctx, x.c).Err(); err != nil {
				b.Fatal(err)
			}
			same := slices.Clone(*x.args.Load())
			same[1] = nothing.Hash()
			var all []float64
			for range rounds {
				anchor := x.spend(calls, func() error { return x.c.Do(ctx, same...).Err() })
				all = append(all, float64(x.spend(calls, x.take).server)/float64(anchor.server))
			}
			return median(all)
		}
		fill(few)
		before := ratio()
		fill(many)
		after := ratio()
		leads := x.taken.Load()
		all := float64(x.info("memory", "used_memory_dataset")-empty) / float64(leads)
		personal := x.personal()
		b.ReportMetric(after/before, "growth")
		b.ReportMetric(all, "B/lead")
		b.ReportMetric(all-personal, "B/lead-without-personal")
	}
}

// personal is what a lead takes for what is personal of it, by a sample.
func (x *bench) personal() float64 {
	x.b.Helper()
	ctx := context.Background()
	var sum, n int64
	for it := x.c.Scan(ctx, 0, "lf:{store-1}:p:*", 1000).Iterator(); n < 500 && it.Next(ctx); n++ {
		size, err := x.c.MemoryUsage(ctx, it.Val(), 0).Result()
		if err != nil {
			x.b.Fatal(err)
		}
		sum += size
	}
	return float64(sum) / float64(max(1, n))
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
