package mailbox

import (
	"context"
	"crypto/tls"
	"net"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// A wire is the connection as go-imap reads it, behind TLS. It refuses the one answer that has go-imap turn in a circle
// for ever, without another read that could be bounded: a parenthesis in a list of capabilities.
type wire struct {
	net.Conn
	guard  *guardedConn
	ahead  string // to be read first
	broken bool

	// Where in the server's words we are. Only a line of data may hold literals and quotes, as for go-imap.
	column  int   // in the line
	data    bool  // the line is of data: "* 1 ..."
	quoted  bool  // within quotes
	escaped bool  // behind a backslash within quotes
	literal int64 // bytes left of a literal
	size    int64 // announced at the end of the line, -1 none
	closed  bool  // the announcement is complete
	word    int   // how many letters of the word were met
	list    bool  // within the list
}

const capability = "CAPABILITY"

func newWire(conn net.Conn, guard *guardedConn, ahead string) *wire {
	return &wire{Conn: conn, guard: guard, ahead: ahead, size: -1}
}

func (w *wire) Read(p []byte) (int, error) {
	if w.ahead != "" {
		n := copy(p, w.ahead)
		w.ahead = w.ahead[n:]
		return n, nil
	}
	n, err := w.Conn.Read(p)
	if w.broken || !w.sound(p[:n]) {
		w.broken = true
		w.guard.fail(failf(ReasonProtocol, "server lists capabilities that cannot be read"))
		return 0, net.ErrClosed
	}
	return n, err
}

// sound follows the server's words, and says whether go-imap can read on.
func (w *wire) sound(p []byte) bool {
	for i := 0; i < len(p); i++ {
		if w.literal > 0 {
			n := min(w.literal, int64(len(p)-i))
			w.literal -= n
			i += int(n) - 1
			continue
		}
		c := p[i]
		switch {
		case w.quoted:
			w.quoted = w.escaped || c != '"'
			w.escaped = !w.escaped && c == '\\'
			continue
		case c == '"' && w.data:
			w.quoted = true
		case c == '{':
			w.size, w.closed = 0, false
		case w.size >= 0 && !w.closed && c >= '0' && c <= '9' && w.size < 1<<50:
			w.size = w.size*10 + int64(c-'0')
		case w.size >= 0 && !w.closed && c == '}':
			w.closed = true
		case c == '\r' && w.closed:
		case c == '\n':
			if w.data && w.closed {
				w.literal = w.size
			} else {
				w.column, w.data = 0, false
			}
			w.size, w.closed, w.word, w.list = -1, false, 0, false
			continue
		default:
			w.size, w.closed = -1, false
		}
		switch {
		case w.list && c == '(':
			return false
		case w.list && c == ']':
			w.list = false
		case !w.list && c&^0x20 == capability[w.word]:
			if w.word++; w.word == len(capability) {
				w.word, w.list = 0, true
			}
		case !w.list && c&^0x20 == capability[0]:
			w.word = 1
		default:
			w.word = 0
		}
		if w.column == 2 && c >= '0' && c <= '9' {
			w.data = true
		}
		w.column++
	}
	return true
}

// startTLS makes a plain connection private before go-imap sees a byte of it: what was said in the clear is forgotten,
// and what a stranger may have put behind it falls to the hand-shake.
func startTLS(ctx context.Context, conn *guardedConn, config *tls.Config) (*tls.Conn, error) {
	greeting, err := readLine(conn)
	if err != nil {
		return nil, err
	}
	if said, text, _ := strings.Cut(strings.TrimPrefix(greeting, "* "), " "); !strings.EqualFold(said, "OK") {
		if strings.EqualFold(said, "BYE") {
			return nil, &imap.Error{Type: imap.StatusResponseTypeBye, Text: text}
		}
		return nil, failf(ReasonTLS, "server does not wait for STARTTLS: it greets with %s", clip(greeting))
	}
	const tag = "S1"
	if _, err := conn.Write([]byte(tag + " STARTTLS\r\n")); err != nil {
		return nil, err
	}
	for range 100 {
		line, err := readLine(conn)
		if err != nil {
			return nil, err
		}
		answer, ok := strings.CutPrefix(line, tag+" ")
		if !ok {
			continue
		}
		if said, _, _ := strings.Cut(answer, " "); !strings.EqualFold(said, "OK") {
			return nil, failf(ReasonTLS, "server refuses STARTTLS: %s", clip(answer))
		}
		private := tls.Client(conn, config)
		return private, private.HandshakeContext(ctx)
	}
	return nil, failf(ReasonProtocol, "server does not answer STARTTLS")
}

// readLine reads a line and no byte beyond it.
func readLine(conn net.Conn) (string, error) {
	line := make([]byte, 0, 80)
	for b := make([]byte, 1); len(line) < 8<<10; {
		if _, err := conn.Read(b); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b[0])
	}
	return "", failf(ReasonProtocol, "server's line is too long")
}
