package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"leadfloor/metrics"
	"leadfloor/router"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

func options(s metrics.Source) metrics.Options {
	return metrics.Options{
		Source: s, Version: "1.2.3", Revision: "abc", Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Mailboxes: []string{"leads"}, MailboxErrors: []string{"auth", "network"},
		Fates:   []string{"lead", "touch", "duplicate", "replay", "other", "quarantined", "skipped", "gone"},
		Repairs: []string{"bad-entity"}, RedisRisks: []string{"appendonly", "eviction"}, Doubts: []string{"unsigned", "unaligned"},
	}
}

// get asks for the metrics of the given names, or for all, as a client that accepts the given formats.
func get(t testing.TB, h http.Handler, accept string, names ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics?"+url.Values{"name[]": names}.Encode(), nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status = %d, want 200: %s", w.Code, w.Body)
	}
	return w
}

// text is the answer in the text format.
func text(t testing.TB, h http.Handler) []byte {
	t.Helper()
	return get(t, h, "").Body.Bytes()
}

// scrape reads the text format: a value for each series, written name{label="value",...} with the labels sorted.
func scrape(t testing.TB, h http.Handler) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(string(text(t, h))) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimSuffix(line, "\n")
		i := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		values[line[:i]] = v
	}
	return values
}

// want checks the values of series; NaN means that there is no such series.
func want(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for _, series := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[series]
		switch w := want[series]; {
		case math.IsNaN(w) && ok:
			t.Errorf("%s = %v, want no such series", series, g)
		case !math.IsNaN(w) && !ok:
			t.Errorf("%s is absent, want %v", series, w)
		case !math.IsNaN(w) && g != w:
			t.Errorf("%s = %v, want %v", series, g, w)
		}
	}
}

// absent stands for a series that is not there.
var absent = math.NaN()

