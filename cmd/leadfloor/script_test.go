package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rogpeppe/go-internal/testscript"

	"leadfloor/adf/mail"
	"leadfloor/ingest"
	"leadfloor/router"
	"leadfloor/router/rdb"
	"leadfloor/router/routertest"
)

// scriptConfig is a store of three salespeople who are always on, unless a script brings a leadfloor.yaml of its own.
const scriptConfig = `redis: {url: "redis://REDIS/0"}
stores:
  - id: main-street
    name: Main Street Motors
    timezone: America/Chicago
    managers: [{id: mia, name: Mia}]
    roster: [{id: alice, name: Alice Ames}, {id: bob, name: Bob}, {id: carol}]
    mailboxes: [{name: leads, address: "127.0.0.1:1", tls: none, username: leads, password_file: secret}]
`

// scriptStart is the time at which every script begins: Monday noon in Chicago.
var scriptStart = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)

const coverVariable = "GOCOVERDIR"

// TestScripts runs the command as users do, each script against a Redis of its own whose clock stands still. Beside the usual words a
// script has:
//
//	exits CODE ARG...     runs leadfloor; leadfloor ARG... is short for exits 0
//	seed N [store=ID] [message=M] [source=S] [ago=DURATION] [name=none] [email=none]
//	                      takes the enquiry of the customer N and sets LEADN to its lead
//	park ID [store=ID] other|quarantined REASON
//	deliver UID FILE      has the daemon's way in decide a mail of the mailbox leads, and sets MESSAGEUID to the id under which it is held if it is
//	settle MAILBOX VALIDITY FATE UID...
//	clock DURATION        lets time pass
//	redis ARG...          one command on the Redis
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			w, err := newScriptWorld(env.WorkDir)
			if err != nil {
				return err
			}
			env.Defer(w.close)
			env.Values["world"] = w
			env.Vars = append(env.Vars, asCommand+"=1", configVariable+"="+filepath.Join(env.WorkDir, "leadfloor.yaml"),
				// A test binary built with -cover complains on standard error where it does not know where to put what it counted.
				coverVariable+"="+cmp.Or(os.Getenv(coverVariable), filepath.Join(env.WorkDir, ".tmp")))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"leadfloor": func(ts *testscript.TestScript, neg bool, args []string) {
				exits(ts, neg, append([]string{"0"}, args...))
			},
			"exits":   exits,
			"seed":    within((*scriptWorld).seed),
			"park":    within((*scriptWorld).park),
			"deliver": within((*scriptWorld).deliver),
			"settle":  within((*scriptWorld).settle),
			"clock":   within((*scriptWorld).clock),
			"redis":   within((*scriptWorld).redis),
		},
		RequireExplicitExec: true,
		UpdateScripts:       *update,
	})
}

// exits runs the command and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	self, err := os.Executable()
	ts.Check(err)
	got := 0
	if err := ts.Exec(self, args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("run leadfloor: %v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code = %d, want %d", got, want)
	}
}

// A scriptWorld is the Redis of one script and what writes to it in place of the daemon.
type scriptWorld struct {
	server *miniredis.Miniredis
	client *redis.Client
	now    time.Time
	router *router.Router
	ledger *rdb.Ledger
	config *Config
}

// newScriptWorld makes a world for the configuration in dir, or scriptConfig, which it writes there.
func newScriptWorld(dir string) (*scriptWorld, error) {
	w := &scriptWorld{server: miniredis.NewMiniRedis(), now: scriptStart}
	if err := w.server.Start(); err != nil {
		return nil, err
	}
	w.server.SetTime(w.now)
	w.client = redis.NewClient(&redis.Options{Addr: w.server.Addr()})
	if err := w.configure(dir); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *scriptWorld) close() {
	_ = w.client.Close() // nothing is lost by it
	w.server.Close()
}

func (w *scriptWorld) configure(dir string) error {
	path := filepath.Join(dir, "leadfloor.yaml")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text, err = []byte(scriptConfig), nil
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("for tests only\n"), 0o600); err != nil {
		return err
	}
	text = []byte(strings.ReplaceAll(string(text), "REDIS", w.server.Addr()))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	c, err := Load(path)
	if err != nil {
		return err
	}
	store := rdb.New(w.client, rdb.Options{Now: func() time.Time { return w.now }})
	w.router, w.ledger, w.config = router.New(store, c.rooftops()), rdb.NewLedger(store), c
	return nil
}

