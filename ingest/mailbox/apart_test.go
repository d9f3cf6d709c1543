package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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

// A handLedger notes what was said to be in hand.
type handLedger struct {
	*mailtest.Ledger
	mu    sync.Mutex
	noted [][]uint32
}

func (l *handLedger) hands() [][]uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.noted)
}

func (l *handLedger) Begin(ctx context.Context, name, holder string, uidvalidity uint32, uids []uint32) error {
	l.mu.Lock()
	l.noted = append(l.noted, slices.Clone(uids))
	l.mu.Unlock()
	return l.Ledger.Begin(ctx, name, holder, uidvalidity, uids)
}

// unhurried decides a hundred messages a second and notes in which order batches are opened and decided.
type unhurried struct {
	mu    sync.Mutex
	order []string
}

func (u *unhurried) note(what string, m ingest.Message) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.order = append(u.order, fmt.Sprint(what, " ", m.Place.UID))
}

func (u *unhurried) Open(_ context.Context, all []ingest.Message) ingest.Batch {
	u.note("open", all[0])
	return mailtest.Batch(all, func(_ context.Context, left []ingest.Message) []ingest.Outcome {
		time.Sleep(time.Second)
		u.note("decide", left[0])
		return slices.Repeat([]ingest.Outcome{{Fate: ingest.FateLead}}, min(len(left), 100))
	})
}

// The next two batches are read while one is decided, and are in hand with it.
func TestNextBatchIsReadMeanwhile(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 800)...)
		ledger, handler := &handLedger{Ledger: r.ledger}, &unhurried{}
		stop := r.runOn(t, handler, ledger)
		after(time.Hour)
		stop()
		want := []string{
			"open 1", "open 251", "open 501", "decide 1", "decide 101", "decide 201", "open 751", "decide 251", "decide 351", "decide 451",
			"decide 501", "decide 601", "decide 701", "decide 751",
		}
		if !slices.Equal(handler.order, want) {
			t.Errorf("order = %q, want %q", handler.order, want)
		}
		for i, want := range []struct {
			n           int
			first, last uint32
		}{{250, 1, 250}, {500, 1, 500}, {750, 1, 750}, {550, 251, 800}} {
			if got := ledger.hands()[i]; len(got) != want.n || got[0] != want.first || got[len(got)-1] != want.last {
				t.Errorf("hand %d = %d of %d to %d, want %+v", i, len(got), got[0], got[len(got)-1], want)
			}
		}
		if n := len(r.ledger.Entries("leads", s.UIDValidity)); n != 800 {
			t.Errorf("settled = %d, want 800", n)
		}
	})
}

// A waiter settles nothing before the handler was asked to decide a certain message.
type waiter struct {
	*mailtest.Ledger
	asked chan struct{}
}

func (l *waiter) Settle(ctx context.Context, name string, fence int64, uidvalidity uint32, entries []mailbox.Entry) error {
	select {
	case <-l.asked:
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.Ledger.Settle(ctx, name, fence, uidvalidity, entries)
}

// What was decided goes into the ledger while the next batch is decided, and to where it belongs only then.
func TestSettledWhileTheNextIsDecided(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.action(t, ingest.FateLead, "move:Done")
		s.Add(arrived, leads(1, 300)...)
		ledger := &waiter{r.ledger, make(chan struct{})}
		r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			if m.Place.UID == 251 {
				if n := count(s.Commands(), "UID MOVE"); n != 0 {
					t.Errorf("moves before anything was settled = %d, want 0", n)
				}
				close(ledger.asked)
			}
			return ingest.FateLead, nil
		}
		r.runOn(t, r.handler, ledger)
		after(5 * time.Second) // less than the ledger is waited for
		if n := len(r.ledger.Entries("leads", s.UIDValidity)); n != 300 {
			t.Errorf("settled = %d, want 300", n)
		}
		if n := count(s.Commands(), "UID MOVE"); n == 0 {
			t.Error("nothing was moved")
		}
	})
}

// What was read ahead of a handler that fails is in hand no longer.
func TestReadAheadOfAFailure(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 600)...)
		ledger := &handLedger{Ledger: r.ledger}
		var fail atomic.Bool
		fail.Store(true)
		r.handler.Decide = func(context.Context, ingest.Message) (ingest.Fate, error) {
			time.Sleep(100 * time.Millisecond)
			if fail.Load() {
				return "", errors.New("no answer")
			}
			return ingest.FateLead, nil
		}
		r.runOn(t, r.handler, ledger)
		after(10 * time.Second)
		if hands := ledger.hands(); len(hands) < 2 || len(hands[len(hands)-1]) != 0 {
			t.Errorf("hands = %v, want the last empty", hands)
		}
		fail.Store(false)
		after(time.Hour)
		if n := len(r.ledger.Entries("leads", s.UIDValidity)); n != 600 {
			t.Errorf("settled = %d, want 600", n)
		}
	})
}
