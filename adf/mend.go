package adf

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A mender reads documents whose tags do not match, by what ADF 1.0 lets one expect: an element that does not belong into the open one closes
// it, an end tag without a start tag gathers what would have stood in its element, and damaged tags are told by their likeness.
type mender struct {
	lastEnd map[string]int32 // where the last end tag of each name stands, in lower case
	orphans []orphan         // start tags that made no element, of late
	work    int              // how many more children may be looked at, so that hostile documents take linear time
}

// An orphan is a start tag that was not understood where it stood; an end tag may explain it later.
type orphan struct {
	name       string
	tag, after int32
	parent     int32
	attr       int32
	attrs      uint16
}

const (
	maxOrphans  = 32
	maxEndNames = 4096
	maxWork     = 64 * maxNodes
	maxEndName  = 64
)

func newMender(src []byte) *mender {
	m := &mender{lastEnd: map[string]int32{}, work: maxWork}
	for i := 0; ; {
		k := bytes.Index(src[i:], []byte("</"))
		if k < 0 {
			return m
		}
		i += k + 2
		local, j := i, i
		for j < len(src) && j < i+maxEndName && class[src[j]]&className != 0 {
			if src[j] == ':' {
				local = j + 1
			}
			j++
		}
		name := strings.ToLower(string(src[local:j]))
		if _, ok := m.lastEnd[name]; ok || len(m.lastEnd) < maxEndNames {
			m.lastEnd[name] = int32(i)
		}
	}
}

// fits reports whether ADF 1.0 has child in parent.
func fits(parent, child element) bool { return places[parent][child] != 0 }

// isLeaf reports whether e holds text only.
func isLeaf(e element) bool { return (e.known() || e == elPart || e == elStatus) && content[e] == nil }

// prepare closes what must be closed before an e can begin.
func (m *mender) prepare(p *parser, e element, pos int) {
	if e == elOther || e == elInline || e == elBreak || fits(p.nodes.at(p.cur).element, e) {
		return
	}
	for _, allowed := range [...]func(parent element) bool{
		func(parent element) bool { return fits(parent, e) },
		func(parent element) bool { return tolerated[parent][e] },
	} {
		for id := p.cur; ; id = p.nodes.at(id).parent {
			parent := p.nodes.at(id).element
			if parent == elOther {
				break // an element that ADF 1.0 does not know, with an end tag of its own: anything may stand in it
			}
			if allowed(parent) {
				for p.cur != id {
					m.closeUnclosed(p, pos)
				}
				return
			}
			if id == 0 {
				break
			}
		}
	}
}

// closeUnclosed closes the innermost element, which lacks its end tag.
func (m *mender) closeUnclosed(p *parser, pos int) {
	n := p.nodes.at(p.cur)
	p.note(CodeUnclosed, n.tag, p.cur)
	end := pos
	if isLeaf(n.element) && n.flags&hasText != 0 {
		// Of an end tag whose < was damaged, the rest stands at the text's end.
		text := bytes.TrimRight(p.src[n.start:pos], " \t\r\n")
		if tail := len(text) - len(p.local(p.cur)) - 2; tail > 0 && text[tail] == '/' && text[len(text)-1] == '>' &&
			bytes.EqualFold(text[tail+1:len(text)-1], p.local(p.cur)) {
			p.note(CodeBrokenTag, n.start+int32(tail), p.cur)
			_, width := utf8.DecodeLastRune(text[:tail])
			end = int(n.start) + tail - width
		}
	}
	p.close(end, pos, isUnclosed)
}

