package mailbox_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// beside gives a second replica's rig: its own counters, the same ledger.
func (r *rig) beside() *rig {
	other := *r
	other.handler, other.observer, other.log = &mailtest.Handler{}, &mailtest.Observer{}, &logBuffer{}
	return &other
}

func TestOneHolder(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, first *rig) {
		second := first.beside()
		stop := first.run(t)
		after(time.Second)
		second.run(t)
		s.Add(arrived, leads(1, 3)...)
		after(10 * time.Minute)
		first.all(t, leads(1, 3))
		second.all(t, nil)
		if n := s.Dials(); n != 1 {
			t.Errorf("connections = %d, want 1", n)
		}
		if second.observer.Observed().Up {
			t.Error("the one that stands by says that it is up")
		}
		if n := strings.Count(second.log.String(), "standing by"); n != 1 {
			t.Errorf("log says %d times that it stands by, want 1", n)
		}
		stop() // a polite end gives the mailbox back
		s.Add(arrived, lead(4))
		after(21 * time.Second)
		second.all(t, [][]byte{lead(4)})
	})
}

func TestTakeover(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, first *rig) {
		s.Add(arrived, leads(1, 3)...)
		second := first.beside()
		// The first replica freezes over a message, like a process that is stopped and goes on later.
		frozen := make(chan struct{})
		first.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			if m.Place.UID == 2 {
				<-frozen
			}
			return ingest.FateLead, nil
		}
		first.run(t)
		after(time.Second)
		first.ledger.Expire("leads")
		second.handler.Decide = func(context.Context, ingest.Message) (ingest.Fate, error) { return ingest.FateTouch, nil }
		second.run(t)
		after(time.Second)
		second.all(t, leads(1, 3))
		close(frozen)
		after(time.Minute)
		if got, want := first.fates(7), "1:touch 2:touch 3:touch "; got != want {
			t.Errorf("fates = %s, want %s: the late writer's must be refused", got, want)
		}
		if n := first.observer.Observed().Fates[ingest.FateLead]; n != 0 {
			t.Errorf("the late writer counted %d leads, want 0", n)
		}
		if first.observer.Observed().Up || !second.observer.Observed().Up {
			t.Errorf("up = %t and %t, want false and true", first.observer.Observed().Up, second.observer.Observed().Up)
		}
		if !strings.Contains(first.log.String(), "lease lost") {
			t.Errorf("the loss was not logged:\n%s", first.log)
		}
	})
}

// A holder that loses its lease while nothing happens hangs up, and does not wait for its next write to be refused.
func TestLeaseLostWhileIdling(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.run(t)
		after(time.Second)
		r.ledger.Expire("leads")
		if _, held, err := r.ledger.Claim(t.Context(), "leads", "another", time.Hour); !held || err != nil {
			t.Fatalf("Claim = %t, %v, want it held", held, err)
		}
		after(30 * time.Second)
		if r.observer.Observed().Up {
			t.Error("mailbox is up without a lease")
		}
		s.Add(arrived, lead(1))
		after(30 * time.Minute)
		r.all(t, nil)
	})
}

// A replica that cannot reach the server lets another try, and does not knock more often for it.
func TestUnreachableServerIsLeftToAnother(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, first *rig) {
		second := first.beside()
		dials := 0
		first.dial = func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
		}
		first.run(t)
		after(time.Second)
		s.Add(arrived, lead(1))
		second.run(t)
		after(time.Hour)
		second.all(t, leads(1, 1))
		if dials > 40 {
			t.Errorf("connections tried = %d, want under 40", dials)
		}
	})
	scripted(t, func(t *testing.T, s *mailtest.Script, alone *rig) {
		dials := 0
		alone.dial = func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
		}
		alone.run(t)
		after(5 * time.Hour)
		if dials < 60 || dials > 240 {
			t.Errorf("connections tried in five hours = %d, want about 120", dials)
		}
	})
}

