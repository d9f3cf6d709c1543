package mail_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadfloor/adf/mail"
)

// TestTemplate reads the mail of a source that only a template knows.
func TestTemplate(t *testing.T) {
	raw := crlf(`From: Autobörse <anfrage@mail.boerse.example>
To: sales@store.example
Subject: Anruf für Sie
Content-Type: text/plain; charset=utf-8

Interessent
Herr: Max Muster
Rückruf: +49 30 1234567
Wagen: 2017 Skoda Octavia
Kennung B-771 zu 9.900 €

Händler
Name: Autohaus Hafen
Telefon: +49 30 7654321
`)
	german := mail.Template{
		Name: "Autobörse", From: []string{"*@*.BOERSE.example"}, Subject: []string{"anruf*"}, Channel: "phone",
		Labels: map[string]string{"interessent": "section.customer", "händler": "section.vendor", "herr": "customer.name", "rückruf": "phone", "telefon": "phone", "wagen": "vehicle"},
		Lines:  []string{"Kennung {vehicle.stock} zu {vehicle.price}"},
	}
	const want = `kind: text
source: Autobörse
channel: phone
lead: full "Max Muster" phone +49 30 1234567
  buy new 2017 Skoda "Octavia" stock B-771 price 9.900 €EUR
  vendor "Autohaus Hafen"
`
	for _, c := range []struct {
		name, raw string
		templates []mail.Template
		want      string
	}{
		{"with it", raw, []mail.Template{{Name: "other", From: []string{"*@other.example"}}, german}, want},
		{"without it", raw, nil, "kind: none\n"},
		{"another subject", strings.Replace(raw, "Anruf", "Werbung", 1), []mail.Template{german}, "kind: none\n"},
		{"another sender", strings.Replace(raw, "boerse.example", "boerse.invalid", 1), []mail.Template{german}, "kind: none\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, summary(mail.Read([]byte(c.raw), mail.Options{Templates: c.templates}))); diff != "" {
				t.Errorf("Read (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTemplatesBeforeBuiltin lets a configured template take over a source that is known.
func TestTemplatesBeforeBuiltin(t *testing.T) {
	raw := "From: dealer-leads@messages.cargurus.com\n\nName: Ada\nPhone: 555-010-0123\nVehicle: 2019 Honda Civic\n"
	m := mail.Read([]byte(raw), mail.Options{Templates: []mail.Template{{Name: "mine", From: []string{"*@messages.cargurus.com"}}}})
	if got, want := m.Source, "mine"; got != want {
		t.Errorf("Source = %q, want %q", got, want)
	}
	if got, want := m.Prospects[0].Provider.Names[0].Value, "mine"; got != want {
		t.Errorf("provider = %q, want %q", got, want)
	}
}

// TestVehicle reads titles of vehicles.
func TestVehicle(t *testing.T) {
	for _, c := range []struct{ title, want string }{
		{"2014 GMC Sierra 1500 SLE Double Cab 4WD", `buy new 2014 GMC "Sierra 1500 SLE Double Cab 4WD"`},
		{"Used 2016 Land Rover Discovery", `buy used 2016 Land Rover "Discovery"`},
		{"Certified Pre-Owned 2020 Mercedes-Benz GLC 300", `buy used 2020 Mercedes-Benz "GLC 300"`},
		{"NEW 2026 ram 2500", `buy new 2026 ram "2500"`},
		{"Vauxhall Astra GTC", `buy new Vauxhall "Astra GTC"`},
		{"Peugeot 2008", `buy new Peugeot "2008"`},
		{"Peugeot 2008 2019", `buy new 2019 Peugeot "2008"`},
		{"2021 Foocar Bar", `buy new "2021 Foocar Bar"`},
		{"Fordson tractor", `buy new "Fordson tractor"`},
		{"Used car", `buy new "Used car"`},
		{"1999", `buy new "1999"`},
		{"Honda", `buy new Honda ""`},
	} {
		m := mail.Read([]byte("From: f@b.example\n\nName: Ada\nPhone: 555-010-0123\nVehicle: "+c.title+"\n"), mail.Options{})
		if len(m.Prospects) != 1 {
			t.Errorf("%q: %d leads, want 1", c.title, len(m.Prospects))
			continue
		}
		lines := strings.Split(summary(m), "\n")
		if got := strings.TrimSpace(lines[2]); got != c.want {
			t.Errorf("vehicle %q = %s, want %s", c.title, got, c.want)
		}
	}
}

// TestWho tells the customer's address and number from others in the mail.
func TestWho(t *testing.T) {
	const rest = "\nVehicle: 2019 Honda Civic\n"
	for _, c := range []struct{ name, body, want string }{
		{"store's address", "Name: Ada\nEmail: sales@store.example\nPhone: 555-010-0123", `full "Ada" phone 555-010-0123`},
		{"no address", "Name: Ada\nEmail: call me\nPhone: 555-010-0123", `full "Ada" phone 555-010-0123`},
		{"no number", "Name: Ada\nEmail: a.b+c@example.co.uk\nPhone: none yet", `full "Ada" email a.b+c@example.co.uk`},
		{"dealer's block", "Dealership Information\nName: Harbor\nEmail: h@harbor.example\nPhone: 555-010-0199\n\nCustomer Information\nName: Ada\nPhone: 555-010-0123", `full "Ada" phone 555-010-0123`},
		{"dealer's labels", "Dealer Email: h@harbor.example\nSales Rep Phone: 555-010-0199\nYour Name: Ada\nYour Phone: 555-010-0123", `full "Ada" phone 555-010-0123`},
		{"two numbers", "First Name: Ada\nLast Name: Lovell\nHome Phone: 555-010-0123\nCell Phone: 555-010-0124", `first "Ada" last "Lovell" phone 555-010-0123 cellphone 555-010-0124`},
		{"one line", "Name: Ada  Phone: 555-010-0123 | Zip: 62704", `full "Ada" phone 555-010-0123 postal 62704`},
		{"bullets and stars", "* *Name:* Ada\n- Phone*: 555-010-0123", `full "Ada" phone 555-010-0123`},
		{"equals", "name = Ada\nphone = 555-010-0123", `full "Ada" phone 555-010-0123`},
		{"autolinks", "Name: Ada\nEmail: a@b.co.uk<mailto:a@b.co.uk>\nPhone: 555-010-0123<tel:5550100123>\nTrim: see b.example<http://b.example/>", `full "Ada" email a@b.co.uk phone 555-010-0123`},
		{"telephone link", "Name: Ada\nPhone: tel:+15550100123", `full "Ada" phone +15550100123`},
		{"empty then another label", "Name:\nPhone: 555-010-0123\nFirst name: Ada", `phone`},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := "From: f@b.example\nTo: sales@store.example\n\n" + c.body + rest
			got := summary(mail.Read([]byte(raw), mail.Options{}))
			if !strings.Contains(got, c.want) || strings.Contains(got, "0199") || strings.Contains(got, "h@harbor") {
				t.Errorf("Read:\n%swant a lead of %s", got, c.want)
			}
		})
	}
}

// TestDiagnostics names what was odd about a mail that gave its lead all the same, or gave none.
func TestDiagnostics(t *testing.T) {
	damaged := []byte(zipped("lead.xml", zoe))
	damaged[len(damaged)-10] ^= 0xff
	nested := zipped("a.zip", zipped("b.zip", zipped("lead.xml", zoe)))
	for _, c := range []struct {
		name, raw, code string
		kind            mail.Kind
	}{
		{"winmail.dat", multi("mixed", attached("application/ms-tnef", "base64", b64("\x78\x9f\x3e\x22"+zoe))), "tnef", mail.ADF},
		{"winmail.dat without ADF", multi("mixed", attached("application/ms-tnef", "base64", b64("\x78\x9f\x3e\x22\x00"))), "tnef", mail.None},
		{"no boundary", single("Content-Type: multipart/mixed; boundary=b\r\n", zoe), "bad-boundary", mail.ADF},
		{"unknown encoding", single("Content-Transfer-Encoding: x-zip\r\n", zoe), "unknown-encoding", mail.ADF},
		{"escaped as if quoted", single("", strings.NewReplacer("=", "=3D", "<", "=3C").Replace(zoe)), "salvaged", mail.ADF},
		{"archives too deep", multi("mixed", attached("application/zip", "base64", b64(nested))), "archive-limit", mail.None},
		{"entry too long", multi("mixed", attached("application/gzip", "base64", b64(gzipped(zoe+strings.Repeat(" ", 4<<20))))), "archive-limit", mail.ADF},
		{"archive damaged", multi("mixed", attached("application/zip", "base64", b64(string(damaged)))), "archive-unreadable", mail.None},
		{"archive cut off", multi("mixed", attached("application/gzip", "base64", b64(gzipped(zoe)[:60]))), "archive-unreadable", mail.None},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mail.Read([]byte(c.raw), mail.Options{})
			if got := summary(m); m.Kind != c.kind || !strings.Contains(got, "diagnostic: "+c.code+"\n") {
				t.Errorf("Read:\n%swant kind %s with diagnostic %s", got, c.kind, c.code)
			}
		})
	}
}

