package rdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/hours"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// TestRotation drives two routers over one store and the model of the law through random days of a floor: arrivals, shifts, sickness,
// caps, weights, hires and leavers, re-deals, picks by hand, spam, and calls whose reply is lost. After every step the two must agree on
// every pass and on the owner of every lead. Scripts run much slower in miniredis, which gets the first seeds, than in Redis.
func TestRotation(t *testing.T) {
	const onMiniredis, seeds, steps = 3, 20, 150
	server := routertest.StartRedis(t)
	for seed := range uint64(seeds) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			var c *redis.Client
			if seed < onMiniredis {
				c = routertest.Miniredis(t)
			} else {
				c = server.Client()
				defer c.Close()
			}
			run := func(all []step) (*year, int, error) {
				if err := c.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				y := newYear(func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }, seed)
				y.thorough = true
				at, err := y.run(all)
				return y, at, err
			}
			all := schedule(seed, steps)
			y, at, err := run(all)
			if err == nil {
				t.Log(y.tally())
				return
			}
			all = shrink(all[:at+1], func(less []step) bool {
				_, _, err := run(less)
				return err != nil
			})
			_, _, err = run(all)
			var b strings.Builder
			for _, s := range all {
				fmt.Fprintf(&b, "\t%+v\n", s)
			}
			t.Errorf("seed %d, shrunk to %d steps:\n%s%v", seed, len(all), &b, err)
		})
	}
}

