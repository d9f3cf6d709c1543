package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/router"
	"leadfloor/router/rdb"
)

const verifyLong = `verify proves the books. For each store it replays the event log to the head that it sees, decides every turn of the rotation again, and
compares the outcome with the live state. For each mailbox it holds the fates that were counted, one for each message, against the
places that lie in the ledger.

With --mailboxes it also logs in to each mailbox, without changing anything. PENDING counts the messages there that have no fate yet, LEFT
the places in the ledger whose message is there no longer; neither is a fault. verify may run beside the daemon. The exit code is 1 when
anything is off.`

const verifyExample = `  leadfloor verify
  leadfloor verify --store main-street --mailboxes
  leadfloor verify --format json`

// An audit is what verify found.
type audit struct {
	OK        bool                   `json:"ok"`
	Stores    []*router.Verification `json:"stores"`
	Mailboxes []mailboxAudit         `json:"mailboxes"`

	balanced bool // no fault and no difference
	answered bool // by every mailbox that was asked
}

// A mailboxAudit is what was found of one mailbox's ledger.
type mailboxAudit struct {
	Mailbox string           `json:"mailbox"`
	Places  int64            `json:"places"` // in the ledger
	Fates   map[string]int64 `json:"fates"`  // of the places, every fate that there is
	Faults  []string         `json:"faults"`
	Server  *serverAudit     `json:"server,omitempty"` // nil where it was not asked
}

// A serverAudit holds a ledger against what lies in the mailbox now.
type serverAudit struct {
	Asked       bool     `json:"asked"` // false: Note or Error says why not
	Note        string   `json:"note,omitempty"`
	Error       string   `json:"error,omitempty"`
	UIDValidity uint32   `json:"uidvalidity"`
	Messages    int      `json:"messages"` // in the mailbox
	Pending     []uint32 `json:"pending"`  // UIDs in the mailbox without a fate
	Left        int64    `json:"left"`     // places in the ledger whose message is no longer in the mailbox
}

