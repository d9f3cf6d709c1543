package mail

import (
	"bytes"
	"mime"
	"strings"

	"leadfloor/adf"
)

// A part is a leaf of a message: what lies between two boundaries, still in its transfer encoding.
type part struct {
	typ     string // media type in lower case; text/plain where absent
	charset string // as declared
	flowed  bool   // format=flowed (RFC 3676)
	delsp   bool
	coding  string // transfer encoding, one of those that transferDecode knows; else as declared
	name    string // file name
	aside   bool   // an attachment
	report  bool   // within a multipart/report
	inner   bool   // within a message that is not the outermost
	body    []byte

	// What raw and decoded returned, of the parts that are asked twice.
	bytes, text []byte
}

// raw returns the bytes of a part without their transfer encoding.
func (p *part) raw() []byte {
	if p.bytes != nil {
		return p.bytes
	}
	b := transferDecode(p.coding, p.body)
	if strings.HasPrefix(p.typ, "text") {
		p.bytes = b
	}
	return b
}

// decoded returns the text of a part as UTF-8, each paragraph of a flowed one on one line. B is what raw returned.
func (p *part) decoded(b []byte) []byte {
	if p.text != nil {
		return p.text
	}
	set := p.charset
	if set == "" {
		set = declaredInside(b)
	}
	t := toUTF8(b, set)
	if p.flowed {
		t = unflow(t, p.delsp)
	}
	if strings.HasPrefix(p.typ, "text") {
		p.text = t
	}
	return t
}

// A walker takes a message apart. It slices the raw bytes and copies nothing but what a transfer encoding hides, and it counts before it
// descends, so its work is bounded by MaxDepth passes over the bytes. go-message's MultipartReader is not asked first: it copies each byte
// through a reader for every level, 18 times the work at 20 levels, gives no count before it descends, and gives up on the whole
// multipart for one bad header.
type walker struct {
	opt    Options
	header Header   // the outermost message's
	inner  []Header // of the messages within
	parts  []part
	count  int // entities seen
	notes  []adf.Diagnostic
	limit  string // the Suspect of the limit that ended the walk
}

func (w *walker) note(s adf.Severity, code, message string) {
	for _, d := range w.notes {
		if d.Code == code {
			return
		}
	}
	w.notes = append(w.notes, adf.Diagnostic{Severity: s, Code: code, Message: message})
}

// senders returns the addresses that the message or one within it says it is from.
func (w *walker) senders() []string {
	list := addressesOf(w.header.From)
	for i := range w.inner {
		list = append(list, addressesOf(w.inner[i].From)...)
	}
	return list
}

func (w *walker) walk(raw []byte) {
	fs, body := cutHeader(raw, true)
	w.header = header(fs)
	w.entity(fs, raw[:len(raw)-len(body)], body, part{}, 0)
}

// message walks a message within the message.
func (w *walker) message(raw []byte, in part, depth int) {
	fs, body := cutHeader(raw, true)
	if len(w.inner) < maxAddresses {
		w.inner = append(w.inner, header(fs))
	}
	// A message that is attached is read as any: people forward so.
	w.entity(fs, raw[:len(raw)-len(body)], body, part{inner: true, report: in.report}, depth)
}

// entity walks one header with its body. What in says of the surroundings is inherited.
func (w *walker) entity(fs fields, head, body []byte, in part, depth int) {
	w.count++
	switch {
	case w.limit != "":
		return
	case len(head) > maxHeader:
		w.limit = SuspectHeader
		return
	case depth > w.opt.MaxDepth:
		w.limit = SuspectDepth
		return
	case w.count > w.opt.MaxParts+1: // the message itself is no part
		w.limit = SuspectParts
		return
	}
	typ, params := mediaType(fs.get("Content-Type"))
	coding := w.coding(fs.get("Content-Transfer-Encoding"))
	disposition, dparams := mediaType(fs.get("Content-Disposition"))
	p := in
	p.typ, p.charset, p.coding, p.body = typ, params["charset"], coding, body
	p.flowed = strings.EqualFold(params["format"], "flowed")
	p.delsp = strings.EqualFold(params["delsp"], "yes")
	p.aside = in.aside || disposition == "attachment"
	if p.name = dparams["filename"]; p.name == "" {
		p.name = params["name"]
	}
	p.name = decodeWords(p.name)
	if p.typ == "" {
		p.typ = "text/plain"
	}
	if typ == "multipart/report" {
		p.report = true
	}

	if strings.HasPrefix(p.typ, "multipart/") || typ == "" || typ == "text/plain" && depth == 0 {
		if parts, beside := w.split(&p, params["boundary"]); parts != nil {
			for _, b := range parts {
				fs, body := cutHeader(b, false)
				w.entity(fs, b[:len(b)-len(body)], body, p, depth+1)
			}
			for _, b := range beside {
				if len(bytes.TrimSpace(b)) > 0 {
					w.parts = append(w.parts, part{typ: "text/plain", aside: true, report: p.report, inner: p.inner, body: b})
				}
			}
			return
		}
		if strings.HasPrefix(p.typ, "multipart/") {
			w.note(adf.Warning, "bad-boundary", "a multipart has no part behind its boundary; it was read as text")
			p.typ = "text/plain"
		}
	}
	if p.typ == "message/rfc822" || p.typ == "message/global" || strings.HasSuffix(strings.ToLower(p.name), ".eml") {
		w.message(normalLines(transferDecode(p.coding, p.body)), p, depth+1)
		return
	}
	w.parts = append(w.parts, p)
}