// TestYear is the same for a year and 100,000 arrivals on a real Redis. It takes minutes and is asked for by LEADFLOOR_LONG, whose number
// is the seed.
func TestYear(t *testing.T) {
	long := os.Getenv("LEADFLOOR_LONG")
	if long == "" {
		return
	}
	seed, err := strconv.ParseUint(long, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	const arrivals = 100_000
	server := routertest.StartRedis(t)
	c := server.Client()
	t.Cleanup(func() { _ = c.Close() })
	y := newYear(func(now func() time.Time) router.Store { return rdb.New(c, rdb.Options{Now: now}) }, seed)
	y.home.Hours = hours.NewHistory(calendars(rand.New(rand.NewPCG(seed, 3)))[1])
	y.home.Routing = routertest.Rooftop("").Routing
	y.home.Routing.ReassignAfter = 30 * time.Minute
	for i := 0; len(y.home.Roster) < 8; i++ {
		y.hire(rand.New(rand.NewPCG(seed, uint64(10+i))))
	}
	start := y.clock.Now()
	began := time.Now()
	r := rand.New(rand.NewPCG(seed, 1))
	for n := 0; y.arrivals < arrivals; n++ {
		s := draw(r)
		// The year is over when the arrivals are: what is left of one is spread over what is left of the other.
		left := start.AddDate(1, 0, 0).Sub(y.clock.Now())
		s.Wait = time.Duration(float64(s.Wait) * max(0.05, float64(left)/float64(time.Duration(arrivals-y.arrivals)*meanWait*5)))
		if err := y.do(s); err != nil {
			t.Fatalf("seed %d, step %d, %+v at %s: %v", seed, n, s, y.clock.Now(), err)
		}
		if n%100_000 == 0 {
			if err := y.audit(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, n, err)
			}
			t.Logf("step %d at %s: %s", n, y.clock.Now(), y.tally())
		}
	}
	if err := y.audit(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	took := time.Since(began)
	info, err := c.Info(t.Context(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	used := ""
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, "used_memory_human:"); ok {
			used = strings.TrimSpace(v)
		}
	}
	t.Logf("seed %d: %s simulated in %s; %s; Redis uses %s", seed, y.clock.Now().Sub(start).Round(time.Hour), took.Round(time.Second), y.tally(), used)
}

// A step is something that happens. Its numbers choose among what there is when it happens, so that steps can be left out.
type step struct {
	Op     string
	A, B   uint32
	Fault  int  // which writing call fails; 0: none
	Lost   bool // it is carried out, and its reply lost
	Repeat bool // at once; else the caller was killed, and comes again later if at all
	Wait   time.Duration
}

const meanWait = 2 * time.Minute

var ops = []struct {
	op     string
	weight int
}{{"new", 30}, {"back", 6}, {"copy", 3}, {"replay", 4}, {"try", 24}, {"close", 5}, {"pick", 3}, {"floor", 5}, {"roster", 2}, {"tick", 18}}

func draw(r *rand.Rand) step {
	s := step{A: r.Uint32(), B: r.Uint32()}
	n := r.IntN(100)
	for _, o := range ops {
		if n -= o.weight; n < 0 {
			s.Op = o.op
			break
		}
	}
	if r.IntN(10) == 0 {
		s.Fault, s.Lost, s.Repeat = 1, r.IntN(3) > 0, r.IntN(2) == 0
		if s.Op == "tick" {
			s.Fault += r.IntN(5)
		}
	}
	s.Wait = min(time.Duration(r.ExpFloat64()*float64(meanWait)), 20*time.Minute).Truncate(time.Millisecond) + time.Millisecond
	return s
}

func schedule(seed uint64, n int) []step {
	r := rand.New(rand.NewPCG(seed, 1))
	all := make([]step, n)
	for i := range all {
		all[i] = draw(r)
	}
	return all
}

// shrink leaves out what is not needed to fail.
func shrink(all []step, fails func([]step) bool) []step {
	budget := 150
	for size := len(all) / 2; size > 0 && budget > 0; size /= 2 {
		for i := 0; i+size <= len(all) && budget > 0; {
			budget--
			if less := slices.Concat(all[:i], all[i+size:]); fails(less) {
				all = less
			} else {
				i += size
			}
		}
	}
	return all
}

// A year is a store's life as both the routers and the model see it.
type year struct {
	clock    *routertest.Clock
	home     *router.Rooftop
	store    router.Store
	flaky    *routertest.Flaky
	routers  [2]*router.Router
	m        *routertest.Model
	thorough bool // compares everything after each step, not only what may have changed

	mails     []*mail
	unsettled []*mail // whose taker was killed
	first     map[int]*routertest.ModelLead
	leads     []*routertest.ModelLead
	customers int
	calls     int
	hired     int
	caps      map[string]int // what each is capped at

	window map[string]stand // of those whom the rotation alone dealt to for a while
	among  string

	arrivals, touches, duplicates, replays, held, redealt, reheld, escalated, picked, returned, faults, spread int
}

// stand is somebody's pass when a window began, and the turns dealt since.
type stand struct{ pass, turns int64 }

type mail struct {
	token, place string
	customer     int
	copy, back   bool
	at           time.Time
	lead         *routertest.ModelLead // once taken
	was          router.Disposition
}

var chicago = func() *time.Location {
	l, err := time.LoadLocation("America/Chicago")
	if err != nil {
		panic(err)
	}
	return l
}()

// calendars are the shifts there are; nil is the store's hours.
func calendars(r *rand.Rand) []*hours.Calendar {
	week := func(entries map[string]string) hours.Week {
		w, err := hours.ParseWeek(entries)
		if err != nil {
			panic(err)
		}
		return w
	}
	closed := map[hours.Date][]hours.Span{}
	for _, d := range []string{"2026-12-25", "2027-01-01", "2027-01-18", "2027-05-31", "2027-07-05", "2027-09-06", "2027-11-25", "2027-12-24"} {
		date, err := hours.ParseDate(d)
		if err != nil {
			panic(err)
		}
		closed[date] = nil
	}
	leave := hours.Date{Year: 2027, Month: time.Month(1 + r.IntN(12)), Day: 1}
	day := hours.New(chicago, week(map[string]string{"mon-fri": "09:00-20:00", "sat": "09:00-13:00, 14:00-18:00"}), closed)
	return []*hours.Calendar{
		nil, day, hours.Always(chicago),
		hours.New(chicago, week(map[string]string{"mon-sat": "09:00-15:00"}), closed),
		hours.New(chicago, week(map[string]string{"mon-sat": "13:00-20:00"}), closed),
		hours.New(chicago, week(map[string]string{"thu-sun": "18:00-02:30"}), closed),
		day.Except([]hours.DateRange{{From: leave, To: hours.Date{Year: leave.Year, Month: leave.Month, Day: 21}}}),
	}
}

func newYear(open func(now func() time.Time) router.Store, seed uint64) *year {
	r := rand.New(rand.NewPCG(seed, 2))
	clock := routertest.NewClock()
	clock.Add(time.Duration(r.IntN(14))*24*time.Hour + 4*time.Hour) // ten in the morning, on any day of two weeks with a holiday
	y := &year{clock: clock, store: open(clock.Now), first: map[int]*routertest.ModelLead{}, caps: map[string]int{}}
	y.home = routertest.Rooftop("main-street")
	y.home.Location = chicago
	y.home.Managers = append(y.home.Managers, router.Person{ID: "max", Name: "Max"})
	if r.IntN(4) > 0 {
		y.home.Hours = hours.NewHistory(calendars(r)[1])
	}
	y.home.Routing.CatchUpMax = r.IntN(3)
	y.home.Routing.ManualTurnsFree = r.IntN(3) == 0
	y.home.Routing.ReassignAfter = []time.Duration{0, 15 * time.Minute, 30 * time.Minute}[r.IntN(3)]
	y.home.Routing.OpeningSpacing = []time.Duration{0, 30 * time.Second, 5 * time.Minute}[r.IntN(3)]
	y.home.Routing.MaxRedeals = r.IntN(4)
	for range 2 + r.IntN(5) {
		y.hire(r)
	}
	y.m = routertest.NewModel(y.home)
	y.flaky = &routertest.Flaky{Store: y.store}
	for i := range y.routers {
		y.routers[i] = router.New(y.flaky, []*router.Rooftop{y.home})
	}
	return y
}

func (y *year) hire(r *rand.Rand) {
	y.hired++
	id := fmt.Sprintf("p%02d", (y.hired*7)%31) // no order of joining
	if slices.ContainsFunc(y.home.Roster, func(s router.Salesperson) bool { return s.ID == id }) {
		return
	}
	shifts := calendars(r)
	weight, limit := []int{0, 1, 1, 1, 2, 3, 16}[r.IntN(7)], []int{0, 0, 0, 1, 2, 5}[r.IntN(6)]
	y.home.Roster = append(y.home.Roster, router.Salesperson{Person: router.Person{ID: id, Name: id}, Weight: weight, Schedule: shifts[r.IntN(len(shifts))]})
	y.caps[id] = limit
}

// season has the caps in force for four hours of each eight: without any the next in line is known before an arrival.
func (y *year) season(now time.Time) {
	y.home.Roster = slices.Clone(y.home.Roster)
	for i := range y.home.Roster {
		y.home.Roster[i].MaxUntouched = 0
		if now.Hour()/4%2 == 0 {
			y.home.Roster[i].MaxUntouched = y.caps[y.home.Roster[i].ID]
		}
	}
}

func (y *year) run(all []step) (int, error) {
	for i, s := range all {
		if err := y.do(s); err != nil {
			return i, err
		}
	}
	return len(all) - 1, y.audit()
}

// do makes one step happen on one of the two routers, lets the model follow, and compares.
func (y *year) do(s step) error {
	wait := s.Wait
	if y.home.Hours != nil && !y.home.Hours.Open(y.clock.Now()) {
		wait *= 8 // nights are quiet
	}
	if y.m.Held() > 0 && y.m.HeldDue(y.clock.Now().Add(time.Minute)) {
		wait = min(wait, 40*time.Second) // mornings are not, and the daemon ticks
		if s.A%2 == 0 && s.Op != "floor" && s.Op != "roster" {
			s.Op = "tick"
		}
	}
	y.clock.Add(wait.Truncate(time.Millisecond))
	now := y.clock.Now()
	y.season(now)

	try := map[string]func(step, time.Time) func(*router.Router) error{
		"new": y.fresh, "back": y.back, "copy": y.copied, "replay": y.replay, "try": y.try, "close": y.end, "pick": y.pick,
		"floor": y.floor, "roster": y.roster, "tick": y.tick,
	}[s.Op](s, now)
	if try == nil {
		return nil // nothing there to do it with
	}
	r := y.routers[s.A>>8%2]
	y.flaky.Fail(s.Fault, s.Lost)
	err := try(r)
	y.flaky.Fail(0, false)
	if errors.Is(err, routertest.ErrFlaky) {
		y.faults++
		err = nil
		if s.Repeat {
			err = try(y.routers[s.A>>9%2])
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Op, err)
	}
	return y.compare()
}

func (y *year) fresh(_ step, now time.Time) func(*router.Router) error {
	if len(y.unsettled) > 0 {
		// The message of a killed taker is read again.
		m := y.unsettled[0]
		y.unsettled = y.unsettled[1:]
		return y.take(m)
	}
	y.customers++
	return y.take(y.mail(y.customers, now.Add(-time.Duration(y.customers%5)*time.Second)))
}

func (y *year) mail(customer int, at time.Time) *mail {
	m := &mail{token: fmt.Sprintf("message-%d", len(y.mails)), place: fmt.Sprintf("leads/1/%d", len(y.mails)), customer: customer, at: at}
	y.mails = append(y.mails, m)
	return m
}

// back is a customer who writes again, on whatever became of their lead.
func (y *year) back(s step, now time.Time) func(*router.Router) error {
	if y.customers == 0 {
		return nil
	}
	customer := 1 + int(s.B)%y.customers
	if s.A%3 == 0 {
		customer = max(1, y.customers-int(s.B)%30)
	}
	if y.first[customer] == nil {
		return nil // the first mail was not read yet
	}
	if len(y.m.OfCustomer(customer)) > 6 { // the newest eight of an identifier are looked at
		return nil
	}
	m := y.mail(customer, now)
	if s.B>>8%4 == 0 { // read late, as by a mailbox that was away
		m.at = now.Add(-time.Duration(s.B>>10%7200) * time.Second)
	}
	m.back = true
	return y.take(m)
}

// copied is the first enquiry of a customer under another identity.
func (y *year) copied(s step, now time.Time) func(*router.Router) error {
	if y.customers == 0 {
		return nil
	}
	customer := max(1, y.customers-int(s.B)%200)
	if y.first[customer] == nil {
		return nil
	}
	m := y.mail(customer, now)
	m.copy = true
	return y.take(m)
}

// replay is a message read again, from its place or from another.
func (y *year) replay(s step, _ time.Time) func(*router.Router) error {
	if len(y.mails) == 0 {
		return nil
	}
	m := *y.mails[max(0, len(y.mails)-1-int(s.B)%500)]
	if m.lead == nil {
		return nil
	}
	if s.A%2 == 0 {
		m.place = "copies/" + m.place
	}
	return y.take(&m)
}

// take has a message taken and the model follow what was carried out.
func (y *year) take(m *mail) func(*router.Router) error {
	return func(r *router.Router) error {
		a := routertest.Arrival(m.customer, m.at)
		a.Token, a.Place = m.token, m.place
		if m.back {
			a.Enquiry.IDs, a.Enquiry.Customer.Comments = nil, m.token
		}
		taken, err := r.Take(context.Background(), y.home.ID, a)
		done := y.flaky.Done()
		if len(done) == 0 { // it did not get there
			if err == nil {
				return errors.New("an answer without a decision")
			}
			y.unsettled = append(y.unsettled, m)
			return err
		}
		if err == nil && !cmp.Equal(taken, *done[0].Taken) {
			return fmt.Errorf("answered %+v, decided %+v", taken, *done[0].Taken)
		}
		if wrong := y.taken(m, *done[0].Taken); wrong != nil {
			return wrong
		}
		return err
	}
}

func (y *year) taken(m *mail, got router.Taken) error {
	now := y.clock.Now()
	agree := func(d router.Disposition, l *routertest.ModelLead, again bool, cover string) error {
		want := router.Taken{Disposition: d, Lead: l.ID, Owner: l.Owner, CoveredBy: cover, Again: again, State: got.State, Seq: got.Seq}
		if again || d == router.DispositionReplay || d == router.DispositionDuplicate {
			want.CoveredBy = got.CoveredBy
		}
		if !cmp.Equal(got, want) {
			return fmt.Errorf("%s of customer %d: got %+v, want %+v", m.token, m.customer, got, want)
		}
		if l.Held != (got.State == router.Waiting) {
			return fmt.Errorf("%s: state %s, held %t", m.token, got.State, l.Held)
		}
		return nil
	}
	if m.lead != nil { // decided before: nothing moves
		y.replays++
		if m.place != y.origin(m).place {
			return agree(router.DispositionReplay, m.lead, false, "")
		}
		return agree(m.was, m.lead, true, "")
	}
	y.arrivals++
	settle := func(d router.Disposition, l *routertest.ModelLead, cover string) error {
		m.lead, m.was = l, d
		return agree(d, l, false, cover)
	}
	if m.copy {
		y.duplicates++
		l := y.first[m.customer]
		l.Touches++
		return settle(router.DispositionDuplicate, l, "")
	}
	if l := y.m.Lives(m.customer, now); l != nil {
		y.touches++
		cover := y.m.Touch(l, m.at, now)
		return settle(router.DispositionTouch, l, cover)
	}
	if y.m.Leads[got.Lead] != nil {
		return fmt.Errorf("%s joined lead %s, which lives no more", m.token, got.Lead)
	}
	charged := y.m.Charged
	l, cover := y.m.New(got.Lead, m.customer, m.at, now)
	y.leads = append(y.leads, l)
	if y.first[m.customer] == nil {
		y.first[m.customer] = l
	}
	if err := settle(router.DispositionNew, l, cover); err != nil {
		return err
	}
	switch {
	case l.Held:
		y.held++
	case slices.IndexFunc(y.m.OfCustomer(m.customer), func(o *routertest.ModelLead) bool { return o != l && !o.Void && o.Owner == l.Owner }) >= 0:
		y.returned++
		y.window = nil
	case y.m.Charged == charged+1:
		return y.dealt(l.Owner)
	}
	return nil
}

func (y *year) origin(m *mail) *mail {
	n, err := strconv.Atoi(strings.TrimPrefix(m.token, "message-"))
	if err != nil {
		panic(err)
	}
	return y.mails[n]
}

// dealt checks the fairness of the rotation over all that it dealt since the floor last changed.
func (y *year) dealt(to string) error {
	eligible := y.m.Eligible()
	slices.Sort(eligible)
	among := ""
	for _, id := range eligible {
		among += fmt.Sprintf("%s/%d ", id, y.m.Cost(id))
	}
	if y.window == nil || among != y.among {
		y.window, y.among = map[string]stand{}, among
		for _, id := range eligible {
			y.window[id] = stand{pass: y.m.People[id].Pass}
		}
		w := y.window[to]
		w.pass -= y.m.Cost(to)
		y.window[to] = w
	}
	w := y.window[to]
	w.turns++
	y.window[to] = w
	for p, a := range y.window {
		for q, b := range y.window {
			cost := y.m.Cost(p)
			if p >= q || cost != y.m.Cost(q) {
				continue
			}
			apart := a.pass - b.pass
			// Who starts behind catches up; from then on nobody is ever more than one turn ahead.
			if got, most := abs((a.turns-b.turns)*cost+apart), max(cost, abs(apart)); got > most {
				return fmt.Errorf("%s had %d turns and %s %d since the floor last changed: passes are %d apart, at most %d is fair", p, a.turns, q, b.turns, got, most)
			}
			if apart == 0 {
				y.spread = max(y.spread, int(abs(a.turns-b.turns)))
			}
		}
	}
	return nil
}

func abs(n int64) int64 { return max(n, -n) }

// some chooses a lead: every other time one that nobody touched, mostly one of the newest.
func (y *year) some(s step, fits func(*routertest.ModelLead) bool) *routertest.ModelLead {
	if len(y.leads) == 0 {
		return nil
	}
	recent := y.leads[max(0, len(y.leads)-60):]
	if s.A>>4%8 == 0 {
		recent = y.leads
	}
	from := int(s.B) % len(recent)
	for i := range min(60, len(recent)) {
		if l := recent[(from+i)%len(recent)]; fits(l) && (i > 20 || s.A>>7%2 == 0 || l.Untouched()) {
			return l
		}
	}
	return nil
}

func (y *year) try(s step, now time.Time) func(*router.Router) error {
	l := y.some(s, func(l *routertest.ModelLead) bool { return !l.Closed })
	if l == nil {
		return nil
	}
	kinds := []router.Kind{router.KindAttempt, router.KindAttempt, router.KindResponse, router.KindContact}
	return y.log(l, router.Entry{Kind: kinds[s.A%4], Channel: "call"}, now)
}

func (y *year) end(s step, now time.Time) func(*router.Router) error {
	l := y.some(s, func(l *routertest.ModelLead) bool { return !l.Closed })
	if l == nil {
		return nil
	}
	e := router.Entry{Kind: router.KindSale}
	switch s.A % 3 {
	case 0:
		e = router.Entry{Kind: router.KindVoid, Reason: "spam"}
	case 1:
		if l.LastContact.IsZero() && l.Tries >= 6 {
			e = router.Entry{Kind: router.KindLost, Reason: router.ReasonNoContact}
		}
	}
	return y.log(l, e, now)
}

func (y *year) log(l *routertest.ModelLead, e router.Entry, now time.Time) func(*router.Router) error {
	y.calls++
	e.Token = fmt.Sprintf("call-%d", y.calls)
	told := false
	return func(r *router.Router) error {
		_, err := r.Log(context.Background(), l.ID, e)
		if len(y.flaky.Done()) > 0 && !told {
			told = true
			refunded := y.m.Refunded
			y.m.Log(l, e.Kind, now)
			if y.m.Refunded != refunded {
				y.window = nil
			}
		}
		return err
	}
}

func (y *year) pick(s step, now time.Time) func(*router.Router) error {
	l := y.some(s, func(l *routertest.ModelLead) bool { return !l.Closed })
	if l == nil {
		return nil
	}
	people := y.home.People()
	to := people[int(s.A>>10)%len(people)].ID
	return func(r *router.Router) error {
		_, err := r.Assign(context.Background(), l.ID, to, "asked for", "mia", "")
		for range y.flaky.Done() {
			y.picked++
			y.m.Assign(l, to, now)
			y.window = nil
		}
		if err == nil && l.Owner != to {
			return fmt.Errorf("lead %s was given to %s and is %s's", l.ID, to, l.Owner)
		}
		return err
	}
}

func (y *year) floor(s step, now time.Time) func(*router.Router) error {
	who := y.home.Roster[int(s.A>>10)%len(y.home.Roster)].ID
	status := []router.Status{router.On, router.Off, router.Busy, router.Auto, router.Auto}[s.B%5]
	var until time.Time
	if status != router.Auto && s.B>>4%4 > 0 {
		until = now.Add(time.Duration(1+s.B>>6%600) * time.Minute)
	}
	return func(r *router.Router) error {
		_, err := r.SetFloor(context.Background(), y.home.ID, who, status, until, "mia", "")
		return y.follow(now, err, func() { y.m.Set(who, status, until, now) })
	}
}

// roster edits the configuration: a hire, a leaver, another weight or cap. Nothing happens until somebody looks.
func (y *year) roster(s step, _ time.Time) func(*router.Router) error {
	y.home.Roster = slices.Clone(y.home.Roster)
	i := int(s.B) % len(y.home.Roster)
	switch s.A % 4 {
	case 0:
		if len(y.home.Roster) < 9 {
			y.hire(rand.New(rand.NewPCG(uint64(s.A), uint64(s.B))))
		}
	case 1:
		if len(y.home.Roster) > 2 {
			y.home.Roster = slices.Delete(y.home.Roster, i, i+1)
		}
	case 2:
		y.home.Roster[i].Weight = 1 + int(s.A>>4%4)
	case 3:
		y.caps[y.home.Roster[i].ID] = int(s.A >> 4 % 4)
	}
	return nil
}

func (y *year) tick(_ step, now time.Time) func(*router.Router) error {
	return func(r *router.Router) error {
		_, err := r.Tick(context.Background(), y.home.ID)
		if err := y.follow(now, err, func() { y.m.Look(now) }); err != nil {
			return err
		}
		if left := y.m.Reassignable(now); len(left) > 0 {
			return fmt.Errorf("lead %s, untouched by %s, was left there", left[0].ID, left[0].Owner)
		}
		return nil
	}
}

// follow has the model do, deal by deal, what a call carried out that began by looking at the floor, so that the call may end anywhere.
func (y *year) follow(now time.Time, err error, look func()) error {
	due := false
	for _, c := range y.flaky.Done() {
		switch {
		case c.Floor:
			look()
			due = y.m.HeldDue(now)
		case c.Kind == "" || c.Dealt.Early:
		case c.Dealt.Owner == "":
			y.m.Look(now)
		case c.Held:
			due = false
			l := y.m.DealHeld(now)
			if l == nil {
				return fmt.Errorf("held lead %s was dealt to %s too early", c.Lead, c.Dealt.Owner)
			}
			if err := same(c, l); err != nil {
				return err
			}
			switch c.Kind {
			case router.KindDealt:
				if err := y.dealt(l.Owner); err != nil {
					return err
				}
			case router.KindEscalated:
				y.escalated++
			default:
				y.window = nil
			}
			if l.Given != (c.Kind == router.KindEscalated) {
				return fmt.Errorf("held lead %s: %s, want given to a manager %t", c.Lead, c.Kind, l.Given)
			}
		default:
			// Which of those that are due goes first is not for the law to say: a lead whose owner was at work on it may have been looked at since.
			all := y.m.Reassignable(now)
			at := slices.IndexFunc(all, func(l *routertest.ModelLead) bool { return l.ID == c.Lead })
			if at < 0 {
				return fmt.Errorf("lead %s was taken away: %s", c.Lead, c.Kind)
			}
			l := all[at]
			y.m.Reassign(l, now)
			y.window = nil
			y.redealt++
			want := router.KindRedealt
			switch {
			case l.Given:
				y.escalated++
				want = router.KindEscalated
			case l.Held:
				y.reheld++
				want = router.KindHeld
			}
			if c.Kind != want {
				return fmt.Errorf("lead %s: %s, want %s", c.Lead, c.Kind, want)
			}
			if err := same(c, l); err != nil {
				return err
			}
		}
	}
	if err == nil && due {
		return errors.New("a held lead was not dealt")
	}
	return err
}

func same(c routertest.Call, l *routertest.ModelLead) error {
	if l.ID != c.Lead || l.Owner != c.Dealt.Owner {
		return fmt.Errorf("%s: lead %s to %s, want %s to %s", c.Kind, c.Lead, c.Dealt.Owner, l.ID, l.Owner)
	}
	return nil
}

// compare says where the store and the model disagree.
func (y *year) compare() error {
	f, err := y.routers[0].Figures(context.Background(), y.home.ID)
	if err != nil {
		return err
	}
	type standing struct {
		Pass, Turns int64
		Eligible    bool
	}
	got, want := map[string]standing{}, map[string]standing{}
	for id, t := range f.Turns {
		got[id] = standing{t.Pass, t.Turns, t.Eligible}
	}
	for id, p := range y.m.People {
		want[id] = standing{p.Pass, p.Turns, p.Eligible}
	}
	if d := cmp.Diff(want, got); d != "" {
		return fmt.Errorf("rotation (-law +store):\n%s", d)
	}
	for _, p := range y.home.People() {
		if got, want := f.PersonUntouched[p.ID], int64(y.m.Untouched(p.ID)); got != want {
			return fmt.Errorf("untouched of %s = %d, want %d", p.ID, got, want)
		}
	}
	if got, want := f.Waiting, int64(y.m.Held()); got != want {
		return fmt.Errorf("waiting = %d, want %d", got, want)
	}
	if y.thorough {
		return y.owners()
	}
	return nil
}

// owners compares every lead's owner.
func (y *year) owners() error {
	for all := range slices.Chunk(y.leads, 500) {
		ids := make([]string, len(all))
		for i, l := range all {
			ids[i] = l.ID
		}
		fields, err := y.store.LeadFields(context.Background(), y.home.ID, ids)
		if err != nil {
			return err
		}
		for i, l := range all {
			if fields[i] == nil {
				return fmt.Errorf("lead %s is lost", l.ID)
			}
			if got := fields[i]["ow"]; got != l.Owner {
				return fmt.Errorf("owner of %s = %s, want %s", l.ID, got, l.Owner)
			}
			if got := fields[i]["st"] == string(router.Waiting); got != l.Held {
				return fmt.Errorf("lead %s waits: %t, want %t", l.ID, got, l.Held)
			}
		}
	}
	return nil
}

// audit compares everything, and adds up the events.
func (y *year) audit() error {
	ctx := context.Background()
	if err := y.owners(); err != nil {
		return err
	}
	d, err := y.store.Derived(ctx, y.home.ID)
	if err != nil {
		return err
	}
	if d.Ref != y.m.Ref {
		return fmt.Errorf("reference = %d, want %d", d.Ref, y.m.Ref)
	}
	if len(d.Leads) != len(y.leads) {
		return fmt.Errorf("%d leads, want %d", len(d.Leads), len(y.leads))
	}
	var charged, refunded int
	paid, born := map[string]int64{}, map[string]int{}
	for after := int64(0); ; {
		events, err := y.store.Events(ctx, y.home.ID, after, 1000)
		if err != nil {
			return err
		}
		for _, e := range events {
			after = e.Seq
			switch e.Kind {
			case router.KindDealt, router.KindHeld, router.KindReturned:
				if e.Set["fe"] != "" {
					born[e.Lead]++
				}
			}
			if e.Deal == nil {
				continue
			}
			refunded += len(e.Deal.Back)
			if e.Deal.Cost == 0 {
				continue
			}
			charged++
			paid[e.Deal.To]++
			if e.Kind == router.KindTouch || e.Kind == router.KindDuplicate {
				return fmt.Errorf("event %d: a %s was charged", e.Seq, e.Kind)
			}
			for who, pass := range e.Deal.In {
				if e.Kind != router.KindAssigned && e.Kind != router.KindReturned && pass < e.Deal.In[e.Deal.To] {
					return fmt.Errorf("event %d: dealt to %s while %s had a lower pass", e.Seq, e.Deal.To, who)
				}
			}
		}
		if len(events) < 1000 {
			break
		}
	}
	if charged != y.m.Charged || refunded != y.m.Refunded {
		return fmt.Errorf("%d turns charged and %d given back, want %d and %d", charged, refunded, y.m.Charged, y.m.Refunded)
	}
	for id, p := range y.m.People {
		if paid[id] != p.Turns {
			return fmt.Errorf("%d events charge %s, want %d", paid[id], id, p.Turns)
		}
	}
	for _, l := range y.leads {
		if born[l.ID] != 1 {
			return fmt.Errorf("lead %s was made %d times", l.ID, born[l.ID])
		}
	}
	if len(born) != len(y.leads) {
		return fmt.Errorf("%d leads were made, want %d", len(born), len(y.leads))
	}
	v, err := y.routers[1].Verify(ctx, y.home.ID, nil)
	if err != nil {
		return err
	}
	if !v.OK() {
		return fmt.Errorf("verify: %v, %+v", v.Faults, v.Differences)
	}
	return nil
}

func (y *year) tally() string {
	return fmt.Sprintf("%d arrivals (%d leads, %d touches, %d duplicates), %d replays, %d lost or refused calls, %d turns charged, %d given back, "+
		"%d held, %d returned to a former owner, %d taken away, %d of these to be held, %d in the end to a manager, %d picked by hand, %d admitted with a raised pass, greatest spread %d, %d held at the end",
		y.arrivals, len(y.leads), y.touches, y.duplicates, y.replays, y.faults, y.m.Charged, y.m.Refunded,
		y.held, y.returned, y.redealt, y.reheld, y.escalated, y.picked, y.m.Admitted, y.spread, y.m.Held())
}
