package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"leadfloor/router"
)

// demoStore is the store's id.
const demoStore = "main-street"

// What the manager enters by hand comes from here.
const (
	sourceWalkIn = "showroom"
	sourcePhone  = "phone-up"
)

// A habit is how a salesperson works. Durations are scaled as the targets of the demo are: a second is a minute, about.
type habit struct {
	id, name, says string
	least, most    time.Duration // from seeing a lead to the first try
	forgets        float64       // share of the leads never looked at
	leaves         bool          // now and then they are busy or off
}

var habits = []habit{
	{id: "alice", name: "Alice Ames", says: "quick", least: 500 * time.Millisecond, most: 2 * time.Second},
	{id: "bob", name: "Bob Brand", says: "steady", least: 1500 * time.Millisecond, most: 4 * time.Second},
	{id: "carol", name: "Carol Cruz", says: "slow", least: 3 * time.Second, most: 11 * time.Second},
	{id: "dave", name: "Dave Dunn", says: "forgetful", least: 2 * time.Second, most: 5 * time.Second, forgets: 0.5},
	{id: "erin", name: "Erin Ekberg", says: "in and out", least: time.Second, most: 4 * time.Second, leaves: true},
}

// The manager.
const (
	managerID   = "mia"
	managerName = "Mia Moreno"
)

// lookEvery is how often people look at their list.
const lookEvery = 400 * time.Millisecond

// demoCalls counts what people did over the API that was not taken as it was meant.
type demoCalls struct {
	late    atomic.Int64 // refused, since somebody else had been quicker
	entered atomic.Int64 // leads that the manager entered by hand
	doubt   atomic.Int64 // leads entered of which nobody knows whether they were taken
}

// A staff is everybody at work. They see and do everything through the API, with tokens of their own, as real people's tools would.
type staff struct {
	people map[string]*salesperson
	calls  *demoCalls
	all    sync.WaitGroup
}

// newStaff employs people. Token reads a person's.
func newStaff(base string, token func(who string) (string, error), client *http.Client, seed uint64, log *slog.Logger) (*staff, *manager, error) {
	s := &staff{people: map[string]*salesperson{}, calls: &demoCalls{}}
	at := func(who string) (caller, error) {
		secret, err := token(who)
		return caller{base: base, token: secret, client: client, log: log.With("person", who), calls: s.calls}, err
	}
	for i, h := range habits {
		c, err := at(h.id)
		if err != nil {
			return nil, nil, err
		}
		s.people[h.id] = &salesperson{habit: h, api: c, staff: s, rand: newDice(seed, uint64(i)+1), begun: map[string]bool{}}
	}
	c, err := at(managerID)
	if err != nil {
		return nil, nil, err
	}
	callers := newMailer(seed+1, time.Now)
	callers.areas = localCodes // nobody has the number of one who writes
	return s, &manager{api: c, staff: s, rand: newDice(seed, 100), mail: callers, talking: map[string]bool{}}, nil
}

// A dice may be thrown by many at once.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed, stream uint64) *dice { return &dice{r: rand.New(rand.NewPCG(seed, stream))} }

// chance is true in that share of the cases.
func (d *dice) chance(share float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64() < share
}

func (d *dice) between(least, most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return least + time.Duration(d.r.Int64N(int64(most-least)+1))
}

func (d *dice) of(words ...string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return pick(d.r, words)
}

// A salesperson works through their list. What becomes of one lead is a story, told by a goroutine of its own.
type salesperson struct {
	habit
	api   caller
	staff *staff
	rand  *dice
	begun map[string]bool // untouched leads whose story is under way, or forgotten
}

// work looks at the list until ctx ends.
func (p *salesperson) work(ctx context.Context) {
	for ctx.Err() == nil {
		leads, err := p.api.leads(ctx, "state=untouched&owner="+p.id)
		if err == nil {
			p.look(ctx, leads)
		}
		if !sleep(ctx, lookEvery) {
			return
		}
	}
}

