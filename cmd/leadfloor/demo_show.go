package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"leadfloor/ingest"
	"leadfloor/router"
)

// The colours of what happens.
const (
	colourNew  = "36"
	colourGood = "32"
	colourBest = "1;32"
	colourWarn = "33"
	colourBad  = "31"
	colourTO   = "35"
	colourDim  = "2"
	colourBold = "1"
)

// A screen takes lines from several, in colour where somebody looks.
type screen struct {
	mu     sync.Mutex
	w      io.Writer
	colour bool
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w}
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		info, err := f.Stat()
		s.colour = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
}

func (s *screen) printf(colour, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if s.colour && colour != "" {
		text = "\x1b[" + colour + "m" + strings.TrimSuffix(text, "\n") + "\x1b[0m\n"
	}
	fmt.Fprint(s.w, text)
}

// A teller tells what happens as it happens, from the store's log of events: it sees the daemon from outside, as any replica would.
type teller struct {
	books  *books
	out    *screen
	seq    int64             // of the last event told
	last   map[string]string // owners, to say from whom a lead goes
	parked [2]string         // the newest message told, without a lead and quarantined
}

const (
	tellEvery   = 150 * time.Millisecond
	statusEvery = 5 * time.Second
)

// run tells until ctx ends, and then what is left to tell.
func (t *teller) run(ctx context.Context) {
	status := time.Now().Add(statusEvery)
	for {
		more := sleep(ctx, tellEvery)
		// What cannot be read now is told later.
		now, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		_ = t.events(now)
		_ = t.messages(now)
		if time.Now().After(status) {
			_ = t.status(now)
			status = time.Now().Add(statusEvery)
		}
		cancel()
		if !more {
			return
		}
	}
}

func (t *teller) events(ctx context.Context) error {
	for {
		events, err := t.books.store.Events(ctx, demoStore, t.seq, 200)
		if err != nil {
			return err
		}
		for _, e := range events {
			var l *router.Lead
			if e.Lead != "" {
				if l, err = t.books.router.Lead(ctx, e.Lead); err != nil {
					return err
				}
			}
			t.tell(&e, l)
			t.seq = e.Seq
		}
		if len(events) == 0 {
			return nil
		}
	}
}

// messages tells of mail that made no lead.
func (t *teller) messages(ctx context.Context) error {
	for i, quarantined := range []bool{false, true} {
		all, err := t.books.router.Parked(ctx, demoStore, quarantined, 20)
		if err != nil {
			return err
		}
		fresh := all
		if n := slices.IndexFunc(all, func(p router.Parked) bool { return p.ID == t.parked[i] }); n >= 0 {
			fresh = all[:n]
		}
		for _, p := range slices.Backward(fresh) {
			t.line(p.Now, p.Fate, "", "", "", p.Reason, "")
			t.parked[i] = p.ID
		}
	}
	return nil
}

// tell is one event on one line.
func (t *teller) tell(e *router.Event, l *router.Lead) {
	what, who, how := string(e.Kind), e.By, cmp.Or(e.Detail["reason"], e.Detail["outcome"], e.Detail["channel"])
	deal := func() {
		who, how = "-> "+e.Deal.To, e.Deal.Reason
		if from := t.last[e.Lead]; from != "" && from != e.Deal.To {
			who = from + " " + who
		}
	}
	switch e.Kind {
	case router.KindDealt, router.KindReturned:
		if what = "new"; t.last[e.Lead] != "" {
			what = "dealt" // it was held
		}
		deal()
		how = "dealt after " + short(e.At.Sub(l.ArrivedAt))
	case router.KindHeld, router.KindRedealt, router.KindEscalated, router.KindAssigned:
		deal()
		what = map[router.Kind]string{router.KindHeld: "held", router.KindRedealt: "dealt again", router.KindEscalated: "to manager", router.KindAssigned: "assigned"}[e.Kind]
	case router.KindTouch:
		who, how = t.last[e.Lead], "writes again"
	case router.KindDuplicate:
		who, how = t.last[e.Lead], "the same enquiry"
	case router.KindAttempt, router.KindResponse, router.KindContact:
		how = cmp.Or(e.Detail["channel"], "in person") + ", after " + short(e.At.Sub(since(e, l)))
	case router.KindWarned:
		if how == "" {
			how = "untouched"
		}
	case router.KindWillWait:
		what, how = "will wait", "a T.O. for "+managerID
	case router.KindTurnover:
		what, how = "T.O.", strings.TrimSpace(e.Detail["outcome"]+" "+e.Detail["reason"])
	case router.KindDue:
		if e.Detail["of"] != "store" || e.Detail["met"] == "true" {
			return
		}
		what, who, how = "overdue", t.last[e.Lead], "no answer in time"
	case router.KindFloor:
		if e.Detail["who"] == "" {
			return
		}
		who, how = e.Detail["who"], map[string]string{"auto": "is back"}[e.Detail["status"]]
		how = cmp.Or(how, "is "+e.Detail["status"])
	}
	id, source, car := "", "", ""
	if l != nil {
		id, source, car = l.ID[len(l.ID)-6:], l.Source, "no vehicle"
		if len(l.Vehicles) > 0 {
			v := l.Vehicles[len(l.Vehicles)-1]
			car = strings.TrimSpace(fmt.Sprintf("%d %s %s", v.Year, v.Make, v.Model))
		}
		if e.Deal != nil && e.Deal.To != "" {
			t.last[l.ID] = e.Deal.To // the lead itself may be further by now
		}
	}
	t.line(e.At, what, id, source, car, who, how)
}