// TestValidate finds every fault of a template.
func TestValidate(t *testing.T) {
	good := mail.Template{Name: "a", From: []string{"*@a.example"}, Labels: map[string]string{"Wagen": "vehicle", "preis": "price", "kunde": "section.customer", "x": "customer.first"}, Lines: []string{"{vehicle.stock} at {vehicle.price}*"}}
	if err := good.Validate(); err != nil {
		t.Errorf("Validate = %v, want nil", err)
	}
	bad := mail.Template{Labels: map[string]string{"a": "customer.shoe", "b": "section.roof", "c": "", "d": "engine", "e": "price", "E:": "price", "::": "price"}, Lines: []string{"{price}", "{id", "{id} {nothing}"}}
	err := bad.Validate()
	if err == nil {
		t.Fatal("Validate = nil, want faults")
	}
	if got, want := len(strings.Split(err.Error(), "\n")), 11; got != want {
		t.Errorf("%d faults, want %d:\n%v", got, want, err)
	}
}

// TestSavedText reads a text that was saved without its header: its links tell the source.
func TestSavedText(t *testing.T) {
	raw, err := os.ReadFile("testdata/cazoo.eml")
	if err != nil {
		t.Fatal(err)
	}
	want := mail.Read(raw, mail.Options{})
	_, text, _ := strings.Cut(string(raw), "\r\n\r\n")
	text = strings.ReplaceAll(text, "www.cazoo.example", "www.cazoo.co.uk")
	got := mail.Read([]byte("Content-Type: text/plain\r\n\r\n"+text), mail.Options{})
	if diff := cmp.Diff(summary(want), summary(got)); diff != "" {
		t.Errorf("Read without the header (-with +without):\n%s", diff)
	}
}

