package router

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Entry is what somebody tells of a lead.
type Entry struct {
	Kind    Kind      `json:"kind"`
	By      string    `json:"by"`
	Channel string    `json:"channel"`
	At      time.Time `json:"at"` // zero: now
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason"`
	Note    string    `json:"note"`
	Actor   string    `json:"-"` // the acting token's name
	Token   string    `json:"-"` // identity of the call: logging the same token again changes nothing; empty: every call counts
	How     How       `json:"-"` // Logged where empty
}

// Means are how people try to reach people.
var Means = []string{"call", "email", "text", "visit", "chat", "video"}

// means maps what people call them.
var means = map[string]string{"phone": "call", "sms": "text", "walk-in": "visit"}

func (e *Entry) check(f *Rooftop) error {
	e.Reason = strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(strings.TrimSpace(e.Reason)))
	if e.Reason == "out-of-the-market" {
		e.Reason = "out-of-market"
	}
	e.Outcome = strings.ToLower(strings.TrimSpace(e.Outcome))
	e.Channel = strings.ToLower(strings.TrimSpace(e.Channel))
	if m, ok := means[e.Channel]; ok {
		e.Channel = m
	}
	const mostNote = 8 << 10
	switch {
	case !slices.Contains(LoggedKinds, e.Kind):
		return fault("kind", "unknown kind %q: want one of %s", e.Kind, kinds(LoggedKinds))
	case e.Channel != "" && !oneOf(e.Channel, Means):
		return fault("channel", "unknown channel %q: want one of %s", e.Channel, strings.Join(Means, ", "))
	case len(e.Note) > mostNote:
		return fault("note", "longer than %d bytes", mostNote)
	case len(e.By) > 64:
		return fault("by", "longer than 64 bytes")
	}
	if err := f.known(e.By); err != nil {
		return err
	}
	switch e.Kind {
	case KindLost:
		if e.Reason == "" {
			return fault("reason", "lost needs a reason: %s, or one of the customer's: %s", ReasonNoContact, strings.Join(customerReasons, ", "))
		}
		if e.Reason != ReasonNoContact && !owesTurnover(e.Reason) {
			return fault("reason", "unknown reason %q: want %s or one of %s", e.Reason, ReasonNoContact, strings.Join(customerReasons, ", "))
		}
	case KindVoid:
		if e.Reason == "" {
			e.Reason = "not-a-lead"
		}
		if !oneOf(e.Reason, voidReasons) {
			return fault("reason", "unknown reason %q: want one of %s", e.Reason, strings.Join(voidReasons, ", "))
		}
	case KindTurnover:
		if !oneOf(e.Outcome, Outcomes) {
			return fault("outcome", "a turnover ends as taken, saved, appointment or lost, not %q", e.Outcome)
		}
		if e.Outcome == OutcomeLost && e.Reason == "" {
			return fault("reason", "a turnover that is lost needs the customer's reason: one of %s", strings.Join(customerReasons, ", "))
		}
		if e.Reason != "" && !owesTurnover(e.Reason) {
			return fault("reason", "unknown reason %q: want one of %s", e.Reason, strings.Join(customerReasons, ", "))
		}
	default:
		switch {
		case len(e.Reason) > 40 || len(e.Outcome) > 40:
			return fault("reason", "reason and outcome are words of at most 40 bytes")
		case e.Kind == KindNote && strings.TrimSpace(e.Note) == "":
			return fault("note", "a note needs words")
		}
	}
	return nil
}