// start takes the start tag [i,j) of n.
func (m *mender) start(p *parser, n node, i, j int) int {
	e := n.element
	if e == elBreak {
		n.end, n.after = n.start, n.start
		p.add(&n)
		return j
	}
	name := p.src[int(n.tag)+1+int(n.qname)-int(n.name) : int(n.tag)+1+int(n.qname)]
	if e == elOther || e == elInline {
		if m.hasEnd(name, i) {
			p.begin(&n)
			return j
		}
		for id, tries := p.cur, 3; id != 0 && tries > 0; tries-- {
			open := p.nodes.at(id)
			if e == elOther && len(name) > 1 && (bytes.EqualFold(name[1:], p.local(id)) ||
				isLeaf(open.element) && open.flags&hasText != 0 && likely(string(name), string(p.local(id)))) {
				p.note(CodeBrokenTag, int32(i), p.cur)
				m.closeTo(p, id, i, j)
				return j
			}
			id = open.parent
		}
		m.forsake(orphan{name: string(name), tag: int32(i), after: int32(j), parent: p.cur, attr: n.attr, attrs: n.attrs})
		if e == elOther && isLeaf(p.nodes.at(p.cur).element) {
			p.note(CodeLess, int32(i), p.cur)
			p.text(i, j, true)
			return j
		}
		p.note(CodeNested, int32(i), p.cur)
		p.piece(elSkip, i, i, i, j)
		return j
	}
	if p.cur != 0 && p.nodes.at(p.cur).element == e && p.nodes.at(p.cur).flags&(hasText|hasNodes) != 0 && m.wasEnd(p, e, j) {
		p.note(CodeBrokenTag, int32(i), p.cur)
		m.closeTo(p, p.cur, i, j)
		return j
	}
	m.prepare(p, e, i)
	p.begin(&n)
	return j
}

// wasEnd reports whether a start tag of e before j, within e, must have been an end tag that lost its slash, by the tag that follows.
func (m *mender) wasEnd(p *parser, e element, j int) bool {
	s := p.src
	for j < len(s) && class[s[j]]&classSpace != 0 {
		j++
	}
	if j+2 >= len(s) || s[j] != '<' {
		return false
	}
	closing := s[j+1] == '/'
	if closing {
		j++
	}
	j++
	local := j
	for j < len(s) && j < local+maxEndName && class[s[j]]&className != 0 {
		if s[j] == ':' {
			local = j + 1
		}
		j++
	}
	id, _, _ := find(&elementDictionary, s, local, j)
	if closing {
		return element(id) != e
	}
	return !fits(e, element(id)) && fits(p.nodes.at(p.nodes.at(p.cur).parent).element, element(id))
}

// hasEnd reports whether an end tag of this name comes behind pos.
func (m *mender) hasEnd(name []byte, pos int) bool {
	if len(name) > maxEndName {
		return false
	}
	return int(m.lastEnd[strings.ToLower(string(name))]) > pos
}

// forsake keeps an orphan.
func (m *mender) forsake(o orphan) {
	if len(m.orphans) == maxOrphans {
		m.orphans = append(m.orphans[:0], m.orphans[maxOrphans/2:]...)
	}
	m.orphans = append(m.orphans, o)
}

// closeTo closes the open elements down to and with id, whose end tag is [i,after).
func (m *mender) closeTo(p *parser, id int32, i, after int) {
	for p.cur != id {
		m.closeUnclosed(p, i)
	}
	p.close(i, after, 0)
}

// end takes an end tag [i,after) that does not match the innermost open element.
func (m *mender) end(p *parser, name []byte, i, after int) {
	for open := p.cur; open != 0; open = p.nodes.at(open).parent {
		if bytes.EqualFold(name, p.local(open)) {
			m.closeTo(p, open, i, after)
			return
		}
	}
	p.note(CodeMismatched, int32(i), p.cur)
	id, _, _ := find(&elementDictionary, name, 0, len(name))
	e := element(id)
	for open, tries := p.cur, 3; e == elOther && open != 0 && tries > 0; open, tries = p.nodes.at(open).parent, tries-1 {
		if likely(string(name), string(p.local(open))) {
			m.closeTo(p, open, i, after)
			return
		}
	}
	cur := p.nodes.at(p.cur)
	switch {
	case isLeaf(cur.element) && cur.flags&hasText != 0 && e != elInline && e != elBreak && !m.hasEnd(p.local(p.cur), i):
		p.close(i, after, 0)
	case isLeaf(e) && (content[cur.element] != nil || cur.element == elRoot):
		m.gatherText(p, e, i, after)
	case content[e] != nil:
		m.gatherChildren(p, e, i, after)
	default:
		p.piece(elSkip, i, i, i, after)
	}
}

