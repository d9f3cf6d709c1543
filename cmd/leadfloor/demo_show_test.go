package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// A life of everything that can happen, and what is told of it. Times and ids are cut off, and wide gaps.
func TestTeller(t *testing.T) {
	ctx := t.Context()
	home := routertest.Rooftop(demoStore, "alice", "bob")
	home.Routing.ResponseTarget, home.Routing.WarnAfter, home.Routing.ReassignAfter, home.Routing.MaxRedeals = 6*time.Second, 7*time.Second, 9*time.Second, 1
	var store *rdb.Store
	b := routertest.NewBench(t, func(now func() time.Time) router.Store {
		store = rdb.New(routertest.Miniredis(t), rdb.Options{Now: now})
		return store
	}, home)
	var out strings.Builder
	tell := &teller{books: &books{store: store, router: b.Router}, out: newScreen(&out), last: map[string]string{}}
	cleaned := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d +| +$`)
	lines := func() []string {
		t.Helper()
		if err := tell.events(ctx); err != nil {
			t.Fatal(err)
		}
		if err := tell.messages(ctx); err != nil {
			t.Fatal(err)
		}
		text := cleaned.ReplaceAllString(out.String(), "")
		out.Reset()
		text = regexp.MustCompile(`  [0-9a-z]{6}  autotrader`).ReplaceAllString(text, "  ID  autotrader")
		text = regexp.MustCompile(` {2,}`).ReplaceAllString(text, "  ")
		return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	check := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, lines()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	log := func(lead string, e router.Entry) {
		t.Helper()
		if _, err := b.Log(ctx, lead, e); err != nil {
			t.Fatal(err)
		}
	}
	at := b.Clock.Now()
	b.Clock.Add(500 * time.Millisecond)
	one := b.Arrive(routertest.Arrival(1, at)).Lead
	again := routertest.Arrival(1, b.Clock.Now())
	again.Token = "again"
	b.Arrive(again)
	other := routertest.Arrival(1, b.Clock.Now())
	other.Token, other.Enquiry.IDs, other.Enquiry.Vehicles[0].Model = "other", nil, "Accord"
	b.Arrive(other)
	check("arrivals",
		"new  ID  autotrader  2020 Honda Accord  -> alice  dealt after 0.5s",
		"duplicate  ID  autotrader  2020 Honda Accord  alice  the same enquiry",
		"touch  ID  autotrader  2020 Honda Accord  alice  writes again")

	b.Clock.Add(time.Second)
	log(one, router.Entry{Kind: router.KindAttempt, Channel: "call", By: "alice"})
	b.Clock.Add(time.Second)
	log(one, router.Entry{Kind: router.KindResponse, Channel: "email", By: "alice"})
	b.Clock.Add(time.Second)
	log(one, router.Entry{Kind: router.KindContact, By: "alice"})
	log(one, router.Entry{Kind: router.KindWillWait, By: "alice"})
	log(one, router.Entry{Kind: router.KindTurnover, Outcome: router.OutcomeTaken, By: "mia"})
	log(one, router.Entry{Kind: router.KindTurnover, Outcome: router.OutcomeLost, Reason: "price", By: "mia"})
	check("work",
		"attempt  ID  autotrader  2020 Honda Accord  alice  call, after 1.5s",
		"response  ID  autotrader  2020 Honda Accord  alice  email, after 2.5s",
		"contact  ID  autotrader  2020 Honda Accord  alice  in person, after 3.5s",
		"will wait  ID  autotrader  2020 Honda Accord  alice  a T.O. for mia",
		"T.O.  ID  autotrader  2020 Honda Accord  mia  taken",
		"T.O.  ID  autotrader  2020 Honda Accord  mia  lost price")

	two := b.Arrive(routertest.Arrival(2, b.Clock.Now())).Lead
	for range 19 {
		b.Clock.Add(time.Second)
		if _, err := b.Tick(ctx, demoStore); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Assign(ctx, two, "alice", "lies too long", "mia", ""); err != nil {
		t.Fatal(err)
	}
	check("nobody answers",
		"new  ID  autotrader  2020 Honda Civic  -> bob  dealt after 0.0s",
		"overdue  ID  autotrader  2020 Honda Civic  bob  no answer in time",
		"warned  ID  autotrader  2020 Honda Civic  bob  untouched for 7s of open time",
		"dealt again  ID  autotrader  2020 Honda Civic  bob -> alice  untouched for 9s of open time",
		"warned  ID  autotrader  2020 Honda Civic  alice  untouched for 7s of open time",
		"to manager  ID  autotrader  2020 Honda Civic  alice -> mia  re-dealt as often as allowed",
		"assigned  ID  autotrader  2020 Honda Civic  mia -> alice  lies too long")

	for _, who := range []string{"alice", "bob"} {
		if _, err := b.SetFloor(ctx, demoStore, who, router.Busy, time.Time{}, who, ""); err != nil {
			t.Fatal(err)
		}
	}
	b.Arrive(routertest.Arrival(3, b.Clock.Now()))
	b.Clock.Add(2 * time.Second)
	if _, err := b.SetFloor(ctx, demoStore, "bob", router.Auto, time.Time{}, "bob", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tick(ctx, demoStore); err != nil {
		t.Fatal(err)
	}
	for i, fate := range []string{"other", "quarantined"} {
		if _, err := b.Park(ctx, demoStore, "parked "+fate, "leads/1/"+fate, router.Parked{Fate: fate, Reason: []string{"bulk", "star-bod"}[i], Arrived: b.Clock.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	check("nobody is on",
		"floor  alice  is busy",
		"floor  bob  is busy",
		"held  ID  autotrader  2020 Honda Civic  -> mia  nobody is eligible",
		"floor  bob  is back",
		"dealt  ID  autotrader  2020 Honda Civic  mia -> bob  dealt after 2.0s",
		"other  bulk",
		"quarantined  star-bod")
	check("nothing new", "")

	if err := tell.status(ctx); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String()[8:], "  -- untouched 2  overdue 1  waiting 0  T.O. owed 0 -- turns alice 3 (busy) bob 2 -- next bob\n"; got != want {
		t.Errorf("status = %q, want %q", got, want)
	}
}

// Colours are for whoever looks and wants them.
func TestScreenColours(t *testing.T) {
	terminal, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a device of characters, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		name, noColor, term string
		f                   *os.File
		want                bool
	}{
		{"terminal", "", "xterm", terminal, true},
		{"NO_COLOR", "1", "xterm", terminal, false},
		{"dumb terminal", "", "dumb", terminal, false},
		{"file", "", "xterm", file, false},
	} {
		t.Setenv("NO_COLOR", test.noColor)
		t.Setenv("TERM", test.term)
		if got := newScreen(test.f).colour; got != test.want {
			t.Errorf("%s: coloured %t, want %t", test.name, got, test.want)
		}
	}
	var out strings.Builder
	s := &screen{w: &out, colour: true}
	s.printf(colourGood, "sold\n")
	s.printf("", "plain\n")
	if got, want := out.String(), "\x1b[32msold\x1b[0m\nplain\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestQuantileAndShare(t *testing.T) {
	all := make([]time.Duration, 10)
	for i := range all {
		all[i] = time.Duration(i+1) * time.Second
	}
	for _, test := range []struct{ got, want string }{
		{quantile(nil, 50), "-"}, {quantile(all[:1], 90), "1.0s"}, {quantile(all, 50), "5.0s"}, {quantile(all, 90), "9.0s"}, {quantile(all, 100), "10.0s"},
		{share(0, 0), ""}, {share(1, 3), " (33 %)"}, {share(2, 3), " (67 %)"}, {share(3, 3), " (100 %)"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
