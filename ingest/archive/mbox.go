package archive

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"time"
)

var from = []byte("From ")

func isMbox(r *bufio.Reader) bool {
	b, _ := r.Peek(len(from)) // what is shorter is none
	return bytes.Equal(b, from)
}

// postmark is what stands above each message, with the date on which it was delivered: "From jo@example.com Mon Nov 23 12:00:00 2026". Some
// writers put a zone before or behind the year.
var postmark = regexp.MustCompile(`^From .*\b([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]?\d \d\d:\d\d(?::\d\d)?)( [+-]\d{4}| [A-Z]{1,5})? (\d{4})( [+-]\d{4})?\s*$`)

// posted reads the date of a postmark, by which ok says that it is one; one without a zone is taken as UTC.
func posted(line []byte) (at time.Time, ok bool) {
	m := postmark.FindSubmatch(line)
	if m == nil {
		return time.Time{}, false
	}
	zone := bytes.TrimSpace(append(append([]byte{}, m[2]...), m[4]...))
	text := string(m[1]) + " " + string(m[3])
	for _, layout := range []string{"Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04 2006"} {
		if at, err := time.Parse(layout, text); err == nil {
			if offset, err := time.Parse("-0700", string(zone)); err == nil {
				_, s := offset.Zone()
				at = at.Add(-time.Duration(s) * time.Second)
			}
			return at, true
		}
	}
	return time.Time{}, true
}

// field begins a header, as a message does that follows a postmark.
var field = regexp.MustCompile(`^(>?From |[!-9;-~]{1,100}[ \t]*:)`)

// mbox reads messages one by one, in the memory of one. A message begins at a postmark that follows an empty line and is followed by a header;
// where the first postmark has a date all must have one, since people write From at the beginning of a line too. A line that was quoted
// loses one >, whichever way it was quoted: mboxrd quotes >From too, mboxo only From.
func mbox(r *bufio.Reader, maxSize int, yield func(Message, error) bool) {
	var (
		raw   []byte
		m     Message
		end   int64
		blank = true // the line before was empty
		whole = true // the line before is read to its end
		dated bool
	)
	give := func() bool {
		// The empty line before the next postmark is the mbox's, not the message's.
		m.Raw, m.End = raw, end
		if blank && !m.TooLarge {
			m.Raw = bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte{'\n'}), []byte{'\r'})
		}
		return yield(m, nil)
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			yield(Message{N: m.N}, err)
			return
		}
		start := whole
		whole = err == nil
		if start && blank && bytes.HasPrefix(line, from) {
			line = bytes.Clone(line) // Peek may move what it lies in
			at, ok := posted(line)
			next, _ := r.Peek(200) // less at the end of the file
			if m.N == 0 || field.Match(next) && (ok || !dated) {
				if m.N == 0 {
					dated = ok
				} else if !give() {
					return
				}
				end += int64(len(line))
				m, raw, blank = Message{N: m.N + 1, Time: at}, raw[:0], false
				continue
			}
		}
		end += int64(len(line))
		if start && len(line) > 0 {
			blank = len(bytes.TrimRight(line, "\r\n")) == 0
			if quoted := bytes.TrimLeft(line, ">"); len(quoted) < len(line) && bytes.HasPrefix(quoted, from) {
				line = line[1:]
			}
		}
		if keep := min(len(line), maxSize-len(raw)); keep < len(line) {
			m.TooLarge = true
			line = line[:keep]
		}
		raw = append(raw, line...)
		if errors.Is(err, io.EOF) {
			if m.N > 0 {
				give()
			}
			return
		}
	}
}
