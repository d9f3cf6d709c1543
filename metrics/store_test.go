package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"leadfloor/metrics"
	"leadfloor/router"
	"leadfloor/router/hours"
)

func TestBuckets(t *testing.T) {
	at := func(target time.Duration) *router.Rooftop {
		return &router.Rooftop{Routing: router.Routing{ResponseTarget: target}}
	}
	usual := []float64{30, 60, 120, 300, 600, 900, 1800, 3600, 14400, 86400, 604800}
	tests := []struct {
		name  string
		given []*router.Rooftop
		want  []float64
	}{
		{"no store", nil, usual},
		{"targets among the usual", []*router.Rooftop{at(5 * time.Minute), at(time.Minute)}, usual},
		{"targets of their own", []*router.Rooftop{at(8 * time.Minute), at(90 * time.Second), at(8 * time.Minute)}, []float64{30, 60, 90, 120, 300, 480, 600, 900, 1800, 3600, 14400, 86400, 604800}},
		{"no target", []*router.Rooftop{at(0)}, usual},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, metrics.Buckets(tt.given)); diff != "" {
				t.Errorf("Buckets (-want +got):\n%s", diff)
			}
		})
	}
}

// A changed target leaves counts behind under bounds that are no more. They belong to every bound above.
func TestHistogramOverOldBounds(t *testing.T) {
	f := rooftop("main-street")
	f.Routing.ResponseTarget = 5 * time.Minute
	s := newSource(f)
	s.Set("main-street", &router.Figures{Epoch: epoch, Counts: map[string]int64{
		"h|response|autotrader|60": 1, "h|response|autotrader|420": 10, "h|response|autotrader|1e+06": 100, "h|response|autotrader|+Inf": 1000,
		"h|response|autotrader|what": 10000, "hs|response|autotrader": 1500,
		"h|response": 1, "h|": 1, "h|response|": 1, "": 1, // none of ours
	}})
	got := scrape(t, metrics.New(options(s)).Handler())
	const of = `{source="autotrader",store="main-street"`
	want(t, got, map[string]float64{
		"leadfloor_lead_response_seconds_bucket" + of + `,le="30"}`:     0,
		"leadfloor_lead_response_seconds_bucket" + of + `,le="60"}`:     1,
		"leadfloor_lead_response_seconds_bucket" + of + `,le="300"}`:    1,
		"leadfloor_lead_response_seconds_bucket" + of + `,le="420"}`:    absent,
		"leadfloor_lead_response_seconds_bucket" + of + `,le="600"}`:    11,
		"leadfloor_lead_response_seconds_bucket" + of + `,le="604800"}`: 11,
		"leadfloor_lead_response_seconds_bucket" + of + `,le="+Inf"}`:   11111,
		"leadfloor_lead_response_seconds_count" + of + "}":              11111,
		"leadfloor_lead_response_seconds_sum" + of + "}":                1.5,
	})
}

func TestCountersNeverGoBack(t *testing.T) {
	s := newSource(rooftop("main-street"))
	h := metrics.New(options(s)).Handler()
	const (
		received = `leadfloor_leads_received_total{source="autotrader",store="main-street"}`
		turns    = `leadfloor_person_turns_total{person="alice",store="main-street"}`
		bucket   = `leadfloor_lead_response_seconds_bucket{source="autotrader",store="main-street",le="60"}`
		count    = `leadfloor_lead_response_seconds_count{source="autotrader",store="main-street"}`
		sum      = `leadfloor_person_response_seconds_sum{person="alice",store="main-street"}`
		waiting  = `leadfloor_leads_untouched{store="main-street"}`
	)
	figures := func(epoch time.Time, n int64) *router.Figures {
		return &router.Figures{
			Epoch: epoch, Untouched: n, Turns: map[string]router.Turns{"alice": {Turns: n}},
			Counts: map[string]int64{"recv|autotrader": n, "h|response|autotrader|60": n, "prs|alice": 1000 * n},
		}
	}
	all := func(n float64) map[string]float64 {
		return map[string]float64{received: n, turns: n, bucket: n, count: n, sum: n, waiting: n}
	}
	lost := all(1000)
	lost[waiting] = 998 // what is now is as it is now

	steps := []struct {
		name string
		set  *router.Figures
		want map[string]float64
	}{
		{"at first", figures(epoch, 1000), all(1000)},
		{"a failover lost two", figures(epoch, 998), lost},
		{"still behind", figures(epoch, 998), lost},
		{"past it", figures(epoch, 1001), all(1001)},
		{"restored from an old backup", figures(epoch.Add(time.Hour), 7), all(7)},
		{"and on", figures(epoch.Add(time.Hour), 8), all(8)},
	}
	for _, step := range steps {
		s.Set("main-street", step.set)
		t.Log(step.name)
		want(t, scrape(t, h), step.want)
	}

	s.Set("main-street", &router.Figures{Epoch: epoch.Add(time.Hour)})
	t.Log("a counter that is gone")
	want(t, scrape(t, h), map[string]float64{received: 8, turns: 8, bucket: 8, count: 8, sum: 8, waiting: 0})
}

