package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"math/rand/v2"
	"mime/quotedprintable"
	"regexp"
	"slices"
	"strings"
	"time"

	"leadfloor/ingest"
	"leadfloor/router"
)

// A mailing is one mail of the demo and what must become of it.
type mailing struct {
	raw   []byte
	shape string // in a few words, for whoever must find out why its fate is another
	fate  ingest.Fate
	leads int // new leads that it makes
}

// A mailer writes what a car store finds in its mailbox: leads of many makers in many states, the same again, customers who come back,
// and what is no lead at all. Everybody in it is invented. The same seed gives the same mail, but for its dates.
//
// Whose lead may be closed is decided by the address: customers at writesAgain come back, and a lead that was closed would make a new
// lead of what must be a touch.
type mailer struct {
	rand *rand.Rand
	now  func() time.Time

	areas []string // codes of the telephone numbers that it gives out

	fates   deck[ingest.Fate]
	shapes  deck[leadShape]
	returns deck[returnShape]
	chatter deck[chatShape]
	broken  deck[brokenShape]

	serial    int           // of mails
	customers int           // invented so far
	again     []demoEnquiry // the last leads that a vendor may send again
	back      []demoEnquiry // the last leads of those who write again
	last      []mailing     // the last leads as they were sent
}

// writesAgain is the domain of the customers who come back.
const writesAgain = "example.net"

// demoInbox is where all of it goes.
const demoInbox = "leads@example.com"

// demoTrusted is a sender whose mail must be a lead.
const demoTrusted = "autotrader.example"

func newMailer(seed uint64, now func() time.Time) *mailer {
	m := &mailer{rand: rand.New(rand.NewPCG(seed, 0)), now: now, areas: areaCodes}
	for fate, n := range map[ingest.Fate]int{
		ingest.FateLead: 11, ingest.FateTouch: 3, ingest.FateDuplicate: 2, ingest.FateReplay: 1, ingest.FateOther: 2, ingest.FateQuarantined: 1,
	} {
		m.fates.cards = append(m.fates.cards, slices.Repeat([]ingest.Fate{fate}, n)...)
	}
	slices.Sort(m.fates.cards) // a map has no order, and the same seed is to give the same mail
	m.shapes.cards, m.returns.cards, m.chatter.cards, m.broken.cards = leadShapes, returnShapes, chatShapes, brokenShapes
	return m
}

// A deck deals its cards in random order, each once before any comes again.
type deck[T any] struct{ cards, left []T }

func (d *deck[T]) draw(r *rand.Rand) T {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.cards)
		r.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	card := d.left[0]
	d.left = d.left[1:]
	return card
}

// memory is how many mails a vendor or customer looks back.
const memory = 20

