package mailtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
)

var (
	_ mailbox.Ledger   = (*Ledger)(nil)
	_ ingest.Handler   = (*Handler)(nil)
	_ mailbox.Observer = (*Observer)(nil)
)

// A Ledger is a mailbox.Ledger in memory, whole but for durability. Its clock is time.Now.
type Ledger struct {
	mu     sync.Mutex
	boxes  map[string]*ledgerBox
	broken error
	lives  int
}

type ledgerBox struct {
	holder  string
	fence   int64
	expires time.Time
	first   time.Time
	life    mailbox.Life
	entries map[uint32]map[uint32]mailbox.Entry
	busy    string // who has in hand
	hand    []ingest.Place
	tries   map[ingest.Place]int
}

// NewLedger makes an empty Ledger.
func NewLedger() *Ledger { return &Ledger{boxes: make(map[string]*ledgerBox)} }

// Fail has every call fail with err until it is nil again.
func (l *Ledger) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
}

// Entries lists what was settled in a mailbox under a UIDVALIDITY, by UID.
func (l *Ledger) Entries(name string, uidvalidity uint32) []mailbox.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.box(name).entries[uidvalidity]),
		func(a, b mailbox.Entry) int { return cmp.Compare(a.UID, b.UID) })
}

// Expire ends the claim on a mailbox as if its holder had been silent for too long.
func (l *Ledger) Expire(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.box(name).expires = time.Time{}
}

func (l *Ledger) box(name string) *ledgerBox {
	b := l.boxes[name]
	if b == nil {
		b = &ledgerBox{entries: make(map[uint32]map[uint32]mailbox.Entry)}
		l.boxes[name] = b
	}
	return b
}

func (l *Ledger) lock(ctx context.Context) error {
	l.mu.Lock()
	if l.broken != nil {
		return l.broken
	}
	return ctx.Err()
}

// Claim implements mailbox.Ledger.
func (l *Ledger) Claim(ctx context.Context, name, holder string, ttl time.Duration) (int64, bool, error) {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return 0, false, err
	}
	b, now := l.box(name), time.Now()
	if now.Before(b.expires) && b.holder != holder {
		return 0, false, nil
	}
	if b.holder != holder || !now.Before(b.expires) {
		b.fence++
	}
	b.holder, b.expires = holder, now.Add(ttl)
	return b.fence, true, nil
}

// Release implements mailbox.Ledger.
func (l *Ledger) Release(ctx context.Context, name, holder string, fence int64) error {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	if b := l.box(name); err == nil && b.holder == holder && b.fence == fence {
		b.expires = time.Time{}
	}
	return err
}

// FirstSight implements mailbox.Ledger.
func (l *Ledger) FirstSight(ctx context.Context, name string, now time.Time) (time.Time, error) {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	b := l.box(name)
	if err == nil && b.first.IsZero() {
		b.first = now
	}
	return b.first, err
}

// Begin implements mailbox.Ledger.
func (l *Ledger) Begin(ctx context.Context, name, holder string, uidvalidity uint32, uids []uint32) error {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	b := l.box(name)
	b.busy, b.hand = holder, nil
	for _, uid := range uids {
		b.hand = append(b.hand, ingest.Place{Mailbox: name, UIDValidity: uidvalidity, UID: uid})
	}
	return nil
}

// Unfinished implements mailbox.Ledger.
func (l *Ledger) Unfinished(ctx context.Context, name, holder string) (map[ingest.Place]int, error) {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	b := l.box(name)
	if b.tries == nil {
		b.tries = make(map[ingest.Place]int)
	}
	if b.busy != holder {
		for _, p := range b.hand {
			b.tries[p]++
		}
	}
	b.hand = nil
	return maps.Clone(b.tries), nil
}

// Settled implements mailbox.Ledger.
func (l *Ledger) Settled(ctx context.Context, name string, uidvalidity uint32) ([]mailbox.Entry, error) {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.box(name).entries[uidvalidity])), err
}

// Forget begins another life, as the restart of a store does, and drops the entries that lose names.
func (l *Ledger) Forget(name string, lose func(mailbox.Entry) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lives++
	for _, entries := range l.box(name).entries {
		maps.DeleteFunc(entries, func(_ uint32, e mailbox.Entry) bool { return lose(e) })
	}
}

// Empty forgets all of a mailbox.
func (l *Ledger) Empty(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lives++
	delete(l.boxes, name)
}

// Life implements mailbox.Ledger.
func (l *Ledger) Life(ctx context.Context, name string) (mailbox.Life, error) {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	life := l.box(name).life
	life.Now = fmt.Sprint("life ", l.lives)
	return life, err
}

// GoneOver implements mailbox.Ledger.
func (l *Ledger) GoneOver(ctx context.Context, name, life string) error {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	if err == nil {
		l.box(name).life = mailbox.Life{Last: life, Sound: time.Now()}
	}
	return err
}

