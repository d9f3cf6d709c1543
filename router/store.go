package router

import (
	"context"
	"errors"
	"time"

	"leadfloor/router/hours"
)

// The errors of a Store that callers tell apart.
var (
	ErrNotFound = errors.New("not found")
	// ErrConflict says that the lead was changed by somebody else since it was read: read it again.
	ErrConflict = errors.New("changed meanwhile")
	// ErrUnopened says that a rooftop has no keys, or that they were made or restored since it was opened: Open again.
	ErrUnopened = errors.New("the store's keys are gone or were made anew; they are opened again at the next call")
	// ErrBroken says that a rooftop's keys are not what they should be, and that nothing more is written to them for a while.
	ErrBroken = errors.New("the store's keys are not what they should be: look at them with leadfloor verify")
)

// A Store keeps everything of every rooftop and decides in single atomic steps. Every writing call may be repeated with the same
// arguments without further effect, since a reply can be lost after the work was done. Any error but ErrNotFound and ErrConflict means
// that nobody knows whether it happened: repeat the call, later where it is ErrBroken.
type Store interface {
	// Now is the store's own clock, the same for every replica.
	Now() time.Time
	// Open makes the keys of a rooftop where there are none and returns its identity. It refuses a newer schema.
	Open(ctx context.Context, rooftop string) (Identity, error)
	// Leading tells for each rooftop that a configuration was loaded at an instant. Where it leads, its hours are in force from then on. It
	// returns a configuration of another hash that was loaded later for any of them; empty where there is none.
	Leading(ctx context.Context, rooftops []*Rooftop, hash string, loaded time.Time) (other string, at time.Time, err error)
	// Hours are those of the configurations that led, oldest first. The first hold for all time before.
	Hours(ctx context.Context, rooftop string) ([]hours.Version, error)
	// TakeAll decides arrivals, in order but for those of customers who are known, which come last. It gives an answer for each; of those that
	// fail nobody knows whether they were decided. Where an arrival is the touch of a lead to which something happened later than it arrived,
	// nothing is done but to answer with Late: what follows from that is derived from all that is known of the lead, and handed in as Take.Late.
	TakeAll(ctx context.Context, rooftop string, all []*Take) []Answer
	// Deal gives an existing lead a new owner. It returns ErrConflict where d.Version is no longer the lead's.
	Deal(ctx context.Context, rooftop string, d *Dealing) (Dealt, error)
	// Put stores what became of a lead. It returns ErrConflict where c.Before.Version is no longer the lead's.
	Put(ctx context.Context, rooftop string, c *Change) (seq int64, err error)
	// Move stores what became of two leads between which arrivals moved, in one step. It returns ErrConflict where either changed meanwhile.
	Move(ctx context.Context, rooftop string, m *Move) error
	// Called says whether a Put with this token was carried out, within the last day.
	Called(ctx context.Context, rooftop, token string) (bool, error)
	// Floor admits and drops people by roster, schedule and hand, after setting what f sets, and tells who is on.
	Floor(ctx context.Context, rooftop string, f *FloorCall) (FloorNow, error)
	// Park notes a message without a lead.
	Park(ctx context.Context, rooftop string, p *Parked) (Taken, error)
	// Parked lists what was parked, newest first.
	Parked(ctx context.Context, rooftop string, quarantined bool, limit int) ([]Parked, error)
	// Decided says what was decided before under a token, if anything was, and whether it was in this place.
	Decided(ctx context.Context, rooftop string, token, place []byte) (Taken, bool, error)
	// Held reads a quarantined message, with its bytes where they lie here. ErrNotFound where none of that id is held.
	Held(ctx context.Context, rooftop, id string) (Parked, error)
	// Unpark ends that a message is held, or begins to.
	Unpark(ctx context.Context, rooftop string, u *Unparking) (Unparked, error)
	// Admit counts a message within its sender's limit, once for each token, and says whether there was room.
	Admit(ctx context.Context, rooftop string, a *Admission) (bool, error)

	Lead(ctx context.Context, id string) (*Lead, error)
	// Leads lists the leads of a rooftop, newest first, from the cursor on; next is empty at the end.
	Leads(ctx context.Context, rooftop string, q Query) (leads []*Lead, next string, err error)
	// Fallen returns the leads of which a timer fell due by now, earliest first.
	Fallen(ctx context.Context, rooftop string, now time.Time, limit int) ([]Timer, error)
	// FirstWaiting is the lead that has waited longest, empty where none waits.
	FirstWaiting(ctx context.Context, rooftop string) (lead string, err error)
	// Events returns up to limit events after the given number, in order.
	Events(ctx context.Context, rooftop string, after int64, limit int) ([]Event, error)
	// Derived reads everything that can be rebuilt from the events.
	Derived(ctx context.Context, rooftop string) (*Derived, error)
	// Find returns every lead that has any of the prints.
	Find(ctx context.Context, rooftop string, prints []Print) ([]string, error)
	// LeadFields reads leads as events set them, in the order of ids; nil for one that is not there.
	LeadFields(ctx context.Context, rooftop string, ids []string) ([]Fields, error)
	// Checked notes the outcome of a verification.
	Checked(ctx context.Context, rooftop string, at time.Time, differences int) error
	// Sweep forgets messages without a lead that were put aside until the given instant, at most limit of them, and returns how many.
	Sweep(ctx context.Context, rooftop string, now, until time.Time, limit int) (int, error)
	// Aging lists at most limit leads of which what is personal may have been kept long enough, and a mark that tells how far it has come.
	Aging(ctx context.Context, rooftop string, now time.Time, keep time.Duration, limit int) (leads []string, mark string, err error)
	// Aged notes that the leads of a call of Aging were looked at, and when those that stay are to be looked at again.
	Aged(ctx context.Context, rooftop string, leads []string, later map[string]time.Time, mark string) error
	// Mend sets right what is derived, all or nothing. It returns ErrConflict where head is no longer the last event.
	Mend(ctx context.Context, rooftop string, head int64, mends []Mend) error
	// Restored begins a new epoch.
	Restored(ctx context.Context, rooftop, actor string) error
	// Index reads who has which print, in no order. The callback must not call the store.
	Index(ctx context.Context, rooftop string, each func(p Print, has []Holder)) error
	// Sealed is the number of the last event that a seal closed, 0 without one.
	Sealed(ctx context.Context, rooftop string) (int64, error)
	// Snapshot is what the last seal kept, nil without one.
	Snapshot(ctx context.Context, rooftop string) ([]byte, error)
	// Seal keeps a snapshot in place of the events up to one. It returns ErrConflict where s.Before is no longer the last that was closed.
	Seal(ctx context.Context, rooftop string, s *Sealing) error
	// Figures reads what the metrics show, in a number of steps that does not grow with the number of leads.
	Figures(ctx context.Context, rooftop string) (*Figures, error)
}

