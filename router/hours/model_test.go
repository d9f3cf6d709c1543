package hours_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leadfloor/router/hours"
)

// clock is what Calendar and History have in common.
type clock interface {
	Open(time.Time) bool
	Between(from, to time.Time) time.Duration
	Add(time.Time, time.Duration) (time.Time, bool)
	NextOpen(time.Time) (time.Time, bool)
	NextClose(time.Time) (time.Time, bool)
	NextChange(time.Time) (time.Time, bool)
	ClosingOfDay(time.Time) time.Time
}

var (
	_ clock = (*hours.Calendar)(nil)
	_ clock = (*hours.History)(nil)
)

// A plan is a drawn calendar as plain figures, from which both the real calendar and the model of it are made.
type plan struct {
	week    [7][][2]int             // from Monday; minutes after midnight, beyond 1440 on the next day
	special map[hours.Date][][2]int // exceptions
	away    [][2]hours.Date         // both included
}

func (p plan) spans(d hours.Date) [][2]int {
	for _, a := range p.away {
		if a[0].Compare(d) <= 0 && d.Compare(a[1]) <= 0 {
			return nil
		}
	}
	if s, ok := p.special[d]; ok {
		return s
	}
	weekday := time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Weekday()
	return p.week[(weekday+6)%7]
}

func text(spans [][2]int) string {
	if len(spans) == 0 {
		return "closed"
	}
	var parts []string
	for _, s := range spans {
		end := s[1]
		if end > 1440 {
			end -= 1440
		}
		parts = append(parts, fmt.Sprintf("%02d:%02d-%02d:%02d", s[0]/60, s[0]%60, end/60, end%60))
	}
	return strings.Join(parts, ", ")
}

func (p plan) calendar(t *rapid.T, loc *time.Location) *hours.Calendar {
	var week hours.Week
	for i, day := range []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} {
		if err := week.Set(day, text(p.week[i])); err != nil {
			t.Fatal(err)
		}
	}
	special := map[hours.Date][]hours.Span{}
	for d, s := range p.special {
		spans, err := hours.ParseSpans(text(s))
		if err != nil {
			t.Fatal(err)
		}
		special[d] = spans
	}
	c := hours.New(loc, week, special)
	// One by one and all at once must be the same; the second absence of two comes alone.
	for _, a := range p.away {
		c = c.Except([]hours.DateRange{{From: a[0], To: a[1]}})
	}
	// What is written down and read again must be the same in all that follows.
	again, err := hours.ParseCalendar(c.String())
	if err != nil {
		t.Fatal(err)
	}
	if again.String() != c.String() {
		t.Fatalf("written %q, read and written again %q", c, again)
	}
	if rapid.Bool().Draw(t, "read again") {
		return again
	}
	return c
}

// drawSpans prefers boundaries at which clocks are moved.
func drawSpans(t *rapid.T, label string) [][2]int {
	minute := rapid.OneOf(rapid.SampledFrom([]int{0, 30, 60, 90, 120, 150, 180, 540, 1080, 1380, 1410}), rapid.IntRange(0, 1439))
	var spans [][2]int
	for range rapid.IntRange(0, 3).Draw(t, label) {
		open := minute.Draw(t, "open")
		end := rapid.OneOf(minute, rapid.Just(1440)).Draw(t, "close")
		if end == open {
			continue
		}
		if end < open {
			end += 1440
		}
		spans = append(spans, [2]int{open, end})
	}
	return spans
}

func drawPlan(t *rapid.T, around time.Time) plan {
	p := plan{special: map[hours.Date][][2]int{}}
	switch rapid.SampledFrom([]string{"any", "any", "any", "always", "always in two", "never"}).Draw(t, "week") {
	case "any":
		for i := range p.week {
			p.week[i] = drawSpans(t, "spans")
		}
	case "always":
		for i := range p.week {
			p.week[i] = [][2]int{{0, 1440}}
		}
	case "always in two":
		for i := range p.week {
			p.week[i] = [][2]int{{360, 1080}, {1080, 1800}}
		}
	}
	day := func(label string) int { return rapid.IntRange(-8, 20).Draw(t, label) }
	for range rapid.IntRange(0, 3).Draw(t, "exceptions") {
		p.special[hours.DateOf(around.AddDate(0, 0, day("exception")))] = drawSpans(t, "exception spans")
	}
	for range rapid.IntRange(0, 2).Draw(t, "absences") {
		first := day("away")
		last := first + rapid.IntRange(-1, 4).Draw(t, "days away")
		p.away = append(p.away, [2]hours.Date{hours.DateOf(around.AddDate(0, 0, first)), hours.DateOf(around.AddDate(0, 0, last))})
	}
	return p
}

