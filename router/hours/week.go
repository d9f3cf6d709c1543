package hours

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Minutes by the clock on the wall.
const (
	dayMinutes  = 24 * 60
	weekMinutes = 7 * dayMinutes
)

// A Span is one stretch of opening by the clock on the wall, such as 09:00-13:00. It belongs to the day on which it begins
// and may run over midnight into the next. Spans come from ParseSpans; the zero Span holds nothing.
type Span struct {
	open, close int // minutes after 00:00 of its day: 0 <= open < 1440, open < close; at most a day apart, unless several became one
}

// ParseSpans reads the opening of one day: spans HH:MM-HH:MM separated by commas, or the word closed, which gives none.
// 24:00 is the midnight that ends the day. A span that ends before it begins runs over midnight: 22:00-02:00.
// The spans come back in order; those that overlap or adjoin have become one.
// The error quotes the span at fault and says what a span looks like.
func ParseSpans(s string) ([]Span, error) {
	if strings.TrimSpace(s) == "closed" {
		return nil, nil
	}
	var spans []Span
	for part := range strings.SplitSeq(s, ",") {
		span, err := parseSpan(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		spans = append(spans, span)
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.open, b.open) })
	joined := spans[:1]
	for _, s := range spans[1:] {
		if last := &joined[len(joined)-1]; s.open <= last.close {
			last.close = max(last.close, s.close)
		} else {
			joined = append(joined, s)
		}
	}
	return joined, nil
}

func parseSpan(s string) (Span, error) {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return Span{}, fmt.Errorf(`parse span %q: want HH:MM-HH:MM, such as "09:00-17:30", or "closed"`, s)
	}
	open, err := parseClock(strings.TrimSpace(from))
	if err != nil {
		return Span{}, fmt.Errorf("parse span %q: %w", s, err)
	}
	end, err := parseClock(strings.TrimSpace(to))
	if err != nil {
		return Span{}, fmt.Errorf("parse span %q: %w", s, err)
	}
	switch {
	case open == dayMinutes:
		return Span{}, fmt.Errorf("parse span %q: a day ends at 24:00, the next begins at 00:00", s)
	case open == end:
		return Span{}, fmt.Errorf(`parse span %q: it begins where it ends; a whole day is "00:00-24:00"`, s)
	case end < open:
		end += dayMinutes
	}
	return Span{open, end}, nil
}

// parseClock reads HH:MM, 00:00 to 24:00, as minutes after midnight.
func parseClock(s string) (int, error) {
	digit := func(i int) int { return int(s[i] - '0') }
	if len(s) != len("HH:MM") || s[2] != ':' || strings.Trim(s[:2]+s[3:], "0123456789") != "" {
		return 0, fmt.Errorf("want a time HH:MM, have %q", s)
	}
	hour, minute := 10*digit(0)+digit(1), 10*digit(3)+digit(4)
	if minute > 59 || 60*hour+minute > dayMinutes {
		return 0, fmt.Errorf("no such time of day as %q", s)
	}
	return 60*hour + minute, nil
}

// String writes s as ParseSpans reads it.
func (s Span) String() string {
	if s.close > dayMinutes && s.close >= s.open+dayMinutes { // no span is so long by itself: two that overlap are
		return Span{s.open, dayMinutes}.String() + ", " + Span{dayMinutes - 1, s.close}.String()
	}
	end := s.close
	if end > dayMinutes {
		end -= dayMinutes
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", s.open/60, s.open%60, end/60, end%60)
}

// dayNames are the days of a Week, in its order.
var dayNames = [7]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// A Week is the ordinary opening of each weekday. The zero Week is closed on all of them.
type Week struct {
	days  [7][]Span // from Monday
	named [7]bool   // by Set
}

// ParseWeek reads a whole week from entries as Set takes them, such as mon-fri: 09:00-18:00.
// A day that no entry names is closed. The error is that of the first entry at fault, by the order of their keys.
func ParseWeek(entries map[string]string) (Week, error) {
	var w Week
	for _, days := range slices.Sorted(maps.Keys(entries)) {
		if err := w.Set(days, entries[days]); err != nil {
			return Week{}, err
		}
	}
	return w, nil
}

// Set gives a day (mon to sun) or a range of days (mon-fri; sat-mon goes round the end of the week) its spans, as ParseSpans reads them.
// To name a day a second time is an error, also when both say the same: whoever wrote it meant another day.
// On an error w is as it was.
func (w *Week) Set(days, spans string) error {
	first, last, ok := strings.Cut(days, "-")
	if !ok {
		last = first
	}
	from, err := parseDay(first)
	if err != nil {
		return fmt.Errorf("parse days %q: %w", days, err)
	}
	to, err := parseDay(last)
	if err != nil {
		return fmt.Errorf("parse days %q: %w", days, err)
	}
	open, err := ParseSpans(spans)
	if err != nil {
		return fmt.Errorf("hours of %q: %w", days, err)
	}
	next := *w
	for i := range (to-from+7)%7 + 1 {
		day := (from + i) % 7
		if next.named[day] {
			return fmt.Errorf("hours of %q: %s is named twice", days, dayNames[day])
		}
		next.named[day], next.days[day] = true, open
	}
	*w = next
	return nil
}

func parseDay(s string) (int, error) {
	s = strings.TrimSpace(s)
	day := slices.Index(dayNames[:], s)
	if day < 0 {
		return 0, fmt.Errorf("want mon, tue, wed, thu, fri, sat or sun, have %q", s)
	}
	return day, nil
}

// minutes is how long w is open in a week in which no clock is moved, each minute counted once.
func (w *Week) minutes() int {
	// What Sunday's last span holds of Monday comes first, for Monday's own spans may overlap it.
	reach := 0
	if sunday := w.days[6]; len(sunday) > 0 {
		reach = max(0, sunday[len(sunday)-1].close-dayMinutes)
	}
	total := reach
	for day, spans := range w.days {
		for _, s := range spans {
			from, to := max(reach, day*dayMinutes+s.open), min(weekMinutes, day*dayMinutes+s.close)
			if from < to {
				total += to - from
				reach = to
			}
		}
	}
	return total
}
