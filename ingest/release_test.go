package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/router"
)

// held is the id of the one message that a store holds, or of the newest.
func (h *house) held(store string) string {
	h.t.Helper()
	parked, err := h.router.Parked(h.t.Context(), store, true, 1)
	if err != nil || len(parked) == 0 {
		h.t.Fatalf("held at %s: %v, %v, want a message", store, parked, err)
	}
	return parked[0].ID
}

func (h *house) figures(store string) *router.Figures {
	h.t.Helper()
	f, err := h.router.Figures(h.t.Context(), store)
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

// verified fails the test where the books do not balance.
func (h *house) verified() {
	h.t.Helper()
	for _, store := range []string{"ford", "honda"} {
		v, err := h.router.Verify(context.Background(), store, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		if !v.OK() {
			h.t.Errorf("verify %s: faults %v, differences %v, want none", store, v.Faults, v.Differences)
		}
	}
}

// ends counts the events that ended a quarantine.
func (h *house) ends(store string) (all []string) {
	h.t.Helper()
	events, err := h.store.Events(h.t.Context(), store, 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == router.KindReleased || e.Kind == router.KindDiscarded {
			all = append(all, fmt.Sprintf("%s by %s%s %s", e.Kind, e.By, e.Actor, e.Detail["reason"]))
		}
	}
	return all
}

func (h *house) release(store, id string) *ingest.Released {
	h.t.Helper()
	out, err := h.Release(h.t.Context(), store, id, "mia", "cli")
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func TestRelease(t *testing.T) {
	h, _ := trusting(t, ingest.Trust{Authentication: ingest.Require})
	arrived := h.clock.Now()
	want(t, "not signed", h.deliver(leadMail(1)), ingest.FateQuarantined)
	h.clock.Add(20 * time.Minute)
	id := h.held("ford")
	want(t, "quarantined", h.figures("ford").Quarantined, 1)

	first := h.release("ford", id)
	want(t, "leads", len(first.Taken), 1)
	l, err := h.router.Lead(t.Context(), first.Taken[0].Lead)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "disposition", first.Taken[0].Disposition, router.DispositionNew)
	want(t, "arrival", l.ArrivedAt, arrived)
	want(t, "assigned", *l.Assigned, arrived.Add(20*time.Minute))
	want(t, "source", l.Source, "autotrader")
	want(t, "quarantined", h.figures("ford").Quarantined, 0)

	again := h.release("ford", id)
	want(t, "the same lead again", again.Taken[0].Lead, l.ID)
	want(t, "of the same owner", again.Taken[0].Owner, l.Owner)
	want(t, "the mail elsewhere", h.deliver(leadMail(1)), ingest.FateReplay)
	want(t, "the mail there", h.again(leadMail(1), 1), ingest.FateQuarantined)
	want(t, "held again", h.figures("ford").Quarantined, 0)
	want(t, "the same customer", h.deliver(signed(t, adfMail(2, "", prospect("2", "jo1@example.net", "AutoTrader")))), ingest.FateTouch)
	want(t, "ends", fmt.Sprint(h.ends("ford")), "[released by miacli ]")
	if _, err := h.Release(t.Context(), "ford", "nothing", "", "cli"); !errors.Is(err, router.ErrNotFound) {
		t.Errorf("release what is not held: %v, want ErrNotFound", err)
	}
	h.verified()
}

// What nothing could be read from is read after a mend; until then its release changes nothing.
func TestReleaseAfterAMend(t *testing.T) {
	var cfg ingest.Config
	h := newHouse(t, func(c *ingest.Config) { c.Keep = 24 * time.Hour; cfg = *c })
	raw := "From: leads@vendor.example\nSubject: Anfrage\nContent-Type: text/plain\n\nKunde: Jo Quinn\nRuf: 312 555 0142\n"
	want(t, "unreadable", h.deliver(raw), ingest.FateQuarantined)
	id := h.held("ford")
	var still *ingest.HeldError
	for range 2 {
		if _, err := h.Release(t.Context(), "ford", id, "", "cli"); !errors.As(err, &still) || still.Reason != "no-lead" {
			t.Fatalf("release: %v, want that it stays held", err)
		}
	}
	want(t, "quarantined", h.figures("ford").Quarantined, 1)
	cfg.Options.Templates = []mail.Template{{Name: "Vendor", From: []string{"*@vendor.example"}, Labels: map[string]string{"Kunde": "customer.name", "Ruf": "customer.phone"}}}
	h.Configure(cfg)
	out := h.release("ford", id)
	want(t, "leads", len(out.Taken), 1)
	want(t, "quarantined", h.figures("ford").Quarantined, 0)
	want(t, "the mail elsewhere", h.deliver(raw), ingest.FateReplay)
	h.verified()
}

// Of a message with several leads each that nobody can reach, or no route takes, is held by itself.
func TestReleaseOfParts(t *testing.T) {
	h := newHouse(t, func(c *ingest.Config) {
		c.Keep = 24 * time.Hour
		c.Mailboxes["leads"] = ingest.Feed{Store: "ford", Routes: []ingest.Route{{Match: ingest.Match{Vendor: "ford town*"}, Store: "ford"}, {}}}
		c.Mailboxes["strict"] = ingest.Feed{Store: "ford", Trust: ingest.Trust{Authentication: ingest.Require}}
		c.LookupTXT = new(dns).LookupTXT
	})
	stranger := strings.Replace(prospect("3", "c@example.net", "A"), "Ford Town", "Nobody's", 1)
	raw := adfMail(1, "", prospect("1", "a@example.net", "A"), prospect("2", "", "A"), stranger)
	want(t, "fate", h.deliver(raw), ingest.FateLead)
	parked, err := h.router.Parked(t.Context(), "ford", true, 10)
	if err != nil || len(parked) != 2 {
		t.Fatalf("parked = %v, %v, want 2", parked, err)
	}
	for _, p := range parked {
		out, err := h.Release(t.Context(), "ford", p.ID, "", "cli")
		switch still := (*ingest.HeldError)(nil); p.Reason {
		case "no-route":
			if err != nil || len(out.Taken) != 1 || out.Held != 0 || out.Taken[0].Disposition != router.DispositionNew {
				t.Errorf("release of the unrouted: %+v, %v, want its lead", out, err)
			}
		default:
			if !errors.As(err, &still) || still.Reason != "unreachable" {
				t.Errorf("release of the unreachable: %v, want that it stays held", err)
			}
		}
	}
	want(t, "the mail there", h.again(raw, 1), ingest.FateLead)
	want(t, "quarantined", h.figures("ford").Quarantined, 1)

	whole := adfMail(2, "", prospect("4", "d@example.net", "A"), prospect("5", "", "A"), prospect("6", "f@example.net", "A"))
	h.clock.Add(time.Second)
	fate, err := h.Handle(t.Context(), ingest.Message{Place: ingest.Place{Mailbox: "strict", UIDValidity: 1, UID: 1}, Arrived: h.clock.Now(), Raw: []byte(whole)})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "fate", fate, ingest.FateQuarantined)
	out := h.release("ford", h.held("ford"))
	want(t, "leads", len(out.Taken), 2)
	want(t, "leads that stay held", out.Held, 1)
	want(t, "reasons", strings.Join(h.reasons(), " "), "unreachable unreachable")
	h.verified()
}

// When the store may have forgotten, places are asked about again. What was released stays quarantined there; what the store did forget is
// decided anew, as it is now.
func TestReleasedPlaceIsAskedAboutAgain(t *testing.T) {
	var cfg ingest.Config
	h := newHouse(t, func(c *ingest.Config) { c.Keep = 24 * time.Hour; cfg = *c })
	text := "From: leads@vendor.example\nSubject: Anfrage\nContent-Type: text/plain\n\nKunde: Jo Quinn\nRuf: 312 555 0142\n"
	want(t, "unreadable", h.deliver(text), ingest.FateQuarantined)
	parts := adfMail(1, "", prospect("1", "", "A"))
	want(t, "unreachable", h.deliver(parts), ingest.FateQuarantined)
	cfg.Options.Templates = []mail.Template{{Name: "Vendor", From: []string{"*@vendor.example"}, Labels: map[string]string{"Kunde": "customer.name", "Ruf": "customer.phone"}}}
	h.Configure(cfg)
	parked, err := h.router.Parked(t.Context(), "ford", true, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parked {
		if p.Reason == "no-lead" {
			h.release("ford", p.ID)
		}
	}
	ask := func(raw string, uid uint32, was ingest.Fate) ingest.Fate {
		t.Helper()
		fate, err := h.Handle(t.Context(), ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: uid}, Arrived: h.clock.Now(), Raw: []byte(raw), Was: was})
		if err != nil {
			t.Fatal(err)
		}
		return fate
	}
	want(t, "what was released", ask(text, 1, ingest.FateQuarantined), ingest.FateQuarantined)
	want(t, "what is held", ask(parts, 2, ingest.FateQuarantined), ingest.FateQuarantined)
	want(t, "what was forgotten", ask(leadMail(5), 3, ingest.FateQuarantined), ingest.FateLead)
	want(t, "what is known", ask(leadMail(5), 3, ingest.FateLead), ingest.FateLead)
	h.verified()
}

