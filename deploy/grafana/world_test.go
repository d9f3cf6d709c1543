package grafana_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"leadfloor/metrics"
	"leadfloor/router"
)

// The world: two stores over two days, until eighteen o'clock on the second, which is called today.
var (
	yesterday = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	today     = yesterday.AddDate(0, 0, 1)
	evening   = today.Add(18 * time.Hour)

	// In the night Redis cannot be read for half an hour.
	outage = today.Add(3 * time.Hour)
)

var errOutage = errors.New("dial: connection refused")

const scrapeInterval = 5 * time.Minute

// A fact raises a counter of a store, named as in router's Figures.
type fact struct {
	at      time.Time
	store   string
	counter string
	n       int64
}

// history is what happened at the stores. Main Street has known sources and people; the harbour is there to be told apart from it.
func history() []fact {
	var all []fact
	at := func(t time.Time, store string, counts map[string]int64) {
		for name, n := range counts {
			all = append(all, fact{t, store, name, n})
		}
	}
	at(yesterday.Add(9*time.Hour), "main-street", map[string]int64{
		"recv|autotrader": 4, "touch|autotrader": 4, "asg|alice": 2, "asg|bob": 2, "due|autotrader": 4, "miss|autotrader": 2,
		"pdue|alice": 2, "pdue|bob": 2, "pmiss|bob": 2, "resp|autotrader": 3, "cont|autotrader": 1,
		"h|assignment|autotrader|30": 4, "hs|assignment|autotrader": 40000,
		"h|response|autotrader|300": 2, "h|response|autotrader|3600": 1, "hs|response|autotrader": 2900000,
		"h|response_open|autotrader|300": 2, "h|response_open|autotrader|3600": 1, "hs|response_open|autotrader": 2900000,
		"h|contact|autotrader|14400": 1, "hs|contact|autotrader": 9000000, "prc|alice": 2, "prs|alice": 200000, "prc|bob": 1, "prs|bob": 2700000,
		"att|alice|email": 2, "att|bob|call": 1, "pcont|alice": 1,
	})
	at(today.Add(10*time.Minute), "main-street", map[string]int64{"att|bob|text": 1}) // before the day's first point
	// Today's leads come while only the first replica runs, while both do, and while only the second does.
	at(today.Add(7*time.Hour), "main-street", map[string]int64{
		"recv|autotrader": 3, "touch|autotrader": 4, "dup|autotrader": 1, "asg|alice": 2, "asg|bob": 1, "due|autotrader": 4, "miss|autotrader": 1,
		"pdue|alice": 2, "pdue|bob": 1, "pmiss|bob": 1, "resp|autotrader": 3,
		"h|assignment|autotrader|30": 3, "hs|assignment|autotrader": 30000,
		"h|response|autotrader|300": 2, "h|response|autotrader|14400": 1, "hs|response|autotrader": 9000000,
		"h|response_open|autotrader|60": 2, "h|response_open|autotrader|14400": 1, "hs|response_open|autotrader": 9000000,
		"prc|alice": 2, "prs|alice": 180000, "prc|bob": 1, "prs|bob": 7200000, "att|alice|email": 2, "att|bob|call": 1,
	})
	at(today.Add(9*time.Hour), "main-street", map[string]int64{
		"recv|autotrader": 3, "recv|cargurus": 3, "recv|other": 1, "touch|autotrader": 3, "touch|cargurus": 3, "touch|other": 1, "void|autotrader": 1,
		"asg|alice": 3, "asg|bob": 4, "due|autotrader": 3, "due|cargurus": 3, "miss|cargurus": 2, "pdue|alice": 3, "pdue|bob": 3,
		"resp|autotrader": 3, "resp|cargurus": 3, "cont|autotrader": 4, "cont|cargurus": 1, "appt|autotrader": 3, "show|autotrader": 2, "sold|autotrader": 1, "lost|cargurus": 1,
		"h|response|autotrader|300": 3, "h|response|cargurus|900": 1, "h|response|cargurus|3600": 1, "hs|response|autotrader": 600000, "hs|response|cargurus": 2400000,
		"h|response_open|autotrader|300": 3, "h|response_open|cargurus|900": 1, "h|response_open|cargurus|3600": 1, "hs|response_open|autotrader": 600000, "hs|response_open|cargurus": 2400000,
		"h|contact|autotrader|14400": 5, "hs|contact|autotrader": 15000000, "prc|alice": 3, "prs|alice": 420000, "prc|bob": 2, "prs|bob": 2400000,
		"att|alice|email": 3, "att|bob|call": 2, "att|mia|call": 1, "pcont|alice": 4, "pcont|mia": 1, "to|saved": 1, "corr|sale": 1,
	})
	at(today.Add(12*time.Hour), "main-street", map[string]int64{
		"recv|autotrader": 1, "touch|autotrader": 1, "asg|alice": 1, "due|autotrader": 1, "miss|autotrader": 1, "pdue|alice": 1, "pmiss|alice": 1, "to|lost": 2,
	})
	at(today.Add(9*time.Hour), "harbour", map[string]int64{"recv|other": 2, "touch|other": 2, "asg|carol": 2, "due|other": 2, "pdue|carol": 2})
	return all
}

