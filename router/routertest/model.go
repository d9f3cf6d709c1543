package routertest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"leadfloor/router"
)

// A Model is the law of the one rotation in plain Go: who is on, whose turn it is, what a turn costs, who holds what. It was written
// from the words of the law and not from the scripts, and does every step the slow and obvious way, so that the two can be compared.
//
// It reads roster, hours and rules from Home at every step, as the business does. It knows nothing of enquiries: whoever drives it
// says which customer an arrival is of. Its clock is handed in.
type Model struct {
	Home   *router.Rooftop
	People map[string]*ModelPerson
	Leads  map[string]*ModelLead
	Ref    int64 // lowest pass of the eligible right after the last charged turn

	Charged, Refunded int // turns
	Admitted          int // returns that raised a pass
	step              int64
	heldDealt         time.Time         // when the last held lead was dealt
	latest            map[int]string    // the newest lead of each customer
	living            map[string]bool   // leads that may yet fall due
	held              []*ModelLead      // in no order
	untouched         map[string]int    // per owner
	hand              map[string]byHand // on, off or busy until
}

type byHand struct {
	status router.Status
	until  time.Time // zero: until auto
}

// ModelPerson is one person's standing. Who leaves the roster keeps it.
type ModelPerson struct {
	Pass     int64
	Turns    int64 // charged, less those given back
	Eligible bool  // at the last step that looked
	last     int64 // step of the last turn, or of joining
}

// ModelLead is a lead as far as the rotation cares.
type ModelLead struct {
	ID       string
	Customer int
	Owner    string
	Held     bool
	Closed   bool

	arrived, assigned, activity time.Time
	untouched                   bool
	since                       time.Time // start of the running clock to attempt
	attempt, contact            time.Time // the last ones
	attempts                    int
	picked                      bool // by hand
	given                       bool // to a manager for good
	redeals                     int
	missed                      []string
	charge                      router.Charge
}

// NewModel is the model of a rooftop that nobody used yet.
func NewModel(home *router.Rooftop) *Model {
	return &Model{
		Home: home, People: map[string]*ModelPerson{}, Leads: map[string]*ModelLead{}, latest: map[int]string{}, living: map[string]bool{},
		untouched: map[string]int{}, hand: map[string]byHand{},
	}
}

// The laws that the model holds as numbers.
const (
	attemptProtects = 4 * time.Hour
	contactProtects = 7 * 24 * time.Hour
	busyFor         = time.Hour
)

func (m *Model) salesperson(id string) (router.Salesperson, bool) {
	i := slices.IndexFunc(m.Home.Roster, func(s router.Salesperson) bool { return s.ID == id })
	if i < 0 {
		return router.Salesperson{}, false
	}
	return m.Home.Roster[i], true
}

// Status is where somebody of the roster is: by hand as long as that lasts, else by schedule, which is the store's hours by default.
func (m *Model) Status(id string, now time.Time) router.Status {
	s, ok := m.salesperson(id)
	if !ok {
		return router.Off
	}
	if h, ok := m.hand[id]; ok && (h.until.IsZero() || now.Before(h.until)) {
		return h.status
	}
	calendar := s.Schedule
	if calendar == nil {
		calendar = m.Home.Hours
	}
	if calendar == nil || calendar.Open(now) {
		return router.On
	}
	return router.Off
}

func (m *Model) eligible(s router.Salesperson, now time.Time) bool {
	return m.Status(s.ID, now) == router.On && (s.MaxUntouched == 0 || m.untouched[s.ID] < s.MaxUntouched)
}

