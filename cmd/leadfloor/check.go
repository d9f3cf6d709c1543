package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
)

// Bounds of the probes, so that a group with many mailboxes on a dead server is told within a minute.
const (
	probeTimeout   = 15 * time.Second
	probesTogether = 8
)

const checkLong = `check reads a configuration and tells everything that is wrong with it, each with its line. When the file is well it warns of what
is allowed but dangerous, and says what becomes of leads that are not trusted. Then it logs in to Redis, to every mailbox and to the mail
server, asks DNS where signatures are to be checked, and tells which of them do not answer, refuse, or have settings that can lose leads.
It changes nothing anywhere, but for a refresh token in its file where the provider replaces it at each use.

The exit code is 0 when all is well, warnings included, 1 when something is wrong, and 2 when the command line is.`

const checkExample = `  leadfloor check
  leadfloor check --config /etc/leadfloor/leadfloor.yaml
  leadfloor check --offline --config leadfloor.yaml    # before a change is committed, without any server`

func newCheckCmd(e *env) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Tell everything that is wrong with the configuration and the servers it names",
		Long:    checkLong,
		Example: checkExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, faults, err := examine(e.config)
			switch {
			case err != nil:
				return err
			case len(faults) > 0 && offline:
				return faults
			case len(faults) > 0:
				// Whoever mends the file wants to know of the servers too, in one go.
				fmt.Fprintln(e.stderr, faults)
				quietRedis(slog.New(slog.DiscardHandler))
				_ = c.sound().probe(cmd.Context(), e.stdout, e.stderr) // it has said what it found
				return errFound
			}
			for _, w := range c.Warnings() {
				fmt.Fprintf(e.stdout, "warning: %s\n", w)
			}
			for _, t := range c.Trusts() {
				fmt.Fprintln(e.stdout, t)
			}
			if offline {
				fmt.Fprintf(e.stdout, "%s: well; no server was asked\n", e.config)
				return nil
			}
			fmt.Fprintf(e.stdout, "%s: well\n", e.config)
			quietRedis(slog.New(slog.DiscardHandler))
			return c.probe(cmd.Context(), e.stdout, e.stderr)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "look at the file alone, not at the servers it names")
	return cmd
}

// sound is what of a faulty configuration can be tried: the servers that are named in full.
func (c *Config) sound() *Config {
	s := &Config{Redis: c.Redis}
	keep := func(all []MailboxConfig) (kept []MailboxConfig) {
		for _, m := range all {
			cfg, err := m.mailbox(true)
			if err != nil || cfg.Validate() != nil {
				continue
			}
			if _, err := m.Password.Read(); m.OAuth2 != nil || err == nil && m.Password.IsSet() {
				kept = append(kept, m)
			}
		}
		return kept
	}
	s.Mailboxes = keep(c.Mailboxes)
	for i := range c.Stores {
		s.Mailboxes = append(s.Mailboxes, keep(c.Stores[i].Mailboxes)...)
	}
	if c.SMTP != nil && c.SMTP.Address != "" {
		s.SMTP = c.SMTP
	}
	return s
}

// A probe asks one server. It gives lines for the reader, or an error of one sentence that names the server and what to do.
type probe func(ctx context.Context) (lines []string, err error)

// probe asks all servers and prints what they said, in the order of the file. The error is errFound where one of them is not well.
func (c *Config) probe(ctx context.Context, stdout, stderr io.Writer) error {
	var probes []probe
	if c.Redis.named() {
		probes = append(probes, c.Redis.probe)
	}
	for _, m := range c.Mailboxes {
		probes = append(probes, m.probe)
	}
	for _, s := range c.Stores {
		for _, m := range s.Mailboxes {
			probes = append(probes, m.probe)
		}
	}
	if c.SMTP != nil {
		probes = append(probes, c.SMTP.probe)
	}
	if slices.ContainsFunc(c.feeding(""), func(m *MailboxConfig) bool { return m.Trust.Authentication != string(ingest.Off) }) {
		probes = append(probes, probeDNS(net.DefaultResolver.LookupTXT))
	}
	lines := make([][]string, len(probes))
	errs := make([]error, len(probes))
	var g errgroup.Group
	g.SetLimit(probesTogether)
	for i, p := range probes {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			lines[i], errs[i] = p(ctx)
			return nil
		})
	}
	_ = g.Wait() // its functions have no error: one server's must not hide another's
	for i := range probes {
		for _, l := range lines[i] {
			fmt.Fprintln(stdout, l)
		}
		if errs[i] != nil {
			fmt.Fprintf(stderr, "leadfloor: %v\n", errs[i])
		}
	}
	if errors.Join(errs...) != nil {
		return errFound
	}
	return nil
}

// probeDNS asks for a signer's key that nobody has: whatever is said to that, DNS answers.
func probeDNS(lookup func(ctx context.Context, name string) ([]string, error)) probe {
	return func(ctx context.Context) ([]string, error) {
		_, err := lookup(ctx, "leadfloor._domainkey.example.com")
		if said := (*net.DNSError)(nil); err != nil && !(errors.As(err, &said) && said.IsNotFound) {
			return nil, fmt.Errorf("dns: %w; signatures cannot be checked, so that leads wait or are held: correct the name servers of this machine", err)
		}
		return []string{"dns: answers, so that signatures can be checked"}, nil
	}
}