func rooftops() []*router.Rooftop {
	person := func(id, name string) router.Salesperson {
		return router.Salesperson{Person: router.Person{ID: id, Name: name}}
	}
	return []*router.Rooftop{
		{
			ID: "main-street", Name: "Main Street Motors", Managers: []router.Person{{ID: "mia", Name: "Mia"}},
			Roster:  []router.Salesperson{person("alice", `Alice "Ace" Ames`), person("bob", "Bob")},
			Routing: router.Routing{ResponseTarget: 5 * time.Minute}, Sources: router.Sources{Known: []string{"autotrader", "cargurus"}},
		},
		{ID: "harbour", Name: "Harbour Cars", Shadow: true, Roster: []router.Salesperson{person("carol", "Carol")}, Routing: router.Routing{ResponseTarget: 7 * time.Minute}},
	}
}

// A past is a metrics.Source that shows the stores as they were at one time, and two in all.
type past struct {
	now  time.Time
	tops []*router.Rooftop
	all  []fact
}

var _ metrics.Source = (*past)(nil)

func (p *past) Rooftops() []*router.Rooftop { return p.tops }

func (p *past) Figures(_ context.Context, store string) (*router.Figures, error) {
	if !p.now.Before(outage) && p.now.Before(outage.Add(30*time.Minute)) {
		return nil, errOutage
	}
	f := &router.Figures{Epoch: yesterday.AddDate(0, -1, 0), Counts: map[string]int64{}, PersonUntouched: map[string]int64{}, LastLead: map[string]time.Time{}, Gen: 9}
	for _, fact := range p.all {
		if fact.store != store || fact.at.After(p.now) {
			continue
		}
		f.Counts[fact.counter] += fact.n
		if source, ok := strings.CutPrefix(fact.counter, router.CountTouches+"|"); ok && fact.at.After(f.LastLead[source]) {
			f.LastLead[source] = fact.at
		}
	}
	turn := func(id string, eligible bool) router.Turns {
		n := f.Counts[router.CountAssigned+"|"+id]
		return router.Turns{Eligible: eligible, Turns: n, Since: n, Gen: 9}
	}
	if store == "harbour" {
		f.Turns = map[string]router.Turns{"carol": turn("carol", false)}
		return f, nil
	}
	f.Turns = map[string]router.Turns{"alice": turn("alice", true), "bob": turn("bob", p.now.Before(today.Add(17*time.Hour)))}
	if !p.now.Before(today.Add(12 * time.Hour)) {
		f.Untouched, f.Overdue, f.Waiting, f.Quarantined, f.TurnoversOwed, f.Difference = 2, 1, 1, 3, 1, 0
		f.PersonUntouched = map[string]int64{"alice": 2}
		f.OldestUntouched, f.OldestDeadline = evening.Add(-40*time.Minute), evening.Add(-35*time.Minute)
		f.WaitingDeadline, f.TurnoverDue = evening.Add(time.Hour), evening.Add(-2*time.Hour)
	}
	return f, nil
}

