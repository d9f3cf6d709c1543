package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// An instant is a flag that takes a point in time as people say it: RFC 3339, an hour on the store's clock, or a span from now. What the
// last two mean is known only once the store is.
type instant struct {
	past  bool      // a span goes back, and an hour lies behind us
	given string    // "": not given
	exact time.Time // of RFC 3339
	clock time.Time // of an hour
	span  time.Duration
}

var errInstant = map[bool]error{
	true:  errors.New("want a time such as 2026-05-28T19:17:00-05:00, 14:30 for today, or -10m for ten minutes ago"),
	false: errors.New("want a time such as 2026-05-28T19:17:00-05:00, 17:30 for the next half past five, or 2h for two hours from now"),
}

// Set is called by the flag package.
func (i *instant) Set(s string) error {
	v := instant{past: i.past, given: s}
	var err error
	if v.exact, err = time.Parse(time.RFC3339, s); err == nil {
		*i = v
		return nil
	}
	if v.clock, err = time.Parse("15:04", s); err == nil {
		*i = v
		return nil
	}
	span, back := strings.CutPrefix(s, "-")
	if v.span, err = parseDuration(span); err != nil || back != i.past || v.span == 0 {
		return errInstant[i.past]
	}
	*i = v
	return nil
}

func (i *instant) String() string { return i.given }

// Type is called by the flag package.
func (i *instant) Type() string { return "TIME" }

// resolve is the point in time that is meant; zero where none was given.
func (i *instant) resolve(now time.Time, zone *time.Location) (time.Time, error) {
	switch {
	case i.given == "":
		return time.Time{}, nil
	case !i.exact.IsZero():
		return i.exact, nil
	case i.span > 0 && i.past:
		return now.Add(-i.span), nil
	case i.span > 0:
		return now.Add(i.span), nil
	}
	y, m, d := now.In(zone).Date()
	on := func(d int) time.Time { return time.Date(y, m, d, i.clock.Hour(), i.clock.Minute(), 0, 0, zone) }
	switch t := on(d); {
	case i.past && t.After(now):
		return time.Time{}, fmt.Errorf("%s has not come yet today in %s; write yesterday's as %s", i.given, zone, on(d-1).Format(time.RFC3339))
	case !i.past && !t.After(now):
		return on(d + 1), nil
	default:
		return t, nil
	}
}

// The forms in which people read times, always in the store's zone.
const (
	toTheMinute = "2006-01-02 15:04"
	toTheSecond = "2006-01-02 15:04:05"
)

// spell writes a duration in its two largest units: 3d 4h, 12m, 45s.
func spell(d time.Duration) string {
	d = d.Abs()
	n := func(unit time.Duration) string { return strconv.FormatInt(int64(d/unit), 10) }
	two := func(large string, rest time.Duration, unit time.Duration, name string) string {
		if d = rest; d < unit {
			return large
		}
		return large + " " + n(unit) + name
	}
	switch {
	case d >= day:
		return two(n(day)+"d", d%day, time.Hour, "h")
	case d >= time.Hour:
		return two(n(time.Hour)+"h", d%time.Hour, time.Minute, "m")
	case d >= time.Minute:
		return two(n(time.Minute)+"m", d%time.Minute, time.Second, "s")
	}
	return n(time.Second) + "s"
}