// gatherText makes an element of type e from the text before its end tag [i,after).
func (m *mender) gatherText(p *parser, e element, i, after int) {
	s := p.src
	cur := p.nodes.at(p.cur)
	begin := cur.start
	for c := cur.first; c != 0 && m.work > 0; c = p.nodes.at(c).next {
		m.work--
		if child := p.nodes.at(c); !child.element.special() && child.element != elBreak && child.element != elInline {
			begin = max(begin, child.after)
		}
	}
	n := node{element: e, flags: isSynthetic | hasText | dirty}
	for k := len(m.orphans) - 1; k >= 0; k-- {
		if o := m.orphans[k]; o.parent == p.cur && o.after >= begin {
			begin, n.attr, n.attrs = o.after, o.attr, o.attrs
			break
		}
	}
	text := s[begin:i]
	if len(bytes.TrimSpace(text)) == 0 {
		p.piece(elSkip, i, i, i, after)
		return
	}
	n.tag, n.start, n.end, n.after = begin, begin, int32(i), int32(after)
	// Of a start tag whose < was damaged, the rest stands before the text.
	if gt := bytes.IndexByte(text, '>'); gt >= 0 && n.attrs == 0 {
		name := elementNames[e]
		lower := strings.ToLower(string(text[:gt]))
		if k := strings.LastIndex(lower, name); k >= 0 && len(lower) == gt {
			n.attr = p.attrs.n
			if next, _, _, whole := p.attributes(int(begin) + k + len(name)); whole && next <= i {
				n.start, n.attrs = int32(next), short(int(p.attrs.n)-int(n.attr))
			}
		} else if bytes.Contains(text[:gt], []byte(`="`)) {
			n.start = begin + int32(gt) + 1
		}
	}
	m.gather(p, n, begin)
}

// gatherChildren makes an element of type e around those children of the innermost one that can only belong to it.
func (m *mender) gatherChildren(p *parser, e element, i, after int) {
	cur := p.nodes.at(p.cur)
	n := node{element: e, flags: isSynthetic, end: int32(i), after: int32(after)}
	from := int32(-1)
	for k := len(m.orphans) - 1; k >= 0; k-- {
		if o := m.orphans[k]; o.parent == p.cur && likely(o.name, elementNames[e]) {
			from, n.attr, n.attrs = o.after, o.attr, o.attrs
			break
		}
	}
	if from < 0 {
		for c := cur.first; c != 0 && m.work > 0; c = p.nodes.at(c).next {
			m.work--
			child := p.nodes.at(c)
			switch {
			case child.element.special():
			case !fits(e, child.element) && !tolerated[e][child.element]:
				from = -1
			case from < 0 && !fits(cur.element, child.element):
				from = child.tag
			}
		}
	}
	if from < 0 || !fits(cur.element, e) && !tolerated[cur.element][e] {
		p.piece(elSkip, i, i, i, after)
		return
	}
	n.tag, n.start = from, from
	p.note(CodeBrokenTag, int32(i), p.cur)
	m.gather(p, n, from)
}

// gather adds n under the innermost open element and moves those of its children into n that stand at or behind from.
func (m *mender) gather(p *parser, n node, from int32) {
	if p.full(int(n.end)) || m.work <= 0 {
		return
	}
	before := int32(0)
	cur := p.nodes.at(p.cur)
	first := cur.first
	for first != 0 && p.nodes.at(first).tag < from {
		before, first = first, p.nodes.at(first).next
		m.work--
	}
	if first != 0 {
		n.first, n.last = first, cur.last
		n.flags |= hasNodes
		if cur.last = before; before == 0 {
			cur.first = 0
		} else {
			p.nodes.at(before).next = 0
		}
	}
	p.add(&n)
	id := p.nodes.n - 1
	for c := first; c != 0; c = p.nodes.at(c).next {
		p.nodes.at(c).parent = id
		m.work--
	}
	if m.orphans != nil {
		m.orphans = m.orphans[:0]
	}
}

