package hours

import (
	"iter"
	"slices"
	"time"
)

// A Version is a calendar in force since an instant, which counts as its whole second.
type Version struct {
	Since    time.Time
	Calendar *Calendar
}

// A History is a calendar that was edited: each stretch of time goes by the version that was in force, so that today's edit
// changes nothing that is past. Its methods are those of a Calendar. It never changes once made and may be used by many goroutines.
type History struct {
	versions []Version // by Since
}

// NewHistory makes the history of a calendar and its later versions, in any order; of two since the same instant the one named later holds.
// The first holds for all time before them.
func NewHistory(first *Calendar, later ...Version) *History {
	versions := append([]Version{{Calendar: first}}, later...)
	slices.SortStableFunc(versions[1:], func(a, b Version) int { return a.Since.Compare(b.Since) })
	return &History{versions}
}

// Versions are the calendars of h, oldest first. The first holds for all time before the second, whatever its instant; the last is in force from then on.
func (h *History) Versions() []Version { return slices.Clone(h.versions) }

// force is which version is in force at an instant.
func (h *History) force(at int64) int {
	i := len(h.versions) - 1
	for ; i > 0; i-- {
		if since, _ := split(h.versions[i].Since); since <= at {
			break
		}
	}
	return i
}

// Open says whether t is within opening; see Calendar.Open.
func (h *History) Open(t time.Time) bool {
	sec, _ := split(t)
	return h.until(sec) > sec
}

func (h *History) until(at int64) int64 {
	i := h.force(at)
	end := h.versions[i].Calendar.until(at)
	if i+1 < len(h.versions) {
		next, _ := split(h.versions[i+1].Since)
		end = min(end, next)
	}
	return end
}

// Between is the open time in [from, to); see Calendar.Between.
func (h *History) Between(from, to time.Time) time.Duration { return between(h, from, to) }

// Add is the earliest instant by which d of open time has passed since from; see Calendar.Add.
func (h *History) Add(from time.Time, d time.Duration) (time.Time, bool) { return add(h, from, d) }

// NextOpen is t where t is open, else the next opening; see Calendar.NextOpen.
func (h *History) NextOpen(t time.Time) (time.Time, bool) { return nextOpen(h, t) }

// NextClose is the end of the open stretch that holds t, else of the next one; see Calendar.NextClose.
func (h *History) NextClose(t time.Time) (time.Time, bool) { return nextClose(h, t) }

// NextChange is the next instant after t at which Open changes; see Calendar.NextChange.
func (h *History) NextChange(t time.Time) (time.Time, bool) { return nextChange(h, t) }

// ClosingOfDay is the closing of t's business day by the version in force at t, also where it is edited later that day; see Calendar.ClosingOfDay.
func (h *History) ClosingOfDay(t time.Time) time.Time {
	sec, _ := split(t)
	return h.versions[h.force(sec)].Calendar.ClosingOfDay(t)
}

// A stretch is the time [start, end) in which a calendar is in force.
type stretch struct {
	calendar   *Calendar
	start, end int64
}

// stretches are those that hold from or come after it.
func (h *History) stretches(from int64) iter.Seq[stretch] {
	return func(yield func(stretch) bool) {
		start := int64(begin)
		for i, v := range h.versions {
			end := int64(never) + 1 // never itself is an instant one may ask about
			if i+1 < len(h.versions) {
				end, _ = split(h.versions[i+1].Since)
			}
			if max(start, from) < end && !yield(stretch{v.Calendar, start, end}) {
				return
			}
			start = end
		}
	}
}

func (h *History) pieces(from int64) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) {
		for v := range h.stretches(from) {
			for start, end := range intervals(v.calendar, max(from, v.start)) {
				if start >= v.end {
					break
				}
				if !yield(max(start, v.start), min(end, v.end)) {
					return
				}
			}
		}
	}
}

func (h *History) run(a, b, seconds int64) (at, met int64) {
	for v := range h.stretches(a) {
		if v.start >= b {
			break
		}
		at, more := v.calendar.run(max(a, v.start), min(b, v.end), seconds-met)
		if met += more; met == seconds {
			return at, met
		}
	}
	return b, met
}
