// Package ingest takes one message its whole way: where the lead is, what it says, whose it is, and what became of the message.
// It knows the format and the business; it does not know IMAP, Redis or Prometheus.
package ingest

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// Fate is what became of a message at one Place. It is set once.
type Fate string

// The fates of a message.
const (
	FateLead        Fate = "lead"        // a new lead
	FateTouch       Fate = "touch"       // a returning customer's
	FateDuplicate   Fate = "duplicate"   // the same enquiry again
	FateReplay      Fate = "replay"      // the same message again, in another place
	FateOther       Fate = "other"       // no lead in it
	FateQuarantined Fate = "quarantined" // it claims to hold a lead that could not be read, or broke a limit or a trust rule
	FateSkipped     Fate = "skipped"     // older than the mailbox's start
	FateGone        Fate = "gone"        // expunged before it was read
)

// Fates lists every Fate.
var Fates = []Fate{FateLead, FateTouch, FateDuplicate, FateReplay, FateOther, FateQuarantined, FateSkipped, FateGone}

// Place is where a message lies. A UID means something only beside its UIDVALIDITY (RFC 9051, section 2.3.1.1).
type Place struct {
	Mailbox     string // the configured name
	UIDValidity uint32
	UID         uint32
}

// String is how a place is shown to people, and kept.
func (p Place) String() string {
	return p.Mailbox + "/" + strconv.FormatUint(uint64(p.UIDValidity), 10) + "/" + strconv.FormatUint(uint64(p.UID), 10)
}

// Message is one mail as delivered.
type Message struct {
	Place   Place
	Arrived time.Time // IMAP INTERNALDATE
	Raw     []byte
	// TooLarge says that the mail is over the size limit and Raw holds at most its beginning.
	TooLarge bool
	// Apart says that it was in hand each time when several processes ended without a word. Maybe it was their end: it is to
	// be read in a process of its own.
	Apart bool
	// Was is the fate that its place has, where it is asked about again because the store may have forgotten; else empty. It stands where
	// the store forgot nothing, whatever became of the message since: a quarantined one may have been released.
	Was Fate
	// Last says that it is not handed over again: it cannot wait, and ErrLater is no answer.
	Last bool
}

// ErrLater says that a message cannot be decided yet for a reason of its own, such as a DNS that does not answer for its sender. Others can.
var ErrLater = errors.New("cannot be decided yet")

// An Outcome is what became of one of several messages. An error means that nobody knows: the message stays unsettled and is handed over
// again later. It wraps ErrLater where that says nothing about other messages.
type Outcome struct {
	Fate Fate
	Err  error
}

// A Handler decides messages of one mailbox.
type Handler interface {
	// Open begins to read messages, beside whatever else is done and no further ahead of their decisions than memory allows.
	Open(ctx context.Context, all []Message) Batch
}

// A Batch are messages on their way to their decisions. One goroutine at a time uses it; others may be opened meanwhile.
type Batch interface {
	// Decide decides messages in order, some in each call, and returns only when the decisions are stored. It gives an outcome for each that
	// it came to, at least for the first of those that are left; of these only the last may have failed.
	Decide(ctx context.Context) []Outcome
	// Close leaves what was not decided. It may be called again.
	Close()
}
