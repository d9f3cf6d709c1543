package routertest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"leadfloor/router"
)

// past is the n-th customer's enquiry of some days ago, as an archive has it.
func past(b *Bench, n, days int) *router.Arrival {
	a := Arrival(n, b.Clock.Now().AddDate(0, 0, -days))
	a.Token, a.Place, a.History = fmt.Sprintf("archive-%d-%d/0", n, days), fmt.Sprintf("archive/%d/%d", n, days), true
	a.Enquiry.IDs = nil
	a.Enquiry.Customer.Comments = fmt.Sprint(days, " days ago")
	return a
}

// writes is the n-th customer's next mail.
func writes(b *Bench, n int) *router.Arrival {
	a := Arrival(n, b.Clock.Now())
	a.Token, a.Place, a.Enquiry.IDs, a.Enquiry.Customer.Comments = fmt.Sprint("next/", n), fmt.Sprint("leads/1/9", n), nil, "still for sale?"
	return a
}

func (b *Bench) lead(id string) *router.Lead {
	b.T.Helper()
	l, err := b.Lead(b.T.Context(), id)
	if err != nil {
		b.T.Fatal(err)
	}
	return l
}

// keeping is the part of the suite on what is kept: history, and what is erased.
var keeping = map[string]func(*testing.T, benchFor){
	"history is recorded, and nobody is dealt it, told or timed": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Sources = router.Sources{Known: []string{"cargurus"}, Max: 3}
		a := past(b, 1, 40)
		got := b.Arrive(a)
		Want(t, "disposition", got.Disposition, router.DispositionNew)
		Want(t, "state", got.State, router.History)
		Want(t, "owner", got.Owner, "mia")
		Want(t, "again", b.Arrive(a).Disposition, router.DispositionNew)
		a.Place, a.History = "leads/1/1", false
		Want(t, "the same mail in the mailbox", b.Arrive(a).Disposition, router.DispositionReplay)
		later := b.Arrive(past(b, 1, 30))
		Want(t, "the customer's next of then", later.Disposition, router.DispositionTouch)
		Want(t, "its lead", later.Lead, got.Lead)
		Want(t, "the customer's first of then", b.Arrive(past(b, 1, 60)).Disposition, router.DispositionTouch)
		Want(t, "years before", b.Arrive(past(b, 1, 600)).Disposition, router.DispositionNew)
		b.Clock.Add(24 * time.Hour)
		b.tick()

		l := b.lead(got.Lead)
		Want(t, "arrived", l.ArrivedAt, b.Clock.Now().AddDate(0, 0, -61))
		Want(t, "clocks", l.Running, router.Running{})
		Want(t, "due", l.DueAt == nil, true)
		f := b.figures()
		Want(t, "untouched", f.Untouched, 0)
		Want(t, "of the manager", f.PersonUntouched["mia"], 0)
		Want(t, "waiting", f.Waiting, 0)
		Want(t, "labels", fmt.Sprint(f.Labels), "[]")
		Want(t, "history", f.Counts["hist|other"], 2)
		for _, name := range []string{"recv", "touch", "dup", "due", "miss"} {
			for _, label := range []string{"autotrader", "other"} {
				Want(t, name, f.Counts[name+"|"+label], 0)
			}
		}
		Want(t, "turns", f.Turns["alice"].Turns+f.Turns["bob"].Turns, 0)
		Want(t, "last lead", len(f.LastLead), 0)
	},
	"a customer of the past who writes is dealt": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Arrive(b.Next())
		recorded := b.Arrive(past(b, 7, 40))
		got := b.Arrive(writes(b, 7))
		Want(t, "disposition", got.Disposition, router.DispositionTouch)
		Want(t, "lead", got.Lead, recorded.Lead)
		Want(t, "owner", got.Owner, "bob")
		Want(t, "state", got.State, router.Untouched)
		l := b.lead(got.Lead)
		Want(t, "arrived", l.ArrivedAt, b.Clock.Now())
		Want(t, "touches", len(l.Touches), 2)
		Want(t, "clock", l.Running.Attempt, b.Clock.Now())
		Want(t, "untouched", b.figures().Untouched, 2)
		Want(t, "received", b.figures().Counts["recv|autotrader"], 2)
		Want(t, "next", b.Arrive(b.Next()).Owner, "alice")
		b.Clock.Add(6 * time.Minute)
		b.tick()
		Want(t, "missed", b.figures().Counts["miss|autotrader"], 3)
		late := b.Arrive(past(b, 7, 10)) // found in another archive
		Want(t, "late", late.Disposition, router.DispositionTouch)
		Want(t, "late lead", late.Lead, got.Lead)
		Want(t, "clock", b.lead(got.Lead).Running.Attempt, l.Running.Attempt)
		l = b.log(got.Lead, router.Entry{Kind: router.KindResponse})
		Want(t, "response", l.Stops[router.ClockResponse].WallSeconds, 360)
	},
	"a customer of the past waits with the others": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.set("alice", router.Off)
		first := b.Arrive(b.Next()).Lead
		b.Arrive(past(b, 7, 40))
		b.Clock.Add(time.Second)
		got := b.Arrive(writes(b, 7))
		Want(t, "state", got.State, router.Waiting)
		Want(t, "owner", got.Owner, "mia")
		b.set("alice", router.On)
		Want(t, "first come", b.lead(first).Owner, "alice")
		Want(t, "waits", b.lead(got.Lead).State, router.Waiting)
		b.Clock.Add(time.Minute)
		b.tick()
		Want(t, "then dealt", b.lead(got.Lead).Owner, "alice")
	},
	"an owner of the past stays the owner": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		a := past(b, 7, 40)
		a.Owner = "bob"
		named := b.Arrive(a)
		picked := b.Arrive(past(b, 8, 40))
		if _, err := b.Assign(t.Context(), picked.Lead, "bob", "sold them one before", "mia", "test"); err != nil {
			t.Fatal(err)
		}
		for n, id := range map[int]string{7: named.Lead, 8: picked.Lead} {
			got := b.Arrive(writes(b, n))
			Want(t, "lead", got.Lead, id)
			Want(t, "owner", got.Owner, "bob")
			Want(t, "state", got.State, router.Untouched)
		}
		Want(t, "received", b.figures().Counts["recv|autotrader"], 2)
		Want(t, "turns of bob: the pick", b.figures().Turns["bob"].Turns, 1)
		dead := past(b, 9, 300)
		dead.Owner = "bob"
		b.Arrive(dead)
		got := b.Arrive(writes(b, 9))
		Want(t, "after a dead lead", got.Disposition, router.DispositionNew)
		Want(t, "former owner", got.Owner, "bob")
		b.Arrive(past(b, 10, 300))
		Want(t, "nobody's", b.Arrive(writes(b, 10)).Owner, "alice")
	},
	"what was done about history counts": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		id := b.Arrive(past(b, 7, 40)).Lead
		l := b.log(id, router.Entry{Kind: router.KindAttempt, By: "alice", Channel: "call"})
		Want(t, "state", l.State, router.Attempted)
		if _, err := b.Correct(t.Context(), id, l.Evidence[0].Seq, "another's", "mia", "test"); err != nil {
			t.Fatal(err)
		}
		Want(t, "taken back", b.lead(id).State, router.History)
		b.log(id, router.Entry{Kind: router.KindSale, By: "alice"})
		Want(t, "then bought", b.Arrive(writes(b, 7)).Disposition, router.DispositionNew)
	},
	"who is forgotten leaves counts and events, and mail of before does not bring them back": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		first, other := b.Arrive(b.Next()), b.Arrive(b.Next())
		a := b.Next() // a couple on one phone: the same number, another name
		a.Enquiry.Customer.Phones = Arrival(1, b.Clock.Now()).Enquiry.Customer.Phones
		spouse := b.Arrive(a)
		old := b.Arrive(past(b, 1, 500))
		b.log(first.Lead, router.Entry{Kind: router.KindAttempt, Channel: "call", Note: "will ring back at home"})
		b.log(first.Lead, router.Entry{Kind: router.KindWillWait})
		b.Clock.Add(time.Minute)
		again := writes(b, 1)
		again.Message = "again@customer.example"
		b.Arrive(again)
		before := b.figures()
		Want(t, "untouched before", before.Untouched, 3)

		b.Clock.Add(time.Minute)
		done, err := b.Forget(t.Context(), first.Lead, "asked for it", "mia", "test")
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "leads", fmt.Sprint(done.Leads), fmt.Sprint([]string{old.Lead, first.Lead}))
		Want(t, "mails", fmt.Sprint(done.Mails), fmt.Sprint([]router.MailPlace{
			{Lead: old.Lead, Mailbox: "archive", UIDValidity: 1, UID: 500},
			{Lead: first.Lead, Mailbox: "leads", UIDValidity: 1, UID: 1}, {Lead: first.Lead, Mailbox: "leads", UIDValidity: 1, UID: 91, Message: "again@customer.example"},
		}))
		for id, state := range map[string]router.State{first.Lead: router.Forgotten, old.Lead: router.Forgotten} {
			l := b.lead(id)
			Want(t, "personal", l.Personal, false)
			Want(t, "customer", fmt.Sprint(l.Customer), fmt.Sprint(router.Customer{}))
			Want(t, "notes", len(l.Notes), 0)
			Want(t, "vehicles", len(l.Vehicles), 0)
			Want(t, "state", l.State, state)
		}
		Want(t, "events", len(b.why(first.Lead)) > 4, true)
		f := b.figures()
		Want(t, "counts", fmt.Sprint(f.Counts), fmt.Sprint(before.Counts))
		Want(t, "untouched", f.Untouched, 2)
		Want(t, "owed", f.TurnoversOwed, 0)
		if got, err := b.Find(t.Context(), b.Home.ID, nil, "customer1@example.com", ""); err == nil {
			t.Errorf("the address finds %s", got)
		}
		Want(t, "the spouse", b.lead(spouse.Lead).Personal, true)
		Want(t, "another", b.lead(other.Lead).Personal, true)
		again2, err := b.Forget(t.Context(), first.Lead, "", "", "test")
		if err != nil || len(again2.Mails) > 0 {
			t.Errorf("again = %+v, %v", again2, err)
		}
		b.Verified()

		// The same mail, read once more; another of before; the next of after.
		Want(t, "the same mail", b.Arrive(again).Lead, first.Lead)
		Want(t, "its customer", b.lead(first.Lead).Personal, false)
		Want(t, "never seen, of before", b.Arrive(past(b, 1, 3)).Disposition, router.DispositionForgotten)
		late := writes(b, 1)
		late.Token, late.At = "late/0", b.Clock.Now().Add(-time.Hour)
		Want(t, "delivered before", b.Arrive(late).Disposition, router.DispositionForgotten)
		late.At, late.Written = time.Time{}, b.Clock.Now().Add(-time.Hour)
		Want(t, "written before", b.Arrive(late).Disposition, router.DispositionForgotten)
		b.Clock.Add(time.Minute)
		b.tick()
		late.Token, late.Written = "new/0", time.Time{}
		back := b.Arrive(late)
		Want(t, "who writes again", back.Disposition, router.DispositionNew)
		Want(t, "is dealt in turn", back.Owner, "bob")
		Want(t, "and known from then on", b.Arrive(past(b, 1, 0)).Lead, back.Lead)
		for _, e := range []router.Entry{{Kind: router.KindNote, Note: "x"}, {Kind: router.KindSale}} {
			if _, err := b.Log(t.Context(), first.Lead, e); err == nil {
				t.Errorf("a %s was logged on a forgotten lead", e.Kind)
			}
		}
		if _, err := b.Assign(t.Context(), first.Lead, "bob", "", "mia", "test"); err == nil {
			t.Error("a forgotten lead was assigned")
		}
	},
	"that somebody is forgotten outlasts many leads of one address": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		if _, err := b.Forget(t.Context(), b.Arrive(b.Next()).Lead, "", "", "test"); err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			b.Clock.Add(time.Minute)
			a := writes(b, 1)
			a.Token = fmt.Sprint("next/", n)
			b.log(b.Arrive(a).Lead, router.Entry{Kind: router.KindSale})
		}
		Want(t, "of before", b.Arrive(past(b, 1, 1)).Disposition, router.DispositionForgotten)
	},
	"what is personal goes when nothing has happened for long enough": func(t *testing.T, bench benchFor) {
		const year = 365 * 24 * time.Hour
		b := bench(t, "alice")
		b.Home.Retention.Personal = year
		sold, busy := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		b.log(sold, router.Entry{Kind: router.KindSale, Note: "wants a red one"})
		var same []string
		for range 130 { // more at one instant than are looked at in one go
			same = append(same, b.Arrive(b.Next()).Lead)
		}
		b.Clock.Add(200 * 24 * time.Hour)
		b.log(busy, router.Entry{Kind: router.KindContact})
		young := b.Arrive(b.Next()).Lead
		b.Clock.Add(166 * 24 * time.Hour)
		b.tick()
		gone := func(ids ...string) (n int) {
			for _, id := range ids {
				if !b.lead(id).Personal {
					n++
				}
			}
			return n
		}
		if n := gone(append(same, sold)...); n < 49 || n > 50 { // of the fifty one may be the busy one
			t.Errorf("erased at a time: %d, want 50", n)
		}
		for range 3 {
			b.Clock.Add(time.Second)
			b.tick()
		}
		Want(t, "all in the end", gone(append(same, sold)...), 131)
		Want(t, "in use and young", gone(busy, young), 0)
		Want(t, "state of the sold", b.lead(sold).State, router.Sold)
		Want(t, "notes", len(b.lead(sold).Notes), 0)
		f := b.figures()
		Want(t, "sold", f.Counts["sold|autotrader"], 1)
		Want(t, "received", f.Counts["recv|autotrader"], 133)
		b.Clock.Add(200 * 24 * time.Hour)
		b.tick()
		Want(t, "in use until then", gone(busy, young), 2)
		e := b.why(busy)
		Want(t, "reason", e[len(e)-1].Detail["reason"], "retention")
		Want(t, "history of too long ago", b.Arrive(past(b, 1, 370)).Disposition, router.DispositionExpired)
		Want(t, "who writes again", b.Arrive(writes(b, 1)).Disposition, router.DispositionNew)
	},
	"a longer retention looks again": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.Home.Retention.Personal = 24 * time.Hour
		b.Arrive(b.Next())
		b.Clock.Add(25 * time.Hour)
		b.tick()
		b.Home.Retention.Personal = 100 * 24 * time.Hour
		old := b.Arrive(past(b, 7, 90)).Lead
		b.Clock.Add(11 * 24 * time.Hour)
		b.tick()
		Want(t, "personal", b.lead(old).Personal, false)
	},
	"what is quarantined goes by itself": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.Home.Retention.Quarantined = 24 * time.Hour
		for n, fate := range []string{"quarantined", "other", "quarantined"} {
			if n == 2 {
				b.Clock.Add(20 * time.Hour)
			}
			p := router.Parked{Fate: fate, Reason: "unreachable", Raw: []byte("x"), KeepFor: 1000 * time.Hour}
			if _, err := b.Park(t.Context(), b.Home.ID, fmt.Sprint("m", n), fmt.Sprint("leads/1/", n), p); err != nil {
				t.Fatal(err)
			}
		}
		count := func(quarantined bool) int {
			all, err := b.Parked(t.Context(), b.Home.ID, quarantined, 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		b.tick()
		Want(t, "at first", count(true)+count(false), 3)
		b.Clock.Add(5 * time.Hour)
		b.tick()
		Want(t, "quarantined", count(true), 1)
		Want(t, "other", count(false), 0)
		Want(t, "gauge", b.figures().Quarantined, 1)
	},
	"a sealed log is verified from its seal on": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob", "carl")
		b.set("carl", router.Off)
		var ids []string
		for range 400 {
			ids = append(ids, b.Arrive(b.Next()).Lead)
			b.Clock.Add(time.Minute)
		}
		b.tick()
		seal := func(before time.Time) (*router.Seal, string, error) {
			var export strings.Builder
			finished := false
			s, err := b.Seal(t.Context(), b.Home.ID, before, &export, func() error { finished = true; return nil }, "test", nil)
			if err == nil && !finished {
				t.Error("the export was not finished")
			}
			return s, export.String(), err
		}
		whole := b.Verified()
		first, export, err := seal(b.Clock.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "first", first.First, 1)
		Want(t, "digest", first.Digest, fmt.Sprintf("%x", sha256.Sum256([]byte(export))))
		Want(t, "lines", int64(strings.Count(export, "\n")), first.Last+1)
		v := b.Verified()
		Want(t, "sealed", v.Sealed, first.Last)
		Want(t, "leads", v.Leads, 400)
		Want(t, "decisions", v.Decisions < whole.Decisions, true)
		events, err := b.Store.Events(t.Context(), b.Home.ID, 0, 1)
		if err != nil || len(events) != 1 || events[0].Seq == 1 || events[0].Seq > first.Last {
			t.Errorf("the log begins with %+v, %v", events, err)
		}
		for range 10 {
			b.Arrive(b.Next())
		}
		b.log(ids[0], router.Entry{Kind: router.KindSale, Note: "at last"})
		b.Clock.Add(time.Hour)
		second, export, err := seal(b.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "goes on", second.First, first.Last+1)
		Want(t, "follows", strings.Contains(export[:200], first.Digest), true)
		Want(t, "leads", b.Verified().Leads, 410)
		if _, _, err := seal(b.Clock.Now().Add(-time.Minute)); err == nil {
			t.Error("nothing was sealed")
		}
		b.Arrive(b.Next())
		b.set("carl", router.Auto)
		book, last, err := router.ReadSeal(t.Context(), b.Store, b.Home.ID)
		if err != nil || last.Digest != second.Digest {
			t.Errorf("last seal = %+v, %v, want %+v", last, err, second)
		}
		Want(t, "set by hand then", book.Hands["carl"].Status, router.Off)
		if _, err := b.Forget(t.Context(), ids[1], "", "", "test"); err != nil {
			t.Fatal(err)
		}
		Want(t, "turns", len(b.figures().Turns), 3)
	},
	"what is old of the log is sealed by itself": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice")
		b.Home.Retention.Events = 100 * 24 * time.Hour
		for range 20 {
			b.Arrive(b.Next())
			b.Clock.Add(10 * 24 * time.Hour)
			b.tick()
		}
		sealed, err := b.Store.Sealed(t.Context(), b.Home.ID)
		if err != nil || sealed == 0 {
			t.Fatalf("sealed = %d, %v", sealed, err)
		}
		v := b.Verified()
		Want(t, "leads", v.Leads, 20)
		Want(t, "sealed", v.Sealed, sealed)
		events, err := b.Store.Events(t.Context(), b.Home.ID, sealed, 1)
		if err != nil || b.Clock.Now().Sub(events[0].At) > 132*24*time.Hour {
			t.Errorf("the log begins at %v, %v", events, err)
		}
	},
	"a restored store tells nobody old news": func(t *testing.T, bench benchFor) {
		b := bench(t, "alice", "bob")
		b.Home.Routing.ReassignAfter = 15 * time.Minute
		id, answered := b.Arrive(b.Next()).Lead, b.Arrive(b.Next()).Lead
		b.log(answered, router.Entry{Kind: router.KindResponse})
		before := b.figures().Epoch
		b.Clock.Add(2 * time.Hour) // nobody looked at a clock
		n, err := b.Restored(t.Context(), b.Home.ID, "test")
		if err != nil {
			t.Fatal(err)
		}
		Want(t, "leads", n, 1)
		Want(t, "epoch", b.figures().Epoch, b.Clock.Now())
		Want(t, "epoch before", before.Before(b.Clock.Now()), true)
		b.tick()
		for _, e := range append(b.why(id), b.why(answered)...) {
			if e.Kind == router.KindWarned || e.Kind == router.KindRedealt {
				t.Errorf("event %d: %s", e.Seq, e.Kind)
			}
		}
		Want(t, "missed is missed", b.figures().Counts["miss|autotrader"], 1)
		b.Clock.Add(9 * time.Minute)
		b.tick()
		Want(t, "owner", b.lead(id).Owner, "alice")
		b.Clock.Add(7 * time.Minute)
		b.tick()
		Want(t, "owner", b.lead(id).Owner, "bob")
		kinds := ""
		for _, e := range b.why(id) {
			kinds += string(e.Kind) + " "
		}
		Want(t, "events", kinds, "dealt restored due due warned redealt ")
		n, err = b.Restored(t.Context(), b.Home.ID, "test")
		if err != nil || n != 0 {
			t.Errorf("again: %d, %v", n, err)
		}
	},
}

func (b *Bench) why(id string) []router.Event {
	b.T.Helper()
	all, err := b.Why(b.T.Context(), id)
	if err != nil {
		b.T.Fatal(err)
	}
	return all
}
