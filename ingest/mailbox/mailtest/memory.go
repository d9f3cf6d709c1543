package mailtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// Memory starts go-imap's in-memory server on loopback. It has IDLE, MOVE and UIDPLUS, but for those capabilities that are
// given to be left out; its IDLE forgets mail that arrives just before. A restart keeps the mail.
func Memory(t testing.TB, without ...imap.Cap) *Server {
	t.Helper()
	b := &memoryBackend{users: make(map[string]*imapmemserver.User), caps: imap.CapSet{
		imap.CapIMAP4rev1: {}, imap.CapMove: {}, imap.CapUIDPlus: {}, imap.CapESearch: {}, imap.CapNamespace: {},
	}}
	for _, c := range without {
		delete(b.caps, c)
	}
	s := &Server{Password: "secret", backend: b}
	certPEM, keyPEM, client, err := certificate()
	if err != nil {
		t.Fatalf("make certificate: %v", err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatalf("load certificate: %v", err)
	}
	b.tls = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.ClientTLS = client
	s.User, _ = b.account()
	s.Start(t)
	t.Cleanup(b.stop)
	s.Addr, s.TLSAddr = b.addr, b.tlsAddr
	return s
}

type memoryBackend struct {
	tls  *tls.Config
	caps imap.CapSet

	mu            sync.Mutex
	users         map[string]*imapmemserver.User
	addr, tlsAddr string
	plain         listener
	listeners     []net.Listener
	server        *imapserver.Server
	wg            sync.WaitGroup
}

func (b *memoryBackend) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	b.mu.Lock()
	l := b.plain
	b.mu.Unlock()
	return l.dial(ctx, network, addr)
}

func (b *memoryBackend) start() (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mem := imapmemserver.New()
	for _, u := range b.users {
		mem.AddUser(u)
	}
	b.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &memorySession{backend: b}, nil, nil
		},
		Caps:         b.caps,
		TLSConfig:    b.tls,
		InsecureAuth: true,
		Logger:       log.New(io.Discard, "", 0),
	})
	b.listeners = nil
	serve := func(l net.Listener) {
		b.listeners = append(b.listeners, l)
		b.wg.Go(func() { _ = b.server.Serve(l) }) // until the listener closes
	}
	if b.plain, err = listenTCP(or(b.addr, "127.0.0.1:0")); err != nil {
		return err
	}
	over, err := tls.Listen("tcp", or(b.tlsAddr, "127.0.0.1:0"), b.tls)
	if err != nil {
		return err
	}
	b.addr, b.tlsAddr = b.plain.Addr().String(), over.Addr().String()
	serve(b.plain)
	serve(over)
	return nil
}

func or(s, t string) string {
	if s == "" {
		return t
	}
	return s
}

// memorySession finds its user at log-in, so that users can be put in others' place.
type memorySession struct {
	*imapmemserver.UserSession
	backend *memoryBackend
}

func (s *memorySession) Login(username, password string) error {
	s.backend.mu.Lock()
	u := s.backend.users[username]
	s.backend.mu.Unlock()
	if u == nil {
		return imapserver.ErrAuthFailed
	}
	if err := u.Login(username, password); err != nil {
		return err
	}
	s.UserSession = imapmemserver.NewUserSession(u)
	return nil
}

func (s *memorySession) Close() error {
	if s.UserSession == nil {
		return nil
	}
	return s.UserSession.Close()
}

func (b *memoryBackend) stop() {
	b.mu.Lock()
	server, listeners := b.server, b.listeners
	b.mu.Unlock()
	for _, l := range listeners {
		l.Close() // which the server does not for those it had no time to serve
	}
	server.Close() // only says that it is closed already
	b.wg.Wait()
}

func (b *memoryBackend) kill()   { b.stop() }
func (b *memoryBackend) remove() { b.stop() }

func (b *memoryBackend) account() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := fmt.Sprintf("user%d", len(b.users)+1)
	b.users[name] = newMemoryUser(name, 1)
	return name, nil
}

// newMemoryUser makes a user whose INBOX has that UIDVALIDITY.
func newMemoryUser(name string, validity int) *imapmemserver.User {
	u := imapmemserver.NewUser(name, "secret")
	for range validity - 1 {
		_ = u.Create("INBOX", nil) // of a user made a moment ago: there is nothing to fail
		_ = u.Delete("INBOX")
	}
	_ = u.Create("INBOX", nil)
	return u
}

func (b *memoryBackend) renumber(s *Server, keepMail, keepValidity bool) error {
	held, err := s.held("INBOX")
	if err != nil {
		return err
	}
	b.mu.Lock()
	old := b.users[s.User]
	b.mu.Unlock()
	status, err := old.Status("INBOX", &imap.StatusOptions{UIDValidity: true})
	if err != nil {
		return err
	}
	validity := int(status.UIDValidity)
	if !keepValidity {
		validity++
	}
	b.mu.Lock()
	b.users[s.User] = newMemoryUser(s.User, validity)
	b.mu.Unlock()
	b.stop() // sessions hold the user that was
	if err := b.start(); err != nil {
		return err
	}
	if !keepMail {
		return nil
	}
	c, err := s.client("")
	if err != nil {
		return err
	}
	defer c.Close()
	for _, h := range held {
		if err := appendTo(c, "INBOX", h.Raw, h.Date); err != nil {
			return err
		}
	}
	return nil
}
