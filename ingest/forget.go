package ingest

import (
	"context"
	"errors"
	"slices"

	"leadfloor/router"
)

// mostHeld bounds how many held messages are looked through.
const mostHeld = 100_000

// Forget erases the person who asks in a lead, as the business does, and before that discards the held messages that are theirs alone: once
// the person is erased nobody could tell. Those that hold others too are kept, and told.
func (i *Intake) Forget(ctx context.Context, lead, reason, by, actor string) (*router.Erased, error) {
	store, err := i.business.StoreOf(lead)
	if err != nil {
		return nil, err
	}
	theirs, err := i.business.Person(ctx, lead)
	if err != nil {
		return nil, err
	}
	held, err := i.business.Parked(ctx, store, true, mostHeld)
	if err != nil {
		return nil, err
	}
	var mails []router.MailPlace
	shared := []string{}
	for _, p := range held {
		if !p.Kept {
			continue // nothing of the message is here
		}
		_, r, err := i.Look(ctx, store, p.ID)
		switch {
		case errors.Is(err, router.ErrNotFound), errors.Is(err, router.ErrConflict), errors.Is(err, ErrGone):
			continue // it ended in the meantime
		case err != nil:
			return nil, err
		case r == nil:
			continue
		}
		others := func(e router.Enquiry) bool { return !theirs(&e) }
		if len(r.Leads) == 0 || !slices.ContainsFunc(r.Leads, func(e router.Enquiry) bool { return theirs(&e) }) {
			continue
		}
		if slices.ContainsFunc(r.Leads, others) {
			shared = append(shared, p.ID)
			continue
		}
		err = i.business.Discard(ctx, store, p.ID, reasonForgotten, by, actor)
		fault := (*router.FaultError)(nil)
		switch {
		case errors.As(err, &fault) && fault.Field != "":
			return nil, err
		case fault != nil, errors.Is(err, router.ErrNotFound), errors.Is(err, router.ErrConflict):
			continue // it is being released: what comes of it is erased below, or does not come back
		case err != nil:
			return nil, err
		}
		if at := placeOf(p.Where); at != (Place{}) {
			mails = append(mails, router.MailPlace{Mailbox: at.Mailbox, UIDValidity: at.UIDValidity, UID: at.UID})
		}
	}
	done, err := i.business.Forget(ctx, lead, reason, by, actor)
	if err != nil {
		return nil, err
	}
	done.Mails, done.Held = append(done.Mails, mails...), shared
	return done, nil
}
