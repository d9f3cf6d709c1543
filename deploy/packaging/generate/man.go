package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os/exec"
	"strings"
)

// manPage is leadfloor(1): one page, with the help of every command as the binary gives it, so that the two cannot differ.
func manPage(o options) ([]byte, error) {
	root, err := askHelp(o.ask)
	if err != nil {
		return nil, err
	}
	var p page
	p.line(`.TH LEADFLOOR 1 %q %q "User Commands"`, o.date.Format("2006-01-02"), "leadfloor "+o.version)
	p.line(".SH NAME")
	p.line(`leadfloor \- deals sales leads to a car store's floor and measures what became of them`)
	p.line(".SH SYNOPSIS")
	p.line(".B leadfloor")
	p.line(".I COMMAND")
	p.line("[flags]")
	p.line(".SH DESCRIPTION")
	p.verbatim(root.long)
	p.part("", "Flags", root.flags)
	p.part("", "Examples", root.examples)
	p.line(".SH COMMANDS")
	if err := p.commands(o.ask, root); err != nil {
		return nil, err
	}
	p.line(".SH FILES")
	p.entry("/etc/leadfloor/leadfloor.yaml", "The configuration. An example that explains every field is /usr/share/doc/leadfloor/examples/leadfloor.yaml.")
	p.entry("/etc/leadfloor/secret.env", "Environment variables for the daemon that the configuration names as ${NAME}; it need not exist.")
	p.line(".SH ENVIRONMENT")
	p.entry("LEADFLOOR_CONFIG", "The configuration where --config is not given.")
	p.entry("NOTIFY_SOCKET, WATCHDOG_USEC", "Where the daemon tells its service manager that it is ready, reloads, stops and is alive, see sd_notify(3).")
	p.line(".SH SIGNALS")
	p.entry("SIGHUP", "serve reads its configuration anew; a bad one is refused whole and the old one goes on.")
	p.entry("SIGTERM, SIGINT", "serve finishes what is in hand and leaves within 10 seconds.")
	p.line(".SH EXIT STATUS")
	p.entry("0", "All is well.")
	p.entry("1", "The work failed, or found something wrong.")
	p.entry("2", "The command line is wrong.")
	return p.Bytes(), nil
}

// help is what a command says about itself.
type help struct {
	path                         []string // without the program's name
	long, usage, examples, flags string
	commands                     []string // names of what is below it
}

// askHelp reads the help of the command at path.
func askHelp(binary string, path ...string) (*help, error) {
	out, err := exec.Command(binary, append(path, "--help")...).Output()
	if err != nil {
		return nil, fmt.Errorf("ask %q for the help of %q: %w", binary, strings.Join(path, " "), err)
	}
	h := &help{path: path}
	long, rest, ok := strings.Cut(string(out), "\nUsage:\n")
	if !ok {
		return nil, fmt.Errorf("the help of %q has no usage", strings.Join(path, " "))
	}
	h.long = strings.TrimSpace(long)
	parts := map[string]string{}
	title, body := "Usage", []string{}
	for line := range strings.Lines(rest + "\nEnd:\n") {
		line = strings.TrimRight(line, "\n")
		name, isTitle := strings.CutSuffix(line, ":")
		if strings.HasPrefix(line, `Use "`) {
			continue // which says how to ask for more
		}
		if !isTitle || strings.HasPrefix(line, " ") {
			body = append(body, line)
			continue
		}
		parts[title] = strings.Trim(strings.Join(body, "\n"), "\n")
		title, body = name, nil
	}
	h.usage, h.examples, h.flags = parts["Usage"], parts["Examples"], parts["Flags"]
	for line := range strings.Lines(parts["Available Commands"]) {
		// These two belong to the library, and --help and the completions are found without a page.
		if name := strings.Fields(line)[0]; name != "help" && name != "completion" {
			h.commands = append(h.commands, name)
		}
	}
	return h, nil
}

// A page is written in roff.
type page struct{ bytes.Buffer }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

var escaper = strings.NewReplacer(`\`, `\e`, "-", `\-`)

// text keeps what would otherwise be read as roff from being it.
func text(s string) string {
	s = escaper.Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// verbatim keeps lines as they are.
func (p *page) verbatim(s string) {
	p.line(".nf")
	for line := range strings.Lines(s) {
		p.line("%s", text(strings.TrimRight(line, "\n")))
	}
	p.line(".fi")
}

func (p *page) part(heading, title, body string) {
	if body == "" {
		return
	}
	p.line(".PP")
	p.line(".B %s", text(strings.TrimSpace(heading+" "+title)))
	p.verbatim(body)
}

func (p *page) entry(term, what string) {
	p.line(".TP")
	p.line(".B %s", text(term))
	p.line("%s", text(what))
}

// commands writes what is below h, each with what is below itself.
func (p *page) commands(binary string, h *help) error {
	for _, name := range h.commands {
		sub, err := askHelp(binary, append(append([]string{}, h.path...), name)...)
		if err != nil {
			return err
		}
		p.line(".SS %s", text("leadfloor "+strings.Join(sub.path, " ")))
		p.verbatim(sub.long)
		p.part("", "Usage", sub.usage)
		p.part("", "Flags", sub.flags)
		p.part("", "Examples", sub.examples)
		if err := p.commands(binary, sub); err != nil {
			return err
		}
	}
	return nil
}

// compress is gzip -9n.
func compress(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