func newVerifyCmd(e *env) *cobra.Command {
	var store string
	var ask bool
	var f *format
	cmd := &cobra.Command{
		Use:     "verify",
		Short:   "Prove the books: decide all again from the event log, and account for every message",
		Long:    verifyLong,
		Example: verifyExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := e.begin(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			if store != "" {
				if _, err := s.config.pick(store); err != nil {
					return err
				}
			}
			a, err := s.audit(cmd.Context(), store, ask, newProgress(e.stderr))
			if err != nil {
				return err
			}
			if err := a.write(e.stdout, f); err != nil {
				return err
			}
			if !a.OK {
				return errFound
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&store, "store", "", "`ID` of the one store to verify, with the mailboxes that feed it; all by default")
	cmd.Flags().BoolVar(&ask, "mailboxes", false, "also log in to each mailbox and count the messages without a fate")
	f = formatFlag(cmd, formatTable, formatJSON)
	return cmd
}

// audit verifies one store, or all where store is empty.
func (s *session) audit(ctx context.Context, store string, ask bool, progress progress) (*audit, error) {
	a := &audit{Stores: []*router.Verification{}, balanced: true, answered: true}
	for _, id := range s.config.storeIDs() {
		if store != "" && id != store {
			continue
		}
		v, err := s.router.Verify(ctx, id, progress.of(id))
		progress.clear()
		if err != nil {
			return nil, fmt.Errorf("verify store %s: %w", id, err)
		}
		v.Faults, v.Differences = notNil(v.Faults), notNil(v.Differences)
		a.Stores = append(a.Stores, v)
		a.balanced = a.balanced && v.OK()
	}
	boxes := s.config.feeding(store)
	a.Mailboxes = make([]mailboxAudit, len(boxes))
	var g errgroup.Group
	g.SetLimit(probesTogether)
	for i, m := range boxes {
		g.Go(func() (err error) {
			a.Mailboxes[i], err = s.auditMailbox(ctx, m, ask)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, m := range a.Mailboxes {
		a.balanced = a.balanced && len(m.Faults) == 0
		a.answered = a.answered && (m.Server == nil || m.Server.Error == "")
	}
	a.OK = a.balanced && a.answered
	return a, nil
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// feeding lists the mailboxes that feed a store, or all where store is empty.
func (c *Config) feeding(store string) []*MailboxConfig {
	var all []*MailboxConfig
	for i := range c.Mailboxes {
		m := &c.Mailboxes[i]
		if store == "" || slices.ContainsFunc(m.Route, func(r RouteConfig) bool { return r.Store == store || r.Else == store }) {
			all = append(all, m)
		}
	}
	for i := range c.Stores {
		s := &c.Stores[i]
		for j := range s.Mailboxes {
			if store == "" || s.ID == store {
				all = append(all, &s.Mailboxes[j])
			}
		}
	}
	return all
}

// auditMailbox holds a mailbox's ledger against itself and, where asked, against the mailbox. An error means that the ledger could not be
// read; a mailbox that does not answer is a fault.
func (s *session) auditMailbox(ctx context.Context, m *MailboxConfig, ask bool) (mailboxAudit, error) {
	a := mailboxAudit{Mailbox: m.Name, Faults: []string{}}
	var uids []uint32
	if ask {
		// The mailbox before the ledger: what arrives and is settled between the two is not taken for pending.
		a.Server, uids = m.inventory(ctx)
	}
	settled := make([]bool, len(uids))
	each := func(validity uint32, p rdb.Place) {
		if a.Server == nil || !a.Server.Asked {
			return
		}
		if i, ok := slices.BinarySearch(uids, p.UID); ok && validity == a.Server.UIDValidity {
			settled[i] = true
		} else {
			a.Server.Left++
		}
	}
	account, err := s.ledger.Account(ctx, m.Name, each)
	if err != nil {
		return a, err
	}
	after := account.Fates
	if !maps.Equal(account.Fates, account.ByFate) {
		// A daemon may have settled more while the places were read. Then what was counted has grown, and the places lie between.
		again, err := s.ledger.Account(ctx, m.Name, nil)
		if err != nil {
			return a, err
		}
		after = again.Fates
	}
	a.tally(account, after)
	for i, uid := range uids {
		if !settled[i] {
			a.Server.Pending = append(a.Server.Pending, uid)
		}
	}
	return a, nil
}

// tally compares what was counted as the fates were set, before and after the places were read, with the places.
func (a *mailboxAudit) tally(account *rdb.Account, after map[string]int64) {
	a.Fates = map[string]int64{}
	for _, fate := range ingest.Fates {
		a.Fates[string(fate)] = 0
	}
	for fate, n := range account.ByFate {
		a.Places += n
		a.Fates[fate] = n
		if !slices.Contains(ingest.Fates, ingest.Fate(fate)) {
			a.Faults = append(a.Faults, fmt.Sprintf("%d places have the fate %q, which there is not", n, fate))
		}
	}
	for _, fate := range slices.Sorted(maps.Keys(a.Fates)) {
		n, low, high := account.ByFate[fate], account.Fates[fate], after[fate]
		if n < low || n > high {
			a.Faults = append(a.Faults, fmt.Sprintf("%d places have the fate %s, but %d were counted as they were set", n, fate, high))
		}
	}
	for _, fate := range slices.Sorted(maps.Keys(account.Fates)) {
		if _, ok := a.Fates[fate]; !ok && account.Fates[fate] != 0 {
			a.Faults = append(a.Faults, fmt.Sprintf("%d messages were counted as %q, which is no fate", account.Fates[fate], fate))
		}
	}
}

// inventory asks the server what lies in the mailbox.
func (m *MailboxConfig) inventory(ctx context.Context) (*serverAudit, []uint32) {
	a := &serverAudit{Pending: []uint32{}}
	if m.Role == mailboxConversation {
		a.Note = "not asked, it is read for replies alone"
		return a, nil
	}
	cfg, err := m.mailbox(true)
	if err != nil {
		a.Error = err.Error()
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	validity, uids, err := mailbox.Inventory(ctx, cfg)
	if err != nil {
		a.Error = err.Error()
		return a, nil
	}
	a.Asked, a.UIDValidity, a.Messages = true, validity, len(uids)
	return a, uids
}

func (a *audit) write(w io.Writer, f *format) error {
	if f.is == formatJSON {
		return writeJSON(w, a)
	}
	var b strings.Builder
	stores := table{columns: []string{"store", "events", "leads", "decisions", "faults", "differences"}}
	number := strconv.Itoa
	for _, v := range a.Stores {
		stores.rows = append(stores.rows, []string{
			v.Store, strconv.FormatInt(v.Head, 10), number(v.Leads), number(v.Decisions), number(len(v.Faults)), number(len(v.Differences)),
		})
	}
	if err := stores.writeTable(&b); err != nil {
		return err
	}
	if len(a.Mailboxes) > 0 {
		b.WriteString("\n")
		if err := a.mailboxTable().writeTable(&b); err != nil {
			return err
		}
	}
	var lines []string
	for _, v := range a.Stores {
		for _, fault := range v.Faults {
			lines = append(lines, fmt.Sprintf("store %s: %s", v.Store, fault))
		}
		for _, d := range v.Differences {
			lines = append(lines, fmt.Sprintf("store %s: %s: live %q, by the log %q", v.Store, d.What, d.Live, d.Log))
		}
	}
	for _, m := range a.Mailboxes {
		for _, fault := range m.Faults {
			lines = append(lines, "mailbox "+m.Mailbox+": "+fault)
		}
		switch {
		case m.Server == nil:
		case m.Server.Error != "":
			lines = append(lines, m.Server.Error)
		case m.Server.Note != "":
			lines = append(lines, "mailbox "+m.Mailbox+": "+m.Server.Note)
		case len(m.Server.Pending) > 0:
			lines = append(lines, fmt.Sprintf("mailbox %s: pending: %s", m.Mailbox, ranges(m.Server.Pending)))
		}
	}
	switch {
	case !a.balanced:
		lines = append(lines, "the books do not balance")
	case !a.answered:
		lines = append(lines, "the books balance, but not every mailbox could be asked")
	default:
		lines = append(lines, "the books balance")
	}
	b.WriteString("\n")
	for _, l := range lines {
		b.WriteString(printable(l) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (a *audit) mailboxTable() table {
	t := table{columns: []string{"mailbox"}}
	for _, fate := range ingest.Fates {
		t.columns = append(t.columns, string(fate))
	}
	t.columns = append(t.columns, "places", "faults")
	asked := slices.ContainsFunc(a.Mailboxes, func(m mailboxAudit) bool { return m.Server != nil })
	if asked {
		t.columns = append(t.columns, "on server", "pending", "left")
	}
	for _, m := range a.Mailboxes {
		row := []string{m.Mailbox}
		for _, fate := range ingest.Fates {
			row = append(row, strconv.FormatInt(m.Fates[string(fate)], 10))
		}
		row = append(row, strconv.FormatInt(m.Places, 10), strconv.Itoa(len(m.Faults)))
		switch {
		case !asked:
		case m.Server.Asked:
			row = append(row, strconv.Itoa(m.Server.Messages), strconv.Itoa(len(m.Server.Pending)), strconv.FormatInt(m.Server.Left, 10))
		default:
			row = append(row, "", "", "")
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// ranges writes rising UIDs as IMAP does, 3:7,9, and not all of many.
func ranges(uids []uint32) string {
	const most = 20
	var parts []string
	for len(uids) > 0 {
		if len(parts) == most {
			return fmt.Sprintf("%s and %d more", strings.Join(parts, ","), len(uids))
		}
		n := 1
		for n < len(uids) && uids[n] == uids[n-1]+1 {
			n++
		}
		part := strconv.FormatUint(uint64(uids[0]), 10)
		if n > 1 {
			part += ":" + strconv.FormatUint(uint64(uids[n-1]), 10)
		}
		parts, uids = append(parts, part), uids[n:]
	}
	return strings.Join(parts, ",")
}

// A progress tells people on a terminal how far the work is.
type progress struct{ w io.Writer } // nil: nobody looks

// newProgress tells whoever sits at w, if w is a terminal.
func newProgress(w io.Writer) progress {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return progress{f}
		}
	}
	return progress{}
}

// of is what router.Verify calls, nil where nobody looks.
func (p progress) of(store string) func(done, head int64) {
	if p.w == nil {
		return nil
	}
	return func(done, head int64) { fmt.Fprintf(p.w, "\rstore %s: event %d of %d\x1b[K", store, done, head) }
}

// clear takes the line away.
func (p progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
