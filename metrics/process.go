package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unknown stands for a label value outside its closed set.
const unknown = "unknown"

// The fates for which nobody waited: too old, never read, or decided before in another place. They have no delay.
const (
	fateReplay  = "replay"
	fateSkipped = "skipped"
	fateGone    = "gone"
)

// processSum and processOwn end the HELP of the process class.
const (
	processSum = " Process class: counted in this process; aggregate with sum."
	processOwn = " Process class: as this process has it."
)

// count makes the process class and registers it.
func (m *Metrics) count(o Options, r prometheus.Registerer) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help + processSum}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help + processOwn}, labels)
	}
	histogram := func(name, help string, buckets ...float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help + processSum, Buckets: buckets})
	}
	m.now = o.Now
	m.fates, m.reasons, m.repairs, m.risks = slices.Clone(o.Fates), slices.Clone(o.MailboxErrors), slices.Clone(o.Repairs), slices.Clone(o.RedisRisks)
	m.doubts = slices.Clone(o.Doubts)
	if !slices.Contains(m.risks, unknown) {
		m.risks = append(m.risks, unknown)
	}
	m.messages = counter("leadfloor_messages_total", "Messages settled, by mailbox and by what became of them.", "mailbox", "fate")
	m.mailboxUp = gauge("leadfloor_mailbox_up", "1 where this process is logged in to the mailbox and its folder is selected; a replica that stands by shows 0.", "mailbox")
	m.mailboxSeen = gauge("leadfloor_mailbox_last_success_timestamp_seconds", "When all that the mailbox held had last been looked at; 0 before the first time. Aggregate with max.", "mailbox")
	m.mailboxErrors = counter("leadfloor_mailbox_errors_total", "Failures of work on a mailbox, by reason.", "mailbox", "reason")
	m.delay = histogram("leadfloor_ingest_delay_seconds", "Time from a message's arrival in its mailbox to the decision on it.",
		.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400)
	m.repaired = counter("leadfloor_parse_repairs_total", "Faults that were repaired in lead documents while reading them, by kind.", "kind")
	m.doubted = counter("leadfloor_messages_doubted_total", "Messages with leads for whose sender nothing vouched, by mailbox and reason; they were held where the mailbox requires it.", "mailbox", "reason")
	m.risk = gauge("leadfloor_redis_can_lose_data", "1 for each reason for which Redis, as it is set up, can lose decided leads.", "reason")
	m.memory = gauge("leadfloor_redis_memory_ratio", "Memory used by Redis as a share of what it may use; absent where it has no limit or cannot be asked.")
	m.command = histogram("leadfloor_redis_command_duration_seconds", "Time that a command to Redis took, the way there and back included.",
		.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5)
	hash := gauge("leadfloor_config_hash", "Hash of the configuration in use; replicas on one configuration show the same.")
	reloaded := gauge("leadfloor_config_last_reload_successful", "1 where the last attempt to load the configuration was successful.")
	reloadedAt := gauge("leadfloor_config_last_reload_success_timestamp_seconds", "When the configuration was last loaded.")
	m.hash, m.reloaded, m.reloadedAt = hash.WithLabelValues(), reloaded.WithLabelValues(), reloadedAt.WithLabelValues()
	r.MustRegister(
		m.messages, m.mailboxUp, m.mailboxSeen, m.mailboxErrors, m.delay, m.repaired, m.doubted, m.risk, m.memory, m.command, hash, reloaded, reloadedAt,
	)
	for _, kind := range m.repairs {
		m.repaired.WithLabelValues(kind)
	}
	for _, reason := range m.risks {
		m.risk.WithLabelValues(reason)
	}
	m.Configure(o.Mailboxes)
}

