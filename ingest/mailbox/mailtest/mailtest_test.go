package mailtest_test

import (
	"fmt"
	"testing"
	"time"

	"leadfloor/ingest/mailbox/mailtest"
)

var start = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// TestServers holds the servers to one another: tests rely on what they do alike.
func TestServers(t *testing.T) {
	for name, server := range map[string]func(testing.TB) *mailtest.Server{
		"memory":  func(t testing.TB) *mailtest.Server { return mailtest.Memory(t) },
		"dovecot": mailtest.Dovecot,
		"courier": mailtest.Courier,
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			raws := [][]byte{[]byte("Subject: one\r\n\r\n1\r\n"), []byte("Subject: two\r\n\r\n2\r\n")}
			s.Append(t, start, raws...)
			check := func(step string, uids ...uint32) {
				t.Helper()
				held := s.Held(t, "INBOX")
				var got []uint32
				for i, h := range held {
					got = append(got, h.UID)
					if !h.Date.Equal(start) || i < len(raws) && string(h.Raw) != string(raws[i]) {
						t.Errorf("%s: message %d = %q of %s, want %q of %s", step, i, h.Raw, h.Date, raws[i], start)
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(uids) {
					t.Errorf("%s: uids = %v, want %v", step, got, uids)
				}
			}
			validity := func() uint32 {
				t.Helper()
				data, err := s.Client(t, "").Select("INBOX", nil).Wait()
				if err != nil {
					t.Fatal(err)
				}
				return data.UIDValidity
			}
			check("append", 1, 2)
			s.Restart(t)
			check("restart", 1, 2)
			s.Kill()
			s.Start(t)
			check("kill", 1, 2)
			before := validity()
			s.NewUIDValidity(t)
			if after := validity(); after <= before {
				t.Errorf("uidvalidity = %d after %d, want it higher", after, before)
			}
			before = validity()
			s.Rewind(t)
			check("rewind")
			s.Append(t, start, raws[0])
			check("append after rewind", 1)
			if after := validity(); after != before {
				t.Errorf("uidvalidity after rewind = %d, want %d", after, before)
			}
			if held := s.Account(t).Held(t, "INBOX"); len(held) != 0 {
				t.Errorf("new account holds %d messages, want 0", len(held))
			}
		})
	}
}