// look begins the stories of the leads that are new on the list.
func (p *salesperson) look(ctx context.Context, leads []*router.Lead) {
	before := p.begun
	p.begun = make(map[string]bool, len(leads))
	for _, l := range leads {
		p.begun[l.ID] = true
		if !before[l.ID] && !p.rand.chance(p.forgets) {
			p.staff.all.Go(func() { p.answer(ctx, l) })
		}
	}
}

// answer tries to reach the customer, and goes on from there.
func (p *salesperson) answer(ctx context.Context, l *router.Lead) {
	if !sleep(ctx, p.rand.between(p.least, p.most)) {
		return
	}
	now, err := p.api.lead(ctx, l.ID)
	if err != nil || now.Owner != p.id || now.State != router.Untouched {
		return // it went to somebody else meanwhile, who answers
	}
	if isErrand(now) {
		p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindVoid, Reason: "service"})
		return
	}
	if p.rand.chance(0.3) {
		// Nobody answers the telephone.
		if !p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindAttempt, Channel: "call", Outcome: "voicemail"}) || !sleep(ctx, p.rand.between(500*time.Millisecond, 2*time.Second)) {
			return
		}
	}
	if !p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindResponse, Channel: p.rand.of("email", "text", "call")}) || !sleep(ctx, p.rand.between(500*time.Millisecond, 3*time.Second)) {
		return
	}
	if !p.rand.chance(0.68) { // of all leads 60 % are contacted, the forgotten and void among them
		p.chase(ctx, now)
		return
	}
	if p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindContact, Channel: p.rand.of("call", "email", "text")}) {
		p.sell(ctx, now)
	}
}

// chase tries a customer who does not answer again and again. After six attempts the lead may be given up.
func (p *salesperson) chase(ctx context.Context, l *router.Lead) {
	if !p.rand.chance(0.3) {
		return
	}
	for range 6 {
		if !sleep(ctx, p.rand.between(300*time.Millisecond, 900*time.Millisecond)) || !p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindAttempt, Channel: p.rand.of("call", "text")}) {
			return
		}
	}
	if !comesBack(l) {
		p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindLost, Reason: router.ReasonNoContact})
	}
}

// demoReasons are why customers do not buy.
var demoReasons = []string{"bought-elsewhere", "out-of-market", "price", "payment", "trade", "timing", "vehicle"}

// sell goes on with a customer who talks to us: an appointment, a show, a sale, or a reason why not, which the manager must hear.
func (p *salesperson) sell(ctx context.Context, l *router.Lead) {
	step := func(kind router.Kind) bool {
		return sleep(ctx, p.rand.between(300*time.Millisecond, 2*time.Second)) && p.api.tell(ctx, l.ID, router.Entry{Kind: kind, Channel: "call"})
	}
	stays := comesBack(l) // their lead must not close
	if !p.rand.chance(0.6) {
		switch {
		case p.rand.chance(0.35):
			step(router.KindWillWait)
		case !stays && p.rand.chance(0.4):
			p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindLost, Reason: p.rand.of(demoReasons...)})
		}
		return
	}
	if !step(router.KindAppointment) || !p.rand.chance(0.6) || !step(router.KindShow) || stays || !sleep(ctx, p.rand.between(300*time.Millisecond, time.Second)) {
		return
	}
	if p.rand.chance(0.45) {
		p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindSale})
	} else {
		p.api.tell(ctx, l.ID, router.Entry{Kind: router.KindLost, Reason: p.rand.of(demoReasons...)})
	}
}

// comeAndGo is busy or off now and then, and comes back.
func (p *salesperson) comeAndGo(ctx context.Context) {
	for {
		for _, away := range []router.Status{router.Busy, router.Off} {
			if !sleep(ctx, p.rand.between(4*time.Second, 7*time.Second)) || !p.api.status(ctx, p.id, away) ||
				!sleep(ctx, p.rand.between(2*time.Second, 4*time.Second)) || !p.api.status(ctx, p.id, router.Auto) {
				return
			}
		}
	}
}

