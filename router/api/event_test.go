package api_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"leadfloor/router"
)

func TestEvents(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("ingest", customer(1)).ID
	path := "/leads/" + lead + "/events"
	for _, step := range []struct {
		body string
		want router.State
	}{
		{`{"kind":"note","note":"asked for Ann"}`, router.Untouched},
		{`{"kind":"attempt","channel":"call","by":"alice"}`, router.Attempted},
		{`{"kind":"response","channel":"email","at":"2026-11-23T06:04:00-06:00"}`, router.Responded},
		{`{"kind":"contact","channel":"","note":null,"at":null}`, router.Contacted},
		{`{"kind":"will_wait","reason":"timing"}`, router.Contacted},
		{`{"kind":"turnover","outcome":"taken","by":"mia"}`, router.Contacted},
		{`{"kind":"turnover","outcome":"appointment","by":"mia","reason":"timing"}`, router.Appointment},
		{`{"kind":"show"}`, router.Shown},
		{`{"kind":"sale"}`, router.Sold},
	} {
		h.clock.Add(10 * time.Minute)
		l := h.call("crm", "POST", path, step.body).want(200).lead()
		if l.State != step.want {
			t.Errorf("%s: state = %s, want %s", step.body, l.State, step.want)
		}
	}
	l := h.call("viewer", "GET", "/leads/"+lead, "").want(200).lead()
	if want := time.Date(2026, 11, 23, 12, 10, 0, 0, time.UTC); l.AttemptedAt == nil || l.RespondedAt == nil || !l.RespondedAt.Equal(want.Add(-6*time.Minute)) {
		t.Errorf("attempted at %v, responded at %v; want the late report at its own time", l.AttemptedAt, l.RespondedAt)
	}
	h.verified()
}

func TestEventFaults(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("ingest", customer(1)).ID
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"kind unknown", `{"kind":"hug"}`, []string{"kind"}},
		{"no kind", `{}`, []string{"kind"}},
		{"channel", `{"kind":"attempt","channel":"pigeon"}`, []string{"channel"}},
		{"by", `{"kind":"attempt","by":"zoe"}`, []string{"by"}},
		{"lost without reason", `{"kind":"lost"}`, []string{"reason"}},
		{"outcome", `{"kind":"turnover","by":"mia","outcome":"kissed"}`, []string{"outcome"}},
		{"unknown field", `{"kind":"attempt","actor":"ops"}`, []string{"actor"}},
		{"note without words", `{"kind":"note","note":" "}`, []string{"note"}},
		{"time", `{"kind":"attempt","at":"yesterday"}`, []string{"at"}},
		{"time without zone", `{"kind":"attempt","at":"2026-11-23T12:00:00"}`, []string{"at"}},
		{"time as number", `{"kind":"attempt","at":1700000000}`, []string{"at"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			if got := h.call("manager", "POST", "/leads/"+lead+"/events", tt.body).want(422).fields(); !slices.Equal(got, tt.want) {
				t.Errorf("fields = %q, want %q", got, tt.want)
			}
		})
	}
	h.t = t
	h.call("manager", "POST", "/leads/main-street-nothing/events", `{"kind":"attempt"}`).want(404)
	h.call("manager", "POST", "/leads/nowhere-1/events", `{"kind":"attempt"}`).want(404)
}

func TestEventIsLoggedAs(t *testing.T) {
	for _, tt := range []struct {
		as, by, want string
		status       int
	}{
		{"salesperson", "", "alice", 200},
		{"salesperson", "alice", "alice", 200},
		{"salesperson", "bob", "", 403},
		{"nameless", "", "", 403},
		{"nameless", "bob", "", 403},
		{"manager", "", "mia", 200},
		{"manager", "bob", "bob", 200},
		{"crm", "", "alice", 200}, // the owner
		{"crm", "cara", "cara", 200},
	} {
		t.Run(tt.as+" for "+tt.by, func(t *testing.T) {
			h := newHouse(t)
			lead := h.enter("ingest", customer(1)).ID
			a := h.call(tt.as, "POST", "/leads/"+lead+"/events", `{"kind":"attempt","by":"`+tt.by+`"}`).want(tt.status)
			if tt.status != 200 {
				return
			}
			if got := a.lead().Stops[router.ClockAttempt].By; got != tt.want {
				t.Errorf("by = %q, want %q", got, tt.want)
			}
			var events struct{ Items []router.Event }
			h.call("viewer", "GET", "/leads/"+lead+"/events", "").read(&events)
			if got := events.Items[len(events.Items)-1].Actor; got != tt.as {
				t.Errorf("actor = %q, want %q", got, tt.as)
			}
		})
	}
}

func TestEventOnce(t *testing.T) {
	h := newHouse(t)
	one, two := h.enter("ingest", customer(1)).ID, h.enter("ingest", customer(2)).ID
	log := func(as, lead, key string) {
		h.call(as, "POST", "/leads/"+lead+"/events", `{"kind":"attempt"}`, "Idempotency-Key: "+key).want(200)
	}
	log("crm", one, "k")
	log("crm", one, "k") // the same call
	log("crm", two, "k")
	log("manager", one, "k")
	log("crm", one, "k2")
	log("crm", one, "")
	log("crm", one, "")
	for lead, want := range map[string]int{one: 5, two: 1} {
		var events struct{ Items []router.Event }
		h.call("viewer", "GET", "/leads/"+lead+"/events", "").read(&events)
		got := 0
		for _, e := range events.Items {
			if e.Kind == router.KindAttempt {
				got++
			}
		}
		if got != want {
			t.Errorf("attempts on %s = %d, want %d", lead, got, want)
		}
	}
	h.verified()
}

