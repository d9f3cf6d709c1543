package router

import (
	"cmp"
	"slices"
	"time"
)

// stopped is one clock that was stopped.
type stopped struct {
	clock Clock
	start time.Time
	by    Evidence
}

// life is what follows from a lead's arrivals and evidence, each taken at its own time.
type life struct {
	stops      []stopped
	running    Running
	state      State
	milestones Milestones
	turnover   *Turnover
	attempts   int
	lastTry    time.Time // last human try
	lastTalk   time.Time // last contact
	activity   time.Time
}

// live derives a lead's life. It depends on its arguments alone, and on the order of recording only where two things happened at the
// same instant: a late report counts at its time.
func live(touches []Touch, evidence []Evidence) life {
	type moment struct {
		at    time.Time
		touch bool
		past  bool
		ev    Evidence
	}
	var moments []moment
	for _, t := range touches {
		if t.Disposition != DispositionDuplicate {
			moments = append(moments, moment{at: t.At, touch: true, past: t.Disposition == DispositionHistory})
		}
	}
	for _, e := range evidence {
		if !e.Undone {
			moments = append(moments, moment{at: e.At, ev: e})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		if a.touch != b.touch { // an arrival comes before what is done about it
			if a.touch {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.ev.Seq, b.ev.Seq)
	})

	l := life{state: History}
	for _, m := range moments {
		l.activity = m.at
		switch {
		case m.past: // it starts no clock
		case m.touch:
			l.arrive(m.at)
		default:
			l.witness(m.ev)
		}
	}
	return l
}

func (l *life) arrive(at time.Time) {
	if l.state.Closed() {
		return
	}
	if l.running.Attempt.IsZero() {
		l.running.Attempt = at
		l.state = Untouched
	}
	if l.running.Response.IsZero() {
		l.running.Response = at
	}
	if l.running.Contact.IsZero() {
		l.running.Contact = at
	}
}

func (l *life) witness(e Evidence) {
	switch e.Kind {
	case KindNote:
		return
	case KindVoid:
		l.state, l.running, l.turnover = Void, Running{}, nil
		return
	case KindTurnover:
		l.talk(e)
		return
	case KindUnsold:
		l.owe(e)
		return
	}
	if l.state == Void {
		return
	}
	if e.Kind == KindLost && !owesTurnover(e.Reason) {
		l.close(Lost, e)
		return
	}

	// Whatever comes later in the funnel stops every earlier clock that still runs.
	l.stop(ClockAttempt, &l.running.Attempt, e)
	first(&l.milestones.AttemptedAt, e.At)
	l.lastTry = e.At
	if e.Kind == KindAttempt {
		l.attempts++
		l.advance(Attempted)
		return
	}
	l.stop(ClockResponse, &l.running.Response, e)
	first(&l.milestones.RespondedAt, e.At)
	if e.Kind == KindResponse {
		l.attempts++
		l.advance(Responded)
		return
	}
	l.stop(ClockContact, &l.running.Contact, e)
	first(&l.milestones.ContactedAt, e.At)
	l.lastTalk = e.At
	l.advance(Contacted)
	switch e.Kind {
	case KindAppointment:
		first(&l.milestones.AppointmentAt, e.At)
		l.advance(Appointment)
	case KindShow:
		first(&l.milestones.ShownAt, e.At)
		l.advance(Shown)
	case KindSale:
		l.close(Sold, e)
		l.turnover = nil
	case KindLost, KindWillWait:
		l.owe(e)
	}
}

func (l *life) owe(e Evidence) {
	if !l.state.Closed() && (l.turnover == nil || l.turnover.State == TurnoverDone) {
		l.turnover = &Turnover{State: TurnoverOwed, Cause: string(e.Kind), Reason: e.Reason}
	}
}

// talk takes in what the manager did about a T.O.
func (l *life) talk(e Evidence) {
	if l.turnover == nil || l.turnover.State == TurnoverDone {
		l.turnover = &Turnover{State: TurnoverOwed, Cause: "manager"}
	}
	t := *l.turnover
	t.By = e.By
	if e.Reason != "" {
		t.Reason = e.Reason
	}
	if e.Outcome == OutcomeTaken {
		t.State = TurnoverTaken
	} else {
		t.State, t.Outcome = TurnoverDone, e.Outcome
	}
	l.turnover = &t
	l.lastTry = e.At
	switch e.Outcome {
	case OutcomeLost:
		l.close(Lost, e)
	case OutcomeAppointment:
		first(&l.milestones.AppointmentAt, e.At)
		l.advance(Appointment)
	}
}

func (l *life) close(s State, e Evidence) {
	if s == Sold {
		first(&l.milestones.SoldAt, e.At)
	} else {
		first(&l.milestones.LostAt, e.At)
	}
	l.state, l.running = s, Running{}
}

func (l *life) advance(to State) {
	if !l.state.Closed() && to.rank() > l.state.rank() {
		l.state = to
	}
}

func (l *life) stop(c Clock, start *time.Time, e Evidence) {
	if start.IsZero() {
		return
	}
	l.stops = append(l.stops, stopped{clock: c, start: *start, by: e})
	*start = time.Time{}
}

func first(t **time.Time, at time.Time) {
	if *t == nil {
		*t = &at
	}
}

// The outcomes of a T.O.
const (
	OutcomeTaken       = "taken"
	OutcomeSaved       = "saved"
	OutcomeAppointment = "appointment"
	OutcomeLost        = "lost"
)

// Outcomes lists them.
var Outcomes = []string{OutcomeTaken, OutcomeSaved, OutcomeAppointment, OutcomeLost}

// ReasonNoContact closes a lead whose customer never answered.
const ReasonNoContact = "no-contact"

// customerReasons are the reasons that a customer gives; the deal stops, and a T.O. is owed.
var customerReasons = []string{"bought-elsewhere", "out-of-market", "price", "payment", "trade", "timing", "vehicle"}

// voidReasons say why something never was a lead.
var voidReasons = []string{"spam", "test", "service", "parts", "job", "wrong-store", "not-a-lead"}

func owesTurnover(reason string) bool { return slices.Contains(customerReasons, reason) }

func sortEvidence(all []Evidence) {
	slices.SortFunc(all, func(a, b Evidence) int { return cmp.Compare(a.Seq, b.Seq) })
}
