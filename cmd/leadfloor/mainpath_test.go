package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

// asCommand makes the test's own binary be the command.
const asCommand = "LEADFLOOR_AS_COMMAND"

// leadfloor is the command in a process of its own.
func leadfloor(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// A process is the daemon as users run it.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	config string
	addr   string
	mu     sync.Mutex
	logs   strings.Builder // of all its lives
	done   chan struct{}
}

// startProcess runs `leadfloor serve` with a configuration, whose first %s is the address to listen on.
func startProcess(t testing.TB, yaml string) *process {
	t.Helper()
	p := newProcess(t, yaml)
	p.start()
	return p
}

// newProcess is startProcess without the start.
func newProcess(t testing.TB, yaml string) *process {
	t.Helper()
	p := &process{t: t, addr: routertest.FreeAddr(t), config: filepath.Join(t.TempDir(), "leadfloor.yaml")}
	if err := os.WriteFile(p.config, []byte("listen: "+p.addr+"\n"+yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", p.log())
		}
	})
	return p
}

// start runs the daemon and waits until it is ready.
func (p *process) start() {
	p.t.Helper()
	p.launch("debug")
	p.await("the daemon is ready", 20*time.Second, p.ready)
}

func (p *process) ready() bool {
	r, err := http.Get("http://" + p.addr + "/-/ready")
	if err != nil {
		return false
	}
	defer r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// launch runs the daemon and waits for nothing.
func (p *process) launch(level string) {
	p.t.Helper()
	p.cmd = leadfloor(p.t, "serve", "--config", p.config, "--log.level", level)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		lines := bufio.NewReader(stderr)
		for {
			line, err := lines.ReadString('\n')
			p.mu.Lock()
			p.logs.WriteString(line)
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logs.String()
}

// kill is kill -9.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = p.cmd.Wait() // it was killed, and says so
	p.cmd = nil
}

// stop is what systemd does; it must leave well and soon.
func (p *process) stop() {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the daemon ended with %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		p.t.Errorf("the daemon took %s to leave", took)
	}
	p.cmd = nil
}

// await asks until cond holds. The daemon is another process: there is no event to wait for.
func (p *process) await(what string, bound time.Duration, cond func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(bound); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("after %s not yet: %s", bound, what)
		}
	}
}

func (p *process) get(path string, into any) {
	p.t.Helper()
	r, err := http.Get("http://" + p.addr + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s: %s", path, r.Status, b)
	}
	if text, ok := into.(*string); ok {
		*text = string(b)
		return
	}
	if err := json.Unmarshal(b, into); err != nil {
		p.t.Fatalf("GET %s: %v", path, err)
	}
}

// verify runs `leadfloor verify` beside the daemon.
func (p *process) verify() {
	p.t.Helper()
	out, err := leadfloor(p.t, "verify", "--config", p.config, "--mailboxes").CombinedOutput()
	if err != nil {
		p.t.Errorf("verify: %v\n%s", err, out)
	}
}

// ledger is what verify reads of the mailbox: fate -> places.
func (p *process) ledger(server *routertest.Redis, box string) map[string]int64 {
	p.t.Helper()
	c := server.Client()
	defer c.Close()
	b, err := openBooks(context.Background(), c, mustLoad(p.t, p.config))
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := b.ledger.Account(context.Background(), box, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return a.ByFate
}

func mustLoad(t testing.TB, path string) *Config {
	t.Helper()
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// world is a store's mail: 300 lead mails, 10 of them of returning customers, 20 delivered twice, 15 newsletters, 5 that nobody can read.
func world() (first, rest [][]byte) {
	adf := func(n, customer int, car string) []byte {
		return fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: leads@example.com\r\nSubject: Lead %d\r\nMessage-ID: <%d@autotrader.example>\r\n"+
			"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+
			"<?xml version=\"1.0\"?><?adf version=\"1.0\"?><adf><prospect><id source=\"AutoTrader\">%d</id><requestdate>2026-11-23T12:00:00Z</requestdate>"+
			"<vehicle interest=\"buy\" status=\"used\"><year>2021</year><make>Honda</make><model>%s</model></vehicle>"+
			"<customer><contact><name part=\"first\">Quentin</name><name part=\"last\">Surname%d</name><email>customer%d@example.net</email>"+
			"<phone>(312) 555-%04d</phone></contact><comments>Remark of number %d</comments></customer>"+
			"<vendor><vendorname>Main Street Motors</vendorname></vendor><provider><name>AutoTrader</name></provider></prospect></adf>\r\n",
			n, n, n, car, customer, customer, customer, n)
	}
	for n := range 290 {
		first = append(first, adf(n, n, "Civic"))
	}
	for n := range 10 {
		rest = append(rest, adf(1000+n, n, "Accord")) // they come back for another car
	}
	for n := range 20 {
		rest = append(rest, first[100+n])
	}
	for n := range 15 {
		rest = append(rest, fmt.Appendf(nil, "From: news@example.org\r\nTo: leads@example.com\r\nSubject: Dealer news %d\r\nMessage-ID: <news%d@example.org>\r\nList-Id: <news.example.org>\r\n\r\nTen ways to sell more cars.\r\n", n, n))
	}
	for n := range 5 {
		rest = append(rest, fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: leads@example.com\r\nSubject: Lead\r\nMessage-ID: <bad%d@autotrader.example>\r\nContent-Type: text/xml\r\n\r\n"+
			"<?xml version=\"1.0\"?><adf><prospect><vehicle><make>Honda</make></vehicle><customer><contact><name>Nobody%d</name></contact></customer></prospect></adf>\r\n", n, n))
	}
	return first, rest
}