// A replica is one process of leadfloor, and the time that it runs.
type replica struct {
	version     string
	from, until time.Time
}

// replicas are a rolling restart: for two hours of today both run.
var replicas = map[string]replica{
	"leads-0:8080": {"1.2.3", yesterday.Add(6 * time.Hour), today.Add(10 * time.Hour)},
	"leads-1:8080": {"1.3.0", today.Add(8 * time.Hour), evening},
}

// process makes the metrics of a replica.
func (r replica) process(p *past) *metrics.Metrics {
	return metrics.New(metrics.Options{
		Source: p, Version: r.version, Revision: "abc", Now: func() time.Time { return p.now }, Log: slog.New(slog.DiscardHandler),
		Mailboxes: []string{"leads"}, MailboxErrors: []string{"auth", "network"},
		Fates:   []string{"lead", "touch", "duplicate", "replay", "other", "quarantined", "skipped", "gone"},
		Repairs: []string{"bad-entity", "bad-charset"}, RedisRisks: []string{"appendonly", "eviction"},
	})
}

// work is what a replica counts in the time before a scrape.
func work(m *metrics.Metrics, now time.Time) {
	m.Up("leads", now.Hour() != 3)
	m.Success("leads", now.Add(-time.Minute))
	m.RedisRisks([]string{"eviction"})
	m.RedisMemory(1<<20, 4<<20)
	for range 300 {
		m.RedisCommand(2 * time.Millisecond)
	}
	switch now.Sub(today) {
	case 7 * time.Hour, 12 * time.Hour:
		m.Settled("leads", "lead", 2*time.Second)
		m.Settled("leads", "lead", 2*time.Second)
		m.Settled("leads", "other", 2*time.Second)
		m.Repaired("bad-entity")
		m.Error("leads", "network")
	}
}

// scrape is what a replica shows, in the format of an older or a newer Prometheus, which spell the bounds of buckets in two ways.
func scrape(t *testing.T, m *metrics.Metrics, accept string) []byte {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: status = %d, want 200", w.Code)
	}
	return w.Body.Bytes()
}

const (
	older = "text/plain"
	newer = "application/openmetrics-text; version=1.0.0"
)

// samples writes the scrapes of the whole world in the form that promtool makes blocks of. At six this morning Prometheus was replaced
// by a newer one.
func samples(t *testing.T) []byte {
	t.Helper()
	all := history()
	var b bytes.Buffer
	for instance, r := range replicas {
		p := &past{now: r.from, tops: rooftops(), all: all}
		m := r.process(p)
		m.ConfigLoaded(0xabcdef012345)
		for ; !p.now.After(r.until); p.now = p.now.Add(scrapeInterval) {
			work(m, p.now)
			accept := older
			if p.now.After(today.Add(6 * time.Hour)) {
				accept = newer
			}
			for line := range bytes.Lines(scrape(t, m, accept)) {
				if line[0] == '#' {
					continue
				}
				end := bytes.LastIndexByte(line, ' ')
				name, labels, labelled := bytes.Cut(line[:end], []byte("{"))
				b.Write(name)
				fmt.Fprintf(&b, `{job="leadfloor",instance=%q`, instance)
				if labelled {
					b.WriteByte(',')
					b.Write(labels) // with the closing brace
				} else {
					b.WriteByte('}')
				}
				fmt.Fprintf(&b, "%s %d\n", bytes.TrimSuffix(line[end:], []byte("\n")), p.now.Unix())
			}
		}
	}
	b.WriteString("# EOF\n")
	return b.Bytes()
}

// exported are the names of all series that a daemon shows.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	p := &past{now: evening, tops: rooftops(), all: history()}
	m := replica{}.process(p)
	work(m, evening)
	names := map[string]bool{}
	for line := range strings.Lines(string(scrape(t, m, older))) {
		if !strings.HasPrefix(line, "#") {
			names[line[:strings.IndexAny(line, "{ ")]] = true
		}
	}
	if len(names) < 50 {
		t.Fatalf("only %d names are exported: %v", len(names), maps.Keys(names))
	}
	return names
}
