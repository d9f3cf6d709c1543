package ingest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"leadfloor/adf/mail"
	"leadfloor/router"
)

// Released is what became of a message that was held.
type Released struct {
	Taken []router.Taken // its leads, in the order of the message; none where their customers were forgotten since
	Held  int            // leads in it that nobody can reach: each stays held, by itself
}

// A HeldError says that no lead could be taken from a message, so that it stays held.
type HeldError struct {
	Reason string // why, one of the codes for which messages are held
}

func (e *HeldError) Error() string {
	why := "it still cannot be read (" + e.Reason + ")"
	switch e.Reason {
	case reasonUnreachable:
		why = "nobody in it can be called or written to"
	case reasonNoLead:
		why = "there is no lead in it"
	case mail.SuspectSize:
		why = "it is larger than the limit, and only its beginning was read"
	}
	return why + "; enter the lead by hand, or discard the message"
}

// ErrGone says that the bytes of a held message are nowhere.
var ErrGone = errors.New("its bytes are not kept here, and it is no longer in its mailbox; enter the lead by hand, or discard the message")

// A release is what makes a delivery one.
type release struct {
	store     string // that holds the message, and gets what no route takes
	part      int    // the one lead of the message that is held; -1: the message is
	by, actor string
}

// wants says whether a lead of the message is to be taken: all are where it is no release.
func (r *release) wants(n int) bool { return r == nil || r.part < 0 || r.part == n }

// Release takes the leads of a held message as if they had come now, but for two things: they arrived when the message did, and nobody needs
// to vouch for its sender, since a person has looked: by, or the acting token's name. Repeating it, after a crash or from two places at
// once, gives the same leads.
//
// The error is a *HeldError, or wraps ErrGone, where there was nothing to take and nothing has changed; it wraps router.ErrNotFound where
// nothing is held under the id, is a *router.EndedError where the message was discarded, a *router.FaultError where by is nobody's, or means
// that nobody knows: release it again.
func (i *Intake) Release(ctx context.Context, store, id, by, actor string) (*Released, error) {
	out, err := i.giveFree(ctx, store, id, by, actor)
	if ended := (*router.EndedError)(nil); errors.As(err, &ended) && ended.Event.Kind == router.KindReleased {
		return i.released(ctx, ended)
	}
	return out, err
}

// Look reads a message that is held, as its release would, and changes nothing. The errors are those of Release, but that a message which
// gives no lead is none; of what is larger than the limit there is no Reading.
func (i *Intake) Look(ctx context.Context, store, id string) (router.Parked, *Reading, error) {
	p, err := i.business.Held(ctx, store, id)
	if err != nil || p.Reason == mail.SuspectSize {
		return p, nil, err
	}
	d, r, _, err := i.reopen(ctx, store, id, &p)
	if err != nil {
		return p, nil, err
	}
	if r != nil {
		for n := range r.Leads {
			_, r.Leads[n], _ = d.lead(r, n)
		}
	}
	return p, r, nil
}

func (i *Intake) giveFree(ctx context.Context, store, id, by, actor string) (*Released, error) {
	p, err := i.business.Held(ctx, store, id)
	if err != nil {
		return nil, err
	}
	if p.Reason == mail.SuspectSize {
		return nil, &HeldError{p.Reason}
	}
	d, r, why, err := i.reopen(ctx, store, id, &p)
	if err != nil {
		return nil, err
	}
	d.release.by, d.release.actor = by, actor
	if why == "" {
		why = d.barren(r)
	}
	if why != "" {
		return nil, &HeldError{why}
	}
	lead := ""
	if d.release.part >= 0 {
		lead = tokenOfLead(d.token, d.release.part)
	}
	if err := i.business.BeginRelease(ctx, store, id, lead, by); err != nil {
		return nil, err
	}
	if _, err := d.leads(ctx, r); err != nil {
		return nil, err
	}
	out := &Released{Taken: d.taken, Held: d.held}
	var leads []string
	for _, t := range d.taken {
		leads = append(leads, t.Lead)
	}
	return out, i.business.Release(ctx, store, id, leads, by, actor)
}