func remember[T any](list []T, v T) []T {
	if list = append(list, v); len(list) > memory {
		list = list[1:]
	}
	return list
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// next writes a mail.
func (m *mailer) next() mailing {
	fate := m.fates.draw(m.rand)
	if len(m.again) == 0 || len(m.back) == 0 {
		switch fate {
		case ingest.FateTouch, ingest.FateDuplicate, ingest.FateReplay:
			// Nobody has written yet who could write again: somebody does now, and this comes later.
			m.fates.left = append(m.fates.left, fate)
			fate = ingest.FateLead
			if i := slices.Index(m.fates.left, fate); i >= 0 {
				m.fates.left = slices.Delete(m.fates.left, i, i+1)
			}
		}
	}
	switch fate {
	case ingest.FateTouch:
		s, e := m.returns.draw(m.rand), pick(m.rand, m.back)
		return mailing{raw: s.write(m, e), shape: s.name, fate: fate}
	case ingest.FateDuplicate:
		e := pick(m.rand, m.again)
		e.resend = m.rand.IntN(2) == 0
		return mailing{raw: e.write(m, &e), shape: "sent again by the vendor: " + e.shape, fate: fate}
	case ingest.FateReplay:
		x := pick(m.rand, m.last)
		// A second delivery of one mail differs in what servers write on it.
		trace := fmt.Sprintf("Delivered-To: sales@example.com\r\nReceived: by mx2.example.com; %s\r\n", m.now().Format(time.RFC1123Z))
		return mailing{raw: append([]byte(trace), x.raw...), shape: "delivered twice: " + x.shape, fate: fate}
	case ingest.FateOther:
		s := m.chatter.draw(m.rand)
		return mailing{raw: s.write(m), shape: s.name, fate: fate}
	case ingest.FateQuarantined:
		s := m.broken.draw(m.rand)
		return mailing{raw: s.write(m), shape: s.name, fate: fate}
	}
	return m.lead()
}

func (m *mailer) lead() mailing {
	s := m.shapes.draw(m.rand)
	e := m.enquiry(s)
	x := mailing{raw: s.write(m, &e), shape: s.name, fate: ingest.FateLead, leads: max(1, s.leads)}
	m.last = remember(m.last, x)
	if s.again {
		m.again = remember(m.again, e)
		if e.buyer.writesAgain() {
			m.back = remember(m.back, e)
		}
	}
	return x
}

// A demoCustomer is an invented person. The number is new for each, and so are email, phone and postcode: nobody is taken for another.
type demoCustomer struct {
	first, last, email, phone, street, city, state, zip string
}

func (c demoCustomer) writesAgain() bool { return strings.HasSuffix(c.email, "@"+writesAgain) }

// comesBack says whether the customer of a lead is one who will write again.
func comesBack(l *router.Lead) bool {
	return slices.ContainsFunc(l.Customer.Emails, func(e string) bool { return strings.HasSuffix(e, "@"+writesAgain) })
}

// isErrand says whether a lead turns out to be none: somebody wants an appointment at the workshop.
func isErrand(l *router.Lead) bool { return strings.Contains(l.Customer.Comments, errand) }

const errand = "oil change"

var (
	firstNames = strings.Fields("Ada Ben Cleo Dan Eve Finn Grace Hugo Ines José Kim Leo Maya Noah Olga Paul Quinn Rosa Sam Tess Uma Vera Will Yara")
	lastNames  = strings.Fields("Archer Baker Castle Dalton Ellis Farrow Granger Holloway Ibsen Jarvis Keller Lovell Mercer Núñez Osborne Porter Quimby Ramsey Sutton Thorne Upton Vance Whitlow Young")
	areaCodes  = strings.Fields("201 202 203 205 206 207 208 209 210 212 213 214 215 216 218 219 224 225 228 229 231 234 239 240 248 251 252 253 254 " +
		"256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 313 314 315 316 317 318 319 320 321 323 325 330")
	localCodes  = strings.Fields("217 312 618 708 773 815 847")
	places      = []string{"Springfield|IL", "Riverton|IL", "Lakeview|WI", "Fairmont|IN", "Cedar Falls|IA", "Oakdale|MN"}
	phoneStyles = []string{"(%s) 555-%s", "%s-555-%s", "%s.555.%s", "+1 %s 555 %s", "1-%s-555-%s", "%s555%s"}
	ascii       = strings.NewReplacer("é", "e", "ñ", "n", "ú", "u")
)

// person invents a customer.
func (m *mailer) person(domain string) demoCustomer {
	n := m.customers
	m.customers++
	c := demoCustomer{first: pick(m.rand, firstNames), last: pick(m.rand, lastNames), street: fmt.Sprintf("%d Oak St", 1+n), zip: fmt.Sprintf("%05d", 10000+n%89999)}
	c.city, c.state, _ = strings.Cut(pick(m.rand, places), "|")
	c.email = fmt.Sprintf("%s.%s%d@%s", strings.ToLower(ascii.Replace(c.first)), strings.ToLower(ascii.Replace(c.last)), n+1, domain)
	// 555-0100 to 555-0199 are nobody's, in every area. When all are given out, people leave the field empty.
	if n < 100*len(m.areas) {
		c.phone = fmt.Sprintf(pick(m.rand, phoneStyles), m.areas[n/100], fmt.Sprintf("01%02d", n%100))
	}
	return c
}

type demoCar struct {
	year                            int
	maker, model, trim, stock, used string
	price                           int
}

func (c demoCar) String() string { return fmt.Sprintf("%d %s %s %s", c.year, c.maker, c.model, c.trim) }

var cars = []string{
	"Honda|Civic|EX", "Honda|CR-V|Touring", "Toyota|Camry|XSE", "Toyota|RAV4|Hybrid", "Ford|F-150|Lariat", "Ford|Escape|SEL", "Chevrolet|Silverado|LT",
	"Chevrolet|Equinox|Premier", "Subaru|Outback|Limited", "Mazda|CX-5|Signature", "Hyundai|Tucson|SEL", "Kia|Sportage|EX", "Nissan|Rogue|SV", "Jeep|Wrangler|Sahara",
	"Volkswagen|Golf|GTI", "GMC|Acadia|Denali",
}

func (m *mailer) car() demoCar {
	part := strings.Split(pick(m.rand, cars), "|")
	c := demoCar{year: 2016 + m.rand.IntN(11), maker: part[0], model: part[1], trim: part[2], used: "used", price: 11000 + 250*m.rand.IntN(120)}
	if c.year >= 2025 {
		c.used = "new"
	}
	c.stock = fmt.Sprintf("P%05d", m.serial*7%100000)
	return c
}

var questions = []string{
	"Is it still there?", "What is your best price?", "Could I drive it on Saturday morning?", "Do you take my old car in part payment?", "Is the second set of wheels included?",
	"What would it be a month over five years?", "Has it had one owner?", "When may I come and see it?",
}

// A demoProvider sells leads.
type demoProvider struct{ name, from, service string }

var providers = []demoProvider{
	{"Autotrader", "leads@" + demoTrusted, "Classified listing"},
	{"Drive Finder", "no-reply@drivefinder.example", "Search"},
	{"Main Street Motors Website", "forms@mainstreetmotors.example", "Vehicle detail page"},
	{"Payment Pal", "bot@paymentpal.example", "Pre-qualification"},
	{"Trade Value", "leads@tradevalue.example", "Trade-in estimate"},
	{"Maker Connect", "adf@makerconnect.example", "Build and price"},
}

// demoSources are the metric labels of what the mailer and the people of the demo send, as slugs.
func demoSources() []string {
	all := []string{"cargurus", "mainstreetmotors-example", sourceWalkIn, sourcePhone}
	for _, p := range providers {
		all = append(all, router.Slug(p.name))
	}
	return all
}

// A demoEnquiry is what one customer asks, before it is put into any shape.
type demoEnquiry struct {
	leadShape // that it was first sent in
	shape     string
	id        string
	provider  demoProvider
	buyer     demoCustomer
	coBuyer   *demoCustomer
	car       demoCar
	question  string
	resend    bool
}

func (m *mailer) enquiry(s leadShape) demoEnquiry {
	domain := pick(m.rand, []string{"example.com", "example.org"})
	if s.again && m.rand.IntN(3) == 0 || s.again && len(m.back) == 0 {
		domain = writesAgain
	}
	e := demoEnquiry{
		leadShape: s, shape: s.name, provider: pick(m.rand, providers), buyer: m.person(domain), car: m.car(), question: pick(m.rand, questions),
	}
	e.id = fmt.Sprintf("%c%c-%06d", e.provider.name[0], e.provider.name[1]-'a'+'A', 100000+m.customers*17)
	if domain == writesAgain {
		spouse := m.person(writesAgain)
		spouse.last = e.buyer.last
		e.coBuyer = &spouse
	}
	return e
}

// A leadShape is one of the ways in which leads come.
type leadShape struct {
	name  string
	write func(*mailer, *demoEnquiry) []byte
	leads int  // new leads, where not one
	again bool // the vendor may send it again, under the same id; and it tells enough of the customer to know them again
}

var leadShapes = []leadShape{
	{name: "ADF as the whole text", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		return m.letter(e.provider.from, "New lead for Main Street Motors", "text/plain; charset=utf-8", "", m.adf(e))
	}},
	{name: "ADF attached as lead.xml", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		return m.parts(e.provider.from, "New lead: "+e.car.String(), "mixed",
			part{"text/plain; charset=utf-8", "", "A new lead is attached. Please answer within five minutes.\n"},
			part{"application/xml; name=\"lead.xml\"\nContent-Disposition: attachment; filename=\"lead.xml\"", "base64", m.adf(e)})
	}},
	{name: "ADF twice, as text and in HTML", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		doc := m.adf(e)
		return m.parts(e.provider.from, "New lead", "alternative",
			part{"text/plain; charset=utf-8", "", doc}, part{"text/html; charset=utf-8", "quoted-printable", "<html><body><pre>" + html.EscapeString(doc) + "</pre></body></html>\n"})
	}},
	{name: "ADF in base64", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		return m.letter(e.provider.from, "Internet lead", "text/plain; charset=utf-8", "base64", m.adf(e))
	}},
	{name: "ADF in quoted-printable", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		return m.letter(e.provider.from, "Internet lead", "text/xml; charset=utf-8", "quoted-printable", m.adf(e))
	}},
	{name: "ADF in windows-1252 that says UTF-8", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		e.question = "Does the EcoBoost® run well? I’d like to know before I drive to the café."
		doc := strings.NewReplacer("®", "\xae", "’", "\x92", "é", "\xe9", "ñ", "\xf1", "ú", "\xfa").Replace(m.adf(e))
		return m.letter(e.provider.from, "Lead", "text/plain; charset=us-ascii", "8bit", doc)
	}},
	{name: "ADF escaped in HTML", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		return m.letter(e.provider.from, "Lead", "text/html; charset=utf-8", "quoted-printable",
			"<html><body><p>"+strings.ReplaceAll(html.EscapeString(m.adf(e)), "\n", "<br>\n")+"</p></body></html>\n")
	}},
	{name: "ADF with the specification's own prolog", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		_, body, _ := strings.Cut(m.adf(e), "<adf>")
		return m.letter(e.provider.from, "ADF Lead", "text/plain; charset=utf-8", "8bit", "<?ADF VERSION “1.0”?>\n<?XML VERSION “1.0”?>\n<adf>"+body)
	}},
	{name: "ADF with a bare ampersand", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		e.question = "Do you have it in black & grey?"
		return m.letter(e.provider.from, "Lead", "text/plain; charset=utf-8", "", strings.ReplaceAll(m.adf(e), "&amp;", "&"))
	}},
	{name: "ADF cut off", write: func(m *mailer, e *demoEnquiry) []byte {
		head, _, _ := strings.Cut(m.adf(e), "</customer>")
		return m.letter(e.provider.from, "Lead", "text/plain; charset=utf-8", "", head+"</customer>\n<vendor><vendornam")
	}},
	{name: "ADF in capitals without an envelope", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		_, body, _ := strings.Cut(m.adf(e), "<adf>")
		body, _, _ = strings.Cut(body, "</adf>")
		return m.letter(e.provider.from, "Lead", "text/plain; charset=utf-8", "", tagName.ReplaceAllStringFunc(body, strings.ToUpper))
	}},
	{name: "ADF forwarded by the front desk", again: true, write: func(m *mailer, e *demoEnquiry) []byte {
		return m.letter("Front Desk <desk@mainstreetmotors.example>", "Fwd: New lead", "text/plain; charset=utf-8", "",
			"Came to the old address.\n\n---------- Forwarded message ---------\nFrom: <"+e.provider.from+">\nSubject: New lead\n\n"+m.adf(e)+"\nYou get this mail because you subscribed to it.\n")
	}},
	{name: "two prospects in one ADF", leads: 2, write: func(m *mailer, e *demoEnquiry) []byte {
		other := m.enquiry(leadShape{})
		other.provider = e.provider
		_, second, _ := strings.Cut(m.adf(&other), "<adf>\n")
		return m.letter(e.provider.from, "2 new leads", "text/plain; charset=utf-8", "", strings.Replace(m.adf(e), "</adf>\n", second, 1))
	}},
	{name: "ADF of somebody who wants the workshop", write: func(m *mailer, e *demoEnquiry) []byte {
		e.question = "I need an " + errand + " and new wipers on Friday."
		return m.letter(e.provider.from, "Contact form", "text/plain; charset=utf-8", "", vehicleElement.ReplaceAllString(m.adf(e), ""))
	}},
	{name: "listing site's mail in plain words", write: (*mailer).listing},
	{name: "listing site's mail about a call", write: func(m *mailer, e *demoEnquiry) []byte {
		if e.buyer.phone == "" {
			return m.listing(e)
		}
		return m.letter("CarGurus <dealer-leads@messages.cargurus.com>", "Phone Lead from CarGurus", "text/plain; charset=utf-8", "", fmt.Sprintf(
			"Phone Lead from CarGurus\n\nCaller Name: %s %s\nCaller Phone: %s\nCall Time: %s\nCall Duration: 2 min 10 s\nDealer Name: Main Street Motors\n",
			e.buyer.first, e.buyer.last, e.buyer.phone, m.now().Format("01/02/2006 03:04 PM")))
	}},
	{name: "form of the store's own site", write: (*mailer).form},
}

