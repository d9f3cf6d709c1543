package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"leadfloor/adf"
)

// A finder collects the ADF prospects of a message.
type finder struct {
	opt       Options
	prospects []adf.Prospect
	keys      [][sha256.Size]byte // of the first prospects, once there is something to compare
	notes     []adf.Diagnostic
	claims    bool // something looked like ADF and gave nothing
	star      bool // something looked like a STAR business object document
	unpacked  int  // archive entries read so far
}

func (f *finder) note(s adf.Severity, code, message string) {
	w := walker{notes: f.notes}
	w.note(s, code, message)
	f.notes = w.notes
}

// parts looks into every leaf, whatever its type and name: senders label ADF as anything.
func (f *finder) parts(parts []part) {
	for i := range parts {
		f.leaf(&parts[i], 0)
	}
}

// leaf looks for ADF in one leaf or archive entry.
func (f *finder) leaf(p *part, depth int) {
	b := p.raw()
	if f.archive(b, p.charset, depth) {
		return
	}
	if bytes.HasPrefix(b, []byte{0x78, 0x9f, 0x3e, 0x22}) || strings.Contains(p.typ, "ms-tnef") || strings.EqualFold(p.name, "winmail.dat") {
		f.note(adf.Info, "tnef", "a part is Outlook's winmail.dat; it was searched for ADF, not unpacked")
	}
	// Tags are looked for in the bytes first: all charsets in use but UTF-16 write them alike, and most leaves have none.
	if isUTF16(b) || hasTag(b) || hasSTAR(b) {
		if t := p.decoded(b); f.text(t, isHTML(p.typ, t)) {
			return
		}
	}
	// Nothing plain: perhaps an encoding that the header does not name.
	if d := decodeUU(b); d != nil && f.text(toUTF8(d, ""), false) {
		return
	}
	for run := range base64Runs(b) {
		if d := decodeBase64(run); len(d) > 0 && f.text(toUTF8(d, ""), false) {
			return
		}
	}
}

// declaredInside returns the encoding of an XML declaration or of an HTML meta element at the beginning of b. It counts only where the
// bytes are no UTF-8 and the header names no charset.
func declaredInside(b []byte) string {
	if utf8.Valid(b) {
		return ""
	}
	b = bytes.ToLower(b[:min(len(b), 1024)])
	for _, key := range []string{"encoding=", "charset="} {
		if _, after, ok := bytes.Cut(b, []byte(key)); ok {
			after = bytes.TrimLeft(after, "\"'")
			if i := bytes.IndexAny(after, "\"' >;?"); i > 0 {
				return string(after[:i])
			}
		}
	}
	return ""
}

func isHTML(typ string, t []byte) bool {
	if typ == "text/html" || typ == "application/xhtml+xml" {
		return true
	}
	start := bytes.TrimSpace(t[:min(len(t), 200)])
	return hasPrefixFold(start, "<!doctype html") || hasPrefixFold(start, "<html")
}

// hasPrefixFold reports whether b begins with an ASCII prefix in any case.
func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

// text looks for ADF in text, else for STAR. It reports whether it settled the text: by prospects, or by nothing that looks like ADF any
// other way.
func (f *finder) text(t []byte, isHTML bool) bool {
	settled := f.adf(t, isHTML)
	f.star = f.star || len(f.prospects) == 0 && hasSTAR(t)
	return settled
}

// adf undoes, step by step, what was done to a document on its way, on the evidence that it was. It reports what text does.
func (f *finder) adf(t []byte, isHTML bool) bool {
	tags := findTag(t) >= 0
	if !tags && !hasTag(t) {
		return false
	}
	t = unquote(t)
	if undecoded(t) {
		t = decodeQuoted(t)
		t = toUTF8(t, "")
		tags = findTag(t) >= 0
	}
	if tags {
		s := t
		if isHTML {
			s = dropMarkup(s)
		}
		if f.parse(dropAutolinks(s)) {
			return true
		}
	}
	at, escape := findEscapedTag(t)
	for range 3 {
		switch {
		case at < 0:
			f.claims = true
			return tags
		case escape == '%':
			t = unescapePercent(t[at:])
		case escape == '\\':
			t = unescapeJSON(t)
		case isHTML:
			t, isHTML = []byte(renderHTML(t)), false
		default:
			t = []byte(html.UnescapeString(string(t)))
			if bytes.Contains(bytes.ToLower(t), []byte("<br")) {
				t = dropMarkup(t)
			}
		}
		if findTag(t) >= 0 && f.parse(dropAutolinks(t)) {
			return true
		}
		at, escape = findEscapedTag(t)
	}
	f.claims = true
	return false
}