// A held message does not bring back whom somebody has forgotten since.
func TestReleaseOfTheForgotten(t *testing.T) {
	h, _ := trusting(t, ingest.Trust{Authentication: ingest.Require})
	both := prospect("2", "jo1@example.net", "A") + prospect("3", "al@example.net", "A")
	want(t, "held", h.deliver(adfMail(2, "", both)), ingest.FateQuarantined)
	want(t, "held", h.deliver(adfMail(3, "", prospect("4", "jo1@example.net", "A"))), ingest.FateQuarantined)
	want(t, "known", h.deliver(signed(t, leadMail(1))), ingest.FateLead)
	leads, _, err := h.router.Leads(t.Context(), "ford", router.Query{Limit: 10})
	if err != nil || len(leads) != 1 {
		t.Fatalf("leads = %v, %v", leads, err)
	}
	h.clock.Add(time.Minute)
	if _, err := h.router.Forget(t.Context(), leads[0].ID, "asked", "mia", "cli"); err != nil {
		t.Fatal(err)
	}
	parked, err := h.router.Parked(t.Context(), "ford", true, 10)
	if err != nil {
		t.Fatal(err)
	}
	dealt := 0
	for _, p := range parked {
		dealt += len(h.release("ford", p.ID).Taken)
	}
	want(t, "dealt", dealt, 1) // al
	want(t, "quarantined", h.figures("ford").Quarantined, 0)
	leads, _, err = h.router.Leads(t.Context(), "ford", router.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leads {
		if slices.Contains(l.Customer.Emails, "jo1@example.net") {
			t.Errorf("lead %s holds the forgotten customer", l.ID)
		}
	}
	h.verified()
}

// A mail of before its customer was forgotten makes no lead, and is told of by its size.
func TestMailOfTheForgotten(t *testing.T) {
	h := newHouse(t, nil)
	want(t, "known", h.deliver(leadMail(1)), ingest.FateLead)
	leads, _, err := h.router.Leads(t.Context(), "ford", router.Query{Limit: 10})
	if err != nil || len(leads) != 1 {
		t.Fatalf("leads = %v, %v", leads, err)
	}
	before := h.clock.Now()
	h.clock.Add(time.Minute)
	if _, err := h.router.Forget(t.Context(), leads[0].ID, "asked", "mia", "cli"); err != nil {
		t.Fatal(err)
	}
	late := adfMail(2, "", prospect("4", "jo1@example.net", "A"))
	fate, err := h.Handle(t.Context(), ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: 9}, Arrived: before, Raw: []byte(late)})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "fate", fate, ingest.FateOther)
	parked, err := h.router.Parked(t.Context(), "ford", false, 10)
	if err != nil || len(parked) != 1 {
		t.Fatalf("parked = %v, %v", parked, err)
	}
	want(t, "reason", parked[0].Reason, "forgotten")
	want(t, "size", parked[0].Size, len(late))
	h.verified()
}

