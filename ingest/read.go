package ingest

import (
	"bytes"
	"regexp"

	"leadfloor/adf"
	"leadfloor/adf/mail"
	"leadfloor/router"
)

// A Reading is what stands in one file or message.
type Reading struct {
	Kind        mail.Kind        `json:"kind"`
	Leads       []router.Enquiry `json:"leads"`
	Diagnostics []adf.Diagnostic `json:"diagnostics"`

	Mail *mail.Mail `json:"-"`
}

// Read reads a message.
func Read(raw []byte, o mail.Options, l Locale) *Reading {
	m := mail.Read(raw, o)
	r := &Reading{Kind: m.Kind, Leads: []router.Enquiry{}, Diagnostics: m.Diagnostics, Mail: m}
	for i := range m.Prospects {
		r.Leads = append(r.Leads, enquiry(&m.Prospects[i], l))
	}
	return r
}

// ReadFile reads what somebody has at hand: a whole message, an ADF document, or the text or HTML of a message without its header.
func ReadFile(data []byte, o mail.Options, l Locale) *Reading {
	if isMessage(data) {
		return Read(data, o, l)
	}
	doc, err := adf.Parse(data)
	if err == nil {
		r := &Reading{Kind: mail.ADF, Leads: []router.Enquiry{}, Diagnostics: doc.Diagnostics, Mail: &mail.Mail{Kind: mail.ADF, Prospects: doc.Prospects}}
		for i := range doc.Prospects {
			r.Leads = append(r.Leads, enquiry(&doc.Prospects[i], l))
		}
		return r
	}
	header := "Content-Type: text/plain\r\n\r\n"
	if markup.Match(data[:min(len(data), 4096)]) {
		header = "Content-Type: text/html\r\n\r\n"
	}
	return Read(append([]byte(header), data...), o, l)
}

var (
	// headerLine opens a message: a field that every message may have, not any word with a colon, which a form's first line is too.
	headerLine = regexp.MustCompile(`(?i)^(from|to|cc|subject|date|received|return-path|delivered-to|message-id|mime-version|content-type|content-transfer-encoding|reply-to|sender|x-[a-z0-9-]+|dkim-signature|authentication-results|arc-[a-z-]+|list-[a-z-]+|in-reply-to|references|auto-submitted|precedence|importance|thread-[a-z]+|envelope-to):`)
	mbox       = regexp.MustCompile(`^>?From \S+`)
	markup     = regexp.MustCompile(`(?i)<(html|body|div|table|p|br|span|pre|dl|ul)\b`)
)

// isMessage says whether data begins with the header of a message and goes on with an empty line.
func isMessage(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.TrimLeft(data, "\r\n")
	if mbox.Match(data[:min(len(data), 200)]) {
		return true
	}
	known := 0
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		switch {
		case len(line) == 0:
			return known > 0
		case headerLine.Match(line):
			known++
		case line[0] == ' ' || line[0] == '\t':
		case known == 0:
			return false
		}
		data = rest
		if known >= 3 {
			return true
		}
	}
	return known > 0
}
