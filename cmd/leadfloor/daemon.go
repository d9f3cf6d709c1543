package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/version"
	"github.com/redis/go-redis/v9"

	"leadfloor/adf"
	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/metrics"
	"leadfloor/router"
	"leadfloor/router/api"
	"leadfloor/router/rdb"
)

// A daemon is everything that serve runs, wired.
type daemon struct {
	log     *slog.Logger
	load    func() (*Config, error) // reads the configuration anew
	cfg     atomic.Pointer[Config]
	client  redis.UniversalClient
	store   *rdb.Store
	router  *router.Router
	intake  *ingest.Intake
	auth    *api.Auth
	metrics *metrics.Metrics
	boxes   *boxes
	manager *supervisor

	standby   atomic.Pointer[standby] // why it stands by, nil while it leads
	reloading sync.Mutex
	since     time.Time // when the configuration was loaded, by Redis' clock
}

// newDaemon wires a daemon. It dials nobody: what is away at the start is waited for, and /-/ready says so.
func newDaemon(cfg *Config, load func() (*Config, error), log *slog.Logger) (*daemon, error) {
	tokens, err := cfg.tokens()
	if err != nil {
		return nil, err
	}
	mailboxes, err := cfg.mailboxes()
	if err != nil {
		return nil, err
	}
	client, err := cfg.Redis.open()
	if err != nil {
		return nil, err
	}
	d := &daemon{log: log, load: load, client: client, auth: api.NewAuth(tokens), manager: newSupervisor(os.Getenv, log)}
	d.cfg.Store(cfg)
	d.store = rdb.New(client, rdb.Options{WaitReplicas: cfg.Redis.WaitReplicas})
	d.router = router.New(d.store, cfg.rooftops())
	d.metrics = metrics.New(metrics.Options{
		Source: d.router, Version: version.Version, Revision: version.GetRevision(), Now: time.Now, Log: log,
		Mailboxes: names(mailboxes), MailboxErrors: mailbox.Reasons, Fates: fates(), Repairs: adf.Codes(), RedisRisks: redisReasons,
		Doubts: mail.Doubts,
	})
	client.AddHook(timed{d.metrics})
	d.metrics.ConfigLoaded(cfg.Hash())
	d.intake = ingest.New(d.router, cfg.intake(), d.metrics, log)
	d.boxes = newBoxes(mailboxes, d.intake, ledger{rdb.NewLedger(d.store)}, observer{d.metrics}, log, d.store.Now)
	return d, nil
}

// run works until ctx ends, then finishes what is in hand. An error means that the daemon may not run at all.
func (d *daemon) run(ctx context.Context) error {
	defer d.client.Close()
	if err := d.await(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	d.reloading.Lock()
	d.since = d.store.Now()
	d.reloading.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { d.watchRedis(ctx) })
	wg.Go(func() { d.compact(ctx) })
	wg.Go(func() { d.lead(ctx) })
	wg.Go(func() { d.verify(ctx) })
	wg.Wait()
	return nil
}

// tickEvery is how often timers are looked at.
const tickEvery = time.Second

// await waits until Redis can be used. It gives up where waiting would not help: a newer schema, or settings that redis.strict forbids.
func (d *daemon) await(ctx context.Context) error {
	cfg := d.cfg.Load()
	said := ""
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 15*time.Second) {
		d.manager.beat()
		state, err := inspectRedis(ctx, d.client, &cfg.Redis)
		if err == nil {
			if cfg.Redis.Strict {
				if err := state.strictly(); err != nil {
					return err
				}
			}
			err = errors.Join(d.store.Sync(ctx), d.router.Open(ctx))
		}
		switch {
		case errors.Is(err, rdb.ErrSchema):
			return err
		case err == nil:
			for _, f := range state.Findings {
				d.log.Warn("redis settings", "risk", f.Text)
			}
			d.log.Info("redis answers", "version", state.Version)
			return nil
		}
		if text := err.Error(); text != said && ctx.Err() == nil {
			said = text
			d.log.Error("redis cannot be used; no mail is read until it can", "err", err)
		}
		sleep(ctx, wait/2+rand.N(wait/2))
	}
	return nil
}

// watchRedis follows the server's clock, and now and then looks again at what its settings can lose.
func (d *daemon) watchRedis(ctx context.Context) {
	for n := 0; ; n++ {
		if err := d.store.Sync(ctx); err == nil && n%10 == 0 {
			if state, err := inspectRedis(ctx, d.client, &d.cfg.Load().Redis); err == nil {
				var reasons []string
				for _, f := range state.Findings {
					reasons = append(reasons, f.Reason)
				}
				d.metrics.RedisRisks(reasons)
			}
		}
		if text, err := d.client.Info(ctx, "memory").Result(); err == nil {
			d.metrics.RedisMemory(infoNumber(text, "used_memory"), infoNumber(text, "maxmemory"))
		}
		if !sleep(ctx, syncEvery) {
			return
		}
	}
}

// compact has Redis compacted whenever it may have lost power.
func (d *daemon) compact(ctx context.Context) {
	for {
		if done, err := d.store.Compact(ctx); err == nil && done {
			d.log.Info("redis was restarted or is new: it writes its append-only file anew")
		}
		if !sleep(ctx, compactEvery) {
			return
		}
	}
}

// infoNumber reads one number of an INFO text; 0 where it does not say.
func infoNumber(text, name string) int64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			n, _ := strconv.ParseInt(value, 10, 64) // no number: not known
			return n
		}
	}
	return 0
}

