package grafana_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A server is a real Prometheus that has scraped the world.
type server struct{ addr string }

// start writes the world's samples into blocks and starts a Prometheus on them.
func start(t *testing.T) server {
	t.Helper()
	for _, tool := range []string{"prometheus", "promtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not installed: apt-get install prometheus", tool)
		}
	}
	dir := t.TempDir()
	text, config, data := filepath.Join(dir, "samples.txt"), filepath.Join(dir, "prometheus.yml"), filepath.Join(dir, "data")
	if err := os.WriteFile(text, samples(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// One block: promtool reads all samples again for each.
	if out, err := exec.Command("promtool", "tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics", text, data).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server{l.Addr().String()}
	l.Close()
	prom := exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+data, "--web.listen-address="+s.addr, "--log.level=error")
	var log bytes.Buffer
	prom.Stdout, prom.Stderr = &log, &log
	prom.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := prom.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = prom.Process.Kill()
		_ = prom.Wait() // it was killed, and says so
		if t.Failed() {
			t.Logf("prometheus:\n%s", log.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		r, err := http.Get("http://" + s.addr + "/-/ready")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("prometheus is not ready: %v", err)
		}
		<-time.After(50 * time.Millisecond) // it tells nobody when it is
	}
}

// A view is how a dashboard is looked at: the values that Grafana puts into its queries.
type view struct {
	store, source, person string
	end                   time.Time
	span                  time.Duration
}

var (
	// all is every store, today.
	all = view{".*", ".*", ".*", evening, 18 * time.Hour}
	// one is one store, today, as Grafana writes a variable with one value.
	one = view{"main-street", ".*", ".*", evening, 18 * time.Hour}
	// some is a choice of several, as Grafana writes it.
	some = view{"(main-street|harbour)", "(autotrader|cargurus)", "(alice|bob)", evening, 18 * time.Hour}
	// night is every store during the outage.
	night = view{".*", ".*", ".*", outage.Add(20 * time.Minute), 3 * time.Hour}
)

// seconds writes a range as Grafana does.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }

// interval is the $__interval of a query: no shorter than it says, and no shorter than gives the panel's number of points.
func (v view) interval(t *testing.T, p panel, q target) time.Duration {
	t.Helper()
	least := scrapeInterval
	if q.Interval != "" {
		d, err := time.ParseDuration(strings.Replace(q.Interval, "1d", "24h", 1))
		if err != nil {
			t.Fatal(err)
		}
		least = d
	}
	return max(least, (v.span / time.Duration(p.MaxDataPoints)).Round(time.Minute))
}

// short writes an interval as Grafana does: in its largest unit alone.
func short(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
}

// fill puts the variables into a query, as Grafana does.
func (v view) fill(expr string, interval time.Duration) string {
	return strings.NewReplacer(
		"$__rate_interval", max(interval+scrapeInterval, 4*scrapeInterval).String(),
		"${__interval}", short(interval), "$__interval", short(interval), "$__range", seconds(v.span),
		"$store", v.store, "$source", v.source, "$person", v.person,
	).Replace(expr)
}

// A series is a result: its labels, and its values by time.
type series struct {
	Metric map[string]string
	Value  sample
	Values []sample
}

type sample struct {
	at    time.Time
	value float64
}

func (s *sample) UnmarshalJSON(b []byte) error {
	var at float64
	var text string
	if err := json.Unmarshal(b, &[]any{&at, &text}); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return err
	}
	*s = sample{time.Unix(int64(at), 0).UTC(), v}
	return nil
}

// ask asks at the end of the view, or all along it.
func (s server) ask(t *testing.T, v view, p panel, q target) []series {
	t.Helper()
	interval := v.interval(t, p, q)
	form, path := url.Values{"query": {v.fill(q.Expr, interval)}}, "/api/v1/query"
	if q.Instant {
		form.Set("time", fmt.Sprint(v.end.Unix()))
	} else {
		path += "_range"
		form.Set("step", seconds(interval))
		form.Set("start", fmt.Sprint(v.end.Add(-v.span).Truncate(interval).Unix()))
		form.Set("end", fmt.Sprint(v.end.Truncate(interval).Unix()))
	}
	r, err := http.PostForm("http://"+s.addr+path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		Data struct {
			Result []series
		}
		Error string
	}
	if err := json.Unmarshal(body, &a); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("panel %q, query %s: %s %s %v\n%s", p.Title, q.RefID, r.Status, a.Error, err, form.Get("query"))
	}
	return a.Data.Result
}

var legendLabel = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)