func TestEventsAreListed(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("ingest", customer(1)).ID
	for range 4 {
		h.enter("ingest", customer(1))
		h.call("manager", "POST", "/leads/"+lead+"/events", `{"kind":"attempt"}`).want(200)
	}
	var seqs []int64
	cursor := ""
	for range 3 {
		var got struct {
			Items []router.Event
			Next  string
		}
		h.call("crm", "GET", "/leads/"+lead+"/events?limit=4&cursor="+cursor, "").want(200).read(&got)
		for _, e := range got.Items {
			seqs = append(seqs, e.Seq)
			if e.Set != nil || e.Counts != nil {
				t.Errorf("event %d = %+v, want nothing of how the store keeps it", e.Seq, e)
			}
		}
		cursor = got.Next
	}
	if len(seqs) != 9 || !slices.IsSorted(seqs) || cursor != "" {
		t.Errorf("three pages = %v and then %q, want 9 events in order and then none", seqs, cursor)
	}
	h.call("crm", "GET", "/leads/"+lead+"/events?cursor=x", "").want(422)
	past := strconv.FormatInt(seqs[8], 10)
	if got := strings.TrimSpace(h.call("crm", "GET", "/leads/"+lead+"/events?cursor="+past, "").want(200).body); got != `{"items":[]}` {
		t.Errorf("past the end = %s, want an empty list", got)
	}
	h.call("crm", "GET", "/leads/main-street-nothing/events", "").want(404)
}

func TestStoreEvents(t *testing.T) {
	h := newHouse(t)
	one := h.enter("ingest", customer(1)).ID
	two := h.enter("ingest", customer(2)).ID
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"by id and source", `{"kind":"attempt","id":"id-1","source":"Cobalt"}`, 200, one},
		{"by ids as in parse", `{"kind":"attempt","ids":[{"value":"id-2","source":"Cobalt"}]}`, 200, two},
		{"by email", `{"kind":"attempt","email":"pat2@example.com"}`, 200, two},
		{"by phone", `{"kind":"attempt","phone":"+1 312-555-0001"}`, 200, one},
		{"the id before the email", `{"kind":"attempt","email":"pat2@example.com","id":"id-1","source":"Cobalt"}`, 200, one},
		{"several", `{"kind":"attempt","email":"pat2@example.com","phone":"3125550001"}`, 409, ""},
		{"id without source", `{"kind":"attempt","email":"pat2@example.com","id":"id-1"}`, 422, ""},
		{"none", `{"kind":"attempt","email":"pat3@example.com"}`, 404, ""},
		{"nothing to find it by", `{"kind":"attempt","source":"Cobalt"}`, 422, ""},
		{"unknown field", `{"kind":"attempt","lead":"x"}`, 422, ""},
		{"wrong content", `{"kind":"hug","email":"pat2@example.com"}`, 422, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			a := h.call("crm", "POST", "/stores/main-street/events", tt.body).want(tt.status)
			if tt.status == 200 && a.lead().ID != tt.want {
				t.Errorf("lead = %s, want %s", a.lead().ID, tt.want)
			}
			if strings.Contains(a.body, "pat3") {
				t.Errorf("problem = %s, want nothing of the customer", a.body)
			}
		})
	}
	h.t = t
	h.call("crm", "POST", "/stores/elsewhere/events", `{"kind":"attempt","email":"pat2@example.com"}`).want(404)
	h.verified()
}

func TestTurnovers(t *testing.T) {
	h := newHouse(t)
	var owed, taken string
	for n := range 25 {
		h.clock.Add(time.Second)
		id := h.enter("ingest", customer(n)).ID
		switch n {
		case 1:
			owed = id
		case 2:
			taken = id
		default:
			continue
		}
		h.call("salesperson", "POST", "/leads/"+id+"/events", `{"kind":"will_wait","reason":"timing"}`).want(200)
	}
	h.call("manager", "POST", "/leads/"+taken+"/events", `{"kind":"turnover","outcome":"taken"}`).want(200)
	for query, want := range map[string][]string{
		"": {taken, owed}, "state=owed": {owed}, "state=taken": {taken}, "state=done": nil, "limit=1": {taken, owed}, "limit=3": {taken, owed},
	} {
		var ids []string
		cursor, calls := "", 0
		for {
			var got struct {
				Items []*router.Lead
				Next  string
			}
			h.call("viewer", "GET", "/stores/main-street/turnovers?"+query+"&cursor="+cursor, "").want(200).read(&got)
			if query == "limit=1" && len(got.Items) > 1 {
				t.Errorf("%s: %d leads on a page, want at most one", query, len(got.Items))
			}
			for _, l := range got.Items {
				ids = append(ids, l.ID)
				if l.Turnover.By != "mia" || l.Turnover.DueAt.IsZero() {
					t.Errorf("turnover = %+v, want mia's and due", l.Turnover)
				}
			}
			if cursor, calls = got.Next, calls+1; cursor == "" || calls > 10 {
				break
			}
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: turnovers = %v, want %v", query, ids, want)
		}
	}
	h.call("viewer", "GET", "/stores/main-street/turnovers?state=lost", "").want(422)
	h.call("viewer", "GET", "/stores/main-street/turnovers?limit=x", "").want(422)
	h.call("viewer", "GET", "/stores/main-street/turnovers?cursor=%7B", "").want(422)
}
