package mail_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"leadfloor/adf/mail"
)

const digested = "From: Leads <leads@source.example>\r\nTo: sales@store.example\r\nSubject: New\r\n lead\r\nMessage-ID: <1@source.example>\r\nX-Campaign: 7\r\n\r\nFirst line\r\n\r\nReceived: by nobody\r\nlast line\r\n"

func TestDigestOfAnotherDelivery(t *testing.T) {
	want := mail.Digest([]byte(digested))
	trace := "Received: from a.example by b.example\r\n\tfor <sales@store.example>;\r\n\tMon, 2 Mar 2026 10:11:14 -0600\r\n"
	for name, raw := range map[string]string{
		"lf":         strings.ReplaceAll(digested, "\r\n", "\n"),
		"cr":         strings.ReplaceAll(digested, "\r\n", "\r"),
		"received":   trace + digested,
		"mbox line":  "From leads@source.example Mon Mar  2 10:11:13 2026\r\n" + trace + digested,
		"in between": strings.Replace(digested, "Subject:", "X-Spam-Status: No, score=-1\r\n\ttests=NONE\r\nSubject:", 1),
		"mailbox":    "Return-Path: <>\r\nDelivered-To: sales@store.example\r\nX-Original-To: a@store.example\r\nEnvelope-To: b@store.example\r\n" + digested,
		"checks":     "Authentication-Results: mx.example; dkim=pass\r\nARC-Seal: i=1\r\nARC-Message-Signature: i=1\r\nDKIM-Signature: v=1;\r\n b=abc\r\nReceived-SPF: pass\r\n" + digested,
		"upper case": strings.ToUpper(trace[:8]) + trace[8:] + digested,
		"providers":  "X-MS-Exchange-Organization-SCL: 1\r\nX-Google-Smtp-Source: a\r\nX-GM-Message-State: b\r\nX-Received: by c\r\nStatus: RO\r\nX-UID: 12\r\n" + digested,
	} {
		if got := mail.Digest([]byte(raw)); got != want {
			t.Errorf("Digest(%s) = %x, want %x", name, got, want)
		}
	}
}

// TestDigestOfAnotherMail changes every byte of what is no trace in turn: each change shows.
func TestDigestOfAnotherMail(t *testing.T) {
	raw := strings.ReplaceAll(digested, "\r\n", "\n")
	seen := map[[32]byte]string{mail.Digest([]byte(raw)): "the original"}
	try := func(name, s string) {
		d := mail.Digest([]byte(s))
		if other, ok := seen[d]; ok {
			t.Errorf("Digest of %s = Digest of %s, want them different", name, other)
		}
		seen[d] = name
	}
	for i := range raw {
		try(fmt.Sprintf("byte %d changed", i), raw[:i]+"~"+raw[i+1:])
	}
	try("a field added", "X-Priority: 1\n"+raw)
	try("a field removed", strings.Replace(raw, "X-Campaign: 7\n", "", 1))
	try("a body line removed", strings.Replace(raw, "last line\n", "", 1))
	try("a trace field in the body", raw+"Received: by somebody\n")
	try("header moved into the body", strings.Replace(raw, "\nX-Campaign", "\n\nX-Campaign", 1))
	try("nothing", "")
}

// TestDigestProperty puts trace fields between the fields of any mail.
func TestDigestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Z][a-z]{1,10}-?[a-z]{0,5}`).Filter(func(s string) bool {
			return !strings.HasPrefix(strings.ToLower(s), "arc-") && s != "Received" && s != "Status" && !strings.HasPrefix(s, "Resent-")
		})
		value := rapid.StringMatching(`[ -~]{0,40}(\n[ \t][!-~]{1,20})?`)
		trace := rapid.SampledFrom([]string{"Received: by a\n\tvia b", "RETURN-PATH: <>", "Delivered-To: c", "X-Spam-Level: ***", "arc-seal: d", "Authentication-Results: e;\n f", "X-Original-To: g"})
		var plain, traced strings.Builder
		for range rapid.IntRange(1, 8).Draw(t, "fields") {
			for range rapid.IntRange(0, 2).Draw(t, "traces") {
				traced.WriteString(trace.Draw(t, "trace") + "\n")
			}
			f := name.Draw(t, "name") + ": " + value.Draw(t, "value") + "\n"
			plain.WriteString(f)
			traced.WriteString(f)
		}
		body := "\n" + rapid.StringMatching(`([ -~]{0,30}\n){0,6}`).Draw(t, "body")
		a, b := mail.Digest([]byte(plain.String()+body)), mail.Digest([]byte(strings.ReplaceAll(traced.String()+body, "\n", "\r\n")))
		if a != b {
			t.Fatalf("Digest = %x with trace fields, want %x", b, a)
		}
		if c := mail.Digest([]byte(plain.String() + body + "x")); c == a {
			t.Fatalf("Digest = %x with another body, want another", c)
		}
	})
}