// legend is what Grafana calls a series.
func (s series) legend(q target) string {
	return legendLabel.ReplaceAllStringFunc(q.Legend, func(m string) string { return s.Metric[m[2:len(m)-2]] })
}

// Every query of every panel is answered, with values, and with the labels that its legend or its table names.
func (s server) testEveryQuery(t *testing.T) {
	for _, b := range boards() {
		d := read(t, b.name)
		for _, v := range []view{all, one, some} {
			for _, p := range d.Panels {
				for _, q := range p.Targets {
					where := fmt.Sprintf("%s, panel %q, query %s", b.name, p.Title, q.RefID)
					results := s.ask(t, v, p, q)
					if len(results) == 0 {
						t.Errorf("%s: no result of\n%s", where, v.fill(q.Expr, v.interval(t, p, q)))
					}
					seen := map[string]bool{}
					for _, r := range results {
						for _, at := range append(r.Values, r.Value) {
							if math.IsNaN(at.value) || math.IsInf(at.value, 0) {
								t.Errorf("%s: %v is no number", where, r.Metric)
							}
						}
						for _, m := range legendLabel.FindAllStringSubmatch(q.Legend, -1) {
							if r.Metric[m[1]] == "" {
								t.Errorf("%s: the legend %s lacks its label in %v", where, q.Legend, r.Metric)
							}
						}
						if p.Type == "table" {
							testRow(t, where, p, q, r)
						} else if seen[r.legend(q)] {
							t.Errorf("%s: two series are called %q", where, r.legend(q))
						}
						seen[r.legend(q)] = true
					}
				}
			}
		}
		for _, a := range d.Annotations.List {
			if len(s.ask(t, all, panel{Title: a.Name, MaxDataPoints: pointsAtMost}, target{RefID: "annotation", Expr: a.Expr, Range: true})) == 0 {
				t.Errorf("%s: annotation %q is never made", b.name, a.Name)
			}
		}
	}
}

// testRow checks that the labels of a result are those of the table, each shown or left out by name, so that its queries merge.
func testRow(t *testing.T, where string, p panel, q target, r series) {
	t.Helper()
	o := p.Transformations[1].Options
	renamed, excluded := o["renameByName"].(map[string]any), o["excludeByName"].(map[string]any)
	if renamed["Value #"+q.RefID] == nil && renamed["Value"] == nil {
		t.Errorf("%s: its value has no column", where)
	}
	want := []string{}
	for _, names := range []map[string]any{renamed, excluded} {
		for name := range names {
			if name != "Time" && !strings.HasPrefix(name, "Value") {
				want = append(want, name)
			}
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(r.Metric)), want); diff != "" {
		t.Errorf("%s: its labels are not the columns of the table (-got +want):\n%s", where, diff)
	}
}

// figures is what a panel shows of the world: the last value of each series by its legend, in a table by name of the column and the
// first label.
func (s server) figures(t *testing.T, v view, name, title string) map[string]float64 {
	t.Helper()
	d := read(t, name)
	i := slices.IndexFunc(d.Panels, func(p panel) bool { return p.Title == title })
	if i < 0 {
		t.Fatalf("dashboard %s has no panel %q", name, title)
	}
	p := d.Panels[i]
	got := map[string]float64{}
	for _, q := range p.Targets {
		for _, r := range s.ask(t, v, p, q) {
			key := r.legend(q)
			if p.Type == "table" {
				column := p.Transformations[1].Options["renameByName"].(map[string]any)["Value #"+q.RefID]
				key = fmt.Sprintf("%v %v", column, r.Metric[rowLabel(p)])
			}
			last := r.Value
			if q.Range {
				last = r.Values[len(r.Values)-1]
			}
			got[key] = math.Round(last.value*1000) / 1000
		}
	}
	return got
}

// rowLabel is the label of a table's first column.
func rowLabel(p panel) string {
	o := p.Transformations[1].Options
	for name, i := range o["indexByName"].(map[string]any) {
		if i == 0.0 {
			return name
		}
	}
	return ""
}

