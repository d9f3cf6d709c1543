package hours

import (
	"iter"
	"math"
	"time"
)

const (
	daySeconds  = 24 * 60 * 60
	weekSeconds = 7 * daySeconds

	// All reckoning is in whole Unix seconds from the year 1 to the end of the year 9999, in UTC: boundaries never fall inside a second,
	// for neither spans nor offsets of zones do.
	begin = -62135596800
	never = 253402300800
)

// A timeline is open and closed by turns. The arithmetic of this file is written once, for a Calendar and for a History.
type timeline interface {
	// until is up to when it is open at least, from an instant on: that instant where it is closed.
	until(at int64) int64
	// pieces are stretches of opening in the order of their beginnings, among them all that reach beyond from. They may overlap or adjoin,
	// may have ended before from, may reach out of [begin, never), and one that holds from may lack what lies before it.
	pieces(from int64) iter.Seq2[int64, int64]
	// run goes from a to b, or until it has met the given open seconds (1 or more), and says where it stopped and what it met.
	run(a, b, seconds int64) (at, met int64)
}

// intervals are the longest open stretches [start, end) of t that end after from, in order. The first may begin earlier than it says where it holds from.
func intervals(t timeline, from int64) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) {
		var start, end int64
		met := false
		for s, e := range t.pieces(from) {
			s, e = max(s, begin), min(e, never)
			switch {
			case e <= s || e <= from:
			case met && s <= end:
				end = max(end, e)
			case met && !yield(start, end):
				return
			default:
				start, end, met = s, e, true
			}
		}
		if met {
			yield(start, end)
		}
	}
}

func between(t timeline, from, to time.Time) time.Duration {
	if !from.Before(to) {
		return 0
	}
	a, aNanos := split(from)
	b, bNanos := split(to)
	_, met := t.run(a, b, math.MaxInt64)
	if met >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	open := time.Duration(met) * time.Second
	// A second is open as a whole or not at all.
	if aNanos > 0 && t.until(a) > a {
		open -= aNanos
	}
	if bNanos > 0 && t.until(b) > b {
		open += bNanos
	}
	return open
}

func add(t timeline, from time.Time, d time.Duration) (time.Time, bool) {
	if d <= 0 {
		return nextOpen(t, from)
	}
	a, nanos := split(from)
	// Counted from the beginning of from's second; what is closed of it counts for nothing.
	seconds := int64(d / time.Second)
	rest := d % time.Second
	open := t.until(a) - a
	if open > 0 {
		rest += nanos
	}
	for ; rest > 0; rest -= time.Second {
		seconds++
	}
	at := a + seconds
	if seconds > open {
		var met int64
		if at, met = t.run(a, never, seconds); met < seconds {
			return time.Time{}, false
		}
	}
	return instant(at, from).Add(rest), true
}

func nextOpen(t timeline, at time.Time) (time.Time, bool) {
	sec, _ := split(at)
	for start := range intervals(t, sec) {
		if start <= sec {
			return at, true
		}
		return instant(start, at), true
	}
	return time.Time{}, false
}

func nextClose(t timeline, at time.Time) (time.Time, bool) {
	sec, _ := split(at)
	for _, end := range intervals(t, sec) {
		return instant(end, at), end < never
	}
	return time.Time{}, false
}

func nextChange(t timeline, at time.Time) (time.Time, bool) {
	sec, _ := split(at)
	for start, end := range intervals(t, sec) {
		if start > sec {
			return instant(start, at), true
		}
		return instant(end, at), end < never
	}
	return time.Time{}, false
}

// split is t as whole Unix seconds within what is reckoned, and the nanoseconds beyond.
func split(t time.Time) (sec int64, nanos time.Duration) {
	sec = t.Unix()
	if sec < begin || sec >= never {
		return min(max(sec, begin), never), 0
	}
	return sec, time.Duration(t.Nanosecond())
}

// instant is a Unix second shown in the zone of the question.
func instant(sec int64, like time.Time) time.Time {
	return time.Unix(sec, 0).In(like.Location())
}
