package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/router"
	"leadfloor/router/api"
)

func TestEntry(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       *router.Lead // what is compared: channel, source, state, customer, vehicles
	}{
		{
			"as parse prints it",
			`{"channel":"http","source":"Auto Trader","ids":[{"value":"38889","source":"Cobalt","sequence":1}],"status":"new","requested_at":"2026-11-23T12:00:00-06:00",
			  "customer":{"name":{"full":"Jo Doe","first":"Jo","last":"Doe"},"emails":["j@example.com"],
			    "phones":[{"raw":"312-555-0123","e164":"+13125550123","type":"voice","time":"evening","preferred":true}],
			    "address":{"streets":["1 Main St"],"city":"Springfield","postal_code":"60601","country":"US"},"comments":"","contacts":[{"name":{"first":"Sam"},"phones":["312 555 0124"]}]},
			  "vehicles":[{"interest":"buy","status":"used","year":1999,"make":"Chevrolet","model":"Blazer","odometer":{"value":"90000","units":"mi"},"price":{"value":"26995","type":"quote","currency":"USD"}},{}],
			  "vendor":{"name":"Main Street"},"provider":{"name":"Cobalt"},"comments":"call me"}`,
			&router.Lead{
				Channel: router.HTTP, Source: "auto-trader", State: router.Untouched,
				Customer: router.Customer{
					Name: router.Name{Full: "Jo Doe", First: "Jo", Last: "Doe"}, Emails: []string{"j@example.com"}, Comments: "call me",
					Phones:   []router.Phone{{Raw: "312-555-0123", E164: "+13125550123", Type: "voice", Time: "evening", Preferred: true}},
					Address:  &router.Address{Streets: []string{"1 Main St"}, City: "Springfield", PostalCode: "60601", Country: "US"},
					Contacts: []router.Contact{{Name: router.Name{First: "Sam"}, Phones: []router.Phone{{Raw: "312 555 0124", E164: "+13125550124"}}}},
				},
				Vehicles: []router.Vehicle{
					{
						Interest: "buy", Status: "used", Year: 1999, Make: "Chevrolet", Model: "Blazer",
						Odometer: &router.Odometer{Value: "90000", Units: "mi"}, Price: &router.Price{Value: "26995", Type: "quote", Currency: "USD"},
					},
					{},
				},
			},
		},
		{
			"a phone as plain text",
			`{"channel":"phone","source":"phone up","customer":{"name":{"full":"Jo Doe"},"phones":["(312) 555-0123","123"]}}`,
			&router.Lead{
				Channel: router.PhoneUp, Source: "phone-up", State: router.Untouched,
				Customer: router.Customer{Name: router.Name{Full: "Jo Doe"}, Phones: []router.Phone{{Raw: "(312) 555-0123", E164: "+13125550123"}, {Raw: "123"}}},
				Vehicles: []router.Vehicle{},
			},
		},
		{
			"single name, email and phone",
			`{"customer":{"name":" Jo Doe ","email":"jo@example.com","phone":"+44 20 7946 0018"},"provider":{"name":"Cobalt"}}`,
			&router.Lead{
				Channel: router.HTTP, Source: "cobalt", State: router.Untouched,
				Customer: router.Customer{Name: router.Name{Full: "Jo Doe"}, Emails: []string{"jo@example.com"}, Phones: []router.Phone{{Raw: "+44 20 7946 0018", E164: "+442079460018"}}},
				Vehicles: []router.Vehicle{},
			},
		},
		{
			"a number known as E.164 alone",
			`{"customer":{"phones":[{"e164":"+13125550123"},{"raw":"at work","e164":"+13125550124"},{"raw":"none","e164":"12"}]}}`,
			&router.Lead{
				Channel: router.HTTP, Source: "unknown", State: router.Untouched,
				Customer: router.Customer{Phones: []router.Phone{{Raw: "+13125550123", E164: "+13125550123"}, {Raw: "at work", E164: "+13125550124"}, {Raw: "none"}}},
				Vehicles: []router.Vehicle{},
			},
		},
		{
			"by hand a name is enough, and a walk-in is talked to at once",
			`{"channel":"walk-in","by":"bob","customer":{"name":"Jo Doe"},"vehicles":null}`,
			&router.Lead{
				Channel: router.WalkIn, Source: "walk-in", State: router.Contacted,
				Customer: router.Customer{Name: router.Name{Full: "Jo Doe"}}, Vehicles: []router.Vehicle{},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			got := h.enter("ingest", tt.body)
			if got.Disposition != router.DispositionNew || got.Owner != "alice" {
				t.Errorf("disposition = %s to %s, want new to alice", got.Disposition, got.Owner)
			}
			l := h.call("viewer", "GET", "/leads/"+got.ID, "").want(200).lead()
			short := &router.Lead{Channel: l.Channel, Source: l.Source, State: l.State, Customer: l.Customer, Vehicles: l.Vehicles}
			if diff := cmp.Diff(short, tt.want); diff != "" {
				t.Errorf("lead (-got +want):\n%s", diff)
			}
			h.verified()
		})
	}
}

