package metrics

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leadfloor/router"
)

// A Source has the figures of the stores; a router.Router is one. Both methods are called at every scrape, Figures for many stores at
// once. Figures must return soon after its context is done; an error means that nothing is known of that store now.
type Source interface {
	Rooftops() []*router.Rooftop
	Figures(ctx context.Context, store string) (*router.Figures, error)
}

var _ Source = (*router.Router)(nil)

// other is the label of the sources that are no label of their own.
const other = "other"

// channels are how people try to reach people, as CountAttempts has them.
var channels = append(slices.Clone(router.Means), unknown)

// outcomes are those that end a T.O., as CountTurnovers has them.
var outcomes = []string{router.OutcomeSaved, router.OutcomeAppointment, router.OutcomeLost}

// hists are the clocks that have a histogram, as CountBucket and CountSum have them.
var hists = []string{router.HistAssignment, router.HistResponse, router.HistResponseOpen, router.HistContact}

// Buckets are the upper bounds in seconds of every clock's histogram: the usual ones and the response target of every store, ascending,
// so that each target's share can be read off exactly. They are the same for all stores.
func Buckets(rooftops []*router.Rooftop) []float64 {
	bounds := []float64{30, 60, 120, 300, 600, 900, 1800, 3600, 14400, 86400, 604800}
	for _, f := range rooftops {
		if target := f.Routing.ResponseTarget; target > 0 {
			bounds = append(bounds, target.Seconds())
		}
		for _, pace := range f.Routing.BySource {
			bounds = append(bounds, pace.ResponseTarget.Seconds())
		}
	}
	slices.Sort(bounds)
	return slices.Compact(bounds)
}

// stores shows the store class: what Redis knows, read at every scrape. It makes its metrics anew each time, so that nothing outlives the
// store, person or source that it is about.
type stores struct {
	source Source
	log    *slog.Logger

	bySource, byPerson []counter
	clocks             map[string]*prometheus.Desc // by name of the histogram
	descs              []*prometheus.Desc

	corrections, turnovers, attempts, answers, turns                                       *prometheus.Desc
	untouched, overdue, waiting, quarantined, owed, personUntouched                        *prometheus.Desc
	target, oldestUntouched, oldestDeadline, waitingDeadline, turnoverDue, lastOne, silent *prometheus.Desc
	live, info, available, spread, epoch, difference                                       *prometheus.Desc
	up                                                                                     *prometheus.Desc

	mu    sync.Mutex
	marks map[string]*mark
	down  bool // the last scrape could not read every store
}

// A counter is read off the counters of one name in router, by the second part of the name.
type counter struct {
	name string
	desc *prometheus.Desc
}

