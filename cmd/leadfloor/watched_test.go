package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

const watchedConfig = `redis: {url: "redis://%s/0"}
stores:
  - id: main-street
    timezone: America/Chicago
    managers: [{id: mia, name: Mia}]
    routing: {response_target: 10s}
    roster: [{id: alice, name: Alice}, {id: bob, name: Bob}]
    mailboxes: [{name: leads, address: "%s", tls: none, username: "%s", password_file: "%s", start: all, poll_interval: 1h}]
`

// TestWatched has a real Prometheus and a real Alertmanager, on the files that are shipped, watch two daemons whose customer waits. The
// alert must come on time and once, and nothing but the answer may end it: neither dead daemons nor a frozen or restarted Redis.
func TestWatched(t *testing.T) {
	t.Parallel()
	imap := mailtest.Dovecot(t)
	server := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	secret := filepath.Join(t.TempDir(), "imap.pw")
	if err := os.WriteFile(secret, []byte(imap.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(watchedConfig, server.Addr, imap.Addr, imap.User, secret)
	a, b := startProcess(t, config), startProcess(t, config)
	desk := newDesk(t)
	w := startWatch(t, desk.url, a.addr, b.addr)

	w.until("both daemons are scraped, and nobody waits", `sum(up{job="leadfloor"}) == 2 and count(leadfloor_leads_untouched == 0) == 2`)
	first, _ := world()
	imap.Append(t, time.Now(), first[0])
	var leads struct {
		Items []struct {
			ID, Owner string
			DueAt     time.Time `json:"due_at"`
		}
	}
	a.await("the lead", 20*time.Second, func() bool {
		a.get("/api/v1/stores/main-street/leads", &leads)
		return len(leads.Items) == 1
	})
	lead := leads.Items[0]

	w.await("the warning fires", func() bool { return w.firing()["warning"] != time.Time{} })
	warned := w.firing()["warning"]
	if late := warned.Sub(lead.DueAt); late <= 0 || late > 2*time.Second {
		t.Errorf("the alert fired %s after the deadline, want within two scrapes of a second", late)
	}
	desk.await(t, "operations: warning firing")

	a.kill()
	w.until("one daemon is dead", `sum(up{job="leadfloor"}) == 1`)
	w.await("the alert is critical", func() bool { return w.firing()["critical"] != time.Time{} })
	fired := w.firing()
	if late := fired["critical"].Sub(lead.DueAt); late <= 10*time.Second || late > 12*time.Second {
		t.Errorf("the alert was critical %s after the deadline, want within two scrapes of one target more, 10s", late)
	}
	told := []string{"operations: warning firing", "general-manager: critical firing", "operations: critical firing"}
	desk.await(t, told...)

	b.kill()
	w.until("both daemons are dead", `sum(up{job="leadfloor"}) == 0`)
	w.evaluations(3)
	a.start()
	b.start()
	w.until("both daemons are back", `count(leadfloor_leads_untouched == 1) == 2`)
	w.evaluations(3)
	server.Freeze()
	w.until("redis hangs", `absent(leadfloor_leads_untouched)`)
	w.evaluations(3)
	server.Thaw()
	w.until("redis goes on", `count(leadfloor_leads_untouched == 1) == 2`)
	server.Kill()
	w.until("the daemons run without redis", `sum(up{job="leadfloor"}) == 2 and sum(leadfloor_redis_up) == 0 and absent(leadfloor_leads_untouched)`)
	w.evaluations(3)
	server.Start()
	w.until("redis is back", `count(leadfloor_leads_untouched == 1) == 2`)
	w.evaluations(3)
	// An alert that had ended in between would have begun anew.
	if diff := cmp.Diff(fired, w.firing()); diff != "" {
		t.Errorf("since when the alerts fire, after all that (-want +got):\n%s", diff)
	}
	desk.await(t, told...)

	answer := strings.NewReader(fmt.Sprintf(`{"kind":"response","by":%q,"channel":"call"}`, lead.Owner))
	r, err := http.Post("http://"+a.addr+"/api/v1/leads/"+lead.ID+"/events", "application/json", answer)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("the answer: %s", r.Status)
	}
	answered := time.Now()
	w.await("the answer ends the alert", func() bool { return len(w.firing()) == 0 })
	// The last evaluation at which it still fired.
	last := time.UnixMilli(int64(1000 * w.query(`max(max_over_time(timestamp(ALERTS{alertname="LeadUntouched"})[1m:500ms]))`)[0]))
	if late := last.Sub(answered); late > 2*time.Second {
		t.Errorf("the alert still fired %s after the answer, want two scrapes of a second at most", late)
	}
	desk.await(t, append(told, "operations: warning resolved", "operations: critical resolved", "general-manager: critical resolved")...)
	t.Logf("fired %s after the deadline, ended %s after the answer", warned.Sub(lead.DueAt).Round(time.Millisecond), last.Sub(answered).Round(time.Millisecond))
}

// A desk is where Alertmanager's messages about LeadUntouched arrive, a line for each: "receiver: severity status".
type desk struct {
	url string
	mu  sync.Mutex
	got []string
}

func newDesk(t *testing.T) *desk {
	d := &desk{}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Receiver string
			Alerts   []struct {
				Status string
				Labels map[string]string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, a := range m.Alerts {
			if a.Labels["alertname"] == "LeadUntouched" {
				d.got = append(d.got, m.Receiver+": "+a.Labels["severity"]+" "+a.Status)
			}
		}
	}))
	t.Cleanup(hook.Close)
	d.url = hook.URL
	return d
}

