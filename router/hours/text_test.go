package hours_test

import (
	"strings"
	"testing"
	"time"

	"leadfloor/router/hours"
)

func TestCalendarText(t *testing.T) {
	week := entries{"mon-fri": "09:00-20:00", "sat": "09:00-13:00, 14:00-18:00"}
	for _, tt := range []struct {
		name string
		c    *hours.Calendar
		want string
	}{
		{"week and exceptions", calendar(t, "America/Chicago", week, exceptions{"2026-12-25": "closed", "2026-12-24": "09:00-13:00"}),
			"America/Chicago; mon-fri 09:00-20:00; sat 09:00-13:00,14:00-18:00; 2026-12-24 09:00-13:00; 2026-12-25 closed"},
		{"closed dates in a row", calendar(t, "UTC", week, exceptions{"2026-12-31": "closed", "2027-01-01": "closed"}),
			"UTC; mon-fri 09:00-20:00; sat 09:00-13:00,14:00-18:00; 2026-12-31/2027-01-01 closed"},
		{"absence", calendar(t, "UTC", entries{"wed": "22:00-02:00"}, nil).Except([]hours.DateRange{{From: date(t, "2026-07-01"), To: date(t, "2026-07-14")}}),
			"UTC; wed 22:00-02:00; 2026-07-01/2026-07-14 closed"},
		{"days alike, apart", calendar(t, "UTC", entries{"mon": "09:00-10:00", "wed": "09:00-10:00"}, nil), "UTC; mon 09:00-10:00; wed 09:00-10:00"},
		{"longer than a day", calendar(t, "UTC", entries{"sun": "09:00-21:00, 20:00-10:00"}, nil), "UTC; sun 09:00-24:00, 23:59-10:00"},
		{"never", hours.New(nil, hours.Week{}, nil), "UTC"},
		{"always", hours.Always(location(t, "Europe/Berlin")), "Europe/Berlin; mon-sun 00:00-24:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.c.String(); got != tt.want {
				t.Errorf("String = %s\n    want %s", got, tt.want)
			}
			again, err := hours.ParseCalendar(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if again.String() != tt.want {
				t.Errorf("read again = %s\n       want %s", again, tt.want)
			}
		})
	}
}

func TestParseCalendarErrors(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", `want a zone of the IANA database, have ""`},
		{"this machine's zone", "Local", `want a zone of the IANA database, have "Local"`},
		{"unknown zone", "Mars/Olympus; mon 09:00-10:00", "unknown time zone Mars/Olympus"},
		{"no entry", "UTC;", `parse date ""`},
		{"day twice", "UTC; mon-fri 09:00-10:00; wed closed", `hours of "wed": wed is named twice`},
		{"no hours", "UTC; mon", `want HH:MM-HH:MM`},
		{"no date", "UTC; 2026-02-30 closed", `parse date "2026-02-30"`},
		{"no last date", "UTC; 2026-02-01/ closed", `parse date ""`},
		{"no hours on a date", "UTC; 2026-02-01", `hours of 2026-02-01: parse span ""`},
		{"hours of several dates", "UTC; 2026-02-01/2026-02-02 09:00-10:00", "several dates at once can be closed alone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := hours.ParseCalendar(tt.in)
			if err == nil {
				t.Fatalf("ParseCalendar(%q) = %v, want an error", tt.in, c)
			}
			if !strings.HasPrefix(err.Error(), "parse calendar ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %s, want %s in it", err, tt.want)
			}
		})
	}
}

// Whatever is read is written so that it is read the same.
func FuzzParseCalendar(f *testing.F) {
	for _, s := range []string{
		"America/Chicago; mon-fri 09:00-20:00; sat 09:00-13:00,14:00-18:00; 2026-12-24 09:00-13:00; 2026-12-25/2027-01-01 closed",
		"UTC", "UTC;", "UTC; 2027-01-01/2026-01-01 closed", "UTC; 2026-01-01 closed; 2026-01-02 00:00-24:00; 2026-01-01/2026-01-02 closed", "; mon closed", "Local",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := hours.ParseCalendar(s)
		if err != nil {
			if c != nil {
				t.Fatalf("ParseCalendar(%q) = %v beside the error %v", s, c, err)
			}
			return
		}
		again, err := hours.ParseCalendar(c.String())
		if err != nil || again.String() != c.String() {
			t.Fatalf("ParseCalendar(%q) = %s, read again %v, %v", s, c, again, err)
		}
		at := time.Date(2026, 12, 23, 0, 0, 0, 0, time.UTC)
		if a, b := c.Between(at, at.AddDate(0, 1, 0)), again.Between(at, at.AddDate(0, 1, 0)); a != b {
			t.Fatalf("ParseCalendar(%q) is open for %s, read again for %s", s, a, b)
		}
	})
}
