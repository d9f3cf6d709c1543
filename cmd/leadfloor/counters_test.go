package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"leadfloor/router"
	"leadfloor/router/routertest"
)

const countersConfig = `redis: {url: "redis://%s/0"}
sources: {known: [autotrader, cargurus]}
stores:
  - id: main-street
    timezone: America/Chicago
    managers: [{id: mia, name: Mia}]
    routing: {response_target: 1h}
    roster: [{id: alice, name: Alice}, {id: bob, name: Bob}]
`

// TestCountersOverRestarts counts on its own what it tells two daemons while they and Redis are killed in turn, and then asks a real
// Prometheus: every counter is what was counted, none was ever reset, and each has risen by what it is.
func TestCountersOverRestarts(t *testing.T) {
	t.Parallel()
	server := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	config := fmt.Sprintf(countersConfig, server.Addr)
	a, b := startProcess(t, config), startProcess(t, config)
	w := startWatch(t, newDesk(t).url, a.addr, b.addr)
	w.until("both daemons are scraped before anything is counted", `count(leadfloor_leads_received_total{source="cargurus"} == 0) == 2`)

	counted := map[string]float64{}
	count := func(metric, label, value string) {
		counted[fmt.Sprintf(`leadfloor_%s{%s=%q}`, metric, label, value)]++
	}
	// post tells one daemon, and the other where that one is just gone: whoever tells leadfloor something tries again until it is told.
	post := func(key, path, body string, into any) {
		t.Helper()
		for n := range 100 {
			p := []*process{a, b}[n%2]
			r, err := http.NewRequest(http.MethodPost, "http://"+p.addr+"/api/v1"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", key)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				continue
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			switch {
			case err != nil, answer.StatusCode >= 500:
				continue
			case answer.StatusCode >= 300:
				t.Fatalf("POST %s %s: %s %s", path, body, answer.Status, text)
			}
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Fatalf("POST %s: nobody answers", path)
	}
	arrive := func(key, source string, customer int, car, want string) (id, owner string) {
		t.Helper()
		var got struct {
			Leads []struct{ ID, Owner, Disposition string }
		}
		post(key, "/stores/main-street/leads", fmt.Sprintf(`{"channel":"http","source":%q,"customer":{"name":{"first":"Quentin","last":"Surname%d"},"email":"customer%d@example.net"},
			"vehicles":[{"interest":"buy","make":"Honda","model":%q}]}`, source, customer, customer, car), &got)
		if len(got.Leads) != 1 || got.Leads[0].Disposition != want {
			t.Fatalf("customer %d: %+v, want one that is %s", customer, got.Leads, want)
		}
		return got.Leads[0].ID, got.Leads[0].Owner
	}

	n := 0
	round := func() {
		for range 12 {
			n++
			source := []string{"autotrader", "cargurus", "a-new-one"}[n%3]
			id, owner := arrive(fmt.Sprint("lead ", n), source, n, "Civic", "new")
			count("leads_received_total", "source", source)
			count("touches_total", "source", source)
			count("leads_assigned_total", "person", owner)
			tell := func(kind, rest string) {
				t.Helper()
				post(fmt.Sprint(kind, n), "/leads/"+id+"/events", fmt.Sprintf(`{"kind":%q,"by":%q%s}`, kind, owner, rest), new(any))
			}
			if n%2 == 0 {
				tell("attempt", `,"channel":"call"`)
				count("person_attempts_total", "person", owner)
			}
			if n%4 == 0 {
				tell("response", `,"channel":"email"`)
				count("person_attempts_total", "person", owner)
				count("leads_responded_total", "source", source)
				count("lead_response_seconds_count", "source", source)
				count("person_response_seconds_count", "person", owner)
			}
			if n%8 == 0 {
				tell("contact", `,"channel":"email"`)
				count("leads_contacted_total", "source", source)
				count("lead_contact_seconds_count", "source", source)
				count("person_contacts_total", "person", owner)
				tell("appointment", "")
				count("appointments_set_total", "source", source)
				tell("sale", "")
				count("leads_sold_total", "source", source)
			}
			switch n % 6 {
			case 1:
				tell("void", `,"reason":"spam"`)
				count("leads_void_total", "source", source)
			case 3:
				arrive(fmt.Sprint("once more ", n), source, n, "Civic", "duplicate")
				count("duplicates_total", "source", source)
			case 5:
				arrive(fmt.Sprint("another car ", n), source, n, "Accord", "touch")
				count("touches_total", "source", source)
			}
		}
	}
	round()
	a.kill()
	round()
	a.start()
	server.Kill()
	server.Start()
	round()
	b.kill()
	a.kill()
	b.start()
	round()
	a.start()
	w.until("both daemons have shown all", fmt.Sprintf(`count(sum by (instance) (leadfloor_leads_received_total) == %d) == 2`, n))
	w.evaluations(2)

	// At a whole second, where the subquery's last step is, and from 0, increase guesses nothing beyond the samples.
	now := time.Now().Unix()
	for series, want := range counted {
		name, label, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		by, _, _ := strings.Cut(label, "=")
		folded := fmt.Sprintf("max without (instance) (%s{%s})", name, label)
		if got := w.query(fmt.Sprintf("sum by (%s) (%s)", by, folded)); len(got) != 1 || got[0] != want {
			t.Errorf("%s = %v, counted %v", series, got, want)
		}
		if strings.Contains(series, "a-new-one") {
			continue // a source that nobody had heard of before has no 0 to have risen from
		}
		if got := w.query(fmt.Sprintf("sum by (%s) (increase(%s[5m:1s] @ %d))", by, folded, now)); len(got) != 1 || math.Abs(got[0]-want) > 1e-6 {
			t.Errorf("%s rose by %v, counted %v", series, got, want)
		}
	}
	var names []string
	w.ask("/api/v1/label/__name__/values?match[]="+url.QueryEscape(`{store="main-street"}`), &names)
	counters := 0
	for _, name := range names {
		if !regexp.MustCompile(`^leadfloor_.*_(total|count|sum|bucket)$`).MatchString(name) {
			continue
		}
		counters++
		if got := w.query("max(resets(" + name + "[5m]))"); len(got) != 1 || got[0] != 0 {
			t.Errorf("%s was reset %v times, want 0", name, got)
		}
	}
	if counters < 30 {
		t.Errorf("%d counters of the store, which cannot be all: %q", counters, names)
	}
	if got := w.query(`count(leadfloor_leads_received_total) / 2`); len(got) != 1 || got[0] != 4 {
		t.Errorf("%v sources, want two known, a new one and other", got)
	}
	a.verify()
}

// TestForgedSources has mail of 10,000 invented sources come in: no metric gets more than the configured number of labels.
func TestForgedSources(t *testing.T) {
	t.Parallel()
	const forged, most = 10_000, 7
	server := routertest.StartRedis(t)
	cfg := parse(t, strings.Replace(fmt.Sprintf(countersConfig, server.Addr), "cargurus]}", fmt.Sprintf("cargurus], max: %d}", most), 1)+"listen: 127.0.0.1:8080\n")
	d, err := newDaemon(cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.client.Close()
	if err := d.await(t.Context()); err != nil {
		t.Fatal(err)
	}
	source := regexp.MustCompile(`[{,]source="([^"]*)"`)
	scrape := func() (series int, sources map[string]bool) {
		page := httptest.NewRecorder()
		d.metrics.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		sources = map[string]bool{}
		for line := range bytes.Lines(page.Body.Bytes()) {
			if bytes.HasPrefix(line, []byte("leadfloor_")) {
				series++
			}
			if m := source.FindSubmatch(line); m != nil {
				sources[string(m[1])] = true
			}
		}
		return series, sources
	}
	before, known := scrape()

	var senders sync.WaitGroup
	failed := make(chan error, 1)
	for k := range 16 {
		senders.Go(func() {
			for n := k; n < forged; n += 16 {
				if _, err := d.router.Take(t.Context(), "main-street", &router.Arrival{
					Token: fmt.Sprint("forged ", n), Place: "test", Channel: router.Email, At: time.Now(),
					Source:  router.Slug(fmt.Sprintf("forged-%d.example", n)),
					Enquiry: router.Enquiry{Customer: router.Customer{Emails: []string{fmt.Sprintf("customer%d@example.net", n)}}},
				}); err != nil {
					select {
					case failed <- err:
					default:
					}
					return
				}
			}
		})
	}
	senders.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	after, sources := scrape()
	if len(known) != 3 || len(sources) != most+1 {
		t.Errorf("%d sources, then %d; want two known and other, then %d and other", len(known), len(sources), most)
	}
	// Those of a source are at most all that there are.
	if most := before*(most+1)/3 + 10; after > most {
		t.Errorf("%d series, then %d; want at most %d", before, after, most)
	}
}
