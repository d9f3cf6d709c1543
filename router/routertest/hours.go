package routertest

import (
	"fmt"
	"testing"
	"time"

	"leadfloor/router"
	"leadfloor/router/hours"
)

// opening is a calendar by its text; nil, always open, for none.
func opening(t testing.TB, text string) *hours.History {
	t.Helper()
	if text == "" {
		return nil
	}
	c, err := hours.ParseCalendar(text)
	if err != nil {
		t.Fatal(err)
	}
	return hours.NewHistory(c)
}

// load has r load a configuration that has nothing but the hours of its own, as a daemon does. It says whether that one leads.
func (b *Bench) load(r *router.Router, text string) bool {
	b.T.Helper()
	f := *b.Home
	f.Hours = opening(b.T, text)
	r.Configure([]*router.Rooftop{&f})
	return b.leads(r, text, b.Clock.Now())
}

// leads has r say once more what it loaded, and when.
func (b *Bench) leads(r *router.Router, hash string, loaded time.Time) bool {
	b.T.Helper()
	other, _, err := b.Store.Leading(b.T.Context(), r.Rooftops(), hash, loaded)
	if err != nil {
		b.T.Fatal(err)
	}
	if other == "" {
		if err := r.Recall(b.T.Context()); err != nil {
			b.T.Fatal(err)
		}
	}
	return other == ""
}

// started is another replica, or the same after a restart.
func (b *Bench) started(text string) *router.Router {
	f := *b.Home
	f.Hours = opening(b.T, text)
	return router.New(b.Store, []*router.Rooftop{&f})
}

// versions are the hours that are kept.
func (b *Bench) versions() []hours.Version {
	b.T.Helper()
	all, err := b.Store.Hours(b.T.Context(), b.Home.ID)
	if err != nil {
		b.T.Fatal(err)
	}
	return all
}

func (b *Bench) until(t time.Time) { b.Clock.Add(t.Sub(b.Clock.Now())) }

// opened is how long the store was open until the response to a lead.
func opened(t testing.TB, l *router.Lead, err error) time.Duration {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(l.Stops[router.ClockResponse].OpenSeconds * float64(time.Second))
}

// What was edited, and how long the store was open from one instant, over the edit, to another.
var edits = map[string]struct {
	old, now          string
	from, edited, to  string
	want, before, all time.Duration // over all, by the first hours, by the last
}{
	"longer hours": {
		"UTC; mon-fri 09:00-17:00", "UTC; mon-fri 08:00-20:00",
		"2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z", "2026-11-24T18:00:00Z", 14 * time.Hour, 13 * time.Hour, 18 * time.Hour,
	},
	"always, then hours": {
		"", "UTC; mon-fri 09:00-17:00",
		"2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z", "2026-11-24T18:00:00Z", 29 * time.Hour, 30 * time.Hour, 13 * time.Hour,
	},
	"hours, then always": {
		"UTC; mon-fri 09:00-17:00", "",
		"2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z", "2026-11-24T18:00:00Z", 14 * time.Hour, 13 * time.Hour, 30 * time.Hour,
	},
	"an exception for yesterday and one for tomorrow": {
		"UTC; mon-fri 09:00-17:00", "UTC; mon-fri 09:00-17:00; 2026-11-23 closed; 2026-11-25 closed",
		"2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z", "2026-11-26T10:00:00Z", 14 * time.Hour, 22 * time.Hour, 9 * time.Hour,
	},
	"another zone": {
		"UTC; mon-fri 09:00-17:00", "America/New_York; mon-fri 09:00-17:00",
		"2026-11-23T12:00:00Z", "2026-11-24T16:00:00Z", "2026-11-24T20:00:00Z", 16 * time.Hour, 13 * time.Hour, 14 * time.Hour,
	},
	// Chicago's clock leaps over an hour of the night of the edit, Phoenix' does not.
	"a zone whose clock is moved, then one whose is not": {
		"America/Chicago; mon-sun 00:00-06:00", "America/Phoenix; mon-sun 00:00-06:00",
		"2027-03-13T00:00:00Z", "2027-03-14T12:30:00Z", "2027-03-15T10:00:00Z", 14*time.Hour + 30*time.Minute, 16 * time.Hour, 15 * time.Hour,
	},
}