func kinds(all []Kind) string {
	words := make([]string, len(all))
	for i, k := range all {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}

// Log stores what somebody tells of a lead and returns the lead as it then is. A late report counts at its own time, though not before
// the lead's arrival nor in the future.
func (r *Router) Log(ctx context.Context, id string, e Entry) (*Lead, error) {
	store, f, err := r.judge(ctx, id, "", "")
	if err != nil {
		return nil, err
	}
	if err := e.check(f); err != nil {
		return nil, err
	}
	if e.Token == "" {
		e.Token = token()
	}
	return retry(ctx, func() (*Lead, error) {
		before, err := r.standing(ctx, id)
		if err != nil {
			return nil, err
		}
		c, fault := f.log(before, e, r.store.Now())
		if fault != nil {
			// What cannot be done may be what was just done: the first call of the same token closed the lead.
			done, err := r.store.Called(ctx, store, e.Token)
			if err != nil {
				return nil, err
			}
			if done {
				return before, nil
			}
			return nil, fault
		}
		if err := r.owe(ctx, f, c); err != nil {
			return nil, err
		}
		if _, err := r.store.Put(ctx, store, c); err != nil {
			return nil, err
		}
		return r.store.Lead(ctx, before.ID)
	})
}

// owe gives a new T.O. to the manager who has had the fewest; of equals to the first in the configuration.
func (r *Router) owe(ctx context.Context, f *Rooftop, c *Change) error {
	t := c.After.Turnover
	if t == nil || t.State != TurnoverOwed || t.By != "" {
		return nil
	}
	figures, err := r.store.Figures(ctx, f.ID)
	if err != nil {
		return err
	}
	next := f.Holder()
	for _, m := range f.Managers {
		if figures.Counts[CountOwed+"|"+m.ID] < figures.Counts[CountOwed+"|"+next] {
			next = m.ID
		}
	}
	with := *t
	with.By = next
	c.After.Turnover = &with
	c.Counts[CountOwed+"|"+next]++
	c.Event.Detail["turnover"] = next
	return nil
}

// Correct takes back what an event told of a lead, as if it had not happened. The log keeps both; reports are net.
func (r *Router) Correct(ctx context.Context, id string, event int64, reason, by, actor string) (*Lead, error) {
	store, f, err := r.judge(ctx, id, reason, "")
	if err != nil {
		return nil, err
	}
	call := token()
	return retry(ctx, func() (*Lead, error) {
		before, err := r.standing(ctx, id)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(before.Evidence, func(e Evidence) bool { return e.Seq == event })
		switch {
		case !before.Personal:
			return nil, fault("event", "lead %s is forgotten", id)
		case at < 0:
			return nil, fault("event", "event %d told nothing of lead %s that could be taken back", event, before.ID)
		case before.Evidence[at].Undone:
			return before, nil
		}
		now := r.store.Now()
		after := *before
		after.Evidence = slices.Clone(before.Evidence)
		after.Evidence[at].Undone = true
		told := before.Evidence[at]
		old, l := live(before.Touches, before.Evidence), live(after.Touches, after.Evidence)
		c := &Change{
			Now: now, Token: call, Before: before, After: &after,
			Event: Event{Kind: KindCorrected, At: now, Lead: before.ID, By: by, Actor: actor, Detail: map[string]string{
				"event": strconv.FormatInt(event, 10), "of": string(told.Kind), "reason": reason,
			}},
			Counts: map[string]int64{CountCorrections + "|" + string(told.Kind): 1},
		}
		if reason == "" {
			delete(c.Event.Detail, "reason")
		}
		f.follow(&after, l, now)
		if !after.Running.Response.IsZero() && after.DueAt == nil {
			due := f.Due(after.Running.Response, after.askedAt(after.Running.Response))
			after.DueAt = &due
		}
		f.count(c, old, l, Evidence{Kind: KindCorrected})
		if _, err := r.store.Put(ctx, store, c); err != nil {
			return nil, err
		}
		return r.store.Lead(ctx, before.ID)
	})
}

// expireAfter and expireAttempts allow a lead to be lost as no-contact.
const (
	expireAfter    = 90 * day
	expireAttempts = 6
)

// log derives the change that an entry makes.
func (f *Rooftop) log(before *Lead, e Entry, now time.Time) (*Change, error) {
	if now.Before(before.Activity) && e.At.IsZero() {
		now = before.Activity // never before the lead's last event
	}
	at := e.At
	if at.IsZero() || at.After(now) {
		at = now
	}
	if at.Before(before.ArrivedAt) {
		at = before.ArrivedAt
	}
	at = at.UTC().Truncate(time.Millisecond)
	if e.How == "" {
		e.How = Logged
	}
	if e.By == "" && e.Kind == KindTurnover && before.Turnover != nil {
		e.By = before.Turnover.By
	}
	if e.By == "" && e.Kind != KindNote && e.Kind != KindTurnover {
		e.By = before.Owner
	}

	old := live(before.Touches, before.Evidence)
	if err := f.allowed(before, old, e, now); err != nil {
		return nil, err
	}
	ev := Evidence{Seq: PendingSeq, Kind: e.Kind, At: at, By: e.By, Channel: e.Channel, How: e.How, Outcome: e.Outcome, Reason: e.Reason}
	after := *before
	if e.Kind != KindNote {
		after.Evidence = append(slices.Clone(before.Evidence), ev)
	}
	l := live(after.Touches, after.Evidence)
	c := &Change{Now: now, Token: e.Token, Before: before, After: &after, Note: e.Note, Counts: map[string]int64{}}
	c.Event = Event{Kind: e.Kind, At: at, Lead: before.ID, By: e.By, Actor: e.Actor, Detail: map[string]string{}}
	for k, v := range map[string]string{"channel": e.Channel, "outcome": e.Outcome, "reason": e.Reason, "how": string(e.How)} {
		if v != "" {
			c.Event.Detail[k] = v
		}
	}
	f.follow(&after, l, now)
	f.count(c, old, l, ev)
	return c, nil
}

// PendingSeq is the number of evidence whose event is not stored yet.
const PendingSeq = int64(1) << 53

func (f *Rooftop) allowed(l *Lead, old life, e Entry, now time.Time) error {
	switch {
	case !l.Personal:
		return fault("kind", "lead %s is forgotten: nothing more is kept of it", l.ID)
	case e.Kind == KindNote:
		return nil
	case l.State == Void:
		return fault("kind", "lead %s is void; only notes can be added", l.ID)
	case e.Kind == KindVoid:
		return nil
	case l.State == Sold && e.Kind != KindSale, l.State == Lost && e.Kind != KindSale && e.Kind != KindContact:
		return fault("kind", "lead %s is closed as %s", l.ID, l.State)
	case e.Kind == KindLost && e.Reason == ReasonNoContact:
		if old.milestones.ContactedAt != nil {
			return fault("reason", "the customer of lead %s was contacted: give the customer's reason, one of %s", l.ID, strings.Join(customerReasons, ", "))
		}
		if old.attempts < expireAttempts && now.Sub(l.ArrivedAt) < expireAfter {
			return fault("reason", "lead %s can be lost as %s after %d attempts or %d days; %d attempts are logged", l.ID, ReasonNoContact, expireAttempts, int(expireAfter/day), old.attempts)
		}
	case e.Kind == KindLost && old.turnover != nil && old.turnover.State != TurnoverDone:
		return fault("kind", "a T.O. is owed for lead %s: log a turnover with its outcome before it closes", l.ID)
	case e.Kind == KindTurnover:
		if !f.manages(e.By) {
			return fault("by", "a turnover needs the manager who takes it: one of %s", strings.Join(f.managers(), ", "))
		}
	}
	return nil
}

// follow brings everything that depends on a lead's life up to it.
func (f *Rooftop) follow(l *Lead, now life, at time.Time) {
	waiting := l.State == Waiting
	l.State = now.state
	if waiting && now.state == Untouched {
		l.State = Waiting
	}
	l.Running, l.Milestones, l.Activity = now.running, now.milestones, now.activity
	before := l.Stops
	l.Stops = map[Clock]Stop{}
	for _, s := range now.stops {
		l.Stops[s.clock] = Stop{
			How: s.by.How, By: s.by.By, Event: s.by.Seq, Started: s.start, At: s.by.At,
			WallSeconds: s.by.At.Sub(s.start).Seconds(), OpenSeconds: f.open(s.start, s.by.At).Seconds(),
		}
	}
	for c, s := range l.Stops {
		// What was reckoned by the hours of its day is not rewritten by today's.
		if old, ok := before[c]; ok && old.Event == s.Event && old.Started.Equal(s.Started) {
			l.Stops[c] = old
		}
	}
	if l.Running.Response.IsZero() {
		l.DueAt = nil
	}
	if !l.Untouched() {
		l.Timers.Warn, l.Timers.Reassign = time.Time{}, time.Time{}
		l.CoveredBy = ""
	}
	if l.State.Closed() {
		l.Timers.Close = time.Time{}
		if l.State == Void {
			l.Timers = Timers{}
		}
	}
	switch {
	case now.turnover == nil:
		l.Turnover = nil
	default:
		t := *now.turnover
		if l.Turnover != nil && l.Turnover.State != TurnoverDone {
			t.DueAt = l.Turnover.DueAt
			if t.By == "" {
				t.By = l.Turnover.By
			}
		}
		if t.DueAt.IsZero() {
			t.DueAt = f.after(at, turnoverTarget)
		}
		l.Turnover = &t
	}
	if l.ShownAt != nil && !l.State.Closed() && l.SoldAt == nil && l.Turnover == nil && l.Timers.Close.IsZero() {
		l.Timers.Close = f.closing(*l.ShownAt)
	}
}

// turnoverTarget is how soon a manager is to talk to the customer, in open time.
const turnoverTarget = time.Hour

// closing is the end of the business day of t.
func (f *Rooftop) closing(t time.Time) time.Time {
	if f.Hours != nil {
		return f.Hours.ClosingOfDay(t)
	}
	loc := f.Location
	if loc == nil {
		loc = time.UTC
	}
	y, m, d := t.In(loc).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, loc).UTC()
}

