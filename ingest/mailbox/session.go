package mailbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// How long the server may take. Each command also has a limit as a whole, however steadily it trickles.
const (
	dialTimeout     = 30 * time.Second
	tlsTimeout      = 20 * time.Second
	greetingTimeout = 30 * time.Second
	commandTimeout  = 30 * time.Second // silence, where the server has nothing to look for
	searchTimeout   = time.Minute      // silence, where it has
	wholeTimeout    = 10 * time.Minute
	closeTimeout    = 5 * time.Second
)

const (
	// headSize in bytes is how much of a mail over MaxSize is fetched.
	headSize = 64 << 10
	// maxMessages bounds a folder, and with it the memory for its UIDs.
	maxMessages = 1 << 20
	// smallAnswer in bytes is more than any answer without data takes.
	smallAnswer = 64 << 10
	// metaAnswer in bytes is more than UID, size and date of one message take.
	metaAnswer = 256
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3},
		Control:         boundUnacked(time.Minute),
	}
	return d.DialContext(ctx, network, address)
}

// A session is one logged-in connection with the folder selected. One goroutine uses it, one command at a time: go-imap
// loses bodies and deadlocks when commands overlap.
type session struct {
	client *imapclient.Client
	conn   *guardedConn
	stop   func() bool // ends the watch over the context
	caps   imap.CapSet
	// notice holds one value when the server has spoken of new mail since it was last emptied.
	notice chan struct{}

	until       time.Time // when the session should end for its token's sake; zero: never
	uidValidity uint32
	keyword     bool            // the server keeps Keyword for good
	unmarked    []uint32        // rising: what lay there without the Keyword when the session began
	created     map[string]bool // folders that this session tried to create
}

// open connects, logs in and selects the folder; with examine nothing in it can change. ctx bounds the whole session, not
// only its beginning: when it ends the socket is closed. An error is one sentence that names the server and what to do.
func open(ctx context.Context, cfg Config, dial dialFunc, examine bool) (*session, error) {
	s, err := connect(ctx, cfg, dial)
	if err != nil {
		err = fmt.Errorf("connect to %s: %w", cfg.Address, err)
		return nil, advised(err, connectAdvice("address", err))
	}
	if err := s.login(ctx, cfg); err != nil {
		s.close() // a connection after a refused log-in may be half way through an exchange
		return nil, advised(fmt.Errorf("log in to %s: %w", cfg.Address, err), loginAdvice(err))
	}
	if err := s.sel(ctx, cfg.Folder, examine); err != nil {
		s.close()
		return nil, advised(fmt.Errorf("open folder %q on %s: %w", cfg.Folder, cfg.Address, err), folderAdvice(err))
	}
	return s, nil
}

