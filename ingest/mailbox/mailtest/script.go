package mailtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// A Script is a small IMAP server that answers as it should until it is told otherwise, command by command. It knows what
// a client of one folder says: no literals, no STARTTLS, one account, any password. Set its fields before it is used.
type Script struct {
	Addr           string
	Greeting       string // the first line, without its end; empty: silence
	Caps           string
	PermanentFlags string
	UIDValidity    uint32

	listener listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	folders  map[string][]Held
	next     uint32
	answers  map[string]Answer
	commands []string
	conns    map[*ScriptConn]struct{}
	dials    int
}

// An Answer speaks in the place of the Script's own. It gives true when it has answered, or will not; on false the Script
// answers as ever.
type Answer func(c *ScriptConn, tag, args string) bool

// NewScript starts a Script on loopback.
func NewScript(t testing.TB) *Script {
	t.Helper()
	l, err := listenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	return newScript(t, l)
}

// NewScriptPipe starts a Script on pipes within the process, for use in a bubble of synctest.
func NewScriptPipe(t testing.TB) *Script { return newScript(t, listenPipe()) }

func newScript(t testing.TB, l listener) *Script {
	s := &Script{
		Addr:           l.Addr().String(),
		Greeting:       "* OK ready",
		Caps:           "IMAP4rev1 IDLE MOVE UIDPLUS",
		PermanentFlags: `\Answered \Flagged \Deleted \Seen \Draft \*`,
		UIDValidity:    7,
		listener:       l,
		folders:        map[string][]Held{"INBOX": nil},
		next:           1,
		answers:        make(map[string]Answer),
		conns:          make(map[*ScriptConn]struct{}),
	}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := &ScriptConn{Conn: conn, script: s}
			s.mu.Lock()
			s.conns[c] = struct{}{}
			s.dials++
			s.mu.Unlock()
			s.wg.Go(c.serve)
		}
	})
	t.Cleanup(s.Stop)
	return s
}

// Dial connects to the Script, whatever it listens on.
func (s *Script) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.listener.dial(ctx, network, addr)
}

// Stop ends the Script and its connections.
func (s *Script) Stop() {
	s.listener.Close()
	s.Hangup()
	s.wg.Wait()
}

// Hangup cuts all connections.
func (s *Script) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// On has an Answer speak to a command from now on; nil takes it back. The command is a verb in capitals, as LOGIN or
// UID FETCH.
func (s *Script) On(command string, a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[command] = a
}

// Add puts messages into INBOX. Connections that idle are told at once.
func (s *Script) Add(date time.Time, raws ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, raw := range raws {
		s.folders["INBOX"] = append(s.folders["INBOX"], Held{UID: s.next, Date: date, Raw: raw})
		s.next++
	}
	for c := range s.conns {
		if c.idleTag != "" {
			c.tell()
		}
	}
}

// Remove expunges a message from INBOX, as another client does. Connections are told when they ask.
func (s *Script) Remove(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folders["INBOX"] = slices.DeleteFunc(s.folders["INBOX"], func(h Held) bool { return h.UID == uid })
}

// Held lists a folder.
func (s *Script) Held(folder string) []Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.folders[folder])
}

// Commands lists what clients said, without tags.
func (s *Script) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// Dials counts the connections made so far.
func (s *Script) Dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// A ScriptConn is one connection to a Script.
type ScriptConn struct {
	net.Conn
	script  *Script
	folder  string
	view    []uint32 // the UIDs that the client was told of, by sequence number
	idleTag string
}

// Send writes one line, or several, in one piece.
func (c *ScriptConn) Send(format string, args ...any) {
	fmt.Fprintf(c.Conn, format+"\r\n", args...)
}

func (c *ScriptConn) serve() {
	s := c.script
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	if s.Greeting != "" {
		c.Send("%s", s.Greeting)
	}
	lines := bufio.NewScanner(c.Conn)
	for lines.Scan() {
		line := lines.Text()
		if line == "DONE" {
			s.mu.Lock()
			tag := c.idleTag
			c.idleTag = ""
			answer := s.answers["DONE"]
			s.commands = append(s.commands, line)
			s.mu.Unlock()
			if answer == nil || !answer(c, tag, "") {
				c.Send("%s OK idled", tag)
			}
			continue
		}
		tag, rest, _ := strings.Cut(line, " ")
		command, args, _ := strings.Cut(rest, " ")
		if command == "UID" {
			verb, more, _ := strings.Cut(args, " ")
			command, args = "UID "+verb, more
		}
		s.mu.Lock()
		s.commands = append(s.commands, rest)
		answer := s.answers[command]
		s.mu.Unlock()
		if answer != nil && answer(c, tag, args) {
			continue
		}
		s.mu.Lock()
		c.answer(tag, command, args)
		s.mu.Unlock()
	}
}

