package mail

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file undoes what mail programs do to a text on its way.

// unflow joins the lines of format=flowed text (RFC 3676). Quote marks stay, as one run in front of the line.
func unflow(t []byte, delsp bool) []byte {
	out := make([]byte, 0, len(t))
	soft, level := false, 0
	for len(t) > 0 {
		var line []byte
		line, t = cutLine(t)
		n := 0
		for n < len(line) && line[n] == '>' {
			n++
		}
		text := line[n:]
		if len(text) > 0 && text[0] == ' ' {
			text = text[1:]
		}
		if !soft || n != level {
			if len(out) > 0 {
				out = append(out, '\n')
			}
			if out = append(out, line[:n]...); n > 0 {
				out = append(out, ' ')
			}
		}
		soft, level = len(text) > 0 && text[len(text)-1] == ' ' && string(text) != "-- ", n
		if soft && delsp {
			text = text[:len(text)-1]
		}
		out = append(out, text...)
	}
	return out
}

// unquote takes the quote marks off all lines if an adf or prospect tag stands behind such marks.
func unquote(t []byte) []byte {
	for i := 0; i < len(t); i++ {
		j := findTag(t[i:])
		if j < 0 {
			return t
		}
		if i += j; isQuoted(t, i) {
			return dropQuotes(t)
		}
	}
	return t
}

// isQuoted reports whether the line of the tag at i begins with a quote mark. The tag need not be the first on it: a prolog may stand there.
func isQuoted(t []byte, i int) bool {
	before := t[max(0, i-maxProlog):i]
	j := bytes.LastIndexByte(before, '\n')
	if j < 0 && len(before) == maxProlog {
		return false
	}
	line := bytes.TrimLeft(before[j+1:], " \t|")
	return len(line) > 0 && line[0] == '>'
}

// maxProlog bounds what is looked at in front of a tag on its line.
const maxProlog = 200

func dropQuotes(t []byte) []byte {
	out := make([]byte, 0, len(t))
	for len(t) > 0 {
		var line []byte
		line, t = cutLine(t)
		for {
			s := bytes.TrimLeft(line, " \t")
			if len(s) == 0 || s[0] != '>' {
				break
			}
			line = bytes.TrimPrefix(s[1:], []byte{' '})
		}
		out = append(append(out, line...), '\n')
	}
	return out
}

// undecoded reports whether t is still quoted-printable: whether an equals sign inside a tag is escaped.
func undecoded(t []byte) bool {
	for i := 0; i < len(t); {
		j := bytes.Index(t[i:], []byte("=3"))
		if j < 0 {
			return false
		}
		i += j
		rest := t[i+2:]
		if len(rest) > 1 && rest[0]|0x20 == 'd' && (rest[1] == '"' || rest[1] == '\'' || bytes.HasPrefix(rest[1:], []byte("&quot;"))) {
			before := t[max(0, i-300):i]
			if bytes.LastIndexByte(before, '<') > bytes.LastIndexByte(before, '>') || bytes.LastIndex(before, []byte("&lt;")) > bytes.LastIndex(before, []byte("&gt;")) {
				return true
			}
		}
		i += 2
	}
	return false
}

// dropMarkup takes HTML's own tags out of ADF that stands in HTML as tags. ADF shares two names with HTML, address and option, which stay.
func dropMarkup(t []byte) []byte {
	out := make([]byte, 0, len(t))
	for {
		i := bytes.IndexByte(t, '<')
		if i < 0 {
			return append(out, t...)
		}
		out, t = append(out, t[:i]...), t[i:]
		n := 1
		if n < len(t) && t[n] == '/' {
			n++
		}
		start := n
		for n < len(t) && n < 20 && (t[n]|0x20 >= 'a' && t[n]|0x20 <= 'z' || t[n] >= '0' && t[n] <= '9' || t[n] == ':') {
			n++
		}
		kind := htmlTag(strings.ToLower(string(t[start:n])))
		if kind == 0 {
			out, t = append(out, '<'), t[1:]
			continue
		}
		end := bytes.IndexByte(t, '>')
		if end < 0 {
			return append(out, t...)
		}
		if kind == '\n' {
			out = append(out, '\n')
		}
		t = t[end+1:]
	}
}

