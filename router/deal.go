package router

import (
	"context"
	"crypto/rand"
	"slices"
	"time"
)

// Assign is the manual pick: it wins and is never overwritten by the rotation. It counts as a turn unless configured not to.
func (r *Router) Assign(ctx context.Context, id, to, reason, by, actor string) (*Lead, error) {
	store, f, err := r.judge(ctx, id, reason, "")
	if err != nil {
		return nil, err
	}
	if _, ok := f.Person(to); !ok {
		return nil, fault("owner", "nobody of id %q at store %s", to, f.ID)
	}
	call := token()
	return retry(ctx, func() (*Lead, error) {
		l, err := r.standing(ctx, id)
		if err != nil {
			return nil, err
		}
		if l.State.Closed() || !l.Personal {
			return nil, fault("owner", "lead %s is closed as %s", l.ID, l.State)
		}
		if l.Owner == to && l.State != Waiting {
			if l.Picked {
				return l, nil // asked for again
			}
			return r.pin(ctx, l, call, reason, by, actor)
		}
		now := r.store.Now()
		if _, err := r.store.Deal(ctx, store, &Dealing{
			Now: now, Lead: l.ID, Version: l.Version, Kind: KindAssigned, To: to, Charge: !f.Routing.ManualTurnsFree && f.onRoster(to),
			Reason: reason, By: by, Actor: actor, Floor: f.candidates(now), CatchUp: f.Routing.CatchUpMax,
			Timers: f.redealt(l, now, false), Waited: waited(l, now).Seconds(), Bucket: f.bucket(waited(l, now)),
		}); err != nil {
			return nil, err
		}
		return r.store.Lead(ctx, l.ID)
	})
}

// pin makes a pick of the owner that a lead has: no turn, since nothing is dealt, and no clock starts anew; but the rotation takes it away no
// more.
func (r *Router) pin(ctx context.Context, l *Lead, call, reason, by, actor string) (*Lead, error) {
	after := *l
	after.Picked, after.Timers.Reassign = true, time.Time{}
	now := r.store.Now()
	if _, err := r.store.Put(ctx, l.Store, &Change{
		Now: now, Token: call, Before: l, After: &after,
		Event: Event{Kind: KindAssigned, At: now, Lead: l.ID, By: by, Actor: actor, Deal: &Deal{To: l.Owner, Reason: reason}},
	}); err != nil {
		return nil, err
	}
	return r.store.Lead(ctx, l.ID)
}

func (f *Rooftop) onRoster(id string) bool {
	return slices.ContainsFunc(f.Roster, func(s Salesperson) bool { return s.ID == id })
}

// redealt are the timers of a lead that gets a new owner now. A manual pick is never taken away by the rotation.
func (f *Rooftop) redealt(l *Lead, now time.Time, again bool) Timers {
	t := f.timers(l.ArrivedAt, now, l.asks())
	t.Due, t.Close = l.Timers.Due, l.Timers.Close
	if !l.Untouched() {
		t.Warn, t.Reassign = time.Time{}, time.Time{}
	}
	if l.Running.Response.IsZero() {
		t.PersonDue = time.Time{}
	}
	if !again {
		t.Reassign = time.Time{}
	}
	return t
}

// waited is how long a held lead's clock to assignment has run.
func waited(l *Lead, now time.Time) time.Duration {
	start := l.ArrivedAt
	if !l.Running.Attempt.IsZero() {
		start = l.Running.Attempt
	}
	return max(0, now.Sub(start))
}

// token is an identity for a call that has none.
func token() string { return rand.Text() }
