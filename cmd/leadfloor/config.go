package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
	_ "time/tzdata" // store time zones must be known in an image without any

	"go.yaml.in/yaml/v3"

	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/router"
	"leadfloor/router/hours"
)

// A Config is a whole configuration file, checked, with every default filled in. It is never changed after it was read.
// What differs between two replicas on one configuration, and what does nothing yet, is left out of its JSON, see Hash.
type Config struct {
	Listen       string `json:"-"` // host:port of pages, API and metrics; "": none
	HealthListen string `json:"-"` // host:port of /-/healthy and /-/ready alone; "": none
	PublicURL    string // without a final slash; "" when not known
	Redis        RedisConfig
	Auth         AuthConfig
	SMTP         *SMTPConfig // nil: no mail is sent
	Sources      router.Sources
	Retention    RetentionConfig
	Mailboxes    []MailboxConfig // those that feed several stores
	Stores       []StoreConfig
	Templates    []mail.Template `json:",omitempty"` // how leads look that are not ADF, before the built-in ones
}

// RedisConfig is one server (Address), a cluster (Addresses) or a master that sentinels know (Sentinel).
type RedisConfig struct {
	Address      string // host:port, or the path of a socket
	DB           int
	Addresses    []string
	Sentinel     *SentinelConfig
	Username     string
	Password     Secret
	TLS          bool
	CAFile       string `json:"-"` // "": the system's roots
	WaitReplicas int    // replicas that must have a decision before mail is settled
	Strict       bool   // settings that can lose decided leads stop the start
}

// SentinelConfig is how the master is found.
type SentinelConfig struct {
	Master    string
	Addresses []string
	Username  string // of the sentinels themselves
	Password  Secret
}

// AuthConfig says who may use the API.
type AuthConfig struct {
	Tokens []TokenConfig
}

// TokenConfig is one bearer token.
type TokenConfig struct {
	Name   string
	Role   string // one of roles
	Token  Secret
	Person string   // "": nobody in particular
	Stores []string // empty: all
}

// The roles of a token.
const (
	roleAdmin       = "admin"
	roleManager     = "manager"
	roleSalesperson = "salesperson"
	roleCRM         = "crm"
	roleIngest      = "ingest"
	roleViewer      = "viewer"
)

// SMTPConfig is the server that takes our mail: implicit TLS on port 465, STARTTLS elsewhere.
type SMTPConfig struct {
	Address  string
	Username string
	Password Secret
	From     string // RFC 5322, a name is allowed
}

// RetentionConfig says how long is kept what can be erased; see router.Retention.
type RetentionConfig struct {
	Quarantined time.Duration
	Personal    time.Duration
	Events      time.Duration
}

// StoreConfig is one rooftop. Routing and Duplicates are the business's own types; Hours and the calendars of people are parsed.
type StoreConfig struct {
	ID         string
	Name       string // the id where none is given
	Mode       string // live or shadow
	Timezone   string
	Location   *time.Location  `json:"-"`
	Country    string          // ISO 3166-1 alpha-2
	Hours      *hours.Calendar `json:"-"` // nil: always open
	Managers   []PersonConfig
	Mailboxes  []MailboxConfig
	Roster     []PersonConfig
	Desks      map[string]DeskConfig
	Routing    router.Routing
	Duplicates router.Duplicates
	Notify     *yaml.Node `json:"-"` // kept as it stands: it does nothing yet
	Forward    *yaml.Node `json:"-"` // kept as it stands: it does nothing yet

	Week       map[string]string // the text behind Hours
	Exceptions map[string]string
}

// The modes of a store.
const (
	modeLive   = "live"
	modeShadow = "shadow" // decides and measures, tells nobody, forwards nothing, moves no mail
)

// PersonConfig is a manager or salesperson. Weight and MaxUntouched are a salesperson's alone.
type PersonConfig struct {
	ID           string
	Name         string // the id where none is given
	Email        string
	Phone        string
	Calendar     *hours.Calendar `json:"-"` // nil: the store's hours
	Weight       int             // 1 to 16
	MaxUntouched int             // 0: no cap

	Week map[string]string // the text behind Calendar
	Away []hours.DateRange
	week hours.Week
}

