package api_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"leadfloor/router"
)

// hold quarantines a message at main-street and returns its id.
func (h *house) hold(token string) string {
	h.t.Helper()
	_, err := h.router.Park(h.t.Context(), "main-street", token, "leads/1/1", router.Parked{Fate: "quarantined", Reason: "unsigned", Raw: []byte("x"), KeepFor: time.Hour})
	if err != nil {
		h.t.Fatal(err)
	}
	id, err := h.router.HeldID(h.t.Context(), "main-street", token)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func TestReleaseMessage(t *testing.T) {
	h := newHouse(t)
	h.intake.taken = []router.Taken{{Lead: "main-street-x", Owner: "bob", Disposition: router.DispositionNew}}
	const path = "/stores/main-street/messages/m_-7/release"
	got := h.call("manager", "POST", path, `{}`).want(200).body
	if want := `{"leads":[{"id":"main-street-x","owner":"bob","disposition":"new"}],"held":1}` + "\n"; got != want {
		t.Errorf("answer = %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(h.intake.keys, h.intake.actor), "[main-street m_-7 mia]manager"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	h.call("manager", "POST", path, "").want(422)
	h.call("manager", "POST", path, `{"force":true}`).want(422)
	for _, tt := range []struct {
		err    error
		status int
		detail string
	}{
		{&router.FaultError{Text: "it stays held: nobody in it can be called"}, 422, "it stays held: nobody in it can be called"},
		{fmt.Errorf("message: %w", router.ErrNotFound), 404, "nothing of that id is known here"},
		{&router.EndedError{ID: "m_-7", Event: router.Event{Seq: 9, Kind: router.KindDiscarded, At: h.clock.Now()}}, 409, "message m_-7 was discarded at 2026-11-23T12:00:00Z, event 9"},
		{errors.New("the mailbox is away"), 503, "the store cannot be asked now: try again"},
	} {
		h.intake.err = tt.err
		var p struct{ Detail string }
		h.call("admin", "POST", path, `{}`).want(tt.status).read(&p)
		if p.Detail != tt.detail {
			t.Errorf("detail = %q, want %q", p.Detail, tt.detail)
		}
	}
}

func TestShowMessage(t *testing.T) {
	h := newHouse(t)
	var got struct {
		ID, Reason string
		From       []string
	}
	h.call("manager", "GET", "/stores/main-street/messages/m7", "").want(200).read(&got)
	if fmt.Sprint(got) != "{m7 unsigned [x@vendor.example]}" {
		t.Errorf("message = %v", got)
	}
	h.intake.err = fmt.Errorf("message: %w", router.ErrNotFound)
	h.call("manager", "GET", "/stores/main-street/messages/m7", "").want(404)
}

func TestDiscardMessage(t *testing.T) {
	h := newHouse(t)
	path := "/stores/main-street/messages/" + h.hold("m1") + "/discard"
	if got := h.call("manager", "POST", path, `{}`).want(422).fields(); fmt.Sprint(got) != "[reason]" {
		t.Errorf("faulty fields = %v, want the reason", got)
	}
	for range 2 {
		h.call("manager", "POST", path, `{"reason":"spam"}`).want(200)
	}
	var list struct{ Items []struct{ ID string } }
	h.call("viewer", "GET", "/stores/main-street/messages?fate=quarantined", "").want(200).read(&list)
	if len(list.Items) != 0 {
		t.Errorf("held = %v, want nothing", list.Items)
	}
	h.call("manager", "POST", "/stores/main-street/messages/nothing/discard", `{"reason":"spam"}`).want(404)
	h.verified()
}