func TestGolden(t *testing.T) {
	tests := []struct {
		name string
		fill func(*source, *metrics.Metrics)
	}{
		{"zero", func(*source, *metrics.Metrics) {}},
		{"busy", func(s *source, m *metrics.Metrics) {
			s.Set("main-street", busy())
			m.ConfigLoaded(0xabcdef012345)
			m.Up("leads", true)
			m.Success("leads", noon)
			m.Error("leads", "auth")
			m.Settled("leads", "lead", 250*time.Millisecond)
			m.Repaired("bad-entity")
			m.Doubted("leads", "unsigned")
			m.RedisCommand(time.Millisecond)
			m.RedisRisks([]string{"eviction"})
			m.RedisMemory(1<<20, 4<<20)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSource(rooftop("main-street"))
			m := metrics.New(options(s))
			tt.fill(s, m)
			var got bytes.Buffer
			for line := range bytes.Lines(text(t, m.Handler())) {
				// What the libraries count, and which Go compiled it, is theirs.
				if bytes.Contains(line, []byte("leadfloor_")) && !bytes.Contains(line, []byte("leadfloor_build_info{")) {
					got.Write(line)
				}
			}
			file := filepath.Join("testdata", tt.name+".txt")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("metrics differ from %s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// contract is every metric that users rely on and that stands so far: its type and labels.
var contract = map[string]struct {
	kind   dto.MetricType
	labels string
}{
	"leadfloor_leads_received_total":       {dto.MetricType_COUNTER, "source store"},
	"leadfloor_touches_total":              {dto.MetricType_COUNTER, "source store"},
	"leadfloor_duplicates_total":           {dto.MetricType_COUNTER, "source store"},
	"leadfloor_leads_void_total":           {dto.MetricType_COUNTER, "source store"},
	"leadfloor_leads_responded_total":      {dto.MetricType_COUNTER, "source store"},
	"leadfloor_leads_contacted_total":      {dto.MetricType_COUNTER, "source store"},
	"leadfloor_appointments_set_total":     {dto.MetricType_COUNTER, "source store"},
	"leadfloor_appointments_shown_total":   {dto.MetricType_COUNTER, "source store"},
	"leadfloor_leads_sold_total":           {dto.MetricType_COUNTER, "source store"},
	"leadfloor_leads_lost_total":           {dto.MetricType_COUNTER, "source store"},
	"leadfloor_corrections_total":          {dto.MetricType_COUNTER, "kind store"},
	"leadfloor_lead_assignment_seconds":    {dto.MetricType_HISTOGRAM, "source store"},
	"leadfloor_lead_response_seconds":      {dto.MetricType_HISTOGRAM, "source store"},
	"leadfloor_lead_response_open_seconds": {dto.MetricType_HISTOGRAM, "source store"},
	"leadfloor_lead_contact_seconds":       {dto.MetricType_HISTOGRAM, "source store"},
	"leadfloor_responses_due_total":        {dto.MetricType_COUNTER, "source store"},
	"leadfloor_responses_missed_total":     {dto.MetricType_COUNTER, "source store"},

	"leadfloor_person_responses_due_total":    {dto.MetricType_COUNTER, "person store"},
	"leadfloor_person_responses_missed_total": {dto.MetricType_COUNTER, "person store"},
	"leadfloor_leads_assigned_total":          {dto.MetricType_COUNTER, "person store"},
	"leadfloor_person_response_seconds":       {dto.MetricType_SUMMARY, "person store"},
	"leadfloor_person_attempts_total":         {dto.MetricType_COUNTER, "channel person store"},
	"leadfloor_person_contacts_total":         {dto.MetricType_COUNTER, "person store"},

	"leadfloor_leads_untouched":        {dto.MetricType_GAUGE, "store"},
	"leadfloor_leads_overdue":          {dto.MetricType_GAUGE, "store"},
	"leadfloor_leads_waiting":          {dto.MetricType_GAUGE, "store"},
	"leadfloor_quarantined":            {dto.MetricType_GAUGE, "store"},
	"leadfloor_person_leads_untouched": {dto.MetricType_GAUGE, "person store"},
	"leadfloor_turnovers_owed":         {dto.MetricType_GAUGE, "store"},
	"leadfloor_turnovers_total":        {dto.MetricType_COUNTER, "reason store"},

	"leadfloor_response_target_seconds":                    {dto.MetricType_GAUGE, "store"},
	"leadfloor_lead_oldest_untouched_timestamp_seconds":    {dto.MetricType_GAUGE, "store"},
	"leadfloor_lead_oldest_deadline_timestamp_seconds":     {dto.MetricType_GAUGE, "store"},
	"leadfloor_waiting_oldest_deadline_timestamp_seconds":  {dto.MetricType_GAUGE, "store"},
	"leadfloor_turnover_oldest_deadline_timestamp_seconds": {dto.MetricType_GAUGE, "store"},
	"leadfloor_source_silent_deadline_timestamp_seconds":   {dto.MetricType_GAUGE, "source store"},
	"leadfloor_last_lead_timestamp_seconds":                {dto.MetricType_GAUGE, "source store"},

	"leadfloor_store_live":                    {dto.MetricType_GAUGE, "store"},
	"leadfloor_person_info":                   {dto.MetricType_GAUGE, "name person store"},
	"leadfloor_person_available":              {dto.MetricType_GAUGE, "person store"},
	"leadfloor_person_turns_total":            {dto.MetricType_COUNTER, "person store"},
	"leadfloor_rotation_spread":               {dto.MetricType_GAUGE, "store"},
	"leadfloor_store_epoch_timestamp_seconds": {dto.MetricType_GAUGE, "store"},
	"leadfloor_books_difference":              {dto.MetricType_GAUGE, "store"},

	"leadfloor_redis_up":                                     {dto.MetricType_GAUGE, ""},
	"leadfloor_redis_can_lose_data":                          {dto.MetricType_GAUGE, "reason"},
	"leadfloor_redis_memory_ratio":                           {dto.MetricType_GAUGE, ""},
	"leadfloor_messages_total":                               {dto.MetricType_COUNTER, "fate mailbox"},
	"leadfloor_mailbox_up":                                   {dto.MetricType_GAUGE, "mailbox"},
	"leadfloor_mailbox_last_success_timestamp_seconds":       {dto.MetricType_GAUGE, "mailbox"},
	"leadfloor_mailbox_errors_total":                         {dto.MetricType_COUNTER, "mailbox reason"},
	"leadfloor_ingest_delay_seconds":                         {dto.MetricType_HISTOGRAM, ""},
	"leadfloor_messages_doubted_total":                       {dto.MetricType_COUNTER, "mailbox reason"},
	"leadfloor_parse_repairs_total":                          {dto.MetricType_COUNTER, "kind"},
	"leadfloor_redis_command_duration_seconds":               {dto.MetricType_HISTOGRAM, ""},
	"leadfloor_config_hash":                                  {dto.MetricType_GAUGE, ""},
	"leadfloor_config_last_reload_successful":                {dto.MetricType_GAUGE, ""},
	"leadfloor_config_last_reload_success_timestamp_seconds": {dto.MetricType_GAUGE, ""},
	"leadfloor_build_info":                                   {dto.MetricType_GAUGE, "goarch goos goversion revision version"},
}

// decode reads an answer in whichever format it came.
func decode(t testing.TB, w *httptest.ResponseRecorder) map[string]*dto.MetricFamily {
	t.Helper()
	families := map[string]*dto.MetricFamily{}
	d := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header()))
	for {
		f := &dto.MetricFamily{}
		err := d.Decode(f)
		if errors.Is(err, io.EOF) {
			return families
		}
		if err != nil {
			t.Fatalf("decode %s: %v", w.Header().Get("Content-Type"), err)
		}
		families[f.GetName()] = f
	}
}

func TestContract(t *testing.T) {
	s := newSource(rooftop("main-street"))
	s.Set("main-street", busy())
	m := metrics.New(options(s))
	m.RedisMemory(1, 2)
	families := decode(t, get(t, m.Handler(), protobuf))
	for name, c := range contract {
		f := families[name]
		if f == nil {
			t.Errorf("%s is absent", name)
			continue
		}
		if f.GetType() != c.kind {
			t.Errorf("%s is a %v, want %v", name, f.GetType(), c.kind)
		}
		class := "Process class: "
		for _, l := range f.Metric[0].Label {
			if l.GetName() == "store" {
				class = "Store class: read from Redis, the same from every replica; aggregate with m"
			}
		}
		if help := f.GetHelp(); !strings.Contains(help, ". "+class) || !strings.HasSuffix(help, ".") {
			t.Errorf("HELP of %s is %q, want sentences with %q", name, help, class)
		}
		for _, metric := range f.Metric {
			var labels []string
			for _, l := range metric.Label {
				labels = append(labels, l.GetName())
			}
			if got := strings.Join(labels, " "); got != c.labels {
				t.Errorf("%s has labels %q, want %q", name, got, c.labels)
				break
			}
		}
	}
	for name := range families {
		if _, ok := contract[name]; strings.HasPrefix(name, "leadfloor_") && !ok {
			t.Errorf("%s is not in the contract", name)
		}
	}
	for _, name := range []string{"go_goroutines", "process_open_fds", "promhttp_metric_handler_errors_total"} {
		if families[name] == nil {
			t.Errorf("%s is absent", name)
		}
	}
}

func TestLint(t *testing.T) {
	s := newSource(rooftop("main-street"), rooftop("harbour"))
	s.Set("main-street", busy())
	m := metrics.New(options(s))
	m.RedisMemory(1, 2)
	page := text(t, m.Handler())

	problems, err := promlint.New(bytes.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("promlint: %s: %s", p.Metric, p.Text)
	}

	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is needed, install the package prometheus: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, promtool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

const (
	openMetrics = "application/openmetrics-text;version=1.0.0"
	protobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

func TestFormats(t *testing.T) {
	s := newSource(rooftop("main-street"))
	s.Set("main-street", busy())
	m := metrics.New(options(s))
	m.Settled("leads", "lead", time.Second)

	// The libraries' metrics move, and the strict OpenMetrics parser refuses go_memstats_alloc_bytes beside go_memstats_alloc_bytes_total.
	names := slices.Sorted(maps.Keys(contract))
	samples := func(accept string) map[string]float64 {
		all := map[string]float64{}
		for _, f := range decode(t, get(t, m.Handler(), accept, names...)) {
			v, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range v {
				all[s.Metric.String()] = float64(s.Value)
			}
		}
		return all
	}
	plain := samples("")
	if n := len(plain); n < 300 {
		t.Fatalf("%d samples in the text format, want at least 300", n)
	}
	for _, accept := range []string{openMetrics, protobuf} {
		if got := get(t, m.Handler(), accept).Header().Get("Content-Type"); !strings.HasPrefix(got, accept[:strings.IndexByte(accept, ';')]) {
			t.Errorf("Accept %s: Content-Type = %q", accept, got)
		}
		if diff := cmp.Diff(plain, samples(accept)); diff != "" {
			t.Errorf("%s has other samples than the text format (-text +%s):\n%s", accept, accept, diff)
		}
	}

	for name, f := range decode(t, get(t, m.Handler(), protobuf)) {
		for _, metric := range f.Metric {
			if !strings.HasPrefix(name, "leadfloor_") || !slices.ContainsFunc(metric.Label, func(l *dto.LabelPair) bool { return l.GetName() == "store" }) {
				continue
			}
			var created time.Time
			switch {
			case metric.Counter != nil:
				created = metric.Counter.CreatedTimestamp.AsTime()
			case metric.Summary != nil:
				created = metric.Summary.CreatedTimestamp.AsTime()
			case metric.Histogram != nil:
				created = metric.Histogram.CreatedTimestamp.AsTime()
			default:
				continue
			}
			if !created.Equal(epoch) {
				t.Fatalf("%s was created %v, want the store's epoch %v", name, created, epoch)
			}
		}
	}
}

func TestCompressed(t *testing.T) {
	m := metrics.New(options(newSource(rooftop("main-street"))))
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	if got := w.Header().Get("Content-Encoding"); got != "gzip" {
		t.Errorf("Content-Encoding = %q, want gzip", got)
	}
}

func TestScrapesShareOneReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(rooftop("main-street"))
		s.Set("main-street", busy())
		m := metrics.New(options(s))
		release := s.Hang("main-street")
		var wg sync.WaitGroup
		pages := make([][]byte, 20)
		for i := range pages {
			wg.Go(func() { pages[i] = text(t, m.Handler()) })
		}
		synctest.Wait()
		release()
		wg.Wait()
		if got := s.Reads("main-street"); got != 1 {
			t.Errorf("%d scrapes at once read the store %d times, want once", len(pages), got)
		}
		for i, p := range pages {
			if !bytes.Contains(p, []byte(`leadfloor_leads_received_total{source="autotrader",store="main-street"} 5`)) {
				t.Errorf("scrape %d lacks the store", i)
			}
		}
		text(t, m.Handler())
		if got := s.Reads("main-street"); got != 2 {
			t.Errorf("a later scrape: the store was read %d times, want twice", got)
		}
	})
}

func TestTooManyScrapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(rooftop("main-street"))
		m := metrics.New(options(s))
		release := s.Hang("main-street")
		ask := func() int {
			w := httptest.NewRecorder()
			m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return w.Code
		}
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				if got := ask(); got != http.StatusOK {
					t.Errorf("one of 40 scrapes at once: status = %d, want 200", got)
				}
			})
		}
		synctest.Wait()
		if got := ask(); got != http.StatusServiceUnavailable {
			t.Errorf("one more: status = %d, want 503", got)
		}
		release()
		wg.Wait()
	})
}

