package ingest

import (
	"context"
	"slices"
	"time"

	"leadfloor/router"
)

// A File is a message that somebody has at hand: a whole mail, or an ADF document.
type File struct {
	Where    string // for people: the name of the file and where in it
	Raw      []byte
	TooLarge bool      // Raw holds its beginning alone
	Time     time.Time // when it came, should it not say itself
	// History says that it is recorded alone. Else it is dealt, with arrival now.
	History bool
}

// Import decides a message from a file for a store, as Handle does one of a mailbox: the same message is the same wherever it is found. Of
// history only leads are kept. The reasons say why it, or a part of it, is held or holds no lead.
func (i *Intake) Import(ctx context.Context, store string, f File) (fate Fate, reasons []string, err error) {
	cfg := i.cfg.Load()
	feed := Feed{Store: store}
	for _, x := range cfg.Mailboxes {
		if x.Store == store {
			feed.Trust.From = append(feed.Trust.From, x.Trust.From...)
		}
	}
	d := delivery{
		Intake: i, cfg: cfg, feed: feed, file: &f, place: importPlace + f.Where, msg: Message{Arrived: f.Time, Raw: f.Raw, TooLarge: f.TooLarge},
	}
	fate, err = d.finish(ctx)
	return fate, slices.Compact(d.reasons), err
}

// arrive says when a lead of the file came: when the last server took its mail in, or by the mail's own date, or as an ADF document without
// a mail says.
func (f *File) arrive(a *router.Arrival, r *Reading) {
	h := &r.Mail.Header
	at := f.Time
	asked, err := time.Parse(time.RFC3339Nano, a.Enquiry.RequestedAt)
	switch {
	case !h.Received.IsZero():
		at = h.Received
	case !h.Date.IsZero():
		at = h.Date
	case err == nil:
		at = asked
	}
	a.At, a.History, a.Written = time.Time{}, f.History, at // now
	if f.History {
		a.At = at
	}
}
