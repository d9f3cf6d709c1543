package hours_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leadfloor/router/hours"
)

func TestParseSpans(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"one", "09:00-17:30", "[09:00-17:30]"},
		{"split day", "09:00-13:00, 14:00-18:00", "[09:00-13:00 14:00-18:00]"},
		{"whole day", "00:00-24:00", "[00:00-24:00]"},
		{"over midnight", "22:00-02:00", "[22:00-02:00]"},
		{"to midnight", "18:00-24:00", "[18:00-24:00]"},
		{"to midnight as next day's", "18:00-00:00", "[18:00-24:00]"},
		{"closed", " closed ", "[]"},
		{"disorder", "14:00-18:00,09:00-13:00", "[09:00-13:00 14:00-18:00]"},
		{"adjoining", "09:00-13:00, 13:00-18:00", "[09:00-18:00]"},
		{"overlapping", "09:00-14:00, 13:00-18:00", "[09:00-18:00]"},
		{"one within another", "09:00-18:00, 10:00-11:00, 12:00-19:00", "[09:00-19:00]"},
		{"overlapping over midnight", "20:00-23:00, 22:00-02:00", "[20:00-02:00]"},
		{"early and over midnight stay apart", "00:00-03:00, 22:00-02:00", "[00:00-03:00 22:00-02:00]"},
		{"white space", "  09:00 - 13:00 ", "[09:00-13:00]"},
		{"a day round", "09:00-21:00, 20:00-09:00", "[09:00-24:00, 23:59-09:00]"},
		{"longer than a day", "09:00-21:00, 20:00-10:00", "[09:00-24:00, 23:59-10:00]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := hours.ParseSpans(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if s := fmt.Sprint(got); s != tt.want {
				t.Errorf("ParseSpans(%q) = %v, want %v", tt.in, s, tt.want)
			}
		})
	}
}

func TestParseSpansErrors(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", `parse span "": want HH:MM-HH:MM, such as "09:00-17:30", or "closed"`},
		{"no end", "09:00", `parse span "09:00": want HH:MM-HH:MM, such as "09:00-17:30", or "closed"`},
		{"comma at the end", "09:00-10:00,", `parse span "": want HH:MM-HH:MM, such as "09:00-17:30", or "closed"`},
		{"closed among spans", "09:00-10:00, closed", `parse span "closed": want HH:MM-HH:MM, such as "09:00-17:30", or "closed"`},
		{"the second at fault", "09:00-10:00, 11:00-1x:00", `parse span "11:00-1x:00": want a time HH:MM, have "1x:00"`},
		{"one digit", "9:00-17:00", `parse span "9:00-17:00": want a time HH:MM, have "9:00"`},
		{"sign", "+9:00-17:00", `parse span "+9:00-17:00": want a time HH:MM, have "+9:00"`},
		{"no colon", "09000-17:00", `parse span "09000-17:00": want a time HH:MM, have "09000"`},
		{"afternoon", "09:00-05:00pm", `parse span "09:00-05:00pm": want a time HH:MM, have "05:00pm"`},
		{"minute 60", "09:60-17:00", `parse span "09:60-17:00": no such time of day as "09:60"`},
		{"after 24:00", "09:00-24:01", `parse span "09:00-24:01": no such time of day as "24:01"`},
		{"from 24:00", "24:00-02:00", `parse span "24:00-02:00": a day ends at 24:00, the next begins at 00:00`},
		{"nothing", "09:00-09:00", `parse span "09:00-09:00": it begins where it ends; a whole day is "00:00-24:00"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := hours.ParseSpans(tt.in)
			if err == nil {
				t.Fatalf("ParseSpans(%q) = %v, want an error", tt.in, got)
			}
			if err.Error() != tt.want {
				t.Errorf("error = %s\n       want %s", err, tt.want)
			}
		})
	}
}

// A week is seen through a calendar: each day's opening minutes.
func TestParseWeek(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   entries
		want string
	}{
		{"nothing", nil, "0 0 0 0 0 0 0"},
		{"one day", entries{"wed": "09:00-10:00"}, "0 0 60 0 0 0 0"},
		{"contract", entries{"mon-fri": "09:00-20:00", "sat": "09:00-13:00, 14:00-18:00", "sun": "closed"}, "660 660 660 660 660 480 0"},
		{"missing days are closed", entries{"mon-tue": "09:00-10:00", "sat": "09:00-10:00"}, "60 60 0 0 0 60 0"},
		{"round the end of the week", entries{"sat-mon": "09:00-10:00"}, "60 0 0 0 0 60 60"},
		{"a range of one", entries{"tue-tue": "09:00-10:00"}, "0 60 0 0 0 0 0"},
		{"a whole week from its middle", entries{"thu-wed": "00:00-24:00"}, "1440 1440 1440 1440 1440 1440 1440"},
		{"over midnight, overlapped by the next day", entries{"mon": "22:00-02:00", "tue": "01:00-03:00"}, "120 180 0 0 0 0 0"},
		{"sunday over midnight into monday's own", entries{"sun": "22:00-02:00", "mon": "01:00-03:00"}, "180 0 0 0 0 0 120"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := calendar(t, "UTC", tt.in, nil)
			monday := at(t, "2026-06-01T00:00:00Z")
			var got []string
			for i := range 7 {
				got = append(got, fmt.Sprintf("%.0f", c.Between(monday.AddDate(0, 0, i), monday.AddDate(0, 0, i+1)).Minutes()))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("minutes from Monday = %s, want %s", s, tt.want)
			}
			// Whole weeks are counted in another way than days.
			var sum time.Duration
			for i := range 7 {
				sum += c.Between(monday.AddDate(0, 0, i), monday.AddDate(0, 0, i+1))
			}
			if got, want := c.Between(monday, monday.AddDate(0, 0, 7*520)), 520*sum; got != want {
				t.Errorf("520 weeks = %v, want %v", got, want)
			}
		})
	}
}

func TestParseWeekErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   entries
		want string
	}{
		{"no day", entries{"": "closed"}, `parse days "": want mon, tue, wed, thu, fri, sat or sun, have ""`},
		{"unknown day", entries{"monday": "closed"}, `parse days "monday": want mon, tue, wed, thu, fri, sat or sun, have "monday"`},
		{"unknown end", entries{"mon-fry": "closed"}, `parse days "mon-fry": want mon, tue, wed, thu, fri, sat or sun, have "fry"`},
		{"two ranges", entries{"mon-tue-wed": "closed"}, `parse days "mon-tue-wed": want mon, tue, wed, thu, fri, sat or sun, have "tue-wed"`},
		{"twice", entries{"mon-fri": "09:00-10:00", "wed": "09:00-10:00"}, `hours of "wed": wed is named twice`},
		{"twice, closed", entries{"fri-mon": "closed", "mon": "09:00-10:00"}, `hours of "mon": mon is named twice`},
		{"bad span", entries{"mon-fri": "9-5"}, `hours of "mon-fri": parse span "9-5": want a time HH:MM, have "9"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := hours.ParseWeek(tt.in)
			if err == nil {
				t.Fatalf("ParseWeek(%v) gave no error", tt.in)
			}
			if err.Error() != tt.want {
				t.Errorf("error = %s\n       want %s", err, tt.want)
			}
		})
	}
}

