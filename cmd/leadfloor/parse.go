package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"leadfloor/adf"
	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/router"
)

const parseLong = `parse reads ADF documents or whole emails and prints what the daemon would take from them: one line of JSON a file, or a page for people
with --format text. Nothing is stored and no server is asked. Without FILE, or for -, it reads standard input.

ADF is read tolerantly: what can be repaired is, and each repair is a diagnostic. --strict also refuses what departs from ADF 1.0, and
what is no ADF at all. With --store dates without a zone and phone numbers without a country are read as that store reads them. With
--store or --config leads that are not ADF are read by the templates of the configuration too.

The exit code is 1 when some file gave no lead.`

const parseExample = `  leadfloor parse lead.xml
  leadfloor parse --format text saved-mail.eml
  leadfloor parse < lead.xml | jq .leads[0].customer
  leadfloor parse --strict samples/*.xml              # does this vendor keep to ADF 1.0?
  leadfloor parse --store main-street mail.eml
  leadfloor parse --config leadfloor.yaml mail.eml    # does my template read it?`

// formatText is for people.
const formatText = "text"

// A parsed file is one line of the output.
type parsed struct {
	File        string           `json:"file"`
	Kind        mail.Kind        `json:"kind"`
	Leads       []router.Enquiry `json:"leads"`
	Diagnostics []adf.Diagnostic `json:"diagnostics"`
}

// parsing is how files are read.
type parsing struct {
	strict    bool
	locale    ingest.Locale
	templates []mail.Template
}

func newParseCmd(e *env) *cobra.Command {
	var strict bool
	var store string
	var f *format
	cmd := &cobra.Command{
		Use:     "parse [FILE...]",
		Short:   "Read ADF documents or emails and print the leads in them",
		Long:    parseLong,
		Example: parseExample,
		RunE: func(cmd *cobra.Command, files []string) error {
			how := parsing{strict: strict}
			if store != "" || cmd.Flag("config").Changed {
				c, err := e.load()
				if err != nil {
					return err
				}
				how.templates = c.Templates
				if store != "" {
					s, err := c.pick(store)
					if err != nil {
						return err
					}
					how.locale = ingest.Locale{Location: s.Location, Country: s.Country}
				}
			}
			if len(files) == 0 {
				files = []string{"-"}
			}
			return e.parse(cmd.Context(), files, how, f)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "refuse what departs from ADF 1.0")
	cmd.Flags().StringVar(&store, "store", "", "read as the store `ID` of the configuration does")
	f = formatFlag(cmd, formatJSON, formatText)
	return cmd
}

// parse prints every file, one at a time so that the largest bounds the memory. What goes wrong with one does not keep it from the others.
func (e *env) parse(ctx context.Context, files []string, how parsing, f *format) error {
	well := true
	fail := func(format string, args ...any) {
		well = false
		fmt.Fprintf(e.stderr, "leadfloor: "+format+"\n", args...)
	}
	for i, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := e.read(file)
		if err != nil {
			fail("%v", err)
			continue
		}
		p := parseFile(file, data, how)
		if how.strict && p.Kind == mail.Text {
			p.Diagnostics = append(p.Diagnostics, adf.Diagnostic{Severity: adf.Error, Code: adf.CodeNotStrict, Message: "the lead stands in plain words, not in ADF"})
		}
		departures := p.departures()
		refused := how.strict && departures > 0
		if refused {
			p.Leads = []router.Enquiry{}
		}
		if f.is == formatJSON {
			err = p.writeJSON(e.stdout)
		} else {
			err = p.writeText(e.stdout, i > 0)
		}
		if err != nil {
			return fmt.Errorf("print %q: %w", file, err)
		}
		switch {
		case refused:
			fail("%q: refused, %s from ADF 1.0", file, counted(departures, "departure"))
		case len(p.Leads) == 0:
			fail("%q: no lead in it", file)
		}
	}
	if !well {
		return errFound
	}
	return nil
}

// mostFile is how much of a file is read, in bytes: what the daemon takes of a message.
const mostFile = mailbox.DefaultMaxSize

// read reads a file, up to one byte more than is taken of it. Its error is one sentence.
func (e *env) read(file string) ([]byte, error) {
	from := e.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", file, cause(err))
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, fmt.Errorf("read %q: it is a directory; name the files in it", file)
		}
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, mostFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", file, cause(err))
	}
	return data, nil
}

func parseFile(name string, data []byte, how parsing) *parsed {
	if len(data) > mostFile {
		return &parsed{File: name, Kind: mail.None, Leads: []router.Enquiry{}, Diagnostics: []adf.Diagnostic{
			{Severity: adf.Error, Code: mail.SuspectSize, Message: fmt.Sprintf("the file is larger than %d MiB", mostFile>>20)},
		}}
	}
	r := ingest.ReadFile(data, mail.Options{MaxSize: mostFile, Templates: how.templates}, how.locale)
	return &parsed{File: name, Kind: r.Kind, Leads: notNil(r.Leads), Diagnostics: notNil(r.Diagnostics)}
}

// departures counts what a strict reader of ADF 1.0 refuses.
func (p *parsed) departures() (n int) {
	for _, d := range p.Diagnostics {
		if d.Severity != adf.Info {
			n++
		}
	}
	return n
}

// writeJSON prints one line.
func (p *parsed) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(p)
}

// writeText prints for people what was read, what was repaired, and what a strict reader would say.
func (p *parsed) writeText(w io.Writer, apart bool) error {
	var s sheet
	if apart {
		s.b.WriteString("\n")
	}
	fmt.Fprintf(&s.b, "%s: %s, %s\n", printable(p.File), kindName[p.Kind], counted(len(p.Leads), "lead"))
	for i := range p.Leads {
		s.part(fmt.Sprintf("lead %d", i+1))
		s.enquiry(&p.Leads[i])
	}
	for _, group := range []struct {
		severity adf.Severity
		title    string
	}{{adf.Error, "not read, or guessed"}, {adf.Warning, "repaired or kept"}, {adf.Info, "noted"}} {
		t := table{columns: []string{"line", "path", "code", "what"}}
		for _, d := range p.Diagnostics {
			if d.Severity != group.severity {
				continue
			}
			line := ""
			if d.Line > 0 {
				line = strconv.Itoa(d.Line)
			}
			t.rows = append(t.rows, []string{line, d.Path, d.Code, d.Message})
		}
		if len(t.rows) > 0 {
			s.part(group.title)
			s.table(t)
		}
	}
	switch n := p.departures(); {
	case p.Kind == mail.Text:
		s.b.WriteString("\na strict reader would refuse it: it is not ADF\n")
	case n > 0:
		fmt.Fprintf(&s.b, "\na strict reader would refuse it: %s from ADF 1.0\n", counted(n, "departure"))
	case p.Kind == mail.ADF:
		s.b.WriteString("\na strict reader would take it: it keeps to ADF 1.0\n")
	}
	_, err := io.WriteString(w, s.b.String())
	return err
}

var kindName = map[mail.Kind]string{mail.ADF: "ADF", mail.Text: "plain words", mail.None: "nothing that was recognised"}
