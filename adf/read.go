package adf

import (
	"bytes"
	"slices"
	"strings"
)

// A reader maps the elements to the model. What senders put at wrong places or under other names goes where a person would look for it; the
// rest is kept in Extra.
type reader struct {
	parser
	doc      *Document
	max      int // of prospects
	loose    []int32
	nested   []int32 // prospects within others, to be read behind them
	slabs    slabs
	tally    [elements]uint16 // the children of the node that was checked last, by kind
	upper    bool             // a name in upper case was noted
	prefixed bool             // a namespace was noted
}

// slabs hold the elements of all slices of a kind, so that each kind is allocated once at most.
type slabs struct {
	ids       []ID
	vehicles  []Vehicle
	odometers []Odometer
	colors    []ColorCombination
	prices    []Price
	options   []Option
	amounts   []Amount
	contacts  []Contact
	names     []Name
	emails    []Email
	phones    []Phone
	addresses []Address
	streets   []Street
}

// newSlabs allocates a document together with what a usual lead needs.
func newSlabs() (*Document, slabs) {
	s := &struct {
		doc       Document
		prospects [1]Prospect
		vehicles  [1]Vehicle
		contacts  [3]Contact
		names     [5]Name
		emails    [3]Email
		phones    [5]Phone
		addresses [2]Address
		streets   [3]Street
		ids       [2]ID
		odometers [1]Odometer
		prices    [1]Price
	}{}
	s.doc.Prospects = s.prospects[:0]
	return &s.doc, slabs{ids: s.ids[:], vehicles: s.vehicles[:], odometers: s.odometers[:], prices: s.prices[:], contacts: s.contacts[:], names: s.names[:],
		emails: s.emails[:], phones: s.phones[:], addresses: s.addresses[:], streets: s.streets[:]}
}

// take cuts an empty slice with room for the children of some kinds that the node has which was checked last.
func take[T any](r *reader, slab *[]T, kinds ...element) []T {
	n, all := 0, 0
	for _, k := range kinds {
		n += int(r.tally[k])
		all += int(r.counts[k])
		r.counts[k] -= int32(r.tally[k])
	}
	if n == 0 {
		return nil
	}
	if len(*slab) < n {
		*slab = make([]T, max(n, all))
	}
	s := (*slab)[:0:n]
	*slab = (*slab)[n:]
	return s
}

// grow adds one empty element to s and returns it. What take cut is empty already, so that nothing is copied.
func grow[T any](s *[]T) *T {
	if n := len(*s); n < cap(*s) {
		*s = (*s)[:n+1]
	} else {
		var zero T
		*s = append(*s, zero)
	}
	return &(*s)[len(*s)-1]
}

// none makes an empty slice nil, so that there is one way to have nothing.
func none[T any](s *[]T) {
	if len(*s) == 0 {
		*s = nil
	}
}

// read maps the whole text.
func (r *reader) read() {
	if n := r.counts[elProspect]; n > 1 {
		r.doc.Prospects = make([]Prospect, 0, min(int(n), r.max))
	}
	r.container(0, false)
	for len(r.nested) > 0 {
		c := r.nested[0]
		r.nested = r.nested[1:]
		r.addProspect(c)
	}
	if r.counts[elADF] > 1 {
		second := 0
		for i := range r.nodes.n {
			if n := r.nodes.at(i); n.element == elADF {
				if second++; second == 2 {
					r.note(CodeSeveralADF, n.tag, i)
				}
			}
		}
	}
	if len(r.loose) > 0 && len(r.doc.Prospects) == 0 {
		r.gatherLoose(r.loose)
	}
	if !r.declared || !r.instructed {
		r.note(CodeNoProlog, 0, 0)
	}
}

