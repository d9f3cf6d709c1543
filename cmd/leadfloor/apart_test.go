package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

// asVictim makes the test's own binary die as a reader may.
const asVictim = "LEADFLOOR_AS_VICTIM"

// victim dies as it is told.
func victim(how string) {
	switch how {
	case "panic":
		panic("jane@example.com is in the message")
	case "stack":
		debug.SetMaxStack(1 << 20)
		var deep func(n int) int
		deep = func(n int) int { return deep(n+1) + 1 }
		fmt.Println(deep(0))
	case "memory":
		bound(64<<20, time.Minute)
		held := map[int][]byte{}
		for n := 0; ; n++ {
			held[n] = bytes.Repeat([]byte("x"), 1<<20)
		}
	case "time":
		bound(64<<20, 10*time.Millisecond)
		select {}
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "failed":
		os.Exit(exitFailed)
	case "hang":
		select {}
	}
}

func TestRunApart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		how   string
		limit time.Duration
		died  string // how; empty where nothing is held against the message
	}{
		{"panic", time.Minute, "exit status 2"},
		{"stack", time.Minute, "exit status 2"},
		{"memory", time.Minute, "MiB of memory"},
		{"time", time.Minute, "over 1m"},
		{"kill", time.Minute, "signal: killed"},
		{"hang", 10 * time.Millisecond, "signal: killed"},
		{"failed", time.Minute, ""},
	} {
		t.Run(test.how, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(self)
			cmd.Env = []string{asVictim + "=" + test.how}
			_, err := runApart(t.Context(), cmd, []byte("job"), test.limit)
			var died *ingest.DiedError
			switch {
			case err == nil:
				t.Fatal("no error")
			case errors.As(err, &died) != (test.died != ""):
				t.Errorf("error = %v, want that it died = %t", err, test.died != "")
			case died != nil && !strings.Contains(died.How, test.died):
				t.Errorf("how = %q, want %q", died.How, test.died)
			case strings.Contains(err.Error(), "jane"):
				t.Errorf("error = %v quotes the message", err)
			}
		})
	}
	t.Run("the daemon ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		cmd := exec.Command(self)
		cmd.Env = []string{asVictim + "=hang"}
		if _, err := runApart(ctx, cmd, nil, time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want that nothing is held against the message", err)
		}
	})
	t.Run("no such program", func(t *testing.T) {
		if _, err := runApart(t.Context(), exec.Command(self+"-gone"), nil, time.Minute); err == nil || !strings.Contains(err.Error(), "start a process") {
			t.Errorf("error = %v, want that it could not be started", err)
		}
	})
}

// A mail that was in hand when three daemons ended is read by a process of its own, and dealt.
func TestThreeDaemonsEnded(t *testing.T) {
	imap := mailtest.Memory(t)
	imap.Append(t, time.Now(), []byte("From: a@example.com\r\nSubject: x\r\n\r\n<adf><prospect><customer><contact><email>jo@example.net</email></contact></customer></prospect></adf>\r\n"))
	cfg, err := Parse("test.yaml", fmt.Appendf(nil, `
redis: {url: "redis://%s"}
stores: [{id: main, timezone: UTC, roster: [{id: alice}], mailboxes: [{name: leads, address: %q, tls: none, username: %q, password: "${PATH}"}]}]
`, miniredis.RunT(t).Addr(), imap.Addr, imap.User))
	if err != nil {
		t.Fatal(err)
	}
	b, err := cfg.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	status, err := imap.Client(t, "").Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	for _, holder := range []string{"one", "two", "three"} {
		if err := b.ledger.Begin(t.Context(), "leads", holder, status.UIDValidity, []uint32{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ledger.Unfinished(t.Context(), "leads", "another"); err != nil {
			t.Fatal(err)
		}
	}
	in, apart := cfg.intake(), 0
	in.Apart = func(ctx context.Context, job []byte) ([]byte, error) {
		apart++
		return readApart(ctx, job)
	}
	all, err := cfg.mailboxes()
	if err != nil {
		t.Fatal(err)
	}
	all[0].Password = func(context.Context) (string, error) { return imap.Password, nil }
	o := &mailtest.Observer{}
	log := slog.New(slog.DiscardHandler)
	m, err := mailbox.New(all[0], ingest.New(b.router, in, uncounted{}, log), ledger{b.ledger}, o, log, b.store.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Run(ctx) }()
	o.Await(t, "the lead", func(seen mailtest.Observed) bool { return seen.Fates[ingest.FateLead] == 1 })
	cancel()
	if err := <-ended; err != nil || apart != 1 {
		t.Errorf("Run = %v after %d processes of its own, want one", err, apart)
	}
}

// The hidden command reads a job and answers, with the program as it is shipped.
func TestReadApart(t *testing.T) {
	job, err := json.Marshal(map[string]any{"Raw": []byte("From: a@example.com\nSubject: x\n\n<adf><prospect><customer><contact><email>jo@example.net</email></contact></customer></prospect></adf>\n")})
	if err != nil {
		t.Fatal(err)
	}
	said, err := readApart(t.Context(), job)
	if err != nil || !strings.Contains(string(said), "jo@example.net") {
		t.Errorf("answer = %s, %v, want the lead", said, err)
	}
	code, _, stderr := command(t, "--help")
	if code != exitWell || strings.Contains(stderr, "read-apart") {
		t.Errorf("help shows it: %s", stderr)
	}
}
