// Package hours knows when a store or a person is open: weekly spans by the clock on the wall of an IANA zone, exceptions by date,
// absences, and the arithmetic of open time. It reads no clock and knows nothing of leads.
package hours

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// A Calendar says of every instant whether it is open. It never changes once made and may be used by many goroutines.
//
// Spans are wall-clock times of its zone. A span opens at the first instant at which the clock shows its beginning or later, and closes at the instant
// from which on the clock no longer shows less than its end. So where the clock leaps over a boundary, that boundary is the instant of the leap; where the
// clock shows a boundary twice, an opening is the first and a closing the second; and a span lasts shorter or longer when the clock is moved within it.
// Spans that overlap or adjoin, also at midnight, are one. Whatever it says begins on a date, an exception or absence replaces the spans that begin
// on that date: one that began the evening before runs on to its end.
//
// Calendars are reckoned from the year 1 to the end of the year 9999 and closed outside; an open stretch that reaches that end has none.
// Instants that methods return are in the zone of the instant they were given.
type Calendar struct {
	loc     *time.Location
	week    [7][]Span
	weekly  int64     // open seconds of a week in which no clock is moved
	special []special // ordered and apart
}

// A special is a stretch of dates that differ from the week: one date with spans of its own, or any number of closed ones.
type special struct {
	from, to int64 // day numbers, both included
	spans    []Span
}

// The days on which a span can begin that matters between begin and never, in any zone.
const (
	firstDay = begin/daySeconds - 3
	lastDay  = never/daySeconds + 3
)

// New makes the calendar of a week in the zone loc, where the exceptions' dates have their own spans, or none, instead of their weekday's.
// A nil loc is UTC.
func New(loc *time.Location, week Week, exceptions map[Date][]Span) *Calendar {
	if loc == nil {
		loc = time.UTC
	}
	c := &Calendar{loc: loc, week: week.days, weekly: int64(week.minutes()) * 60}
	for date, spans := range exceptions {
		day := date.number()
		c.special = append(c.special, special{day, day, slices.Clone(spans)})
	}
	c.special = arrange(c.special)
	return c
}

// Always makes the calendar that is open at every instant, loc's dates being what ClosingOfDay goes by.
func Always(loc *time.Location) *Calendar {
	var w Week
	for day := range w.days {
		w.days[day] = []Span{{0, dayMinutes}}
	}
	return New(loc, w, nil)
}

// Except is c with all the dates of the ranges closed: a person's schedule with their absences, or the store's hours with them.
// An absence prevails over an exception. c stays as it is.
func (c *Calendar) Except(away []DateRange) *Calendar {
	all := slices.Clone(c.special)
	for _, r := range away {
		all = append(all, special{from: r.From.number(), to: r.To.number()})
	}
	return &Calendar{loc: c.loc, week: c.week, weekly: c.weekly, special: arrange(all)}
}

// arrange puts specials in order, makes one of closed stretches that overlap or adjoin, and drops what is closed from those that are open.
func arrange(all []special) []special {
	var open, closed []special
	for _, s := range all {
		s.from, s.to = max(s.from, firstDay), min(s.to, lastDay)
		switch {
		case s.to < s.from:
		case len(s.spans) > 0:
			open = append(open, s)
		default:
			closed = append(closed, s)
		}
	}
	byFrom := func(a, b special) int { return cmp.Compare(a.from, b.from) }
	slices.SortFunc(closed, byFrom)
	var merged []special
	for _, s := range closed {
		if n := len(merged); n > 0 && s.from <= merged[n-1].to+1 {
			merged[n-1].to = max(merged[n-1].to, s.to)
		} else {
			merged = append(merged, s)
		}
	}
	open = slices.DeleteFunc(open, func(s special) bool { return find(merged, s.from).from <= s.from })
	merged = append(merged, open...)
	slices.SortFunc(merged, byFrom)
	return merged
}

// find is the special that holds day, else the next after it, else one after all days.
func find(specials []special, day int64) special {
	i, _ := slices.BinarySearchFunc(specials, day, func(s special, day int64) int { return cmp.Compare(s.to, day) })
	if i == len(specials) {
		return special{from: lastDay + 1, to: lastDay + 1}
	}
	return specials[i]
}

// on is what begins on a day.
func (c *Calendar) on(day int64) []Span {
	if s := find(c.special, day); s.from <= day {
		return s.spans
	}
	return c.week[(day%7+7+3)%7] // 1970-01-01 was a Thursday
}

// Open says whether t is within opening. The instant of opening is, that of closing is not.
func (c *Calendar) Open(t time.Time) bool {
	sec, _ := split(t)
	return c.until(sec) > sec
}

// Between is the open time in [from, to), to the nanosecond; 0 where to is not after from. Beyond what a Duration holds (292 years) it is the longest Duration.
func (c *Calendar) Between(from, to time.Time) time.Duration { return between(c, from, to) }

// Add is the earliest instant by which d of open time has passed since from: where that is a closing, the closing and not the next opening.
// For a d of 0 or less it is NextOpen(from). It is false where that much open time never passes.
func (c *Calendar) Add(from time.Time, d time.Duration) (time.Time, bool) { return add(c, from, d) }