// Identity is what a Store made for a rooftop once and for all.
type Identity struct {
	Epoch time.Time // when its keys were first made or last restored
	Key   []byte    // secret, for fingerprints and lead ids
}

// Print is one fingerprint of a customer.
type Print struct {
	Kind PrintKind
	Hash []byte // keyed, 8 bytes
	Last []byte // keyed hash of the last name, 3 bytes; empty where it is not known
}

// Equal says whether two prints are of the same, beside the same last name.
func (p Print) Equal(q Print) bool { return p.key() == q.key() && string(p.Last) == string(q.Last) }

// PrintKind says what a Print is of. Their order is their weight.
type PrintKind string

// What fingerprints are of.
const (
	PrintEmail PrintKind = "e"
	PrintPhone PrintKind = "p"
	PrintName  PrintKind = "n"
	PrintID    PrintKind = "i" // of a provider's id: found by, never matched by
)

// Candidate is one of the roster as the configuration and the schedule have it at this instant.
type Candidate struct {
	ID     string
	On     bool
	Weight int
	Cap    int
}

// Take is everything that the decision on an arrival needs.
type Take struct {
	Now          time.Time
	Epoch        time.Time // of the keys whose secret the hashes were made with; to others nothing is done
	Token        []byte    // 12 bytes
	Place        []byte    // 6 bytes
	LeadID       string    // of the lead to make if it is new
	At           time.Time
	Prints       []Print
	IDPrint      string // of provider and prospect id, empty without
	ContentPrint string
	Resend       bool
	Channel      Channel
	Source       string
	Desk         string
	By, Actor    string
	Known        []string // sources that are labels
	MaxSources   int
	Floor        []Candidate
	CatchUp      int
	Holder       string
	Fixed        string // an owner outside the rotation: a desk's
	Named        string // whose a new lead is, with a turn; NamedNobody where a trusted source named nobody who is on the roster
	Present      bool   // Named by a trusted source: only while they are not off, and then as if picked by hand
	Record       []byte // the enquiry, personal
	Due          time.Time
	Timers       Timers  // as they are if it is dealt now
	Waited       float64 // seconds from arrival to now
	Bucket       string  // of Waited
	Managers     []string
	Windows      Duplicates
	AfterHours   bool
	History      bool // recorded alone: the owner of a new lead is Named, else Holder
	Written      time.Time
	Late         *Change // what it makes of the lead that it belongs to; refused where that was changed meanwhile
}

