package mailbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// onAll runs a test against the server in memory, against Dovecot, and against Courier, which is of another family.
func onAll(t *testing.T, test func(t *testing.T, s *mailtest.Server)) {
	onServers(t, dovecotAccount, test)
}

func onServers(t *testing.T, dovecot func(testing.TB) *mailtest.Server, test func(t *testing.T, s *mailtest.Server)) {
	for name, server := range map[string]func(testing.TB) *mailtest.Server{
		"memory":  func(t testing.TB) *mailtest.Server { return mailtest.Memory(t) },
		"dovecot": dovecot,
		"courier": mailtest.Courier,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // with one another: they wait more than they work
			test(t, server(t))
		})
	}
}

func settled(fate ingest.Fate, n int) func(mailtest.Observed) bool {
	return func(o mailtest.Observed) bool { return o.Fates[fate] >= n }
}

func TestEachMessageIsHandedOverOnce(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		s.Append(t, arrived, leads(1, 600)...)
		r := rigFor(s)
		r.cfg.PollInterval = time.Second
		stop := r.run(t)
		r.observer.Await(t, "600 leads", settled(ingest.FateLead, 600))
		s.Append(t, arrived, lead(601))
		r.observer.Await(t, "one more", settled(ingest.FateLead, 601))
		stop()
		if diff := cmp.Diff(r.raws(), texts(leads(1, 601))); diff != "" {
			t.Errorf("handed over (-got +want):\n%s", diff)
		}
		for i, m := range r.handler.Messages() {
			if m.Place.Mailbox != "leads" || m.Place.UID != uint32(i+1) || !m.Arrived.Equal(arrived) || m.TooLarge {
				t.Fatalf("message %d is at %+v, arrived %s", i, m.Place, m.Arrived)
			}
		}
		// Another process finds all settled.
		again := rigFor(s)
		again.ledger = r.ledger
		again.run(t)
		again.observer.Await(t, "a look", func(o mailtest.Observed) bool { return o.Successes > 0 })
		if n := len(again.raws()); n != 0 {
			t.Errorf("handed over again: %d messages, want 0", n)
		}
		for _, h := range s.Held(t, "INBOX") {
			if slices.Contains(h.Flags, imap.FlagSeen) {
				t.Fatalf("uid %d was marked as seen", h.UID)
			}
		}
	})
}

func TestMoveAndFlag(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		r := rigFor(s)
		r.action(t, ingest.FateLead, "move:"+s.Folder("Processed"))
		r.action(t, ingest.FateOther, "flag")
		r.handler.Decide = byNumber
		s.Append(t, arrived, leads(1, 9)...)
		stop := r.run(t)
		r.observer.Await(t, "a look at all", func(o mailtest.Observed) bool { return o.Successes > 0 })
		stop()
		got := map[string]int{"INBOX": len(s.Held(t, "INBOX")), "Processed": len(s.Held(t, s.Folder("Processed")))}
		if diff := cmp.Diff(got, map[string]int{"INBOX": 6, "Processed": 3}); diff != "" {
			t.Errorf("messages (-got +want):\n%s", diff)
		}
		for _, h := range s.Held(t, "INBOX") {
			want := h.UID%3 == 2
			if got := marked(h); got != want {
				t.Errorf("uid %d marked = %t, want %t", h.UID, got, want)
			}
		}
	})
}

func marked(h mailtest.Held) bool {
	return slices.ContainsFunc(h.Flags, func(f imap.Flag) bool { return f == mailbox.Keyword || f == "$leadfloor" })
}

// awaitLook waits for a look that began after now.
func (r *rig) awaitLook(t *testing.T) {
	t.Helper()
	n := r.observer.Observed().Successes
	r.observer.Await(t, "two more looks", func(o mailtest.Observed) bool { return o.Successes >= n+2 })
}