func TestEntryKeepsWhoEnteredIt(t *testing.T) {
	h := newHouse(t)
	h.enter("manager", `{"channel":"walk-in","customer":{"name":"Jo Doe","comments":"left it here"},"desk":"service","comments":"brakes","note":"in the lounge"}`)
	lead := h.enter("manager", `{"channel":"walk-in","by":"bob","customer":{"name":"Al Roe"}}`).ID
	l := h.call("viewer", "GET", "/leads/"+lead, "").want(200).lead()
	if got := l.Stops[router.ClockContact].By; got != "bob" {
		t.Errorf("talked to by %q, want bob", got)
	}
	var leads struct{ Items []*router.Lead }
	h.call("viewer", "GET", "/stores/main-street/leads?owner=sam", "").want(200).read(&leads)
	if len(leads.Items) != 1 || leads.Items[0].Desk != "service" || leads.Items[0].Stops[router.ClockContact].By != "mia" || leads.Items[0].Customer.Comments != "left it here\nbrakes" {
		t.Errorf("leads of sam = %+v, want one of desk service, about brakes, entered by the token's person", leads.Items)
	}
}

// Whoever prints a lead does not want their terminal steered.
func TestEntryHoldsNoControls(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("manager", `{"channel":"walk-in","customer":{"name":"J\u001b[31mo \u009b2JDoe\u0000\u007f","comments":"one\ntwo\u0007"}}`).ID
	c := h.call("viewer", "GET", "/leads/"+lead, "").want(200).lead().Customer
	if c.Name.Full != "J[31mo 2JDoe" || c.Comments != "one\ntwo" {
		t.Errorf("name %q, comments %q, want no control characters but new lines", c.Name.Full, c.Comments)
	}
}

