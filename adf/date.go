package adf

import (
	"errors"
	"strings"
	"time"
)

// errDate does not repeat what was read: whatever a sender put into the wrong field might stand there.
var errDate = errors.New("parse date: in no known form")

// ParseDate reads a date as ADF documents have it: both forms of the specification (20000330T153020-0800 and 2000-03-30T15:30:20-08:00), other
// forms of ISO 8601 with a blank for the T, one-digit hours, fractions, Z, without seconds or time, and those that templates print, such as
// 06/20/2012 01:09PM PST, May 11, 2026 2:19:11 EDT AM or Wed, 20 Jun 2012 13:09:00 -0700. Of two numbers before a slash the first is the month unless
// it cannot be one.
//
// Where the text names no zone, zoned is false and t holds the wall time in UTC: the caller knows whose wall it was. A date without a time is its
// midnight, and never zoned.
func ParseDate(s string) (t time.Time, zoned bool, err error) {
	d := dateReader{s: strings.TrimSpace(s)}
	if len(d.s) > 64 || !d.date() {
		return time.Time{}, false, errDate
	}
	if d.skip(" \tTt,"); d.s == "" {
		t, ok := d.time(time.UTC)
		if !ok {
			return time.Time{}, false, errDate
		}
		return t, false, nil
	}
	if at := strings.TrimPrefix(d.s, "at "); !d.clock(at) {
		return time.Time{}, false, errDate
	}
	d.skip(" \t")
	loc, ok := d.zone()
	if !ok || d.s != "" {
		return time.Time{}, false, errDate
	}
	zoned = loc != nil
	if !zoned {
		loc = time.UTC
	}
	if t, ok = d.time(loc); !ok {
		return time.Time{}, false, errDate
	}
	return t, zoned, nil
}

// isSpecDate reports whether s is in one of the two forms that the specification allows.
func isSpecDate(s string) bool {
	const extended, basic = "9999-99-99T99:99:99+99:99", "99999999T999999+9999"
	if !hasShape(s, extended) && !hasShape(s, basic) {
		return false
	}
	// The offset's digits are judged here, so that no zone is made for a mere look.
	d := dateReader{s: s}
	if !d.date() || !d.take('T') || !d.clock(d.s) {
		return false
	}
	d.s = d.s[1:]
	h, _ := d.digits(2)
	d.take(':')
	m, _ := d.digits(2)
	return d.valid() && h <= 14 && m <= 59
}

// hasShape compares s with a pattern in which 9 stands for any digit and + for either sign.
func hasShape(s, shape string) bool {
	if len(s) != len(shape) {
		return false
	}
	for i := range len(s) {
		switch c := shape[i]; {
		case c == '9' && (s[i] < '0' || s[i] > '9'), c == '+' && s[i] != '+' && s[i] != '-', c != '9' && c != '+' && s[i] != c:
			return false
		}
	}
	return true
}

// dateReader holds what is still to be read, and the fields read so far.
type dateReader struct {
	s                    string
	year, month, day     int
	hour, minute, second int
	nanosecond           int
}

// time puts the fields together; false where they are no date.
func (d *dateReader) time(loc *time.Location) (time.Time, bool) {
	if !d.valid() {
		return time.Time{}, false
	}
	return time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nanosecond, loc), true
}

// valid reports whether the fields are a date.
func (d *dateReader) valid() bool {
	return d.month >= 1 && d.month <= 12 && d.day >= 1 && (d.day <= 28 || d.day <= time.Date(d.year, time.Month(d.month)+1, 0, 0, 0, 0, 0, time.UTC).Day()) &&
		d.hour >= 0 && d.hour <= 24 && d.minute <= 59 && d.second <= 60 && (d.hour < 24 || d.minute+d.second+d.nanosecond == 0)
}

func (d *dateReader) skip(chars string) { d.s = strings.TrimLeft(d.s, chars) }

// digits takes up to limit digits and returns their value and number.
func (d *dateReader) digits(limit int) (v, n int) {
	for n < limit && n < len(d.s) && '0' <= d.s[n] && d.s[n] <= '9' {
		v = v*10 + int(d.s[n]-'0')
		n++
	}
	d.s = d.s[n:]
	return v, n
}

// word takes the letters that come next.
func (d *dateReader) word() string {
	n := 0
	for n < len(d.s) && 'a' <= d.s[n]|0x20 && d.s[n]|0x20 <= 'z' {
		n++
	}
	w := d.s[:n]
	d.s = d.s[n:]
	return strings.ToLower(w)
}

// take takes c where it comes next.
func (d *dateReader) take(c byte) bool {
	if d.s == "" || d.s[0] != c {
		return false
	}
	d.s = d.s[1:]
	return true
}

var months = [...]string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}

func monthOf(word string) int {
	for i, m := range months {
		if word == m || len(word) >= 3 && strings.HasPrefix(m, word) {
			return i + 1
		}
	}
	return 0
}

var weekdays = [...]string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

func isWeekday(word string) bool {
	for _, w := range weekdays {
		if len(word) >= 3 && strings.HasPrefix(w, word) {
			return true
		}
	}
	return false
}

