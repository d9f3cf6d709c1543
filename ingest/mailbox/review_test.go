package mailbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// A memory decides like a store that can forget: the first place of a text is a lead, every other a replay.
type memory struct {
	mu    sync.Mutex
	first map[string]string
}

func (m *memory) decide(_ context.Context, msg ingest.Message) (ingest.Fate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	place, text := fmt.Sprint(msg.Place), string(msg.Raw)
	if m.first[text] == "" {
		if m.first == nil {
			m.first = make(map[string]string)
		}
		m.first[text] = place
	}
	if m.first[text] == place {
		return ingest.FateLead, nil
	}
	return ingest.FateReplay, nil
}

func (m *memory) forget(raws ...[]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, raw := range raws {
		delete(m.first, string(raw))
	}
}

func (m *memory) knows() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.first)
}

// A store that comes back without its last decisions, and a ledger that did or did not lose them too, get them all back while the daemon
// runs on. What is older than the window is not asked for again.
func TestReviewAfterALoss(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		var m memory
		r.handler.Decide = m.decide
		r.cfg.Start = mailbox.All
		s.Add(time.Now().Add(-30*time.Hour), lead(1))
		s.Add(time.Now().Add(-time.Hour), leads(2, 10)...)
		r.run(t)
		after(5 * time.Minute)
		if n := len(r.raws()); n != 10 {
			t.Fatalf("asked about %d messages, want 10", n)
		}
		m.forget(leads(6, 10)...)
		r.ledger.Forget("leads", func(e mailbox.Entry) bool { return e.UID > 8 })
		after(time.Minute)
		if m.knows() != 10 {
			t.Errorf("the store knows %d messages, want 10", m.knows())
		}
		if n := len(r.raws()); n != 10+9 {
			t.Errorf("asked about %d messages, want all but the oldest once more; log:\n%s", n, r.log)
		}
		want := ""
		for n := range 10 {
			want += fmt.Sprintf("%d:lead ", n+1)
		}
		if got := r.fates(7); got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
		after(time.Hour)
		if n := len(r.raws()); n != 10+9 {
			t.Errorf("asked about %d messages, want no more without another loss", n)
		}
		r.errors(t, map[string]int{})
	})
}

// A decision that was lost may be another when it is made again; the ledger then says what holds now.
func TestReviewReplacesAFate(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		fate := ingest.FateLead
		r.handler.Decide = func(context.Context, ingest.Message) (ingest.Fate, error) { return fate, nil }
		s.Add(arrived, leads(1, 3)...)
		stop := r.run(t)
		after(time.Second)
		stop()
		fate = ingest.FateTouch
		r.ledger.Forget("leads", func(mailbox.Entry) bool { return false })
		r.run(t) // another process finds a store that was restarted meanwhile
		after(time.Minute)
		if got, want := r.fates(7), "1:touch 2:touch 3:touch "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
	})
}

// While a decision cannot be made again the mailbox is not taken for gone over.
func TestReviewGoesOnUntilAllIsDecided(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 2)...)
		stop := r.run(t)
		after(time.Second)
		stop()
		r.ledger.Forget("leads", func(mailbox.Entry) bool { return false })
		r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			if m.Place.UID == 2 {
				return "", fmt.Errorf("no answer")
			}
			return ingest.FateLead, nil
		}
		stop = r.run(t)
		after(time.Minute)
		stop()
		if life, err := r.ledger.Life(t.Context(), "leads"); err != nil || life.Last == life.Now {
			t.Errorf("Life = %+v, %v, want it not gone over", life, err)
		}
		r.handler.Decide = nil
		r.run(t)
		after(time.Minute)
		if life, err := r.ledger.Life(t.Context(), "leads"); err != nil || life.Last != life.Now {
			t.Errorf("Life = %+v, %v, want it gone over", life, err)
		}
	})
}

// What was moved away is gone over too; what the store lost of it is decided again where it lies now.
func TestReviewFindsWhatWasMoved(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		var m memory
		r := rigFor(s)
		r.handler.Decide = m.decide
		r.cfg.PollInterval = time.Second
		r.action(t, ingest.FateLead, "move:"+s.Folder("Done"))
		s.Append(t, arrived, leads(1, 300)...)
		stop := r.run(t)
		r.observer.Await(t, "all are decided", settled(ingest.FateLead, 300))
		r.awaitEmpty(t, s)
		stop()
		m.forget(leads(201, 300)...)
		r.ledger.Forget("leads", func(e mailbox.Entry) bool { return e.UID > 250 })
		stop = r.run(t)
		for !strings.Contains(r.log.String(), "decided anew") {
			r.awaitLook(t)
		}
		stop()
		if m.knows() != 300 {
			t.Errorf("the store knows %d messages, want 300; log:\n%s", m.knows(), r.log)
		}
		if n := len(s.Held(t, s.Folder("Done"))); n != 300 {
			t.Errorf("Done holds %d messages, want 300", n)
		}
		// Courier makes UIDVALIDITYs of the time: two folders of one second share theirs, and half of what was lost has its places still.
		counted := r.observer.Observed().Fates[ingest.FateLead]
		if counted != 400 && counted != 350 {
			t.Errorf("leads counted = %d, want 400, or 350 where places are shared", counted)
		}
		// A second loss asks about the same places, and changes nothing.
		r.ledger.Forget("leads", func(mailbox.Entry) bool { return false })
		before := len(r.raws())
		stop = r.run(t)
		for len(r.raws()) < before+300 {
			r.awaitLook(t)
		}
		stop()
		if n := r.observer.Observed().Fates[ingest.FateLead]; n != counted {
			t.Errorf("leads counted = %d, want still %d", n, counted)
		}
	})
}

// awaitEmpty waits until all has been moved out of INBOX.
func (r *rig) awaitEmpty(t *testing.T, s *mailtest.Server) {
	t.Helper()
	for range 60 {
		if len(s.Held(t, "INBOX")) == 0 {
			return
		}
		r.awaitLook(t)
	}
	t.Fatalf("INBOX holds %d messages, want none", len(s.Held(t, "INBOX")))
}

// A store that was emptied learns from the daemon when the mailbox was first seen: what arrived since is not too old.
func TestEmptiedStoreKeepsTheFirstSight(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.run(t)
		after(time.Second)
		s.Add(time.Now(), leads(1, 3)...)
		after(72 * time.Hour)
		r.ledger.Empty("leads")
		after(time.Minute)
		if n := len(r.raws()); n != 6 {
			t.Errorf("asked about %d messages, want the three once more", n)
		}
		if got, want := r.fates(7), "1:replay 2:replay 3:replay "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
	})
}

// The replica that stood by knows as much, should it be the one that has the mailbox then.
func TestEmptiedStoreBeforeAnotherHolder(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, first *rig) {
		second := first.beside()
		stop := first.run(t)
		after(time.Second)
		second.run(t)
		s.Add(time.Now(), leads(1, 3)...)
		after(72 * time.Hour)
		stop()
		first.ledger.Empty("leads")
		after(time.Minute)
		second.all(t, leads(1, 3))
		if got, want := second.fates(7), "1:lead 2:lead 3:lead "; got != want {
			t.Errorf("fates = %s, want %s: three days are not too old for a mailbox that was known before", got, want)
		}
	})
}
