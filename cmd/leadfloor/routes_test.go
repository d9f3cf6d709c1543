package main

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// daemonFor is a daemon that nobody started.
func daemonFor(t *testing.T, yaml string) *daemon {
	t.Helper()
	m := miniredis.RunT(t)
	text := "redis: {url: redis://" + m.Addr() + "}\n" + yaml
	load := func() (*Config, error) { return Parse("test.yaml", []byte(text)) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, load, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.client.Close() })
	return d
}

const smallStore = "listen: 127.0.0.1:0\nstores: [{id: main-street, timezone: UTC, roster: [{id: alice}]}]\n"

func TestRoutes(t *testing.T) {
	h := daemonFor(t, smallStore).routes()
	for _, test := range []struct {
		method, host, path string
		status             int
		body               string
	}{
		{"GET", "127.0.0.1:8080", "/-/healthy", 200, "healthy"},
		{"GET", "127.0.0.1:8080", "/-/ready", 200, "ready"},
		{"GET", "127.0.0.1:8080", "/metrics", 200, "leadfloor_redis_up 1"},
		{"GET", "127.0.0.1:8080", "/", 200, "leadfloor"},
		{"GET", "localhost", "/api/v1/stores", 200, "main-street"},
		{"GET", "[::1]:8080", "/api/v1/stores", 200, "main-street"},
		{"GET", "evil.example:8080", "/api/v1/stores", 403, "localhost"}, // a name of somebody else's that points here
		{"POST", "evil.example:8080", "/-/reload", 403, "localhost"},
		{"POST", "127.0.0.1:8080", "/-/reload", 200, "loaded"},
		{"PUT", "127.0.0.1:8080", "/-/reload", 200, "loaded"},
		{"GET", "127.0.0.1:8080", "/-/reload", 405, ""},
		{"GET", "127.0.0.1:8080", "/nothing", 404, ""},
	} {
		r := httptest.NewRequest(test.method, test.path, nil)
		r.Host = test.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
			t.Errorf("%s %s at %s = %d %.200q, want %d with %q", test.method, test.path, test.host, w.Code, w.Body.String(), test.status, test.body)
		}
	}
}

// As Prometheus' own daemons answer.
func TestReloadRefused(t *testing.T) {
	d := daemonFor(t, smallStore)
	d.load = func() (*Config, error) { return Parse("test.yaml", []byte("stores: 1\n")) }
	r := httptest.NewRequest("POST", "/-/reload", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	d.routes().ServeHTTP(w, r)
	if got, want := w.Body.String(), "the old configuration goes on"; w.Code != 500 || !strings.Contains(got, want) || !strings.Contains(got, "test.yaml:1") {
		t.Errorf("answer = %d %q, want 500 with %q and each fault with its line", w.Code, got, want)
	}
}

func TestNotReadyWithoutRedis(t *testing.T) {
	d := daemonFor(t, smallStore)
	h := d.routes()
	_ = d.client.Close()
	for path, status := range map[string]int{"/-/healthy": 200, "/-/ready": 503, "/metrics": 200, "/api/v1/stores/main-street/floor": 503} {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s = %d, want %d", path, w.Code, status)
		}
		if path == "/metrics" && (!strings.Contains(w.Body.String(), "leadfloor_redis_up 0") || strings.Contains(w.Body.String(), "leadfloor_leads_untouched{")) {
			t.Error("/metrics shows the store class though Redis cannot be read")
		}
	}
}
