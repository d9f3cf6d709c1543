package adf

import (
	"bytes"
	"slices"
	"strings"
)

// Severity says how bad a Diagnostic is.
type Severity string

// The severities of a Diagnostic.
const (
	Info    Severity = "info"    // worth knowing, allowed by ADF 1.0
	Warning Severity = "warning" // a departure from ADF 1.0 that was repaired or kept without loss
	Error   Severity = "error"   // something could not be read, or was read by guess
)

// Diagnostic is one repair or one departure from ADF 1.0.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`           // stable, one of the Code constants
	Line     int      `json:"line,omitempty"` // from 1; 0 where there is none
	Path     string   `json:"path,omitempty"` // elements in lower case, such as adf/prospect/customer
	Message  string   `json:"message"`        // one sentence; never holds the customer's data
}

// The codes of all diagnostics. They are stable: programs may compare them and metrics may have them as labels.
const (
	// The text as a whole.
	CodeEncoding    = "bad-encoding"     // the declared charset is not that of the bytes, or bytes do not fit the charset
	CodeProlog      = "bad-prolog"       // a processing instruction that is out of place, in upper case, unterminated or of another version
	CodeNoProlog    = "no-prolog"        // the XML declaration or the ADF instruction is missing
	CodeDoctype     = "doctype"          // a document type declaration, which was skipped; its entities are never expanded
	CodeOutside     = "text-outside"     // text before or behind the document
	CodeEscaped     = "escaped-document" // the whole document was escaped as in HTML, or hidden in a comment or a CDATA section
	CodeNoEnvelope  = "no-envelope"      // prospects outside an adf element, or parts of one outside a prospect
	CodeSeveralADF  = "several-roots"    // more than one adf element
	CodeLimitDepth  = "limit-depth"      // elements deeper than the limit became text
	CodeLimitLeads  = "limit-prospects"  // prospects beyond the limit were left out
	CodeLimitNodes  = "limit-elements"   // elements beyond the limit became text
	CodeLimitSize   = "limit-size"       // the document is larger than the limit
	CodeNoProspect  = "no-prospect"      // nothing in the text can be read as a prospect
	CodeMore        = "more"             // there are more diagnostics than are kept
	CodeNotStrict   = "not-strict"       // the code of the error of a strict Parser
	CodeTooManyAttr = "limit-attributes" // attributes beyond the limit were left out

	// Characters.
	CodeAmpersand = "bare-ampersand" // an & that begins no reference
	CodeEntity    = "bad-entity"     // an entity that XML does not define, a reference without its semicolon, or one by its number in windows-1252
	CodeTwice     = "double-escape"  // a reference that was escaped twice and decoded once
	CodeControl   = "bad-character"  // a character that XML forbids, which was dropped
	CodeLess      = "bare-less-than" // a < that begins no tag

	// Tags.
	CodeAttribute   = "bad-attribute"   // an attribute that is unquoted, wrongly quoted, unclosed or repeated
	CodeMismatched  = "mismatched-tag"  // an end tag that matches no start tag, or matches it but for its case
	CodeUnclosed    = "unclosed-tag"    // an element without its end tag
	CodeTruncated   = "truncated"       // the text ends within elements
	CodeBrokenTag   = "broken-tag"      // a tag that is damaged and was guessed
	CodeComment     = "bad-comment"     // -- within a comment, or a comment without end
	CodeCData       = "bad-cdata"       // a CDATA section without end or at a wrong place
	CodeNested      = "nested-markup"   // markup within text, of which the text was kept
	CodeNamespace   = "namespace"       // prefixes or namespaces, which were ignored
	CodeUpper       = "wrong-case"      // a name that is not in lower case
	CodeStray       = "stray-text"      // text where ADF 1.0 has only elements
	CodeAttrVariant = "wrong-attribute" // another name for an attribute of ADF 1.0

	// Departures from the specification and the DTD.
	CodeVariant      = "wrong-name"        // another name for an element of ADF 1.0
	CodePlace        = "wrong-place"       // an element that ADF 1.0 has elsewhere
	CodeOrder        = "wrong-order"       // an element out of the DTD's order
	CodeRepeated     = "repeated-element"  // more of an element than ADF 1.0 allows
	CodeUnknown      = "unknown-element"   // an element that ADF 1.0 does not know, kept in Extra
	CodeUnknownAttr  = "unknown-attribute" // an attribute that ADF 1.0 does not know, left out
	CodeMissing      = "missing-element"   // an element that ADF 1.0 requires
	CodeEmpty        = "empty-element"     // a required element without content
	CodeValue        = "bad-value"         // an attribute's value that ADF 1.0 does not allow, kept in lower case
	CodeContentValue = "bad-content"       // an element's text that ADF 1.0 does not allow, kept
	CodeDate         = "bad-date"          // a date in none of the specification's forms
	CodeDialect      = "dialect"           // allowed by the specification's prose alone
)