func newStores(source Source, log *slog.Logger) *stores {
	c := &stores{source: source, log: log, clocks: map[string]*prometheus.Desc{}, marks: map[string]*mark{}}
	plain := func(name, help string, labels ...string) *prometheus.Desc {
		d := prometheus.NewDesc(name, help, labels, nil)
		c.descs = append(c.descs, d)
		return d
	}
	folded := func(name, help, fold string, labels []string) *prometheus.Desc {
		return plain(name, help+" Store class: read from Redis, the same from every replica; aggregate with "+fold+" without (instance, pod).", append([]string{"store"}, labels...)...)
	}
	most := func(name, help string, labels ...string) *prometheus.Desc { return folded(name, help, "max", labels) }
	least := func(name, help string, labels ...string) *prometheus.Desc {
		return folded(name, help, "min", labels)
	}

	for _, m := range []struct{ count, name, help string }{
		{router.CountReceived, "leadfloor_leads_received_total", "New leads."},
		{router.CountTouches, "leadfloor_touches_total", "Arrivals that counted: new leads and later enquiries of their customers."},
		{router.CountDuplicates, "leadfloor_duplicates_total", "Copies of an enquiry, which did not count."},
		{router.CountVoid, "leadfloor_leads_void_total", "Leads that turned out never to have been one."},
		{router.CountResponded, "leadfloor_leads_responded_total", "Leads that a person answered, each once."},
		{router.CountContacted, "leadfloor_leads_contacted_total", "Leads whose customer answered, talked to us or came in, each once."},
		{router.CountAppointments, "leadfloor_appointments_set_total", "Leads with an appointment, each once."},
		{router.CountShown, "leadfloor_appointments_shown_total", "Leads whose customer came to the store, each once."},
		{router.CountSold, "leadfloor_leads_sold_total", "Leads that were sold, each once."},
		{router.CountLost, "leadfloor_leads_lost_total", "Leads that were lost, each once."},
		{router.CountDue, "leadfloor_responses_due_total", "Responses whose deadline has passed, counted at the deadline."},
		{router.CountMissed, "leadfloor_responses_missed_total", "Responses that were still owed at their deadline, counted then."},
	} {
		c.bySource = append(c.bySource, counter{m.count, most(m.name, m.help, "source")})
	}
	for _, m := range []struct{ count, name, help string }{
		{router.CountAssigned, "leadfloor_leads_assigned_total", "Leads given to a person, by whatever way."},
		{router.CountContacts, "leadfloor_person_contacts_total", "Leads whose customer a person was the first to get in contact with."},
		{router.CountPersonDue, "leadfloor_person_responses_due_total", "Responses that a person owed and whose deadline, from their own assignment, has passed."},
		{router.CountPersonMissed, "leadfloor_person_responses_missed_total", "Responses that a person still owed at the deadline from their own assignment."},
	} {
		c.byPerson = append(c.byPerson, counter{m.count, most(m.name, m.help, "person")})
	}
	for hist, help := range map[string]string{
		router.HistAssignment:   "Time from an arrival to its assignment to a salesperson.",
		router.HistResponse:     "Time from an arrival to the first response of a person.",
		router.HistResponseOpen: "Time from an arrival to the first response of a person, open hours of the store alone.",
		router.HistContact:      "Time from an arrival to contact with the customer.",
	} {
		c.clocks[hist] = most("leadfloor_lead_"+hist+"_seconds", help, "source")
	}

	c.corrections = most("leadfloor_corrections_total", "Entries that were taken back, by what they had told; the counters of the funnel are gross.", "kind")
	c.turnovers = most("leadfloor_turnovers_total", "Turnovers that a manager has done, by their outcome.", "reason")
	c.attempts = most("leadfloor_person_attempts_total", "Attempts of a person to reach a customer, responses included, by the means.", "person", "channel")
	c.answers = most("leadfloor_person_response_seconds", "Time from an arrival to the first response, by the person who gave it.", "person")
	c.turns = most("leadfloor_person_turns_total", "Turns that a person was charged with.", "person")

	c.untouched = most("leadfloor_leads_untouched", "Leads whose latest enquiry nobody has attempted to answer, held ones too.")
	c.overdue = most("leadfloor_leads_overdue", "Untouched leads past their deadline.")
	c.waiting = most("leadfloor_leads_waiting", "Leads that a manager holds until somebody is on the floor.")
	c.quarantined = most("leadfloor_quarantined", "Messages held because their lead could not be read, or broke a limit or a trust rule.")
	c.owed = most("leadfloor_turnovers_owed", "Turnovers that a manager has yet to do.")
	c.personUntouched = most("leadfloor_person_leads_untouched", "Untouched leads that a person owns; those held until somebody is on are left out.", "person")

	c.target = most("leadfloor_response_target_seconds", "Open time within which a response is due, as configured.")
	c.oldestUntouched = least("leadfloor_lead_oldest_untouched_timestamp_seconds", "When the lead arrived that has been untouched longest; absent when there is none.")
	c.oldestDeadline = least("leadfloor_lead_oldest_deadline_timestamp_seconds", "Earliest deadline of the untouched leads, open hours reckoned; absent when there is none.")
	c.waitingDeadline = least("leadfloor_waiting_oldest_deadline_timestamp_seconds", "Earliest deadline of the waiting leads, open hours reckoned; absent when there is none.")
	c.turnoverDue = least("leadfloor_turnover_oldest_deadline_timestamp_seconds", "Earliest deadline of the turnovers owed, open hours reckoned; absent when there is none.")
	c.lastOne = least("leadfloor_last_lead_timestamp_seconds", "When a source last brought an arrival that counted; absent before the first.", "source")

	c.live = most("leadfloor_store_live", "1 where the store is live; 0 where it is in shadow: it decides and measures, and no alert calls anybody to its customers.")
	c.silent = least("leadfloor_source_silent_deadline_timestamp_seconds", "When a source that usually writes will have been silent too long for its own habits, open hours reckoned; absent without habits.", "source")
	c.info = most("leadfloor_person_info", "Always 1; gives a person's id the name to show.", "person", "name")
	c.available = most("leadfloor_person_available", "1 where a salesperson can be dealt a lead: on, not busy and under their cap, as the floor was last looked at.", "person")
	c.spread = most("leadfloor_rotation_spread", "Most minus fewest turns dealt in turn to people of equal weight who can be dealt a lead, since the floor last changed. Left out is who was owed turns then or was ahead, and who was since charged or given back a turn otherwise: a pick, a re-deal, a return, a void lead. At most 1 by the law.")
	c.epoch = least("leadfloor_store_epoch_timestamp_seconds", "When the store's keys were first made or last restored; its counters start there.")
	c.difference = most("leadfloor_books_difference", "Differences between the store's books and its event log; 0 where they balance.")

	c.up = plain("leadfloor_redis_up", "1 where this scrape could read the figures of every store."+processOwn)
	return c
}

