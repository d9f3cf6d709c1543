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
	cfg = cfg.withDefaults()
	s, err := connect(ctx, cfg, dialTCP)
	if err != nil {
		return nil, fmt.Errorf("mailbox %q: connect to %s: %w: %s", cfg.Name, cfg.Address, err, connectAdvice(cfg, err))
	}
	if s.caps.Has(imap.CapLoginDisabled) {
		s.close()
		return nil, fmt.Errorf("mailbox %q: %s allows no log-in with tls: %s: set tls: implicit or starttls", cfg.Name, cfg.Address, cfg.TLS)
	}
	if err := s.login(ctx, cfg); err != nil {
		s.close()
		return nil, fmt.Errorf("mailbox %q: log in to %s: %w: %s", cfg.Name, cfg.Address, err, loginAdvice(err))
	}
	if err := s.sel(ctx, cfg.Folder, true); err != nil {
		s.close()
		advice := "try again later"
		if refused(err) {
			advice = "create the folder, or correct its name in folder"
		}
		return nil, fmt.Errorf("mailbox %q: open folder %q on %s: %w: %s", cfg.Name, cfg.Folder, cfg.Address, err, advice)
	}
	return s, nil
}

func connectAdvice(cfg Config, err error) string {
	var (
		dns     *net.DNSError
		record  tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &dns):
		return "correct the host in address"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: correct the port in address, or start the server"
	case errors.As(err, &record):
		return "the port speaks no TLS at once: set tls: starttls, or use port 993"
	case errors.As(err, &unknown):
		return "the certificate is signed by nobody this machine trusts: install the signer's certificate on it"
	case errors.As(err, &name):
		return "the certificate is another host's: correct the host in address"
	case errors.As(err, &invalid):
		return "the server needs a valid certificate"
	}
	switch asFailure(err).reason {
	case ReasonTimeout:
		if cfg.TLS != TLSImplicit {
			return "if this is port 993, set tls: implicit; otherwise check address and firewalls"
		}
		return "check address and firewalls"
	case ReasonTLS:
		return "check tls and the server's certificate"
	case ReasonThrottled:
		return "the server asks to be left alone for a while"
	}
	return "check address and tls"
}

func loginAdvice(err error) string {
	var said *imap.Error
	switch f := asFailure(err); {
	case errors.As(err, &said) && said.Code == imap.ResponseCodePrivacyRequired:
		return "the server wants the password protected: set tls: implicit or starttls"
	case f.reason == ReasonAuth && said != nil:
		return "correct username and password_file"
	case f.reason == ReasonAuth:
		return "make password_file readable"
	case f.reason == ReasonThrottled:
		return "the server asks to be left alone for a while"
	}
	return "try again later"
}