func connect(ctx context.Context, cfg Config, dial dialFunc) (*session, error) {
	dctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := dial(dctx, "tcp", cfg.Address)
	if err != nil {
		return nil, asFailure(err)
	}
	s := &session{
		conn:    guard(raw),
		notice:  make(chan struct{}, 1),
		created: make(map[string]bool),
	}
	s.stop = context.AfterFunc(ctx, func() { s.conn.Close() })
	opts := &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: s.noticed}}
	var conn net.Conn = s.conn
	greeting := ""
	if cfg.TLS != TLSNone {
		err = s.do(ctx, tlsTimeout, smallAnswer, func() (err error) {
			if cfg.TLS == TLSStartTLS {
				greeting = "* OK greeted before\r\n" // go-imap waits for one
				conn, err = startTLS(ctx, s.conn, tlsConfig(cfg))
				return err
			}
			private := tls.Client(s.conn, tlsConfig(cfg))
			conn = private
			return private.HandshakeContext(ctx)
		})
		if err != nil {
			s.stop()
			s.conn.Close()
			return nil, ofTLS(err)
		}
	}
	s.client = imapclient.New(newWire(conn, s.conn, greeting), opts)
	err = s.do(ctx, greetingTimeout, smallAnswer, func() error {
		if err := s.client.WaitGreeting(); err != nil {
			return err
		}
		s.caps = s.client.Caps()
		return nil
	})
	if err == nil && s.caps == nil {
		err = failf(ReasonTimeout, "server does not say what it can do")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// ofTLS gives a hand-shake's error its reason, unless the network or the clock already has.
func ofTLS(err error) error {
	if f := asFailure(err); f.reason != ReasonProtocol {
		return f
	}
	return &failure{reason: ReasonTLS, err: err}
}

func tlsConfig(cfg Config) *tls.Config {
	c := &tls.Config{}
	if cfg.TLSConfig != nil {
		c = cfg.TLSConfig.Clone()
	}
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(cfg.Address)
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	return c
}

func (s *session) login(ctx context.Context, cfg Config) error {
	if s.client.State() == imap.ConnStateAuthenticated {
		return nil // PREAUTH
	}
	var err error
	if cfg.OAuth2 != nil {
		err = s.loginByToken(ctx, cfg)
	} else {
		err = s.loginByPassword(ctx, cfg)
	}
	if refused(err) {
		// Many servers refuse a log-in without a code.
		if f := asFailure(err); f.reason == ReasonProtocol {
			f.reason = ReasonAuth
			return f
		}
	}
	return err
}

func (s *session) loginByPassword(ctx context.Context, cfg Config) error {
	if s.caps.Has(imap.CapLoginDisabled) {
		f := failf(ReasonAuth, "server allows no log-in with tls: %s", cfg.TLS)
		if f.advice = "set tls: implicit or starttls"; cfg.TLS != TLSNone {
			f.advice = "it wants access tokens: set oauth2 instead of password_file"
		}
		return f
	}
	pctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	password, err := cfg.Password(pctx)
	if err != nil {
		return &failure{reason: ReasonAuth, advice: "make password_file readable", err: fmt.Errorf("read password: %w", err)}
	}
	return s.authenticate(ctx, func() error { return s.client.Login(cfg.Username, password).Wait() })
}

func (s *session) loginByToken(ctx context.Context, cfg Config) error {
	b := &bearer{user: cfg.Username}
	for _, mechanism := range slices.Backward(bearerMechanisms) {
		if s.caps.Has(imap.AuthCap(mechanism)) {
			b.mechanism = mechanism
		}
	}
	if b.mechanism == "" {
		f := failf(ReasonAuth, "server takes no access tokens: it offers neither %s", strings.Join(bearerMechanisms, " nor "))
		f.advice = "set password_file instead of oauth2, or correct address"
		return f
	}
	var err error
	if b.token, s.until, err = cfg.OAuth2.access(ctx, cfg.Username); err != nil {
		return err
	}
	err = s.authenticate(ctx, func() error { return s.client.Authenticate(b) })
	if err == nil || b.status == "" && !refused(err) {
		return err
	}
	if b.status != "" {
		err = fmt.Errorf("token refused with status %s: %w", clip(b.status), err)
	}
	f := asFailure(err)
	if f.reason == ReasonProtocol || f.reason == ReasonAuth {
		f.reason, f.advice = ReasonAuth, cfg.OAuth2.refusedAdvice()
		cfg.OAuth2.refuse(b.token) // it may have been taken back before its time
	}
	return f
}

// authenticate carries out a command that logs in, and learns what the server can do from then on.
func (s *session) authenticate(ctx context.Context, command func() error) error {
	var caps imap.CapSet
	err := s.do(ctx, commandTimeout, smallAnswer, func() error {
		if err := command(); err != nil {
			return err
		}
		caps = s.client.Caps()
		return nil
	})
	if err != nil {
		return err
	}
	if caps == nil {
		return failf(ReasonTimeout, "server does not say what it can do")
	}
	s.caps = caps
	return nil
}

func (s *session) sel(ctx context.Context, folder string, examine bool) error {
	return s.do(ctx, searchTimeout, smallAnswer, func() error {
		data, err := s.client.Select(folder, &imap.SelectOptions{ReadOnly: examine}).Wait()
		if err != nil {
			return err
		}
		s.uidValidity = data.UIDValidity
		s.keyword = slices.ContainsFunc(data.PermanentFlags, func(f imap.Flag) bool {
			return f == imap.FlagWildcard || strings.EqualFold(string(f), Keyword)
		})
		return nil
	})
}

func (s *session) noticed(data *imapclient.UnilateralDataMailbox) {
	if data.NumMessages == nil {
		return
	}
	select {
	case s.notice <- struct{}{}:
	default:
	}
}

// do runs one command under the watchdog: silence is how long the server may say nothing, size how many bytes it may
// answer. After an error other than a refusal the connection is closed.
func (s *session) do(ctx context.Context, silence time.Duration, size int64, command func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.conn.begin(silence, wholeTimeout, size)
	err := command()
	s.conn.end()
	if err == nil {
		return nil
	}
	var said *imap.Error
	answered := errors.As(err, &said)
	if answered {
		reason, wait := readRefusal(said)
		err = &failure{reason: reason, wait: wait, err: &refusal{said}}
	}
	if refused(err) {
		return err
	}
	fault := s.conn.why()
	s.conn.Close()
	var f *failure
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case answered:
		return err
	case errors.As(fault, &f): // the watchdog's or the budget's: all that follows is its consequence
		return f
	case errors.As(err, &f):
		return err
	case errors.Is(fault, io.EOF):
		return failf(ReasonNetwork, "server closed the connection")
	case fault != nil:
		return asFailure(fault)
	case reasonOf(err) != ReasonProtocol:
		return asFailure(err)
	}
	// What go-imap could not read may hold words of a mail: bounded, and quoted.
	return failf(ReasonProtocol, "read answer: %s", clip(err.Error()))
}

