package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A supervisor is the service manager that started the daemon, as systemd is: it is told by sd_notify(3) how the daemon fares. One that
// nobody named in the environment hears nothing.
type supervisor struct {
	send     func(state string) error // nil: there is nobody
	watchdog time.Duration            // it kills a daemon that says nothing for so long; 0: never
	moved    atomic.Int64             // when the work last moved, in ns since 1970
	log      *slog.Logger
}

// newSupervisor finds the supervisor in the environment.
func newSupervisor(getenv func(string) string, log *slog.Logger) *supervisor {
	s := &supervisor{log: log.With("component", "supervisor")}
	s.beat()
	socket := getenv("NOTIFY_SOCKET")
	switch {
	case socket == "":
		return s
	case socket[0] != '/' && socket[0] != '@': // @: Linux' abstract names, which package net knows too
		s.log.Error("the service manager cannot be told", "err", fmt.Errorf("NOTIFY_SOCKET is %q: neither a path nor an abstract name", socket))
		return s
	}
	s.send = func(state string) error { return sendDatagram(socket, state) }
	// WATCHDOG_PID is somebody else where the variables were inherited from a parent that is itself watched.
	if pid := getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 && us < int64(24*time.Hour/time.Microsecond) {
			s.watchdog = time.Duration(us) * time.Microsecond
		}
	}
	return s
}

func sendDatagram(socket, state string) error {
	conn, err := net.DialTimeout("unixgram", socket, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

// tell sends assignments as sd_notify(3) lists them. That it could not be told changes nothing but the log.
func (s *supervisor) tell(state ...string) {
	if s.send == nil {
		return
	}
	if err := s.send(strings.Join(state, "\n")); err != nil {
		s.log.Error("the service manager cannot be told", "err", err)
	}
}

// beat notes that the work moves.
func (s *supervisor) beat() { s.moved.Store(time.Now().UnixNano()) }

// guard keeps the watchdog quiet until ctx ends, while the work moves. A daemon that stands still is left to be killed and started anew,
// which loses nothing: all its state is in Redis. That Redis is away is no standstill, for the work goes on asking.
func (s *supervisor) guard(ctx context.Context) {
	if s.send == nil || s.watchdog == 0 {
		return
	}
	t := time.NewTicker(s.watchdog / 2)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if still := time.Since(time.Unix(0, s.moved.Load())); still > s.watchdog {
			s.log.Error("the work stands still; the watchdog is left to end it", "for", still.Round(time.Second))
			continue
		}
		s.tell("WATCHDOG=1")
	}
}
