package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

// servers are what replicas stand on: a mail server, a Redis and the file of a password.
type servers struct {
	imap   *mailtest.Server
	redis  *routertest.Redis
	secret string
}

func newServers(t *testing.T, imap *mailtest.Server) *servers {
	t.Helper()
	g := &servers{imap: imap, secret: filepath.Join(t.TempDir(), "imap.pw")}
	g.redis = routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	if err := os.WriteFile(g.secret, []byte(imap.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// config is mainPathConfig on it, with other things to say of the mailbox.
func (g *servers) config(also string) string {
	return strings.Replace(fmt.Sprintf(mainPathConfig, g.redis.Addr, g.imap.Addr, g.imap.User, g.secret), "poll_interval: 1h", "poll_interval: 5s"+also, 1)
}

func (g *servers) leads(t *testing.T) int64 {
	c := g.redis.Client()
	defer c.Close()
	return c.ZCard(t.Context(), "lf:{main-street}:leads").Val()
}

// holds says whether a daemon has the mailbox.
func (p *process) holds() bool {
	p.t.Helper()
	text := ""
	p.get("/metrics", &text)
	return strings.Contains(text, `leadfloor_mailbox_up{mailbox="leads"} 1`)
}

func (p *process) status(path string) (int, string) {
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
	return r.StatusCode, string(b)
}

// A holder that is killed is followed within 15 s. One that is frozen over its work is followed too, and when it goes on its late writes are
// refused.
func TestTakeover(t *testing.T) {
	t.Parallel()
	g := newServers(t, mailtest.Dovecot(t))
	a, b := startProcess(t, g.config("")), startProcess(t, g.config(""))
	a.await("somebody has the mailbox", 30*time.Second, func() bool { return a.holds() || b.holds() })
	if b.holds() {
		a, b = b, a
	}
	first, rest := world()
	a.kill()
	g.imap.Append(t, time.Now(), first[0])
	killed := time.Now()
	b.await("the lead after the kill", 30*time.Second, func() bool { return g.leads(t) == 1 })
	took := time.Since(killed)
	if took > 15*time.Second {
		t.Errorf("the other took over %s after the kill, want within 15s", took)
	}
	t.Logf("taken over %s after the kill", took.Round(100*time.Millisecond))

	a.start()
	g.imap.Append(t, time.Now(), append(first[1:], rest...)...)
	b.await("the work has begun", 30*time.Second, func() bool { return g.leads(t) > 20 })
	if err := b.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	total := int64(len(first) + len(rest))
	places := func(p *process) (n int64) {
		for _, c := range p.ledger(g.redis, "leads") {
			n += c
		}
		return n
	}
	frozen := time.Now()
	a.await("the other goes on", 30*time.Second, a.holds)
	t.Logf("taken over %s after the freeze", time.Since(frozen).Round(100*time.Millisecond))
	a.await("every message has a fate", time.Minute, func() bool { return places(a) == total })
	if err := b.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.await("the frozen one finds its lease lost", 30*time.Second, func() bool { return strings.Contains(b.log(), "lease lost") })
	if n := g.leads(t); n != int64(len(first)) {
		t.Errorf("leads = %d, want %d", n, len(first))
	}
	if n := places(a); n != total {
		t.Errorf("places = %d, want %d", n, total)
	}
	a.verify()
}

// Of two configurations the one that was loaded last leads; the replica with the other says that it stands by, and what to do.
func TestStandby(t *testing.T) {
	t.Parallel()
	g := newServers(t, mailtest.Memory(t))
	older := g.config("")
	newer := strings.Replace(older, "{id: alice, name: Alice}, {id: bob, name: Bob}, {id: carl, name: Carl}, ", "", 1)
	a := startProcess(t, older)
	a.await("the mailbox", 30*time.Second, a.holds)
	b := startProcess(t, newer)
	a.await("it stands by", 10*time.Second, func() bool {
		code, text := a.status("/-/ready")
		return code == http.StatusServiceUnavailable && strings.Contains(text, "not ready: it stands by: another configuration, ")
	})
	b.await("the other has the mailbox", 20*time.Second, b.holds)
	if n := strings.Count(a.log(), "standing by: another configuration was loaded since"); n != 1 {
		t.Errorf("the log says %d times that it stands by, want once", n)
	}
	first, _ := world()
	g.imap.Append(t, time.Now(), first[:4]...)
	b.await("the leads", 30*time.Second, func() bool { return g.leads(t) == 4 })
	var leads struct{ Items []struct{ Owner string } }
	a.get("/api/v1/stores/main-street/leads", &leads) // it still shows
	for _, l := range leads.Items {
		if l.Owner != "dora" && l.Owner != "eve" {
			t.Errorf("a lead was dealt to %s, who is not on the newer roster", l.Owner)
		}
	}
	post := func(p *process, want int) {
		t.Helper()
		r, err := http.Post("http://"+p.addr+"/api/v1/stores/main-street/leads", "application/json", strings.NewReader(`{"channel":"phone","customer":{"phones":["312 555 9999"]}}`))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if body, _ := io.ReadAll(r.Body); r.StatusCode != want {
			t.Errorf("POST = %s, want %d: %s", r.Status, want, body)
		}
	}
	post(a, http.StatusServiceUnavailable)

	// The same file and a reload is what mends it.
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.config, []byte(strings.Replace(string(text), b.addr, a.addr, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	a.await("both are ready", 10*time.Second, func() bool { return a.ready() && b.ready() })
	post(a, http.StatusCreated)
	b.kill()
	a.await("the mailbox is back", 30*time.Second, a.holds)
	a.verify()
}

// A power cut takes the end of the append-only file, and with it decisions whose mails have been moved away. The daemon finds all of it again.
func TestLostTail(t *testing.T) {
	t.Parallel()
	g := newServers(t, mailtest.Dovecot(t))
	p := startProcess(t, g.config(`, after: {lead: "move:Done"}`))
	first, rest := world()
	g.imap.Append(t, time.Now(), first[:100]...)
	moved := func(want int) {
		t.Helper()
		p.await("all that were decided are moved", time.Minute, func() bool { return g.leads(t) == int64(want) && len(g.imap.Held(t, "INBOX")) == 0 })
	}
	moved(100)
	g.redis.Kill()
	g.redis.LoseTail(60_000)
	g.redis.Start()
	lost := 100 - g.leads(t)
	if lost < 10 {
		t.Fatalf("%d leads were lost with the power, want some", lost)
	}
	moved(100)
	p.await("the mailbox was gone over", time.Minute, func() bool { return strings.Contains(p.log(), "mail was gone over again") })
	// The next start must not bring back half a decision.
	p.await("redis writes its file anew", 30*time.Second, func() bool { return strings.Count(p.log(), "it writes its append-only file anew") == 2 })
	g.redis.Compact()
	g.redis.Kill()
	g.redis.Start()
	g.imap.Append(t, time.Now(), append(first[100:], rest[:10]...)...)
	p.await("all are leads", time.Minute, func() bool { return g.leads(t) == 290 })
	p.await("every message has a fate", time.Minute, func() bool { return p.ledger(g.redis, "leads")["touch"] == 10 })
	p.verify()
	var floor struct{ People []struct{ Turns int } }
	p.get("/api/v1/stores/main-street/floor", &floor)
	for _, x := range floor.People {
		if x.Turns != 58 {
			t.Errorf("turns = %d, want 58 for each", x.Turns)
		}
	}
	t.Logf("%d of 100 leads were lost with the power and dealt again", lost)

	// Nor does it matter if all is thrown away while the daemon runs.
	g.redis.Do("FLUSHALL")
	p.await("all are leads again", 2*time.Minute, func() bool { return g.leads(t) == 290 })
	p.await("the mailbox was gone over again", time.Minute, func() bool {
		return strings.Contains(p.log(), "msg=\"mail was gone over again\" component=mailbox mailbox=leads messages=300")
	})
	p.verify()
}

// A full disk has Redis refuse writes, or end where it syncs each one. No mail is settled meanwhile, and all of it is dealt once there is room.
func TestDiskFull(t *testing.T) {
	for _, fsync := range []string{"everysec", "always"} {
		t.Run(fsync, func(t *testing.T) {
			t.Parallel()
			g := newServers(t, mailtest.Memory(t))
			g.redis.Kill()
			g.redis.Args = []string{"--appendonly", "yes", "--appendfsync", fsync}
			g.redis.FillDisk(300_000)
			g.redis.Start()
			p := startProcess(t, g.config(", after: {lead: flag}"))
			first, _ := world()
			g.imap.Append(t, time.Now(), first...)
			p.await("the disk is full", time.Minute, func() bool { return g.redis.Do("PING") == "" })
			p.await("it is not ready", 20*time.Second, func() bool {
				code, _ := p.status("/-/ready")
				return code == http.StatusServiceUnavailable
			})
			marked := 0
			for _, h := range g.imap.Held(t, "INBOX") {
				if len(h.Flags) > 0 {
					marked++
				}
			}
			if marked == len(first) {
				t.Errorf("all %d messages are flagged, want those that nobody decided left alone", marked)
			}
			if fsync == "always" {
				g.redis.Kill() // it has ended by itself; this takes note of it
				g.redis.FreeDisk()
				g.redis.Start()
			} else {
				g.redis.FreeDisk()
			}
			p.await("every message has a fate", 2*time.Minute, func() bool { return p.ledger(g.redis, "leads")["lead"] == int64(len(first)) })
			p.verify()
			var floor struct{ People []struct{ Turns int } }
			p.get("/api/v1/stores/main-street/floor", &floor)
			for _, x := range floor.People {
				if x.Turns != 58 {
					t.Errorf("turns = %d, want 58 for each", x.Turns)
				}
			}
			t.Logf("%d of %d messages were flagged when the disk was full", marked, len(first))
		})
	}
}
