package main

import (
	"cmp"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/router"
	"leadfloor/router/hours"
)

// Bounds on what a file may ask for.
const (
	maxSourceSlug  = 40
	maxSources     = 500 // labels of every metric by source
	maxWeight      = 16
	maxCount       = 1_000_000
	maxTarget      = 30 * day // a response target is a histogram's bound
	maxReplicas    = 100
	maxLimit       = 10_000 // messages, each remembered for as long as the limit looks back
	maxRedisNumber = 1<<31 - 1
)

func (r *reader) config(n *yaml.Node, c *Config) {
	stores := &storeIndex{line: map[string]int{}}
	boxes := map[string]int{}
	var most int
	given := r.fields(n, "", map[string]field{
		"listen":        r.text(&c.Listen, listenAddress),
		"health_listen": r.text(&c.HealthListen, listenAddress),
		"public_url":    r.publicURL(&c.PublicURL),
		"redis":         func(n *yaml.Node, at string) { r.redis(n, at, &c.Redis) },
		"auth":          func(n *yaml.Node, at string) { r.auth(n, at, &c.Auth, stores) },
		"smtp":          func(n *yaml.Node, at string) { c.SMTP = r.smtp(n, at) },
		"sources": func(n *yaml.Node, at string) {
			r.fields(n, at, map[string]field{
				"known": r.texts(&c.Sources.Known, sourceSlug),
				"max":   r.whole(&most, 1, maxSources),
			})
			if most > 0 && most < len(c.Sources.Known) {
				r.fault(n, join(at, "max"), "must be at least the number of known sources, %d", len(c.Sources.Known))
			}
		},
		"retention": func(n *yaml.Node, at string) {
			r.fields(n, at, map[string]field{
				"quarantined": r.duration(&c.Retention.Quarantined, day),
				"personal":    r.duration(&c.Retention.Personal, day),
				"events":      r.duration(&c.Retention.Events, day),
			})
		},
		"mailboxes": r.list(func(n *yaml.Node, at string) {
			c.Mailboxes = append(c.Mailboxes, r.mailbox(n, at, boxes, stores))
		}),
		"stores": r.list(func(n *yaml.Node, at string) {
			c.Stores = append(c.Stores, r.store(n, at, boxes, stores))
		}),
		"templates": r.list(func(n *yaml.Node, at string) {
			c.Templates = append(c.Templates, r.template(n, at))
		}),
	})
	stores.all = c.Stores
	r.need(n, "", given, "redis", "stores")
	if at := given["stores"]; at != nil && at.Kind == yaml.SequenceNode && len(at.Content) == 0 {
		r.fault(at, "stores", "at least one store is needed")
	}
	if n.Kind == yaml.MappingNode && given["listen"] == nil && len(boxes) == 0 && len(c.Mailboxes) == 0 {
		r.fault(n, "", "nothing would ever arrive: a mailbox or listen is needed")
	}
	if at := given["listen"]; at != nil && c.Listen != "" {
		host, _, _ := net.SplitHostPort(c.Listen)
		if !loopback(host) && len(c.Auth.Tokens) == 0 {
			r.fault(at, "listen", "%s can be reached from other machines and there are no tokens: add auth.tokens, or listen on 127.0.0.1", c.Listen)
		}
		if c.Listen == c.HealthListen {
			r.fault(given["health_listen"], "health_listen", "is the same address as listen")
		}
	}
	c.Sources.Max = max(most, len(c.Sources.Known))
	if most == 0 {
		c.Sources.Max = max(defaultMaxSources, len(c.Sources.Known))
	}
}

// storeIndex knows the stores once all of them have been read.
type storeIndex struct {
	line map[string]int
	all  []StoreConfig
}

// storeID reads a field that names a store. Whether there is one shows only at the end.
func (r *reader) storeID(into *string, stores *storeIndex) field {
	return func(n *yaml.Node, at string) {
		r.text(into, identifier)(n, at)
		if id := *into; id != "" {
			r.later = append(r.later, func() {
				if stores.line[id] == 0 {
					r.fault(n, at, "there is no store %q", id)
				}
			})
		}
	}
}

