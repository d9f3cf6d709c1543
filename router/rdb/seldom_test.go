package rdb

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"leadfloor/router"
)

// What is written by hand is what Lead.Fields tells of a new lead.
func TestNewborn(t *testing.T) {
	at := time.UnixMilli(1_790_000_000_123)
	for name, take := range map[string]*router.Take{
		"plain":   {At: at, Channel: router.Email, Source: "autotrader", Desk: router.DeskSales, Due: at.Add(time.Hour), Holder: "mia", Timers: router.Timers{Warn: at, Due: at}},
		"history": {At: at, Channel: router.HTTP, Desk: "parts", History: true, Holder: "mia", Managers: []string{"mia", "noël \"n\" \\\x01\u2028"}},
	} {
		l := router.Lead{
			Channel: take.Channel, Source: take.Source, Desk: take.Desk, ArrivedAt: at, Activity: at, Arrivals: 1, Personal: true,
			Running: router.Running{Attempt: at, Response: at, Contact: at},
		}
		if take.History {
			l.Running = router.Running{}
		}
		if !take.Due.IsZero() {
			l.DueAt = &take.Due
		}
		var got struct {
			Fields   router.Fields
			Managers map[string]bool
			Cand     []string
			Timers   map[string]int64
		}
		if err := json.Unmarshal([]byte(seldom(take, "alice 1 1 0,", []string{"a", "b"})), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := l.Fields(); !reflect.DeepEqual(got.Fields, want) {
			t.Errorf("%s: fields = %v, want %v", name, got.Fields, want)
		}
		for _, m := range append(take.Managers, take.Holder) {
			if !got.Managers[m] {
				t.Errorf("%s: managers = %v, want %q among them", name, got.Managers, m)
			}
		}
		if !reflect.DeepEqual(got.Cand, []string{"a", "b"}) || !reflect.DeepEqual(got.Timers, take.Timers.ByCode()) {
			t.Errorf("%s: candidates = %v, timers = %v", name, got.Cand, got.Timers)
		}
		if none := seldom(take, "", nil); !json.Valid([]byte(none)) {
			t.Errorf("%s: without candidates: %s", name, none)
		}
	}
}
