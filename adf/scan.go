package adf

import (
	"bytes"
	"math/bits"
	"strings"
)

// A node is an element, or a piece of an element's content that is no plain text. All nodes of a document lie in one table and refer to one
// another by index, to the text by offset: the tree costs no allocation of its own. Node 0 is the text as a whole.
type node struct {
	tag, start, end, after    int32 // of the start tag, of the content, behind the content, behind the end tag
	parent, next, first, last int32
	attr                      int32 // the first of its attributes
	attrs                     uint16
	name, qname               uint16 // lengths of the name without and with its prefix
	flags                     uint8
	element                   element
}

// The flags of a node.
const (
	hasText     uint8 = 1 << iota // text that is not blank stands directly in it
	hasNodes                      // it has nodes in it
	dirty                         // its text needs more than trimming
	isVariant                     // its name is a variant
	isUpper                       // its name has upper-case letters
	isPrefixed                    // its name has a prefix
	isUnclosed                    // it has no end tag of its own
	isSynthetic                   // it was made up: it has no start tag
)

// An attr is an attribute as it stands in the text.
type attr struct {
	nameStart, nameEnd int32
	start, end         int32
	id                 attribute
	variant, dirty     bool
}

// Limits that no setting needs to change: documents of real senders stay a hundred times below them.
const (
	maxNodes = 1 << 16 // elements and pieces, so that a hostile document takes some 40 MB at most
	maxAttrs = 1 << 16
)

// A table is a list that grows. The elements that usual documents have lie in it, so that it lives on the stack with whatever it is part of; those
// of larger ones lie together elsewhere. Pointers to elements hold until the next one is added.
type table[T any] struct {
	n    int32
	few  [96]T
	many []T // all, once there are more than few
}

func (t *table[T]) at(i int32) *T {
	if t.many == nil {
		return &t.few[i]
	}
	return &t.many[i]
}

// span returns n elements from i on.
func (t *table[T]) span(i int32, n uint16) []T {
	if t.many == nil {
		return t.few[i : i+int32(n)]
	}
	return t.many[i : i+int32(n)]
}

// add makes room for one more and returns it; what is in it is left from before.
func (t *table[T]) add() *T {
	i := t.n
	t.n++
	if t.many == nil && i < int32(len(t.few)) {
		return &t.few[i]
	}
	return t.addMany(int(i))
}

func (t *table[T]) addMany(i int) *T {
	if t.many == nil {
		t.many = append(make([]T, 0, 4*len(t.few)), t.few[:]...)
	}
	var zero T
	t.many = append(t.many[:i], zero)
	return &t.many[i]
}

// The classes of bytes within text.
const (
	classLess  uint8 = 1 << iota // begins a tag
	classDirty                   // needs a second look: references, characters that XML forbids, line ends
	className                    // may stand within a name
	classStart                   // may begin a name
	classSpace
	classHard // may end an attribute's value before its quote does
)

var class = func() (t [256]uint8) {
	for c := range 256 {
		switch {
		case c == '<':
			t[c] = classLess | classHard
		case c == '&' || c == 0xef: // U+FFFE and U+FFFF begin with 0xef
			t[c] = classDirty
		case c == '\r':
			t[c] = classDirty | classSpace
		case c == ' ' || c == '\t' || c == '\n':
			t[c] = classSpace
		case c < ' ':
			t[c] = classDirty
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80:
			t[c] = className | classStart
		case '0' <= c && c <= '9' || c == '-' || c == '.' || c == ':':
			t[c] = className
		case c == '>' || c == '=':
			t[c] = classHard
		}
	}
	t[0xef] |= className | classStart
	return t
}()

// Text is looked at eight bytes at a time, as one number: a loop over the few bytes of a name or a value ends where no processor expects it.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// first returns the index of the first of eight bytes that a mask marks in their top bits; 8 where it marks none.
func first(mask uint64) int { return bits.TrailingZeros64(mask) / 8 }

