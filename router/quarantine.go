package router

import (
	"context"
	"fmt"
	"time"
)

// Decided says what a message or an arrival of this token was taken for before, if it was; the place tells whether that was here.
func (r *Router) Decided(ctx context.Context, rooftop, token, place string) (Taken, bool, error) {
	if _, err := r.Rooftop(rooftop); err != nil {
		return Taken{}, false, err
	}
	h, err := r.hasher(ctx, rooftop)
	if err != nil {
		return Taken{}, false, err
	}
	taken, ok, err := r.store.Decided(ctx, rooftop, h.Token(token), h.Place(place))
	if err != nil {
		return Taken{}, false, fmt.Errorf("look up a message at %s: %w", rooftop, err)
	}
	return taken, ok, nil
}

// A Limit is how many messages of one sender are taken within a time. The zero Limit is none.
type Limit struct {
	Messages int
	Per      time.Duration
}

// Admit counts a message that arrived at the given instant within its sender's limit, and says whether there was room; where there was
// none nothing is counted. The same token is counted once.
func (r *Router) Admit(ctx context.Context, rooftop, sender, token string, at time.Time, l Limit) (bool, error) {
	if _, err := r.Rooftop(rooftop); err != nil {
		return false, err
	}
	h, err := r.hasher(ctx, rooftop)
	if err != nil {
		return false, err
	}
	ok, err := r.store.Admit(ctx, rooftop, &Admission{Sender: h.sum("sender", sender)[:8], Token: h.Token(token), At: at, Limit: l})
	if err != nil {
		return false, fmt.Errorf("count a message at %s: %w", rooftop, err)
	}
	return ok, nil
}
