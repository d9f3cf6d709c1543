package mail_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"leadfloor/adf/mail"
)

// dns answers for the names that it holds.
type dns struct {
	mu      sync.Mutex
	records map[string]string
	asked   []string
	fails   error
	hangs   bool
}

func (d *dns) lookup(ctx context.Context, name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, name)
	switch r, ok := d.records[name]; {
	case d.hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case d.fails != nil:
		return nil, d.fails
	case ok:
		return []string{r}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

var testKey = func() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}()

// keysOf is a DNS in which the test's key is that of each domain.
func keysOf(domains ...string) *dns {
	d := &dns{records: map[string]string{}}
	for _, name := range domains {
		d.records["s._domainkey."+name] = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(testKey.Public().(ed25519.PublicKey))
	}
	return d
}

// sign puts a signature of each domain on a message, the first of them on top.
func sign(t testing.TB, message string, domains ...string) string {
	t.Helper()
	message = strings.ReplaceAll(strings.ReplaceAll(message, "\r\n", "\n"), "\n", "\r\n")
	for i := len(domains) - 1; i >= 0; i-- {
		var b bytes.Buffer
		err := dkim.Sign(&b, strings.NewReader(message), &dkim.SignOptions{
			Domain: domains[i], Selector: "s", Signer: testKey, HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
			HeaderKeys: []string{"From", "Subject", "To"},
		})
		if err != nil {
			t.Fatal(err)
		}
		message = b.String()
	}
	return message
}

const plainLead = "From: Leads <leads@vendor.example.com>\nTo: sales@dealer.example\nSubject: A lead\nContent-Type: text/plain\n\nName: Jo Quinn\nPhone: 312 555 0142\n"

func TestDoubtOfSignatures(t *testing.T) {
	good := sign(t, plainLead, "vendor.example.com")
	for _, test := range []struct {
		name, raw string
		dns       *dns
		want      string
	}{
		{"signed by the sender's domain", good, keysOf("vendor.example.com"), ""},
		{"signed by the organization above", sign(t, plainLead, "example.com"), keysOf("example.com"), ""},
		{"signed by a domain beside it", sign(t, plainLead, "mail.example.com"), keysOf("mail.example.com"), ""},
		{"signed by the sender's service provider too", sign(t, plainLead, "esp.example.net", "example.com"), keysOf("esp.example.net", "example.com"), ""},
		{"with trace put on top by a forwarder", "Received: from a by b; Mon, 23 Nov 2026 12:00:00 +0000\r\nDelivered-To: x@dealer.example\r\n" + good, keysOf("vendor.example.com"), ""},
		{"with bare line feeds", strings.ReplaceAll(good, "\r\n", "\n"), keysOf("vendor.example.com"), ""},
		{"beside one that is not good", "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=t; h=from; bh=AA==; b=AA==\r\n" + sign(t, plainLead, "example.com"), keysOf("example.com"), ""},

		{"not signed", plainLead, keysOf(), mail.DoubtUnsigned},
		{"signed by another", sign(t, plainLead, "esp.example.net"), keysOf("esp.example.net"), mail.DoubtUnaligned},
		{"a public suffix in common", sign(t, strings.ReplaceAll(plainLead, "vendor.example.com", "vendor.co.uk"), "attacker.co.uk"), keysOf("attacker.co.uk"), mail.DoubtUnaligned},
		{"a name that only ends alike", sign(t, strings.ReplaceAll(plainLead, "vendor.example.com", "example.com"), "badexample.com"), keysOf("badexample.com"), mail.DoubtUnaligned},
		{"body changed", strings.Replace(good, "Jo Quinn", "Jo Swann", 1), keysOf("vendor.example.com"), mail.DoubtSignature},
		{"sender changed", strings.Replace(good, "leads@vendor", "other@vendor", 1), keysOf("vendor.example.com"), mail.DoubtSignature},
		{"no key", good, keysOf(), mail.DoubtSignature},
		{"key revoked", good, &dns{records: map[string]string{"s._domainkey.vendor.example.com": "v=DKIM1; p="}}, mail.DoubtSignature},
		{"a key without end", good, &dns{records: map[string]string{"s._domainkey.vendor.example.com": "v=DKIM1; p=" + strings.Repeat("A", 1<<16)}}, mail.DoubtSignature},
		{"DNS fails", good, &dns{fails: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}, mail.DoubtUnchecked},
		{"DNS cannot be reached", good, &dns{fails: errors.New("connection refused")}, mail.DoubtUnchecked},

		{"no sender", strings.Replace(plainLead, "From", "X-From", 1), keysOf(), mail.DoubtSender},
		{"two senders", strings.Replace(plainLead, "<leads@vendor.example.com>", "<leads@vendor.example.com>, x@attacker.example", 1), keysOf(), mail.DoubtSender},
		// go-msgauth goes by the lowest of several fields, a reader by the topmost.
		{"a second sender on top", "From: leads@vendor.example.com\r\n" + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"a second subject on top", "Subject: another\r\n" + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"a second type on top", "Content-Type: text/html\r\n" + good, keysOf("vendor.example.com"), mail.DoubtSender},
		// What looks like the end of the header to one reader and not to the other hides another message above the signed one.
		{"a body that begins in the header", "From: leads@vendor.example.com\r\n<adf>\r\n" + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"a field that begins like a body", "X-A: b\r\n<adf>: c\r\n" + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"a blank line that is not empty", "From: leads@vendor.example.com\r\n \r\n<adf/>\r\n" + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"a bare return", "From: leads@vendor.example.com\r\r\n<adf/>\r\n" + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"a header without end", "From: leads@vendor.example.com", keysOf(), mail.DoubtSender},
		{"nothing", "", keysOf(), mail.DoubtSender},
		{"a header beyond all measure", "X-A: " + strings.Repeat("b", 1<<20) + "\r\n" + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"fields beyond all measure", strings.Repeat("X-A: b\r\n", 1000) + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"folds beyond all measure", "X-A: b\r\n" + strings.Repeat(" c\r\n", 10000) + good, keysOf("vendor.example.com"), mail.DoubtSender},
		{"a signature beyond all measure", "DKIM-Signature: d=vendor.example.com; h=" + strings.Repeat("from:", 10000) + "\r\n" + plainLead, keysOf("vendor.example.com"), mail.DoubtUnaligned},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := mail.Doubt(t.Context(), []byte(test.raw), "", mail.NewKeys(test.dns.lookup)); got != test.want {
				t.Errorf("Doubt = %q, want %q; asked for %q", got, test.want, test.dns.asked)
			}
		})
	}
}

