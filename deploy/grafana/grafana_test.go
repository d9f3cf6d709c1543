// Package grafana_test makes the dashboards and tries them. What a dashboard shows is written in Go, in the file of its name; its JSON in
// dashboards is made of that:
//
//	go test ./deploy/grafana -update
//
// It knows the names of metrics and no more of leadfloor. No Grafana is run: the queries are asked of a real Prometheus, the rest is
// held by rules of form.
package grafana_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the dashboards and their list in README.md anew")

// same compares a file with what it should be, or writes it.
func same(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("%s is not what is written in Go; go test ./deploy/grafana -update makes it anew (-is +should):\n%s", file, diff)
	}
}

func TestDashboardsAreUpToDate(t *testing.T) {
	names := map[string]bool{}
	for _, b := range boards() {
		want, err := b.build().marshal()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("dashboards", b.name+".json")
		names[file] = true
		same(t, file, want)
	}
	files, err := filepath.Glob("dashboards/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !names[file] {
			t.Errorf("%s is no dashboard of ours", file)
		}
	}
}

// listBegins stands in README.md before the list of panels, which goes on to the end of the file.
const listBegins = "<!-- From here on go test ./deploy/grafana -update writes. -->\n"

func TestListOfPanelsIsUpToDate(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := bytes.Cut(readme, []byte(listBegins))
	if !found {
		t.Fatalf("README.md lacks the line %q", listBegins)
	}
	var b bytes.Buffer
	b.Write(head)
	b.WriteString(listBegins)
	for _, d := range dashboards() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| panel | kind | shows |\n|---|---|---|\n", d.Title, d.Description)
		for _, p := range d.Panels {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Title, p.Type, strings.ReplaceAll(p.Description, "|", `\|`))
		}
	}
	same(t, "README.md", b.Bytes())
}

