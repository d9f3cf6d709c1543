// Package mailbox watches one IMAP folder by poll and IDLE and hands each message in it to a Handler until the ledger
// says what became of it. It knows IMAP and what servers do wrong; it never parses a body nor decides a fate.
package mailbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	mrand "math/rand/v2"
	"sync"
	"time"

	"leadfloor/ingest"
)

// An Observer counts what happens to mailboxes, for metrics. Its methods are called from many goroutines, must return at
// once, and are given labels from closed sets alone.
type Observer interface {
	// Up says whether this process is logged in to the mailbox and the folder is selected. A replica that stands by is not.
	Up(mailbox string, up bool)
	// Success is called when all that the folder holds was looked at, and is settled or waits for a later try.
	Success(mailbox string, at time.Time)
	// Error counts one failure; the reason is one of Reasons.
	Error(mailbox, reason string)
	// Settled counts one message, once its fate is in the ledger. The delay runs from its arrival and is never negative;
	// it is 0 for skipped and gone, for which nobody waited.
	Settled(mailbox string, fate ingest.Fate, delay time.Duration)
}

// A Mailbox watches one folder.
type Mailbox struct {
	cfg      Config
	handler  ingest.Handler
	ledger   Ledger
	observer Observer
	log      *slog.Logger
	now      func() time.Time
	dial     dialFunc
	holder   string
	first    time.Time // when the mailbox was first seen, as far as this process knows; zero before it asked
	life     string    // in which this process last went over the mailbox

	state string // what was last logged: "", "up" or what the last failure was about
}

const (
	// idleMax is how long one IDLE lasts, give or take a fifth: servers and the boxes between forget longer ones.
	idleMax = 5 * time.Minute
	// handleTimeout bounds one call of the handler, handleGrace what is left of it once the daemon is told to leave.
	handleTimeout = 2 * time.Minute
	handleGrace   = 5 * time.Second
	// secretsEvery is how often secrets that were refused are looked at again.
	secretsEvery = 5 * time.Second
	// settleTimeout bounds one call of the ledger.
	settleTimeout = 10 * time.Second
)

// New makes a Mailbox. Its error names everything that is wrong with the configuration.
func New(cfg Config, h ingest.Handler, l Ledger, o Observer, log *slog.Logger, now func() time.Time) (*Mailbox, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("mailbox %q: %w", cfg.Name, err)
	}
	cfg.After = maps.Clone(cfg.After)
	return &Mailbox{
		cfg:      cfg.withDefaults(),
		handler:  h,
		ledger:   l,
		observer: o,
		log:      log.With("component", "mailbox", "mailbox", cfg.Name),
		now:      now,
		dial:     dialTCP,
		holder:   rand.Text(),
	}, nil
}

// Run watches the folder until ctx ends, then finishes the message in hand, gives the mailbox back and returns nil, all
// within seconds. Whatever else goes wrong is logged, counted and tried again. Run is to be called once.
func (m *Mailbox) Run(ctx context.Context) error {
	m.observer.Up(m.cfg.Name, false)
	var b backoff
	for {
		fence, life, ok := m.claim(ctx)
		if !ok {
			return nil
		}
		wait := m.hold(ctx, fence, life, &b)
		if !pause(ctx, wait) {
			return nil
		}
	}
}

// hold works the mailbox for as long as the claim lasts, and says how long to wait before the next.
func (m *Mailbox) hold(ctx context.Context, fence int64, life Life, b *backoff) (wait time.Duration) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.renew(ctx, fence, life); err != nil {
			cancel(err)
		}
	})
	k := &keeper{Mailbox: m, fence: fence, memory: life, book: newBook(), failing: make(map[uint32]struct{})}
	for ctx.Err() == nil {
		err := k.session(ctx, b)
		m.observer.Up(m.cfg.Name, false)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, errRenew) {
			continue
		}
		if errors.Is(err, ErrFenced) {
			cancel(errLost)
			break
		}
		f := asFailure(err)
		d := b.next(f.reason, f.wait)
		m.down(f)
		m.log.Debug("next try", "wait", d)
		if d > leaseTTL/2 && unreachable(f.reason) {
			wait = d // a replica that stands by may reach what we cannot
			break
		}
		if f.reason == ReasonAuth {
			m.pauseForSecrets(ctx, d)
		} else {
			pause(ctx, d)
		}
	}
	lost := context.Cause(ctx)
	cancel(nil)
	wg.Wait()
	if errors.Is(lost, errLost) {
		m.state = ""
		m.log.Warn("lease lost: another holder has the mailbox")
		return 0
	}
	if errors.Is(lost, errForgot) {
		return 0 // the mailbox stays ours, and is looked at with fresh eyes
	}
	if f := (*failure)(nil); errors.As(lost, &f) {
		m.down(f)
	}
	m.release(fence)
	return wait
}

// pauseForSecrets waits after a log-in was refused, and no longer than until somebody puts another secret in the place of the
// one that was.
func (m *Mailbox) pauseForSecrets(ctx context.Context, d time.Duration) {
	was := m.cfg.secrets(ctx)
	for until := time.Now().Add(d); time.Now().Before(until); {
		if !pause(ctx, min(secretsEvery, time.Until(until))) || m.cfg.secrets(ctx) != was {
			return
		}
	}
}

