// Package metrics shows to Prometheus what leadfloor measures. It knows the names, labels and two classes of metrics that users rely on,
// and keeps what one process counts; it does not know Redis, mail or the configuration file, and decides nothing.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// readTimeout bounds the reads of all stores together, well under the 10 s after which Prometheus gives a scrape up by default.
	readTimeout = 5 * time.Second
	// scrapeTimeout bounds a whole scrape. It also makes promhttp answer out of a buffer: one scrape is shared by all who ask while it is
	// in use, so a client that reads slowly, writing straight to it, would pin the others to ever older figures.
	scrapeTimeout = 8 * time.Second
	// mostScrapes bounds the answers in memory. It is node_exporter's default; whoever comes on top is told to come again.
	mostScrapes = 40
)

// Options is what New needs. The lists are closed sets of label values: each of them has its series at 0 from the start, and whatever
// else comes is counted as "unknown".
type Options struct {
	Source            Source
	Version, Revision string // of this build
	Now               func() time.Time
	Log               *slog.Logger

	Mailboxes     []string // as configured; Configure replaces them
	MailboxErrors []string // reasons of Error
	Fates         []string // of Settled
	Repairs       []string // kinds of Repaired
	RedisRisks    []string // reasons of RedisRisks
	Doubts        []string // reasons of Doubted
}

// Metrics is all that /metrics shows. Its methods may be called from many goroutines and return at once. What it counts itself starts at
// 0 with the process.
type Metrics struct {
	handler http.Handler
	now     func() time.Time

	// The closed sets of label values.
	fates, reasons, repairs, risks, doubts []string

	// mu keeps an observation of a mailbox that was just taken out of the configuration from bringing its series back.
	mu        sync.RWMutex
	mailboxes []string

	messages      *prometheus.CounterVec
	mailboxUp     *prometheus.GaugeVec
	mailboxSeen   *prometheus.GaugeVec
	mailboxErrors *prometheus.CounterVec
	delay         prometheus.Histogram
	repaired      *prometheus.CounterVec
	doubted       *prometheus.CounterVec
	risk          *prometheus.GaugeVec
	memory        *prometheus.GaugeVec // without labels, so that it can be absent
	command       prometheus.Histogram
	hash          prometheus.Gauge
	reloaded      prometheus.Gauge
	reloadedAt    prometheus.Gauge
}

// New makes the metrics of one process, in a registry of their own.
func New(o Options) *Metrics {
	log := o.Log.With("component", "metrics")
	r := prometheus.NewRegistry()
	r.MustRegister(
		newStores(o.Source, log),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "leadfloor_build_info",
			Help:        "Always 1; the labels tell which build of leadfloor runs." + processOwn,
			ConstLabels: prometheus.Labels{"version": o.Version, "revision": o.Revision, "goversion": runtime.Version(), "goos": runtime.GOOS, "goarch": runtime.GOARCH},
		}, func() float64 { return 1 }),
	)
	m := &Metrics{handler: promhttp.HandlerFor(r, promhttp.HandlerOpts{
		Registry:            r,
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		CoalesceGather:      true,
		Timeout:             scrapeTimeout,
		MaxRequestsInFlight: mostScrapes,
		EnableOpenMetrics:   true,
	})}
	m.count(o, r)
	return m
}

// Handler serves the metrics in Prometheus' text format, OpenMetrics or protobuf, whichever the client asks for. Scrapes at the same time
// share one reading of the stores. It answers 200 though a store cannot be read: what is known of the others is shown, and
// leadfloor_redis_up is 0.
func (m *Metrics) Handler() http.Handler { return m.handler }