// A stuck is a client that takes nothing of what is written to it until it is let go.
type stuck struct {
	http.ResponseWriter
	gate chan struct{}
}

func (w stuck) Write(b []byte) (int, error) {
	<-w.gate
	return len(b), nil
}

func TestSlowClientHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(rooftop("main-street"))
		m := metrics.New(options(s))
		gate := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			m.Handler().ServeHTTP(stuck{httptest.NewRecorder(), gate}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		})
		synctest.Wait()
		s.Set("main-street", busy())
		want(t, scrape(t, m.Handler()), map[string]float64{`leadfloor_leads_received_total{source="autotrader",store="main-street"}`: 5})
		close(gate)
		wg.Wait()
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(rooftop("main-street"), rooftop("harbour"))
		m := metrics.New(options(s))
		s.Hang("main-street")
		start := time.Now()
		got := scrape(t, m.Handler())
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("a scrape with a store that hangs took %v, want 5s", took)
		}
		want(t, got, map[string]float64{
			`leadfloor_leads_untouched{store="main-street"}`: absent,
			`leadfloor_leads_untouched{store="harbour"}`:     0,
			`leadfloor_redis_up`:                             0,
		})
	})
}

// Stores that hang take every reader and hide the others, until it is known which they are.
func TestHangingStoresAreReadLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*router.Rooftop
		for i := range 20 {
			all = append(all, rooftop(fmt.Sprintf("hanging-%d", i)))
		}
		all = append(all, rooftop("harbour"))
		s := newSource(all...)
		var release []func()
		for _, f := range all[:20] {
			release = append(release, s.Hang(f.ID))
		}
		h := metrics.New(options(s)).Handler()
		const hanging, harbour = `leadfloor_leads_untouched{store="hanging-7"}`, `leadfloor_leads_untouched{store="harbour"}`
		want(t, scrape(t, h), map[string]float64{harbour: absent})
		scrape(t, h)
		for range 5 {
			want(t, scrape(t, h), map[string]float64{hanging: absent, harbour: 0})
		}
		for _, f := range release {
			f()
		}
		want(t, scrape(t, h), map[string]float64{hanging: 0, harbour: 0, `leadfloor_redis_up`: 1})
	})
}

func TestStoresAreReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*router.Rooftop
		for i := range 100 {
			all = append(all, rooftop(fmt.Sprintf("store-%d", i)))
		}
		s := newSource(all...)
		var release []func()
		for _, f := range all {
			release = append(release, s.Hang(f.ID))
		}
		h := metrics.New(options(s)).Handler()
		var wg sync.WaitGroup
		wg.Go(func() { text(t, h) })
		synctest.Wait()
		reads := 0
		for _, f := range all {
			reads += s.Reads(f.ID)
		}
		if reads != 8 {
			t.Errorf("%d of 100 stores are read at once, want 8", reads)
		}
		for _, f := range release {
			f()
		}
		wg.Wait()
	})
}

func TestOwnRegistry(t *testing.T) {
	metrics.New(options(newSource(rooftop("main-street"))))
	metrics.New(options(newSource(rooftop("main-street")))) // a second one is in nobody's way
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "leadfloor_") {
			t.Errorf("%s is in the default registry", f.GetName())
		}
	}
}

func BenchmarkScrape(b *testing.B) {
	for _, stores := range []int{1, 50} {
		b.Run(fmt.Sprintf("stores=%d", stores), func(b *testing.B) {
			var all []*router.Rooftop
			for i := range stores {
				f := rooftop(fmt.Sprintf("store-%d", i))
				for n := range 20 {
					f.Sources.Known = append(f.Sources.Known, fmt.Sprintf("source-%d", n))
					f.Roster = append(f.Roster, router.Salesperson{Person: router.Person{ID: fmt.Sprintf("person-%d", n), Name: "Name"}})
				}
				all = append(all, f)
			}
			s := newSource(all...)
			for _, f := range all {
				g := busy()
				for _, label := range f.Sources.Known {
					for _, name := range []string{"recv", "touch", "dup", "resp", "cont", "appt", "show", "sold", "lost", "due", "miss"} {
						g.Counts[name+"|"+label] = 1000
					}
					for _, hist := range []string{"assignment", "response", "response_open", "contact"} {
						for _, bound := range metrics.Buckets(all) {
							g.Counts["h|"+hist+"|"+label+"|"+strconv.FormatFloat(bound, 'g', -1, 64)] = 100
						}
						g.Counts["hs|"+hist+"|"+label] = 1e6
					}
				}
				s.Set(f.ID, g)
			}
			h := metrics.New(options(s)).Handler()
			series := len(scrape(b, h))
			b.ReportAllocs()
			for b.Loop() {
				get(b, h, protobuf)
			}
			b.ReportMetric(float64(series), "series")
		})
	}
}
