package mail

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// renderHTML turns HTML into lines as a person would read them: one a block, cells of a table row behind one another with a tab between,
// entities decoded, links to mailboxes and telephones written out. What is not shown (styles, scripts, comments) is left out.
func renderHTML(t []byte) string {
	z := html.NewTokenizer(bytes.NewReader(t))
	var r renderer
	for {
		switch z.Next() {
		case html.ErrorToken:
			return r.b.String()
		case html.TextToken:
			r.text(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			name, attrs := z.TagName()
			a := atom.Lookup(name)
			if a == atom.A && attrs {
				r.link = target(z)
				r.linkAt = r.b.Len()
			}
			r.open(a)
		case html.EndTagToken:
			name, _ := z.TagName()
			r.close(atom.Lookup(name))
		}
	}
}

type renderer struct {
	b      strings.Builder
	space  bool // a space is due before the next word
	line   bool // something stands on the current line
	hidden int  // elements not shown that are open
	pre    int
	link   string // the address that the open link leads to
	linkAt int
}

func (r *renderer) newline() {
	if r.line {
		r.b.WriteByte('\n')
	}
	r.line, r.space = false, false
}

func (r *renderer) open(a atom.Atom) {
	switch a {
	case atom.Script, atom.Style, atom.Title:
		// The tokenizer hands their content over as one text.
		r.hidden++
	case atom.Pre:
		r.newline()
		r.pre++
	case atom.Br:
		r.b.WriteByte('\n')
		r.line, r.space = false, false
	case atom.Td, atom.Th:
		if r.line {
			r.b.WriteByte('\t')
			r.space = false
		}
	default:
		if isBlock(a) {
			r.newline()
		}
	}
}

func (r *renderer) close(a atom.Atom) {
	switch a {
	case atom.Script, atom.Style, atom.Title:
		r.hidden = max(0, r.hidden-1)
	case atom.Pre:
		r.pre = max(0, r.pre-1)
		r.newline()
	case atom.A:
		if r.link != "" && !strings.Contains(r.b.String()[r.linkAt:], r.link) {
			r.b.WriteString(" ( " + r.link + " )")
			r.line = true
		}
		r.link = ""
	case atom.P:
		r.newline()
		r.b.WriteByte('\n')
	default:
		if isBlock(a) {
			r.newline()
		}
	}
}

func isBlock(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Div, atom.Tr, atom.Table, atom.Li, atom.Ul, atom.Ol, atom.Dl, atom.Dt, atom.Dd, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6,
		atom.Blockquote, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Hr, atom.Body, atom.Center, atom.Fieldset, atom.Form:
		return true
	}
	return false
}

func (r *renderer) text(t []byte) {
	if r.hidden > 0 {
		return
	}
	if r.pre > 0 {
		r.b.Write(t)
		r.line = len(t) > 0 && t[len(t)-1] != '\n'
		return
	}
	for len(t) > 0 {
		i := bytes.IndexAny(t, " \t\r\n\f")
		if i == 0 {
			r.space = r.line
			t = t[1:]
			continue
		}
		if i < 0 {
			i = len(t)
		}
		if r.space {
			r.b.WriteByte(' ')
		}
		r.space, r.line = false, true
		r.b.Write(t[:i])
		t = t[i:]
	}
}

// target returns the mailbox or number that a link leads to; empty for any other link.
func target(z *html.Tokenizer) string {
	for {
		k, v, more := z.TagAttr()
		if string(k) == "href" {
			s := string(v)
			for _, p := range []string{"mailto:", "tel:"} {
				if len(s) > len(p) && strings.EqualFold(s[:len(p)], p) {
					s, _, _ = strings.Cut(s[len(p):], "?")
					return strings.TrimSpace(s)
				}
			}
			return ""
		}
		if !more {
			return ""
		}
	}
}
