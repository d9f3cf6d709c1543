package routertest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"leadfloor/router"
)

// A Model is the law of the one rotation in plain Go: who is on, whose turn it is, what a turn costs, who has which lead. It was written
// from the words of the law, not from the scripts, and does every step the slow and obvious way, so that the two can be compared.
//
// It reads roster, hours and rules from Home at every step, as the business does. It knows nothing of enquiries: whoever drives it says
// which customer an arrival is of, and when. It is not for several goroutines.
type Model struct {
	Home   *router.Rooftop
	People map[string]*ModelPerson // all who ever were on the roster
	Leads  map[string]*ModelLead
	Ref    int64 // lowest pass of the eligible right after the last charged turn

	Charged, Refunded int // turns; of what is given back at once to one person, one
	Admitted          int // returns that raised a pass

	step      int64                 // counts joinings and turns
	heldDealt time.Time             // when the last held lead was dealt
	of        map[int][]*ModelLead  // a customer's leads, oldest first
	pending   map[*ModelLead]bool   // those that fall due if nobody tries
	held      map[*ModelLead]bool   // those that wait for somebody to come on
	untouched map[string]int        // untouched leads of each owner
	hand      map[string]statusHand // who was set by hand
}

type statusHand struct {
	status router.Status
	until  time.Time // zero: until auto
}

// ModelPerson is one person's standing. Who leaves the roster keeps it.
type ModelPerson struct {
	Pass     int64
	Turns    int64 // charged
	Eligible bool  // at the last step that looked
	last     int64 // the last turn, or joining
}

// ModelLead is a lead as far as the rotation cares.
type ModelLead struct {
	ID      string
	Owner   string
	Held    bool // by a manager, nobody being on
	Closed  bool
	Void    bool
	Picked  bool             // by hand: the rotation never takes it away
	Given   bool             // to a manager, the re-deals being used up or all who are on having missed it
	Charges map[string]int64 // what it cost whom
	Touches int              // arrivals, the first included

	Arrived      time.Time
	LastTry      time.Time // the last attempt, response or contact
	LastContact  time.Time
	Tries        int // attempts and responses
	assigned     time.Time
	activity     time.Time
	restarted    time.Time // when the clock to attempt last started, as seen here
	moments      []moment
	untouched    bool
	missed       []string
	redeals      int
	countedUnder string // the owner under whom it counts as untouched
}

// moment is an arrival or a human try.
type moment struct {
	at  time.Time
	try bool
}

// NewModel is the model of a rooftop that nobody used yet.
func NewModel(home *router.Rooftop) *Model {
	return &Model{
		Home: home, People: map[string]*ModelPerson{}, Leads: map[string]*ModelLead{}, of: map[int][]*ModelLead{},
		pending: map[*ModelLead]bool{}, held: map[*ModelLead]bool{}, untouched: map[string]int{}, hand: map[string]statusHand{},
	}
}

// What the law says in numbers.
const (
	attemptProtects = 4 * time.Hour
	contactProtects = 7 * 24 * time.Hour
	busyLasts       = time.Hour
)

func (m *Model) salesperson(id string) (router.Salesperson, bool) {
	for _, s := range m.Home.Roster {
		if s.ID == id {
			return s, true
		}
	}
	return router.Salesperson{}, false
}

func (m *Model) manages(id string) bool {
	return slices.ContainsFunc(m.Home.Managers, func(p router.Person) bool { return p.ID == id })
}

// Cost is what a turn adds to somebody's pass; 0 for who is not on the roster.
func (m *Model) Cost(id string) int64 {
	s, ok := m.salesperson(id)
	if !ok {
		return 0
	}
	return int64(router.Turn / max(1, s.Weight))
}

