package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/router"
	"leadfloor/router/hours"
)

var update = flag.Bool("update", false, "write what was got over the golden files")

// Each file under testdata/config/faults is wrong in its own way and has a golden file beside it: one line a fault.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/config/faults/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d fixtures: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c, err := Load(file)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("Load = %v, %v, want faults", c, err)
			}
			got := strings.ReplaceAll(err.Error(), filepath.Dir(file)+"/", "") + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".errors"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, string(want)); diff != "" {
				t.Errorf("faults (-got +want):\n%s", diff)
			}
			if strings.Contains(got, "opensesame") {
				t.Error("the faults show a secret")
			}
		})
	}
}

// minimal is all that a configuration needs.
const minimal = `
listen: 127.0.0.1:8080
redis: {url: "redis://127.0.0.1:6379/0"}
stores: [{id: main, timezone: America/Chicago, roster: [{id: alice}]}]
`

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse(filepath.Join("testdata", "config", "test.yaml"), []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	got := parse(t, `
redis: {url: redis://127.0.0.1}
stores:
  - id: main
    timezone: America/Chicago
    mailboxes: [{name: leads, address: "imap.example.com:993", username: u, password_file: secret}]
    roster: [{id: alice}]
`)
	if a := got.Redis.Address; a != "127.0.0.1:6379" {
		t.Errorf("Redis.Address = %q, want the usual port", a)
	}
	if s := got.Sources; s.Max != 20 {
		t.Errorf("Sources.Max = %d, want 20", s.Max)
	}
	if r, want := got.Retention, (RetentionConfig{30 * day, 730 * day, 2555 * day}); r != want {
		t.Errorf("Retention = %v, want %v", r, want)
	}
	s := got.Stores[0]
	if s.Name != "main" || s.Mode != "live" || s.Country != "US" || s.Hours != nil {
		t.Errorf("store = %q %q %q %v, want its id as name, live, US, no hours", s.Name, s.Mode, s.Country, s.Hours)
	}
	if diff := cmp.Diff(s.Routing, router.Routing{
		ResponseTarget: 5 * time.Minute, WarnAfter: 8 * time.Minute, MaxRedeals: 2, CatchUpMax: 1,
		OpeningSpacing: 30 * time.Second, OpeningGrace: 30 * time.Minute,
	}); diff != "" {
		t.Errorf("Routing (-got +want):\n%s", diff)
	}
	if want := (router.Duplicates{CreatedWithin: 365 * day, ActiveWithin: 120 * day, SameEnquiryWithin: 10 * time.Minute}); s.Duplicates != want {
		t.Errorf("Duplicates = %+v, want %+v", s.Duplicates, want)
	}
	if p := s.Roster[0]; p.Name != "alice" || p.Weight != 1 || p.MaxUntouched != 0 || p.Calendar != nil {
		t.Errorf("person = %+v, want the defaults", p)
	}
	m := s.Mailboxes[0]
	if m.Role != "leads" || m.TLS != mailbox.TLSImplicit || m.Folder != "INBOX" || m.PollInterval != time.Minute ||
		m.Start != mailbox.Start(day) || m.Trust.Authentication != "off" {
		t.Errorf("mailbox = %+v, want the defaults", m)
	}
	if diff := cmp.Diff(m.After, map[ingest.Fate]string{"lead": "keep", "other": "keep", "quarantined": "keep"}); diff != "" {
		t.Errorf("After (-got +want):\n%s", diff)
	}
}

