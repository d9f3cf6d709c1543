package rdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/metrics"
	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

const (
	benchConns  = 16
	benchStores = 50
)

// A bench is a server with a chain of stores of twelve people each.
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
	const rounds, calls = 9, 2000
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

// BenchmarkAssignDurability holds decisions that nothing can lose (the append-only file written at each on two nodes, and the replica waited
// for) against decisions that are kept in memory alone, over 16 connections by turns.
func BenchmarkAssignDurability(b *testing.B) {
	const rounds, calls = 9, 1000
	quick := newBench(b, rdb.Options{})
	always := []string{"--appendonly", "yes", "--appendfsync", "always"}
	safe := newBench(b, rdb.Options{WaitReplicas: 1}, always...)
	host, port, _ := strings.Cut(safe.c.Options().Addr, ":")
	replica := routertest.StartRedis(b, append(always, "--replicaof", host+" "+port)...).Client()
	defer replica.Close()
	for range 100 {
		if err := safe.take(); err == nil { // the replica has joined
			break
		}
	}
	b.ResetTimer()
	for range b.N {
		var ratios []float64
		for range rounds {
			fast := quick.spend(calls, quick.take)
			ratios = append(ratios, float64(fast.wall)/float64(safe.spend(calls, safe.take).wall))
		}
		b.ReportMetric(median(ratios), "throughput/no-aof")
	}
}

// BenchmarkAssignGrowth holds stores of many leads against stores of few, by turns: the server's processor time of a decision, and the time of
// a scrape of /metrics. It also reports the memory of a lead that nobody has touched, with and without what is personal of it. Many are a
// million with LEADFLOOR_LONG, else 50,000; few are 10,000, of the scrape 1,000.
func BenchmarkAssignGrowth(b *testing.B) {
	const rounds, calls = 9, 2000
	most := 50_000
	if os.Getenv("LEADFLOOR_LONG") != "" {
		most = 1_000_000
	}
	for range b.N {
		least, few, many := newBench(b, rdb.Options{}), newBench(b, rdb.Options{}), newBench(b, rdb.Options{})
		empty := many.info("memory", "used_memory_dataset")
		least.spend(1_000, least.take)
		few.spend(10_000, few.take)
		many.spend(most, many.take)
		all := float64(many.info("memory", "used_memory_dataset")-empty) / float64(most)
		b.ReportMetric(all, "B/lead")
		b.ReportMetric(all-many.personal(), "B/lead-without-personal")

		var growth, scrape []float64
		scrapeFew, scrapeMany := least.scrape(), many.scrape()
		for range rounds {
			base := few.spend(calls, few.take)
			growth = append(growth, float64(many.spend(calls, many.take).server)/float64(base.server))
			quick := scrapeFew()
			scrape = append(scrape, float64(scrapeMany())/float64(quick))
		}
		b.ReportMetric(median(growth), "server-cpu/few")
		b.ReportMetric(median(scrape), "scrape/few")
	}
}

// scrape reads /metrics a few times and says how long it took.
func (x *bench) scrape() func() time.Duration {
	h := metrics.New(metrics.Options{Source: x.Router, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Handler()
	return func() time.Duration {
		start := time.Now()
		for range 10 {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			if w.Code != http.StatusOK {
				x.b.Fatalf("/metrics: status %d", w.Code)
			}
		}
		return time.Since(start)
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
