package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadfloor/router/routertest"
)

// TestUpgrade takes over what an earlier leadfloor left: testdata/upgrade/dump.rdb is the whole Redis of a daemon of November 2026, before
// the first release, with mail, entries by hand, duplicates, turns given back, re-deals and turnovers in it; beside it stands what that
// daemon said. Nothing of it may read otherwise now, the books must balance, and work goes on upon it.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	const before = "testdata/upgrade/"
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(before + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	server := routertest.StartRedis(t)
	server.Kill()
	if err := os.WriteFile(filepath.Join(server.Dir, "dump.rdb"), read("dump.rdb"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.Start()

	type lead struct {
		ID, Owner, State string
		Touches          int
	}
	var want, got []lead
	if err := json.Unmarshal(read("leads.json"), &want); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, strings.Replace(string(read("leadfloor.yaml")), "ADDR", server.Addr, 1))
	for _, store := range []string{"main-street", "south"} {
		var page struct {
			Items []struct {
				ID, Owner, State string
				Touches          []any
			}
		}
		p.get("/api/v1/stores/"+store+"/leads?limit=500", &page)
		for _, l := range page.Items {
			got = append(got, lead{l.ID, l.Owner, l.State, len(l.Touches)})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("leads (-before +now):\n%s", diff)
	}
	var metrics string
	p.get("/metrics", &metrics)
	now := map[string]bool{}
	for line := range strings.Lines(metrics) {
		now[line] = true
	}
	for line := range strings.Lines(string(read("metrics.txt"))) {
		if !now[line] {
			t.Errorf("/metrics no longer shows %s", line)
		}
	}
	p.verify()

	post := func(path, body string, into any) {
		t.Helper()
		r, err := http.Post("http://"+p.addr+"/api/v1"+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode >= 300 {
			t.Fatalf("POST %s: %s", path, r.Status)
		}
		if err := json.NewDecoder(r.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	arrive := func(customer int) (id, owner, disposition string) {
		t.Helper()
		var taken struct {
			Leads []struct{ ID, Owner, Disposition string }
		}
		post("/stores/main-street/leads", fmt.Sprintf(`{"channel":"http","source":"autotrader","customer":{"email":"robin%d@example.net"},"vehicles":[{"make":"Honda","model":"Pilot"}]}`, customer), &taken)
		return taken.Leads[0].ID, taken.Leads[0].Owner, taken.Leads[0].Disposition
	}
	known := map[string]lead{}
	for _, l := range want {
		known[l.ID] = l
	}
	id, owner, disposition := arrive(20) // answered before
	if disposition != "touch" || known[id].Owner != owner {
		t.Errorf("a customer of before is %s of %s, with %s; want a touch of their lead, with its owner %s", disposition, id, owner, known[id].Owner)
	}
	post("/leads/"+id+"/events", fmt.Sprintf(`{"kind":"response","by":%q,"channel":"call"}`, owner), new(any))
	id, owner, _ = arrive(22)
	post("/leads/"+id+"/events", fmt.Sprintf(`{"kind":"void","by":%q,"reason":"spam"}`, owner), new(any))
	if id, _, disposition = arrive(7); disposition != "new" || known[id].ID != "" { // whose lead was void
		t.Errorf("a customer whose lead was void is %s of %s, want a new lead", disposition, id)
	}
	if _, _, disposition = arrive(999); disposition != "new" {
		t.Errorf("a stranger is %s, want a new lead", disposition)
	}
	p.verify()
	p.stop()
}
