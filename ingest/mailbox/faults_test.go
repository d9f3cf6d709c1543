package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// scripted runs a test in a bubble against a scripted server. When the bubble ends no goroutine may be left, so each of
// these tests is one for leaks too.
func scripted(t *testing.T, test func(t *testing.T, s *mailtest.Script, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := mailtest.NewScriptPipe(t)
		test(t, s, newRig(s.Addr, "store", s.Dial))
	})
}

// after lets time pass and everything come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// once gives an Answer that speaks the first time only.
func once(a mailtest.Answer) mailtest.Answer { return times(1, a) }

// times gives an Answer that speaks n times. A Script calls it for one connection at a time.
func times(n int, a mailtest.Answer) mailtest.Answer {
	return func(c *mailtest.ScriptConn, tag, args string) bool {
		if n == 0 {
			return false
		}
		n--
		return a(c, tag, args)
	}
}

func silence(*mailtest.ScriptConn, string, string) bool { return true }

// count gives how many commands begin so.
func count(commands []string, prefix string) (n int) {
	for _, c := range commands {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// all checks that every message was handed over once, in order.
func (r *rig) all(t *testing.T, raws [][]byte) {
	t.Helper()
	if diff := cmp.Diff(r.raws(), texts(raws)); diff != "" {
		t.Errorf("handed over (-got +want):\n%s\nlog:\n%s", diff, r.log)
	}
}

// allInAnyOrder checks that every message was handed over once.
func (r *rig) allInAnyOrder(t *testing.T, raws [][]byte) {
	t.Helper()
	got, want := r.raws(), texts(raws)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("handed over (-got +want):\n%s\nlog:\n%s", diff, r.log)
	}
}

func (r *rig) errors(t *testing.T, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(r.observer.Observed().Errors, want); diff != "" {
		t.Errorf("errors (-got +want):\n%s\nlog:\n%s", diff, r.log)
	}
}

func TestSilentServerIsGivenUp(t *testing.T) {
	for _, command := range []string{"CAPABILITY", "LOGIN", "EXAMINE", "UID SEARCH", "UID FETCH", "IDLE", "DONE"} {
		t.Run(command, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				s.Add(arrived, leads(1, 3)...)
				s.On(command, once(silence))
				r.run(t)
				after(10 * time.Minute)
				r.all(t, leads(1, 3))
				r.errors(t, map[string]int{mailbox.ReasonTimeout: 1})
				if !r.observer.Observed().Up {
					t.Error("mailbox is down, want up again")
				}
			})
		})
	}
}

func TestSilentGreetingIsGivenUp(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Greeting = ""
		r.run(t)
		after(time.Minute)
		if got := r.observer.Observed().Errors[mailbox.ReasonTimeout]; got == 0 {
			t.Errorf("timeouts = %d, want some; log:\n%s", got, r.log)
		}
	})
}

// go-imap loses bodies when commands overlap: while one is unanswered no other may come.
func TestOneCommandAtATime(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		for _, command := range []string{"LOGIN", "EXAMINE", "UID SEARCH", "UID FETCH", "IDLE"} {
			s.On(command, func(c *mailtest.ScriptConn, tag, args string) bool {
				before := len(s.Commands())
				time.Sleep(20 * time.Second) // less than any watchdog allows
				if n := len(s.Commands()); n != before {
					t.Errorf("%d commands came while %s was unanswered", n-before, command)
				}
				return false
			})
		}
		r.run(t)
		after(5 * time.Minute)
		r.all(t, leads(1, 3))
		r.errors(t, map[string]int{})
	})
}

func TestFlagPushInPlaceOfTheBody(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
			if strings.Contains(args, "BODY") && strings.Contains(args, "1:3") {
				c.Send(`* 2 FETCH (UID 2 FLAGS (\Seen))`)
			}
			return false
		})
		r.run(t)
		after(time.Second)
		r.allInAnyOrder(t, leads(1, 3))
	})
}