// htmlTag returns a line feed for a tag of HTML that breaks the line, another character for one that does not, and 0 for no tag of HTML
// or one that ADF has too.
func htmlTag(name string) byte {
	switch name {
	case "br", "p", "div", "li", "tr", "pre", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "hr", "table":
		return '\n'
	case "a", "b", "i", "u", "em", "strong", "span", "font", "code", "tt", "wbr", "o:p", "html", "body", "tbody", "td", "th", "center", "small", "img", "nobr", "section":
		return ' '
	}
	return 0
}

// dropAutolinks removes the link targets that mail programs write behind what they point at: jo@example.com<mailto:jo@example.com>.
// A web address goes only where it says what stands before it once more.
func dropAutolinks(t []byte) []byte {
	var out []byte
	for i := 0; i < len(t); i++ {
		j := bytes.IndexByte(t[i:], '<')
		if j < 0 {
			break
		}
		i += j
		scheme, _, ok := bytes.Cut(t[i+1:min(len(t), i+9)], []byte{':'})
		if !ok || len(scheme) == 0 {
			continue
		}
		k := bytes.IndexByte(t[i:min(len(t), i+2000)], '>')
		if k < 0 || !isAutolink(strings.ToLower(string(scheme)), t[i+2+len(scheme):max(i+2+len(scheme), i+k)], t[max(0, i-k):i]) {
			continue
		}
		out, t, i = append(out, t[:i]...), t[i+k+1:], -1
	}
	if out == nil {
		return t
	}
	return append(out, t...)
}

func isAutolink(scheme string, address, before []byte) bool {
	switch scheme {
	case "mailto", "tel":
		return true
	case "http", "https":
		address = bytes.Trim(address, "/")
		return len(address) > 0 && bytes.HasSuffix(bytes.TrimRight(before, "/ "), address)
	}
	return false
}

// unescapeJSON undoes the escapes of a JSON string.
func unescapeJSON(t []byte) []byte {
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		if t[i] != '\\' || i+1 == len(t) {
			out = append(out, t[i])
			continue
		}
		i++
		digits := 0
		switch t[i] {
		case 'n', 'r':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'u':
			digits = 4
		case 'x':
			digits = 2
		default:
			out = append(out, t[i])
		}
		if digits > 0 && i+digits < len(t) {
			if v, err := strconv.ParseUint(string(t[i+1:i+1+digits]), 16, 32); err == nil {
				out = utf8.AppendRune(out, rune(v))
				i += digits
			}
		}
	}
	return out
}

// base64Runs yields the stretches of t that look like base64: lines of its alphabet alone, of 40 characters and more but for the last.
func base64Runs(t []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start, pos := -1, 0
		for rest := t; len(rest) > 0; {
			line, next := cutLine(rest)
			end := pos + len(rest) - len(next)
			long, short := isBase64(line)
			switch {
			case long && start < 0:
				start = pos
			case !long && start >= 0:
				stop := pos
				if short {
					stop = end
				}
				if !yield(t[start:stop]) {
					return
				}
				start = -1
			}
			rest, pos = next, end
		}
		if start >= 0 {
			yield(t[start:])
		}
	}
}

func isBase64Line(line []byte) bool {
	long, _ := isBase64(line)
	return long
}

// isBase64 reports whether a line is base64: a full one, or one that may end a stretch.
func isBase64(line []byte) (long, short bool) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return false, false
	}
	for _, c := range line {
		if standard(c) == 0 && c != '=' {
			return false, false
		}
	}
	return len(line) >= 40, true
}