func (d *dateReader) date() bool {
	w := d.word()
	if isWeekday(w) {
		d.skip(" ,.")
		w = d.word()
	}
	if w != "" { // June 20, 2012
		if d.month = monthOf(w); d.month == 0 {
			return false
		}
		d.skip(" .")
		var n int
		if d.day, n = d.digits(2); n == 0 {
			return false
		}
		d.ordinal()
		d.skip(" ,")
		d.year, n = d.digits(4)
		return n == 4
	}
	a, n := d.digits(8)
	switch {
	case n == 8: // 20120620
		d.year, d.month, d.day = a/10000, a/100%100, a%100
		return true
	case n != 1 && n != 2 && n != 4 || d.s == "":
		return false
	}
	if n <= 2 {
		before := d.s
		d.ordinal()
		d.skip(" -.")
		if m := monthOf(d.word()); m > 0 { // 20 Jun 2012
			d.day, d.month = a, m
			d.skip(" -.,")
			d.year, n = d.digits(4)
			return n == 4
		}
		d.s = before
	}
	sep := d.s[0]
	if sep != '-' && sep != '/' && sep != '.' {
		return false
	}
	d.s = d.s[1:]
	b, m := d.digits(2)
	if m == 0 || !d.take(sep) {
		return false
	}
	c, k := d.digits(4)
	switch {
	case n == 4 && (k == 1 || k == 2):
		d.year, d.month, d.day = a, b, c
		return true
	case n == 4 || k != 2 && k != 4:
		return false
	}
	if d.year = c; k == 2 {
		d.year += 2000
	}
	d.month, d.day = a, b
	if sep == '.' || a > 12 { // with dots the day comes first wherever that is the custom
		d.month, d.day = b, a
	}
	return true
}

// ordinal takes the letters of 1st, 2nd and so on.
func (d *dateReader) ordinal() {
	if len(d.s) >= 2 {
		switch strings.ToLower(d.s[:2]) {
		case "st", "nd", "rd", "th":
			d.s = d.s[2:]
		}
	}
}

// clock reads the time of day that s begins with.
func (d *dateReader) clock(s string) bool {
	d.s = s
	h, n := d.digits(6)
	switch {
	case n == 6: // 153020
		d.hour, d.minute, d.second = h/10000, h/100%100, h%100
	case n == 4: // 1530
		d.hour, d.minute = h/100, h%100
	case n == 1 || n == 2:
		d.hour = h
		if !d.take(':') {
			return d.halfDay() // 1 pm
		}
		if d.minute, n = d.digits(2); n == 0 {
			return false
		}
		if d.take(':') {
			if d.second, n = d.digits(2); n == 0 {
				return false
			}
		}
	default:
		return false
	}
	if d.take('.') || d.take(',') {
		scale := 100_000_000
		for d.s != "" && '0' <= d.s[0] && d.s[0] <= '9' {
			d.nanosecond += int(d.s[0]-'0') * scale
			scale /= 10
			d.s = d.s[1:]
		}
	}
	d.halfDay()
	return true
}

// halfDay reads am or pm and reports whether one stood there. An hour that such a clock does not have becomes one that
// no day has.
func (d *dateReader) halfDay() bool {
	rest := strings.TrimLeft(d.s, " ")
	for _, half := range [...]string{"a.m.", "p.m.", "am", "pm"} {
		if len(rest) < len(half) || !strings.EqualFold(rest[:len(half)], half) {
			continue
		}
		d.s = rest[len(half):]
		switch {
		case d.hour > 12 && half[0] == 'p':
			return true // 13:09 PM: the hour speaks for itself
		case d.hour < 1 || d.hour > 12:
			if half[0] == 'p' || d.hour > 12 {
				d.hour = -1
			}
			return true // 0:15 am
		}
		if d.hour %= 12; half[0] == 'p' {
			d.hour += 12
		}
		return true
	}
	return false
}

// abbreviations are the zones that senders in North America name, in seconds east of UTC.
var abbreviations = map[string]int{
	"z": 0, "utc": 0, "gmt": 0, "ast": -4 * 3600, "adt": -3 * 3600, "est": -5 * 3600, "edt": -4 * 3600, "cst": -6 * 3600, "cdt": -5 * 3600,
	"mst": -7 * 3600, "mdt": -6 * 3600, "pst": -8 * 3600, "pdt": -7 * 3600, "akst": -9 * 3600, "akdt": -8 * 3600, "hst": -10 * 3600,
}

// zone reads an offset or a zone's abbreviation; nil where there is neither.
func (d *dateReader) zone() (loc *time.Location, ok bool) {
	if d.s == "" {
		return nil, true
	}
	if w := d.word(); w != "" {
		offset, ok := abbreviations[w]
		d.halfDay() // CarGurus writes 2:19:11 EDT AM
		if !ok {
			return nil, w == "et" || w == "ct" || w == "mt" || w == "pt" // which half of the year it meant is not said
		}
		if offset == 0 && d.s == "" {
			return time.UTC, true
		}
		if d.s == "" {
			return time.FixedZone(strings.ToUpper(w), offset), true
		}
		if offset != 0 { // GMT-0700 goes on, PST-0700 makes no sense
			return nil, false
		}
	}
	sign := 1
	switch {
	case d.take('-'):
		sign = -1
	case !d.take('+'):
		return nil, false
	}
	v, n := d.digits(4)
	switch n {
	case 1, 2:
		v *= 60
		if d.take(':') {
			m, k := d.digits(2)
			if k == 1 {
				m *= 10 // -08:0
			}
			if k == 0 || m > 59 {
				return nil, false
			}
			v += m
		}
	case 3, 4:
		if v%100 > 59 {
			return nil, false
		}
		v = v/100*60 + v%100
	default:
		return nil, false
	}
	if d.skip(" "); d.s != "" { // 2026-11-22 13:35:21 +0000 UTC
		if strings.HasPrefix(d.s, "(") && strings.HasSuffix(d.s, ")") {
			d.s = ""
		} else if _, ok := abbreviations[d.word()]; !ok {
			return nil, false
		}
	}
	if v > 14*60+59 {
		return nil, false
	}
	if v == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", sign*v*60), true
}
