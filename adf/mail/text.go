package mail

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a text lead.
const (
	maxLines   = 4000    // lines of a body that are read
	maxLine    = 4000    // bytes of a line
	maxComment = 8000    // bytes of a comment
	maxRest    = 40      // labelled lines that are kept unread
	maxBody    = 1 << 18 // bytes of text read for a lead
)

// body returns the text of a message that is meant to be read: what is plain, or what is HTML (rich), as lines.
func body(parts []part, rich bool) string {
	var b strings.Builder
	for i := range parts {
		p := &parts[i]
		if p.aside || !strings.HasPrefix(p.typ, "text") || p.typ == "text/calendar" || b.Len() >= maxBody {
			continue
		}
		t := p.decoded(p.raw())
		if isHTML(p.typ, t) != rich {
			continue
		}
		if rich {
			b.WriteString(renderHTML(t[:min(len(t), 4*maxBody)]))
		} else {
			t = t[:min(len(t), maxBody)]
			b.Grow(len(t) + 1)
			b.Write(t)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// readText looks for a lead in the message's readable text, plain or rich. T is the template of its sender, if any.
func (m *Mail) readText(w *walker, templates []Template, t *Template, plain, rich string) {
	for i := range w.parts {
		if w.parts[i].report {
			return // a delivery report quotes what was sent; nobody asks for anything
		}
	}
	reply := isReply(m.Header.Subject)
	if reply && (t == nil || !anyGlob(t.From, lower(addressesOf(m.Header.From))...)) {
		return // a person answers; what stands in labels is quoted, or a signature
	}
	answer := reply || len(m.Header.InReplyTo) > 0 && !isForward(m.Header.Subject)
	best := 0
	for _, s := range []string{plain, rich} {
		of := t
		if of == nil && !answer {
			of = match(templates, forwardedFrom(s), m.Header.Subject)
		}
		if of == nil && (len(m.Header.From) == 0 || isForward(m.Header.Subject)) {
			of = announced(templates, s)
		}
		if of == nil && len(m.Header.From) == 0 {
			of = match(templates, linkedTo(s), m.Header.Subject) // a text that was saved without its header
		}
		r := newReader(&m.Header, of)
		if of == nil && strings.Contains(s, "sent from a contact form on") {
			r.own = map[string]string{"from": "person"} // the form of WordPress writes the visitor into a line From: Ada Lovell <ada@example.com>
		}
		r.read(s, answer)
		if p, score := r.leads(); score > best {
			best = score
			m.Kind, m.Prospects, m.Source, m.Channel = Text, p, "", ""
			if r.template != nil {
				m.Source, m.Channel = r.template.Name, r.template.Channel
			}
		}
	}
}

func addressesOf(list []Address) []string {
	var s []string
	for _, a := range list {
		s = append(s, a.Address)
	}
	return s
}

func isReply(subject string) bool {
	s := strings.ToLower(strings.TrimSpace(subject))
	for _, p := range []string{"re:", "re :", "aw:", "sv:", "antw:", "rv:", "ré:", "res:", "vs:"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return isAbsence(s)
}

func isForward(subject string) bool {
	s := strings.ToLower(strings.TrimSpace(subject))
	for _, p := range []string{"fw:", "fwd:", "wg:", "tr:", "enc:"} {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

var (
	emailForm   = regexp.MustCompile(`[\pL\pN._%+'\-]{1,64}@[\pL\pN\-]{1,63}(?:\.[\pL\pN\-]{1,63}){1,8}`)
	phoneForm   = regexp.MustCompile(`\+?[\d(][\d\s().\-/\x{a0}]{5,24}\d(?:\s*(?i:x|ext\.?|extension)\s*\d{1,6})?`)
	linkForm    = regexp.MustCompile(`(?i)https?://([a-z0-9][a-z0-9.\-]{1,200})`)
	leadForm    = regexp.MustCompile(`(?i)\bnew (?:[a-z]+ )?(?:lead|inquiry|enquiry)\b|\b(?:sales|internet|web|website|phone|email) lead\b|\blead (?:from|submission|notification|alert)\b`)
	forwardLine = regexp.MustCompile(`(?i)^[>\s*]*(?:from|de|von|expéditeur)\s*:\**\s*(.{1,300})$`)
	quoteIntro  = regexp.MustCompile(`(?i)^[>\s]*(?:on|le|am|el)\s.{4,200}\s(?:wrote|a écrit|schrieb|escribió)\s*:\s*$`)
	bullet      = regexp.MustCompile(`^(?:[*•·▪‣–\-]\s+|\d{1,2}[.)]\s+)`)
)

// isMarker reports whether a line says that a forwarded mail begins.
func isMarker(line string) bool {
	switch strings.ToLower(strings.Trim(line, "-_=>*: \t")) {
	case "forwarded message", "original message", "begin forwarded message", "ursprüngliche nachricht", "weitergeleitete nachricht", "message transféré", "message d'origine", "mensaje reenviado", "mensaje original":
		return true
	}
	return false
}

// saysLead reports whether a text says that it is about a lead.
func saysLead(s string) bool {
	return containsAny(strings.ToLower(s), "lead", "quiry") && leadForm.MatchString(s) // which is slow, and most say nothing of the kind
}

func containsAny(s string, all ...string) bool {
	return slices.ContainsFunc(all, func(one string) bool { return strings.Contains(s, one) })
}

// footers are the beginnings of lines that belong to the sender's own small print and end a comment.
var footers = [...]string{"this email was", "this e-mail was", "this message was", "this lead was", "this email is", "this message is", "this email has", "to get more out ", "you are receiving",
	"you received this", "copyright ", "©", "all rights reserved", "sent by ", "sent from ", "sent via ", "sent to you by ", "powered by ", "please do not reply", "do not reply"}

// isFooter reports whether a line is small print, or a rule above it.
func isFooter(line string) bool {
	if strings.Trim(line, "-_= ") == "" {
		return line == "--" || len(line) >= 5
	}
	if len(line) > 300 {
		return false
	}
	s := strings.ToLower(line)
	for _, f := range footers {
		if strings.HasPrefix(s, f) {
			return true
		}
	}
	return strings.Contains(s, "unsubscribe") || strings.Contains(s, "privacy policy") || strings.Contains(s, "privacy statement")
}

// unornamented undoes what only decorates a text.
var unornamented = strings.NewReplacer("<![CDATA[", "", "]]>", "", "\u00a0", " ", "\u200b", "", "\u200c", "", "\ufeff", "", "\u2028", "\n", "\r\n", "\n", "\r", "\n")

// forwardedFrom returns the addresses in From lines of forwarded mail within a text.
func forwardedFrom(s string) []string {
	var list []string
	n := 0
	for line := range strings.Lines(s) {
		if n++; n > maxLines || len(list) > 10 {
			break
		}
		if !strings.Contains(line, "@") || len(line) > 400 {
			continue
		}
		if f := forwardLine.FindStringSubmatch(strings.TrimSpace(line)); f != nil {
			list = append(list, emailForm.FindAllString(f[1], 3)...)
		}
	}
	return list
}

// linkedTo returns an address at each host that a text links to.
func linkedTo(s string) []string {
	var list []string
	for _, m := range linkForm.FindAllStringSubmatch(s, 20) {
		list = append(list, "x@"+m[1])
	}
	return list
}

// A reader reads labelled lines into records, one a lead.
type reader struct {
	header   *Header
	template *Template
	own      map[string]string // the template's labels

	records   []record
	scope     string // whose the labels are: customer, vehicle, trade, vendor or empty
	soft      bool   // the scope comes from a dealer's name alone and ends with the block
	pending   string // a field whose value is due on the next line
	blanks    int    // empty lines since the pending label
	collects  string // a comment field that goes on over the next lines
	gap       bool   // an empty line in the comment
	against   int    // labels of mail that is no enquiry
	announced bool   // a line says that this is a lead
}

func newReader(h *Header, t *Template) *reader {
	r := &reader{header: h, template: t}
	if t != nil {
		r.own = make(map[string]string, len(t.Labels))
		for label, f := range t.Labels {
			r.own[normalLabel(label)] = f
		}
	}
	r.begin()
	return r
}

func (r *reader) cur() *record { return &r.records[len(r.records)-1] }

func (r *reader) begin() {
	r.records = append(r.records, record{values: map[string]string{}})
	r.pending, r.collects = "", ""
}

// read reads a body. Of an answer it reads what is not quoted.
func (r *reader) read(s string, answer bool) {
	lines := textLines(s, answer)
	for i, line := range lines {
		if isMarker(line) {
			// What stands above belongs to whoever forwards.
			*r = reader{header: r.header, template: r.template, own: r.own}
			r.begin()
			continue
		}
		next := ""
		for _, l := range lines[i+1 : min(len(lines), i+4)] {
			if l != "" {
				next = l
				break
			}
		}
		r.line(line, next)
	}
}

// textLines cuts a body into lines that are trimmed, unquoted and free of ornament.
func textLines(s string, answer bool) []string {
	s = unornamented.Replace(s)
	s = string(dropAutolinks([]byte(s)))
	var lines []string
	for l := range strings.SplitSeq(s, "\n") {
		if len(lines) >= maxLines {
			break
		}
		if len(l) > maxLine {
			l = strings.ToValidUTF8(l[:maxLine], "")
		}
		quoted := strings.HasPrefix(strings.TrimSpace(l), ">")
		if answer && (quoted || len(l) < 400 && quoteIntro.MatchString(l) || isMarker(l)) {
			if quoted {
				continue
			}
			break
		}
		for quoted {
			l = strings.TrimSpace(l)[1:]
			quoted = strings.HasPrefix(strings.TrimSpace(l), ">")
		}
		l = strings.Trim(l, " \r\v\f")
		l = strings.TrimLeft(l, "\t")
		lines = append(lines, bullet.ReplaceAllString(l, ""))
	}
	return lines
}

// line takes in one line. Next is the next that is not empty, which tells a heading from a label.
func (r *reader) line(line, next string) {
	if strings.TrimSpace(line) == "" {
		r.gap = true
		if r.blanks++; r.blanks > 2 {
			r.pending = ""
		}
		if r.soft {
			r.scope, r.soft = "", false
		}
		return
	}
	defer func() { r.gap = false }()
	if r.template != nil {
		for _, pattern := range r.template.Lines {
			if values := capture(pattern, line); values != nil {
				r.pending, r.collects = "", ""
				for f, v := range values {
					r.set(f, v)
				}
				return
			}
		}
	}
	if strings.Contains(line, "\t") && r.cells(strings.Split(line, "\t"), next) {
		return
	}
	line = strings.TrimSpace(line)
	if r.takesLabel() && r.take(line) {
		return
	}
	for _, one := range r.splitPairs(line) {
		r.labelled(one, next)
	}
}

// cells takes in a row of a table: label and value in turn. It reports whether it was one.
func (r *reader) cells(cells []string, next string) bool {
	label := normalLabel(cells[0])
	f, scope := lookup(label, r.own)
	if f == "" || strings.HasPrefix(f, "section.") {
		if len(cells) == 2 && strings.HasSuffix(strings.TrimSpace(cells[0]), ":") {
			r.unknown(label, strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1]))
			return true
		}
		return false
	}
	if len(cells) > 2 && r.isLabel(cells[1]) && !strings.Contains(cells[0], ":") {
		return r.headRow(cells, next)
	}
	for i := 0; i+1 < len(cells); i += 2 {
		if i > 0 {
			if f, scope = lookup(normalLabel(cells[i]), r.own); f == "" {
				continue
			}
		}
		r.field(f, scope, strings.TrimSpace(cells[i+1]), true)
	}
	return true
}

// headRow takes in a table whose labels stand in one row and whose values stand in the next.
func (r *reader) headRow(cells []string, next string) bool {
	values := strings.Split(next, "\t")
	if len(values) != len(cells) || r.isLabel(values[0]) {
		return false
	}
	for i, c := range cells {
		if f, scope := lookup(normalLabel(c), r.own); f != "" {
			r.field(f, scope, strings.TrimSpace(values[i]), true)
		}
	}
	return true
}

func (r *reader) isLabel(s string) bool {
	f, _ := lookup(normalLabel(s), r.own)
	return f != ""
}

// beginsLabelled reports whether a line begins with a known label and its colon, or is one.
func (r *reader) beginsLabelled(line string) bool {
	label, _, _ := strings.Cut(line, "\t")
	if i := strings.IndexAny(label, ":："); i > 0 {
		label = label[:i]
	}
	return r.isLabel(label)
}

// splitPairs cuts a line that holds several labels with their values: behind wide gaps, bars and commas, where a known label follows.
func (r *reader) splitPairs(line string) []string {
	if strings.Count(line, ":") < 2 {
		return []string{line}
	}
	head, _, _ := cutLabel(line)
	if f, _ := lookup(normalLabel(head), r.own); r.collects != "" || isComment(f) {
		return []string{line} // what a customer writes is not cut
	}
	var out []string
	start := 0
	for i := 1; i < len(line)-1; i++ {
		wide := line[i] == '|' || line[i] == '\t' || line[i] == ' ' && (line[i-1] == ' ' || line[i-1] == ',')
		if !wide {
			continue
		}
		rest := strings.TrimLeft(line[i:], " \t|")
		if j := strings.IndexByte(rest[:min(len(rest), 40)], ':'); j > 0 && r.isLabel(rest[:j]) {
			out = append(out, strings.Trim(line[start:i], " \t|,"))
			start = len(line) - len(rest)
			i = start + j
		}
	}
	return append(out, line[start:])
}

// labelled takes in a line, or a part of one, that may be a label with its value, a label alone, a heading, or text.
func (r *reader) labelled(line, next string) {
	head, value, colon := cutLabel(line)
	label := normalLabel(head)
	f, scope := lookup(label, r.own)
	value = strings.TrimSpace(strings.Trim(value, "*"))
	switch section, sure := heading(label, r.own); {
	case value == "" && section != "" && (sure || (colon || r.pending == "") && r.beginsLabelled(next)) && (f == "" || sure || r.beginsLabelled(next)):
		r.section(section)
		return
	case value == "" && section != "" && colon && f == "":
		r.section(section)
		return
	case f == "person" && !colon:
		// A word as any other.
	case f != "" && (colon || value == "" && !r.takesLabel()):
		if section == "vendor" && !strings.Contains(scope, "customer") {
			r.scope, r.soft = "vendor", true
		}
		r.field(f, scope, value, colon && value != "")
		return
	}
	if isFooter(line) {
		r.collects, r.pending = "", ""
		return
	}
	if r.take(line) {
		return
	}
	if r.collects != "" {
		v := r.cur().values
		if len(v[r.collects])+len(line) < maxComment {
			sep := "\n"
			if r.gap {
				sep = "\n\n"
			}
			v[r.collects] += sep + line
		}
		return
	}
	if colon && label != "" {
		r.unknown(label, head, value)
		return
	}
	if c := r.cur(); c.wanted == "" {
		c.wanted = vehicleIn(line)
	}
	r.announced = r.announced || len(line) <= 80 && saysLead(line)
	switch {
	case r.scope == "customer" && r.cur().headed:
		r.loose(line)
	case r.scope == "vehicle" && isVehicle(line):
		r.set("vehicle", line)
	}
}

// cutLabel cuts a line at the colon behind its label.
func cutLabel(line string) (label, value string, colon bool) {
	i := strings.IndexAny(line[:min(len(line), 64)], ":=：")
	if i <= 0 || strings.HasPrefix(line[i:], "://") {
		return line, "", false
	}
	_, n := utf8.DecodeRuneInString(line[i:])
	return line[:i], strings.TrimSpace(line[i+n:]), true
}

// takesLabel reports whether the value that is due may read like a label.
func (r *reader) takesLabel() bool {
	return r.pending == "customer.preferred" || r.pending == "comments"
}

func (r *reader) section(s string) {
	r.pending, r.collects, r.soft = "", "", false
	r.scope = s
	if s == "customer" {
		if c := r.cur(); c.headed && reachable(c.values) && signs(c.values) {
			r.begin()
		}
		r.cur().headed = true
	}
}

// field takes in the value of a label. Final says that an empty value is meant; else it may stand on the next line.
func (r *reader) field(f, scope, value string, final bool) {
	if s, ok := strings.CutPrefix(f, "section."); ok {
		r.section(s)
		return
	}
	r.pending, r.collects = "", ""
	if scope == "vendor" && isComment(f) {
		return // the dealer's own
	}
	if scope == "" {
		scope = r.scope
	}
	if f == "person" && scope != "vendor" {
		switch {
		case value == "":
			r.section("customer")
			return
		case emailForm.MatchString(value):
			f = "customer.email"
			if name, _, ok := strings.Cut(value, "<"); ok && isName(name) {
				r.set("customer.name", name)
			}
		case findPhone(value) != "":
			f = "customer.phone"
		case !isName(value):
			return
		}
	}
	if r.soft && (f == "name" || f == "first" || f == "email") {
		// The dealer has been named already: this is somebody else.
		r.scope, r.soft = "", false
		if scope == "vendor" {
			scope = ""
		}
	}
	f = resolve(f, scope)
	if f == "" {
		return
	}
	if value == "" {
		if !final {
			r.pending, r.blanks = f, 0
		}
		return
	}
	if v := r.cur().values; (f == "customer.name" || f == "customer.first") && v[f] != "" && !strings.EqualFold(v[f], value) && reachable(v) && signs(v) {
		r.begin()
	}
	r.set(f, value)
	if f == "customer.comments" {
		r.collects = f // and goes on
	}
}

func isComment(f string) bool { return f == "customer.comments" || f == "comments" }

// take gives an unlabelled line to the label before it, if it can be its value.
func (r *reader) take(line string) bool {
	f := r.pending
	if f == "" || !plausible(f, line) {
		return false
	}
	r.pending = ""
	r.field(f, "", line, true)
	return true
}

// plausible reports whether a line of its own can be the value of a field.
func plausible(f, line string) bool {
	switch _, last, _ := strings.Cut(f, "."); {
	case isComment(f):
		return true
	case last == "email":
		return strings.Contains(line, "@") && len(line) < 120
	case last == "phone", last == "cellphone":
		return phoneForm.MatchString(line) && len(line) < 60
	case last == "year":
		return isYear(line)
	case last == "vin", last == "stock", last == "registration", last == "postal", last == "id", f == "id":
		return len(line) <= 40 && len(strings.Fields(line)) <= 3
	case last == "name", last == "first", last == "last", last == "middle", last == "city", last == "make":
		return len(line) <= 60 && len(strings.Fields(line)) <= 6 && !strings.ContainsAny(line, ":@")
	}
	return len(line) <= 200
}

// set keeps the first value of a field, as it is written but for what its kind never needs.
func (r *reader) set(f, value string) {
	value = clean(strings.Clone(value), maxValue) // the text itself is not kept for it
	if isPlaceholder(value) {
		return
	}
	switch _, last, _ := strings.Cut(f, "."); last {
	case "email":
		value = emailForm.FindString(value)
		value = strings.Trim(value, ".-'")
	case "phone", "cellphone":
		value = findPhone(value)
	case "url":
		value = strings.Trim(value, "[]()<> ")
	}
	if v := r.cur().values; value != "" && v[f] == "" {
		v[f] = value
	}
}

func findPhone(s string) string {
	p := strings.TrimSpace(phoneForm.FindString(s))
	if strings.Count(p, "(") > strings.Count(p, ")") {
		p = strings.TrimLeft(p, "(")
	}
	digits := 0
	main, _, _ := strings.Cut(strings.ToLower(p), "x")
	for _, c := range main {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	if digits < 7 || digits > 15 {
		return ""
	}
	return p
}

// isPlaceholder reports whether a value stands for none.
func isPlaceholder(s string) bool {
	switch strings.ToLower(strings.Trim(s, " .-_()[]*")) {
	case "", "n/a", "na", "none", "null", "undefined", "unknown", "not specified", "not provided", "not available", "not given", "unspecified", "undecided",
		"customer did not specify", "not provided by shopper", "not provided by customer", "no comments", "no comment", "tel:", "mailto:":
		return true
	}
	return false
}

// unknown keeps a labelled line that the tables do not know.
func (r *reader) unknown(label, head, value string) {
	if _, ok := against[label]; ok {
		r.against++
	}
	r.pending = ""
	if c := r.cur(); !isPlaceholder(value) && len(c.rest) < maxRest && r.scope != "vendor" && !strings.Contains(value, "://") && len(strings.Fields(head)) <= 6 {
		c.rest = append(c.rest, clean(strings.TrimSpace(head), 60)+": "+clean(value, 500))
	}
}

// loose takes in an unlabelled line under a heading that announces the customer.
func (r *reader) loose(line string) {
	v := r.cur().values
	switch {
	case emailForm.MatchString(line):
		r.set("customer.email", line)
	case findPhone(line) != "" && letters(line) <= 10: // a word such as Mobile, but no sentence and no link
		r.set("customer.phone", line)
	case v["customer.name"] == "" && v["customer.first"] == "" && isName(line):
		r.set("customer.name", line)
	}
}

func letters(s string) int {
	n := 0
	for _, c := range s {
		if unicode.IsLetter(c) {
			n++
		}
	}
	return n
}

// isName reports whether a line looks like a person's name: two to four words of letters.
func isName(s string) bool {
	words := strings.Fields(s)
	if len(words) < 1 || len(words) > 4 || len(s) > 60 {
		return false
	}
	return !strings.ContainsAny(s, "0123456789:;!?@/()[]{}<>=_\"#$%&*+,|")
}