// Whoever is forgotten is no longer held either, but where a message is of others too: that is told.
func TestForgetDiscardsWhatIsHeld(t *testing.T) {
	h, _ := trusting(t, ingest.Trust{Authentication: ingest.Require})
	both := prospect("2", "jo1@example.net", "A") + prospect("3", "al@example.net", "A")
	want(t, "of two", h.deliver(adfMail(2, "", both)), ingest.FateQuarantined)
	want(t, "theirs", h.deliver(adfMail(3, "", prospect("4", "jo1@example.net", "A"))), ingest.FateQuarantined)
	want(t, "another's", h.deliver(adfMail(4, "", prospect("5", "al@example.net", "A"))), ingest.FateQuarantined)
	want(t, "known", h.deliver(signed(t, leadMail(1))), ingest.FateLead)
	leads, _, err := h.router.Leads(t.Context(), "ford", router.Query{Limit: 10})
	if err != nil || len(leads) != 1 {
		t.Fatalf("leads = %v, %v", leads, err)
	}
	if _, err := h.Intake.Forget(t.Context(), leads[0].ID, "asked", "nobody", "cli"); err == nil {
		t.Error("nobody may forget")
	}
	for n, mails := range []int{2, 0} { // it may be repeated
		done, err := h.Intake.Forget(t.Context(), leads[0].ID, "asked", "mia", "cli")
		if err != nil {
			t.Fatal(err)
		}
		want(t, "mails", len(done.Mails), mails)
		want(t, "held of others too", len(done.Held), 1-n)
		want(t, "quarantined", h.figures("ford").Quarantined, 2)
	}
	h.verified()
}