// container reads the prospects in the text as a whole, in adf, or in some element around it, such as those of HTML.
func (r *reader) container(id int32, inADF bool) {
	n := r.nodes.at(id)
	if n.element == elADF {
		r.checkNames(id)
		for c := n.first; c != 0; c = r.nodes.at(c).next {
			if r.nodes.at(c).element == elProspect {
				inADF = true
			}
		}
		if s := r.stray(id); s != "" {
			r.note(CodeStray, n.start, id)
			keepIn(&r.doc.Extra, Element{Text: s})
		}
	}
	var loose []int32
	before := len(r.doc.Prospects)
	for c := n.first; c != 0; c = r.nodes.at(c).next {
		child := r.nodes.at(c)
		switch e := child.element; {
		case e.special(), e == elBreak:
		case e == elADF:
			r.container(c, true)
		case e == elProspect:
			if !inADF {
				r.note(CodeNoEnvelope, child.tag, c)
			}
			r.addProspect(c)
		case e == elVehicle, e == elCustomer, e == elVendor, e == elProvider,
			n.element == elADF && (fits(elProspect, e) || tolerated[elProspect][e]), e == elContact && !inADF:
			if k := len(r.doc.Prospects); k > before || !inADF && k > 0 {
				r.note(CodePlace, child.tag, c)
				r.prospectChild(&r.doc.Prospects[k-1], c)
			} else {
				loose = append(loose, c)
			}
		case n.element == elADF && !r.holdsProspect(c):
			r.note(CodeUnknown, child.tag, c)
			keepIn(&r.doc.Extra, r.element(c))
		default:
			r.container(c, inADF)
		}
	}
	switch {
	case len(loose) == 0:
	case n.element != elADF:
		r.loose = append(r.loose, loose...)
	case len(r.doc.Prospects) > before: // they stand before the first prospect
		for _, c := range loose {
			r.note(CodePlace, r.nodes.at(c).tag, c)
			r.prospectChild(&r.doc.Prospects[before], c)
		}
	default:
		r.gatherLoose(loose)
	}
}

// holdsProspect reports whether there is a prospect within an element.
func (r *reader) holdsProspect(id int32) bool {
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		if e := r.nodes.at(c).element; e == elProspect || e == elADF || r.holdsProspect(c) {
			return true
		}
	}
	return false
}

// gatherLoose makes one prospect of elements that stand in none.
func (r *reader) gatherLoose(loose []int32) {
	if !slices.ContainsFunc(loose, func(c int32) bool {
		switch r.nodes.at(c).element {
		case elVehicle, elCustomer, elVendor, elProvider, elContact, elName, elEmail, elPhone:
			return true
		}
		return false
	}) {
		return
	}
	r.note(CodeNoEnvelope, r.nodes.at(loose[0]).tag, loose[0])
	pr := Prospect{Status: "new", Line: r.line(r.nodes.at(loose[0]).tag)}
	for _, c := range loose {
		r.prospectChild(&pr, c)
	}
	r.doc.Prospects = append(r.doc.Prospects, pr)
}

// line returns the line of a position.
func (r *reader) line(pos int32) int { return 1 + bytes.Count(r.src[:pos], []byte{'\n'}) }