// within makes a word of a script from a method.
func within(f func(w *scriptWorld, ts *testscript.TestScript, args []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		w := ts.Value("world").(*scriptWorld)
		if neg {
			ts.Fatalf("cannot be negated")
		}
		if err := f(w, ts, args); err != nil {
			ts.Fatalf("%s: %v", strings.Join(args, " "), err)
		}
	}
}

// options splits key=value words from the others.
func options(args []string) (words []string, with map[string]string) {
	with = map[string]string{"store": "main-street"}
	for _, a := range args {
		if k, v, ok := strings.Cut(a, "="); ok {
			with[k] = v
		} else {
			words = append(words, a)
		}
	}
	return words, with
}

func (w *scriptWorld) seed(ts *testscript.TestScript, args []string) error {
	words, with := options(args)
	if len(words) != 1 {
		return errors.New("usage: seed N [key=value...]")
	}
	n, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	a := routertest.Arrival(n, w.now)
	if ago := with["ago"]; ago != "" {
		d, err := time.ParseDuration(ago)
		if err != nil {
			return err
		}
		a.At = w.now.Add(-d)
	}
	if m := with["message"]; m != "" {
		a.Token, a.Place, a.Enquiry.IDs = m, m, []router.ID{{Value: m, Source: "Autotrader"}}
	}
	if s := with["source"]; s != "" {
		a.Source = s
	}
	if with["name"] == "none" {
		a.Enquiry.Customer.Name = router.Name{}
	}
	if with["email"] == "none" {
		a.Enquiry.Customer.Emails = nil
	}
	taken, err := w.router.Take(context.Background(), with["store"], a)
	if err != nil {
		return err
	}
	ts.Setenv("LEAD"+words[0], taken.Lead)
	return nil
}

func (w *scriptWorld) park(_ *testscript.TestScript, args []string) error {
	words, with := options(args)
	if len(words) != 3 {
		return errors.New("usage: park ID other|quarantined REASON")
	}
	_, err := w.router.Park(context.Background(), with["store"], words[0], words[0], router.Parked{
		Fate: words[1], Reason: words[2], Where: "leads/7/" + words[0], Arrived: w.now, Size: 1234, Raw: []byte("a message"), KeepFor: time.Hour,
	})
	return err
}

func (w *scriptWorld) deliver(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: deliver UID FILE")
	}
	uid, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return err
	}
	raw := []byte(ts.ReadFile(args[1]))
	in := ingest.New(w.router, w.config.intake(), deaf{}, slog.New(slog.DiscardHandler))
	if _, err := in.Handle(context.Background(), ingest.Message{
		Place: ingest.Place{Mailbox: "leads", UIDValidity: 7, UID: uint32(uid)}, Arrived: w.now, Raw: raw,
	}); err != nil {
		return err
	}
	digest := mail.Digest(raw)
	id, err := w.router.HeldID(context.Background(), "main-street", hex.EncodeToString(digest[:]))
	ts.Setenv("MESSAGE"+args[0], id)
	return err
}

func (w *scriptWorld) settle(_ *testscript.TestScript, args []string) error {
	if len(args) < 4 {
		return errors.New("usage: settle MAILBOX VALIDITY FATE UID...")
	}
	validity, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return err
	}
	var places []rdb.Place
	for _, a := range args[3:] {
		uid, err := strconv.ParseUint(a, 10, 32)
		if err != nil {
			return err
		}
		places = append(places, rdb.Place{UID: uint32(uid), Fate: args[2], At: w.now})
	}
	return w.ledger.Settle(context.Background(), args[0], 1, uint32(validity), places)
}

func (w *scriptWorld) clock(_ *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: clock DURATION")
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	w.now = w.now.Add(d)
	w.server.SetTime(w.now)
	for _, f := range w.router.Rooftops() {
		if _, err := w.router.Tick(context.Background(), f.ID); err != nil {
			return err
		}
	}
	return nil
}

func (w *scriptWorld) redis(_ *testscript.TestScript, args []string) error {
	all := make([]any, len(args))
	for i, a := range args {
		all[i] = a
	}
	if err := w.client.Do(context.Background(), all...).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}