func (r *reader) redis(n *yaml.Node, at string, c *RedisConfig) {
	given := r.fields(n, at, map[string]field{
		"url":           func(n *yaml.Node, at string) { r.redisURL(n, at, c) },
		"addresses":     r.texts(&c.Addresses, serverAddress),
		"sentinel":      func(n *yaml.Node, at string) { c.Sentinel = r.sentinel(n, at) },
		"username":      r.text(&c.Username),
		"password":      r.inlineSecret(&c.Password),
		"password_file": r.secretFile(&c.Password),
		"tls": func(n *yaml.Node, at string) {
			c.TLS = true
			r.fields(n, at, map[string]field{"ca_file": r.caFile(&c.CAFile)})
		},
		"wait_replicas": r.whole(&c.WaitReplicas, 0, maxReplicas),
		"strict":        r.yes(&c.Strict),
	})
	r.oneSecret(at, given, "password")
	forms := 0
	for _, form := range []string{"url", "addresses", "sentinel"} {
		if given[form] != nil {
			forms++
		}
	}
	if forms != 1 && n.Kind == yaml.MappingNode {
		r.fault(n, at, "give one of url (a single server), addresses (a cluster) or sentinel")
	}
	if list := given["addresses"]; list != nil && list.Kind == yaml.SequenceNode && len(list.Content) == 0 {
		r.fault(list, join(at, "addresses"), "at least one host:port of the cluster is needed")
	}
}

func (r *reader) sentinel(n *yaml.Node, at string) *SentinelConfig {
	c := &SentinelConfig{}
	given := r.fields(n, at, map[string]field{
		"master":        r.text(&c.Master, filled),
		"addresses":     r.texts(&c.Addresses, serverAddress),
		"username":      r.text(&c.Username),
		"password":      r.inlineSecret(&c.Password),
		"password_file": r.secretFile(&c.Password),
	})
	r.need(n, at, given, "master", "addresses")
	r.oneSecret(at, given, "password")
	return c
}

// redisURL reads redis://, rediss:// and unix://. A managed Redis hands out its address with the password inside, so ${NAME} may stand
// for the whole or for the password; nothing of a URL is ever printed.
func (r *reader) redisURL(n *yaml.Node, at string, c *RedisConfig) {
	s, ok := r.scalar(n, at)
	if !ok {
		return
	}
	_, rest, _ := strings.Cut(s, "://")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		if _, pw, ok := strings.Cut(rest[:i], ":"); ok && !envOnly.MatchString(pw) {
			r.fault(n, at, "holds a password: take it out, and write password_file: PATH or password: ${NAME}")
			return
		}
	}
	if s, ok = r.expand(n, at, s); !ok {
		return
	}
	u, err := url.Parse(s)
	var db string
	socket := err == nil && u.Scheme == "unix" && u.Host == "" && path.IsAbs(u.Path)
	switch {
	case socket:
		c.Address = u.Path
		query := u.Query()
		db = query.Get("db")
		query.Del("db")
		ok = len(query) == 0
	case err == nil && (u.Scheme == "redis" || u.Scheme == "rediss") && u.Hostname() != "":
		c.Address, db = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "6379")), strings.Trim(u.Path, "/")
		ok = u.RawQuery == ""
	default:
		ok = false
	}
	if !ok || u.Fragment != "" {
		r.fault(n, at, "must be redis://HOST:PORT/NUMBER, rediss:// for TLS, or unix:///PATH?db=NUMBER for a socket")
		return
	}
	c.TLS = c.TLS || u.Scheme == "rediss"
	if u.Scheme != "rediss" {
		r.later = append(r.later, func() {
			switch {
			case c.TLS && socket:
				r.fault(n, at, "is a socket, over which there is no TLS: take tls out")
			case c.TLS:
				r.fault(n, at, "says redis:// beside tls: write rediss://, or take tls out")
			}
		})
	}
	if !socket && serverAddress(c.Address) != "" {
		r.fault(n, at, "must be redis://HOST:PORT/NUMBER with a port from 1 to 65535")
	}
	if db != "" {
		i, err := strconv.Atoi(db)
		if err != nil || i < 0 || i > maxRedisNumber {
			r.fault(n, at, "must end in the number of a database: /0, or ?db=0 for a socket")
		}
		c.DB = i
	}
	if name := u.User.Username(); name != "" && c.Username == "" {
		c.Username = name
	}
	if pw, ok := u.User.Password(); ok && !c.Password.IsSet() {
		c.Password = Secret{read: func() (string, error) { return pw, nil }}
	}
}