// A writer that did not notice yet that it was replaced is stopped by the ledger.
func TestFencedWriter(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.handler.Decide = func(ctx context.Context, m ingest.Message) (ingest.Fate, error) {
			r.ledger.Expire("leads")
			if _, held, err := r.ledger.Claim(ctx, "leads", "another", time.Minute); !held || err != nil {
				t.Errorf("Claim = %t, %v, want it held", held, err)
			}
			r.handler.Decide = nil
			return ingest.FateTouch, nil
		}
		s.Add(arrived, leads(1, 1)...)
		r.run(t)
		after(time.Second)
		if got := r.fates(7); got != "" {
			t.Errorf("fates = %s, want none from a fenced writer", got)
		}
		if !strings.Contains(r.log.String(), "lease lost") {
			t.Errorf("the loss was not logged:\n%s", r.log)
		}
		r.errors(t, map[string]int{}) // the store is well
		after(2 * time.Minute)
		if got, want := r.fates(7), "1:replay "; got != want {
			t.Errorf("fates = %s, want %s once the mailbox was free again", got, want)
		}
	})
}

func TestStopFinishesTheMessageInHand(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		r.handler.Decide = func(ctx context.Context, m ingest.Message) (ingest.Fate, error) {
			time.Sleep(3 * time.Second)
			return ingest.FateLead, ctx.Err()
		}
		stop := r.run(t)
		after(4 * time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Run took %s to end, want what the message takes", took)
		}
		if got, want := r.fates(7), "1:lead 2:lead "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
		if _, held, err := r.ledger.Claim(t.Context(), "leads", "another", time.Minute); !held || err != nil {
			t.Errorf("Claim after the end = %t, %v, want it free", held, err)
		}
	})
}

func TestStopDoesNotWaitForAHandlerThatHangs(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		r.handler.Decide = func(ctx context.Context, m ingest.Message) (ingest.Fate, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		stop := r.run(t)
		after(time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("Run took %s to end, want seconds", took)
		}
		if got := r.fates(7); got != "" {
			t.Errorf("fates = %s, want none", got)
		}
	})
}

func TestStopWhileStandingByOrConnecting(t *testing.T) {
	for name, prepare := range map[string]func(s *mailtest.Script, r *rig){
		"standing by": func(s *mailtest.Script, r *rig) {
			_, _, _ = r.ledger.Claim(context.Background(), "leads", "another", time.Hour) // the fake fails only when told to
		},
		"connecting": func(s *mailtest.Script, r *rig) { s.Greeting = "" },
		"backing off": func(s *mailtest.Script, r *rig) {
			s.On("LOGIN", refuse("NO [AUTHENTICATIONFAILED] no"))
		},
		"ledger down": func(s *mailtest.Script, r *rig) { r.ledger.Fail(errors.New("connection refused")) },
		"idling":      func(s *mailtest.Script, r *rig) {},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				prepare(s, r)
				stop := r.run(t)
				after(10 * time.Second)
				began := time.Now()
				stop()
				if took := time.Since(began); took > time.Second {
					t.Errorf("Run took %s to end, want none", took)
				}
				if r.observer.Observed().Up {
					t.Error("mailbox is up after the end")
				}
			})
		})
	}
}

func TestSettledDelayAndErrorsAreOfClosedSets(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(time.Now().Add(-90*time.Second), lead(1))
		s.Add(time.Now().Add(time.Hour), lead(2)) // a clock that is ahead
		s.Add(time.Now().Add(-48*time.Hour), lead(3))
		r.run(t)
		after(time.Second)
		got := r.observer.Observed()
		want := []time.Duration{0, 90 * time.Second, 0} // the old one is skipped before the others are read
		if len(got.Delays) != 3 || got.Delays[0] != want[0] || got.Delays[1] != want[1] || got.Delays[2] != want[2] {
			t.Errorf("delays = %v, want %v", got.Delays, want)
		}
		if n := got.Fates[ingest.FateSkipped]; n != 1 {
			t.Errorf("skipped = %d, want 1", n)
		}
		for reason := range got.Errors {
			t.Errorf("error %q, want none of %v", reason, mailbox.Reasons)
		}
	})
}
