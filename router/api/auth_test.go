package api_test

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"leadfloor/router"
	"leadfloor/router/api"
)

// roles in the order of the columns below.
var roles = []string{"admin", "manager", "salesperson", "crm", "ingest", "viewer"}

// matrix says for each call which roles may make it: a letter of "amsciv" for each, or a dot. The body is one that is well taken.
// LEAD and INTO stand for leads of main-street, MESSAGE for a message that it holds.
var matrix = []struct {
	route, may, path, body string
}{
	{"GET /stores", "ams..v", "/stores", ""},
	{"GET /stores/{store}/leads", "amsc.v", "/stores/main-street/leads", ""},
	{"POST /stores/{store}/leads", "am..i.", "/stores/main-street/leads", `{"customer":{"email":"jo@example.com"}}`},
	{"POST /stores/{store}/leads", "am..i.", "/stores/main-street/leads", `<adf/>`},
	{"POST /stores/{store}/events", "am.c..", "/stores/main-street/events", `{"kind":"attempt","email":"pat1@example.com"}`},
	{"GET /stores/{store}/floor", "ams..v", "/stores/main-street/floor", ""},
	{"PUT /stores/{store}/floor/{person}", "ams...", "/stores/main-street/floor/alice", `{"status":"busy"}`},
	{"PUT /stores/{store}/floor/{person}", "am....", "/stores/main-street/floor/bob", `{"status":"busy"}`},
	{"GET /stores/{store}/turnovers", "ams..v", "/stores/main-street/turnovers", ""},
	{"GET /stores/{store}/messages", "ams..v", "/stores/main-street/messages", ""},
	{"GET /stores/{store}/messages/{message}", "am....", "/stores/main-street/messages/m", ""},
	{"POST /stores/{store}/messages/{message}/release", "am....", "/stores/main-street/messages/m/release", `{}`},
	{"POST /stores/{store}/messages/{message}/discard", "am....", "/stores/main-street/messages/MESSAGE/discard", `{"reason":"spam"}`},
	{"GET /leads/{lead}", "amsc.v", "/leads/LEAD", ""},
	{"GET /leads/{lead}/events", "amsc.v", "/leads/LEAD/events", ""},
	{"POST /leads/{lead}/events", "amsc..", "/leads/LEAD/events", `{"kind":"attempt"}`},
	{"POST /leads/{lead}/events", "amsc..", "/leads/LEAD/events", `{"kind":"attempt","by":"alice"}`},
	{"POST /leads/{lead}/events", "am.c..", "/leads/LEAD/events", `{"kind":"attempt","by":"bob"}`},
	{"POST /leads/{lead}/events", "am.c..", "/leads/LEAD/events", `{"kind":"turnover","outcome":"taken","by":"mia"}`},
	{"POST /leads/{lead}/events", "am.c..", "/leads/LEAD/events", `{"kind":"turnover","outcome":"taken"}`},
	{"PUT /leads/{lead}/owner", "am....", "/leads/LEAD/owner", `{"owner":"bob"}`},
	{"POST /leads/{lead}/merge", "am....", "/leads/LEAD/merge", `{"into":"INTO"}`},
	{"POST /leads/{lead}/split", "am....", "/leads/INTO/split", `{"touches":[2]}`},
	{"POST /leads/{lead}/forget", "a.....", "/leads/LEAD/forget", `{"reason":"asked for it"}`}, // the last: nothing can be told afterwards
}

func TestRoles(t *testing.T) {
	h := newHouse(t)
	h.intake.taken = []router.Taken{{Lead: "main-street-x", Owner: "bob", Disposition: router.DispositionNew}}
	lead, into := h.enter("admin", customer(1)).ID, h.enter("admin", customer(2)).ID
	names := strings.NewReplacer("LEAD", lead, "INTO", into, "MESSAGE", h.hold("m1"))
	for _, row := range matrix {
		row.body = names.Replace(row.body)
		method, _, _ := strings.Cut(row.route, " ")
		path := names.Replace(row.path)
		t.Run(method+" "+row.path+" "+row.body, func(t *testing.T) {
			h.t = t
			good := 200
			switch row.route {
			case "POST /stores/{store}/leads", "POST /leads/{lead}/split":
				good = 201
			}
			for i, role := range roles {
				want := good
				if row.may[i] == '.' {
					want = 403
				}
				if got := h.call(role, method, path, row.body); got.status != want {
					t.Errorf("as %s: status = %d, want %d: %s", role, got.status, want, got.body)
				}
				if row.path == "/stores" {
					continue
				}
				if got := h.call("north-"+role, method, path, row.body); got.status != 403 {
					t.Errorf("as %s of another store: status = %d, want 403: %s", role, got.status, got.body)
				}
			}
			for _, stranger := range []string{"", "nobody"} {
				if got := h.call(stranger, method, path, row.body); got.status != 401 {
					t.Errorf("as %q: status = %d, want 401: %s", stranger, got.status, got.body)
				}
			}
		})
	}
	h.t = t
	h.verified()
}

