package main

import (
	"testing"
	"time"
)

func TestInstant(t *testing.T) {
	chicago, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		t.Helper()
		x, err := time.ParseInLocation("2006-01-02 15:04", s, chicago)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	noon := at("2026-11-23 12:00")
	for _, test := range []struct {
		name, given string
		past        bool
		now, want   time.Time
		fails       string
	}{
		{"exact", "2026-05-28T19:17:00-05:00", true, noon, at("2026-05-28 19:17"), ""},
		{"exact, to come", "2026-12-01T09:00:00-06:00", false, noon, at("2026-12-01 09:00"), ""},
		{"an hour of today", "11:30", true, noon, at("2026-11-23 11:30"), ""},
		{"this very minute", "12:00", true, noon, noon, ""},
		{"an hour that has not come", "12:01", true, noon, time.Time{}, "12:01 has not come yet today in America/Chicago; write yesterday's as 2026-11-22T12:01:00-06:00"},
		{"an hour to come", "17:30", false, noon, at("2026-11-23 17:30"), ""},
		{"an hour that is over", "9:00", false, noon, at("2026-11-24 09:00"), ""},
		{"this very minute, to come", "12:00", false, noon, at("2026-11-24 12:00"), ""},
		{"ago", "-10m", true, noon, at("2026-11-23 11:50"), ""},
		{"days ago", "-2d", true, noon, at("2026-11-21 12:00"), ""},
		{"from now", "1h30m", false, noon, at("2026-11-23 13:30"), ""},
		// The clock goes forward on 8 March 2026: the day has 23 hours, and its morning is one nearer.
		{"over a change of the clock", "03:30", false, at("2026-03-08 00:30"), at("2026-03-08 03:30"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := instant{past: test.past}
			if err := i.Set(test.given); err != nil {
				t.Fatalf("Set: %v", err)
			}
			got, err := i.resolve(test.now, chicago)
			if !got.Equal(test.want) || (err == nil) != (test.fails == "") || err != nil && err.Error() != test.fails {
				t.Errorf("resolve = %v, %v, want %v, %s", got, err, test.want, test.fails)
			}
		})
	}
	for _, bad := range []struct {
		given string
		past  bool
	}{
		{"", true}, {"noon", true}, {"10m", true}, {"-10m", false}, {"25:00", true}, {"2026-11-23", true}, {"0s", false}, {"-0s", true}, {"--5m", true}, {"-999999d", true},
	} {
		i := instant{past: bad.past}
		if err := i.Set(bad.given); err == nil || i.given != "" {
			t.Errorf("Set(%q) = %v and %+v, want an error and nothing set", bad.given, err, i)
		}
	}
	var none instant
	if got, err := none.resolve(noon, chicago); !got.IsZero() || err != nil {
		t.Errorf("resolve without a flag = %v, %v, want zero", got, err)
	}
}

func TestSpell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 61 * time.Second: "1m 1s", time.Hour + 59*time.Second: "1h", 90 * time.Minute: "1h 30m",
		25 * time.Hour: "1d 1h", 100 * day: "100d", -time.Minute: "1m", 1500 * time.Millisecond: "1s",
	} {
		if got := spell(d); got != want {
			t.Errorf("spell(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestRemaining(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		time.Second: "in 1m", 5 * time.Minute: "in 5m", 5*time.Minute - time.Second: "in 5m", 0: "now", -59 * time.Second: "now",
		-time.Minute: "1m late", -26 * time.Hour: "1d 2h late",
	} {
		if got := remaining(now.Add(d), now); got != want {
			t.Errorf("remaining(%s) = %q, want %q", d, got, want)
		}
	}
}
