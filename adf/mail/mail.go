// Package mail finds the lead in a raw email: in its body, its parts and attachments, as ADF or as a notification in plain words.
// It knows MIME and the format; it knows neither IMAP nor the business.
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

// Mail is what was read from one message.
type Mail struct {
	Kind        Kind
	Header      Header
	Prospects   []adf.Prospect // in the order of the message; each document once, even where text and HTML repeat it
	Channel     string         // set by the template of a source whose mail reports something else, such as phone; else empty
	Source      string         // the name of the template that read a text lead; else empty
	Text        string         // the readable body, bounded, for people
	Suspect     string         // where Kind is None: why it still claims to hold a lead (a stable code such as adf-unreadable, star-bod, limit-depth); else empty
	Diagnostics []adf.Diagnostic
}
