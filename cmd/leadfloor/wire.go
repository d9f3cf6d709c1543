package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/metrics"
	"leadfloor/router"
	"leadfloor/router/hours"
	"leadfloor/router/rdb"
)

// rooftops are the configured stores in the words of the business.
func (c *Config) rooftops() []*router.Rooftop {
	all := make([]*router.Rooftop, len(c.Stores))
	for i := range c.Stores {
		all[i] = c.Stores[i].rooftop(c)
	}
	buckets := metrics.Buckets(all)
	for _, f := range all {
		f.Routing.Buckets = buckets
	}
	return all
}

func (s *StoreConfig) rooftop(c *Config) *router.Rooftop {
	f := &router.Rooftop{
		ID: s.ID, Name: s.Name, Shadow: s.Mode == modeShadow, Location: s.Location, Country: s.Country,
		Desks: map[string]router.Desk{}, Routing: s.Routing, Duplicates: s.Duplicates, Sources: c.Sources, Retention: router.Retention(c.Retention),
	}
	if s.Hours != nil {
		f.Hours = hours.NewHistory(s.Hours) // the past is Redis' to tell
	}
	person := func(p PersonConfig) router.Person {
		// The store's own people identify no customer.
		f.Relays = append(f.Relays, router.NormalEmail(p.Email), router.E164(p.Phone, s.Country))
		return router.Person{ID: p.ID, Name: p.Name, Email: p.Email, Phone: p.Phone}
	}
	for _, m := range s.Managers {
		f.Managers = append(f.Managers, person(m))
	}
	for _, p := range s.Roster {
		f.Roster = append(f.Roster, router.Salesperson{Person: person(p), Schedule: p.Calendar, Weight: p.Weight, MaxUntouched: p.MaxUntouched})
	}
	for name, d := range s.Desks {
		f.Desks[name] = router.Desk{Owner: d.Owner}
	}
	for _, m := range s.Mailboxes {
		f.Relays = append(f.Relays, router.NormalEmail(m.Username))
	}
	return f
}

// intake says which mailbox feeds which store.
func (c *Config) intake() ingest.Config {
	in := ingest.Config{
		Mailboxes: map[string]ingest.Feed{}, Stores: map[string]ingest.Rules{}, Keep: c.Retention.Quarantined,
		Options: mail.Options{Templates: c.Templates}, Reread: c.reread, Apart: readApart,
	}
	match := func(m MatchConfig) ingest.Match {
		return ingest.Match{To: m.To, Vendor: m.Vendor, Provider: m.Provider}
	}
	for _, s := range c.Stores {
		rules := ingest.Rules{Locale: ingest.Locale{Location: s.Location, Country: s.Country}}
		for _, name := range slices.Sorted(maps.Keys(s.Desks)) {
			rules.Desks = append(rules.Desks, ingest.DeskRule{Desk: name, Match: match(s.Desks[name].Match)})
		}
		in.Stores[s.ID] = rules
		for _, m := range s.Mailboxes {
			in.Mailboxes[m.Name] = ingest.Feed{Store: s.ID, Trust: m.Trust.trust()}
		}
	}
	for _, m := range c.Mailboxes {
		feed := ingest.Feed{Trust: m.Trust.trust()}
		for _, r := range m.Route {
			route := ingest.Route{Match: match(r.MatchConfig), Store: r.Store}
			if r.Else != "" && r.Else != elseQuarantine {
				route.Store = r.Else
			}
			if feed.Store == "" {
				feed.Store = route.Store // somebody's manager sees what no route takes
			}
			feed.Routes = append(feed.Routes, route)
		}
		in.Mailboxes[m.Name] = feed
	}
	return in
}

// reread reads a message from its mailbox once more.
func (c *Config) reread(ctx context.Context, p ingest.Place, arrived time.Time, ours func(raw []byte) bool) ([]byte, error) {
	for _, m := range c.feeding("") {
		if m.Name != p.Mailbox {
			continue
		}
		cfg, err := m.mailbox(false)
		if err != nil {
			return nil, err
		}
		raw, err := mailbox.Reread(ctx, cfg, p, arrived, ours)
		if errors.Is(err, mailbox.ErrGone) {
			return nil, fmt.Errorf("mailbox %q: %w", p.Mailbox, ingest.ErrGone)
		}
		return raw, err
	}
	return nil, ingest.ErrGone
}

