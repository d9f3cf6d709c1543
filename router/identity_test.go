package router_test

import (
	"testing"

	"leadfloor/router"
)

func TestE164(t *testing.T) {
	for _, test := range []struct{ raw, country, want string }{
		{"393-999-3922", "", "+13939993922"},
		{"(312) 555-0142", "US", "+13125550142"},
		{"312.555.0142 ext. 7", "US", "+13125550142"},
		{"+1 438 288 1008", "US", "+14382881008"},
		{"1-866-453-6995", "US", "+18664536995"},
		{"07845 550153", "GB", "+447845550153"},
		{"07845550153", "US", ""},
		{"1125550172", "AR", "+541125550172"},
		{"555-1234", "US", ""}, // without an area code it is nobody's in particular
		{"855-VIN-CTRL", "US", "+18558462875"},
		{"None", "US", ""},
		{"Not Provided by Shopper", "US", ""},
		{"", "US", ""},
	} {
		if got := router.E164(test.raw, test.country); got != test.want {
			t.Errorf("E164(%q, %q) = %q, want %q", test.raw, test.country, got, test.want)
		}
	}
}

func TestNormalEmail(t *testing.T) {
	for raw, want := range map[string]string{
		" Jo@Example.COM ": "jo@example.com", "mailto:jo@example.com": "jo@example.com", "jo@example": "", "jo": "", "": "", "a@b@c.com": "",
		"jo smith@example.com": "", "jo@.com": "", "jo@example..com": "", "<jo@example.com>": "",
	} {
		if got := router.NormalEmail(raw); got != want {
			t.Errorf("NormalEmail(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestSlug(t *testing.T) {
	for raw, want := range map[string]string{
		"AutoTrader": "autotrader", "Cars.com NewLeadsPlus": "cars-com-newleadsplus", "  ": "unknown", "Ünïcode!": "n-code",
		"0123456789012345678901234567890123456789abc": "0123456789012345678901234567890123456789",
	} {
		if got := router.Slug(raw); got != want {
			t.Errorf("Slug(%q) = %q, want %q", raw, got, want)
		}
	}
}

// TestPrints says who is the same and who identifies nobody.
func TestPrints(t *testing.T) {
	h := router.NewHasher(router.Identity{Key: []byte("key")})
	prints := func(c router.Customer) int {
		return len(h.Prints(&router.Enquiry{Customer: c}, []string{"sales@store.example", "+13125550100"}))
	}
	for name, test := range map[string]struct {
		c    router.Customer
		want int
	}{
		"email":                 {router.Customer{Emails: []string{"jo@example.com"}}, 1},
		"twice":                 {router.Customer{Emails: []string{"jo@example.com", "JO@example.com"}}, 1},
		"placeholder":           {router.Customer{Emails: []string{"none@none.com", "noreply@x.example"}}, 0},
		"relay":                 {router.Customer{Emails: []string{"abc123@messages.cargurus.com"}}, 0},
		"the store's own":       {router.Customer{Emails: []string{"Sales@store.example"}, Phones: []router.Phone{{E164: "+13125550100"}}}, 0},
		"phone":                 {router.Customer{Phones: []router.Phone{{Raw: "x", E164: "+13125550142"}, {Raw: "555-1234"}}}, 1},
		"nobody's phone":        {router.Customer{Phones: []router.Phone{{E164: "+10000000000"}, {E164: "+19999999999"}}}, 0},
		"name and postcode":     {router.Customer{Name: router.Name{Full: "Jo Q Hill"}, Address: &router.Address{PostalCode: "60601"}}, 1},
		"name without postcode": {router.Customer{Name: router.Name{Full: "Jo Hill"}}, 0},
		"first name alone":      {router.Customer{Name: router.Name{First: "Jo"}, Address: &router.Address{PostalCode: "60601"}}, 0},
		"co-buyer":              {router.Customer{Emails: []string{"jo@example.com"}, Contacts: []router.Contact{{Emails: []string{"al@example.com"}}}}, 2},
	} {
		if got := prints(test.c); got != test.want {
			t.Errorf("%s: %d prints, want %d", name, got, test.want)
		}
	}
}

// Who gave nothing that reaches them is held for the manager; a slip of the pen is a salesperson's to find.
func TestReachable(t *testing.T) {
	for email, want := range map[string]bool{
		"jo@example.net": true, "Jo@exmaplenet": true, "jo.example.net": true, "x1@messages.cargurus.com": true,
		"": false, "n/a": false, "None": false, "@example.net": false, "none@none.com": false, " " + "NoReply@site.example": false,
	} {
		e := router.Enquiry{Customer: router.Customer{Emails: []string{email}}}
		co := router.Enquiry{Customer: router.Customer{Contacts: []router.Contact{{Emails: []string{email}}}}}
		if got, beside := e.Reachable(), co.Reachable(); got != want || beside != want {
			t.Errorf("reachable by %q = %v, by a co-buyer's %v, want %v", email, got, beside, want)
		}
	}
	none := router.Enquiry{Customer: router.Customer{Emails: []string{"none@none.com"}, Phones: []router.Phone{{E164: "+13125550142"}}}}
	if !none.Reachable() {
		t.Error("a phone number reaches, whatever stands in the address")
	}
}
