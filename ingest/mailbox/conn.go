package mailbox

import (
	"net"
	"sync"
	"time"
)

// A guardedConn bounds what go-imap leaves unbounded: how long a command may wait for the server's first byte, and how
// many bytes the server may answer. Whatever goes wrong closes the connection itself, which is what unblocks every
// waiting call of the client, and is remembered, because the client forgets the cause.
type guardedConn struct {
	net.Conn

	mu       sync.Mutex
	watchdog *time.Timer   // closes the connection; stopped between commands
	stall    time.Duration // of silence that the command in hand allows; 0 between commands
	deadline time.Time     // of the command in hand as a whole
	budget   int64         // bytes that may still come until the next command
	fault    error         // the first thing that went wrong
	closed   bool
}

// restBudget is what a server may send unasked until the next command: flag changes, notices, alerts.
const restBudget = 1 << 20

func guard(conn net.Conn) *guardedConn {
	c := &guardedConn{Conn: conn, budget: restBudget}
	c.watchdog = time.AfterFunc(time.Hour, c.expire)
	c.watchdog.Stop()
	return c
}

// begin starts the watch over one command, of which the answer may take size bytes.
func (c *guardedConn) begin(stall, whole time.Duration, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stall = stall
	c.deadline = time.Now().Add(whole)
	// Records of TLS and the words around the data cost at most as much again.
	c.budget = 2*size + restBudget
	c.watchdog.Reset(min(stall, whole))
}

// end stops the watch.
func (c *guardedConn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stall = 0
	c.budget = restBudget
	c.watchdog.Stop()
}

func (c *guardedConn) expire() {
	c.mu.Lock()
	stall := c.stall
	c.mu.Unlock()
	if stall > 0 { // else the command ended while the timer fired
		c.fail(failf(ReasonTimeout, "no answer within %s", stall))
	}
}

func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.budget -= int64(n)
	over := c.budget < 0
	if n > 0 && c.stall > 0 && !c.closed {
		c.watchdog.Reset(min(c.stall, time.Until(c.deadline)))
	}
	c.mu.Unlock()
	switch {
	case over:
		c.fail(failf(ReasonProtocol, "answer is longer than what was asked for"))
		return 0, net.ErrClosed
	case err != nil:
		c.note(err)
	}
	return n, err
}

func (c *guardedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.note(err)
	}
	return n, err
}

// note remembers the first fault.
func (c *guardedConn) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == nil && !c.closed {
		c.fault = err
	}
}

func (c *guardedConn) fail(err error) {
	c.note(err)
	c.Close()
}

// why is the first fault, or nil.
func (c *guardedConn) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// Close closes the connection and stops the watch. It may be called from anywhere, any number of times.
func (c *guardedConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.watchdog.Stop()
	c.mu.Unlock()
	return c.Conn.Close()
}
