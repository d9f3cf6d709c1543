package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"leadfloor/metrics"
	"leadfloor/router"
)

var (
	epoch = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	noon  = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
)

// A source is a whole metrics.Source in memory. It keeps no leads: its figures are what the test sets.
type source struct {
	mu       sync.Mutex
	rooftops []*router.Rooftop
	figures  map[string]*router.Figures
	errs     map[string]error
	gates    map[string]chan struct{}
	reads    map[string]int
}

var _ metrics.Source = (*source)(nil)

// newSource has the given stores, with nothing in them.
func newSource(rooftops ...*router.Rooftop) *source {
	s := &source{rooftops: rooftops, figures: map[string]*router.Figures{}, errs: map[string]error{}, gates: map[string]chan struct{}{}, reads: map[string]int{}}
	for _, f := range rooftops {
		s.figures[f.ID] = &router.Figures{Epoch: epoch}
	}
	return s
}

func (s *source) Rooftops() []*router.Rooftop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rooftops
}

func (s *source) Figures(ctx context.Context, store string) (*router.Figures, error) {
	s.mu.Lock()
	s.reads[store]++
	f, err, gate := s.figures[store], s.errs[store], s.gates[store]
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("read the figures: %w", ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, fmt.Errorf("store %q: %w", store, router.ErrNotFound)
	}
	return f, nil
}

// Set replaces the figures of a store.
func (s *source) Set(store string, f *router.Figures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures[store] = f
}

// Configure replaces the stores.
func (s *source) Configure(rooftops ...*router.Rooftop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooftops = rooftops
}

var errRefused = errors.New("dial: connection refused")

// Fail makes the store unreadable, or with nil readable again.
func (s *source) Fail(store string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs[store] = err
}

// Hang makes reads of the store wait until release is called, or their context is done.
func (s *source) Hang(store string) (release func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gates[store] = gate
	return func() { close(gate) }
}

// Reads is how often the store was read.
func (s *source) Reads(store string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[store]
}

// rooftop is a small store: a manager, two on the roster, a desk, one known source.
func rooftop(id string) *router.Rooftop {
	return &router.Rooftop{
		ID:       id,
		Name:     "Main Street Motors",
		Managers: []router.Person{{ID: "mia", Name: "Mia"}},
		Roster: []router.Salesperson{
			{Person: router.Person{ID: "alice", Name: `Alice "Ace" Ames`}},
			{Person: router.Person{ID: "bob", Name: "Bob"}},
		},
		Desks:   map[string]router.Desk{"service": {Owner: "sam"}},
		Routing: router.Routing{ResponseTarget: 7 * time.Minute},
		Sources: router.Sources{Known: []string{"autotrader"}, Max: 20},
	}
}

// busy are the figures of a rooftop with something of everything.
func busy() *router.Figures {
	return &router.Figures{
		Epoch: epoch,
		Counts: map[string]int64{
			"recv|autotrader": 5, "recv|cargurus": 2, "touch|autotrader": 7, "touch|cargurus": 2, "touch|other": 1, "dup|autotrader": 1,
			"void|autotrader": 1, "resp|autotrader": 4, "cont|autotrader": 3, "appt|autotrader": 2, "show|autotrader": 2, "sold|autotrader": 1,
			"lost|autotrader": 1, "due|autotrader": 6, "miss|autotrader": 2, "corr|sale": 1, "to|saved": 1, "to|lost": 2,
			"asg|alice": 4, "asg|bob": 3, "asg|sam": 1, "prs|alice": 90500, "prc|alice": 3, "att|alice|call": 5, "att|alice|unknown": 1, "att|mia|email": 2,
			"pcont|alice": 3, "pdue|alice": 4, "pmiss|alice": 1, "closed|autotrader": 2,
			"h|assignment|autotrader|30": 6, "h|assignment|autotrader|+Inf": 1, "hs|assignment|autotrader": 700012500,
			"h|response|autotrader|60": 2, "h|response|autotrader|420": 1, "h|response|autotrader|86400": 1, "hs|response|autotrader": 50250750,
			"h|response_open|autotrader|60": 3, "hs|response_open|autotrader": 90000,
			"h|contact|cargurus|3600": 1, "hs|contact|cargurus": 2000000,
		},
		Labels:    []string{"cargurus"},
		Untouched: 3, Overdue: 2, Waiting: 1, Quarantined: 4, TurnoversOwed: 1,
		PersonUntouched: map[string]int64{"alice": 2, "mia": 1},
		Turns: map[string]router.Turns{
			"alice": {Eligible: true, Turns: 4, Since: 3, Gen: 9},
			"bob":   {Eligible: true, Turns: 3, Since: 2, Gen: 9},
		},
		Gen:             9,
		OldestUntouched: noon.Add(-40 * time.Minute),
		OldestDeadline:  noon.Add(-33 * time.Minute),
		WaitingDeadline: noon.Add(30 * time.Minute),
		TurnoverDue:     noon.Add(time.Hour),
		LastLead:        map[string]time.Time{"autotrader": noon.Add(-1500 * time.Millisecond)},
		SilentDeadline:  map[string]time.Time{"autotrader": noon.Add(3 * time.Hour)},
	}
}
