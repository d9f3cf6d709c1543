package hours

import (
	"fmt"
	"strings"
	"time"
)

// String writes c on one line as ParseCalendar reads it: its zone, the days of the week that are not closed, and the dates that differ. Such as
// America/Chicago; mon-fri 09:00-20:00; sat 09:00-13:00,14:00-18:00; 2026-12-24 09:00-13:00; 2026-12-25/2027-01-01 closed.
// What is of the same zone, week and dates has the same text, however it was made.
func (c *Calendar) String() string {
	var b strings.Builder
	b.WriteString(c.loc.String())
	entry := func(first, last, to string, spans []Span) {
		b.WriteString("; " + first)
		if last != first {
			b.WriteString(to + last)
		}
		b.WriteString(" " + written(spans))
	}
	for first := 0; first < len(dayNames); {
		spans := written(c.week[first])
		last := first
		for last+1 < len(dayNames) && written(c.week[last+1]) == spans {
			last++
		}
		if len(c.week[first]) > 0 {
			entry(dayNames[first], dayNames[last], "-", c.week[first])
		}
		first = last + 1
	}
	for _, s := range c.special {
		entry(dateOfDay(s.from).String(), dateOfDay(s.to).String(), "/", s.spans)
	}
	return b.String()
}

// written is the opening of one day as ParseSpans reads it.
func written(spans []Span) string {
	if len(spans) == 0 {
		return "closed"
	}
	parts := make([]string, len(spans))
	for i, s := range spans {
		parts[i] = s.String()
	}
	return strings.Join(parts, ",")
}

// ParseCalendar reads what String writes. The zone is one of the IANA database, by name; the dates are such as ParseDate reads.
func ParseCalendar(s string) (*Calendar, error) {
	name, rest, more := strings.Cut(s, ";")
	loc, err := time.LoadLocation(name)
	if err == nil && (name == "" || loc == time.Local) {
		err = fmt.Errorf("want a zone of the IANA database, have %q", name)
	}
	if err != nil {
		return nil, fmt.Errorf("parse calendar %q: %w", s, err)
	}
	var week Week
	special := map[Date][]Span{}
	var away []DateRange
	for more {
		var entry string
		entry, rest, more = strings.Cut(rest, ";")
		what, spans, _ := strings.Cut(strings.TrimSpace(entry), " ")
		if strings.Trim(what, "0123456789-/") != "" {
			err = week.Set(what, spans)
		} else {
			err = exception(what, spans, special, &away)
		}
		if err != nil {
			return nil, fmt.Errorf("parse calendar %q: %w", s, err)
		}
	}
	return New(loc, week, special).Except(away), nil
}

// exception reads what begins on a date, or that nothing does on any of several.
func exception(what, text string, special map[Date][]Span, away *[]DateRange) error {
	first, last, several := strings.Cut(what, "/")
	from, err := ParseDate(first)
	if err != nil {
		return err
	}
	spans, err := ParseSpans(text)
	if err != nil {
		return fmt.Errorf("hours of %s: %w", what, err)
	}
	if !several {
		special[from] = spans
		return nil
	}
	to, err := ParseDate(last)
	if err == nil && len(spans) > 0 {
		err = fmt.Errorf("hours of %s: several dates at once can be closed alone", what)
	}
	*away = append(*away, DateRange{from, to})
	return err
}

// dateOfDay is the date of a day number.
func dateOfDay(day int64) Date { return DateOf(time.Unix(day*daySeconds, 0).UTC()) }