var (
	tagName        = regexp.MustCompile(`</?[a-z]+`)
	vehicleElement = regexp.MustCompile(`(?s)<vehicle.*</vehicle>\n`)
	central        = time.FixedZone("CST", -6*60*60)
)

// A returnShape is a way in which a customer writes again while their lead lives.
type returnShape struct {
	name  string
	write func(*mailer, demoEnquiry) []byte
}

var returnShapes = []returnShape{
	{"same email, another car", func(m *mailer, e demoEnquiry) []byte {
		return m.letter(e.provider.from, "New lead", "text/plain; charset=utf-8", "", m.adf(m.another(&e)))
	}},
	{"same phone, another email", func(m *mailer, e demoEnquiry) []byte {
		m.another(&e)
		if e.buyer.phone != "" {
			e.buyer.email = "home." + e.buyer.email
		}
		return m.letter(e.provider.from, "New lead", "text/plain; charset=utf-8", "", m.adf(&e))
	}},
	{"the co-buyer, by the site's form", func(m *mailer, e demoEnquiry) []byte {
		m.another(&e)
		e.buyer, e.buyer.phone = *e.coBuyer, ""
		return m.form(&e)
	}},
}

// another makes of e a later enquiry of the same customer.
func (m *mailer) another(e *demoEnquiry) *demoEnquiry {
	e.id = fmt.Sprintf("%s-%d", e.id, m.serial)
	e.car, e.provider, e.question = m.car(), pick(m.rand, providers), "I asked before. What about this one? "+pick(m.rand, questions)
	return e
}

