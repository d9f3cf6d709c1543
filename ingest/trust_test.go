package ingest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/router"
)

var vendorKey = func() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}()

// dns is a DNS in which vendorKey is that of autotrader.example.
type dns struct {
	down  bool
	asked int
}

func (d *dns) LookupTXT(_ context.Context, name string) ([]string, error) {
	d.asked++
	switch {
	case d.down:
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	case name == "s._domainkey.autotrader.example":
		return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(vendorKey.Public().(ed25519.PublicKey))}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// signed is a mail with autotrader.example's signature.
func signed(t testing.TB, raw string) string {
	t.Helper()
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(strings.ReplaceAll(raw, "\n", "\r\n")), &dkim.SignOptions{
		Domain: "autotrader.example", Selector: "s", Signer: vendorKey, HeaderKeys: []string{"From", "Subject"},
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func leadMail(n int) string {
	return adfMail(n, "", prospect(fmt.Sprint(n), fmt.Sprintf("jo%d@example.net", n), "AutoTrader"))
}

// from makes a mail another sender's.
func from(raw, sender string) string {
	return strings.Replace(raw, "leads@autotrader.example", sender, 1)
}

// trusting is a house whose mailbox asks what trust says, and the DNS that it asks.
func trusting(t *testing.T, trust ingest.Trust) (*house, *dns) {
	d := &dns{}
	h := newHouse(t, func(c *ingest.Config) {
		c.LookupTXT, c.Keep = d.LookupTXT, 24*time.Hour
		c.Mailboxes["leads"] = ingest.Feed{Store: "ford", Trust: trust}
	})
	return h, d
}

func (h *house) reasons() (all []string) {
	h.t.Helper()
	parked, err := h.router.Parked(h.t.Context(), "ford", true, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, p := range slices.Backward(parked) {
		all = append(all, p.Reason)
		if !p.Kept {
			h.t.Errorf("the message held for %s is not kept", p.Reason)
		}
	}
	return all
}

func TestRequire(t *testing.T) {
	h, d := trusting(t, ingest.Trust{From: []string{"*@autotrader.example"}, Authentication: ingest.Require, Server: "mx.dealer.example"})
	want(t, "newsletter", h.deliver("From: news@example.org\nSubject: News\n\nTen ways to sell.\n"), ingest.FateOther)
	want(t, "questions to DNS", d.asked, 0)
	want(t, "signed", h.deliver(signed(t, leadMail(1))), ingest.FateLead)
	want(t, "vouched for by the server", h.deliver("Authentication-Results: mx.dealer.example; dmarc=pass header.from=autotrader.example\n"+leadMail(2)), ingest.FateLead)
	h.clock.Add(time.Second)
	want(t, "not signed", h.deliver(leadMail(3)), ingest.FateQuarantined)
	h.clock.Add(time.Second)
	want(t, "changed", h.deliver(strings.Replace(signed(t, leadMail(4)), "F-150", "Fiesta", 1)), ingest.FateQuarantined)
	h.clock.Add(time.Second)
	want(t, "signed by another", h.deliver(signed(t, from(leadMail(5), "leads@vendor.example"))), ingest.FateQuarantined)
	h.clock.Add(time.Second)
	want(t, "vouched for by another server", h.deliver("Authentication-Results: mx.attacker.example; dmarc=pass header.from=autotrader.example\n"+leadMail(6)), ingest.FateQuarantined)
	h.clock.Add(time.Second)
	want(t, "two senders", h.deliver("From: x@attacker.example\r\n"+signed(t, leadMail(7))), ingest.FateQuarantined)
	h.clock.Add(time.Second)
	want(t, "no lead from a lead sender", h.deliver(from("From: leads@autotrader.example\nSubject: News\n\nTen ways to sell.\n", "leads@autotrader.example")), ingest.FateQuarantined)
	if got, want := fmt.Sprint(h.reasons()), "[unsigned bad-signature unaligned unsigned unclear-sender no-lead]"; got != want {
		t.Errorf("reasons = %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(h.doubts), "[leads unsigned leads bad-signature leads unaligned leads unsigned leads unclear-sender]"; got != want {
		t.Errorf("doubts = %s, want %s", got, want)
	}
	want(t, "the same again, elsewhere", h.deliver(leadMail(3)), ingest.FateReplay)
	want(t, "the same again, there", h.again(leadMail(3), 4), ingest.FateQuarantined)
}

func TestWarn(t *testing.T) {
	h, _ := trusting(t, ingest.Trust{Authentication: ingest.Warn})
	want(t, "signed", h.deliver(signed(t, leadMail(1))), ingest.FateLead)
	want(t, "not signed", h.deliver(leadMail(2)), ingest.FateLead)
	if got, want := fmt.Sprint(h.doubts), "[leads unsigned]"; got != want {
		t.Errorf("doubts = %s, want %s", got, want)
	}
	if log := h.log.String(); !strings.Contains(log, "place=leads/1/2 doubt=unsigned") || strings.Contains(log, "example") {
		t.Errorf("log = %s, want the place and the reason, and nobody's name", log)
	}
}

// Whom a mail names is not gone by where nothing vouches for its sender, nor where a person released it all the same.
func TestSalespersonOfTheDoubted(t *testing.T) {
	naming := func(n int) string {
		return strings.Replace(leadMail(n), "</vendorname>", `</vendorname><contact><name part="full">bob</name></contact>`, 1)
	}
	for _, test := range []struct {
		authentication ingest.Authentication
		raw            string
		want           string
	}{
		{ingest.Warn, signed(t, naming(1)), "named by a trusted source"},
		{ingest.Warn, naming(2), "rotation"},
		{ingest.Require, signed(t, naming(3)), "named by a trusted source"},
		{ingest.Require, naming(4), "rotation"}, // once released
		{ingest.Off, naming(5), "named by a trusted source"},
	} {
		h, _ := trusting(t, ingest.Trust{Authentication: test.authentication, Salesperson: []string{"autotrader"}})
		if h.deliver(test.raw) == ingest.FateQuarantined {
			h.release("ford", h.held("ford"))
		}
		leads, _, err := h.router.Leads(t.Context(), "ford", router.Query{Limit: 1})
		if err != nil || len(leads) != 1 {
			t.Fatalf("leads = %v, %v, want one", leads, err)
		}
		events, err := h.router.Why(t.Context(), leads[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := events[0].Deal.Reason; got != test.want {
			t.Errorf("authentication %s, %.40q...: dealt because: %s, want %s", test.authentication, test.raw, got, test.want)
		}
	}
}

// What was decided stands, whatever DNS says later.
func TestDoubtIsDecidedOnce(t *testing.T) {
	h, d := trusting(t, ingest.Trust{Authentication: ingest.Require})
	lead, held := signed(t, leadMail(1)), strings.Replace(signed(t, leadMail(2)), "s=s;", "s=t;", 1)
	want(t, "lead", h.deliver(lead), ingest.FateLead)
	want(t, "no key", h.deliver(held), ingest.FateQuarantined)
	d.down = true
	restarted := h.restart(d, ingest.Trust{Authentication: ingest.Require})
	// The ledger did not get it: the daemon died between.
	want(t, "the lead again", restarted.again(lead, 1), ingest.FateLead)
	want(t, "the held one again", restarted.again(held, 2), ingest.FateQuarantined)
	want(t, "the lead elsewhere", restarted.again(lead, 7), ingest.FateReplay)
	want(t, "the held one elsewhere", restarted.again(held, 8), ingest.FateReplay)
	want(t, "held", len(h.reasons()), 1)
}

// restart is another process on the same store.
func (h *house) restart(d *dns, trust ingest.Trust) *house {
	next := &house{t: h.t, clock: h.clock, router: h.router, repair: map[string]int{}, uid: h.uid}
	next.Intake = ingest.New(h.router, ingest.Config{
		Mailboxes: map[string]ingest.Feed{"leads": {Store: "ford", Trust: trust}, "more": {Store: "ford", Trust: trust}},
		Stores:    map[string]ingest.Rules{"ford": {}}, Keep: time.Hour, LookupTXT: d.LookupTXT,
	}, next, slog.New(slog.NewTextHandler(&next.log, nil)))
	return next
}

func TestDNSDown(t *testing.T) {
	trust := ingest.Trust{Authentication: ingest.Require}
	h, d := trusting(t, trust)
	d.down = true
	later := func(h *house, n int) {
		t.Helper()
		_, err := h.Handle(t.Context(), ingest.Message{
			Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: uint32(n)}, Arrived: h.clock.Now().Add(-time.Minute), Raw: []byte(signed(t, leadMail(n))),
		})
		if !errors.Is(err, ingest.ErrLater) {
			t.Errorf("message %d: err = %v, want ErrLater", n, err)
		}
		if err != nil && strings.Contains(err.Error(), "example") {
			t.Errorf("the error tells whose mail it is: %v", err)
		}
	}
	later(h, 1)
	later(h, 2)
	want(t, "what the server vouches for, meanwhile", h.deliver(leadMail(100)), ingest.FateQuarantined) // no server is configured, and no key is needed
	h.clock.Add(30 * time.Minute)
	d.down = false
	up := h.restart(d, trust)
	want(t, "once DNS is back", up.again(signed(t, leadMail(1)), 1), ingest.FateLead)

	d.down = true
	old := h.restart(d, trust)
	arrived := h.clock.Now().Add(-48 * time.Hour)
	msg := ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: 3}, Arrived: arrived, Raw: []byte(signed(t, leadMail(3)))}
	if _, err := old.Handle(t.Context(), msg); !errors.Is(err, ingest.ErrLater) {
		t.Errorf("a mail that waited for the daemon: err = %v, want ErrLater: DNS has just failed for the first time", err)
	}
	h.clock.Add(time.Hour)
	fate, err := old.Handle(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "when patience ends", fate, ingest.FateQuarantined)
	if got := h.reasons(); !slices.Contains(got, mail.DoubtUnchecked) {
		t.Errorf("reasons = %q, want %s among them", got, mail.DoubtUnchecked)
	}

	last := h.restart(d, trust)
	fate, err = last.Handle(t.Context(), ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: 5}, Arrived: h.clock.Now(), Raw: []byte(signed(t, leadMail(5))), Last: true})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "what cannot be asked about again", fate, ingest.FateQuarantined)

	warn := h.restart(d, ingest.Trust{Authentication: ingest.Warn})
	want(t, "where it only warns", warn.again(signed(t, leadMail(4)), 4), ingest.FateLead)
}

func TestLimit(t *testing.T) {
	h, d := trusting(t, ingest.Trust{From: []string{"*@autotrader.example"}, Limit: router.Limit{Messages: 3, Per: time.Hour}})
	n := 0
	deliver := func(sender string) ingest.Fate {
		t.Helper()
		n++
		h.clock.Add(time.Second)
		return h.deliver(from(leadMail(n), sender))
	}
	for range 10 {
		want(t, "of trust.from", deliver("leads@autotrader.example"), ingest.FateLead)
	}
	for i := range 3 {
		want(t, "of another", deliver(fmt.Sprintf("x%d@s%d.flood.example", i, i)), ingest.FateLead)
	}
	third := from(leadMail(n), "x2@s2.flood.example")
	want(t, "one too many", deliver("y@flood.example"), ingest.FateQuarantined)
	fourth := from(leadMail(n), "y@flood.example")
	want(t, "of a third", deliver("x@quiet.example"), ingest.FateLead)
	want(t, "the third again, there", h.again(third, 13), ingest.FateLead)
	h.clock.Add(40 * time.Minute)
	want(t, "while the window is full", deliver("z@flood.example"), ingest.FateQuarantined)
	h.clock.Add(20 * time.Minute)
	want(t, "the fourth again, there", h.again(fourth, 14), ingest.FateQuarantined)
	for range 3 {
		want(t, "when the window has moved on", deliver("x@flood.example"), ingest.FateLead)
	}
	want(t, "too many again", deliver("x@flood.example"), ingest.FateQuarantined)
	if got, want := fmt.Sprint(h.reasons()), "[rate rate rate]"; got != want {
		t.Errorf("reasons = %s, want %s", got, want)
	}

	forged := h.restart(d, ingest.Trust{From: []string{"*@autotrader.example"}, Authentication: ingest.Warn, Limit: router.Limit{Messages: 0, Per: time.Hour}})
	want(t, "who only says to be of trust.from", forged.again(leadMail(200), 200), ingest.FateQuarantined)
	want(t, "who is", forged.again(signed(t, leadMail(201)), 201), ingest.FateLead)
}

// Two replicas that read two mailboxes of one store count together, each message once.
func TestLimitOfReplicas(t *testing.T) {
	trust := ingest.Trust{Limit: router.Limit{Messages: 5, Per: time.Hour}}
	h, d := trusting(t, trust)
	var wg sync.WaitGroup
	var mu sync.Mutex
	fates := map[ingest.Fate]int{}
	for i, box := range []string{"leads", "more"} {
		replica := h.restart(d, trust)
		for n := range 20 {
			raw := []byte(leadMail(100*i + n))
			for range 2 { // the second time as after a crash
				wg.Go(func() {
					fate, err := replica.Handle(context.Background(), ingest.Message{Place: ingest.Place{Mailbox: box, UIDValidity: 1, UID: uint32(n + 1)}, Arrived: h.clock.Now(), Raw: raw})
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					fates[fate]++
					mu.Unlock()
				})
			}
		}
	}
	wg.Wait()
	if got, want := fmt.Sprint(fates), "map[lead:10 quarantined:70]"; got != want {
		t.Errorf("fates = %s, want %s", got, want)
	}
}