func TestUIDBehindTheBody(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		backwards := func(c *mailtest.ScriptConn, tag, args string) bool {
			if !strings.Contains(args, "BODY") {
				return false
			}
			var seq int
			_, _ = fmt.Sscanf(args, "%d", &seq) // no number is no message
			for i, h := range s.Held("INBOX") {
				if i+1 == seq {
					c.Send("* %d FETCH (%s UID %d)", i+1, h.Items(args)[1:], h.UID)
				}
			}
			c.Send("%s OK done", tag)
			return true
		}
		s.On("UID FETCH", backwards)
		s.On("FETCH", backwards)
		r.run(t)
		after(time.Second)
		r.all(t, leads(1, 3))
		if n := count(s.Commands(), "FETCH "); n != 3 {
			t.Errorf("messages asked for by sequence number = %d, want 3", n)
		}
		r.errors(t, map[string]int{})
	})
}

func TestCutWithinABody(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		cut := 0
		s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
			if !strings.Contains(args, "BODY") || cut == 3 {
				return false
			}
			cut++
			c.Send("* 1 FETCH (UID 1 INTERNALDATE %q BODY[] {1000}\r\nFrom: a@example.com", arrived.Format("_2-Jan-2006 15:04:05 -0700"))
			c.Close()
			return true
		})
		r.run(t)
		after(10 * time.Minute)
		r.allInAnyOrder(t, leads(1, 3))
		r.errors(t, map[string]int{mailbox.ReasonNetwork: 3})
	})
}

func TestHostileLiteralIsRefusedUnread(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 2)...)
		s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
			if !strings.Contains(args, "BODY") || !strings.HasPrefix(args, "1") {
				return false
			}
			c.Send("* 1 FETCH (UID 1 BODY[] {4294967296}\r\nFrom: a@example.com")
			return true
		})
		var before, later runtime.MemStats
		runtime.ReadMemStats(&before)
		r.run(t)
		after(10 * time.Minute)
		runtime.ReadMemStats(&later)
		if grown := later.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			t.Errorf("allocated %d bytes, want under 64 MiB", grown)
		}
		if got, want := strings.Join(r.raws(), ""), string(lead(2)); got != want {
			t.Errorf("handed over %q, want %q alone; log:\n%s", got, want, r.log)
		}
		if got := r.fates(7); got != "2:lead " {
			t.Errorf("fates = %s, want the hostile one pending", got)
		}
	})
}

// A server that says a mail is small and sends a large one: only its beginning is taken.
func TestLargerThanAnnounced(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.cfg.MaxSize = 100_000
		s.Add(arrived, slices.Repeat([]byte("x"), 200_000), lead(2))
		s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
			if strings.Contains(args, "BODY") {
				return false
			}
			for i, h := range s.Held("INBOX") {
				c.Send("* %d FETCH (UID %d INTERNALDATE %q RFC822.SIZE 50)", i+1, h.UID, h.Date.Format("_2-Jan-2006 15:04:05 -0700"))
			}
			c.Send("%s OK done", tag)
			return true
		})
		r.run(t)
		after(10 * time.Minute)
		got := make(map[uint32]string)
		for _, m := range r.handler.Messages() {
			got[m.Place.UID] = fmt.Sprint(len(m.Raw), m.TooLarge)
		}
		if diff := cmp.Diff(got, map[uint32]string{1: "65536 true", 2: fmt.Sprint(len(lead(2)), false)}); diff != "" {
			t.Errorf("handed over (-got +want):\n%s\nlog:\n%s", diff, r.log)
		}
	})
}

func TestTooLargeIsHandedOverInPart(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.cfg.MaxSize = 100_000
		r.action(t, ingest.FateLead, "flag")
		s.Add(arrived, slices.Repeat([]byte("x"), 100_001), slices.Repeat([]byte("y"), 100_000))
		r.run(t)
		after(time.Minute)
		var got []string
		for _, m := range r.handler.Messages() {
			got = append(got, fmt.Sprint(len(m.Raw), m.TooLarge))
		}
		if diff := cmp.Diff(got, []string{"65536 true", "100000 false"}); diff != "" {
			t.Errorf("handed over (-got +want):\n%s", diff)
		}
		for _, h := range s.Held("INBOX") {
			if !marked(h) {
				t.Errorf("uid %d is not marked", h.UID)
			}
		}
	})
}

