package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const exampleFile = "../../deploy/leadfloor.example.yaml"

// The example passes as it is, without a warning.
func TestExample(t *testing.T) {
	code, stdout, stderr := command(t, "check", "--offline", "--config", exampleFile)
	if code != exitWell || stderr != "" || stdout != exampleFile+": well; no server was asked\n" {
		t.Errorf("check = %d, %q, %q, want that it is well and nothing else", code, stdout, stderr)
	}
}

// Every line that is commented out can be switched on: what the example teaches is true.
func TestExampleSwitchedOn(t *testing.T) {
	b, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{}
	for _, m := range regexp.MustCompile(`[a-z]+\.(password|token)\b`).FindAllString(string(b), -1) {
		secrets[m] = "for tests only"
	}
	// A setting stands behind "# " and is a field or an element of a list; the rest is prose. The other forms of redis exclude each other.
	setting := regexp.MustCompile(`^( *)# ( *)((- )?(\{|[a-z_]+:( |$)).*)$`)
	other := regexp.MustCompile(`^ *# (tls|ca_file|addresses|sentinel|# ca_file)`)
	var on []string
	for line := range strings.Lines(string(b)) {
		if m := setting.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil && !other.MatchString(line) {
			line = m[1] + m[2] + m[3] + "\n"
		}
		on = append(on, line)
	}
	c, err := Load(write(t, strings.Join(on, ""), secrets))
	if err != nil {
		t.Fatalf("Load: %v\n%s", err, strings.Join(on, ""))
	}
	if c.PublicURL == "" || !c.Redis.Password.IsSet() || len(c.Auth.Tokens) != 3 || c.SMTP == nil || len(c.Mailboxes) != 1 ||
		len(c.Mailboxes[0].Route) != 4 || len(c.Templates) != 1 || len(c.Stores[0].Mailboxes) != 1 {
		t.Errorf("not all was switched on: %+v", c)
	}
	for i, want := range []string{"addresses: ", "sentinel: "} {
		m := regexp.MustCompile(`(?m)^  # (` + want + `.*)$`).FindStringSubmatch(string(b))
		if m == nil {
			t.Fatalf("the example does not teach %s", want)
		}
		c := parse(t, strings.Replace(minimal, `{url: "redis://127.0.0.1:6379/0"}`, "\n  "+m[1], 1))
		if (len(c.Redis.Addresses) > 0) != (i == 0) || (c.Redis.Sentinel != nil) != (i == 1) {
			t.Errorf("%s gives %+v", want, c.Redis)
		}
	}
}

// What the example calls a default is one: a file with the same needed fields and nothing else reads the same.
func TestExampleShowsDefaults(t *testing.T) {
	example, err := Load(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	bare := parse(t, minimal)
	got, want := example.Stores[0], bare.Stores[0]
	for name, diff := range map[string]string{
		"routing":    cmp.Diff(got.Routing, want.Routing),
		"duplicates": cmp.Diff(got.Duplicates, want.Duplicates),
		"retention":  cmp.Diff(example.Retention, bare.Retention),
		"sources":    cmp.Diff(example.Sources.Max, bare.Sources.Max),
		"mode":       cmp.Diff(got.Mode, want.Mode),
		"country":    cmp.Diff(got.Country, want.Country),
		"weight":     cmp.Diff(got.Roster[0].Weight, want.Roster[0].Weight),
		"cap":        cmp.Diff(got.Roster[0].MaxUntouched, want.Roster[0].MaxUntouched),
		"redis":      cmp.Diff(example.Redis.Strict, bare.Redis.Strict) + cmp.Diff(example.Redis.WaitReplicas, bare.Redis.WaitReplicas),
	} {
		if diff != "" {
			t.Errorf("%s (-example +default):\n%s", name, diff)
		}
	}
}
