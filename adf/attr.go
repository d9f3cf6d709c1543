package adf

import "bytes"

// attributes reads the attributes of a start tag from j on. It returns where the tag ends, where the first thing stands that is no attribute
// (or -1), whether the element ends with the tag, and whether the tag has an end at all.
func (p *parser) attributes(j int) (next, junk int, self, whole bool) {
	s := p.src
	id, junk := p.nodes.n, -1
	var seen uint32
	for j < len(s) {
		c := s[j]
		k := class[c]
		switch {
		case k&classSpace != 0:
			j++
			continue
		case c == '>':
			return j + 1, junk, false, true
		case c == '/' && j+1 < len(s) && s[j+1] == '>':
			return j + 2, junk, true, true
		case c == '<':
			return j, junk, false, false
		case k&classStart == 0 || c >= 0x80:
			p.note(CodeAttribute, int32(j), id)
			if junk < 0 {
				junk = j
			}
			j++
			continue
		}
		a := attr{nameStart: int32(j)}
		local := j
		lo, hi, length := lowerName(s, j)
		j += length
		usual := length > 0 && (class[s[j]]&className == 0 || s[j] >= 0x80)
		for !usual && j < len(s) && s[j] < 0x80 && class[s[j]]&className != 0 {
			if s[j] == ':' {
				local = j + 1
			}
			j++
		}
		a.nameEnd = int32(j)
		eq := j
		for eq < len(s) && class[s[eq]]&classSpace != 0 {
			eq++
		}
		switch {
		case eq < len(s) && s[eq] == '=':
			eq++
			for eq < len(s) && class[s[eq]]&classSpace != 0 {
				eq++
			}
		case j < len(s) && quoteLen(s[j:]) > 0:
			p.note(CodeAttribute, a.nameStart, p.nodes.n)
		default:
			p.note(CodeAttribute, a.nameStart, p.nodes.n)
			if junk < 0 {
				junk = int(a.nameStart)
			}
			continue
		}
		switch {
		case usual:
			found, variant := attributeDictionary.find(lo, hi)
			a.id, a.variant = attribute(found), variant
		case local > int(a.nameStart):
			a.id = atNamespace
		default:
			found, variant, upper := find(&attributeDictionary, s, local, int(a.nameEnd))
			a.id, a.variant = attribute(found), variant || upper
		}
		if eq == len(s) {
			return eq, junk, false, false
		}
		q := s[eq]
		if q != '"' && q != '\'' {
			j = p.loose(&a, eq)
		} else {
			m := eq + 1
			for m+8 <= len(s) {
				w := word(s[m:])
				if mask := odd(w) | is(w, q) | is(w, '>') | is(w, '='); mask != 0 {
					m += first(mask)
					break
				}
				m += 8
			}
			for m < len(s) && s[m] != q {
				k := class[s[m]]
				if k&classHard != 0 {
					break
				}
				a.dirty = a.dirty || k&classDirty != 0
				m++
			}
			if m < len(s) && s[m] == q {
				a.start, a.end = int32(eq+1), int32(m)
				j = m + 1
				if j < len(s) && class[s[j]]&classStart != 0 && s[j] < 0x80 {
					p.note(CodeAttribute, a.nameStart, p.nodes.n) // no space before the next
				}
			} else {
				j = p.quoted(&a, eq)
			}
		}
		if int(p.attrs.n) >= maxAttrs {
			if !p.limitedAttrs {
				p.limitedAttrs = true
				p.note(CodeTooManyAttr, a.nameStart, p.nodes.n)
			}
			continue
		}
		if a.id != atOther && a.id != atNamespace {
			if seen&(1<<a.id) != 0 {
				p.note(CodeAttribute, a.nameStart, id)
			}
			seen |= 1 << a.id
		}
		if a.id == atSequence || a.id == atSource {
			p.chars += int(a.end - a.start)
		}
		*p.attrs.add() = a
	}
	return j, junk, false, false
}

// quoteLen returns the length of the quotation mark at the beginning of s; 0 where there is none.
func quoteLen(s []byte) int {
	switch {
	case s[0] == '"' || s[0] == '\'':
		return 1
	case s[0] != 0xe2 || len(s) < 3 || s[1] != 0x80:
		return 0
	}
	switch s[2] {
	case 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xb2, 0xb3: // U+2018 to U+201F, prime and double prime
		return 3
	}
	return 0
}

