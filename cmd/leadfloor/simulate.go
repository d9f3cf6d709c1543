package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leadfloor/router"
	"leadfloor/router/hours"
	"leadfloor/router/rdb"
)

const simulateLong = `simulate deals past arrivals once more, on the roster and by the rules of --config, and tells who would have got what.

The arrivals are read from the event log in the Redis of --books, which is that of --config unless given. Nothing is written there: the
replay runs inside this process, with the daemon's own rules and a clock that goes through the days. At its beginning all stand equal and
nobody has a lead; who was set on, off or busy by hand is so here too, as are picks by hand. A returning customer goes to the same person
as then. What was done about a lead is taken to be done, at the same time, by whoever has it here, or as soon as somebody has it. Later
enquiries of the same customer are left out, since they keep their owner, and so is whatever does not fit the changed floor; the latter
is counted. The store is open as it was on each day, unless --config has other hours than are in force now: then by those all along.

FIRST counts the leads that each was the first to get, a manager's who held them not counted; TURNS what they were charged, by the rotation
and otherwise; LOST the leads that were dealt away from them, untouched too long. SHARE is what the rotation's turns come to by weight
among those who were eligible each time, and OFF how many turns more or less they were dealt.`

const simulateExample = `  # would two more people have left fewer leads waiting? changed.yaml has them on its roster
  leadfloor simulate --config changed.yaml --store main-street --from 2026-06-01 --to 2026-06-30

  # the changed file names another Redis, or none that is in use
  leadfloor simulate --config changed.yaml --books /etc/leadfloor/leadfloor.yaml

  # for a spreadsheet
  leadfloor simulate --config changed.yaml --format csv > who-got-what.csv`

func newSimulateCmd(e *env) *cobra.Command {
	var store, booksFile string
	var from, to date
	cmd := &cobra.Command{
		Use:     "simulate",
		Short:   "Deal past arrivals once more on a changed roster or by changed rules, and tell who would have got what",
		Long:    simulateLong,
		Example: simulateExample,
		Args:    cobra.NoArgs,
	}
	storeFlag(cmd, &store)
	cmd.Flags().Var(&from, "from", "first day in the store's zone; by default the first of the log")
	cmd.Flags().Var(&to, "to", "last day in the store's zone, included; by default today")
	cmd.Flags().StringVar(&booksFile, "books", "", "configuration `FILE` whose Redis holds the arrivals; by default --config")
	f := formatFlag(cmd, formatTable, formatJSON, formatCSV)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := e.load()
		if err != nil {
			return err
		}
		changed, err := c.pick(store)
		if err != nil {
			return err
		}
		source := c
		if booksFile != "" {
			if source, err = Load(booksFile); err != nil {
				return err
			}
		}
		s, err := simulate(cmd.Context(), changed.rooftop(c), source, from, to, newProgress(e.stderr))
		if err != nil {
			return err
		}
		if err := s.write(e.stdout, f); err != nil {
			return err
		}
		if len(s.Fairness.Faults) > 0 {
			return errFound
		}
		return nil
	}
	return cmd
}

// A date is a flag that takes a day of the store's calendar.
type date struct {
	hours.Date
	given bool
}

// Set is called by the flag package.
func (d *date) Set(s string) (err error) {
	d.Date, err = hours.ParseDate(s)
	d.given = err == nil
	return err
}

func (d *date) String() string {
	if !d.given {
		return ""
	}
	return d.Date.String()
}

// Type is called by the flag package.
func (d *date) Type() string { return "DAY" }

// midnight is when the day begins, or one some days later.
func (d *date) midnight(zone *time.Location, after int) time.Time {
	return time.Date(d.Year, d.Month, d.Day+after, 0, 0, 0, 0, zone)
}

