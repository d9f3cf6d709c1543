package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"strings"

	"leadfloor/adf"
	"leadfloor/ingest"
	"leadfloor/router"
	"leadfloor/router/api"
)

// routes are all that the daemon answers.
func (d *daemon) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", d.own(d.leading(api.New(api.Options{Router: d.router, Intake: documents{d.intake}, Auth: d.auth, Log: d.log}))))
	mux.Handle("GET /metrics", d.metrics.Handler())
	reload := d.own(d.auth.Require(api.Admin, http.HandlerFunc(d.serveReload)))
	mux.Handle("POST /-/reload", reload)
	mux.Handle("PUT /-/reload", reload) // as Prometheus takes it too
	mux.HandleFunc("GET /{$}", d.serveHome)
	d.health(mux)
	return mux
}

// own lets through only what was asked of this machine by name or address, while there are no tokens: a page that somebody opens in a
// browser here can have its own name point to this address, and would otherwise act as the admin.
func (d *daemon) own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if len(d.cfg.Load().Auth.Tokens) == 0 && !loopback(strings.Trim(host, "[]")) {
			say(w, http.StatusForbidden, "without tokens leadfloor answers only to localhost and its addresses\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// health is what the second listener answers alone.
func (d *daemon) health(mux *http.ServeMux) {
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		say(w, http.StatusOK, "leadfloor is healthy.\n")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) {
		if err := d.ready(r.Context()); err != nil {
			d.log.Debug("not ready", "err", err)
			text := "redis does not answer"
			if why := (*standby)(nil); errors.As(err, &why) {
				text = why.Error()
			}
			say(w, http.StatusServiceUnavailable, "leadfloor is not ready: "+text+".\n")
			return
		}
		say(w, http.StatusOK, "leadfloor is ready.\n")
	})
}

func (d *daemon) serveReload(w http.ResponseWriter, _ *http.Request) {
	err := d.reload()
	var faults Faults
	switch {
	case err == nil:
		say(w, http.StatusOK, "configuration loaded\n")
	case errors.As(err, &faults):
		say(w, http.StatusInternalServerError, fmt.Sprintf("the old configuration goes on; the new one has faults:\n%v\n", faults))
	default:
		say(w, http.StatusInternalServerError, fmt.Sprintf("the old configuration goes on: %v\n", err))
	}
}

func (d *daemon) serveHome(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page := `<!doctype html><html lang="en"><meta charset="utf-8"><title>leadfloor</title><h1>leadfloor</h1><p>` +
		html.EscapeString(versionLine()) + `</p><ul><li><a href="/metrics">metrics</a><li><a href="/-/healthy">healthy</a><li><a href="/-/ready">ready</a>` +
		`<li>the API: <code>/api/v1/stores</code></ul></html>`
	_, _ = io.WriteString(w, page) // the client is gone; nobody else wants to know
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client is gone; nobody else wants to know
}

// Look reads a held message.
func (x documents) Look(ctx context.Context, store, message string) (*api.Held, error) {
	p, r, err := x.Intake.Look(ctx, store, message)
	if err != nil {
		return nil, asFault(err)
	}
	held := &api.Held{Parked: p, From: []string{}, Leads: []router.Enquiry{}}
	if r != nil {
		held.Subject, held.Leads = r.Mail.Header.Subject, r.Leads
		for _, a := range r.Mail.Header.From {
			held.From = append(held.From, a.Address)
		}
	}
	return held, nil
}

// Release takes the leads of a held message.
func (x documents) Release(ctx context.Context, store, message, by, actor string) (*api.Release, error) {
	out, err := x.Intake.Release(ctx, store, message, by, actor)
	if err != nil {
		return nil, asFault(err)
	}
	return &api.Release{Taken: out.Taken, Held: out.Held}, nil
}

// asFault makes of what keeps a message held a fault of the request, as which people hear it.
func asFault(err error) error {
	if held := (*ingest.HeldError)(nil); errors.As(err, &held) || errors.Is(err, ingest.ErrGone) {
		return &router.FaultError{Text: "it stays held: " + err.Error()}
	}
	return err
}

// documents lets the API hand ADF documents to ingest: the two packages do not know each other.
type documents struct{ *ingest.Intake }

func (x documents) Document(ctx context.Context, store string, doc []byte, key, actor string) ([]router.Taken, error) {
	taken, notes, err := x.Intake.Document(ctx, store, doc, key, actor)
	if errors.Is(err, ingest.ErrNoLead) {
		return nil, &api.Rejected{Diagnostics: append([]adf.Diagnostic{}, notes...)}
	}
	return taken, err
}
