package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leadfloor/ingest"
	"leadfloor/ingest/archive"
)

const importLong = `import takes mail that people have kept: .eml files, mbox files, Maildirs, ADF documents (.xml), and folders of them. Each message goes through
the same reading and matching as one from a mailbox.

By default it is history: recorded, so that a customer who writes again is known and goes to a former owner, and never dealt, told or
timed. A lead arrived when its mail did. Mail without a lead in it is left alone. With --live each lead is dealt, with arrival now.

A message is the same wherever it is found, so it may be imported again, or lie in a mailbox too: what was taken before is a replay. To go
on after an interruption, run the same command again.

The exit code is 1 when something could not be read or taken, which is told with its place.`

const importExample = `  leadfloor import --store main-street archive.mbox
  leadfloor import --store main-street ~/Maildir/.Leads.2025 exported-mail/
  leadfloor import --store main-street --live missed.eml`

func newImportCmd(e *env) *cobra.Command {
	var store string
	var live bool
	var f *format
	cmd := &cobra.Command{
		Use:     "import PATH...",
		Short:   "Take in kept mail: as history, or to be dealt",
		Long:    importLong,
		Example: importExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("import needs at least one file or folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, paths []string) error {
			s, err := e.begin(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			home, err := s.config.pick(store)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(e.stderr, nil))
			x := &importing{
				intake: ingest.New(s.router, s.config.intake(), uncounted{}, log), stderr: e.stderr, bar: newBar(e.stderr),
				Store: home.ID, History: !live, Fates: map[ingest.Fate]int{},
			}
			ended := x.run(cmd.Context(), paths)
			if err := x.write(e.stdout, f); err != nil {
				return err
			}
			if ended != nil {
				return ended
			}
			if x.Faults > 0 {
				return errFound
			}
			return nil
		},
	}
	storeFlag(cmd, &store)
	cmd.Flags().BoolVar(&live, "live", false, "deal the leads, with arrival now")
	f = formatFlag(cmd, formatTable, formatJSON)
	return cmd
}

// uncounted is for commands, which have no metrics.
type uncounted struct{}

// Repaired implements ingest.Observer.
func (uncounted) Repaired(string) {}

// Doubted implements ingest.Observer.
func (uncounted) Doubted(string, string) {}

// An importing is one run of import, and what came of it.
type importing struct {
	intake *ingest.Intake
	stderr io.Writer
	bar    *bar

	Store    string              `json:"store"`
	History  bool                `json:"history"`
	Files    int                 `json:"files"`
	Messages int                 `json:"messages"`
	Fates    map[ingest.Fate]int `json:"fates"`
	Faults   int                 `json:"faults"` // files and folders that could not be read whole
	Finished bool                `json:"finished"`
}

// run takes everything. Its error says why it ended before.
func (x *importing) run(ctx context.Context, paths []string) error {
	defer x.bar.clear()
	for _, path := range paths {
		for f, err := range archive.Files(path) {
			if err == nil {
				x.bar.total += f.Size
			}
		}
	}
	for _, path := range paths {
		for f, err := range archive.Files(path) {
			if err != nil {
				x.fault(f.Path, err)
				continue
			}
			x.Files++
			if err := x.file(ctx, f); err != nil {
				return err
			}
			x.bar.done += f.Size
		}
	}
	x.Finished = true
	return nil
}

func (x *importing) file(ctx context.Context, f archive.File) error {
	for m, err := range f.Messages(mostFile) {
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted before %q: run the same command again to go on", f.Where(m))
		case err != nil:
			x.fault(f.Where(m), err)
			continue
		}
		if m.Time.IsZero() {
			m.Time = f.Time
		}
		fate, reasons, err := x.take(ctx, ingest.File{Where: f.Where(m), Raw: m.Raw, TooLarge: m.TooLarge, Time: m.Time, History: x.History})
		if err != nil {
			return fmt.Errorf("take %q: %w; run the same command again to go on", f.Where(m), err)
		}
		x.Messages++
		x.Fates[fate]++
		if fate == ingest.FateQuarantined {
			x.say("%q: quarantined: %s", f.Where(m), strings.Join(reasons, ", "))
		}
		x.bar.show(m.End, x.Messages)
	}
	return nil
}

