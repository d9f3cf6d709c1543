package rdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// TestCrowd lets two daemons, of several workers each, do everything at once on one store, on random days: every worker reads the same mail,
// and workers die in the middle of a call or before its answer comes. Whatever came between, afterwards every mail has led to exactly one lead
// or joined one, every turn went to whose turn it was, and what was charged adds up. Where TestRotation knows what must come of each step, here
// nobody knows the order.
func TestCrowd(t *testing.T) {
	server := routertest.StartRedis(t)
	for seed := range uint64(6) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			c := server.Client()
			defer c.Close()
			if err := c.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			newCrowd(t, seed, func() *redis.Client { return server.Client() }).run()
		})
	}
}

type crowd struct {
	t       *testing.T
	seed    uint64
	clock   *routertest.Clock
	home    *router.Rooftop
	workers []*worker

	mu    sync.Mutex
	leads []string
	mails int
}

// A worker is one goroutine of a daemon. It knows what it was told, which may be less than what it did.
type worker struct {
	*router.Router
	crowd *crowd
	flaky *routertest.Flaky
	rand  *rand.Rand
	read  int // mails read so far
}

const crowdPeople = 40 // customers

func newCrowd(t *testing.T, seed uint64, dial func() *redis.Client) *crowd {
	c := &crowd{t: t, seed: seed, clock: routertest.NewClock(), home: routertest.Rooftop("main-street", "alice", "bob", "carl", "dora", "erin")}
	r := rand.New(rand.NewPCG(seed, 1))
	c.home.Managers = append(c.home.Managers, router.Person{ID: "max", Name: "Max"})
	c.home.Routing.ReassignAfter = 10 * time.Minute
	c.home.Routing.CatchUpMax = r.IntN(3)
	for i := range c.home.Roster {
		c.home.Roster[i].Weight, c.home.Roster[i].MaxUntouched = 1+r.IntN(2), []int{0, 0, 3}[r.IntN(3)]
	}
	for n := range 4 {
		client := dial()
		t.Cleanup(func() { _ = client.Close() })
		w := &worker{crowd: c, rand: rand.New(rand.NewPCG(seed, uint64(10+n))), flaky: &routertest.Flaky{Store: rdb.New(client, rdb.Options{Now: c.clock.Now})}}
		w.Router = router.New(w.flaky, []*router.Rooftop{c.home})
		c.workers = append(c.workers, w)
	}
	return c
}

func (c *crowd) run() {
	const steps = 80
	var all sync.WaitGroup
	for _, w := range c.workers {
		all.Go(func() {
			for range steps {
				c.clock.Add(time.Duration(w.rand.IntN(20_000)) * time.Millisecond)
				if err := w.step(); err != nil {
					c.t.Errorf("seed %d: %v", c.seed, err)
					return
				}
			}
		})
	}
	all.Wait()
	if c.t.Failed() {
		return
	}
	// Whoever died is started again, and reads what it left.
	w := c.workers[0]
	w.flaky.Fail(0, false)
	w.read = 0
	for w.read < c.mails {
		if err := w.take(); err != nil {
			c.t.Fatal(err)
		}
	}
	c.balance(w)
}

// arrival is the n-th mail: of some customer, whose first it is or not.
func (c *crowd) arrival(n int) *router.Arrival {
	r := rand.New(rand.NewPCG(c.seed, uint64(1000+n)))
	a := routertest.Arrival(r.IntN(crowdPeople), routertest.NewClock().Now().Add(time.Duration(n)*10*time.Second))
	a.Token, a.Place = fmt.Sprint("mail-", n), fmt.Sprint("leads/1/", n)
	a.Enquiry.IDs, a.Enquiry.Customer.Comments = nil, a.Token
	return a
}

