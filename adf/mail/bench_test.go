package mail_test

import (
	"os"
	"strings"
	"testing"

	"leadfloor/adf/mail"
)

// usual is the document of a usual lead mail: 2.2 kB, most of them what the customer wrote.
var usual = `<?xml version="1.0"?>
<?adf version="1.0"?>
<adf><prospect><id source="AutoTrader">4711</id><requestdate>2026-03-02T09:30:00-06:00</requestdate>
<vehicle interest="buy"><year>2021</year><make>Ford</make><model>F-150</model><stock>S4711</stock></vehicle>
<customer><contact><name part="first">Jo</name><name part="last">Quinn</name><email>jo@example.net</email></contact><comments>` +
	strings.Repeat("A line of some words, as customers write them to a dealer.\n", 25) + `</comments></customer>
<vendor><vendorname>Main Street</vendorname></vendor><provider><name>AutoTrader</name></provider></prospect></adf>
`

// delivery is what servers write above a mail on its way.
var delivery = crlf("Delivered-To: leads@store.example\n" +
	strings.Repeat("Received: from mx1.relay.example (mx1.relay.example. [192.0.2.25])\n        by mx.store.example with ESMTPS id d9443c01a7336-2a1b2c3d4e5f6\n"+
		"        for <leads@store.example>\n        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\n        Mon, 02 Mar 2026 08:11:15 -0800 (PST)\n", 4) +
	"Return-Path: <bounce-4711@source.example>\nReceived-SPF: pass (store.example: domain of bounce-4711@source.example designates 192.0.2.25 as permitted sender)\n" +
	"Authentication-Results: mx.store.example;\n       dkim=pass header.i=@source.example header.s=s1;\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=source.example\n" +
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=source.example; s=s1;\n        h=from:to:subject:date:message-id:mime-version;\n        b=" +
	strings.Repeat("dGhpcyBpcyBubyBzaWduYXR1cmUgYXQgYWxsLCBidXQgaXMgYXMgbG9uZw\n         ", 5) + "b25l\nX-Mailer: Leads 4.2\n")

func BenchmarkRead(b *testing.B) {
	plain, text, rich := "Content-Type: text/plain; charset=utf-8\r\n", note, "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>A new lead is attached.</p></body></html>\r\n"
	alternative := "Content-Type: multipart/alternative; boundary=\"=_b2\"\r\n\r\n" + inner("=_b2", text, rich)
	for _, c := range [][2]string{
		{"usual", single(plain, usual)},
		{"usual delivered", delivery + single(plain, usual)},
		{"usual quoted-printable", single(plain+"Content-Transfer-Encoding: quoted-printable\r\n", qp(usual))},
		{"usual attached", multi("mixed", alternative, attached("application/xml", "base64", b64(usual)))},
	} {
		b.Run(c[0], func(b *testing.B) { benchmarkRead(b, []byte(c[1])) })
	}
	for _, name := range []string{"adf-plain", "adf-text-and-html-and-attachment", "cargurus", "autotrader-us"} {
		raw, err := os.ReadFile("testdata/" + name + ".eml")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) { benchmarkRead(b, raw) })
	}
	newsletter := single("Content-Type: text/html; charset=utf-8\r\n", strings.Repeat("<tr><td><p>The 2021 model held its <b>value</b> best.&nbsp;</p></td></tr>\n", 1000))
	b.Run("newsletter 70 kB", func(b *testing.B) { benchmarkRead(b, []byte(newsletter)) })
	picture := multi("mixed", note, attached("image/jpeg", "base64", b64(strings.Repeat("\xff\xd8\xff\xe0 picture", 80000))))
	b.Run("picture 1.3 MB", func(b *testing.B) { benchmarkRead(b, []byte(picture)) })
}

func benchmarkRead(b *testing.B, raw []byte) {
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		mail.Read(raw, mail.Options{})
	}
}

func BenchmarkDigest(b *testing.B) {
	lead := single("Content-Type: text/plain; charset=utf-8\r\n", usual)
	for _, c := range [][2]string{{"usual", lead}, {"usual delivered", delivery + lead}} {
		b.Run(c[0], func(b *testing.B) {
			raw := []byte(c[1])
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				mail.Digest(raw)
			}
		})
	}
}