// Configure replaces the mailboxes. New ones start at 0, those that stay keep their counts, and those that are gone have no series any
// more. The stores need none of this: they are asked for at every scrape.
func (m *Metrics) Configure(mailboxes []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, gone := range m.mailboxes {
		if !slices.Contains(mailboxes, gone) {
			of := prometheus.Labels{"mailbox": gone}
			m.messages.DeletePartialMatch(of)
			m.mailboxUp.DeletePartialMatch(of)
			m.mailboxSeen.DeletePartialMatch(of)
			m.mailboxErrors.DeletePartialMatch(of)
			m.doubted.DeletePartialMatch(of)
		}
	}
	m.mailboxes = slices.Clone(mailboxes)
	for _, name := range mailboxes {
		m.mailboxUp.WithLabelValues(name)
		m.mailboxSeen.WithLabelValues(name)
		for _, fate := range m.fates {
			m.messages.WithLabelValues(name, fate)
		}
		for _, reason := range m.reasons {
			m.mailboxErrors.WithLabelValues(name, reason)
		}
		for _, reason := range m.doubts {
			m.doubted.WithLabelValues(name, reason)
		}
	}
}

// observe runs f where the mailbox is configured.
func (m *Metrics) observe(mailbox string, f func()) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if slices.Contains(m.mailboxes, mailbox) {
		f()
	}
}

func oneOf(set []string, value string) string {
	if slices.Contains(set, value) {
		return value
	}
	return unknown
}

// Up says whether this process is logged in to the mailbox and the folder is selected.
func (m *Metrics) Up(mailbox string, up bool) {
	m.observe(mailbox, func() { m.mailboxUp.WithLabelValues(mailbox).Set(number(up)) })
}

// Success says that all that the mailbox held was looked at.
func (m *Metrics) Success(mailbox string, at time.Time) {
	m.observe(mailbox, func() { m.mailboxSeen.WithLabelValues(mailbox).Set(seconds(at)) })
}

// Error counts a failure of work on a mailbox.
func (m *Metrics) Error(mailbox, reason string) {
	m.observe(mailbox, func() { m.mailboxErrors.WithLabelValues(mailbox, oneOf(m.reasons, reason)).Inc() })
}

// Settled counts a message whose fate is stored. The delay runs from its arrival in the mailbox; it is left out for fates that
// nobody waited for.
func (m *Metrics) Settled(mailbox, fate string, delay time.Duration) {
	m.observe(mailbox, func() { m.messages.WithLabelValues(mailbox, oneOf(m.fates, fate)).Inc() })
	switch fate {
	case fateReplay, fateSkipped, fateGone:
	default:
		m.delay.Observe(max(0, delay.Seconds()))
	}
}

// Repaired counts one repair of a lead document.
func (m *Metrics) Repaired(kind string) {
	m.repaired.WithLabelValues(oneOf(m.repairs, kind)).Inc()
}

// Doubted counts a message with leads for whose sender nothing vouched.
func (m *Metrics) Doubted(mailbox, reason string) {
	m.observe(mailbox, func() { m.doubted.WithLabelValues(mailbox, oneOf(m.doubts, reason)).Inc() })
}

// RedisCommand counts one command to Redis.
func (m *Metrics) RedisCommand(took time.Duration) {
	m.command.Observe(max(0, took.Seconds()))
}

// RedisRisks says for which reasons Redis, as it is set up now, can lose decided leads. It replaces what was said before.
func (m *Metrics) RedisRisks(reasons []string) {
	present := map[string]bool{}
	for _, reason := range reasons {
		present[oneOf(m.risks, reason)] = true
	}
	for _, reason := range m.risks {
		m.risk.WithLabelValues(reason).Set(number(present[reason]))
	}
}

// RedisMemory says how much memory Redis uses and may use, in bytes. A limit of 0 is none known: the ratio is absent.
func (m *Metrics) RedisMemory(used, limit int64) {
	if limit <= 0 {
		m.memory.Reset()
		return
	}
	m.memory.WithLabelValues().Set(float64(used) / float64(limit))
}

// ConfigLoaded says that the configuration of this hash is in use from now on. Of the hash 48 bits are shown, which a float64 holds to
// the last.
func (m *Metrics) ConfigLoaded(hash uint64) {
	m.hash.Set(float64(hash & (1<<48 - 1)))
	m.reloaded.Set(1)
	m.reloadedAt.Set(seconds(m.now()))
}

// ConfigRefused says that a reload was refused and the configuration before it goes on.
func (m *Metrics) ConfigRefused() { m.reloaded.Set(0) }

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// seconds is t in Unix time, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