// parse hands the documents of t to the ADF parser and keeps what it read. It reports whether there was a prospect.
func (f *finder) parse(t []byte) bool {
	start, end, roots, quoted := document(t)
	if quoted {
		t = dropQuotes(t)
		start, end, roots, _ = document(t)
	}
	if start < 0 {
		return false
	}
	doc, err := adf.Parser{MaxSize: 4 * f.opt.MaxSize, MaxProspects: f.opt.MaxLeads + 1}.Parse(t[start:end])
	if err != nil || len(doc.Prospects) == 0 {
		if err != nil && !errors.Is(err, adf.ErrNoProspect) {
			f.note(adf.Error, "adf-limit", "an ADF document was refused by the parser's limits")
		}
		f.claims = true
		return false
	}
	line := bytes.Count(t[:start], []byte{'\n'})
	// A document of its own may say the same twice; another one that says it again is a copy.
	compare := roots > 1 || len(f.prospects) > 0
	for compare && len(f.keys) < len(f.prospects) {
		f.keys = append(f.keys, key(&f.prospects[len(f.keys)]))
	}
	kept := !compare
	if kept {
		for i := range doc.Prospects {
			doc.Prospects[i].Line += line
		}
		f.prospects = doc.Prospects
	} else {
		kept = f.addNew(doc.Prospects, line, roots > 1)
	}
	if kept {
		for _, d := range doc.Diagnostics {
			if d.Line > 0 {
				d.Line += line
			}
			f.notes = append(f.notes, d)
		}
	}
	return true
}

// addNew keeps those of a document's prospects that were not read before, of which the document's own count only within several documents.
// It reports whether there was one.
func (f *finder) addNew(prospects []adf.Prospect, line int, several bool) bool {
	kept, before := false, len(f.keys)
	for _, p := range prospects {
		k, seen := key(&p), f.keys[:before]
		if several {
			seen = f.keys
		}
		if i := slices.Index(seen, k); i >= 0 {
			if damage(&p) < damage(&f.prospects[i]) {
				f.prospects[i] = p
			}
			continue
		}
		f.keys = append(f.keys, k)
		p.Line += line
		f.prospects, kept = append(f.prospects, p), true
	}
	return kept
}

// document returns where the ADF in t begins and ends, how many adf elements there are, and whether one stands behind quote marks. What
// stands around is cut off, since mail puts anything there; only a prolog is left in front, so that the parser can judge it. It returns -1
// where there is none.
func document(t []byte) (start, end, roots int, quoted bool) {
	start, end = -1, len(t)
	last := 0
	for i := 0; i < len(t); {
		j := bytes.IndexByte(t[i:], '<')
		if j < 0 {
			break
		}
		i += j
		name, closing := tagAt(t[i:])
		switch {
		case name == "":
		case closing:
			end = len(t)
			if k := bytes.IndexByte(t[i:min(len(t), i+100)], '>'); k >= 0 {
				end = i + k + 1
			}
			last = i
		default:
			if start < 0 {
				start = i
			}
			if name == "adf" {
				roots++
			}
			quoted = quoted || isQuoted(t, i)
			if i > last {
				end = len(t) // opened behind the last end: cut off somewhere
			}
		}
		i++
	}
	if start > 0 {
		if before := bytes.TrimSpace(t[:start]); bytes.HasPrefix(before, []byte("<?")) {
			start = 0
		}
	}
	return start, end, roots, quoted
}

// findTag returns where the first opening adf or prospect tag stands, in any case and with any prefix; -1 where there is none.
func findTag(t []byte) int {
	for i := 0; i < len(t); i++ {
		j := bytes.IndexByte(t[i:], '<')
		if j < 0 {
			return -1
		}
		i += j
		if name, closing := tagAt(t[i:]); name != "" && !closing {
			return i
		}
	}
	return -1
}

// hasTag reports whether t holds an opening adf or prospect tag, plain or escaped.
func hasTag(t []byte) bool {
	if findTag(t) >= 0 {
		return true
	}
	at, _ := findEscapedTag(t)
	return at >= 0
}

// tagAt returns adf or prospect where t begins with such a tag.
func tagAt(t []byte) (name string, closing bool) {
	t = t[1:]
	if len(t) > 0 && t[0] == '/' {
		t, closing = t[1:], true
	}
	return rootName(t), closing
}

