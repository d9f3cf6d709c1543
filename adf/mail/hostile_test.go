package mail_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"leadfloor/adf/mail"
)

// nest wraps a lead in n multiparts.
func nest(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=n%d\r\n\r\n--n%d\r\n", i, i)
	}
	return b.String() + "Content-Type: application/xml\r\n\r\n" + crlf(zoe)
}

func messages(n int) string {
	return strings.Repeat("Content-Type: message/rfc822\r\n\r\n", n) + "Content-Type: application/xml\r\n\r\n" + crlf(zoe)
}

func siblings(n int) string {
	var parts []string
	for range n - 1 {
		parts = append(parts, "\r\nx")
	}
	return multi("mixed", append(parts, "Content-Type: application/xml\r\n\r\n"+crlf(zoe))...)
}

func leads(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Replace(zoe, "Z-100", fmt.Sprint("Z-", i), 1))
	}
	return single("Content-Type: text/plain; charset=utf-8\r\n", b.String())
}

// TestLimits walks up to each limit and one step over it.
func TestLimits(t *testing.T) {
	size := mail.Options{MaxSize: 20000}
	for _, c := range []struct {
		name string
		raw  string
		opt  mail.Options
		want string
		lead int
	}{
		{"size", leads(10) + strings.Repeat(" ", 20000-len(leads(10))), size, "", 10},
		{"over size", leads(10) + strings.Repeat(" ", 20001-len(leads(10))), size, mail.SuspectSize, 0},
		{"depth", nest(20), mail.Options{}, "", 1},
		{"over depth", nest(21), mail.Options{}, mail.SuspectDepth, 0},
		{"messages", messages(20), mail.Options{}, "", 1},
		{"over messages", messages(21), mail.Options{}, mail.SuspectDepth, 0},
		{"depth as wanted", nest(3), mail.Options{MaxDepth: 2}, mail.SuspectDepth, 0},
		{"parts", siblings(200), mail.Options{}, "", 1},
		{"over parts", siblings(201), mail.Options{}, mail.SuspectParts, 0},
		{"leads", leads(100), mail.Options{}, "", 100},
		{"over leads", leads(101), mail.Options{}, mail.SuspectLeads, 0},
		{"header", "X-Long: " + strings.Repeat("a", 1<<20-200) + "\r\n" + single("", zoe), mail.Options{}, "", 1},
		{"over header", "X-Long: " + strings.Repeat("a", 1<<20) + "\r\n" + single("", zoe), mail.Options{}, mail.SuspectHeader, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mail.Read([]byte(c.raw), c.opt)
			if m.Suspect != c.want || len(m.Prospects) != c.lead || (m.Kind == mail.ADF) != (c.lead > 0) {
				t.Errorf("Read = %s, %d leads, suspect %q; want %d leads, suspect %q", m.Kind, len(m.Prospects), m.Suspect, c.lead, c.want)
			}
			if c.want != "" && len(m.Diagnostics) == 0 {
				t.Errorf("no diagnostic, want one that names the limit")
			}
		})
	}
}

