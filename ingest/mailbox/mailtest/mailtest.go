// Package mailtest starts IMAP servers for tests: a private Dovecot, a private Courier, an in-memory one, and a scripted one that does what
// no sane server would. It also holds a ledger, a handler and an observer in memory. Only tests import it.
package mailtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// A Server is a running IMAP server with one account on it, of which INBOX is empty at first.
type Server struct {
	Addr     string // host:port without TLS, where STARTTLS is offered too
	TLSAddr  string // host:port with implicit TLS; empty where the server listens on a pipe
	User     string
	Password string
	// ClientTLS trusts the server's self-signed certificate.
	ClientTLS *tls.Config

	backend backend
	prefix  string // of folders other than INBOX
}

type backend interface {
	dial(ctx context.Context, network, addr string) (net.Conn, error)
	remove()      // for good
	stop()        // politely
	kill()        // at once
	start() error // again, with the same mail at the same addresses
	renumber(s *Server, keepMail, keepValidity bool) error
	account() (user string, err error)
}

// Dial connects to the server, whatever it listens on.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.backend.dial(ctx, network, addr)
}

// Folder is the server's name of a folder of the user's own.
func (s *Server) Folder(name string) string { return s.prefix + name }

// Stop ends the server. A Server that was given a testing.TB stops by itself.
func (s *Server) Stop() { s.backend.remove() }

// Account gives the same server with a new, empty account, so that tests can share a server.
func (s *Server) Account(t testing.TB) *Server {
	t.Helper()
	user, err := s.backend.account()
	if err != nil {
		t.Fatalf("new account: %v", err)
	}
	other := *s
	other.User = user
	return &other
}

// Restart stops the server politely and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.backend.stop()
	s.Start(t)
}

// Kill ends the server at once, as kill -9 does. Start starts it again.
func (s *Server) Kill() { s.backend.kill() }

// Start starts a server that was killed.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.backend.start(); err != nil {
		t.Fatalf("start server: %v", err)
	}
}

// NewUIDValidity gives INBOX a higher UIDVALIDITY and its messages new UIDs.
func (s *Server) NewUIDValidity(t testing.TB) {
	t.Helper()
	if err := s.backend.renumber(s, true, false); err != nil {
		t.Fatalf("change uidvalidity: %v", err)
	}
}

// Rewind empties INBOX and has it give UIDs from 1 again under the same UIDVALIDITY, as no server should.
func (s *Server) Rewind(t testing.TB) {
	t.Helper()
	if err := s.backend.renumber(s, false, true); err != nil {
		t.Fatalf("rewind uids: %v", err)
	}
}