// close ends the session: the socket first, since the client's own Close waits for a reader that may be stuck, then a
// bounded wait for that reader.
func (s *session) close() {
	s.stop()
	s.conn.Close()
	t := time.NewTimer(closeTimeout)
	defer t.Stop()
	select {
	case <-s.client.Closed():
	case <-t.C:
	}
}

// search lists the UIDs in the folder, rising. A server that answers OK without the list looks like an empty folder, so
// the count is held against EXISTS, and a difference that stays is an error.
func (s *session) search(ctx context.Context) ([]uint32, error) {
	const tries = 3
	for try := 1; ; try++ {
		select {
		case <-s.notice: // whatever it spoke of, this search will see
		default:
		}
		before := s.exists()
		if before > maxMessages {
			return nil, failf(ReasonProtocol, "search folder: %d messages are more than %d", before, maxMessages)
		}
		uids, err := s.searchBy(ctx, &imap.SearchCriteria{}, int64(before)*11)
		if err != nil {
			return nil, fmt.Errorf("search folder: %w", err)
		}
		after := s.exists()
		if n := uint32(len(uids)); n >= min(before, after) && n <= max(before, after) {
			return uids, nil
		}
		if try == tries {
			return nil, failf(ReasonProtocol, "search folder: server lists %d of %d messages", len(uids), after)
		}
		if err := s.noop(ctx); err != nil {
			return nil, err
		}
	}
}

func (s *session) exists() uint32 {
	if mbox := s.client.Mailbox(); mbox != nil {
		return mbox.NumMessages
	}
	return 0
}

func (s *session) searchBy(ctx context.Context, by *imap.SearchCriteria, size int64) ([]uint32, error) {
	var uids []uint32
	err := s.do(ctx, searchTimeout, size+smallAnswer, func() error {
		data, err := s.client.UIDSearch(by, nil).Wait()
		if err != nil {
			return err
		}
		set, _ := data.All.(imap.UIDSet)
		if set.Dynamic() {
			return failf(ReasonProtocol, "server lists UID 0")
		}
		for _, r := range set {
			// Ranges are the server's word: count before unrolling.
			if uint64(r.Stop)-uint64(r.Start) >= maxMessages || len(uids)+int(r.Stop-r.Start) >= maxMessages {
				return failf(ReasonProtocol, "server lists more than %d messages", maxMessages)
			}
			for uid := r.Start; ; uid++ {
				uids = append(uids, uint32(uid))
				if uid == r.Stop {
					break
				}
			}
		}
		return nil
	})
	return uids, err
}

// searchAmong gives those of the UIDs that the server says are there.
func (s *session) searchAmong(ctx context.Context, uids []uint32) ([]uint32, error) {
	found, err := s.searchBy(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{uidSet(uids)}}, int64(len(uids))*11)
	if err != nil {
		return nil, fmt.Errorf("search %d uids: %w", len(uids), err)
	}
	return found, nil
}

// searchUnmarked lists the UIDs without the Keyword.
func (s *session) searchUnmarked(ctx context.Context) ([]uint32, error) {
	found, err := s.searchBy(ctx, &imap.SearchCriteria{NotFlag: []imap.Flag{Keyword}}, int64(s.exists())*11)
	if err != nil {
		return nil, fmt.Errorf("search unmarked: %w", err)
	}
	return found, nil
}

