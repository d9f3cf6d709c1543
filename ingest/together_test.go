package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/router"
)

// mailbox is what lies in a mailbox, as it arrived, and what each message is.
func (h *house) mailbox(n int) (all []ingest.Message, fates []ingest.Fate) {
	add := func(raw string, fate ingest.Fate) {
		h.clock.Add(time.Second)
		all = append(all, ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: uint32(len(all) + 1)}, Arrived: h.clock.Now(), Raw: []byte(raw)})
		fates = append(fates, fate)
	}
	lead := func(id int, of int) string {
		return adfMail(id, "", prospect(fmt.Sprint(id), fmt.Sprintf("jo%d@example.net", of), "AutoTrader"))
	}
	for i := range n {
		add(lead(i, i), ingest.FateLead)
		switch i % 9 {
		case 1:
			add(lead(i+1000, i), ingest.FateTouch)
		case 2:
			add(lead(i, i), ingest.FateReplay)
		case 3:
			add(strings.Replace(lead(i, i), "Subject: Lead", "Subject: Again", 1), ingest.FateDuplicate)
		case 4:
			add(fmt.Sprintf("From: news@example.org\nSubject: News %d\n\nTen ways to sell.\n", i), ingest.FateOther)
		case 5:
			add(adfMail(i, "", prospect(fmt.Sprint(i), "", "AutoTrader")), ingest.FateQuarantined)
		case 6:
			add(adfMail(i, "", prospect(fmt.Sprint(i, "a"), "", "A"), prospect(fmt.Sprint(i, "b"), fmt.Sprintf("two%d@example.net", i), "A")), ingest.FateLead)
		case 7:
			add(lead(i+2000, 100_000), ingest.FateQuarantined) // a poisoned one
		case 8:
			add(strings.Replace(adfMail(i, "Delivered-To: honda@example.com\n", prospect(fmt.Sprint(i), fmt.Sprintf("other%d@example.net", i), "A")), "Lead", "Honda", 1), ingest.FateLead)
		}
	}
	return all, fates
}

// poisoned panics over a customer, and loses the answers of some calls though the work is done.
type poisoned struct {
	*router.Router
	calls, most int
	lose        func(call int) int // how many of the answers of a call come
}

func (p *poisoned) Prepare(ctx context.Context, store string, a *router.Arrival) (*router.Prepared, error) {
	if a.Enquiry.Customer.Emails[0] == "jo100000@example.net" {
		panic("poison of " + a.Enquiry.Customer.Emails[0])
	}
	return p.Router.Prepare(ctx, store, a)
}

func (p *poisoned) TakeAll(ctx context.Context, all []*router.Prepared) []router.Answer {
	out := p.Router.TakeAll(ctx, all)
	p.calls, p.most = p.calls+1, max(p.most, len(all))
	if p.lose != nil {
		for i := min(p.lose(p.calls), len(out)); i < len(out); i++ {
			out[i] = router.Answer{Err: errAway}
		}
	}
	return out
}

func together(t *testing.T, lose func(call int) int) *poisoned {
	t.Helper()
	h := newHouse(t, nil)
	p := &poisoned{Router: h.router, lose: lose}
	in := ingest.New(p, ingest.Config{
		Mailboxes: map[string]ingest.Feed{"leads": {Store: "ford", Routes: []ingest.Route{{Match: ingest.Match{To: "honda@*"}, Store: "honda"}, {Store: "ford"}}}},
		Stores:    map[string]ingest.Rules{"ford": {}, "honda": {}}, Keep: time.Hour,
	}, h, slog.New(slog.NewTextHandler(&h.log, nil)))
	all, want := h.mailbox(270)
	fates := make([]ingest.Fate, len(all))
	failed := 0
	for len(all) > 0 {
		b := in.Open(t.Context(), all)
		var again []ingest.Message
		for len(all) > 0 {
			out := b.Decide(t.Context())
			if len(out) == 0 || len(out) > len(all) {
				t.Fatalf("%d outcomes of %d messages", len(out), len(all))
			}
			for i, o := range out {
				if o.Err != nil {
					if i != len(out)-1 {
						t.Fatalf("outcome %d of %d = %v, want no failure before the last", i, len(out), o.Err)
					}
					failed++
					again = append(again, all[i])
					continue
				}
				fates[all[i].Place.UID-1] = o.Fate
			}
			all = all[len(out):]
		}
		b.Close()
		all = again
	}
	if diff := slices.Compare(fates, want); diff != 0 {
		t.Errorf("fates = %v,\nwant %v", fates, want)
	}
	if (failed > 0) != (lose != nil) {
		t.Errorf("%d calls failed", failed)
	}
	// Leads are dealt in the order in which they arrived.
	for store, people := range map[string][]string{"ford": {"alice", "bob"}, "honda": {"carl"}} {
		leads, _, err := h.router.Leads(t.Context(), store, router.Query{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(leads)
		if len(leads) < 30 {
			t.Errorf("%s has %d leads", store, len(leads))
		}
		for i, l := range leads {
			if want := people[i%len(people)]; l.Owner != want {
				t.Fatalf("lead %d of %s is %s's, want %s's", i, store, l.Owner, want)
			}
		}
		v, err := h.router.Verify(t.Context(), store, nil)
		if err != nil || len(v.Faults)+len(v.Differences) > 0 {
			t.Errorf("verify %s: %+v, %v", store, v, err)
		}
	}
	if s := h.log.String(); strings.Contains(s, "jo100000") {
		t.Errorf("the log says %s", s)
	}
	return p
}

func TestTogether(t *testing.T) {
	p := together(t, nil)
	if p.most < 2 {
		t.Errorf("at most %d leads were taken together", p.most)
	}
}

// What a lost answer leaves unknown is handed over again, and neither lost nor doubled.
func TestAnswersLostTogether(t *testing.T) {
	together(t, func(call int) int {
		if call%3 == 0 {
			return call % 4
		}
		return 1000
	})
}

// decideAll decides messages that are read once.
func decideAll(t *testing.T, in *ingest.Intake, all []ingest.Message) (out []ingest.Outcome) {
	t.Helper()
	b := in.Open(t.Context(), all)
	defer b.Close()
	for len(out) < len(all) {
		out = append(out, b.Decide(t.Context())...)
	}
	return out
}

// A place that is asked about again keeps its fate where the store forgot nothing.
func TestTogetherAgain(t *testing.T) {
	h := newHouse(t, nil)
	var all []ingest.Message
	for i := range 20 {
		h.clock.Add(time.Second)
		all = append(all, ingest.Message{
			Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: uint32(i + 1)}, Arrived: h.clock.Now(),
			Raw: []byte(adfMail(i, "", prospect(fmt.Sprint(i), fmt.Sprintf("jo%d@example.net", i), "A"))),
		})
	}
	decideAll(t, h.Intake, all[:10])
	for i := range all {
		all[i].Was = ingest.FateTouch
	}
	for i, o := range decideAll(t, h.Intake, all) {
		fate := ingest.FateTouch
		if i >= 10 {
			fate = ingest.FateLead // made anew
		}
		if o.Err != nil || o.Fate != fate {
			t.Errorf("message %d = %s, %v, want %s", i, o.Fate, o.Err, fate)
		}
	}
}
