package ingest

import (
	"context"
	"fmt"
	"time"

	"leadfloor/adf/mail"
	"leadfloor/router"
)

// Trust is what a mailbox asks of those whose leads it takes. It is asked of messages with leads alone: what holds none is other,
// whoever sent it. The zero Trust asks nothing.
type Trust struct {
	From           []string       // patterns of senders whose mail must be a lead; they have no Limit
	Authentication Authentication // whether something must vouch for the sender
	Server         string         // the authserv-id whose Authentication-Results are believed; empty: nobody's
	Limit          router.Limit   // for each other sender's organization
	Salesperson    []string       // sources whose leads go to the salesperson whom they name, unless the sender is doubted
}

// Authentication says what becomes of a message for whose sender neither the receiving server nor a signature vouches.
type Authentication string

// The levels of Authentication. The empty one is Off.
const (
	Off     Authentication = "off"     // nobody looks
	Warn    Authentication = "warn"    // it is taken, counted and told in the log
	Require Authentication = "require" // it is held
)

// checks says whether something is to vouch for senders.
func (t *Trust) checks() bool { return t.Authentication == Warn || t.Authentication == Require }

// asks says whether leads are not taken as they come.
func (t *Trust) asks() bool { return t.checks() || t.Limit.Per != 0 }

// reasonRate says that a sender had sent as much as is taken of it.
const reasonRate = "rate"

// patience is how long a message waits for a DNS that does not answer for its sender, from its arrival or from when DNS first
// failed. Then it is held, where a manager sees it: nobody calls a customer whose mail waits in silence.
const patience = time.Hour

// distrust holds a message with leads that its mailbox does not trust. The fate is empty where it is to be taken.
func (d *delivery) distrust(ctx context.Context, r *Reading) (Fate, error) {
	t := &d.feed.Trust
	if !t.asks() {
		return "", nil
	}
	// What DNS and the clock say may be another thing tomorrow, so what was decided before stands.
	before, ok, err := d.business.Decided(ctx, d.feed.Store, d.token, d.place)
	if err != nil {
		return "", err
	}
	if ok {
		return d.fateOf(before), nil
	}
	store, _ := d.route(r.Mail, &r.Leads[0])
	if store == "" {
		store = d.feed.Store
	}
	if _, ok, err = d.business.Decided(ctx, store, d.token+"/0", d.place); ok || err != nil {
		return "", err
	}
	doubt := ""
	if t.checks() {
		if doubt, err = d.doubt(ctx); err != nil {
			return "", err
		}
	}
	switch {
	case doubt == "":
	case doubt == reasonPanic, t.Authentication == Require:
		return d.park(ctx, d.feed.Store, FateQuarantined, doubt, "")
	default:
		d.doubted = true
		d.log.Warn("lead taken though nothing vouches for its sender", "place", d.place, "doubt", doubt)
	}
	if t.Limit.Per == 0 || doubt == "" && matchAny(t.From, senders(r.Mail)) {
		return "", nil
	}
	sender := ""
	if from := senders(r.Mail); len(from) > 0 {
		sender = mail.Organization(from[0])
	}
	room, err := d.business.Admit(ctx, d.feed.Store, sender, d.token, d.msg.Arrived, t.Limit)
	if err != nil || room {
		return "", err
	}
	return d.park(ctx, d.feed.Store, FateQuarantined, reasonRate, "")
}

// doubt says why nothing vouches for the sender, or nothing where something does.
func (d *delivery) doubt(ctx context.Context) (doubt string, err error) {
	defer func() {
		if recover() != nil {
			doubt, err = d.panicked(), nil
		}
	}()
	t := &d.feed.Trust
	if d.apart != nil {
		doubt = d.apart.Doubt
	} else {
		doubt = mail.Doubt(ctx, d.msg.Raw, t.Server, d.keys)
	}
	if doubt == mail.DoubtUnchecked && t.Authentication == Require && !d.msg.Last {
		now := d.business.Now()
		d.since.CompareAndSwap(0, now.UnixMilli())
		if now.Sub(d.msg.Arrived) < patience || now.Sub(time.UnixMilli(d.since.Load())) < patience {
			return "", fmt.Errorf("%w: dns does not answer for its sender", ErrLater)
		}
	}
	if doubt != "" {
		d.observer.Doubted(d.msg.Place.Mailbox, doubt)
	}
	return doubt, nil
}
