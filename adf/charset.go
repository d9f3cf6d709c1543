package adf

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/charmap"
)

// decodeText turns the bytes of a document into valid UTF-8, which are the same bytes where they are UTF-8 already. The bytes are trusted before what they declare: valid UTF-8 is taken as it is, UTF-16
// is known by its mark or its zeros; only then the declared charset counts, and windows-1252 where there is none or where it does not fit.
// It reports whether the bytes are not what the document declares, or not wholly.
func decodeText(data []byte) (text []byte, odd bool) {
	declared := declaredCharset(data)
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe\x00\x00")):
		return fromUnits(data[4:], 4, binary.LittleEndian), false
	case bytes.HasPrefix(data, []byte("\x00\x00\xfe\xff")):
		return fromUnits(data[4:], 4, binary.BigEndian), false
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return fromUnits(data[2:], 2, binary.LittleEndian), false
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return fromUnits(data[2:], 2, binary.BigEndian), false
	}
	if order := zeros(data); order != nil {
		return fromUnits(data, 2, order), true
	}
	isUTF8 := declared == "" || declared == "utf-8" || declared == "utf8"
	if utf8.Valid(data) {
		return data, !isUTF8 && !isASCII(data) || strings.HasPrefix(declared, "utf-16") || strings.HasPrefix(declared, "utf-32")
	}
	if !isUTF8 {
		if enc, name := charset.Lookup(declared); enc != nil && !strings.HasPrefix(name, "utf-16") && name != "replacement" && !mostlyUTF8(data) {
			if out, err := enc.NewDecoder().Bytes(data); err == nil && utf8.Valid(out) {
				return out, bytes.Contains(out, []byte("\ufffd"))
			}
		}
	}
	return mixed(data), true
}

// declaredCharset returns the charset of the XML declaration in lower case.
func declaredCharset(data []byte) string {
	head := data[:min(len(data), 512)]
	i := bytes.Index(head, []byte("<?"))
	if i < 0 {
		return ""
	}
	k := bytes.Index(head[i:], []byte("encoding"))
	if k < 0 {
		return ""
	}
	rest := head[i+k+len("encoding"):]
	for len(rest) > 0 && (rest[0] == '=' || rest[0] == '"') {
		rest = rest[1:]
	}
	if len(rest) == 0 || !isAlnum(rest[0]) {
		rest = bytes.TrimLeft(rest, " \t\r\n=\"'\xe2\x80\x9c\x9d")
	}
	end := 0
	for end < len(rest) && (isAlnum(rest[end]) || rest[end] == '-' || rest[end] == '_' || rest[end] == ':' || rest[end] == '.') {
		end++
	}
	if bytes.EqualFold(rest[:end], []byte("utf-8")) {
		return "utf-8"
	}
	return strings.ToLower(string(rest[:end]))
}

func isASCII(data []byte) bool {
	for _, c := range data {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// zeros returns the byte order of UTF-16 without a mark: in text that is mostly Latin, one of two bytes is zero.
func zeros(data []byte) binary.ByteOrder {
	head := data[:min(len(data), 400)&^1]
	if len(head) < 8 || bytes.IndexByte(head[:8], 0) < 0 {
		return nil
	}
	var even, odd int
	for i, c := range head {
		if c == 0 {
			if i%2 == 0 {
				even++
			} else {
				odd++
			}
		}
	}
	switch most := len(head) / 2 * 7 / 10; {
	case odd > most && even < most/4:
		return binary.LittleEndian
	case even > most && odd < most/4:
		return binary.BigEndian
	}
	return nil
}

// fromUnits decodes UTF-16 or, with a width of 4, UTF-32. What is no character of XML is left to the parser.
func fromUnits(data []byte, width int, order binary.ByteOrder) []byte {
	var b bytes.Buffer
	b.Grow(len(data) / width)
	for i := 0; i+width <= len(data); i += width {
		var r rune
		if width == 4 {
			r = rune(order.Uint32(data[i:]))
		} else if r = rune(order.Uint16(data[i:])); utf16.IsSurrogate(r) {
			if i+4 > len(data) {
				break
			}
			if r = utf16.DecodeRune(r, rune(order.Uint16(data[i+2:]))); r != utf8.RuneError {
				i += 2
			}
		}
		b.WriteRune(r)
	}
	return b.Bytes()
}

// mostlyUTF8 reports whether there are more valid sequences of UTF-8 than bytes that are none.
func mostlyUTF8(data []byte) bool {
	good, bad := 0, 0
	for i := 0; i < len(data); {
		if data[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			bad++
		} else {
			good++
		}
		i += n
	}
	return good > bad
}

// mixed decodes UTF-8 and reads every byte that is none as windows-1252.
func mixed(data []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(data) + len(data)/8)
	for i := 0; i < len(data); {
		if data[i] < utf8.RuneSelf {
			b.WriteByte(data[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(data[i])
		}
		b.WriteRune(r)
		i += n
	}
	return b.Bytes()
}