// failing fails at the n-th of the steps that write, before or after it was done.
type failing struct {
	*router.Router
	left  int
	after bool
}

func (f *failing) step(do func() error) error {
	f.left--
	if f.left == 0 && !f.after {
		return errAway
	}
	err := do()
	if f.left == 0 {
		return errAway
	}
	return err
}

func (f *failing) Take(ctx context.Context, store string, a *router.Arrival) (t router.Taken, err error) {
	err = f.step(func() (err error) { t, err = f.Router.Take(ctx, store, a); return err })
	return t, err
}

func (f *failing) Park(ctx context.Context, store, token, place string, p router.Parked) (t router.Taken, err error) {
	err = f.step(func() (err error) { t, err = f.Router.Park(ctx, store, token, place, p); return err })
	return t, err
}

func (f *failing) BeginRelease(ctx context.Context, store, id, lead, by string) error {
	return f.step(func() error { return f.Router.BeginRelease(ctx, store, id, lead, by) })
}

func (f *failing) Release(ctx context.Context, store, id string, leads []string, by, actor string) error {
	return f.step(func() error { return f.Router.Release(ctx, store, id, leads, by, actor) })
}

// A release that dies anywhere is ended by the next, with the same leads; and it can no longer be discarded once it has begun.
func TestReleaseThatDies(t *testing.T) {
	for n := 1; n <= 5; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint("step ", n, ", done ", after), func(t *testing.T) {
				h, d := trusting(t, ingest.Trust{Authentication: ingest.Require})
				want(t, "fate", h.deliver(adfMail(1, "", prospect("1", "a@example.net", "A"), prospect("2", "", "A"), prospect("3", "c@example.net", "A"))), ingest.FateQuarantined)
				id := h.held("ford")
				dying := ingest.New(&failing{Router: h.router, left: n, after: after}, ingest.Config{
					Mailboxes: map[string]ingest.Feed{"leads": {Store: "ford"}}, Stores: map[string]ingest.Rules{"ford": {}}, Keep: 24 * time.Hour, LookupTXT: d.LookupTXT,
				}, h, slog.New(slog.DiscardHandler))
				if _, err := dying.Release(t.Context(), "ford", id, "mia", "cli"); !errors.Is(err, errAway) {
					t.Fatalf("release = %v, want the store's error", err)
				}
				err := h.router.Discard(t.Context(), "ford", id, "spam", "", "cli")
				if begun := n > 1 || after; begun == (err == nil) {
					t.Errorf("discard: %v; begun = %t", err, begun)
				}
				if err == nil {
					return
				}
				out := h.release("ford", id)
				want(t, "leads", len(out.Taken), 2)
				want(t, "received", h.figures("ford").Counts["recv|a"], 2)
				want(t, "quarantined", h.figures("ford").Quarantined, 1) // whom nobody can reach
				want(t, "ends", fmt.Sprint(h.ends("ford")), "[released by miacli ]")
				h.verified()
			})
		}
	}
}

func TestReleaseFromManyPlaces(t *testing.T) {
	h, _ := trusting(t, ingest.Trust{Authentication: ingest.Require})
	want(t, "fate", h.deliver(adfMail(1, "", prospect("1", "a@example.net", "A"), prospect("2", "b@example.net", "A"))), ingest.FateQuarantined)
	id := h.held("ford")
	var wg sync.WaitGroup
	leads := make([]string, 10)
	for i := range leads {
		wg.Go(func() {
			out, err := h.Release(context.Background(), "ford", id, "", "cli")
			if err != nil {
				t.Error(err)
				return
			}
			for _, x := range out.Taken {
				leads[i] += x.Lead + " "
			}
		})
	}
	wg.Wait()
	want(t, "different answers", len(slices.Compact(leads)), 1)
	want(t, "received", h.figures("ford").Counts["recv|a"], 2)
	want(t, "ends", len(h.ends("ford")), 1)
	h.verified()
}