// signPart signs a message of one From field as RFC 6376 has it, with simple canonicalization and the tags given, which Sign refuses to make.
func signPart(t *testing.T, key crypto.Signer, algorithm, from, body, tags string, length int) string {
	t.Helper()
	hash := sha256.Sum256([]byte(body[:length]))
	field := fmt.Sprintf("DKIM-Signature: v=1; a=%s; d=example.com; s=s; h=from; %sbh=%s; b=", algorithm, tags, base64.StdEncoding.EncodeToString(hash[:]))
	data := sha256.Sum256([]byte(from + field))
	how := crypto.Hash(0)
	if algorithm == "rsa-sha256" {
		how = crypto.SHA256
	}
	b, err := key.Sign(rand.Reader, data[:], how)
	if err != nil {
		t.Fatal(err)
	}
	return field + base64.StdEncoding.EncodeToString(b) + "\r\n" + from + "\r\n" + body
}

func TestDoubtOfWeakSignatures(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	const from, body = "From: leads@example.com\r\n", "Name: Jo Quinn\r\nPhone: 312 555 0142\r\n"
	rsaKey := func(bits int) (*rsa.PrivateKey, string) {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return key, "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
	}
	short, shortRecord := rsaKey(768)
	long, longRecord := rsaKey(1024)
	edRecord := keysOf("example.com").records["s._domainkey.example.com"]
	for _, test := range []struct {
		name, raw, record, want string
	}{
		{"the whole body", signPart(t, testKey, "ed25519-sha256", from, body, "", len(body)), edRecord, ""},
		{"a part of the body", signPart(t, testKey, "ed25519-sha256", from, body, "l=16; ", 16), edRecord, mail.DoubtSignature},
		{"expired", signPart(t, testKey, "ed25519-sha256", from, body, "x=1000000000; ", len(body)), edRecord, mail.DoubtSignature},
		{"RSA of 1024 bits", signPart(t, long, "rsa-sha256", from, body, "", len(body)), longRecord, ""},
		{"RSA of 768 bits", signPart(t, short, "rsa-sha256", from, body, "", len(body)), shortRecord, mail.DoubtSignature},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &dns{records: map[string]string{"s._domainkey.example.com": test.record}}
			if got := mail.Doubt(t.Context(), []byte(test.raw), "", mail.NewKeys(d.lookup)); got != test.want {
				t.Errorf("Doubt = %q, want %q", got, test.want)
			}
		})
	}
}