func TestEndlessAnswerIsCut(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, lead(1))
		s.On("UID SEARCH", once(func(c *mailtest.ScriptConn, tag, args string) bool {
			line := strings.Repeat("a", 64<<10)
			for range 4096 { // 256 MB in all
				if _, err := fmt.Fprint(c.Conn, "* OK "+line+line); err != nil {
					return true
				}
			}
			t.Error("client took 256 MB")
			return true
		}))
		r.run(t)
		after(time.Minute)
		r.all(t, leads(1, 1))
		r.errors(t, map[string]int{mailbox.ReasonProtocol: 1})
	})
}

func TestSearchWithoutAListIsNoEmptyFolder(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		quiet := func(c *mailtest.ScriptConn, tag, args string) bool {
			c.Send("%s OK done", tag)
			return true
		}
		s.On("UID SEARCH", quiet)
		r.run(t)
		after(time.Minute)
		if o := r.observer.Observed(); o.Successes != 0 || o.Errors[mailbox.ReasonProtocol] == 0 || o.Fates[ingest.FateGone] != 0 {
			t.Errorf("observed %+v, want protocol errors and no success", o)
		}
		s.On("UID SEARCH", times(1, quiet)) // a single lapse is none
		before := r.observer.Observed().Errors[mailbox.ReasonProtocol]
		after(10 * time.Minute)
		r.all(t, leads(1, 3))
		if got := r.observer.Observed().Errors[mailbox.ReasonProtocol]; got > before+1 {
			t.Errorf("protocol errors = %d after %d", got, before)
		}
	})
}

func TestSearchThatNamesTheImpossible(t *testing.T) {
	for _, answer := range []string{"* SEARCH 0", "* SEARCH 1 2 3 4 5 6", "* ESEARCH (TAG %q) UID ALL 1:4294967295", "* SEARCH 99999999999"} {
		t.Run(answer, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				s.Add(arrived, leads(1, 3)...)
				s.On("UID SEARCH", times(3, func(c *mailtest.ScriptConn, tag, args string) bool {
					if strings.Contains(answer, "%") {
						c.Send(answer, tag)
					} else {
						c.Send("%s", answer)
					}
					c.Send("%s OK done", tag)
					return true
				}))
				r.run(t)
				after(10 * time.Minute)
				r.all(t, leads(1, 3))
				if o := r.observer.Observed(); o.Errors[mailbox.ReasonProtocol] == 0 || len(o.Errors) != 1 {
					t.Errorf("errors = %v, want protocol ones alone", o.Errors)
				}
			})
		})
	}
}

func TestSearchOutOfOrder(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 5)...)
		s.On("UID SEARCH", func(c *mailtest.ScriptConn, tag, _ string) bool {
			c.Send("* SEARCH 4 1 5\r\n* SEARCH 3 2\r\n%s OK done", tag)
			return true
		})
		r.run(t)
		after(time.Minute)
		r.all(t, leads(1, 5))
		r.errors(t, map[string]int{})
	})
}

// Exchange only estimates sizes, and another estimate is no other message: it is read again, and not decided again.
func TestSizesAreEstimates(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		estimate := 40
		s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
			if strings.Contains(args, "BODY") {
				return false
			}
			for i, h := range s.Held("INBOX") {
				estimate++
				c.Send("* %d FETCH (UID %d INTERNALDATE %q RFC822.SIZE %d)", i+1, h.UID, h.Date.Format("_2-Jan-2006 15:04:05 -0700"), estimate)
			}
			c.Send("%s OK done", tag)
			return true
		})
		r.run(t)
		for range 3 {
			after(time.Minute)
			s.Hangup()
		}
		after(time.Minute)
		r.all(t, leads(1, 3))
		if got, want := r.fates(7), "1:lead 2:lead 3:lead "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
	})
}

