package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"leadfloor/router/routertest"
)

const (
	alertmanagerFile    = "alertmanager/alertmanager.yml"
	alertmanagerPackage = "prometheus-alertmanager"
)

func TestAlertmanagerConfig(t *testing.T) {
	if out, ok := tool(t, alertmanagerPackage, "amtool", "check-config", alertmanagerFile); !ok {
		t.Errorf("amtool check-config:\n%s", out)
	}
	b, err := os.ReadFile(alertmanagerFile)
	if err != nil {
		t.Fatal(err)
	}
	// Deadlines have open hours in them: what is overdue at night was due in the day.
	if m := regexp.MustCompile(`(?m)^[^#\n]*time_intervals`).FindString(string(b)); m != "" {
		t.Errorf("%q mutes by the hour", m)
	}
	if m := regexp.MustCompile(`(?m)^[^#\n]*(password|secret|token|key|credentials|api_url):.*$`).FindString(string(b)); m != "" {
		t.Errorf("%q: a secret belongs into a file", m)
	}
}

// TestRoutes asks Alertmanager who is told of each alert that the rules can raise.
func TestRoutes(t *testing.T) {
	want := map[string]string{ // the others go to operations alone
		"LeadUntouched critical": "general-manager,operations",
		"Watchdog none":          "heartbeat",
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		receivers := want[r.Alert+" "+r.Labels["severity"]]
		if receivers == "" {
			receivers = "operations"
		}
		args := []string{"config", "routes", "test", "--config.file=" + alertmanagerFile, "--verify.receivers=" + receivers, "alertname=" + r.Alert, "job=leadfloor", "store=main-street"}
		for name, value := range r.Labels {
			args = append(args, name+"="+value)
		}
		if out, ok := tool(t, alertmanagerPackage, "amtool", args...); !ok {
			t.Errorf("%s (%s) does not go to %s:\n%s", r.Alert, r.Labels["severity"], receivers, out)
		}
	}
}

// TestInhibition lets a real Alertmanager with the shipped rules say which alerts it keeps to itself. Its receivers are deaf.
func TestInhibition(t *testing.T) {
	ask := startAlertmanager(t)
	alert := func(name, severity, component string, more ...string) map[string]string {
		labels := map[string]string{"alertname": name, "severity": severity, "component": component, "job": "leadfloor"}
		for i := 0; i+1 < len(more); i += 2 {
			labels[more[i]] = more[i+1]
		}
		return labels
	}
	for _, test := range []struct {
		name string
		job  string // of the test's own, so that the cases do not inhibit one another
		// Whether each is muted while all fire.
		alerts []map[string]string
		muted  []bool
	}{
		{
			"no daemon", "down",
			[]map[string]string{
				alert("LeadfloorDown", "critical", "daemon"), alert("LeadfloorDown", "warning", "daemon", "instance", "a"),
				alert("MailboxDown", "critical", "daemon", "mailbox", "leads"), alert("RedisDown", "critical", "daemon"), alert("BooksUnbalanced", "critical", "daemon", "store", "main"),
				alert("LeadUntouched", "warning", "leads", "store", "main"), alert("LeadsWaiting", "warning", "leads", "store", "main"), alert("Watchdog", "none", "daemon"),
			},
			[]bool{false, true, true, true, true, false, false, false},
		},
		{
			"no redis", "redis",
			[]map[string]string{
				alert("RedisDown", "critical", "daemon"), alert("RedisDown", "warning", "daemon", "instance", "a"), alert("MailboxDown", "critical", "daemon", "mailbox", "leads"),
				alert("RedisMemory", "warning", "daemon"), alert("ReloadFailed", "warning", "daemon", "instance", "a"), alert("LeadUntouched", "critical", "leads", "store", "main"),
			},
			[]bool{false, true, true, true, false, false},
		},
		{
			"one mailbox", "mailbox",
			[]map[string]string{
				alert("MailboxDown", "critical", "daemon", "mailbox", "leads"), alert("MailboxStale", "warning", "daemon", "mailbox", "leads"), alert("MailboxStale", "warning", "daemon", "mailbox", "other"),
			},
			[]bool{false, true, false},
		},
		{
			"one store at twice the target", "target",
			[]map[string]string{
				alert("LeadUntouched", "critical", "leads", "store", "main"), alert("LeadUntouched", "warning", "leads", "store", "main"),
				alert("LeadUntouched", "warning", "leads", "store", "north"), alert("LeadsQuarantined", "warning", "leads", "store", "main"),
			},
			[]bool{false, true, false, false},
		},
		{
			"one replica", "replica",
			[]map[string]string{
				alert("LeadfloorDown", "warning", "daemon", "instance", "a"), alert("MailboxDown", "critical", "daemon", "mailbox", "leads"),
			},
			[]bool{false, false},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			type post struct {
				Labels map[string]string `json:"labels"`
			}
			var body []post
			want := map[string]bool{}
			for i, labels := range test.alerts {
				labels["job"] = test.job
				body = append(body, post{labels})
				want[fmt.Sprint(labels)] = test.muted[i]
			}
			b, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if err := ask("POST", "/api/v2/alerts", b, nil); err != nil {
				t.Fatal(err)
			}
			var diff string
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) { // another process: there is no event to wait for
				var held []struct {
					Labels map[string]string
					Status struct{ InhibitedBy []string }
				}
				if err := ask("GET", "/api/v2/alerts?filter=job%3D"+test.job, nil, &held); err != nil {
					t.Fatal(err)
				}
				got := map[string]bool{}
				for _, a := range held {
					got[fmt.Sprint(a.Labels)] = len(a.Status.InhibitedBy) > 0
				}
				if diff = cmp.Diff(want, got); diff == "" {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("muted (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// startAlertmanager runs Alertmanager with the shipped file, its receivers taken away, until the test ends. ask sends a request and decodes
// the answer, where there is something to decode into.
func startAlertmanager(t *testing.T) (ask func(method, path string, body []byte, into any) error) {
	t.Helper()
	b, err := os.ReadFile(alertmanagerFile)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	for _, r := range config["receivers"].([]any) {
		for key := range r.(map[string]any) {
			if key != "name" {
				delete(r.(map[string]any), key)
			}
		}
	}
	if b, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	dir, addr := t.TempDir(), routertest.FreeAddr(t)
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("prometheus-alertmanager"); err != nil {
		t.Fatalf("prometheus-alertmanager is not installed: apt-get install %s", alertmanagerPackage)
	}
	cmd := exec.Command("prometheus-alertmanager", "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=", "--log.level=warn")
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
			t.Logf("alertmanager:\n%s", log.String())
		}
	})
	ask = func(method, path string, body []byte, into any) error {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s %s: %s", method, path, resp.Status)
		}
		if into == nil {
			return nil
		}
		return json.NewDecoder(resp.Body).Decode(into)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := ask("GET", "/-/ready", nil, nil)
		if err == nil {
			return ask
		}
		if time.Now().After(deadline) {
			t.Fatalf("alertmanager does not answer: %v\n%s", err, strings.TrimSpace(log.String()))
		}
	}
}
