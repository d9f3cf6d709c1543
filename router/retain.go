package router

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Retention is how long what can be erased is kept; 0 is for ever.
type Retention struct {
	Quarantined time.Duration // a message without a lead, from when it was put aside
	Personal    time.Duration // what is personal of a lead, from the last that happened about it
	Events      time.Duration // the log, from when it was written; older events are sealed
}

const (
	retainEvery = time.Minute // how often it is looked for what has been kept long enough
	retainBatch = 50          // how much of it is erased at a time
)

// retain erases what has been kept long enough, some of it at a time. Any replica may do it; each thing is erased once.
func (r *Router) retain(ctx context.Context, f *Rooftop) error {
	now := r.store.Now()
	r.mu.Lock()
	next := r.retained[f.ID]
	if !now.Before(next) {
		r.retained[f.ID] = now.Add(retainEvery)
	}
	r.mu.Unlock()
	if now.Before(next) {
		return nil
	}
	more := false
	if keep := f.Retention.Quarantined; keep > 0 {
		n, err := r.store.Sweep(ctx, f.ID, now, now.Add(-keep), retainBatch)
		if err != nil {
			return fmt.Errorf("erase what is no longer quarantined: %w", err)
		}
		more = n == retainBatch
	}
	if f.Retention.Personal > 0 {
		n, err := r.age(ctx, f, now)
		if err != nil {
			return fmt.Errorf("erase what is no longer to be kept of a lead: %w", err)
		}
		more = more || n == retainBatch
	}
	if f.Retention.Events > 0 {
		if err := r.sealEvents(ctx, f, now); err != nil {
			return fmt.Errorf("seal what is no longer to be kept of the log: %w", err)
		}
	}
	if more {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.retained[f.ID] = now // the rest at the next tick
	}
	return nil
}

// age erases what is personal of leads about which nothing has happened for long enough, and returns how many it looked at.
func (r *Router) age(ctx context.Context, f *Rooftop, now time.Time) (int, error) {
	h, err := r.hasher(ctx, f.ID)
	if err != nil {
		return 0, err
	}
	ids, mark, err := r.store.Aging(ctx, f.ID, now, f.Retention.Personal, retainBatch)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	later := map[string]time.Time{}
	for _, id := range ids {
		l, err := r.store.Lead(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if until := l.last().Add(f.Retention.Personal); l.Personal && until.After(now) {
			later[id] = until
			continue
		}
		// Mail this old is not taken as history again, so that no trace of the person need stay.
		if _, err := r.erase(ctx, f, h, id, Event{Detail: map[string]string{"reason": "retention"}}, false); err != nil {
			return 0, err
		}
	}
	return len(ids), r.store.Aged(ctx, f.ID, ids, later, mark)
}

// last is when something last happened about a lead.
func (l *Lead) last() time.Time {
	at := l.ArrivedAt
	if l.Activity.After(at) {
		at = l.Activity
	}
	if l.Assigned != nil && l.Assigned.After(at) {
		at = *l.Assigned
	}
	return at
}