// What is written counts: every field, as the example in the manual has it.
func TestParse(t *testing.T) {
	c, err := Load("testdata/config/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	date := func(s string) hours.Date {
		d, err := hours.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	type got struct {
		Listen, HealthListen, PublicURL string
		Redis                           RedisConfig
		Tokens                          []TokenConfig
		SMTP                            *SMTPConfig
		Sources                         router.Sources
		Retention                       RetentionConfig
		Route                           []RouteConfig
		Mailbox                         MailboxConfig
		Managers, Roster                []PersonConfig
		Desks                           map[string]DeskConfig
		Routing                         router.Routing
		Duplicates                      router.Duplicates
		Templates                       []mail.Template
	}
	s := c.Stores[0]
	want := got{
		Listen: "0.0.0.0:8080", HealthListen: "127.0.0.1:8081", PublicURL: "https://leads.example.com/floor",
		Redis: RedisConfig{Address: "redis.example.com:6380", DB: 3, Username: "leadfloor", TLS: true, WaitReplicas: 2, Strict: true},
		Tokens: []TokenConfig{
			{Name: "ops", Role: "admin"},
			{Name: "alice-phone", Role: "salesperson", Person: "alice", Stores: []string{"main-street"}},
		},
		SMTP:      &SMTPConfig{Address: "smtp.example.com:587", From: "Leads <leads@example.com>"},
		Sources:   router.Sources{Known: []string{"autotrader", "cargurus"}, Max: 30},
		Retention: RetentionConfig{Quarantined: 7 * day, Personal: 365 * day, Events: 1000 * day},
		Route: []RouteConfig{
			{MatchConfig: MatchConfig{To: "ford@*"}, Store: "main-street"},
			{MatchConfig: MatchConfig{Vendor: "Main Street*", Provider: "*"}, Store: "main-street"},
			{Else: "quarantine"},
		},
		Mailbox: MailboxConfig{
			Name: "leads", Role: "conversation", Address: "imap.example.com:143", TLS: mailbox.TLSStartTLS, Username: "leads@example.com",
			Folder: "Leads", SentFolder: "Sent", PollInterval: 30 * time.Second, Start: mailbox.Now,
			After: map[ingest.Fate]string{"lead": "move:Done", "other": "flag", "quarantined": "keep"},
			Trust: TrustConfig{From: []string{"*@autotrader.example"}, Authentication: "warn", AuthservID: "mx.example.com", Limit: router.Limit{Messages: 20, Per: time.Hour}, Salesperson: []string{"autotrader"}},
		},
		Managers: []PersonConfig{{ID: "mia", Name: "Mia", Email: "mia@example.com", Weight: 1}},
		Roster: []PersonConfig{
			{
				ID: "alice", Name: "Alice Ames", Email: "alice@example.com", Phone: "+1 312 555 0142", Weight: 2, MaxUntouched: 5,
				Week: map[string]string{"mon-fri": "09:00-17:00"},
				Away: []hours.DateRange{{From: date("2026-12-20"), To: date("2027-01-03")}},
			},
			{ID: "bob", Name: "bob", Weight: 1},
		},
		Desks: map[string]DeskConfig{"service": {Owner: "sam", Match: MatchConfig{Provider: "*Service*"}}},
		Routing: router.Routing{
			ResponseTarget: 10 * time.Minute, WarnAfter: 15 * time.Minute, ReassignAfter: 90 * time.Minute, MaxRedeals: 3,
			CatchUpMax: 2, OpeningSpacing: time.Minute, OpeningGrace: time.Hour, ManualTurnsFree: true,
			BySource: map[string]router.Pace{"autotrader": {ResponseTarget: 3 * time.Minute, WarnAfter: 15 * time.Minute, ReassignAfter: 90 * time.Minute}},
		},
		Duplicates: router.Duplicates{CreatedWithin: 200 * day, ActiveWithin: 60 * day, SameEnquiryWithin: 5 * time.Minute},
		Templates: []mail.Template{{
			Name: "Example Cars", From: []string{"*@leads.example"}, Subject: []string{"*enquiry*"}, Channel: "phone",
			Labels: map[string]string{"Kunde": "section.customer", "Fahrzeug": "vehicle"}, Lines: []string{"{vehicle.stock} at {vehicle.price}*"},
		}},
	}
	have := got{
		c.Listen, c.HealthListen, c.PublicURL, c.Redis, c.Auth.Tokens, c.SMTP, c.Sources, c.Retention, c.Mailboxes[0].Route,
		s.Mailboxes[0], s.Managers, s.Roster, s.Desks, s.Routing, s.Duplicates, c.Templates,
	}
	opts := cmp.Options{
		cmp.Comparer(func(Secret, Secret) bool { return true }), // TestSecret
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Calendar" || p.Last().String() == ".week" }, cmp.Ignore()),
	}
	if diff := cmp.Diff(have, want, opts); diff != "" {
		t.Errorf("configuration (-got +want):\n%s", diff)
	}
	if s.Notify == nil || s.Forward == nil {
		t.Error("notify and forward were not kept")
	}
}

func TestRedisURL(t *testing.T) {
	for url, want := range map[string]RedisConfig{
		"redis://127.0.0.1":                            {Address: "127.0.0.1:6379"},
		"redis://leadfloor@redis.example.com:6380/3":   {Address: "redis.example.com:6380", DB: 3, Username: "leadfloor"},
		"rediss://[::1]:6380":                          {Address: "[::1]:6380", TLS: true},
		"unix:///run/redis/redis.sock":                 {Address: "/run/redis/redis.sock"},
		"unix://leadfloor@/run/redis/redis.sock?db=12": {Address: "/run/redis/redis.sock", DB: 12, Username: "leadfloor"},
	} {
		if got := parse(t, strings.Replace(minimal, "redis://127.0.0.1:6379/0", url, 1)).Redis; !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, want %+v", url, got, want)
		}
	}
}

