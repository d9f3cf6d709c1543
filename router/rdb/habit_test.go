package rdb_test

import (
	"testing"
	"time"

	"leadfloor/router"
	"leadfloor/router/hours"
	"leadfloor/router/routertest"
)

// TestHabits has one source write every hour and another now and then, in a store that is open from nine to five.
func TestHabits(t *testing.T) {
	b := floorOf(t, "alice", "bob")
	var week hours.Week
	if err := week.Set("mon-sun", "09:00-17:00"); err != nil {
		t.Fatal(err)
	}
	b.Home.Location = time.UTC
	b.Home.Hours = hours.NewHistory(hours.New(time.UTC, week, nil))
	b.Configure([]*router.Rooftop{b.Home})
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	b.Clock.Add(start.Sub(b.Clock.Now()))
	arrive := func(source string) time.Time {
		a := b.Next()
		a.Source = source
		b.Arrive(a)
		return a.At
	}
	deadlines := func() map[string]time.Time {
		t.Helper()
		if err := b.Learn(t.Context(), b.Home.ID); err != nil {
			t.Fatal(err)
		}
		f, err := b.Figures(t.Context(), b.Home.ID)
		if err != nil {
			t.Fatal(err)
		}
		return f.SilentDeadline
	}
	for range 7 {
		arrive("hourly")
		b.Clock.Add(time.Hour)
	}
	arrive("hourly")
	arrive("rare")
	routertest.Want(t, "habits of eight arrivals", len(deadlines()), 0)

	// From four in the afternoon to ten in the morning are two hours of open time: the longest pause.
	b.Clock.Add(18 * time.Hour)
	last := arrive("hourly")
	got := deadlines()
	routertest.Want(t, "sources with habits", len(got), 1)
	routertest.Want(t, "deadline", got["hourly"], last.Add(4*time.Hour))

	// Six and a half hours later the longest pause is that: thirteen of open time, half an hour today, eight tomorrow.
	b.Clock.Add(6*time.Hour + 30*time.Minute)
	arrive("hourly")
	routertest.Want(t, "deadline after a longer pause", deadlines()["hourly"], time.Date(2026, 3, 5, 13, 30, 0, 0, time.UTC))

	b.Clock.Add(31 * 24 * time.Hour)
	routertest.Want(t, "sources that are expected after a month of silence", len(deadlines()), 0)
}
