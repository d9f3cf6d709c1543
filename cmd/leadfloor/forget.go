package main

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"leadfloor/ingest"
	"leadfloor/router"
)

const leadForgetLong = `forget erases the person who asks in a lead: what is personal of it and of their other leads at the store, notes and fingerprints. Events
and counts stay, without anything of theirs. An open lead is closed with it, as forgotten. Messages that are held and of theirs alone are
discarded; one that holds others too is named, to be released or discarded.

Their mail of before does not bring them back, should it be read or imported again; what they write from now on is a new customer's. The
mails themselves lie where your mail system keeps them: those that are known are listed, to be deleted there. Other copies, as in an
archive, are found by their Message-ID. A backup from before still holds the person too.`

const leadForgetExample = `  leadfloor lead forget main-street-9k3hm2x7c4tq --reason "asked for it by letter" --by mia
  leadfloor lead forget main-street-9k3hm2x7c4tq --format json`

func newLeadForgetCmd(e *env) *cobra.Command {
	var reason, by string
	var f *format
	cmd := &cobra.Command{
		Use:     "forget LEAD",
		Short:   "Erase the person who asks in a lead, and list the mails that still hold them",
		Long:    leadForgetLong,
		Example: leadForgetExample,
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
			if by != "" {
				if err := mustEmploy(rooftop, by); err != nil {
					return err
				}
			}
			in := ingest.New(s.router, s.config.intake(), uncounted{}, slog.New(slog.NewTextHandler(e.stderr, nil)))
			done, err := in.Forget(cmd.Context(), l.ID, reason, by, actorCommand)
			if err != nil {
				return fmt.Errorf("forget: %w", asFlag(err))
			}
			if f.is == formatJSON {
				return writeJSON(e.stdout, done)
			}
			return writeErased(e.stdout, done)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who ask later; kept in the log: no customer's name here")
	cmd.Flags().StringVar(&by, "by", "", "id of `WHO` decided")
	f = formatFlag(cmd, formatTable, formatJSON)
	return cmd
}

func writeErased(w io.Writer, done *router.Erased) error {
	var b strings.Builder
	for _, id := range done.Leads {
		fmt.Fprintf(&b, "%s: forgotten\n", id)
	}
	for _, id := range done.Held {
		fmt.Fprintf(&b, "message %s is still held: it is of others too; release it, which brings nobody back who was forgotten, or discard it\n", id)
	}
	if len(done.Mails) == 0 {
		b.WriteString("no mail is known that still holds the person\n")
	} else {
		b.WriteString("\nthese mails still hold the person:\n\n")
		t := table{columns: []string{"mailbox", "uidvalidity", "uid", "file", "message-id", "lead"}}
		number := func(n uint32) string {
			if n == 0 {
				return ""
			}
			return strconv.FormatUint(uint64(n), 10)
		}
		for _, m := range done.Mails {
			t.rows = append(t.rows, []string{m.Mailbox, number(m.UIDValidity), number(m.UID), m.File, m.Message, m.Lead})
		}
		if err := t.writeTable(&b); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
