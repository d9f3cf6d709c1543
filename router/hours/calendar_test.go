package hours_test

import (
	"testing"
	"time"

	"leadfloor/router/hours"
)

// The calendars of the named cases.
func calendars(t testing.TB) map[string]*hours.Calendar {
	store := entries{"mon-fri": "09:00-20:00", "sat": "09:00-13:00, 14:00-18:00"}
	night := entries{"mon-sun": "22:00-02:00"}
	return map[string]*hours.Calendar{
		"store":          calendar(t, "America/Chicago", store, exceptions{"2026-12-24": "09:00-13:00", "2026-12-25": "closed"}),
		"early":          calendar(t, "America/Chicago", entries{"mon-sun": "02:30-06:00"}, nil),
		"twice":          calendar(t, "America/Chicago", entries{"mon-sun": "01:30-06:00"}, nil),
		"until twice":    calendar(t, "America/Chicago", entries{"mon-sun": "00:00-01:30"}, nil),
		"within twice":   calendar(t, "America/Chicago", entries{"mon-sun": "01:00-01:20, 01:40-02:00"}, nil),
		"in the leap":    calendar(t, "America/Chicago", entries{"mon-sun": "02:10-02:50"}, nil),
		"night":          calendar(t, "America/Chicago", night, exceptions{"2026-06-10": "closed"}),
		"always":         hours.Always(location(t, "America/Chicago")),
		"24/7":           calendar(t, "America/Chicago", entries{"mon-sun": "00:00-24:00"}, nil),
		"24/7 in two":    calendar(t, "America/Chicago", entries{"mon-sun": "06:00-18:00, 18:00-06:00"}, nil),
		"24/7 but one":   calendar(t, "America/Chicago", entries{"mon-sun": "00:00-24:00"}, exceptions{"2030-06-10": "closed"}),
		"in two but one": calendar(t, "America/Chicago", entries{"mon-sun": "06:00-18:00, 18:00-06:00"}, exceptions{"2030-06-10": "closed"}),
		"never":          calendar(t, "America/Chicago", nil, nil),
		"one day":        calendar(t, "America/Chicago", nil, exceptions{"2030-06-10": "09:00-17:00"}),
		"over midnights": calendar(t, "America/Chicago", entries{"fri": "18:00-24:00", "sat": "00:00-02:00"}, nil),
		"an hour a week": calendar(t, "America/Chicago", entries{"sun": "02:00-03:00"}, nil),
		"Sao Paulo":      calendar(t, "America/Sao_Paulo", entries{"mon-sun": "00:00-08:00"}, nil),
		"Beirut":         calendar(t, "Asia/Beirut", entries{"mon-sun": "18:00-24:00"}, nil),
		"Cairo":          calendar(t, "Africa/Cairo", entries{"mon-sun": "00:00-24:00"}, nil),
		"Lord Howe":      calendar(t, "Australia/Lord_Howe", entries{"mon-sun": "01:00-03:00"}, nil),
		"Apia":           calendar(t, "Pacific/Apia", entries{"mon-sun": "09:00-17:00"}, nil),
		"Apia 24/7":      calendar(t, "Pacific/Apia", entries{"mon-sun": "00:00-24:00"}, nil),
		"Kathmandu":      calendar(t, "Asia/Kathmandu", entries{"mon-sun": "09:00-17:00"}, nil),
		"alice": calendar(t, "America/Chicago", entries{"mon-fri": "09:00-17:00", "sat": "22:00-02:00"}, exceptions{"2026-12-24": "09:00-13:00"}).
			Except([]hours.DateRange{{From: date(t, "2026-12-20"), To: date(t, "2027-01-03")}, {From: date(t, "2027-01-04"), To: date(t, "2027-01-04")}, {From: date(t, "2027-02-02"), To: date(t, "2027-02-01")}}),
		"left": calendar(t, "America/Chicago", store, nil).Except([]hours.DateRange{{From: date(t, "2026-06-10"), To: date(t, "9999-12-31")}}),
	}
}