// is marks the bytes that are c. Only the first mark is sure, as in all masks here.
func is(w uint64, c byte) uint64 {
	w ^= uint64(c) * ones
	return (w - ones) &^ w & tops
}

// odd marks what is a <, in classDirty, or white space but a blank.
func odd(w uint64) uint64 { return is(w, '<') | is(w, '&') | is(w, 0xef) | (w-' '*ones)&^w&tops }

// nonLetter marks what is no letter in lower case.
func nonLetter(w uint64) uint64 { return (w + (0x7f-'z')*ones | ^(w + (0x80-'a')*ones) | w) & tops }

// lowerName reads the letters in lower case at from, maxKey at most, with their key. It reads none close to the end of the text.
func lowerName(s []byte, from int) (lo, hi uint64, n int) {
	if from+maxKey >= len(s) {
		return 0, 0, 0
	}
	lo = word(s[from:])
	if n = first(nonLetter(lo)); n < 8 {
		return lo & (1<<(8*n) - 1), 0, n
	}
	hi = word(s[from+8:])
	k := first(nonLetter(hi))
	return lo, hi & (1<<(8*k) - 1), 8 + k
}

// parser reads one document: scan finds the elements, read maps them to the model.
type parser struct {
	src      []byte
	depth    int // of elements, at most
	nodes    table[node]
	attrs    table[attr]
	cur      int32 // the innermost open element; those around it are its parents
	open     int   // how many elements are open, the text as a whole among them
	flat     int   // open elements beyond the limit of depth
	counts   [elements]int32
	findings []finding
	more     bool
	chars    int             // bytes of text and of attributes that will be kept, about
	kept     strings.Builder // what the document keeps of the text, all in a few pieces of memory

	marks                 [5]mark // the next ends of comments, instructions and CDATA sections
	typed                 bool    // a document type declaration was seen
	limited, limitedAttrs bool    // the limits of nodes and attributes were noted
	sawRoot               bool
	declared              bool // an XML declaration was seen
	instructed            bool // an ADF instruction was seen

	mend *mender // nil while the document's tags match
}

// scan finds the elements of the text. While mend is nil it takes the tags by XML's own rules and gives up at the first that does not match:
// only documents that are broken are read by what ADF 1.0 lets one expect. It reports whether it came to the end.
func (p *parser) scan() bool {
	s := p.src
	p.nodes.n, p.attrs.n = 0, 0
	*p.nodes.add() = node{element: elRoot, end: int32(len(s)), after: int32(len(s))}
	p.findings, p.cur, p.open, p.flat = p.findings[:0], 0, 1, 0
	p.counts, p.more, p.chars = [elements]int32{}, false, 0
	p.marks, p.limitedAttrs, p.typed, p.limited, p.sawRoot, p.declared, p.instructed = [5]mark{}, false, false, false, false, false, false

	for i := 0; i < len(s); {
		if s[i] != '<' {
			begin, end, seen := run(s, i)
			if begin < end {
				p.text(begin, end, seen&classDirty != 0)
			}
			i = end
			continue
		}
		if i+1 == len(s) {
			p.note(CodeTruncated, int32(i), p.cur)
			break
		}
		var next int
		switch c := s[i+1]; {
		case class[c]&classStart != 0:
			next = p.startTag(i)
		case c == '/':
			next = p.endTag(i)
		case c == '!':
			next = p.declaration(i)
		case c == '?':
			next = p.instruction(i)
		default:
			next = p.bareLess(i)
		}
		if next < 0 {
			return false
		}
		i = next
	}
	if p.cur != 0 {
		if p.mend == nil {
			return false
		}
		p.note(CodeTruncated, int32(len(s)), p.cur)
		for p.cur != 0 {
			p.close(len(s), len(s), isUnclosed)
		}
	}
	return true
}

