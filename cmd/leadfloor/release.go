package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"leadfloor/ingest"
	"leadfloor/router"
)

const leadReleaseLong = `release gives messages free that are held, as lead list --quarantined shows them: their leads are dealt as if they had come now, but that
they arrived when the message did, and that nobody needs to vouch for the sender. Look at them first, with lead show; --all takes everything that is held,
what was not trusted too. After an upgrade that reads more, release --all --held-for adf-unreadable reads again what could not be read.

Where the bytes of a message are not kept here, it is read from its mailbox once more. What still gives no lead stays held. Releasing
again, from another terminal or after an interruption, deals nothing twice. The exit code is 1 where a message was not released.`

const leadReleaseExample = `  leadfloor lead list --quarantined
  leadfloor lead release 7h2kq09xbd --by mia
  leadfloor lead release --all --held-for adf-unreadable`

const leadDiscardLong = `discard ends that messages are held, as lead list --quarantined shows them, and forgets their bytes; the mail in the mailbox stays. The reason
stands in the log. What was discarded cannot be released. The exit code is 1 where a message was not discarded.`

const leadDiscardExample = `  leadfloor lead discard 7h2kq09xbd --reason spam --by mia
  leadfloor lead discard --all --held-for rate --reason "flood of Sunday night"`

// A choice is which held messages a command works on.
type choice struct {
	store, heldFor, by string
	all                bool
}

func (c *choice) flags(cmd *cobra.Command) *format {
	storeFlag(cmd, &c.store)
	cmd.Flags().BoolVar(&c.all, "all", false, "all that are held, the first that came first")
	cmd.Flags().StringVar(&c.heldFor, "held-for", "", "with --all: only those held for `REASON`, as the list has it")
	cmd.Flags().StringVar(&c.by, "by", "", "id of `WHO` decided")
	return formatFlag(cmd, formatTable, formatJSON)
}

func (c *choice) args(cmd *cobra.Command, args []string) error {
	switch {
	case c.all == (len(args) > 0):
		return fmt.Errorf("%s needs the ids of messages, which leadfloor lead list --quarantined shows, or --all", cmd.Name())
	case c.heldFor != "" && !c.all:
		return errors.New("--held-for chooses among --all")
	}
	return nil
}

// mostHeld bounds how many messages one command looks through.
const mostHeld = 100_000

// messages are the ids of those that were chosen.
func (c *choice) messages(ctx context.Context, s *session, rooftop *router.Rooftop, args []string) ([]string, error) {
	if c.by != "" {
		if err := mustEmploy(rooftop, c.by); err != nil {
			return nil, err
		}
	}
	if !c.all {
		return args, nil
	}
	held, err := s.router.Parked(ctx, rooftop.ID, true, mostHeld)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(held, func(a, b router.Parked) int { return cmp.Or(a.Arrived.Compare(b.Arrived), a.Now.Compare(b.Now)) })
	var ids []string
	for _, p := range held {
		if c.heldFor == "" || p.Reason == c.heldFor {
			ids = append(ids, p.ID)
		}
	}
	return ids, nil
}

// An ending is what became of a held message, or of one lead in it.
type ending struct {
	Message string `json:"message"`
	Outcome string `json:"outcome"` // of a lead its disposition; else held, discarded, forgotten or unknown
	Lead    string `json:"lead,omitempty"`
	Owner   string `json:"owner,omitempty"`
	Why     string `json:"why,omitempty"`

	failed bool // it is not what was asked for
}

func newLeadReleaseCmd(e *env) *cobra.Command {
	var c choice
	var f *format
	cmd := &cobra.Command{
		Use:     "release MESSAGE...|--all",
		Short:   "Deal the leads of messages that are held",
		Long:    leadReleaseLong,
		Example: leadReleaseExample,
		Args:    c.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.each(cmd.Context(), e, args, f, func(s *session) end {
				in := ingest.New(s.router, s.config.intake(), uncounted{}, slog.New(slog.NewTextHandler(e.stderr, nil)))
				return func(ctx context.Context, store, id string) ([]ending, error) {
					out, err := in.Release(ctx, store, id, c.by, actorCommand)
					if err != nil {
						return nil, asFault(err)
					}
					return endings(id, out), nil
				}
			})
		},
	}
	f = c.flags(cmd)
	return cmd
}

