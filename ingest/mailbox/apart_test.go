package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// die runs a process that is killed while it decides that message: it comes to no end, and is heard of no more.
func (r *rig) die(t *testing.T, uid uint32, apart *[]string) {
	t.Helper()
	victim := *r
	victim.handler, victim.observer, victim.log = &mailtest.Handler{}, &mailtest.Observer{}, &logBuffer{}
	hand := make(chan struct{})
	victim.handler.Decide = func(ctx context.Context, m ingest.Message) (ingest.Fate, error) {
		if m.Apart {
			*apart = append(*apart, fmt.Sprint(m.Place.UID))
		}
		if m.Place.UID == uid {
			close(hand)
			<-ctx.Done()
			return "", ctx.Err()
		}
		return ingest.FateLead, nil
	}
	ledger := &mortalLedger{Ledger: r.ledger}
	stop := victim.runOn(t, victim.handler, ledger)
	<-hand
	ledger.dead.Store(true)
	stop()
	r.ledger.Expire("leads")
}

// A mortalLedger takes nothing any more from a process that was killed.
type mortalLedger struct {
	*mailtest.Ledger
	dead atomic.Bool
}

func (l *mortalLedger) Begin(ctx context.Context, name, holder string, uidvalidity uint32, uids []uint32) error {
	if l.dead.Load() {
		return errDead
	}
	return l.Ledger.Begin(ctx, name, holder, uidvalidity, uids)
}

func (l *mortalLedger) Settle(ctx context.Context, name string, fence int64, uidvalidity uint32, entries []mailbox.Entry) error {
	if l.dead.Load() {
		return errDead
	}
	return l.Ledger.Settle(ctx, name, fence, uidvalidity, entries)
}

var errDead = errors.New("killed")

// A message that was in hand at the end of three processes is read last, and apart; one that only lay beside it is not.
func TestThreeTimesInHand(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 5)...)
		var apart, order []string
		for range 3 {
			r.die(t, 2, &apart)
		}
		if len(apart) != 0 {
			t.Errorf("read apart too early: %v", apart)
		}
		s.Add(arrived, lead(6))
		r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			order = append(order, fmt.Sprint(m.Place.UID, m.Apart))
			return ingest.FateLead, nil
		}
		r.run(t)
		after(time.Minute)
		// The first end had the whole batch in hand: the second settled 1 and ended at 2, the third settled 3 to 5 before.
		if want := []string{"6 false", "2 true"}; !slices.Equal(order, want) {
			t.Errorf("decided %v, want %v", order, want)
		}
		if got, want := r.fates(7), "1:lead 2:lead 3:lead 4:lead 5:lead 6:lead "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
		r.errors(t, map[string]int{})
	})
}

// Whoever ends in an orderly way, or gives a message back, holds nothing against it.
func TestOrderlyEndsCountNothing(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		for range 5 {
			hand := make(chan struct{}, 10)
			r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
				if m.Apart {
					t.Errorf("uid %d is to be read apart", m.Place.UID)
				}
				hand <- struct{}{}
				return "", fmt.Errorf("no answer")
			}
			stop := r.run(t)
			<-hand
			stop()
		}
	})
}