// run returns where the next tag begins at or behind i, where the text before it begins, and the classes of what is odd in it.
func run(s []byte, i int) (begin, end int, seen uint8) {
	for i < len(s) {
		k := class[s[i]]
		if k&classSpace == 0 {
			break
		}
		seen |= k
		for i++; i+8 <= len(s); i += 8 { // senders indent
			if w := word(s[i:]) ^ ' '*ones; w != 0 {
				i += first(w)
				break
			}
		}
	}
	begin = i
	for i+8 <= len(s) {
		mask := odd(word(s[i:]))
		if mask == 0 {
			i += 8
			continue
		}
		i += first(mask)
		k := class[s[i]]
		if k&classLess != 0 {
			return begin, i, seen
		}
		seen |= k
		i++
	}
	for ; i < len(s) && s[i] != '<'; i++ {
		seen |= class[s[i]]
	}
	return begin, i, seen
}

// text takes note of character data in the innermost open element.
func (p *parser) text(begin, end int, isDirty bool) {
	n := p.nodes.at(p.cur)
	if p.src[begin] == ']' && string(bytes.TrimSpace(p.src[begin:end])) == "]]>" && (content[n.element] != nil || n.element == elRoot) {
		p.piece(elSkip, begin, begin, begin, end) // of a section that was read as if it were not there
		return
	}
	if p.cur == 0 && n.flags&hasText == 0 {
		p.note(CodeOutside, int32(begin), 0)
	}
	n.flags |= hasText
	p.chars += end - begin
	if isDirty {
		n.flags |= dirty
	}
}

// bareLess takes a < that begins no tag as text.
func (p *parser) bareLess(i int) int {
	p.note(CodeLess, int32(i), p.cur)
	p.text(i, i+1, false)
	return i + 1
}

// begin makes a node under the innermost open one and makes it the innermost.
func (p *parser) begin(n *node) {
	p.add(n)
	p.cur = p.nodes.n - 1
	p.open++
}

// add makes a node under the innermost open one.
func (p *parser) add(n *node) {
	id := p.nodes.n
	n.parent = p.cur
	parent := p.nodes.at(p.cur)
	if parent.first == 0 {
		parent.first = id
	} else {
		p.nodes.at(parent.last).next = id
	}
	parent.last = id
	parent.flags |= hasNodes
	p.counts[n.element]++
	*p.nodes.add() = *n
}

// close closes the innermost open element.
func (p *parser) close(end, after int, flags uint8) {
	n := p.nodes.at(p.cur)
	n.end, n.after = int32(end), int32(after)
	n.flags |= flags
	p.cur = n.parent
	p.open--
}

// piece records that src[begin:after] is no plain text; what of it is text stands in src[start:end]. Pieces of the kind elSkip that adjoin
// are one.
func (p *parser) piece(e element, begin, start, end, after int) {
	if parent := p.nodes.at(p.cur); e == elSkip && parent.last != 0 {
		if last := p.nodes.at(parent.last); last.element == elSkip && last.after == int32(begin) {
			last.after = int32(after)
			return
		}
	}
	if p.full(begin) {
		return
	}
	p.add(&node{element: e, tag: int32(begin), start: int32(start), end: int32(end), after: int32(after)})
}

// full reports, and notes once, that no more nodes may be made.
func (p *parser) full(pos int) bool {
	if int(p.nodes.n) < maxNodes {
		return false
	}
	if !p.limited {
		p.limited = true
		p.note(CodeLimitNodes, int32(pos), p.cur)
	}
	return true
}

// A mark remembers where something that is looked for again and again stands next, so that looking for it stays linear.
type mark struct {
	pos  int // where it stands
	none bool
}

const (
	markComment = iota
	markInstruction
	markCData
	markQuote
	markApostrophe
)

// seek returns where what stands next at or behind from; -1 where it does not.
func (p *parser) seek(which int, what string, from int) int {
	m := &p.marks[which]
	if m.none {
		return -1
	}
	if m.pos < from {
		k := bytes.Index(p.src[from:], []byte(what))
		if k < 0 {
			m.none = true
			return -1
		}
		m.pos = from + k
	}
	return m.pos
}

