// Command generate makes what a package of leadfloor holds beside its binary: the man page and the completions, which the binary itself
// tells, the change logs and the licences of the modules that are linked into it. The same binary and SOURCE_DATE_EPOCH give the same files.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "", "the `FILE` to describe")
	flag.StringVar(&o.ask, "ask", "", "a `FILE` of the same source that runs on this machine")
	flag.StringVar(&o.changes, "changes", "", "`FILE` with the changes that users notice")
	flag.StringVar(&o.version, "version", "", "`VERSION` of the package")
	flag.StringVar(&o.maintainer, "maintainer", "", "`NAME <ADDRESS>` of who answers for the package")
	flag.StringVar(&o.out, "out", "", "`FOLDER` to write to")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

type options struct {
	binary, ask, changes, version, maintainer, out string

	date time.Time
}

func run(o options) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("read SOURCE_DATE_EPOCH: %w", err)
	}
	o.date = time.Unix(epoch, 0).UTC()
	changes, err := os.ReadFile(o.changes)
	if err != nil {
		return err
	}
	page, err := manPage(o)
	if err != nil {
		return err
	}
	terms, err := licences(o.binary)
	if err != nil {
		return err
	}
	// The name is the one that people type, whatever the file is called that was asked.
	completions := map[string]string{"leadfloor.bash": "bash", "_leadfloor": "zsh", "leadfloor.fish": "fish"}
	files := map[string][]byte{}
	for name, shell := range completions {
		if files[name], err = exec.Command(o.ask, "completion", shell).Output(); err != nil {
			return fmt.Errorf("ask %q for its completion of %s: %w", o.ask, shell, err)
		}
	}
	for name, text := range map[string][]byte{
		"leadfloor.1.gz": page, "changelog.gz": changes, "changelog.Debian.gz": debianChangelog(o), "licences.gz": terms,
	} {
		if files[name], err = compress(text); err != nil {
			return fmt.Errorf("compress %s: %w", name, err)
		}
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(o.out, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// debianChangelog is the form that Debian's tools read; what changed stands in the changelog beside it.
func debianChangelog(o options) []byte {
	return fmt.Appendf(nil, "leadfloor (%s) stable; urgency=medium\n\n  * What changed stands in changelog.gz.\n\n -- %s  %s\n",
		o.version, o.maintainer, o.date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}