// A manager takes T.O.s, gives away what lies too long, and enters who comes in or calls.
type manager struct {
	api   caller
	staff *staff
	rand  *dice
	mail  *mailer // invents those who come in

	mu      sync.Mutex
	talking map[string]bool // T.O.s in hand
}

func (m *manager) turnovers(ctx context.Context) {
	for sleep(ctx, 2*lookEvery) {
		var owed struct{ Items []*router.Lead }
		if m.api.read(ctx, "/stores/"+demoStore+"/turnovers?state=owed", &owed) != nil {
			continue
		}
		for _, l := range owed.Items {
			m.mu.Lock()
			if !m.talking[l.ID] {
				m.talking[l.ID] = true
				m.staff.all.Go(func() {
					m.talk(ctx, l)
					m.mu.Lock()
					delete(m.talking, l.ID)
					m.mu.Unlock()
				})
			}
			m.mu.Unlock()
		}
	}
}

// talk is a T.O.: the manager speaks to the customer and asks why.
func (m *manager) talk(ctx context.Context, l *router.Lead) {
	say := func(outcome, reason string) bool {
		return sleep(ctx, m.rand.between(700*time.Millisecond, 2*time.Second)) && m.api.tell(ctx, l.ID, router.Entry{Kind: router.KindTurnover, Outcome: outcome, Reason: reason})
	}
	if !say(router.OutcomeTaken, "") {
		return
	}
	outcome := m.rand.of(router.OutcomeSaved, router.OutcomeAppointment, router.OutcomeLost, router.OutcomeLost)
	if outcome != router.OutcomeLost {
		say(outcome, "")
	} else if !comesBack(l) {
		say(outcome, m.rand.of(demoReasons...))
	}
}

// The manager looks for what lies too long now and then: after the deadline, and often not before it is dealt again by itself.
const (
	tooLong   = time.Second
	seesEvery = 7 * time.Second
)

// assign gives what lies too long, one at a time, and all that came to the manager, to whoever is next.
func (m *manager) assign(ctx context.Context) {
	for sleep(ctx, seesEvery) {
		leads, err := m.api.leads(ctx, "state=untouched")
		var floor router.FloorNow
		if err != nil || m.api.read(ctx, "/stores/"+demoStore+"/floor", &floor) != nil || floor.Next == "" {
			continue
		}
		for i := len(leads) - 1; i >= 0; i-- { // the oldest first
			l := leads[i]
			if l.Owner != floor.Next && (l.Owner == managerID || l.DueAt != nil && time.Since(*l.DueAt) > tooLong) {
				_ = m.api.do(ctx, http.MethodPut, "/leads/"+l.ID+"/owner", map[string]string{"owner": floor.Next, "reason": "lies too long"}, nil) // logged by do
				break
			}
		}
	}
}

// enter takes down who walks in or calls.
func (m *manager) enter(ctx context.Context, every time.Duration) {
	for n := 0; sleep(ctx, m.rand.between(every/2, every*3/2)); n++ {
		c, car := m.mail.person("example.org"), m.mail.car()
		e := map[string]any{
			"channel": router.WalkIn, "source": sourceWalkIn,
			"customer": map[string]any{"name": map[string]string{"first": c.first, "last": c.last}, "phone": c.phone},
			"vehicles": []map[string]any{{"interest": "buy", "status": car.used, "year": car.year, "make": car.maker, "model": car.model, "trim": car.trim}},
		}
		if n%2 == 1 {
			e["channel"], e["source"] = router.PhoneUp, sourcePhone
		}
		var taken struct {
			Leads []struct {
				ID, Owner   string
				Disposition router.Disposition
			}
		}
		err := m.api.do(ctx, http.MethodPost, "/stores/"+demoStore+"/leads", e, &taken)
		if errors.Is(err, context.Canceled) {
			return // not begun
		}
		if err != nil || len(taken.Leads) != 1 || taken.Leads[0].Disposition != router.DispositionNew {
			m.staff.calls.doubt.Add(1)
			continue
		}
		m.staff.calls.entered.Add(1)
		if p := m.staff.people[taken.Leads[0].Owner]; p != nil && e["channel"] == router.WalkIn {
			m.staff.all.Go(func() { p.sell(ctx, &router.Lead{ID: taken.Leads[0].ID}) })
		}
	}
}

