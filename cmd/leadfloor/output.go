package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/text/width"
)

// The formats of what lists.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatCSV   = "csv"
)

// A format is a --format flag that takes some formats, the first by default.
type format struct {
	is      string
	allowed []string
}

// formatFlag gives cmd a --format flag.
func formatFlag(cmd *cobra.Command, allowed ...string) *format {
	f := &format{is: allowed[0], allowed: allowed}
	cmd.Flags().Var(f, "format", "how to print: "+strings.Join(allowed, ", "))
	// The only error is that the flag does not exist.
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	return f
}

func (f *format) String() string { return f.is }
func (f *format) Type() string   { return "FORMAT" }

// Set is called by the flag package.
func (f *format) Set(s string) error {
	if !slices.Contains(f.allowed, s) {
		return fmt.Errorf("want one of %s", strings.Join(f.allowed, ", "))
	}
	f.is = s
	return nil
}

// A table is what a listing command prints.
type table struct {
	columns []string
	rows    [][]string // as many cells as columns
	items   any        // the same for JSON, as a slice of structs, or whatever the contract says
}

// write prints t in the format f.
func (t table) write(w io.Writer, f *format) error {
	switch f.is {
	case formatJSON:
		return writeJSON(w, t.items)
	case formatCSV:
		return t.writeCSV(w)
	}
	return t.writeTable(w)
}

// writeJSON prints v, indented and with its text as it is: no HTML will hold it.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeTable aligns columns, numbers to the right, with a dash where there is nothing. Cells hold what strangers wrote into their mail: what
// could steer a terminal is dropped.
func (t table) writeTable(w io.Writer) error {
	lines := make([][]string, 0, 1+len(t.rows))
	lines = append(lines, t.columns)
	widths := make([]int, len(t.columns))
	right := make([]bool, len(t.columns))
	for i := range right {
		nothing := func(row []string) bool { return row[i] == "" || row[i] == "-" }
		right[i] = !slices.ContainsFunc(t.rows, func(row []string) bool { return !nothing(row) && !isNumber(row[i]) }) &&
			slices.ContainsFunc(t.rows, func(row []string) bool { return !nothing(row) })
	}
	for _, row := range t.rows {
		clean := make([]string, len(row))
		for i, cell := range row {
			clean[i] = cmp.Or(printable(cell), "-")
		}
		lines = append(lines, clean)
	}
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], cells(cell))
		}
	}
	var b strings.Builder
	for n, line := range lines {
		var l strings.Builder
		for i, cell := range line {
			if n == 0 {
				cell = strings.ToUpper(cell)
			}
			pad := strings.Repeat(" ", widths[i]-cells(cell))
			if right[i] {
				l.WriteString(pad + cell)
			} else {
				l.WriteString(cell + pad)
			}
			l.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeCSV prints RFC 4180. A cell that a spreadsheet would run as a formula gets an apostrophe in front, which the spreadsheet hides.
func (t table) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	_ = c.Write(t.columns) // Flush says what went wrong
	for _, row := range t.rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = harmless(cell)
		}
		_ = c.Write(safe)
	}
	c.Flush()
	return c.Error()
}

// harmless keeps a spreadsheet from taking a cell for a formula. A negative number is none.
func harmless(cell string) string {
	switch {
	case cell == "" || cell[0] == '-' && isNumber(cell):
		return cell
	case strings.ContainsRune("=+-@\t\r\n", rune(cell[0])), strings.HasPrefix(cell, "＝"), strings.HasPrefix(cell, "＋"),
		strings.HasPrefix(cell, "－"), strings.HasPrefix(cell, "＠"): // some spreadsheets take the full-width ones too
		return "'" + cell
	}
	return cell
}

// cells is how many columns of a terminal a text takes: Chinese, Japanese and Korean letters and emoji take two, accents that stand for
// themselves none.
func cells(s string) (n int) {
	for _, r := range s {
		switch k := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case k == width.EastAsianWide, k == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// cut shortens s to n letters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r): // escapes, and what turns the direction of writing
			return -1
		}
		return r
	}, s)
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	return err == nil
}
