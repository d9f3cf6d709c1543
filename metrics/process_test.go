package metrics_test

import (
	"testing"
	"time"

	"leadfloor/metrics"
)

func TestMailboxes(t *testing.T) {
	m := metrics.New(options(newSource()))
	h := m.Handler()
	at := noon.Add(1500 * time.Millisecond)
	m.Up("leads", true)
	m.Success("leads", at)
	m.Error("leads", "auth")
	m.Error("leads", "made-up")
	m.Settled("leads", "lead", time.Second)
	m.Settled("leads", "made-up", time.Second)
	m.Up("elsewhere", true)
	m.Error("elsewhere", "auth")
	first := map[string]float64{
		`leadfloor_mailbox_up{mailbox="leads"}`:                             1,
		`leadfloor_mailbox_last_success_timestamp_seconds{mailbox="leads"}`: float64(at.UnixMilli()) / 1000,
		`leadfloor_mailbox_errors_total{mailbox="leads",reason="auth"}`:     1,
		`leadfloor_mailbox_errors_total{mailbox="leads",reason="network"}`:  0,
		`leadfloor_mailbox_errors_total{mailbox="leads",reason="unknown"}`:  1,
		`leadfloor_messages_total{fate="lead",mailbox="leads"}`:             1,
		`leadfloor_messages_total{fate="unknown",mailbox="leads"}`:          1,
		`leadfloor_messages_total{fate="gone",mailbox="leads"}`:             0,
		`leadfloor_mailbox_up{mailbox="elsewhere"}`:                         absent,
		`leadfloor_mailbox_errors_total{mailbox="elsewhere",reason="auth"}`: absent,
	}
	want(t, scrape(t, h), first)

	m.Configure([]string{"leads", "walk-ins"})
	first[`leadfloor_mailbox_up{mailbox="walk-ins"}`] = 0
	first[`leadfloor_mailbox_last_success_timestamp_seconds{mailbox="walk-ins"}`] = 0
	first[`leadfloor_mailbox_errors_total{mailbox="walk-ins",reason="auth"}`] = 0
	first[`leadfloor_messages_total{fate="lead",mailbox="walk-ins"}`] = 0
	want(t, scrape(t, h), first)

	m.Configure([]string{"walk-ins"})
	m.Up("leads", false) // its session ends after the reload
	want(t, scrape(t, h), map[string]float64{
		`leadfloor_mailbox_up{mailbox="leads"}`:                             absent,
		`leadfloor_mailbox_last_success_timestamp_seconds{mailbox="leads"}`: absent,
		`leadfloor_mailbox_errors_total{mailbox="leads",reason="auth"}`:     absent,
		`leadfloor_messages_total{fate="lead",mailbox="leads"}`:             absent,
		`leadfloor_mailbox_up{mailbox="walk-ins"}`:                          0,
	})
}

func TestIngestDelay(t *testing.T) {
	m := metrics.New(options(newSource()))
	m.Settled("leads", "lead", 2*time.Second)
	m.Settled("leads", "other", -time.Second) // the server's clock is ahead
	for _, fate := range []string{"replay", "skipped", "gone"} {
		m.Settled("leads", fate, 1000*time.Hour)
	}
	want(t, scrape(t, m.Handler()), map[string]float64{
		`leadfloor_ingest_delay_seconds_count`:                     2,
		`leadfloor_ingest_delay_seconds_sum`:                       2,
		`leadfloor_ingest_delay_seconds_bucket{le="0.05"}`:         1,
		`leadfloor_ingest_delay_seconds_bucket{le="2.5"}`:          2,
		`leadfloor_messages_total{fate="skipped",mailbox="leads"}`: 1,
	})
}

func TestRepairs(t *testing.T) {
	m := metrics.New(options(newSource()))
	m.Repaired("bad-entity")
	m.Repaired("bad-entity")
	m.Repaired("made-up")
	m.Repaired("made-up too")
	want(t, scrape(t, m.Handler()), map[string]float64{
		`leadfloor_parse_repairs_total{kind="bad-entity"}`: 2,
		`leadfloor_parse_repairs_total{kind="unknown"}`:    2,
		`leadfloor_parse_repairs_total{kind="made-up"}`:    absent,
	})
}

func TestRedisState(t *testing.T) {
	m := metrics.New(options(newSource()))
	h := m.Handler()
	const (
		appendonly = `leadfloor_redis_can_lose_data{reason="appendonly"}`
		eviction   = `leadfloor_redis_can_lose_data{reason="eviction"}`
		unseen     = `leadfloor_redis_can_lose_data{reason="unknown"}`
		memory     = `leadfloor_redis_memory_ratio`
		count      = `leadfloor_redis_command_duration_seconds_count`
		quick      = `leadfloor_redis_command_duration_seconds_bucket{le="0.0005"}`
	)
	want(t, scrape(t, h), map[string]float64{appendonly: 0, eviction: 0, unseen: 0, memory: absent, count: 0})

	m.RedisRisks([]string{"eviction", "made-up"})
	m.RedisMemory(3<<20, 4<<20)
	m.RedisCommand(time.Second)
	m.RedisCommand(-time.Second)
	want(t, scrape(t, h), map[string]float64{appendonly: 0, eviction: 1, unseen: 1, memory: .75, count: 2, quick: 1})

	m.RedisRisks(nil)
	m.RedisMemory(3<<20, 0)
	want(t, scrape(t, h), map[string]float64{appendonly: 0, eviction: 0, unseen: 0, memory: absent})
}

func TestConfig(t *testing.T) {
	m := metrics.New(options(newSource()))
	h := m.Handler()
	const (
		hash = `leadfloor_config_hash`
		well = `leadfloor_config_last_reload_successful`
		when = `leadfloor_config_last_reload_success_timestamp_seconds`
	)
	want(t, scrape(t, h), map[string]float64{hash: 0, well: 0, when: 0})
	m.ConfigLoaded(1<<48 - 1)
	loaded := map[string]float64{hash: 1<<48 - 1, well: 1, when: float64(noon.Unix())}
	want(t, scrape(t, h), loaded)
	m.ConfigRefused()
	loaded[well] = 0
	want(t, scrape(t, h), loaded)
}
