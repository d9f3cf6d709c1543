package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/router"
)

func (r *reader) zone(s *StoreConfig) field {
	return func(n *yaml.Node, at string) {
		name, ok := r.scalar(n, at)
		if !ok {
			return
		}
		// LoadLocation also knows "" and "Local", which mean another thing on each machine.
		loc, err := time.LoadLocation(name)
		if err != nil || name == "" || name == "Local" {
			r.fault(n, at, "%.40q is no time zone; write one such as America/Chicago", name)
			return
		}
		s.Timezone, s.Location = name, loc
	}
}

func (r *reader) start(into *mailbox.Start) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		d, err := parseDuration(s)
		switch {
		case s == "all":
			*into = mailbox.All
		case s == "now", err == nil && d == 0:
			*into = mailbox.Now
		case err != nil:
			r.fault(n, at, "must be a duration such as 1d, all or now")
		default:
			*into = mailbox.Start(d)
		}
	}
}

func (r *reader) after(into map[ingest.Fate]string, fate ingest.Fate) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		if _, err := mailbox.ParseAction(s); err != nil {
			r.fault(n, at, "must be keep, flag or move:FOLDER")
			return
		}
		into[fate] = s
	}
}

// limit reads how many messages are taken in a minute, an hour or a day.
func (r *reader) limit(into *router.Limit) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		count, unit, _ := strings.Cut(s, "/")
		per := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": day}[unit]
		most, err := strconv.Atoi(count)
		if err != nil || per == 0 || most < 0 || most > maxLimit {
			r.fault(n, at, "must be a number of messages, at most %d, and a time, such as 20/h; m, h and d are known", maxLimit)
			return
		}
		*into = router.Limit{Messages: most, Per: per}
	}
}

func (r *reader) publicURL(into *string) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			r.fault(n, at, "must be an address such as https://leads.example.com")
			return
		}
		*into = strings.TrimRight(s, "/")
	}
}

// unique reads a name that may stand in names once.
func (r *reader) unique(into *string, names map[string]int, what string, checks ...check) field {
	return func(n *yaml.Node, at string) {
		r.text(into, checks...)(n, at)
		switch first := names[*into]; {
		case *into == "":
		case first != 0:
			r.fault(n, at, "there is a %s %q already, on line %d", what, *into, first)
		default:
			names[*into] = n.Line
		}
	}
}

var (
	envOnly = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)
	envIn   = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
)

// expand puts environment variables in the place of ${NAME}.
func (r *reader) expand(n *yaml.Node, at, s string) (string, bool) {
	ok := true
	s = envIn.ReplaceAllStringFunc(s, func(v string) string {
		value := os.Getenv(v[2 : len(v)-1])
		if value == "" {
			ok = false
			r.fault(n, at, "the environment variable %s is not set", v[2:len(v)-1])
		}
		return value
	})
	return s, ok
}

// inlineSecret reads ${NAME}. A secret itself is refused: configuration files are copied, mailed and kept in git.
func (r *reader) inlineSecret(into *Secret) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		m := envOnly.FindStringSubmatch(s)
		if m == nil {
			r.fault(n, at, "no secret may stand in this file: put it into a file of its own and write %s_file: PATH, or write ${NAME} for an environment variable", at[strings.LastIndexByte(at, '.')+1:])
			return
		}
		if _, ok := r.expand(n, at, s); ok {
			*into = envSecret(m[1])
		}
	}
}

// secretFile reads the path of a file, which must hold something now.
func (r *reader) secretFile(into *Secret) field {
	return func(n *yaml.Node, at string) {
		path, ok := r.path(n, at)
		if !ok {
			return
		}
		s := fileSecret(path, n.Value)
		if _, err := s.Read(); err != nil {
			r.fault(n, at, "%v", err)
			return
		}
		*into = s
	}
}

func (r *reader) caFile(into *string) field {
	return func(n *yaml.Node, at string) {
		path, ok := r.path(n, at)
		if !ok {
			return
		}
		if _, err := certificates(path); err != nil {
			r.fault(n, at, "read certificates %q: %v", n.Value, err)
			return
		}
		*into = path
	}
}

// path reads a path, which starts from the file's folder.
func (r *reader) path(n *yaml.Node, at string) (string, bool) {
	s, ok := r.scalar(n, at)
	if !ok {
		return "", false
	}
	if s, ok = r.expand(n, at, s); !ok {
		return "", false
	}
	if s == "" {
		r.fault(n, at, "must not be empty")
		return "", false
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(r.dir, s)
	}
	return s, true
}