func (r *reader) auth(n *yaml.Node, at string, c *AuthConfig, stores *storeIndex) {
	names := map[string]int{}
	r.fields(n, at, map[string]field{"tokens": r.list(func(n *yaml.Node, at string) {
		var t TokenConfig
		given := r.fields(n, at, map[string]field{
			"name":       r.unique(&t.Name, names, "token", label),
			"role":       r.text(&t.Role, oneOf(roleAdmin, roleManager, roleSalesperson, roleCRM, roleIngest, roleViewer)),
			"token":      r.inlineSecret(&t.Token),
			"token_file": r.secretFile(&t.Token),
			"person":     r.text(&t.Person, identifier),
			"stores": r.list(func(n *yaml.Node, at string) {
				var id string
				r.storeID(&id, stores)(n, at)
				t.Stores = append(t.Stores, id)
			}),
		})
		r.need(n, at, given, "name", "role")
		r.needSecret(n, at, given, "token")
		if at, n := join(at, "person"), given["person"]; n != nil {
			r.later = append(r.later, func() {
				if t.Person != "" && !slices.ContainsFunc(stores.all, func(s StoreConfig) bool {
					return s.employs(t.Person) && (len(t.Stores) == 0 || slices.Contains(t.Stores, s.ID))
				}) {
					r.fault(n, at, "nobody with the id %q is on a roster or among the managers of the token's stores", t.Person)
				}
			})
		}
		c.Tokens = append(c.Tokens, t)
	})})
}