// await waits until as many messages have come as are wanted, and compares them.
func (d *desk) await(t *testing.T, want ...string) {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) { // messages come from another process
		d.mu.Lock()
		got := slices.Sorted(slices.Values(d.got))
		d.mu.Unlock()
		if len(got) >= len(want) || time.Now().After(deadline) {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("messages (-want +got):\n%s", diff)
			}
			return
		}
	}
}

// A watch is a Prometheus that sends to an Alertmanager.
type watch struct {
	t    *testing.T
	addr string
}

// startWatch runs the shipped files. What is not as shipped: addresses, receivers, and a second for each interval and wait.
func startWatch(t *testing.T, hook string, daemons ...string) *watch {
	t.Helper()
	dir, prom, alert := t.TempDir(), routertest.FreeAddr(t), routertest.FreeAddr(t)
	rules, err := filepath.Abs("../../deploy/prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	targets := func(addrs ...string) []any { return []any{map[string]any{"targets": addrs}} }

	p := shipped(t, "../../deploy/prometheus/prometheus.yml")
	p["global"] = map[string]any{"scrape_interval": "1s", "evaluation_interval": "1s"}
	p["rule_files"] = []string{rules}
	p["scrape_configs"].([]any)[0].(map[string]any)["static_configs"] = targets(daemons...)
	p["alerting"].(map[string]any)["alertmanagers"].([]any)[0].(map[string]any)["static_configs"] = targets(alert)

	m := shipped(t, "../../deploy/alertmanager/alertmanager.yml")
	delete(m, "global")
	var hurry func(route map[string]any)
	hurry = func(route map[string]any) {
		route["group_wait"], route["group_interval"] = "1s", "1s"
		routes, _ := route["routes"].([]any)
		for _, r := range routes {
			hurry(r.(map[string]any))
		}
	}
	hurry(m["route"].(map[string]any))
	for i, r := range m["receivers"].([]any) {
		m["receivers"].([]any)[i] = map[string]any{"name": r.(map[string]any)["name"], "webhook_configs": []any{map[string]any{"url": hook}}}
	}

	for name, file := range map[string]map[string]any{"prometheus.yml": p, "alertmanager.yml": m} {
		text, err := yaml.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	startServer(t, alert, "prometheus-alertmanager", "prometheus-alertmanager", "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+filepath.Join(dir, "alertmanager"),
		"--web.listen-address="+alert, "--cluster.listen-address=", "--log.level=warn")
	startServer(t, prom, "prometheus", "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "prometheus"),
		"--web.listen-address="+prom, "--log.level=warn")
	return &watch{t: t, addr: prom}
}

func shipped(t *testing.T, path string) (file map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// startServer runs one of Prometheus' own daemons, of a Debian package, until the test ends.
func startServer(t *testing.T, addr, pkg, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is not installed: apt-get install %s", name, pkg)
	}
	cmd := exec.Command(name, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, and says so
		if t.Failed() {
			t.Logf("%s:\n%s", name, log.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) { // another process: there is no event to wait for
		r, err := http.Get("http://" + addr + "/-/ready")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v", name, err)
		}
	}
}

func (w *watch) ask(path string, data any) {
	w.t.Helper()
	r, err := http.Get("http://" + w.addr + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	answer := struct {
		Error string
		Data  any
	}{Data: data}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || r.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: %s: %v %s", path, r.Status, err, answer.Error)
	}
}

// query gives the values of an instant vector.
func (w *watch) query(expr string) (values []float64) {
	w.t.Helper()
	var data struct {
		Result []struct{ Value [2]any }
	}
	w.ask("/api/v1/query?query="+url.QueryEscape(expr), &data)
	for _, s := range data.Result {
		v, err := strconv.ParseFloat(fmt.Sprint(s.Value[1]), 64)
		if err != nil {
			w.t.Fatalf("%s: %v", expr, err)
		}
		values = append(values, v)
	}
	return values
}

// firing says since when LeadUntouched fires, by severity. Severities that do not fire are not there.
func (w *watch) firing() map[string]time.Time {
	w.t.Helper()
	var data struct {
		Alerts []struct {
			Labels   map[string]string
			State    string
			ActiveAt time.Time
		}
	}
	w.ask("/api/v1/alerts", &data)
	since := map[string]time.Time{}
	for _, a := range data.Alerts {
		if a.Labels["alertname"] == "LeadUntouched" && a.State == "firing" {
			since[a.Labels["severity"]] = a.ActiveAt
		}
	}
	return since
}

func (w *watch) await(what string, cond func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); time.Sleep(50 * time.Millisecond) { // another process: there is no event to wait for
		if time.Now().After(deadline) {
			w.t.Fatalf("after 30s not yet: %s", what)
		}
	}
}

// until waits until the expression has a value.
func (w *watch) until(what, expr string) {
	w.t.Helper()
	w.await(what, func() bool { return len(w.query(expr)) > 0 })
}

// evaluations waits until the rules have been evaluated n more times.
func (w *watch) evaluations(n float64) {
	w.t.Helper()
	last := func() float64 {
		if v := w.query(`max(timestamp(ALERTS{alertname="Watchdog"}))`); len(v) > 0 {
			return v[0]
		}
		return 0
	}
	start := last()
	w.await(fmt.Sprint(n, " evaluations"), func() bool { return last() >= start+n })
}