// quoted takes the value of a quoted attribute that is not plain: one without its closing quote, or one with characters that a tag does not
// expect there. It returns where the value ends.
func (p *parser) quoted(a *attr, eq int) int {
	s := p.src
	q := s[eq]
	begin := eq + 1
	a.start = int32(begin)
	end := p.seekQuote(q, begin)
	if end >= 0 {
		v := s[begin:end]
		after := end + 1
		proper := after >= len(s) || class[s[after]]&classSpace != 0 || s[after] == '/' || s[after] == '>' || s[after] == '?'
		less := bytes.IndexByte(v, '<')
		if less >= 0 && less+1 < len(v) && (class[v[less+1]]&classStart != 0 || v[less+1] == '/' || v[less+1] == '!') {
			proper = false
		}
		if proper && !a.oneWord() || proper && !bytes.ContainsAny(v, "=<") {
			if less >= 0 {
				p.note(CodeLess, int32(begin+less), p.nodes.n)
			}
			a.end, a.dirty = int32(end), true
			return after
		}
	}
	p.note(CodeAttribute, a.nameStart, p.nodes.n)
	return p.cut(a, begin)
}

// seekQuote returns where the next q stands at or behind from; -1 where it does not.
func (p *parser) seekQuote(q byte, from int) int {
	which := markQuote
	if q == '\'' {
		which = markApostrophe
	}
	return p.seek(which, string(rune(q)), from)
}

// oneWord reports whether the attribute's value never has more than one word.
func (a *attr) oneWord() bool {
	switch a.id {
	case atOther, atSource, atAltText, atNamespace, atWidth, atHeight:
		return false
	}
	return true
}

// cut ends a value that lacks its closing quote: before the next attribute, or with the tag, or with the first quotation mark.
func (p *parser) cut(a *attr, begin int) int {
	s := p.src
	j := begin
	for ; j < len(s) && s[j] != '>' && s[j] != '<'; j++ {
		if class[s[j]]&classSpace != 0 && (a.oneWord() || beginsAttribute(s[j:])) {
			break
		}
		if n := quoteLen(s[j:]); n > 0 {
			a.start, a.end, a.dirty = int32(begin), int32(j), true
			return j + n
		}
	}
	a.start, a.end, a.dirty = int32(begin), int32(j), true
	if j > begin && j < len(s) && s[j] == '>' && s[j-1] == '/' {
		a.end--
		return j - 1
	}
	return j
}

// beginsAttribute reports whether s goes on, behind white space, with a name and a sign of equality.
func beginsAttribute(s []byte) bool {
	j := 0
	for j < len(s) && class[s[j]]&classSpace != 0 {
		j++
	}
	begin := j
	for j < len(s) && j < begin+maxName && s[j] < 0x80 && class[s[j]]&className != 0 {
		j++
	}
	return j > begin && j < len(s) && s[j] == '='
}

// loose takes the value of an attribute that begins with no plain quote.
func (p *parser) loose(a *attr, j int) int {
	s := p.src
	p.note(CodeAttribute, a.nameStart, p.nodes.n)
	if bytes.HasPrefix(s[j:], []byte("3D")) && j+2 < len(s) && quoteLen(s[j+2:]) > 0 { // a quoted-printable sign of equality that nobody decoded
		j += 2
	}
	for _, q := range [...]string{`\"`, `\'`, "&quot;", "&#34;", "&apos;", "&#39;"} {
		if len(s)-j < len(q) || string(s[j:j+len(q)]) != q {
			continue
		}
		j += len(q)
		next := p.cut(a, j)
		if k := bytes.Index(s[j:next], []byte(q)); k >= 0 {
			a.end = int32(j + k)
			return j + k + len(q)
		}
		if v := s[j:next]; q[0] == '\\' && bytes.HasSuffix(bytes.TrimRight(v, `"'`), []byte{'\\'}) {
			a.end = int32(j + len(bytes.TrimRight(v, `"'`)) - 1)
		}
		return next
	}
	if n := quoteLen(s[j:]); n > 0 {
		return p.cut(a, j+n)
	}
	begin := j
	for j < len(s) && s[j] != '>' && s[j] != '<' && class[s[j]]&classSpace == 0 {
		j++
	}
	a.start, a.end, a.dirty = int32(begin), int32(j), true
	if j > begin && j < len(s) && s[j] == '>' && s[j-1] == '/' {
		j--
		a.end--
	}
	for a.end > a.start && (s[a.end-1] == '"' || s[a.end-1] == '\'') { // an opening quote is missing
		a.end--
	}
	return j
}