// A mail leaves the folder when its fate is in the ledger, and not a moment before.
func TestNothingMovesBeforeItIsSettled(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.action(t, ingest.FateLead, "move:Done")
		s.Add(arrived, leads(1, 3)...)
		var fails atomic.Bool
		fails.Store(true)
		r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			if m.Place.UID == 3 && fails.CompareAndSwap(true, false) {
				r.ledger.Fail(errors.New("connection refused"))
			}
			return ingest.FateLead, nil
		}
		r.run(t)
		after(10 * time.Minute)
		if n := count(s.Commands(), "UID MOVE"); n != 0 || len(s.Held("INBOX")) != 3 {
			t.Errorf("MOVE was sent %d times, INBOX holds %d, want 0 and 3", n, len(s.Held("INBOX")))
		}
		r.ledger.Fail(nil)
		after(10 * time.Minute)
		if n := len(s.Held("Done")); n != 3 {
			t.Errorf("moved = %d, want 3 in the end", n)
		}
	})
}

func TestMoveByCopy(t *testing.T) {
	for _, tt := range []struct {
		name, caps  string
		copy        string // what COPY answers instead
		inbox, done int    // messages in the folders afterwards
		mark        bool
	}{
		{name: "copied and expunged", caps: "IMAP4rev1 UIDPLUS", inbox: 1, done: 3},
		{name: "copy refused", caps: "IMAP4rev1 UIDPLUS", copy: "NO [OVERQUOTA] full", inbox: 4},
		{name: "copy not confirmed", caps: "IMAP4rev1 UIDPLUS", copy: "OK done", inbox: 4},
		{name: "no expunge by uid", caps: "IMAP4rev1", inbox: 4, mark: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				s.Caps = tt.caps
				r.action(t, ingest.FateLead, "move:Done")
				s.Add(arrived, leads(1, 4)...)
				r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
					if m.Place.UID == 4 {
						return ingest.FateOther, nil
					}
					return ingest.FateLead, nil
				}
				if tt.copy != "" {
					s.On("UID COPY", func(c *mailtest.ScriptConn, tag, args string) bool {
						c.Send("%s %s", tag, tt.copy)
						return true
					})
				}
				r.run(t)
				after(30 * time.Minute)
				if got := len(s.Held("INBOX")); got != tt.inbox {
					t.Errorf("INBOX holds %d, want %d; log:\n%s", got, tt.inbox, r.log)
				}
				if got := len(s.Held("Done")); got != tt.done {
					t.Errorf("Done holds %d, want %d", got, tt.done)
				}
				for _, h := range s.Held("INBOX") {
					if got, want := marked(h), tt.mark && h.UID != 4; got != want {
						t.Errorf("uid %d marked = %t, want %t", h.UID, got, want)
					}
				}
				if n := count(s.Commands(), "EXPUNGE"); n != 0 {
					t.Errorf("plain EXPUNGE was sent %d times", n)
				}
				if n := count(s.Commands(), "UID COPY"); n > 60 {
					t.Errorf("COPY was sent %d times in half an hour", n)
				}
				r.errors(t, map[string]int{})
			})
		})
	}
}

func TestMoveThatIsSaidAndNotDone(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.action(t, ingest.FateLead, "move:Done")
		s.Add(arrived, leads(1, 3)...)
		s.On("UID MOVE", times(3, func(c *mailtest.ScriptConn, tag, args string) bool {
			c.Send("%s OK done", tag)
			return true
		}))
		r.run(t)
		after(30 * time.Minute)
		if n := len(s.Held("Done")); n != 3 {
			t.Errorf("moved = %d, want 3 in the end; log:\n%s", n, r.log)
		}
		if n := count(s.Commands(), "UID MOVE"); n > 20 {
			t.Errorf("MOVE was sent %d times", n)
		}
		r.all(t, leads(1, 3))
	})
}

// A consumer that takes more than five minutes over one batch must not lose the connection or a body.
func TestSlowHandler(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 5)...)
		r.handler.Decide = func(ctx context.Context, m ingest.Message) (ingest.Fate, error) {
			time.Sleep(100 * time.Second)
			return ingest.FateLead, ctx.Err()
		}
		r.run(t)
		after(15 * time.Minute)
		r.all(t, leads(1, 5))
		r.errors(t, map[string]int{})
	})
}

