package router

import (
	"encoding/json"
	"errors"
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
		if got := "{" + saysFrom + string(says); got != string(want) {
			t.Errorf("%s: says\n%s, want\n%s", name, got, want)
		}
	}
}

// The bound of an enquiry is on its own JSON, whatever is kept beside it.
func TestMost(t *testing.T) {
	a := &Arrival{Message: "m@example", Enquiry: Enquiry{Customer: Customer{Comments: "Is it there?"}}}
	b, err := json.Marshal(&a.Enquiry)
	if err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int]error{0: nil, len(b): nil, len(b) - 1: ErrTooLong} {
		a.Most = most
		if _, _, err := encodeRecord(a); !errors.Is(err, want) {
			t.Errorf("%d bytes of at most %d: %v, want %v", len(b), most, err, want)
		}
	}
}
