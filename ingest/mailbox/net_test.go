package mailbox_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

func TestTLS(t *testing.T) {
	onAll(t, func(t *testing.T, s *mailtest.Server) {
		if s.TLSAddr == "" {
			return // Courier's own TLS is another program, before the one that speaks IMAP
		}
		s.Append(t, arrived, lead(1))
		for _, mode := range []mailbox.TLSMode{mailbox.TLSImplicit, mailbox.TLSStartTLS} {
			r := rigFor(s)
			r.cfg.TLS, r.cfg.TLSConfig = mode, s.ClientTLS
			r.dial = new(net.Dialer).DialContext
			if mode == mailbox.TLSImplicit {
				r.cfg.Address = s.TLSAddr
			}
			stop := r.run(t)
			r.observer.Await(t, "a lead over tls "+string(mode), settled(ingest.FateLead, 1))
			stop()
		}
	})
}

// A connection that goes dead without a word is given up, and the mail is read by the next.
func TestHalfOpenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mailtest.NewScriptPipe(t)
		r := newRig(s.Addr, "store", nil)
		var dead []*deadable
		r.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := s.Dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			d := &deadable{Conn: c, closed: make(chan struct{})}
			dead = append(dead, d)
			return d, nil
		}
		r.run(t)
		after(10 * time.Second)
		dead[0].die()
		s.Add(arrived, lead(1))
		after(3 * time.Minute)
		r.all(t, leads(1, 1))
		if len(dead) != 2 {
			t.Errorf("connections = %d, want 2", len(dead))
		}
		r.errors(t, map[string]int{mailbox.ReasonTimeout: 1})
	})
}

// A deadable connection can lose its network: what is written vanishes, and nothing comes any more.
type deadable struct {
	net.Conn
	dead   atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (d *deadable) die() {
	d.dead.Store(true)
	_ = d.Conn.SetReadDeadline(time.Now()) // a read in hand must not bring more
}

func (d *deadable) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if d.dead.Load() {
		<-d.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (d *deadable) Write(p []byte) (int, error) {
	if d.dead.Load() {
		return len(p), nil
	}
	return d.Conn.Write(p)
}

func (d *deadable) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Conn.Close()
}

// The same over TCP through a proxy that falls silent: Run ends all the same, at once.
func TestStopOverADeadConnection(t *testing.T) {
	s := dovecotAccount(t)
	p := mailtest.NewProxy(t, s.Addr)
	r := rigFor(s)
	r.cfg.Address = p.Addr
	stop := r.run(t)
	r.observer.Await(t, "a look", func(o mailtest.Observed) bool { return o.Successes > 0 })
	p.Silence()
	began := time.Now()
	stop()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("Run took %s to end", took)
	}
}