// Redis may be away for a moment.
const (
	importTries   = 6
	importPause   = 200 * time.Millisecond // doubled at each further try
	importTimeout = 30 * time.Second       // of one try
)

// take decides one message. What was begun is finished though the user has had enough.
func (x *importing) take(ctx context.Context, f ingest.File) (fate ingest.Fate, reasons []string, err error) {
	for n := range importTries {
		if n > 0 && !sleep(ctx, importPause<<n) {
			break
		}
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), importTimeout)
		fate, reasons, err = x.intake.Import(work, x.Store, f)
		cancel()
		if err == nil {
			break
		}
	}
	return fate, reasons, err
}

func (x *importing) fault(where string, err error) {
	x.Faults++
	x.say("read %q: %v", where, cause(err))
}

// say prints a line beside the bar.
func (x *importing) say(format string, args ...any) {
	x.bar.clear()
	fmt.Fprintf(x.stderr, "leadfloor: "+format+"\n", args...)
}

func (x *importing) write(w io.Writer, f *format) error {
	if f.is == formatJSON {
		for _, fate := range ingest.Fates {
			x.Fates[fate] += 0
		}
		return writeJSON(w, x)
	}
	t := table{columns: []string{"fate", "messages"}}
	for _, fate := range ingest.Fates {
		if n := x.Fates[fate]; n > 0 || fate == ingest.FateLead {
			t.rows = append(t.rows, []string{string(fate), strconv.Itoa(n)})
		}
	}
	if err := t.writeTable(w); err != nil {
		return err
	}
	how := "recorded as history"
	if !x.History {
		how = "dealt"
	}
	_, err := fmt.Fprintf(w, "\n%s of %s at store %s, %s\n", counted(x.Messages, "message"), counted(x.Files, "file"), x.Store, how)
	return err
}

// A bar tells how far a long work is: in a line that it writes over on a terminal, elsewhere in a line now and then.
type bar struct {
	progress progress  // of a terminal
	lines    io.Writer // of none
	total    int64     // bytes
	done     int64     // of the files before
	began    time.Time
	next     time.Time
}

// How often a bar moves, and how often it tells who does not see it move.
const (
	barEvery   = 100 * time.Millisecond
	linesEvery = 10 * time.Second
)

func newBar(w io.Writer) *bar {
	b := &bar{progress: newProgress(w), lines: w, began: time.Now()}
	b.next = b.began.Add(linesEvery)
	if b.progress.w != nil {
		b.next = b.began
	}
	return b
}

// show tells that so many bytes of the present file are read, and so many messages of all.
func (b *bar) show(read int64, messages int) {
	now := time.Now()
	if now.Before(b.next) {
		return
	}
	share := 1.0
	if b.total > 0 {
		share = min(1, float64(b.done+read)/float64(b.total))
	}
	text := fmt.Sprintf("%3.0f%%  %s", 100*share, counted(messages, "message"))
	if took := now.Sub(b.began); took > time.Second && share > 0 {
		text += fmt.Sprintf("  %.0f/s  %s left", float64(messages)/took.Seconds(), spell(time.Duration(float64(took)*(1-share)/share)))
	}
	if b.progress.w == nil {
		b.next = now.Add(linesEvery)
		fmt.Fprintln(b.lines, "leadfloor:", text)
		return
	}
	b.next = now.Add(barEvery)
	const width = 30
	full := int(share * width)
	fmt.Fprintf(b.progress.w, "\r[%s%s] %s\x1b[K", strings.Repeat("=", full), strings.Repeat(" ", width-full), text)
}

func (b *bar) clear() { b.progress.clear() }