// read reads a dashboard from its file, and complains of fields that Grafana would be given without our knowing.
func read(t *testing.T, name string) dashboard {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("dashboards", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	j := json.NewDecoder(bytes.NewReader(raw))
	j.DisallowUnknownFields()
	if err := j.Decode(&d); err != nil {
		t.Fatalf("dashboard %s: %v", name, err)
	}
	return d
}

// kinds are the kinds of panel that Grafana 11 and 12 have and that we use; false for those without values of their own.
var kinds = map[string]bool{"stat": true, "timeseries": true, "bargauge": true, "table": true, "state-timeline": true, "alertlist": false}

// faults says in a sentence each what a dashboard lacks or has too much of. The metrics are the names of all series that are exported.
func faults(d dashboard, metrics map[string]bool) []string {
	var all []string
	fault := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if d.UID == "" || d.Title == "" || d.Description == "" {
		fault("the dashboard lacks a uid, title or description")
	}
	if d.Editable || d.GraphTooltip != 1 || d.ID != nil || !slices.Contains(d.Tags, tag) || d.SchemaVersion < 41 {
		fault("the dashboard is editable, without a shared crosshair, with an id, untagged or of an old schema")
	}
	if len(d.Links) != 1 || !slices.Equal(d.Links[0].Tags, []string{tag}) || !d.Links[0].IncludeVars {
		fault("the dashboard is not linked with the others by the tag")
	}
	if len(d.Panels) > 25 {
		fault("the dashboard has %d panels, at most 25 can be taken in", len(d.Panels))
	}

	var text strings.Builder
	variables := map[string]bool{}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
		if v.Label == "" || v.Type == "query" && (!v.Multi || !v.IncludeAll || v.AllValue == "" || v.Refresh != 2) {
			fault("variable %s lacks a label, or its choice of all or several", v.Name)
		}
		if q, ok := v.Query.(map[string]any); ok {
			fmt.Fprintln(&text, q["query"])
		}
	}
	for _, a := range d.Annotations.List {
		if a.Name == "" || a.TitleFormat == "" || a.Datasource != prometheusDS {
			fault("annotation %q lacks a title or is not of the chosen data source", a.Name)
		}
		fmt.Fprintln(&text, a.Expr)
	}

	ids, titles := map[int]bool{}, map[string]bool{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		wrong := func(format string, args ...any) { fault("panel %q: %s", p.Title, fmt.Sprintf(format, args...)) }
		valued, known := kinds[p.Type]
		if !known {
			wrong("kind %q is none that is used here", p.Type)
		}
		if ids[p.ID] || titles[p.Title] || p.ID == 0 || p.Title == "" {
			wrong("id or title is missing or not its own")
		}
		ids[p.ID], titles[p.Title] = true, true
		if !strings.HasSuffix(p.Description, ".") || len(p.Description) < 20 {
			wrong("the description is no sentence")
		}
		if p.GridPos.X < 0 || p.GridPos.X+p.GridPos.W > columns || p.GridPos.W < 1 || p.GridPos.H < 3 {
			wrong("%+v does not fit into the grid", p.GridPos)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[cell]; ok && other != p.Title {
					wrong("lies over %q", other)
				}
				taken[cell] = p.Title
			}
		}
		if !valued {
			continue
		}
		if p.FieldConfig == nil || p.FieldConfig.Defaults.Unit == "" || p.FieldConfig.Defaults.NoValue == "" || len(p.FieldConfig.Defaults.Thresholds.Steps) == 0 {
			wrong("unit, noValue or thresholds are missing")
		} else if first := p.FieldConfig.Defaults.Thresholds.Steps[0]; first.Value != nil {
			wrong("the first threshold has a value")
		}
		if p.Datasource == nil || *p.Datasource != prometheusDS || len(p.Targets) == 0 || p.MaxDataPoints == 0 {
			wrong("it asks nothing, or not the chosen data source, or for any number of points")
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if refs[q.RefID] || q.RefID == "" || q.Datasource != prometheusDS || q.Instant == q.Range {
				wrong("query %q: its name is not its own, or it is not of one kind", q.RefID)
			}
			refs[q.RefID] = true
			if strings.Contains(q.Expr, "__interval") && q.Interval == "" {
				wrong("query %s does not say how short its interval may be", q.RefID)
			}
			fmt.Fprintln(&text, q.Expr)
		}
	}
	area := 0
	for _, p := range d.Panels {
		area = max(area, p.GridPos.Y+p.GridPos.H)
	}
	if len(taken) != area*columns {
		fault("there are holes between the panels: %d of %d cells are taken", len(taken), area*columns)
	}

	queries := text.String()
	if exactBound.MatchString(queries) {
		fault("a query spells a bucket's bound in one of its two ways: %s", exactBound.FindString(queries))
	}
	for _, name := range metricName.FindAllString(queries, -1) {
		if !metrics[name] {
			fault("%s is not exported", name)
		}
	}
	for _, m := range storeClass.FindAllStringIndex(queries, -1) {
		if before := queries[:m[0]]; !folded.MatchString(before) {
			fault("%s is not folded over the replicas", queries[m[0]:m[1]])
		}
	}
	for _, m := range variableName.FindAllStringSubmatch(queries, -1) {
		if name := m[1]; !strings.HasPrefix(name, "__") && !variables[name] {
			fault("$%s is no variable of the dashboard", name)
		}
	}
	for name := range variables {
		if name != "datasource" && !strings.Contains(queries, "$"+name) {
			fault("variable %s narrows nothing", name)
		}
	}
	return all
}

var (
	exactBound   = regexp.MustCompile(`le=~?"[0-9.]+"`)
	metricName   = regexp.MustCompile(`\b(leadfloor|go|process)_[a-z_]+\b`)
	variableName = regexp.MustCompile(`\$\{?([a-z_]+)`)

	// storeClass finds metrics with a label store; folded, whether what stands before one folds the replicas that show it.
	storeClass = regexp.MustCompile(`leadfloor_[a-z_]+\{store=`)
	folded     = regexp.MustCompile(`(?:(?:max|min) (?:without \(instance, pod\)|by \([a-z, ]+\)) \(|label_values\()$`)
)

func TestDashboardsAreWellFormed(t *testing.T) {
	metrics := exported(t)
	uids := map[string]string{}
	for _, b := range boards() {
		d := read(t, b.name)
		for _, f := range faults(d, metrics) {
			t.Errorf("%s: %s", b.name, f)
		}
		if other, ok := uids[d.UID]; ok {
			t.Errorf("%s and %s have one uid", b.name, other)
		}
		uids[d.UID] = b.name
	}
}