func TestSetLeavesTheWeekOnError(t *testing.T) {
	var w hours.Week
	if err := w.Set("wed", "09:00-10:00"); err != nil {
		t.Fatal(err)
	}
	if err := w.Set("mon-fri", "09:00-17:00"); err == nil {
		t.Fatal("wed named twice gave no error")
	}
	if err := w.Set("mon-tue", "09:00-17:00"); err != nil {
		t.Errorf("monday was taken by an entry that was refused: %v", err)
	}
}

func TestParseDate(t *testing.T) {
	got, err := hours.ParseDate("2028-02-29")
	if err != nil {
		t.Fatal(err)
	}
	if want := (hours.Date{Year: 2028, Month: time.February, Day: 29}); got != want {
		t.Errorf("ParseDate = %v, want %v", got, want)
	}
	if got.String() != "2028-02-29" {
		t.Errorf("String = %s, want 2028-02-29", got)
	}
	for _, in := range []string{"", "2027-02-29", "2026-13-01", "2026-1-1", "24.12.2026", "2026-12-24T00:00:00Z", "0000-01-01"} {
		got, err := hours.ParseDate(in)
		if err == nil {
			t.Errorf("ParseDate(%q) = %v, want an error", in, got)
			continue
		}
		if want := fmt.Sprintf("parse date %q: want a day of the calendar as YYYY-MM-DD, such as 2026-12-24", in); err.Error() != want {
			t.Errorf("error = %s\n       want %s", err, want)
		}
	}
}

func TestDateCompare(t *testing.T) {
	order := []hours.Date{{2025, 12, 31}, {2026, 1, 1}, {2026, 1, 2}, {2026, 2, 1}}
	for i, a := range order {
		for j, b := range order {
			if got := a.Compare(b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%v.Compare(%v) = %d", a, b, got)
			}
		}
	}
}

// What is read is in order and apart, is written as it can be read again, and is just the minutes that the spans name.
func FuzzParseSpans(f *testing.F) {
	for _, s := range []string{"09:00-13:00, 14:00-18:00", "00:00-24:00", "22:00-02:00", "closed", "", "24:00-00:00", "09:00-13:00,13:00-14:00", "09:00-21:00,20:00-10:00", "00:00-00:00", "ü-,:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := hours.ParseSpans(s)
		if err != nil {
			if got != nil {
				t.Fatalf("ParseSpans(%q) = %v beside the error %v", s, got, err)
			}
			return
		}
		text := "closed"
		if len(got) > 0 {
			var parts []string
			for _, span := range got {
				parts = append(parts, span.String())
			}
			text = strings.Join(parts, ", ")
		}
		again, err := hours.ParseSpans(text)
		if err != nil || !slices.Equal(again, got) {
			t.Fatalf("ParseSpans(%q) = %v, written %q, read again %v, %v", s, got, text, again, err)
		}
		// By the minute, from the text alone: the names of the spans' minutes, those after midnight on the second day.
		var open [2 * 1440]bool
		if strings.TrimSpace(s) != "closed" {
			for part := range strings.SplitSeq(s, ",") {
				var h1, m1, h2, m2 int
				if _, err := fmt.Sscanf(strings.Join(strings.Fields(part), ""), "%d:%d-%d:%d", &h1, &m1, &h2, &m2); err != nil {
					t.Fatalf("ParseSpans(%q) = %v, but %q is no span: %v", s, got, part, err)
				}
				for m := h1*60 + m1; m%1440 != (h2*60+m2)%1440 || m == h1*60+m1; m++ {
					open[m] = true
				}
			}
		}
		var week hours.Week
		if err := week.Set("mon", text); err != nil {
			t.Fatal(err)
		}
		c := hours.New(time.UTC, week, nil)
		monday := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		for m, want := range open {
			if got := c.Open(monday.Add(time.Duration(m) * time.Minute)); got != want {
				t.Fatalf("ParseSpans(%q): minute %d open = %v, want %v", s, m, got, want)
			}
		}
	})
}