// startTag reads the start tag, or what looks like one, at i.
func (p *parser) startTag(i int) int {
	s := p.src
	local := i + 1
	lo, hi, length := lowerName(s, local)
	j := local + length
	usual := length > 0 && class[s[j]]&className == 0
	if !usual {
		for j = i + 2; j < len(s) && class[s[j]]&className != 0; j++ {
			if s[j] == ':' {
				local = j + 1
			}
		}
	}
	if j == len(s) {
		p.note(CodeTruncated, int32(i), p.cur)
		p.piece(elSkip, i, i, i, j)
		return j
	}
	c, j0 := s[j], j
	if local == j || c != '>' && c != '/' && c != '<' && class[c]&classSpace == 0 {
		if p.mend != nil {
			return p.mend.brokenStart(p, i, local, j)
		}
		return p.bareLess(i)
	}
	var id uint8
	var variant, upper bool
	if usual {
		id, variant = elementDictionary.find(lo, hi)
	} else {
		id, variant, upper = find(&elementDictionary, s, local, j)
	}
	n := node{element: element(id), tag: int32(i), name: short(j - local), qname: short(j - i - 1), attr: p.attrs.n}
	if variant {
		n.flags |= isVariant
	}
	if upper {
		n.flags |= isUpper
	}
	if local != i+1 {
		n.flags |= isPrefixed
	}
	if !p.sawRoot && (n.element == elADF || n.element == elProspect) {
		p.sawRoot = true
	}
	self := false
	if c == '>' {
		j++
	} else {
		var whole bool
		var junk int
		j, junk, self, whole = p.attributes(j)
		if !whole {
			if p.mend == nil {
				return -1
			}
			if j, whole = p.mend.unterminated(p, &n, local, junk, j); !whole {
				return j
			}
		}
		n.attrs = uint16(min(int(p.attrs.n)-int(n.attr), 1<<16-1))
	}
	n.start = int32(j)
	if p.open > p.depth {
		if p.flat == 0 {
			p.note(CodeLimitDepth, int32(i), p.cur)
		}
		if !self && (p.mend == nil || n.element != elBreak) {
			p.flat++
		}
		p.piece(elSkip, i, i, i, j)
		return j
	}
	if p.full(i) {
		return j
	}
	if p.mend != nil {
		if self {
			p.mend.prepare(p, n.element, i)
			n.end, n.after = n.start, n.start
			p.add(&n)
			return j
		}
		return p.mend.start(p, n, i, j)
	}
	if self {
		n.end, n.after = n.start, n.start
		p.add(&n)
		return j
	}
	// Most elements hold plain text and nothing else.
	begin, end, seen := run(s, j)
	if q := j0 - i - 1; end+2+q < len(s) && s[end+1] == '/' && s[end+2+q] == '>' && string(s[end+2:end+2+q]) == string(s[i+1:j0]) &&
		(begin == end || s[begin] != ']') {
		if begin < end {
			n.flags |= hasText
			p.chars += end - begin
			if seen&classDirty != 0 {
				n.flags |= dirty
			}
		}
		n.end, n.after = int32(end), int32(end+q+3)
		p.add(&n)
		return end + q + 3
	}
	p.begin(&n)
	if begin < end {
		p.text(begin, end, seen&classDirty != 0)
	}
	return end
}

func short(n int) uint16 { return uint16(min(n, 1<<16-1)) }

