package mail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Why nothing vouches for the sender that a message names.
const (
	DoubtSender    = "unclear-sender" // it names none or several, doubles a field, or has a header that two readers may read in two ways
	DoubtUnsigned  = "unsigned"       // nobody signed it
	DoubtUnaligned = "unaligned"      // it is signed, but by nobody of the sender's domain
	DoubtSignature = "bad-signature"  // the signature of the sender's domain is not good, or no longer
	DoubtUnchecked = "unchecked"      // the signature could not be checked now: DNS does not give the key
)

// Doubts lists them.
var Doubts = []string{DoubtSender, DoubtUnsigned, DoubtUnaligned, DoubtSignature, DoubtUnchecked}

// NoServerID stands for the authserv-id of a server that names none in its Authentication-Results. Microsoft 365 is one.
const NoServerID = "microsoft"

// Doubt says why nothing vouches for the sender that a raw message names in From, as one of Doubts, or nothing where something does. Two
// witnesses are heard, as in DMARC (RFC 7489): the Authentication-Results of the receiving server, where its authserv-id is given, and a
// DKIM signature (RFC 6376) of the sender's organization that keys help to check. A failure of the first does not refute the second.
// The answer DoubtUnchecked may be another a moment later.
//
// ARC chains count only as far as the receiving server counts them: anybody can seal, and who is to be believed is its to know.
func Doubt(ctx context.Context, raw []byte, server string, keys *Keys) string {
	strict, body, ok := strictHeader(raw)
	if !ok {
		return DoubtSender
	}
	fs, _ := cutHeader(raw, true)
	for _, name := range [...]string{"Subject", "Content-Type", "Content-Transfer-Encoding", "Mime-Version"} {
		if len(fs.values(name)) > 1 { // a second one on top is not signed, and is what a reader goes by
			return DoubtSender
		}
	}
	h := header(fs)
	if h.FromCount != 1 || len(h.From) != 1 {
		return DoubtSender
	}
	domain := domainOf(h.From[0].Address)
	if domain == "" {
		return DoubtSender
	}
	if server != "" && vouched(fs, server, domain) {
		return ""
	}
	return signed(ctx, strict, body, domain, keys)
}

// Organization is the domain at which a name in DNS was registered (RFC 7489, section 3.2), of an address too; empty where s names none.
func Organization(s string) string {
	d := domainOf(s)
	if org, err := publicsuffix.EffectiveTLDPlusOne(d); err == nil {
		return org
	}
	return d
}

// domainOf is the domain of an address, or a domain, as they are compared.
func domainOf(s string) string {
	d := strings.ToLower(strings.Trim(s[strings.LastIndexByte(s, '@')+1:], " \t."))
	if a, err := idna.Lookup.ToASCII(d); err == nil {
		return a
	}
	return d
}

// aligned says whether two names belong to one organization.
func aligned(a, b string) bool { return a != "" && Organization(a) == Organization(b) }

// Bounds of a header that is looked through for signatures. Honest ones stay far below; beyond, the work would not be linear.
const (
	maxSignedHeader = 128 << 10 // bytes
	maxSignedLines  = 5000
	maxSignedFields = 500
	maxSignature    = 8 << 10 // bytes
	maxSignatures   = 3       // of the sender's organization, from the top
)

// strictHeader cuts a header into fields where no two readers could differ about it: where a line is neither a field nor the
// continuation of one, is blank without being empty, or ends in a bare CR, one reader sees the end of the header and another does not,
// and what was signed is not what would be read.
func strictHeader(raw []byte) (fs fields, body []byte, ok bool) {
	rest := raw
	for lines := 0; ; lines++ {
		line, next, found := bytes.Cut(rest, []byte{'\n'})
		line = bytes.TrimSuffix(line, []byte{'\r'})
		switch {
		case !found, lines == maxSignedLines, len(raw)-len(next) > maxSignedHeader, bytes.ContainsAny(line, "\r\x00"):
			return nil, nil, false
		case len(line) == 0:
			return fs, next, len(fs) > 0
		case len(bytes.TrimSpace(line)) == 0:
			return nil, nil, false
		}
		whole := rest[:len(rest)-len(next)]
		if line[0] == ' ' || line[0] == '\t' {
			if len(fs) == 0 {
				return nil, nil, false
			}
			f := &fs[len(fs)-1]
			f.raw = f.raw[:len(f.raw)+len(whole)] // it follows in raw
		} else {
			name, _, isField := cutField(line)
			if !isField || len(fs) == maxSignedFields {
				return nil, nil, false
			}
			fs = append(fs, field{name, whole})
		}
		rest = next
	}
}

