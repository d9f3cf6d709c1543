package mail_test

import (
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"leadfloor/adf"
	"leadfloor/adf/mail"
)

// TestCorpus reads the text leads of a corpus of real mail, where the environment points at one, as their sources send them.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("LEADFLOOR_CORPUS")
	if dir == "" {
		return
	}
	for _, c := range []struct {
		file, from, typ string
		want            string
	}{
		{"autotrader-ca-dealerleads.txt", "1-Source@dealerleads.trader.ca", "text/plain", `kind: text
source: AutoTrader.ca
lead: service "Auto Trader Mobile" date "2026-03-14T19:58:06+00:00" full "reese Unknown" email user715@example.com phone 6835550119
  buy used 2018 Ram "2500" trim "Tradesman Crew Cab 5.7L 4WD Safety Certified" vin 3C6JB5CT5JG295901 stock D9524 price 25995
  vendor "LOOLOO AUTO SALES"
  says "Hi, I found your listing on the AutoTrader Android app and would like to know more about the vehicle."
`},
		{"cargurus-hunt-2026.txt", "dealer-leads@messages.cargurus.com", "text/plain", `kind: text
source: CarGurus
lead: id A68617D869CEED2FD49F967E1F281DB94F1567A413A7D768798B1A1621791580 date "May 11, 2026 2:19:11 EDT AM" first "Morgan" last "Harper" email user973@example.com phone (519) 555-0165 postal L9T 9B1
  buy new 2014 GMC "Sierra 1500 SLE Double Cab 4WD" vin 1GTV2UEC0EZ122211 stock P7056 price $8,999
  vendor "Ellis Porter Barlow Jeep Ram" id 5440
  says "I am interested in your 2014 GMC Sierra 1500 SLE Double Cab 4WD. You can reach me by email at user973@example.com or phone at (519) 555-0165. Thank you! (CarGurus Deal Rating: N/A / Is From Shippable Listing: No)"
`},
		{"cazoo-uk.txt", "dealerleads@info.cazoo.co.uk", "text/plain", `kind: text
source: Cazoo
lead: full "Quinn Norris" email user016@example.com phone 07845550153
  buy new Vauxhall "Astra GTC" stock BV17OSY id BV17OSY price £4,995GBP
  says "Hi, is this still available? I'm interested! Thanks\nWould you take a px with cash back? ...\nThe buyer wants to know if the vehicle has any damages.   <- Cazoo-injected canned lines; keep but mark"
  rest "Question"
`},
		{"nonlead-tiktok-code.txt", "register@account.tiktok.example", "text/plain", "kind: none\n"},
		{"website-form-html-1.html", "forms@loolooauto.ca", "text/html", `kind: text
lead: full "Avery Mercer Garner" email user192@example.com! phone +16475550117
  buy new 2021 Tesla "Model 3 Standard Range Plus" stock D9779
  says "Just wondering if there is any accidents in this car?"
`},
	} {
		t.Run(c.file, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, "text-leads", c.file))
			if err != nil {
				t.Fatal(err)
			}
			raw := "From: <" + c.from + ">\r\nTo: leads@store.example\r\nSubject: New lead\r\nContent-Type: " + c.typ + "; charset=utf-8\r\n\r\n" +
				strings.ReplaceAll(string(b), "\n", "\r\n")
			if diff := cmp.Diff(c.want, summary(mail.Read([]byte(raw), mail.Options{}))); diff != "" {
				t.Errorf("Read (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCorpusCarried sends every ADF document of the corpus in several ways: a mail says what its document says.
func TestCorpusCarried(t *testing.T) {
	dir := os.Getenv("LEADFLOOR_CORPUS")
	if dir == "" {
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in %q: %v", dir, err)
	}
	more, err := filepath.Glob(filepath.Join(dir, "*", "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc := strings.ToValidUTF8(string(b), "")
		var want []adf.Prospect
		if d, err := adf.Parse([]byte(doc)); err == nil {
			want = d.Prospects
		}
		plain := "Content-Type: text/plain; charset=utf-8\r\n"
		for name, raw := range map[string]string{
			"plain":      single(plain, doc),
			"qp":         single(plain+"Content-Transfer-Encoding: quoted-printable\r\n", qp(doc)),
			"attachment": multi("mixed", note, attached("application/xml", "base64", b64(doc))),
			"twice":      multi("alternative", plain+"\r\n"+crlf(doc), "Content-Type: text/html; charset=utf-8\r\n\r\n<pre>"+crlf(html.EscapeString(doc))+"</pre>"),
			"forwarded":  single(plain, "FYI\n\n---------- Forwarded message ---------\n"+doc+"\nUnsubscribe: https://source.example/u\n"),
			"quoted":     single(plain, quote(doc, "> ")),
		} {
			if end := strings.ToLower(strings.TrimSpace(doc)); name == "forwarded" && !strings.HasSuffix(end, "</adf>") && !strings.HasSuffix(end, "</prospect>") {
				continue // cut off: what follows in the mail is part of it, for all anybody can tell
			}
			t.Run(filepath.Base(file)+"/"+name, func(t *testing.T) {
				m := mail.Read([]byte(raw), mail.Options{})
				if diff := cmp.Diff(want, m.Prospects, cmpopts.IgnoreFields(adf.Prospect{}, "Line"), cmpopts.EquateEmpty(), cmp.Transformer("lines", func(s string) string {
					return strings.Join(strings.Fields(s), " ")
				})); diff != "" {
					t.Errorf("Read (-want +got):\n%s", diff)
				}
			})
		}
	}
}