// answer does what a server should. The Script is locked.
func (c *ScriptConn) answer(tag, command, args string) {
	s := c.script
	held := s.folders[c.folder]
	switch command {
	case "CAPABILITY":
		c.Send("* CAPABILITY %s", s.Caps)
	case "SELECT", "EXAMINE":
		c.folder = strings.Trim(args, `"`)
		held, ok := s.folders[c.folder]
		if !ok {
			c.Send("%s NO [NONEXISTENT] no such folder", tag)
			return
		}
		c.view = nil
		for _, h := range held {
			c.view = append(c.view, h.UID)
		}
		flags := s.PermanentFlags
		if command == "EXAMINE" {
			flags = ""
		}
		c.Send("* FLAGS (\\Seen)\r\n* %d EXISTS\r\n* OK [UIDVALIDITY %d] valid\r\n* OK [UIDNEXT %d] next\r\n* OK [PERMANENTFLAGS (%s)] kept",
			len(held), s.UIDValidity, s.next, flags)
	case "UID SEARCH":
		c.tell()
		var found strings.Builder
		for _, h := range held {
			if set, ok := strings.CutPrefix(args, "UID "); ok && !InSet(set, h.UID) {
				continue
			}
			if flag, ok := strings.CutPrefix(args, "UNKEYWORD "); ok && slices.Contains(h.Flags, imap.Flag(flag)) {
				continue
			}
			fmt.Fprintf(&found, " %d", h.UID)
		}
		c.Send("* SEARCH%s", found.String())
	case "UID FETCH", "FETCH":
		set, items, _ := strings.Cut(args, " ")
		for _, h := range held {
			seq := slices.Index(c.view, h.UID) + 1
			if seq > 0 && (command == "FETCH" && InSet(set, uint32(seq)) || command == "UID FETCH" && InSet(set, h.UID)) {
				c.Send("* %d FETCH (UID %d%s)", seq, h.UID, h.Items(items))
			}
		}
	case "UID STORE":
		set, rest, _ := strings.Cut(args, " ")
		_, flags, _ := strings.Cut(rest, "(")
		for i, h := range held {
			if InSet(set, h.UID) {
				held[i].Flags = append(slices.Clone(h.Flags), imap.Flag(strings.TrimSuffix(flags, ")")))
			}
		}
	case "UID COPY", "UID MOVE":
		set, folder, _ := strings.Cut(args, " ")
		folder = strings.Trim(folder, `"`)
		if _, ok := s.folders[folder]; !ok {
			c.Send("%s NO [TRYCREATE] no such folder", tag)
			return
		}
		var uids []string
		s.folders[c.folder] = nil
		for _, h := range held {
			taken := InSet(set, h.UID)
			if taken {
				s.folders[folder] = append(s.folders[folder], h)
				uids = append(uids, strconv.Itoa(int(h.UID)))
			}
			if !taken || command == "UID COPY" {
				s.folders[c.folder] = append(s.folders[c.folder], h)
			}
		}
		c.tell()
		if len(uids) > 0 {
			c.Send("%s OK [COPYUID 1 %[2]s %[2]s] done", tag, strings.Join(uids, ","))
			return
		}
	case "UID EXPUNGE":
		s.folders[c.folder] = slices.DeleteFunc(slices.Clone(held), func(h Held) bool {
			return InSet(args, h.UID) && slices.Contains(h.Flags, imap.FlagDeleted)
		})
		c.tell()
	case "CREATE":
		s.folders[strings.Trim(args, `"`)] = nil
	case "IDLE":
		c.idleTag = tag
		c.Send("+ idling")
		c.tell()
		return
	case "NOOP":
		c.tell()
	}
	c.Send("%s OK done", tag)
}

// tell says what became of the folder since the client was last told. The Script is locked.
func (c *ScriptConn) tell() {
	var now []uint32
	for _, h := range c.script.folders[c.folder] {
		now = append(now, h.UID)
	}
	for i := len(c.view) - 1; i >= 0; i-- {
		if !slices.Contains(now, c.view[i]) {
			c.Send("* %d EXPUNGE", i+1)
			c.view = slices.Delete(c.view, i, i+1)
		}
	}
	if len(now) > len(c.view) {
		c.view = now
		c.Send("* %d EXISTS", len(now))
	}
}

// Items gives the FETCH items that are asked for, without the UID.
func (h Held) Items(asked string) string {
	var b strings.Builder
	if strings.Contains(asked, "INTERNALDATE") {
		fmt.Fprintf(&b, " INTERNALDATE %q", h.Date.Format("_2-Jan-2006 15:04:05 -0700"))
	}
	if strings.Contains(asked, "RFC822.SIZE") {
		fmt.Fprintf(&b, " RFC822.SIZE %d", len(h.Raw))
	}
	if _, partial, ok := strings.Cut(asked, "BODY.PEEK[]"); ok {
		raw, origin := h.Raw, ""
		if n, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(partial, "<0."), ">)")); err == nil {
			raw, origin = raw[:min(n, len(raw))], "<0>"
		}
		fmt.Fprintf(&b, " BODY[]%s {%d}\r\n%s", origin, len(raw), raw)
	}
	return b.String()
}

// InSet says whether a sequence set holds a number.
func InSet(set string, n uint32) bool {
	for part := range strings.SplitSeq(set, ",") {
		from, to, isRange := strings.Cut(part, ":")
		lo, _ := strconv.ParseUint(from, 10, 32)
		hi := lo
		if isRange {
			hi, _ = strconv.ParseUint(to, 10, 32)
			if to == "*" {
				hi = 1<<32 - 1
			}
		}
		if uint64(n) >= lo && uint64(n) <= hi {
			return true
		}
	}
	return false
}