func (t *TrustConfig) trust() ingest.Trust {
	return ingest.Trust{From: t.From, Authentication: ingest.Authentication(t.Authentication), Server: t.AuthservID, Limit: t.Limit, Salesperson: t.Salesperson}
}

// mailboxes are those that are read for leads, each with the store whose mode governs it.
func (c *Config) mailboxes() (all []mailbox.Config, err error) {
	add := func(m *MailboxConfig, shadow bool) {
		if m.Role == mailboxConversation {
			return
		}
		cfg, fault := m.mailbox(shadow)
		all, err = append(all, cfg), errors.Join(err, fault)
	}
	shadows := 0
	for i := range c.Stores {
		s := &c.Stores[i]
		if s.Mode == modeShadow {
			shadows++
		}
		for j := range s.Mailboxes {
			add(&s.Mailboxes[j], s.Mode == modeShadow)
		}
	}
	for i := range c.Mailboxes {
		add(&c.Mailboxes[i], shadows == len(c.Stores))
	}
	return all, err
}

// books are the business and the ledgers on one Redis.
type books struct {
	client redis.UniversalClient
	store  *rdb.Store
	ledger *rdb.Ledger
	router *router.Router
}

// open dials Redis and opens every configured store. The error names the server and what to do.
func (c *Config) open(ctx context.Context) (*books, error) {
	client, err := c.Redis.open()
	if err != nil {
		return nil, err
	}
	b, err := openBooks(ctx, client, c)
	if err != nil {
		_ = client.Close() // the error of the opening says more
		return nil, c.Redis.explain(err)
	}
	return b, nil
}

func openBooks(ctx context.Context, client redis.UniversalClient, c *Config) (*books, error) {
	store := rdb.New(client, rdb.Options{WaitReplicas: c.Redis.WaitReplicas})
	if err := store.Sync(ctx); err != nil {
		return nil, err
	}
	r := router.New(store, c.rooftops())
	if err := r.Open(ctx); err != nil {
		return nil, err
	}
	return &books{client: client, store: store, ledger: rdb.NewLedger(store), router: r}, nil
}

func (b *books) Close() error { return b.client.Close() }

// ledger lets mailboxes write into Redis: the two packages do not know each other.
type ledger struct{ *rdb.Ledger }

var _ mailbox.Ledger = ledger{}

func (l ledger) Settled(ctx context.Context, name string, validity uint32) ([]mailbox.Entry, error) {
	places, err := l.Ledger.Settled(ctx, name, validity)
	if err != nil {
		return nil, err
	}
	all := make([]mailbox.Entry, len(places))
	for i, p := range places {
		all[i] = mailbox.Entry{UID: p.UID, Digest: p.Digest, Fate: ingest.Fate(p.Fate), At: p.At}
	}
	return all, nil
}

func (l ledger) Life(ctx context.Context, name string) (mailbox.Life, error) {
	now, last, sound, err := l.Ledger.Life(ctx, name)
	return mailbox.Life{Now: now, Last: last, Sound: sound}, err
}

func (l ledger) Unfinished(ctx context.Context, name, holder string) (map[ingest.Place]int, error) {
	tries, err := l.Ledger.Unfinished(ctx, name, holder)
	if err != nil {
		return nil, err
	}
	all := make(map[ingest.Place]int, len(tries))
	for a, n := range tries {
		all[ingest.Place{Mailbox: name, UIDValidity: a.UIDValidity, UID: a.UID}] = n
	}
	return all, nil
}

func (l ledger) Settle(ctx context.Context, name string, fence int64, validity uint32, entries []mailbox.Entry) error {
	places := make([]rdb.Place, len(entries))
	for i, e := range entries {
		places[i] = rdb.Place{UID: e.UID, Digest: e.Digest, Fate: string(e.Fate), At: e.At, Anew: e.Anew}
	}
	err := l.Ledger.Settle(ctx, name, fence, validity, places)
	if errors.Is(err, rdb.ErrFenced) {
		return fmt.Errorf("%w: %w", mailbox.ErrFenced, err)
	}
	return err
}

// syncEvery is how often the offset of this machine's clock from Redis' is measured anew.
const syncEvery = time.Minute

// compactEvery is how often it is looked whether Redis was restarted.
const compactEvery = 2 * time.Second
