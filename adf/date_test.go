package adf_test

import (
	"strings"
	"testing"
	"time"

	"leadfloor/adf"
)

func TestParseDate(t *testing.T) {
	for _, tt := range []struct {
		in    string
		want  string // RFC 3339
		zoned bool
	}{
		{"20000330T153020-0800", "2000-03-30T15:30:20-08:00", true},
		{"20000330T153020+0530", "2000-03-30T15:30:20+05:30", true},
		{"2000-03-30T15:30:20-08:00", "2000-03-30T15:30:20-08:00", true},
		{" 2026-01-19 16:40:00 -0600\n", "2026-01-19T16:40:00-06:00", true},
		{"2026-11-22 13:35:21 +0000", "2026-11-22T13:35:21Z", true},
		{"2026-11-22 13:35:21 +0000 UTC", "2026-11-22T13:35:21Z", true},
		{"2018-04-12T16:30:20Z", "2018-04-12T16:30:20Z", true},
		{"2000-03-30T15:30:20-08:0", "2000-03-30T15:30:20-08:00", true},
		{"2000-03-30T15:30:20-8", "2000-03-30T15:30:20-08:00", true},
		{"2018-04-15T15:30:20.000-08:00", "2018-04-15T15:30:20-08:00", true},
		{"2018-04-15T15:30:20.123Z", "2018-04-15T15:30:20.123Z", true},
		{"2012-05-28T19:17:27", "2012-05-28T19:17:27Z", false},
		{"2013-06-06T04:03:01.937", "2013-06-06T04:03:01.937Z", false},
		{"2026-03-11T15:30:45.123456", "2026-03-11T15:30:45.123456Z", false},
		{"2008-06-25T8:47:50", "2008-06-25T08:47:50Z", false},
		{"2025-09-22T18:07", "2025-09-22T18:07:00Z", false},
		{"2025-01-22", "2025-01-22T00:00:00Z", false},
		{"20250122", "2025-01-22T00:00:00Z", false},
		{"2025/06/01 10:15:30", "2025-06-01T10:15:30Z", false},
		{"06/20/2012 01:09PM PST", "2012-06-20T13:09:00-08:00", true},
		{"06/20/2012 01:09PM PT", "2012-06-20T13:09:00Z", false},
		{"6/2/2012 1:09:05 am", "2012-06-02T01:09:05Z", false},
		{"20/06/2012 13:09", "2012-06-20T13:09:00Z", false},
		{"20.06.2012 13:09", "2012-06-20T13:09:00Z", false},
		{"06-20-12", "2012-06-20T00:00:00Z", false},
		{"May 11, 2026 2:19:11 EDT AM", "2026-05-11T02:19:11-04:00", true},
		{"May 11, 2026 12:19 ET pm", "2026-05-11T12:19:00Z", false},
		{"June 20, 2012, 1:09 pm", "2012-06-20T13:09:00Z", false},
		{"Jun 20th 2012", "2012-06-20T00:00:00Z", false},
		{"20 June 2012 at 13:09", "2012-06-20T13:09:00Z", false},
		{"Wed, 20 Jun 2012 13:09:00 -0700", "2012-06-20T13:09:00-07:00", true},
		{"Wed, 20 Jun 2012 13:09:00 GMT", "2012-06-20T13:09:00Z", true},
		{"2012-06-20 12:00 am", "2012-06-20T00:00:00Z", false},
		{"2012-06-20 12:00 p.m.", "2012-06-20T12:00:00Z", false},
		{"2012-06-20T24:00:00Z", "2012-06-21T00:00:00Z", true},
		{"2024-02-29", "2024-02-29T00:00:00Z", false},
	} {
		got, zoned, err := adf.ParseDate(tt.in)
		if err != nil {
			t.Errorf("ParseDate(%q) = %v, want %s", tt.in, err, tt.want)
			continue
		}
		if s := got.Format(time.RFC3339Nano); s != tt.want || zoned != tt.zoned {
			t.Errorf("ParseDate(%q) = %s, %v, want %s, %v", tt.in, s, zoned, tt.want, tt.zoned)
		}
		if !zoned && got.Location() != time.UTC {
			t.Errorf("ParseDate(%q) without a zone is in %v, want UTC", tt.in, got.Location())
		}
	}
}

func TestParseDateRefuses(t *testing.T) {
	for _, in := range []string{"", "not-a-date", "invalid-date", "next week", "2025-13-01", "2025-02-29", "2025-00-10", "2025-01-32", "2025-01-01T25:00:00", "2025-01-01T10:61",
		"2025-01-01T24:00:01Z", "2025-01-01T10:00:00+99:00", "2025-01-01T10:00:00 nowhere", "2025", "01/02", "1/2/345", "0:15 pm 2025-01-01", "2025-01-01 0:15 pm", "99999999T999999+9999",
		strings.Repeat("1", 100)} {
		got, zoned, err := adf.ParseDate(in)
		if err == nil || zoned || !got.IsZero() {
			t.Errorf("ParseDate(%q) = %v, %v, %v, want an error alone", in, got, zoned, err)
		}
		if err != nil && in != "" && strings.Contains(err.Error(), in) {
			t.Errorf("ParseDate(%q) = %v, which repeats what was read", in, err)
		}
	}
}

// FuzzDate reads any text, and reads what RFC 3339 prints as package time does.
func FuzzDate(f *testing.F) {
	for _, s := range []string{"20000330T153020-0800", "06/20/2012 01:09PM PST", "June 20, 2012, 1:09 pm", "2000-03-30T15:30:20-08:0", "12:60"} {
		f.Add(s, int64(0), int16(0))
	}
	f.Add("", int64(1_700_000_000), int16(-480))
	f.Fuzz(func(t *testing.T, s string, unix int64, minutes int16) {
		got, zoned, err := adf.ParseDate(s)
		if err != nil && (zoned || !got.IsZero()) {
			t.Errorf("ParseDate(%q) = %v, %v, %v, want an error alone", s, got, zoned, err)
		}
		want := time.Unix(unix%(1<<37), 0).In(time.FixedZone("", int(minutes%840)*60))
		if y := want.Year(); y < 1 || y > 9999 {
			return
		}
		printed := want.Format(time.RFC3339)
		if got, zoned, err := adf.ParseDate(printed); err != nil || !zoned || !got.Equal(want) {
			t.Errorf("ParseDate(%q) = %v, %v, %v, want %v", printed, got, zoned, err, want)
		}
	})
}
