package router

import (
	"slices"
	"time"
)

// late is the change that a touch makes which is read after something that happened later, such as somebody's try. What became of its clocks
// is decided by the evidence, as if it had been read in time.
func (f *Rooftop) late(before *Lead, t *Take) *Change {
	after := *before
	after.Arrivals++
	after.Touches = append(slices.Clone(before.Touches), Touch{N: after.Arrivals, At: t.At, Channel: t.Channel, Source: t.Source, Disposition: DispositionTouch})
	old, now := live(before.Touches, before.Evidence), live(after.Touches, after.Evidence)
	c := &Change{Now: t.Now, Before: before, After: &after, Counts: map[string]int64{}}
	f.follow(&after, now, t.Now)
	f.count(c, old, now, Evidence{})
	f.reckon(c, now, before)
	if after.Untouched() && !before.Untouched() {
		f.observe(c.Counts, HistAssignment, after.Label, max(0, c.Now.Sub(after.Running.Attempt)))
	}
	return c
}

// reckon brings the deadlines and timers of c.After up to clocks that were decided anew, by arrivals that came late or from another lead: was
// are the leads that it was until now, that which keeps its owner last. The deadline of a clock that turns out to have been stopped is counted
// at once; that of a clock which never was one, since the customer waited already, is dropped.
func (f *Rooftop) reckon(c *Change, now life, was ...*Lead) {
	after := c.After
	var kept *Lead
	known := map[time.Time]bool{} // starts of the clocks to response of which deadlines run or were counted
	counted := false              // one of them is replaced by a clock that began before it
	stopped := func(start time.Time) (at time.Time, ok bool) {
		for _, s := range now.stops {
			if s.clock == ClockResponse && s.start.Equal(start) {
				return s.by.At, true
			}
		}
		return time.Time{}, false
	}
	count := func(due, missed, of string, met bool) {
		c.Counts[due+"|"+of]++
		if !met {
			c.Counts[missed+"|"+of]++
		}
	}

	start := after.Running.Response
	after.DueAt, after.Timers.Due, after.Timers.PersonDue = nil, time.Time{}, time.Time{}
	for _, x := range was {
		kept = x
		for _, s := range live(x.Touches, x.Evidence).stops {
			known[s.start] = known[s.start] || s.clock == ClockResponse
		}
		begun := x.Running.Response
		if begun.IsZero() {
			begun = x.Stops[ClockResponse].Started
		} else {
			known[begun] = true
		}
		at, ok := stopped(begun)
		switch {
		case begun.IsZero():
		case begun.Equal(start):
			after.DueAt, after.Timers.Due = x.DueAt, x.Timers.Due
			if x.Owner == after.Owner {
				after.Timers.PersonDue = x.Timers.PersonDue
			}
		case ok:
			if t := x.Timers.Due; !t.IsZero() {
				count(CountDue, CountMissed, x.Label, !at.After(t))
			}
			if t := x.Timers.PersonDue; !t.IsZero() {
				count(CountPersonDue, CountPersonMissed, x.Owner, !at.After(t))
			}
		default:
			counted = counted || x.Timers.Due.IsZero()
		}
	}
	for _, s := range now.stops { // started and stopped before anybody knew
		if due := f.Due(s.start, after.askedAt(s.start)); s.clock == ClockResponse && !known[s.start] && !due.IsZero() {
			count(CountDue, CountMissed, after.Label, !s.by.At.After(due))
			count(CountPersonDue, CountPersonMissed, after.Owner, !s.by.At.After(due))
		}
	}
	if !start.IsZero() && !known[start] {
		if due := f.Due(start, after.askedAt(start)); !due.IsZero() {
			after.DueAt = &due
			if !counted {
				after.Timers.Due = due
			}
		}
	}
	if !start.IsZero() && (kept == nil || kept.Running.Response.IsZero()) && after.State != Waiting {
		after.Timers.PersonDue = f.Due(c.Now, after.askedAt(start))
	}
	if after.State == Untouched && (kept == nil || !kept.Untouched()) {
		t := f.timers(after.Running.Attempt, c.Now, after.asks())
		after.Timers.Warn = t.Warn
		if !after.Picked {
			after.Timers.Reassign = t.Reassign
		}
	}
}

// askedAt is the source of the enquiry that started a clock, that of the lead where none did.
func (l *Lead) askedAt(start time.Time) string {
	for _, t := range l.Touches {
		if t.At.Equal(start) && t.Disposition != DispositionDuplicate {
			return t.Source
		}
	}
	return l.Source
}

// asks is the source of the enquiry that nobody has tried to answer yet, that of the lead where there is none.
func (l *Lead) asks() string { return l.askedAt(l.Running.Attempt) }
