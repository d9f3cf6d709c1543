package mail_test

import (
	"fmt"
	"strings"

	"leadfloor/adf/mail"
)

func ExampleRead() {
	raw := `From: Leads <leads@source.example>
To: sales@store.example
Subject: New lead
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

A new lead is attached.
--b
Content-Type: application/octet-stream; name=lead.xml

<?adf version="1.0"?><adf><prospect>
<customer><contact><name>Ada Stone</name><phone>555-555-0101</phone></contact></customer>
</prospect></adf>
--b--
`
	m := mail.Read([]byte(raw), mail.Options{})
	fmt.Println(m.Kind, m.Header.From[0].Address)
	for _, p := range m.Prospects {
		c := p.Customer.Contacts[0]
		fmt.Println(c.Names[0].Value, c.Phones[0].Value)
	}
	// Output:
	// adf leads@source.example
	// Ada Stone 555-555-0101
}

func ExampleRead_text() {
	raw := `From: forms@store.example
Subject: Contact form

Name: Ada Stone
Email: ada@example.com
Vehicle: Used 2019 Honda Civic EX
Message:
Is it still there?

This email was sent from the contact form of the store.
`
	m := mail.Read([]byte(raw), mail.Options{})
	p := m.Prospects[0]
	v := p.Vehicles[0]
	fmt.Println(m.Kind, p.Provider.Names[0].Value, p.Customer.Contacts[0].Emails[0].Value)
	fmt.Println(v.Status, v.Year, v.Make, v.Model)
	fmt.Println(p.Customer.Comments)
	// Output:
	// text store.example ada@example.com
	// used 2019 Honda Civic EX
	// Is it still there?
}

func ExampleTemplate() {
	t := mail.Template{
		Name: "Harbor Classifieds", From: []string{"*@mail.harbor.example"}, Channel: "phone",
		Labels: map[string]string{"rang from": "customer.phone", "who": "customer.name"},
		Lines:  []string{"about {vehicle}, our number {vehicle.stock}"},
	}
	if err := t.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	raw := `From: notify@mail.harbor.example
Subject: Somebody rang

Who: Ada Stone
Rang from: 555-555-0101
about 2019 Honda Civic, our number P7056
`
	m := mail.Read([]byte(raw), mail.Options{Templates: []mail.Template{t}})
	v := m.Prospects[0].Vehicles[0]
	fmt.Println(m.Source, m.Channel, v.Make, v.Model, v.Stock)
	// Output:
	// Harbor Classifieds phone Honda Civic P7056
}

func ExampleDigest() {
	const mailed = "From: a@b.example\r\nSubject: New lead\r\n\r\nName: Ada Stone\r\n"
	once := "Received: from mx1.store.example; Thu, 5 Mar 2026 10:00:00 +0000\r\n" + mailed
	again := "Received: from mx2.store.example; Thu, 5 Mar 2026 10:00:09 +0000\n" + strings.ReplaceAll(mailed, "\r\n", "\n")
	other := strings.Replace(once, "Ada", "Eve", 1)
	fmt.Println(mail.Digest([]byte(once)) == mail.Digest([]byte(again)))
	fmt.Println(mail.Digest([]byte(once)) == mail.Digest([]byte(other)))
	// Output:
	// true
	// false
}
