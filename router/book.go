package router

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Book is what the events say: folded from the first on, it holds every key that can be rebuilt. It checks each decision of the
// rotation again, by the law and not by the script that made it.
type Book struct {
	Head      int64
	Leads     map[string]Fields // fields and v
	Counts    map[string]int64
	Turns     map[string]Turns
	Hands     map[string]Hand // who was set by hand and not back, run out or not
	Ref       int64
	gen       int64
	hasRef    bool
	Faults    []string // what is wrong in itself: gaps, unjust deals
	Decisions int      // deals of the rotation that were checked
}

// NewBook is an empty one.
func NewBook() *Book {
	return &Book{Leads: map[string]Fields{}, Counts: map[string]int64{}, Turns: map[string]Turns{}, Hands: map[string]Hand{}}
}

const mostFaults = 100

func (b *Book) fault(format string, args ...any) {
	if len(b.Faults) < mostFaults {
		b.Faults = append(b.Faults, fmt.Sprintf(format, args...))
	}
}

// Apply folds the next event.
func (b *Book) Apply(e Event) {
	if e.Seq != b.Head+1 {
		b.fault("event %d follows event %d: %d are missing", e.Seq, b.Head, e.Seq-b.Head-1)
	}
	b.Head = e.Seq
	for name, n := range e.Counts {
		b.Counts[name] += n
	}
	if e.Deal != nil {
		b.deal(e)
	}
	if e.Lead == "" {
		return
	}
	f, ok := b.Leads[e.Lead]
	if !ok {
		f = Fields{}
		b.Leads[e.Lead] = f
	}
	f["v"] = strconv.FormatInt(e.Seq, 10)
	for name, v := range e.Set {
		if v == "" {
			delete(f, name)
		} else {
			f[name] = v
		}
	}
	if f["ow"] == "" {
		b.fault("event %d leaves lead %s without an owner", e.Seq, e.Lead)
	}
}

func (b *Book) deal(e Event) {
	d := e.Deal
	if e.Kind == KindFloor {
		b.floor(e.Seq, d)
		b.hand(e)
		return
	}
	switch e.Kind {
	case KindDealt, KindRedealt:
		if d.Cost > 0 {
			b.Decisions++
			b.just(e)
		}
	case KindHeld:
		if len(d.In) > 0 && d.Reason != "others wait before it" {
			b.fault("event %d holds lead %s while %d people are eligible", e.Seq, e.Lead, len(d.In))
		}
	}
	for who, cost := range d.Back {
		t := b.Turns[who]
		t.Pass, t.Since, t.Gen = max(0, t.Pass-cost), -1, b.gen
		b.Turns[who] = t
	}
	if d.Cost == 0 {
		return
	}
	t, ok := b.Turns[d.To]
	if !ok {
		b.fault("event %d charges %s, who never joined", e.Seq, d.To)
		return
	}
	if t.Gen != b.gen {
		t.Since = 0
	}
	if d.Cost < 0 { // a turn given back, as it was told before Back named whom
		t.Pass, t.Since, t.Gen = max(0, t.Pass+d.Cost), -1, b.gen
		b.Turns[d.To] = t
		return
	}
	t.Pass, t.Last, t.Turns, t.Gen = t.Pass+d.Cost, e.Seq, t.Turns+1, b.gen
	switch {
	case e.Kind != KindDealt:
		t.Since = -1
	case t.Since >= 0:
		t.Since++
	}
	b.Turns[d.To] = t
	low, any := int64(0), false
	for _, x := range b.Turns {
		if x.Eligible && (!any || x.Pass < low) {
			low, any = x.Pass, true
		}
	}
	if any {
		b.Ref, b.hasRef = low, true
	}
}

