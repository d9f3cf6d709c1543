package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"leadfloor/router"
	"leadfloor/router/hours"
	"leadfloor/router/rdb"
)

// A step is what is done again of one event of the past.
type step struct {
	event   int64     // its number in the books
	at      time.Time // when it was written down
	kind    router.Kind
	lead    string
	named   bool      // a source named who
	who     string    // whom a source named, a hand picked or a status is of
	when    time.Time // when a lead arrived, a deed is said to have happened, or until when a status holds
	word    string    // a lead's desk, a deed's channel, a status
	source  string
	outcome string
	reason  string
	undone  int64 // the event that a correction takes back
}

// A history is what the books tell of a span of days.
type history struct {
	start, end  time.Time
	steps       []step
	hands       map[string]step // the status that each had by hand as the span began
	tally       *tally
	held        map[string][]int64 // leads that were held -> events since when and until when, in turn
	looked      time.Time          // the last look of steps
	reads       int                // events
	first, last time.Time          // of the whole log
	hours       []hours.Version    // of the store, each in its time
}

// errSealed says that the log no longer reaches back to the beginning.
var errSealed = errors.New("its beginning was sealed")

// readHistory reads of a store's log what happened in [start, end), writing nothing. A zero start is the beginning of the log, behind its last
// seal. It keeps of each event a hundred bytes or so.
func readHistory(ctx context.Context, store router.Store, rooftop string, start, end time.Time) (*history, error) {
	book, seal, err := router.ReadSeal(ctx, store, rooftop)
	if err != nil {
		return nil, err
	}
	h := &history{start: start, end: end, hands: map[string]step{}, tally: newTally(), held: map[string][]int64{}}
	if h.hours, err = store.Hours(ctx, rooftop); err != nil {
		return nil, err
	}
	if !start.IsZero() && start.Before(seal.At) {
		h.first = seal.At
		return h, errSealed
	}
	for who, x := range book.Hands {
		h.hands[who] = step{event: seal.Last, at: seal.At, kind: router.KindFloor, who: who, word: string(x.Status), when: x.Until}
	}
	const page = 1000
	for head := seal.Last; ; {
		events, err := store.Events(ctx, rooftop, head, page)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			switch begins := h.reads == 0; {
			case begins && e.Seq > head+1 && (start.IsZero() || e.At.After(start)):
				h.first = e.At
				return h, errSealed
			case !begins && e.Seq != head+1:
				return nil, fmt.Errorf("event %d follows event %d: leadfloor verify tells what is wrong", e.Seq, head)
			case begins:
				h.first = e.At
				if h.start.IsZero() {
					h.start = e.At
				}
			}
			head, h.last = e.Seq, e.At
			h.reads++
			h.add(e)
		}
		if len(events) < page || !h.last.Before(end) {
			return h, nil
		}
	}
}

func (h *history) add(e router.Event) {
	s := step{event: e.Seq, at: e.At, kind: e.Kind, lead: e.Lead, when: e.At, outcome: e.Detail["outcome"], reason: e.Detail["reason"]}
	if e.Kind == router.KindFloor {
		s.who, s.word, s.when = e.Detail["who"], e.Detail["status"], millis(e.Detail["until"])
		if s.who == "" {
			s.kind = kindMuster // the schedule's doing, or a cap's
		} else if e.At.Before(h.start) {
			h.hands[s.who] = s
		}
	}
	if e.At.Before(h.start) || !e.At.Before(h.end) {
		return
	}
	_, known := h.tally.owner[e.Lead]
	h.tally.apply(e)
	if _, ours := h.tally.owner[e.Lead]; e.Lead != "" && !ours {
		return // it arrived before
	}
	if e.Lead != "" && !known {
		s.kind, s.when, s.source, s.word = kindArrival, millis(e.Set["ar"]), e.Set["so"], e.Set["dk"]
		switch e.Kind {
		case router.KindNamed, router.KindReturned:
			s.who, s.named = e.Deal.To, e.Kind == router.KindNamed
		case router.KindHeld:
			h.held[e.Lead] = []int64{e.Seq}
		}
		h.steps = append(h.steps, s)
		return
	}
	switch e.Kind {
	case router.KindFloor:
		if s.kind == kindMuster && h.looked.Equal(e.At) {
			return // part of that look
		}
	case router.KindAssigned:
		s.who = e.Deal.To
		h.dealt(e)
	case router.KindHeld, router.KindDealt, router.KindRedealt, router.KindEscalated:
		if e.Kind == router.KindHeld {
			h.held[e.Lead] = append(h.held[e.Lead], e.Seq)
		} else {
			h.dealt(e)
		}
		if h.looked.Equal(e.At) {
			return
		}
		s.kind, h.looked = kindLook, e.At
	case router.KindCorrected:
		s.undone, _ = strconv.ParseInt(e.Detail["event"], 10, 64) // 0 takes nothing back
	case router.KindMerged:
		if e.Detail["into"] == "" {
			return
		}
		s.kind, s.reason = router.KindVoid, "not-a-lead" // no lead of its own, and its turns given back
	case router.KindNote:
		return
	default:
		if !slices.Contains(router.LoggedKinds, e.Kind) {
			return // warnings and deadlines, touches and copies
		}
		if at, err := time.Parse(time.RFC3339Nano, e.Detail["at"]); err == nil {
			s.when = at
		}
		s.word = e.Detail["channel"]
	}
	h.steps = append(h.steps, s)
}

