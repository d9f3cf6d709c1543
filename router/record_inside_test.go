package router

import (
	"encoding/json"
	"testing"
)

// A record that is put together is what json.Marshal makes of it, and what it says is what json.Marshal makes of the enquiry without its ids
// and dates.
func TestRecordIsPutTogether(t *testing.T) {
	for name, a := range map[string]*Arrival{
		"empty": {},
		"all": {Message: "m@example", Place: "leads/1/2", Named: "Ann", Enquiry: Enquiry{
			IDs: []ID{{Value: "1", Source: "x"}}, Status: "resend", RequestedAt: "2026-11-29", Customer: Customer{Comments: "<b>&\"\u2028"}, Vehicles: []Vehicle{},
		}},
		"ids alone": {Enquiry: Enquiry{IDs: []ID{{Value: "1"}}}},
		"forged":    {Enquiry: Enquiry{IDs: []ID{{Value: `"customer":`, Source: `,"customer":{}`}}, Status: "customer", Customer: Customer{Comments: `"customer":`}}},
		"note":      {Note: "rang"},
	} {
		got, says, err := encodeRecord(a)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(Record{a.Enquiry, Beside{a.Message, a.Place, a.Named, a.Note}})
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: record\n%s, want\n%s", name, got, want)
		}
		a.Enquiry.IDs, a.Enquiry.Status, a.Enquiry.RequestedAt = nil, "", ""
		if want, err = json.Marshal(&a.Enquiry); err != nil {
			t.Fatal(err)
		}
		if string(says) != string(want[1:]) {
			t.Errorf("%s: says\n%s, want\n%s", name, says, want[1:])
		}
	}
}
