package adf

import (
	"bytes"
	"html"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// textOf returns the readable text of a node: character data with its references decoded and what XML forbids left out, trimmed.
func (p *parser) textOf(id int32) string {
	n := p.nodes.at(id)
	switch n.flags & (hasNodes | dirty) {
	case 0:
		return p.save(trim(p.src[n.start:n.end]))
	case dirty:
		return p.decoded(n.start, n.end, id)
	}
	var b strings.Builder
	p.write(&b, id, true)
	return strings.TrimSpace(b.String())
}

// save copies what the document keeps of the text, which is less than half of most.
func (p *parser) save(s []byte) string {
	if len(s) == 0 {
		return ""
	}
	p.room(len(s))
	from := p.kept.Len()
	p.kept.Write(s)
	return p.kept.String()[from:]
}

// decoded keeps a piece of the text as decode returns it, trimmed.
func (p *parser) decoded(start, end, id int32) string {
	p.room(int(end - start)) // decoded text is never longer than what it is decoded from
	from := p.kept.Len()
	p.decode(&p.kept, start, end, id)
	return strings.TrimSpace(p.kept.String()[from:])
}

// room makes sure that n bytes can be kept without moving what is kept already.
func (p *parser) room(n int) {
	if p.kept.Cap()-p.kept.Len() < n {
		p.kept = strings.Builder{}
		p.kept.Grow(max(n, min(p.chars, maxKept)))
	}
}

// maxKept is how many bytes are set aside at once for what is kept, unless one piece is longer.
const maxKept = 4096

// trim is bytes.TrimSpace, for text that mostly has nothing to trim.
func trim(s []byte) []byte {
	if len(s) > 0 && isBlack(s[0]) && isBlack(s[len(s)-1]) {
		return s
	}
	return bytes.TrimSpace(s)
}

// isBlack reports whether c is a character of its own that is no white space.
func isBlack(c byte) bool { return c > ' ' && c < utf8.RuneSelf }

// stray returns the text that stands directly in an element, without that of its children.
func (p *parser) stray(id int32) string {
	n := p.nodes.at(id)
	if n.flags&hasText == 0 {
		return ""
	}
	var b strings.Builder
	p.write(&b, id, false)
	return strings.TrimSpace(b.String())
}

// write writes the text of a node, with or without that of its children.
func (p *parser) write(b *strings.Builder, id int32, deep bool) {
	n := p.nodes.at(id)
	at := n.start
	for c := n.first; c != 0; c = p.nodes.at(c).next {
		child := p.nodes.at(c)
		p.decode(b, at, child.tag, id)
		switch {
		case child.element == elCData:
			p.clean(b, child.start, child.end, id)
		case child.element == elSkip:
		case !deep:
			b.WriteByte(' ')
		case child.element == elBreak:
			b.WriteByte('\n')
			p.write(b, c, true)
		default:
			if p.mend != nil && child.flags&isUnclosed != 0 && child.element == elOther {
				b.Write(p.src[child.tag:child.start]) // it was no tag after all
			}
			block := child.element == elInline && endsLine(p.local(c))
			if s := b.String(); block && s != "" && s[len(s)-1] != '\n' {
				b.WriteByte('\n')
			}
			p.write(b, c, true)
			if block {
				b.WriteByte('\n')
			}
		}
		at = max(at, child.after)
	}
	p.decode(b, at, n.end, id)
}

// endsLine reports whether HTML has an element of this name on lines of its own.
func endsLine(name []byte) bool {
	switch string(name) {
	case "p", "div", "li", "tr", "h1", "h2", "h3", "P", "DIV", "LI", "TR":
		return true
	}
	return false
}

// clean writes the text without the characters that XML forbids and with its line ends as XML has them.
func (p *parser) clean(b *strings.Builder, start, end, id int32) {
	s := p.src[min(start, end):end]
	done := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) {
			k := first(odd(word(s[i:])))
			if i += k; k == 8 {
				continue
			}
		}
		if class[s[i]]&classDirty == 0 {
			i++
			continue
		}
		n := dirtyLen(s[i:])
		if n == 0 {
			i++
			continue
		}
		b.Write(s[done:i])
		if s[i] == '\r' {
			b.WriteByte('\n')
		} else {
			p.note(CodeControl, start+int32(i), id)
		}
		i += n
		done = i
	}
	b.Write(s[done:])
}