// reopen reads a held message once more. The fault is why it cannot be read.
func (i *Intake) reopen(ctx context.Context, store, id string, p *router.Parked) (d *delivery, r *Reading, fault string, err error) {
	cfg := i.cfg.Load()
	d = &delivery{Intake: i, cfg: cfg, place: p.Where, msg: Message{Arrived: p.Arrived, Raw: p.Raw}, release: &release{store: store}, doubted: slices.Contains(mail.Doubts, p.Reason)}
	place := placeOf(p.Where)
	feed, known := cfg.Mailboxes[place.Mailbox]
	if d.feed = feed; !known && strings.HasPrefix(p.Where, importPlace) {
		d.file = &File{Where: strings.TrimPrefix(p.Where, importPlace)} // dealt with arrival now, as the rest of the file was
	}
	if d.msg.Raw == nil {
		if cfg.Reread == nil || !known {
			return nil, nil, "", ErrGone
		}
		ours := func(raw []byte) bool { _, ok, err := i.identify(ctx, store, id, raw); return ok && err == nil }
		if d.msg.Raw, err = cfg.Reread(ctx, place, p.Arrived, ours); err != nil {
			return nil, nil, "", err
		}
	}
	var ours bool
	if d.release.part, ours, err = i.identify(ctx, store, id, d.msg.Raw); err != nil {
		return nil, nil, "", err
	}
	if !ours {
		return nil, nil, "", fmt.Errorf("message %q: %w", id, ErrGone)
	}
	d.token = tokenOf(d.msg.Raw)
	d.msg.Apart = p.Reason == reasonDied
	r, fault, err = d.read(ctx)
	return d, r, fault, err
}

// released tells of a release that was before.
func (i *Intake) released(ctx context.Context, ended *router.EndedError) (*Released, error) {
	out := &Released{}
	for _, id := range ended.Leads() {
		t := router.Taken{Disposition: router.DispositionReplay, Lead: id, Again: true}
		l, err := i.business.Lead(ctx, id)
		switch {
		case err == nil:
			t.Owner, t.CoveredBy, t.State = l.Owner, l.CoveredBy, l.State
		case !errors.Is(err, router.ErrNotFound):
			return nil, err
		}
		out.Taken = append(out.Taken, t)
	}
	return out, nil
}

// tokenOf is a message's identity within a store.
func tokenOf(raw []byte) string {
	digest := mail.Digest(raw)
	return hex.EncodeToString(digest[:])
}

// tokenOfLead is the identity of one lead of a message.
func tokenOfLead(token string, n int) string { return token + "/" + strconv.Itoa(n) }

// mostParts is how many leads of a message are looked through for the one that is held.
const mostParts = 1000

// identify says whether a message, or which lead of it, is what is held under an id; part is -1 for the message.
func (i *Intake) identify(ctx context.Context, store, id string, raw []byte) (part int, ok bool, err error) {
	token := tokenOf(raw)
	for part = -1; part < mostParts; part++ {
		t := token
		if part >= 0 {
			t = tokenOfLead(token, part)
		}
		held, err := i.business.HeldID(ctx, store, t)
		if err != nil {
			return 0, false, err
		}
		if held == id {
			return part, true, nil
		}
	}
	return 0, false, nil
}

// barren says why there is no lead to be taken from what is to be released, or nothing where there is one.
func (d *delivery) barren(r *Reading) (reason string) {
	if len(r.Leads) == 0 {
		if r.Mail.Suspect != "" {
			return r.Mail.Suspect
		}
		return reasonNoLead
	}
	reason = reasonNoLead
	for n := range r.Leads {
		if !d.release.wants(n) {
			continue
		}
		if _, e, _ := d.lead(r, n); e.Reachable() {
			return ""
		}
		reason = reasonUnreachable
	}
	return reason
}

// importPlace begins the place of a message that did not come from a mailbox.
const importPlace = "import/"

// placeOf reads what Place.String wrote, and gives no place for anything else.
func placeOf(s string) (p Place) {
	rest, uid := cutLast(s)
	name, validity := cutLast(rest)
	u, err := strconv.ParseUint(uid, 10, 32)
	v, verr := strconv.ParseUint(validity, 10, 32)
	if err != nil || verr != nil {
		return Place{}
	}
	return Place{Mailbox: name, UIDValidity: uint32(v), UID: uint32(u)}
}

func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, '/')
	return s[:max(0, i)], s[i+1:]
}