// just checks the invariant: nobody gets a turn while another who is eligible for that lead has a lower pass.
func (b *Book) just(e Event) {
	d := e.Deal
	missed := map[string]bool{}
	for _, id := range d.Missed {
		missed[id] = true
	}
	var best string
	for _, id := range slices.Sorted(maps.Keys(b.Turns)) {
		t := b.Turns[id]
		if !t.Eligible || missed[id] {
			continue
		}
		if p, ok := d.In[id]; !ok {
			b.fault("event %d does not name %s, who is eligible", e.Seq, id)
		} else if p != t.Pass {
			b.fault("event %d has %s at pass %d; the log says %d", e.Seq, id, p, t.Pass)
		}
		if best == "" || t.Pass < b.Turns[best].Pass || t.Pass == b.Turns[best].Pass && t.Last < b.Turns[best].Last {
			best = id
		}
	}
	for id := range d.In {
		if !b.Turns[id].Eligible {
			b.fault("event %d deals among others to %s, who is not eligible", e.Seq, id)
		}
	}
	if best != d.To {
		b.fault("event %d deals to %s; it was the turn of %s", e.Seq, d.To, best)
	}
}

// hand folds who was set by hand.
func (b *Book) hand(e Event) {
	who, status := e.Detail["who"], Status(e.Detail["status"])
	switch ms, err := strconv.ParseInt(e.Detail["until"], 10, 64); {
	case who == "":
	case status == Auto:
		delete(b.Hands, who)
	case err == nil:
		b.Hands[who] = Hand{Status: status, Until: time.UnixMilli(ms).UTC(), By: e.By}
	default:
		b.Hands[who] = Hand{Status: status, By: e.By}
	}
}

// floor folds who joined, who became eligible with which pass, and who no longer is.
func (b *Book) floor(seq int64, d *Deal) {
	changed := len(d.Joined) > 0
	for id, pass := range d.Joined {
		b.Turns[id] = Turns{Pass: pass, Last: seq, Gen: b.gen}
	}
	for id, pass := range d.Admitted {
		t := b.Turns[id]
		if pass < t.Pass {
			b.fault("event %d admits %s with a pass below the own", seq, id)
		}
		t.Pass = pass
		b.Turns[id] = t
	}
	for id, t := range b.Turns {
		pass, in := d.In[id]
		if in && pass != t.Pass {
			b.fault("event %d has %s at pass %d; the log says %d", seq, id, pass, t.Pass)
		}
		if in != t.Eligible {
			t.Eligible = in
			b.Turns[id] = t
			changed = true
		}
	}
	if changed {
		b.gen++
	}
	for _, id := range d.Apart {
		t := b.Turns[id]
		t.Since, t.Gen = -1, b.gen
		b.Turns[id] = t
	}
}

// A Difference is one place at which the live state is not what the events say.
type Difference struct {
	What string `json:"what"`
	Live string `json:"live"`
	Log  string `json:"log"`
}

// Verification is the outcome of Verify.
type Verification struct {
	Store       string       `json:"store"`
	Sealed      int64        `json:"sealed"` // number of the last event that a seal closed
	Head        int64        `json:"events"` // number of the last event
	Leads       int          `json:"leads"`
	Decisions   int          `json:"decisions"` // deals of the rotation that were decided again
	Faults      []string     `json:"faults"`
	Differences []Difference `json:"differences"`
}

// OK says whether nothing is off.
func (v *Verification) OK() bool { return len(v.Faults) == 0 && len(v.Differences) == 0 }

// Verify replays a store's events to the head that it sees, decides every turn again, and compares the outcome with the live state. It is
// safe beside running daemons: whatever is written meanwhile is read from the log too.
func (r *Router) Verify(ctx context.Context, rooftop string, progress func(done, head int64)) (*Verification, error) {
	if _, err := r.Rooftop(rooftop); err != nil {
		return nil, err
	}
	for tries := 0; ; tries++ {
		v, err := r.verify(ctx, rooftop, progress)
		if err != nil {
			return nil, err
		}
		// A seal that came between has taken what was to be read.
		if last, err := r.store.Sealed(ctx, rooftop); err != nil || last == v.Sealed || tries == 3 {
			return v, cmp.Or(err, r.store.Checked(ctx, rooftop, r.store.Now(), len(v.Faults)+len(v.Differences)))
		}
	}
}