// A simulation is what simulate found.
type simulation struct {
	Store       string         `json:"store"`
	From        time.Time      `json:"from"`
	To          time.Time      `json:"to"` // the instant at which it ends
	People      []personThen   `json:"people"`
	Arrivals    thenNow        `json:"arrivals"`
	Held        thenNow        `json:"held"` // a manager had them, nobody being on
	StillHeld   thenNow        `json:"still_held"`
	Redealt     thenNow        `json:"redealt"`   // untouched too long: to the next
	Escalated   thenNow        `json:"escalated"` // untouched too long: to a manager
	OwnerDiffer int            `json:"first_owner_differs"`
	LeftOut     int            `json:"left_out"` // what was done then and does not fit this floor
	Fairness    fairness       `json:"fairness"`
	zone        *time.Location // the store's
}

// thenNow is a number in the past and in the replay.
type thenNow struct {
	Then int `json:"then"`
	Now  int `json:"now"`
}

// personThen is one person's part.
type personThen struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	OnRoster bool    `json:"on_roster"`
	First    thenNow `json:"first"`
	Turns    thenNow `json:"turns"`
	Lost     thenNow `json:"lost"`
	Dealt    int     `json:"dealt"` // turns that the rotation dealt, which Share is of
	Share    float64 `json:"share"`
}

func (p *personThen) off() float64 { return float64(p.Dealt) - p.Share }

// simulate replays on home what the books of source hold of [from, to].
func simulate(ctx context.Context, home *router.Rooftop, source *Config, from, to date, progress progress) (*simulation, error) {
	if source.store(home.ID) == nil {
		return nil, fmt.Errorf("store %q is not in the configuration of the books, which has %s", home.ID, several(source.storeIDs()))
	}
	past, err := source.history(ctx, home, from, to)
	if err != nil {
		return nil, err
	}
	r, err := newReplay(ctx, home, past)
	if err != nil {
		return nil, err
	}
	defer r.close()
	err = r.run(ctx, progress.of(home.ID))
	progress.clear()
	if err != nil {
		return nil, fmt.Errorf("simulate store %s: %w", home.ID, err)
	}
	return r.outcome(ctx)
}

func (c *Config) store(id string) *StoreConfig {
	for i := range c.Stores {
		if c.Stores[i].ID == id {
			return &c.Stores[i]
		}
	}
	return nil
}

// history reads the log of the same store as home from c's Redis. It opens no store, since that makes keys where there are none.
func (c *Config) history(ctx context.Context, home *router.Rooftop, from, to date) (*history, error) {
	quietRedis(slog.New(slog.DiscardHandler))
	client, err := c.Redis.open()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	store := rdb.New(client, rdb.Options{})
	if err := store.Sync(ctx); err != nil {
		return nil, c.Redis.explain(err)
	}
	var start time.Time
	end := store.Now().Add(time.Millisecond) // what was just written down is in it
	if from.given {
		start = from.midnight(home.Location, 0)
	}
	if to.given && to.midnight(home.Location, 1).Before(end) {
		end = to.midnight(home.Location, 1)
	}
	switch {
	case from.given && to.given && to.Compare(from.Date) < 0:
		return nil, fmt.Errorf("--to %s lies before --from %s", &to, &from)
	case start.After(store.Now()):
		return nil, fmt.Errorf("--from %s has not come yet in %s", &from, home.Location)
	}
	h, err := readHistory(ctx, store, home.ID, start, end)
	day := func(t time.Time) string { return t.In(home.Location).Format(time.DateOnly) }
	switch {
	case errors.Is(err, errSealed):
		return nil, fmt.Errorf("the log of store %s begins on %s, what came before was sealed: give --from %s or a later day", home.ID, day(h.first), day(h.first.AddDate(0, 0, 1)))
	case err != nil:
		return nil, fmt.Errorf("read the log of store %s: %w", home.ID, c.Redis.explain(err))
	case h.reads == 0:
		return nil, fmt.Errorf("the log of store %s is empty: there is nothing to simulate", home.ID)
	case len(h.tally.first) == 0:
		return nil, fmt.Errorf("no lead arrived at store %s in these days; its log begins on %s", home.ID, day(h.first))
	}
	return h, nil
}

