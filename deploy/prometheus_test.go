package deploy_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"leadfloor/metrics"
	"leadfloor/router"
)

// tool runs a program of a Debian package and returns what it says.
func tool(t *testing.T, pkg, name string, args ...string) (out string, ok bool) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is not installed: apt-get install %s", name, pkg)
	}
	b, err := exec.Command(name, args...).CombinedOutput()
	return string(b), err == nil
}

// A rule is one of prometheus/rules.yml.
type rule struct {
	Record, Alert, Expr, For, group string
	Labels, Annotations             map[string]string
}

// rules are all of prometheus/rules.yml, in order. Fields that Prometheus knows and these rules may not have are faults.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	f, err := os.Open("prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true) // an interval above all: a group would no longer see each scrape
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			r.group = g.Name
			all = append(all, r)
		}
	}
	return all
}

// alerts are the names of all alerts, each once, sorted.
func alerts(t *testing.T) (names []string) {
	t.Helper()
	for _, r := range rules(t) {
		if r.Alert != "" {
			names = append(names, r.Alert)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestPrometheus(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "--lint=all", "--lint-fatal", "prometheus/prometheus.yml"},
		{"check", "rules", "--lint=all", "--lint-fatal", "prometheus/rules.yml"},
		{"test", "rules", "prometheus/rules_test.yml"},
	} {
		t.Run(strings.Join(args[:2], " "), func(t *testing.T) {
			t.Parallel()
			if out, ok := tool(t, "prometheus", "promtool", args...); !ok {
				t.Errorf("promtool %s:\n%s", strings.Join(args, " "), out)
			}
		})
	}
}

// TestAlerts holds every alert to what receivers and the people behind them rely on.
func TestAlerts(t *testing.T) {
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		want := []string{"critical", "warning"}
		if r.Alert == "Watchdog" {
			want = []string{"none"} // no inhibition and no receiver but the heartbeat's may take it for a trouble
		}
		if got := r.Labels["severity"]; !slices.Contains(want, got) {
			t.Errorf("%s: severity = %q, want one of %q", r.Alert, got, want)
		}
		if got := r.Labels["component"]; got != "leads" && got != "daemon" {
			t.Errorf("%s: component = %q, want leads or daemon", r.Alert, got)
		}
		if s := r.Annotations["summary"]; s == "" || strings.Contains(s, "{{") || !strings.HasSuffix(s, ".") {
			t.Errorf("%s: summary = %q, want a sentence that is always the same", r.Alert, s)
		}
		if r.Annotations["description"] == "" {
			t.Errorf("%s: no description", r.Alert)
		}
		if got, want := r.Annotations["runbook_url"], "deploy/runbooks/"+r.Alert+".md"; got != want {
			t.Errorf("%s: runbook_url = %q, want %q", r.Alert, got, want)
		}
		uid, _, _ := strings.Cut(strings.TrimPrefix(r.Annotations["dashboard_url"], "/d/"), "?")
		board := filepath.Join("grafana/dashboards", strings.TrimPrefix(uid, "leadfloor-")+".json")
		if b, err := os.ReadFile(board); err != nil {
			t.Errorf("%s: dashboard_url %q: %v", r.Alert, r.Annotations["dashboard_url"], err)
		} else if !strings.Contains(string(b), `"uid": "`+uid+`"`) {
			t.Errorf("%s: %s has not the uid %q", r.Alert, board, uid)
		}
		if r.Alert == "LeadUntouched" && r.For != "" {
			t.Errorf("LeadUntouched: for = %q, want none: the deadline was the patience", r.For)
		}
	}
}

