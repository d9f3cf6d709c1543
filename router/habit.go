package router

import (
	"context"
	"slices"
	"time"
)

// What a source must have shown of itself before its silence means anything, and for how long it does.
const (
	habitLeads  = 500           // the newest leads of a store that are looked at
	fewestGaps  = 8             // between arrivals; fewer are no habit
	mostGaps    = 50            // the newest; what was usual long ago no longer is
	leastSilent = 2 * time.Hour // of open time: a burst is no habit either
	silentFor   = 30 * day      // whoever has been silent for longer has left, and nobody need be told every day
)

// Learn finds out how long each source of a rooftop is usually silent, from its newest leads, for the Figures from then on. It reads
// several hundred leads: now and then is enough.
func (r *Router) Learn(ctx context.Context, rooftop string) error {
	f, _, err := r.open(ctx, rooftop)
	if err != nil {
		return err
	}
	leads, _, err := r.Leads(ctx, rooftop, Query{Limit: habitLeads})
	if err != nil {
		return err
	}
	arrivals := map[string][]time.Time{}
	for _, l := range leads {
		for _, t := range l.Touches {
			if t.Disposition == DispositionNew || t.Disposition == DispositionTouch {
				arrivals[t.Source] = append(arrivals[t.Source], t.At)
			}
		}
	}
	patience := map[string]time.Duration{}
	for source, at := range arrivals {
		if d, ok := f.patience(at); ok {
			patience[source] = d
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.habits[rooftop] = patience
	return nil
}

// patience is the open time after which a source with these arrivals has been silent for too long by its own habits: twice the longest of
// its last gaps. Of exponential gaps one in some thousands is longer.
func (f *Rooftop) patience(arrivals []time.Time) (time.Duration, bool) {
	slices.SortFunc(arrivals, time.Time.Compare)
	if first := len(arrivals) - 1 - mostGaps; first > 0 {
		arrivals = arrivals[first:]
	}
	if len(arrivals) <= fewestGaps {
		return 0, false
	}
	var longest time.Duration
	for i, at := range arrivals[1:] {
		longest = max(longest, f.open(arrivals[i], at))
	}
	return max(2*longest, leastSilent), true
}

// silence fills in until when each source may be silent.
func (r *Router) silence(f *Rooftop, g *Figures, now time.Time) {
	r.mu.RLock()
	patience := r.habits[f.ID]
	r.mu.RUnlock()
	g.SilentDeadline = map[string]time.Time{}
	for source, last := range g.LastLead {
		if d, ok := patience[source]; ok && now.Sub(last) < silentFor {
			g.SilentDeadline[source] = f.after(last, d)
		}
	}
}
