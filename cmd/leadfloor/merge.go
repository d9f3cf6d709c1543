package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"leadfloor/router"
)

const leadMergeLong = `merge makes one lead of two that turn out to be one customer's: LEAD goes, INTO stays, with its id and its owner.

INTO has from then on every arrival, deed and note of both, and the customer is known by the addresses and numbers of both. Its clocks
are decided over all of it by its own time: who waited since the earlier enquiry has waited since then. A T.O. that is owed stays owed.
The turn that LEAD cost is given back, since a customer who writes again costs none. Whatever is told of LEAD later is told of INTO.

Both must be open, and for the same desk. What was merged by mistake is taken apart by leadfloor lead split.`

const leadMergeExample = `  leadfloor lead merge main-street-9k3hm2x7c4tq main-street-h7w2n5d0r8ya --reason "husband and wife" --by mia
  leadfloor lead show main-street-h7w2n5d0r8ya`

func newLeadMergeCmd(e *env) *cobra.Command {
	var why judgement
	cmd := &cobra.Command{
		Use:     "merge LEAD INTO",
		Short:   "Make one lead of two that are one customer's",
		Long:    leadMergeLong,
		Example: leadMergeExample,
		Args:    needs("the id of the lead that goes", "that of the one that stays"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return why.judge(cmd.Context(), e, args[0], func(s *session, id string) error {
				_, into, err := s.lead(cmd.Context(), args[1])
				if err != nil {
					return err
				}
				l, err := s.router.Merge(cmd.Context(), id, into.ID, why.reason, why.by, actorCommand)
				if err != nil {
					return fmt.Errorf("merge: %w", asFlag(err))
				}
				return writeStanding(e.stdout, l)
			})
		},
	}
	why.flags(cmd)
	return cmd
}

const leadSplitLong = `split makes a lead of its own of arrivals that turn out to be another customer's, such as a second person who wrote from the same phone.
leadfloor lead show lists the arrivals of a lead with their numbers.

The new lead stays with the owner, who was told of these arrivals, and costs no turn, as they cost none when they came; leadfloor lead
assign gives it to somebody else. The addresses and numbers that only they brought are from then on the other customer's. What was done so
far was done about the first lead, as far as anybody knows, so the clocks of the new one run from its arrivals: log what was done for it
with leadfloor lead log ... --at.`

const leadSplitExample = `  leadfloor lead show main-street-9k3hm2x7c4tq      # the numbers stand in the first column of its touches
  leadfloor lead split main-street-9k3hm2x7c4tq 2 --reason "another person on the same phone" --by mia`

func newLeadSplitCmd(e *env) *cobra.Command {
	var why judgement
	var touches []int
	cmd := &cobra.Command{
		Use:     "split LEAD TOUCH...",
		Short:   "Make a lead of its own of arrivals that are another customer's",
		Long:    leadSplitLong,
		Example: leadSplitExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("split needs the id of one lead and the numbers of the arrivals that are another customer's")
			}
			touches = nil
			for _, a := range args[1:] {
				n, err := strconv.Atoi(a)
				if err != nil || n < 1 {
					return fmt.Errorf("arrival %q is no number: leadfloor lead show %s lists them", a, args[0])
				}
				touches = append(touches, n)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return why.judge(cmd.Context(), e, args[0], func(s *session, id string) error {
				l, err := s.router.Split(cmd.Context(), id, touches, why.reason, why.by, actorCommand)
				if err != nil {
					return fmt.Errorf("split: %w", asFlag(err))
				}
				return writeStanding(e.stdout, l)
			})
		},
	}
	why.flags(cmd)
	return cmd
}

// A judgement is why somebody decides about a lead, and who.
type judgement struct{ reason, by string }

func (j *judgement) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&j.reason, "reason", "", "why, for those who ask later; kept in the log: no customer's name here")
	cmd.Flags().StringVar(&j.by, "by", "", "id of `WHO` decided")
}

// judge has a decision about a lead carried out.
func (j *judgement) judge(ctx context.Context, e *env, lead string, do func(s *session, id string) error) error {
	s, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	rooftop, l, err := s.lead(ctx, lead)
	if err != nil {
		return err
	}
	if j.by != "" {
		if err := mustEmploy(rooftop, j.by); err != nil {
			return err
		}
	}
	return do(s, l.ID)
}

// listTurnovers lists leads by how their T.O. stands.
func listTurnovers(all []*router.Lead, f *format, rooftop *router.Rooftop, s *session) table {
	t := table{columns: []string{"id", "due", "by", "cause", "reason", "outcome", "state", "owner", "customer", "vehicle"}, items: all}
	for _, l := range all {
		o := l.Turnover
		due := f.stamp(o.DueAt, rooftop.Location)
		if o.State == router.TurnoverOwed && f.is != formatCSV {
			due = remaining(o.DueAt, s.router.Now())
		}
		t.rows = append(t.rows, []string{l.ID, due, o.By, o.Cause, o.Reason, o.Outcome, string(l.State), l.Owner, customerName(l), vehicleNames(l.Vehicles)})
	}
	return t
}
