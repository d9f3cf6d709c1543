package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"leadfloor/ingest"
	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// house is an intake over the real business.
type house struct {
	*ingest.Intake
	t      testing.TB
	store  *rdb.Store
	router *router.Router
	clock  *routertest.Clock
	repair map[string]int
	doubts []string
	log    strings.Builder
	uid    uint32
}

func (h *house) Repaired(kind string)           { h.repair[kind]++ }
func (h *house) Doubted(mailbox, reason string) { h.doubts = append(h.doubts, mailbox+" "+reason) }

func newHouse(t testing.TB, cfg func(*ingest.Config)) *house {
	h := &house{t: t, clock: routertest.NewClock(), repair: map[string]int{}}
	ford, honda := routertest.Rooftop("ford", "alice", "bob"), routertest.Rooftop("honda", "carl")
	ford.Desks = map[string]router.Desk{"service": {Owner: "sam"}}
	h.store = rdb.New(routertest.Miniredis(t), rdb.Options{Now: h.clock.Now})
	h.router = router.New(h.store, []*router.Rooftop{ford, honda})
	c := ingest.Config{
		Mailboxes: map[string]ingest.Feed{"leads": {Store: "ford", Trust: ingest.Trust{From: []string{"*@vendor.example"}}}},
		Stores:    map[string]ingest.Rules{"ford": {Desks: []ingest.DeskRule{{Desk: "service", Match: ingest.Match{Provider: "*Service*"}}}}, "honda": {}},
		Keep:      time.Hour,
	}
	if cfg != nil {
		cfg(&c)
	}
	h.Intake = ingest.New(h.router, c, h, slog.New(slog.NewTextHandler(&h.log, nil)))
	return h
}

// deliver hands over a mail as the next of the mailbox.
func (h *house) deliver(raw string) ingest.Fate {
	h.t.Helper()
	h.uid++
	return h.again(raw, h.uid)
}

func (h *house) again(raw string, uid uint32) ingest.Fate {
	h.t.Helper()
	fate, err := h.Handle(context.Background(), ingest.Message{
		Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: uid}, Arrived: h.clock.Now(), Raw: []byte(raw),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return fate
}

func adfMail(n int, more string, prospects ...string) string {
	return fmt.Sprintf("From: leads@autotrader.example\nTo: group@example.com\nSubject: Lead\nMessage-ID: <%d@autotrader.example>\n%s\n<?xml version=\"1.0\"?>\n<adf>%s</adf>\n", n, more, strings.Join(prospects, ""))
}

func prospect(id, email, provider string) string {
	mail := ""
	if email != "" {
		mail = "<email>" + email + "</email>"
	}
	return fmt.Sprintf(`<prospect><id source="x">%s</id><requestdate>2026-11-23T12:00:00-06:00</requestdate><vehicle><year>2020</year><make>Ford</make><model>F-150</model></vehicle>`+
		`<customer><contact><name part="first">Jo</name><name part="last">Q%s</name>%s</contact></customer><vendor><vendorname>Ford Town</vendorname></vendor><provider><name>%s</name></provider></prospect>`, id, id, mail, provider)
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestFates(t *testing.T) {
	h := newHouse(t, nil)
	lead := adfMail(1, "", prospect("1", "jo1@example.net", "AutoTrader"))
	want(t, "lead", h.deliver(lead), ingest.FateLead)
	want(t, "the same place again", h.again(lead, 1), ingest.FateLead)
	want(t, "another place", h.deliver(lead), ingest.FateReplay)
	want(t, "another place, other trace", h.deliver("Received: by x\nDelivered-To: y@example.com\n"+lead), ingest.FateReplay)
	want(t, "same id, same person", h.deliver(adfMail(2, "", prospect("1", "jo1@example.net", "AutoTrader"))), ingest.FateDuplicate)
	want(t, "same person", h.deliver(adfMail(3, "", prospect("3", "jo1@example.net", "AutoTrader"))), ingest.FateTouch)
	want(t, "nobody to reach", h.deliver(adfMail(4, "", prospect("4", "", "AutoTrader"))), ingest.FateQuarantined)
	want(t, "newsletter", h.deliver("From: news@example.org\nSubject: News\n\nTen ways to sell.\n"), ingest.FateOther)
	want(t, "newsletter again", h.deliver("From: news@example.org\nSubject: News\n\nTen ways to sell.\n"), ingest.FateReplay)
	want(t, "no lead from a lead sender", h.deliver("From: leads@vendor.example\nSubject: News\n\nTen ways to sell.\n"), ingest.FateQuarantined)
	want(t, "several leads, one nobody can reach", h.deliver(adfMail(5, "", prospect("5", "jo5@example.net", "A"), prospect("6", "", "A"), prospect("7", "jo7@example.net", "A"))), ingest.FateLead)
	parked, err := h.router.Parked(t.Context(), "ford", true, 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "quarantined", len(parked), 3)
	leads, _, err := h.router.Leads(t.Context(), "ford", router.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "leads", len(leads), 3)
	for _, l := range leads {
		if l.Customer.Emails[0] == "jo1@example.net" {
			want(t, "source", l.Source, "autotrader")
			want(t, "requested", l.Touches[0].Enquiry.RequestedAt, "2026-11-23T12:00:00-06:00")
			want(t, "arrivals", len(l.Touches), 3)
		}
	}
}

func TestTooLargeIsQuarantined(t *testing.T) {
	h := newHouse(t, nil)
	fate, err := h.Handle(t.Context(), ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: 1}, Arrived: h.clock.Now(), Raw: []byte("From: x\n\nhuge"), TooLarge: true})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "fate", fate, ingest.FateQuarantined)
}