// check notes what is wrong with an element's name, its attributes and its children as ADF 1.0 sees them, and lifts children of a kind out of
// places where they have no meaning.
func (r *reader) check(id int32) {
	r.checkNames(id)
	n := r.nodes.at(id)
	var seen uint64
	var top place
	ordered := true
	r.tally = [elements]uint16{}
	around := false // something stands here that belongs into a contact
	for c := n.first; c != 0; c = r.nodes.at(c).next {
		child := r.nodes.at(c)
		e := child.element
		if child.flags&hasNodes != 0 && (e == elWrapper || isLeaf(e) && e != elComments) {
			r.lift(n.element, c)
			n, child = r.nodes.at(id), r.nodes.at(c)
		}
		r.tally[e]++
		pl := places[n.element][e]
		rank := pl & placeRank
		switch {
		case e.special(), e == elBreak, e == elInline:
			continue
		case rank == 0 && e.known():
			r.note(CodePlace, child.tag, c)
			around = around || tolerated[n.element][e]
			continue
		case rank == 0:
			if e == elOther {
				r.note(CodeUnknown, child.tag, c)
			} else {
				r.note(CodeVariant, child.tag, c)
				around = around || e == elPart
			}
			continue
		case seen&(1<<e) != 0 && pl&placeMany == 0:
			r.note(CodeRepeated, child.tag, c)
		}
		seen |= 1 << e
		if rank < top && ordered {
			ordered = false
			r.note(CodeOrder, child.tag, c)
		}
		top = max(top, rank)
		if pl&placeRequired != 0 && content[e] == nil && child.flags&(hasText|hasNodes) == 0 {
			r.note(CodeEmpty, child.tag, c)
		}
	}
	if required[n.element]&^seen != 0 {
		for _, rl := range content[n.element] {
			if rl.required && seen&(1<<rl.child) == 0 && !(around && (rl.child == elContact || rl.child == elCustomer)) {
				r.missing(id, rl.child)
			}
		}
	}
	has := func(e element) bool { return seen&(1<<e) != 0 }
	switch n.element {
	case elContact:
		// The specification's minimal lead has a vendor's contact with nothing but a name.
		if !has(elEmail) && !has(elPhone) && r.nodes.at(n.parent).element != elVendor {
			r.missing(id, elEmail)
		}
	case elVendor:
		if !has(elVendorName) && !has(elContact) && !around {
			r.missing(id, elVendorName)
		}
	case elColorCombination:
		if !has(elInteriorColor) && !has(elExteriorColor) {
			r.missing(id, elExteriorColor)
		}
	}
}

func (r *reader) missing(id int32, e element) {
	r.noteWhat(CodeMissing, r.nodes.at(id).tag, id, uint8(e), false)
}

// lift moves the elements out of one that ADF 1.0 has only text in, or that is a mere wrapper, behind it. A node that is no text stays where each
// of them was.
func (r *reader) lift(parent element, id int32) {
	at := id
	for c := r.nodes.at(id).first; c != 0; c = r.nodes.at(c).next {
		n, child := r.nodes.at(id), *r.nodes.at(c)
		e := child.element
		if e.special() || e == elBreak || e == elInline || e == elOther || tolerated[n.element][e] || n.element == elWrapper && !fits(parent, e) {
			continue
		}
		if n.element != elWrapper {
			r.note(CodePlace, child.tag, c)
		}
		moved := r.nodes.n
		child.parent, child.next = n.parent, r.nodes.at(at).next
		r.nodes.at(at).next = moved
		r.nodes.at(c).element = elSkip
		r.nodes.at(c).first, r.nodes.at(c).last = 0, 0
		*r.nodes.add() = child
		for g := child.first; g != 0; g = r.nodes.at(g).next {
			r.nodes.at(g).parent = moved
		}
		at = moved
	}
}

// checkNames notes what is wrong with the names of an element and its attributes.
func (r *reader) checkNames(id int32) {
	n := r.nodes.at(id)
	if n.flags&(isVariant|isUpper|isPrefixed) != 0 {
		if n.flags&isVariant != 0 && n.element.known() {
			r.note(CodeVariant, n.tag, id)
		}
		if n.flags&isUpper != 0 && !r.upper {
			r.upper = true
			r.note(CodeUpper, n.tag, id)
		}
		if n.flags&isPrefixed != 0 && !r.prefixed {
			r.prefixed = true
			r.note(CodeNamespace, n.tag, id)
		}
	}
	attrs := r.attrs.span(n.attr, n.attrs)
	for i := range attrs {
		a := &attrs[i]
		switch {
		case a.id == atNamespace:
			if !r.prefixed {
				r.prefixed = true
				r.note(CodeNamespace, a.nameStart, id)
			}
		case a.id == atOther || hasAttributes[n.element]&(1<<a.id) == 0:
			if a.id == atBestTime && n.element == elPhone {
				r.note(CodeAttrVariant, a.nameStart, id)
			} else if !r.guess(n, a) {
				r.note(CodeUnknownAttr, a.nameStart, id)
			} else {
				r.note(CodeAttrVariant, a.nameStart, id)
			}
		case a.variant:
			r.note(CodeAttrVariant, a.nameStart, id)
		}
	}
}