// verifyEvery is how often the books are verified by themselves. It reads the whole log, so not more often.
const verifyEvery = 6 * time.Hour

// verify balances the books of every store at the start and now and then, for the metric and the log, and learns how often its sources write.
func (d *daemon) verify(ctx context.Context) {
	for {
		for _, f := range d.router.Rooftops() {
			v, err := d.router.Verify(ctx, f.ID, nil)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				d.log.Error("books cannot be verified", "store", f.ID, "err", err)
			case !v.OK():
				d.log.Error("books do not balance; run leadfloor verify", "store", f.ID, "faults", len(v.Faults), "differences", len(v.Differences))
			default:
				d.log.Debug("books balance", "store", f.ID, "events", v.Head, "leads", v.Leads)
			}
			if err := d.router.Learn(ctx, f.ID); err != nil && ctx.Err() == nil {
				d.log.Error("the habits of sources cannot be learned", "store", f.ID, "err", err)
			}
		}
		if !sleep(ctx, verifyEvery+rand.N(verifyEvery/6)) {
			return
		}
	}
}

// ticked logs what goes wrong with the timers of a store, once until it is well again.
func (d *daemon) ticked() func(store string, err error) {
	failing := map[string]bool{}
	return func(store string, err error) {
		d.manager.beat()
		switch {
		case err != nil && !failing[store]:
			d.log.Error("timers of a store stand still", "store", store, "err", err)
		case err == nil && failing[store]:
			d.log.Info("timers of a store go on", "store", store)
		}
		failing[store] = err != nil
	}
}

// ready says whether the daemon can do its work: whether Redis answers, within a second, and whether it leads.
func (d *daemon) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	// The client does not heed a context while it reads, so it is asked on the side.
	answer := make(chan error, 1)
	go func() { answer <- d.client.Ping(ctx).Err() }()
	select {
	case err := <-answer:
		if err != nil {
			return fmt.Errorf("redis does not answer: %w", err)
		}
		if why := d.standby.Load(); why != nil {
			return why
		}
		return nil
	case <-ctx.Done():
		return errors.New("redis does not answer within a second")
	}
}

// reload reads the configuration anew. A bad one is refused whole, and the old one goes on.
func (d *daemon) reload() error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.manager.tell("RELOADING=1")
	if err := d.replace(); err != nil {
		d.metrics.ConfigRefused()
		d.manager.tell("READY=1", "STATUS=The new configuration was refused; the old one goes on.")
		return err
	}
	d.manager.tell("READY=1", "STATUS=Running.")
	return nil
}

func (d *daemon) replace() error {
	next, err := d.load()
	if err != nil {
		return err
	}
	// All that can fail comes before anything that lives is touched.
	tokens, err := next.tokens()
	if err != nil {
		return err
	}
	mailboxes, err := next.mailboxes()
	if err != nil {
		return err
	}
	if err := next.sameGround(d.cfg.Load()); err != nil {
		return err
	}
	d.cfg.Store(next)
	d.since = d.store.Now()
	d.auth.Replace(tokens)
	d.router.Configure(next.rooftops())
	d.intake.Configure(next.intake())
	d.metrics.Configure(names(mailboxes))
	d.boxes.replace(mailboxes)
	d.metrics.ConfigLoaded(next.Hash())
	d.log.Info("configuration loaded", "hash", fmt.Sprintf("%012x", next.Hash()), "stores", len(next.Stores), "mailboxes", len(mailboxes))
	return nil
}

// sameGround refuses a reload that changes what only a restart can change.
func (c *Config) sameGround(old *Config) error {
	for what, same := range map[string]bool{
		"listen": c.Listen == old.Listen, "health_listen": c.HealthListen == old.HealthListen,
		"redis": c.Redis.name() == old.Redis.name() && c.Redis.DB == old.Redis.DB && c.Redis.WaitReplicas == old.Redis.WaitReplicas && c.Redis.TLS == old.Redis.TLS,
	} {
		if !same {
			return fmt.Errorf("%s has changed: restart leadfloor instead of reloading it", what)
		}
	}
	return nil
}

// tokens reads the tokens of the API.
func (c *Config) tokens() ([]api.Token, error) {
	var all []api.Token
	for _, t := range c.Auth.Tokens {
		secret, err := t.Token.Read()
		if err != nil {
			return nil, fmt.Errorf("token %s: %w", t.Name, err)
		}
		all = append(all, api.Token{Name: t.Name, Sum: sha256.Sum256([]byte(secret)), Role: api.Role(t.Role), Person: t.Person, Stores: t.Stores})
	}
	return all, nil
}

func names(mailboxes []mailbox.Config) []string {
	all := make([]string, len(mailboxes))
	for i, m := range mailboxes {
		all[i] = m.Name
	}
	return all
}

func fates() []string {
	all := make([]string, len(ingest.Fates))
	for i, f := range ingest.Fates {
		all[i] = string(f)
	}
	return all
}

// sleep waits, and says whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// observer lets mailboxes count into the metrics: the two packages do not know each other.
type observer struct{ *metrics.Metrics }

func (o observer) Settled(name string, fate ingest.Fate, delay time.Duration) {
	o.Metrics.Settled(name, string(fate), delay)
}

// timed measures Redis' commands.
type timed struct{ *metrics.Metrics }

func (t timed) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (t timed) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmd)
		t.RedisCommand(time.Since(began))
		return err
	}
}

func (t timed) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmds)
		t.RedisCommand(time.Since(began))
		return err
	}
}
