package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leadfloor/router"
)

const leadExample = `  leadfloor lead list --state untouched
  leadfloor lead show main-street-9k3hm2x7c4tq
  leadfloor lead why main-street-9k3hm2x7c4tq
  leadfloor lead log main-street-9k3hm2x7c4tq response --by bob --channel call
  leadfloor lead assign main-street-9k3hm2x7c4tq carol --reason "speaks Polish"
  leadfloor lead merge main-street-9k3hm2x7c4tq main-street-h7w2n5d0r8ya`

func newLeadCmd(e *env) *cobra.Command {
	lead := &cobra.Command{
		Use:     "lead",
		Short:   "List leads, show one, tell why it is whose, log what was done, assign, merge and split",
		Long:    "lead works on the leads in Redis. The daemon need not run, and may.",
		Example: leadExample,
	}
	lead.AddCommand(newLeadListCmd(e), newLeadShowCmd(e), newLeadWhyCmd(e), newLeadLogCmd(e), newLeadAssignCmd(e), newLeadCorrectCmd(e),
		newLeadMergeCmd(e), newLeadSplitCmd(e), newLeadReleaseCmd(e), newLeadDiscardCmd(e), newLeadForgetCmd(e))
	return lead
}

const leadListLong = `list shows leads, the newest first. DUE tells how soon a response to the latest enquiry is due, or how late it is.

--turnover owed lists instead the T.O.s that managers owe, with the customer's reason and the manager whose turn it is: take one, talk to
the customer, and log what came of it with leadfloor lead log LEAD turnover --outcome ...

--quarantined lists instead the messages that claim to hold a lead which could not be read or was not trusted, --other those in which
no lead was found. lead release and lead discard end that a message is held.`

const leadListExample = `  leadfloor lead list
  leadfloor lead list --state untouched --owner bob
  leadfloor lead list --source autotrader --limit 1000 --format csv > autotrader.csv
  leadfloor lead list --turnover owed
  leadfloor lead list --quarantined`

// defaultList is how much a list shows unless told.
const defaultList = 100

// listCell is how many letters of a customer's or a vehicle's name a list shows.
const listCell = 40

// listPage is how many leads are asked for at once.
const listPage = 500

// A listing is what lead list is asked for.
type listing struct {
	store                string
	state, owner, source string
	turnover             string
	limit                int
	quarantined, other   bool
}

func newLeadListCmd(e *env) *cobra.Command {
	var l listing
	var f *format
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List leads, newest first, or the messages that gave none",
		Long:    leadListLong,
		Example: leadListExample,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if l.state != "" && !router.State(l.state).Valid() {
				return fmt.Errorf("unknown state %q: want one of %s", l.state, words(router.States))
			}
			if l.limit < 1 {
				return fmt.Errorf("--limit %d: want at least 1", l.limit)
			}
			if l.quarantined && l.other {
				return errors.New("--quarantined and --other are two lists: ask for one")
			}
			switch router.TurnoverState(l.turnover) {
			case "", router.TurnoverOwed, router.TurnoverTaken, router.TurnoverDone:
			default:
				return fmt.Errorf("unknown turnover %q: want owed, taken or done", l.turnover)
			}
			if (l.quarantined || l.other) && cmp.Or(l.state, l.owner, l.source, l.turnover) != "" {
				return errors.New("messages without a lead have no state, owner, source or T.O.: leave --state, --owner, --source and --turnover out")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := e.begin(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			return listLeads(cmd.Context(), e, s, l, f)
		},
	}
	storeFlag(cmd, &l.store)
	flags := cmd.Flags()
	flags.StringVar(&l.state, "state", "", "only leads in `STATE`: "+words(router.States))
	flags.StringVar(&l.owner, "owner", "", "only leads owned by `WHO`")
	flags.StringVar(&l.source, "source", "", "only leads from `SOURCE`")
	flags.StringVar(&l.turnover, "turnover", "", "only leads whose T.O. is `STATE`: owed, taken or done")
	flags.IntVar(&l.limit, "limit", defaultList, "how many at most")
	flags.BoolVar(&l.quarantined, "quarantined", false, "list the messages that are held: no lead could be read from them, or they are not trusted")
	flags.BoolVar(&l.other, "other", false, "list the messages that hold no lead")
	f = formatFlag(cmd, formatTable, formatJSON, formatCSV)
	return cmd
}