// TestHostile reads what is made to be slow: each in a second or so and in memory of a few times its size.
func TestHostile(t *testing.T) {
	const size = 512 << 10
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	random := make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	text := func(s string) string { return single("Content-Type: text/plain\r\n", s) }
	web := func(s string) string { return single("Content-Type: text/html\r\n", s) }
	for name, raw := range map[string]string{
		"nested 20000":         nest(20000),
		"messages 20000":       messages(20000),
		"parts 300000":         siblings(300000),
		"boundaries":           head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + fill("--b\r\n"),
		"almost boundaries":    head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + fill("\n--bb"),
		"dashes":               head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + fill("\n--"),
		"continuations":        "X: a\r\n" + strings.Repeat(" a\r\n", 250000) + "\r\n" + crlf(zoe),
		"fields":               strings.Repeat("A: b\r\n", 170000) + "\r\n" + crlf(zoe),
		"openers":              text(fill("<adf>")),
		"closers":              text("<adf>" + fill("</adf ")),
		"angles":               text(fill("<")),
		"escaped openers":      text(fill("&lt;adf&gt;")),
		"escaped twice":        text(fill("&amp;lt;adf&gt;")),
		"ampersands":           text("<adf><prospect>" + fill("&")),
		"quotes":               text(strings.Repeat(">", size/2) + "<adf>" + strings.Repeat("\n>", size/8)),
		"quoted openers":       text(fill("> <adf>\n")),
		"undecoded":            text("<adf>" + fill("<a b=3D\"")),
		"equals":               single("Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n", fill("= ")),
		"percent":              text(fill("%3Cadf%3E")),
		"percent behind marks": text("> <adf>\n" + fill("> > > > > > >\n") + "%3Cadf%3E"),
		"backslashes":          text(fill(`\u003cadf>`)),
		"autolinks":            text("<adf>" + fill("<mailto:a>")),
		"autolinks unclosed":   text("<adf>" + fill("<http://a")),
		"angles in ADF":        text("<adf>" + fill("<<<<<<<<>")),
		"html tags":            web("<adf>" + fill("<b")),
		"html tables":          web(fill("<table><tr><td>")),
		"html text":            web(fill("<p>Name</p>")),
		"html links":           web(fill("<a href=mailto:a@b.example>x</a>")),
		"html entities":        web(fill("&#x41;&nbsp;")),
		"labels":               text(fill("Name: Ada\nEmail: a@b.example\nVehicle: x\n")),
		"one line of labels":   text(fill("Name: Ada  Email: a@b.example|")),
		"comment":              text("Name: A\nEmail: a@b.example\nComments: x\n" + fill("y\n")),
		"base64 lines":         text(fill("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w\n")),
		"short base64 runs":    text(fill("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w\n\n")),
		"uuencode":             text(fill("begin 644 a\n")),
		"zip bomb":             multi("mixed", attached("application/zip", "base64", b64(zipped("a.xml", strings.Repeat("a", 40<<20))))),
		"gzip bomb":            multi("mixed", attached("application/gzip", "base64", b64(gzipped("<adf>"+strings.Repeat(" ", 40<<20))))),
		"zip directory":        multi("mixed", attached("application/zip", "binary", "PK\x03\x04"+fill("PK\x01\x02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))),
		"random":               text(string(random)),
		"random base64":        single("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n", b64(string(random[:size/2]))),
		"addresses":            "From: " + strings.Repeat("a@b.example,", 80000) + "\r\n\r\n",
		"comments":             fill("From: " + strings.Repeat("(", 1900) + "\r\n"),
		"comment in an id":     fill("References: " + strings.Repeat("(", 1900) + "\r\n"),
		"long comment":         "Message-ID: " + fill("(") + "\r\nDate: " + fill("(") + "\r\nCc: " + fill("(") + "\r\n\r\n",
		"encoded words":        "Subject: " + strings.Repeat("=?utf-8?q?a?= ", 60000) + "\r\n\r\n",
		"parameters":           "Content-Type: text/plain" + strings.Repeat("; a=\"", 150000) + "\r\n\r\n",
		"spaces and no breaks": text(fill("          ")),
		"carriage returns":     strings.ReplaceAll(text(fill("\r")), "\n", ""),
	} {
		t.Run(name, func(t *testing.T) {
			b := []byte(raw)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			m := mail.Read(b, mail.Options{})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("%d kB: %v, %d MB allocated, %s %q", len(b)>>10, took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, m.Kind, m.Suspect)
			if len(m.Prospects) > 100 {
				t.Errorf("%d leads; want bounds", len(m.Prospects))
			}
			// Generous, for slow machines under the race detector: what is quadratic takes minutes.
			if took > time.Minute {
				t.Errorf("Read took %v, want linear time", took)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > uint64(60*len(b)+200<<20) {
				t.Errorf("Read allocated %d MB, want at most 60 times the mail", got>>20)
			}
		})
	}
}

// TestUntouched makes sure that Read and Digest leave the message as it was: its bytes are kept by others.
func TestUntouched(t *testing.T) {
	for _, v := range variants() {
		raw := []byte(v.raw)
		mail.Read(raw, mail.Options{})
		mail.Digest(raw)
		if !bytes.Equal(raw, []byte(v.raw)) {
			t.Errorf("%s: Read changed the message", v.name)
		}
	}
}