func TestByeWhileIdling(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.On("IDLE", once(func(c *mailtest.ScriptConn, tag, args string) bool {
			c.Send("+ idling\r\n* BYE Session invalidated - AccessTokenExpired")
			c.Close()
			return true
		}))
		r.run(t)
		after(time.Second)
		s.Add(arrived, lead(1))
		after(time.Minute)
		r.all(t, leads(1, 1))
		r.errors(t, map[string]int{mailbox.ReasonNetwork: 1})
	})
}

func TestDeafIdleIsNoHarm(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		r.cfg.PollInterval = 24 * time.Hour
		var deaf *mailtest.ScriptConn
		s.On("IDLE", func(c *mailtest.ScriptConn, tag, args string) bool {
			deaf = c
			c.Send("+ idling")
			s.On("DONE", func(c *mailtest.ScriptConn, _, _ string) bool {
				c.Send("%s OK done", tag)
				return true
			})
			return true
		})
		r.run(t)
		after(time.Minute)
		if deaf == nil {
			t.Fatal("no IDLE came")
		}
		s.Add(arrived, lead(1))
		after(6 * time.Minute)
		r.all(t, leads(1, 1))
		if n := s.Dials(); n != 1 {
			t.Errorf("connections = %d, want 1", n)
		}
	})
}

func TestNoIdleIsPolled(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Caps = "IMAP4rev1"
		r.run(t)
		after(time.Second)
		s.Add(arrived, lead(1))
		after(time.Minute)
		r.all(t, leads(1, 1))
		if n := count(s.Commands(), "IDLE"); n != 0 {
			t.Errorf("IDLE was sent %d times", n)
		}
	})
}

func TestNonsenseIsSurvived(t *testing.T) {
	for _, line := range []string{
		"* VANISHED 1:3", `* 1 FETCH (X-GM-MSGID 1)`, `* OK [Error="Microsoft.Exchange.Error"] x`, "* 1 FETCH (ENVELOPE (broken",
		"* CAPABILITY IMAP4rev1 (", "* OK [CAPABILITY(x)] y", "T0 OK [capability IMAP4rev1(", "\x00\x01\x02", "* 4294967296 EXISTS", "T999 OK who?", "+ go on",
	} {
		t.Run(line, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				s.Add(arrived, leads(1, 3)...)
				s.On("UID FETCH", once(func(c *mailtest.ScriptConn, tag, args string) bool {
					c.Send("%s", line)
					return false
				}))
				r.run(t)
				after(10 * time.Minute)
				r.all(t, leads(1, 3))
				if strings.Contains(r.log.String(), "secret") {
					t.Errorf("the log holds the password:\n%s", r.log)
				}
			})
		})
	}
}

func TestOnlyWhatIsSafeIsAskedFor(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		r.run(t)
		after(10 * time.Minute)
		for _, c := range s.Commands() {
			for _, word := range []string{"ENVELOPE", "BODYSTRUCTURE", "BODY[", "SELECT", "STORE", "EXPUNGE", "CLOSE"} {
				if strings.Contains(c, word) {
					t.Errorf("client said %q, want a folder left as it is and no %s", c, word)
				}
			}
		}
	})
}

func TestWrongPasswordIsNotHammered(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.On("LOGIN", func(c *mailtest.ScriptConn, tag, args string) bool {
			c.Send("%s NO [AUTHENTICATIONFAILED] no", tag)
			return true
		})
		r.run(t)
		after(2 * time.Hour)
		n := count(s.Commands(), "LOGIN")
		if n < 4 || n > 8 {
			t.Errorf("log-ins in two hours = %d, want 4 to 8", n)
		}
		if n != s.Dials() {
			t.Errorf("log-ins = %d over %d connections, want as many", n, s.Dials())
		}
		r.errors(t, map[string]int{mailbox.ReasonAuth: n})
		if got := strings.Count(r.log.String(), "mailbox down"); got != 1 {
			t.Errorf("log lines = %d, want 1 for one change of state:\n%s", got, r.log)
		}
		s.On("LOGIN", nil)
		after(time.Hour + 10*time.Minute)
		if !r.observer.Observed().Up {
			t.Errorf("mailbox is down after the server thought better of it; log:\n%s", r.log)
		}
	})
}