// timing is what becomes of the hours of a store when they are edited: the past stays as it was.
var timing = map[string]func(*testing.T, benchFor){
	"hours that are edited are those from then on": func(t *testing.T, bench benchFor) {
		for name, e := range edits {
			t.Run(name, func(t *testing.T) {
				b := bench(t, "alice")
				from, edited, to := instant(t, e.from), instant(t, e.edited), instant(t, e.to)
				b.load(b.Router, e.old)
				b.until(from)
				first, second := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
				mistake := b.log(second, router.Entry{Kind: router.KindResponse, Channel: "call"}).Evidence[0].Seq
				b.until(edited)
				b.load(b.Router, e.now)
				b.until(to.Add(time.Minute))

				late := router.Entry{Kind: router.KindResponse, Channel: "call", At: to}
				l, err := b.Log(t.Context(), first, late)
				Want(t, "open time of a late report", opened(t, l, err), e.want)
				Want(t, "open time in the histogram", b.figures().Counts["hs|response_open|autotrader"], e.want.Milliseconds())
				again := b.started(e.now)
				if _, err := again.Correct(t.Context(), second, mistake, "", "", ""); err != nil {
					t.Fatal(err)
				}
				l, err = again.Log(t.Context(), second, late)
				Want(t, "open time after a restart, of what was corrected", opened(t, l, err), e.want)
			})
		}
	},
	"hours that were never edited are those of all time": func(t *testing.T, bench benchFor) {
		for name, e := range edits {
			for text, want := range map[string]time.Duration{e.old: e.before, e.now: e.all} {
				t.Run(fmt.Sprintf("%s/%s", name, text), func(t *testing.T) {
					b := bench(t, "alice")
					b.load(b.Router, text)
					b.until(instant(t, e.from))
					lead := b.Arrive(b.Next()).Lead
					b.until(instant(t, e.to))
					l, err := b.Log(t.Context(), lead, router.Entry{Kind: router.KindResponse, Channel: "call"})
					Want(t, "open time", opened(t, l, err), want)
				})
			}
		}
	},
	"a reload keeps the past though the store is away": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.load(b.Router, "UTC; mon-fri 09:00-17:00")
		lead := b.Arrive(b.Next()).Lead
		b.Clock.Add(24 * time.Hour)
		f := *b.Home
		f.Hours = opening(t, "UTC; mon-fri 08:00-20:00")
		b.Configure([]*router.Rooftop{&f})
		l, err := b.Log(t.Context(), lead, router.Entry{Kind: router.KindResponse, Channel: "call"})
		Want(t, "open time", opened(t, l, err), 8*time.Hour)
		Want(t, "versions", len(b.versions()), 1)
	},
	"a command with an edited file leaves the past as it was, and writes nothing": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.load(b.Router, "UTC; mon-fri 09:00-17:00")
		lead := b.Arrive(b.Next()).Lead
		b.Clock.Add(24 * time.Hour)
		l, err := b.started("UTC; mon-fri 08:00-20:00").Log(t.Context(), lead, router.Entry{Kind: router.KindResponse, Channel: "call"})
		Want(t, "open time", opened(t, l, err), 8*time.Hour)
		Want(t, "versions", len(b.versions()), 1)
	},
	"replicas keep one version of an edit, and whoever stands by none": func(t *testing.T, bench benchFor) {
		const old, now = "UTC; mon-fri 09:00-17:00", "UTC; mon-fri 08:00-20:00"
		b := bench(t, "alice")
		other := b.started(old)
		began := b.Clock.Now()
		Want(t, "leads", b.load(b.Router, old), true)
		b.Clock.Add(time.Minute)
		Want(t, "leads", b.load(other, old), true)
		Want(t, "versions", len(b.versions()), 1)
		b.Clock.Add(time.Hour)
		edited := b.Clock.Now()
		Want(t, "leads", b.load(b.Router, now), true)
		b.Clock.Add(time.Second)
		Want(t, "one that loaded before leads", b.leads(other, old, began.Add(time.Minute)), false)
		Want(t, "leads", b.load(other, now), true)
		for _, r := range []*router.Router{b.Router, other} {
			Want(t, "leads", b.leads(r, now, edited.Add(time.Second)), true)
			f, err := r.Rooftop(b.Home.ID)
			if err != nil {
				t.Fatal(err)
			}
			all := f.Hours.Versions()
			Want(t, "versions", len(all), 2)
			Want(t, "then", all[0].Calendar.String(), old)
			Want(t, "now", all[1].Calendar.String(), now)
			Want(t, "since", all[1].Since, edited)
		}

		// Whoever led meanwhile is of the past of the one that leads again.
		b.Clock.Add(time.Hour)
		Want(t, "leads", b.load(other, old), true)
		b.Clock.Add(time.Hour)
		Want(t, "leads", b.load(other, now), true)
		Want(t, "leads again", b.leads(b.Router, now, edited), true)
		f, err := b.Rooftop(b.Home.ID)
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "versions", len(f.Hours.Versions()), 4)
	},
	"the day of a show ends as it did when it began": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.load(b.Router, "UTC; mon-fri 09:00-17:00")
		lead := b.Arrive(b.Next()).Lead
		show := b.Clock.Now().Add(time.Hour)
		b.Clock.Add(2 * time.Hour)
		b.load(b.Router, "UTC; mon-fri 09:00-20:00")
		Want(t, "closing", b.log(lead, router.Entry{Kind: router.KindShow, At: show}).Timers.Close, instant(t, "2026-11-23T17:00:00Z"))
		next := b.Arrive(b.Next()).Lead
		Want(t, "closing of a later one", b.log(next, router.Entry{Kind: router.KindShow}).Timers.Close, instant(t, "2026-11-23T20:00:00Z"))
	},
	"the floor and what is due go by the hours of now": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.load(b.Router, "UTC; mon-fri 09:00-17:00")
		Want(t, "state", b.Arrive(b.Next()).State, router.Untouched)
		b.Clock.Add(time.Minute)
		b.load(b.Router, "UTC; mon-fri 14:00-17:00")
		a := b.Next()
		taken := b.Arrive(a)
		Want(t, "state", taken.State, router.Waiting)
		l, err := b.Lead(t.Context(), taken.Lead)
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "due", *l.DueAt, instant(t, "2026-11-23T14:30:00Z"))
	},
	"hours outlive sealing, rebuilding and restoring": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.load(b.Router, "UTC; mon-fri 09:00-17:00")
		lead, gone := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		b.Clock.Add(24 * time.Hour)
		b.load(b.Router, "")
		ctx := t.Context()
		if _, err := b.Forget(ctx, gone, "", "", "test"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Seal(ctx, b.Home.ID, b.Clock.Now(), nil, nil, "", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Rebuild(ctx, b.Home.ID, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Restored(ctx, b.Home.ID, "test"); err != nil {
			t.Fatal(err)
		}
		b.Clock.Add(time.Hour)
		l, err := b.Log(ctx, lead, router.Entry{Kind: router.KindResponse, Channel: "call"})
		Want(t, "open time", opened(t, l, err), 9*time.Hour)
	},
	"of hours the newest versions are kept": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		for n := range 70 {
			b.load(b.Router, fmt.Sprintf("UTC; mon 09:00-10:%02d", n%60))
			b.Clock.Add(time.Second)
		}
		all := b.versions()
		Want(t, "versions", len(all), 64)
		Want(t, "first", all[0].Calendar.String(), "UTC; mon 09:00-10:06")
		Want(t, "last", all[63].Calendar.String(), "UTC; mon 09:00-10:09")
	},
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
