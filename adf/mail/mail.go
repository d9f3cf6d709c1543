// Package mail finds the lead in a raw email: in its body, its parts and attachments, as ADF or as a notification in plain words.
// It knows MIME and the format; it knows neither IMAP nor the business.
//
// Read looks for ADF first, in every leaf of the message whatever its type and name (find.go), and undoes what was done to the document on its
// way: quote marks, links, escapes, encodings that no header names (undo.go), archives (archive.go). A message without ADF is read as a person
// reads it: HTML becomes lines (html.go), lines become labels with their values (text.go, label.go), and those become a prospect where somebody
// can be reached and enough speaks for a lead (record.go). What is peculiar to one source is data, a Template.
//
//	m := mail.Read(raw, mail.Options{})
//	for _, p := range m.Prospects {
//		// a lead, whether it came as ADF or in words
//	}
//	if m.Suspect != "" {
//		// it claims to hold a lead that nobody can read
//	}
//
// Beside the leads a Mail says who wrote and whether a person did (Header, Header.Auto). Digest tells a message from another however it was
// delivered, and Doubt says why nothing vouches for its sender.
package mail

import "leadfloor/adf"

// Kind says what a message holds.
type Kind string

// The kinds of a message.
const (
	ADF  Kind = "adf"  // at least one ADF prospect
	Text Kind = "text" // a lead in plain words or HTML
	None Kind = "none" // no lead
)

// The values of Mail.Suspect.
const (
	SuspectUnreadable = "adf-unreadable" // it holds ADF from which nothing could be read
	SuspectStarBOD    = "star-bod"       // it holds a STAR business object document, which is no ADF
	SuspectSize       = "limit-size"     // the message is larger than Options.MaxSize
	SuspectHeader     = "limit-header"   // its header is larger than 1 MiB
	SuspectDepth      = "limit-depth"    // it is nested deeper than Options.MaxDepth
	SuspectParts      = "limit-parts"    // it has more parts than Options.MaxParts
	SuspectLeads      = "limit-leads"    // it holds more leads than Options.MaxLeads
)

// Mail is what was read from one message.
type Mail struct {
	Kind        Kind
	Header      Header
	Prospects   []adf.Prospect // in the order of the message; each document once, even where text and HTML repeat it
	Channel     string         // set by the template of a source whose mail reports something else, such as phone; else empty
	Source      string         // the name of the template that read a text lead; else empty
	Suspect     string         // where Kind is None: why it still claims to hold a lead (a stable code such as adf-unreadable, star-bod, limit-depth); else empty
	Diagnostics []adf.Diagnostic
}

// Options bounds what Read takes on and extends what it knows. The zero value is good.
type Options struct {
	MaxSize   int        // bytes of a message; 10 MiB where 0
	MaxDepth  int        // levels of multiparts and of messages within messages; 20 where 0
	MaxParts  int        // parts of all levels together; 200 where 0
	MaxLeads  int        // prospects of one message; 100 where 0
	Templates []Template // tried before the built-in ones
}

const maxHeader = 1 << 20 // bytes of a header block

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		v *int
		n int
	}{{&o.MaxSize, 10 << 20}, {&o.MaxDepth, 20}, {&o.MaxParts, 200}, {&o.MaxLeads, 100}} {
		if *d.v <= 0 {
			*d.v = d.n
		}
	}
	return o
}

// Read finds the leads of a raw message. It never fails: what cannot be read is named in Diagnostics, and a message that claims to hold
// a lead which cannot be read, or that breaks a limit, has a Suspect. Headers that mark a message as sent by a machine never matter here.
// Time and memory are linear in len(raw), with a factor of MaxDepth at worst.
func Read(raw []byte, opt Options) *Mail {
	opt = opt.withDefaults()
	m := &Mail{Kind: None}
	if len(raw) > opt.MaxSize {
		m.Header = readHeader(raw[:min(len(raw), maxHeader)])
		m.refuse(SuspectSize, "the message is larger than the limit")
		return m
	}
	w := walker{opt: opt}
	w.walk(normalLines(raw))
	m.Header = w.header
	m.Diagnostics = w.notes
	if w.limit != "" {
		m.refuse(w.limit, "the message is too complex to be read")
		return m
	}
	templates := withBuiltin(opt.Templates)
	t := match(templates, w.senders(), m.Header.Subject)

	f := finder{opt: opt, notes: m.Diagnostics}
	f.parts(w.parts)
	if len(f.prospects) == 0 {
		f.salvage(raw)
	}
	m.Diagnostics = f.notes
	switch {
	case len(f.prospects) > opt.MaxLeads:
		m.refuse(SuspectLeads, "the message holds more leads than the limit")
	case len(f.prospects) > 0:
		m.Kind, m.Prospects = ADF, f.prospects
		if t != nil {
			m.Channel = t.Channel
		}
	case f.star:
		m.refuse(SuspectStarBOD, "the message holds a STAR business object document, not ADF")
	default:
		m.readText(&w, templates, t, body(w.parts, false), body(w.parts, true))
		switch {
		case len(m.Prospects) > opt.MaxLeads:
			m.Kind, m.Prospects, m.Source, m.Channel = None, nil, "", ""
			m.refuse(SuspectLeads, "the message holds more leads than the limit")
		case f.claims:
			m.refuse(SuspectUnreadable, "the message holds ADF from which nothing could be read")
			if m.Kind == Text {
				m.Suspect = ""
			}
		}
	}
	return m
}

// refuse marks m as a message that claims to hold a lead, or may, and gave none.
func (m *Mail) refuse(code, message string) {
	m.Suspect = code
	m.Diagnostics = append(m.Diagnostics, adf.Diagnostic{Severity: adf.Error, Code: code, Message: message})
}
