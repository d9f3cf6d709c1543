package mailbox_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// A quarantined message is found again at its place, and by its date where a change of UIDVALIDITY or an after-action took it elsewhere.
func TestReread(t *testing.T) {
	s := dovecotAccount(t)
	r := rigFor(s)
	r.action(t, ingest.FateQuarantined, "move:Held")
	r.handler.Decide = byNumber
	s.Append(t, arrived, leads(1, 9)...)
	s.Append(t, arrived.Add(-time.Second), lead(10))
	validity, _, err := mailbox.Inventory(t.Context(), r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	place := func(uid uint32) ingest.Place {
		return ingest.Place{Mailbox: "leads", UIDValidity: validity, UID: uid}
	}
	reread := func(p ingest.Place, want int) error {
		t.Helper()
		raw, err := mailbox.Reread(t.Context(), r.cfg, p, arrived, func(raw []byte) bool { return bytes.Equal(raw, lead(want)) })
		if err == nil && !bytes.Equal(raw, lead(want)) {
			t.Errorf("Reread = %q, want %q", raw, lead(want))
		}
		return err
	}
	found := func(what string, p ingest.Place, n int) {
		t.Helper()
		if err := reread(p, n); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	gone := func(what string, p ingest.Place, n int) {
		t.Helper()
		if err := reread(p, n); !errors.Is(err, mailbox.ErrGone) {
			t.Errorf("%s: %v, want ErrGone", what, err)
		}
	}
	found("at its place", place(3), 3)
	found("another lies at its place", place(4), 3)
	gone("of another date", place(3), 10)
	gone("of none", place(3), 99)
	old := place(3)
	s.NewUIDValidity(t)
	found("under another uidvalidity", old, 3)

	stop := r.run(t)
	r.observer.Await(t, "a look at all", func(o mailtest.Observed) bool { return o.Successes > 0 })
	stop()
	if n := len(s.Held(t, "Held")); n == 0 {
		t.Fatal("nothing was moved")
	}
	for n := 1; n <= 9; n++ {
		found("where it was left or moved to", old, n)
	}
	for _, folder := range []string{"INBOX", "Held"} {
		c := s.Client(t, folder)
		if err := c.Store(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Expunge().Close(); err != nil {
			t.Fatal(err)
		}
	}
	gone("expunged", old, 3)
	r.cfg.Password = func(context.Context) (string, error) { return "wrong", nil }
	if err := reread(old, 3); err == nil || errors.Is(err, mailbox.ErrGone) {
		t.Errorf("with a wrong password: %v, want an error of the log-in", err)
	}
}