// Whoever puts another password into its place need not wait for the next try.
func TestPasswordPutRight(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.On("LOGIN", func(c *mailtest.ScriptConn, tag, args string) bool {
			if strings.Contains(args, "right") {
				return false
			}
			c.Send("%s NO [AUTHENTICATIONFAILED] no", tag)
			return true
		})
		var password atomic.Value
		password.Store("wrong")
		r.cfg.Password = func(context.Context) (string, error) { return password.Load().(string), nil }
		r.run(t)
		after(2 * time.Hour)
		password.Store("right")
		after(10 * time.Second)
		if !r.observer.Observed().Up {
			t.Errorf("mailbox is down after the password was put right; log:\n%s", r.log)
		}
	})
}

func TestNoPasswordWhereNoneIsWanted(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Caps = "IMAP4rev1 LOGINDISABLED"
		r.run(t)
		after(time.Second)
		if n := count(s.Commands(), "LOGIN"); n != 0 {
			t.Errorf("the password was sent %d times", n)
		}
		r.errors(t, map[string]int{mailbox.ReasonAuth: 1})
	})
}

func TestThrottlingIsObeyed(t *testing.T) {
	const words = "Request is throttled. Suggested Backoff Time: 299961 milliseconds"
	for _, tt := range []struct {
		name string
		set  func(s *mailtest.Script)
	}{
		{"greeting", func(s *mailtest.Script) { s.Greeting = "* BYE " + words }},
		{"log-in", func(s *mailtest.Script) { s.On("LOGIN", refuse("NO "+words)) }},
		{"search", func(s *mailtest.Script) { s.On("UID SEARCH", refuse("BAD "+words)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				tt.set(s)
				r.run(t)
				after(299 * time.Second)
				if n := s.Dials(); n != 1 {
					t.Errorf("connections before the time was over = %d, want 1; log:\n%s", n, r.log)
				}
				after(40 * time.Second)
				if n := s.Dials(); n != 2 {
					t.Errorf("connections after the time was over = %d, want 2", n)
				}
				r.errors(t, map[string]int{mailbox.ReasonThrottled: 2})
			})
		})
	}
}

func refuse(how string) mailtest.Answer {
	return func(c *mailtest.ScriptConn, tag, args string) bool {
		c.Send("%s %s", tag, how)
		return true
	}
}

func TestNoUIDValidity(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 2)...)
		s.UIDValidity = 0
		r.run(t)
		after(time.Minute)
		s.Hangup()
		after(time.Minute)
		var fates []ingest.Fate
		for fate, n := range r.observer.Observed().Fates {
			for range n {
				fates = append(fates, fate)
			}
		}
		slices.Sort(fates)
		want := []ingest.Fate{ingest.FateLead, ingest.FateLead, ingest.FateReplay, ingest.FateReplay}
		if diff := cmp.Diff(fates, want); diff != "" {
			t.Errorf("fates (-got +want):\n%s", diff)
		}
	})
}

// A message on which every connection breaks must not keep the others from being read.
func TestPoisonousMessage(t *testing.T) {
	for _, stage := range []string{"RFC822.SIZE", "BODY"} {
		t.Run(stage, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				s.Add(arrived, leads(1, 20)...)
				s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
					set, items, _ := strings.Cut(args, " ")
					if strings.Contains(items, stage) && mailtest.InSet(set, 7) {
						c.Send("* 7 FETCH (UID 7 NONSENSE)")
						return true
					}
					return false
				})
				r.run(t)
				after(5 * time.Minute)
				s.Add(arrived, lead(21))
				after(10 * time.Minute)
				r.allInAnyOrder(t, slices.Concat(leads(1, 6), leads(8, 21)))
				if n := s.Dials(); n > 25 {
					t.Errorf("connections in 15 minutes = %d", n)
				}
			})
		})
	}
}