func TestStart(t *testing.T) {
	for text, want := range map[string]mailbox.Start{"all": mailbox.All, "now": mailbox.Now, "0s": mailbox.Now, "2d": mailbox.Start(2 * day)} {
		c := parse(t, `
redis: {url: redis://127.0.0.1}
stores:
  - id: main
    timezone: UTC
    roster: [{id: alice}]
    mailboxes: [{name: leads, address: "imap.example.com:993", username: u, password_file: secret, start: `+text+`}]
`)
		if got := c.Stores[0].Mailboxes[0].Start; got != want {
			t.Errorf("start %s = %v, want %v", text, got, want)
		}
	}
}

func TestCalendars(t *testing.T) {
	c := parse(t, `
listen: 127.0.0.1:8080
redis: {url: redis://127.0.0.1}
stores:
  - id: main
    hours: {mon-fri: "09:00-20:00"}
    exceptions: {2026-12-24: "09:00-13:00", 2026-12-25: closed}
    roster:
      - {id: alice, schedule: {mon-sun: "10:00-14:00"}, away: [{from: 2026-12-21, to: 2026-12-22}]}
      - {id: bob, away: [{from: 2026-12-23, to: 2026-12-23}]}
    timezone: America/Chicago
`)
	s := c.Stores[0]
	for _, test := range []struct {
		at                string // by the clock on the store's wall
		store, alice, bob bool
	}{
		{"2026-12-21 11:00", true, false, true},
		{"2026-12-22 11:00", true, false, true},
		{"2026-12-23 11:00", true, true, false},
		{"2026-12-23 19:00", true, false, false},
		{"2026-12-24 12:00", true, true, true},
		{"2026-12-24 13:30", false, true, false}, // alice has hours of her own; a short day does not move them
		{"2026-12-25 11:00", false, false, false},
		{"2026-12-26 11:00", false, true, false},
	} {
		at, err := time.ParseInLocation("2006-01-02 15:04", test.at, s.Location)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Hours.Open(at); got != test.store {
			t.Errorf("%s: the store is open = %t, want %t", test.at, got, test.store)
		}
		if got := s.Roster[0].Calendar.Open(at); got != test.alice {
			t.Errorf("%s: alice is on = %t, want %t", test.at, got, test.alice)
		}
		if got := s.Roster[1].Calendar.Open(at); got != test.bob {
			t.Errorf("%s: bob is on = %t, want %t", test.at, got, test.bob)
		}
	}
}

func TestAliasesAndMerges(t *testing.T) {
	c := parse(t, `
listen: 127.0.0.1:8080
redis: {url: redis://127.0.0.1}
stores:
  - &base
    id: north
    timezone: America/Chicago
    roster: &floor [{id: alice}, {id: bob}]
    routing: {response_target: 7m}
  - <<: *base
    id: south
    timezone: America/New_York
  - {id: west, timezone: America/Denver, roster: *floor}
`)
	var got []string
	for _, s := range c.Stores {
		got = append(got, fmt.Sprint(s.ID, " ", s.Timezone, " ", len(s.Roster), " ", s.Routing.ResponseTarget))
	}
	want := []string{"north America/Chicago 2 7m0s", "south America/New_York 2 7m0s", "west America/Denver 2 5m0s"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("stores (-got +want):\n%s", diff)
	}
}

