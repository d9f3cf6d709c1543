package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadfloor/ingest"
)

// goroutines lists what runs now, by its number.
func goroutines() map[string]string {
	buf := make([]byte, 4<<20)
	all := map[string]string{}
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		number, _, _ := strings.Cut(stack, " [")
		if !strings.Contains(stack, "os/signal.loop") { // which Go starts once and never ends
			all[number] = stack
		}
	}
	return all
}

// leavesNothing says at the end of the test what it left running, or lying in the folder for temporary files.
func leavesNothing(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	before := goroutines()
	t.Cleanup(func() {
		var left map[string]string
		// Connections that were closed take a moment to notice.
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
			left = goroutines()
			maps.DeleteFunc(left, func(number, _ string) bool { _, ok := before[number]; return ok })
			if len(left) == 0 {
				break
			}
		}
		for _, stack := range left {
			t.Errorf("left running: %s", stack)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) > 0 {
			t.Errorf("left lying: %v, %v, want nothing", files, err)
		}
	})
}

// row finds the numbers behind a label at the beginning of a line.
func row(t *testing.T, out, label string) []string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + label + ` +(\d+) +(\d+)$`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no line of %s in\n%s", label, out)
	}
	return m[1:]
}

func TestDemo(t *testing.T) {
	leavesNothing(t)
	code, stdout, stderr := command(t, "demo", "--listen", "127.0.0.1:0", "--rate", "900", "--for", "3s", "--exit", "--seed", "1")
	if code != exitWell || stderr != "" {
		t.Fatalf("demo = %d, %q, want 0 and nothing said\n%s", code, stderr, stdout)
	}
	for _, f := range []ingest.Fate{ingest.FateLead, ingest.FateTouch, ingest.FateDuplicate, ingest.FateReplay, ingest.FateOther, ingest.FateQuarantined} {
		if n := row(t, stdout, string(f)); n[0] == "0" || n[0] != n[1] {
			t.Errorf("%s mails sent and settled: %s, want as many, and some", f, n)
		}
	}
	for _, want := range []string{
		"  metrics  http://127.0.0.1:", "Authorization: Bearer ", "/api/v1/stores/main-street/floor", "ends by itself in 3s",
		"\nSummary of ", "\nleads ", "\nturns ", "\nresponse ", "\ncontact ", "\nT.O. ", ": 0 faults, 0 differences\n", " 0 pending, 0 faults\n", "\nbooks balance\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	for _, line := range []string{`\d\d:\d\d:\d\d  new          [0-9a-z]{6}  `, `  (attempt|response|contact) +`, `  quarantined  `} {
		if !regexp.MustCompile(line).MatchString(stdout) {
			t.Errorf("no line like %s in\n%s", line, stdout)
		}
	}
	if strings.Contains(stdout, "\x1b") {
		t.Error("it is coloured, and nobody looks")
	}
}

// watcher calls seen once it has read text.
type watcher struct {
	text string
	seen func()

	mu  sync.Mutex
	all bytes.Buffer
}

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	if bytes.Contains(w.all.Bytes(), []byte(w.text)) {
		w.seen()
	}
	return len(b), nil
}