// A tally counts who got what, the same way of the past and of its replay.
type tally struct {
	first                    map[string]string // lead -> who got it first; "" while it is held
	owner                    map[string]string // lead -> who has it
	people                   map[string]*standing
	held, redealt, escalated int
}

type standing struct{ first, turns, lost int }

func newTally() *tally {
	return &tally{first: map[string]string{}, owner: map[string]string{}, people: map[string]*standing{}}
}

func (t *tally) of(who string) *standing {
	if t.people[who] == nil {
		t.people[who] = &standing{}
	}
	return t.people[who]
}

// apply counts the next event. Leads that arrived before the first are left out.
func (t *tally) apply(e router.Event) {
	if e.Deal == nil || e.Lead == "" {
		return
	}
	had, known := t.owner[e.Lead]
	if !known && e.Set["ar"] == "" {
		return
	}
	switch e.Kind {
	case router.KindHeld:
		t.held++
		t.owner[e.Lead] = e.Deal.To
		if known {
			t.of(had).lost++
		} else {
			t.first[e.Lead] = ""
		}
		return
	case router.KindRedealt, router.KindEscalated:
		if e.Kind == router.KindRedealt {
			t.redealt++
		} else {
			t.escalated++
		}
		if slices.Contains(e.Deal.Missed, had) { // else it was held, and lost before that
			t.of(had).lost++
		}
	case router.KindDealt, router.KindReturned, router.KindNamed, router.KindDesk, router.KindAssigned:
	default:
		return
	}
	t.owner[e.Lead] = e.Deal.To
	if t.first[e.Lead] == "" {
		t.first[e.Lead] = e.Deal.To
		t.of(e.Deal.To).first++
	}
	if e.Deal.Cost > 0 {
		t.of(e.Deal.To).turns++
	}
}

func (t *tally) stillHeld() (n int) {
	for _, who := range t.first {
		if who == "" {
			n++
		}
	}
	return n
}

// fairness tells how even the replay was. Decisions counts the turns that were decided again from its log; Faults are those that went to
// another than the lowest pass, of which there are none unless leadfloor is broken.
type fairness struct {
	Decisions  int      `json:"decisions"`
	Faults     []string `json:"faults"`
	CatchUpMax int      `json:"catch_up_max"`
	Common     stretch  `json:"common"`
	Return     stretch  `json:"return"`
	AtEnd      int      `json:"at_end"` // spread of the last stretch, picks and re-deals in it or not
}

// A stretch is a time in which the floor did not change and nobody was charged but in turn. Its spread is the most minus the fewest turns
// dealt in it to people of equal weight. Where nobody stands more than a turn apart as it begins the law bounds it by one turn; where somebody
// came back, by catch_up_max more.
type stretch struct {
	Spread int `json:"spread"` // the widest
	Bound  int `json:"bound"`
}

// A gauge measures fairness event by event. The passes that it goes by are those of a router.Book, which decides each turn again.
type gauge struct {
	book   *router.Book
	weight map[string]int64
	catch  int64

	on     string         // who is eligible, as one word
	bound  map[int64]int  // of the stretch for people of a weight; 0: picks or re-deals set them too far apart
	since  map[string]int // turns dealt in the stretch
	widest map[int]int    // bound -> spread
	dealt  map[string]int // turns of the rotation
	share  map[string]float64
}

func newGauge(f *router.Rooftop) *gauge {
	g := &gauge{
		book: router.NewBook(), weight: map[string]int64{}, catch: int64(f.Routing.CatchUpMax), widest: map[int]int{}, dealt: map[string]int{}, share: map[string]float64{},
	}
	for _, p := range f.Roster {
		g.weight[p.ID] = int64(max(1, p.Weight))
	}
	return g
}