func (w *worker) step() error {
	w.flaky.Fail(0, false)
	if w.rand.IntN(8) == 0 {
		w.flaky.Fail(1+w.rand.IntN(2), w.rand.IntN(2) == 0)
	}
	ctx := context.Background()
	var err error
	switch n := w.rand.IntN(20); {
	case n < 7:
		err = w.take()
	case n < 10:
		_, err = w.Log(ctx, w.some(), router.Entry{Kind: router.KindAttempt, Channel: "call"})
	case n < 11:
		_, err = w.Log(ctx, w.some(), router.Entry{Kind: router.KindVoid, Reason: "spam"})
	case n < 12:
		_, err = w.Log(ctx, w.some(), router.Entry{Kind: router.KindWillWait})
	case n < 13:
		_, err = w.Merge(ctx, w.some(), w.some(), "", "mia", "")
	case n < 14:
		_, err = w.Split(ctx, w.some(), []int{1 + w.rand.IntN(3)}, "", "mia", "")
	case n < 15:
		people := w.crowd.home.People()
		_, err = w.Assign(ctx, w.some(), people[w.rand.IntN(len(people))].ID, "", "mia", "")
	case n < 17:
		status := []router.Status{router.On, router.Off, router.Busy, router.Auto}[w.rand.IntN(4)]
		_, err = w.SetFloor(ctx, w.crowd.home.ID, w.crowd.home.Roster[w.rand.IntN(5)].ID, status, time.Time{}, "mia", "")
	default:
		_, err = w.Tick(ctx, w.crowd.home.ID)
	}
	w.flaky.Done()
	var fault *router.FaultError
	if errors.Is(err, routertest.ErrFlaky) || errors.As(err, &fault) || errors.Is(err, router.ErrNotFound) || errors.Is(err, router.ErrConflict) {
		return nil // dead, told that it cannot be, or always too late
	}
	return err
}

// take reads the next mail of the mailbox, which every worker reads whole.
func (w *worker) take() error {
	n := w.read
	taken, err := w.Take(context.Background(), w.crowd.home.ID, w.crowd.arrival(n))
	if err != nil {
		return err // it reads on where it stopped
	}
	w.read++
	w.crowd.mu.Lock()
	defer w.crowd.mu.Unlock()
	w.crowd.mails = max(w.crowd.mails, w.read)
	if !slices.Contains(w.crowd.leads, taken.Lead) {
		w.crowd.leads = append(w.crowd.leads, taken.Lead)
	}
	return nil
}

func (w *worker) some() string {
	w.crowd.mu.Lock()
	defer w.crowd.mu.Unlock()
	if len(w.crowd.leads) == 0 {
		return w.crowd.home.ID + "-none"
	}
	return w.crowd.leads[w.rand.IntN(len(w.crowd.leads))]
}

// balance counts by hand what the log says, beside the verification.
func (c *crowd) balance(w *worker) {
	t, ctx := c.t, c.t.Context()
	leads, next, err := w.Leads(ctx, c.home.ID, router.Query{Limit: 10_000})
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	found := map[string]int{}
	for _, l := range leads {
		if _, ok := c.home.Person(l.Owner); !ok {
			t.Errorf("lead %s is %q's", l.ID, l.Owner)
		}
		for _, x := range l.Touches {
			found[x.Enquiry.Customer.Comments]++
		}
	}
	for n := range c.mails {
		routertest.Want(t, fmt.Sprintf("seed %d: leads that have mail %d", c.seed, n), found[fmt.Sprint("mail-", n)], 1)
	}
	routertest.Want(t, "mails on leads", len(found), c.mails)

	kinds := map[router.Kind]int{}
	var received, charged, back int64
	for after := int64(0); ; {
		events, err := w.flaky.Events(ctx, c.home.ID, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			after = e.Seq
			kinds[e.Kind]++
			if e.Deal != nil {
				charged += e.Deal.Cost
				for _, cost := range e.Deal.Back {
					back += cost
				}
			}
		}
		if len(events) < 1000 {
			break
		}
	}
	f, err := w.Figures(ctx, c.home.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range f.Counts {
		if name == router.CountReceived+"|autotrader" {
			received += n
		}
	}
	routertest.Want(t, "received", received, int64(len(leads)))
	// What a lead still costs is what was charged and not given back.
	var costs int64
	for _, l := range leads {
		for _, n := range l.Charged {
			costs += n
		}
	}
	routertest.Want(t, "turns that leads cost", costs, charged-back)
	v, err := w.Verify(ctx, c.home.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range v.Faults {
		t.Errorf("seed %d: verify: %s", c.seed, x)
	}
	for _, d := range v.Differences {
		t.Errorf("seed %d: verify: %s: live %q, log %q", c.seed, d.What, d.Live, d.Log)
	}
	t.Logf("seed %d: %d mails, %d leads, %d turns of the rotation, events %v", c.seed, c.mails, len(leads), v.Decisions, kinds)
	for _, kind := range []router.Kind{router.KindDealt, router.KindTouch, router.KindMerged, router.KindAssigned, router.KindVoid} {
		if kinds[kind] == 0 {
			t.Errorf("seed %d: nothing was %s", c.seed, kind)
		}
	}
}