// dirtyLen returns the length of a line end or of a character that XML forbids at the beginning of s; 0 where there is none.
func dirtyLen(s []byte) int {
	switch c := s[0]; {
	case c == '\r':
		if len(s) > 1 && s[1] == '\n' {
			return 2
		}
		return 1
	case c < ' ' && c != '\t' && c != '\n':
		return 1
	case c == 0xef && len(s) > 2 && s[1] == 0xbf && s[2] >= 0xbe:
		return 3
	}
	return 0
}

// decode writes the text with its references decoded, otherwise as clean does.
func (p *parser) decode(b *strings.Builder, start, end, id int32) {
	for start < end {
		k := bytes.IndexByte(p.src[start:end], '&')
		if k < 0 {
			p.clean(b, start, end, id)
			return
		}
		p.clean(b, start, start+int32(k), id)
		start += int32(k)
		start += int32(p.reference(b, p.src[start:end], start, id))
	}
}

// maxReference is the length of the longest reference that is decoded: the longest name of HTML, and a number with many zeros.
const maxReference = 36

// reference decodes the reference at the beginning of s, or takes its & as it stands, and returns how much of s that was.
func (p *parser) reference(b *strings.Builder, s []byte, pos, id int32) int {
	j := 1
	for j < len(s) && j < maxReference && (isAlnum(s[j]) || j == 1 && s[j] == '#') {
		j++
	}
	name := string(s[1:j])
	semicolon := j < len(s) && s[j] == ';'
	length := j
	if semicolon {
		length++
	}
	if name == "" || name == "#" {
		p.note(CodeAmpersand, pos, id)
		b.WriteByte('&')
		return 1
	}
	if name[0] == '#' {
		r, ok := number(name[1:])
		windows := 0x80 <= r && r <= 0x9f // &#146; is an apostrophe to whoever writes it, to browsers and to mail programs
		if !ok || !semicolon || windows {
			p.note(CodeEntity, pos, id)
		}
		switch {
		case !ok:
			b.WriteByte('&')
			return 1
		case windows:
			if c := charmap.Windows1252.DecodeByte(byte(r)); c != utf8.RuneError { // five mean nothing
				r = c
			}
		case !isChar(r):
			p.note(CodeControl, pos, id)
			return length
		}
		b.WriteRune(r)
		return length
	}
	var c byte
	switch name {
	case "amp":
		c = '&'
	case "lt":
		c = '<'
	case "gt":
		c = '>'
	case "quot":
		c = '"'
	case "apos":
		c = '\''
	}
	switch {
	case c != 0 && semicolon:
		if c == '&' && isReference(s[length:]) {
			p.note(CodeTwice, pos, id)
		}
		b.WriteByte(c)
		return length
	case c != 0 && (j == len(s) || s[j] != '=' && s[j] != '#'), !semicolon && name == "nbsp":
		p.note(CodeEntity, pos, id)
		b.WriteString(html.UnescapeString("&" + name + ";"))
		return length
	case semicolon:
		p.note(CodeEntity, pos, id)
		ref := string(s[:length])
		text := html.UnescapeString(ref)
		if text == ref {
			text = html.UnescapeString(strings.ToLower(ref)) // &NBSP; and the like
			if text == strings.ToLower(ref) {
				text = ref
			}
		}
		b.WriteString(text)
		return length
	}
	p.note(CodeAmpersand, pos, id)
	b.WriteByte('&')
	return 1
}

// isReference reports whether s goes on as a reference does behind its &.
func isReference(s []byte) bool {
	j := 0
	for j < len(s) && j < maxReference && (isAlnum(s[j]) || j == 0 && s[j] == '#') {
		j++
	}
	return j > 1 && j < len(s) && s[j] == ';'
}

// number reads the digits of a numeric reference. Numbers beyond Unicode are read as one that is no character.
func number(s string) (r rune, ok bool) {
	base := rune(10)
	if s != "" && (s[0] == 'x' || s[0] == 'X') {
		base, s = 16, s[1:]
	}
	for i := range len(s) {
		var d rune
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			d = rune(c - '0')
		case base == 16 && 'a' <= c|0x20 && c|0x20 <= 'f':
			d = rune(c|0x20-'a') + 10
		default:
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			r = utf8.MaxRune + 1
		}
	}
	return r, s != ""
}

// isChar reports whether XML 1.0 allows r.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= 0xd7ff || 0xe000 <= r && r <= 0xfffd || 0x10000 <= r && r <= utf8.MaxRune
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