// look admits and drops people: each step of the rotation begins so.
func (m *Model) look(now time.Time) {
	m.step++
	// New people join at the back: with the highest pass on the roster.
	var highest int64
	var fresh []string
	for _, s := range m.Home.Roster {
		if p := m.People[s.ID]; p != nil {
			highest = max(highest, p.Pass)
		} else {
			fresh = append(fresh, s.ID)
		}
	}
	for _, id := range fresh {
		m.People[id] = &ModelPerson{Pass: highest, last: m.step}
	}

	now_ := map[string]bool{}
	for _, s := range m.Home.Roster {
		now_[s.ID] = m.eligible(s, now)
	}
	// The reference is the lowest pass of those who are eligible already and remain so.
	ref, any := m.Ref, false
	for id, p := range m.People {
		if p.Eligible && now_[id] && (!any || p.Pass < ref) {
			ref, any = p.Pass, true
		}
	}
	for id, p := range m.People {
		if now_[id] && !p.Eligible {
			if back := ref - int64(m.Home.Routing.CatchUpMax)*router.Turn; back > p.Pass {
				p.Pass = back
				m.Admitted++
			}
		}
		p.Eligible = now_[id]
	}
}

// Eligible lists who may get a lead now, whoever missed it left out, next first.
func (m *Model) Eligible(missed []string) []string {
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

// charge makes a turn count, and keeps the reference for when nobody is eligible.
func (m *Model) charge(l *ModelLead, id string) {
	s, ok := m.salesperson(id)
	if !ok {
		return // not of the rotation
	}
	p := m.People[id]
	cost := int64(router.Turn / max(1, s.Weight))
	p.Pass += cost
	p.Turns++
	p.last = m.step
	m.Charged++
	l.charge = router.Charge{Person: id, Cost: cost}
	for i, id := range slices.Collect(maps.Keys(m.standing())) {
		if p := m.People[id]; i == 0 || p.Pass < m.Ref {
			m.Ref = p.Pass
		}
	}
}

// standing is who is eligible.
func (m *Model) standing() map[string]*ModelPerson {
	all := maps.Clone(m.People)
	maps.DeleteFunc(all, func(_ string, p *ModelPerson) bool { return !p.Eligible })
	return all
}

func (m *Model) own(l *ModelLead, owner string, now time.Time) {
	m.count(l, -1)
	if l.Held {
		m.held = slices.DeleteFunc(m.held, func(h *ModelLead) bool { return h == l })
	}
	l.Held, l.Owner, l.assigned = false, owner, now
	m.count(l, 1)
}

// count keeps the untouched leads of each owner; what a manager merely holds is not counted against the floor.
func (m *Model) count(l *ModelLead, n int) {
	if l.untouched && !l.Closed {
		m.untouched[l.Owner] += n
	}
}

// Untouched is how many untouched leads somebody owns or holds.
func (m *Model) Untouched(id string) int { return m.untouched[id] }

// Held is how many leads wait for somebody to come on.
func (m *Model) Held() int { return len(m.held) }

// Lives says whether a customer's newest lead is one that a new arrival of theirs joins.
func (m *Model) Lives(customer int, now time.Time) (*ModelLead, bool) {
	l := m.Leads[m.latest[customer]]
	if l == nil || l.Closed {
		return l, false
	}
	d := m.Home.Duplicates
	return l, now.Sub(l.arrived) <= d.CreatedWithin && now.Sub(l.activity) <= d.ActiveWithin
}

// New takes a new lead: the customer never wrote, or their last lead lives no more.
func (m *Model) New(id string, customer int, arrived, now time.Time) *ModelLead {
	m.look(now)
	former := m.Leads[m.latest[customer]]
	l := &ModelLead{ID: id, Customer: customer, arrived: arrived, activity: arrived, since: arrived, untouched: true}
	m.Leads[id], m.latest[customer], m.living[id] = l, id, true
	if former != nil {
		if _, ok := m.salesperson(former.Owner); ok {
			m.own(l, former.Owner, now)
			m.charge(l, l.Owner)
			return l
		}
	}
	next := m.Eligible(nil)
	if len(next) == 0 || len(m.held) > 0 { // nobody passes those who wait
		m.own(l, m.Home.Holder(), now)
		l.Held = true
		m.held = append(m.held, l)
		return l
	}
	m.own(l, next[0], now)
	m.charge(l, l.Owner)
	return l
}

// Touch appends a later enquiry: same owner, no turn. A clock that had stopped starts anew.
func (m *Model) Touch(l *ModelLead, arrived, now time.Time) {
	l.activity = arrived
	if !l.untouched {
		l.untouched, l.since = true, arrived
		m.count(l, 1)
	}
}

// Log is something that a person did now.
func (m *Model) Log(l *ModelLead, kind router.Kind, now time.Time) {
	m.count(l, -1)
	l.activity = now
	switch kind {
	case router.KindAttempt, router.KindResponse:
		l.attempt, l.untouched = now, false
		l.attempts++
	case router.KindContact:
		l.contact, l.untouched = now, false
	case router.KindSale, router.KindLost:
		l.Closed, l.untouched = true, false
	case router.KindVoid:
		l.Closed, l.untouched = true, false
		if p := m.People[l.charge.Person]; p != nil {
			p.Pass -= l.charge.Cost
			p.Turns--
			m.Refunded++
			l.charge = router.Charge{}
		}
	}
	m.count(l, 1)
	if l.Closed {
		delete(m.living, l.ID)
		m.held = slices.DeleteFunc(m.held, func(h *ModelLead) bool { return h == l })
		l.Held = false
	}
}

// Assign is a manual pick.
func (m *Model) Assign(l *ModelLead, to string, now time.Time) {
	m.look(now)
	m.own(l, to, now)
	l.picked = true
	if !m.Home.Routing.ManualTurnsFree {
		m.charge(l, to)
	}
}

// SetFloor sets somebody by hand; an empty who sets nobody and only looks.
func (m *Model) SetFloor(who string, s router.Status, until, now time.Time) {
	if who != "" {
		if s == router.Busy && until.IsZero() {
			until = now.Add(busyFor)
		}
		m.hand[who] = byHand{s, until}
		if s == router.Auto {
			delete(m.hand, who)
		}
	}
	m.look(now)
}

// DealHeld deals the lead that waited longest, where somebody is there and the spacing has passed.
func (m *Model) DealHeld(now time.Time) *ModelLead {
	if len(m.held) == 0 || now.Sub(m.heldDealt) < m.Home.Routing.OpeningSpacing {
		return nil
	}
	m.look(now)
	l := slices.MinFunc(m.held, func(a, b *ModelLead) int { return a.arrived.Compare(b.arrived) })
	next := m.Eligible(l.missed)
	if len(next) == 0 {
		return nil
	}
	m.own(l, next[0], now)
	m.charge(l, l.Owner)
	m.heldDealt = now
	return l
}

// Reassignable lists the leads that their owner left untouched too long, the longest due first.
func (m *Model) Reassignable(now time.Time) []*ModelLead {
	if m.Home.Routing.ReassignAfter == 0 {
		return nil
	}
	due := map[*ModelLead]time.Time{}
	for id := range m.living {
		l := m.Leads[id]
		if !l.untouched || l.Held || l.picked || l.given {
			continue
		}
		if !l.attempt.IsZero() && now.Sub(l.attempt) < attemptProtects || !l.contact.IsZero() && now.Sub(l.contact) < contactProtects {
			continue
		}
		from := l.assigned
		if l.since.After(from) {
			from = l.since
		}
		at := from.Add(m.Home.Routing.ReassignAfter)
		if m.Home.Hours != nil {
			var ok bool
			if at, ok = m.Home.Hours.Add(from, m.Home.Routing.ReassignAfter); !ok {
				continue
			}
		}
		if !at.After(now) {
			due[l] = at
		}
	}
	return slices.SortedFunc(maps.Keys(due), func(a, b *ModelLead) int {
		return cmp.Or(due[a].Compare(due[b]), cmp.Compare(a.ID, b.ID))
	})
}

// Reassign deals one of them to the next who did not miss it, or to a manager for good where the re-deals are used up.
func (m *Model) Reassign(l *ModelLead, now time.Time) {
	m.look(now)
	l.missed = append(l.missed, l.Owner)
	next := m.Eligible(l.missed)
	if l.redeals == m.Home.Routing.MaxRedeals || len(next) == 0 {
		m.own(l, m.Home.Holder(), now)
		l.given = true
		return
	}
	l.redeals++
	m.own(l, next[0], now)
	m.charge(l, l.Owner)
}
