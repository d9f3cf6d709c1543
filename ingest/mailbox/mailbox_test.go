package mailbox_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// dovecot is shared by all tests, each on its own account, but for those that restart it.
var (
	shared  *mailtest.Server
	dovecot = sync.OnceValues(func() (s *mailtest.Server, err error) {
		shared, err = mailtest.StartDovecot()
		return shared, err
	})
)

func dovecotAccount(t testing.TB) *mailtest.Server {
	t.Helper()
	s, err := dovecot()
	if err != nil {
		t.Fatal(err)
	}
	return s.Account(t)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		shared.Stop()
	}
	os.Exit(code)
}

// arrived is when test mail arrives, in whole seconds as INTERNALDATE has them.
var arrived = time.Now().Add(-time.Minute).Truncate(time.Second)

// lead makes a small mail that differs from those of other numbers.
func lead(n int) []byte {
	return fmt.Appendf(nil, "From: leads@vendor.example\r\nSubject: lead %d\r\n\r\nlead number %d\r\n", n, n)
}

func leads(from, to int) (raws [][]byte) {
	for n := from; n <= to; n++ {
		raws = append(raws, lead(n))
	}
	return raws
}

// A rig is a Mailbox and all that it needs.
type rig struct {
	cfg      mailbox.Config
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	ledger   *mailtest.Ledger
	handler  *mailtest.Handler
	observer *mailtest.Observer
	log      *logBuffer
}

func newRig(addr, user string, dial func(ctx context.Context, network, address string) (net.Conn, error)) *rig {
	return &rig{
		cfg: mailbox.Config{
			Name: "leads", Address: addr, TLS: mailbox.TLSNone, Username: user,
			Password: func(context.Context) (string, error) { return "secret", nil },
			After:    map[ingest.Fate]mailbox.Action{},
		},
		dial:     dial,
		ledger:   mailtest.NewLedger(),
		handler:  &mailtest.Handler{},
		observer: &mailtest.Observer{},
		log:      &logBuffer{},
	}
}

func rigFor(s *mailtest.Server) *rig { return newRig(s.Addr, s.User, s.Dial) }

// run starts the Mailbox. It ends with the returned function, at the latest with the test.
func (r *rig) run(t testing.TB) (stop func()) {
	t.Helper()
	return r.runWith(t, r.handler)
}

func (r *rig) runWith(t testing.TB, h ingest.Handler) (stop func()) {
	t.Helper()
	return r.runOn(t, h, r.ledger)
}

func (r *rig) runOn(t testing.TB, h ingest.Handler, l mailbox.Ledger) (stop func()) {
	t.Helper()
	m, err := mailbox.New(r.cfg, h, l, r.observer, slog.New(slog.NewTextHandler(r.log, nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	m.SetDial(r.dial)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (r *rig) action(t testing.TB, fate ingest.Fate, action string) {
	t.Helper()
	a, err := mailbox.ParseAction(action)
	if err != nil {
		t.Fatal(err)
	}
	r.cfg.After[fate] = a
}

// raws lists what the handler was given.
func (r *rig) raws() (raws []string) {
	for _, m := range r.handler.Messages() {
		raws = append(raws, string(m.Raw))
	}
	return raws
}

func texts(raws [][]byte) (s []string) {
	for _, raw := range raws {
		s = append(s, string(raw))
	}
	return s
}

// fates lists the ledger's fates by UID.
func (r *rig) fates(uidvalidity uint32) string {
	var b bytes.Buffer
	for _, e := range r.ledger.Entries("leads", uidvalidity) {
		fmt.Fprintf(&b, "%d:%s ", e.UID, e.Fate)
	}
	return b.String()
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// byNumber decides by UID: every third is a lead, the next other, the next quarantined.
func byNumber(_ context.Context, m ingest.Message) (ingest.Fate, error) {
	return []ingest.Fate{ingest.FateQuarantined, ingest.FateLead, ingest.FateOther}[m.Place.UID%3], nil
}