// What the world's facts add up to, by hand.
func (s server) testFigures(t *testing.T) {
	const mainStreet, harbour = "main-street", "harbour"
	for _, test := range []struct {
		board, panel string
		view         view
		want         map[string]float64
	}{
		{"floor", "Untouched now", all, map[string]float64{mainStreet: 2, harbour: 0}},
		{"floor", "Longest wait", all, map[string]float64{mainStreet: 2400, harbour: 0}},
		{"floor", "Longest wait", night, map[string]float64{}}, // not 0: nobody knows
		{"floor", "Untouched now", night, map[string]float64{}},
		{"floor", "These figures", night, map[string]float64{"": 0}},
		{"operations", "Redis", night, map[string]float64{"": 0}},
		{"floor", "Overdue now", all, map[string]float64{mainStreet: 1, harbour: 0}},
		{"floor", "Held by a manager", one, map[string]float64{mainStreet: 1}},
		{"floor", "In target today", all, map[string]float64{mainStreet: .636, harbour: 1}}, // 4 of 11 missed; 0 of 2
		{"floor", "New leads today", all, map[string]float64{mainStreet: 11, harbour: 2}},
		{"floor", "Answered today", all, map[string]float64{mainStreet: 9, harbour: 0}},
		{"floor", "In contact today", one, map[string]float64{mainStreet: 5}},
		{"floor", "T.O. owed", one, map[string]float64{mainStreet: 1}},
		{"floor", "Held mail", one, map[string]float64{mainStreet: 3}},
		{"floor", "These figures", all, map[string]float64{"": 1}},
		{"floor", "Untouched and overdue", all, map[string]float64{"untouched": 2, "overdue": 1}},
		{"floor", "Last heard of", all, map[string]float64{"autotrader": 6 * 3600, "cargurus": 9 * 3600, "other": 9 * 3600}},
		{"floor", "People", one, map[string]float64{
			"On Bob": 0, `On Alice "Ace" Ames`: 1, "Untouched Bob": 0, `Untouched Alice "Ace" Ames`: 2, "Untouched Mia": 0,
			"Given Bob": 5, `Given Alice "Ace" Ames`: 6, "Given Mia": 0, "Turns Bob": 5, `Turns Alice "Ace" Ames`: 6,
			"In target Bob": .75, `In target Alice "Ace" Ames`: .833, // 1 of 4 missed; 1 of 6
		}},
		{"manager", "New leads", one, map[string]float64{"": 10}}, // 11, and one that was none
		{"manager", "New leads", some, map[string]float64{"": 9}}, // and one of another source
		{"manager", "In target", one, map[string]float64{"": .636}},
		{"manager", "In target, against the time before", one, map[string]float64{"": .136}}, // yesterday 2 of 4
		{"manager", "In contact", one, map[string]float64{"": .5}},
		{"manager", "In target, by day", one, map[string]float64{"in target": .636}},
		{"manager", "Responses by how long they took", one, map[string]float64{
			"5 min or less": 5, "5 to 15 min": 1, "15 to 60 min": 1, "over 60 min": 1, "not answered": 3,
		}},
		{"manager", "Funnel", one, map[string]float64{"New": 10, "Answered": 9, "In contact": 5, "Appointment": 3, "Came": 2, "Sold": 1}},
		{"manager", "New leads by source, by day", one, map[string]float64{"autotrader": 7, "cargurus": 3, "other": 1}},
		{"manager", "Attempts by means, by day", one, map[string]float64{"call": 4, "email": 5, "text": 1, "visit": 0, "chat": 0, "video": 0, "unknown": 0}},
		{"manager", "T.O. late by", all, map[string]float64{mainStreet: 7200, harbour: 0}},
		{"manager", "T.O. done, by outcome", one, map[string]float64{"saved": 1, "appointment": 0, "lost": 2}},
		{"manager", "Spread of turns", one, map[string]float64{mainStreet: 0}}, // Bob left at five
		{"operations", "Daemons", all, map[string]float64{"1.3.0": 1}},
		{"operations", "Redis memory", all, map[string]float64{"": .25}},
		{"operations", "Configurations in use", all, map[string]float64{"": 1}},
		{"operations", "Last looked at", all, map[string]float64{"leads": 60}},
		{"operations", "Books", all, map[string]float64{
			"Mode main-street": 1, "Differences main-street": 0, "Held mail main-street": 3, "Response target main-street": 300, "Begun main-street": 1770076800000,
			"Mode harbour": 0, "Differences harbour": 0, "Held mail harbour": 0, "Response target harbour": 420, "Begun harbour": 1770076800000,
		}},
		{"operations", "Redis: what could lose leads", all, map[string]float64{"appendonly": 0, "eviction": 1, "unknown": 0}},
	} {
		got := s.figures(t, test.view, test.board, test.panel)
		if diff := cmp.Diff(got, test.want); diff != "" {
			t.Errorf("%s, panel %q with stores %s at %s (-got +want):\n%s", test.board, test.panel, test.view.store, test.view.end, diff)
		}
	}
}

func TestQueries(t *testing.T) {
	s := start(t)
	t.Run("every query", s.testEveryQuery)
	t.Run("figures", s.testFigures)
}
