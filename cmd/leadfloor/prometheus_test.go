package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

// TestPrometheusScrapes lets a real Prometheus scrape the real daemon, and asks it.
func TestPrometheusScrapes(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"prometheus", "promtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not installed: apt-get install prometheus", tool)
		}
	}
	imap := mailtest.Dovecot(t)
	server := routertest.StartRedis(t)
	secret := filepath.Join(t.TempDir(), "imap.pw")
	if err := os.WriteFile(secret, []byte(imap.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, fmt.Sprintf(mainPathConfig, server.Addr, imap.Addr, imap.User, secret))
	var text string
	p.get("/metrics", &text)
	for _, sample := range []string{
		`leadfloor_leads_received_total{source="other",store="main-street"} 0`, `leadfloor_leads_untouched{store="main-street"} 0`,
		`leadfloor_messages_total{fate="lead",mailbox="leads"} 0`, `leadfloor_person_turns_total{person="alice",store="main-street"} 0`, `leadfloor_redis_up 1`,
	} {
		if !strings.Contains(text, sample) {
			t.Errorf("before the first lead /metrics lacks %s", sample)
		}
	}
	first, _ := world()
	imap.Append(t, time.Now(), first[:7]...)
	p.await("seven leads", 20*time.Second, func() bool {
		p.get("/metrics", &text)
		return strings.Contains(text, `leadfloor_leads_received_total{source="autotrader",store="main-street"} 7`)
	})
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}

	dir, addr := t.TempDir(), routertest.FreeAddr(t)
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: leadfloor, static_configs: [{targets: [%q]}]}]\n", p.addr)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	prom := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+dir, "--web.listen-address="+addr, "--log.level=error")
	var log bytes.Buffer
	prom.Stdout, prom.Stderr = &log, &log
	prom.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := prom.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = prom.Process.Kill()
		_ = prom.Wait() // it was killed, and says so
		if t.Failed() {
			t.Logf("prometheus:\n%s", log.String())
		}
	})
	ask := func(query string) string {
		r, err := http.Get("http://" + addr + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		var a struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return err.Error()
		}
		if err := json.Unmarshal(b, &a); err != nil || len(a.Data.Result) != 1 {
			return string(b)
		}
		return fmt.Sprint(a.Data.Result[0].Value[1])
	}
	for query, want := range map[string]string{
		`up{job="leadfloor"}`: "1",
		`sum by (store) (max without (instance) (leadfloor_leads_received_total))`: "7",
		`sum(leadfloor_leads_assigned_total)`:                                      "7",
		`sum(leadfloor_messages_total{fate="lead"})`:                               "7",
		`leadfloor_leads_untouched`:                                                "7",
		`leadfloor_rotation_spread`:                                                "1",
		`count(leadfloor_lead_oldest_deadline_timestamp_seconds > time())`:         "1",
	} {
		got := ""
		p.await(query, 20*time.Second, func() bool { got = ask(query); return got == want })
		if got != want {
			t.Errorf("%s = %s, want %s", query, got, want)
		}
	}
}
