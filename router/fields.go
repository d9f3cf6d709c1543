package router

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Fields are a lead as it is stored and as events tell of it: one short name for each thing, values of at most 64 bytes, times in
// milliseconds since 1970. None is personal.
//
//	ch so sl dk   channel, source, source as a label, desk
//	ow cb st      owner, who covers, state
//	fe            number of the event that made it
//	ar as la dl   arrived, assigned, last activity, response due
//	ra rr rc      start of the running clocks to attempt, response, contact
//	tw td tp tr tx  timers: warn, due, person's due, reassign, closing time
//	rn mi         re-deals, who missed it (joined by commas)
//	c.PERSON      what it cost that person's pass in turns
//	pk            1 where the rotation takes it away no more: picked by hand, or a manager's in the end
//	to            turnover: state|due|by|cause|outcome|reason
//	xt xr xc      last stop of the clocks to attempt, response, contact: event|start|at|open ms|how|by
//	n t1..tn      arrivals: at|channel|source|disposition; one that was moved to another lead leaves a gap
//	q1..qn        what repetitions are recognised by: print of ids|print of content; in no event, since it is made from what is personal
//	e<event>      evidence: kind|at|by|channel|how|outcome|reason|undone
//	fg            1 once forgotten
//	in            the lead that it was merged into; its arrivals, evidence and notes are there
//	hy            1 while all its arrivals are history
type Fields map[string]string

// told says whether a field of a lead is told by events.
func told(field string) bool { return field[0] != 'q' }