func TestNoGoroutineIsLeftAfter200Reconnects(t *testing.T) {
	s := mailtest.NewScript(t)
	s.Add(arrived, leads(1, 3)...)
	r := newRig(s.Addr, "store", s.Dial)
	s.On("UID FETCH", func(c *mailtest.ScriptConn, tag, args string) bool {
		if strings.Contains(args, "BODY") {
			c.Send("* 1 FETCH (UID 1 BODY[] {1000}\r\nFrom: a@example.com")
			c.Close()
			return true
		}
		return false
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	settle := func() int {
		for range 100 {
			runtime.Gosched()
		}
		return runtime.NumGoroutine()
	}
	before := settle()
	for range 200 {
		// Check and Inventory use the same connection as Run, without its back-off.
		if _, _, err := mailbox.Inventory(ctx, r.cfg); err != nil {
			t.Fatal(err)
		}
		if err := mailbox.FetchOnce(ctx, r.cfg, []uint32{1, 2, 3}); err == nil {
			t.Fatal("fetch over a connection that is cut: no error")
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for settle() > before && time.Now().Before(deadline) {
		runtime.Gosched() // the server's side ends by itself
	}
	if n := settle(); n > before {
		buf := make([]byte, 64<<10)
		t.Errorf("goroutines = %d, want %d:\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}

func TestLatencyByIdle(t *testing.T) {
	s := dovecotAccount(t)
	r := rigFor(s)
	r.cfg.PollInterval = time.Hour
	handled := make(chan time.Time, 1)
	r.handler.Decide = func(context.Context, ingest.Message) (ingest.Fate, error) {
		handled <- time.Now()
		return ingest.FateLead, nil
	}
	r.run(t)
	// A bare client that idles on the same folder: when the server spoke to it, it spoke to us.
	notice := make(chan time.Time, 1)
	mailtest.Watch(t, s, notice)
	r.observer.Await(t, "a look", func(o mailtest.Observed) bool { return o.Successes > 0 })
	var whole, beyond []time.Duration
	for n := 1; n <= 9; n++ {
		sent := time.Now()
		s.Deliver(t, lead(n))
		told, got := <-notice, <-handled
		whole, beyond = append(whole, got.Sub(sent)), append(beyond, got.Sub(told))
		r.observer.Await(t, "a look at it", func(o mailtest.Observed) bool { return o.Successes > n })
	}
	slices.Sort(whole)
	slices.Sort(beyond)
	t.Logf("delivery to handler: median %s, most %s; beyond a bare client's notice: median %s, most %s",
		whole[4], whole[8], beyond[4], beyond[8])
	// Any poll would be an hour away, any re-IDLE four minutes: seconds prove that IDLE brought it.
	if whole[8] > 30*time.Second {
		t.Errorf("delivery to handler took %s, want it by IDLE", whole[8])
	}
	r.all(t, delivered(t, s))
}

// delivered lists what lies in INBOX, since delivery adds lines to a mail.
func delivered(t *testing.T, s *mailtest.Server) (raws [][]byte) {
	for _, h := range s.Held(t, "INBOX") {
		raws = append(raws, h.Raw)
	}
	return raws
}

func TestCheck(t *testing.T) {
	s := dovecotAccount(t)
	s.Append(t, arrived, leads(1, 3)...)
	good := rigFor(s).cfg
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	plain := mailtest.NewScript(t)
	plain.Caps = "IMAP4rev1 LOGINDISABLED STARTTLS"
	private := mailtest.NewScript(t)
	private.On("LOGIN", refuse("NO [PRIVACYREQUIRED] not without TLS"))
	for _, tt := range []struct {
		name   string
		change func(c *mailbox.Config)
		want   []string // words of the sentence; none: all is well
	}{
		{"all well", func(c *mailbox.Config) {}, nil},
		{"all well over tls", func(c *mailbox.Config) {
			c.TLS, c.TLSConfig, c.Address = mailbox.TLSImplicit, s.ClientTLS, s.TLSAddr
		}, nil},
		{"wrong password", func(c *mailbox.Config) {
			c.Password = func(context.Context) (string, error) { return "wrong", nil }
		}, []string{"log in to " + s.Addr, "AUTHENTICATIONFAILED", "correct username and password_file"}},
		{"unreadable password", func(c *mailbox.Config) {
			c.Password = func(context.Context) (string, error) { return "", errors.New("open pw: permission denied") }
		}, []string{"permission denied", "make password_file readable"}},
		{"nothing listens", func(c *mailbox.Config) { c.Address = nobody.Addr().String() },
			[]string{nobody.Addr().String(), "connection refused", "correct the port"}},
		{"unknown host", func(c *mailbox.Config) { c.TLS, c.Address = mailbox.TLSImplicit, "imap.invalid:993" },
			[]string{"imap.invalid:993", "correct the host"}},
		{"untrusted certificate", func(c *mailbox.Config) { c.TLS, c.Address = mailbox.TLSImplicit, s.TLSAddr },
			[]string{s.TLSAddr, "unknown authority", "nobody this machine trusts"}},
		{"another host's certificate", func(c *mailbox.Config) {
			c.TLS, c.Address, c.TLSConfig = mailbox.TLSImplicit, s.TLSAddr, &tls.Config{RootCAs: s.ClientTLS.RootCAs, ServerName: "imap.example.com"}
		}, []string{s.TLSAddr, "another host's"}},
		{"tls on a plain port", func(c *mailbox.Config) { c.TLS, c.TLSConfig = mailbox.TLSImplicit, s.ClientTLS },
			[]string{s.Addr, "starttls, or use port 993"}},
		{"missing folder", func(c *mailbox.Config) { c.Folder = "Leads" },
			[]string{`folder "Leads"`, s.Addr, "create the folder"}},
		{"plain text disabled", func(c *mailbox.Config) { c.Address = plain.Addr },
			[]string{plain.Addr, "set tls: implicit or starttls"}},
		{"plain text refused", func(c *mailbox.Config) { c.Address = private.Addr },
			[]string{private.Addr, "set tls: implicit or starttls"}},
		{"bad configuration", func(c *mailbox.Config) { c.Username = "" }, []string{"username is missing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			err := mailbox.Check(t.Context(), cfg)
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("Check = %v, want an error: %t", err, tt.want != nil)
			}
			for _, words := range tt.want {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("Check = %v, want it to say %q", err, words)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret")) {
				t.Errorf("Check = %q, want one line without secrets", err)
			}
		})
	}
	if n := count(plain.Commands(), "LOGIN"); n != 0 {
		t.Errorf("the password was sent %d times to a server that wants none", n)
	}
	validity, uids, err := mailbox.Inventory(t.Context(), good)
	if err != nil || validity == 0 || !slices.Equal(uids, []uint32{1, 2, 3}) {
		t.Errorf("Inventory = %d, %v, %v, want uids 1 to 3", validity, uids, err)
	}
}

func TestConfigValidate(t *testing.T) {
	good := newRig("localhost:143", "store", nil).cfg
	if err := good.Validate(); err != nil {
		t.Errorf("Validate = %v, want nil", err)
	}
	bad := mailbox.Config{Address: "imap.example.com", TLS: "maybe", PollInterval: time.Millisecond, MaxSize: 5,
		After: map[ingest.Fate]mailbox.Action{ingest.FateTouch: {}}}
	err := bad.Validate()
	for _, words := range []string{"name is missing", `address "imap.example.com" is not host:port`, `tls "maybe"`, "username is missing",
		"password is missing", "poll interval 1ms", "max size 5", "after touch cannot be set"} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("Validate = %v, want it to say %q", err, words)
		}
	}
	far := good
	far.Address = "192.0.2.1:143"
	if err := far.Validate(); err == nil || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("Validate = %v, want no password in the clear to another machine", err)
	}
	move, err := mailbox.ParseAction("move:inbox")
	if err != nil {
		t.Fatal(err)
	}
	far = good
	far.After = map[ingest.Fate]mailbox.Action{ingest.FateLead: move}
	if err := far.Validate(); err == nil || !strings.Contains(err.Error(), "folder that is watched") {
		t.Errorf("Validate = %v, want no move to where it came from", err)
	}
}

func TestParseAction(t *testing.T) {
	for _, s := range []string{"keep", "flag", "move:Processed", "move:A/B:C"} {
		a, err := mailbox.ParseAction(s)
		if err != nil || a.String() != s {
			t.Errorf("ParseAction(%q) = %s, %v, want it back", s, a, err)
		}
	}
	for _, s := range []string{"", "move", "move:", "delete", "KEEP", "flag:x"} {
		if a, err := mailbox.ParseAction(s); err == nil {
			t.Errorf("ParseAction(%q) = %s, want an error", s, a)
		}
	}
}

// A hundred thousand settled messages must take less than 16 MB.
func TestMemoryOfALargeFolder(t *testing.T) {
	const n = 100_000
	entries := make([]mailbox.Entry, n)
	present := make([]uint32, n)
	for i := range entries {
		entries[i] = mailbox.Entry{UID: uint32(i + 1), Fate: ingest.FateOther, At: arrived}
		present[i] = uint32(i + 1)
	}
	if got := mailbox.BookSize(entries, present); got > 16<<20 {
		t.Errorf("bytes for %d settled messages = %d, want under 16 MB", n, got)
	} else {
		t.Logf("bytes for %d settled messages: %d", n, got)
	}
}