func TestKillAndRestart(t *testing.T) {
	test := func(t *testing.T, s *mailtest.Server) {
		s.Append(t, arrived, leads(1, 100)...)
		r := rigFor(s)
		r.action(t, ingest.FateLead, "move:"+s.Folder("Done"))
		r.cfg.PollInterval = time.Second
		kill := sync.OnceFunc(func() {
			s.Kill()
			s.Start(t)
		})
		r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			if m.Place.UID == 50 {
				kill()
			}
			return ingest.FateLead, nil
		}
		stop := r.run(t)
		r.observer.Await(t, "100 leads", settled(ingest.FateLead, 100))
		s.Restart(t)
		s.Append(t, arrived, leads(101, 110)...)
		r.observer.Await(t, "10 more", settled(ingest.FateLead, 110))
		for len(s.Held(t, "INBOX")) > 0 && !t.Failed() {
			r.awaitLook(t) // a move that the kill cut short is tried again after a while
		}
		stop()
		r.allInAnyOrder(t, leads(1, 110))
		if got := []int{len(s.Held(t, "INBOX")), len(s.Held(t, s.Folder("Done")))}; !slices.Equal(got, []int{0, 110}) {
			t.Errorf("INBOX and Done hold %v, want [0 110]; log:\n%s", got, r.log)
		}
	}
	onServers(t, mailtest.Dovecot, test) // its own: others share the common one
}

func TestUIDValidityChanges(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		s.Append(t, arrived, leads(1, 20)...)
		r := rigFor(s)
		r.cfg.PollInterval = time.Second
		r.run(t)
		r.observer.Await(t, "20 leads", settled(ingest.FateLead, 20))
		s.NewUIDValidity(t)
		s.Append(t, arrived, leads(21, 25)...)
		r.observer.Await(t, "20 replays", settled(ingest.FateReplay, 20))
		r.observer.Await(t, "5 new leads", settled(ingest.FateLead, 25))
	})
}

// A server that gives UIDs again under the same UIDVALIDITY must not have new mail taken for old.
func TestUIDsRewind(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		s.Append(t, arrived, leads(1, 20)...)
		r := rigFor(s)
		r.cfg.PollInterval = time.Second
		stop := r.run(t)
		r.observer.Await(t, "20 leads", settled(ingest.FateLead, 20))
		s.Rewind(t)
		// Of the same second, and the same size: only the bytes differ.
		s.Append(t, arrived.Add(10*time.Second), leads(31, 40)...)
		r.observer.Await(t, "10 new leads", settled(ingest.FateLead, 30))
		stop()
		// The next process knows the first of each place alone, and asks.
		s.Rewind(t)
		s.Append(t, arrived.Add(20*time.Second), leads(41, 50)...)
		r.run(t)
		r.observer.Await(t, "10 more", settled(ingest.FateLead, 40))
		r.allInAnyOrder(t, slices.Concat(leads(1, 20), leads(31, 50)))
	})
}

// A settled message must never be moved on the strength of its UID alone.
func TestRewoundPlaceIsNotMovedUnread(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		s.Append(t, arrived, leads(1, 3)...)
		r := rigFor(s)
		stop := r.run(t)
		r.observer.Await(t, "3 leads", settled(ingest.FateLead, 3))
		stop()
		s.Rewind(t)
		s.Append(t, arrived, lead(1), lead(7), lead(3)) // the same second and size
		r.action(t, ingest.FateLead, "move:"+s.Folder("Done"))
		r.action(t, ingest.FateOther, "keep")
		r.handler.Decide = func(context.Context, ingest.Message) (ingest.Fate, error) { return ingest.FateOther, nil }
		before := r.observer.Observed().Successes
		stop = r.run(t)
		r.observer.Await(t, "a look", func(o mailtest.Observed) bool { return o.Successes > before })
		if n := r.observer.Observed().Fates[ingest.FateOther]; n != 1 {
			t.Errorf("decided anew = %d, want the one that differs", n)
		}
		stop()
		held := s.Held(t, "INBOX")
		if len(held) != 1 || string(held[0].Raw) != string(lead(7)) {
			t.Errorf("INBOX holds %d messages, want the new one alone; log:\n%s", len(held), r.log)
		}
		if n := len(s.Held(t, s.Folder("Done"))); n != 2 {
			t.Errorf("Done holds %d, want 2", n)
		}
	})
}