func (g *gauge) eligible() []string {
	var all []string
	for id, t := range g.book.Turns {
		if t.Eligible && g.weight[id] > 0 {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

func (g *gauge) apply(e router.Event) {
	g.book.Apply(e)
	if e.Deal == nil {
		return
	}
	among := g.eligible()
	inTurn := e.Kind == router.KindDealt && e.Deal.Cost > 0
	if on := strings.Join(among, " "); on != g.on || (e.Deal.Cost != 0 || len(e.Deal.Back) > 0) && !inTurn {
		g.on = on
		g.begin(among)
	}
	if inTurn {
		g.turn(e.Deal.To, among)
	}
}

// begin begins a stretch.
func (g *gauge) begin(among []string) {
	g.since, g.bound = map[string]int{}, map[int64]int{}
	low, high := map[int64]int64{}, map[int64]int64{}
	for _, id := range among {
		w, pass := g.weight[id], g.book.Turns[id].Pass
		if _, ok := low[w]; !ok {
			low[w], high[w] = pass, pass
		}
		low[w], high[w] = min(low[w], pass), max(high[w], pass)
	}
	for w := range low {
		switch cost := router.Turn / w; {
		case high[w]-low[w] <= cost:
			g.bound[w] = 1
		case high[w]-low[w] <= (1+g.catch)*cost:
			g.bound[w] = 1 + int(g.catch)
		}
	}
}

// turn counts a turn of the rotation.
func (g *gauge) turn(to string, among []string) {
	g.dealt[to]++
	g.since[to]++
	total := int64(0)
	for _, id := range among {
		total += g.weight[id]
	}
	least := g.since[to]
	for _, id := range among {
		g.share[id] += float64(g.weight[id]) / float64(total)
		if g.weight[id] == g.weight[to] {
			least = min(least, g.since[id])
		}
	}
	if bound := g.bound[g.weight[to]]; bound > 0 {
		g.widest[bound] = max(g.widest[bound], g.since[to]-least)
	}
}

func (g *gauge) fairness() fairness {
	one := 1
	return fairness{
		Decisions: g.book.Decisions, Faults: notNil(g.book.Faults), CatchUpMax: int(g.catch),
		Common: stretch{g.widest[one], one}, Return: stretch{g.widest[one+int(g.catch)], one + int(g.catch)},
	}
}

// outcome compares what happened then with what happened now.
func (r *replay) outcome(ctx context.Context) (*simulation, error) {
	now, gauge := newTally(), newGauge(r.home)
	const page = 20_000 // the store in this process looks for each page from the beginning of the log
	for head := int64(0); ; {
		events, err := r.store.Events(ctx, r.home.ID, head, page)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			now.apply(e)
			gauge.apply(e)
			head = e.Seq
		}
		if len(events) < page {
			break
		}
	}
	floor, err := r.router.Floor(ctx, r.home.ID)
	if err != nil {
		return nil, err
	}
	then := r.past.tally
	s := &simulation{
		Store: r.home.ID, From: r.past.start.UTC(), To: r.past.end.UTC(), zone: r.home.Location, LeftOut: r.leftOut, Fairness: gauge.fairness(),
		Arrivals: thenNow{len(then.first), len(now.first)}, Held: thenNow{then.held, now.held}, StillHeld: thenNow{then.stillHeld(), now.stillHeld()},
		Redealt: thenNow{then.redealt, now.redealt}, Escalated: thenNow{then.escalated, now.escalated},
	}
	s.Fairness.AtEnd = floor.Spread
	for lead, who := range then.first {
		if now.first[lead] != who {
			s.OwnerDiffer++
		}
	}
	add := func(id, name string, onRoster bool) {
		a, b := then.of(id), now.of(id)
		s.People = append(s.People, personThen{
			ID: id, Name: name, OnRoster: onRoster, First: thenNow{a.first, b.first}, Turns: thenNow{a.turns, b.turns}, Lost: thenNow{a.lost, b.lost},
			Dealt: gauge.dealt[id], Share: math.Round(gauge.share[id]*1000) / 1000,
		})
	}
	others := map[string]bool{}
	for _, t := range []*tally{then, now} {
		for id := range t.people {
			others[id] = true
		}
	}
	for _, p := range r.home.Roster {
		add(p.ID, p.Name, true)
		delete(others, p.ID)
	}
	for _, id := range slices.Sorted(maps.Keys(others)) {
		name := id
		if p, ok := r.home.Person(id); ok {
			name = p.Name
		}
		add(id, name, false)
	}
	return s, nil
}

func (s *simulation) write(w io.Writer, f *format) error {
	if f.is == formatJSON {
		return writeJSON(w, s)
	}
	people := s.table()
	if f.is == formatCSV {
		return people.writeCSV(w)
	}
	var b strings.Builder
	day := func(t time.Time) string { return t.In(s.zone).Format(toTheMinute) }
	fmt.Fprintf(&b, "store %s, %s to %s in %s\n\n", s.Store, day(s.From), day(s.To), s.zone)
	if err := people.writeTable(&b); err != nil {
		return err
	}
	b.WriteString("\n")
	totals := table{columns: []string{"leads", "then", "now"}}
	for _, row := range []struct {
		what string
		n    thenNow
	}{
		{"arrived", s.Arrivals}, {"held while nobody was on", s.Held}, {"still held at the end", s.StillHeld},
		{"untouched too long, to the next", s.Redealt}, {"untouched too long, to a manager", s.Escalated},
	} {
		totals.rows = append(totals.rows, []string{row.what, strconv.Itoa(row.n.Then), strconv.Itoa(row.n.Now)})
	}
	if err := totals.writeTable(&b); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\n%d of %s went first to somebody else than then\n", s.OwnerDiffer, counted(s.Arrivals.Then, "lead"))
	if s.LeftOut > 0 {
		fmt.Fprintf(&b, "left out, since it does not fit this floor: %s\n", counted(s.LeftOut, "event"))
	}
	for _, line := range s.Fairness.lines() {
		b.WriteString(line + "\n")
	}
	if p := s.farthest(); p != nil {
		more := "more"
		if p.off() < 0 {
			more = "fewer"
		}
		fmt.Fprintf(&b, "farthest from the share of their weight: %s, dealt %s %s than %s\n", p.ID, spellTurns(math.Abs(p.off())), more, spellTurns(p.Share))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *fairness) lines() []string {
	lines := []string{fmt.Sprintf("every turn went to the lowest pass: %d decided again from the log", f.Decisions)}
	if len(f.Faults) > 0 {
		lines[0] = fmt.Sprintf("%d turns decided again from the log, of which these are wrong:", f.Decisions)
		for _, fault := range f.Faults {
			lines = append(lines, "  "+printable(fault))
		}
	}
	text := fmt.Sprintf("spread among equal weights: %d, bound %d", f.Common.Spread, f.Common.Bound)
	if f.Return.Bound > f.Common.Bound {
		text += fmt.Sprintf("; after somebody came back: %d, bound %d", f.Return.Spread, f.Return.Bound)
	}
	return append(lines, text+fmt.Sprintf("; at the end: %d", f.AtEnd))
}

// spellTurns writes a number of turns to the tenth.
func spellTurns(n float64) string {
	return strconv.FormatFloat(math.Round(n*10)/10+0, 'f', 1, 64) // no minus zero
}

// farthest is who of the roster is farthest from their share, nil where the rotation dealt nothing.
func (s *simulation) farthest() *personThen {
	var far *personThen
	for i := range s.People {
		p := &s.People[i]
		if p.Share > 0 && (far == nil || math.Abs(p.off()) > math.Abs(far.off())) {
			far = p
		}
	}
	return far
}

func (s *simulation) table() table {
	t := table{columns: []string{"id", "name", "roster", "first then", "first now", "turns then", "turns now", "lost then", "lost now", "share", "off"}}
	for _, p := range s.People {
		on, share, off := "no", "", ""
		if p.OnRoster {
			on, share, off = "yes", spellTurns(p.Share), spellTurns(p.off())
		}
		row := []string{p.ID, p.Name, on}
		for _, n := range []thenNow{p.First, p.Turns, p.Lost} {
			row = append(row, strconv.Itoa(n.Then), strconv.Itoa(n.Now))
		}
		t.rows = append(t.rows, append(row, share, off))
	}
	return t
}