// TestWithoutHeader reads bodies alone, as people save them: who sent them is told by the text.
func TestWithoutHeader(t *testing.T) {
	const who = "Name: Ada Lovell\nPhone: 555-010-0123\n"
	for _, c := range []struct{ name, body, provider, want string }{
		{"announced", "Lead Submission from CarGurus\n\nContact:\n" + who + "Listing:\nVehicle: 2019 Honda Civic\nSeller:\nDealer Id: 7\n\nLead Date: Sent by CarGurus on May 11, 2026 2:19:11 EDT AM.\n",
			"CarGurus", `date "May 11, 2026 2:19:11 EDT AM" full "Ada Lovell" phone 555-010-0123`},
		{"announced behind", who + "Vehicle: 2019 Honda Civic\n\nThis lead was brought to you by Cars.com.\n", "Cars.com", `2019 Honda "Civic"`},
		{"announced call", "Phone Lead from CarGurus\nCaller: Ada Lovell\nFrom: (555) 010-0123\nVehicle: 2019 Honda Civic\n", "CarGurus", "channel: phone"},
		{"tracked call", "New Call from CallRail\nCompany: Harbor Motors\nCaller Name: ADA LOVELL\nCaller Number: +15550100123\nTracking Number: +15550100199\n", "CallRail", `full "ADA LOVELL" phone +15550100123`},
		{"source", "Source: Harbor Classifieds\n" + who + "Vehicle: 2019 Honda Civic\n", "Harbor Classifieds", `2019 Honda "Civic"`},
		{"lead source", who + "Lead Source: Harbor Classifieds\nVehicle: 2019 Honda Civic\n", "Harbor Classifieds", `2019 Honda "Civic"`},
		{"site", who + "Message: Is it there?\nThis form submitted at: https://www.harbor.example/listing/2021-tesla-model-3-long-range-d9779/\n", "harbor.example", `2021 Tesla "Model 3 Long Range" stock D9779`},
		{"address without a stock number", who + "Page URL: https://harbor.example/1994-gmc-sierra-k1500\nMessage: hi\n", "harbor.example", `1994 GMC "Sierra K1500"`},
		{"sentence", who + "Message: I am interested in your 2014 GMC Sierra 1500 SLE. Call me.\n", "", `2014 GMC "Sierra 1500 SLE"`},
		{"sentence above", "Ada Lovell is inquiring about the 2014 Land Rover LR4 listed on your site\n" + who + "Email: ada@example.com\nComments: hi\n", "", `2014 Land Rover "LR4"`},
		{"no vehicle in a sentence", who + "Message: I am interested in your 2014 calendar. Call me.\n", "", `says "I am interested in your 2014 calendar. Call me."`},
		{"mentioned by the customer", who + "Comments: I saw your ad, a lead from CarGurus: is the Civic there?\n", "", `says "I saw your ad`},
		{"plates", who + "Vehicle: 2018 (68) Ford Fiesta\nRegistration: AB68 XYZ\n", "", `2018 Ford "Fiesta" stock AB68 XYZ id AB68 XYZ`},
		{"family's name", "Prénom : Luc\nNom : Tremblay\nCourriel : luc@example.com\nNo d'inventaire : M2210\nMessage : Disponible?\n", "", `first "Luc" last "Tremblay"`},
		{"in Spanish", "Nombre: Juan Pérez\nTeléfono: 555-010-0123\nVehículo: 2019 Nissan Versa\nMensaje: ¿Sigue disponible?\n", "", `full "Juan Pérez" phone 555-010-0123`},
		{"calls itself a lead", "You have a new lead!\n\n" + who, "", `full "Ada Lovell" phone 555-010-0123`},
		{"empty comments", "Comments:\nReferrer: https://search.example/\n" + who + "Stock: P7\n", "", `stock P7`},
		{"form of WordPress", "\nFrom: Ada Lovell <ada@example.com>\nSubject: Civic\n\nMessage Body:\nIs it there?\n\n--\nThis e-mail was sent from a contact form on Harbor (https://harbor.example)\n", "", `full "Ada Lovell" email ada@example.com`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mail.Read([]byte("Content-Type: text/plain\n\n"+c.body), mail.Options{})
			if got := summary(m); len(m.Prospects) != 1 || !strings.Contains(got, c.want) {
				t.Fatalf("Read:\n%swant one lead with %s", got, c.want)
			}
			provider := ""
			for _, n := range m.Prospects[0].Provider.Names {
				provider = n.Value
			}
			if provider != c.provider {
				t.Errorf("provider = %q, want %q", provider, c.provider)
			}
		})
	}
}