// rootName returns adf or prospect where t begins with that name, with or without a prefix, and the name ends there.
func rootName(t []byte) string {
	n, local := 0, 0
	for n < len(t) && n < 60 {
		c := t[n]
		if c == ':' {
			local = n + 1
		} else if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			break
		}
		n++
	}
	var name string
	switch s := t[local:n]; {
	case len(s) == 3 && strings.EqualFold(string(s), "adf"):
		name = "adf"
	case len(s) == 8 && strings.EqualFold(string(s), "prospect"):
		name = "prospect"
	default:
		return ""
	}
	if n == len(t) || strings.IndexByte(" \t\r\n/>&%=\\", t[n]) < 0 {
		return ""
	}
	return name
}

// escapes are the ways in which a < comes escaped, in lower case.
var escapes = [...]string{"&lt;", "&#60;", "&#060;", "&#x3c;", "&#x03c;", "&amp;lt;", "&amp;#60;", "%3c", "%253c", `\u003c`, `\x3c`}

// findEscapedTag returns where the first escaped opening adf or prospect tag stands, and the character that begins the escape; -1 where
// there is none.
func findEscapedTag(t []byte) (at int, escape byte) {
	for i := 0; i < len(t); i++ {
		j := bytes.IndexAny(t[i:], `&%\`)
		if j < 0 {
			return -1, 0
		}
		i += j
		for _, e := range escapes {
			if len(t)-i > len(e) && e[0] == t[i] && strings.EqualFold(string(t[i:i+len(e)]), e) && rootName(t[i+len(e):]) != "" {
				return i, e[0]
			}
		}
	}
	return -1, 0
}

// unescapePercent undoes percent escapes; and the plus signs of a query, where no blank was escaped in the other way.
func unescapePercent(t []byte) []byte {
	end := bytes.IndexAny(t, " \t\r\n\"'<>")
	if end < 0 {
		end = len(t)
	}
	if !bytes.Contains(t[:end], []byte("%20")) {
		t = append(bytes.ReplaceAll(t[:end], []byte{'+'}, []byte{' '}), t[end:]...)
	}
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		if t[i] == '%' && i+2 < len(t) {
			if v, err := strconv.ParseUint(string(t[i+1:i+3]), 16, 8); err == nil {
				out = append(out, byte(v))
				i += 2
				continue
			}
		}
		out = append(out, t[i])
	}
	return out
}

// hasSTAR reports whether t holds a STAR business object document: what manufacturers exchange beside ADF.
func hasSTAR(t []byte) bool {
	for _, name := range [...]string{"ProcessSalesLead", "ChangeSalesLead", "AcknowledgeSalesLead", "ShowSalesLead", "ProcessServiceAppointment", "ChangeServiceAppointment"} {
		if i := bytes.Index(t, []byte(name)); i > 0 && (t[i-1] == '<' || t[i-1] == ':') {
			return true
		}
	}
	return false
}

// key tells a document from another by what it says. White space, question marks and what is not ASCII are left out: those are what a
// second copy of the same document in another charset or in HTML loses.
func key(p *adf.Prospect) [sha256.Size]byte {
	q := *p
	q.Line = 0
	b, err := json.Marshal(q)
	if err != nil { // strings, slices and pointers to structs: cannot be
		return sha256.Sum256(nil)
	}
	b = jsonSpace.ReplaceAll(b, nil)
	return sha256.Sum256(bytes.Map(func(r rune) rune {
		if r <= ' ' || r == '?' || r >= 0x7f {
			return -1
		}
		return r
	}, b))
}

var jsonSpace = regexp.MustCompile(`\\[nrt]|\\u00a0|\\ufffd`)

// damage counts the characters of a prospect that a charset may have eaten.
func damage(p *adf.Prospect) int {
	b, err := json.Marshal(p)
	if err != nil {
		return 0
	}
	return bytes.Count(b, []byte{'?'}) + bytes.Count(b, []byte("\ufffd")) + bytes.Count(b, []byte(`\ufffd`))
}

// salvage searches the bytes behind the header, for what a broken structure hides: taken for a header, or encoded in part.
func (f *finder) salvage(raw []byte) {
	_, b := cutHeader(normalLines(raw), true)
	switch {
	case hasTag(b):
		f.text(toUTF8(b, ""), false)
	case bytes.Contains(b, []byte("=3C")):
		f.text(toUTF8(decodeQuoted(b), ""), false)
	}
	if len(f.prospects) > 0 {
		f.note(adf.Warning, "salvaged", "the message's parts could not be told apart; the ADF was found in its raw bytes")
	}
}
