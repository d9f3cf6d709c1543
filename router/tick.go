package router

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// mostFires is how often one timer may be met in a tick, until the index of the timers is not believed: other stores wait meanwhile.
const mostFires = 20

// Tick does what has fallen due at a rooftop: who came on or went off by schedule, held leads, warnings, re-deals, deadlines. Any replica
// may tick at any time; each thing happens once. It returns how much it did.
func (r *Router) Tick(ctx context.Context, rooftop string) (done int, err error) {
	f, _, err := r.open(ctx, rooftop)
	if err != nil {
		return 0, err
	}
	floor, err := r.floor(ctx, rooftop, FloorCall{})
	if err != nil {
		return 0, err
	}
	n, err := r.dealWaiting(ctx, f, floor)
	done += n
	if err != nil {
		return done, err
	}
	seen := map[Timer]int{}
	for ctx.Err() == nil {
		now := r.store.Now()
		timers, err := r.store.Fallen(ctx, rooftop, now, 100)
		if err != nil {
			return done, err
		}
		if len(timers) == 0 {
			return done, r.retain(ctx, f)
		}
		for _, t := range timers {
			if seen[t]++; seen[t] > mostFires {
				return done, fmt.Errorf("timer of lead %s: it went off %d times and is still there: leadfloor rebuild --store %s", t.Lead, mostFires, rooftop)
			}
			more, err := r.fire(ctx, f, t)
			if err != nil {
				return done, fmt.Errorf("timer of lead %s: %w", t.Lead, err)
			}
			done++
			if more {
				break // it may come before what is due of others
			}
		}
	}
	return done, ctx.Err()
}

// dealWaiting deals held leads, oldest first, spaced.
func (r *Router) dealWaiting(ctx context.Context, f *Rooftop, floor FloorNow) (done int, err error) {
	if floor.Waiting == 0 || floor.Next == "" {
		return 0, nil
	}
	for ctx.Err() == nil {
		id, err := r.store.FirstWaiting(ctx, f.ID)
		if err != nil || id == "" {
			return done, err
		}
		l, err := r.store.Lead(ctx, id)
		if err != nil {
			return done, err
		}
		now := r.store.Now()
		kind := KindDealt
		if len(l.Missed) > 0 {
			kind = KindRedealt
		}
		d, err := r.store.Deal(ctx, f.ID, &Dealing{
			Now: now, Lead: id, Version: l.Version, Kind: kind, Exclude: l.Missed, Hold: f.Holder(), Charge: true, Reason: "held until somebody was on",
			Floor: f.candidates(now), CatchUp: f.Routing.CatchUpMax, Timers: f.redealt(l, now, true), Waited: waited(l, now).Seconds(), Bucket: f.bucket(waited(l, now)), Spacing: f.Routing.OpeningSpacing,
		})
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil || d.Owner == "" {
			return done, err
		}
		done++
	}
	return done, ctx.Err()
}

// fire does what a timer asks for, and says whether more of the same lead fell due. Whoever comes second finds the lead changed and the
// timer gone.
func (r *Router) fire(ctx context.Context, f *Rooftop, t Timer) (more bool, err error) {
	return retry(ctx, func() (bool, error) {
		l, err := r.store.Lead(ctx, t.Lead)
		if err != nil {
			return false, err
		}
		code, at := l.Timers.Next()
		if !at.Equal(t.At) {
			return false, nil // another replica was quicker, or it was moved
		}
		now := r.store.Now()
		for c, x := range l.Timers.byCode() {
			more = more || c != code && !x.IsZero() && !x.After(now)
		}
		if code == "r" {
			return more, r.redeal(ctx, f, l, now)
		}
		c := f.due(l, code, at, now)
		if err := r.owe(ctx, f, c); err != nil {
			return false, err
		}
		_, err = r.store.Put(ctx, f.ID, c)
		return more, err
	})
}

