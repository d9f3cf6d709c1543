package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// deafObserver counts nothing.
type deafObserver struct{}

func (deafObserver) Repaired(string)        {}
func (deafObserver) Doubted(string, string) {}

// What the mailer says must become of its mails becomes of them, over the real way in and the real business.
func TestMailerFates(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			clock := routertest.NewClock()
			r := router.New(rdb.New(routertest.Miniredis(t), rdb.Options{Now: clock.Now}), []*router.Rooftop{routertest.Rooftop("main-street", "alice", "bob")})
			in := ingest.New(r, ingest.Config{
				Mailboxes: map[string]ingest.Feed{"leads": {Store: "main-street", Trust: ingest.Trust{From: []string{"*@" + demoTrusted}}}},
				Stores:    map[string]ingest.Rules{"main-street": {}}, Keep: time.Hour,
			}, deafObserver{}, slog.New(slog.DiscardHandler))
			m := newMailer(seed, clock.Now)
			shapes := map[string]bool{}
			leads := 0
			for uid := range uint32(120) {
				x := m.next()
				clock.Add(time.Second)
				fate, err := in.Handle(t.Context(), ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: uid + 1}, Arrived: clock.Now(), Raw: x.raw})
				if err != nil {
					t.Fatal(err)
				}
				if fate != x.fate {
					t.Fatalf("mail %d (%s) is %s, want %s:\n%s", uid+1, x.shape, fate, x.fate, x.raw)
				}
				shapes[x.shape], leads = true, leads+x.leads
			}
			v, err := r.Verify(t.Context(), "main-street", nil)
			if err != nil {
				t.Fatal(err)
			}
			if v.Leads != leads || !v.OK() {
				t.Errorf("%d leads, faults %q, differences %v, want %d and none", v.Leads, v.Faults, v.Differences, leads)
			}
			for _, s := range leadShapes {
				if !shapes[s.name] {
					t.Errorf("no mail of the shape %q", s.name)
				}
			}
			for _, s := range chatShapes {
				if !shapes[s.name] {
					t.Errorf("no mail of the shape %q", s.name)
				}
			}
			for _, s := range brokenShapes {
				if !shapes[s.name] {
					t.Errorf("no mail of the shape %q", s.name)
				}
			}
		})
	}
}

// A store's first twenty mails hold every fate, so that even a short demo shows each.
func TestMailerShowsEveryFateSoon(t *testing.T) {
	for seed := range uint64(50) {
		m := newMailer(seed, time.Now)
		fates := map[ingest.Fate]int{}
		for range 20 {
			fates[m.next().fate]++
		}
		for _, f := range []ingest.Fate{ingest.FateLead, ingest.FateTouch, ingest.FateDuplicate, ingest.FateReplay, ingest.FateOther, ingest.FateQuarantined} {
			if fates[f] == 0 {
				t.Errorf("seed %d: no %s among the first twenty mails: %v", seed, f, fates)
			}
		}
	}
}

// The seed alone decides what is written.
func TestMailerRepeatsItself(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 3, 2, 10, 11, 12, 0, time.UTC) }
	a, b := newMailer(7, now), newMailer(7, now)
	for n := range 100 {
		if x, y := a.next(), b.next(); !bytes.Equal(x.raw, y.raw) || x.fate != y.fate {
			t.Fatalf("mail %d is %q, want %q", n, x.raw, y.raw)
		}
	}
}

// No two customers are taken for one, also when all telephone numbers are given out.
func TestMailerPeopleDiffer(t *testing.T) {
	m := newMailer(1, time.Now)
	seen := map[string]int{}
	for n := range 100*len(areaCodes) + 100 {
		c := m.person("example.com")
		keys := []string{c.email, c.first + " " + c.last + " " + c.zip}
		if n < 100*len(areaCodes) {
			phone := router.E164(c.phone, "US")
			if phone == "" {
				t.Fatalf("%q cannot be a number", c.phone)
			}
			keys = append(keys, phone)
		} else if c.phone != "" {
			t.Fatalf("customer %d has the number %q of another", n, c.phone)
		}
		for _, k := range keys {
			if before, ok := seen[k]; ok {
				t.Fatalf("customers %d and %d share %q", before, n, k)
			}
			seen[k] = n
		}
	}
}