// unreachable says whether the way to the server failed, which may be another way from elsewhere.
func unreachable(reason string) bool {
	return reason == ReasonNetwork || reason == ReasonTimeout || reason == ReasonTLS
}

// down counts a failure, and logs it unless the one before was about the same.
func (m *Mailbox) down(f *failure) {
	m.observer.Error(m.cfg.Name, f.reason)
	level := slog.LevelDebug
	if about := f.reason + f.advice; m.state != about {
		m.state = about
		level = slog.LevelWarn
	}
	m.log.Log(context.Background(), level, "mailbox down", "reason", f.reason, "err", f.err)
}

// A keeper is a Mailbox while its claim lasts.
type keeper struct {
	*Mailbox
	fence  int64
	memory Life // of the store, as the claim found it
	book   *book
	cut    time.Time // messages that arrived before are skipped
	dated  bool      // cut is known
	review *review   // nil: nothing is to be gone over

	listed  uint32 // how many messages the last search found
	highest uint32 // the highest UID among them

	tries   map[ingest.Place]int // what was in hand, how often, when its holder ended
	failing map[uint32]struct{}  // what the handler could not decide since it last could
	warned  map[string]bool      // what was warned of in this session
}

// errRenew ends a session on which nothing is wrong, before the server ends it with its token.
var errRenew = errors.New("the access token is about to end")

// session connects and looks after the folder until something breaks, and says what.
func (k *keeper) session(ctx context.Context, b *backoff) error {
	s, err := open(ctx, k.cfg, k.dial, !k.cfg.writes())
	if err != nil {
		return err
	}
	defer s.close()
	if err := k.prepare(ctx, s); err != nil {
		return err
	}
	k.observer.Up(k.cfg.Name, true)
	if k.state != "up" {
		k.state = "up"
		k.log.Info("mailbox up", "folder", k.cfg.Folder, "uidvalidity", s.uidValidity, "settled", len(k.book.places))
	}
	if o := k.cfg.OAuth2; o != nil && o.Unkept() != nil {
		k.warn("the provider replaced the refresh token, and the new one cannot be kept: it is lost when leadfloor ends", "err", o.Unkept())
	}
	for {
		if err := k.drain(ctx, s); err != nil {
			return err
		}
		if err := k.endReview(ctx); err != nil {
			return err
		}
		*b = backoff{}
		k.observer.Success(k.cfg.Name, k.now())
		noticed, err := s.idle(ctx, k.rest(s))
		if err == nil && noticed {
			err = k.greet(ctx, s)
		}
		if err != nil {
			return err
		}
	}
}

// rest is how long to wait for a notice before the next look.
func (k *keeper) rest(s *session) time.Duration {
	d := idleMax*4/5 + mrand.N(idleMax*2/5)
	d = min(d, k.cfg.PollInterval)
	if !s.until.IsZero() {
		d = min(d, max(time.Until(s.until), backoffLeast))
	}
	if next, ok := k.book.next(); ok {
		d = min(d, max(time.Until(next), backoffLeast))
	}
	return d
}

// prepare reads from the ledger what this session needs to know.
func (k *keeper) prepare(ctx context.Context, s *session) error {
	lctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if !k.dated {
		now := k.now()
		if !k.first.IsZero() {
			now = k.first // a store that was emptied learns it from us
		}
		at, err := k.ledger.FirstSight(lctx, k.cfg.Name, now)
		if err != nil {
			return failf(ReasonStore, "ask for first sight: %w", err)
		}
		if k.tries, err = k.ledger.Unfinished(lctx, k.cfg.Name, k.holder); err != nil {
			return failf(ReasonStore, "ask what was left unfinished: %w", err)
		}
		k.first, k.cut, k.dated = at, k.cfg.Start.cut(at), true
		if err := k.beginReview(lctx); err != nil {
			return err
		}
	}
	k.warned = make(map[string]bool)
	if s.uidValidity == 0 {
		// Without it a UID means nothing from one connection to the next: all is read again, and the handler tells replays.
		k.warn("server gives no uidvalidity: every connection reads the whole folder")
	}
	if !k.book.begin(s.uidValidity) {
		entries, err := k.ledger.Settled(lctx, k.cfg.Name, s.uidValidity)
		if err != nil {
			return failf(ReasonStore, "load settled places: %w", err)
		}
		present, err := s.search(ctx)
		if err != nil {
			return err
		}
		k.book.load(s.uidValidity, entries, present)
		for p := range k.tries {
			if p.UIDValidity == s.uidValidity {
				k.book.isolate(p.UID)
			}
		}
		if k.review != nil {
			k.book.doubt(k.review.since)
		}
	}
	return k.prepareActions(ctx, s)
}

// warn logs a limitation once a session.
func (k *keeper) warn(msg string, args ...any) {
	if !k.warned[msg] {
		k.warned[msg] = true
		k.log.Warn(msg, args...)
	}
}
