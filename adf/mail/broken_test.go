package mail_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"html"
	"io"
	"mime/quotedprintable"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/emersion/go-message"
	"github.com/jhillyerd/enmime/v2"

	"leadfloor/adf/mail"
)

// zoe is one lead whose name breaks as soon as a charset or an encoding is read wrongly.
const zoe = `<?xml version="1.0" encoding="UTF-8"?>
<?adf version="1.0"?>
<adf>
 <prospect status="new">
  <id sequence="1" source="Example">Z-100</id>
  <requestdate>2026-03-02T10:11:12-06:00</requestdate>
  <vehicle interest="buy" status="used"><year>2019</year><make>Honda</make><model>Civic</model></vehicle>
  <customer>
   <contact>
    <name part="full">Zoë Müller</name>
    <email>zoe@example.com</email>
    <phone type="voice">555-010-0199</phone>
   </contact>
   <comments>Is it still there? I could come by on Saturday &amp; bring my old one along to have it looked at.</comments>
  </customer>
  <vendor><vendorname>Main Street Motors</vendorname></vendor>
 </prospect>
</adf>
`

type variant struct {
	name string
	raw  string
}

const head = "From: Leads <leads@source.example>\r\nTo: sales@store.example\r\nSubject: New lead\r\nDate: Mon, 2 Mar 2026 10:11:13 -0600\r\nMessage-ID: <1@source.example>\r\nMIME-Version: 1.0\r\n"

// must is for writers into memory, which take everything.
func must(_ int, err error) {
	if err != nil {
		panic(err)
	}
}

func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

func qp(s string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	must(io.WriteString(w, crlf(s)))
	w.Close()
	return b.String()
}

func b64(s string) string {
	e := base64.StdEncoding.EncodeToString([]byte(s))
	var b strings.Builder
	for len(e) > 76 {
		b.WriteString(e[:76] + "\r\n")
		e = e[76:]
	}
	return b.String() + e + "\r\n"
}

