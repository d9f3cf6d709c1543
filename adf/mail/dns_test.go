package mail_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"leadfloor/adf/mail"
)

// nameServer answers on loopback as rcode and records say for a name; names that it does not know get no answer at all.
func nameServer(t *testing.T, rcodes map[string]dnsmessage.RCode, records map[string]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			name := strings.TrimSuffix(m.Questions[0].Name.String(), ".")
			rcode, known := rcodes[name]
			if !known {
				continue
			}
			m.Header = dnsmessage.Header{ID: m.ID, Response: true, RCode: rcode, RecursionAvailable: true}
			m.Additionals = nil
			if r, ok := records[name]; ok { // in two strings, as long keys come
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET, TTL: 60},
					Body:   &dnsmessage.TXTResource{TXT: []string{r[:20], r[20:]}},
				}}
			}
			if b, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(b, from) // who does not get it asks again
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// The real resolver's answers are told apart: a key that there is not from a DNS that does not say.
func TestKeysOfTheRealResolver(t *testing.T) {
	const name = "s._domainkey."
	rcodes := map[string]dnsmessage.RCode{
		name + "good.example": dnsmessage.RCodeSuccess, name + "empty.example": dnsmessage.RCodeSuccess, name + "none.example": dnsmessage.RCodeNameError,
		name + "broken.example": dnsmessage.RCodeServerFailure, name + "refuses.example": dnsmessage.RCodeRefused,
	}
	for _, test := range []struct {
		domain string
		bound  time.Duration
		want   string
	}{
		{"good.example", time.Minute, ""},
		{"empty.example", time.Minute, mail.DoubtSignature},
		{"none.example", time.Minute, mail.DoubtSignature},
		{"broken.example", time.Minute, mail.DoubtUnchecked},
		{"refuses.example", time.Minute, mail.DoubtUnchecked},
		{"silent.example", 200 * time.Millisecond, mail.DoubtUnchecked},
	} {
		t.Run(test.domain, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), test.bound)
			defer cancel()
			keys := mail.NewKeys(nameServer(t, rcodes, keysOf("good.example").records).LookupTXT)
			raw := sign(t, strings.ReplaceAll(plainLead, "vendor.example.com", test.domain), test.domain)
			if got := mail.Doubt(ctx, []byte(raw), "", keys); got != test.want {
				t.Errorf("Doubt = %q, want %q", got, test.want)
			}
		})
	}
}
