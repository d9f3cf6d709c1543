package router

import "time"

// Kind says what an Event tells.
type Kind string

// What people log.
const (
	KindAttempt     Kind = "attempt"
	KindResponse    Kind = "response"
	KindContact     Kind = "contact"
	KindAppointment Kind = "appointment"
	KindShow        Kind = "show"
	KindSale        Kind = "sale"
	KindLost        Kind = "lost"
	KindWillWait    Kind = "will_wait"
	KindTurnover    Kind = "turnover"
	KindVoid        Kind = "void"
	KindNote        Kind = "note"
)

// LoggedKinds lists what people log.
var LoggedKinds = []Kind{KindAttempt, KindResponse, KindContact, KindAppointment, KindShow, KindSale, KindLost, KindWillWait, KindTurnover, KindVoid, KindNote}

// What the daemon decides.
const (
	KindDealt     Kind = "dealt"     // a new or held lead to the next in turn
	KindHeld      Kind = "held"      // a new lead to a manager, nobody being on
	KindReturned  Kind = "returned"  // a new lead to the former owner of the customer's last one
	KindDesk      Kind = "desk"      // a new lead to a desk's owner, outside the rotation
	KindNamed     Kind = "named"     // a new lead to whom a trusted source named
	KindTouch     Kind = "touch"     // a later enquiry of a customer whose lead lives
	KindDuplicate Kind = "duplicate" // the same enquiry again
	KindRecorded  Kind = "recorded"  // an enquiry of before, written down as history
	KindAssigned  Kind = "assigned"  // a manual pick
	KindRedealt   Kind = "redealt"   // untouched too long: to the next
	KindEscalated Kind = "escalated" // re-deals used up: to a manager
	KindWarned    Kind = "warned"    // untouched: the owner is warned
	KindDue       Kind = "due"       // a response deadline passed and was counted
	KindFloor     Kind = "floor"     // who is eligible changed
	KindUnsold    Kind = "unsold"    // closing time came after a show without a sale: a T.O. is owed
	KindCorrected Kind = "corrected" // what an event told was taken back
	KindSealed    Kind = "sealed"    // the log up to an event was closed
	KindRestored  Kind = "restored"  // the keys came back from a backup; of a lead: its timers start anew
	KindForgotten Kind = "forgotten" // what is personal was erased
	KindReleased  Kind = "released"  // a quarantined message was given free, and its leads taken
	KindDiscarded Kind = "discarded" // a quarantined message was found to be none of ours
	KindMerged    Kind = "merged"    // two leads were of one customer: detail into, or from, names the other
	KindSplit     Kind = "split"     // arrivals of another customer became a lead of their own: detail into, or from, names the other
)

// An Event is one decision or one thing told. The stream of a store's events is append-only and gap-free from 1, holds no personal
// data, and is the truth of all decisions: folded with Book it gives every derived key.
type Event struct {
	Seq   int64     `json:"seq"`
	Kind  Kind      `json:"kind"`
	At    time.Time `json:"at"`
	Lead  string    `json:"lead,omitempty"`
	By    string    `json:"by,omitempty"`
	Actor string    `json:"actor,omitempty"`

	Set    map[string]string `json:"set,omitempty"`    // fields of the lead that it changed; an empty value is a field removed
	Counts map[string]int64  `json:"counts,omitempty"` // counters that it raised
	Deal   *Deal             `json:"deal,omitempty"`   // how the rotation decided
	Detail map[string]string `json:"detail,omitempty"` // what else there is to know: status, until, outcome, reason
}

// A Deal is one decision of the rotation, with all it was decided on.
type Deal struct {
	To       string            `json:"to,omitempty"`
	Cover    string            `json:"cover,omitempty"`    // who covers for an owner who is off
	Cost     int64             `json:"cost,omitempty"`     // what the turn added to the pass of To; 0: no turn
	Back     map[string]int64  `json:"back,omitempty"`     // turns given back: what each one's pass lost
	Reason   string            `json:"reason,omitempty"`   // rotation, manual, returning customer, ...
	In       map[string]int64  `json:"in,omitempty"`       // the floor-eligible and their passes before the turn
	Out      map[string]string `json:"out,omitempty"`      // who was skipped, and for what
	Missed   []string          `json:"missed,omitempty"`   // who may not get this lead again
	Admitted map[string]int64  `json:"admitted,omitempty"` // who became eligible, with the pass they came back with
	Joined   map[string]int64  `json:"joined,omitempty"`   // who is new on the roster, with the pass they start from
	Apart    []string          `json:"apart,omitempty"`    // whose turns are not to be compared with others' until the floor changes again
	Ref      *int64            `json:"ref,omitempty"`      // the reference pass of the admission
}

// Turn is what a turn adds to the pass of somebody of weight 1: divisible by every weight from 1 to 16.
const Turn = 720720
