package router

import (
	"bytes"
	"time"
	"unicode"
)

// Channel is how a lead came.
type Channel string

// The channels.
const (
	Email   Channel = "email"
	HTTP    Channel = "http"
	PhoneUp Channel = "phone"
	WalkIn  Channel = "walk-in"
)

// Valid says whether c is one of the channels.
func (c Channel) Valid() bool {
	switch c {
	case Email, HTTP, PhoneUp, WalkIn:
		return true
	}
	return false
}

// DeskSales is the desk that the rotation serves.
const DeskSales = "sales"

// An Arrival is one enquiry as it came in. The same Token at the same store is the same arrival, however often it is taken.
type Arrival struct {
	Token   string // identity: what the message is and which of its leads this is; opaque, never personal data
	Place   string // where it was read; the same token from another place is a replay
	Channel Channel
	Source  string // a slug, see Slug
	Desk    string // empty means DeskSales
	At      time.Time
	Enquiry Enquiry
	Most    int    // bytes of the enquiry as it is kept: a longer one is not taken, but ErrTooLong; 0: no bound
	By      string // who entered it by hand
	Actor   string // the acting token's name
	Named   string // the salesperson whom the enquiry names, as written: recorded, and ignored unless Trusted
	Trusted bool   // the source may name the salesperson: a pick that counts as a turn, where the person is on the roster and not off
	Owner   string // id of whose a new lead is whatever the floor says, with a turn; of history without
	Message string // the mail's Message-ID, for threads
	Note    string
	// History says that it came before the store worked with the daemon: it is recorded for who the customer is and was with, and never
	// dealt, told or timed.
	History bool
	// Written is when the customer wrote, where At does not say: what was written before a customer was forgotten is not taken.
	Written time.Time
}

// Disposition is what an arrival turned out to be.
type Disposition string

// The dispositions.
const (
	DispositionNew       Disposition = "new"
	DispositionTouch     Disposition = "touch"
	DispositionDuplicate Disposition = "duplicate"
	DispositionReplay    Disposition = "replay"
	DispositionExpired   Disposition = "expired"   // history of longer ago than what is personal is kept: it is not taken
	DispositionForgotten Disposition = "forgotten" // of before its customer was forgotten: it is not taken
	DispositionHistory   Disposition = "history"   // of a touch: recorded as history; its arrival is told as new or touch
)

// Slug turns a name into a source: at most 40 of [a-z0-9-], or "unknown".
func Slug(name string) string {
	const most = 40
	b := make([]byte, 0, most+1)
	dash := false
	for _, r := range name {
		switch r = unicode.ToLower(r); {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			if dash && len(b) > 0 {
				b = append(b, '-')
			}
			dash = false
			b = append(b, byte(r))
		default:
			dash = true
		}
		if len(b) >= most {
			break
		}
	}
	b = bytes.TrimSuffix(b[:min(len(b), most)], []byte("-"))
	if len(b) == 0 {
		return "unknown"
	}
	return string(b)
}