// endTag reads the end tag at i.
func (p *parser) endTag(i int) int {
	s := p.src
	n := p.nodes.at(p.cur)
	if q := int(n.qname); p.flat == 0 && p.cur != 0 && i+2+q < len(s) && s[i+2+q] == '>' && string(s[i+2:i+2+q]) == string(s[n.tag+1:int(n.tag)+1+q]) {
		p.close(i, i+q+3, 0)
		return i + q + 3
	}
	local, j := i+2, i+2
	for j < len(s) && class[s[j]]&className != 0 {
		if s[j] == ':' {
			local = j + 1
		}
		j++
	}
	name := s[local:j]
	if len(name) == 0 {
		return p.bareLess(i)
	}
	after := j
	for after < len(s) && class[s[after]]&classSpace != 0 {
		after++
	}
	whole := after < len(s) && s[after] == '>'
	switch {
	case whole:
		after++
	case p.mend == nil:
		return -1
	default:
		// Whatever stands before the next tag belongs to the damaged one, unless it is long enough to be text.
		if k := bytes.IndexAny(s[after:min(len(s), after+maxName)], "<>"); k >= 0 && s[after+k] == '>' {
			after += k + 1
		} else {
			after = j
			if j < len(s) && s[j] != '<' && class[s[j]]&classSpace == 0 {
				after = past(s, j)
			}
		}
		p.note(CodeBrokenTag, int32(i), p.cur)
	}
	if p.flat > 0 {
		p.flat--
		p.piece(elSkip, i, i, i, after)
		return after
	}
	if whole && p.cur != 0 && bytes.EqualFold(name, p.local(p.cur)) {
		if own := s[n.tag+1 : int(n.tag)+1+int(n.qname)]; !bytes.Equal(own, s[i+2:j]) {
			p.note(CodeMismatched, int32(i), p.cur)
		}
		p.close(i, after, 0)
		return after
	}
	if p.mend == nil {
		return -1
	}
	p.mend.end(p, name, i, after)
	return after
}

// local returns the name of a node as written, without its prefix.
func (p *parser) local(id int32) []byte {
	n := p.nodes.at(id)
	if n.flags&isSynthetic != 0 {
		return []byte(elementNames[n.element])
	}
	end := int(n.tag) + 1 + int(n.qname)
	return p.src[end-int(n.name) : end]
}

// declaration reads a comment, a CDATA section or a document type declaration.
func (p *parser) declaration(i int) int {
	s := p.src[i:]
	switch {
	case bytes.HasPrefix(s, []byte("<!--")):
		return p.comment(i)
	case len(s) >= 9 && bytes.EqualFold(s[:9], []byte("<![CDATA[")):
		return p.cdata(i)
	case len(s) >= 9 && bytes.EqualFold(s[:9], []byte("<!DOCTYPE")):
		p.note(CodeDoctype, int32(i), p.cur)
		after := len(p.src)
		if !p.typed {
			after = i + doctype(s)
		} else if k := bytes.IndexByte(s, '>'); k >= 0 {
			after = i + k + 1
		}
		p.typed = true
		p.piece(elSkip, i, i, i, after)
		return after
	}
	// Some other declaration, such as one of Microsoft's conditional comments: up to its end, where it has one nearby.
	if k := bytes.IndexAny(s[2:], "<>"); k >= 0 && s[2+k] == '>' && len(s) > 2 && (class[s[2]]&classStart != 0 || s[2] == '[') {
		p.note(CodeComment, int32(i), p.cur)
		p.piece(elSkip, i, i, i, i+k+3)
		return i + k + 3
	}
	return p.bareLess(i)
}

// comment skips a comment. One without end, or with the beginning of another in it, ends with its line or at the next tag's end.
func (p *parser) comment(i int) int {
	s := p.src[i+4:]
	k := p.seek(markComment, "-->", i+4)
	if k >= 0 {
		k -= i + 4
	}
	after := i + 4 + k + 3
	switch {
	case k >= 0 && !bytes.Contains(s[:k], []byte("--")):
	case k >= 0 && !bytes.Contains(s[:k], []byte("<!--")):
		p.note(CodeComment, int32(i), p.cur)
	default:
		p.note(CodeComment, int32(i), p.cur)
		if k = bytes.IndexAny(s, "\n>"); k < 0 {
			k = len(s) - 1
		}
		after = i + 4 + k + 1
	}
	p.piece(elSkip, i, i, i, after)
	return after
}

