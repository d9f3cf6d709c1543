package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"leadfloor/adf/mail"
	"leadfloor/router"
	"leadfloor/router/hours"
)

// benchStore has keys and a clock alone.
type benchStore struct {
	router.Store
	now time.Time
}

func (s benchStore) Open(context.Context, string) (router.Identity, error) {
	return router.Identity{Key: []byte("0123456789abcdef0123456789abcdef")}, nil
}
func (s benchStore) Hours(context.Context, string) ([]hours.Version, error) { return nil, nil }
func (s benchStore) Now() time.Time                                         { return s.now }

// BenchmarkArrival is what there is to do between a message that was read and the store: its lead is put into the words of the business
// and prepared.
func BenchmarkArrival(b *testing.B) {
	comment := strings.Repeat("A line of some words, as customers write them to a dealer.\r\n", 25)
	raw := fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: store@example.com\r\nSubject: Lead\r\nMessage-ID: <4711@autotrader.example>\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n\r\n<?xml version=\"1.0\"?>\r\n<?adf version=\"1.0\"?>\r\n<adf><prospect><id source=\"AutoTrader\">4711</id>"+
		"<requestdate>2026-03-02T09:30:00-06:00</requestdate>\r\n<vehicle interest=\"buy\"><year>2021</year><make>Ford</make><model>F-150</model><stock>S4711</stock></vehicle>\r\n"+
		"<customer><contact><name part=\"first\">Jo</name><name part=\"last\">Quinn</name><email>jo@example.net</email></contact><comments>%s</comments></customer>\r\n"+
		"<vendor><vendorname>Main Street</vendorname></vendor><provider><name>AutoTrader</name></provider></prospect></adf>\r\n", comment)
	now := time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)
	location, err := time.LoadLocation("America/Chicago")
	if err != nil {
		b.Fatal(err)
	}
	for _, opening := range []string{"", "America/Chicago; mon-fri 09:00-20:00; sat 09:00-18:00; 2026-12-25 closed"} {
		person := func(id string) router.Person { return router.Person{ID: id, Name: id} }
		f := &router.Rooftop{
			ID: "main-street", Location: location, Country: "US", Managers: []router.Person{person("mia")},
			Roster:  []router.Salesperson{{Person: person("alice")}, {Person: person("bob")}, {Person: person("carol")}},
			Routing: router.DefaultRouting, Duplicates: router.DefaultDuplicates, Relays: []string{"", "", "", "leads@example.com"},
		}
		f.Routing.Buckets = []float64{30, 60, 120, 300, 600, 900, 1800, 3600, 14400, 86400, 604800}
		name := "always open"
		if opening != "" {
			name = "hours"
			calendar, err := hours.ParseCalendar(opening)
			if err != nil {
				b.Fatal(err)
			}
			f.Hours = hours.NewHistory(calendar)
		}
		r := router.New(benchStore{now: now}, []*router.Rooftop{f})
		cfg := &Config{Stores: map[string]Rules{f.ID: {Locale: Locale{Location: location, Country: "US"}}}}
		d := &delivery{
			cfg: cfg, feed: Feed{Store: f.ID}, token: tokenOf(raw),
			msg: Message{Place: Place{Mailbox: "leads-0", UIDValidity: 1700000000, UID: 4711}, Arrived: now.Add(-time.Hour), Raw: raw},
		}
		reading := Read(raw, mail.Options{}, cfg.Stores[f.ID].Locale)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.place = d.msg.Place.String()
				store, a, hold := d.arrival(reading, 0)
				if hold != "" {
					b.Fatal(hold)
				}
				if _, err := r.Prepare(b.Context(), store, a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