// A small file must not be able to keep the daemon busy or fill its memory at a reload.
func TestHostileFilesEnd(t *testing.T) {
	people := "[" + strings.Repeat("{id: a}, ", 2000) + "]"
	stores := strings.Repeat("  - {id: s, timezone: UTC, roster: *p}\n", 5000)
	want := map[string]string{"aliases": "unfold to too much", "merge cycle": "nested too deep"}
	for name, text := range map[string]string{
		"aliases":     "listen: 127.0.0.1:1\nredis: {url: redis://h}\npublic_url: &p " + people + "\nstores:\n" + stores,
		"alias cycle": "listen: 127.0.0.1:1\nredis: {url: redis://h}\nstores: &s\n  - {id: a, timezone: UTC, roster: *s}\n",
		"merge cycle": "listen: 127.0.0.1:1\nredis: &r\n  url: redis://h\n  <<: *r\nstores: []\n",
		"nesting":     "stores: " + strings.Repeat("[", 20_000),
		"size":        strings.Repeat("# a comment\n", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("test.yaml", []byte(text))
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("Parse: %v, want faults", err)
			}
			if len(faults) > maxFaults {
				t.Errorf("%d faults, want at most %d", len(faults), maxFaults)
			}
			if !strings.Contains(err.Error(), want[name]) {
				t.Errorf("Parse: %.300v, want %q among the faults", err, want[name])
			}
		})
	}
}

func TestHash(t *testing.T) {
	t.Setenv("LEADFLOOR_TEST_SECRET", "opensesame")
	base := parse(t, minimal).Hash()
	for _, test := range []struct {
		name, text string
		same       bool
	}{
		{"layout and comments", "# a floor\nstores:\n  - roster:\n    - id: alice\n    timezone: America/Chicago\n    id: main\nredis:\n  url: redis://127.0.0.1:6379/0\nlisten: 127.0.0.1:8080\n", true},
		{"a default written out", strings.Replace(minimal, "{id: alice}", "{id: alice, weight: 1}", 1), true},
		{"another listen address", strings.Replace(minimal, "8080", "8081", 1), true},
		{"notify, which does nothing yet", strings.Replace(minimal, "{id: main,", "{id: main, notify: {x: 1},", 1), true},
		{"a weight", strings.Replace(minimal, "{id: alice}", "{id: alice, weight: 2}", 1), false},
		{"an email", strings.Replace(minimal, "{id: alice}", "{id: alice, email: a@example.com}", 1), false},
		{"hours", strings.Replace(minimal, "{id: main,", "{id: main, hours: {mon: closed},", 1), false},
		{"another zone", strings.Replace(minimal, "Chicago", "Denver", 1), false},
		{"a template", minimal + "templates: [{name: x, from: ['*@x.example']}]\n", false},
		{"another Redis", strings.Replace(minimal, "6379", "6380", 1), false},
	} {
		if got := parse(t, test.text).Hash() == base; got != test.same {
			t.Errorf("%s: the same hash = %t, want %t", test.name, got, test.same)
		}
	}
	secret := strings.Replace(minimal, `/0"`, `/0", password: "${LEADFLOOR_TEST_SECRET}"`, 1)
	file := strings.Replace(minimal, `/0"`, `/0", password_file: secret`, 1)
	if a, b := parse(t, secret).Hash(), parse(t, file).Hash(); a != b {
		t.Errorf("hashes %x and %x differ by the place of a secret", a, b)
	}
	if h := parse(t, minimal).Hash(); h>>48 != 0 {
		t.Errorf("Hash = %x, want at most 48 bits", h)
	}
}

func TestWarnings(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string // parts, in order
	}{
		{"a good file", `
listen: 127.0.0.1:8080
redis: {url: redis://127.0.0.1}
stores: [{id: main, timezone: UTC, hours: {mon-fri: "09:00-20:00"}, managers: [{id: mia, email: mia@example.com}], roster: [{id: alice}, {id: mia, email: mia@example.com}]}]
`, nil},
		{"as little as possible", minimal, []string{"always open", "alice, the first on the roster"}},
		{"everything", `
redis: {sentinel: {master: m, addresses: ["127.0.0.1:26379"]}}
stores:
  - id: main
    timezone: UTC
    mailboxes:
      - {name: leads, address: "imap.example.com:993", username: u, oauth2: {provider: google, client_id: x, token_file: secret}, start: all}
    roster: [{id: alice, email: floor@example.com}, {id: bob, email: floor@example.com}]
    desks: {service: {owner: sam, match: {provider: "*Service*"}}}
    routing: {reassign_after: 5m}
    duplicates: {created_within: 10d}
    notify: {...}
    forward: [...]
`, []string{
			"no pages", "wait_replicas", "start is all", "always open", "first on the roster", "alice and bob have the same email",
			"desk service goes to sam", "no way to see that people answered", "nobody is warned", "created_within", "notify", "forward",
		}},
		{"a token sees answers", `
listen: 127.0.0.1:8080
redis: {url: redis://127.0.0.1}
auth: {tokens: [{name: floor, role: salesperson, token_file: secret}]}
stores: [{id: main, timezone: UTC, hours: {mon: closed}, managers: [{id: mia}], roster: [{id: alice}], routing: {reassign_after: 1h}}]
`, []string{"bound to nobody"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := parse(t, test.text).Warnings()
			if len(got) != len(test.want) {
				t.Fatalf("warnings = %q, want %d", got, len(test.want))
			}
			for i := range got {
				if !strings.Contains(got[i], test.want[i]) {
					t.Errorf("warning %d = %q, want one with %q", i, got[i], test.want[i])
				}
			}
		})
	}
	var many strings.Builder
	for i := range 12 {
		fmt.Fprintf(&many, "  - {id: s%d, timezone: UTC, hours: {mon: closed}, managers: [{id: m}], roster: [{id: a}], routing: {response_target: %dm}}\n", i, i+1)
	}
	got := parse(t, "listen: 127.0.0.1:1\nredis: {url: redis://h}\nstores:\n"+many.String()).Warnings()
	if len(got) != 1 || !strings.Contains(got[0], "12 different response targets") {
		t.Errorf("warnings = %q, want one of the response targets", got)
	}
}