// signed looks for a good signature of the sender's organization.
func signed(ctx context.Context, fs fields, body []byte, domain string, keys *Keys) string {
	doubt, tried := DoubtUnsigned, 0
	for i, f := range fs {
		if !f.is("Dkim-Signature") {
			continue
		}
		if doubt == DoubtUnsigned {
			doubt = DoubtUnaligned
		}
		if len(f.raw) > maxSignature || !aligned(signer(f.raw), domain) {
			continue
		}
		if tried++; tried > maxSignatures {
			break
		}
		switch err := verify(ctx, fs, i, body, domain, keys); {
		case err == nil:
			return ""
		case dkim.IsTempFail(err):
			doubt = DoubtUnchecked
		case doubt != DoubtUnchecked:
			doubt = DoubtSignature
		}
	}
	return doubt
}

// signer is the domain that a signature says it is of.
func signer(raw []byte) string {
	_, tags, _ := strings.Cut(string(raw), ":")
	for tag := range strings.SplitSeq(tags, ";") {
		if name, v, ok := strings.Cut(tag, "="); ok && strings.TrimSpace(name) == "d" {
			return domainOf(strings.Join(strings.Fields(v), ""))
		}
	}
	return ""
}

var errSignature = errors.New("not signed by the sender's organization")

// verify checks one signature alone: several are checked by go-msgauth in goroutines, whose panics nobody could catch.
func verify(ctx context.Context, fs fields, signature int, body []byte, domain string, keys *Keys) error {
	var parts []io.Reader
	for i, f := range fs {
		if i == signature || !f.is("Dkim-Signature") {
			parts = append(parts, bytes.NewReader(f.raw))
		}
	}
	parts = append(parts, strings.NewReader("\r\n"), bytes.NewReader(body))
	all, err := dkim.VerifyWithOptions(io.MultiReader(parts...), &dkim.VerifyOptions{
		LookupTXT:        func(name string) ([]string, error) { return keys.get(ctx, name) },
		MaxVerifications: 1,
	})
	if err != nil {
		return err
	}
	if len(all) != 1 || !aligned(domainOf(all[0].Domain), domain) {
		return errSignature
	}
	return all[0].Err
}

// Keys asks DNS for the keys of those who sign, and remembers for a while what it said. A DNS that does not answer costs at most a fifth
// of the time: after each failure nobody is asked for four times as long as it took. It may be used by many goroutines.
type Keys struct {
	lookup func(ctx context.Context, name string) ([]string, error)

	mu    sync.Mutex
	known map[string]keyAnswer
	rest  time.Time // nobody is asked before
}

type keyAnswer struct {
	records []string
	err     error
	until   time.Time
}

// NewKeys asks by lookup, which is net.Resolver's LookupTXT, or behaves like it.
func NewKeys(lookup func(ctx context.Context, name string) ([]string, error)) *Keys {
	return &Keys{lookup: lookup, known: map[string]keyAnswer{}}
}

const (
	keyTimeout = 2 * time.Second
	maxKeys    = 512     // remembered
	maxKey     = 4 << 10 // bytes of a record; a key of 4096 bits has 750
	keyStays   = 5 * time.Minute
	keyMissing = time.Minute // until a key that is not there is asked for again
	keyFailed  = 10 * time.Second
)

// A laterError says that DNS gave no answer. Its two methods are how go-msgauth tells it from an answer.
type laterError struct{ cause error }

func (e laterError) Error() string   { return "dns gives no answer: " + e.cause.Error() }
func (e laterError) Timeout() bool   { return true }
func (e laterError) Temporary() bool { return true }

var _ net.Error = laterError{}

var (
	errResting = errors.New("it did not a moment ago")
	errLongKey = errors.New("the record is too long for a key")
)

func (k *Keys) get(ctx context.Context, name string) ([]string, error) {
	name = strings.ToLower(name)
	began := time.Now()
	k.mu.Lock()
	a, ok := k.known[name]
	resting := began.Before(k.rest)
	k.mu.Unlock()
	switch {
	case ok && began.Before(a.until):
		return a.records, a.err
	case resting:
		return nil, laterError{errResting}
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	records, err := k.lookup(ctx, name)
	end := time.Now()
	a = keyAnswer{records: records, err: err, until: end.Add(keyStays)}
	var said *net.DNSError
	failed := false
	switch {
	case err == nil:
		if slices.ContainsFunc(records, func(r string) bool { return len(r) > maxKey }) {
			a.records, a.err = nil, errLongKey
		}
	case errors.As(err, &said) && said.IsNotFound:
		a.until = end.Add(keyMissing)
	default:
		// Whatever else went wrong is no answer, as which go-msgauth would take most of it.
		a.err, a.until, failed = laterError{err}, end.Add(keyFailed), true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if failed {
		k.rest = end.Add(4 * end.Sub(began))
	}
	if len(k.known) >= maxKeys {
		clear(k.known)
	}
	k.known[name] = a
	return a.records, a.err
}