// What was decided before a crash and not moved is moved by the next process, without deciding it again.
func TestActionOwedFromBefore(t *testing.T) {
	for _, verb := range []string{"move", "flag"} {
		t.Run(verb, func(t *testing.T) {
			onAll(t, func(t *testing.T, s *mailtest.Server) {
				s.Append(t, arrived, leads(1, 30)...)
				r := rigFor(s)
				stop := r.run(t)
				r.observer.Await(t, "30 leads", settled(ingest.FateLead, 30))
				stop()
				action := verb
				if verb == "move" {
					action += ":" + s.Folder("Done")
				}
				r.action(t, ingest.FateLead, action)
				before := r.observer.Observed().Successes
				stop = r.run(t)
				r.observer.Await(t, "a look", func(o mailtest.Observed) bool { return o.Successes > before })
				stop()
				r.all(t, leads(1, 30))
				done := len(s.Held(t, s.Folder("Done")))
				for _, h := range s.Held(t, "INBOX") {
					if marked(h) {
						done++
					}
				}
				if done != 30 {
					t.Errorf("moved or marked = %d, want 30; log:\n%s", done, r.log)
				}
			})
		})
	}
}

func TestOtherClientsExpungeAndMove(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		s.Append(t, arrived, leads(1, 10)...)
		other := s.Client(t, "INBOX")
		if err := other.Create(s.Folder("Elsewhere"), nil).Wait(); err != nil {
			t.Fatal(err)
		}
		r := rigFor(s)
		r.cfg.PollInterval = time.Second
		r.action(t, ingest.FateLead, "flag")
		r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
			if m.Place.UID == 1 {
				// While the batch is decided, two of it are taken away.
				if _, err := other.Move(imap.UIDSetNum(1, 4), s.Folder("Elsewhere")).Wait(); err != nil {
					t.Error(err)
				}
			}
			return ingest.FateLead, nil
		}
		r.run(t)
		r.observer.Await(t, "10 leads", settled(ingest.FateLead, 10))
		s.Append(t, arrived, lead(11))
		r.observer.Await(t, "one more", settled(ingest.FateLead, 11))
		r.awaitLook(t)
		r.all(t, leads(1, 11))
		held := s.Held(t, "INBOX")
		if len(held) != 9 {
			t.Errorf("INBOX holds %d, want 9", len(held))
		}
		for _, h := range held {
			if !marked(h) {
				t.Errorf("uid %d is not marked; log:\n%s", h.UID, r.log)
			}
		}
		if n := len(s.Held(t, s.Folder("Elsewhere"))); n != 2 {
			t.Errorf("Elsewhere holds %d, want 2", n)
		}
	})
}

// What people do to a mail says nothing about whether it was taken: one that they read or are about to delete is.
func TestSeenAndDeletedMailIsTaken(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		s.Append(t, arrived, leads(1, 4)...)
		other := s.Client(t, "INBOX")
		for uid, flag := range map[imap.UID]imap.Flag{2: imap.FlagSeen, 3: imap.FlagDeleted, 4: imap.FlagAnswered} {
			if err := other.Store(imap.UIDSetNum(uid), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close(); err != nil {
				t.Fatal(err)
			}
		}
		r := rigFor(s)
		stop := r.run(t)
		r.observer.Await(t, "4 leads", settled(ingest.FateLead, 4))
		stop()
		r.all(t, leads(1, 4))
		if n := len(s.Held(t, "INBOX")); n != 4 {
			t.Errorf("INBOX holds %d, want 4: nothing is ours to expunge", n)
		}
	})
}