// guess gives an attribute with an unknown name the one that differs by one letter, where the element has it and lacks it.
func (r *reader) guess(n *node, a *attr) bool {
	if a.id != atOther {
		return false
	}
	name := r.src[a.nameStart:a.nameEnd]
	for at := atOther + 1; at < atNamespace; at++ {
		if hasAttributes[n.element]&(1<<at) == 0 || len(name) < 4 || !likely(string(name), attributeNames[at]) {
			continue
		}
		for i := range int32(n.attrs) {
			if r.attrs.at(n.attr+i).id == at {
				return false
			}
		}
		a.id = at
		return true
	}
	return false
}

// lookup returns an attribute of an element; nil where it is not there.
func (r *reader) lookup(id int32, at attribute) *attr {
	n := r.nodes.at(id)
	attrs := r.attrs.span(n.attr, n.attrs)
	for i := range attrs {
		if attrs[i].id == at {
			return &attrs[i]
		}
	}
	return nil
}

// value returns the value of an attribute as written.
func (r *reader) value(a *attr, id int32) string {
	if a.dirty {
		return r.decoded(a.start, a.end, id)
	}
	return r.save(trim(r.src[a.start:a.end]))
}

// attribute returns the value of an attribute as written; empty where it is absent.
func (r *reader) attribute(id int32, at attribute) string {
	if a := r.lookup(id, at); a != nil {
		return r.value(a, id)
	}
	return ""
}

// choice returns the value of an attribute that has but some; the first of them where it is absent.
func (r *reader) choice(id int32, at attribute, allowed []string) string {
	a := r.lookup(id, at)
	if a == nil {
		return allowed[0]
	}
	for _, v := range allowed { // most have nothing to be decoded
		if string(r.src[a.start:a.end]) == v && v != "" {
			return v
		}
	}
	v := r.value(a, id)
	if v != "" && slices.Contains(allowed, v) {
		return v
	}
	r.noteWhat(CodeValue, r.nodes.at(id).tag, id, uint8(at), true)
	if v == "" {
		return allowed[0]
	}
	return strings.ToLower(v)
}

// yes reads an attribute that is 0 or 1.
func (r *reader) yes(id int32, at attribute) bool {
	a := r.lookup(id, at)
	if a == nil {
		return false
	}
	switch v := r.value(a, id); v {
	case "0":
		return false
	case "1":
		return true
	default:
		r.noteWhat(CodeValue, r.nodes.at(id).tag, id, uint8(at), true)
		v = strings.ToLower(v)
		return v == "true" || v == "yes" || v == "y"
	}
}

// leaf returns the text of an element that holds nothing else.
func (r *reader) leaf(id int32) string {
	n := r.nodes.at(id)
	if n.flags&^hasText == 0 && n.attrs == 0 { // most
		return r.save(trim(r.src[n.start:n.end]))
	}
	r.checkNames(id)
	return r.inside(id)
}

// inside returns the text of an element whose names have been checked.
func (r *reader) inside(id int32) string {
	n := r.nodes.at(id)
	if n.flags&hasNodes != 0 {
		for c := n.first; c != 0; c = r.nodes.at(c).next {
			if e := r.nodes.at(c).element; !e.special() {
				r.note(CodeNested, r.nodes.at(c).tag, id)
				break
			}
		}
	}
	return r.textOf(id)
}

// set fills a field of which there is one. A second, different value is kept whole.
func (r *reader) set(field *string, id int32, extra *[]Element) {
	v := r.leaf(id)
	switch {
	case *field == "":
		*field = v
	case v != "" && v != *field:
		keepIn(extra, r.element(id))
	}
}

// join adds to a field that may have several parts.
func (r *reader) join(field *string, id int32) {
	v := r.leaf(id)
	switch {
	case *field == "":
		*field = v
	case v != "" && v != *field:
		*field += "\n" + v
	}
}

// among notes where a text is none of those that ADF 1.0 names.
func (r *reader) among(id int32, v string, allowed []string) {
	if v != "" && !slices.Contains(allowed, v) {
		r.note(CodeContentValue, r.nodes.at(id).tag, id)
	}
}