// Describe implements prometheus.Collector.
func (c *stores) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *stores) Collect(ch chan<- prometheus.Metric) {
	rooftops := c.source.Rooftops()
	readings := c.read(rooftops, c.order(rooftops))
	bounds := Buckets(rooftops)

	c.mu.Lock()
	defer c.mu.Unlock()
	w := writer{ch: ch}
	w.gauge(c.up, number(c.note(rooftops, readings)))
	for i, f := range rooftops {
		if readings[i].err == nil {
			c.show(ch, f, readings[i].figures, bounds)
		}
	}
}

// order is the order to read stores in: those whose last read took longest come last. Should many hang, every scrape finds out some of
// them and gets further, until those that do not hang have all been read before.
func (c *stores) order(rooftops []*router.Rooftop) []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	order, took := make([]int, len(rooftops)), make([]time.Duration, len(rooftops))
	for i, f := range rooftops {
		order[i] = i
		if m := c.marks[f.ID]; m != nil {
			took[i] = m.took
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(took[a], took[b]) })
	return order
}

// readers bounds how many stores are read at once: fewer than the connections that a Redis client pools, so that leads need not wait for
// a scrape.
const readers = 8

// A reading is what came of reading one store.
type reading struct {
	figures *router.Figures
	err     error
	begun   bool // its turn came in time
	took    time.Duration
}

var errNoEpoch = errors.New("the store has no epoch: its keys are gone")

// read reads all stores within readTimeout.
func (c *stores) read(rooftops []*router.Rooftop, order []int) []reading {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	next := make(chan int, len(order))
	for _, i := range order {
		next <- i
	}
	close(next)
	readings := make([]reading, len(rooftops))
	var wg sync.WaitGroup
	for range min(readers, len(order)) {
		wg.Go(func() {
			for i := range next {
				if err := ctx.Err(); err != nil {
					readings[i] = reading{err: err}
					continue
				}
				start := time.Now()
				f, err := c.source.Figures(ctx, rooftops[i].ID)
				if err == nil && f.Epoch.UnixMilli() <= 0 {
					// An emptied Redis answers readily. Its zeros are not the store's, and would clear every alert.
					err = errNoEpoch
				}
				readings[i] = reading{figures: f, err: err, begun: true, took: time.Since(start)}
			}
		})
	}
	wg.Wait()
	return readings
}

// note keeps how long each store took and says whether all could be read. It logs when that changes. The marks of a store that is taken
// out of the configuration stay, for it may come back.
func (c *stores) note(rooftops []*router.Rooftop, readings []reading) bool {
	failed, first := 0, 0
	for i, f := range rooftops {
		m := c.marks[f.ID]
		if m == nil {
			m = &mark{}
			c.marks[f.ID] = m
		}
		if readings[i].begun {
			m.took = readings[i].took
		}
		if readings[i].err != nil {
			if failed == 0 {
				first = i
			}
			failed++
		}
	}
	switch {
	case failed > 0 && !c.down:
		c.log.Warn("figures of stores cannot be read", "stores", failed, "store", rooftops[first].ID, "err", readings[first].err)
	case failed == 0 && c.down:
		c.log.Info("figures of all stores can be read again")
	}
	c.down = failed > 0
	return !c.down
}

