package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/api"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// house is the API over the real business on a Redis inside the process, with two stores: main-street and north.
type house struct {
	http.Handler
	t      testing.TB
	router *router.Router
	redis  *miniredis.Miniredis
	clock  *routertest.Clock
	auth   *api.Auth
	log    bytes.Buffer
	intake intake
}

// tokens of the house: the secret is "secret of " and the name.
func tokens() []api.Token {
	all := []api.Token{
		{Name: "admin", Role: api.Admin},
		{Name: "manager", Role: api.Manager, Person: "mia"},
		{Name: "salesperson", Role: api.Salesperson, Person: "alice"},
		{Name: "crm", Role: api.CRM},
		{Name: "ingest", Role: api.Ingest},
		{Name: "viewer", Role: api.Viewer},
		{Name: "other-ingest", Role: api.Ingest},
		{Name: "nameless", Role: api.Salesperson},
	}
	for _, t := range all[:6] {
		t.Name, t.Stores = "north-"+t.Name, []string{"north"}
		all = append(all, t)
	}
	for i := range all {
		all[i].Sum = sha256.Sum256([]byte("secret of " + all[i].Name))
	}
	return all
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, redis: miniredis.RunT(t), clock: routertest.NewClock(), auth: api.NewAuth(tokens())}
	client := redis.NewClient(&redis.Options{Addr: h.redis.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	stores := []*router.Rooftop{routertest.Rooftop("main-street", "alice", "bob", "cara"), routertest.Rooftop("north", "dan")}
	stores[0].Name = "Main Street Motors"
	stores[0].Desks = map[string]router.Desk{"service": {Owner: "sam"}}
	h.router = router.New(rdb.New(client, rdb.Options{Now: h.clock.Now}), stores)
	h.intake.Router = h.router
	h.Handler = api.New(api.Options{
		Router: h.router, Intake: &h.intake, Auth: h.auth, Log: slog.New(slog.NewTextHandler(&h.log, nil)),
	})
	return h
}

// intake answers as it is told and keeps what it was handed.
type intake struct {
	taken          []router.Taken
	err            error
	panic          any
	wait           func(context.Context) error // done before the answer
	keys           []string
	actor          string
	adf            string
	*router.Router // forgets
}

func (i *intake) Document(ctx context.Context, _ string, adf []byte, key, actor string) ([]router.Taken, error) {
	if i.panic != nil {
		panic(i.panic)
	}
	if i.wait != nil {
		if err := i.wait(ctx); err != nil {
			return nil, err
		}
	}
	i.keys, i.actor, i.adf = append(i.keys, key), actor, string(adf)
	return i.taken, i.err
}

func (i *intake) Look(_ context.Context, _, message string) (*api.Held, error) {
	return &api.Held{Parked: router.Parked{ID: message, Reason: "unsigned"}, From: []string{"x@vendor.example"}, Leads: []router.Enquiry{}}, i.err
}

func (i *intake) Release(_ context.Context, store, message, by, actor string) (*api.Release, error) {
	i.keys, i.actor = append(i.keys, store+" "+message+" "+by), actor
	if i.err != nil {
		return nil, i.err
	}
	return &api.Release{Taken: i.taken, Held: 1}, nil
}

// answer is what a call came to.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

// call makes a call with a token of the house; a body that begins with "<" is sent as XML. Header lines may follow.
func (h *house) call(as, method, path, body string, header ...string) answer {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, "/api/v1"+path, strings.NewReader(body))
	if as != "" {
		r.Header.Set("Authorization", "Bearer secret of "+as)
	}
	switch {
	case strings.HasPrefix(body, "<"):
		r.Header.Set("Content-Type", "application/xml")
	case body != "":
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{h.t, method + " " + path + " as " + as, w.Code, w.Header(), w.Body.String()}
	a.decent()
	return a
}

// decent checks what holds for every answer.
func (a answer) decent() {
	a.t.Helper()
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := a.header.Get(name); got != want {
			a.t.Errorf("%s: %s = %q, want %q", a.what, name, got, want)
		}
	}
	want := "application/json"
	if a.status >= 400 {
		want = "application/problem+json"
		var p struct {
			Type, Title, Detail string
			Status              int
		}
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != a.status || p.Type == "" || p.Title == "" || p.Detail == "" {
			a.t.Errorf("%s: problem = %s (%v), want type, title, detail and status %d", a.what, a.body, err, a.status)
		}
	}
	if got := a.header.Get("Content-Type"); got != want {
		a.t.Errorf("%s: content type = %q, want %q", a.what, got, want)
	}
}

// want fails the test where the status is another.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status = %d, want %d: %s", a.what, a.status, status, a.body)
	}
	return a
}

// read decodes the body.
func (a answer) read(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
}

// lead decodes the body as a lead.
func (a answer) lead() *router.Lead {
	a.t.Helper()
	l := new(router.Lead)
	a.read(l)
	return l
}

// fields are those that the problem finds fault with.
func (a answer) fields() []string {
	a.t.Helper()
	var p struct {
		Errors []struct{ Field, Detail string }
	}
	a.read(&p)
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Field)
	}
	return all
}

type took struct {
	ID, Owner   string
	Disposition router.Disposition
}

// enter posts a JSON entry and returns the one lead that it made or met.
func (h *house) enter(as, body string, header ...string) took {
	h.t.Helper()
	var got struct{ Leads []took }
	h.call(as, "POST", "/stores/main-street/leads", body, header...).want(201).read(&got)
	if len(got.Leads) != 1 {
		h.t.Fatalf("leads = %v, want one", got.Leads)
	}
	return got.Leads[0]
}

// customer is an entry of the n-th customer.
func customer(n int) string {
	return fmt.Sprintf(`{"source":"Auto Trader","customer":{"name":"Pat Number%d","emails":["pat%[1]d@example.com"],"phones":["312 555 %04[1]d"]},"ids":[{"value":"id-%[1]d","source":"Cobalt"}]}`, n)
}

// verified fails the test where the books of the house do not balance.
func (h *house) verified() {
	h.t.Helper()
	for _, store := range []string{"main-street", "north"} {
		v, err := h.router.Verify(context.Background(), store, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(v.Faults)+len(v.Differences) > 0 {
			h.t.Errorf("verify %s: faults %v, differences %v, want none", store, v.Faults, v.Differences)
		}
	}
}