// TestContractedAlerts holds the alerts against those that users were promised.
func TestContractedAlerts(t *testing.T) {
	promised := []string{
		"BooksUnbalanced", "ConfigDrift", "CustomerWaiting", "LeadUntouched", "LeadfloorDown", "LeadsQuarantined", "LeadsStopped", "LeadsWaiting",
		"MailboxDown", "MailboxStale", "NotificationsFailing", "RedisCanLoseData", "RedisDown", "RedisMemory", "ReloadFailed", "ResponseTargetMissed",
		"TurnoverOverdue", "Watchdog",
	}
	text, err := os.ReadFile("prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, later, _ := strings.Cut(string(text), "# Not here yet")
	later, _, _ = strings.Cut(later, "\n\n")
	got := alerts(t)
	for _, name := range promised {
		if !slices.Contains(got, name) && regexp.MustCompile(`\b`+name+`\b`).MatchString(later) {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(promised, got); diff != "" {
		t.Errorf("alerts, and those said to be missing yet (-want +got):\n%s", diff)
	}
}

// TestEveryAlertIsTested asks of the rules' own tests that they see every alert fire with its labels and annotations, and not fire.
func TestEveryAlertIsTested(t *testing.T) {
	b, err := os.ReadFile("prometheus/rules_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []struct {
					ExpLabels map[string]string `yaml:"exp_labels"`
				} `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{"Watchdog": true}
	for _, test := range file.Tests {
		for _, at := range test.AlertRuleTest {
			fires[at.Alertname] = fires[at.Alertname] || len(at.ExpAlerts) > 0
			silent[at.Alertname] = silent[at.Alertname] || len(at.ExpAlerts) == 0
		}
	}
	for _, name := range alerts(t) {
		if !fires[name] || !silent[name] {
			t.Errorf("%s: seen firing = %t, seen silent = %t, want both", name, fires[name], silent[name])
		}
	}
}

// TestRunbooks has one page for each alert and none besides, all of one form.
func TestRunbooks(t *testing.T) {
	files, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, strings.TrimSuffix(filepath.Base(f), ".md"))
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var headings []string
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "#") {
				headings = append(headings, strings.TrimSpace(line))
			}
		}
		want := []string{"# " + got[len(got)-1], "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"}
		if diff := cmp.Diff(want, headings); diff != "" {
			t.Errorf("%s: headings (-want +got):\n%s", f, diff)
		}
	}
	if diff := cmp.Diff(alerts(t), got); diff != "" {
		t.Errorf("runbooks of alerts (-want +got):\n%s", diff)
	}
}

// A stand is one store with something of everything; it never changes.
type stand struct{}

var _ metrics.Source = stand{}

func (stand) Rooftops() []*router.Rooftop {
	return []*router.Rooftop{{
		ID: "main-street", Roster: []router.Salesperson{{Person: router.Person{ID: "alice", Name: "Alice"}}},
		Routing: router.Routing{ResponseTarget: 5 * time.Minute},
	}}
}

func (stand) Figures(context.Context, string) (*router.Figures, error) {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	return &router.Figures{
		Epoch: at, Untouched: 1, OldestUntouched: at, OldestDeadline: at, WaitingDeadline: at, TurnoverDue: at,
		LastLead: map[string]time.Time{"other": at}, SilentDeadline: map[string]time.Time{"other": at},
	}, nil
}

// exported is every metric of leadfloor with its HELP, as a scrape shows it.
func exported(t *testing.T) map[string]string {
	t.Helper()
	m := metrics.New(metrics.Options{
		Source: stand{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Mailboxes: []string{"leads"},
		MailboxErrors: []string{"auth"}, Fates: []string{"lead"}, Repairs: []string{"bad-entity"}, RedisRisks: []string{"appendonly"},
	})
	m.RedisMemory(1, 2)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	help := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, text, _ := strings.Cut(rest, " ")
			help[name] = text
		}
	}
	return help
}

var (
	metricName = regexp.MustCompile(`[a-z]+:leadfloor_[a-z_:]+|\bleadfloor_[a-z_]+`)
	foldOf     = regexp.MustCompile(`(max|min) without \(instance, pod\) \((leadfloor_[a-z_]+)`)
	foldAsked  = regexp.MustCompile(`aggregate with (max|min) without \(instance, pod\)`)
)

// TestRulesUseWhatIsExported finds rules over metrics that are not there, over series that no earlier rule of their group records, and
// recorded series that no rule uses; and holds each fold of the store class against what the metric's own HELP asks for.
func TestRulesUseWhatIsExported(t *testing.T) {
	help := exported(t)
	recorded, used := map[string]string{}, map[string]bool{} // name -> group
	for _, r := range rules(t) {
		name := r.Record + r.Alert
		folds := map[string]string{}
		for _, f := range foldOf.FindAllStringSubmatch(r.Expr, -1) {
			folds[f[2]] = f[1]
		}
		for _, m := range metricName.FindAllString(r.Expr, -1) {
			if strings.Contains(m, ":") {
				if recorded[m] != r.group {
					t.Errorf("%s: %s is not recorded before it in group %s", name, m, r.group)
				}
				used[m] = true
				continue
			}
			text, ok := help[m]
			if !ok {
				t.Errorf("%s: %s is not exported", name, m)
			}
			asked := foldAsked.FindStringSubmatch(text)
			if asked != nil && folds[m] != asked[1] {
				t.Errorf("%s: %s is folded with %q, want %q as its HELP says", name, m, folds[m], asked[1])
			}
		}
		if r.Record != "" {
			recorded[r.Record] = r.group
		}
	}
	for name := range recorded {
		if !used[name] {
			t.Errorf("nothing uses the recorded %s", name)
		}
	}
}
