package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A badNetwork stands between the daemons and a server and does to their connections what networks do. It is no model of TCP: what it
// loses is lost with the connection.
type badNetwork struct {
	Addr   string
	target string

	mu    sync.Mutex
	links map[*link]bool
	way   way
}

// A way is how bytes are passed on. The zero way is a sound network.
type way struct {
	refuse  bool          // new connections are closed at once
	silent  bool          // nothing passes and nobody hangs up
	replies bool          // true: requests arrive, and their replies are lost with the connection
	after   int64         // > 0: a connection is cut after so many bytes of answers
	delay   time.Duration // before each piece
	clock   time.Duration // added to the time that Redis tells
}

// A link is one connection through the network.
type link struct {
	client, server net.Conn
	mu             sync.Mutex
	asked          bool // for the time
	passed         int64
}

func (l *link) cut() {
	l.client.Close()
	l.server.Close()
}

func newBadNetwork(t testing.TB, target string) *badNetwork {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &badNetwork{Addr: l.Addr().String(), target: target, links: map[*link]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { n.carry(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		n.set(way{})
		n.cutAll()
		wg.Wait()
	})
	return n
}

// set changes how bytes pass from now on. Connections that were silent do not outlive it: they lost bytes.
func (n *badNetwork) set(w way) {
	n.mu.Lock()
	was := n.way
	n.way = w
	n.mu.Unlock()
	if was.silent && !w.silent {
		n.cutAll()
	}
}

func (n *badNetwork) cutAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for l := range n.links {
		l.cut()
	}
}

func (n *badNetwork) now() way {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.way
}

func (n *badNetwork) carry(client net.Conn) {
	if n.now().refuse {
		client.Close()
		return
	}
	server, err := net.Dial("tcp", n.target)
	if err != nil {
		client.Close()
		return
	}
	l := &link{client: client, server: server}
	n.mu.Lock()
	n.links[l] = true
	n.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { n.pump(l, server, client, l.request) })
	wg.Go(func() { n.pump(l, client, server, l.reply) })
	wg.Wait()
	n.mu.Lock()
	delete(n.links, l)
	n.mu.Unlock()
}

var errCut = errors.New("cut")

func (n *badNetwork) pump(l *link, to io.Writer, from io.Reader, change func(way, []byte) ([]byte, error)) {
	defer l.cut()
	buf := make([]byte, 32<<10)
	for {
		k, err := from.Read(buf)
		if k > 0 {
			w := n.now()
			if w.delay > 0 {
				time.Sleep(w.delay) // what the network does
			}
			if w.silent {
				continue
			}
			out, cut := change(w, buf[:k])
			if _, err := to.Write(out); err != nil || cut != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

var askTime = []byte("*1\r\n$4\r\ntime\r\n")

func (l *link) request(_ way, b []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = bytes.Equal(b, askTime)
	return b, nil
}

func (l *link) reply(w way, b []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.replies {
		return nil, errCut
	}
	l.passed += int64(len(b))
	if w.after > 0 && l.passed > w.after {
		return b[:len(b)/2], errCut
	}
	if l.asked && w.clock != 0 {
		return shiftTime(b, w.clock), nil
	}
	return b, nil
}

// shiftTime changes an answer to TIME.
func shiftTime(b []byte, by time.Duration) []byte {
	f := bytes.Split(b, []byte("\r\n"))
	if len(f) != 6 || string(f[0]) != "*2" {
		return b
	}
	s, err := strconv.ParseInt(string(f[2]), 10, 64)
	if err != nil {
		return b
	}
	now := strconv.FormatInt(s+int64(by/time.Second), 10)
	return fmt.Appendf(nil, "*2\r\n$%d\r\n%s\r\n%s\r\n%s\r\n", len(now), now, f[3], f[4])
}
