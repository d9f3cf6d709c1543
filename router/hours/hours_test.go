package hours_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the tests are about the zones, not about the machine's copy of them

	"leadfloor/router/hours"
)

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func spans(t testing.TB, s string) []hours.Span {
	t.Helper()
	got, err := hours.ParseSpans(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func date(t testing.TB, s string) hours.Date {
	t.Helper()
	d, err := hours.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

type (
	entries    = map[string]string
	exceptions = map[string]string
)

func calendar(t testing.TB, zone string, week entries, special exceptions) *hours.Calendar {
	t.Helper()
	w, err := hours.ParseWeek(week)
	if err != nil {
		t.Fatal(err)
	}
	dates := map[hours.Date][]hours.Span{}
	for d, s := range special {
		dates[date(t, d)] = spans(t, s)
	}
	return hours.New(location(t, zone), w, dates)
}

// at reads an instant: with an offset (RFC 3339), or as UTC without one.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	got, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
