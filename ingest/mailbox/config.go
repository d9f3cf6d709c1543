package mailbox

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"leadfloor/ingest"
)

// Config says which folder is watched, and how.
type Config struct {
	// Name is the mailbox's configured name: its label, and its key in the ledger.
	Name string
	// Address is host:port of the IMAP server.
	Address string
	// TLS is how the connection is kept private; implicit when empty.
	TLS TLSMode
	// TLSConfig may add roots; nil takes the system's. The server's name is filled in from Address.
	TLSConfig *tls.Config
	Username  string
	// Password is asked at each log-in, so that a rotated file is read anew.
	Password func(context.Context) (string, error)
	// Keys names where Password, OAuth2 and TLSConfig have what they need, so that two Configs can be told from one another.
	Keys string
	// OAuth2, where set, gives access tokens, which are used instead of a password.
	OAuth2 *OAuth2
	// Folder is INBOX when empty.
	Folder string
	// PollInterval is the longest time between two looks into the folder, with or without IDLE; 60 s when 0.
	PollInterval time.Duration
	// Start bounds what is taken at the first sight of the mailbox; a day when 0.
	Start Start
	// After says what is done with a message in the folder once its fate is in the ledger: keep where nothing is said.
	// It may hold lead (which governs touch, duplicate and replay too), other and quarantined.
	After map[ingest.Fate]Action
	// MaxSize in bytes: of a larger mail only the beginning is handed over; 10 MiB when 0.
	MaxSize int64
	// ReadOnly leaves the folder as it is, whatever After says.
	ReadOnly bool
}

// The defaults of a Config.
const (
	DefaultFolder       = "INBOX"
	DefaultPollInterval = time.Minute
	DefaultStart        = Start(24 * time.Hour)
	DefaultMaxSize      = 10 << 20
)

// TLSMode is how a connection is kept private.
type TLSMode string

// The modes of TLS. TLSNone is allowed to a loopback address alone.
const (
	TLSImplicit TLSMode = "implicit"
	TLSStartTLS TLSMode = "starttls"
	TLSNone     TLSMode = "none"
)

// Start is how old a message may be at the first sight of its mailbox and still be taken; older ones are skipped.
type Start time.Duration

// The two ends of Start.
const (
	All Start = math.MaxInt64 // however old
	Now Start = -1            // only what arrives from now on
)

// cut is the instant before which messages are skipped, given when the mailbox was first seen. INTERNALDATE counts whole
// seconds, so the cut does too: a mail of the very second of the first sight is taken.
func (s Start) cut(first time.Time) time.Time {
	switch {
	case s == All:
		return time.Time{}
	case s < 0:
		s = 0
	}
	return first.Add(-time.Duration(s)).Truncate(time.Second)
}

// An Action is what is done with a settled message in its folder. The zero Action keeps it as it is.
type Action struct {
	verb   string // "", flag or move
	folder string // of move
}

// Keyword marks the messages that an Action flags. It is leadfloor's own: \Flagged and \Seen belong to the people who
// read the mailbox, so a server that keeps no keywords gets no mark at all.
const Keyword = "$Leadfloor"

// ParseAction reads keep, flag or move:FOLDER.
func ParseAction(s string) (Action, error) {
	verb, folder, moves := strings.Cut(s, ":")
	switch {
	case s == "keep":
		return Action{}, nil
	case s == "flag":
		return Action{verb: "flag"}, nil
	case verb == "move" && moves && folder != "":
		return Action{verb: "move", folder: folder}, nil
	}
	return Action{}, fmt.Errorf("read action %q: want keep, flag or move:FOLDER", s)
}

// String gives the Action as ParseAction reads it.
func (a Action) String() string {
	switch a.verb {
	case "":
		return "keep"
	case "move":
		return "move:" + a.folder
	}
	return a.verb
}

// Validate names everything that is wrong with the configuration, all at once.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Name == "" {
		fault("name is missing")
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil || host == "" {
		fault("address %q is not host:port", c.Address)
	}
	switch c.TLS {
	case TLSImplicit, TLSStartTLS:
	case TLSNone:
		if err == nil && !loopback(host) {
			fault("tls none would send the password in the clear to %q: use implicit or starttls", host)
		}
	default:
		fault("tls %q is not one of implicit, starttls, none", c.TLS)
	}
	if c.Username == "" {
		fault("username is missing")
	}
	switch {
	case c.OAuth2 != nil:
		c.OAuth2.validate(fault)
	case c.Password == nil:
		fault("password is missing")
	}
	if c.PollInterval < time.Second {
		fault("poll interval %s is under 1s", c.PollInterval)
	}
	if c.MaxSize < headSize {
		fault("max size %d is under %d bytes", c.MaxSize, headSize)
	}
	for _, fate := range ingest.Fates {
		action, said := c.After[fate]
		if said && !slices.Contains(governing, fate) {
			fault("after %s cannot be set: only lead, other and quarantined can", fate)
		}
		if action.verb == "move" && sameFolder(action.folder, c.Folder) {
			fault("after %s moves to the folder that is watched, %q", fate, c.Folder)
		}
	}
	return errors.Join(errs...)
}

// governing are the fates that After may name.
var governing = []ingest.Fate{ingest.FateLead, ingest.FateOther, ingest.FateQuarantined}

func (c Config) withDefaults() Config {
	if c.TLS == "" {
		c.TLS = TLSImplicit
	}
	if c.Folder == "" {
		c.Folder = DefaultFolder
	}
	if c.PollInterval == 0 {
		c.PollInterval = DefaultPollInterval
	}
	if c.Start == 0 {
		c.Start = DefaultStart
	}
	if c.MaxSize == 0 {
		c.MaxSize = DefaultMaxSize
	}
	return c
}

// action is what is done with a message of that fate.
func (c Config) action(fate ingest.Fate) Action {
	if c.ReadOnly {
		return Action{}
	}
	switch fate {
	case ingest.FateTouch, ingest.FateDuplicate, ingest.FateReplay:
		fate = ingest.FateLead
	}
	return c.After[fate]
}

// writes says whether any fate leads to a change in the folder.
func (c Config) writes() bool {
	return slices.ContainsFunc(governing, func(f ingest.Fate) bool { return c.action(f) != Action{} })
}

// flags says whether any fate leads to the Keyword.
func (c Config) flags() bool {
	return slices.ContainsFunc(governing, func(f ingest.Fate) bool { return c.action(f).verb == "flag" })
}

// secrets tells what a log-in would show from what another one did.
func (c Config) secrets(ctx context.Context) (sum [sha256.Size]byte) {
	h := sha256.New()
	add := func(secret string, err error) {
		fmt.Fprintf(h, "%q %t ", secret, err != nil)
	}
	if o := c.OAuth2; o != nil {
		for _, read := range []func() (string, error){o.ClientSecret, o.RefreshToken, o.ServiceAccount} {
			if read != nil {
				add(read())
			}
		}
	} else {
		pctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		add(c.Password(pctx))
	}
	h.Sum(sum[:0])
	return sum
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

// sameFolder compares names as IMAP does: INBOX in any case, all others to the letter.
func sameFolder(a, b string) bool {
	return a == b || strings.EqualFold(a, "INBOX") && strings.EqualFold(b, "INBOX")
}