func TestOmittedIsNotGone(t *testing.T) {
	for _, tt := range []struct {
		name string
		omit int // how many times the server leaves uid 2 out
	}{{"once", 1}, {"twice", 2}, {"three times", 3}, {"four times", 4}} {
		t.Run(tt.name, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				s.Add(arrived, leads(1, 3)...)
				omit := tt.omit
				s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
					set, items, _ := strings.Cut(args, " ")
					if omit == 0 || !mailtest.InSet(set, 2) {
						return false
					}
					omit--
					for i, h := range s.Held("INBOX") {
						if h.UID != 2 && mailtest.InSet(set, h.UID) {
							c.Send("* %d FETCH (UID %d%s)", i+1, h.UID, h.Items(items))
						}
					}
					c.Send("%s OK done", tag)
					return true
				})
				r.run(t)
				after(time.Minute)
				r.allInAnyOrder(t, leads(1, 3))
				if n := r.observer.Observed().Fates[ingest.FateGone]; n != 0 {
					t.Errorf("gone = %d, want 0", n)
				}
			})
		})
	}
}

// What a server lists and never gives is pending, however often it is asked.
func TestListedAndNeverGiven(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		for _, command := range []string{"UID FETCH", "FETCH"} {
			s.On(command, func(c *mailtest.ScriptConn, tag, args string) bool {
				set, items, _ := strings.Cut(args, " ")
				for i, h := range s.Held("INBOX") {
					if h.UID != 2 && mailtest.InSet(set, h.UID) {
						c.Send("* %d FETCH (UID %d%s)", i+1, h.UID, h.Items(items))
					}
				}
				c.Send("%s OK done", tag)
				return true
			})
		}
		r.run(t)
		after(time.Hour)
		if got, want := r.fates(7), "1:lead 3:lead "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
		if n := count(s.Commands(), "FETCH "); n == 0 || n > 30 {
			t.Errorf("asked for by sequence number %d times in an hour", n)
		}
		s.On("UID FETCH", nil)
		after(2 * time.Hour)
		r.allInAnyOrder(t, leads(1, 3))
	})
}

func TestExpungedBeforeItWasRead(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		s.On("UID FETCH", once(func(c *mailtest.ScriptConn, tag, args string) bool {
			s.Remove(2)
			return false
		}))
		r.run(t)
		after(time.Minute)
		r.all(t, [][]byte{lead(1), lead(3)})
		if got, want := r.fates(7), "1:lead 2:gone 3:lead "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
		r.errors(t, map[string]int{})
	})
}

func TestHandlerThatCannotDecideOne(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 5)...)
		calls := 0
		var known atomic.Bool
		r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			if m.Place.UID == 2 && !known.Load() {
				calls++
				return "", errors.New("nobody knows")
			}
			return ingest.FateLead, nil
		}
		r.run(t)
		after(time.Second / 10)
		if got, want := r.fates(7), "1:lead 3:lead 4:lead 5:lead "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
		after(time.Hour)
		if calls < 5 || calls > 40 {
			t.Errorf("tries in an hour = %d, want 5 to 40", calls)
		}
		if n := s.Dials(); n != 1 {
			t.Errorf("connections = %d, want 1: others must not suffer", n)
		}
		known.Store(true)
		after(2 * time.Hour)
		if got, want := r.fates(7), "1:lead 2:lead 3:lead 4:lead 5:lead "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
	})
}

// A DNS that is down for some senders, or for most, holds up nobody else's mail, and is no reason to reconnect.
func TestMessagesThatWait(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 30)...)
		calls := 0
		var up atomic.Bool
		r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			calls++
			if m.Place.UID%10 != 0 && !up.Load() {
				return "", fmt.Errorf("ask: %w", ingest.ErrLater)
			}
			return ingest.FateLead, nil
		}
		r.run(t)
		after(time.Second / 10)
		if got, want := r.fates(7), "10:lead 20:lead 30:lead "; got != want {
			t.Errorf("fates = %s, want %s", got, want)
		}
		after(time.Hour)
		if calls < 27*5 || calls > 27*40 {
			t.Errorf("tries in an hour = %d, want 5 to 40 for each of 27", calls)
		}
		if o := r.observer.Observed(); s.Dials() != 1 || len(o.Errors) != 0 || o.Successes == 0 {
			t.Errorf("connections = %d, errors %v, successes %d: want one, and a mailbox that is well", s.Dials(), o.Errors, o.Successes)
		}
		up.Store(true)
		after(2 * time.Hour)
		if n := r.observer.Observed().Fates[ingest.FateLead]; n != 30 {
			t.Errorf("leads = %d, want 30; log:\n%s", n, r.log)
		}
	})
}