// A chatShape is mail that holds no lead.
type chatShape struct {
	name  string
	write func(*mailer) []byte
}

var chatShapes = []chatShape{
	{"newsletter", func(m *mailer) []byte {
		return m.letter("Dealer Weekly <news@dealerweekly.example>", "Used car prices fell 2 %", "text/html; charset=utf-8\nList-Unsubscribe: <https://dealerweekly.example/u>\nPrecedence: bulk", "",
			"<html><body><h1>Used car prices fell 2 %</h1><p>Trucks held their value best.</p><p>Unsubscribe</p></body></html>\n")
	}},
	{"out of office", func(m *mailer) []byte {
		c := m.person("example.com")
		return m.letter(c.email, "Automatic reply: Your enquiry", "text/plain; charset=utf-8\nAuto-Submitted: auto-replied", "", "I am away until Monday.\n\n"+c.first+"\n")
	}},
	{"verification code", func(m *mailer) []byte {
		return m.letter("no-reply@crm.example", "Your verification code", "text/plain; charset=utf-8", "", fmt.Sprintf("To verify your account, enter this code:\n%06d\n", m.rand.IntN(1e6)))
	}},
	{"delivery report", func(m *mailer) []byte {
		return m.parts("MAILER-DAEMON@mx.example.com", "Undelivered Mail Returned to Sender", "report; report-type=delivery-status",
			part{"text/plain", "", "The mail could not be delivered.\n"}, part{"message/delivery-status", "", "Reporting-MTA: dns; mx.example.com\n\nAction: failed\nStatus: 5.1.1\n"})
	}},
	{"chatter", func(m *mailer) []byte {
		c := m.person("example.org")
		return m.letter(c.email, "Thursday", "text/plain; charset=utf-8", "", "Can we move the meeting to four? I will bring the numbers.\n\n"+c.first+"\n")
	}},
}