// Whatever Redis tells within one epoch, and whatever targets are configured meanwhile, no counter goes back, and buckets add up.
func TestCountersNeverGoBackWhatever(t *testing.T) {
	names := []string{"recv|autotrader", "recv|other", "att|bob|call", "prc|bob", "prs|bob", "h|response|autotrader|30", "h|response|autotrader|420", "h|response|autotrader|900", "h|response|autotrader|+Inf", "hs|response|autotrader"}
	rapid.Check(t, func(r *rapid.T) {
		s := newSource()
		h := metrics.New(options(s)).Handler()
		before := map[string]float64{}
		for range rapid.IntRange(2, 5).Draw(r, "scrapes") {
			f := rooftop("main-street")
			f.Routing.ResponseTarget = time.Duration(rapid.SampledFrom([]int{300, 420, 500}).Draw(r, "target")) * time.Second
			s.Configure(f)
			counts := rapid.MapOf(rapid.SampledFrom(names), rapid.Int64Range(-3, 1000)).Draw(r, "counts")
			s.Set(f.ID, &router.Figures{Epoch: epoch, Counts: counts})
			now := scrape(t, h)
			for series, v := range now {
				name, _, _ := strings.Cut(series, "{")
				counts := strings.HasPrefix(name, "leadfloor_") && (strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count"))
				if old, ok := before[series]; counts && (v < 0 || ok && v < old) {
					r.Fatalf("%s went from %v to %v", series, old, v)
				}
			}
			last := 0.0
			for _, bound := range append(metrics.Buckets([]*router.Rooftop{f}), 0) {
				series := fmt.Sprintf(`leadfloor_lead_response_seconds_bucket{source="autotrader",store="main-street",le="%v"}`, bound)
				if bound == 0 {
					series = `leadfloor_lead_response_seconds_count{source="autotrader",store="main-street"}`
				}
				v, ok := now[series]
				if !ok || v < last {
					r.Fatalf("%s = %v (there: %v) after a lower bound with %v", series, v, ok, last)
				}
				last = v
			}
			maps.Copy(before, now)
		}
	})
}

func TestUnreadableStore(t *testing.T) {
	tests := []struct {
		name string
		rot  func(*source)
	}{
		{"refused", func(s *source) { s.Fail("main-street", errRefused) }},
		{"unknown", func(s *source) { s.Set("main-street", nil) }},
		{"emptied, epoch of 1970", func(s *source) { s.Set("main-street", &router.Figures{Epoch: time.UnixMilli(0)}) }},
		{"emptied, no epoch", func(s *source) { s.Set("main-street", &router.Figures{}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSource(rooftop("main-street"), rooftop("harbour"))
			s.Set("main-street", busy())
			s.Set("harbour", busy())
			var log bytes.Buffer
			o := options(s)
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			h := metrics.New(o).Handler()
			before := scrape(t, h)
			want(t, before, map[string]float64{"leadfloor_redis_up": 1})

			tt.rot(s)
			got := scrape(t, h)
			scrape(t, h)
			for series := range before {
				_, there := got[series]
				if strings.Contains(series, `store="main-street"`) == there {
					t.Errorf("%s: there = %v", series, there)
				}
			}
			want(t, got, map[string]float64{"leadfloor_redis_up": 0, `leadfloor_leads_untouched{store="harbour"}`: 3})
			if n := strings.Count(log.String(), "level=WARN"); n != 1 {
				t.Errorf("%d warnings of two scrapes, want one:\n%s", n, &log)
			}

			s.Fail("main-street", nil)
			s.Set("main-street", busy())
			after := scrape(t, h)
			want(t, after, map[string]float64{"leadfloor_redis_up": 1, `leadfloor_leads_untouched{store="main-street"}`: 3})
			if !strings.Contains(log.String(), "level=INFO") {
				t.Errorf("that the store can be read again was not logged:\n%s", &log)
			}
		})
	}
}

// What was held before a store could not be read, or was not configured, is still held afterwards.
func TestMarksOutliveAnOutage(t *testing.T) {
	s := newSource(rooftop("main-street"))
	h := metrics.New(options(s)).Handler()
	const received = `leadfloor_leads_received_total{source="autotrader",store="main-street"}`
	s.Set("main-street", &router.Figures{Epoch: epoch, Counts: map[string]int64{"recv|autotrader": 1000}})
	scrape(t, h)
	s.Fail("main-street", errRefused)
	want(t, scrape(t, h), map[string]float64{received: absent})
	s.Fail("main-street", nil)
	s.Set("main-street", &router.Figures{Epoch: epoch, Counts: map[string]int64{"recv|autotrader": 998}})
	want(t, scrape(t, h), map[string]float64{received: 1000})

	s.Configure()
	want(t, scrape(t, h), map[string]float64{received: absent})
	s.Configure(rooftop("main-street"))
	want(t, scrape(t, h), map[string]float64{received: 1000})
}

func TestReload(t *testing.T) {
	s := newSource(rooftop("main-street"), rooftop("harbour"))
	h := metrics.New(options(s)).Handler()
	scrape(t, h)

	changed := rooftop("main-street")
	changed.Roster = []router.Salesperson{{Person: router.Person{ID: "carol", Name: "Carol"}}}
	changed.Sources.Known = []string{"cargurus"}
	s.Configure(changed)
	want(t, scrape(t, h), map[string]float64{
		`leadfloor_leads_untouched{store="harbour"}`:                                            absent,
		`leadfloor_leads_assigned_total{person="alice",store="main-street"}`:                    absent,
		`leadfloor_leads_assigned_total{person="carol",store="main-street"}`:                    0,
		`leadfloor_person_info{name="Carol",person="carol",store="main-street"}`:                1,
		`leadfloor_leads_received_total{source="autotrader",store="main-street"}`:               absent,
		`leadfloor_leads_received_total{source="cargurus",store="main-street"}`:                 0,
		`leadfloor_leads_received_total{source="other",store="main-street"}`:                    0,
		`leadfloor_person_attempts_total{channel="unknown",person="carol",store="main-street"}`: 0,
	})
}

// Mail from anybody names sources; Redis makes labels of few of them. Counters of others make no series.
func TestForgedSources(t *testing.T) {
	s := newSource(rooftop("main-street"))
	s.Set("main-street", busy())
	h := metrics.New(options(s)).Handler()
	before := scrape(t, h)

	g := busy()
	for i := range 10_000 {
		forged := fmt.Sprintf("forged-%d", i)
		g.Counts["recv|"+forged] = 1
		g.Counts["h|response|"+forged+"|60"] = 1
		g.Counts["asg|"+forged] = 1
		g.Counts["att|alice|"+forged] = 1
		g.Counts["corr|"+forged] = 1
		g.Counts["to|"+forged] = 1
		g.LastLead[forged], g.SilentDeadline[forged] = noon, noon
		g.PersonUntouched[forged] = 1
		g.Turns[forged] = router.Turns{Eligible: true, Turns: 1, Since: 100, Gen: g.Gen}
	}
	s.Set("main-street", g)
	after := scrape(t, h)
	for series, v := range after {
		if w, ok := before[series]; strings.HasPrefix(series, "leadfloor_") && (!ok || v != w) {
			t.Errorf("%s = %v, want %v (there before: %v)", series, v, w, ok)
		}
	}
}

func TestRotationSpread(t *testing.T) {
	const gen = 5
	on := func(since, gen int64) router.Turns { return router.Turns{Eligible: true, Since: since, Gen: gen} }
	tests := []struct {
		name    string
		weights map[string]int
		turns   map[string]router.Turns
		want    float64
	}{
		{"nobody", map[string]int{"a": 1, "b": 1}, nil, 0},
		{"one", map[string]int{"a": 1}, map[string]router.Turns{"a": on(7, gen)}, 0},
		{"even", map[string]int{"a": 1, "b": 1}, map[string]router.Turns{"a": on(4, gen), "b": on(3, gen)}, 1},
		{"no weight is weight 1", map[string]int{"a": 0, "b": 1}, map[string]router.Turns{"a": on(4, gen), "b": on(2, gen)}, 2},
		{"weights apart", map[string]int{"a": 1, "b": 2}, map[string]router.Turns{"a": on(1, gen), "b": on(9, gen)}, 0},
		{"the widest", map[string]int{"a": 1, "b": 1, "c": 2, "d": 2}, map[string]router.Turns{"a": on(1, gen), "b": on(2, gen), "c": on(1, gen), "d": on(4, gen)}, 3},
		{"charged out of turn", map[string]int{"a": 1, "b": 1, "c": 1}, map[string]router.Turns{"a": on(9, gen), "b": on(8, gen), "c": on(-1, gen)}, 1},
		{"not eligible", map[string]int{"a": 1, "b": 1}, map[string]router.Turns{"a": on(9, gen), "b": {Since: 1, Gen: gen}}, 0},
		// Redis writes a person's standing at their turn: who has had none since the floor changed shows the change before.
		{"passed over", map[string]int{"a": 1, "b": 1}, map[string]router.Turns{"a": on(5, gen), "b": on(40, gen-1)}, 5},
		{"gone from the roster", map[string]int{"a": 1}, map[string]router.Turns{"a": on(1, gen), "z": on(9, gen)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := rooftop("main-street")
			f.Roster = nil
			for _, id := range slices.Sorted(maps.Keys(tt.weights)) {
				f.Roster = append(f.Roster, router.Salesperson{Person: router.Person{ID: id}, Weight: tt.weights[id]})
			}
			s := newSource(f)
			s.Set("main-street", &router.Figures{Epoch: epoch, Gen: gen, Turns: tt.turns})
			want(t, scrape(t, metrics.New(options(s)).Handler()), map[string]float64{`leadfloor_rotation_spread{store="main-street"}`: tt.want})
		})
	}
}

func TestLive(t *testing.T) {
	pilot := rooftop("harbour")
	pilot.Shadow = true
	want(t, scrape(t, metrics.New(options(newSource(rooftop("main-street"), pilot))).Handler()), map[string]float64{
		`leadfloor_store_live{store="main-street"}`: 1,
		`leadfloor_store_live{store="harbour"}`:     0,
	})
}

func TestAvailable(t *testing.T) {
	s := newSource(rooftop("main-street"))
	s.Set("main-street", &router.Figures{Epoch: epoch, Turns: map[string]router.Turns{"alice": {Eligible: true}, "mia": {Eligible: true}}})
	want(t, scrape(t, metrics.New(options(s)).Handler()), map[string]float64{
		`leadfloor_person_available{person="alice",store="main-street"}`: 1,
		`leadfloor_person_available{person="bob",store="main-street"}`:   0, // not yet seen by the floor
		`leadfloor_person_available{person="mia",store="main-street"}`:   absent,
	})
}

// A broken label spoils its own series, not the scrape.
func TestBrokenText(t *testing.T) {
	f := rooftop("main-street")
	f.Managers[0].Name = "M\xffa"
	s := newSource(f)
	s.Set("main-street", &router.Figures{Epoch: epoch, Labels: []string{"caf\xe9"}})
	var log bytes.Buffer
	o := options(s)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	want(t, scrape(t, metrics.New(o).Handler()), map[string]float64{
		"leadfloor_person_info{name=\"M\uFFFDa\",person=\"mia\",store=\"main-street\"}": 1,
		`leadfloor_leads_received_total{source="autotrader",store="main-street"}`:       0,
		`leadfloor_books_difference{store="main-street"}`:                               0,
	})
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the broken label was not logged:\n%s", &log)
	}
}

// An opener is a router.Store that can open a store and does nothing else.
type opener struct{ router.Store }

func (opener) Open(context.Context, string) (router.Identity, error) {
	return router.Identity{Epoch: epoch, Key: make([]byte, 32)}, nil
}

func (opener) Now() time.Time { return epoch }

func (opener) Hours(context.Context, string) ([]hours.Version, error) { return nil, nil }

// The router says itself which channels it takes. Each of them has its series.
func TestChannels(t *testing.T) {
	f := rooftop("main-street")
	r := router.New(opener{}, []*router.Rooftop{f})
	_, err := r.Log(t.Context(), "main-street-1", router.Entry{Kind: router.KindAttempt, Channel: "smoke signals"})
	fault := (*router.FaultError)(nil)
	if !errors.As(err, &fault) {
		t.Fatalf("Log over an unknown channel: %v, want a fault", err)
	}
	_, list, ok := strings.Cut(fault.Text, "want one of ")
	if !ok {
		t.Fatalf("fault = %q, want the list of channels in it", fault.Text)
	}
	got := scrape(t, metrics.New(options(newSource(f))).Handler())
	for _, channel := range append(strings.Split(list, ", "), "unknown") {
		want(t, got, map[string]float64{fmt.Sprintf(`leadfloor_person_attempts_total{channel=%q,person="alice",store="main-street"}`, channel): 0})
	}
}
