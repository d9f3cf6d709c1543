package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"leadfloor/router"
)

func TestReload(t *testing.T) {
	m := miniredis.RunT(t)
	base := "listen: 127.0.0.1:0\nredis: {url: redis://" + m.Addr() + "}\n"
	text := base + "stores: [{id: main-street, timezone: UTC, roster: [{id: alice}]}]\n"
	load := func() (*Config, error) { return Parse("test.yaml", []byte(text)) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, load, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.client.Close()
	roster := func() string {
		var ids []string
		for _, f := range d.router.Rooftops() {
			for _, p := range f.Roster {
				ids = append(ids, f.ID+"/"+p.ID)
			}
		}
		return strings.Join(ids, " ")
	}
	for _, step := range []struct{ text, err, roster string }{
		{base + "stores: [{id: main-street, timezone: UTC, roster: [{id: alice}, {id: bob}]}]\n", "", "main-street/alice main-street/bob"},
		{base + "stores: [{id: main-street, timezone: Mars, roster: [{id: carl, weight: 99}]}]\n", "Mars", "main-street/alice main-street/bob"},
		{strings.Replace(base, "127.0.0.1:0", "127.0.0.1:1", 1) + "stores: [{id: main-street, timezone: UTC, roster: [{id: carl}]}]\n", "restart", "main-street/alice main-street/bob"},
		{base + "stores: [{id: north, timezone: UTC, roster: [{id: dan}]}]\n", "", "north/dan"},
	} {
		text = step.text
		err := d.reload()
		if step.err == "" && err != nil || step.err != "" && (err == nil || !strings.Contains(err.Error(), step.err)) {
			t.Errorf("reload: %v, want %q", err, step.err)
		}
		if got := roster(); got != step.roster {
			t.Errorf("roster = %s, want %s", got, step.roster)
		}
	}
}

// TestReloadedMailboxes has a mailbox come, stay and go while the daemon runs. Their server is away, which is no reason to stop watching.
func TestReloadedMailboxes(t *testing.T) {
	m := miniredis.RunT(t)
	secret := filepath.Join(t.TempDir(), "imap.pw")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(names ...string) string {
		var boxes []string
		for _, n := range names {
			boxes = append(boxes, fmt.Sprintf(`{name: %s, address: "127.0.0.1:1", tls: none, username: leads, password_file: "%s"}`, n, secret))
		}
		return "redis: {url: redis://" + m.Addr() + "}\nlisten: 127.0.0.1:0\nstores: [{id: main-street, timezone: UTC, roster: [{id: alice}], mailboxes: [" + strings.Join(boxes, ", ") + "]}]\n"
	}
	text := with("one")
	load := func() (*Config, error) { return Parse("test.yaml", []byte(text)) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	started, ended := make(chan *daemon), make(chan error)
	go func() {
		ended <- serve(ctx, cfg, load, "", slog.New(slog.DiscardHandler), func(d *daemon, _ string) { started <- d })
	}()
	d := <-started
	running := func() string {
		d.boxes.mu.Lock()
		defer d.boxes.mu.Unlock()
		var all []string
		for name := range d.boxes.running {
			all = append(all, name)
		}
		return fmt.Sprint(len(all), all)
	}
	first := func() chan struct{} {
		d.boxes.mu.Lock()
		defer d.boxes.mu.Unlock()
		return d.boxes.running["one"].done
	}
	waitFor(t, "one mailbox", func() bool { return running() == "1 [one]" })
	was := first()
	text = with("one", "two")
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(running(), "2 ") || first() != was {
		t.Errorf("running = %s; the first was disturbed: %v", running(), first() != was)
	}
	// A password in another place is another log-in.
	text = strings.Replace(with("one", "two"), secret, secret+".new", 1)
	if err := os.WriteFile(secret+".new", []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	if first() == was {
		t.Error("the first mailbox goes on with the old password_file")
	}
	text = with("two")
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	if got := running(); got != "1 [two]" {
		t.Errorf("running = %s, want two alone", got)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve = %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the daemon did not leave within 10 s")
	}
}

// TestReloadedHours has the hours of a store edited while the daemon runs: what is past goes by those that were, also after a restart and for
// commands, and loading the same file again is no edit.
func TestReloadedHours(t *testing.T) {
	m := miniredis.RunT(t)
	const always, edited = "UTC; mon-sun 00:00-24:00", "America/Chicago; mon-fri 09:00-20:00; 2026-12-25 closed"
	base := "listen: 127.0.0.1:0\nredis: {url: redis://" + m.Addr() + "}\nstores: [{id: main-street, roster: [{id: alice}], "
	text := base + "timezone: UTC}]\n"
	load := func() (*Config, error) { return Parse("test.yaml", []byte(text)) }
	start := func() (d *daemon, stop func()) {
		t.Helper()
		cfg, err := load()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		started, ended := make(chan *daemon), make(chan error)
		go func() {
			ended <- serve(ctx, cfg, load, "", slog.New(slog.DiscardHandler), func(d *daemon, _ string) { started <- d })
		}()
		return <-started, func() {
			t.Helper()
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("serve = %v", err)
			}
		}
	}
	kept := func() string {
		list, _ := m.List("lf:{main-street}:hours") // there is none yet
		var all []string
		for _, line := range list {
			_, text, _ := strings.Cut(line, "|")
			all = append(all, text)
		}
		return strings.Join(all, " | ")
	}
	known := func(r *router.Router) string {
		f, err := r.Rooftop("main-street")
		if err != nil {
			t.Fatal(err)
		}
		if f.Hours == nil {
			return ""
		}
		var all []string
		for _, v := range f.Hours.Versions() {
			all = append(all, v.Calendar.String())
		}
		return strings.Join(all, " | ")
	}
	d, stop := start()
	waitFor(t, "the first hours are kept", func() bool { return kept() == always })
	text = base + `timezone: America/Chicago, hours: {mon-fri: "09:00-20:00"}, exceptions: {2026-12-25: closed}}]` + "\n"
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	if got := known(d.router); got != always+" | "+edited {
		t.Errorf("hours right after the reload = %s", got)
	}
	waitFor(t, "the edit is kept", func() bool { return kept() == always+" | "+edited })
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	stop()
	d, stop = start()
	defer stop()
	waitFor(t, "the daemon leads again", func() bool { return d.ready(t.Context()) == nil && known(d.router) == always+" | "+edited })
	if got := kept(); got != always+" | "+edited {
		t.Errorf("hours after another reload and a restart = %s", got)
	}
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	b, err := cfg.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := known(b.router); got != always+" | "+edited {
		t.Errorf("hours that a command goes by = %s", got)
	}
}

// waitFor asks until cond holds.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not yet: %s", what)
		}
	}
}