// since is when the clock started that an event stopped; where it stopped none, when the lead came.
func since(e *router.Event, l *router.Lead) time.Time {
	for _, s := range l.Stops {
		if s.Event == e.Seq {
			return s.Started
		}
	}
	return l.ArrivedAt
}

var colours = map[string]string{
	"new": colourNew, "touch": colourNew, "response": colourGood, "contact": colourGood, "appointment": colourGood, "show": colourGood, "sale": colourBest,
	"warned": colourWarn, "quarantined": colourWarn, "overdue": colourBad, "dealt again": colourBad, "to manager": colourBad, "held": colourBad,
	"will wait": colourTO, "T.O.": colourTO, "lost": colourTO, "duplicate": colourDim, "other": colourDim, "void": colourDim, "floor": colourDim,
}

func (t *teller) line(at time.Time, what, id, source, car, who, how string) {
	s := fmt.Sprintf("%s  %-11s  %-6s  %-18s  %-24s  %-16s %s", at.Local().Format(time.TimeOnly), what, id, cut(source, 18), cut(car, 24), who, how)
	t.out.printf(colours[what], "%s\n", printable(strings.TrimRight(s, " ")))
}

// short is a duration in seconds.
func short(d time.Duration) string { return fmt.Sprintf("%.1fs", max(0, d.Seconds())) }

// status is how the store stands.
func (t *teller) status(ctx context.Context) error {
	f, err := t.books.router.Figures(ctx, demoStore)
	if err != nil {
		return err
	}
	floor, err := t.books.router.Floor(ctx, demoStore)
	if err != nil {
		return err
	}
	var turns strings.Builder
	for _, p := range floor.People {
		fmt.Fprintf(&turns, " %s %d", p.ID, p.Turns)
		if p.Status != router.On {
			fmt.Fprintf(&turns, " (%s)", p.Status)
		}
	}
	t.out.printf(colourBold, "%s  -- untouched %d  overdue %d  waiting %d  T.O. owed %d -- turns%s -- next %s\n",
		time.Now().Format(time.TimeOnly), f.Untouched, f.Overdue, f.Waiting, f.TurnoversOwed, turns.String(), orNobody(floor.Next))
	return nil
}

// A summary holds what was sent and done against what the books say.
type summary struct {
	sent, settled map[ingest.Fate]int
	entered       int // leads that the manager entered
	visitors      int // arrivals and doings of whoever tries the API or the commands beside the demo
	arrived       map[arrivals]int
	late          int // calls refused
	leads         []*router.Lead
	figures       *router.Figures
	spread        int
	charged       map[router.Kind]int // turns by how they came about
	audit         *audit
	faults        []string
}

// arrivals tells apart what the log has of them: by mail or by hand, and as what.
type arrivals struct {
	by string // the acting token; "" for mail
	as router.Disposition
}