// A brokenShape is mail that claims to hold a lead and gives nobody to answer.
type brokenShape struct {
	name  string
	write func(*mailer) []byte
}

var brokenShapes = []brokenShape{
	{"ADF of nobody who can be reached", func(m *mailer) []byte {
		e := m.enquiry(leadShape{})
		e.buyer.email, e.buyer.phone = "", ""
		return m.letter(e.provider.from, "New lead", "text/plain; charset=utf-8", "", m.adf(&e))
	}},
	{"STAR instead of ADF", func(m *mailer) []byte {
		return m.letter("oem@makerconnect.example", "Sales lead", "application/xml", "", fmt.Sprintf(
			"<?xml version=\"1.0\"?>\n<star:ProcessSalesLead xmlns:star=\"http://www.starstandard.org/STAR/5\"><star:DocumentID>%d</star:DocumentID></star:ProcessSalesLead>\n", m.serial))
	}},
	{"trusted sender without a lead", func(m *mailer) []byte {
		return m.letter("reports@"+demoTrusted, "Your report is ready", "text/plain; charset=utf-8", "", fmt.Sprintf("Your listings were seen %d times.\n", 500+m.serial))
	}},
}

// adf writes e as its vendor's ADF 1.0.
func (m *mailer) adf(e *demoEnquiry) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		for i, a := range args {
			if s, ok := a.(string); ok {
				args[i] = html.EscapeString(s) // a subset of what XML asks for, and enough
			}
		}
		fmt.Fprintf(&b, format+"\n", args...)
	}
	status := "new"
	if e.resend {
		status = "resend"
	}
	layout := pick(m.rand, []string{time.RFC3339, "2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05", "2006-01-02T15:04:05.000-07:00", "01/02/2006 03:04PM MST"})
	line(`<?xml version="1.0" encoding="UTF-8"?>`)
	line(`<?adf version="1.0"?>`)
	line(`<adf>`)
	line(`<prospect status="%s">`, status)
	line(`<id sequence="1" source="%s">%s</id>`, e.provider.name, e.id)
	line(`<requestdate>%s</requestdate>`, m.now().In(central).Format(layout))
	line(`<vehicle interest="buy" status="%s"><year>%d</year><make>%s</make><model>%s</model><stock>%s</stock><trim>%s</trim><price type="asking" currency="USD">%d</price></vehicle>`,
		e.car.used, e.car.year, e.car.maker, e.car.model, e.car.stock, e.car.trim, e.car.price)
	line(`<customer>`)
	contact := func(c demoCustomer) {
		line(`<contact><name part="first">%s</name><name part="last">%s</name>`, c.first, c.last)
		if c.email != "" {
			line(`<email>%s</email>`, c.email)
		}
		if c.phone != "" {
			line(`<phone type="voice" time="evening">%s</phone>`, c.phone)
		}
		line(`<address><street line="1">%s</street><city>%s</city><regioncode>%s</regioncode><postalcode>%s</postalcode></address></contact>`, c.street, c.city, c.state, c.zip)
	}
	contact(e.buyer)
	if e.coBuyer != nil {
		contact(*e.coBuyer)
	}
	line(`<comments>%s</comments>`, e.question)
	line(`</customer>`)
	line(`<vendor><vendorname>Main Street Motors</vendorname></vendor>`)
	line(`<provider><name part="full">%s</name><service>%s</service></provider>`, e.provider.name, e.provider.service)
	line(`</prospect>`)
	line(`</adf>`)
	return b.String()
}

