package mailbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// leaseTTL is how long a holder that was heard of no more keeps the mailbox. With the wait of those who stand by, at most a third of it,
// another holds the mailbox within 15 s of a kill.
const leaseTTL = 10 * time.Second

// releaseTimeout bounds the farewell to the ledger.
const releaseTimeout = 2 * time.Second

var (
	errLost   = errors.New("another holder has the mailbox")
	errForgot = errors.New("the store may have forgotten decisions")
)

// claim stands by until the mailbox is this holder's, and gives the fence and what the store says of its memory; false when ctx ends first.
func (m *Mailbox) claim(ctx context.Context) (fence int64, life Life, ok bool) {
	var b backoff
	standby := false
	for {
		cctx, cancel := context.WithTimeout(ctx, leaseTTL/3)
		fence, held, err := m.ledger.Claim(cctx, m.cfg.Name, m.holder, leaseTTL)
		if held && err == nil {
			life, err = m.ledger.Life(cctx, m.cfg.Name)
		}
		cancel()
		wait := leaseTTL/6 + rand.N(leaseTTL/6)
		switch {
		case ctx.Err() != nil:
			if held {
				m.release(fence)
			}
			return 0, Life{}, false
		case err != nil:
			m.down(failf(ReasonStore, "claim mailbox: %w", err))
			wait = b.next(ReasonStore, 0)
		case held:
			return fence, life, true
		case !standby:
			standby = true
			m.log.Info("standing by: another holder has the mailbox")
			m.learn(ctx)
		}
		if !pause(ctx, wait) {
			return 0, Life{}, false
		}
	}
}

// learn has whoever stands by know what a store that is emptied will no longer say: when the mailbox was first seen, and that it was.
func (m *Mailbox) learn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaseTTL/3)
	defer cancel()
	// An error leaves us as wise as before.
	if life, err := m.ledger.Life(ctx, m.cfg.Name); err == nil && m.life == "" {
		m.life = life.Last
	}
	if first, err := m.ledger.FirstSight(ctx, m.cfg.Name, m.now()); err == nil && m.first.IsZero() {
		m.first = first
	}
}

// renew keeps the claim and returns when it is lost, the store is no longer what it was, or ctx has ended.
func (m *Mailbox) renew(ctx context.Context, fence int64, life Life) error {
	until := time.Now().Add(leaseTTL)
	t := time.NewTicker(leaseTTL / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		asked := time.Now()
		cctx, cancel := context.WithTimeout(ctx, leaseTTL/6)
		got, held, err := m.ledger.Claim(cctx, m.cfg.Name, m.holder, leaseTTL)
		forgot := false
		if held && got == fence && err == nil {
			forgot = m.forgot(cctx, life)
		}
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && (!held || got != fence):
			// A new fence for ourselves too: another may have held the mailbox in between, and settled.
			return errLost
		case forgot:
			return errForgot
		case err == nil:
			until = asked.Add(leaseTTL)
		case time.Now().Add(leaseTTL / 3).After(until):
			// By the next try another may hold it.
			return failf(ReasonStore, "renew claim: %w", err)
		}
	}
}

func (m *Mailbox) release(fence int64) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := m.ledger.Release(ctx, m.cfg.Name, m.holder, fence); err != nil {
		m.log.Warn("mailbox not released: the next holder waits for the claim to run out", "err", err)
	}
}

// pause waits, and says whether ctx still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// A backoff says how long to wait after the nth failure in a row.
type backoff struct{ others, auth int }

// The schedules: full jitter for whatever may pass by itself, and slow steps where each try may bring an account nearer
// to being locked.
const (
	backoffMin   = time.Second
	backoffMax   = 5 * time.Minute
	authFirst    = 5 * time.Second
	authStep     = 5 * time.Minute
	authMax      = time.Hour
	backoffLeast = 100 * time.Millisecond
)

func (b *backoff) next(reason string, asked time.Duration) time.Duration {
	var d time.Duration
	if reason == ReasonAuth {
		d = authFirst // a password file may just be in exchange
		if b.auth > 0 {
			d = min(time.Duration(b.auth)*authStep, authMax)
		}
		b.auth++
		d += rand.N(d / 10)
	} else {
		d = backoffMax
		if b.others < 9 {
			d = min(backoffMin<<b.others, backoffMax)
		}
		b.others++
		d = max(rand.N(d), backoffLeast)
	}
	if asked > d {
		d = asked + rand.N(asked/10+1)
	}
	return d
}
