package router

import (
	"context"
	"fmt"
	"time"
)

// Restored tells a store that its keys came back from a backup: a new epoch begins, in which counters may be lower than before. Everything
// that holds the store opens it anew, and mailboxes are gone over again. Warnings and re-deals that fell due meanwhile start anew from now,
// for nobody knows what was done about those leads since the backup. It returns how many leads that were.
func (r *Router) Restored(ctx context.Context, rooftop, actor string) (leads int, err error) {
	f, _, err := r.open(ctx, rooftop)
	if err != nil {
		return 0, err
	}
	const all = 1 << 30
	timers, err := r.store.Fallen(ctx, rooftop, r.store.Now(), all)
	if err != nil {
		return 0, err
	}
	for _, t := range timers {
		moved, err := retry(ctx, func() (bool, error) { return r.restart(ctx, f, t.Lead, actor) })
		if err != nil {
			return leads, fmt.Errorf("start the timers of lead %s anew: %w", t.Lead, err)
		}
		if moved {
			leads++
		}
	}
	if err := r.store.Restored(ctx, rooftop, actor); err != nil {
		return leads, fmt.Errorf("begin a new epoch of store %s: %w", rooftop, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.hashers, rooftop) // it is opened anew
	return leads, nil
}

// restart gives an owner the whole time again.
func (r *Router) restart(ctx context.Context, f *Rooftop, lead, actor string) (bool, error) {
	before, err := r.store.Lead(ctx, lead)
	if err != nil {
		return false, err
	}
	now := r.store.Now()
	after, anew := *before, f.timers(before.ArrivedAt, now, before.asks())
	late := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if late(after.Timers.Warn) {
		after.Timers.Warn = anew.Warn
	}
	if late(after.Timers.Reassign) {
		after.Timers.Reassign = anew.Reassign
	}
	if after.Timers == before.Timers {
		return false, nil
	}
	_, err = r.store.Put(ctx, f.ID, &Change{
		Now: now, Token: "restored/" + lead + "/" + millis(now), Before: before, After: &after,
		Event: Event{Kind: KindRestored, At: now, Lead: lead, Actor: actor},
	})
	return true, err
}
