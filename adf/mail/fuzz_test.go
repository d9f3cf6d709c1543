package mail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"leadfloor/adf/mail"
)

// check holds what is true of every Mail.
func check(t *testing.T, raw []byte, m *mail.Mail) {
	t.Helper()
	switch {
	case m == nil:
		t.Fatal("Read = nil")
	case (m.Kind == mail.None) != (len(m.Prospects) == 0):
		t.Errorf("kind %s with %d prospects", m.Kind, len(m.Prospects))
	case m.Kind != mail.None && m.Suspect != "":
		t.Errorf("kind %s with suspect %q", m.Kind, m.Suspect)
	case m.Kind != mail.Text && m.Source != "":
		t.Errorf("kind %s with source %q", m.Kind, m.Source)
	case len(m.Prospects) > 100:
		t.Errorf("%d prospects", len(m.Prospects))
	case !utf8.ValidString(m.Header.Subject):
		t.Error("text or subject is no UTF-8")
	case strings.ContainsAny(m.Header.Subject+m.Header.MessageID, "\x00\r\n\x1b"):
		t.Error("control characters in the header")
	}
	for _, d := range m.Diagnostics {
		if d.Code == "" || d.Message == "" {
			t.Errorf("empty diagnostic %+v", d)
		}
	}
	again := mail.Read(raw, mail.Options{})
	if got, want := summary(again), summary(m); got != want {
		t.Errorf("Read again =\n%swant\n%s", got, want)
	}
}

func FuzzRead(f *testing.F) {
	for _, v := range variants() {
		f.Add([]byte(v.raw))
	}
	for _, c := range nonLeads {
		f.Add([]byte(c.raw))
	}
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		check(t, raw, mail.Read(raw, mail.Options{}))
		mail.Digest(raw)
	})
}

// FuzzText feeds bodies to the reader of plain words and HTML, with and without a template.
func FuzzText(f *testing.F) {
	f.Add("Name: Ada\nEmail: ada@example.com\nVehicle: 2019 Honda Civic\nComments:\nIs it there?\n\nThanks", "New lead", false)
	f.Add("<table><tr><td>Name</td><td>Ada</td></tr><tr><td>Phone<td>555-010-0123</table>", "Fwd: lead", true)
	f.Add("AB12CDE listed at £1\nCall A ( tel:07700900123 )\nCustomer details\nAda", "", false)
	template := mail.Template{Name: "Fuzz", From: []string{"*@*.example"}, Channel: "phone", Labels: map[string]string{"wagen": "vehicle", "kunde": "section.customer"},
		Lines: []string{"{vehicle.stock} at {vehicle.price}", "*{customer.phone}*", "{unclosed", "{ignore}{id}"}}
	f.Fuzz(func(t *testing.T, body, subject string, html bool) {
		typ := "text/plain"
		if html {
			typ = "text/html"
		}
		raw := []byte("From: <a@b.example>\nSubject: " + strings.Map(func(r rune) rune {
			if r < ' ' {
				return -1
			}
			return r
		}, subject) + "\nContent-Type: " + typ + "; charset=utf-8\n\n" + body)
		check(t, raw, mail.Read(raw, mail.Options{}))
		m := mail.Read(raw, mail.Options{Templates: []mail.Template{template}})
		if m.Kind == mail.Text && m.Source != "Fuzz" {
			t.Errorf("source %q, want the template's", m.Source)
		}
	})
}
