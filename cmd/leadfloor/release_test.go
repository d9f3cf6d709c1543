package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

const trustConfig = `redis: {url: "redis://%s/0"}
stores:
  - id: main-street
    timezone: America/Chicago
    managers: [{id: mia, name: Mia}]
    roster: [{id: alice, name: Alice}, {id: bob, name: Bob}]
    mailboxes:
      - name: leads
        address: "%s"
        tls: none
        username: "%s"
        password_file: "%s"
        start: all
        poll_interval: 1s
        after: {quarantined: "move:Held"}
        trust: {authentication: require, authserv_id: mx.dealer.example}
`

// TestTrust is the whole way of what is not trusted, on real servers: held and moved away, given free over the API and by two people at once,
// one of them what only the mailbox still has, with the daemon killed in between. The books stay exact.
func TestTrust(t *testing.T) {
	t.Parallel()
	imap := mailtest.Dovecot(t)
	server := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	secret := filepath.Join(t.TempDir(), "imap.pw")
	if err := os.WriteFile(secret, []byte(imap.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, fmt.Sprintf(trustConfig, server.Addr, imap.Addr, imap.User, secret))

	first, rest := world()
	const vouched, failed = "Authentication-Results: mx.dealer.example; dmarc=pass header.from=autotrader.example\r\n", "Authentication-Results: mx.dealer.example; dmarc=fail header.from=autotrader.example\r\n"
	with := func(top string, raw []byte) []byte { return append([]byte(top), raw...) }
	large := slices.Concat(first[4], []byte(strings.Repeat("<!-- "+strings.Repeat("x", 900)+" -->\r\n", 1200)))
	arrived := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	imap.Append(t, arrived, with(vouched, first[0]), first[1], with(failed+vouched, first[2]), first[3], large, rest[30])

	fates := func(want string) {
		t.Helper()
		got := ""
		p.await("fates "+want, 60*time.Second, func() bool { got = fmt.Sprint(p.ledger(server, "leads")); return got == want })
	}
	fates("map[lead:1 other:1 quarantined:4]")
	p.await("what is held lies in its folder", 20*time.Second, func() bool { return len(imap.Held(t, "Held")) == 4 })
	metric := func(want string) {
		t.Helper()
		p.await(want, 20*time.Second, func() bool {
			var text string
			p.get("/metrics", &text)
			return strings.Contains(text, want+"\n")
		})
	}
	metric(`leadfloor_quarantined{store="main-street"} 4`)
	metric(`leadfloor_messages_doubted_total{mailbox="leads",reason="unsigned"} 4`)

	var held struct {
		Items []struct{ ID, Reason string }
	}
	p.get("/api/v1/stores/main-street/messages?fate=quarantined", &held)
	r, err := http.Post("http://"+p.addr+"/api/v1/stores/main-street/messages/"+held.Items[3].ID+"/release", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var given struct {
		Leads []struct{ ID, Owner, Disposition string }
	}
	if err := json.NewDecoder(r.Body).Decode(&given); err != nil || r.StatusCode != http.StatusOK || len(given.Leads) != 1 || given.Leads[0].Disposition != "new" {
		t.Fatalf("release over the API: %s, %+v, %v", r.Status, given, err)
	}
	p.kill()
	p.start()

	// Two people at two terminals, each told the same leads.
	var wg sync.WaitGroup
	told := make([]string, 2)
	for i := range told {
		wg.Go(func() {
			var args []string
			for _, m := range held.Items {
				args = append(args, m.ID)
			}
			out, err := leadfloor(t, append([]string{"lead", "release", "--config", p.config, "--format", "json"}, args...)...).Output()
			if err != nil {
				t.Errorf("release: %v\n%s", err, out)
			}
			var all []ending
			if err := json.Unmarshal(out, &all); err != nil {
				t.Errorf("release: %v\n%s", err, out)
			}
			for _, x := range all {
				told[i] += x.Message + " " + x.Lead + ", "
			}
		})
	}
	wg.Wait()
	if told[0] != told[1] || strings.Count(told[0], "main-street-") != 4 {
		t.Errorf("told %s\nand  %s, want the same four leads", told[0], told[1])
	}
	metric(`leadfloor_quarantined{store="main-street"} 0`)
	c := server.Client()
	defer c.Close()
	if n := c.ZCard(context.Background(), "lf:{main-street}:leads").Val(); n != 5 {
		t.Errorf("leads = %d, want 5", n)
	}
	var lead struct {
		ArrivedAt time.Time `json:"arrived_at"`
	}
	p.get("/api/v1/leads/"+given.Leads[0].ID, &lead)
	if !lead.ArrivedAt.Equal(arrived) {
		t.Errorf("the lead arrived %s, want %s, when its mail did", lead.ArrivedAt, arrived)
	}

	// The same mail once more is a replay; that it was held stays the fate of its place.
	imap.Append(t, time.Now(), first[1], large)
	fates("map[lead:1 other:1 quarantined:4 replay:2]")
	p.verify()
	p.stop()
	p.verify()
	if strings.Contains(p.log(), "customer1@") || strings.Contains(p.log(), "autotrader.example") {
		t.Error("the log tells who wrote")
	}
}
