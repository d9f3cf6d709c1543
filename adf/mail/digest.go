package mail

import (
	"bytes"
	"crypto/sha256"
)

// Digest identifies a message within a store: the same mail delivered twice, or copied to a second mailbox, has the same digest, and a mail
// that differs in anything else has another. It is the SHA-256 of the message with LF line ends, without an mbox "From " line on top and
// without the fields that delivery adds:
//
//   - Received, Return-Path, Delivered-To, X-Original-To, Envelope-To, Delivery-Date, Resent-* and their X- kin;
//   - Authentication-Results, Received-SPF, DKIM-Signature, DKIM-Filter, DomainKey-Signature, ARC-*;
//   - what filters and providers write: X-Spam*, X-Rspam*, X-Virus*, X-Antivirus*, X-Amavis*, X-ClamAV*, X-Ham-*, X-Bogosity*, X-GM-*,
//     X-Google-*, X-Received, X-Forwarded-*, X-MS-Exchange-*, X-Microsoft-Antispam*, X-Forefront-*, X-EOP*AttributedMessage,
//     X-Proofpoint-*, X-Mimecast-*, X-Barracuda-*, X-IronPort-*, X-Yahoo-*, X-YMail*, X-Apple-*, X-AntiAbuse, X-Sieve;
//   - what mailboxes keep in the header: Status, X-Status, X-UID, X-UIDL, X-Keywords, X-Gmail-Labels, X-Mozilla-*, Content-Length.
//
// It reads the bytes once and parses no MIME.
func Digest(raw []byte) [sha256.Size]byte {
	h, newline := sha256.New(), []byte{'\n'}
	buf := make([]byte, 0, 8<<10) // lines are short: hashed one by one they would cost twice
	write := func(b []byte) {
		if len(buf)+len(b) > cap(buf) {
			h.Write(buf)
			buf = buf[:0]
		}
		if len(b) > cap(buf) {
			h.Write(b)
			return
		}
		buf = append(buf, b...)
	}
	skip, first := false, true
	for len(raw) > 0 {
		line, rest := cutAnyLine(raw)
		if len(line) == 0 {
			break
		}
		switch name, _, ok := cutField(line); {
		case line[0] == ' ' || line[0] == '\t':
			// A continuation shares the fate of its field.
		case first && bytes.HasPrefix(line, []byte("From ")):
			skip = true
		default:
			skip = ok && isTrace(name)
		}
		if !skip {
			write(line)
			write(newline)
		}
		raw, first = rest, false
	}
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\r')
		if i < 0 {
			write(raw)
			break
		}
		write(raw[:i])
		write(newline)
		raw = bytes.TrimPrefix(raw[i+1:], newline)
	}
	h.Write(buf)
	return [sha256.Size]byte(h.Sum(nil))
}

// isTrace reports whether a field is one that delivery adds or rewrites: it differs between two deliveries of one mail.
func isTrace(name []byte) bool {
	var buf [maxName]byte
	lower := buf[:copy(buf[:], name)]
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	switch string(lower) {
	case "received", "return-path", "delivered-to", "x-delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-envelope-from", "delivery-date",
		"authentication-results", "x-authentication-results", "authentication-results-original", "received-spf", "dkim-signature", "dkim-filter", "domainkey-signature",
		"x-received", "x-forwarded-to", "x-forwarded-for", "x-forwarded-encrypted", "x-sieve", "x-eopattributedmessage", "x-eoptenantattributedmessage", "x-antiabuse",
		"x-gmail-labels", "status", "x-status", "x-uid", "x-uidl", "x-keywords", "content-length":
		return true
	}
	if rest, ok := bytes.CutPrefix(lower, []byte("x-")); ok {
		for _, p := range tracePrefixes {
			if bytes.HasPrefix(rest, []byte(p)) {
				return true
			}
		}
		return false
	}
	return bytes.HasPrefix(lower, []byte("arc-")) || bytes.HasPrefix(lower, []byte("resent-"))
}

// tracePrefixes begin, behind x-, the names of whole families of such fields.
var tracePrefixes = [...]string{"spam", "rspam", "virus", "amavis", "clamav", "gm-", "google-", "ms-exchange-", "microsoft-antispam", "forefront-", "proofpoint-",
	"mimecast-", "barracuda-", "ironport-", "mozilla-", "yahoo-", "ymail", "apple-", "antivirus", "ham-", "bogosity"}

// cutAnyLine cuts at LF, CRLF or CR.
func cutAnyLine(b []byte) (line, rest []byte) {
	i := bytes.IndexAny(b, "\r\n")
	if i < 0 {
		return b, nil
	}
	line, rest = b[:i], b[i+1:]
	if b[i] == '\r' {
		rest = bytes.TrimPrefix(rest, []byte{'\n'})
	}
	return line, rest
}
