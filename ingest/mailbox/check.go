package mailbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/emersion/go-imap/v2"
)

// Check logs in and opens the folder for reading, and changes nothing. Its error is one sentence that names the server
// and what to do.
func Check(ctx context.Context, cfg Config) error {
	s, err := visit(ctx, cfg)
	if err != nil {
		return err
	}
	s.close()
	return nil
}

// Inventory lists what the folder holds now, rising, and changes nothing. Its errors are those of Check, or of a server
// that does not list its messages.
func Inventory(ctx context.Context, cfg Config) (uidvalidity uint32, uids []uint32, err error) {
	s, err := visit(ctx, cfg)
	if err != nil {
		return 0, nil, err
	}
	defer s.close()
	uids, err = s.search(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("mailbox %q on %s: %w", cfg.Name, cfg.Address, err)
	}
	return s.uidValidity, uids, nil
}

func visit(ctx context.Context, cfg Config) (*session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("mailbox %q: %w", cfg.Name, err)
	}
	s, err := open(ctx, cfg.withDefaults(), dialTCP, true)
	if err != nil {
		return nil, fmt.Errorf("mailbox %q: %w", cfg.Name, err)
	}
	return s, nil
}

// connectAdvice says what to do where a server cannot be reached; field is where the configuration names it.
func connectAdvice(field string, err error) string {
	var (
		dns     *net.DNSError
		record  tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &dns):
		return "correct the host in " + field
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: correct the port in " + field + ", or start the server"
	case errors.As(err, &record):
		if field != "address" {
			return "the port speaks no TLS: correct " + field
		}
		return "the port speaks no TLS at once: set tls: starttls, or use port 993"
	case errors.As(err, &unknown):
		return "the certificate is signed by nobody this machine trusts: install the signer's certificate on it"
	case errors.As(err, &name):
		return "the certificate is another host's: correct the host in " + field
	case errors.As(err, &invalid):
		return "the server needs a valid certificate"
	}
	switch reason := asFailure(err).reason; {
	case reason == ReasonTimeout && field == "address":
		return "if this is port 993, set tls: implicit; otherwise check address and firewalls"
	case reason == ReasonTimeout:
		return "check " + field + " and firewalls"
	case reason == ReasonTLS:
		return "check tls and the server's certificate"
	case reason == ReasonThrottled:
		return "the server asks to be left alone for a while"
	}
	return "check " + field + " and tls"
}

func loginAdvice(err error) string {
	var said *imap.Error
	switch f := asFailure(err); {
	case errors.As(err, &said) && said.Code == imap.ResponseCodePrivacyRequired:
		return "the server wants the password protected: set tls: implicit or starttls"
	case f.reason == ReasonAuth:
		return "correct username and password_file"
	case f.reason == ReasonThrottled:
		return "the server asks to be left alone for a while"
	}
	return "try again later"
}

func folderAdvice(err error) string {
	switch f := asFailure(err); {
	case f.reason == ReasonAuth:
		return "let username into the mailbox, or correct username"
	case refused(err):
		return "create the folder, or correct its name in folder"
	}
	return "try again later"
}
