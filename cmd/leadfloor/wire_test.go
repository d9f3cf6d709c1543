package main

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"leadfloor/ingest"
	"leadfloor/router"
)

// deaf observes nothing.
type deaf struct{}

func (deaf) Repaired(string)        {}
func (deaf) Doubted(string, string) {}

// A mail that nothing built in reads becomes a lead once a template is configured for its source.
func TestTemplates(t *testing.T) {
	raw, err := os.ReadFile("testdata/template.eml")
	if err != nil {
		t.Fatal(err)
	}
	const templates = `
templates:
  - name: Example Cars
    from: ["*@leads.example"]
    channel: phone
    labels: {Interessent: customer.name, Rufnummer: customer.phone, Wunschwagen: vehicle}
    lines: ["Inserat {vehicle.stock} zu {vehicle.price}"]
`
	for _, c := range []struct {
		name, config string
		fate         ingest.Fate
	}{
		{"without", "", ingest.FateOther},
		{"with", templates, ingest.FateLead},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := parse(t, `
redis: {url: "redis://`+miniredis.RunT(t).Addr()+`"}
stores:
  - id: main
    timezone: America/Chicago
    roster: [{id: alice}]
    mailboxes: [{name: leads, address: "imap.example.com:993", username: leads@example.com, password_file: secret}]
`+c.config)
			b, err := cfg.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			in := ingest.New(b.router, cfg.intake(), deaf{}, slog.New(slog.DiscardHandler))
			fate, err := in.Handle(t.Context(), ingest.Message{Place: ingest.Place{Mailbox: "leads", UIDValidity: 1, UID: 1}, Arrived: time.Now(), Raw: raw})
			if err != nil || fate != c.fate {
				t.Fatalf("Handle = %q, %v, want %q", fate, err, c.fate)
			}
			leads, _, err := b.router.Leads(t.Context(), "main", router.Query{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			if c.fate != ingest.FateLead {
				if len(leads) != 0 {
					t.Errorf("%d leads, want none", len(leads))
				}
				return
			}
			if len(leads) != 1 {
				t.Fatalf("%d leads, want 1", len(leads))
			}
			l := leads[0]
			if l.Source != "example-cars" || l.Channel != router.PhoneUp || l.Owner != "alice" {
				t.Errorf("lead from %q by %q to %q, want it from example-cars by phone to alice", l.Source, l.Channel, l.Owner)
			}
		})
	}
}
