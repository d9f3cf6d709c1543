package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

// benchConfig has a store with a mailbox for each user.
func benchConfig(b *testing.B, redis, more, imap, password string, users ...string) string {
	b.Helper()
	dir := b.TempDir()
	var text strings.Builder
	fmt.Fprintf(&text, `%sredis: {url: "redis://%s"}
stores:
  - id: main-street
    timezone: America/Chicago
    managers: [{id: mia}]
    roster: [{id: alice}, {id: bob}, {id: carol}]
    mailboxes:
`, more, redis)
	for i, user := range users {
		fmt.Fprintf(&text, "      - {name: leads-%d, address: %q, tls: none, username: %q, password_file: imap.pw, start: all}\n", i, imap, user)
	}
	path := filepath.Join(dir, "leadfloor.yaml")
	for name, content := range map[string]string{path: text.String(), filepath.Join(dir, "imap.pw"): password} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return path
}

// benchMails are lead mails of about 3 kB, each of another customer in other words.
func benchMails(n int) iter.Seq[[]byte] {
	const line, lines = "A line of some words, as customers write them to a dealer.\r\n", 25
	words := strings.Repeat(line, 2*lines)
	return func(yield func([]byte) bool) {
		for i := range n {
			if !yield(fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: store@example.com\r\nSubject: Lead %[1]d\r\nMessage-ID: <%[1]d@autotrader.example>\r\n"+
				"Content-Type: text/plain; charset=utf-8\r\n\r\n<?xml version=\"1.0\"?>\r\n<?adf version=\"1.0\"?>\r\n<adf><prospect><id source=\"AutoTrader\">%[1]d</id>"+
				"<requestdate>2026-03-02T09:30:00-06:00</requestdate>\r\n<vehicle interest=\"buy\"><year>2021</year><make>Ford</make><model>F-150</model><stock>S%[1]d</stock></vehicle>\r\n"+
				"<customer><contact><name part=\"first\">Jo</name><name part=\"last\">Quinn%[1]d</name><email>jo%[1]d@example.net</email></contact><comments>%[2]s</comments></customer>\r\n"+
				"<vendor><vendorname>Main Street</vendorname></vendor><provider><name>AutoTrader</name></provider></prospect></adf>\r\n", i, words[i%len(line):][:len(line)*lines])) {
				return
			}
		}
	}
}

// intakeOf is the way of a mailbox's messages as the daemon has it, over a Redis of its own. The IMAP server is reached at an address.
func intakeOf(b *testing.B, imap *mailtest.Server, addr string) (*Config, *books, *ingest.Intake) {
	b.Helper()
	server := routertest.StartRedis(b)
	cfg, err := Load(benchConfig(b, server.Addr, "", addr, imap.Password, imap.User))
	if err != nil {
		b.Fatal(err)
	}
	books, err := cfg.open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = books.Close() })
	return cfg, books, ingest.New(books.router, cfg.intake(), uncounted{}, slog.New(slog.DiscardHandler))
}

// watchFirst reads the first mailbox until the returned function is called.
func watchFirst(b *testing.B, cfg *Config, books *books, h ingest.Handler, o *mailtest.Observer) (stop func()) {
	b.Helper()
	all, err := cfg.mailboxes()
	if err != nil {
		b.Fatal(err)
	}
	m, err := mailbox.New(all[0], h, ledger{books.ledger}, o, slog.New(slog.DiscardHandler), books.store.Now)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.Run(ctx) // it gives nil alone
	}()
	return func() { cancel(); <-done }
}

func median[T int64 | time.Duration](all []T) T { return percentile(all, 50) }

func percentile[T int64 | time.Duration](all []T, p int) T {
	slices.Sort(all)
	return all[min(len(all)*p/100, len(all)-1)]
}

// BenchmarkCatchUp compares a mailbox of 10,000 leads, each read, dealt in Redis and settled, with a bare FETCH of the same mailbox, in
// turns. The Redis keeps nothing on disk: what that costs is measured beside it, see BenchmarkAssign.
func BenchmarkCatchUp(b *testing.B) {
	const mails = 10_000
	imap := mailtest.Dovecot(b)
	imap.Fill(b, time.Now().Add(-mails*time.Second-time.Hour), benchMails(mails))
	imap.Fetch(b) // fills the server's caches
	var bare, whole []time.Duration
	for b.Loop() {
		cfg, books, intake := intakeOf(b, imap, imap.Addr)
		began := time.Now()
		imap.Fetch(b)
		bare = append(bare, time.Since(began))
		o := &mailtest.Observer{}
		began = time.Now()
		stop := watchFirst(b, cfg, books, intake, o)
		o.Await(b, "all", func(seen mailtest.Observed) bool { return seen.Fates[ingest.FateLead] >= mails })
		whole = append(whole, time.Since(began))
		stop()
	}
	b.ReportMetric(float64(median(whole))/float64(median(bare)), "x-bare-fetch")
	b.ReportMetric(float64(mails)/median(whole).Seconds(), "leads/s")
	b.ReportMetric(float64(mails)/median(bare).Seconds(), "bare-mails/s")
}

// BenchmarkNotice measures how long after the server told the daemon of a mail its lead has an owner. One round is one mail.
func BenchmarkNotice(b *testing.B) {
	imap := mailtest.Dovecot(b)
	notice := make(chan time.Time, 1)
	cfg, books, intake := intakeOf(b, imap, tap(b, imap.Addr, notice))
	decided := make(chan time.Time, 1)
	o := &mailtest.Observer{}
	b.Cleanup(watchFirst(b, cfg, books, handled{intake, decided}, o))
	o.Await(b, "a look", func(seen mailtest.Observed) bool { return seen.Successes > 0 })
	<-notice // of the selection
	var beyond []time.Duration
	next, stop := iter.Pull(benchMails(1 << 20))
	defer stop()
	for b.Loop() {
		n := o.Observed().Successes
		raw, _ := next()
		imap.Deliver(b, raw)
		told, got := <-notice, <-decided
		beyond = append(beyond, got.Sub(told))
		o.Await(b, "a look at it", func(seen mailtest.Observed) bool { return seen.Successes > n })
	}
	b.ReportMetric(percentile(beyond, 50).Seconds()*1000, "ms-p50")
	b.ReportMetric(percentile(beyond, 95).Seconds()*1000, "ms-p95")
}

