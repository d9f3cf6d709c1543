package router

import (
	"log/slog"
	"time"
)

// State is where a lead stands.
type State string

// The states of a lead, in the order of its life.
const (
	History     State = "history" // recorded from before: nobody was asked to answer it
	Waiting     State = "waiting" // nobody was on; a manager holds it
	Untouched   State = "untouched"
	Attempted   State = "attempted"
	Responded   State = "responded"
	Contacted   State = "contacted"
	Appointment State = "appointment"
	Shown       State = "shown"
	Sold        State = "sold"
	Lost        State = "lost"
	Void        State = "void"
	Forgotten   State = "forgotten" // open when its customer was erased
)

// States lists every State.
var States = []State{History, Waiting, Untouched, Attempted, Responded, Contacted, Appointment, Shown, Sold, Lost, Void, Forgotten}

// Valid says whether s is one of the states.
func (s State) Valid() bool { return s.rank() >= 0 }

// Closed says whether s ends a lead's life.
func (s State) Closed() bool { return s == Sold || s == Lost || s == Void || s == Forgotten }

func (s State) rank() int {
	for i, x := range States {
		if x == s {
			return i
		}
	}
	return -1
}

// Clock is one of the durations measured from an arrival.
type Clock string

// The clocks that people's doing stops. The clock to assignment is stopped by the deal.
const (
	ClockAssignment Clock = "assignment"
	ClockAttempt    Clock = "attempt"
	ClockResponse   Clock = "response"
	ClockContact    Clock = "contact"
)

// A Lead is one customer's enquiry at one store, with every later enquiry of theirs.
type Lead struct {
	ID        string     `json:"id"`
	Store     string     `json:"store"`
	Desk      string     `json:"desk"`
	Channel   Channel    `json:"channel"`
	Source    string     `json:"source"`
	Owner     string     `json:"owner"`
	CoveredBy string     `json:"covered_by"`
	State     State      `json:"state"`
	ArrivedAt time.Time  `json:"arrived_at"`
	Assigned  *time.Time `json:"assigned_at"`

	Milestones
	Customer Customer       `json:"customer"`
	Vehicles []Vehicle      `json:"vehicles"`
	Touches  []Touch        `json:"touches"`
	Turnover *Turnover      `json:"turnover"`
	Stops    map[Clock]Stop `json:"stops"`
	Notes    []Note         `json:"notes"`

	// DueAt is when a response to the latest enquiry is due, open hours reckoned; nil where no clock to it runs.
	DueAt *time.Time `json:"due_at"`

	// Into is the lead that it was merged into, which has all that was known of it; empty where it was not.
	Into string `json:"merged_into,omitempty"`

	First    int64            `json:"-"` // number of the event that made it
	Version  int64            `json:"-"` // number of the last event that changed it
	Label    string           `json:"-"` // its source as a metric label
	Activity time.Time        `json:"-"` // the last arrival or human doing
	Running  Running          `json:"-"`
	Evidence []Evidence       `json:"-"` // in the order of recording
	Arrivals int              `json:"-"` // the highest number of a touch that it ever had
	Timers   Timers           `json:"-"`
	Redeals  int              `json:"-"`
	Missed   []string         `json:"-"` // who lost it by not touching it
	Picked   bool             `json:"-"` // by hand, or a manager's in the end: the rotation never takes it away
	Charged  map[string]int64 `json:"-"` // what it cost whose pass in turns, given back when it is void
	Personal bool             `json:"-"` // false once forgotten
	Past     bool             `json:"-"` // all its arrivals are history: the customer's next is dealt
}

// Milestones are the first times that a lead reached each step. They stay when a later enquiry starts the clocks anew.
type Milestones struct {
	AttemptedAt   *time.Time `json:"attempted_at"`
	RespondedAt   *time.Time `json:"responded_at"`
	ContactedAt   *time.Time `json:"contacted_at"`
	AppointmentAt *time.Time `json:"appointment_at"`
	ShownAt       *time.Time `json:"shown_at"`
	SoldAt        *time.Time `json:"sold_at"`
	LostAt        *time.Time `json:"lost_at"`
}

// LogValue keeps personal data out of every log.
func (l *Lead) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", l.ID), slog.String("state", string(l.State)), slog.String("owner", l.Owner))
}

// Untouched says whether no human has tried to reach the customer on the latest enquiry.
func (l *Lead) Untouched() bool { return l.State == Waiting || l.State == Untouched }

// A Touch is one arrival that belongs to a lead.
type Touch struct {
	N           int         `json:"n"`
	At          time.Time   `json:"at"`
	Channel     Channel     `json:"channel"`
	Source      string      `json:"source"`
	Disposition Disposition `json:"disposition"`
	Enquiry     *Enquiry    `json:"enquiry,omitempty"` // nil once forgotten
	Message     string      `json:"-"`                 // Message-ID of its mail
	Place       string      `json:"-"`                 // where it was read
}

// Running holds the start of each clock that runs; zero where it does not.
type Running struct {
	Attempt, Response, Contact time.Time
}

// Timers are the instants at which something falls due; zero where nothing does.
type Timers struct {
	Warn      time.Time // the owner is warned
	Due       time.Time // the store's response is due, and counted
	PersonDue time.Time // the owner's own response is due, and counted
	Reassign  time.Time // the lead goes to the next
	Close     time.Time // closing time of a day with a show: without a sale a T.O. is owed
}

// Evidence is one thing that somebody did, by its own time.
type Evidence struct {
	Seq     int64     // number of its event
	Kind    Kind      // what
	At      time.Time // when it happened, not when it was told
	By      string
	Channel string
	How     How
	Outcome string
	Reason  string
	Undone  bool // taken back by a correction
}

// How says how the daemon knows of something.
type How string

// How the daemon knows.
const (
	Seen   How = "seen"   // in mail that passed through it
	Logged How = "logged" // told by hand or by a CRM
)

// A Stop names what stopped a clock.
type Stop struct {
	How         How       `json:"how"`
	By          string    `json:"by"`
	Event       int64     `json:"event"` // the event that stopped it; its detail names the message where it was seen in one
	Started     time.Time `json:"started_at"`
	At          time.Time `json:"at"`
	WallSeconds float64   `json:"wall_seconds"`
	OpenSeconds float64   `json:"open_seconds"`
}

// A Note is what somebody wrote down beside an event.
type Note struct {
	Event int64  `json:"event"`
	Text  string `json:"text"`
}

// A Turnover (T.O.) is a talk that a manager owes a customer who would wait or walk.
type Turnover struct {
	State   TurnoverState `json:"state"`
	DueAt   time.Time     `json:"due_at"`
	By      string        `json:"by"` // the manager whose turn it is
	Cause   string        `json:"cause"`
	Outcome string        `json:"outcome"`
	Reason  string        `json:"reason"`
}

// TurnoverState is where a T.O. stands.
type TurnoverState string

// The states of a T.O.
const (
	TurnoverOwed  TurnoverState = "owed"
	TurnoverTaken TurnoverState = "taken"
	TurnoverDone  TurnoverState = "done"
)