func (r *reader) template(n *yaml.Node, at string) mail.Template {
	t := mail.Template{Labels: map[string]string{}}
	// Each label and line is judged by itself, so that a fault has its own line of the file, and then the labels beside one another.
	well := func(n *yaml.Node, at string, labels map[string]string, lines ...string) bool {
		err := mail.Template{Name: "any", From: []string{"*"}, Labels: labels, Lines: lines}.Validate()
		if err != nil {
			r.fault(n, at, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		return err == nil
	}
	given := r.fields(n, at, map[string]field{
		"name":    r.text(&t.Name, filled),
		"from":    r.texts(&t.From, senderPattern),
		"subject": r.texts(&t.Subject, filled),
		"channel": r.text(&t.Channel, oneOf(string(router.Email), string(router.HTTP), string(router.PhoneUp), string(router.WalkIn))),
		"labels": func(n *yaml.Node, at string) {
			r.each(n, at, func(key, value *yaml.Node) {
				at := join(at, key.Value)
				f, ok := r.scalar(value, at)
				if !ok {
					return
				}
				if well(key, at, map[string]string{key.Value: f}) {
					t.Labels[key.Value] = f
				}
			})
			well(n, at, t.Labels)
		},
		"lines": r.list(func(n *yaml.Node, at string) {
			var line string
			r.text(&line, filled)(n, at)
			if line != "" && well(n, at, nil, line) {
				t.Lines = append(t.Lines, line)
			}
		}),
	})
	r.need(n, at, given, "name", "from")
	if list := given["from"]; list != nil && list.Kind == yaml.SequenceNode && len(list.Content) == 0 {
		r.fault(list, join(at, "from"), "at least one sender is needed")
	}
	return t
}

func (r *reader) smtp(n *yaml.Node, at string) *SMTPConfig {
	c := &SMTPConfig{}
	given := r.fields(n, at, map[string]field{
		"address":       r.text(&c.Address, serverAddress),
		"username":      r.text(&c.Username, filled),
		"password":      r.inlineSecret(&c.Password),
		"password_file": r.secretFile(&c.Password),
		"from":          r.text(&c.From, namedMailAddress),
	})
	r.need(n, at, given, "address", "from")
	if given["username"] != nil {
		r.needSecret(n, at, given, "password")
	} else if given["password"] != nil || given["password_file"] != nil {
		r.fault(n, join(at, "username"), "is needed beside a password")
	}
	return c
}

func (r *reader) mailbox(n *yaml.Node, at string, names map[string]int, stores *storeIndex) MailboxConfig {
	m := r.anyMailbox(n, at, names, stores)
	if n.Kind == yaml.MappingNode && len(m.Route) == 0 {
		r.fault(n, join(at, "route"), "is needed here: which mail goes to which store; a mailbox of one store stands under that store")
	}
	return m
}

// anyMailbox reads a mailbox. One that stands under its store has no route, and stores is nil.
func (r *reader) anyMailbox(n *yaml.Node, at string, names map[string]int, stores *storeIndex) MailboxConfig {
	m := MailboxConfig{
		Role: mailboxLeads, TLS: mailbox.TLSImplicit, Folder: mailbox.DefaultFolder,
		PollInterval: mailbox.DefaultPollInterval, Start: mailbox.DefaultStart,
		After: map[ingest.Fate]string{ingest.FateLead: "keep", ingest.FateOther: "keep", ingest.FateQuarantined: "keep"},
		Trust: TrustConfig{Authentication: string(ingest.Off)},
	}
	mode := string(m.TLS)
	given := r.fields(n, at, map[string]field{
		"name":          r.unique(&m.Name, names, "mailbox", label),
		"role":          r.text(&m.Role, oneOf(mailboxLeads, mailboxConversation)),
		"address":       r.text(&m.Address, serverAddress),
		"tls":           r.text(&mode, oneOf(string(mailbox.TLSImplicit), string(mailbox.TLSStartTLS), string(mailbox.TLSNone))),
		"ca_file":       r.caFile(&m.CAFile),
		"username":      r.text(&m.Username, filled),
		"password":      r.inlineSecret(&m.Password),
		"password_file": r.secretFile(&m.Password),
		"oauth2":        func(n *yaml.Node, at string) { m.OAuth2 = r.oauth2(n, at) },
		"folder":        r.text(&m.Folder, filled),
		"sent_folder":   r.text(&m.SentFolder),
		"poll_interval": r.duration(&m.PollInterval, time.Second),
		"start":         r.start(&m.Start),
		"after": func(n *yaml.Node, at string) {
			known := map[string]field{}
			for fate := range m.After {
				known[string(fate)] = r.after(m.After, fate)
			}
			r.fields(n, at, known)
		},
		"trust": func(n *yaml.Node, at string) {
			r.fields(n, at, map[string]field{
				"from":           r.texts(&m.Trust.From, senderPattern),
				"authentication": r.text(&m.Trust.Authentication, oneOf(string(ingest.Off), string(ingest.Warn), string(ingest.Require))),
				"authserv_id":    r.text(&m.Trust.AuthservID, serverID),
				"limit":          r.limit(&m.Trust.Limit),
				"salesperson":    r.texts(&m.Trust.Salesperson, sourceSlug),
			})
		},
		"route": func(n *yaml.Node, at string) {
			if stores == nil {
				r.fault(n, at, "belongs to a mailbox that feeds several stores, under mailboxes at the top of the file")
				return
			}
			m.Route = r.route(n, at, stores)
		},
	})
	m.TLS = mailbox.TLSMode(mode)
	r.need(n, at, given, "name", "address", "username")
	if given["oauth2"] == nil {
		r.needSecret(n, at, given, "password")
	} else if given["password"] != nil || given["password_file"] != nil {
		r.fault(n, at, "give a password or oauth2, not both")
	}
	if host, _, err := net.SplitHostPort(m.Address); err == nil && m.TLS == mailbox.TLSNone && !loopback(host) {
		r.fault(given["tls"], join(at, "tls"), "none would send the password to %s for all to read: use implicit or starttls", host)
	}
	for fate, action := range m.After {
		if folder, ok := strings.CutPrefix(action, "move:"); ok && strings.EqualFold(folder, m.Folder) {
			r.fault(given["after"], join(join(at, "after"), string(fate)), "moves mail into the folder that is read")
		}
	}
	if m.SentFolder != "" && strings.EqualFold(m.SentFolder, m.Folder) {
		r.fault(given["sent_folder"], join(at, "sent_folder"), "is the folder that is read for leads")
	}
	return m
}

func (r *reader) oauth2(n *yaml.Node, at string) *OAuth2Config {
	c := &OAuth2Config{}
	given := r.fields(n, at, map[string]field{
		"provider":             r.text(&c.Provider, oneOf(mailbox.Google, mailbox.Microsoft, mailbox.Custom)),
		"client_id":            r.text(&c.ClientID, filled),
		"client_secret":        r.inlineSecret(&c.ClientSecret),
		"client_secret_file":   r.secretFile(&c.ClientSecret),
		"tenant":               r.text(&c.Tenant, filled),
		"token_url":            r.text(&c.TokenURL, tokenURL),
		"scopes":               r.texts(&c.Scopes, filled),
		"token":                r.inlineSecret(&c.Token),
		"token_file":           r.secretFile(&c.Token),
		"service_account":      r.inlineSecret(&c.ServiceAccount),
		"service_account_file": r.secretFile(&c.ServiceAccount),
	})
	has := func(name string) bool { return given[name] != nil || given[name+"_file"] != nil }
	r.need(n, at, given, "provider")
	r.oneSecret(at, given, "token")
	r.oneSecret(at, given, "client_secret")
	r.oneSecret(at, given, "service_account")
	account := has("service_account")
	switch {
	case account && c.Provider != mailbox.Google:
		r.fault(n, join(at, "service_account_file"), "is Google's alone")
	case account && (has("token") || has("client_secret")):
		r.fault(n, join(at, "service_account_file"), "signs in by itself: take token_file and client_secret_file out")
	case account:
	case c.Provider == mailbox.Google && c.TokenURL == "" && !has("token"):
		r.fault(n, at, "a token_file (a refresh token) or a service_account_file is needed")
	case !has("token") && !has("client_secret"):
		r.fault(n, at, "a token_file (a refresh token) or a client_secret_file is needed")
	}
	if !account {
		r.need(n, at, given, "client_id")
	}
	switch {
	case c.Provider == mailbox.Microsoft && given["token_url"] == nil:
		r.need(n, at, given, "tenant")
	case c.Provider == mailbox.Custom:
		r.need(n, at, given, "token_url")
	}
	return c
}

func (r *reader) route(n *yaml.Node, at string, stores *storeIndex) (rules []RouteConfig) {
	rest := 0 // the line of the else
	r.list(func(n *yaml.Node, at string) {
		var x RouteConfig
		known := x.fields(r)
		known["store"] = r.storeID(&x.Store, stores)
		known["else"] = func(n *yaml.Node, at string) {
			if n.Value == elseQuarantine {
				x.Else = elseQuarantine
				return
			}
			r.storeID(&x.Else, stores)(n, at)
		}
		given := r.fields(n, at, known)
		switch {
		case rest > 0:
			r.fault(n, at, "is never reached: else on line %d takes everything", rest)
		case given["else"] != nil:
			rest = n.Line
			if len(given) > 1 {
				r.fault(n, at, "else stands alone")
			}
		case given["store"] == nil:
			r.fault(n, join(at, "store"), "is needed, or else")
		case len(given) == 1:
			r.fault(n, at, "matches nothing: add to, vendor or provider, or write else: STORE")
		}
		rules = append(rules, x)
	})(n, at)
	return rules
}

// fields are those of a match.
func (m *MatchConfig) fields(r *reader) map[string]field {
	return map[string]field{
		"to":       r.text(&m.To, filled),
		"vendor":   r.text(&m.Vendor, filled),
		"provider": r.text(&m.Provider, filled),
	}
}

func (r *reader) store(n *yaml.Node, at string, boxes map[string]int, stores *storeIndex) StoreConfig {
	s := StoreConfig{
		Mode: modeLive, Country: "US", Location: time.UTC,
		Routing: router.DefaultRouting, Duplicates: router.DefaultDuplicates,
	}
	var week hours.Week
	exceptions := map[hours.Date][]hours.Span{}
	people := func(into *[]PersonConfig, sells bool) field {
		ids := map[string]int{}
		return r.list(func(n *yaml.Node, at string) { *into = append(*into, r.person(n, at, ids, sells)) })
	}
	given := r.fields(n, at, map[string]field{
		"id":         r.unique(&s.ID, stores.line, "store", identifier, notReserved),
		"name":       r.text(&s.Name, filled),
		"mode":       r.text(&s.Mode, oneOf(modeLive, modeShadow)),
		"timezone":   r.zone(&s),
		"country":    r.text(&s.Country, country),
		"hours":      r.week(&week, &s.Week),
		"exceptions": r.exceptions(exceptions, &s.Exceptions),
		"managers":   people(&s.Managers, false),
		"roster":     people(&s.Roster, true),
		"mailboxes": r.list(func(n *yaml.Node, at string) {
			s.Mailboxes = append(s.Mailboxes, r.anyMailbox(n, at, boxes, nil))
		}),
		"desks":   r.desks(&s.Desks),
		"routing": func(n *yaml.Node, at string) { r.routing(n, at, &s.Routing) },
		"duplicates": func(n *yaml.Node, at string) {
			r.fields(n, at, map[string]field{
				"created_within":      r.duration(&s.Duplicates.CreatedWithin, time.Second),
				"active_within":       r.duration(&s.Duplicates.ActiveWithin, time.Second),
				"same_enquiry_within": r.duration(&s.Duplicates.SameEnquiryWithin, 0),
			})
		},
		"notify":  func(n *yaml.Node, _ string) { s.Notify = n },
		"forward": func(n *yaml.Node, _ string) { s.Forward = n },
	})
	r.need(n, at, given, "id", "timezone", "roster")
	if list := given["roster"]; list != nil && list.Kind == yaml.SequenceNode && len(list.Content) == 0 {
		r.fault(list, join(at, "roster"), "at least one salesperson is needed")
	}
	if given["exceptions"] != nil && given["hours"] == nil {
		r.fault(given["exceptions"], join(at, "exceptions"), "need hours that they are exceptions from")
	}
	for i, p := range s.Roster {
		if m := slices.IndexFunc(s.Managers, func(m PersonConfig) bool { return m.ID == p.ID }); m >= 0 && p.ID != "" &&
			(s.Managers[m].Name != p.Name || s.Managers[m].Email != p.Email) {
			r.fault(given["roster"].Content[i], at+".roster["+strconv.Itoa(i)+"]",
				"%s is a manager too, with another name or email: whoever does both stands the same in both lists", p.ID)
		}
	}
	if s.Name == "" {
		s.Name = s.ID
	}
	s.calendars(week, exceptions)
	return s
}

// calendars turns what was read into the calendars of the store and its people, now that the time zone is known.
func (s *StoreConfig) calendars(week hours.Week, exceptions map[hours.Date][]hours.Span) {
	open := hours.Always(s.Location)
	if s.Week != nil {
		s.Hours = hours.New(s.Location, week, exceptions)
		open = s.Hours
	}
	// A day on which the store is closed is a day off for people with a schedule of their own too.
	var closed []hours.DateRange
	for date, spans := range exceptions {
		if len(spans) == 0 {
			closed = append(closed, hours.DateRange{From: date, To: date})
		}
	}
	for _, list := range [][]PersonConfig{s.Managers, s.Roster} {
		for i := range list {
			p := &list[i]
			switch {
			case p.Week != nil:
				p.Calendar = hours.New(s.Location, p.week, nil).Except(slices.Concat(p.Away, closed))
			case len(p.Away) > 0:
				p.Calendar = open.Except(p.Away)
			}
		}
	}
}

func (r *reader) person(n *yaml.Node, at string, ids map[string]int, sells bool) PersonConfig {
	p := PersonConfig{Weight: 1}
	known := map[string]field{
		"id":    r.unique(&p.ID, ids, "person", identifier),
		"name":  r.text(&p.Name, filled),
		"email": r.text(&p.Email, mailAddress),
		"phone": r.text(&p.Phone, phone),
	}
	if sells {
		known["schedule"] = r.week(&p.week, &p.Week)
		known["away"] = r.list(func(n *yaml.Node, at string) { p.Away = append(p.Away, r.absence(n, at)) })
		known["weight"] = r.whole(&p.Weight, 1, maxWeight)
		known["max_untouched"] = r.whole(&p.MaxUntouched, 0, maxCount)
	}
	r.need(n, at, r.fields(n, at, known), "id")
	if p.Name == "" {
		p.Name = p.ID
	}
	return p
}

func (r *reader) absence(n *yaml.Node, at string) (away hours.DateRange) {
	given := r.fields(n, at, map[string]field{"from": r.date(&away.From), "to": r.date(&away.To)})
	r.need(n, at, given, "from", "to")
	if away.From != (hours.Date{}) && away.To != (hours.Date{}) && away.To.Compare(away.From) < 0 {
		r.fault(n, at, "ends on %s, before it begins on %s", away.To, away.From)
	}
	return away
}

func (r *reader) date(into *hours.Date) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		d, err := hours.ParseDate(s)
		if err != nil {
			r.fault(n, at, "%v", err)
			return
		}
		*into = d
	}
}