func TestRolesCoverEveryRoute(t *testing.T) {
	for _, route := range api.Routes() {
		covered := false
		for _, row := range matrix {
			covered = covered || row.route == route
		}
		if !covered {
			t.Errorf("no row for %s", route)
		}
	}
}

func TestChallenge(t *testing.T) {
	h := newHouse(t)
	for _, tt := range []struct{ name, header, want string }{
		{"none", "", `Bearer realm="leadfloor"`},
		{"another scheme", "Basic c2VjcmV0IG9mIGFkbWlu", `Bearer realm="leadfloor"`},
		{"no secret", "Bearer ", `Bearer realm="leadfloor"`},
		{"wrong secret", "Bearer secret of admi", `Bearer realm="leadfloor", error="invalid_token"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			for _, path := range []string{"/stores", "/nowhere"} {
				got := h.call("", "GET", path, "", "Authorization: "+tt.header).want(401).header.Get("WWW-Authenticate")
				if got != tt.want {
					t.Errorf("%s: WWW-Authenticate = %q, want %q", path, got, tt.want)
				}
			}
		})
	}
	h.t = t
	h.call("", "GET", "/stores", "", "Authorization: bearer  secret of admin").want(200)
}

func TestTokensAreReplaced(t *testing.T) {
	h := newHouse(t)
	h.call("viewer", "GET", "/stores", "").want(200)
	now := []api.Token{{Name: "new", Role: api.Viewer, Sum: sha256.Sum256([]byte("secret of new"))}}
	h.auth.Replace(now)
	now[0] = api.Token{} // the caller's to do with as it likes
	h.call("viewer", "GET", "/stores", "").want(401)
	h.call("new", "GET", "/stores", "").want(200)
}

// Without any token the calls are everybody's, which the configuration allows on loopback only.
func TestNoTokens(t *testing.T) {
	h := newHouse(t)
	h.auth.Replace(nil)
	lead := h.enter("", customer(1)).ID
	h.call("", "PUT", "/leads/"+lead+"/owner", `{"owner":"cara"}`).want(200)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded"} { // all that a page of another site can send
		h.call("", "PUT", "/leads/"+lead+"/owner", `{"owner":"bob"}`, "Content-Type: "+kind).want(415)
	}
	var events struct{ Items []router.Event }
	h.call("", "GET", "/leads/"+lead+"/events", "").want(200).read(&events)
	for _, e := range events.Items {
		if e.Actor != "local" {
			t.Errorf("actor of %s = %q, want local", e.Kind, e.Actor)
		}
	}
	if len(events.Items) != 2 {
		t.Errorf("events = %d, want the deal and the pick", len(events.Items))
	}
}

func TestRequire(t *testing.T) {
	auth := api.NewAuth(tokens())
	reload := auth.Require(api.Admin, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	for as, want := range map[string]int{"admin": 204, "north-admin": 403, "manager": 403, "nobody": 401} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/-/reload", nil)
		r.Header.Set("Authorization", "Bearer secret of "+as)
		w := httptest.NewRecorder()
		reload.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("as %s: status = %d, want %d", as, w.Code, want)
		}
	}
}

func TestRoleValid(t *testing.T) {
	for _, r := range roles {
		if !api.Role(r).Valid() {
			t.Errorf("Role(%q).Valid() = false, want true", r)
		}
	}
	if api.Role("owner").Valid() {
		t.Error(`Role("owner").Valid() = true, want false`)
	}
}

func TestStoresOfAToken(t *testing.T) {
	h := newHouse(t)
	for as, want := range map[string][]string{"viewer": {"main-street", "north"}, "north-viewer": {"north"}} {
		var got struct{ Items []struct{ ID, Name string } }
		h.call(as, "GET", "/stores", "").want(200).read(&got)
		var ids []string
		for _, s := range got.Items {
			ids = append(ids, s.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("stores of %s = %v, want %v", as, ids, want)
		}
	}
	if body := h.call("viewer", "GET", "/stores", "").body; !strings.Contains(body, `{"id":"main-street","name":"Main Street Motors"}`) {
		t.Errorf("stores = %s, want ids and names", body)
	}
}
