package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"
)

// Where the configuration is looked for when --config is not given.
const (
	configVariable = "LEADFLOOR_CONFIG"
	configDefault  = "/etc/leadfloor/leadfloor.yaml"
)

// Exit codes.
const (
	exitWell   = 0
	exitFailed = 1 // the work failed, or found something wrong
	exitUsage  = 2 // the command line is wrong
)

// errFound ends a command that has itself said what it found wrong.
var errFound = errors.New("something is wrong")

// An env is what every command gets from outside.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	config         string // --config
}

// load reads the configuration that --config, the environment or the default names.
func (e *env) load() (*Config, error) { return Load(e.config) }

const rootLong = `leadfloor takes every sales lead that a car store gets, deals it to the whole floor as one shared queue, and measures
honestly what became of it.

It reads leads from mailboxes (ADF documents and plain mail) and from its API, deals each to the next salesperson,
keeps its books in Redis, and shows them to Prometheus.`

const rootExample = `  # see what is wrong with a configuration, and whether its servers answer
  leadfloor check --config leadfloor.yaml

  # the same, without going to any server
  leadfloor check --offline --config leadfloor.yaml

  # what is in a lead that a vendor sent, and what was repaired
  leadfloor parse --format text lead.xml

  # who is on the floor and who is next, and the leads that nobody has touched
  leadfloor floor && leadfloor lead list --state untouched

  # prove that no message was lost and every turn was fair
  leadfloor verify`

// newRootCmd lists every command. Each stands in a file of its own.
func newRootCmd(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:           "leadfloor",
		Short:         "Deals sales leads to a car store's floor and measures what became of them",
		Long:          rootLong,
		Example:       rootExample,
		Version:       versionLine(),
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.PersistentFlags().StringVar(&e.config, "config", cmp.Or(os.Getenv(configVariable), configDefault),
		"configuration `FILE`; $"+configVariable+" names another default")
	root.AddCommand(
		newServeCmd(e),
		newCheckCmd(e),
		newParseCmd(e),
		newImportCmd(e),
		newLeadCmd(e),
		newFloorCmd(e),
		newVerifyCmd(e),
		newSealCmd(e),
		newRebuildCmd(e),
		newSimulateCmd(e),
		newDemoCmd(e),
		newReadApartCmd(e),
	)
	return root
}

// run is the program: it gives the exit code and has printed any error. The command line goes without the program's name.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCmd(&env{stdin: stdin, stdout: stdout, stderr: stderr})
	root.SetArgs(args)
	working := false
	prepare(root, &working)
	cmd, err := root.ExecuteContextC(ctx)
	var faults Faults
	switch {
	case err == nil:
		return exitWell
	case !working:
		fmt.Fprintf(stderr, "leadfloor: %v; %s --help tells more\n", err, cmd.CommandPath())
		return exitUsage
	case errors.As(err, &faults):
		fmt.Fprintln(stderr, faults) // each line begins with the file, as editors like it
	case !errors.Is(err, errFound):
		fmt.Fprintf(stderr, "leadfloor: %v\n", err)
	}
	return exitFailed
}

// prepare makes every command of the tree note that its work has begun: whatever fails before is wrong usage. A command that only
// groups others takes their names and nothing else.
func prepare(cmd *cobra.Command, working *bool) {
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*working = true
			return work(cmd, args)
		}
	} else if cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.SuggestionsMinimumDistance = 2
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("which command?")
			}
			if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
				return fmt.Errorf("unknown command %q, did you mean %q?", args[0], like[0])
			}
			return fmt.Errorf("unknown command %q", args[0])
		}
	}
	for _, sub := range cmd.Commands() {
		prepare(sub, working)
	}
}

// versionLine is one line: the version that the linker was told, or what the Go tool knows of the checkout.
func versionLine() string {
	return fmt.Sprintf("leadfloor %s (%s, %s/%s, revision %s)",
		cmp.Or(version.Version, "devel"), runtime.Version(), runtime.GOOS, runtime.GOARCH, version.GetRevision())
}