func (r *Router) verify(ctx context.Context, rooftop string, progress func(done, head int64)) (*Verification, error) {
	b, seal, err := ReadSeal(ctx, r.store, rooftop)
	if err != nil {
		return nil, err
	}
	live, err := r.store.Derived(ctx, rooftop)
	if err != nil {
		return nil, err
	}
	if err := r.replay(ctx, rooftop, b, live.Head, progress); err != nil {
		return nil, err
	}
	v := &Verification{Store: rooftop, Sealed: seal.Last, Head: live.Head, Leads: len(b.Leads), Decisions: b.Decisions}
	v.compare(b, live, r.store.Now())

	if err := r.verifyLeads(ctx, rooftop, b, v, progress); err != nil {
		return nil, err
	}
	v.Faults = b.Faults
	slices.SortFunc(v.Differences, func(x, y Difference) int { return cmp.Compare(x.What, y.What) })
	return v, nil
}

// verifyLeads compares every lead at its own version, with which the log may have to catch up: leads are read after the sets were.
func (r *Router) verifyLeads(ctx context.Context, rooftop string, b *Book, v *Verification, progress func(done, head int64)) error {
	const chunk = 500
	for todo := range slices.Chunk(slices.Sorted(maps.Keys(b.Leads)), chunk) {
		for tries := 0; len(todo) > 0; tries++ {
			live, err := r.store.LeadFields(ctx, rooftop, todo)
			if err != nil {
				return err
			}
			newest := b.Head
			for _, f := range live {
				newest = max(newest, f.version())
			}
			if err := r.replay(ctx, rooftop, b, newest, progress); err != nil {
				return err
			}
			var again []string
			for i, id := range todo {
				// The log may now be ahead of what was read: then the lead is read again.
				if live[i].version() < b.Leads[id].version() && tries < 20 {
					again = append(again, id)
					continue
				}
				v.lead(id, b.Leads[id], live[i])
			}
			todo = again
		}
	}
	return nil
}

func (r *Router) replay(ctx context.Context, rooftop string, b *Book, head int64, progress func(done, head int64)) error {
	for b.Head < head {
		events, err := r.store.Events(ctx, rooftop, b.Head, int(min(1000, head-b.Head)))
		if err != nil {
			return err
		}
		if len(events) == 0 {
			b.fault("the log ends at event %d; the store counted %d", b.Head, head)
			return nil
		}
		for _, e := range events {
			b.Apply(e)
		}
		if progress != nil {
			progress(b.Head, head)
		}
	}
	return nil
}

func (v *Verification) differ(what, live, log string) {
	if live != log && len(v.Differences) < mostFaults {
		v.Differences = append(v.Differences, Difference{What: what, Live: live, Log: log})
	}
}

func (v *Verification) lead(id string, log, live Fields) {
	for name := range union(log, live) {
		if !told(name) {
			continue
		}
		v.differ("lead "+id+" "+name, live[name], log[name])
	}
}

// A kind names what is derived, as differences call it.
const (
	ofUntouched = "untouched"    // lead: start of its clock
	ofDeadline  = "deadline"     // untouched lead: its deadline, while it is to come
	ofOverdue   = "overdue"      // untouched lead: its deadline, once it has passed
	ofWaiting   = "waiting"      // lead: arrival
	ofTimer     = "timer"        // lead: instant of its first timer, unless its deadline is to come no later
	ofOwed      = "owed"         // lead: deadline of its T.O.
	ofArrival   = "arrival"      // lead: arrival
	ofPerson    = "untouched of" // person: untouched leads
	ofCounter   = "counter"      // name: value

	ofRotation   = "rotation of" // person
	ofHand       = "set by hand" // person
	ofLead       = "lead"
	ofPrint      = "fingerprint"
	ofHead       = "last event"
	ofReference  = "rotation reference"
	ofGeneration = "rotation generation"
)