func words[W ~string](all []W) string {
	text := make([]string, len(all))
	for i, w := range all {
		text[i] = string(w)
	}
	return strings.Join(text, ", ")
}

func listLeads(ctx context.Context, e *env, s *session, l listing, f *format) error {
	rooftop, err := s.rooftop(l.store)
	if err != nil {
		return err
	}
	if l.quarantined || l.other {
		return listParked(ctx, e, s, rooftop, l, f)
	}
	q := router.Query{State: router.State(l.state), Owner: l.owner, Turnover: router.TurnoverState(l.turnover)}
	if l.source != "" {
		q.Source = router.Slug(l.source)
	}
	all, more := []*router.Lead{}, true
	for more && len(all) < l.limit {
		q.Limit = min(listPage, l.limit-len(all))
		var page []*router.Lead
		page, q.Cursor, err = s.router.Leads(ctx, rooftop.ID, q)
		if err != nil {
			return err
		}
		all, more = append(all, page...), q.Cursor != ""
	}
	if len(all) == 0 && l.owner != "" { // whoever left may still own leads
		if err := mustEmploy(rooftop, l.owner); err != nil {
			return err
		}
	}
	if l.turnover != "" {
		return e.list(listTurnovers(all, f, rooftop, s), f, more)
	}
	t := table{columns: []string{"id", "arrived", "due", "state", "owner", "source", "customer", "vehicle"}, items: all}
	now := s.router.Now()
	for _, x := range all {
		due := ""
		switch {
		case x.DueAt == nil:
		case f.is == formatCSV:
			due = f.stamp(*x.DueAt, rooftop.Location)
		default:
			due = remaining(*x.DueAt, now)
		}
		customer, vehicle := customerName(x), vehicleNames(x.Vehicles)
		if f.is == formatTable { // what strangers wrote may be of any length, and one cell is as wide as its column
			customer, vehicle = cut(customer, listCell), cut(vehicle, listCell)
		}
		t.rows = append(t.rows, []string{
			x.ID, f.stamp(x.ArrivedAt, rooftop.Location), due, string(x.State), x.Owner, x.Source, customer, vehicle,
		})
	}
	return e.list(t, f, more)
}

// listParked lists messages without a lead.
func listParked(ctx context.Context, e *env, s *session, rooftop *router.Rooftop, l listing, f *format) error {
	all, err := s.router.Parked(ctx, rooftop.ID, l.quarantined, l.limit+1)
	if err != nil {
		return err
	}
	more := len(all) > l.limit
	all = notNil(all[:min(len(all), l.limit)])
	t := table{columns: []string{"id", "arrived", "reason", "bytes", "kept", "where"}, items: all}
	for _, p := range all {
		kept := "no"
		if p.Kept {
			kept = "yes"
		}
		t.rows = append(t.rows, []string{p.ID, f.stamp(p.Arrived, rooftop.Location), p.Reason, strconv.Itoa(p.Size), kept, p.Where})
	}
	return e.list(t, f, more)
}

// list prints a table and says on the other stream where it was cut short.
func (e *env) list(t table, f *format, more bool) error {
	if err := t.write(e.stdout, f); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(e.stderr, "leadfloor: there are more than these %d; --limit shows more\n", len(t.rows))
	}
	return nil
}

// remaining tells how far away a deadline is, to the minute.
func remaining(due, now time.Time) string {
	switch left := due.Sub(now); {
	case left > 0:
		return "in " + spell((left + time.Minute - 1).Truncate(time.Minute))
	case left > -time.Minute:
		return "now"
	default:
		return spell(left.Truncate(time.Minute)) + " late"
	}
}

// customerName is what a customer is called in a list.
func customerName(l *router.Lead) string {
	c := &l.Customer
	switch {
	case !l.Personal:
		return "(forgotten)"
	case wholeName(c.Name) != "":
		return wholeName(c.Name)
	case len(c.Emails) > 0:
		return c.Emails[0]
	case len(c.Phones) > 0:
		return cmp.Or(c.Phones[0].E164, c.Phones[0].Raw)
	}
	return ""
}

// tradeIn is the interest of a vehicle that the customer has.
const tradeIn = "trade-in"