// codes gives each code its severity and its message. %s stands for the name of an element or attribute of ADF 1.0.
var codes = map[string]struct {
	severity Severity
	message  string
}{
	CodeEncoding:     {Warning, "the text is not in the charset that it declares, or not wholly"},
	CodeProlog:       {Warning, "a processing instruction is out of place, in upper case, malformed or of another version"},
	CodeNoProlog:     {Info, "the XML declaration or the ADF instruction is missing"},
	CodeDoctype:      {Info, "a document type declaration was skipped"},
	CodeOutside:      {Warning, "there is text outside the document"},
	CodeEscaped:      {Warning, "the document was escaped or hidden as a whole"},
	CodeNoEnvelope:   {Warning, "the elements stand outside adf and prospect"},
	CodeSeveralADF:   {Warning, "there is more than one adf element"},
	CodeLimitDepth:   {Error, "elements nested deeper than the limit became text"},
	CodeLimitLeads:   {Error, "prospects beyond the limit were left out"},
	CodeLimitNodes:   {Error, "elements beyond the limit became text"},
	CodeLimitSize:    {Error, "the document is larger than the limit"},
	CodeNoProspect:   {Error, "there is no prospect"},
	CodeMore:         {Info, "there are more diagnostics than are kept"},
	CodeNotStrict:    {Error, "the document departs from ADF 1.0"},
	CodeTooManyAttr:  {Error, "attributes beyond the limit were left out"},
	CodeAmpersand:    {Warning, "an ampersand begins no reference"},
	CodeEntity:       {Warning, "a reference is not one of XML's, lacks its semicolon or counts in windows-1252"},
	CodeTwice:        {Info, "a reference seems to have been escaped twice; it was decoded once"},
	CodeControl:      {Warning, "characters that XML forbids were dropped"},
	CodeLess:         {Warning, "a less-than sign begins no tag"},
	CodeAttribute:    {Warning, "an attribute is unquoted, wrongly quoted, unclosed or repeated"},
	CodeMismatched:   {Warning, "an end tag does not match its start tag"},
	CodeUnclosed:     {Warning, "an element has no end tag"},
	CodeTruncated:    {Error, "the text ends within the document"},
	CodeBrokenTag:    {Error, "a damaged tag was guessed"},
	CodeComment:      {Warning, "a comment has no end or holds two hyphens"},
	CodeCData:        {Warning, "a CDATA section has no end or stands where elements should"},
	CodeNested:       {Warning, "markup within text was read as text"},
	CodeNamespace:    {Warning, "namespaces were ignored"},
	CodeUpper:        {Warning, "a name is not in lower case"},
	CodeStray:        {Warning, "there is text where ADF 1.0 has only elements"},
	CodeAttrVariant:  {Warning, "an attribute has another name in ADF 1.0"},
	CodeVariant:      {Warning, "the element has another name in ADF 1.0"},
	CodePlace:        {Warning, "the element stands elsewhere in ADF 1.0"},
	CodeOrder:        {Warning, "the element is out of order"},
	CodeRepeated:     {Warning, "there are more of the element than ADF 1.0 allows"},
	CodeUnknown:      {Warning, "ADF 1.0 does not know the element"},
	CodeUnknownAttr:  {Warning, "ADF 1.0 does not know an attribute, which was left out"},
	CodeMissing:      {Warning, "%s is missing"},
	CodeEmpty:        {Warning, "the element is required and empty"},
	CodeValue:        {Warning, "the value of %s is not one of ADF 1.0's"},
	CodeContentValue: {Warning, "the element's content is not one that ADF 1.0 allows"},
	CodeDate:         {Warning, "the date is in none of ADF 1.0's forms"},
	CodeDialect:      {Info, "only the specification's prose has this"},
}