// week reads spans by day; text keeps what stands in the file.
func (r *reader) week(into *hours.Week, text *map[string]string) field {
	return func(n *yaml.Node, at string) {
		*text = map[string]string{}
		r.each(n, at, func(key, value *yaml.Node) {
			at := join(at, key.Value)
			spans, ok := r.scalar(value, at)
			if !ok {
				return
			}
			if err := into.Set(key.Value, spans); err != nil {
				r.fault(key, at, "%v", err)
			}
			(*text)[key.Value] = spans
		})
	}
}

func (r *reader) exceptions(into map[hours.Date][]hours.Span, text *map[string]string) field {
	return func(n *yaml.Node, at string) {
		*text = map[string]string{}
		r.each(n, at, func(key, value *yaml.Node) {
			at := join(at, key.Value)
			s, ok := r.scalar(value, at)
			if !ok {
				return
			}
			date, err := hours.ParseDate(key.Value)
			if err != nil {
				r.fault(key, at, "%v", err)
			}
			spans, err := hours.ParseSpans(s)
			if err != nil {
				r.fault(value, at, "%v", err)
			}
			into[date] = spans
			(*text)[key.Value] = s
		})
	}
}

func (r *reader) desks(into *map[string]DeskConfig) field {
	return func(n *yaml.Node, at string) {
		*into = map[string]DeskConfig{}
		r.each(n, at, func(key, value *yaml.Node) {
			at := join(at, key.Value)
			if wrong := identifier(key.Value); wrong != "" {
				r.fault(key, at, "%s", wrong)
			}
			if key.Value == "sales" {
				r.fault(key, at, "is the rotation itself and has no owner; name another desk")
			}
			var d DeskConfig
			given := r.fields(value, at, map[string]field{
				"owner": r.text(&d.Owner, identifier),
				"match": func(n *yaml.Node, at string) {
					if len(r.fields(n, at, d.Match.fields(r))) == 0 {
						r.fault(n, at, "matches nothing: add to, vendor or provider")
					}
				},
			})
			r.need(value, at, given, "owner", "match")
			(*into)[key.Value] = d
		})
	}
}