// version is the number of the last event that changed the lead, 0 where there is none.
func (f Fields) version() int64 {
	n, err := strconv.ParseInt(f["v"], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// TimerCodes are the letters of the timers, each a field "t"+letter, in the order in which those of one instant go off.
const TimerCodes = "dprwx"

// Fields encodes a lead.
func (l *Lead) Fields() Fields {
	f := Fields{
		"ch": string(l.Channel), "so": l.Source, "sl": l.Label, "dk": l.Desk,
		"ow": l.Owner, "cb": l.CoveredBy, "st": string(l.State),
		"ar": millis(l.ArrivedAt), "la": millis(l.Activity),
		"ra": millis(l.Running.Attempt), "rr": millis(l.Running.Response), "rc": millis(l.Running.Contact),
		"mi": strings.Join(l.Missed, ","),
		"n":  strconv.Itoa(l.Arrivals), "in": l.Into,
	}
	if l.Assigned != nil {
		f["as"] = millis(*l.Assigned)
	}
	if l.DueAt != nil {
		f["dl"] = millis(*l.DueAt)
	}
	if l.Picked {
		f["pk"] = "1"
	}
	if l.First > 0 {
		f["fe"] = strconv.FormatInt(l.First, 10)
	}
	if l.Redeals > 0 {
		f["rn"] = strconv.Itoa(l.Redeals)
	}
	for who, cost := range l.Charged {
		f["c."+who] = strconv.FormatInt(cost, 10)
	}
	l.Timers.fields(f)
	if t := l.Turnover; t != nil {
		f["to"] = join(string(t.State), millis(t.DueAt), t.By, t.Cause, t.Outcome, t.Reason)
	}
	for c, s := range l.Stops {
		if name, ok := stopFields[c]; ok {
			f[name] = join(strconv.FormatInt(s.Event, 10), millis(s.Started), millis(s.At), strconv.FormatInt(int64(s.OpenSeconds*1000), 10), string(s.How), s.By)
		}
	}
	for _, t := range l.Touches {
		f["t"+strconv.Itoa(t.N)] = join(millis(t.At), string(t.Channel), t.Source, string(t.Disposition))
	}
	for _, e := range l.Evidence {
		undone := ""
		if e.Undone {
			undone = "1"
		}
		f["e"+strconv.FormatInt(e.Seq, 10)] = join(string(e.Kind), millis(e.At), e.By, e.Channel, string(e.How), e.Outcome, e.Reason, undone)
	}
	if !l.Personal {
		f["fg"] = "1"
	}
	if l.Past {
		f["hy"] = "1"
	}
	for k, v := range f {
		if v == "" {
			delete(f, k)
		}
	}
	return f
}

var stopFields = map[Clock]string{ClockAttempt: "xt", ClockResponse: "xr", ClockContact: "xc"}

func (t Timers) fields(f Fields) {
	for code, at := range t.byCode() {
		if !at.IsZero() {
			f["t"+code] = millis(at)
		}
	}
}

func (t Timers) byCode() map[string]time.Time {
	return map[string]time.Time{"w": t.Warn, "d": t.Due, "p": t.PersonDue, "r": t.Reassign, "x": t.Close}
}

// ByCode maps each letter of TimerCodes to its instant in milliseconds, without those that do not run.
func (t Timers) ByCode() map[string]int64 {
	m := map[string]int64{}
	for code, at := range t.byCode() {
		if !at.IsZero() {
			m[code] = at.UnixMilli()
		}
	}
	return m
}

// Next is the timer that goes off first, and its letter; zero where none runs.
func (t Timers) Next() (code string, at time.Time) {
	all := t.byCode()
	for _, c := range TimerCodes {
		if x := all[string(c)]; !x.IsZero() && (at.IsZero() || x.Before(at)) {
			code, at = string(c), x
		}
	}
	return code, at
}

// FallsDue says where a lead stands by what falls due of it, all in milliseconds, 0 for nowhere: with its deadline, 0 unless it is untouched,
// among those still to come or among those that passed, and with a timer where one goes off before that. A deadline to come is a timer too:
// what goes off at it or after it is looked for when it has passed.
func FallsDue(deadline int64, t Timers) (toCome, passed, timer int64) {
	first := int64(0)
	if _, at := t.Next(); !at.IsZero() {
		first = at.UnixMilli()
	}
	switch {
	case deadline == 0 || t.Due.IsZero() || t.Due.UnixMilli() != deadline:
		return 0, deadline, first
	case first < deadline:
		return deadline, 0, first
	}
	return deadline, 0, 0
}

// LeadFromFields decodes a lead and derives from its arrivals and evidence what follows from them.
func LeadFromFields(store, id string, version int64, f Fields) (*Lead, error) {
	d := decoder{f: f}
	l := &Lead{
		ID: id, Store: store, Version: version,
		Channel: Channel(f["ch"]), Source: f["so"], Label: f["sl"], Desk: f["dk"],
		Owner: f["ow"], CoveredBy: f["cb"], State: State(f["st"]),
		ArrivedAt: d.time("ar"), Activity: d.time("la"),
		Running:  Running{Attempt: d.time("ra"), Response: d.time("rr"), Contact: d.time("rc")},
		Timers:   d.timers(),
		First:    d.int("fe"),
		Picked:   f["pk"] != "",
		Redeals:  int(d.int("rn")),
		Arrivals: int(d.int("n")),
		Into:     f["in"],
		Charged:  map[string]int64{},
		Personal: f["fg"] == "",
		Past:     f["hy"] != "",
		Stops:    map[Clock]Stop{},
		Touches:  []Touch{}, // of a lead that was merged into another there are none
	}
	if t := d.time("as"); !t.IsZero() {
		l.Assigned = &t
	}
	if t := d.time("dl"); !t.IsZero() {
		l.DueAt = &t
	}
	if f["mi"] != "" {
		l.Missed = strings.Split(f["mi"], ",")
	}
	if s := f["to"]; s != "" {
		p := d.split("to", s, 6)
		l.Turnover = &Turnover{State: TurnoverState(p[0]), DueAt: d.millis("to", p[1]), By: p[2], Cause: p[3], Outcome: p[4], Reason: p[5]}
	}
	for c, name := range stopFields {
		if s := f[name]; s != "" {
			p := d.split(name, s, 6)
			st := Stop{Event: d.number(name, p[0]), Started: d.millis(name, p[1]), At: d.millis(name, p[2]), How: How(p[4]), By: p[5]}
			st.WallSeconds, st.OpenSeconds = st.At.Sub(st.Started).Seconds(), float64(d.number(name, p[3]))/1000
			l.Stops[c] = st
		}
	}
	for i := 1; i <= l.Arrivals; i++ {
		name := "t" + strconv.Itoa(i)
		if f[name] == "" {
			continue
		}
		p := d.split(name, f[name], 4)
		l.Touches = append(l.Touches, Touch{N: i, At: d.millis(name, p[0]), Channel: Channel(p[1]), Source: p[2], Disposition: Disposition(p[3])})
	}
	for name, s := range f {
		if who, ok := strings.CutPrefix(name, "c."); ok {
			l.Charged[who] = d.number(name, s)
		}
		if name[0] == 'e' {
			p := d.split(name, s, 8)
			l.Evidence = append(l.Evidence, Evidence{
				Seq: d.number(name, name[1:]), Kind: Kind(p[0]), At: d.millis(name, p[1]), By: p[2], Channel: p[3], How: How(p[4]), Outcome: p[5], Reason: p[6], Undone: p[7] == "1",
			})
		}
	}
	if d.err != nil {
		return nil, fmt.Errorf("lead %s: %w", id, d.err)
	}
	sortEvidence(l.Evidence)
	l.Milestones = live(l.Touches, l.Evidence).milestones
	return l, nil
}

type decoder struct {
	f   Fields
	err error
}

func (d *decoder) int(name string) int64 { return d.number(name, d.f[name]) }

func (d *decoder) time(name string) time.Time { return d.millis(name, d.f[name]) }

func (d *decoder) timers() Timers {
	return Timers{Warn: d.time("tw"), Due: d.time("td"), PersonDue: d.time("tp"), Reassign: d.time("tr"), Close: d.time("tx")}
}

func (d *decoder) millis(name, s string) time.Time {
	if n := d.number(name, s); n != 0 {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

func (d *decoder) number(name, s string) int64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("field %s: not a number", name)
	}
	return n
}

func (d *decoder) split(name, s string, n int) []string {
	p := strings.Split(s, "|")
	if len(p) != n {
		if d.err == nil {
			d.err = fmt.Errorf("field %s: %d parts, want %d", name, len(p), n)
		}
		return make([]string, n)
	}
	return p
}

// join packs values; the separator cannot stand in one, since all are numbers, slugs or our own words.
func join(parts ...string) string {
	for i, p := range parts {
		if strings.ContainsRune(p, '|') {
			parts[i] = strings.ReplaceAll(p, "|", "-")
		}
	}
	return strings.Join(parts, "|")
}

func millis(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}
