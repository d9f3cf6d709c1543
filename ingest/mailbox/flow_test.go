package mailbox_test

import (
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// onBoth runs a test against the server in memory and against Dovecot.
func onBoth(t *testing.T, test func(t *testing.T, s *mailtest.Server)) {
	t.Run("memory", func(t *testing.T) { test(t, mailtest.Memory(t)) })
	t.Run("dovecot", func(t *testing.T) { test(t, dovecot.Account(t)) })
}

func settled(fate ingest.Fate, n int) func(mailtest.Observed) bool {
	return func(o mailtest.Observed) bool { return o.Fates[fate] >= n }
}

func TestEachMessageIsHandedOverOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *mailtest.Server) {
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
	onBoth(t, func(t *testing.T, s *mailtest.Server) {
		r := rigFor(s)
		r.action(t, ingest.FateLead, "move:Processed")
		r.action(t, ingest.FateOther, "flag")
		r.handler.Decide = byNumber
		s.Append(t, arrived, leads(1, 9)...)
		stop := r.run(t)
		r.observer.Await(t, "a look at all", func(o mailtest.Observed) bool { return o.Successes > 0 })
		stop()
		got := map[string]int{"INBOX": len(s.Held(t, "INBOX")), "Processed": len(s.Held(t, "Processed"))}
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