// NamedNobody is no id: somebody was named who is not known.
const NamedNobody = "?"

// Taken is the decision on an arrival.
type Taken struct {
	Disposition Disposition
	Fate        string // where a message was parked before: as what
	Lead        string
	Owner       string
	CoveredBy   string
	State       State
	Seq         int64
	Again       bool   // the very same place was decided before; this is that decision
	Late        string // the lead that Take.Late is needed of; nothing was decided
}

// An Answer is the decision on one of several arrivals, or the error that a call for it alone would have given.
type Answer struct {
	Taken Taken
	Err   error
}

// Dealing asks for a new owner of a lead.
type Dealing struct {
	Now       time.Time
	Lead      string
	Version   int64
	Kind      Kind
	To        string   // empty: whose turn it is
	Exclude   []string // who may not get it
	Hold      string   // who has it where nobody may get it: to hold while nobody is eligible at all, else to keep
	Charge    bool
	Reason    string
	By, Actor string
	Floor     []Candidate
	CatchUp   int
	Timers    Timers        // of the new owner
	Spacing   time.Duration // at least so long after the last held lead was dealt; 0: at once
	Waited    float64       // seconds from the start of the clock to assignment, to be counted where the lead waited
	Bucket    string        // of Waited
	Miss      string        // who lost it
}

// Dealt is what became of a Dealing.
type Dealt struct {
	Owner string // empty: it goes on being held, since nobody was eligible, or it was too early
	Kind  Kind   // what it was: as asked for, or held or escalated
	Seq   int64
	Early bool // the spacing has not passed
}

// Change is a new state of a lead and the event that tells of it.
type Change struct {
	Now    time.Time
	Token  string // identity of the call, at most 64 bytes
	Before *Lead
	After  *Lead
	Event  Event // of its Deal, To and Reason
	Counts map[string]int64
	Note   string // personal
	Erase  *Erasure
	Back   map[string]int64 // turns given back: what each one's pass loses
}

// An Erasure takes away all that is personal of a lead: its records and notes, what repetitions are recognised by, and the prints.
type Erasure struct {
	Prints     []Print // every one that the lead may have
	Tombstones []Print // those by which mail of until now is recognised, which is not taken again
}

// A Move is what becomes of two leads when arrivals of the one go to the other, with their enquiries and fingerprints.
type Move struct {
	Now      time.Time
	Actor    string
	From, To *Change     // To.Before.Version is 0 where there was no such lead
	Touches  map[int]int // numbers that the arrivals had -> numbers that they get
	Notes    []int64     // events whose notes go along
	Drop     []Print     // what From is no longer found by
	Add      []Print     // what To is found by
}

// FloorCall sets somebody on, off or busy by hand, or nothing.
type FloorCall struct {
	Now       time.Time
	Floor     []Candidate
	CatchUp   int
	Who       string // empty: nobody
	Status    Status
	Until     time.Time // zero: until auto
	By, Actor string
}

// Status is whether a person is there to take leads.
type Status string

// The statuses. Auto is set, never shown: back to the schedule.
const (
	On   Status = "on"
	Off  Status = "off"
	Busy Status = "busy"
	Auto Status = "auto"
)

// FloorNow is the floor at one instant.
type FloorNow struct {
	Next    string        `json:"next"`
	Why     string        `json:"why,omitempty"`
	Waiting int           `json:"waiting"`
	Spread  int           `json:"spread"`
	People  []FloorPerson `json:"people"`
}

// FloorPerson is one of the roster on the floor.
type FloorPerson struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Status    Status     `json:"status"`
	SetBy     string     `json:"by"` // schedule or hand
	Until     *time.Time `json:"until"`
	Eligible  bool       `json:"eligible"`
	Turns     int64      `json:"turns"`
	Pass      float64    `json:"pass"` // in turns
	Untouched int64      `json:"untouched"`
}

