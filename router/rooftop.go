package router

import (
	"slices"
	"strings"
	"time"

	"leadfloor/router/hours"
)

// A Rooftop is one store as configured: its floor, its hours, its rules.
type Rooftop struct {
	ID         string
	Name       string
	Shadow     bool // decides and measures, tells nobody
	Location   *time.Location
	Country    string         // ISO 3166, how phones without a country code are read
	Hours      *hours.History // each in their time; nil: always open
	Managers   []Person       // without any, the first on the roster holds
	Roster     []Salesperson
	Desks      map[string]Desk
	Routing    Routing
	Duplicates Duplicates
	Sources    Sources
	Retention  Retention
	Relays     []string // addresses and numbers that identify nobody, beside the built-in ones
}

// Person is a manager or salesperson.
type Person struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"-"`
	Phone string `json:"-"`
}

// Salesperson is one of the rotation.
type Salesperson struct {
	Person
	Schedule     *hours.Calendar // nil: the store's hours
	Weight       int             // 1 to 16; 0 means 1
	MaxUntouched int             // 0: no cap
}

// Desk goes to a named owner, outside the rotation.
type Desk struct {
	Owner string
}

// Routing holds the rules of the floor.
type Routing struct {
	ResponseTarget  time.Duration // of open time
	WarnAfter       time.Duration // of open time; 0: off
	ReassignAfter   time.Duration // of open time from this owner's assignment; 0: off
	MaxRedeals      int
	CatchUpMax      int             // turns that a returner may be owed
	OpeningSpacing  time.Duration   // between held leads as they are dealt
	OpeningGrace    time.Duration   // what arrived while closed is due so long after opening
	ManualTurnsFree bool            // a manual pick does not count as a turn
	BySource        map[string]Pace // sources whose enquiries go by a pace of their own
	Buckets         []float64       // upper bounds of the clock histograms in seconds, the same for every store
}

// Pace is how soon an enquiry is to be answered, and what follows where it is not; as in Routing.
type Pace struct {
	ResponseTarget time.Duration
	WarnAfter      time.Duration
	ReassignAfter  time.Duration
	MaxRedeals     int
}

// Pace is what enquiries of a source go by.
func (r *Routing) Pace(source string) Pace {
	if p, ok := r.BySource[source]; ok {
		return p
	}
	return Pace{ResponseTarget: r.ResponseTarget, WarnAfter: r.WarnAfter, ReassignAfter: r.ReassignAfter, MaxRedeals: r.MaxRedeals}
}

// after names a span of open time that had passed, and the source that it is a rule of.
func (r *Routing) after(d time.Duration, source string) string {
	text := d.String() + " of open time"
	if _, ok := r.BySource[source]; ok {
		text += ", the rule for " + source
	}
	return text
}

// Duplicates holds the windows within which a customer is the same.
type Duplicates struct {
	CreatedWithin     time.Duration
	ActiveWithin      time.Duration
	SameEnquiryWithin time.Duration
}

// Sources bounds the metric labels that mail from anybody can make.
type Sources struct {
	Known []string
	Max   int // known ones included
}

// DefaultRouting and DefaultDuplicates are what the configuration starts from.
var (
	DefaultRouting = Routing{
		ResponseTarget: 5 * time.Minute, WarnAfter: 8 * time.Minute, MaxRedeals: 2, CatchUpMax: 1,
		OpeningSpacing: 30 * time.Second, OpeningGrace: 30 * time.Minute,
	}
	DefaultDuplicates = Duplicates{CreatedWithin: 365 * day, ActiveWithin: 120 * day, SameEnquiryWithin: 10 * time.Minute}
)

const day = 24 * time.Hour

// Holder is who holds leads while nobody is on: the first manager, or the first on the roster.
func (f *Rooftop) Holder() string {
	if len(f.Managers) > 0 {
		return f.Managers[0].ID
	}
	return f.Roster[0].ID
}

// managers are who can take a T.O.: those configured, or whoever holds in their place.
func (f *Rooftop) managers() []string {
	if len(f.Managers) == 0 {
		return []string{f.Holder()}
	}
	ids := make([]string, len(f.Managers))
	for i, m := range f.Managers {
		ids[i] = m.ID
	}
	return ids
}

func (f *Rooftop) manages(id string) bool { return slices.Contains(f.managers(), id) }

// Person finds a manager or salesperson by id.
func (f *Rooftop) Person(id string) (Person, bool) {
	for _, m := range f.Managers {
		if m.ID == id {
			return m, true
		}
	}
	for _, s := range f.Roster {
		if s.ID == id {
			return s.Person, true
		}
	}
	for _, d := range f.Desks {
		if d.Owner == id {
			return Person{ID: id, Name: id}, true
		}
	}
	return Person{}, false
}

// named finds the salesperson of a name, "NAME <EMAIL>" or an email as somebody wrote it; NamedNobody where there is none, or several.
func (f *Rooftop) named(text string) string {
	name, email, _ := strings.Cut(text, "<")
	if email = NormalEmail(strings.TrimSuffix(email, ">")); email == "" {
		email = NormalEmail(name)
	}
	name = normalName(name)
	found := NamedNobody
	for _, s := range f.Roster {
		switch {
		case email != "" && NormalEmail(s.Email) == email:
			return s.ID
		case name == "" || name != normalName(s.Name):
		case found == NamedNobody:
			found = s.ID
		default:
			found = "" // of two of one name nobody knows which
		}
	}
	if found == "" {
		return NamedNobody
	}
	return found
}

// People lists managers and roster, each once, in the order of the configuration.
func (f *Rooftop) People() []Person {
	var all []Person
	seen := map[string]bool{}
	add := func(p Person) {
		if !seen[p.ID] {
			seen[p.ID] = true
			all = append(all, p)
		}
	}
	for _, m := range f.Managers {
		add(m)
	}
	for _, s := range f.Roster {
		add(s.Person)
	}
	return all
}

// versions are the hours of the rooftop, each in their time; the last are in force now.
func (f *Rooftop) versions() []hours.Version {
	if f.Hours == nil {
		return []hours.Version{{Calendar: hours.Always(f.Location)}}
	}
	return f.Hours.Versions()
}

// Calendar is the hours in force now.
func (f *Rooftop) Calendar() *hours.Calendar {
	all := f.versions()
	return all[len(all)-1].Calendar
}

// Following is f with the past that its hours have. Where the last of the past are others than f's, f's are in force from now on. It is f
// itself where that makes no difference.
func (f *Rooftop) Following(past []hours.Version, now time.Time) *Rooftop {
	if len(past) == 0 {
		return f
	}
	all, current := slices.Clone(past), f.Calendar()
	if all[len(all)-1].Calendar.String() != current.String() {
		all = append(all, hours.Version{Since: now, Calendar: current})
	}
	if len(all) == 1 && len(f.versions()) == 1 {
		return f
	}
	g := *f
	g.Hours = hours.NewHistory(all[0].Calendar, all[1:]...)
	return &g
}

// open is the open time between two instants.
func (f *Rooftop) open(from, to time.Time) time.Duration {
	if to.Before(from) {
		return 0
	}
	if f.Hours == nil {
		return to.Sub(from)
	}
	return f.Hours.Between(from, to)
}

// after is the instant at which d of open time has passed since from.
func (f *Rooftop) after(from time.Time, d time.Duration) time.Time {
	if f.Hours == nil {
		return from.Add(d)
	}
	t, ok := f.Hours.Add(from, d)
	if !ok {
		return time.Time{}
	}
	return t
}

// Due is when a response to an enquiry that arrived from a source at the given instant is due. What arrives while the store is closed is due
// OpeningGrace after it opens, not at once.
func (f *Rooftop) Due(arrived time.Time, source string) time.Time {
	target := f.Routing.Pace(source).ResponseTarget
	if f.Hours != nil && !f.Hours.Open(arrived) {
		open, ok := f.Hours.NextOpen(arrived)
		if !ok {
			return time.Time{}
		}
		if f.Routing.OpeningGrace == 0 {
			return f.after(open, target)
		}
		return open.Add(f.Routing.OpeningGrace)
	}
	return f.after(arrived, target)
}