// What the rules of form are there for is broken in one place each.
func TestFaultsAreFound(t *testing.T) {
	metrics := exported(t)
	for name, test := range map[string]struct {
		spoil func(*dashboard)
		want  string
	}{
		"nothing":       {func(*dashboard) {}, ""},
		"editable":      {func(d *dashboard) { d.Editable = true }, "the dashboard is editable"},
		"too many":      {func(d *dashboard) { d.Panels = slices.Repeat(d.Panels, 2) }, "at most 25"},
		"overlap":       {func(d *dashboard) { d.Panels[1].GridPos.X-- }, "lies over"},
		"hole":          {func(d *dashboard) { d.Panels[1].GridPos.W-- }, "holes"},
		"no unit":       {func(d *dashboard) { d.Panels[0].FieldConfig.Defaults.Unit = "" }, "unit"},
		"no noValue":    {func(d *dashboard) { d.Panels[0].FieldConfig.Defaults.NoValue = "" }, "noValue"},
		"no words":      {func(d *dashboard) { d.Panels[0].Description = "" }, "no sentence"},
		"old kind":      {func(d *dashboard) { d.Panels[0].Type = "graph" }, `kind "graph"`},
		"exact bound":   {func(d *dashboard) { d.Panels[0].Targets[0].Expr += ` + x{le="300"}` }, "two ways"},
		"no metric":     {func(d *dashboard) { d.Panels[0].Targets[0].Expr = "leadfloor_baseline_ratio" }, "is not exported"},
		"unfolded":      {func(d *dashboard) { d.Panels[0].Targets[0].Expr = `sum(leadfloor_leads_untouched{store="a"})` }, "not folded"},
		"no variable":   {func(d *dashboard) { d.Panels[0].Targets[0].Expr += "$desk" }, "$desk is no variable"},
		"idle variable": {func(d *dashboard) { d.Templating.List = append(d.Templating.List, personVariable()) }, "variable person narrows nothing"},
		"any interval":  {func(d *dashboard) { d.Panels[4].Targets[0].Interval = "" }, "how short"},
	} {
		t.Run(name, func(t *testing.T) {
			d := read(t, "floor")
			test.spoil(&d)
			got := strings.Join(faults(d, metrics), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("faults = %q, want %q", got, test.want)
			}
		})
	}
}

// decode reads a YAML file, strictly where all its fields are ours.
func decode(t *testing.T, file string, strict bool, to any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	y := yaml.NewDecoder(bytes.NewReader(raw))
	y.KnownFields(strict)
	if err := y.Decode(to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestProvisioning(t *testing.T) {
	var providers struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type, Folder    string
			DisableDeletion       bool `yaml:"disableDeletion"`
			AllowUIUpdates        bool `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int  `yaml:"updateIntervalSeconds"`
			Options               struct{ Path string }
		}
	}
	decode(t, "provisioning/dashboards/leadfloor.yaml", true, &providers)
	if len(providers.Providers) != 1 || providers.APIVersion != 1 {
		t.Fatalf("providers = %+v, want one", providers)
	}
	if p := providers.Providers[0]; p.Type != "file" || !p.DisableDeletion || p.AllowUIUpdates || !filepath.IsAbs(p.Options.Path) {
		t.Errorf("provider = %+v, want files that stay and are not changed in Grafana", p)
	}

	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool `yaml:"isDefault"`
			Editable                     bool
			JSONData                     struct {
				HTTPMethod   string `yaml:"httpMethod"`
				TimeInterval string `yaml:"timeInterval"`
				ManageAlerts bool   `yaml:"manageAlerts"`
			} `yaml:"jsonData"`
		}
	}
	decode(t, "provisioning/datasources/leadfloor.yaml", true, &sources)
	if len(sources.Datasources) != 1 || sources.APIVersion != 1 {
		t.Fatalf("data sources = %+v, want one", sources)
	}
	var prometheus struct {
		Global struct {
			ScrapeInterval string `yaml:"scrape_interval"`
		}
	}
	decode(t, "../prometheus/prometheus.yml", false, &prometheus)
	if s := sources.Datasources[0]; s.Type != "prometheus" || !s.JSONData.ManageAlerts || s.JSONData.TimeInterval != prometheus.Global.ScrapeInterval {
		t.Errorf("data source = %+v, want a Prometheus that scrapes every %s and shows its alerts", s, prometheus.Global.ScrapeInterval)
	}
}

// The list of alerts shows those whose labels its filter lets through.
func TestAlertListFindsOurRules(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert  string
				Labels map[string]string
			}
		}
	}
	decode(t, "../prometheus/rules.yml", false, &rules)
	found := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if c := r.Labels["component"]; r.Alert != "" && c != "leads" && c != "daemon" {
				t.Errorf("alert %s has component %q, which the list does not show", r.Alert, c)
			} else if r.Alert != "" {
				found++
			}
		}
	}
	if found == 0 {
		t.Error("there are no alerts")
	}
}
