package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"leadfloor/router"
)

const sealLong = `seal closes a period of a store's event log: what its events say is kept as a snapshot, and the events are taken away, which frees memory.
verify and simulate begin at the last seal. The books must balance.

The events are written to a file first, in this folder unless --export names one: a line of JSON that names the store, the first event and
the digest of the seal before, then one line for each event. The digest that seal prints, and keeps, is the SHA-256 of that file: keep it, since
lead why tells no more of what was sealed. --discard writes no file, and then the events are gone for good.

seal may run beside the daemon, which itself seals what is older than retention.events.`

const sealExample = `  leadfloor seal --store main-street --to 2026-01-01                # into main-street-until-2026-01-01.jsonl
  leadfloor seal --store main-street --to 2026-01-01 --export /srv/leads/main-street-2025.jsonl
  sha256sum /srv/leads/main-street-2025.jsonl`

func newSealCmd(e *env) *cobra.Command {
	var store, export string
	var discard bool
	var to date
	var f *format
	cmd := &cobra.Command{
		Use:     "seal",
		Short:   "Close a period of the event log: keep what it says, export and trim it",
		Long:    sealLong,
		Example: sealExample,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if discard && export != "" {
				return errors.New("--discard writes no file: leave --export out, or --discard")
			}
			return nil
		},
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
			now := s.router.Now().In(home.Location)
			before := now
			if to.given {
				before = to.midnight(home.Location, 0)
			}
			if before.After(now) {
				return fmt.Errorf("--to %s has not come yet in %s", &to, home.Location)
			}
			progress := newProgress(e.stderr)
			v, err := s.router.Verify(ctx, home.ID, progress.of(home.ID))
			progress.clear()
			switch {
			case err != nil:
				return fmt.Errorf("verify store %s: %w", home.ID, err)
			case !v.OK():
				return fmt.Errorf("the books of store %s do not balance, so nothing was sealed: leadfloor verify tells what is off, leadfloor rebuild mends", home.ID)
			}
			unnamed := export == "" && !discard
			if unnamed {
				export = exportName(home.ID, &to, now)
			}
			out, finish, err := create(export)
			if err != nil && unnamed {
				return fmt.Errorf("%w; --export names another file, --discard drops the events", err)
			} else if err != nil {
				return err
			}
			finished := false
			done, err := s.router.Seal(ctx, home.ID, before, out, func() error { finished = true; return finish() }, actorCommand, progress.of(home.ID))
			progress.clear()
			if err != nil {
				// Where nobody knows whether the events are still in the log, the file may be all there is of them.
				nothing := errors.Is(err, router.ErrSealed) || errors.Is(err, router.ErrConflict)
				if export != "" && (nothing || !finished) {
					err = errors.Join(err, os.Remove(export))
				}
				if err = fmt.Errorf("seal store %s: %w", home.ID, err); !errors.Is(err, router.ErrSealed) {
					return err
				}
				_, err = fmt.Fprintf(e.stderr, "leadfloor: %v\n", err)
				return err
			}
			if f.is == formatJSON {
				return writeJSON(e.stdout, done)
			}
			return writeSeal(e.stdout, done, home, export)
		},
	}
	storeFlag(cmd, &store)
	cmd.Flags().Var(&to, "to", "first `DAY` that stays open, in the store's time; all is sealed where it is left out")
	cmd.Flags().StringVar(&export, "export", "", "new `FILE` for the events that are taken away; one in this folder, named by store and day, where it is left out")
	cmd.Flags().BoolVar(&discard, "discard", false, "drop the events for good instead")
	f = formatFlag(cmd, formatTable, formatJSON)
	return cmd
}

// exportName is where the events go that nobody named a file for: events are never dropped unless told.
func exportName(store string, to *date, now time.Time) string {
	until := now.Format("2006-01-02-150405")
	if to.given {
		until = to.String()
	}
	return store + "-until-" + until + ".jsonl"
}

// create makes a file that was not there. What is written to it is on disk once finish has returned. Without a name there is no file.
func create(name string) (io.Writer, func() error, error) {
	if name == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.OpenFile(filepath.Clean(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("write %q: %w", name, cause(err))
	}
	w := bufio.NewWriter(f)
	return w, func() error {
		if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("write %q: %w", name, cause(err))
		}
		return nil
	}, nil
}

func writeSeal(w io.Writer, s *router.Seal, home *router.Rooftop, export string) error {
	kept := "they are gone"
	if export != "" {
		kept = "they are in " + export
	}
	_, err := fmt.Fprintf(w, "store %s: sealed events %d to %d, the last of %s; %s\nsha256 %s\n",
		s.Store, s.First, s.Last, s.At.In(home.Location).Format(toTheMinute), kept, s.Digest)
	return err
}
