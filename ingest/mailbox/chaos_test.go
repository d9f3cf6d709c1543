package mailbox_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// A mortal connection breaks when it has brought so many bytes.
type mortal struct {
	net.Conn
	left int
}

func (m *mortal) Read(p []byte) (int, error) {
	if m.left == 0 {
		m.Conn.Close()
		return 0, io.EOF
	}
	n, err := m.Conn.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// Connections break after any number of bytes, processes change, the ledger and the handler fail now and then: every
// message ends in the ledger once and in the folder that its fate names once.
func TestChaos(t *testing.T) {
	for _, caps := range []string{"IMAP4rev1 IDLE MOVE UIDPLUS", "IMAP4rev1 UIDPLUS"} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(caps, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { chaos(t, caps, seed) })
			})
		}
	}
}

func chaos(t *testing.T, caps string, seed uint64) {
	const mails = 300
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	dice := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	s := mailtest.NewScriptPipe(t)
	s.Caps = caps
	r := newRig(s.Addr, "store", func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := s.Dial(ctx, network, addr)
		if err != nil || dice(5) == 0 {
			return c, err
		}
		return &mortal{Conn: c, left: dice(60_000)}, nil
	})
	r.action(t, ingest.FateLead, "move:Done")
	r.action(t, ingest.FateOther, "flag")
	seen := make(map[string]ingest.Fate)
	r.handler.Decide = func(_ context.Context, m ingest.Message) (ingest.Fate, error) {
		if dice(20) == 0 {
			return "", fmt.Errorf("no answer")
		}
		mu.Lock()
		defer mu.Unlock()
		place := fmt.Sprint(m.Place)
		if seen[place] == "" { // a place that is read again keeps its fate
			seen[place] = []ingest.Fate{ingest.FateLead, ingest.FateOther, ingest.FateQuarantined}[m.Place.UID%3]
		}
		return seen[place], nil
	}
	for range 12 {
		stop := r.run(t)
		for range mails / 12 {
			s.Add(arrived, lead(dice(1<<30)))
			after(time.Duration(dice(3000)) * time.Millisecond)
		}
		if dice(3) == 0 {
			r.ledger.Fail(fmt.Errorf("no answer"))
			after(time.Duration(dice(300)) * time.Second)
			r.ledger.Fail(nil)
		}
		stop()
	}
	r.dial = s.Dial // at last the network is sound
	r.run(t)
	after(12 * time.Hour)

	fates := make(map[ingest.Fate]int)
	for _, e := range r.ledger.Entries("leads", s.UIDValidity) {
		fates[e.Fate]++
	}
	want := map[ingest.Fate]int{ingest.FateLead: mails / 3, ingest.FateOther: mails / 3, ingest.FateQuarantined: mails / 3}
	for fate, n := range want {
		if fates[fate] != n {
			t.Errorf("%s = %d, want %d", fate, fates[fate], n)
		}
	}
	if n := len(fates); n != len(want) {
		t.Errorf("fates = %v, want %v", fates, want)
	}
	if n := len(s.Held("INBOX")); n != mails*2/3 {
		t.Errorf("INBOX holds %d, want %d", n, mails*2/3)
	}
	for _, h := range s.Held("INBOX") {
		if got, want := marked(h), h.UID%3 == 1; got != want {
			t.Errorf("uid %d marked = %t, want %t", h.UID, got, want)
		}
	}
	// A COPY of which the answer is lost is done again: such copies are the only ones that may be more.
	done := make(map[uint32]int)
	for _, h := range s.Held("Done") {
		done[h.UID]++
	}
	if len(done) != mails/3 {
		t.Errorf("Done holds %d of %d messages", len(done), mails/3)
	}
	for uid, n := range done {
		if n > 1 && slices.Contains([]string{"IMAP4rev1 IDLE MOVE UIDPLUS"}, caps) {
			t.Errorf("uid %d was moved %d times", uid, n)
		}
	}
}

// Whatever a server says, nothing panics, hangs or takes memory without bound.
func FuzzServer(f *testing.F) {
	const login = "* OK [CAPABILITY IMAP4rev1] ready\r\nT1 OK [CAPABILITY IMAP4rev1] in\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\nT2 OK [READ-ONLY] selected\r\n"
	f.Add([]byte(login + "* SEARCH 1 2 3\r\nT3 OK done\r\n* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\nT4 OK done\r\n"))
	f.Add([]byte(login + "* ESEARCH (TAG \"T3\") UID ALL 1:4294967295\r\nT3 OK done\r\n"))
	f.Add([]byte(login + "* SEARCH 1 2 3\r\nT3 OK done\r\n* 1 FETCH (BODY[] {99999999999}\r\nabc"))
	f.Add([]byte(login + "* SEARCH 1 2 3\r\nT3 OK done\r\n* 1 FETCH (UID 1 BODY[] NIL)\r\n* 2 FETCH (UID 2 BODY[] \"x\")\r\nT4 NO [X \"y\"] no\r\n"))
	f.Add([]byte("* BYE Suggested Backoff Time: 999999999 milliseconds\r\n"))
	f.Add([]byte("* PREAUTH in\r\n"))
	f.Fuzz(func(t *testing.T, answers []byte) {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			said := make(chan struct{}, 1<<10)
			var wg sync.WaitGroup
			wg.Go(func() {
				for lines := bufio.NewScanner(server); lines.Scan(); {
					said <- struct{}{}
				}
				_, _ = io.Copy(io.Discard, server) // until it is cut
			})
			wg.Go(func() {
				for line := range bytes.Lines(answers) {
					if bytes.HasPrefix(line, []byte("T")) {
						select {
						case <-said: // an answer comes after a command
						case <-time.After(time.Second):
						}
					}
					if _, err := server.Write(line); err != nil {
						return
					}
				}
				time.Sleep(time.Second)
				server.Close()
			})
			began := time.Now()
			cfg := newRig("localhost:143", "store", nil).cfg
			if err := mailbox.FetchOver(t.Context(), cfg, client); err == nil && len(answers) < 100 {
				t.Errorf("all went well with %q", answers)
			}
			if took := time.Since(began); took > 20*time.Minute {
				t.Errorf("took %s", took)
			}
			client.Close()
			wg.Wait()
		})
	})
}