// Parked is a message in which no lead was found, or none that could be read.
type Parked struct {
	ID      string    `json:"id"`
	Now     time.Time `json:"at"`
	Token   []byte    `json:"-"`
	Place   []byte    `json:"-"`
	Fate    string    `json:"fate"` // other or quarantined
	Reason  string    `json:"reason"`
	Where   string    `json:"where"` // mailbox/uidvalidity/uid
	Arrived time.Time `json:"arrived_at"`
	Size    int       `json:"size"`
	Raw     []byte    `json:"-"`
	Kept    bool      `json:"kept"` // the raw message lies in the store
	// Releasing says that its release has begun and did not end: leads of it may have been taken.
	Releasing bool          `json:"releasing"`
	KeepFor   time.Duration `json:"-"`
}

// Unparking asks for the end of a quarantine.
type Unparking struct {
	Now       time.Time
	ID        string
	Kind      Kind   // KindReleased or KindDiscarded
	Begin     bool   // the release begins: from now on the message cannot be discarded
	Token     []byte // with Begin: what it was held under, where that is the token of a lead, which is to be taken under it
	By, Actor string
	Detail    map[string]string
}

// Unparked is what came of an Unparking.
type Unparked struct {
	Seq   int64 // the event that ended it, now or before; 0 where it has not ended
	Again bool  // it had ended before
	Busy  bool  // its release has begun, so it cannot be discarded
	None  bool  // nothing is held under the id
}

// Admission asks for room within a sender's limit.
type Admission struct {
	Sender []byte // keyed, 8 bytes
	Token  []byte // 12 bytes
	At     time.Time
	Limit
}

// Sealing closes the log up to an event.
type Sealing struct {
	Now      time.Time
	Before   int64 // the last event closed until now
	Last     int64 // that is closed
	Snapshot []byte
	Actor    string
	Detail   map[string]string
}

// Hand is somebody's status on the floor as it was set by hand.
type Hand struct {
	Status Status    `json:"status"`
	Until  time.Time `json:"until"` // zero: until auto
	By     string    `json:"by"`
}

// Query selects leads.
type Query struct {
	State         State
	Owner, Source string
	Turnover      TurnoverState // those whose T.O. stands so; those that owe one are found at once, the latest deadline first
	Limit         int
	Cursor        string
}

// Timer is the first of a lead's timers that fell due.
type Timer struct {
	Lead string
	At   time.Time
}

// Derived is what can be rebuilt from the events.
type Derived struct {
	Head      int64 // events that were counted
	Last      int64 // number of the last event that is there
	Gen       int64 // changes of the floor
	Hands     map[string]Hand
	Counts    map[string]int64
	Turns     map[string]Turns
	Untouched map[string]int64 // per person, without what is only held
	ByArrival map[string]int64 // untouched leads, start of the clock in ms
	ByDue     map[string]int64 // untouched leads whose deadline is to come, the deadline in ms
	Overdue   map[string]int64 // those whose deadline has passed, the deadline in ms
	Waiting   map[string]int64 // held leads, arrival in ms
	Due       map[string]int64 // leads of which something else falls due before a deadline to come, the first of it in ms
	Owed      map[string]int64 // leads with a T.O. to be done, its deadline in ms
	Leads     map[string]int64 // every lead, arrival in ms
	Ref       int64
}

// Turns is one person's standing in the rotation.
type Turns struct {
	Pass     int64
	Last     int64 // number of the event of the last turn, or of joining
	Eligible bool
	Turns    int64
	Since    int64 // turns dealt since the floor last changed; -1 where another charge or refund makes them not comparable
	Gen      int64 // the change of the floor that Since counts from
}

// Figures is what the metrics show of a rooftop.
type Figures struct {
	Epoch           time.Time
	Counts          map[string]int64
	Labels          []string
	Untouched       int64
	Overdue         int64
	Waiting         int64
	Quarantined     int64
	TurnoversOwed   int64
	PersonUntouched map[string]int64
	Turns           map[string]Turns
	Gen             int64
	OldestUntouched time.Time
	OldestDeadline  time.Time
	WaitingDeadline time.Time
	TurnoverDue     time.Time
	LastLead        map[string]time.Time
	SilentDeadline  map[string]time.Time // until when a source may be silent, of those with habits; filled in by Router
	Checked         time.Time            // when the books were last verified, or made
	Difference      int64                // what was off then
}