func TestStoreDown(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 500)...)
		var up atomic.Bool
		calls := 0
		r.handler.Decide = func(context.Context, ingest.Message) (ingest.Fate, error) {
			calls++
			if !up.Load() {
				return "", errors.New("connection refused")
			}
			return ingest.FateLead, nil
		}
		r.run(t)
		after(time.Hour)
		if calls > 60 {
			t.Errorf("tries in an hour = %d, want under 60", calls)
		}
		if n := r.observer.Observed().Errors[mailbox.ReasonStore]; n == 0 {
			t.Error("no store error was reported")
		}
		up.Store(true)
		after(time.Hour)
		if n := r.observer.Observed().Fates[ingest.FateLead]; n != 500 {
			t.Errorf("leads = %d, want 500; log:\n%s", n, r.log)
		}
	})
}

// batches is a handler of whole batches.
type batches func([]ingest.Message) []ingest.Outcome

func (f batches) Open(_ context.Context, all []ingest.Message) ingest.Batch {
	return mailtest.Batch(all, func(_ context.Context, left []ingest.Message) []ingest.Outcome { return f(left) })
}

// A handler that fails on some messages of a batch has them handed over again, and the others not.
func TestFailuresWithinABatch(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 600)...)
		given := map[uint32]int{}
		r.runWith(t, batches(func(all []ingest.Message) (out []ingest.Outcome) {
			for _, m := range all {
				o := ingest.Outcome{Fate: ingest.FateLead}
				if given[m.Place.UID]++; m.Place.UID%5 == 0 && given[m.Place.UID] == 1 {
					o = ingest.Outcome{Err: errors.New("no answer")}
				}
				if m.Place.UID%50 == 1 && given[m.Place.UID] == 1 {
					o = ingest.Outcome{Err: fmt.Errorf("%w: dns", ingest.ErrLater)}
				}
				out = append(out, o)
			}
			return out
		}))
		after(time.Hour)
		for uid, n := range given {
			want := 1
			if uid%5 == 0 || uid%50 == 1 {
				want = 2
			}
			if n != want {
				t.Errorf("uid %d was handed over %d times, want %d", uid, n, want)
			}
		}
		if n := len(r.ledger.Entries("leads", s.UIDValidity)); n != 600 {
			t.Errorf("settled = %d, want 600", n)
		}
		r.errors(t, map[string]int{})
	})
}

// The batch that is fetched while another is decided may break the connection: what came before it is decided, and it alone is suspected.
func TestConnectionBreaksAhead(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 600)...)
		fetches := 0
		s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
			if strings.Contains(args, "BODY") {
				if fetches++; fetches == 2 {
					c.Close()
					return true
				}
			}
			return false
		})
		r.action(t, ingest.FateLead, "move:Done")
		r.run(t)
		after(time.Hour)
		if n := len(r.handler.Messages()); n != 600 {
			t.Errorf("handed over = %d, want 600", n)
		}
		if n := len(s.Held("Done")); n != 600 {
			t.Errorf("Done holds %d, want 600", n)
		}
		r.errors(t, map[string]int{mailbox.ReasonNetwork: 1})
	})
}

func TestLedgerDown(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Add(arrived, leads(1, 3)...)
		r.ledger.Fail(errors.New("connection refused"))
		r.run(t)
		after(10 * time.Minute)
		if o := r.observer.Observed(); s.Dials() != 0 || o.Errors[mailbox.ReasonStore] == 0 {
			t.Errorf("connections = %d, errors = %v, want no connection without a lease", s.Dials(), o.Errors)
		}
		r.ledger.Fail(nil)
		after(6 * time.Minute)
		r.all(t, leads(1, 3))
		r.ledger.Fail(errors.New("connection refused"))
		after(5 * time.Minute)
		if r.observer.Observed().Up {
			t.Error("mailbox is up without a lease")
		}
		s.Add(arrived, lead(4))
		r.ledger.Fail(nil)
		after(6 * time.Minute)
		r.all(t, leads(1, 4))
	})
}
