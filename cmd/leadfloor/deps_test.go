package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// house is the plan: which package may import which of ours, and which modules of others, in what is not a test. Packages that are
// planned and not there yet may stand in it. To add an arrow, change the plan first, in a commit that says why.
var house = map[string]rooms{
	// The format.
	"adf":      {foreign: []string{"golang.org/x/text", "golang.org/x/net/html/charset"}},
	"adf/mail": {ours: []string{"adf"}, foreign: []string{"github.com/emersion/go-message", "github.com/emersion/go-msgauth", "golang.org/x/net/html", "golang.org/x/net/idna", "golang.org/x/net/publicsuffix", "golang.org/x/text"}},

	// The business.
	"router":        {ours: []string{"router/hours"}, foreign: []string{"github.com/nyaruka/phonenumbers", "golang.org/x/text"}},
	"router/hours":  {},
	"router/rdb":    {ours: []string{"router", "router/hours"}, foreign: []string{"github.com/redis/go-redis"}},
	"router/notify": {ours: []string{"router"}, foreign: []string{"github.com/emersion/go-smtp", "github.com/emersion/go-sasl"}},
	"router/api":    {ours: []string{"router"}},

	// The way in.
	"ingest/archive": {}, // files: what was in a mailbox once
	"ingest":         {ours: []string{"adf", "adf/mail", "router"}},
	"ingest/mailbox": {ours: []string{"ingest"}, foreign: []string{"github.com/emersion/go-imap", "github.com/emersion/go-sasl", "golang.org/x/oauth2"}},

	// The numbers.
	"metrics":       {ours: []string{"router"}, foreign: []string{"github.com/prometheus/client_golang", "github.com/prometheus/client_model"}},
	"metrics/board": {ours: []string{"metrics", "router"}},

	// What introduces them: of ours all that is not for tests; the demo holds an IMAP server and a Redis of its own.
	"cmd/leadfloor": {ours: []string{
		"adf", "adf/mail", "router", "router/hours", "router/rdb", "router/notify", "router/api",
		"ingest", "ingest/archive", "ingest/mailbox", "metrics", "metrics/board",
	}, foreign: []string{
		"go.yaml.in/yaml", "golang.org/x/sync", "golang.org/x/text/width", "github.com/spf13/cobra", "github.com/spf13/pflag",
		"github.com/prometheus/common", "github.com/prometheus/client_golang", "github.com/prometheus/exporter-toolkit",
		"github.com/redis/go-redis", "github.com/alicebob/miniredis", "github.com/emersion/go-imap",
	}},

	// For tests only.
	"router/routertest":       {tests: true, ours: []string{"router", "router/hours"}, foreign: []string{"github.com/alicebob/miniredis", "github.com/redis/go-redis", "github.com/google/go-cmp", "pgregory.net/rapid"}},
	"ingest/mailbox/mailtest": {tests: true, ours: []string{"ingest", "ingest/mailbox"}, foreign: []string{"github.com/emersion/go-imap", "github.com/emersion/go-message", "github.com/emersion/go-sasl"}},
	"deploy":                  {tests: true},
	"deploy/grafana":          {tests: true},
}

// rooms is what one package may import.
type rooms struct {
	ours    []string // packages of this module, to the letter
	foreign []string // beginnings of import paths, whole elements
	tests   bool     // only tests may import it
}

const module = "leadfloor"

// broken says in one sentence what is wrong with from importing path, "" where nothing is.
func broken(from, path string) string {
	plan, ok := house[from]
	first, _, _ := strings.Cut(path, "/")
	switch {
	case !ok:
		return fmt.Sprintf("package %s is not in the plan of the house", from)
	case first == module:
		ours := strings.TrimPrefix(path, module+"/")
		if to, known := house[ours]; known && to.tests && !plan.tests {
			return fmt.Sprintf("%s imports %s, which is for tests only", from, ours)
		}
		if !slices.Contains(plan.ours, ours) {
			return fmt.Sprintf("%s may not import %s", from, ours)
		}
	case strings.Contains(first, "."):
		if !slices.ContainsFunc(plan.foreign, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }) {
			return fmt.Sprintf("%s may not import %s, which is not ours", from, path)
		}
	}
	return ""
}

func TestHouse(t *testing.T) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; seen++ {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		if _, ok := house[from]; !ok {
			t.Errorf("package %s is not in the plan of the house", from)
			continue
		}
		for _, path := range p.Imports {
			if wrong := broken(from, path); wrong != "" {
				t.Error(wrong)
			}
		}
	}
	if seen < 5 {
		t.Errorf("go list told of %d packages", seen)
	}
}

func TestHousePlan(t *testing.T) {
	for from, plan := range house {
		for _, to := range plan.ours {
			if _, ok := house[to]; !ok {
				t.Errorf("%s may import %s, which is not in the plan", from, to)
			}
		}
	}
	for _, test := range []struct{ from, path, want string }{
		{"router", "time", ""},
		{"router", "leadfloor/router/hours", ""},
		{"router", "leadfloor/adf", "router may not import adf"},
		{"adf", "leadfloor/router", "adf may not import router"},
		{"ingest", "github.com/redis/go-redis/v9", "ingest may not import github.com/redis/go-redis/v9, which is not ours"},
		{"router/rdb", "github.com/redis/go-redis/v9", ""},
		{"router/rdb", "github.com/redis/go-redis-evil", "router/rdb may not import github.com/redis/go-redis-evil, which is not ours"},
		{"cmd/leadfloor", "leadfloor/router/routertest", "cmd/leadfloor imports router/routertest, which is for tests only"},
		{"util", "time", "package util is not in the plan of the house"},
	} {
		if got := broken(test.from, test.path); got != test.want {
			t.Errorf("broken(%q, %q) = %q, want %q", test.from, test.path, got, test.want)
		}
	}
}
