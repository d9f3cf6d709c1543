package router

import (
	"context"
	"fmt"
	"time"
)

// busyFor is how long busy lasts unless told.
const busyFor = time.Hour

// Floor tells who is on, who is next and why.
func (r *Router) Floor(ctx context.Context, rooftop string) (FloorNow, error) {
	return r.floor(ctx, rooftop, FloorCall{})
}

// SetFloor sets somebody on, off or busy by hand, or back to the schedule with Auto. A zero until lasts until Auto; busy ends after an hour.
func (r *Router) SetFloor(ctx context.Context, rooftop, who string, s Status, until time.Time, by, actor string) (FloorNow, error) {
	f, _, err := r.open(ctx, rooftop)
	if err != nil {
		return FloorNow{}, err
	}
	if !f.onRoster(who) {
		return FloorNow{}, fmt.Errorf("person %q at store %s: %w", who, rooftop, ErrNotFound)
	}
	now := r.store.Now()
	switch s {
	case On, Off, Auto:
	case Busy:
		if until.IsZero() {
			until = now.Add(busyFor)
		}
	default:
		return FloorNow{}, fault("status", "unknown status %q: want on, off, busy or auto", s)
	}
	if !until.IsZero() && !until.After(now) {
		return FloorNow{}, fault("until", "lies in the past")
	}
	n, err := r.floor(ctx, rooftop, FloorCall{Who: who, Status: s, Until: until, By: by, Actor: actor})
	if err != nil {
		return FloorNow{}, err
	}
	// Whoever waited longest need not wait for the next tick.
	if dealt, err := r.dealWaiting(ctx, f, n); err != nil || dealt == 0 {
		return n, err
	}
	return r.floor(ctx, rooftop, FloorCall{})
}

func (r *Router) floor(ctx context.Context, rooftop string, c FloorCall) (FloorNow, error) {
	f, _, err := r.open(ctx, rooftop)
	if err != nil {
		return FloorNow{}, err
	}
	c.Now = r.store.Now()
	c.Floor, c.CatchUp = f.candidates(c.Now), f.Routing.CatchUpMax
	n, err := r.store.Floor(ctx, rooftop, &c)
	if err := r.forget(rooftop, err); err != nil {
		return FloorNow{}, fmt.Errorf("floor of %s: %w", rooftop, err)
	}
	for i, p := range n.People {
		if x, ok := f.Person(p.ID); ok {
			n.People[i].Name = x.Name
		}
	}
	if n.Next != "" {
		for _, p := range n.People {
			if p.ID == n.Next {
				n.Why = fmt.Sprintf("lowest pass of the eligible, %.4g; of equal passes the one whose last turn is longest ago", p.Pass)
			}
		}
	} else {
		n.Why = fmt.Sprintf("nobody is eligible; %s holds new leads", f.Holder())
	}
	return n, nil
}