// cdata reads a CDATA section. Where elements are expected, its content is read as if the section were not there.
func (p *parser) cdata(i int) int {
	s := p.src
	begin := i + 9
	end := p.seek(markCData, "]]>", begin)
	after := end + 3
	if end < 0 {
		p.note(CodeCData, int32(i), p.cur)
		after = len(s)
		if k := bytes.Index(s[begin:], []byte("</")); k >= 0 {
			after = begin + k
		}
		end = after
	}
	if e := p.nodes.at(p.cur).element; (content[e] != nil || e == elRoot) && holdsTag(s[begin:end]) {
		p.note(CodeCData, int32(i), p.cur)
		p.piece(elSkip, i, i, i, begin)
		return begin // the section's end is met as text and is dropped there
	}
	p.nodes.at(p.cur).flags |= hasText
	p.chars += end - begin
	p.piece(elCData, i, begin, end, after)
	return after
}

// holdsTag reports whether a start tag of ADF 1.0 begins early in s.
func holdsTag(s []byte) bool {
	for range 16 {
		i := bytes.IndexByte(s, '<')
		if i < 0 {
			return false
		}
		s = s[i+1:]
		j, local := 0, 0
		for j < len(s) && j < 64 && class[s[j]]&className != 0 {
			if s[j] == ':' {
				local = j + 1
			}
			j++
		}
		if id, _, _ := find(&elementDictionary, s, local, j); element(id).known() {
			return true
		}
	}
	return false
}

// doctype returns the length of the document type declaration at the beginning of s. Nothing in it is used.
func doctype(s []byte) int {
	depth := 0
	var quote byte
	for i := 9; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '>' && depth <= 0:
			return i + 1
		case c == '<' && depth <= 0:
			return i
		}
	}
	// It has no end. Its first line is all that can be told from the document.
	if i := bytes.IndexByte(s, '>'); i >= 0 {
		return i + 1
	}
	return len(s)
}

// instruction skips a processing instruction and judges those of the prolog.
func (p *parser) instruction(i int) int {
	s := p.src[i:]
	j := 2
	for j < len(s) && class[s[j]]&className != 0 {
		j++
	}
	target := s[2:j]
	isXML, isADF := bytes.EqualFold(target, []byte("xml")), bytes.EqualFold(target, []byte("adf"))
	end := p.seek(markInstruction, "?>", i+2)
	if end >= 0 {
		end -= i
		j = min(j, end)
	}
	bad := false
	if end < 0 || (isXML || isADF) && (bytes.IndexByte(s[j:end], '<') >= 0 || bytes.IndexByte(s[j:end], '>') >= 0) {
		bad = true
		if end = bytes.IndexAny(s[1:], "<>") + 1; end == 0 {
			end = len(s)
		} else if s[end] == '>' {
			end++
		}
	} else {
		end += 2
	}
	body := s[j:max(j, end)]
	switch {
	case isXML:
		// XML has its declaration in lower case, once, at the very beginning.
		bad = bad || string(target) != "xml" || p.declared || len(bytes.TrimPrefix(p.src[:i], []byte("\ufeff"))) > 0 ||
			!bytes.Contains(body, []byte("version=")) ||
			hasCurly(body)
		p.declared = true
	case isADF:
		bad = bad || p.instructed || p.sawRoot || hasCurly(body) || !isVersion(body)
		p.instructed = true
	}
	if bad {
		p.note(CodeProlog, int32(i), p.cur)
	}
	p.piece(elSkip, i, i, i, i+end)
	return i + end
}

// hasCurly reports whether there is one of the quotation marks that word processors make.
func hasCurly(s []byte) bool {
	return bytes.IndexByte(s, 0xe2) >= 0 && (bytes.Contains(s, []byte("“")) || bytes.Contains(s, []byte("”")))
}

// isVersion reports whether the instruction's content names version 1.0, as the specification prints it or with the sign of equality.
func isVersion(body []byte) bool {
	body = bytes.TrimSpace(bytes.TrimSuffix(body, []byte("?>")))
	if len(body) < 7 || !bytes.EqualFold(body[:7], []byte("version")) {
		return false
	}
	v := string(bytes.Trim(body[7:], " \t\r\n="))
	return v == `"1.0"` || v == `'1.0'`
}