func TestDoubtAsksForFewKeys(t *testing.T) {
	var domains []string
	for n := range 20 {
		domains = append(domains, fmt.Sprintf("d%d.example.com", n), fmt.Sprintf("stranger%d.example", n))
	}
	d := keysOf("d19.example.com")
	got := mail.Doubt(t.Context(), []byte(sign(t, plainLead, domains...)), "", mail.NewKeys(d.lookup))
	if got != mail.DoubtSignature || len(d.asked) != 3 {
		t.Errorf("Doubt = %q after asking for %q, want %q after 3 keys of the sender's", got, d.asked, mail.DoubtSignature)
	}
}

// A DNS that is down is not waited for by each message.
func TestKeysRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := keysOf("a.example", "b.example")
		d.hangs = true
		keys := mail.NewKeys(d.lookup)
		doubt := func(domain string) string {
			return mail.Doubt(t.Context(), []byte(sign(t, strings.ReplaceAll(plainLead, "vendor.example.com", domain), domain)), "", keys)
		}
		began := time.Now()
		for range 50 {
			for _, domain := range []string{"a.example", "b.example"} {
				if got := doubt(domain); got != mail.DoubtUnchecked {
					t.Fatalf("Doubt = %q, want %q", got, mail.DoubtUnchecked)
				}
			}
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("100 messages took %s", took)
		}
		d.hangs = false
		time.Sleep(10 * time.Second) // the bubble's clock
		for range 10 {
			if got := doubt("b.example"); got != "" {
				t.Fatalf("Doubt = %q once DNS answers, want none", got)
			}
		}
		if len(d.asked) != 2 {
			t.Errorf("asked for %q, want each once", d.asked)
		}
	})
}