// MailboxConfig is one IMAP folder that is read.
type MailboxConfig struct {
	Name         string
	Role         string // leads or conversation
	Address      string
	TLS          mailbox.TLSMode
	CAFile       string `json:"-"` // "": the system's roots
	Username     string
	Password     Secret
	OAuth2       *OAuth2Config
	Folder       string
	SentFolder   string // "": none is watched
	PollInterval time.Duration
	Start        mailbox.Start
	After        map[ingest.Fate]string // as mailbox.ParseAction reads it
	Trust        TrustConfig
	Route        []RouteConfig // of a mailbox that feeds several stores
}

// The roles of a mailbox.
const (
	mailboxLeads        = "leads"
	mailboxConversation = "conversation" // read for replies only
)

// OAuth2Config says where access tokens for a mailbox come from.
type OAuth2Config struct {
	Provider       string // google, microsoft or custom
	ClientID       string
	ClientSecret   Secret
	Tenant         string // Microsoft's directory
	TokenURL       string // the provider's own when empty
	Scopes         []string
	Token          Secret // a refresh token; it is replaced where the provider replaces it
	ServiceAccount Secret // Google's key file
}

// TrustConfig is what is known of a mailbox's senders.
type TrustConfig struct {
	From           []string // patterns of senders whose mail must be a lead
	Authentication string   // off, warn or require
	AuthservID     string   // whose Authentication-Results are believed; "": nobody's
	Limit          router.Limit
	Salesperson    []string // sources whose leads go to the salesperson whom they name
}

// MatchConfig is a pattern for each thing that it looks at, where * stands for any text; "" looks at nothing. All given must fit.
type MatchConfig struct {
	To       string
	Vendor   string
	Provider string
}

// RouteConfig sends what matches to a store.
type RouteConfig struct {
	MatchConfig
	Store string // "" with Else
	Else  string // what becomes of the rest: quarantine or a store
}

// elseQuarantine is the Else that holds the rest for a manager.
const elseQuarantine = "quarantine"

// DeskConfig goes to a named owner outside the rotation.
type DeskConfig struct {
	Owner string
	Match MatchConfig
}

// Load reads the configuration file at path. Its error is Faults where the file could be read: everything that is wrong in it, at once.
func Load(path string) (*Config, error) {
	c, faults, err := examine(path)
	switch {
	case err != nil:
		return nil, err
	case len(faults) > 0:
		return nil, faults
	}
	return c, nil
}

// examine reads a file and gives what could be read of it beside what is wrong.
func examine(path string) (*Config, Faults, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration %q: %w; name another with --config or %s", path, cause(err), configVariable)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration %q: %w", path, cause(err))
	}
	c, faults := readConfig(path, data)
	return c, faults, nil
}

// Parse reads a configuration that is called name in Faults, its only error. Relative paths in it start from the folder of name.
func Parse(name string, data []byte) (*Config, error) {
	c, faults := readConfig(name, data)
	if len(faults) > 0 {
		return nil, faults
	}
	return c, nil
}

// readConfig gives what could be read beside what is wrong.
func readConfig(name string, data []byte) (*Config, Faults) {
	r := &reader{file: name, dir: filepath.Dir(name)}
	c := &Config{
		Sources:   router.Sources{Max: defaultMaxSources},
		Retention: RetentionConfig{Quarantined: 30 * day, Personal: 730 * day, Events: 2555 * day},
	}
	if top := r.tree(data); top != nil {
		r.config(top, c)
	} else if len(r.faults) == 0 {
		r.faultAt(0, "", "the file is empty; redis, one store and one mailbox or listen are needed")
	}
	for _, check := range r.later {
		check()
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return a.Line - b.Line })
	return c, r.faults
}

const day = 24 * time.Hour

// defaultMaxSources bounds the source labels, unless more are known.
const defaultMaxSources = 20

// Hash is the same for configurations that decide the same, whatever their files look like: layout, comments, listen addresses and
// the places and values of secrets do not count. It fits into 48 bits, which a float64 holds to the last.
func (c *Config) Hash() uint64 {
	b, err := json.Marshal(c)
	if err != nil {
		panic("a Config has no JSON: " + err.Error()) // its types have none that can fail
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:]) >> 16
}

// employs says whether id is one of the store's managers or salespeople.
func (s *StoreConfig) employs(id string) bool {
	is := func(p PersonConfig) bool { return p.ID == id }
	return slices.ContainsFunc(s.Managers, is) || slices.ContainsFunc(s.Roster, is)
}