func TestSecret(t *testing.T) {
	const value = "opensesame"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte(value+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LEADFLOOR_TEST_SECRET", value)
	t.Setenv("LEADFLOOR_TEST_DIR", dir)
	t.Setenv("LEADFLOOR_TEST_URL", "rediss://user:"+value+"@redis.example.com/1")
	for name, redis := range map[string]string{
		"file":                    "{url: redis://h, password_file: " + filepath.Join(dir, "pw") + "}",
		"file beside a variable":  `{url: redis://h, password_file: "${LEADFLOOR_TEST_DIR}/pw"}`,
		"variable":                `{url: redis://h, password: "${LEADFLOOR_TEST_SECRET}"}`,
		"variable within the url": `{url: "redis://:${LEADFLOOR_TEST_SECRET}@h"}`,
		"variable for the url":    `{url: "${LEADFLOOR_TEST_URL}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := parse(t, "listen: 127.0.0.1:1\nredis: "+redis+"\nstores: [{id: main, timezone: UTC, roster: [{id: alice}]}]\n")
			got, err := c.Redis.Password.Read()
			if err != nil || got != value {
				t.Errorf("Read = %q, %v, want the secret", got, err)
			}
			js, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			var logged strings.Builder
			slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "config", c, "password", c.Redis.Password)
			slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "config", c, "password", c.Redis.Password)
			for _, text := range []string{
				string(js), logged.String(), c.Redis.Password.String(),
				fmt.Sprintf("%v %+v %#v %+v %s %q %x", c, c, c, c.Redis, c.Redis.Password, c.Redis.Password, c.Redis.Password),
			} {
				if strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) {
					t.Errorf("the secret shows in %q", text)
				}
			}
		})
	}
}

// A secret that is rotated while the daemon runs counts at its next use; one that has gone is an error without its content.
func TestSecretIsReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pw")
	s := fileSecret(path, "pw")
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read(); got != want || err != nil {
			t.Errorf("Read = %q, %v, want %q", got, err, want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(); err == nil || err.Error() != `read secret file "pw": no such file or directory` {
		t.Errorf("Read = %v, want an error that names the file as it was written", err)
	}
	if err := os.WriteFile(path, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(); err == nil {
		t.Error("Read took a file that is too large")
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "none.yaml") || !strings.Contains(err.Error(), "--config") {
		t.Errorf("Load = %v, want an error that names the file and --config", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal)
	for _, pattern := range []string{"testdata/config/*.yaml", "testdata/config/faults/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(b))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("testdata/config/fuzz.yaml", []byte(text))
		var faults Faults
		switch {
		case (c == nil) == (err == nil):
			t.Errorf("Parse = %v, %v, want one of both", c, err)
		case err != nil && !errors.As(err, &faults):
			t.Errorf("Parse: %v, want Faults", err)
		case err == nil:
			c.Warnings()
			c.Hash()
		}
		for i, x := range faults {
			if i > 0 && x.Line < faults[i-1].Line {
				t.Errorf("fault on line %d comes after one on line %d", x.Line, faults[i-1].Line)
			}
			if x.Text == "" || strings.ContainsAny(x.String(), "\n\x1b") {
				t.Errorf("fault %q is not one plain line", x)
			}
		}
	})
}
