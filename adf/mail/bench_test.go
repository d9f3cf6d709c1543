package mail_test

import (
	"os"
	"strings"
	"testing"

	"leadfloor/adf/mail"
)

func BenchmarkRead(b *testing.B) {
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
	raw := []byte(single("Content-Type: text/plain; charset=utf-8\r\n", strings.Repeat(zoe, 3)))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		mail.Digest(raw)
	}
}