// due is the change that a warning or a deadline makes.
func (f *Rooftop) due(before *Lead, code string, at, now time.Time) *Change {
	after := *before
	c := &Change{Now: now, Token: before.call(code), Before: before, After: &after, Counts: map[string]int64{}}
	c.Event = Event{Kind: KindDue, At: now, Lead: before.ID, Detail: map[string]string{}}
	met := before.answered(at)
	switch code {
	case "w":
		after.Timers.Warn = time.Time{}
		c.Event.Kind, c.Event.By = KindWarned, before.Owner
		c.Event.Detail["reason"] = "untouched for " + f.Routing.after(f.Routing.Pace(before.asks()).WarnAfter, before.asks())
	case "d":
		after.Timers.Due = time.Time{}
		c.Counts[CountDue+"|"+before.Label]++
		c.Event.Detail["of"] = "store"
		if !met {
			c.Counts[CountMissed+"|"+before.Label]++
		}
	case "p":
		after.Timers.PersonDue = time.Time{}
		c.Counts[CountPersonDue+"|"+before.Owner]++
		c.Event.Detail["of"], c.Event.By = "person", before.Owner
		if !met {
			c.Counts[CountPersonMissed+"|"+before.Owner]++
		}
	case "x":
		after.Timers.Close = time.Time{}
		ev := Evidence{Seq: PendingSeq, Kind: KindUnsold, At: now, By: before.Owner, How: Seen}
		old := live(before.Touches, before.Evidence)
		after.Evidence = append(append([]Evidence(nil), before.Evidence...), ev)
		l := live(after.Touches, after.Evidence)
		f.follow(&after, l, now)
		f.count(c, old, l, ev)
		c.Event.Kind, c.Event.By = KindUnsold, before.Owner
	}
	if c.Event.Kind == KindDue {
		c.Event.Detail["met"] = fmt.Sprint(met)
	}
	return c
}

// call is the identity of what a timer does to the lead as it now is. Its instant would not do: a later enquiry may be due at the very same,
// as all are that came overnight.
func (l *Lead) call(code string) string { return fmt.Sprint(code, "/", l.ID, "/", l.Version) }

// answered says whether the clock to response that was due at the given instant was stopped by then.
func (l *Lead) answered(by time.Time) bool {
	if l.Running.Response.IsZero() {
		s, ok := l.Stops[ClockResponse]
		return !ok || !s.At.After(by)
	}
	return l.Running.Response.After(by) // a later enquiry started it anew
}

// protection is how long an owner who is at work on a lead keeps it.
const (
	protectAttempt = 4 * time.Hour
	protectContact = 7 * day
)

// protected is until when an owner who is at work on a lead keeps it.
func (l *Lead) protected() time.Time {
	old := live(l.Touches, l.Evidence)
	var until time.Time
	if !old.lastTry.IsZero() {
		until = old.lastTry.Add(protectAttempt)
	}
	if t := old.lastTalk.Add(protectContact); !old.lastTalk.IsZero() && t.After(until) {
		until = t
	}
	return until
}

// redeal takes an untouched lead from an owner who missed it: to the next, at most MaxRedeals times, then to a manager. While nobody is
// there, as at closing time, it is held like any other.
func (r *Router) redeal(ctx context.Context, f *Rooftop, l *Lead, now time.Time) error {
	pace := f.Routing.Pace(l.asks())
	if keeps := l.protected(); !l.Untouched() || keeps.After(now) || pace.ReassignAfter == 0 || l.Desk != DeskSales {
		after := *l
		after.Timers.Reassign = time.Time{}
		if l.Untouched() && keeps.After(now) && pace.ReassignAfter > 0 {
			after.Timers.Reassign = keeps // an owner at work on it keeps it, but not for ever
		}
		_, err := r.store.Put(ctx, f.ID, &Change{
			Now: now, Token: l.call("r"), Before: l, After: &after,
			Event: Event{Kind: KindWarned, At: now, Lead: l.ID, By: l.Owner, Detail: map[string]string{"reason": "the owner is at work on it and keeps it"}},
		})
		return err
	}
	d := Dealing{
		Now: now, Lead: l.ID, Version: l.Version, Kind: KindRedealt, Charge: true, Miss: l.Owner, Hold: f.Holder(),
		Exclude: append(append([]string(nil), l.Missed...), l.Owner), Reason: "untouched for " + f.Routing.after(pace.ReassignAfter, l.asks()),
		Floor: f.candidates(now), CatchUp: f.Routing.CatchUpMax, Timers: f.redealt(l, now, true),
	}
	if l.Redeals >= pace.MaxRedeals {
		d.Kind, d.Charge, d.To, d.Timers = KindEscalated, false, f.Holder(), f.redealt(l, now, false)
		d.Reason = "re-dealt as often as allowed"
	}
	_, err := r.store.Deal(ctx, f.ID, &d)
	return err
}

// Run ticks every rooftop until ctx ends. It reports what went wrong and goes on.
func (r *Router) Run(ctx context.Context, every time.Duration, report func(rooftop string, err error)) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		for _, f := range r.Rooftops() {
			if _, err := r.Tick(ctx, f.ID); ctx.Err() == nil {
				report(f.ID, err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