// Status is where somebody is: by hand as long as that lasts, else by schedule, which is the store's hours by default. Who is not on the
// roster is off.
func (m *Model) Status(id string, now time.Time) router.Status {
	s, ok := m.salesperson(id)
	if !ok {
		return router.Off
	}
	if h, ok := m.hand[id]; ok && (h.until.IsZero() || now.Before(h.until)) {
		return h.status
	}
	on := true
	switch {
	case s.Schedule != nil:
		on = s.Schedule.Open(now)
	case m.Home.Hours != nil:
		on = m.Home.Hours.Open(now)
	}
	if on {
		return router.On
	}
	return router.Off
}

// Look admits and drops people by roster, schedule, hand and cap. Every step that may deal begins so.
func (m *Model) Look(now time.Time) {
	// New people join at the back, with the highest pass on the roster.
	var highest int64
	for _, s := range m.Home.Roster {
		if p := m.People[s.ID]; p != nil {
			highest = max(highest, p.Pass)
		}
	}
	m.step++
	for _, s := range m.Home.Roster {
		if m.People[s.ID] == nil {
			m.People[s.ID] = &ModelPerson{Pass: highest, last: m.step}
		}
	}

	may := map[string]bool{}
	for _, s := range m.Home.Roster {
		may[s.ID] = m.Status(s.ID, now) == router.On && (s.MaxUntouched == 0 || m.untouched[s.ID] < s.MaxUntouched)
	}
	// The reference is the lowest pass of those eligible at this instant; who is admitted at the same instant is not among them.
	ref := m.Ref
	found := false
	for id, p := range m.People {
		if p.Eligible && may[id] && (!found || p.Pass < ref) {
			ref, found = p.Pass, true
		}
	}
	for id, p := range m.People {
		if may[id] && !p.Eligible {
			// Owed at most so many turns, each of what a turn costs this person.
			if least := ref - int64(m.Home.Routing.CatchUpMax)*m.Cost(id); least > p.Pass {
				p.Pass = least
				m.Admitted++
			}
		}
		p.Eligible = may[id]
	}
}

// Eligible lists who may get a lead that some have missed, next first.
func (m *Model) Eligible(missed ...string) []string {
	var ids []string
	for id, p := range m.People {
		if p.Eligible && !slices.Contains(missed, id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		p, q := m.People[a], m.People[b]
		return cmp.Or(cmp.Compare(p.Pass, q.Pass), cmp.Compare(p.last, q.last), cmp.Compare(a, b))
	})
	return ids
}

// charge makes a lead cost somebody a turn. Who is not on the roster has no turns.
func (m *Model) charge(l *ModelLead, id string) {
	cost := m.Cost(id)
	if cost == 0 {
		return
	}
	m.step++
	p := m.People[id]
	p.Pass += cost
	p.Turns++
	p.last = m.step
	m.Charged++
	l.Charges[id] += cost
	if eligible := m.Eligible(); len(eligible) > 0 {
		m.Ref = m.People[eligible[0]].Pass
	}
}

// give makes somebody the owner, from now on.
func (m *Model) give(l *ModelLead, owner string, now time.Time) {
	l.Owner, l.assigned, l.Held = owner, now, false
	m.index(l)
}

// index keeps what is looked up by more than the lead's id.
func (m *Model) index(l *ModelLead) {
	if l.countedUnder != "" {
		m.untouched[l.countedUnder]--
		l.countedUnder = ""
	}
	if l.untouched && !l.Held { // who holds it need not touch it
		m.untouched[l.Owner]++
		l.countedUnder = l.Owner
	}
	set := func(set map[*ModelLead]bool, is bool) {
		if is {
			set[l] = true
		} else {
			delete(set, l)
		}
	}
	set(m.held, l.Held)
	set(m.pending, l.untouched && !l.Held && !l.Picked && !l.Given)
}

// Untouched says whether nobody tried since the customer last asked.
func (l *ModelLead) Untouched() bool { return l.untouched }

// protected is until when what somebody did keeps a lead theirs.
func (l *ModelLead) protected() (until []time.Time) {
	if !l.LastTry.IsZero() {
		until = append(until, l.LastTry.Add(attemptProtects))
	}
	if !l.LastContact.IsZero() {
		until = append(until, l.LastContact.Add(contactProtects))
	}
	return until
}