// derived is what follows from the folded leads, by kind.
func (b *Book) derived() map[string]map[string]int64 {
	sets := map[string]map[string]int64{
		ofUntouched: {}, ofDeadline: {}, ofOverdue: {}, ofWaiting: {}, ofTimer: {}, ofOwed: {}, ofArrival: {}, ofPerson: {}, ofCounter: nonzero(b.Counts),
	}
	put := func(set, member, ms string) {
		if n, err := strconv.ParseInt(ms, 10, 64); err == nil {
			sets[set][member] = n
		}
	}
	due := func(set, id string, at int64) {
		if at != 0 {
			sets[set][id] = at
		}
	}
	for id, f := range b.Leads {
		put(ofArrival, id, f["ar"])
		d, deadline := decoder{f: f}, int64(0)
		if st := State(f["st"]); st == Waiting || st == Untouched {
			put(ofUntouched, id, f["ra"])
			deadline = d.int("dl")
			if st == Waiting {
				put(ofWaiting, id, f["ar"])
			} else {
				sets[ofPerson][f["ow"]]++
			}
		}
		toCome, passed, timer := FallsDue(deadline, d.timers())
		due(ofDeadline, id, toCome)
		due(ofOverdue, id, passed)
		due(ofTimer, id, timer)
		if p := strings.Split(f["to"], "|"); len(p) == 6 && TurnoverState(p[0]) == TurnoverOwed {
			put(ofOwed, id, p[1])
		}
	}
	return sets
}

func (d *Derived) sets() map[string]map[string]int64 {
	return map[string]map[string]int64{
		ofUntouched: d.ByArrival, ofDeadline: d.ByDue, ofOverdue: d.Overdue, ofWaiting: d.Waiting, ofTimer: d.Due, ofOwed: d.Owed, ofArrival: d.Leads,
		ofPerson: nonzero(d.Untouched), ofCounter: nonzero(d.Counts),
	}
}

// compare holds the live sets against what follows from the folded leads.
func (v *Verification) compare(b *Book, live *Derived, now time.Time) {
	log := b.derived()
	for name, set := range live.sets() {
		for m := range union(set, log[name]) {
			v.differ(name+" "+m, amount(set, m), amount(log[name], m))
		}
	}
	received := map[string]int64{}
	for _, f := range b.Leads {
		if f["hy"] == "" {
			received[CountReceived+"|"+f["sl"]]++
		}
	}
	for name, n := range received {
		v.differ("leads by "+name, strconv.FormatInt(live.Counts[name], 10), strconv.FormatInt(n, 10))
	}
	for id := range union(live.Turns, b.Turns) {
		x, y := live.Turns[id], b.Turns[id]
		// What was counted since an older change of the floor counts for nothing.
		if x.Gen != b.gen {
			x.Since = 0
		}
		if y.Gen != b.gen {
			y.Since = 0
		}
		x.Gen, y.Gen = 0, 0
		v.differ(ofRotation+" "+id, fmt.Sprintf("%+v", x), fmt.Sprintf("%+v", y))
	}
	was, is := lasting(live.Hands, now), lasting(b.Hands, now)
	for who := range union(was, is) {
		v.differ(ofHand+" "+who, was[who].String(), is[who].String())
	}
	v.differ(ofHead, strconv.FormatInt(live.Head, 10), strconv.FormatInt(live.Last, 10))
	if b.hasRef {
		v.differ(ofReference, strconv.FormatInt(live.Ref, 10), strconv.FormatInt(b.Ref, 10))
	}
}

// lasting are those who are still set by hand.
func lasting(hands map[string]Hand, now time.Time) map[string]Hand {
	kept := maps.Clone(hands)
	maps.DeleteFunc(kept, func(_ string, h Hand) bool { return !h.Until.IsZero() && !h.Until.After(now) })
	return kept
}

// String tells a status and how long it lasts.
func (h Hand) String() string {
	switch {
	case h.Status == "":
		return "none"
	case h.Until.IsZero():
		return string(h.Status)
	}
	return string(h.Status) + " until " + h.Until.UTC().Format(time.RFC3339Nano)
}

func amount(m map[string]int64, key string) string {
	if n, ok := m[key]; ok {
		return strconv.FormatInt(n, 10)
	}
	return "none"
}

func nonzero(m map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for k, n := range m {
		if n != 0 {
			out[k] = n
		}
	}
	return out
}

func union[V any](a, b map[string]V) map[string]bool {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return all
}