func TestBetween(t *testing.T) {
	cs := calendars(t)
	for _, tt := range []struct {
		name, calendar, from, to string
		want                     time.Duration
	}{
		{"within a day", "store", "2026-06-01T10:00:00-05:00", "2026-06-01T10:05:00-05:00", 5 * time.Minute},
		{"parts of a second", "store", "2026-06-01T08:59:59.75-05:00", "2026-06-01T09:00:00.25-05:00", 250 * time.Millisecond},
		{"within one second", "store", "2026-06-01T09:00:00.25-05:00", "2026-06-01T09:00:00.75-05:00", 500 * time.Millisecond},
		{"up to closing", "store", "2026-06-01T19:59:59.5-05:00", "2026-06-01T20:00:00.5-05:00", 500 * time.Millisecond},
		{"backwards", "store", "2026-06-01T10:05:00-05:00", "2026-06-01T10:00:00-05:00", 0},
		{"nothing", "store", "2026-06-01T10:00:00-05:00", "2026-06-01T10:00:00-05:00", 0},
		{"from another zone", "store", "2026-06-01T17:00:00+02:00", "2026-06-01T15:30:00Z", 30 * time.Minute},
		{"over the lunch of a split day", "store", "2026-06-06T12:50:00-05:00", "2026-06-06T14:10:00-05:00", 20 * time.Minute},
		{"over night", "store", "2026-06-01T19:59:00-05:00", "2026-06-02T09:01:00-05:00", 2 * time.Minute},
		{"closed day, no more than the next morning", "store", "2026-06-07T10:00:00-05:00", "2026-06-08T09:30:00-05:00", 30 * time.Minute},
		{"exceptions", "store", "2026-12-24T00:00:00-06:00", "2026-12-26T00:00:00-06:00", 4 * time.Hour},
		{"over midnight", "night", "2026-06-01T23:00:00-05:00", "2026-06-02T01:00:00-05:00", 2 * time.Hour},
		{"exception takes what begins on its date alone", "night", "2026-06-09T12:00:00-05:00", "2026-06-11T12:00:00-05:00", 4 * time.Hour},
		{"spring forward within a span", "always", "2026-03-08T00:00:00-06:00", "2026-03-09T00:00:00-05:00", 23 * time.Hour},
		{"fall back within a span", "always", "2026-11-01T00:00:00-05:00", "2026-11-02T00:00:00-06:00", 25 * time.Hour},
		{"opening leapt over", "early", "2026-03-08T00:00:00-06:00", "2026-03-08T12:00:00-05:00", 3 * time.Hour},
		{"opening shown twice is the first", "twice", "2026-11-01T00:00:00-05:00", "2026-11-01T12:00:00-06:00", 5*time.Hour + 30*time.Minute},
		{"closing shown twice is the second", "until twice", "2026-11-01T00:00:00-05:00", "2026-11-01T12:00:00-06:00", 2*time.Hour + 30*time.Minute},
		{"two spans shown twice overlap", "within twice", "2026-11-01T00:00:00-05:00", "2026-11-01T12:00:00-06:00", 2 * time.Hour},
		{"a span leapt over whole", "in the leap", "2026-03-08T00:00:00-06:00", "2026-03-08T12:00:00-05:00", 0},
		{"weeks from between the two openings", "twice", "2026-11-01T01:00:00-06:00", "2026-11-15T01:00:00-06:00", 63*time.Hour + 30*time.Minute},
		{"weeks to between the two closings", "until twice", "2026-10-18T01:45:00-05:00", "2026-11-01T01:45:00-05:00", 21*time.Hour + 15*time.Minute},
		{"midnight leapt over", "Sao Paulo", "2018-11-03T12:00:00-03:00", "2018-11-04T12:00:00-02:00", 7 * time.Hour},
		{"the hour before midnight shown twice", "Beirut", "2025-10-25T12:00:00+03:00", "2025-10-26T12:00:00+02:00", 7 * time.Hour},
		{"24/7 where midnight is shown twice", "Cairo", "2025-10-30T12:00:00+03:00", "2025-10-31T12:00:00+02:00", 25 * time.Hour},
		{"half an hour forward", "Lord Howe", "2026-10-04T00:00:00+10:30", "2026-10-04T12:00:00+11:00", 90 * time.Minute},
		{"half an hour back", "Lord Howe", "2026-04-05T00:00:00+11:00", "2026-04-05T12:00:00+10:30", 2*time.Hour + 30*time.Minute},
		{"a date that never was", "Apia", "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00", 16 * time.Hour},
		{"24/7 over a date that never was", "Apia 24/7", "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00", 48 * time.Hour},
		{"quarter of an hour off", "Kathmandu", "2026-06-01T08:00:00+05:45", "2026-06-01T10:00:00+05:45", time.Hour},
		{"the last day of a leap year", "store", "2024-12-31T10:00:00-06:00", "2025-01-01T12:00:00-06:00", 13 * time.Hour},
		{"an away of two weeks, both ends included", "alice", "2026-12-18T17:00:00-06:00", "2027-01-05T10:00:00-06:00", 5 * time.Hour},
		{"absence before all time to come", "left", "2026-06-09T00:00:00-05:00", "2999-01-01T00:00:00Z", 11 * time.Hour},
		{"never", "never", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", 0},
		{"one day in all time", "one day", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", 8 * time.Hour},
		{"more than a Duration holds", "always", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", 1<<63 - 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := cs[tt.calendar].Between(at(t, tt.from), at(t, tt.to)); got != tt.want {
				t.Errorf("Between = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAdd(t *testing.T) {
	cs := calendars(t)
	for _, tt := range []struct {
		name, calendar, from string
		d                    time.Duration
		want                 string // empty: never
	}{
		{"within a day", "store", "2026-06-01T10:00:00-05:00", 5 * time.Minute, "2026-06-01T10:05:00-05:00"},
		{"nanoseconds", "store", "2026-06-01T10:00:00.9-05:00", 200*time.Millisecond + 1, "2026-06-01T10:00:01.100000001-05:00"},
		{"parts of a second over night", "store", "2026-06-01T19:59:59.9-05:00", 200 * time.Millisecond, "2026-06-02T09:00:00.1-05:00"},
		{"from a closed second", "store", "2026-06-01T08:59:59.9-05:00", 200 * time.Millisecond, "2026-06-01T09:00:00.2-05:00"},
		{"to closing, not to the next opening", "store", "2026-06-01T19:00:00-05:00", time.Hour, "2026-06-01T20:00:00-05:00"},
		{"past closing", "store", "2026-06-01T19:00:00-05:00", time.Hour + 1, "2026-06-02T09:00:00.000000001-05:00"},
		{"arrival on a closed day", "store", "2026-06-07T10:00:00-05:00", 30 * time.Minute, "2026-06-08T09:30:00-05:00"},
		{"nothing while open", "store", "2026-06-01T10:00:00.5-05:00", 0, "2026-06-01T10:00:00.5-05:00"},
		{"nothing while closed", "store", "2026-06-07T10:00:00.5-05:00", 0, "2026-06-08T09:00:00-05:00"},
		{"less than nothing", "store", "2026-06-07T10:00:00-05:00", -time.Hour, "2026-06-08T09:00:00-05:00"},
		{"over Christmas", "store", "2026-12-24T12:00:00-06:00", 2 * time.Hour, "2026-12-26T10:00:00-06:00"},
		{"over a clock moved forward", "always", "2026-03-08T00:00:00-06:00", 23 * time.Hour, "2026-03-09T00:00:00-05:00"},
		{"a year of weeks", "store", "2026-01-05T09:00:00-06:00", 52*63*time.Hour - 18*time.Hour + time.Minute, "2027-01-04T09:01:00-06:00"},
		{"the last of one day", "one day", "2026-06-01T10:00:00-05:00", 8 * time.Hour, "2030-06-10T17:00:00-05:00"},
		{"more than the last of one day", "one day", "2026-06-01T10:00:00-05:00", 8*time.Hour + 1, ""},
		{"never", "never", "2026-06-01T10:00:00-05:00", 1, ""},
		{"never, nothing", "never", "2026-06-01T10:00:00-05:00", 0, ""},
		{"the longest duration of an hour a week", "an hour a week", "2026-06-01T10:00:00-05:00", 1<<63 - 1, ""},
		{"after all time", "always", "9999-12-31T23:00:00Z", 2 * time.Hour, ""},
		{"back from an absence", "alice", "2026-12-18T16:00:00-06:00", 6 * time.Hour, "2027-01-05T10:00:00-06:00"},
		{"gone", "left", "2026-06-09T10:00:00-05:00", 11 * time.Hour, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := cs[tt.calendar].Add(at(t, tt.from), tt.d)
			if want := at(t, tt.want); !got.Equal(want) || ok != (tt.want != "") {
				t.Errorf("Add = %v, %v, want %v", got, ok, want)
			}
		})
	}
}

func TestNext(t *testing.T) {
	cs := calendars(t)
	for _, tt := range []struct {
		name, calendar, at string
		isOpen             bool
		open, close, flip  string // empty: never
	}{
		{"open", "store", "2026-06-01T10:00:00.5-05:00", true, "2026-06-01T10:00:00.5-05:00", "2026-06-01T20:00:00-05:00", "2026-06-01T20:00:00-05:00"},
		{"opening", "store", "2026-06-01T09:00:00-05:00", true, "2026-06-01T09:00:00-05:00", "2026-06-01T20:00:00-05:00", "2026-06-01T20:00:00-05:00"},
		{"just before opening", "store", "2026-06-01T08:59:59.9-05:00", false, "2026-06-01T09:00:00-05:00", "2026-06-01T20:00:00-05:00", "2026-06-01T09:00:00-05:00"},
		{"just before closing", "store", "2026-06-01T19:59:59.9-05:00", true, "2026-06-01T19:59:59.9-05:00", "2026-06-01T20:00:00-05:00", "2026-06-01T20:00:00-05:00"},
		{"closing", "store", "2026-06-01T20:00:00-05:00", false, "2026-06-02T09:00:00-05:00", "2026-06-02T20:00:00-05:00", "2026-06-02T09:00:00-05:00"},
		{"closed day", "store", "2026-06-07T10:00:00-05:00", false, "2026-06-08T09:00:00-05:00", "2026-06-08T20:00:00-05:00", "2026-06-08T09:00:00-05:00"},
		{"09:00 is 09:00 in summer too", "store", "2026-03-08T12:00:00-05:00", false, "2026-03-09T09:00:00-05:00", "2026-03-09T20:00:00-05:00", "2026-03-09T09:00:00-05:00"},
		{"over midnight", "night", "2026-06-01T23:00:00-05:00", true, "2026-06-01T23:00:00-05:00", "2026-06-02T02:00:00-05:00", "2026-06-02T02:00:00-05:00"},
		{"adjoining at midnight", "over midnights", "2026-06-05T12:00:00-05:00", false, "2026-06-05T18:00:00-05:00", "2026-06-06T02:00:00-05:00", "2026-06-05T18:00:00-05:00"},
		{"24/7 at midnight", "24/7", "2026-06-01T23:59:59.999-05:00", true, "2026-06-01T23:59:59.999-05:00", "", ""},
		{"24/7 after midnight", "24/7", "2026-06-02T00:00:00-05:00", true, "2026-06-02T00:00:00-05:00", "", ""},
		{"24/7 of two spans", "24/7 in two", "2026-06-01T18:00:00-05:00", true, "2026-06-01T18:00:00-05:00", "", ""},
		{"24/7 but one", "24/7 but one", "2026-06-01T18:00:00-05:00", true, "2026-06-01T18:00:00-05:00", "2030-06-10T00:00:00-05:00", "2030-06-10T00:00:00-05:00"},
		{"24/7 of two spans but one", "in two but one", "2026-06-01T18:00:00-05:00", true, "2026-06-01T18:00:00-05:00", "2030-06-10T06:00:00-05:00", "2030-06-10T06:00:00-05:00"},
		{"24/7 of two spans in the one", "in two but one", "2030-06-10T06:00:00-05:00", false, "2030-06-11T06:00:00-05:00", "", "2030-06-11T06:00:00-05:00"},
		{"always", "always", "2026-06-01T10:00:00-05:00", true, "2026-06-01T10:00:00-05:00", "", ""},
		{"never", "never", "2026-06-01T10:00:00-05:00", false, "", "", ""},
		{"one day to come", "one day", "2026-06-01T10:00:00-05:00", false, "2030-06-10T09:00:00-05:00", "2030-06-10T17:00:00-05:00", "2030-06-10T09:00:00-05:00"},
		{"one day gone", "one day", "2030-06-10T17:00:00-05:00", false, "", "", ""},
		{"before all time", "always", "0001-01-01T00:00:00Z", true, "0001-01-01T00:00:00Z", "", ""},
		{"a date that never was", "Apia", "2011-12-29T18:00:00-10:00", false, "2011-12-31T09:00:00+14:00", "2011-12-31T17:00:00+14:00", "2011-12-31T09:00:00+14:00"},
		{"24/7 over a date that never was", "Apia 24/7", "2011-12-29T18:00:00-10:00", true, "2011-12-29T18:00:00-10:00", "", ""},
		{"24/7 where midnight is leapt over", "Cairo", "2026-04-23T12:00:00+02:00", true, "2026-04-23T12:00:00+02:00", "", ""},
		{"opening leapt over", "early", "2026-03-08T01:59:59-06:00", false, "2026-03-08T03:00:00-05:00", "2026-03-08T06:00:00-05:00", "2026-03-08T03:00:00-05:00"},
		{"a span leapt over whole", "in the leap", "2026-03-08T01:59:59-06:00", false, "2026-03-09T02:10:00-05:00", "2026-03-09T02:50:00-05:00", "2026-03-09T02:10:00-05:00"},
		{"closing shown twice, first time", "until twice", "2026-11-01T01:30:00-05:00", true, "2026-11-01T01:30:00-05:00", "2026-11-01T01:30:00-06:00", "2026-11-01T01:30:00-06:00"},
		{"away", "alice", "2026-12-24T10:00:00-06:00", false, "2027-01-05T09:00:00-06:00", "2027-01-05T17:00:00-06:00", "2027-01-05T09:00:00-06:00"},
		{"the night before the absence runs on", "alice", "2026-12-20T01:00:00-06:00", true, "2026-12-20T01:00:00-06:00", "2026-12-20T02:00:00-06:00", "2026-12-20T02:00:00-06:00"},
		{"gone", "left", "2026-06-10T10:00:00-05:00", false, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, now := cs[tt.calendar], at(t, tt.at)
			if got := c.Open(now); got != tt.isOpen {
				t.Errorf("Open = %v, want %v", got, tt.isOpen)
			}
			for _, next := range []struct {
				name string
				f    func(time.Time) (time.Time, bool)
				want string
			}{{"NextOpen", c.NextOpen, tt.open}, {"NextClose", c.NextClose, tt.close}, {"NextChange", c.NextChange, tt.flip}} {
				got, ok := next.f(now)
				if ok != (next.want != "") || ok && !got.Equal(at(t, next.want)) {
					t.Errorf("%s = %v, %v, want %q", next.name, got, ok, next.want)
				}
			}
		})
	}
}

func TestClosingOfDay(t *testing.T) {
	cs := calendars(t)
	for _, tt := range []struct{ name, calendar, at, want string }{
		{"open", "store", "2026-06-01T10:00:00-05:00", "2026-06-01T20:00:00-05:00"},
		{"before opening", "store", "2026-06-01T00:00:00-05:00", "2026-06-01T20:00:00-05:00"},
		{"after hours", "store", "2026-06-01T21:00:00-05:00", "2026-06-01T20:00:00-05:00"},
		{"the store's date, not the asker's", "store", "2026-06-02T03:00:00Z", "2026-06-01T20:00:00-05:00"},
		{"in the lunch of a split day", "store", "2026-06-06T13:30:00-05:00", "2026-06-06T18:00:00-05:00"},
		{"an exception", "store", "2026-12-24T10:00:00-06:00", "2026-12-24T13:00:00-06:00"},
		{"closed day", "store", "2026-06-07T10:00:00-05:00", "2026-06-08T00:00:00-05:00"},
		{"closed day in which the clock is moved", "store", "2026-11-01T00:10:00-05:00", "2026-11-02T00:00:00-06:00"},
		{"before midnight", "night", "2026-06-01T23:00:00-05:00", "2026-06-02T02:00:00-05:00"},
		{"after midnight it is still the day before", "night", "2026-06-02T01:59:59-05:00", "2026-06-02T02:00:00-05:00"},
		{"after closing it is the next", "night", "2026-06-02T02:00:00-05:00", "2026-06-03T02:00:00-05:00"},
		{"after midnight into a closed day", "night", "2026-06-10T01:00:00-05:00", "2026-06-10T02:00:00-05:00"},
		{"adjoining at midnight", "over midnights", "2026-06-05T23:00:00-05:00", "2026-06-06T00:00:00-05:00"},
		{"always", "always", "2026-06-01T00:00:00-05:00", "2026-06-02T00:00:00-05:00"},
		{"closing shown twice", "until twice", "2026-11-01T01:10:00-05:00", "2026-11-01T01:30:00-06:00"},
		{"midnight leapt over", "Sao Paulo", "2018-11-03T23:30:00-03:00", "2018-11-03T08:00:00-03:00"},
		{"24:00 after the hour before it twice", "Beirut", "2025-10-25T23:30:00+03:00", "2025-10-26T00:00:00+02:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := at(t, tt.at)
			if got := cs[tt.calendar].ClosingOfDay(now); !got.Equal(at(t, tt.want)) {
				t.Errorf("ClosingOfDay = %v, want %v", got, tt.want)
			}
		})
	}
}

// What is returned is shown in the zone of the question.
func TestAnswersKeepTheZone(t *testing.T) {
	c := calendars(t)["store"]
	now := at(t, "2026-06-01T00:00:00Z")
	open, _ := c.NextOpen(now)
	later, _ := c.Add(now, time.Hour)
	for _, got := range []time.Time{open, later, c.ClosingOfDay(now)} {
		if got.Location() != now.Location() {
			t.Errorf("answer in %v, want %v", got.Location(), now.Location())
		}
	}
}

func TestExceptLeavesTheCalendar(t *testing.T) {
	c := calendars(t)["store"]
	noon := at(t, "2026-12-24T12:00:00-06:00")
	day := hours.DateOf(noon)
	away := c.Except([]hours.DateRange{{From: day, To: day}})
	if !c.Open(noon) || away.Open(noon) {
		t.Errorf("open = %v with the absence and %v without, want false and true", away.Open(noon), c.Open(noon))
	}
}

func TestNilLocationIsUTC(t *testing.T) {
	var week hours.Week
	if err := week.Set("mon-sun", "09:00-10:00"); err != nil {
		t.Fatal(err)
	}
	if !hours.New(nil, week, nil).Open(at(t, "2026-06-01T09:30:00Z")) {
		t.Error("closed at 09:30 UTC, want open")
	}
}

var zonesUnderTest = []string{
	"UTC", "America/Chicago", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "America/Santiago", "America/Havana", "America/Asuncion",
	"America/Nuuk", "Europe/London", "Europe/Berlin", "Europe/Dublin", "Africa/Cairo", "Africa/Casablanca", "Asia/Beirut", "Asia/Gaza", "Asia/Tehran",
	"Asia/Kathmandu", "Asia/Amman", "Australia/Lord_Howe", "Australia/Sydney", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kwajalein", "Antarctica/Troll",
}

// A 24/7 store is open through every move of the clock: one stretch without end, from any instant, in every zone.
func TestRoundTheClockNeverCloses(t *testing.T) {
	for _, name := range zonesUnderTest {
		c := calendar(t, name, entries{"mon-sun": "00:00-24:00"}, nil)
		from := at(t, "1973-01-01T00:00:00Z")
		to := at(t, "2060-01-01T00:00:00Z")
		if end, ok := c.NextClose(from); ok {
			t.Errorf("%s: closes at %v", name, end)
		}
		if got, want := c.Between(from, to), to.Sub(from); got != want {
			t.Errorf("%s: open %v, want %v", name, got, want)
		}
	}
}

func BenchmarkBetween(b *testing.B) {
	cs := calendars(b)
	from := at(b, "2016-01-04T10:00:00-06:00")
	for _, bb := range []struct {
		name, calendar string
		to             time.Time
	}{
		{"5 minutes", "store", from.Add(5 * time.Minute)},
		{"5 months", "store", from.AddDate(0, 5, 0)},
		{"10 years", "store", from.AddDate(10, 0, 0)},
		{"10 years always", "always", from.AddDate(10, 0, 0)},
		{"9998 years", "store", at(b, "9999-01-01T00:00:00Z")},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			start := from
			if bb.name == "9998 years" {
				start = time.Time{}
			}
			for b.Loop() {
				cs[bb.calendar].Between(start, bb.to)
			}
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	cs := calendars(b)
	from := at(b, "2016-01-04T10:00:00-06:00")
	for _, bb := range []struct {
		name, calendar string
		d              time.Duration
	}{
		{"5 minutes", "store", 5 * time.Minute},
		{"a year of open hours", "store", 365 * 24 * time.Hour},
		{"never within all time", "an hour a week", 1<<63 - 1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				cs[bb.calendar].Add(from, bb.d)
			}
		})
	}
}
