package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const rebuildLong = `rebuild makes a store's keys anew from its event log and the leads' own records: the leads' state, lists, timers, counters, the rotation and
the fingerprints. It compares first, mends what is not what it should be, and tells what that was. What customers said, notes, and which mail
was read before cannot be made from the log; a log that is not whole is refused.

It may run beside the daemon: where an event comes between, it compares again.`

const rebuildExample = `  leadfloor rebuild --store main-street
  leadfloor rebuild --store main-street --format json`

func newRebuildCmd(e *env) *cobra.Command {
	var store string
	var f *format
	cmd := &cobra.Command{
		Use:     "rebuild",
		Short:   "Make keys anew from the event log and the leads, and tell what was wrong",
		Long:    rebuildLong,
		Example: rebuildExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			s, err := e.begin(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			home, err := s.rooftop(store)
			if err != nil {
				return err
			}
			progress := newProgress(e.stderr)
			done, err := s.router.Rebuild(ctx, home.ID, progress.of(home.ID))
			progress.clear()
			if err != nil {
				return fmt.Errorf("rebuild store %s: %w", home.ID, err)
			}
			v, err := s.router.Verify(ctx, home.ID, progress.of(home.ID))
			progress.clear()
			if err != nil {
				return fmt.Errorf("verify store %s: %w", home.ID, err)
			}
			if f.is == formatJSON {
				err = writeJSON(e.stdout, done)
			} else {
				t := table{columns: []string{"what", "was", "by the log"}}
				for _, d := range done.What {
					t.rows = append(t.rows, []string{d.What, d.Live, d.Log})
				}
				if len(t.rows) > 0 {
					err = t.writeTable(e.stdout)
				}
				if err == nil {
					_, err = fmt.Fprintf(e.stdout, "store %s: %s compared, %d mended\n", home.ID, counted(int(done.Events), "event"), done.Mended)
				}
			}
			if err == nil && !v.OK() {
				err = fmt.Errorf("the books of store %s still do not balance: leadfloor verify tells where", home.ID)
			}
			return err
		},
	}
	storeFlag(cmd, &store)
	f = formatFlag(cmd, formatTable, formatJSON)
	return cmd
}