func (r *reader) routing(n *yaml.Node, at string, c *router.Routing) {
	pace := c.Pace("")
	bySource := func() {}
	known := r.pace(&pace)
	known["catch_up_max"] = r.whole(&c.CatchUpMax, 0, maxCount)
	known["opening_spacing"] = r.duration(&c.OpeningSpacing, 0)
	known["opening_grace"] = r.duration(&c.OpeningGrace, 0)
	known["manual_turns_free"] = r.yes(&c.ManualTurnsFree)
	known["by_source"] = func(n *yaml.Node, at string) {
		bySource = func() {
			c.BySource = map[string]router.Pace{}
			r.each(n, at, func(key, value *yaml.Node) {
				at := join(at, key.Value)
				if wrong := sourceSlug(key.Value); wrong != "" {
					r.fault(key, at, "%s", wrong)
				}
				own := pace
				r.target(r.fields(value, at, r.pace(&own)), at, own)
				c.BySource[key.Value] = own
			})
		}
	}
	r.target(r.fields(n, at, known), at, pace)
	c.ResponseTarget, c.WarnAfter, c.ReassignAfter, c.MaxRedeals = pace.ResponseTarget, pace.WarnAfter, pace.ReassignAfter, pace.MaxRedeals
	bySource() // what is not said there is as for all, wherever that stands
}

// pace reads the rules that a source may have of its own.
func (r *reader) pace(p *router.Pace) map[string]field {
	return map[string]field{
		"response_target": r.duration(&p.ResponseTarget, time.Second),
		"warn_after":      r.duration(&p.WarnAfter, 0),
		"reassign_after":  r.duration(&p.ReassignAfter, 0),
		"max_redeals":     r.whole(&p.MaxRedeals, 0, maxCount),
	}
}

func (r *reader) target(given map[string]*yaml.Node, at string, p router.Pace) {
	n := given["response_target"]
	switch {
	case n == nil:
	case p.ResponseTarget > maxTarget:
		r.fault(n, join(at, "response_target"), "must be at most %s", model.Duration(maxTarget))
	case p.ResponseTarget%time.Second != 0:
		r.fault(n, join(at, "response_target"), "must be whole seconds")
	}
}

// serverID is the name that a server gives itself in Authentication-Results, or mail.NoServerID.
func serverID(s string) string {
	if s == "" || len(s) > 253 || strings.ContainsAny(s, " \t;=()\"") {
		return "must be the name at the beginning of your mail server's Authentication-Results, such as mx.google.com, or " + mail.NoServerID + " for Microsoft 365, which writes none"
	}
	return ""
}