// Whoever interrupts a demo gets the summary too. The mail's end alone ends nothing, and the usual address is left to whoever has it.
func TestDemoInterrupted(t *testing.T) {
	leavesNothing(t)
	if l, err := net.Listen("tcp", demoListen); err == nil {
		defer l.Close() // now it is taken, if it was not before
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &watcher{text: "  -- untouched", seen: interrupt}
	var stderr strings.Builder
	code := run(ctx, []string{"demo", "--rate", "6000", "--for", "200ms"}, strings.NewReader(""), out, &stderr)
	text := out.all.String()
	if code != exitWell || stderr.Len() > 0 || !strings.Contains(text, "\nbooks balance\n") {
		t.Errorf("demo = %d, %q, want 0 and books that balance\n%s", code, stderr.String(), text)
	}
	if !strings.Contains(text, "http://127.0.0.1:") || strings.Contains(text, "http://"+demoListen+"/") {
		t.Errorf("it says to listen at an address that is taken:\n%s", text)
	}
	if n := row(t, text, "all"); n[0] == "0" || n[0] != n[1] {
		t.Errorf("mails sent and settled: %s, want as many, and some", n)
	}
}

func TestDemoUsage(t *testing.T) {
	leavesNothing(t)
	for _, test := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"--rate", "0"}, "--rate 0: want 1 to 6000 mails a minute"},
		{[]string{"--rate", "6001"}, "--rate 6001: want 1 to 6000 mails a minute"},
		{[]string{"--for", "-1s"}, "--for -1s: want a duration such as 20s"},
		{[]string{"--for", "soon"}, `invalid argument "soon"`},
		{[]string{"--listen", "here"}, `--listen "here": want HOST:PORT`},
		{[]string{"--listen", ""}, `--listen "": want HOST:PORT`},
		{[]string{"now"}, `unknown command "now"`},
	} {
		code, stdout, stderr := command(t, append([]string{"demo"}, test.args...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, test.stderr) {
			t.Errorf("demo %q = %d, %q, %q, want 2, nothing and %q", test.args, code, stdout, stderr, test.stderr)
		}
	}
}

// An address that was asked for and is taken stops the demo, with nothing left behind.
func TestDemoAddressTaken(t *testing.T) {
	leavesNothing(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, stdout, stderr := command(t, "demo", "--exit", "--listen", l.Addr().String())
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "listen on "+l.Addr().String()) {
		t.Errorf("demo = %d, %q, %q, want 1 and why", code, stdout, stderr)
	}
}

// What does not add up is told, each with what it should be, and nothing else.
func TestDemoSummaryFaults(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(p *postman, c *demoCalls)
		want   []string
	}{
		{"nothing", func(*postman, *demoCalls) {}, nil},
		{"a fate that is another", func(p *postman, _ *demoCalls) { p.sent[0].fate = ingest.FateSkipped }, []string{"mail 1 ("}},
		{"a mail without a fate", func(p *postman, _ *demoCalls) {
			p.sent = append(p.sent, posted{uid: 999, shape: "lost", fate: ingest.FateOther})
		}, []string{"mail 999 (lost) is without a fate, should be other", "places in the ledger: 8, should be 9"}},
		{"a lead of nobody", func(_ *postman, c *demoCalls) { c.entered.Add(1) }, []string{"leads entered by the manager: 0, should be 1"}},
		{"a lead in doubt", func(_ *postman, c *demoCalls) { c.doubt.Add(1) }, []string{"1 leads entered by hand were not taken as new"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			leavesNothing(t)
			g, err := newGround("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = g.close() })
			log, err := g.log(io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := Load(g.config)
			if err != nil {
				t.Fatal(err)
			}
			d, err := startDemo(t.Context(), cfg, g, log)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.stop() })
			b, err := cfg.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			p, err := g.postman(newMailer(1, time.Now))
			if err != nil {
				t.Fatal(err)
			}
			defer p.close()
			for range 8 {
				if err := p.send(p.mailer.next()); err != nil {
					t.Fatal(err)
				}
			}
			p.settled(d.life, b)
			if err := d.stop(); err != nil {
				t.Fatal(err)
			}
			calls := &demoCalls{}
			test.change(p, calls)
			s, err := summarize(t.Context(), &session{books: b, config: cfg}, p, calls)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !slices.ContainsFunc(s.faults, func(f string) bool { return strings.Contains(f, want) }) {
					t.Errorf("faults = %q, want %q among them", s.faults, want)
				}
			}
			if len(test.want) == 0 && len(s.faults) > 0 {
				t.Errorf("faults = %q, want none", s.faults)
			}
		})
	}
}