func (s *session) noop(ctx context.Context) error {
	err := s.do(ctx, commandTimeout, smallAnswer, func() error { return s.client.Noop().Wait() })
	if err != nil {
		return fmt.Errorf("noop: %w", err)
	}
	return nil
}

// A meta is what is known of a message before it is read.
type meta struct {
	uid  uint32
	date time.Time // INTERNALDATE, zero where the server gave none
	size int64     // RFC822.SIZE, which some servers only estimate; 0 where not given
}

// fetchMeta asks for size and date of about n messages; some may be missing from the answer for no reason at all.
func (s *session) fetchMeta(ctx context.Context, uids imap.UIDSet, n int) (map[uint32]meta, error) {
	got := make(map[uint32]meta, n)
	err := s.do(ctx, searchTimeout, int64(n)*metaAnswer, func() error {
		cmd := s.client.Fetch(uids, &imap.FetchOptions{UID: true, InternalDate: true, RFC822Size: true})
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			var m meta
			var complete bool
			for item := msg.Next(); item != nil; item = msg.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					m.uid = uint32(item.UID)
				case imapclient.FetchItemDataInternalDate:
					m.date = item.Time
				case imapclient.FetchItemDataRFC822Size:
					m.size, complete = item.Size, true
				}
			}
			if complete && m.uid != 0 { // else a flag change took the answer's place
				got[m.uid] = m
			}
		}
		return cmd.Close()
	})
	if err != nil {
		return got, fmt.Errorf("fetch sizes of %s: %w", describe(uids), err)
	}
	return got, nil
}

// An oversize error says that a message is larger than its RFC822.SIZE had let expect.
type oversize struct{ uid uint32 }

func (o *oversize) Error() string { return fmt.Sprintf("uid %d is larger than the limit", o.uid) }

// A body is one message as fetched.
type body struct {
	uid    uint32
	date   time.Time
	raw    []byte
	digest [8]byte
}

// fetch reads the messages in the set, the whole of each or its first headSize bytes, and gives those that came complete;
// also beside an error. size is the sum of what is expected, limit what one message may take.
func (s *session) fetch(ctx context.Context, set imap.NumSet, head bool, size, limit int64) ([]body, error) {
	section := &imap.FetchItemBodySection{Peek: true}
	if head {
		section.Partial = &imap.SectionPartial{Size: headSize}
		limit = headSize
	}
	opts := &imap.FetchOptions{UID: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{section}}
	var got []body
	err := s.do(ctx, searchTimeout, size, func() error {
		cmd := s.client.Fetch(set, opts)
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			var b body
			for item := msg.Next(); item != nil; item = msg.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					b.uid = uint32(item.UID)
				case imapclient.FetchItemDataInternalDate:
					b.date = item.Time
				case imapclient.FetchItemDataBodySection:
					if item.Literal == nil {
						continue // NIL: not fetched
					}
					var err error
					if b.raw, err = s.read(b.uid, item.Literal, limit); err != nil {
						// The socket is closed and go-imap's reader on its way out. Draining would race with it.
						return err
					}
				}
			}
			if b.uid != 0 && b.raw != nil {
				b.digest = digestOf(b.raw)
				got = append(got, b)
			}
		}
		return cmd.Close()
	})
	if err != nil {
		return got, fmt.Errorf("fetch %s: %w", describe(set), err)
	}
	return got, nil
}

// read takes a literal whole. go-imap gives a connection that was cut within a literal as a clean end, so the bytes are
// counted; a literal that is too long is refused before memory is taken for it. On an error the socket is closed.
func (s *session) read(uid uint32, lit imap.LiteralReader, limit int64) ([]byte, error) {
	size := lit.Size()
	if size > limit {
		s.conn.Close()
		_, _ = io.Copy(io.Discard, lit) // at most what is buffered: releases the client's reader
		return nil, &failure{reason: ReasonProtocol, err: &oversize{uid}}
	}
	raw := make([]byte, size)
	n, err := io.ReadFull(lit, raw)
	if err == nil {
		_, err = lit.Read(make([]byte, 1)) // the end, which releases the client's reader
		if errors.Is(err, io.EOF) {
			return raw, nil
		}
	}
	s.conn.Close()
	return nil, failf(ReasonNetwork, "connection was cut after %d of %d bytes", n, size)
}

