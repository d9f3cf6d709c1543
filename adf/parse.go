package adf

import (
	"errors"
	"fmt"
	"html"
	"math"
	"strings"
)

// ErrNoProspect says that nothing in a text can be read as a prospect.
var ErrNoProspect = errors.New("no prospect")

// ErrTooLarge says that a document is larger than the limit.
var ErrTooLarge = errors.New("larger than the limit")

// ParseError says why a document was not read at all. Unwrap gives ErrNoProspect, ErrTooLarge or a *StrictError.
type ParseError struct {
	Line int    // from 1; 0 where there is none
	Path string // elements in lower case, such as adf/prospect
	Code string // one of the Code constants
	Err  error
}

func (e *ParseError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("parse adf: line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("parse adf: %v", e.Err)
}

func (e *ParseError) Unwrap() error { return e.Err }

// StrictError holds what departs from ADF 1.0, and what is worth knowing beside it, in the order of the document.
type StrictError struct {
	Diagnostics []Diagnostic
}

func (e *StrictError) Error() string {
	var b strings.Builder
	n := 0
	for _, d := range e.Diagnostics {
		if d.Severity == Info {
			continue
		}
		if n++; n > 1 {
			b.WriteString("; ")
		}
		if d.Line > 0 {
			fmt.Fprintf(&b, "line %d: ", d.Line)
		}
		if d.Path != "" {
			b.WriteString(d.Path + ": ")
		}
		b.WriteString(d.Message)
	}
	return b.String()
}

// Parser reads ADF documents. The zero value has the defaults.
type Parser struct {
	MaxSize      int  // bytes; 10 MiB where 0
	MaxDepth     int  // levels of elements; deeper ones become text; 64 where 0, 1000 at most
	MaxProspects int  // those beyond are left out; 100 where 0
	Strict       bool // refuse every departure from ADF 1.0
}

// maxDepth is what MaxDepth may be at most, for the sake of recursion.
const maxDepth = 1000

// Parse reads the prospects in data with the defaults of Parser.
func Parse(data []byte) (*Document, error) { return Parser{}.Parse(data) }

// Parse reads the prospects in data. It reads whatever a person could: each repair is a Diagnostic of the document, and what is not repaired is
// kept in Extra. It fails, with a *ParseError, where there is nothing that can be read as a prospect, where data is larger than MaxSize and, if Strict,
// where a Diagnostic is worse than Info. The strings of the document share memory: whoever keeps but a few of them should clone them.
//
// Time and memory are linear in len(data). Parse does not keep data.
func (o Parser) Parse(data []byte) (*Document, error) {
	for _, d := range [...]struct {
		v *int
		n int
	}{{&o.MaxSize, 10 << 20}, {&o.MaxDepth, 64}, {&o.MaxProspects, 100}} {
		if *d.v <= 0 {
			*d.v = d.n
		}
	}
	if len(data) > o.MaxSize || len(data) > math.MaxInt32/4 { // offsets are of 32 bits, and a charset may take three bytes for one
		return nil, &ParseError{Code: CodeLimitSize, Err: ErrTooLarge}
	}
	text, odd := decodeText(data)
	doc := o.parse(text, odd, false)
	for range 2 {
		if len(doc.Prospects) > 0 {
			break
		}
		inner := unwrap(string(text))
		if inner == "" {
			break
		}
		text = []byte(inner)
		doc = o.parse(text, odd, true)
	}
	if len(doc.Prospects) == 0 {
		return nil, &ParseError{Code: CodeNoProspect, Err: ErrNoProspect}
	}
	if o.Strict {
		for _, d := range doc.Diagnostics {
			if d.Severity != Info {
				return nil, &ParseError{Line: d.Line, Path: d.Path, Code: d.Code, Err: &StrictError{doc.Diagnostics}}
			}
		}
	}
	return doc, nil
}

// parse reads text, which is valid UTF-8.
func (o Parser) parse(text []byte, odd, unwrapped bool) *Document {
	var r reader // it stays on the stack
	r.src, r.depth, r.max = text, min(o.MaxDepth, maxDepth), o.MaxProspects
	if !r.scan() {
		r.mend = newMender(text)
		r.scan()
	}
	if odd {
		r.note(CodeEncoding, 0, 0)
	}
	if unwrapped {
		r.note(CodeEscaped, 0, 0)
	}
	r.doc, r.slabs = newSlabs()
	r.read()
	if len(r.doc.Prospects) > 0 {
		r.doc.Diagnostics = r.diagnostics()
	}
	return r.doc
}

// unwrap returns the document that is hidden in a text as a whole: escaped as in HTML, or within a comment. It returns "" where there is none.
func unwrap(text string) string {
	lower := strings.ToLower(text)
	for _, less := range [...]string{"&lt;", "&#60;", "&#x3c;", "&amp;lt;"} {
		for _, root := range [...]string{"adf", "prospect"} {
			if strings.Contains(lower, less+root) {
				return html.UnescapeString(text)
			}
		}
	}
	for from := 0; ; {
		i := strings.Index(text[from:], "<!--")
		if i < 0 {
			return ""
		}
		from += i + 4
		end := strings.Index(text[from:], "-->")
		if end < 0 {
			return ""
		}
		if c := strings.ToLower(text[from : from+end]); strings.Contains(c, "<adf") || strings.Contains(c, "<prospect") {
			return text[from : from+end]
		}
		from += end
	}
}