func TestReadOnly(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		s.Append(t, arrived, leads(1, 3)...)
		r := rigFor(s)
		r.cfg.ReadOnly = true
		r.action(t, ingest.FateLead, "move:"+s.Folder("Done"))
		stop := r.run(t)
		r.observer.Await(t, "a look", func(o mailtest.Observed) bool { return o.Successes > 0 })
		stop()
		r.all(t, leads(1, 3))
		if got := []int{len(s.Held(t, "INBOX")), len(s.Held(t, s.Folder("Done")))}; !slices.Equal(got, []int{3, 0}) {
			t.Errorf("INBOX and Done hold %v, want [3 0]", got)
		}
	})
}

func TestStart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start mailbox.Start
		want  string
	}{
		{"default", 0, "1:skipped 2:lead 3:lead "},
		{"all", mailbox.All, "1:lead 2:lead 3:lead "},
		{"now", mailbox.Now, "1:skipped 2:skipped 3:lead "},
		{"an hour", mailbox.Start(time.Hour), "1:skipped 2:lead 3:lead "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				after(time.Second / 2) // the first sight is within a second, and INTERNALDATE has whole ones
				now := time.Now()
				s.Add(now.Add(-25*time.Hour), lead(1))
				s.Add(now.Add(-time.Minute), lead(2))
				r.cfg.Start = tt.start
				r.run(t)
				after(time.Second / 10)
				s.Add(time.Now().Truncate(time.Second), lead(3))
				after(time.Second)
				if got := r.fates(7); got != tt.want {
					t.Errorf("fates = %s, want %s", got, tt.want)
				}
				for _, m := range r.handler.Messages() {
					if strings.Contains(tt.want, fmt.Sprintf("%d:skipped", m.Place.UID)) {
						t.Errorf("uid %d was handed over", m.Place.UID)
					}
				}
				// The first sight is remembered: a day later nothing changes its mind.
				after(48 * time.Hour)
				s.Hangup()
				after(time.Hour)
				if got := r.fates(7); got != tt.want {
					t.Errorf("fates two days later = %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestKeywordNotPermitted(t *testing.T) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.PermanentFlags = `\Seen \Deleted`
		r.action(t, ingest.FateLead, "flag")
		s.Add(arrived, leads(1, 3)...)
		r.run(t)
		after(time.Minute)
		s.Add(arrived, leads(4, 6)...)
		after(10 * time.Minute)
		r.all(t, leads(1, 6))
		if n := count(s.Commands(), "UID STORE"); n != 0 {
			t.Errorf("STORE was sent %d times, want 0", n)
		}
		if n := strings.Count(r.log.String(), "keeps no keywords"); n != 1 {
			t.Errorf("log says so %d times, want 1:\n%s", n, r.log)
		}
		r.errors(t, map[string]int{})
	})
}

// A folder that turns out to be read-only costs its after-actions and nothing else.
func TestReadOnlyFolder(t *testing.T) {
	for _, action := range []string{"flag", "move:Done"} {
		t.Run(action, func(t *testing.T) {
			scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
				no := refuse("NO [NOPERM] read-only")
				for _, command := range []string{"UID STORE", "UID MOVE", "UID COPY", "CREATE"} {
					s.On(command, no)
				}
				r.action(t, ingest.FateLead, action)
				s.Add(arrived, leads(1, 3)...)
				r.run(t)
				after(time.Minute)
				s.Add(arrived, leads(4, 6)...)
				after(time.Hour)
				r.all(t, leads(1, 6))
				if got, want := r.fates(7), "1:lead 2:lead 3:lead 4:lead 5:lead 6:lead "; got != want {
					t.Errorf("fates = %s, want %s", got, want)
				}
				if n := strings.Count(r.log.String(), "after-action refused"); n != 1 {
					t.Errorf("log says so %d times, want 1:\n%s", n, r.log)
				}
				if n := count(s.Commands(), "UID STORE") + count(s.Commands(), "UID MOVE"); n == 0 || n > 100 {
					t.Errorf("tries in an hour = %d, want some", n)
				}
				r.errors(t, map[string]int{})
			})
		})
	}
}
