package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// managerSocket listens as systemd does, and gives what it hears.
func managerSocket(t *testing.T, name string) (hear func() string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("the daemon says nothing: %v", err)
		}
		return string(buf[:n])
	}
}

// TestNotify is the life of a daemon as systemd hears it, over both kinds of sockets.
func TestNotify(t *testing.T) {
	for name, socket := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@leadfloor-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			hear := managerSocket(t, socket)
			t.Setenv("NOTIFY_SOCKET", socket)
			t.Setenv("WATCHDOG_USEC", "100000") // 0.1 s
			t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
			m := miniredis.RunT(t)
			text := "redis: {url: redis://" + m.Addr() + "}\nlisten: 127.0.0.1:0\nstores: [{id: main-street, timezone: UTC, roster: [{id: alice}]}]\n"
			load := func() (*Config, error) { return Parse("test.yaml", []byte(text)) }
			cfg, err := load()
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			started, ended := make(chan *daemon, 1), make(chan error, 1)
			go func() {
				ended <- serve(ctx, cfg, load, "", slog.New(slog.DiscardHandler), func(d *daemon, _ string) { started <- d })
			}()
			d := <-started
			// next is what comes next that is not of the watchdog, whose time is its own.
			next := func() string {
				for {
					state := hear()
					if state != "WATCHDOG=1" {
						return state
					}
				}
			}
			if got, want := next(), "READY=1\nSTATUS=Running."; got != want {
				t.Errorf("first = %q, want %q", got, want)
			}
			if got, want := hear(), "WATCHDOG=1"; got != want {
				t.Errorf("then = %q, want %q", got, want)
			}
			if err := d.reload(); err != nil {
				t.Fatal(err)
			}
			if got, want := []string{next(), next()}, []string{"RELOADING=1", "READY=1\nSTATUS=Running."}; !slices.Equal(got, want) {
				t.Errorf("reload = %q, want %q", got, want)
			}
			text = "nonsense"
			if err := d.reload(); err == nil {
				t.Fatal("nonsense was loaded")
			}
			if got, want := []string{next(), next()}, []string{"RELOADING=1", "READY=1\nSTATUS=The new configuration was refused; the old one goes on."}; !slices.Equal(got, want) {
				t.Errorf("refused reload = %q, want %q", got, want)
			}
			stop()
			if got, want := next(), "STOPPING=1"; got != want {
				t.Errorf("last = %q, want %q", got, want)
			}
			if err := <-ended; err != nil {
				t.Errorf("serve = %v", err)
			}
		})
	}
}

// TestWatchdog has the work move for a while, stand still, and move again.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		s := &supervisor{watchdog: time.Minute, log: slog.New(slog.DiscardHandler), send: func(state string) error {
			if state != "WATCHDOG=1" {
				t.Errorf("told %q", state)
			}
			told.Add(1)
			return errors.New("nobody listens") // which must not end it
		}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		s.beat()
		go func() { s.guard(ctx); close(ended) }()
		time.Sleep(time.Second / 2) // so that nothing here happens at the same instant as a tick
		in := func(d time.Duration, moves bool, want int64) {
			t.Helper()
			told.Store(0)
			for range int(d / time.Second) {
				if moves {
					s.beat()
				}
				time.Sleep(time.Second)
			}
			synctest.Wait()
			if got := told.Load(); got != want {
				t.Errorf("told %d times in %s, want %d", got, d, want)
			}
		}
		in(10*time.Minute, true, 20)
		in(10*time.Minute, false, 1) // for as long as its last move is fresh
		in(10*time.Minute, true, 20)
		stop()
		<-ended
	})
}

func TestSupervisorInEnvironment(t *testing.T) {
	for _, test := range []struct {
		name     string
		env      map[string]string
		hears    bool
		watchdog time.Duration
		log      string
	}{
		{"nobody", map[string]string{"WATCHDOG_USEC": "1000000"}, false, 0, ""},
		{"no watchdog", map[string]string{"NOTIFY_SOCKET": "/run/x"}, true, 0, ""},
		{"watchdog", map[string]string{"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "60000000"}, true, time.Minute, ""},
		{"watchdog of the parent", map[string]string{"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, true, 0, ""},
		{"no number", map[string]string{"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}, true, 0, ""},
		{"beyond a duration", map[string]string{"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "9223372036854775807"}, true, 0, ""},
		{"vsock", map[string]string{"NOTIFY_SOCKET": "vsock:2:1234"}, false, 0, "neither a path nor an abstract name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log strings.Builder
			s := newSupervisor(func(name string) string { return test.env[name] }, slog.New(slog.NewTextHandler(&log, nil)))
			if got := s.send != nil; got != test.hears {
				t.Errorf("hears = %v, want %v", got, test.hears)
			}
			if s.watchdog != test.watchdog {
				t.Errorf("watchdog = %s, want %s", s.watchdog, test.watchdog)
			}
			if !strings.Contains(log.String(), test.log) || test.log == "" && log.Len() > 0 {
				t.Errorf("log = %q, want %q in it", log.String(), test.log)
			}
			s.tell("STOPPING=1") // to nobody, or to a socket that is not there
		})
	}
}
