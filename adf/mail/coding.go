package mail

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/emersion/go-message"
)

// transferDecode undoes a transfer encoding, by go-message where the bytes keep to it, else as far as it can be undone. It returns b itself
// where none was used after all.
func transferDecode(coding string, b []byte) []byte {
	if coding == "" {
		return b
	}
	if coding == "base64" { // nearly all of it is without fault and needs no reader
		if out, err := base64.StdEncoding.AppendDecode(nil, b); err == nil && len(out) > 0 {
			return out
		}
	}
	var h message.Header // without a type: New would convert the charset too, and believe it
	h.Set("Content-Transfer-Encoding", coding)
	if e, err := message.New(h, bytes.NewReader(b)); err == nil {
		var out bytes.Buffer
		out.Grow(len(b) + bytes.MinRead) // what is decoded is never longer
		if _, err := out.ReadFrom(e.Body); err == nil && out.Len() > 0 {
			return out.Bytes()
		}
	}
	var out []byte
	switch coding {
	case "base64":
		out = decodeBase64(b)
	case "quoted-printable":
		return decodeQuoted(b)
	case "uuencode":
		out = decodeUU(b)
	}
	if len(out) == 0 {
		return b
	}
	return out
}

// standard returns a character of base64 in the standard alphabet, also one of the URL alphabet; 0 for all else.
func standard(c byte) byte {
	switch {
	case c == '-':
		return '+'
	case c == '_':
		return '/'
	case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
		return c
	}
	return 0
}

// decodeBase64 decodes line by line: it drops stray bytes, goes on behind padding in the middle, does without padding at the end, and
// stops at the first line that is plainly no base64, such as a list's footer. It returns nil where nothing was base64.
func decodeBase64(b []byte) []byte {
	if bytes.IndexByte(b[:min(len(b), 4096)], '<') >= 0 {
		return nil // markup: the label is wrong
	}
	var out, run []byte
	flush := func() {
		out, _ = base64.RawStdEncoding.AppendDecode(out, run) // the error is one character too many
		run = run[:0]
	}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		line = bytes.TrimSpace(line)
		bad := 0
		for _, c := range line {
			if standard(c) == 0 && c != '=' {
				bad++
			}
		}
		if bad*8 > len(line) || len(line) > 1 && line[0] == '-' && line[1] == '-' {
			if len(out)+len(run) > 0 {
				break
			}
			continue
		}
		for _, c := range line {
			if c == '=' {
				flush()
			} else if c = standard(c); c != 0 {
				run = append(run, c)
			}
		}
	}
	flush()
	return out
}

// decodeQuoted decodes quoted-printable. What is no escape stays as it is; blanks behind a soft line break are forgiven.
func decodeQuoted(b []byte) []byte {
	i := bytes.IndexByte(b, '=')
	if i < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i >= 0 {
		out = append(out, b[:i]...)
		b = b[i+1:]
		if len(b) >= 2 {
			if v, err := strconv.ParseUint(string(b[:2]), 16, 8); err == nil {
				out, b = append(out, byte(v)), b[2:]
				i = bytes.IndexByte(b, '=')
				continue
			}
		}
		if t := bytes.TrimLeft(b, " \t\r"); len(t) == 0 {
			b = nil
		} else if t[0] == '\n' {
			b = t[1:]
		} else {
			out = append(out, '=')
		}
		i = bytes.IndexByte(b, '=')
	}
	return append(out, b...)
}

// decodeUU decodes the first uuencoded file in b; nil where there is none.
func decodeUU(b []byte) []byte {
	for {
		i := bytes.Index(b, []byte("begin "))
		if i < 0 {
			return nil
		}
		first := i == 0 || b[i-1] == '\n'
		b = b[i+len("begin "):]
		if len(b) > 4 && first && b[0]-'0' < 8 && b[1]-'0' < 8 && b[2]-'0' < 8 && b[3] == ' ' {
			break
		}
	}
	_, b = cutLine(b)
	var out []byte
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if len(line) == 0 || bytes.HasPrefix(line, []byte("end")) {
			break
		}
		n := int(line[0]-' ') & 63
		for line = line[1:]; n > 0 && len(line) > 0; n -= 3 {
			var q [4]byte
			for k := range q {
				if k < len(line) {
					q[k] = (line[k] - ' ') & 63
				}
			}
			three := []byte{q[0]<<2 | q[1]>>4, q[1]<<4 | q[2]>>2, q[2]<<6 | q[3]}
			out = append(out, three[:min(n, 3)]...)
			line = line[min(4, len(line)):]
		}
	}
	return out
}