// run has everybody work until ctx ends and all stories have.
func (s *staff) run(ctx context.Context, m *manager, rate int) {
	for _, p := range s.people {
		s.all.Go(func() { p.work(ctx) })
		if p.leaves {
			s.all.Go(func() { p.comeAndGo(ctx) })
		}
	}
	s.all.Go(func() { m.turnovers(ctx) })
	s.all.Go(func() { m.assign(ctx) })
	s.all.Go(func() { m.enter(ctx, 6*time.Minute/time.Duration(rate)) })
	s.all.Wait()
}

// A caller speaks to the API with one token.
type caller struct {
	base, token string
	client      *http.Client
	log         *slog.Logger
	calls       *demoCalls
}

// callTimeout bounds one call.
const callTimeout = 10 * time.Second

// A refusal is an answer of the API that is no success.
type refusal struct {
	status int
	Detail string `json:"detail"`
}

func (r *refusal) Error() string { return fmt.Sprintf("the API answers %d: %s", r.status, r.Detail) }

func (c caller) leads(ctx context.Context, query string) ([]*router.Lead, error) {
	var list struct{ Items []*router.Lead }
	err := c.read(ctx, "/stores/"+demoStore+"/leads?limit=500&"+query, &list)
	return list.Items, err
}

func (c caller) lead(ctx context.Context, id string) (*router.Lead, error) {
	var l router.Lead
	err := c.read(ctx, "/leads/"+id, &l)
	return &l, err
}

// tell logs what somebody did, and says whether it was taken.
func (c caller) tell(ctx context.Context, id string, e router.Entry) bool {
	told := map[string]string{"kind": string(e.Kind), "channel": e.Channel, "outcome": e.Outcome, "reason": e.Reason}
	return c.do(ctx, http.MethodPost, "/leads/"+id+"/events", told, nil) == nil
}

func (c caller) status(ctx context.Context, who string, s router.Status) bool {
	return c.do(ctx, http.MethodPut, "/stores/"+demoStore+"/floor/"+who, map[string]router.Status{"status": s}, nil) == nil
}

func (c caller) read(ctx context.Context, path string, to any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := c.call(ctx, http.MethodGet, path, nil, to)
	if err != nil && ctx.Err() == nil {
		c.log.Warn("demo could not read", "path", strings.SplitN(path, "?", 2)[0], "err", err)
	}
	return err
}

// do makes a call that changes something. One that was begun ends, and says how: the books are to be held against it.
func (c caller) do(ctx context.Context, method, path string, body, to any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := c.call(context.WithoutCancel(ctx), method, path, body, to)
	var r *refusal
	switch {
	case errors.As(err, &r) && (r.status == http.StatusUnprocessableEntity || r.status == http.StatusConflict):
		c.calls.late.Add(1)
		c.log.Info("demo came too late", "path", path, "err", err)
	case err != nil:
		c.log.Warn("demo could not do", "path", path, "err", err)
	}
	return err
}

func (c caller) call(ctx context.Context, method, path string, body, to any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, in)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case res.StatusCode >= http.StatusMultipleChoices:
		r := &refusal{status: res.StatusCode}
		_ = json.Unmarshal(answer, r) // without a detail the status alone must do
		return r
	case to == nil:
		return nil
	}
	return json.Unmarshal(answer, to)
}