// Untouched is how many untouched leads somebody owns and does not only hold.
func (m *Model) Untouched(id string) int { return m.untouched[id] }

// Held is how many leads wait for somebody to come on.
func (m *Model) Held() int { return len(m.held) }

// Lives is the lead that a new arrival of a customer's joins: the newest that lives; nil where none does.
func (m *Model) Lives(customer int, now time.Time) *ModelLead {
	d := m.Home.Duplicates
	for _, l := range slices.Backward(m.of[customer]) {
		if !l.Closed && now.Sub(l.Arrived) <= d.CreatedWithin && now.Sub(l.activity) <= d.ActiveWithin {
			return l
		}
	}
	return nil
}

// OfCustomer are all leads of a customer, oldest first.
func (m *Model) OfCustomer(customer int) []*ModelLead { return m.of[customer] }

// New takes a new lead: the customer never wrote, or no lead of theirs lives. It goes to the former owner, who is charged, else to the
// next in turn; where nobody is there, or others wait already, a manager holds it. It returns who covers for a former owner who is off.
func (m *Model) New(id string, customer int, arrived, now time.Time) (l *ModelLead, cover string) {
	m.Look(now)
	former := ""
	for _, old := range slices.Backward(m.of[customer]) {
		if !old.Void { // which never was a lead
			former = old.Owner
			break
		}
	}
	l = &ModelLead{ID: id, Arrived: arrived, activity: arrived, restarted: now, untouched: true, Touches: 1, Charges: map[string]int64{}, moments: []moment{{at: arrived}}}
	m.Leads[id] = l
	m.of[customer] = append(m.of[customer], l)
	next := m.Eligible()
	switch {
	case m.Cost(former) > 0:
		cover = m.cover(former, now)
		m.give(l, former, now)
		m.charge(l, former)
	case len(next) > 0 && len(m.held) == 0: // nobody passes those who wait
		m.give(l, next[0], now)
		m.charge(l, next[0])
	default:
		l.Owner, l.Held = m.Home.Holder(), true
		m.index(l)
	}
	return l, cover
}

// cover is who looks after an owner's customers while the owner is off: the next in turn.
func (m *Model) cover(owner string, now time.Time) string {
	if m.manages(owner) || m.Status(owner, now) != router.Off {
		return ""
	}
	if next := m.Eligible(owner); len(next) > 0 {
		return next[0]
	}
	return ""
}

// Touch appends a later enquiry to a lead: same owner, no turn. It returns who covers.
func (m *Model) Touch(l *ModelLead, arrived, now time.Time) (cover string) {
	m.Look(now)
	l.Touches++
	if arrived.After(l.activity) {
		l.activity = arrived
	}
	if !l.Held {
		cover = m.cover(l.Owner, now)
	}
	m.witness(l, moment{at: arrived}, now)
	return cover
}

// witness decides by the moments' own time, not by their order of coming, whether somebody tried since the customer last asked.
func (m *Model) witness(l *ModelLead, x moment, now time.Time) {
	was := l.untouched
	l.moments = append(l.moments, x)
	slices.SortStableFunc(l.moments, func(a, b moment) int {
		if a.try != b.try && a.at.Equal(b.at) { // an arrival comes before what is done about it
			if a.try {
				return 1
			}
			return -1
		}
		return a.at.Compare(b.at)
	})
	l.untouched = false
	for _, x := range l.moments {
		l.untouched = !x.try
	}
	if l.untouched && !was {
		l.restarted = now
	}
	if !l.untouched && l.Held { // who holds it works it
		l.Held = false
	}
	m.index(l)
}

