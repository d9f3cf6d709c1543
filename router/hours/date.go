package hours

import (
	"cmp"
	"fmt"
	"time"
)

// A Date is a day of the calendar without a zone: what a wall calendar shows. Dates are comparable with ==.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads a date as YYYY-MM-DD, from 0001-01-01 to 9999-12-31. The error quotes s.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return Date{}, fmt.Errorf("parse date %q: want a day of the calendar as YYYY-MM-DD, such as 2026-12-24", s)
	}
	return DateOf(t), nil
}

// DateOf is the date that t shows in its own zone.
func DateOf(t time.Time) Date {
	var d Date
	d.Year, d.Month, d.Day = t.Date()
	return d
}

// Compare is negative where d is before e, positive where it is after, and 0 where they are the same.
func (d Date) Compare(e Date) int {
	return cmp.Or(cmp.Compare(d.Year, e.Year), cmp.Compare(d.Month, e.Month), cmp.Compare(d.Day, e.Day))
}

// String writes d as ParseDate reads it.
func (d Date) String() string {
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// number counts days from 1970-01-01.
func (d Date) number() int64 {
	return floorDiv(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix(), daySeconds)
}

// A DateRange is every date from From to To, both included. It is empty where To is before From.
type DateRange struct {
	From, To Date
}

// floorDiv is the quotient rounded down, which Go's division is only for what is not negative.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