func TestEntryFaults(t *testing.T) {
	h := newHouse(t)
	var ids []string
	for i := range 31 {
		ids = append(ids, fmt.Sprintf("ids[%d]", i))
	}
	for _, tt := range []struct {
		name, body string
		want       []string // fields, in order
	}{
		{"not JSON", `{"customer":`, []string{""}},
		{"not JSON within", `{"customer":{"name":"Jo}}`, []string{""}},
		{"not an object", `[]`, []string{""}},
		{"null", `null`, []string{""}},
		{"trailing data", `{"customer":{"email":"jo@example.com"}} {}`, []string{""}},
		{"unknown field", `{"customer":{"email":"jo@example.com","fax":"1"},"colour":"red"}`, []string{"customer.fax", "colour"}},
		{"case matters", `{"Customer":{"email":"jo@example.com"}}`, []string{"Customer"}},
		{"given twice", `{"source":"a","source":"b","customer":{"email":"jo@example.com"}}`, []string{"source"}},
		{"wrong types, all at once", `{"source":1,"customer":{"name":["Jo"],"emails":"jo@example.com","phones":[312,{"raw":true,"preferred":"yes"}]},"vehicles":[{"year":"1999"},{"year":19.5},null],"ids":{}}`,
			[]string{"source", "customer.name", "customer.emails", "customer.phones[0]", "customer.phones[1].raw", "customer.phones[1].preferred", "vehicles[0].year", "vehicles[1].year", "vehicles[2]", "ids"}},
		{"text too long", `{"comments":"` + strings.Repeat("x", 33<<10) + `","customer":{"email":"jo@example.com"}}`, []string{"comments"}},
		{"too many items", `{"customer":{"phones":["1"` + strings.Repeat(`,"1"`, 100) + `]}}`, []string{"customer.phones"}},
		{"at most twenty faults are told", `{` + strings.Repeat(`"x":1,`, 30) + `"y":1}`, slices.Repeat([]string{"x"}, 20)},
		{"in a list too", `{"ids":[` + strings.Repeat(`1,`, 30) + `1]}`, ids[:20]},
		{"nobody", `{}`, []string{"customer"}},
		{"nobody who can be reached", `{"customer":{"name":"Jo Doe","phones":["123"]}}`, []string{"customer"}},
		{"nobody at all, by hand", `{"channel":"phone","by":"bob"}`, []string{"customer"}},
		{"channel", `{"channel":"email","customer":{"email":"jo@example.com"}}`, []string{"channel"}},
		{"no email address", `{"customer":{"emails":["jo@example.com","none"],"contacts":[{"emails":["@"]}]}}`, []string{"customer.emails[1]", "customer.contacts[0].emails[0]"}},
		{"status", `{"status":"old","customer":{"email":"jo@example.com"}}`, []string{"status"}},
		{"by nobody of ours", `{"by":"zoe","customer":{"email":"jo@example.com"}}`, []string{"by"}},
		{"desk", `{"desk":"boats","customer":{"email":"jo@example.com"}}`, []string{"desk"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			if got := h.call("ingest", "POST", "/stores/main-street/leads", tt.body).want(422).fields(); !slices.Equal(got, tt.want) {
				t.Errorf("fields = %q, want %q", got, tt.want)
			}
		})
	}
	h.t = t
	if got := h.call("ingest", "POST", "/stores/main-street/leads", "", "Content-Type: application/json").want(422).fields(); !slices.Equal(got, []string{""}) {
		t.Errorf("fields of an empty body = %q, want the body", got)
	}
	var leads struct{ Items []*router.Lead }
	h.call("viewer", "GET", "/stores/main-street/leads", "").read(&leads)
	if len(leads.Items) != 0 {
		t.Errorf("leads = %d, want none made by a fault", len(leads.Items))
	}
}

// What a sender wrote of a customer never comes back in a fault.
func TestFaultsQuoteNoCustomer(t *testing.T) {
	h := newHouse(t)
	for _, body := range []string{
		`{"customer":{"email":"jane.roe"}}`,
		`{"customer":{"name":"Jane Roe","phone":"555"}}`,
		`{"customer":{"name":"jane.roe","emails":"jane.roe@example.com"}}`,
	} {
		a := h.call("ingest", "POST", "/stores/main-street/leads", body).want(422)
		if strings.Contains(strings.ToLower(a.body), "roe") || strings.Contains(a.body, "555") {
			t.Errorf("problem = %s, want nothing of the customer", a.body)
		}
	}
	long := strings.Repeat("x", 30<<10)
	if a := h.call("ingest", "POST", "/stores/main-street/leads", `{"`+long+`":1,"desk":"`+long+`"}`).want(422); len(a.body) > 3000 {
		t.Errorf("problem = %d bytes, want an echo that is bounded", len(a.body))
	}
	if a := h.call("ingest", "POST", "/stores/main-street/leads", `{"customer":{"email":"jo@example.com"},"desk":"`+long+`"}`).want(422); len(a.body) > 3000 {
		t.Errorf("problem = %d bytes, want an echo that is bounded", len(a.body))
	}
	if h.log.Len() > 0 {
		t.Errorf("log = %s, want nothing", h.log.String())
	}
}