// A model is a window of minutes, each open or not, found by looking at the clock on the wall at every one of them.
type model struct {
	loc   *time.Location
	start time.Time
	wall  []int64 // what the clock shows, in minutes
	open  []bool
}

// The window of a model; what lies within margin of its ends is not asked about, for the model does not see what reaches in.
const (
	window = 20 * 1440
	margin = 4 * 1440
)

func newModel(p plan, loc *time.Location, start time.Time) model {
	m := model{loc: loc, start: start, wall: make([]int64, window), open: make([]bool, window)}
	for i := range m.wall {
		t := m.at(i).In(loc)
		m.wall[i] = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC).Unix() / 60
	}
	midnight := time.Date(start.Year(), start.Month(), start.Day()-3, 0, 0, 0, 0, time.UTC)
	for range window/1440 + 6 {
		for _, s := range p.spans(hours.DateOf(midnight)) {
			from, to := midnight.Unix()/60+int64(s[0]), midnight.Unix()/60+int64(s[1])
			opening, closing := window, 0
			for i, w := range m.wall {
				if w >= from {
					opening = min(opening, i)
				}
				if w < to {
					closing = i + 1
				}
			}
			for i := opening; i < closing; i++ {
				m.open[i] = true
			}
		}
		midnight = midnight.AddDate(0, 0, 1)
	}
	return m
}

func (m model) at(i int) time.Time { return m.start.Add(time.Duration(i) * time.Minute) }

// next is the first minute from i on that is open or not; window where there is none.
func (m model) next(i int, open bool) int {
	for ; i < window && m.open[i] != open; i++ {
	}
	return i
}

// drawPlace is a zone and an instant, often one near which its clock is moved or a year ends.
func drawPlace(t *rapid.T) (*time.Location, time.Time) {
	loc, err := time.LoadLocation(rapid.SampledFrom(zonesUnderTest).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(rapid.IntRange(1973, 2045).Draw(t, "year"), 1, 1, 0, 0, 0, 0, time.UTC).
		Add(time.Duration(rapid.IntRange(0, 365*1440).Draw(t, "minute")) * time.Minute)
	if _, end := start.In(loc).ZoneBounds(); rapid.IntRange(0, 3).Draw(t, "near a change") > 0 && !end.IsZero() {
		start = end.UTC().Truncate(time.Minute).Add(-time.Duration(rapid.IntRange(margin, window-margin).Draw(t, "before it")) * time.Minute)
	}
	return loc, start
}

// drawClock is a calendar or a history of several, and the model of it.
func drawClock(t *rapid.T) (clock, model) {
	loc, start := drawPlace(t)
	p := drawPlan(t, start.In(loc))
	first, m := p.calendar(t, loc), newModel(p, loc, start)
	versions := rapid.IntRange(0, 2).Draw(t, "versions")
	if versions == 0 {
		return first, m
	}
	var later []hours.Version
	since := 0
	for range versions {
		since += rapid.IntRange(0, window/2).Draw(t, "since")
		p := drawPlan(t, start.In(loc))
		// Named latest first, for their order is the instants'.
		later = append([]hours.Version{{Since: m.at(since), Calendar: p.calendar(t, loc)}}, later...)
		if since < window {
			copy(m.open[since:], newModel(p, loc, start).open[since:])
		}
		since++
	}
	return hours.NewHistory(first, later...), m
}

func TestAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, m := drawClock(t)
		for i := margin; i < window-margin; i++ {
			if got, want := c.Open(m.at(i)), m.open[i]; got != want {
				t.Fatalf("Open(%v) = %v, want %v", m.at(i), got, want)
			}
		}
		minute := rapid.IntRange(margin, window-margin-1)
		for range 20 {
			a, b := minute.Draw(t, "a"), minute.Draw(t, "b")
			var want time.Duration
			for i := a; i < b; i++ {
				if m.open[i] {
					want += time.Minute
				}
			}
			if got := c.Between(m.at(a), m.at(b)); got != want {
				t.Fatalf("Between(%v, %v) = %v, want %v", m.at(a), m.at(b), got, want)
			}

			d := rapid.IntRange(1, 3000).Draw(t, "d")
			end, left := a, d
			for ; left > 0 && end < window-margin; end++ {
				if m.open[end] {
					left--
				}
			}
			got, ok := c.Add(m.at(a), time.Duration(d)*time.Minute)
			if left == 0 && (!ok || !got.Equal(m.at(end))) || left > 0 && ok && got.Before(m.at(end)) {
				t.Fatalf("Add(%v, %d min) = %v, %v, want %v, %v", m.at(a), d, got, ok, m.at(end), left == 0)
			}

			opening := m.next(a, true)
			expect(t, m, "NextOpen", a, c.NextOpen, opening)
			expect(t, m, "NextClose", a, c.NextClose, m.next(opening, false))
			expect(t, m, "NextChange", a, c.NextChange, m.next(a, !m.open[a]))
		}
	})
}