// Counter names are joined by "|"; the first part says what is counted.
const (
	CountReceived     = "recv" // |source
	CountHistory      = "hist" // |source: leads recorded as history
	CountTouches      = "touch"
	CountDuplicates   = "dup"
	CountVoid         = "void"
	CountResponded    = "resp"
	CountContacted    = "cont"
	CountAppointments = "appt"
	CountShown        = "show"
	CountSold         = "sold"
	CountLost         = "lost"
	CountCorrections  = "corr"   // |kind
	CountDue          = "due"    // |source
	CountMissed       = "miss"   // |source
	CountPersonDue    = "pdue"   // |person
	CountPersonMissed = "pmiss"  // |person
	CountAssigned     = "asg"    // |person
	CountPersonSum    = "prs"    // |person, milliseconds
	CountPersonCount  = "prc"    // |person
	CountAttempts     = "att"    // |person|channel
	CountContacts     = "pcont"  // |person
	CountTurnovers    = "to"     // |outcome
	CountOwed         = "owed"   // |manager: T.O.s that were given to them
	CountAfterHours   = "closed" // |source: arrived while the store was closed
	CountBucket       = "h"      // |clock|source|upper bound in seconds, +Inf above the last
	CountSum          = "hs"     // |clock|source, milliseconds
)