// Settle implements mailbox.Ledger.
func (l *Ledger) Settle(ctx context.Context, name string, fence int64, uidvalidity uint32, entries []mailbox.Entry) error {
	err := l.lock(ctx)
	defer l.mu.Unlock()
	b := l.box(name)
	switch {
	case err != nil:
		return err
	case fence < b.fence:
		return mailbox.ErrFenced
	}
	if b.entries[uidvalidity] == nil {
		b.entries[uidvalidity] = make(map[uint32]mailbox.Entry)
	}
	for _, e := range entries {
		if _, ok := b.entries[uidvalidity][e.UID]; !ok || e.Anew {
			e.Anew = false
			b.entries[uidvalidity][e.UID] = e
		}
	}
	return nil
}

// A Handler keeps what it is handed. It calls the first message with some bytes a lead and the same bytes again a replay.
type Handler struct {
	// Decide, where set, is asked in its place; it is called for one message at a time.
	Decide func(context.Context, ingest.Message) (ingest.Fate, error)

	mu       sync.Mutex
	messages []ingest.Message
	seen     map[string]bool
}

// Open implements ingest.Handler. Up to seven messages are decided in a call, which ends where one fails or is slow.
func (h *Handler) Open(_ context.Context, all []ingest.Message) ingest.Batch {
	return Batch(all, func(ctx context.Context, left []ingest.Message) (out []ingest.Outcome) {
		began := time.Now()
		for _, m := range left[:min(len(left), 7)] {
			fate, err := h.handle(ctx, m)
			if out = append(out, ingest.Outcome{Fate: fate, Err: err}); err != nil || time.Since(began) > time.Second {
				break
			}
		}
		return out
	})
}

// Batch are messages that are decided by a function of those that are left.
func Batch(all []ingest.Message, decide func(ctx context.Context, left []ingest.Message) []ingest.Outcome) ingest.Batch {
	return &batch{all, decide}
}

type batch struct {
	left   []ingest.Message
	decide func(context.Context, []ingest.Message) []ingest.Outcome
}

func (b *batch) Decide(ctx context.Context) []ingest.Outcome {
	out := b.decide(ctx, b.left)
	b.left = b.left[len(out):]
	return out
}

func (b *batch) Close() {}

func (h *Handler) handle(ctx context.Context, m ingest.Message) (ingest.Fate, error) {
	h.mu.Lock()
	h.messages = append(h.messages, m)
	if h.seen == nil {
		h.seen = make(map[string]bool)
	}
	fate := ingest.FateLead
	if h.seen[string(m.Raw)] {
		fate = ingest.FateReplay
	}
	h.seen[string(m.Raw)] = true
	decide := h.Decide
	h.mu.Unlock()
	if decide != nil {
		return decide(ctx, m)
	}
	return fate, nil
}

// Messages lists what was handed over, in order.
func (h *Handler) Messages() []ingest.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

// An Observer counts what it is told of all mailboxes together.
type Observer struct {
	mu      sync.Mutex
	changed chan struct{}
	seen    Observed
}

// Observed is what an Observer was told so far.
type Observed struct {
	Up        bool
	Successes int
	Errors    map[string]int
	Fates     map[ingest.Fate]int
	Delays    []time.Duration
}

func (o *Observer) change(f func(*Observed)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen.Errors == nil {
		o.seen.Errors, o.seen.Fates = make(map[string]int), make(map[ingest.Fate]int)
	}
	f(&o.seen)
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

// Up implements mailbox.Observer.
func (o *Observer) Up(_ string, up bool) { o.change(func(s *Observed) { s.Up = up }) }

// Success implements mailbox.Observer.
func (o *Observer) Success(string, time.Time) { o.change(func(s *Observed) { s.Successes++ }) }

// Error implements mailbox.Observer.
func (o *Observer) Error(_, reason string) { o.change(func(s *Observed) { s.Errors[reason]++ }) }

// Settled implements mailbox.Observer.
func (o *Observer) Settled(_ string, fate ingest.Fate, delay time.Duration) {
	o.change(func(s *Observed) {
		s.Fates[fate]++
		s.Delays = append(s.Delays, delay)
	})
}

// Observed gives what was seen so far.
func (o *Observer) Observed() Observed {
	o.change(func(*Observed) {})
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.seen
	s.Errors, s.Fates, s.Delays = maps.Clone(s.Errors), maps.Clone(s.Fates), slices.Clone(s.Delays)
	return s
}

// awaitTimeout bounds what should take moments on a machine that is not too busy.
const awaitTimeout = time.Minute

// Await waits until what was seen fulfils the condition; that it is not met in a minute fails the test.
func (o *Observer) Await(t testing.TB, what string, cond func(Observed) bool) {
	t.Helper()
	timeout := time.After(awaitTimeout)
	for {
		o.mu.Lock()
		if o.changed == nil {
			o.changed = make(chan struct{})
		}
		changed := o.changed
		met := cond(o.seen)
		o.mu.Unlock()
		if met {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			seen := o.Observed()
			seen.Delays = nil // thousands, perhaps
			t.Fatalf("not seen in %s: %s; seen: %+v", awaitTimeout, what, seen)
		}
	}
}