// vehicleNames names the first vehicle that a customer wants, and says how many more there are.
func vehicleNames(all []router.Vehicle) string {
	if len(all) == 0 {
		return ""
	}
	i := max(0, slices.IndexFunc(all, func(v router.Vehicle) bool { return v.Interest != tradeIn }))
	name := vehicleName(&all[i])
	if len(all) > 1 {
		name = strings.TrimSpace(fmt.Sprintf("%s +%d", name, len(all)-1))
	}
	return name
}

const leadShowLong = `show tells who asks for what, every arrival of theirs, the clocks with wall-clock and open time and what stopped them, and the T.O.

Of a message that is held, as lead list --quarantined shows it, it tells who it says to be from and what would be dealt if it were released.`

const leadShowExample = `  leadfloor lead show main-street-9k3hm2x7c4tq
  leadfloor lead show main-street-9k3hm2x7c4tq --format json
  leadfloor lead show 7h2kq09xbd`

func newLeadShowCmd(e *env) *cobra.Command {
	var store string
	var f *format
	cmd := &cobra.Command{
		Use:     "show LEAD|MESSAGE",
		Short:   "Show all that is known of one lead, or what stands in a message that is held",
		Long:    leadShowLong,
		Example: leadShowExample,
		Args:    needs("the id of one lead, or of a message that is held"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := e.begin(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			if !strings.Contains(args[0], "-") { // a lead's id begins with its store's
				return showHeld(cmd.Context(), e, s, store, args[0], f)
			}
			rooftop, l, err := s.lead(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if f.is == formatJSON {
				return writeJSON(e.stdout, l)
			}
			return writeLead(e.stdout, rooftop, l, s.router.Now())
		},
	}
	storeFlag(cmd, &store)
	f = formatFlag(cmd, formatTable, formatJSON)
	return cmd
}

// needs says in words which arguments a command takes, one for each.
func needs(what ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(what) {
			return fmt.Errorf("%s needs %s", cmd.Name(), strings.Join(what, " and "))
		}
		return nil
	}
}

func writeLead(w io.Writer, f *router.Rooftop, l *router.Lead, now time.Time) error {
	var s sheet
	at := func(t time.Time) string { return t.In(f.Location).Format(toTheMinute + " MST") }
	fmt.Fprintf(&s.b, "%s: %s\n", l.ID, l.State)
	s.line("merged into", l.Into)
	s.line("owner", owner(f, l))
	s.line("arrived", fmt.Sprintf("%s by %s from %s, for the %s desk", at(l.ArrivedAt), l.Channel, l.Source, l.Desk))
	if l.Assigned != nil {
		s.line("assigned", at(*l.Assigned))
	}
	if l.DueAt != nil {
		s.line("due", at(*l.DueAt)+", "+remaining(*l.DueAt, now))
	}
	for _, m := range []struct {
		label string
		at    *time.Time
	}{
		{"attempted", l.AttemptedAt}, {"responded", l.RespondedAt}, {"contacted", l.ContactedAt}, {"appointment", l.AppointmentAt},
		{"shown", l.ShownAt}, {"sold", l.SoldAt}, {"lost", l.LostAt},
	} {
		if m.at != nil {
			s.line(m.label, at(*m.at))
		}
	}
	if l.Into != "" {
		_, err := io.WriteString(w, s.b.String())
		return err
	}
	s.part("customer")
	if l.Personal {
		s.asker(&l.Customer)
	} else {
		s.line("", "(forgotten)")
	}
	s.part("vehicles")
	for i := range l.Vehicles {
		v := &l.Vehicles[i]
		s.line(cmp.Or(v.Interest, "vehicle"), vehicleDetails(v))
	}
	s.part("touches")
	s.table(touchTable(f, l))
	s.part("clocks")
	s.table(clockTable(f, l, now))
	if t := l.Turnover; t != nil {
		s.part("turnover")
		s.line("state", string(t.State))
		s.line("due", at(t.DueAt))
		s.line("by", t.By)
		s.line("cause", t.Cause)
		s.line("outcome", t.Outcome)
		s.line("reason", t.Reason)
	}
	if len(l.Notes) > 0 {
		s.part("notes")
		for _, n := range l.Notes {
			s.line("event "+strconv.FormatInt(n.Event, 10), n.Text)
		}
	}
	_, err := io.WriteString(w, s.b.String())
	return err
}

func owner(f *router.Rooftop, l *router.Lead) string {
	text := l.Owner
	if p, ok := f.Person(l.Owner); ok && p.Name != p.ID {
		text += " (" + p.Name + ")"
	}
	if l.CoveredBy != "" {
		text += ", covered by " + l.CoveredBy
	}
	return text
}

func touchTable(f *router.Rooftop, l *router.Lead) table {
	t := table{columns: []string{"n", "arrived", "channel", "source", "was", "asked", "id"}}
	for _, x := range l.Touches {
		asked, id := "", ""
		if q := x.Enquiry; q != nil {
			asked = q.RequestedAt
			if len(q.IDs) > 0 {
				id = strings.TrimSpace(q.IDs[0].Value + " " + q.IDs[0].Source)
			}
		}
		t.rows = append(t.rows, []string{
			strconv.Itoa(x.N), x.At.In(f.Location).Format(toTheMinute), string(x.Channel), x.Source, string(x.Disposition), asked, id,
		})
	}
	return t
}

// clockTable shows for each clock what stopped it last, and what runs of it now.
func clockTable(f *router.Rooftop, l *router.Lead, now time.Time) table {
	t := table{columns: []string{"clock", "started", "stopped", "wall", "open", "how", "by"}}
	at := func(t time.Time) string { return t.In(f.Location).Format(toTheSecond) }
	running := func(c router.Clock, start time.Time) {
		if !start.IsZero() {
			t.rows = append(t.rows, []string{string(c), at(start), "running", spell(now.Sub(start)), spell(openTime(f, start, now)), "", ""})
		}
	}
	if l.State == router.Waiting {
		running(router.ClockAssignment, l.ArrivedAt)
	}
	for _, c := range []struct {
		clock router.Clock
		start time.Time
	}{{router.ClockAttempt, l.Running.Attempt}, {router.ClockResponse, l.Running.Response}, {router.ClockContact, l.Running.Contact}} {
		if s, ok := l.Stops[c.clock]; ok {
			t.rows = append(t.rows, []string{
				string(c.clock), at(s.Started), at(s.At), spell(seconds(s.WallSeconds)), spell(seconds(s.OpenSeconds)), string(s.How), s.By,
			})
		}
		running(c.clock, c.start)
	}
	return t
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// openTime is the store's open time between two instants.
func openTime(f *router.Rooftop, from, to time.Time) time.Duration {
	if f.Hours == nil {
		return to.Sub(from)
	}
	return f.Hours.Between(from, to)
}

const leadWhyLong = `why prints every event of a lead: each decision with whom it went to and why, who was eligible with which pass, counted in turns,
the lowest first, and who was skipped for what; and each thing that people told. Of events that were sealed it tells where they are.`

func newLeadWhyCmd(e *env) *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use:     "why LEAD",
		Short:   "Tell why a lead is whose: each decision, with who else was eligible",
		Long:    leadWhyLong,
		Example: "  leadfloor lead why main-street-9k3hm2x7c4tq\n  leadfloor lead why main-street-9k3hm2x7c4tq --format json",
		Args:    needs("the id of one lead"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := e.begin(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			rooftop, l, err := s.lead(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			events, err := s.router.Why(cmd.Context(), l.ID)
			if err != nil {
				return err
			}
			if err := whyTable(rooftop, events).write(e.stdout, f); err != nil {
				return err
			}
			return tellSealed(cmd.Context(), e, s, l, events)
		},
	}
	f = formatFlag(cmd, formatTable, formatJSON)
	return cmd
}

// tellSealed says where the events of a lead are that its log has no more.
func tellSealed(ctx context.Context, e *env, s *session, l *router.Lead, events []router.Event) error {
	if len(events) > 0 && events[0].Seq <= l.First {
		return nil
	}
	seal, err := s.router.LastSeal(ctx, l.Store)
	if err != nil || seal.Last == 0 {
		return err
	}
	fmt.Fprintf(e.stderr, "leadfloor: the events of lead %s begin with number %d, which was sealed: look in the files that seal wrote, of which the last, of events %d to %d, has the SHA-256 %s\n",
		l.ID, l.First, seal.First, seal.Last, seal.Digest)
	return nil
}

func whyTable(f *router.Rooftop, events []router.Event) table {
	t := table{columns: []string{"event", "at", "kind", "to", "by", "why", "eligible", "skipped"}}
	for i := range events {
		e := &events[i]
		e.Set, e.Counts = nil, nil // how the store keeps it
		var to, eligible, skipped string
		if d := e.Deal; d != nil {
			to = d.To
			if d.Cover != "" {
				to += ", covered by " + d.Cover
			}
			eligible, skipped = standings(d.In), pairs(d.Out)
		}
		t.rows = append(t.rows, []string{
			strconv.FormatInt(e.Seq, 10), e.At.In(f.Location).Format(toTheSecond), string(e.Kind), to, cmp.Or(e.By, e.Actor),
			grounds(e, f.Location), eligible, skipped,
		})
	}
	t.items = events
	return t
}

// standings lists who was eligible with their passes in turns, the lowest first.
func standings(in map[string]int64) string {
	ids := slices.SortedFunc(maps.Keys(in), func(a, b string) int { return cmp.Or(cmp.Compare(in[a], in[b]), cmp.Compare(a, b)) })
	for i, id := range ids {
		ids[i] = id + " " + turns(float64(in[id])/router.Turn)
	}
	return strings.Join(ids, ", ")
}

func pairs(m map[string]string) string {
	keys := slices.Sorted(maps.Keys(m))
	for i, k := range keys {
		keys[i] = k + " " + m[k]
	}
	return strings.Join(keys, ", ")
}

// grounds tells why something was decided, or what was told.
func grounds(e *router.Event, zone *time.Location) string {
	var parts []string
	if d := e.Deal; d != nil {
		parts = append(parts, d.Reason)
		if d.Cost > 0 {
			parts = append(parts, "charged "+turns(float64(d.Cost)/router.Turn)+" turn")
		}
		for _, who := range slices.Sorted(maps.Keys(d.Back)) {
			parts = append(parts, who+" gets "+turns(float64(d.Back[who])/router.Turn)+" turn back")
		}
		if len(d.Missed) > 0 {
			parts = append(parts, "missed by "+strings.Join(d.Missed, " and "))
		}
	}
	told := maps.Clone(e.Detail)
	if at, err := time.Parse(time.RFC3339, told["at"]); err == nil {
		told["at"] = at.In(zone).Format(toTheSecond)
	}
	return list(append(parts, pairs(told))...)
}

const leadLogLong = `log stores what somebody did about a lead, or what the customer said. KIND is one of

  attempt      a try that reached nobody            response   the first real answer to the customer
  contact      the customer answered or came        appointment, show, sale
  lost         it closes, with a --reason           will_wait  the customer puts it off
  turnover     the manager's talk, with --outcome taken, saved, appointment or lost
  void         it never was a lead                  note       only a --note

A late report counts at its own time, --at. What is logged cannot be erased, only corrected.`

const leadLogExample = `  leadfloor lead log main-street-9k3hm2x7c4tq attempt --by bob --channel call
  leadfloor lead log main-street-9k3hm2x7c4tq response --by bob --channel email --at -10m
  leadfloor lead log main-street-9k3hm2x7c4tq contact --by bob --at 14:30
  leadfloor lead log main-street-9k3hm2x7c4tq lost --by bob --reason price
  leadfloor lead log main-street-9k3hm2x7c4tq turnover --by mia --outcome saved
  leadfloor lead log main-street-9k3hm2x7c4tq note --note "prefers mornings"`

func newLeadLogCmd(e *env) *cobra.Command {
	entry := router.Entry{Actor: actorCommand}
	at := instant{past: true}
	cmd := &cobra.Command{
		Use:     "log LEAD KIND",
		Short:   "Log what was done about a lead, or what the customer said",
		Long:    leadLogLong,
		Example: leadLogExample,
		Args: cobra.MatchAll(needs("the id of one lead", "what to log"), func(_ *cobra.Command, args []string) error {
			if entry.Kind = router.Kind(args[1]); !slices.Contains(router.LoggedKinds, entry.Kind) {
				return fmt.Errorf("unknown kind %q: want one of %s", args[1], words(router.LoggedKinds))
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, args []string) error { return logLead(cmd.Context(), e, args[0], entry, &at) },
	}
	flags := cmd.Flags()
	flags.StringVar(&entry.By, "by", "", "id of `WHO` did it; the owner where it is left out")
	flags.StringVar(&entry.Channel, "channel", "", "how: call, email, text, visit, ...")
	flags.Var(&at, "at", "when it happened, now by default: RFC 3339, HH:MM today on the store's clock, or -10m")
	flags.StringVar(&entry.Outcome, "outcome", "", "what came of it; of a turnover taken, saved, appointment or lost")
	flags.StringVar(&entry.Reason, "reason", "", "why, for lost, void and turnover; kept in the log: no customer's name here")
	flags.StringVar(&entry.Note, "note", "", "words of your own, kept with what is personal of the lead")
	return cmd
}

func logLead(ctx context.Context, e *env, id string, entry router.Entry, at *instant) error {
	s, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	rooftop, l, err := s.lead(ctx, id)
	if err != nil {
		return err
	}
	if entry.By != "" {
		if err := mustEmploy(rooftop, entry.By); err != nil {
			return err
		}
	}
	if entry.At, err = at.resolve(s.router.Now(), rooftop.Location); err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	l, err = s.router.Log(ctx, l.ID, entry)
	if err != nil {
		return fmt.Errorf("log %s: %w", entry.Kind, asFlag(err))
	}
	return writeStanding(e.stdout, l)
}

// asFlag names the flag that a fault is about.
func asFlag(err error) error {
	if fault := (*router.FaultError)(nil); errors.As(err, &fault) {
		switch fault.Field {
		case "by", "channel", "outcome", "reason", "note":
			return fmt.Errorf("--%s: %s", fault.Field, fault.Text)
		}
		return errors.New(fault.Text)
	}
	return err
}

// writeStanding tells in one line where a lead stands after it was changed.
func writeStanding(w io.Writer, l *router.Lead) error {
	text := fmt.Sprintf("%s: %s, owned by %s", l.ID, l.State, l.Owner)
	if t := l.Turnover; t != nil && t.State != router.TurnoverDone {
		text += fmt.Sprintf(", T.O. %s by %s", t.State, cmp.Or(t.By, "a manager"))
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

const leadAssignExample = `  leadfloor lead assign main-street-9k3hm2x7c4tq carol
  leadfloor lead assign main-street-9k3hm2x7c4tq carol --reason "speaks Polish" --by mia`

func newLeadAssignCmd(e *env) *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     "assign LEAD WHO",
		Short:   "Give a lead to somebody: the rotation never takes it back",
		Long:    "assign is the manual pick. It wins over the rotation and counts as a turn, unless the configuration says otherwise.",
		Example: leadAssignExample,
		Args:    needs("the id of one lead", "that of its new owner"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := e.begin(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			rooftop, l, err := s.lead(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			who := args[1:]
			if by != "" {
				who = append(who, by)
			}
			for _, id := range who {
				if err := mustEmploy(rooftop, id); err != nil {
					return err
				}
			}
			l, err = s.router.Assign(cmd.Context(), l.ID, args[1], reason, by, actorCommand)
			if err != nil {
				return fmt.Errorf("assign to %s: %w", args[1], asFlag(err))
			}
			return writeStanding(e.stdout, l)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who ask later; kept in the log: no customer's name here")
	cmd.Flags().StringVar(&by, "by", "", "id of `WHO` decided")
	return cmd
}

const leadCorrectExample = `  leadfloor lead why main-street-9k3hm2x7c4tq       # the number of the event stands in the first column
  leadfloor lead correct main-street-9k3hm2x7c4tq 118 --reason "another customer's" --by mia`

func newLeadCorrectCmd(e *env) *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "correct LEAD EVENT",
		Short: "Take back what was told of a lead by mistake",
		Long: `correct takes back what one event told of a lead, as if it had not happened: its clocks, steps and state are reckoned anew from what
remains. The log keeps both; counters that have counted it stay, and the correction is counted beside them.`,
		Example: leadCorrectExample,
		Args:    needs("the id of one lead", "the number of the event, which lead why shows"),
		RunE: func(cmd *cobra.Command, args []string) error {
			event, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return fmt.Errorf("event %q is no number: leadfloor lead why %s shows them", args[1], args[0])
			}
			s, err := e.begin(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			rooftop, l, err := s.lead(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if by != "" {
				if err := mustEmploy(rooftop, by); err != nil {
					return err
				}
			}
			if l, err = s.router.Correct(cmd.Context(), l.ID, event, reason, by, actorCommand); err != nil {
				return fmt.Errorf("correct event %d: %w", event, asFlag(err))
			}
			return writeStanding(e.stdout, l)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who ask later; kept in the log: no customer's name here")
	cmd.Flags().StringVar(&by, "by", "", "id of `WHO` corrects")
	return cmd
}