// show writes the metrics of one store.
func (c *stores) show(ch chan<- prometheus.Metric, f *router.Rooftop, g *router.Figures, bounds []float64) {
	m := c.marks[f.ID]
	m.raise(g)
	w := writer{ch: ch, store: f.ID, epoch: g.Epoch}

	bins := m.bins()
	for _, source := range sources(f, g) {
		for _, n := range c.bySource {
			w.counter(n.desc, m.counts[n.name+"|"+source], source)
		}
		for _, hist := range hists {
			key := hist + "|" + source
			w.histogram(c.clocks[hist], bins[key], m.counts[router.CountSum+"|"+key], bounds, source)
		}
		w.moment(c.lastOne, g.LastLead[source], source)
		w.moment(c.silent, g.SilentDeadline[source], source)
	}
	for _, p := range people(f) {
		w.gauge(c.info, 1, p.ID, strings.ToValidUTF8(p.Name, "\uFFFD"))
		for _, n := range c.byPerson {
			w.counter(n.desc, m.counts[n.name+"|"+p.ID], p.ID)
		}
		for _, channel := range channels {
			w.counter(c.attempts, m.counts[router.CountAttempts+"|"+p.ID+"|"+channel], p.ID, channel)
		}
		w.summary(c.answers, m.counts[router.CountPersonCount+"|"+p.ID], m.counts[router.CountPersonSum+"|"+p.ID], p.ID)
		w.gauge(c.personUntouched, float64(g.PersonUntouched[p.ID]), p.ID)
	}
	for _, s := range f.Roster {
		w.counter(c.turns, m.turns[s.ID], s.ID)
		w.gauge(c.available, number(g.Turns[s.ID].Eligible), s.ID)
	}
	for _, kind := range router.LoggedKinds {
		w.counter(c.corrections, m.counts[router.CountCorrections+"|"+string(kind)], string(kind))
	}
	for _, outcome := range outcomes {
		w.counter(c.turnovers, m.counts[router.CountTurnovers+"|"+outcome], outcome)
	}

	w.gauge(c.live, number(!f.Shadow))
	w.gauge(c.untouched, float64(g.Untouched))
	w.gauge(c.overdue, float64(g.Overdue))
	w.gauge(c.waiting, float64(g.Waiting))
	w.gauge(c.quarantined, float64(g.Quarantined))
	w.gauge(c.owed, float64(g.TurnoversOwed))
	w.gauge(c.target, f.Routing.ResponseTarget.Seconds())
	w.moment(c.oldestUntouched, g.OldestUntouched)
	w.moment(c.oldestDeadline, g.OldestDeadline)
	w.moment(c.waitingDeadline, g.WaitingDeadline)
	w.moment(c.turnoverDue, g.TurnoverDue)
	w.gauge(c.spread, float64(spread(f, g)))
	w.moment(c.epoch, g.Epoch)
	w.gauge(c.difference, float64(g.Difference))
}

// sources are the labels of a store's sources: those configured, those that Redis made labels within sources.max, and other. A counter
// of any further name makes none.
func sources(f *router.Rooftop, g *router.Figures) []string {
	all := slices.Concat(f.Sources.Known, g.Labels, []string{other})
	slices.Sort(all)
	return slices.Compact(all)
}

// people are all who may own a lead: managers, roster and the owners of desks.
func people(f *router.Rooftop) []router.Person {
	all := f.People()
	for _, d := range f.Desks {
		if p, ok := f.Person(d.Owner); ok && !slices.ContainsFunc(all, func(q router.Person) bool { return q.ID == p.ID }) {
			all = append(all, p)
		}
	}
	return all
}