// Client logs in, selects the folder and gives the connection, which ends with the test.
func (s *Server) Client(t testing.TB, folder string) *imapclient.Client {
	t.Helper()
	c, err := s.client(folder)
	if err != nil {
		t.Fatalf("log in: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (s *Server) client(folder string) (*imapclient.Client, error) {
	conn, err := s.Dial(context.Background(), "tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	c := imapclient.New(conn, nil)
	if err := c.Login(s.User, s.Password).Wait(); err != nil {
		c.Close()
		return nil, fmt.Errorf("log in: %w", err)
	}
	if folder != "" {
		if _, err := c.Select(folder, nil).Wait(); err != nil {
			c.Close()
			return nil, fmt.Errorf("select %q: %w", folder, err)
		}
	}
	return c, nil
}

// Append puts messages into INBOX with that INTERNALDATE.
func (s *Server) Append(t testing.TB, date time.Time, raws ...[]byte) {
	t.Helper()
	c, err := s.client("")
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	defer c.Close()
	for _, raw := range raws {
		if err := appendTo(c, "INBOX", raw, date); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
}

func appendTo(c *imapclient.Client, folder string, raw []byte, date time.Time) error {
	cmd := c.Append(folder, int64(len(raw)), &imap.AppendOptions{Time: date})
	if _, err := cmd.Write(raw); err != nil {
		return err
	}
	if err := cmd.Close(); err != nil {
		return err
	}
	_, err := cmd.Wait()
	return err
}

// A Held message is one as it lies in a folder.
type Held struct {
	UID   uint32
	Date  time.Time
	Flags []imap.Flag
	Raw   []byte
}

// Held lists a folder; nil when it does not exist.
func (s *Server) Held(t testing.TB, folder string) []Held {
	t.Helper()
	held, err := s.held(folder)
	if err != nil {
		t.Fatalf("list %q: %v", folder, err)
	}
	return held
}

func (s *Server) held(folder string) ([]Held, error) {
	c, err := s.client("")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	data, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if said := (*imap.Error)(nil); errors.As(err, &said) {
		return nil, nil
	}
	if err != nil || data.NumMessages == 0 {
		return nil, err
	}
	var all imap.SeqSet
	all.AddRange(1, 0)
	msgs, err := c.Fetch(all, &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true,
		BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil {
		return nil, err
	}
	var held []Held
	for _, m := range msgs {
		h := Held{UID: uint32(m.UID), Date: m.InternalDate, Flags: m.Flags}
		if len(m.BodySection) > 0 {
			h.Raw = m.BodySection[0].Bytes
		}
		held = append(held, h)
	}
	return held, nil
}

// A listener is where a server is reached: TCP on loopback, or pipes within the process, which synctest can follow.
type listener interface {
	net.Listener
	dial(ctx context.Context, network, addr string) (net.Conn, error)
}

type tcpListener struct{ net.Listener }

func (tcpListener) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, addr)
}

func listenTCP(addr string) (listener, error) {
	l, err := net.Listen("tcp", addr)
	return tcpListener{l}, err
}

// pipeAddr names a listener of pipes. It looks like loopback, which a password may be sent to.
const pipeAddr = "localhost:143"

type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func listenPipe() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: errors.New("connection refused")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeName{} }

type pipeName struct{}

func (pipeName) Network() string { return "pipe" }
func (pipeName) String() string  { return pipeAddr }

// certificate makes a self-signed certificate for localhost and 127.0.0.1, and a configuration that trusts it.
func certificate() (certPEM, keyPEM []byte, client *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, nil, err
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return certPEM, keyPEM, &tls.Config{RootCAs: roots}, nil
}

// A Proxy stands between a client and a server and can fall silent: it then neither passes anything on nor hangs up, as a
// dead network does.
type Proxy struct {
	Addr string

	mu     sync.Mutex
	silent chan struct{} // closed: nothing passes any more
	conns  []net.Conn
}

// NewProxy listens on loopback and passes all on to target until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p := &Proxy{Addr: l.Addr().String(), silent: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			silent := p.silent
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			wg.Go(func() { pass(server, client, silent) })
			wg.Go(func() { pass(client, server, silent) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		wg.Wait()
	})
	return p
}

func pass(to, from net.Conn, silent <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-silent:
			if err == nil {
				continue // take it, and say nothing
			}
			return
		default:
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				from.Close()
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				from.Close()
			}
			to.Close()
			return
		}
	}
}

// Silence has all connections made so far go dead; new ones pass.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.silent)
	p.silent = make(chan struct{})
}

// Watch idles on INBOX with a bare client and sends the time of each notice of new mail, until the test ends.
func Watch(t testing.TB, s *Server, notice chan<- time.Time) {
	t.Helper()
	conn, err := s.Dial(context.Background(), "tcp", s.Addr)
	if err != nil {
		t.Fatalf("watch: %v", err)
	}
	c := imapclient.New(conn, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				select {
				case notice <- time.Now():
				default:
				}
			}
		},
	}})
	t.Cleanup(func() { c.Close() })
	if err := c.Login(s.User, s.Password).Wait(); err != nil {
		t.Fatalf("watch: %v", err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatalf("watch: %v", err)
	}
	if _, err := c.Idle(); err != nil {
		t.Fatalf("watch: %v", err)
	}
}