func TestDoubtOfResults(t *testing.T) {
	const id = "mx.dealer.example"
	const pass, fail = "Authentication-Results: mx.dealer.example; dmarc=pass header.from=vendor.example.com\n", "Authentication-Results: mx.dealer.example; dkim=none; dmarc=fail header.from=vendor.example.com\n"
	for _, test := range []struct {
		name, server, top, want string
	}{
		{"DMARC passed", id, pass, ""},
		{"DKIM passed", id, "Authentication-Results: mx.dealer.example; dkim=pass header.d=example.com\n", ""},
		{"DKIM passed, by its agent", id, "Authentication-Results: MX.Dealer.Example 1; dkim=pass header.i=@vendor.example.com header.s=s\n", ""},
		{"DKIM passed, DMARC has no policy", id, "Authentication-Results: mx.dealer.example; dkim=pass header.d=example.com; dmarc=none header.from=vendor.example.com\n", ""},
		{"below the trace of the way in", id, "Delivered-To: x@dealer.example\nReceived: by mx.dealer.example\nReceived-SPF: pass\n" + pass, ""},
		{"several of the server", id, "Authentication-Results: mx.dealer.example; spf=fail smtp.mailfrom=x@y.example\nAuthentication-Results: mx.dealer.example; dkim=pass header.d=example.com\n", ""},
		{"as Gmail writes", "mx.google.com", "Authentication-Results: mx.google.com;\n       dkim=pass header.i=@vendor.example.com header.s=20161025 header.b=GVRIMkHS;\n       spf=pass (google.com: domain of b@vendor.example.com designates 192.0.2.1 as permitted sender) smtp.mailfrom=b@vendor.example.com;\n       dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=vendor.example.com\n", ""},
		{"as Microsoft writes", mail.NoServerID, "Authentication-Results: spf=pass (sender IP is 192.0.2.1)\n smtp.mailfrom=vendor.example.com; dkim=pass (signature was verified)\n header.d=vendor.example.com;dmarc=pass action=none\n header.from=vendor.example.com;compauth=pass reason=100\n", ""},
		{"signs within comments and quotes", id, "Authentication-Results: mx.dealer.example;\n dkim=pass (2048-bit key; unprotected \\) =) reason=\"good; x=y\" header.d=example.com header.b=\"ab=\"\n", ""},

		{"no id is configured", "", pass, mail.DoubtUnsigned},
		{"of another server", "mx.other.example", pass, mail.DoubtUnsigned},
		{"without an id", id, "Authentication-Results: dmarc=pass header.from=vendor.example.com\n", mail.DoubtUnsigned},
		{"with an id, where none is configured", mail.NoServerID, pass, mail.DoubtUnsigned},
		{"DMARC failed", id, fail, mail.DoubtUnsigned},
		{"DMARC failed, whatever signed", id, "Authentication-Results: mx.dealer.example; dkim=pass header.d=example.com; dmarc=fail header.from=vendor.example.com\n", mail.DoubtUnsigned},
		{"of another sender", id, "Authentication-Results: mx.dealer.example; dmarc=pass header.from=attacker.example\n", mail.DoubtUnsigned},
		{"of no sender", id, "Authentication-Results: mx.dealer.example; dmarc=pass\n", mail.DoubtUnsigned},
		{"another's signature", id, "Authentication-Results: mx.dealer.example; dkim=pass header.d=attacker.example\n", mail.DoubtUnsigned},
		{"a forged one below", id, fail + pass, mail.DoubtUnsigned},
		{"a forged one below, behind trace", id, fail + "Received: from attacker.example by mx.dealer.example\n" + pass, mail.DoubtUnsigned},
		{"a forged one below, about what the server leaves open", id, "Authentication-Results: mx.dealer.example; dkim=none\nReceived: from attacker.example\n" + pass, mail.DoubtUnsigned},
		{"a forged one below, behind another server's", id, "Authentication-Results: mx.dealer.example; dkim=none\nAuthentication-Results: x.example; none\n" + pass, mail.DoubtUnsigned},
		{"hidden in a comment", id, "Authentication-Results: mx.dealer.example; spf=fail (; dmarc=pass header.from=vendor.example.com) smtp.mailfrom=x@y.example\n", mail.DoubtUnsigned},
		{"hidden in quotes", id, "Authentication-Results: mx.dealer.example; spf=fail smtp.mailfrom=\"; dmarc=pass header.from=vendor.example.com\"\n", mail.DoubtUnsigned},
		{"a comment without end", id, "Authentication-Results: mx.dealer.example (; dmarc=pass header.from=vendor.example.com\n", mail.DoubtUnsigned},
		{"nothing said", id, "Authentication-Results: mx.dealer.example; none\n", mail.DoubtUnsigned},
		{"an empty one", id, "Authentication-Results:\n", mail.DoubtUnsigned},
		{"two senders, whatever the server says", id, pass + "From: x@attacker.example\n", mail.DoubtSender},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := mail.Doubt(t.Context(), []byte(test.top+plainLead), test.server, mail.NewKeys(keysOf().lookup)); got != test.want {
				t.Errorf("Doubt = %q, want %q", got, test.want)
			}
		})
	}
}

func TestOrganization(t *testing.T) {
	for in, want := range map[string]string{
		"a.b.example.com": "example.com", "x@Mail.Example.COM.": "example.com", "x.co.uk": "x.co.uk", "co.uk": "co.uk", "localhost": "localhost", "": "",
		"leads@bücher.example": "xn--bcher-kva.example", "x@a_b.example.org": "example.org",
	} {
		if got := mail.Organization(in); got != want {
			t.Errorf("Organization(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever is sent, nothing vouches for it where no server is believed and nobody has a key.
func FuzzDoubt(f *testing.F) {
	f.Add([]byte(sign(f, plainLead, "vendor.example.com")), "")
	f.Add([]byte("Authentication-Results: mx.dealer.example; dmarc=pass header.from=vendor.example.com\n"+plainLead), "mx.other.example")
	f.Add([]byte("From: x\n<adf>\n\n"), "x")
	f.Fuzz(func(t *testing.T, raw []byte, server string) {
		if bytes.Contains(bytes.ToLower(raw), []byte("authentication-results")) {
			mail.Doubt(t.Context(), raw, server, mail.NewKeys(keysOf().lookup)) // must only end
			server = ""
		}
		if got := mail.Doubt(t.Context(), raw, server, mail.NewKeys(keysOf().lookup)); got == "" {
			t.Errorf("Doubt(%q) finds somebody who vouches", raw)
		}
	})
}
