package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// command runs the program and gives what it printed.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.yaml")
	if err := os.WriteFile(good, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // parts; "" means nothing at all
	}{
		{"help", []string{"--help"}, exitWell, "Available Commands", ""},
		{"help of a command", []string{"check", "--help"}, exitWell, "leadfloor check --offline", ""},
		{"version", []string{"--version"}, exitWell, "leadfloor ", ""},
		{"completion", []string{"completion", "bash"}, exitWell, "bash completion", ""},
		{"no command", nil, exitUsage, "", "which command?"},
		{"unknown command", []string{"serf"}, exitUsage, "", `unknown command "serf"`},
		{"misspelt command", []string{"chekc"}, exitUsage, "", `did you mean "check"?`},
		{"unknown flag", []string{"check", "--ofline"}, exitUsage, "", "unknown flag: --ofline"},
		{"flag without its value", []string{"check", "--config"}, exitUsage, "", "flag needs an argument"},
		{"argument too many", []string{"check", "this"}, exitUsage, "", "leadfloor check --help tells more"},
		{"log level", []string{"serve", "--log.level", "loud"}, exitUsage, "", `log level "loud": want debug`},
		{"well", []string{"check", "--offline", "--config", good}, exitWell, "good.yaml: well", ""},
		{"no such file", []string{"check", "--config", "testdata/none.yaml"}, exitFailed, "", `read configuration "testdata/none.yaml": no such file or directory`},
		{"faults", []string{"check", "--offline", "--config", "testdata/config/faults/mode.yaml"}, exitFailed, "", "testdata/config/faults/mode.yaml:7: stores[0].mode: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := command(t, test.args...)
			if code != test.code {
				t.Errorf("exit code = %d, want %d", code, test.code)
			}
			if !strings.Contains(stdout, test.stdout) || test.stdout == "" && stdout != "" {
				t.Errorf("standard output = %q, want %q in it", stdout, test.stdout)
			}
			if !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
				t.Errorf("standard error = %q, want %q in it", stderr, test.stderr)
			}
			if strings.Count(stderr, "\n") > 1 {
				t.Errorf("standard error = %q, want one line", stderr)
			}
		})
	}
}

func TestConfigFlag(t *testing.T) {
	t.Setenv(configVariable, "testdata/config/faults/mode.yaml")
	if _, _, stderr := command(t, "check"); !strings.HasPrefix(stderr, "testdata/config/faults/mode.yaml:7: ") {
		t.Errorf("standard error = %q, want the faults of the file that $%s names", stderr, configVariable)
	}
	if _, _, stderr := command(t, "check", "--config", "testdata/config/faults/country.yaml"); !strings.Contains(stderr, "country.yaml:7") {
		t.Errorf("standard error = %q, want the faults of the file that --config names", stderr)
	}
	t.Setenv(configVariable, "")
	root := newRootCmd(&env{})
	if got := root.PersistentFlags().Lookup("config").DefValue; got != configDefault {
		t.Errorf("default = %q, want %q", got, configDefault)
	}
}

// What cobra finds wrong before a command's work begins is wrong usage, whatever it is; groups of commands have no work.
func TestPrepare(t *testing.T) {
	ran := false
	build := func() (*cobra.Command, *bool) {
		root := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true}
		group := &cobra.Command{Use: "lead"}
		list := &cobra.Command{Use: "list", RunE: func(*cobra.Command, []string) error { ran = true; return errFound }}
		list.Flags().String("store", "", "")
		if err := list.MarkFlagRequired("store"); err != nil {
			t.Fatal(err)
		}
		group.AddCommand(list)
		root.AddCommand(group)
		working := new(bool)
		prepare(root, working)
		return root, working
	}
	for _, test := range []struct {
		args    string
		working bool
	}{
		{"", false},
		{"lead", false},
		{"lead lits", false},
		{"lead list", false}, // --store is required
		{"lead list --store main", true},
	} {
		ran = false
		root, working := build()
		root.SetArgs(strings.Fields(test.args))
		err := root.ExecuteContext(context.Background())
		if err == nil || *working != test.working || ran != test.working {
			t.Errorf("x %s: %v, working %t, ran %t, want an error and %t", test.args, err, *working, ran, test.working)
		}
	}
}

func TestFormatFlag(t *testing.T) {
	cmd := &cobra.Command{Use: "list", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return nil }}
	f := formatFlag(cmd, formatTable, formatJSON)
	if f.String() != formatTable {
		t.Errorf("format = %q, want the first by default", f)
	}
	cmd.SetArgs([]string{"--format", "json"})
	if err := cmd.Execute(); err != nil || f.String() != formatJSON {
		t.Errorf("format = %q, %v, want json", f, err)
	}
	cmd.SetArgs([]string{"--format", "csv"})
	if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), "want one of table, json") {
		t.Errorf("--format csv: %v, want the formats that there are", err)
	}
}