// Log is something that a person did now.
func (m *Model) Log(l *ModelLead, kind router.Kind, now time.Time) {
	l.activity = now
	switch kind {
	case router.KindAttempt, router.KindResponse:
		l.LastTry = now
		l.Tries++
		m.witness(l, moment{at: now, try: true}, now)
		return
	case router.KindContact:
		l.LastTry, l.LastContact = now, now
		m.witness(l, moment{at: now, try: true}, now)
		return
	case router.KindVoid:
		l.Void = true
		for id, cost := range l.Charges { // nothing was dealt to any of them
			m.People[id].Pass -= cost
			m.Refunded++
		}
	}
	l.Closed, l.untouched, l.Held = true, false, false
	m.index(l)
}

// Assign is a manual pick. To pick who has the lead already deals nothing, and keeps it theirs.
func (m *Model) Assign(l *ModelLead, to string, now time.Time) {
	l.Picked = true
	if l.Owner == to && !l.Held {
		m.index(l)
		return
	}
	m.Look(now)
	m.give(l, to, now)
	if !m.Home.Routing.ManualTurnsFree {
		m.charge(l, to)
	}
}

// Set sets somebody on, off or busy by hand; a zero until lasts until auto, busy an hour.
func (m *Model) Set(who string, s router.Status, until, now time.Time) {
	if s == router.Busy && until.IsZero() {
		until = now.Add(busyLasts)
	}
	m.hand[who] = statusHand{s, until}
	if s == router.Auto {
		delete(m.hand, who)
	}
	m.Look(now)
}

// HeldDue says whether a held lead is to be dealt: somebody is there and the spacing has passed.
func (m *Model) HeldDue(now time.Time) bool {
	return len(m.held) > 0 && now.Sub(m.heldDealt) >= m.Home.Routing.OpeningSpacing && len(m.Eligible()) > 0
}

// DealHeld deals the held lead that arrived first. Where all who are on have missed it, a manager gets it.
func (m *Model) DealHeld(now time.Time) *ModelLead {
	m.Look(now)
	if !m.HeldDue(now) {
		return nil
	}
	l := slices.MinFunc(slices.Collect(maps.Keys(m.held)), func(a, b *ModelLead) int { return a.Arrived.Compare(b.Arrived) })
	next := m.Eligible(l.missed...)
	if len(next) == 0 {
		l.Given = true
		m.give(l, m.Home.Holder(), now)
		return l
	}
	m.give(l, next[0], now)
	m.charge(l, next[0])
	m.heldDealt = now
	return l
}

// Reassignable lists the leads that their owner left untouched too long, the longest due first.
func (m *Model) Reassignable(now time.Time) []*ModelLead {
	if m.Home.Routing.ReassignAfter == 0 {
		return nil
	}
	due := map[*ModelLead]time.Time{}
	for l := range m.pending {
		from := l.assigned
		if l.restarted.After(from) {
			from = l.restarted
		}
		at, ok := from.Add(m.Home.Routing.ReassignAfter), true
		if m.Home.Hours != nil {
			at, ok = m.Home.Hours.Add(from, m.Home.Routing.ReassignAfter)
		}
		for _, until := range l.protected() {
			if until.After(at) {
				at = until
			}
		}
		if ok && !at.After(now) {
			due[l] = at
		}
	}
	return slices.SortedFunc(maps.Keys(due), func(a, b *ModelLead) int {
		return cmp.Or(due[a].Compare(due[b]), cmp.Compare(a.ID, b.ID))
	})
}

// Reassign takes such a lead away: to the next of those who did not miss it, or to a manager where the re-deals are used up or all who are
// on have missed it. Where nobody is on it is held.
func (m *Model) Reassign(l *ModelLead, now time.Time) {
	m.Look(now)
	l.missed = append(l.missed, l.Owner)
	next := m.Eligible(l.missed...)
	if l.redeals == m.Home.Routing.MaxRedeals || len(next) == 0 && len(m.Eligible()) > 0 {
		l.Given = true
		m.give(l, m.Home.Holder(), now)
		return
	}
	l.redeals++
	if len(next) == 0 {
		l.Owner, l.Held = m.Home.Holder(), true
		m.index(l)
		return
	}
	m.give(l, next[0], now)
	m.charge(l, next[0])
}