// tap stands between the daemon and the server and says when the server told of new mail. Each connection is told at a time of its own, so
// that no other could say it.
func tap(b *testing.B, addr string, notice chan<- time.Time) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(server, client) // either end may go at any time
				_ = server.Close()
			}()
			go func() {
				defer client.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := server.Read(buf)
					if bytes.Contains(buf[:n], []byte(" EXISTS\r\n")) {
						select {
						case notice <- time.Now():
						default:
						}
					}
					if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// handled tells when a message was decided.
type handled struct {
	ingest.Handler
	at chan time.Time
}

func (h handled) Open(ctx context.Context, all []ingest.Message) ingest.Batch {
	return handledBatch{h.Handler.Open(ctx, all), h.at}
}

type handledBatch struct {
	ingest.Batch
	at chan time.Time
}

func (b handledBatch) Decide(ctx context.Context) []ingest.Outcome {
	out := b.Batch.Decide(ctx)
	for range out {
		b.at <- time.Now()
	}
	return out
}

// built builds a command as it is shipped.
func built(b *testing.B, pkg string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, pkg).CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

// resident reads a field of /proc/PID/status, in bytes.
func resident(b *testing.B, cmd *exec.Cmd, field string) int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(field + `:\s+([0-9]+) kB`).FindSubmatch(text)
	if found == nil {
		b.Fatalf("no %s in %s", field, text)
	}
	n, _ := strconv.ParseInt(string(found[1]), 10, 64) // digits
	return n << 10
}

// started starts a command that ends with the returned function.
func started(b *testing.B, cmd *exec.Cmd) (end func()) {
	b.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, and says so
	}
}

var looked = regexp.MustCompile(`(?m)^leadfloor_mailbox_last_success_timestamp_seconds\{.*\} [1-9]`)

// BenchmarkDaemonSize compares the resident memory of a daemon that watches 50 mailboxes with that of 50 bare connections that idle.
func BenchmarkDaemonSize(b *testing.B) {
	const boxes = 50
	imap := mailtest.Dovecot(b)
	users := make([]string, boxes)
	for i := range users {
		users[i] = imap.Account(b).User
	}
	daemon, idlers := built(b, "leadfloor/cmd/leadfloor"), built(b, "leadfloor/cmd/leadfloor/testdata/idlers")
	var bare, whole []int64
	for b.Loop() {
		cmd := exec.Command(idlers, append([]string{imap.Addr, imap.Password}, users...)...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := cmd.StdinPipe(); err != nil { // open for as long as it should live
			b.Fatal(err)
		}
		end := started(b, cmd)
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			b.Fatalf("idlers: %q, %v", line, err)
		}
		bare = append(bare, resident(b, cmd, "VmRSS"))
		end()

		listen := routertest.FreeAddr(b)
		config := benchConfig(b, routertest.StartRedis(b).Addr, "listen: "+listen+"\n", imap.Addr, imap.Password, users...)
		cmd = exec.Command(daemon, "serve", "--config", config, "--log.level", "error")
		end = started(b, cmd)
		p := &process{t: b, addr: listen}
		p.await("a look at all mailboxes", time.Minute, func() bool { return len(looked.FindAllString(scraped(listen), -1)) == boxes })
		whole = append(whole, resident(b, cmd, "VmRSS"))
		end()
	}
	b.ReportMetric(float64(median(bare))/(1<<20), "MiB-bare")
	b.ReportMetric(float64(median(whole))/(1<<20), "MiB-daemon")
	b.ReportMetric(float64(median(whole))/float64(median(bare)), "x-bare")
}

// BenchmarkCatchUpMemory is the most resident memory that a daemon takes over a mailbox of 10,000 leads; of 100,000 with LEADFLOOR_LONG=1.
func BenchmarkCatchUpMemory(b *testing.B) {
	mails := int64(10_000)
	if os.Getenv("LEADFLOOR_LONG") != "" {
		mails = 100_000
	}
	imap := mailtest.Dovecot(b)
	imap.Fill(b, time.Now().Add(-time.Duration(mails)*time.Second-time.Hour), benchMails(int(mails)))
	daemon := built(b, "leadfloor/cmd/leadfloor")
	var most []int64
	for b.Loop() {
		redis := routertest.StartRedis(b)
		c := redis.Client()
		cmd := exec.Command(daemon, "serve", "--log.level", "error", "--config", benchConfig(b, redis.Addr, "", imap.Addr, imap.Password, imap.User))
		end := started(b, cmd)
		p := &process{t: b}
		p.await("all leads", 10*time.Minute, func() bool {
			return c.HGet(b.Context(), "lf:{mb:leads-0}:fate", "lead").Val() == strconv.FormatInt(mails, 10)
		})
		most = append(most, resident(b, cmd, "VmHWM"))
		end()
		_ = c.Close()
	}
	b.ReportMetric(float64(median(most))/(1<<20), "MiB-most")
}

// scraped is what the daemon at addr shows Prometheus, "" while it does not answer.
func scraped(addr string) string {
	r, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	var text strings.Builder
	_, _ = bufio.NewReader(r.Body).WriteTo(&text) // cut short it lacks what is looked for
	return text.String()
}