// listing is the notification of a listing site.
func (m *mailer) listing(e *demoEnquiry) []byte {
	return m.letter("CarGurus <dealer-leads@messages.cargurus.com>", "Lead Submission from CarGurus", "text/plain; charset=utf-8\nPrecedence: bulk", "", fmt.Sprintf(`** Please reply back to consumer using contact information below. **

Lead Submission from CarGurus

Contact:
First Name: %s
Last Name: %s
Email: %s
Telephone: %s
Postal code: %s

Comments:
I am interested in your %s. %s

Listing:
Vehicle: %s
Stock Number: %s
Listed Price: $%d

Seller:
Name: Main Street Motors
Location: Springfield, IL

Lead Date: Sent by CarGurus on %s.
Transaction ID: %s
`, e.buyer.first, e.buyer.last, e.buyer.email, e.buyer.phone, e.buyer.zip, e.car, e.question, e.car, e.car.stock, e.car.price, m.now().Format("January 2, 2006 15:04:05 MST"), e.id))
}

// form is what the store's own site sends of a form, in HTML alone.
func (m *mailer) form(e *demoEnquiry) []byte {
	var rows strings.Builder
	for _, r := range [][2]string{
		{"Name", e.buyer.first + " " + e.buyer.last}, {"Email", e.buyer.email}, {"Phone", e.buyer.phone}, {"Interested in", e.car.String()}, {"Stock number", e.car.stock},
		{"Best time to call", "Evening"}, {"Comments", e.question},
	} {
		fmt.Fprintf(&rows, "<tr><td><b>%s:</b></td><td>%s</td></tr>\n", r[0], html.EscapeString(r[1]))
	}
	return m.letter("forms@mainstreetmotors.example", "Website form: "+e.car.String(), "text/html; charset=utf-8", "quoted-printable",
		"<html><body><h2>Customer Information</h2><table>\n"+rows.String()+"</table></body></html>\n")
}