func TestIdempotencyKey(t *testing.T) {
	h := newHouse(t)
	first := h.enter("ingest", customer(1), "Idempotency-Key: k1")
	if diff := cmp.Diff(h.enter("ingest", customer(1), "Idempotency-Key: k1"), first); diff != "" {
		t.Errorf("the same key again (-got +want):\n%s", diff)
	}
	if got := h.enter("ingest", customer(2), "Idempotency-Key: k1"); got.ID != first.ID {
		t.Errorf("lead = %s, want %s: the key says which call it is", got.ID, first.ID)
	}
	if got := h.enter("other-ingest", customer(3), "Idempotency-Key: k1"); got.ID == first.ID || got.Disposition != router.DispositionNew {
		t.Errorf("the same key of another token = %+v, want a lead of its own", got)
	}
	if got := h.enter("ingest", customer(1), "Idempotency-Key: k2"); got.ID != first.ID || got.Disposition != router.DispositionDuplicate {
		t.Errorf("another key = %+v, want a duplicate of %s", got, first.ID)
	}
	if got := h.enter("ingest", customer(1)); got.ID != first.ID || got.Disposition != router.DispositionDuplicate {
		t.Errorf("no key = %+v, want a duplicate of %s", got, first.ID)
	}
	if got := h.call("ingest", "POST", "/stores/main-street/leads", customer(1), "Idempotency-Key: "+strings.Repeat("k", 256)).want(422).fields(); !slices.Equal(got, []string{"Idempotency-Key"}) {
		t.Errorf("fields = %q, want the key", got)
	}
	l := h.call("viewer", "GET", "/leads/"+first.ID, "").lead()
	if len(l.Touches) != 3 {
		t.Errorf("touches = %d, want 3: the first and two duplicates", len(l.Touches))
	}

	walkIn := `{"channel":"walk-in","customer":{"name":"Al Roe"}}`
	first = h.enter("manager", walkIn, "Idempotency-Key: k3")
	if diff := cmp.Diff(h.enter("manager", walkIn, "Idempotency-Key: k3"), first); diff != "" {
		t.Errorf("a walk-in with the same key again (-got +want):\n%s", diff)
	}
	h.verified()
}

func TestDocument(t *testing.T) {
	h := newHouse(t)
	h.intake.taken = []router.Taken{
		{Lead: "main-street-a", Owner: "bob", Disposition: router.DispositionNew, Seq: 7},
		{Lead: "main-street-b", Owner: "cara", Disposition: router.DispositionTouch},
	}
	doc := `<?xml version="1.0"?><adf><prospect/></adf>`
	for _, kind := range []string{"application/xml", "text/xml; charset=utf-8", "application/x-adf+xml"} {
		a := h.call("ingest", "POST", "/stores/main-street/leads", doc, "Content-Type: "+kind, "Idempotency-Key: k1").want(201)
		want := `{"leads":[{"id":"main-street-a","owner":"bob","disposition":"new"},{"id":"main-street-b","owner":"cara","disposition":"touch"}]}`
		if got := strings.TrimSpace(a.body); got != want {
			t.Errorf("answer = %s, want %s", got, want)
		}
	}
	h.call("ingest", "POST", "/stores/main-street/leads", doc).want(201)
	h.call("other-ingest", "POST", "/stores/main-street/leads", doc, "Idempotency-Key: k1").want(201)
	h.call("admin", "POST", "/stores/north/leads", doc, "Idempotency-Key: k1").want(201)
	k := h.intake.keys
	if k[0] != k[1] || k[1] != k[2] {
		t.Errorf("keys of one call = %q, want all the same", k[:3])
	}
	if slices.Sort(k); len(slices.Compact(k)) != 4 {
		t.Errorf("keys = %q, want one for each call", k)
	}
	if h.intake.adf != doc || h.intake.actor != "admin" {
		t.Errorf("handed on: %q by %q, want the document by admin", h.intake.adf, h.intake.actor)
	}

	h.intake.err = fmt.Errorf("take a document: %w", &api.Rejected{Diagnostics: []map[string]any{{"code": "no-prospect", "line": 1}}})
	var p struct{ Diagnostics []map[string]any }
	h.call("ingest", "POST", "/stores/main-street/leads", doc).want(422).read(&p)
	if diff := cmp.Diff(p.Diagnostics, []map[string]any{{"code": "no-prospect", "line": 1.0}}); diff != "" {
		t.Errorf("diagnostics (-got +want):\n%s", diff)
	}
}