func TestRoutes(t *testing.T) {
	routes := func(c *ingest.Config) {
		c.Mailboxes["leads"] = ingest.Feed{Store: "ford", Routes: []ingest.Route{
			{Match: ingest.Match{To: "honda@*"}, Store: "honda"},
			{Match: ingest.Match{Vendor: "ford town*"}, Store: "ford"},
			{},
		}}
	}
	h := newHouse(t, routes)
	want(t, "by vendor", h.deliver(adfMail(1, "", prospect("1", "a@example.net", "A"))), ingest.FateLead)
	want(t, "by recipient", h.deliver(adfMail(2, "Delivered-To: Honda@example.com\n", prospect("2", "b@example.net", "A"))), ingest.FateLead)
	stranger := strings.Replace(adfMail(3, "", prospect("3", "c@example.net", "A")), "Ford Town", "Nobody's", 1)
	want(t, "by none", h.deliver(stranger), ingest.FateQuarantined)
	for store, n := range map[string]int{"ford": 1, "honda": 1} {
		leads, _, err := h.router.Leads(t.Context(), store, router.Query{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "leads of "+store, len(leads), n)
	}
	parked, err := h.router.Parked(t.Context(), "ford", true, 10)
	if err != nil || len(parked) != 1 || parked[0].Reason != "no-route" {
		t.Errorf("parked = %+v, %v", parked, err)
	}
}

func TestSalesperson(t *testing.T) {
	h := newHouse(t, func(c *ingest.Config) {
		c.Mailboxes["leads"] = ingest.Feed{Store: "ford", Trust: ingest.Trust{Salesperson: []string{"cargurus"}}}
	})
	h.deliver(adfMail(1, "", prospect("1", "jo1@example.com", "CarGurus"))) // alice's turn
	for n, x := range []struct{ contact, provider, want string }{
		{"<contact><name part=\"full\">alice</name></contact>", "CarGurus", "named by a trusted source"},
		{"<contact><name part=\"full\">alice</name></contact>", "Autotrader", "rotation"},
		{"<contact><name part=\"full\">Ford Town</name></contact>", "CarGurus", "rotation"},
		{"<contact><name part=\"full\">Zoe</name><email>zoe@ford.example</email></contact>", "CarGurus", "rotation; the salesperson named is not on the roster"},
	} {
		id := fmt.Sprint(n + 2)
		doc := strings.Replace(prospect(id, "jo"+id+"@example.com", x.provider), "</vendorname>", "</vendorname>"+x.contact, 1)
		if got := h.deliver(adfMail(n+2, "", doc)); got != ingest.FateLead {
			t.Fatalf("fate = %s, want lead", got)
		}
		leads, _, err := h.router.Leads(t.Context(), "ford", router.Query{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leads {
			if l.Customer.Emails[0] != "jo"+id+"@example.com" {
				continue
			}
			events, err := h.router.Why(t.Context(), l.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got := events[0].Deal.Reason; got != x.want {
				t.Errorf("%s from %s: dealt because: %s, want %s", x.contact, x.provider, got, x.want)
			}
		}
	}
}

func TestDesk(t *testing.T) {
	h := newHouse(t, nil)
	want(t, "fate", h.deliver(adfMail(1, "", prospect("1", "a@example.net", "Dealer Service Scheduler"))), ingest.FateLead)
	leads, _, err := h.router.Leads(t.Context(), "ford", router.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "owner", leads[0].Owner, "sam")
	want(t, "desk", leads[0].Desk, "service")
	floor, err := h.router.Floor(t.Context(), "ford")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "turns", floor.People[0].Turns+floor.People[1].Turns, 0)
}

// TestAStoreThatFails leaves the message for later, whole: the next try gives what the first would have given.
func TestAStoreThatFails(t *testing.T) {
	h := newHouse(t, nil)
	broken := &broken{Router: h.router}
	in := ingest.New(broken, ingest.Config{Mailboxes: map[string]ingest.Feed{"leads": {Store: "ford"}}, Stores: map[string]ingest.Rules{"ford": {}}}, h, slog.New(slog.DiscardHandler))
	msg := ingest.Message{
		Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: 1}, Arrived: h.clock.Now(),
		Raw: []byte(adfMail(1, "", prospect("1", "a@example.net", "A"), prospect("2", "b@example.net", "A"), prospect("3", "c@example.net", "A"))),
	}
	for left := range 3 {
		broken.left = left
		if _, err := in.Handle(t.Context(), msg); !errors.Is(err, errAway) {
			t.Fatalf("with %d answers: err = %v, want the store's", left, err)
		}
	}
	broken.left = 3
	fate, err := in.Handle(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "fate", fate, ingest.FateLead)
	leads, _, err := h.router.Leads(t.Context(), "ford", router.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "leads", len(leads), 3)
}

var errAway = errors.New("the store is away")

// broken loses the answer of every call once left is used up, though the work is done.
type broken struct {
	*router.Router
	left int
}

func (b *broken) Take(ctx context.Context, store string, a *router.Arrival) (router.Taken, error) {
	taken, err := b.Router.Take(ctx, store, a)
	if b.left--; b.left < 0 {
		return router.Taken{}, errAway
	}
	return taken, err
}

func TestNothingPersonalIsLogged(t *testing.T) {
	h := newHouse(t, nil)
	h.deliver(adfMail(1, "", prospect("1", "jo.secret@example.net", "A")))
	h.deliver("From: secret@example.org\nSubject: Secret\n\nTen ways to sell.\n")
	if s := h.log.String(); strings.Contains(strings.ToLower(s), "secret") {
		t.Errorf("the log says %s", s)
	}
}

// A lead that nobody would read to its end is held: who lists leads has them all in memory.
func TestEndlessLeadIsHeld(t *testing.T) {
	h := newHouse(t, nil)
	endless := prospect("1", "a@example.net", "Site"+strings.Repeat("e", 200<<10))
	want(t, "fate", h.deliver(adfMail(1, "", endless)), ingest.FateQuarantined)
	want(t, "reasons", strings.Join(h.reasons(), " "), "limit-lead")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("<adf>" + prospect("3", "c@example.net", "Site"+strings.Repeat("e", 200<<10)) + "</adf>"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, "packed", h.deliver("From: leads@site.example\nSubject: Lead\nMIME-Version: 1.0\nContent-Type: application/gzip; name=lead.xml.gz\n"+
		"Content-Transfer-Encoding: base64\n\n"+base64.StdEncoding.EncodeToString(packed.Bytes())+"\n"), ingest.FateQuarantined)
	want(t, "reasons", strings.Join(h.reasons(), " "), "limit-lead limit-lead")
	want(t, "beside another", h.deliver(adfMail(2, "", prospect("2", "b@example.net", "Site")+endless)), ingest.FateLead)
	if _, notes, err := h.Document(t.Context(), "ford", []byte("<adf>"+endless+"</adf>"), "key", "token"); !errors.Is(err, ingest.ErrNoLead) || notes[len(notes)-1].Code != "limit-lead" {
		t.Errorf("document: %v, %v", notes, err)
	}
}

func TestDocument(t *testing.T) {
	h := newHouse(t, nil)
	doc := []byte("<adf>" + prospect("1", "a@example.net", "Site") + prospect("2", "", "Site") + "</adf>")
	for range 2 { // the same key is the same call
		taken, notes, err := h.Document(t.Context(), "ford", doc, "key", "token")
		if err != nil {
			t.Fatal(err)
		}
		want(t, "leads", len(taken), 1)
		want(t, "disposition", taken[0].Disposition, router.DispositionNew)
		found := false
		for _, n := range notes {
			found = found || n.Code == "unreachable"
		}
		want(t, "the unreachable is named", found, true)
	}
	if _, notes, err := h.Document(t.Context(), "ford", []byte("no adf"), "other", "token"); !errors.Is(err, ingest.ErrNoLead) || len(notes) == 0 {
		t.Errorf("no document: %v, %v", notes, err)
	}
}
