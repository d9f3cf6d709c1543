package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"leadfloor/router/routertest"
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

// TestWebConfig serves with TLS and basic auth, and asks after health at the second address, where neither is.
func TestWebConfig(t *testing.T) {
	dir := t.TempDir()
	selfSigned(t, dir)
	web := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(web, []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"+
		"basic_auth_users: {prometheus: $2a$04$AyHl.i4bl1io6KOBmPBuuO9oMS/.Rs85LbwonsweWJJ5oU85hHSNm}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	health := routertest.FreeAddr(t)
	m := miniredis.RunT(t)
	text := "redis: {url: redis://" + m.Addr() + "}\nhealth_listen: " + health + "\n" + smallStore
	load := func() (*Config, error) { return Parse("test.yaml", []byte(text)) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	up, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- serve(ctx, cfg, load, web, slog.New(slog.DiscardHandler), func(_ *daemon, addr string) { up <- addr })
	}()
	var addr string
	select {
	case addr = <-up:
	case err := <-done:
		t.Fatal(err)
	}
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	roots, err := certificates(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	for _, test := range []struct {
		url, password string
		status        int
	}{
		{"https://" + addr + "/metrics", "", 401},
		{"https://" + addr + "/metrics", "wrong", 401},
		{"https://" + addr + "/metrics", "correct-horse", 200},
		{"https://" + addr + "/-/ready", "", 401}, // hence the second address
		{"http://" + addr + "/metrics", "", 400},
		{"http://" + health + "/-/healthy", "", 200},
		{"http://" + health + "/-/ready", "", 200},
		{"http://" + health + "/metrics", "", 404},
	} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, test.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.password != "" {
			r.SetBasicAuth("prometheus", test.password)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != test.status {
			t.Errorf("%s with password %q = %d, want %d", test.url, test.password, answer.StatusCode, test.status)
		}
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
