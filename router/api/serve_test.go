package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadfloor/router"
)

func TestNoSuchAddress(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"", "/", "/nowhere", "/stores/", "/stores/main-street", "/stores/main-street/report", "/leads", "/leads/a/b/c"} {
		h.call("admin", "GET", path, "").want(404)
	}
	for path, want := range map[string]string{"/stores": "GET, HEAD", "/stores/main-street/leads": "GET, HEAD, POST", "/leads/x/owner": "PUT", "/stores/main-street/events": "POST"} {
		got := h.call("admin", "DELETE", path, "").want(405).header.Get("Allow")
		if got != want {
			t.Errorf("%s: Allow = %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"/stores/elsewhere/leads", "/stores/elsewhere/floor", "/leads/elsewhere-x", "/leads/x", "/leads/main-street-0000"} {
		h.call("admin", "GET", path, "").want(404)
	}
}

func TestContentTypes(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("admin", customer(1)).ID
	for _, call := range []struct{ method, path, body string }{
		{"POST", "/stores/main-street/leads", customer(1)},
		{"POST", "/stores/main-street/events", `{"kind":"attempt","email":"pat1@example.com"}`},
		{"POST", "/leads/" + lead + "/events", `{"kind":"attempt"}`},
		{"PUT", "/leads/" + lead + "/owner", `{"owner":"bob"}`},
		{"PUT", "/stores/main-street/floor/bob", `{"status":"busy"}`},
	} {
		for _, kind := range []string{"text/plain", "application/json+x", "application/"} {
			h.call("admin", call.method, call.path, call.body, "Content-Type: "+kind).want(415)
		}
		for _, kind := range []string{"", "application/x-www-form-urlencoded"} { // what curl -d says unless told
			if a := h.call("admin", call.method, call.path, call.body, "Content-Type: "+kind); a.status >= 300 {
				t.Errorf("%s with content type %q = %d, want JSON to be taken from whoever bears a token", call.path, kind, a.status)
			}
		}
	}
	h.call("admin", "POST", "/leads/"+lead+"/events", `{"kind":"attempt"}`, "Content-Type: application/xml").want(415)
}

func TestSizes(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("admin", customer(1)).ID
	big := `{"kind":"attempt","note":"` + strings.Repeat("x", 1<<20) + `"}`
	h.call("admin", "POST", "/leads/"+lead+"/events", big).want(413)
	h.call("admin", "POST", "/stores/main-street/leads", big).want(413)
	h.call("admin", "POST", "/stores/main-street/leads", "<"+strings.Repeat("x", 10<<20-1)).want(201)
	h.call("admin", "POST", "/stores/main-street/leads", "<"+strings.Repeat("x", 10<<20)).want(413)
	if got, want := len(h.intake.adf), 10<<20; got != want {
		t.Errorf("handed on %d bytes, want %d", got, want)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodyBreaksOff(t *testing.T) {
	h := newHouse(t)
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/stores/main-street/leads", broken{})
	r.Header.Set("Authorization", "Bearer secret of ingest")
	r.Header.Set("Content-Type", "application/xml")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("status = %d, want 400", w.Code)
	}
}

// While the store is away nobody is told anything but to try again, and the log says why, once, without the customer.
func TestStoreAway(t *testing.T) {
	h := newHouse(t)
	h.redis.SetError("READONLY You can't write against a read only replica")
	for _, call := range []struct{ method, path, body string }{
		{"POST", "/stores/main-street/leads", customer(1)},
		{"GET", "/stores/main-street/leads", ""},
		{"GET", "/stores/main-street/turnovers", ""},
		{"GET", "/stores/main-street/messages", ""},
		{"GET", "/stores/main-street/floor", ""},
		{"PUT", "/stores/main-street/floor/bob", `{"status":"busy"}`},
		{"POST", "/stores/main-street/events", `{"kind":"attempt","email":"pat1@example.com"}`},
		{"GET", "/leads/main-street-x", ""},
		{"GET", "/leads/main-street-x/events", ""},
		{"POST", "/leads/main-street-x/events", `{"kind":"attempt","note":"pat1"}`},
		{"PUT", "/leads/main-street-x/owner", `{"owner":"bob"}`},
	} {
		h.log.Reset()
		a := h.call("admin", call.method, call.path, call.body).want(503)
		if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "READONLY") {
			t.Errorf("%s: Retry-After %q and %s, want a time and nothing of the cause", a.what, a.header.Get("Retry-After"), a.body)
		}
		if log := h.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "READONLY") || strings.Contains(strings.ToLower(log), "pat") {
			t.Errorf("%s: log = %q, want the cause in one line without the customer", a.what, log)
		}
	}
	h.redis.SetError("")
	h.enter("admin", customer(1))
	h.verified()
}

