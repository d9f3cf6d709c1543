package router

import (
	"encoding/json"
	"testing"
)

// A record that is put together is what json.Marshal makes of it.
func TestRecordIsPutTogether(t *testing.T) {
	for name, a := range map[string]*Arrival{
		"empty": {},
		"all": {Message: "m@example", Place: "leads/1/2", Named: "Ann", Enquiry: Enquiry{
			IDs: []ID{{Value: "1", Source: "x"}}, Status: "resend", RequestedAt: "2026-11-29", Customer: Customer{Comments: "<b>&\"\u2028"}, Vehicles: []Vehicle{},
		}},
		"ids alone": {Enquiry: Enquiry{IDs: []ID{{Value: "1"}}}},
		"note":      {Note: "rang"},
	} {
		says, err := a.Enquiry.says()
		if err != nil {
			t.Fatal(err)
		}
		got, err := encodeRecord(a, says)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(Record{Enquiry: a.Enquiry, Message: a.Message, Place: a.Place, Named: a.Named, Note: a.Note})
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: record\n%s, want\n%s", name, got, want)
		}
	}
}
