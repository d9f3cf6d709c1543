package hours

import (
	"math"
	"time"
)

// maxOffset is more than any zone of the IANA database has ever been off UTC, and more than any clock was ever moved at once (24 h), in seconds.
const maxOffset = 26 * 60 * 60

// A zone turns what the clock on the wall shows into instants. Wall times are seconds from 1970-01-01 00:00 as a clock without a zone would count them;
// instants are Unix seconds. It remembers the stretch of constant offset that it looked at last, and is not safe for concurrent use.
type zone struct {
	loc        *time.Location
	start, end int64 // the offset holds in [start, end)
	offset     int64 // wall minus instant
}

// seek moves z to the stretch that holds t.
func (z *zone) seek(t int64) {
	if z.start <= t && t < z.end {
		return
	}
	at := time.Unix(t, 0).In(z.loc)
	start, end := at.ZoneBounds()
	_, offset := at.Zone()
	z.start, z.end, z.offset = math.MinInt64/2, math.MaxInt64/2, int64(offset)
	if !start.IsZero() {
		z.start = start.Unix()
	}
	if !end.IsZero() {
		z.end = end.Unix()
	}
	// Where ZoneBounds reckons by a yearly rule it ends the year after 365 days, so the last day of a leap year (in UTC) lies
	// beyond its own end. No rule moves a clock on that day.
	if z.end <= t {
		z.end = (floorDiv(t, daySeconds) + 1) * daySeconds
	}
}

// first is the first instant at which the clock on the wall shows w or later. Where it shows w twice that is the first time,
// where it leaps over w the instant of the leap.
func (z *zone) first(w int64) int64 {
	for t := w - maxOffset; ; t = z.end {
		z.seek(t)
		if at := max(w-z.offset, z.start); at < z.end {
			return at
		}
	}
}

// last is the instant from which on the clock on the wall never shows less than w. Where it shows w twice that is the second time,
// where it leaps over w the instant of the leap.
func (z *zone) last(w int64) int64 {
	for t := w + maxOffset; ; t = z.start - 1 {
		z.seek(t)
		if at := min(w-z.offset, z.end); at > z.start {
			return at
		}
	}
}
