package main

import (
	"encoding/csv"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command says what it does and shows how, and what it shows is right: each example line is a command line that the program takes.
func TestExamples(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || cmd.Example == "" {
				t.Fatalf("Short = %q, Example = %q, want both", cmd.Short, cmd.Example)
			}
			shown := 0
			for line := range strings.Lines(cmd.Example) {
				for _, args := range commandLines(t, line) {
					shown++
					if err := takes(args); err != nil {
						t.Errorf("%s: %v", strings.TrimSpace(line), err)
					}
				}
			}
			if shown == 0 {
				t.Errorf("Example = %q, want a command line in it", cmd.Example)
			}
		})
		for _, sub := range cmd.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" && !sub.Hidden { // cobra's own
				walk(sub)
			}
		}
	}
	walk(newRootCmd(&env{}))

	if err := takes([]string{"floor", "off", "alice", "--until", "noon"}); err == nil {
		t.Error("an example with a wrong flag passes, want an error")
	}
}

// between is what stands between the commands of a line, or ends them.
var between = regexp.MustCompile(`\s(\||&&|>|<|#)\s`)

// commandLines are the arguments of each leadfloor in a line of shell.
func commandLines(t *testing.T, line string) (all [][]string) {
	t.Helper()
	for _, part := range between.Split(" "+strings.TrimSpace(line), -1) {
		part, ours := strings.CutPrefix(strings.TrimSpace(part), "leadfloor ")
		if !ours {
			continue
		}
		words := csv.NewReader(strings.NewReader(part)) // which knows quotes
		words.Comma = ' '
		args, err := words.Read()
		if err != nil {
			t.Fatalf("split %q: %v", part, err)
		}
		for _, a := range args {
			if a == "" {
				t.Fatalf("%q has two spaces in a row", part)
			}
		}
		all = append(all, args)
	}
	return all
}

// takes says whether the program takes a command line, without running it.
func takes(args []string) error {
	cmd, rest, err := newRootCmd(&env{}).Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	if cmd.PreRunE != nil {
		return cmd.PreRunE(cmd, cmd.Flags().Args())
	}
	return nil
}