// letter writes a mail of one part. Further header fields may follow the type on lines of their own.
func (m *mailer) letter(from, subject, contentType, coding, body string) []byte {
	m.serial++
	if coding != "" {
		contentType += "\nContent-Transfer-Encoding: " + coding
	}
	domain := strings.TrimSuffix(from[strings.LastIndexByte(from, '@')+1:], ">")
	now := m.now().Format(time.RFC1123Z)
	s := fmt.Sprintf("Received: from mx.%s by mx1.example.com; %s\nDate: %s\nFrom: %s\nTo: %s\nSubject: %s\nMessage-ID: <%d.%x@%s>\nMIME-Version: 1.0\nContent-Type: %s\n\n",
		domain, now, now, from, demoInbox, subject, m.serial, m.rand.Uint32(), domain, contentType)
	return []byte(strings.ReplaceAll(s+encode(coding, body), "\n", "\r\n"))
}

// A part of a mail: its type, and further header fields on lines of their own.
type part struct{ contentType, coding, body string }

// parts writes a mail of several parts.
func (m *mailer) parts(from, subject, kind string, parts ...part) []byte {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--part\nContent-Type: " + p.contentType + "\n")
		if p.coding != "" {
			b.WriteString("Content-Transfer-Encoding: " + p.coding + "\n")
		}
		b.WriteString("\n" + encode(p.coding, p.body) + "\n")
	}
	return m.letter(from, subject, "multipart/"+kind+"; boundary=\"part\"", "", b.String()+"--part--\n")
}

// encode applies a content transfer encoding, with LF line ends.
func encode(coding, body string) string {
	var b bytes.Buffer
	switch coding {
	case "base64":
		for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString([]byte(body))), 76) {
			b.Write(line)
			b.WriteByte('\n')
		}
	case "quoted-printable":
		w := quotedprintable.NewWriter(&b)
		_, _ = w.Write([]byte(body)) // into memory
		_ = w.Close()
		return strings.ReplaceAll(b.String(), "\r\n", "\n")
	default:
		return body
	}
	return b.String()
}
