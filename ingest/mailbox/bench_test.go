package mailbox_test

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// BenchmarkCatchUp compares a mailbox of 10,000 mails, read, handed over and settled, with a bare FETCH of the same by the
// same client, in turns.
func BenchmarkCatchUp(b *testing.B) {
	const mails = 10_000
	s := dovecotAccount(b)
	raws := make([][]byte, mails)
	for i := range raws {
		raws[i] = append(lead(i), strings.Repeat("A line of some words, as mails have them.\r\n", 70)...)
	}
	s.Append(b, arrived, raws...)
	r := rigFor(s)
	if err := mailbox.FetchOnce(b.Context(), r.cfg, nil); err != nil { // fills the server's caches
		b.Fatal(err)
	}
	var bare, whole []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := mailbox.FetchOnce(b.Context(), r.cfg, nil); err != nil {
			b.Fatal(err)
		}
		bare = append(bare, time.Since(began))
		r := rigFor(s)
		r.handler = nil
		began = time.Now()
		stop := r.runWith(b, counter{})
		r.observer.Await(b, "all", settled(ingest.FateLead, mails))
		whole = append(whole, time.Since(began))
		stop()
	}
	slices.Sort(bare)
	slices.Sort(whole)
	b.ReportMetric(float64(whole[len(whole)/2])/float64(bare[len(bare)/2]), "x-bare-fetch")
	b.ReportMetric(float64(mails)/whole[len(whole)/2].Seconds(), "mails/s")
}

// counter decides at once and keeps nothing.
type counter struct{}

func (counter) Open(_ context.Context, all []ingest.Message) ingest.Batch {
	return mailtest.Batch(all, func(_ context.Context, left []ingest.Message) []ingest.Outcome {
		return slices.Repeat([]ingest.Outcome{{Fate: ingest.FateLead}}, len(left))
	})
}

// used is what the process holds, in bytes of heap and stacks, and its goroutines.
func used() (bytes, goroutines int64) {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse), int64(runtime.NumGoroutine())
}

// BenchmarkIdle compares 200 mailboxes that wait for mail with 200 bare connections of the same client that idle, in turns.
func BenchmarkIdle(b *testing.B) {
	const boxes = 200
	for _, mode := range []mailbox.TLSMode{mailbox.TLSNone, mailbox.TLSImplicit} {
		b.Run("tls "+string(mode), func(b *testing.B) {
			s := dovecotAccount(b)
			accounts := make([]*mailtest.Server, boxes)
			for i := range accounts {
				accounts[i] = s.Account(b)
			}
			var bare, whole, bareRoutines, wholeRoutines []int64
			for b.Loop() {
				before, routines := used()
				clients := make([]*imapclient.Client, boxes)
				for i, a := range accounts {
					clients[i] = idle(b, a, mode)
				}
				after, more := used()
				bare, bareRoutines = append(bare, (after-before)/boxes), append(bareRoutines, (more-routines)/boxes)
				for _, c := range clients {
					c.Close()
				}

				before, routines = used()
				stops := make([]func(), boxes)
				for i, a := range accounts {
					r := rigFor(a)
					if r.cfg.TLS = mode; mode != mailbox.TLSNone {
						r.cfg.Address, r.cfg.TLSConfig = a.TLSAddr, a.ClientTLS
					}
					stops[i] = r.run(b)
					r.observer.Await(b, "a look", func(o mailtest.Observed) bool { return o.Successes > 0 })
				}
				after, more = used()
				whole, wholeRoutines = append(whole, (after-before)/boxes), append(wholeRoutines, (more-routines)/boxes)
				for _, stop := range stops {
					stop()
				}
			}
			for unit, all := range map[string][]int64{
				"B/bare": bare, "B/mailbox": whole, "goroutines/bare": bareRoutines, "goroutines/mailbox": wholeRoutines,
			} {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2]), unit)
			}
		})
	}
}

// idle is a bare client that idles on INBOX.
func idle(b *testing.B, s *mailtest.Server, mode mailbox.TLSMode) *imapclient.Client {
	addr := s.Addr
	if mode != mailbox.TLSNone {
		addr = s.TLSAddr
	}
	var conn net.Conn
	conn, err := s.Dial(context.Background(), "tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	if mode != mailbox.TLSNone {
		config := s.ClientTLS.Clone()
		config.ServerName = "localhost"
		conn = tls.Client(conn, config)
	}
	c := imapclient.New(conn, nil)
	if err := c.Login(s.User, s.Password).Wait(); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Idle(); err != nil {
		b.Fatal(err)
	}
	return c
}