// Histograms of the clocks: names that stand in CountBucket and CountSum.
const (
	HistAssignment   = "assignment"
	HistResponse     = "response"
	HistResponseOpen = "response_open"
	HistContact      = "contact"
)

// count raises the counters for what a change brought: each step of a lead once, each stopped clock once.
func (f *Rooftop) count(c *Change, old, now life, ev Evidence) {
	label := c.Before.Label
	step := func(before, after *time.Time, name string) {
		if before == nil && after != nil {
			c.Counts[name+"|"+label]++
		}
	}
	a, b := old.milestones, now.milestones
	step(a.RespondedAt, b.RespondedAt, CountResponded)
	step(a.ContactedAt, b.ContactedAt, CountContacted)
	step(a.AppointmentAt, b.AppointmentAt, CountAppointments)
	step(a.ShownAt, b.ShownAt, CountShown)
	step(a.SoldAt, b.SoldAt, CountSold)
	step(a.LostAt, b.LostAt, CountLost)
	if a.ContactedAt == nil && b.ContactedAt != nil && ev.By != "" {
		c.Counts[CountContacts+"|"+ev.By]++
	}
	if old.state != Void && now.state == Void {
		c.Counts[CountVoid+"|"+label]++
		// No turn was dealt with what never was a lead: whoever was charged for it, in turn, by a re-deal or by a pick, gets it back.
		c.Back, c.After.Charged = c.Before.Charged, nil
	}
	switch ev.Kind {
	case KindAttempt, KindResponse:
		channel := ev.Channel
		if channel == "" {
			channel = "unknown"
		}
		c.Counts[CountAttempts+"|"+ev.By+"|"+channel]++
	case KindTurnover:
		if ev.Outcome != OutcomeTaken {
			c.Counts[CountTurnovers+"|"+ev.Outcome]++
		}
	}

	counted := map[string]bool{}
	key := func(s stopped) string { return string(s.clock) + millis(s.start) }
	for _, s := range old.stops {
		counted[key(s)] = true
	}
	for _, s := range now.stops {
		if counted[key(s)] {
			continue
		}
		wall, open := s.by.At.Sub(s.start), f.open(s.start, s.by.At)
		switch s.clock {
		case ClockResponse:
			f.observe(c.Counts, HistResponse, label, wall)
			f.observe(c.Counts, HistResponseOpen, label, open)
			if s.by.By != "" {
				c.Counts[CountPersonSum+"|"+s.by.By] += wall.Milliseconds()
				c.Counts[CountPersonCount+"|"+s.by.By]++
			}
		case ClockContact:
			f.observe(c.Counts, HistContact, label, wall)
		}
	}
}

// observe counts one duration in its bucket.
func (f *Rooftop) observe(counts map[string]int64, hist, label string, d time.Duration) {
	counts[CountBucket+"|"+hist+"|"+label+"|"+f.bucket(d)]++
	counts[CountSum+"|"+hist+"|"+label] += d.Milliseconds()
}

// bucket is the upper bound of d's bucket.
func (f *Rooftop) bucket(d time.Duration) string {
	for _, b := range f.Routing.Buckets {
		if d.Seconds() <= b {
			return strconv.FormatFloat(b, 'g', -1, 64)
		}
	}
	return "+Inf"
}