// mark sets the Keyword.
func (s *session) mark(ctx context.Context, uids []uint32) error {
	return s.store(ctx, uids, Keyword)
}

func (s *session) store(ctx context.Context, uids []uint32, flag imap.Flag) error {
	err := s.do(ctx, searchTimeout, int64(len(uids))*metaAnswer, func() error {
		return s.client.Store(uidSet(uids), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close()
	})
	if err != nil {
		return fmt.Errorf("set %s on %d messages: %w", flag, len(uids), err)
	}
	return nil
}

// moves says whether the server can take a message out of the folder without touching other people's: by MOVE, or by
// COPY and an EXPUNGE that names UIDs.
func (s *session) moves() bool {
	return s.caps.Has(imap.CapMove) || s.caps.Has(imap.CapUIDPlus)
}

// move takes messages to another folder, which it creates where it is missing. An answer of OK proves nothing: what the
// next search still finds was not moved.
func (s *session) move(ctx context.Context, uids []uint32, folder string) error {
	err := s.moveTo(ctx, uids, folder)
	if refused(err) && !s.created[folder] {
		s.created[folder] = true
		// Most refusals are for another reason, and most folders exist: the second try tells.
		err = s.do(ctx, commandTimeout, smallAnswer, func() error { return s.client.Create(folder, nil).Wait() })
		if err == nil || refused(err) {
			err = s.moveTo(ctx, uids, folder)
		}
	}
	if err != nil {
		return fmt.Errorf("move %d messages to %q: %w", len(uids), folder, err)
	}
	return nil
}

func (s *session) moveTo(ctx context.Context, uids []uint32, folder string) error {
	size := int64(len(uids)) * metaAnswer
	if s.caps.Has(imap.CapMove) {
		return s.do(ctx, searchTimeout, size, func() error {
			_, err := s.client.Move(uidSet(uids), folder).Wait()
			return err
		})
	}
	// Client.Move would send COPY, STORE and EXPUNGE without waiting for the COPY: a copy refused would be a mail lost.
	var copied imap.UIDSet
	err := s.do(ctx, searchTimeout, size, func() error {
		data, err := s.client.Copy(uidSet(uids), folder).Wait()
		if err == nil {
			copied = data.SourceUIDs
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	// Only what the server names as copied may go.
	uids = slices.DeleteFunc(slices.Clone(uids), func(uid uint32) bool { return !copied.Contains(imap.UID(uid)) })
	if len(uids) == 0 {
		return nil
	}
	if err := s.store(ctx, uids, imap.FlagDeleted); err != nil {
		return err
	}
	err = s.do(ctx, searchTimeout, size, func() error { return s.client.UIDExpunge(uidSet(uids)).Close() })
	if err != nil {
		return fmt.Errorf("expunge: %w", err)
	}
	return nil
}

// idle waits until the server speaks of new mail, which noticed says, or the time is over. Where the server has no IDLE it
// waits for the time alone.
func (s *session) idle(ctx context.Context, d time.Duration) (noticed bool, err error) {
	t := time.NewTimer(d)
	defer t.Stop()
	wait := func(notice <-chan struct{}) {
		select {
		case <-notice:
			noticed = true
		case <-t.C:
		case <-s.client.Closed(): // the next command says why
		case <-ctx.Done():
		}
	}
	if !s.caps.Has(imap.CapIdle) {
		wait(nil)
		return false, context.Cause(ctx)
	}
	var cmd *imapclient.IdleCommand
	err = s.do(ctx, commandTimeout, smallAnswer, func() (err error) {
		cmd, err = s.client.Idle()
		return err
	})
	if refused(err) {
		delete(s.caps, imap.CapIdle) // announced, not given
		wait(nil)
		return false, context.Cause(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("idle: %w", err)
	}
	wait(s.notice)
	err = s.do(ctx, commandTimeout, smallAnswer, func() error {
		if err := cmd.Close(); err != nil {
			return err
		}
		return cmd.Wait()
	})
	if err != nil {
		return false, fmt.Errorf("end idle: %w", err)
	}
	return noticed, nil
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set
}

func describe(set imap.NumSet) string {
	s := set.String()
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return "messages " + s
}

// outlived says whether the session's token is about to end.
func (s *session) outlived() bool { return !s.until.IsZero() && !time.Now().Before(s.until) }