// unterminated decides about a start tag that has no > before the next tag, at j, or before the end of the text. It returns where to go on,
// and whether n is an element after all, which then begins there.
func (m *mender) unterminated(p *parser, n *node, local, junk, j int) (next int, ok bool) {
	s := p.src
	i := int(n.tag)
	if j >= len(s) {
		p.piece(elSkip, i, i, i, j)
		p.note(CodeTruncated, int32(i), p.cur)
		return j, false
	}
	if n.element.known() || n.element == elPart {
		p.note(CodeBrokenTag, int32(i), p.cur)
		if junk >= 0 {
			return junk, true
		}
		return j, true
	}
	if e, k := m.prefixed(s, local, j); e != elOther {
		p.note(CodeBrokenTag, int32(i), p.cur)
		n.element, n.name, n.qname = e, short(k-local), short(k-i-1)
		return past(s, k), true
	}
	nameEnd := i + 1 + int(n.qname)
	if isLeaf(p.nodes.at(p.cur).element) || junk >= 0 {
		p.text(i, nameEnd, true)
		p.note(CodeLess, int32(i), p.cur)
		return nameEnd, false
	}
	m.forsake(orphan{name: string(s[local:nameEnd]), tag: int32(i), after: int32(j), parent: p.cur, attr: n.attr, attrs: short(int(p.attrs.n) - int(n.attr))})
	p.note(CodeBrokenTag, int32(i), p.cur)
	p.piece(elSkip, i, i, i, j)
	return j, false
}

// prefixed returns the element whose name the text at local begins with and whose end tag stands at end, and where that name ends: what a start
// tag looks like whose > was damaged.
func (m *mender) prefixed(s []byte, local, end int) (element, int) {
	if !bytes.HasPrefix(s[end:], []byte("</")) {
		return elOther, 0
	}
	begin, j := end+2, end+2
	for j < len(s) && j < begin+maxName && class[s[j]]&className != 0 {
		if s[j] == ':' {
			begin = j + 1
		}
		j++
	}
	name := s[begin:j]
	id, _, _ := find(&elementDictionary, name, 0, len(name))
	if id == 0 || local+len(name) >= end || !bytes.EqualFold(s[local:local+len(name)], name) {
		return elOther, 0
	}
	return element(id), local + len(name)
}

// brokenStart decides about a < at i that a name follows, up to j, but nothing that may follow a name.
func (m *mender) brokenStart(p *parser, i, local, j int) int {
	s := p.src
	k := bytes.IndexByte(s[j:min(len(s), j+1<<12)], '<')
	n := node{tag: int32(i), attr: p.attrs.n}
	if id, _, _ := find(&elementDictionary, s, local, j); element(id).known() {
		n.element, n.name, n.qname = element(id), short(j-local), short(j-i-1)
		next, junk, self, whole := p.attributes(past(s, j))
		if !whole || k >= 0 && next > j+k || junk >= 0 {
			next = past(s, j)
			p.attrs.n = n.attr
		}
		if !whole && k < 0 {
			return p.bareLess(i)
		}
		n.attrs, n.start = short(int(p.attrs.n)-int(n.attr)), int32(next)
		if self || p.open > p.depth || p.full(i) {
			return p.bareLess(i)
		}
		p.note(CodeBrokenTag, int32(i), p.cur)
		return m.start(p, n, i, next)
	}
	if k < 0 {
		return p.bareLess(i)
	}
	e, end := m.prefixed(s, local, j+k)
	if e == elOther || p.open > p.depth || p.full(i) {
		return p.bareLess(i)
	}
	n.element, n.name, n.qname, n.start = e, short(end-local), short(end-i-1), int32(past(s, end))
	p.note(CodeBrokenTag, int32(i), p.cur)
	return m.start(p, n, i, past(s, end))
}

// past returns where the character at i ends.
func past(s []byte, i int) int {
	_, width := utf8.DecodeRune(s[i:])
	return i + width
}

// likely reports whether two names differ by one letter at most, whatever their case: one that is changed, missing or in excess.
func likely(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(a) > len(b)+1 || len(b) < 2 {
		return false
	}
	i := 0
	for i < len(b) && a[i]|0x20 == b[i]|0x20 {
		i++
	}
	if len(a) == len(b) {
		return i == len(a) || strings.EqualFold(a[i+1:], b[i+1:])
	}
	return strings.EqualFold(a[i+1:], b[i:])
}
