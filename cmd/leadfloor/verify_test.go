package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// A mailbox is asked without being changed: what has no fate is pending, what has one and is there no longer has left.
func TestVerifyMailboxes(t *testing.T) {
	server := mailtest.Memory(t)
	for n := range 5 {
		server.Append(t, time.Date(2026, 11, 23, 12, n, 0, 0, time.UTC), fmt.Appendf(nil, "Subject: %d\r\n\r\n", n))
	}
	c := routertest.StartRedis(t)
	client := c.Client()
	defer client.Close()
	path := filepath.Join(t.TempDir(), "leadfloor.yaml")
	config := fmt.Sprintf(`redis: {url: %q}
stores:
  - id: main-street
    timezone: America/Chicago
    roster: [{id: alice}]
    mailboxes:
      - {name: leads, address: %q, tls: none, username: %q, password_file: secret}
      - {name: replies, role: conversation, address: "127.0.0.1:1", tls: none, username: replies, password_file: secret}
`, c.URL(), server.Addr, server.User)
	for name, text := range map[string]string{path: config, filepath.Join(filepath.Dir(path), "secret"): server.Password} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(wantCode int, args ...string) (found struct {
		OK        bool
		Mailboxes []mailboxAudit
	}) {
		t.Helper()
		code, out, errs := command(t, append([]string{"verify", "--format", "json", "--config", path}, args...)...)
		if code != wantCode || errs != "" {
			t.Fatalf("verify = %d, %q, want %d", code, errs, wantCode)
		}
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatal(err)
		}
		return found
	}

	found := verify(exitWell, "--mailboxes")
	validity := found.Mailboxes[0].Server.UIDValidity
	if got := found.Mailboxes[0].Server; got.Messages != 5 || len(got.Pending) != 5 || got.Left != 0 || validity == 0 {
		t.Errorf("at first = %+v, want five pending messages", got)
	}
	if got := found.Mailboxes[1].Server; got.Asked || got.Note != "not asked, it is read for replies alone" {
		t.Errorf("conversation mailbox = %+v, want that it was not asked", got)
	}

	ledger := rdb.NewLedger(rdb.New(client, rdb.Options{}))
	settle := func(validity uint32, fate string, uids ...uint32) {
		t.Helper()
		var places []rdb.Place
		for _, uid := range uids {
			places = append(places, rdb.Place{UID: uid, Fate: fate})
		}
		if err := ledger.Settle(context.Background(), "leads", 1, validity, places); err != nil {
			t.Fatal(err)
		}
	}
	settle(validity, "lead", 1, 3)
	settle(validity, "gone", 99)
	settle(validity+1, "other", 2) // of another life of the folder: says nothing of UID 2 now
	got := verify(exitWell, "--mailboxes").Mailboxes[0]
	want := mailboxAudit{
		Mailbox: "leads", Places: 4, Faults: []string{},
		Fates:  map[string]int64{"lead": 2, "touch": 0, "duplicate": 0, "replay": 0, "other": 1, "quarantined": 0, "skipped": 0, "gone": 1},
		Server: &serverAudit{Asked: true, UIDValidity: validity, Messages: 5, Pending: []uint32{2, 4, 5}, Left: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verify (-want +got):\n%s", diff)
	}
	if _, out, _ := command(t, "verify", "--mailboxes", "--config", path); !strings.Contains(out, "mailbox leads: pending: 2,4:5\n") ||
		!strings.HasSuffix(out, "the books balance\n") {
		t.Errorf("verify = %q, want what is pending and that the books balance", out)
	}

	server.Stop()
	found = verify(exitFailed, "--mailboxes")
	if s := found.Mailboxes[0].Server; s.Asked || !strings.Contains(s.Error, "nothing listens there") || len(found.Mailboxes[0].Faults) > 0 {
		t.Errorf("without the server = %+v, want that it does not answer", s)
	}
	if _, out, errs := command(t, "verify", "--mailboxes", "--config", path); errs != "" || !strings.HasSuffix(out, "the books balance, but not every mailbox could be asked\n") {
		t.Errorf("without the server = %q, %q, want that the books balance as far as they were seen", out, errs)
	}
	verify(exitWell)
}

// A daemon that settles mail while the ledger is read makes no fault: the places lie between what was counted before and after.
func TestTally(t *testing.T) {
	for _, test := range []struct {
		name                  string
		before, places, after map[string]int64
		faults                []string
	}{
		{"quiet", map[string]int64{"lead": 2}, map[string]int64{"lead": 2}, map[string]int64{"lead": 2}, []string{}},
		{"settled meanwhile", map[string]int64{"lead": 2}, map[string]int64{"lead": 3, "other": 1}, map[string]int64{"lead": 4, "other": 1}, []string{}},
		{"too few", map[string]int64{"lead": 2}, map[string]int64{"lead": 1}, map[string]int64{"lead": 5}, []string{"1 places have the fate lead, but 5 were counted as they were set"}},
		{"too many", map[string]int64{"lead": 2}, map[string]int64{"lead": 9}, map[string]int64{"lead": 5}, []string{"9 places have the fate lead, but 5 were counted as they were set"}},
		{"no fate", map[string]int64{"lost": 1}, map[string]int64{}, map[string]int64{"lost": 1}, []string{`1 messages were counted as "lost", which is no fate`}},
		{"nothing", nil, nil, nil, []string{}},
	} {
		a := mailboxAudit{Faults: []string{}}
		a.tally(&rdb.Account{Fates: test.before, ByFate: test.places}, test.after)
		if diff := cmp.Diff(test.faults, a.Faults); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestRanges(t *testing.T) {
	var many []uint32
	for n := range uint32(50) {
		many = append(many, 2*n+1)
	}
	for want, uids := range map[string][]uint32{
		"": nil, "7": {7}, "3:5,9": {3, 4, 5, 9}, "1,3:4": {1, 3, 4},
		"1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39 and 30 more": many,
	} {
		if got := ranges(uids); got != want {
			t.Errorf("ranges(%v) = %q, want %q", uids, got, want)
		}
	}
}

// Progress is for whoever sits at a terminal: a line that is written over and leaves nothing behind. A pipe or a file gets none.
func TestProgress(t *testing.T) {
	var b strings.Builder
	p := progress{&b}
	p.of("main-street")(1000, 2500)
	p.clear()
	if got, want := b.String(), "\rstore main-street: event 1000 of 2500\x1b[K\r\x1b[K"; got != want {
		t.Errorf("progress = %q, want %q", got, want)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "errors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range []progress{newProgress(f), newProgress(&b)} {
		if p.clear(); p.of("main-street") != nil {
			t.Errorf("progress = %+v for what is no terminal, want none", p)
		}
	}
}