func (c *RedisConfig) probe(ctx context.Context) (lines []string, err error) {
	client, err := c.open()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	state, err := inspectRedis(ctx, client, c)
	if err != nil {
		return nil, err
	}
	version := ""
	if state.Version != "" {
		version = ", version " + state.Version
	}
	lines = append(lines, fmt.Sprintf("redis %s: answers%s", c.name(), version))
	for _, f := range state.Findings {
		lines = append(lines, fmt.Sprintf("warning: redis %s: %s", c.name(), f.Text))
	}
	if c.Strict {
		err = state.strictly()
	}
	return lines, err
}

func (m *MailboxConfig) probe(ctx context.Context) ([]string, error) {
	cfg, err := m.mailbox(true)
	if err != nil {
		return nil, err
	}
	var lines []string
	if err = mailbox.Check(ctx, cfg); err == nil {
		lines = append(lines, fmt.Sprintf("mailbox %s: %s can be read at %s", m.Name, m.Folder, m.Address))
	}
	if cfg.OAuth2 != nil && cfg.OAuth2.Unkept() != nil {
		lines = append(lines, fmt.Sprintf("warning: mailbox %s: the provider replaced the refresh token, and the new one cannot be kept: %v", m.Name, cfg.OAuth2.Unkept()))
	}
	return lines, err
}

// mailbox is m as the package that reads it wants it. In readOnly nothing is changed in the folder.
func (m *MailboxConfig) mailbox(readOnly bool) (mailbox.Config, error) {
	c := mailbox.Config{
		Name: m.Name, Address: m.Address, TLS: m.TLS, Username: m.Username,
		Password: func(context.Context) (string, error) { return m.Password.Read() },
		Folder:   m.Folder, PollInterval: m.PollInterval, Start: m.Start,
		After: map[ingest.Fate]mailbox.Action{}, ReadOnly: readOnly,
	}
	for fate, text := range m.After {
		action, err := mailbox.ParseAction(text)
		if err != nil {
			return mailbox.Config{}, err
		}
		c.After[fate] = action
	}
	if m.CAFile != "" {
		pool, err := certificates(m.CAFile)
		if err != nil {
			return mailbox.Config{}, fmt.Errorf("read certificates %q: %w", m.CAFile, err)
		}
		c.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	c.Keys = m.CAFile + " " + m.Password.where
	if m.OAuth2 != nil {
		c.Keys = fmt.Sprint(m.CAFile, " ", m.OAuth2.ClientSecret.where, " ", m.OAuth2.Token.where, " ", m.OAuth2.ServiceAccount.where)
		var err error
		if c.OAuth2, err = m.OAuth2.source(m.CAFile); err != nil {
			return mailbox.Config{}, err
		}
	}
	return c, nil
}

// source is c as the package that logs in wants it. A custom provider's certificate may be signed by those of caFile too.
func (c *OAuth2Config) source(caFile string) (*mailbox.OAuth2, error) {
	o := &mailbox.OAuth2{Provider: c.Provider, ClientID: c.ClientID, Tenant: c.Tenant, TokenURL: c.TokenURL, Scopes: c.Scopes, Keep: c.Token.Replace}
	for into, s := range map[*func() (string, error)]Secret{&o.ClientSecret: c.ClientSecret, &o.RefreshToken: c.Token, &o.ServiceAccount: c.ServiceAccount} {
		if s.IsSet() {
			*into = s.Read
		}
	}
	if c.Provider == mailbox.Custom && caFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // a machine without any
		}
		if pool, err = certificatesBeside(pool, caFile); err != nil {
			return nil, fmt.Errorf("read certificates %q: %w", caFile, err)
		}
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return o, nil
}

// smtpsPort is the port on which TLS begins with the first byte (RFC 8314).
const smtpsPort = "465"

func (c *SMTPConfig) probe(ctx context.Context) ([]string, error) {
	note, err := c.logIn(ctx)
	if err != nil {
		return nil, fmt.Errorf("smtp %s: %w", c.Address, err)
	}
	return []string{fmt.Sprintf("smtp %s: %s", c.Address, note)}, nil
}

// logIn goes as far as it can without sending anything.
func (c *SMTPConfig) logIn(ctx context.Context) (note string, err error) {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return "", err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return "", fmt.Errorf("%w; is smtp.address right, and may this machine reach it?", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // fails only on a closed connection, which the next read tells
	}
	secure := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if port == smtpsPort {
		conn = tls.Client(conn, secure)
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return "", fmt.Errorf("greeting: %w; is this a mail server?", err)
	}
	defer client.Close()
	if ok, _ := client.Extension("STARTTLS"); ok {
		if err := client.StartTLS(secure); err != nil {
			return "", fmt.Errorf("start TLS: %w; is its certificate right for %s?", err, host)
		}
	} else if port != smtpsPort && !loopback(host) && c.Username != "" {
		return "", errors.New("it offers no TLS, and the password would be there for all to read; use another port, such as 465 or 587")
	}
	if c.Username == "" {
		return "answers", client.Quit()
	}
	_, mechanisms := client.Extension("AUTH")
	if !slices.Contains(strings.Fields(mechanisms), "PLAIN") {
		return "answers; the log-in was not tried, it does not offer PLAIN", client.Quit()
	}
	password, err := c.Password.Read()
	if err != nil {
		return "", err
	}
	if err := client.Auth(smtp.PlainAuth("", c.Username, password, host)); err != nil {
		return "", fmt.Errorf("log in: %w; see smtp.username and smtp.password_file", err)
	}
	return "takes the log-in", client.Quit()
}