// NextOpen is t where t is open, else the next opening. It is false where none comes.
func (c *Calendar) NextOpen(t time.Time) (time.Time, bool) { return nextOpen(c, t) }

// NextClose is the end of the open stretch that holds t, else of the next one. It is false where that never ends or none comes.
func (c *Calendar) NextClose(t time.Time) (time.Time, bool) { return nextClose(c, t) }

// NextChange is the next instant after t at which Open changes. It is false where it never does.
func (c *Calendar) NextChange(t time.Time) (time.Time, bool) { return nextChange(c, t) }

// ClosingOfDay is the end of the last span of t's business day: the date that the clock shows at t, or the date before while its span over midnight still runs.
// A day without spans ends with its date. The closing may lie before t, which then came after hours.
func (c *Calendar) ClosingOfDay(t time.Time) time.Time {
	sec, _ := split(t)
	z := zone{loc: c.loc}
	today := DateOf(t.In(c.loc)).number()
	if spans := c.on(today - 1); len(spans) > 0 {
		// Only the last span of a day reaches into the next.
		last := spans[len(spans)-1]
		if start, end := c.interval(&z, today-1, last); start <= sec && sec < end {
			return instant(end, t)
		}
	}
	last := Span{0, dayMinutes}
	if spans := c.on(today); len(spans) > 0 {
		last = spans[len(spans)-1]
	}
	_, end := c.interval(&z, today, last)
	return instant(end, t)
}

// interval is the span that begins on day, as instants; it is empty where the clock leaps over all of it.
func (c *Calendar) interval(z *zone, day int64, s Span) (start, end int64) {
	midnight := day * daySeconds
	return z.first(midnight + int64(s.open)*60), z.last(midnight + int64(s.close)*60)
}

// until looks at the days around: a span ends within two days of the midnight that it counts from, and no clock on the wall is maxOffset off UTC.
func (c *Calendar) until(at int64) int64 {
	z := zone{loc: c.loc}
	for day := floorDiv(at-maxOffset, daySeconds) - 1; day <= floorDiv(at+maxOffset, daySeconds); day++ {
		for _, s := range c.on(day) {
			if start, end := c.interval(&z, day, s); start <= at && at < end {
				return min(end, never)
			}
		}
	}
	return at
}

// pieces goes from day to day, but leaps where the week is the same all through: wholly closed or wholly open.
func (c *Calendar) pieces(from int64) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) {
		z := zone{loc: c.loc}
		// A span ends within two days of the midnight that it counts from, and no clock on the wall is maxOffset behind UTC:
		// what began on the days before these has ended.
		for day := floorDiv(from-maxOffset, daySeconds) - 1; day <= lastDay; day++ {
			next := find(c.special, day)
			switch {
			case next.from <= day && len(next.spans) == 0:
				day = next.to
				continue
			case next.from > day && c.weekly == 0:
				day = next.from - 1
				continue
			case next.from > day+1 && c.weekly == weekSeconds && find(c.special, day-1).from > day:
				// Whatever part of these days their own spans leave, the span over midnight from the day before them holds.
				// The last of them has its turn again, for its span may reach beyond it.
				days := int(next.from - day)
				if start, end := c.interval(&z, day, Span{0, days * dayMinutes}); !yield(start, end) {
					return
				}
				day = next.from - 2
				continue
			}
			for _, s := range c.on(day) {
				if start, end := c.interval(&z, day, s); !yield(start, end) {
					return
				}
			}
		}
	}
}

func (c *Calendar) run(a, b, seconds int64) (at, met int64) {
	z := zone{loc: c.loc}
	// In a week that is wholly closed or wholly open, intervals are few and there is nothing to gain.
	mixed := 0 < c.weekly && c.weekly < weekSeconds
	for a < b {
		stop := b
		if mixed {
			// What is sought must be found by the walk below, for it lies somewhere within a week.
			if n := min(c.plainWeeks(&z, a, b), (seconds-met-1)/c.weekly); n > 0 {
				a += n * weekSeconds
				met += n * c.weekly
			}
			stop = min(b, a+weekSeconds)
		}
		for start, end := range intervals(c, a) {
			if start >= stop {
				break
			}
			start, end = max(start, a), min(end, stop)
			if end-start >= seconds-met {
				return start + seconds - met, seconds
			}
			met += end - start
		}
		a = stop
	}
	return b, met
}

// plainWeeks is how many weeks on end from a, none of them beyond b, are as long and as open as any: no clock is moved and no date is special
// in them nor so near that a span could reach in.
func (c *Calendar) plainWeeks(z *zone, a, b int64) int64 {
	const margin = 2*daySeconds + 2*maxOffset
	z.seek(a)
	today := floorDiv(a+z.offset, daySeconds)
	special := find(c.special, today-2).from*daySeconds - z.offset
	if a < z.start+margin {
		return 0
	}
	return max(0, min(b, z.end-margin, special-margin)-a) / weekSeconds
}