// The names of the contract, and lists that are never null.
func TestLeadShape(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("ingest", `{"customer":{"email":"jo@example.com"}}`).ID
	var got map[string]json.RawMessage
	h.call("crm", "GET", "/leads/"+lead, "").want(200).read(&got)
	for _, name := range strings.Split("id, store, desk, channel, source, owner, covered_by, state, arrived_at, assigned_at, attempted_at, responded_at, contacted_at, appointment_at, shown_at, sold_at, lost_at, customer, vehicles, touches, turnover, stops", ", ") {
		if _, ok := got[name]; !ok {
			t.Errorf("lead has no %s; it has %v", name, slices.Sorted(maps.Keys(got)))
		}
	}
	for name, want := range map[string]string{"vehicles": "[]", "stops": "{}", "turnover": "null", "attempted_at": "null", "arrived_at": `"2026-11-23T12:00:00Z"`, "covered_by": `""`} {
		if string(got[name]) != want {
			t.Errorf("%s = %s, want %s", name, got[name], want)
		}
	}
	if touches := string(got["touches"]); !strings.HasPrefix(touches, `[{"n":1,`) || strings.Contains(touches, "null") {
		t.Errorf("touches = %s, want the first arrival without null", touches)
	}
}

func TestLeadsAreListed(t *testing.T) {
	h := newHouse(t)
	var made []string
	for n := range 7 {
		h.clock.Add(time.Second)
		made = append(made, h.enter("ingest", customer(n)).ID)
	}
	h.call("manager", "POST", "/leads/"+made[2]+"/events", `{"kind":"attempt"}`).want(200)
	slices.Reverse(made) // newest first
	type leads struct {
		Items []*router.Lead
		Next  string
	}
	ids := func(l leads) (all []string) {
		for _, x := range l.Items {
			all = append(all, x.ID)
		}
		return all
	}

	cursor, form := "", regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	var walked []string
	for range 3 {
		var got leads
		h.call("viewer", "GET", "/stores/main-street/leads?limit=3&cursor="+url.QueryEscape(cursor), "").want(200).read(&got)
		walked = append(walked, ids(got)...)
		if cursor = got.Next; cursor != "" && !form.MatchString(cursor) {
			t.Errorf("cursor = %q, want %s", cursor, form)
		}
	}
	if !slices.Equal(walked, made) || cursor != "" {
		t.Errorf("three pages = %v and then %q, want %v and then none", walked, cursor, made)
	}

	for query, want := range map[string]int{
		"": 7, "limit=5": 5, "limit=0": 7, "limit=-1": 7, "limit=100000": 7, "limit=99999999999999999999999": 7,
		"state=attempted": 1, "state=untouched": 6, "state=sold": 0, "owner=alice": 3, "owner=nobody": 0,
		"source=auto-trader": 7, "source=Auto+Trader": 7, "source=other": 0, "state=untouched&owner=cara": 1,
	} {
		var got leads
		h.call("viewer", "GET", "/stores/main-street/leads?"+query, "").want(200).read(&got)
		if len(got.Items) != want {
			t.Errorf("%s: %d leads, want %d", query, len(got.Items), want)
		}
	}
	if got := strings.TrimSpace(h.call("viewer", "GET", "/stores/north/leads", "").want(200).body); got != `{"items":[]}` {
		t.Errorf("leads of an empty store = %s, want an empty list", got)
	}
	for query, field := range map[string]string{"state=open": "state", "limit=ten": "limit", "cursor=%7B%7D": "cursor"} {
		if got := h.call("viewer", "GET", "/stores/main-street/leads?"+query, "").want(422).fields(); !slices.Equal(got, []string{field}) {
			t.Errorf("%s: fields = %q, want %s", query, got, field)
		}
	}
}