// expect compares what lies within the window; beyond its margin the model only knows that nothing comes before.
func expect(t *rapid.T, m model, name string, a int, f func(time.Time) (time.Time, bool), want int) {
	t.Helper()
	got, ok := f(m.at(a))
	if want < window-margin {
		if !ok || !got.Equal(m.at(want)) {
			t.Fatalf("%s(%v) = %v, %v, want %v", name, m.at(a), got, ok, m.at(want))
		}
	} else if ok && got.Before(m.at(window-margin)) {
		t.Fatalf("%s(%v) = %v, want none before %v", name, m.at(a), got, m.at(window-margin))
	}
}

// Over years, where whole weeks are counted at once, and between any two nanoseconds.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, m := drawClock(t)
		anywhere := rapid.Custom(func(t *rapid.T) time.Time {
			return m.start.Add(time.Duration(rapid.Int64Range(-int64(20000*time.Hour), int64(60000*time.Hour)).Draw(t, "instant")))
		})
		// Where counting in weeks may go wrong: at the moves of a clock, and whole weeks from them.
		change := m.start
		if _, end := m.start.In(m.loc).ZoneBounds(); !end.IsZero() {
			change = end.UTC()
		}
		near := rapid.Custom(func(t *rapid.T) time.Time {
			return change.AddDate(0, 0, 7*rapid.IntRange(-20, 20).Draw(t, "weeks")).
				Add(time.Duration(rapid.IntRange(-36, 36).Draw(t, "5 minutes")) * 5 * time.Minute)
		})
		atChange := rapid.Custom(func(t *rapid.T) time.Time {
			return change.Add(time.Duration(rapid.IntRange(-36, 36).Draw(t, "5 minutes")) * 5 * time.Minute)
		})
		instant := rapid.OneOf(anywhere, near, atChange)
		from, mid, to := instant.Draw(t, "from"), instant.Draw(t, "mid"), instant.Draw(t, "to")
		if mid.Before(from) {
			from, mid = mid, from
		}
		if to.Before(mid) {
			mid, to = to, mid
		}
		if mid.Before(from) {
			from, mid = mid, from
		}
		whole := c.Between(from, to)
		if got := c.Between(from, mid) + c.Between(mid, to); got != whole {
			t.Fatalf("Between(%v, %v, %v) adds up to %v, want %v", from, mid, to, got, whole)
		}
		if whole < 0 || whole > to.Sub(from) {
			t.Fatalf("Between(%v, %v) = %v of %v", from, to, whole, to.Sub(from))
		}
		if got := c.Between(to, from); from.Before(to) && got != 0 {
			t.Fatalf("Between backwards = %v, want 0", got)
		}

		// By changes alone, which count no weeks.
		var sum time.Duration
		for now := from; now.Before(to); {
			next, ok := c.NextChange(now)
			if ok && !next.After(now) {
				t.Fatalf("NextChange(%v) = %v", now, next)
			}
			if !ok || next.After(to) {
				next = to
			}
			if c.Open(now) {
				sum += next.Sub(now)
			}
			if next.Before(to) && c.Open(next) == c.Open(now) {
				t.Fatalf("NextChange(%v) = %v, where nothing changes", now, next)
			}
			now = next
		}
		if whole != sum {
			t.Fatalf("Between(%v, %v) = %v, from change to change %v", from, to, whole, sum)
		}

		if whole > 0 {
			back, ok := c.Add(from, whole)
			if !ok || back.After(to) || c.Between(back, to) != 0 {
				t.Fatalf("Add(%v, %v) = %v, %v, want the last open instant to %v", from, whole, back, ok, to)
			}
			if !c.Open(back.Add(-1)) {
				t.Fatalf("Add(%v, %v) = %v, which is not the earliest", from, whole, back)
			}
			d := time.Duration(rapid.Int64Range(1, int64(whole)).Draw(t, "d"))
			earlier, ok := c.Add(from, d)
			if !ok || c.Between(from, earlier) != d {
				t.Fatalf("Add(%v, %v) = %v, %v, %v later", from, d, earlier, ok, c.Between(from, earlier))
			}
			if earlier.After(back) {
				t.Fatalf("Add of %v = %v, of the longer %v = %v", d, earlier, whole, back)
			}
		}
	})
}