func TestDiscard(t *testing.T) {
	h, _ := trusting(t, ingest.Trust{Authentication: ingest.Require})
	want(t, "not signed", h.deliver(leadMail(1)), ingest.FateQuarantined)
	first := h.held("ford")
	var wrong *router.FaultError
	if err := h.router.Discard(t.Context(), "ford", first, " ", "", "cli"); !errors.As(err, &wrong) || wrong.Field != "reason" {
		t.Errorf("discard for no reason: %v, want a fault", err)
	}
	if err := h.router.Discard(t.Context(), "ford", first, "spam", "nobody", "cli"); !errors.As(err, &wrong) || wrong.Field != "by" {
		t.Errorf("discard by nobody: %v, want a fault", err)
	}
	for range 2 {
		if err := h.router.Discard(t.Context(), "ford", first, "spam", "mia", "cli"); err != nil {
			t.Fatalf("discard: %v", err)
		}
	}
	var ended *router.EndedError
	if _, err := h.Release(t.Context(), "ford", first, "", "cli"); !errors.As(err, &ended) || ended.Event.Kind != router.KindDiscarded || !errors.Is(err, router.ErrConflict) {
		t.Errorf("release what was discarded: %v, want that it was", err)
	}
	want(t, "the mail elsewhere", h.deliver(leadMail(1)), ingest.FateReplay)

	h.clock.Add(time.Second)
	want(t, "not signed", h.deliver(leadMail(2)), ingest.FateQuarantined)
	second := h.held("ford")
	h.release("ford", second)
	if err := h.router.Discard(t.Context(), "ford", second, "spam", "", "cli"); !errors.As(err, &ended) || ended.Event.Kind != router.KindReleased {
		t.Errorf("discard what was released: %v, want that it was", err)
	}
	if err := h.router.Discard(t.Context(), "ford", "nothing", "spam", "", "cli"); !errors.Is(err, router.ErrNotFound) {
		t.Errorf("discard what is not held: %v, want ErrNotFound", err)
	}
	if _, err := h.Release(t.Context(), "ford", second, "nobody", "cli"); err != nil {
		t.Errorf("release again: %v", err) // it is over, whoever asks
	}
	want(t, "quarantined", h.figures("ford").Quarantined, 0)
	want(t, "ends", fmt.Sprint(h.ends("ford")), "[discarded by miacli spam released by miacli ]")
	h.verified()
}

// A message whose bytes are not kept is read from its mailbox once more.
func TestReleaseByReference(t *testing.T) {
	large := leadMail(1) + strings.Repeat("<!-- "+strings.Repeat("x", 1000)+" -->\n", 1100)
	var where []ingest.Place
	there := map[string][]byte{}
	h := newHouse(t, func(c *ingest.Config) {
		c.LookupTXT = new(dns).LookupTXT
		c.Mailboxes["leads"] = ingest.Feed{Store: "ford", Trust: ingest.Trust{Authentication: ingest.Require}}
		c.Reread = func(_ context.Context, p ingest.Place, _ time.Time, ours func([]byte) bool) ([]byte, error) {
			where = append(where, p)
			if raw := there[p.String()]; ours(raw) {
				return raw, nil
			}
			return nil, fmt.Errorf("mailbox %q: %w", p.Mailbox, ingest.ErrGone)
		}
	})
	want(t, "not signed", h.deliver(large), ingest.FateQuarantined)
	id := h.held("ford")
	there["leads/1/1"] = []byte(leadMail(2))
	if _, err := h.Release(t.Context(), "ford", id, "", "cli"); !errors.Is(err, ingest.ErrGone) {
		t.Errorf("release with another mail in its place: %v, want ErrGone", err)
	}
	there["leads/1/1"] = append([]byte("Delivered-To: x@dealer.example\n"), large...)
	out := h.release("ford", id)
	want(t, "leads", len(out.Taken), 1)
	want(t, "asked for", fmt.Sprint(where), "[leads/1/1 leads/1/1]")

	fate, err := h.Handle(t.Context(), ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: 9}, Arrived: h.clock.Now(), Raw: bytes.Repeat([]byte("x"), 100), TooLarge: true})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "too large", fate, ingest.FateQuarantined)
	var still *ingest.HeldError
	if _, err := h.Release(t.Context(), "ford", h.held("ford"), "", "cli"); !errors.As(err, &still) || still.Reason != mail.SuspectSize {
		t.Errorf("release of a beginning: %v, want that it stays held", err)
	}
}