func TestPanic(t *testing.T) {
	h := newHouse(t)
	h.intake.panic = "jane.roe@example.com"
	a := h.call("ingest", "POST", "/stores/main-street/leads", "<adf/>").want(500)
	if log := h.log.String(); strings.Contains(log+a.body, "jane") || !strings.Contains(log, "api.go") && !strings.Contains(log, "lead.go") || !strings.Contains(log, "POST /api/v1/stores/{store}/leads") {
		t.Errorf("log = %q and answer %q, want where it happened without what it said", log, a.body)
	}
	h.intake.panic = nil
	h.call("ingest", "POST", "/stores/main-street/leads", "<adf/>").want(201)
}

func TestAbortIsPassedOn(t *testing.T) {
	h := newHouse(t)
	h.intake.panic = http.ErrAbortHandler
	defer func() {
		if got, _ := recover().(error); !errors.Is(got, http.ErrAbortHandler) {
			t.Errorf("panic = %v, want http.ErrAbortHandler", got)
		}
	}()
	h.call("ingest", "POST", "/stores/main-street/leads", "<adf/>")
}

// No call is worked on for longer than ten seconds.
func TestDeadline(t *testing.T) {
	h := newHouse(t)
	h.intake.wait = func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("ask the store: %w", ctx.Err())
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h.call("ingest", "POST", "/stores/main-street/leads", "<adf/>").want(503)
		if got, want := time.Since(began), 10*time.Second; got != want {
			t.Errorf("the call ended after %s, want %s", got, want)
		}
	})
}

// Whoever sends a lead and hangs up has sent a lead.
func TestWorkBegunEnds(t *testing.T) {
	h := newHouse(t)
	h.intake.taken = []router.Taken{{Lead: "main-street-x"}}
	ctx, hangUp := context.WithCancel(t.Context())
	h.intake.wait = func(work context.Context) error {
		hangUp()
		return work.Err()
	}
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/stores/main-street/leads", strings.NewReader("<adf/>"))
	r.Header.Set("Authorization", "Bearer secret of ingest")
	r.Header.Set("Content-Type", "application/xml")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 201 {
		t.Errorf("status = %d, want 201", w.Code)
	}
}

// Whoever hangs up while reading is no fault of the store's.
func TestReaderHangsUp(t *testing.T) {
	h := newHouse(t)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/stores/main-street/leads", nil)
	r.Header.Set("Authorization", "Bearer secret of viewer")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 503 || h.log.Len() > 0 {
		t.Errorf("status = %d and log %q, want 503 and nothing", w.Code, h.log.String())
	}
}

// Over a real connection: HEAD says what GET would, without a body.
func TestHead(t *testing.T) {
	h := newHouse(t)
	h.intake.taken = []router.Taken{}
	s := httptest.NewServer(h)
	defer s.Close()
	req, err := http.NewRequestWithContext(t.Context(), "HEAD", s.URL+"/api/v1/stores", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret of viewer")
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != 200 || len(body) > 0 || err != nil || res.ContentLength <= 0 {
		t.Errorf("HEAD = %d with %d bytes of %d (%v), want 200 and none of some", res.StatusCode, len(body), res.ContentLength, err)
	}
}
