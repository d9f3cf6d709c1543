package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leadfloor/router"
)

func TestFloor(t *testing.T) {
	h := newHouse(t)
	var shape struct {
		Next    string
		Waiting *int
		People  []map[string]json.RawMessage
	}
	h.call("viewer", "GET", "/stores/main-street/floor", "").want(200).read(&shape)
	if shape.Next != "alice" || shape.Waiting == nil || len(shape.People) != 3 {
		t.Fatalf("floor = %+v, want alice next, a number waiting and three people", shape)
	}
	for _, name := range []string{"id", "name", "status", "by", "until", "turns", "pass", "untouched"} {
		if _, ok := shape.People[0][name]; !ok {
			t.Errorf("a person of the floor has no %s: %v", name, shape.People[0])
		}
	}

	for _, tt := range []struct {
		as, who, body string
		status        router.Status
		by            string
		until         string
	}{
		{"salesperson", "alice", `{"status":"off"}`, router.Off, "hand", ""},
		{"manager", "bob", `{"status":"off","until":"2026-11-23T20:00:00-06:00"}`, router.Off, "hand", "2026-11-24T02:00:00Z"},
		{"manager", "bob", `{"status":"busy","until":null}`, router.Busy, "hand", "2026-11-23T13:00:00Z"},
		{"admin", "bob", `{"status":"auto"}`, router.On, "schedule", ""},
	} {
		var got router.FloorNow
		h.call(tt.as, "PUT", "/stores/main-street/floor/"+tt.who, tt.body).want(200).read(&got)
		i := slices.IndexFunc(got.People, func(p router.FloorPerson) bool { return p.ID == tt.who })
		p := got.People[i]
		until := ""
		if p.Until != nil {
			until = p.Until.Format(time.RFC3339)
		}
		if p.Status != tt.status || p.SetBy != tt.by || until != tt.until {
			t.Errorf("%s %s: %s by %s until %q, want %s by %s until %q", tt.who, tt.body, p.Status, p.SetBy, until, tt.status, tt.by, tt.until)
		}
	}

	for body, want := range map[string]string{
		`{"status":"asleep"}`: "status", `{}`: "status", `{"status":"off","until":"2020-01-01T00:00:00Z"}`: "until",
		`{"status":"off","until":"soon"}`: "until", `{"status":"off","by":"x"}`: "by",
	} {
		if got := h.call("manager", "PUT", "/stores/main-street/floor/bob", body).want(422).fields(); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: fields = %q, want %q", body, got, want)
		}
	}
	h.call("manager", "PUT", "/stores/main-street/floor/zoe", `{"status":"off"}`).want(404)
	h.call("nameless", "PUT", "/stores/main-street/floor/alice", `{"status":"off"}`).want(403)
	h.verified()
}

func TestMessages(t *testing.T) {
	h := newHouse(t)
	var parked []string
	for n := range 7 {
		if n%3 == 0 { // several at the same instant, too
			h.clock.Add(time.Second)
		}
		fate := "quarantined"
		if n == 3 {
			fate = "other"
		}
		if _, err := h.router.Park(t.Context(), "main-street", fmt.Sprint("token", n), fmt.Sprint("leads/1/", n), router.Parked{
			Fate: fate, Reason: "unreachable", Where: fmt.Sprint("leads/1/", n), Size: 100 + n, Raw: []byte("x"), KeepFor: time.Hour,
		}); err != nil {
			t.Fatal(err)
		}
		if fate == "quarantined" {
			parked = append(parked, fmt.Sprint("leads/1/", n))
		}
	}
	type messages struct {
		Items []struct {
			ID, Fate, Reason, Where string
			Size                    int
		}
		Next string
	}
	var walked []string
	cursor := ""
	for range 3 {
		var got messages
		h.call("viewer", "GET", "/stores/main-street/messages?limit=2&cursor="+cursor, "").want(200).read(&got)
		for _, m := range got.Items {
			walked = append(walked, m.Where)
		}
		cursor = got.Next
	}
	slices.Sort(walked)
	if !slices.Equal(walked, parked) || cursor != "" {
		t.Errorf("three pages = %v and then %q, want %v and then none", walked, cursor, parked)
	}
	var other messages
	a := h.call("manager", "GET", "/stores/main-street/messages?fate=other", "").want(200)
	if a.read(&other); len(other.Items) != 1 || other.Items[0].Where != "leads/1/3" || other.Items[0].Size != 103 {
		t.Errorf("other messages = %s, want the fourth alone", a.body)
	}
	if strings.Contains(a.body, "KeepFor") {
		t.Errorf("messages = %s, want nothing of how they are kept", a.body)
	}
	for query, want := range map[string]string{"fate=lead": "fate", "cursor=x": "cursor", "cursor=x_y": "cursor", "limit=x": "limit"} {
		if got := h.call("viewer", "GET", "/stores/main-street/messages?"+query, "").want(422).fields(); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: fields = %q, want %q", query, got, want)
		}
	}
}