// certificates reads a PEM file of roots.
func certificates(path string) (*x509.CertPool, error) {
	return certificatesBeside(x509.NewCertPool(), path)
}

// certificatesBeside adds the roots of a PEM file to the pool.
func certificatesBeside(pool *x509.CertPool, path string) (*x509.CertPool, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, cause(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > maxConfig:
		return nil, fmt.Errorf("it is larger than %d kB", maxConfig>>10)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, cause(err)
	}
	if !pool.AppendCertsFromPEM(b) {
		return nil, errors.New("there is no PEM certificate in it")
	}
	return pool, nil
}

// oneSecret refuses a secret given in both ways.
func (r *reader) oneSecret(at string, given map[string]*yaml.Node, name string) {
	if given[name] != nil && given[name+"_file"] != nil {
		r.fault(given[name], join(at, name), "give %s_file or %s, not both", name, name)
	}
}

// needSecret wants exactly one of the two ways.
func (r *reader) needSecret(n *yaml.Node, at string, given map[string]*yaml.Node, name string) {
	r.oneSecret(at, given, name)
	if given[name] == nil && given[name+"_file"] == nil {
		r.fault(n, join(at, name+"_file"), "is needed")
	}
}

var (
	identifierForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	labelForm      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	countryForm    = regexp.MustCompile(`^[A-Z]{2}$`)
	phoneForm      = regexp.MustCompile(`^\+?[0-9 ()./-]+$`)
)

func identifier(s string) string {
	if !identifierForm.MatchString(s) {
		return fmt.Sprintf("%.60q is no id: at most 40 of a-z, 0-9 and -, not beginning with -", s)
	}
	return ""
}

func label(s string) string {
	if !labelForm.MatchString(s) {
		return fmt.Sprintf("%.60q is no name: at most 64 of letters, digits, dot, _ and -", s)
	}
	return ""
}

func notReserved(s string) string {
	if s == elseQuarantine {
		return `"quarantine" means something else in routes; choose another id`
	}
	return ""
}

func filled(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "must not be empty"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "must not hold control characters"
	}
	return ""
}

func oneOf(words ...string) check {
	return func(s string) string {
		if slices.Contains(words, s) {
			return ""
		}
		return fmt.Sprintf("%.40q is not one of %s", s, strings.Join(words, ", "))
	}
}

func country(s string) string {
	switch {
	case s == "UK":
		return "write GB for the United Kingdom"
	case !countryForm.MatchString(s) || !router.IsCountry(s):
		return fmt.Sprintf("%.40q is no country; write the two letters of ISO 3166, such as US", s)
	}
	return ""
}

func sourceSlug(s string) string {
	switch {
	case len(s) > maxSourceSlug || router.Slug(s) != s:
		return fmt.Sprintf("%.60q is no source: at most %d of a-z, 0-9 and -, such as %s", s, maxSourceSlug, router.Slug(s))
	case s == "other":
		return `"other" is where all further sources are counted`
	}
	return ""
}

func senderPattern(s string) string {
	if !strings.Contains(s, "@") || strings.ContainsFunc(s, unicode.IsSpace) {
		return "must be a sender's address, in which * stands for anything, such as *@leads.example"
	}
	return filled(s)
}

func mailAddress(s string) string {
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return "must be a mail address such as name@example.com"
	}
	return ""
}

func namedMailAddress(s string) string {
	if _, err := mail.ParseAddress(s); err != nil {
		return `must be a mail address such as "Leads <leads@example.com>"`
	}
	return ""
}

func phone(s string) string {
	digits := 0
	for _, c := range s {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	if !phoneForm.MatchString(s) || digits < 7 || digits > 15 {
		return `must be a phone number such as "+1 312 555 0142"`
	}
	return ""
}

// tokenURL is where secrets are sent: in the clear only within this machine.
func tokenURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) || u.Host == "" || u.User != nil {
		return "must be an https:// address"
	}
	return ""
}

func serverAddress(s string) string {
	host, port, err := net.SplitHostPort(s)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" || strings.ContainsFunc(host, unicode.IsSpace) {
		return fmt.Sprintf("%.80q is no server; write HOST:PORT", s)
	}
	return ""
}

func listenAddress(s string) string {
	if s == "" {
		return ""
	}
	_, port, err := net.SplitHostPort(s)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return fmt.Sprintf("%.80q is no address to listen on; write HOST:PORT, such as 127.0.0.1:8080", s)
	}
	return ""
}

// loopback says whether only this machine can reach host.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}