// split returns the parts of a multipart, nil where there are none, and what stands beside them. Where the declared boundary stands
// nowhere it looks for what is used in its place, and behind a transfer encoding, which a multipart must not have and sometimes has.
// A body that is not declared as a multipart is one only if it begins like one.
func (w *walker) split(p *part, boundary string) (parts, beside [][]byte) {
	limit := w.opt.MaxParts + 1
	if !strings.HasPrefix(p.typ, "multipart/") {
		if !bytes.HasPrefix(bytes.TrimLeft(p.body[:min(len(p.body), 100)], " \t\r\n"), []byte("--")) {
			return nil, nil
		}
		return split(p.body, sniffBoundary(p.body), limit)
	}
	for _, body := range [][]byte{p.body, p.raw()} {
		for _, b := range []string{boundary, strings.Trim(boundary, "\"' "), sniffBoundary(body)} {
			if parts, beside = split(body, b, limit); parts != nil {
				return parts, beside
			}
		}
		if p.coding == "" {
			break
		}
	}
	return nil, nil
}

// split cuts a multipart body at the lines that are its boundary, into limit parts and one at most, and returns beside them what stands
// above the first and below the last. It returns nil where no such line stands.
func split(body []byte, boundary string, limit int) (parts, beside [][]byte) {
	if boundary == "" {
		return nil, nil
	}
	delim := []byte("--" + boundary)
	start := -1 // of the part that is open
	for i := 0; i < len(body) && len(parts) <= limit; {
		j := bytes.Index(body[i:], delim)
		if j < 0 {
			break
		}
		j += i
		line, rest := cutLine(body[j:])
		if len(line) < len(delim) {
			return nil, nil // a boundary with a line end in it bounds nothing
		}
		tail := bytes.TrimSpace(line[len(delim):])
		i = j + len(delim)
		last := bytes.Equal(tail, []byte("--"))
		if j > 0 && body[j-1] != '\n' || len(tail) > 0 && !last {
			continue
		}
		if start < 0 {
			beside = append(beside, body[:j])
		} else {
			parts = append(parts, bytes.TrimSuffix(bytes.TrimSuffix(body[start:j], []byte{'\n'}), []byte{'\r'}))
		}
		start = len(body) - len(rest)
		if last && len(parts) > 0 {
			return parts, append(beside, rest)
		}
	}
	if start >= 0 {
		parts = append(parts, body[start:])
	}
	return parts, beside
}

// sniffBoundary returns the boundary that a body uses whatever its header says: the first line with two dashes that a Content- field follows.
func sniffBoundary(body []byte) string {
	for i := 0; i < len(body); {
		line, rest := cutLine(body[i:])
		if bytes.HasPrefix(line, []byte("--")) && len(line) > 2 && len(line) < 200 {
			if next, _ := cutLine(rest); len(next) > 8 && strings.EqualFold(string(next[:8]), "content-") {
				return string(bytes.TrimRight(line[2:], " \t"))
			}
		}
		j := bytes.Index(body[i:], []byte("\n--"))
		if j < 0 {
			break
		}
		i += j + 1
	}
	return ""
}

// mediaType reads a Content-Type or Content-Disposition value as far as it can be read; names are in lower case.
// mime.ParseMediaType does the well-formed ones, RFC 2231 included.
func mediaType(v string) (string, map[string]string) {
	if v == "" || len(v) > maxValue {
		return "", nil
	}
	if t, params, err := mime.ParseMediaType(v); err == nil {
		return t, params
	}
	t, rest, _ := strings.Cut(v, ";")
	t = strings.ToLower(strings.Trim(strings.TrimSpace(t), "\"'"))
	if i := strings.IndexAny(t, " \t(,"); i >= 0 {
		t = t[:i]
	}
	params := map[string]string{}
	for rest != "" {
		var one string
		one, rest = cutParam(rest)
		k, v, ok := strings.Cut(one, "=")
		k = strings.ToLower(strings.Trim(k, "*\"' \t"))
		if v = strings.TrimSpace(v); len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		if _, twice := params[k]; ok && k != "" && !twice {
			params[k] = strings.Trim(v, "\"")
		}
	}
	return t, params
}

// cutParam cuts at the first semicolon outside quotes, or, where a quote never ends, at the first semicolon.
func cutParam(s string) (one, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	if quoted {
		one, rest, _ = strings.Cut(s, ";")
		return one, rest
	}
	return s, ""
}

// coding returns the transfer encoding that a field means: it comes quoted, commented, misspelt, or as something else altogether.
func (w *walker) coding(v string) string {
	v = strings.ToLower(v)
	if i := strings.IndexAny(v, "(;,"); i >= 0 {
		v = v[:i]
	}
	v = strings.Trim(v, "\"' \t.")
	switch unpunctuated.Replace(v) {
	case "", "7bit", "8bit", "binary":
		return ""
	case "base64", "b64", "b", "basee64":
		return "base64"
	case "quotedprintable", "quoteprintable", "qp", "q":
		return "quoted-printable"
	case "xuuencode", "uuencode", "xuue", "uue":
		return "uuencode"
	}
	w.note(adf.Info, "unknown-encoding", "a part names an unknown transfer encoding; its bytes were taken as they are")
	return ""
}

// normalLines returns a message with lines that end in LF or CRLF: old systems end them in CR alone.
func normalLines(b []byte) []byte {
	if bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	return bytes.ReplaceAll(b, []byte{'\r'}, []byte{'\n'})
}