// A history is no more than its versions, each in its time.
func TestHistory(t *testing.T) {
	old := calendar(t, "America/Chicago", entries{"mon-fri": "09:00-18:00"}, nil)
	longer := calendar(t, "America/Chicago", entries{"mon-fri": "09:00-20:00"}, nil)
	edit := at(t, "2026-06-03T12:00:00-05:00") // a Wednesday
	h := hours.NewHistory(old, hours.Version{Since: edit, Calendar: longer})

	for _, tt := range []struct {
		name, from, to string
		want           time.Duration
	}{
		{"before the edit", "2026-06-01T00:00:00-05:00", "2026-06-03T00:00:00-05:00", 18 * time.Hour},
		{"after the edit", "2026-06-04T00:00:00-05:00", "2026-06-06T00:00:00-05:00", 22 * time.Hour},
		{"across", "2026-06-01T00:00:00-05:00", "2026-06-06T00:00:00-05:00", 51 * time.Hour},
		{"long before", "2025-06-02T00:00:00-05:00", "2025-06-09T00:00:00-05:00", 45 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := h.Between(at(t, tt.from), at(t, tt.to)); got != tt.want {
				t.Errorf("Between = %v, want %v", got, tt.want)
			}
		})
	}

	t.Run("closing of a day goes by its version", func(t *testing.T) {
		for in, want := range map[string]string{
			"2026-06-02T10:00:00-05:00": "2026-06-02T18:00:00-05:00",
			"2026-06-03T11:59:59-05:00": "2026-06-03T18:00:00-05:00",
			"2026-06-03T12:00:00-05:00": "2026-06-03T20:00:00-05:00",
		} {
			if got := h.ClosingOfDay(at(t, in)); !got.Equal(at(t, want)) {
				t.Errorf("ClosingOfDay(%s) = %v, want %s", in, got, want)
			}
		}
	})
	t.Run("an edit within opening closes nothing", func(t *testing.T) {
		got, ok := h.NextClose(at(t, "2026-06-03T10:00:00-05:00"))
		if want := at(t, "2026-06-03T20:00:00-05:00"); !ok || !got.Equal(want) {
			t.Errorf("NextClose = %v, %v, want %v", got, ok, want)
		}
	})
	t.Run("of two since one instant the later named holds", func(t *testing.T) {
		h := hours.NewHistory(old, hours.Version{Since: edit, Calendar: longer}, hours.Version{Since: edit, Calendar: old})
		if h.Open(at(t, "2026-06-04T19:00:00-05:00")) {
			t.Error("open by the version named first, want closed")
		}
	})
	t.Run("the last version has no end", func(t *testing.T) {
		h := hours.NewHistory(old, hours.Version{Since: edit, Calendar: hours.Always(time.UTC)})
		if got, ok := h.NextClose(at(t, "2027-06-03T10:00:00-05:00")); ok {
			t.Errorf("NextClose = %v, want none", got)
		}
		after := at(t, "9999-12-31T23:59:59Z").AddDate(1, 0, 0)
		if h.Open(after) || h.Between(after, after.AddDate(1, 0, 0)) != 0 {
			t.Error("open after the end of reckoning")
		}
		if got := h.ClosingOfDay(after); !got.After(at(t, "9999-12-31T00:00:00Z")) {
			t.Errorf("ClosingOfDay after the end of reckoning = %v", got)
		}
	})
}