func newLeadDiscardCmd(e *env) *cobra.Command {
	var c choice
	var reason string
	var f *format
	cmd := &cobra.Command{
		Use:     "discard MESSAGE...|--all --reason WHY",
		Short:   "End that messages are held which are none of ours",
		Long:    leadDiscardLong,
		Example: leadDiscardExample,
		Args:    c.args,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.each(cmd.Context(), e, args, f, func(s *session) end {
				return func(ctx context.Context, store, id string) ([]ending, error) {
					err := s.router.Discard(ctx, store, id, reason, c.by, actorCommand)
					return []ending{{Message: id, Outcome: string(router.KindDiscarded)}}, err
				}
			})
		},
	}
	f = c.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "`WHY`, for those who ask later; kept in the log: no customer's name here")
	_ = cmd.MarkFlagRequired("reason") // its only error is that there is no such flag
	return cmd
}

// An end ends that one message is held.
type end func(ctx context.Context, store, id string) ([]ending, error)

// each ends one message after the other and prints what became of them, also where it has to stop on the way.
func (c *choice) each(ctx context.Context, e *env, args []string, f *format, with func(*session) end) error {
	s, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	rooftop, err := s.rooftop(c.store)
	if err != nil {
		return err
	}
	ids, err := c.messages(ctx, s, rooftop, args)
	if err != nil {
		return err
	}
	t := table{columns: []string{"message", "outcome", "lead", "owner", "why"}}
	items, failed := []ending{}, false
	var stopped error
	end := with(s)
	for _, id := range ids {
		if stopped = ctx.Err(); stopped != nil {
			break
		}
		done, err := end(ctx, rooftop.ID, id)
		ended := (*router.EndedError)(nil)
		fault := (*router.FaultError)(nil)
		switch {
		case errors.As(err, &ended):
			done = []ending{{Message: id, Outcome: string(ended.Event.Kind), Why: ended.Error(), failed: true}}
		case errors.Is(err, router.ErrNotFound):
			done = []ending{{Message: id, Outcome: "unknown", Why: "nothing is held under this id at store " + rooftop.ID, failed: true}}
		case errors.As(err, &fault) && fault.Field == "":
			done = []ending{{Message: id, Outcome: "held", Why: fault.Text, failed: true}}
		case err != nil:
			stopped = fmt.Errorf("message %s: %w", id, asFlag(err))
		}
		if stopped != nil {
			break
		}
		for _, x := range done {
			failed = failed || x.failed
			t.rows = append(t.rows, []string{x.Message, x.Outcome, x.Lead, x.Owner, x.Why})
		}
		items = append(items, done...)
	}
	t.items = items
	if err := t.write(e.stdout, f); err != nil {
		return err
	}
	if stopped == nil && failed {
		return errFound
	}
	return stopped
}

// endings are what became of a message that was released, a line for each lead.
func endings(id string, out *ingest.Released) (all []ending) {
	for _, t := range out.Taken {
		all = append(all, ending{Message: id, Outcome: string(t.Disposition), Lead: t.Lead, Owner: t.Owner})
	}
	if out.Held > 0 {
		all = append(all, ending{Message: id, Outcome: "held", Why: fmt.Sprintf("nobody can be called or written to in %d of its leads, each of which stays held", out.Held), failed: true})
	}
	if len(all) == 0 {
		all = append(all, ending{Message: id, Outcome: "forgotten", Why: "its customer was forgotten since: nothing was dealt"})
	}
	return all
}

// showHeld shows what stands in a message that is held.
func showHeld(ctx context.Context, e *env, s *session, store, id string, f *format) error {
	rooftop, err := s.rooftop(store)
	if err != nil {
		return err
	}
	in := ingest.New(s.router, s.config.intake(), uncounted{}, slog.New(slog.NewTextHandler(e.stderr, nil)))
	m, err := documents{in}.Look(ctx, rooftop.ID, id)
	switch {
	case errors.Is(err, router.ErrNotFound):
		return fmt.Errorf("message %q is not held at store %s; leadfloor lead list --store %[2]s --quarantined shows what is", id, rooftop.ID)
	case err != nil:
		return fmt.Errorf("message %s: %w", id, asFlag(err))
	}
	if f.is == formatJSON {
		return writeJSON(e.stdout, m)
	}
	var page sheet
	fmt.Fprintf(&page.b, "%s: held, %s\n", m.ID, m.Reason)
	page.line("from", strings.Join(m.From, ", "))
	page.line("subject", m.Subject)
	page.line("arrived", m.Arrived.In(rooftop.Location).Format(toTheMinute+" MST"))
	page.line("where", m.Where)
	page.line("holds", counted(len(m.Leads), "lead"))
	for i := range m.Leads {
		page.part(fmt.Sprintf("lead %d", i+1))
		page.enquiry(&m.Leads[i])
	}
	_, err = io.WriteString(e.stdout, page.b.String())
	return err
}
