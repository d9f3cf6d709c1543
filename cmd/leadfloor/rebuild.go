package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"leadfloor/router"
)

const rebuildLong = `rebuild makes a store's keys anew from its event log and the leads' own records: the leads' state, lists, timers, counters, the rotation and
the fingerprints. It compares first, mends what is not what it should be, and tells what that was. What customers said, notes, and which mail
was read before cannot be made from the log; a log that is not whole is refused.

It may run beside the daemon: where an event comes between, it compares again.

--restored is for a Redis that came back from a backup, before the daemon is started: the counters' epoch begins anew, so that nobody takes
them for having gone back, warnings and re-deals that fell due meanwhile start anew from now, and mailboxes are gone over again.`

const rebuildExample = `  leadfloor rebuild --store main-street
  leadfloor rebuild --store main-street --format json
  leadfloor rebuild --restored && leadfloor serve`

func newRebuildCmd(e *env) *cobra.Command {
	var store string
	var restored bool
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
			ids := s.config.storeIDs()
			if store != "" || !restored {
				home, err := s.config.pick(store)
				if err != nil {
					return err
				}
				ids = []string{home.ID}
			}
			all := make([]*rebuilt, len(ids))
			for i, id := range ids {
				if all[i], err = s.rebuild(ctx, id, restored, newProgress(e.stderr)); err != nil {
					return err
				}
			}
			if f.is == formatJSON {
				return writeJSON(e.stdout, map[string][]*rebuilt{"stores": all})
			}
			return writeRebuilt(e.stdout, all)
		},
	}
	storeFlag(cmd, &store)
	cmd.Flags().BoolVar(&restored, "restored", false, "say that Redis came back from a backup; of every store unless one is named")
	f = formatFlag(cmd, formatTable, formatJSON)
	return cmd
}

// rebuilt is what was done to one store.
type rebuilt struct {
	*router.Rebuilt
	Restored  bool `json:"restored"`
	Restarted int  `json:"restarted"` // leads whose timers start anew
}

func (s *session) rebuild(ctx context.Context, store string, restored bool, progress progress) (*rebuilt, error) {
	done, err := s.router.Rebuild(ctx, store, progress.of(store))
	progress.clear()
	if err != nil {
		return nil, fmt.Errorf("rebuild store %s: %w", store, err)
	}
	x := &rebuilt{Rebuilt: done, Restored: restored}
	if restored {
		if x.Restarted, err = s.router.Restored(ctx, store, actorCommand); err != nil {
			return nil, fmt.Errorf("rebuild store %s: %w", store, err)
		}
	}
	v, err := s.router.Verify(ctx, store, progress.of(store))
	progress.clear()
	switch {
	case err != nil:
		return nil, fmt.Errorf("verify store %s: %w", store, err)
	case !v.OK():
		return nil, fmt.Errorf("the books of store %s still do not balance: leadfloor verify tells where", store)
	}
	return x, nil
}

func writeRebuilt(w io.Writer, all []*rebuilt) error {
	var b strings.Builder
	t := table{columns: []string{"store", "what", "was", "by the log"}}
	for _, x := range all {
		for _, d := range x.What {
			t.rows = append(t.rows, []string{x.Store, d.What, d.Live, d.Log})
		}
	}
	if len(t.rows) > 0 {
		if err := t.writeTable(&b); err != nil {
			return err
		}
	}
	for _, x := range all {
		fmt.Fprintf(&b, "store %s: %s compared, %d mended\n", x.Store, counted(int(x.Events), "event"), x.Mended)
		if x.Restored {
			fmt.Fprintf(&b, "store %s: a new epoch begins; the timers of %s start anew\n", x.Store, counted(x.Restarted, "lead"))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