func summarize(ctx context.Context, s *session, letters *postman, calls *demoCalls) (*summary, error) {
	x := &summary{sent: map[ingest.Fate]int{}, settled: map[ingest.Fate]int{}, entered: int(calls.entered.Load()), late: int(calls.late.Load()), charged: map[router.Kind]int{}, arrived: map[arrivals]int{}}
	var err error
	if x.figures, err = s.router.Figures(ctx, demoStore); err != nil {
		return nil, err
	}
	if err := x.events(ctx, s); err != nil {
		return nil, err
	}
	fates := map[uint32]ingest.Fate{}
	account, err := s.ledger.Account(ctx, demoMailbox, nil)
	if err != nil {
		return nil, err
	}
	for validity := range account.Places {
		places, err := s.ledger.Settled(ctx, demoMailbox, validity)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			fates[p.UID] = ingest.Fate(p.Fate)
			x.settled[ingest.Fate(p.Fate)]++
		}
	}
	leads := 0
	for _, m := range letters.sent {
		got := fates[m.uid]
		if x.visitors > 0 && got == ingest.FateLead && m.fate == ingest.FateTouch {
			m.fate, m.leads = got, 1 // a visitor has closed the lead of one who writes again
		}
		x.sent[m.fate]++
		leads += m.leads
		if got != m.fate {
			x.fault("mail %d (%s) is %s, should be %s", m.uid, m.shape, cmp.Or(got, "without a fate"), m.fate)
		}
	}
	x.equal("places in the ledger", len(fates), len(letters.sent))
	if n := calls.doubt.Load(); n > 0 {
		x.fault("%d leads entered by hand were not taken as new", n)
	}
	for q := (router.Query{Limit: 500}); ; {
		page, next, err := s.router.Leads(ctx, demoStore, q)
		if err != nil {
			return nil, err
		}
		x.leads = append(x.leads, page...)
		if q.Cursor = next; next == "" {
			break
		}
	}
	floor, err := s.router.Floor(ctx, demoStore)
	if err != nil {
		return nil, err
	}
	x.spread = floor.Spread
	x.equal("leads by mail", x.arrived[arrivals{"", router.DispositionNew}], leads)
	x.equal("touches by mail", x.arrived[arrivals{"", router.DispositionTouch}], x.sent[ingest.FateTouch])
	x.equal("duplicates by mail", x.arrived[arrivals{"", router.DispositionDuplicate}], x.sent[ingest.FateDuplicate])
	x.equal("leads entered by the manager", x.arrived[arrivals{managerID, router.DispositionNew}], x.entered)
	x.equal("leads listed", len(x.leads), x.all(router.DispositionNew))
	x.equal("leads counted as received", x.count(router.CountReceived), x.all(router.DispositionNew))
	x.equal("arrivals counted", x.count(router.CountTouches), x.all(router.DispositionNew)+x.all(router.DispositionTouch))
	x.equal("duplicates counted", x.count(router.CountDuplicates), x.all(router.DispositionDuplicate))
	x.equal("messages in quarantine", int(x.figures.Quarantined), x.sent[ingest.FateQuarantined])
	if x.audit, err = s.audit(ctx, "", true, progress{}); err != nil {
		return nil, err
	}
	if !x.audit.OK {
		x.fault("verify finds the books wrong")
	}
	return x, nil
}

// events counts in the log what came and what cost a turn, and holds the turns against what people are said to have had.
func (x *summary) events(ctx context.Context, s *session) error {
	total := 0
	for seq := int64(0); ; {
		events, err := s.store.Events(ctx, demoStore, seq, 1000)
		if err != nil {
			return err
		}
		for _, e := range events {
			seq = e.Seq
			if e.Actor == visitor || e.Actor == actorCommand {
				x.visitors++
			}
			switch e.Kind {
			case router.KindDealt, router.KindHeld, router.KindReturned:
				if e.Set["fe"] != "" { // else a held lead was dealt
					x.arrived[arrivals{e.Actor, router.DispositionNew}]++
				}
			case router.KindTouch:
				x.arrived[arrivals{e.Actor, router.DispositionTouch}]++
			case router.KindDuplicate:
				x.arrived[arrivals{e.Actor, router.DispositionDuplicate}]++
			}
			if e.Deal != nil && e.Deal.Cost > 0 {
				x.charged[e.Kind]++
				total++
			}
		}
		if len(events) == 0 {
			break
		}
	}
	had := 0
	for _, t := range x.figures.Turns {
		had += int(t.Turns)
	}
	x.equal("turns", had, total)
	return nil
}

func (x *summary) fault(format string, args ...any) {
	x.faults = append(x.faults, fmt.Sprintf(format, args...))
}

func (x *summary) equal(what string, got, want int) {
	if got != want {
		x.fault("%s: %d, should be %d", what, got, want)
	}
}

// all is the sum of the arrivals that were that, whoever brought them.
func (x *summary) all(as router.Disposition) (n int) {
	for a, of := range x.arrived {
		if a.as == as {
			n += of
		}
	}
	return n
}

