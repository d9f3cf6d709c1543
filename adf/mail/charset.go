package mail

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	whatwg "golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// toUTF8 turns text into UTF-8. The bytes are believed before the declaration, since senders label text wrongly more often than they
// write it wrongly: a byte order mark, then UTF-16 by its zero bytes, then valid UTF-8, then the declared charset, then windows-1252 for
// every byte that is no UTF-8. It returns b itself where nothing is to be done.
func toUTF8(b []byte, declared string) []byte {
	declared = strings.ToLower(strings.Trim(declared, "\"' \t"))
	switch {
	case bytes.HasPrefix(b, []byte{0xef, 0xbb, 0xbf}):
		b = b[3:]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return decode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), b)
	default:
		if e := utf16ByZeros(b); e != nil {
			return decode(e, b)
		}
	}
	if bytes.IndexByte(b, 0) >= 0 {
		b = bytes.ReplaceAll(b, []byte{0}, nil)
	}
	if utf8.Valid(b) {
		// ISO-2022 and HZ are written in ASCII bytes: here alone a declaration can add something.
		if !strings.HasPrefix(declared, "iso-2022") && !strings.HasPrefix(declared, "hz") {
			return b
		}
	}
	return convert(b, declared)
}

// isUTF16 reports whether b is UTF-16, by its mark or its zero bytes.
func isUTF16(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) || utf16ByZeros(b) != nil
}

// utf16ByZeros recognises UTF-16 of mostly Latin text without a byte order mark.
func utf16ByZeros(b []byte) encoding.Encoding {
	if len(b) < 8 || b[0] != 0 && b[1] != 0 {
		return nil
	}
	sample := b[:min(len(b), 1024)]
	var zero [2]int
	for i, c := range sample {
		if c == 0 {
			zero[i%2]++
		}
	}
	switch half := len(sample) / 2; {
	case zero[1] > half*3/4 && zero[0] < half/8:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case zero[0] > half*3/4 && zero[1] < half/8:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	}
	return nil
}

// convert turns text that is no UTF-8 into it. A charset means what browsers take it for (WHATWG), since senders write iso-8859-1 where
// they mean windows-1252 and gb2312 where they mean GBK; go-message knows the names that browsers do not.
func convert(b []byte, name string) []byte {
	e, canonical := whatwg.Lookup(name)
	switch {
	case name == "", len(name) > 40, strings.HasPrefix(name, "utf"), strings.HasPrefix(name, "unicode"): // the bytes have disproved it
		return repair(b)
	case canonical == "windows-1252":
		return repair(b) // the same, and keeps what is UTF-8 after all
	case e != nil && canonical != "utf-8" && canonical != "replacement" && !strings.HasPrefix(canonical, "utf-16"):
		return decode(e, b)
	}
	r, err := charset.Reader(name, bytes.NewReader(b))
	if err != nil {
		return repair(b)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return repair(b)
	}
	return out
}

func decode(e encoding.Encoding, b []byte) []byte {
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return repair(b)
	}
	return out
}

// repair keeps what is UTF-8 and reads every other byte as windows-1252.
func repair(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(b[0])
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return out
}

// charsetReader serves mime.WordDecoder.
func charsetReader(name string, r io.Reader) (io.Reader, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxHeader))
	if err != nil {
		return nil, fmt.Errorf("read encoded word: %w", err)
	}
	return bytes.NewReader(toUTF8(b, name)), nil
}
