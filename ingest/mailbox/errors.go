package mailbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// The reasons that an Observer's Error is given.
const (
	ReasonAuth      = "auth"      // the log-in was refused
	ReasonNetwork   = "network"   // no connection, or it broke
	ReasonTLS       = "tls"       // no private connection could be made
	ReasonProtocol  = "protocol"  // the server said what cannot be understood or carried out
	ReasonThrottled = "throttled" // the server asks to be left alone for a while
	ReasonStore     = "store"     // the ledger or the handler does not answer
	ReasonTimeout   = "timeout"   // the server did not answer in time
)

// Reasons lists every reason.
var Reasons = []string{ReasonAuth, ReasonNetwork, ReasonTLS, ReasonProtocol, ReasonThrottled, ReasonStore, ReasonTimeout}

// A failure ends a session: why, for the metrics and the schedule of the next try.
type failure struct {
	reason string
	wait   time.Duration // the least time until the next try that the server asked for
	advice string        // what to do about it, "" where nobody knows or it will pass
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(reason, format string, args ...any) *failure {
	return &failure{reason: reason, err: fmt.Errorf(format, args...)}
}

// asFailure gives err the reason that it carries, or the one that its kind tells.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return &failure{reason: f.reason, wait: f.wait, advice: f.advice, err: err}
	}
	var said *imap.Error
	if errors.As(err, &said) {
		reason, wait := readRefusal(said)
		return &failure{reason: reason, wait: wait, err: err}
	}
	return &failure{reason: reasonOf(err), err: err}
}

// advised ends an error's sentence with what to do: the advice that it carries, or else this.
func advised(err error, otherwise string) error {
	f := asFailure(err)
	if f.advice == "" {
		f.advice = otherwise
	}
	f.err = fmt.Errorf("%w: %s", err, f.advice)
	return f
}

func reasonOf(err error) string {
	var (
		netErr  net.Error
		record  tls.RecordHeaderError
		alert   tls.AlertError
		cert    *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &cert), errors.As(err, &unknown),
		errors.As(err, &name), errors.As(err, &invalid):
		return ReasonTLS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonTimeout
	case errors.As(err, &netErr):
		if netErr.Timeout() {
			return ReasonTimeout
		}
		return ReasonNetwork
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return ReasonNetwork
	}
	return ReasonProtocol
}

// suggested is Exchange's way to say how long it wants to be left alone.
var suggested = regexp.MustCompile(`(?i)suggested backoff time: *(\d{1,9}) *milliseconds`)

// maxSuggested bounds how long a server may send us away.
const maxSuggested = time.Hour

// readRefusal reads what a NO, BAD or BYE means for the next try.
func readRefusal(said *imap.Error) (reason string, wait time.Duration) {
	if m := suggested.FindStringSubmatch(said.Text); m != nil {
		ms, _ := strconv.Atoi(m[1]) // nine digits always fit
		return ReasonThrottled, min(time.Duration(ms)*time.Millisecond, maxSuggested)
	}
	switch said.Code {
	case imap.ResponseCodeLimit, "THROTTLED":
		return ReasonThrottled, 0
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeServerBug:
		return ReasonNetwork, 0
	case imap.ResponseCodeAuthenticationFailed, imap.ResponseCodeAuthorizationFailed, imap.ResponseCodeExpired,
		imap.ResponseCodePrivacyRequired, imap.ResponseCodeContactAdmin:
		return ReasonAuth, 0
	}
	text := strings.ToLower(said.Text)
	switch {
	case strings.Contains(text, "throttled"), strings.Contains(text, "too many"):
		return ReasonThrottled, 0
	case strings.Contains(text, "authenticated but not connected"):
		return ReasonAuth, 0 // Exchange's way to say that the mailbox is closed to who logged in
	case said.Type == imap.StatusResponseTypeBye:
		return ReasonNetwork, 0
	}
	return ReasonProtocol, 0
}

// maxText bounds how much of a server's own words is repeated.
const maxText = 160

// clip quotes foreign text, as much of it as anyone will read.
func clip(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	return strconv.Quote(s)
}

// A refusal is a NO, BAD or BYE in the server's own words, quoted and bounded.
type refusal struct{ said *imap.Error }

func (r *refusal) Error() string {
	if r.said.Code != "" {
		return fmt.Sprintf("server said %s [%s] %s", r.said.Type, strings.Trim(clip(string(r.said.Code)), `"`), clip(r.said.Text))
	}
	return fmt.Sprintf("server said %s %s", r.said.Type, clip(r.said.Text))
}
func (r *refusal) Unwrap() error { return r.said }

// refused says whether the server understood a command and would not carry it out; the connection can be used further.
func refused(err error) bool {
	var said *imap.Error
	return errors.As(err, &said) && said.Type == imap.StatusResponseTypeNo
}