// count is the sum of a counter over all its labels.
func (x *summary) count(name string) int {
	n := int64(0)
	for key, v := range x.figures.Counts {
		if head, _, _ := strings.Cut(key, "|"); head == name {
			n += v
		}
	}
	return int(n)
}

// write prints the summary.
func (x *summary) write(out *screen, seed uint64, took time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nSummary of %s, --seed %d\n\n", took.Round(100*time.Millisecond), seed)
	t := table{columns: []string{"mail", "sent", "settled"}}
	sent, settled := 0, 0
	for _, f := range ingest.Fates {
		sent, settled = sent+x.sent[f], settled+x.settled[f]
		if x.sent[f]+x.settled[f] > 0 {
			t.rows = append(t.rows, []string{string(f), fmt.Sprint(x.sent[f]), fmt.Sprint(x.settled[f])})
		}
	}
	t.rows = append(t.rows, []string{"all", fmt.Sprint(sent), fmt.Sprint(settled)})
	if err := t.writeTable(&b); err != nil {
		return err
	}
	b.WriteString("\n")
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s%s\n", label, fmt.Sprintf(format, args...))
	}

	states := map[router.State]int{}
	owed := map[string]int{}
	var answers []time.Duration
	for _, l := range x.leads {
		states[l.State]++
		if t := l.Turnover; t != nil {
			owed[cmp.Or(t.Outcome, string(t.State))]++
		}
		if s, ok := l.Stops[router.ClockResponse]; ok {
			answers = append(answers, seconds(s.WallSeconds))
		}
	}
	var in []string
	for _, s := range router.States {
		if states[s] > 0 {
			in = append(in, fmt.Sprintf("%s %d", s, states[s]))
		}
	}
	line("leads", "%d, of them %d entered by hand: %s", len(x.leads), x.entered, strings.Join(in, ", "))
	var turns, charged []string
	for _, id := range slices.Sorted(maps.Keys(x.figures.Turns)) {
		turns = append(turns, fmt.Sprintf("%s %d", id, x.figures.Turns[id].Turns))
	}
	for _, k := range slices.Sorted(maps.Keys(x.charged)) {
		charged = append(charged, fmt.Sprintf("%s %d", k, x.charged[k]))
	}
	line("turns", "%s; spread %d (%s)", strings.Join(turns, ", "), x.spread, strings.Join(charged, ", "))
	due, missed := x.count(router.CountDue), x.count(router.CountMissed)
	slices.Sort(answers)
	line("response", "p50 %s, p90 %s of %d; in time %d of the %d that are due%s", quantile(answers, 50), quantile(answers, 90), len(answers), due-missed, due, share(due-missed, due))
	real := len(x.leads) - x.count(router.CountVoid)
	line("contact", "%d of %d%s; %s, %d shown, %d sold", x.count(router.CountContacted), real, share(x.count(router.CountContacted), real),
		counted(x.count(router.CountAppointments), "appointment"), x.count(router.CountShown), x.count(router.CountSold))
	var to []string
	for _, k := range slices.Sorted(maps.Keys(owed)) {
		to = append(to, fmt.Sprintf("%s %d", k, owed[k]))
	}
	line("T.O.", "%s", cmp.Or(strings.Join(to, ", "), "none"))
	for _, v := range x.audit.Stores {
		line("verify", "%d events, %d leads, %d turns decided again: %d faults, %d differences", v.Head, v.Leads, v.Decisions, len(v.Faults), len(v.Differences))
	}
	for _, m := range x.audit.Mailboxes {
		pending := 0
		if m.Server != nil {
			pending = len(m.Server.Pending)
		}
		line("ledger", "%d places, %d pending, %d faults", m.Places, pending, len(m.Faults))
	}
	if x.visitors > 0 {
		line("visitors", "did %s beside the demo", counted(x.visitors, "thing"))
	}
	if x.late > 0 {
		line("refused", "%s came too late: somebody else had been quicker", counted(x.late, "call"))
	}
	b.WriteString("\n")
	for _, f := range x.faults {
		b.WriteString(f + "\n")
	}
	out.printf("", "%s", b.String())
	if len(x.faults) == 0 {
		out.printf(colourBest, "books balance\n")
	} else {
		out.printf(colourBad, "books do not balance\n")
	}
	return nil
}

// quantile is the nearest rank of sorted durations.
func quantile(sorted []time.Duration, percent int) string {
	if len(sorted) == 0 {
		return "-"
	}
	return short(sorted[(len(sorted)*percent+99)/100-1])
}

func share(n, of int) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d %%)", (100*n+of/2)/of)
}