const mainPathConfig = `redis: {url: "redis://%s/0"}
stores:
  - id: main-street
    timezone: America/Chicago
    managers: [{id: mia, name: Mia}]
    routing: {response_target: 1h}
    roster: [{id: alice, name: Alice}, {id: bob, name: Bob}, {id: carl, name: Carl}, {id: dora, name: Dora}, {id: eve, name: Eve}]
    mailboxes: [{name: leads, address: "%s", tls: none, username: "%s", password_file: "%s", start: all, poll_interval: 1h}]
`

// TestMainPath is the whole way on real servers: once undisturbed, once with the daemon killed in the middle.
func TestMainPath(t *testing.T) {
	t.Parallel()
	for _, kills := range []int{0, 2} {
		t.Run(fmt.Sprintf("%d kills", kills), func(t *testing.T) {
			t.Parallel()
			imap := mailtest.Dovecot(t)
			server := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
			secret := filepath.Join(t.TempDir(), "imap.pw")
			if err := os.WriteFile(secret, []byte(imap.Password+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			p := startProcess(t, fmt.Sprintf(mainPathConfig, server.Addr, imap.Addr, imap.User, secret))

			first, rest := world()
			rng := rand.New(rand.NewPCG(1, uint64(kills)))
			rng.Shuffle(len(first), func(i, j int) { first[i], first[j] = first[j], first[i] })
			// Whoever comes back has been here before; everything else is in any order.
			mail := append(slices.Clone(first[:250]), shuffled(rng, append(slices.Clone(first[250:]), rest...))...)
			mail = ordered(mail, rest)
			c := server.Client()
			defer c.Close()
			imap.Append(t, time.Now(), mail...)
			for n := range kills {
				at := int64(100 * (n + 1))
				p.await(fmt.Sprint(at, " leads"), 60*time.Second, func() bool { return c.ZCard(t.Context(), "lf:{main-street}:leads").Val() >= at-80 })
				p.kill()
				p.start()
			}
			want := map[string]int64{"lead": 290, "touch": 10, "replay": 20, "other": 15, "quarantined": 5}
			p.await("every message has a fate", 60*time.Second, func() bool {
				n := int64(0)
				for _, c := range p.ledger(server, "leads") {
					n += c
				}
				return n == int64(len(mail))
			})
			got := p.ledger(server, "leads")
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("fates = %v, want %v", got, want)
			}
			var floor struct {
				People []struct {
					ID    string
					Turns int
				}
			}
			p.get("/api/v1/stores/main-street/floor", &floor)
			for _, x := range floor.People {
				if x.Turns != 58 {
					t.Errorf("turns of %s = %d, want 58", x.ID, x.Turns)
				}
			}
			p.verify()
			p.stop()
			p.verify()
			for _, secret := range []string{"Quentin", "Surname", "customer1@", "555-", "Remark", imap.Password} {
				if strings.Contains(p.log(), secret) {
					t.Errorf("the log holds %q", secret)
				}
			}
		})
	}
}

func shuffled(rng *rand.Rand, all [][]byte) [][]byte {
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// ordered moves nothing but what cannot be: a customer does not come back, nor a mail again, before the first time.
func ordered(mail, rest [][]byte) [][]byte {
	later := map[string]bool{}
	for _, m := range rest[:10] {
		later[string(m)] = true
	}
	var head, tail [][]byte
	for _, m := range mail {
		if later[string(m)] {
			tail = append(tail, m)
		} else {
			head = append(head, m)
		}
	}
	return append(head, tail...)
}

// TestIdleIsQuick measures how soon a mail that is delivered while the daemon idles has an owner. The poll comes once an hour, so whatever
// comes sooner came by IDLE. What the server itself takes to notify is not ours: Dovecot bundles changes for half a second.
func TestIdleIsQuick(t *testing.T) {
	t.Parallel()
	imap := mailtest.Dovecot(t)
	server := routertest.StartRedis(t)
	secret := filepath.Join(t.TempDir(), "imap.pw")
	if err := os.WriteFile(secret, []byte(imap.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, fmt.Sprintf(mainPathConfig, server.Addr, imap.Addr, imap.User, secret))
	first, _ := world()
	imap.Append(t, time.Now(), first[0])
	c := server.Client()
	defer c.Close()
	count := func() int64 { return c.ZCard(context.Background(), "lf:{main-street}:leads").Val() }
	p.await("the first lead", 20*time.Second, func() bool { return count() == 1 })
	var took []time.Duration
	for n := range 20 {
		began := time.Now()
		imap.Append(t, time.Now(), first[n+1])
		p.await("a lead by IDLE", 30*time.Second, func() bool { return count() == int64(n+2) })
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("delivery to owner: median %s, slowest %s", took[10].Round(time.Millisecond), took[19].Round(time.Millisecond))
}