func TestLimitIsCapped(t *testing.T) {
	h := newHouse(t)
	for n := range 501 {
		if _, err := h.router.Take(t.Context(), "north", &router.Arrival{
			Token: fmt.Sprint(n), Place: "x", Channel: router.HTTP, Source: "x",
			Enquiry: router.Enquiry{Customer: router.Customer{Emails: []string{fmt.Sprintf("c%d@example.com", n)}}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]int{"": 100, "limit=500": 500, "limit=501": 500} {
		var got struct {
			Items []json.RawMessage
			Next  string
		}
		h.call("viewer", "GET", "/stores/north/leads?"+query, "").want(200).read(&got)
		if len(got.Items) != want || got.Next == "" {
			t.Errorf("%q: %d leads and next %q, want %d and a next", query, len(got.Items), got.Next, want)
		}
	}
}

func TestOwner(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("ingest", customer(1)).ID
	l := h.call("manager", "PUT", "/leads/"+lead+"/owner", `{"owner":"cara","reason":"speaks Polish"}`).want(200).lead()
	if l.Owner != "cara" {
		t.Errorf("owner = %s, want cara", l.Owner)
	}
	var events struct{ Items []router.Event }
	h.call("viewer", "GET", "/leads/"+lead+"/events", "").read(&events)
	last := events.Items[len(events.Items)-1]
	if last.Kind != router.KindAssigned || last.By != "mia" || last.Actor != "manager" {
		t.Errorf("event = %s by %q, actor %q; want assigned by mia, actor manager", last.Kind, last.By, last.Actor)
	}
	for body, want := range map[string][]string{`{"owner":"zoe"}`: {"owner"}, `{}`: {"owner"}, `{"owner":"bob","why":"x"}`: {"why"}, `{"owner":["bob"]}`: {"owner"}} {
		if got := h.call("manager", "PUT", "/leads/"+lead+"/owner", body).want(422).fields(); !slices.Equal(got, want) {
			t.Errorf("%s: fields = %q, want %q", body, got, want)
		}
	}
	h.verified()
}

func FuzzEntry(f *testing.F) {
	for _, row := range []string{
		customer(1),
		`{"channel":"walk-in","by":"bob","customer":{"name":"Jo","phone":{"raw":"1","e164":"+13125550123"},"contacts":[{"emails":["a@b.co"]}]},"vehicles":[{"year":1999,"odometer":{"value":"1"},"colors":[{}],"finance":{"amounts":[{"value":"1"}]}}]}`,
		`{"customer":{"email":"jo@example.com"},"vendor":{"ids":[{"value":"1","sequence":-3}]}} x`,
		`{"customer":{"name":null,"phones":[null]}}`,
		`{"a":[[[[[[{}]]]]]],"a":1}`,
		`{"customer":"` + "\xff" + `"`,
	} {
		f.Add([]byte(row))
	}
	store := newHouse(f).router.Rooftops()[0]
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := api.DecodeEntry(body, store)
		if (a == nil) == (err == nil) {
			t.Fatalf("DecodeEntry = %v and %v, want one of both", a, err)
		}
		if a == nil || len(a.Enquiry.Customer.Emails) > 100 || len(a.Enquiry.Customer.Phones) > 100 {
			return
		}
		// What was read can be sent again, and reads the same.
		again, err := json.Marshal(struct {
			router.Enquiry
			Channel router.Channel `json:"channel"`
			Source  string         `json:"source"`
			Desk    string         `json:"desk"`
			By      string         `json:"by"`
			Note    string         `json:"note"`
		}{a.Enquiry, a.Channel, a.Source, a.Desk, a.By, a.Note})
		if err != nil {
			t.Fatal(err)
		}
		b, err := api.DecodeEntry(again, store)
		if err != nil {
			t.Fatalf("read again: %v\n%s", err, again)
		}
		if x, y := canonical(t, b), canonical(t, a); x != y {
			t.Errorf("read again = %s, want %s", x, y)
		}
	})
}

func canonical(t *testing.T, a *router.Arrival) string {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestForget(t *testing.T) {
	h := newHouse(t)
	lead := h.enter("ingest", customer(1)).ID
	for range 2 {
		var done router.Erased
		h.call("admin", "POST", "/leads/"+lead+"/forget", `{"reason":"asked for it","by":"mia"}`).want(200).read(&done)
		if len(done.Leads) != 1 || done.Leads[0] != lead || done.Mails == nil {
			t.Errorf("forgotten = %+v, want %s and a list", done, lead)
		}
	}
	got := h.call("viewer", "GET", "/leads/"+lead, "").want(200)
	if l := got.lead(); l.State != router.Forgotten || strings.Contains(got.body, "pat1") {
		t.Errorf("lead = %s", got.body)
	}
	h.call("admin", "POST", "/leads/"+lead+"/forget", `{"by":"zoe"}`).want(422)
	h.call("admin", "POST", "/leads/main-street-none/forget", `{}`).want(404)
	h.call("manager", "POST", "/leads/"+lead+"/events", `{"kind":"sale"}`).want(422)
	h.verified()
}

func TestMergeAndSplit(t *testing.T) {
	h := newHouse(t)
	one, two := h.enter("admin", customer(1)).ID, h.enter("admin", customer(2)).ID
	for range 2 {
		l := h.call("manager", "POST", "/leads/"+two+"/merge", `{"into":"`+one+`","reason":"one customer"}`).want(200).lead()
		if l.ID != one || len(l.Touches) != 2 {
			t.Errorf("lead = %s with %d touches, want %s with 2", l.ID, len(l.Touches), one)
		}
	}
	gone := h.call("viewer", "GET", "/leads/"+two, "").want(200)
	if strings.Contains(gone.body, `"touches":null`) {
		t.Errorf("%s\nwant a list of touches, if an empty one", gone.body)
	}
	if l := gone.lead(); l.Into != one || l.State != router.Void {
		t.Errorf("the other is %s, merged into %q, want void, into %s", l.State, l.Into, one)
	}
	var apart string
	for range 2 {
		l := h.call("manager", "POST", "/leads/"+one+"/split", `{"touches":[2]}`).want(201).lead()
		if apart != "" && l.ID != apart || l.ID == two || len(l.Touches) != 1 {
			t.Errorf("lead = %s with %d touches, want a new one with 1, twice the same", l.ID, len(l.Touches))
		}
		apart = l.ID
	}
	h.call("manager", "POST", "/leads/"+one+"/merge", `{}`).want(422)
	h.call("manager", "POST", "/leads/"+one+"/merge", `{"into":"main-street-none"}`).want(422)
	h.call("manager", "POST", "/leads/"+one+"/merge", `{"into":"`+apart+`","by":"zoe"}`).want(422)
	h.call("manager", "POST", "/leads/"+one+"/split", `{"touches":[]}`).want(422)
	h.call("manager", "POST", "/leads/"+one+"/split", `{"touches":[9]}`).want(422)
	h.call("manager", "POST", "/leads/main-street-none/split", `{"touches":[1]}`).want(404)
	h.verified()
}