// Codes returns every code that a Diagnostic may have, sorted.
func Codes() []string {
	all := make([]string, 0, len(codes))
	for c := range codes {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}

// maxDiagnostics bounds what is kept of them; one with CodeMore stands for the rest.
const maxDiagnostics = 200

// A finding is a diagnostic before its line and path are worked out.
type finding struct {
	code string
	pos  int32 // where in the text
	node int32 // the element that it is about; 0 for none
	what uint8 // the element or attribute that a message names
	attr bool  // what is an attribute
}

// note records a finding, or that there are too many of them.
func (p *parser) note(code string, pos, node int32) {
	p.noteWhat(code, pos, node, 0, false)
}

func (p *parser) noteWhat(code string, pos, node int32, what uint8, attr bool) {
	if len(p.findings) >= maxDiagnostics {
		p.more = true
		return
	}
	p.findings = append(p.findings, finding{code, pos, node, what, attr})
}

// messages holds the messages that name an element or attribute, made once.
var messages = func() (m struct {
	missing [elements]string
	value   [attributes]string
}) {
	for e, name := range elementNames {
		m.missing[e] = strings.Replace(codes[CodeMissing].message, "%s", name, 1)
	}
	m.missing[elEmail] = strings.Replace(codes[CodeMissing].message, "%s", "an email or a phone", 1)
	m.missing[elExteriorColor] = strings.Replace(codes[CodeMissing].message, "%s", "a color", 1)
	for a, name := range attributeNames {
		m.value[a] = strings.Replace(codes[CodeValue].message, "%s", name, 1)
	}
	return m
}()

// diagnostics turns the findings into what callers see, in the order of the document.
func (p *parser) diagnostics() []Diagnostic {
	if len(p.findings) == 0 {
		return nil
	}
	slices.SortStableFunc(p.findings, func(a, b finding) int { return int(a.pos) - int(b.pos) })
	out := make([]Diagnostic, 0, len(p.findings)+1)
	var lines lineCounter
	var last int32 = -1
	var path string
	for _, f := range p.findings {
		if f.node != last {
			path, last = p.path(f.node), f.node
		}
		c := codes[f.code]
		d := Diagnostic{Severity: c.severity, Code: f.code, Line: lines.at(p.src, f.pos), Path: path, Message: c.message}
		switch {
		case f.what == 0:
		case f.attr:
			d.Message = messages.value[f.what]
		default:
			d.Message = messages.missing[f.what]
		}
		if len(out) == 0 || out[len(out)-1] != d {
			out = append(out, d)
		}
	}
	if p.more {
		out = append(out, Diagnostic{Severity: codes[CodeMore].severity, Code: CodeMore, Message: codes[CodeMore].message})
	}
	return out
}

// A lineCounter counts lines up to positions that do not decrease.
type lineCounter struct {
	pos  int32
	line int
}

func (l *lineCounter) at(src []byte, pos int32) int {
	if pos < l.pos {
		*l = lineCounter{}
	}
	l.line += bytes.Count(src[l.pos:pos], []byte{'\n'})
	l.pos = pos
	return l.line + 1
}