// dealt notes until when a lead was held.
func (h *history) dealt(e router.Event) {
	if all := h.held[e.Lead]; len(all)%2 == 1 {
		h.held[e.Lead] = append(all, e.Seq)
	}
}

// wasHeld says whether a manager held the lead when a step was taken.
func (h *history) wasHeld(s step) bool {
	n, _ := slices.BinarySearch(h.held[s.lead], s.event)
	return n%2 == 1
}

// Kinds of a step that are none of an event.
const (
	kindArrival router.Kind = "arrival"
	kindMuster  router.Kind = "muster" // the daemon saw who was on, and that it had changed
	kindLook    router.Kind = "look"   // the daemon looked at its clock, and found leads to deal
)

// lookedWithin is how late the daemon of the past may have looked at what had fallen due. Where the log shows that it looked within that
// time, that was when; else it is done at the end of it, for what people did meanwhile came first. So one floor and the same rules make the
// same history, though things happen between the due time and the look.
const lookedWithin = 2 * tickEvery

func millis(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// A replay lets a history happen on a floor of its own: the daemon's router and scripts, over a store inside this process and a clock that
// is moved by hand.
type replay struct {
	home   *router.Rooftop
	past   *history
	server *miniredis.Miniredis
	client *redis.Client
	store  *scratch
	router *router.Router
	clock  time.Time

	looks    []time.Time          // when the daemon of the past mustered or looked, from here on
	mustered time.Time            // when it last mustered: what was due before had its look, without a lead to deal
	shift    time.Time            // when somebody next comes on or goes off by schedule
	hands    map[string]time.Time // until when somebody is set by hand
	stir     time.Time            // since when held leads may have somebody to go to; zero: not

	touched map[string]bool   // leads that somebody has tried here, and none of whose deeds is corrected later
	mistold map[string]bool   // leads of whose deeds one is
	told    map[int64]int64   // deeds that are corrected later: event of the books -> event here, 0 until it is told
	later   map[string][]step // what was done about leads that are still held here
	leftOut int               // what does not fit this floor
}

// newReplay makes the floor, which the caller closes.
func newReplay(ctx context.Context, home *router.Rooftop, past *history) (*replay, error) {
	if n := len(past.hours); n > 0 && past.hours[n-1].Calendar.String() == home.Calendar().String() {
		home = home.Following(past.hours, past.end) // hours are not what was changed: each day has its own
	}
	// What is played again is not kept, however long ago it was.
	floor := *home
	floor.Retention = router.Retention{}
	home = &floor
	r := &replay{
		home: home, past: past, server: miniredis.NewMiniRedis(), clock: past.start, hands: map[string]time.Time{},
		touched: map[string]bool{}, mistold: map[string]bool{}, told: map[int64]int64{}, later: map[string][]step{},
	}
	secret := rand.Text()
	r.server.RequireAuth(secret)
	if err := r.server.Start(); err != nil {
		return nil, fmt.Errorf("start a store inside this process: %w", err)
	}
	r.client = redis.NewClient(&redis.Options{
		Addr: r.server.Addr(), Password: secret, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	r.store = &scratch{Store: rdb.New(r.client, rdb.Options{Now: func() time.Time { return r.clock }})}
	r.router = router.New(r.store, []*router.Rooftop{home})
	for _, s := range past.steps {
		switch s.kind {
		case kindLook, kindMuster:
			r.looks = append(r.looks, s.at)
		case router.KindCorrected:
			r.told[s.undone], r.mistold[s.lead] = 0, true
		}
	}
	if err := r.begin(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *replay) close() {
	_ = r.client.Close() // nothing is lost by it
	r.server.Close()
}

// begin puts everybody where schedule and hand have them.
func (r *replay) begin(ctx context.Context) error {
	if err := r.tick(ctx, r.clock); err != nil {
		return err
	}
	byEvent := func(a, b step) int { return cmp.Compare(a.event, b.event) }
	for _, s := range slices.SortedFunc(maps.Values(r.past.hands), byEvent) {
		if !s.when.IsZero() && !s.when.After(r.clock) {
			continue
		}
		if err := r.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// run lets everything happen.
func (r *replay) run(ctx context.Context, progress func(done, of int64)) error {
	for i, s := range r.past.steps {
		if err := r.advance(ctx, s.at); err != nil {
			return err
		}
		r.clock = later(r.clock, s.at)
		if err := r.do(ctx, s); err != nil {
			return fmt.Errorf("event %d again: %w", s.event, err)
		}
		if progress != nil && i%100 == 0 {
			progress(int64(i), int64(len(r.past.steps)))
		}
	}
	return r.advance(ctx, r.past.end)
}

// do takes one step again.
func (r *replay) do(ctx context.Context, s step) error {
	var err error
	switch s.kind {
	case kindMuster:
		r.looks, r.mustered = r.looks[1:], s.at
		_, err := r.router.Floor(ctx, r.home.ID)
		return err
	case kindLook:
		r.looks = r.looks[1:]
		at, err := r.next(ctx)
		if err != nil || at.IsZero() || at.After(s.at) {
			return err
		}
		return r.tick(ctx, s.at)
	case kindArrival:
		err = r.arrive(ctx, s)
	default:
		err = r.deed(ctx, s)
	}
	if err != nil {
		return err
	}
	return r.stirred(ctx)
}

// deed takes a step that somebody did by hand. What does not fit this floor is left out.
func (r *replay) deed(ctx context.Context, s step) error {
	var err error
	switch s.kind {
	case router.KindFloor:
		if _, err = r.router.SetFloor(ctx, r.home.ID, s.who, router.Status(s.word), s.when, "", actorCommand); err == nil {
			r.hands[s.who] = s.when
		}
	case router.KindAssigned:
		if _, err = r.router.Assign(ctx, s.lead, s.who, "", "", actorCommand); err == nil {
			return r.tell(ctx, s.lead)
		}
	case router.KindCorrected:
		event := r.told[s.undone]
		delete(r.told, s.undone)
		if event == 0 {
			r.later[s.lead] = slices.DeleteFunc(r.later[s.lead], func(l step) bool { return l.event == s.undone })
			return nil // here it was never told
		}
		_, err = r.router.Correct(ctx, s.lead, event, "", "", actorCommand)
	default:
		if r.touched[s.lead] && s.kind != router.KindVoid {
			return nil // it moves nobody's turn any more
		}
		var l *router.Lead
		if l, err = r.router.Lead(ctx, s.lead); err != nil {
			return err
		}
		if l.State == router.Waiting && s.kind != router.KindVoid && !r.past.wasHeld(s) {
			// Nobody has it who could have done it.
			r.later[s.lead] = append(r.later[s.lead], s)
			return nil
		}
		err = r.log(ctx, s)
	}
	if fault := (*router.FaultError)(nil); errors.As(err, &fault) || errors.Is(err, router.ErrNotFound) {
		r.leftOut++
		return nil
	}
	return err
}

// log has whoever owns the lead here do what its owner did.
func (r *replay) log(ctx context.Context, s step) error {
	l, err := r.router.Log(ctx, s.lead, router.Entry{
		Kind: s.kind, Channel: s.word, At: s.when, Outcome: s.outcome, Reason: s.reason, Actor: actorCommand,
	})
	if _, corrected := r.told[s.event]; err == nil && corrected {
		r.told[s.event] = l.Evidence[len(l.Evidence)-1].Seq
	}
	r.touched[s.lead] = err == nil && !l.Untouched() && !r.mistold[s.lead]
	return err
}

// tell makes up for what was done about a lead in the past while nobody had it here.
func (r *replay) tell(ctx context.Context, lead string) error {
	todo := r.later[lead]
	delete(r.later, lead)
	for _, s := range todo {
		if err := r.deed(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// arrive takes a lead. It goes by its own id alone: who the customer is was decided, and is not known to the log.
func (r *replay) arrive(ctx context.Context, s step) error {
	r.store.next = s.lead
	desk := s.word
	if _, ok := r.home.Desks[desk]; !ok {
		desk = router.DeskSales
	}
	// A walk-in's first talk stands in the log as an event of its own, so that it need not come about again.
	_, err := r.router.Take(ctx, r.home.ID, &router.Arrival{
		Token: s.lead, Place: s.lead, Channel: router.PhoneUp, Source: s.source, Desk: desk, At: s.when, Owner: s.who, Actor: actorCommand,
	})
	if err == nil && s.named {
		_, err = r.router.Assign(ctx, s.lead, s.who, "", "", actorCommand) // it is theirs for good, and costs no second turn
	}
	return err
}

// advance lets time pass, and what falls due by the given instant happen.
func (r *replay) advance(ctx context.Context, to time.Time) error {
	for {
		at, err := r.next(ctx)
		if err != nil || at.IsZero() || at.After(to) {
			return err
		}
		at = later(at, r.mustered)
		if i, _ := slices.BinarySearchFunc(r.looks, at, time.Time.Compare); i < len(r.looks) && r.looks[i].Sub(at) <= lookedWithin {
			return nil // it is seen then
		}
		if at = at.Add(lookedWithin); at.After(to) {
			return nil
		}
		if err := r.tick(ctx, at); err != nil {
			return err
		}
	}
}

// next is the earliest instant at which something falls due, zero where nothing ever does.
func (r *replay) next(ctx context.Context) (time.Time, error) {
	timers, err := r.store.Fallen(ctx, r.home.ID, time.UnixMilli(1<<50), 1)
	if err != nil {
		return time.Time{}, err
	}
	at := earlier(earlier(r.shift, r.stir), r.store.early)
	for _, until := range r.hands {
		at = earlier(at, until)
	}
	for _, t := range timers {
		at = earlier(at, t.At)
	}
	return at, nil
}

// tick does what has fallen due.
func (r *replay) tick(ctx context.Context, at time.Time) error {
	r.clock = later(r.clock, at)
	r.stir, r.store.early = time.Time{}, time.Time{}
	done, err := r.router.Tick(ctx, r.home.ID)
	if err != nil {
		return err
	}
	for _, id := range r.store.freed() {
		if err := r.tell(ctx, id); err != nil {
			return err
		}
	}
	if !r.shift.After(r.clock) {
		r.shift = nextShift(r.home, r.clock)
	}
	for who, until := range r.hands {
		if !until.After(r.clock) {
			delete(r.hands, who)
		}
	}
	if done == 0 {
		return nil
	}
	return r.stirred(ctx)
}

// stirred has the floor looked at again where leads are held: what was just done may have freed somebody for the held leads. Without any,
// a change is soon enough seen when it next matters, at a deal.
func (r *replay) stirred(ctx context.Context) error {
	id, err := r.store.FirstWaiting(ctx, r.home.ID)
	if err == nil && id != "" {
		r.stir = r.clock
	}
	return err
}

// nextShift is when somebody next comes on or goes off by schedule, zero where nobody ever does.
func nextShift(f *router.Rooftop, now time.Time) time.Time {
	var at time.Time
	look := func(t time.Time, ok bool) {
		if ok {
			at = earlier(at, t)
		}
	}
	if f.Hours != nil {
		look(f.Hours.NextChange(now))
	}
	for _, s := range f.Roster {
		if s.Schedule != nil {
			look(s.Schedule.NextChange(now))
		}
	}
	return at
}

// earlier is the earlier of two instants, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// A scratch store is one that nobody will read when the replay is over. Leads keep their ids, since of two that came at the same instant the
// smaller id is dealt first. Warnings and deadlines, which move no lead, are not kept.
type scratch struct {
	*rdb.Store
	next  string    // id of the lead that is taken next
	last  time.Time // when a held lead was last dealt
	early time.Time // when the next may be; zero: none waits for that
	dealt []string  // held leads dealt since freed was called
}

var _ router.Store = (*scratch)(nil)

// TakeAll is called with one arrival at a time.
func (s *scratch) TakeAll(ctx context.Context, rooftop string, all []*router.Take) []router.Answer {
	for _, t := range all {
		t.LeadID, t.Timers = s.next, router.Timers{Reassign: t.Timers.Reassign}
	}
	return s.Store.TakeAll(ctx, rooftop, all)
}

func (s *scratch) Deal(ctx context.Context, rooftop string, d *router.Dealing) (router.Dealt, error) {
	d.Timers = router.Timers{Reassign: d.Timers.Reassign}
	dealt, err := s.Store.Deal(ctx, rooftop, d)
	switch {
	case err != nil || d.To != "" || d.Miss != "": // no held lead's
	case dealt.Early:
		s.early = s.last.Add(d.Spacing)
	case dealt.Owner != "":
		s.last = d.Now
		s.dealt = append(s.dealt, d.Lead)
	}
	return dealt, err
}

func (s *scratch) freed() []string {
	all := s.dealt
	s.dealt = nil
	return all
}
