package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"leadfloor/router"
)

const floorLong = `floor tells who is on, who gets the next lead and why. Schedules say who is on; a hand may say otherwise:

  on WHO     takes leads, until --until or auto
  off WHO    takes none, until --until or auto
  busy WHO   is with a customer and takes none: for an hour, or until --until
  auto WHO   as the schedule says

Only the lowest pass among those eligible is next: a turn adds one to it (less for a higher weight). Who is skipped keeps the pass, and
who comes back is owed at most the few turns that the configuration allows.`

const floorExample = `  leadfloor floor
  leadfloor floor show --store main-street --format json
  leadfloor floor off alice --until 17:30            # on the store's clock, the next half past five
  leadfloor floor on bob --until 2h
  leadfloor floor busy carol                         # for an hour
  leadfloor floor auto alice                         # back to her schedule`

func newFloorCmd(e *env) *cobra.Command {
	show := func(cmd *cobra.Command) {
		var store string
		storeFlag(cmd, &store)
		f := formatFlag(cmd, formatTable, formatJSON, formatCSV)
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return showFloor(cmd, e, store, f) }
	}
	floor := &cobra.Command{
		Use:     "floor",
		Short:   "Tell who is on the floor and who is next, and set somebody on, off or busy",
		Long:    floorLong,
		Example: floorExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q: want show, on, off, busy or auto", args[0])
			}
			return nil
		},
	}
	show(floor)
	shown := &cobra.Command{
		Use:     "show",
		Short:   "Tell who is on, who is next and why, and how many leads wait",
		Example: "  leadfloor floor show\n  leadfloor floor show --store main-street --format csv",
		Args:    cobra.NoArgs,
	}
	show(shown)
	floor.AddCommand(shown,
		newStatusCmd(e, router.On, "Set somebody on, whatever the schedule says", "  leadfloor floor on bob\n  leadfloor floor on bob --until 2h"),
		newStatusCmd(e, router.Off, "Set somebody off, whatever the schedule says", "  leadfloor floor off alice\n  leadfloor floor off alice --until 17:30"),
		newStatusCmd(e, router.Busy, "Set somebody busy with a customer, for an hour unless told", "  leadfloor floor busy carol\n  leadfloor floor busy carol --until 20m"),
		newStatusCmd(e, router.Auto, "Let the schedule say again whether somebody is on", "  leadfloor floor auto alice"),
	)
	return floor
}

func showFloor(cmd *cobra.Command, e *env, store string, f *format) error {
	s, err := e.begin(cmd.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	rooftop, err := s.rooftop(store)
	if err != nil {
		return err
	}
	now, err := s.router.Floor(cmd.Context(), rooftop.ID)
	if err != nil {
		return err
	}
	if err := floorTable(now, rooftop.Location, f).write(e.stdout, f); err != nil || f.is != formatTable {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "\nnext: %s, because: %s\nwaiting: %s\n", orNobody(now.Next), printable(now.Why), counted(now.Waiting, "lead"))
	return err
}

func floorTable(now router.FloorNow, zone *time.Location, f *format) table {
	t := table{columns: []string{"id", "name", "status", "by", "until", "eligible", "turns", "pass", "untouched"}, items: now}
	for _, p := range now.People {
		until := ""
		if p.Until != nil {
			until = f.stamp(*p.Until, zone)
		}
		eligible := "no"
		if p.Eligible {
			eligible = "yes"
		}
		t.rows = append(t.rows, []string{
			p.ID, p.Name, string(p.Status), p.SetBy, until, eligible,
			strconv.FormatInt(p.Turns, 10), turns(p.Pass), strconv.FormatInt(p.Untouched, 10),
		})
	}
	return t
}

// stamp writes a point in time for people in the store's zone to the minute, for programs as RFC 3339.
func (f *format) stamp(t time.Time, zone *time.Location) string {
	if f.is == formatCSV {
		return t.UTC().Format(time.RFC3339)
	}
	return t.In(zone).Format(toTheMinute)
}

// turns writes a pass, of which a turn of somebody of weight 1 is one.
func turns(pass float64) string {
	return strconv.FormatFloat(math.Round(pass*1000)/1000, 'f', -1, 64)
}

// counted says how many of something there are.
func counted(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}

func newStatusCmd(e *env, status router.Status, short, example string) *cobra.Command {
	var store string
	var until instant
	cmd := &cobra.Command{
		Use:     string(status) + " WHO",
		Short:   short,
		Example: example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s needs the id of one salesperson", status)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return setFloor(cmd, e, store, args[0], status, &until) },
	}
	storeFlag(cmd, &store)
	if status != router.Auto {
		cmd.Flags().Var(&until, "until", "until when: RFC 3339, HH:MM on the store's clock, or a span such as 2h")
	}
	return cmd
}

func setFloor(cmd *cobra.Command, e *env, store, who string, status router.Status, until *instant) error {
	s, err := e.begin(cmd.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	rooftop, err := s.rooftop(store)
	if err != nil {
		return err
	}
	var ids []string
	for _, p := range rooftop.Roster {
		ids = append(ids, p.ID)
	}
	if !slices.Contains(ids, who) {
		return fmt.Errorf("%q is not on the roster of store %s, which has %s", who, rooftop.ID, several(ids))
	}
	at, err := until.resolve(s.router.Now(), rooftop.Location)
	if err != nil {
		return fmt.Errorf("--until: %w", err)
	}
	now, err := s.router.SetFloor(cmd.Context(), rooftop.ID, who, status, at, "", actorCommand)
	if fault := (*router.FaultError)(nil); errors.As(err, &fault) && fault.Field == "until" {
		return fmt.Errorf("--until %s: %s", until.given, fault.Text)
	}
	if err != nil {
		return fmt.Errorf("set %s %s: %w", who, status, err)
	}
	for _, p := range now.People {
		if p.ID != who {
			continue
		}
		how := "by schedule"
		switch {
		case p.SetBy == "hand" && p.Until != nil:
			how = "by hand until " + p.Until.In(rooftop.Location).Format(toTheMinute)
		case p.SetBy == "hand":
			how = "by hand until further notice"
		}
		_, err = fmt.Fprintf(e.stdout, "%s is %s %s; next: %s\n", who, p.Status, how, orNobody(now.Next))
	}
	return err
}

func orNobody(who string) string {
	if who == "" {
		return "nobody"
	}
	return who
}