// spread is the difference of turns dealt since the floor last changed, among those of equal weight who can be dealt a lead; the greatest
// over the weights. Whoever has had no turn since then still stands there with an earlier change: that is no turn, not no person.
func spread(f *router.Rooftop, g *router.Figures) int64 {
	type span struct{ fewest, most int64 }
	byWeight := map[int]span{}
	var widest int64
	for _, s := range f.Roster {
		t := g.Turns[s.ID]
		if !t.Eligible {
			continue
		}
		var since int64
		if t.Gen == g.Gen {
			since = t.Since
		}
		if since < 0 {
			continue // not to be compared until the floor changes
		}
		weight := max(1, s.Weight)
		r, ok := byWeight[weight]
		if !ok {
			r = span{since, since}
		}
		r = span{min(r.fewest, since), max(r.most, since)}
		byWeight[weight] = r
		widest = max(widest, r.most-r.fewest)
	}
	return widest
}

// A mark holds the highest value that each counter of a store has had within one epoch. A failover can cost Redis its last writes, and
// a counter that goes back from 1000 to 998 is one that, to Prometheus, has started anew and risen by 998.
type mark struct {
	epoch         time.Time
	counts, turns map[string]int64
	took          time.Duration // the last read
}

func (m *mark) raise(g *router.Figures) {
	if m.counts == nil || !m.epoch.Equal(g.Epoch) {
		m.epoch, m.counts, m.turns = g.Epoch, make(map[string]int64, len(g.Counts)), make(map[string]int64, len(g.Turns))
	}
	for name, n := range g.Counts {
		m.counts[name] = max(m.counts[name], n)
	}
	for id, t := range g.Turns {
		m.turns[id] = max(m.turns[id], t.Turns)
	}
}

// A bin is how many durations were counted under one upper bound.
type bin struct {
	bound float64
	n     int64
}

// bins sorts the counters of histograms by clock and source. A bound that cannot be read is taken for the last.
func (m *mark) bins() map[string][]bin {
	all := map[string][]bin{}
	for name, n := range m.counts {
		rest, ok := strings.CutPrefix(name, router.CountBucket+"|")
		if !ok {
			continue
		}
		if i := strings.LastIndexByte(rest, '|'); i >= 0 {
			bound, err := strconv.ParseFloat(rest[i+1:], 64)
			if err != nil {
				bound = math.Inf(1)
			}
			all[rest[:i]] = append(all[rest[:i]], bin{bound, n})
		}
	}
	return all
}

// A writer sends the metrics of one store. A value that cannot be a metric is reported by the scrape, which goes on without it.
type writer struct {
	ch    chan<- prometheus.Metric
	store string
	epoch time.Time
}

func (w writer) send(d *prometheus.Desc, m prometheus.Metric, err error) {
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	w.ch <- m
}

// labels puts the store before the other label values, where there is one.
func (w writer) labels(values []string) []string {
	if w.store == "" {
		return values
	}
	return append([]string{w.store}, values...)
}

func (w writer) counter(d *prometheus.Desc, n int64, values ...string) {
	m, err := prometheus.NewConstMetricWithCreatedTimestamp(d, prometheus.CounterValue, float64(n), w.epoch, w.labels(values)...)
	w.send(d, m, err)
}

func (w writer) gauge(d *prometheus.Desc, v float64, values ...string) {
	m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, v, w.labels(values)...)
	w.send(d, m, err)
}

// moment leaves out what never was.
func (w writer) moment(d *prometheus.Desc, t time.Time, values ...string) {
	if !t.IsZero() {
		w.gauge(d, seconds(t), values...)
	}
}

func (w writer) summary(d *prometheus.Desc, count, sumMillis int64, values ...string) {
	m, err := prometheus.NewConstSummaryWithCreatedTimestamp(d, uint64(count), float64(sumMillis)/1000, nil, w.epoch, w.labels(values)...)
	w.send(d, m, err)
}

// histogram counts for each bound all that was counted under it or a lower one, whatever bounds were in force then.
func (w writer) histogram(d *prometheus.Desc, bins []bin, sumMillis int64, bounds []float64, values ...string) {
	var count uint64
	for _, b := range bins {
		count += uint64(b.n)
	}
	buckets := make(map[float64]uint64, len(bounds))
	for _, bound := range bounds {
		var n uint64
		for _, b := range bins {
			if b.bound <= bound {
				n += uint64(b.n)
			}
		}
		buckets[bound] = n
	}
	m, err := prometheus.NewConstHistogramWithCreatedTimestamp(d, count, float64(sumMillis)/1000, buckets, w.epoch, w.labels(values)...)
	w.send(d, m, err)
}