// element keeps an element whole.
func (r *reader) element(id int32) Element {
	n := r.nodes.at(id)
	e := Element{Name: xmlName(r.save(r.local(id)))}
	if n.attrs > 0 {
		e.Attrs = make([]Attr, 0, n.attrs)
		for i := range int32(n.attrs) {
			a := r.attrs.at(n.attr + i)
			name := r.src[a.nameStart:a.nameEnd]
			if k := bytes.LastIndexByte(name, ':'); k >= 0 || string(name) == "xmlns" {
				if bytes.HasPrefix(name, []byte("xmlns")) || k == len(name)-1 {
					continue
				}
				name = name[k+1:]
			}
			e.Attrs = append(e.Attrs, Attr{Name: xmlName(r.save(name)), Value: r.value(a, id)})
		}
	}
	children, markup := 0, 0
	for c := n.first; c != 0; c = r.nodes.at(c).next {
		switch k := r.nodes.at(c).element; {
		case k.special():
		case k == elBreak, k == elInline:
			markup++
		default:
			children++
		}
	}
	if children == 0 {
		e.Text = r.textOf(id)
		return e
	}
	e.Text = r.stray(id)
	e.Children = make([]Element, 0, children+markup)
	for c := n.first; c != 0; c = r.nodes.at(c).next {
		if !r.nodes.at(c).element.special() {
			e.Children = append(e.Children, r.element(c))
		}
	}
	return e
}

// keep puts an element that has no place in the model into Extra.
func (r *reader) keep(extra *[]Element, id int32) {
	if e := r.nodes.at(id).element; e.special() || e == elBreak {
		return
	}
	e := r.element(id)
	if r.nodes.at(id).element == elWrapper && e.Text == "" && e.Children == nil {
		return // what was in it has been lifted out
	}
	keepIn(extra, e)
}

// keepIn adds to an Extra. There is one piece of text in each, behind the elements: so it is written, and so it is read again.
func keepIn(extra *[]Element, e Element) {
	last := len(*extra) - 1
	switch {
	case last < 0 || (*extra)[last].Name != "":
		*extra = append(*extra, e)
	case e.Name == "":
		(*extra)[last].Text += "\n" + e.Text
	default:
		*extra = append(*extra, (*extra)[last])
		(*extra)[last] = e
	}
}

// keepStray puts the text that stands between the children of an element into Extra.
func (r *reader) keepStray(extra *[]Element, id int32) {
	if r.nodes.at(id).flags&hasText == 0 {
		return
	}
	if s := r.stray(id); s != "" {
		r.note(CodeStray, r.nodes.at(id).start, id)
		keepIn(extra, Element{Text: s})
	}
}

// path names the elements around and with a node.
func (p *parser) path(id int32) string {
	if id <= 0 || id >= p.nodes.n {
		return ""
	}
	var buf [128]byte
	at := len(buf)
	for ; id != 0; id = p.nodes.at(id).parent {
		n := p.nodes.at(id)
		if n.element.special() {
			continue
		}
		name := elementNames[n.element]
		if !n.element.known() {
			name = pathName(string(p.local(id)), n.flags)
		}
		if at-len(name)-1 < 0 {
			break
		}
		if at < len(buf) {
			at--
			buf[at] = '/'
		}
		at -= len(name)
		for i := range len(name) {
			c := name[i]
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			buf[at+i] = c
		}
	}
	if s, ok := knownPaths[string(buf[at:])]; ok {
		return s
	}
	return string(buf[at:])
}

// pathName returns the name of an unknown element where it can be nothing but one: text that was taken for a tag must not show.
func pathName(name string, flags uint8) string {
	if flags&isUnclosed != 0 || len(name) > 24 {
		return "?"
	}
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && c != '_' && c != '-' {
			return "?"
		}
	}
	return name
}

// knownPaths holds the paths of ADF 1.0, so that they need not be made anew.
var knownPaths = func() map[string]string {
	m := map[string]string{}
	var walk func(path string, e element)
	walk = func(path string, e element) {
		path += elementNames[e]
		m[path] = path
		for _, r := range content[e] {
			walk(path+"/", r.child)
		}
	}
	walk("", elADF)
	return m
}()