func latin1(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func utf16le(s string, bom bool) string {
	var b []byte
	if bom {
		b = append(b, 0xff, 0xfe)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

func utf16be(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return string(b)
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(io.WriteString(w, s))
	w.Close()
	return b.String()
}

func zipped(name, s string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err != nil {
		panic(err)
	}
	must(io.WriteString(f, s))
	w.Close()
	return b.String()
}

func uuencoded(name, s string) string {
	var b strings.Builder
	b.WriteString("begin 644 " + name + "\r\n")
	for len(s) > 0 {
		n := min(45, len(s))
		line := s[:n]
		s = s[n:]
		b.WriteByte(byte(n) + ' ')
		for len(line)%3 != 0 {
			line += "\x00"
		}
		for i := 0; i < len(line); i += 3 {
			x, y, z := line[i], line[i+1], line[i+2]
			for _, v := range []byte{x >> 2, x<<4&63 | y>>4, y<<2&63 | z>>6, z & 63} {
				if v == 0 {
					v = 64
				}
				b.WriteByte(v + ' ')
			}
		}
		b.WriteString("\r\n")
	}
	return b.String() + "`\r\nend\r\n"
}

// single is a message of one part.
func single(fields, body string) string { return head + fields + "\r\n" + crlf(body) }

// multi is a multipart message; each part begins with its own header.
func multi(kind string, parts ...string) string {
	return head + "Content-Type: multipart/" + kind + "; boundary=\"=_b1\"\r\n\r\nThis is a multi-part message in MIME format.\r\n" + inner("=_b1", parts...)
}

func inner(boundary string, parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("\r\n--" + boundary + "\r\n" + p)
	}
	return b.String() + "\r\n--" + boundary + "--\r\n"
}

const note = "Content-Type: text/plain; charset=utf-8\r\n\r\nA new lead is attached.\r\n"

func attached(typ, coding, body string) string {
	return "Content-Type: " + typ + "\r\nContent-Transfer-Encoding: " + coding + "\r\nContent-Disposition: attachment; filename=\"lead.xml\"\r\n\r\n" + body
}

func quote(s, mark string) string {
	return mark + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n"+mark) + "\n"
}

func wrapped(s string, delsp bool) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		for len(line) > 60 {
			cut := strings.LastIndex(line[:60], " ")
			if cut <= 0 {
				break
			}
			if b.WriteString(line[:cut+1]); delsp {
				b.WriteString(" ")
			}
			b.WriteString("\n")
			line = line[cut+1:]
		}
		if strings.HasPrefix(line, " ") {
			line = " " + line
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// variants are the ways in which this one lead reaches a store.
func variants() []variant {
	plain := "Content-Type: text/plain; charset=utf-8\r\n"
	asHTML := "Content-Type: text/html; charset=utf-8\r\n"
	_, body, _ := strings.Cut(zoe, "<?adf version=\"1.0\"?>\n")
	oneLine := strings.Join(strings.Fields(zoe), " ")
	whole := single(plain, zoe)
	mixed := multi("mixed", note, attached("application/xml", "base64", b64(zoe)))
	escaped := html.EscapeString(zoe)
	nested := "Content-Type: application/xml\r\n\r\n" + crlf(zoe)
	for i := range 5 {
		b := fmt.Sprintf("n%d", i)
		nested = "Content-Type: multipart/mixed; boundary=" + b + "\r\n" + inner(b, nested)
	}
	tnef := "\x78\x9f\x3e\x22\x01\x00\x01\x06\x90\x08\x00\x04\x00" + body + "\x00\x00\x02\x80"
	list := []variant{
		// Well-formed.
		{"plain", whole},
		{"plain qp", single(plain+"Content-Transfer-Encoding: quoted-printable\r\n", qp(zoe))},
		{"plain base64", single(plain+"Content-Transfer-Encoding: base64\r\n", b64(zoe))},
		{"application/xml alone", single("Content-Type: application/xml; charset=utf-8\r\n", zoe)},
		{"attachment", mixed},
		{"octet-stream .adf", multi("mixed", note, strings.Replace(attached("application/octet-stream", "base64", b64(zoe)), "lead.xml", "lead.adf", 1))},
		{"image type", multi("mixed", note, strings.Replace(attached("image/png", "base64", b64(zoe)), "lead.xml", "logo.png", 1))},
		{"alternative", multi("alternative", plain+"\r\n"+crlf(zoe), asHTML+"\r\n<pre>"+crlf(escaped)+"</pre>")},
		{"body and attachment", multi("mixed", plain+"\r\n"+crlf(zoe), attached("text/xml", "base64", b64(zoe)))},
		{"nested", head + nested},
		{"signed", multi("signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\"", plain+"\r\n"+crlf(zoe), "Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niQEz\r\n-----END PGP SIGNATURE-----\r\n")},
		{"rfc822", multi("mixed", note, "Content-Type: message/rfc822\r\n\r\n"+whole)},
		{"no header at all", crlf(zoe)},

		// Charsets, declared and otherwise.
		{"utf-8 called us-ascii", single("Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 8bit\r\n", zoe)},
		{"utf-8 called iso-8859-1", single("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n", zoe)},
		{"latin-1", single("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n", latin1(zoe))},
		{"latin-1 called utf-8", single(plain+"Content-Transfer-Encoding: 8bit\r\n", latin1(zoe))},
		{"latin-1 undeclared", single("Content-Type: text/plain\r\n", latin1(zoe))},
		{"latin-1 attachment", multi("mixed", note, attached("application/xml", "base64", b64(latin1(zoe))))},
		{"latin-1 qp", single("Content-Type: text/plain; charset=\"ISO-8859-1\"\r\nContent-Transfer-Encoding: quoted-printable\r\n", qp(latin1(zoe)))},
		{"unknown charset", single("Content-Type: text/plain; charset=x-vendor-set\r\n", zoe)},
		{"charset utf8 unquoted junk", single("Content-Type: text/plain; charset=utf8;;\r\n", zoe)},
		{"xml declares utf-16 on 8 bit", single(plain, strings.Replace(zoe, "UTF-8", "utf-16", 1))},
		{"utf-16le attachment", multi("mixed", note, attached("application/xml", "base64", b64(utf16le(zoe, true))))},
		{"utf-16le without mark", multi("mixed", note, attached("text/xml; charset=utf-16le", "base64", b64(utf16le(zoe, false))))},
		{"utf-16be without mark", multi("mixed", note, attached("application/octet-stream", "base64", b64(utf16be(zoe))))},
		{"utf-8 mark", single(plain, "\ufeff"+zoe)},
		{"one stray byte", single(plain, strings.Replace(zoe, "Saturday", "Saturday\x92", 1))},
		{"nul bytes", single(plain, strings.ReplaceAll(zoe, "\n", "\x00\n"))},

		// Transfer encodings, misnamed and damaged.
		{"encoding 8-bit", single(plain+"Content-Transfer-Encoding: 8-bit\r\n", zoe)},
		{"encoding utf-8", single(plain+"Content-Transfer-Encoding: utf-8\r\n", zoe)},
		{"encoding base64;", single(plain+"Content-Transfer-Encoding: base64;\r\n", b64(zoe))},
		{"encoding quoted", single(plain+"Content-Transfer-Encoding: \"quoted-printable\"\r\n", qp(zoe))},
		{"encoding comment", single(plain+"Content-Transfer-Encoding: base64 (octets)\r\n", b64(zoe))},
		{"encoding upper case", single(plain+"Content-Transfer-Encoding: BASE64\r\n", b64(zoe))},
		{"uuencode", single(plain+"Content-Transfer-Encoding: x-uuencode\r\n", uuencoded("lead.xml", zoe))},
		{"uuencode in text", single(plain, "See below.\n\n"+uuencoded("lead.xml", zoe))},
		{"called base64, plain", single(plain+"Content-Transfer-Encoding: base64\r\n", zoe)},
		{"called 7bit, base64", multi("mixed", note, attached("application/xml", "7bit", b64(zoe)))},
		{"called 7bit, qp", single(plain+"Content-Transfer-Encoding: 7bit\r\n", qp(zoe))},
		{"qp undeclared", single("Content-Type: text/plain\r\n", qp(zoe))},
		{"qp blanks behind soft breaks", single(plain+"Content-Transfer-Encoding: quoted-printable\r\n", strings.ReplaceAll(qp(zoe), "=\r\n", "= \t\r\n"))},
		{"qp lower case", single(plain+"Content-Transfer-Encoding: quoted-printable\r\n", strings.NewReplacer("=C3", "=c3", "=AB", "=ab", "=BC", "=bc", "=3D", "=3d").Replace(qp(zoe)))},
		{"qp bare equals", single(plain+"Content-Transfer-Encoding: quoted-printable\r\n", strings.ReplaceAll(strings.ReplaceAll(qp(zoe), "=3D", "="), "=22", `"`))},
		{"base64 footer", single(plain+"Content-Transfer-Encoding: base64\r\n", b64(zoe)+"\r\n_______________________________________________\r\nleads mailing list\r\nhttps://lists.example/leads\r\n")},
		{"base64 without padding", single(plain+"Content-Transfer-Encoding: base64\r\n", strings.TrimRight(b64(zoe+"  "), "=\r\n"))},
		{"base64 one line", single(plain+"Content-Transfer-Encoding: base64\r\n", strings.ReplaceAll(b64(zoe), "\r\n", ""))},
		{"base64 indented", single(plain+"Content-Transfer-Encoding: base64\r\n", "  "+strings.ReplaceAll(b64(zoe), "\r\n", "\r\n  "))},
		{"base64 stray bytes", single(plain+"Content-Transfer-Encoding: base64\r\n", strings.ReplaceAll(b64(zoe), "\r\n", "!\r\n"))},
		{"base64 two runs", single(plain+"Content-Transfer-Encoding: base64\r\n", b64(zoe[:100])+b64(zoe[100:]))},
		{"base64 url alphabet", single(plain+"Content-Transfer-Encoding: base64\r\n", strings.NewReplacer("+", "-", "/", "_").Replace(b64(zoe)))},

		// Headers.
		{"mbox line", "From leads@source.example Mon Mar  2 10:11:13 2026\r\n" + whole},
		{"blank line on top", "\r\n" + whole},
		{"line without colon", strings.Replace(whole, "Subject:", "this is no field\r\nSubject:", 1)},
		{"header name not ascii", strings.Replace(whole, "Subject:", "X-Qualität: ja\r\nSubject:", 1)},
		{"header eight bit", strings.Replace(whole, "New lead", "Neuer Käufer \xfc", 1)},
		{"blank before colon", strings.Replace(mixed, "Content-Type:", "Content-Type :", 1)},
		{"folded without blank", strings.Replace(mixed, "mixed; boundary", "mixed;\r\nboundary", 1)},
		{"type empty", single("Content-Type:\r\n", zoe)},
		{"type junk", single("Content-Type: this, that\r\n", zoe)},
		{"type text", single("Content-Type: text; charset=utf-8\r\n", zoe)},
		{"no type", head + "\r\n" + crlf(zoe)},
		{"type twice", single(plain+"Content-Type: application/pdf\r\n", zoe)},
		{"cr only", strings.ReplaceAll(whole, "\r\n", "\r")},
		{"lf only", strings.ReplaceAll(mixed, "\r\n", "\n")},
		{"cr cr lf", strings.ReplaceAll(mixed, "\r\n", "\r\r\n")},
		{"encoded filename", strings.Replace(mixed, `"lead.xml"`, `"=?utf-8?B?bGVhZC54bWw=?="`, 1)},

		// Multiparts.
		{"boundary wrong", strings.Replace(mixed, `boundary="=_b1"`, `boundary="=_b2"`, 1)},
		{"boundary missing", strings.Replace(mixed, `; boundary="=_b1"`, "", 1)},
		{"boundary unquoted", strings.Replace(mixed, `"=_b1"`, "=_b1", 1)},
		{"boundary in single quotes", strings.Replace(mixed, `"=_b1"`, "'=_b1'", 1)},
		{"boundary half quoted", strings.Replace(mixed, `"=_b1"`, `"=_b1`, 1)},
		{"boundary trailing blanks", strings.ReplaceAll(mixed, "\r\n--=_b1\r\n", "\r\n--=_b1 \t\r\n")},
		{"boundary never closed", strings.Replace(mixed, "--=_b1--", "", 1)},
		{"boundary glued", strings.Replace(multi("mixed", note, "Content-Type: application/xml\r\n\r\n"+crlf(zoe)), "</adf>\r\n\r\n--=_b1--", "</adf>--=_b1--", 1)},
		{"boundary of the outer used inside", multi("mixed", "Content-Type: multipart/alternative; boundary=\"=_b1\"\r\n", note, attached("application/xml", "base64", b64(zoe)))},
		{"part without empty line", multi("mixed", note, "Content-Type: application/xml\r\n"+crlf(zoe))},
		{"part without header", multi("mixed", "\r\n"+crlf(zoe))},
		{"multipart in base64", head + "Content-Type: multipart/mixed; boundary=\"=_b1\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(inner("=_b1", note, attached("application/xml", "base64", b64(zoe))))},
		{"multipart called quoted-printable", strings.Replace(mixed, "MIME-Version", "Content-Transfer-Encoding: quoted-printable\r\nMIME-Version", 1)},
		{"type lost", strings.Replace(strings.Replace(mixed, "Content-Type: multipart/mixed; boundary=\"=_b1\"\r\n", "", 1), "This is a multi-part message in MIME format.\r\n", "", 1)},
		{"preamble", strings.Replace(multi("mixed", note), "This is a multi-part message in MIME format.", crlf(zoe), 1)},
		{"epilogue", multi("mixed", note) + crlf(zoe)},
		{"rfc822 in base64", multi("mixed", note, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"+b64(mixed))},
		{"eml as octet-stream", multi("mixed", note, "Content-Type: application/octet-stream; name=\"lead.eml\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"+b64(single(plain+"Content-Transfer-Encoding: quoted-printable\r\n", qp(zoe))))},
		{"source of a mail in text", single(plain, "see the original:\n\n"+mixed)},

		// Text that was handled on its way.
		{"html escaped", single(asHTML, "<html><body><p>New lead</p><p>"+escaped+"</p></body></html>")},
		{"html escaped with breaks", single(asHTML, "<html><body>"+strings.ReplaceAll(strings.ReplaceAll(escaped, "\n", "<br>\n"), "  ", "&nbsp;&nbsp;")+"</body></html>")},
		{"html escaped named entities", single("Content-Type: text/html; charset=us-ascii\r\n", strings.NewReplacer("ë", "&euml;", "ü", "&#252;").Replace(escaped))},
		{"html pre", single(asHTML, "<html><body><pre>"+zoe+"</pre></body></html>")},
		{"html unescaped with breaks", single(asHTML, "<html><body>"+strings.ReplaceAll(body, "\n", "<br>\n")+"</body></html>")},
		{"html comment", single(asHTML, "<html><body>New lead<!-- "+body+" --></body></html>")},
		{"html escaped twice", single(asHTML, "<p>"+html.EscapeString(escaped)+"</p>")},
		{"html autolinks", single(asHTML, "<html><body><pre>"+strings.Replace(body, "zoe@example.com", `<a href="mailto:zoe@example.com">zoe@example.com</a>`, 1)+"</pre></body></html>")},
		{"text escaped", single(plain, escaped)},
		{"text escaped by number", single(plain, strings.NewReplacer("<", "&#60;", ">", "&#62;").Replace(zoe))},
		{"percent", single(plain, url.PathEscape(body))},
		{"percent in a link", single(plain, "https://crm.example/in?adf="+url.QueryEscape(strings.ReplaceAll(body, "+", "%2B")))},
		{"json", single("Content-Type: application/json\r\n", `{"lead":"`+strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "\n", `\n`, `"`, `\"`).Replace(body)+`"}`)},
		{"quoted", single(plain, "On Monday somebody wrote:\n"+quote(zoe, "> "))},
		{"quoted twice", single(plain, quote(quote(zoe, "> "), ">"))},
		{"forwarded", single(plain, "FYI\n\n---------- Forwarded message ---------\nFrom: Leads <leads@source.example>\nSubject: New lead\n\n"+zoe+"\n--\nUnsubscribe: https://source.example/u\n")},
		{"flowed", single("Content-Type: text/plain; charset=utf-8; format=flowed\r\n", wrapped(oneLine, false))},
		{"flowed delsp", single("Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\r\n", wrapped(oneLine, true))},
		{"plain autolinks", single(plain, strings.Replace(zoe, "zoe@example.com", "zoe@example.com<mailto:zoe@example.com>", 1))},
		{"byte order mark and prose", single(plain, "\ufeffNew lead for you:\n\n"+zoe+"\nThis mail is confidential.\n")},
		{"cdata around", single(plain, "<![CDATA["+body+"]]>")},

		// Archives and containers.
		{"gzip", multi("mixed", note, attached("application/gzip", "base64", b64(gzipped(zoe))))},
		{"zip", multi("mixed", note, attached("application/zip", "base64", b64(zipped("lead.xml", zoe))))},
		{"zip in zip", multi("mixed", note, attached("application/zip", "base64", b64(zipped("a.zip", zipped("lead.xml", latin1(zoe))))))},
		{"winmail.dat", multi("mixed", note, strings.Replace(attached("application/ms-tnef", "base64", b64(tnef)), "lead.xml", "winmail.dat", 1))},
		{"opaque s/mime", single("Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n", b64("\x30\x82\x01\x02\x06\x09"+zoe+"\x30\x82\xff\xfe\x80\x81"))},
	}
	return list
}

// TestBroken counts how many of the ways of a lead end with the lead, whole and once, and beside it in how many go-message's own walk, and
// enmime, come to a leaf with the intact name.
func TestBroken(t *testing.T) {
	list := variants()
	if len(list) < 100 {
		t.Fatalf("%d variants, want at least 100", len(list))
	}
	recovered, walked, enveloped := 0, 0, 0
	for _, v := range list {
		m := mail.Read([]byte(v.raw), mail.Options{})
		if fault := zoeFault(m); fault != "" {
			t.Logf("%s: %s", v.name, fault)
		} else {
			recovered++
		}
		if walkFinds(v.raw) {
			walked++
		}
		if envelopeFinds(v.raw) {
			enveloped++
		}
	}
	t.Logf("recovered %d of %d; go-message alone finds the intact name in %d, enmime alone in %d", recovered, len(list), walked, enveloped)
	if recovered*100 < len(list)*97 {
		t.Errorf("recovered %d of %d broken mails, want at least 97 %%", recovered, len(list))
	}
}

// zoeFault says what is wrong with the lead that was read; empty where nothing is.
func zoeFault(m *mail.Mail) string {
	if m.Kind != mail.ADF || len(m.Prospects) != 1 {
		return fmt.Sprintf("kind %s, suspect %q, %d prospects", m.Kind, m.Suspect, len(m.Prospects))
	}
	p := m.Prospects[0]
	if len(p.Customer.Contacts) != 1 || len(p.Customer.Contacts[0].Names) != 1 || len(p.Customer.Contacts[0].Emails) != 1 {
		return "contact incomplete"
	}
	c := p.Customer.Contacts[0]
	if got, want := strings.TrimSpace(c.Names[0].Value), "Zoë Müller"; got != want {
		return fmt.Sprintf("name %q, want %q", got, want)
	}
	if got, want := strings.TrimSpace(c.Emails[0].Value), "zoe@example.com"; got != want {
		return fmt.Sprintf("email %q, want %q", got, want)
	}
	return ""
}

// walkFinds reports whether a plain walk with go-message comes to a leaf with the intact name.
func walkFinds(raw string) bool {
	e, err := message.Read(strings.NewReader(raw))
	if e == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return false
	}
	found := false
	_ = e.Walk(func(_ []int, e *message.Entity, _ error) error {
		b, _ := io.ReadAll(e.Body)
		found = found || isIntact(b)
		return nil
	})
	return found // before an error too
}

// envelopeFinds reports the same of enmime at its most tolerant.
func envelopeFinds(raw string) bool {
	p := enmime.NewParser(enmime.SkipMalformedParts(true), enmime.MultipartWOBoundaryAsSinglePart(true), enmime.StripMediaTypeInvalidCharacters(true))
	root, err := p.ReadParts(strings.NewReader(raw))
	if err != nil {
		return false
	}
	return root.DepthMatchFirst(func(p *enmime.Part) bool { return isIntact(p.Content) }) != nil
}

func isIntact(leaf []byte) bool {
	return bytes.Contains(leaf, []byte("<adf>")) && bytes.Contains(leaf, []byte("Zoë Müller"))
}
