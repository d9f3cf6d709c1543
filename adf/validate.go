package adf

import "bytes"

// Validate returns how a document in memory departs from ADF 1.0, without lines. It judges d by what Write makes of it, so that a strict Parser
// accepts what Write wrote of a document without departures, and only that: those of the severity Info do not count.
func Validate(d *Document) []Diagnostic {
	if len(d.Prospects) == 0 {
		return []Diagnostic{{Severity: codes[CodeMissing].severity, Code: CodeMissing, Path: "adf", Message: messages.missing[elProspect]}}
	}
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		panic(err) // a bytes.Buffer takes all there is memory for
	}
	found := Parser{MaxDepth: maxDepth, MaxProspects: len(d.Prospects)}.parse(b.Bytes(), false, false).Diagnostics
	for i := range found {
		found[i].Line = 0
	}
	return found
}
