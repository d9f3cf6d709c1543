package packaging_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated pages instead of comparing them")

const metricsIntro = `# Metrics

Every metric of leadfloor's own, as ` + "`/metrics`" + ` describes it; beside them it shows those of the Go runtime and of the process. Generated from
what the tests of metrics hold to be a busy daemon's answer: ` + "`cd deploy/packaging && go test -run TestMetricsPage -update`" + `.

- **Store class**: read from Redis at scrape, the same from every replica. Start with ` + "`max without (instance, pod)`, or `min`" + ` where the text
  says so; of counters take the increase afterwards. Present at 0 for every configured store, source and person; absent, never 0,
  while Redis cannot be read.
- **Process class**: counted in one process since its start. ` + "`sum`" + ` over the replicas.

| metric | type | labels | what it is |
|---|---|---|---|
`

// TestMetricsPage holds deploy/docs/metrics.md to what the daemon shows.
func TestMetricsPage(t *testing.T) {
	want := metricsIntro + metricsTable(t, read(t, "metrics/testdata/busy.txt"))
	const page = "deploy/docs/metrics.md"
	if *update {
		if err := os.WriteFile(top+page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, page); got != want {
		t.Errorf("%s is not what /metrics says: run the command in its second sentence", page)
	}
}

var sample = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? \S+$`)

// metricsTable reads Prometheus' text format.
func metricsTable(t *testing.T, text string) string {
	var names []string
	help, kind, labels := map[string]string{}, map[string]string{}, map[string][]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, what, _ := strings.Cut(rest, " ")
			names, help[name] = append(names, name), what
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, what, _ := strings.Cut(rest, " ")
			kind[name] = what
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a sample: %q", line)
		}
		name := names[len(names)-1] // the samples of a histogram have longer names
		for _, pair := range regexp.MustCompile(`([a-z_]+)="(?:[^"\\]|\\.)*"`).FindAllStringSubmatch(m[2], -1) {
			if pair[1] != "le" && !slices.Contains(labels[name], pair[1]) {
				labels[name] = append(labels[name], pair[1])
			}
		}
	}
	if len(names) < 50 {
		t.Fatalf("%d metrics, which cannot be all", len(names))
	}
	var b strings.Builder
	for _, name := range names {
		if kind[name] == "" || help[name] == "" {
			t.Errorf("%s has no TYPE or HELP", name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, kind[name], strings.Join(labels[name], ", "), help[name])
	}
	return b.String()
}
