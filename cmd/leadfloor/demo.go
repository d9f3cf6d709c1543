package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/spf13/cobra"

	"leadfloor/ingest"
)

const demoLong = `demo runs the whole job with nothing installed. An IMAP server and a store that speaks Redis' protocol live inside the process; between
them runs the daemon itself, as serve runs it. Mail arrives over IMAP: leads of several vendors in many shapes, broken ones, the same
again, customers who come back, newsletters. Five invented salespeople and their manager work through the API: one is quick, one is slow,
one forgets. A second stands for about a minute, so that all of it happens soon.

Without --exit the daemon goes on until it is interrupted; --for then ends the mail alone. With --exit the demo ends after --for, or a
minute. Either way it ends with a summary that holds what was sent against what became of it. The exit code is 1 if the books do not
balance.`

const demoExample = `  leadfloor demo
  leadfloor demo --rate 300 --for 30s --exit
  leadfloor demo --listen 127.0.0.1:9000`

// demoListen is where the daemon listens unless told. If it is taken, any free port does.
const demoListen = "127.0.0.1:8080"

// The bounds of --rate, mails a minute, and how long a demo with --exit lasts unless told.
const (
	maxRate      = 6000
	demoDuration = time.Minute
)

type demoOptions struct {
	listen  string
	anyPort bool // listen was not asked for
	rate    int  // mails a minute
	lasts   time.Duration
	exit    bool
	seed    uint64
}

func newDemoCmd(e *env) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use: "demo", Short: "Show the daemon at work, with nothing installed", Long: demoLong, Example: demoExample,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.rate < 1 || o.rate > maxRate:
				return fmt.Errorf("--rate %d: want 1 to %d mails a minute", o.rate, maxRate)
			case o.lasts < 0:
				return fmt.Errorf("--for %s: want a duration such as 20s", o.lasts)
			case listenAddress(o.listen) != "" || o.listen == "":
				return fmt.Errorf("--listen %q: want HOST:PORT, such as %s", o.listen, demoListen)
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.anyPort = !cmd.Flags().Changed("listen")
			if o.exit && o.lasts == 0 {
				o.lasts = demoDuration
			}
			if !cmd.Flags().Changed("seed") {
				o.seed = mrand.Uint64N(1e6)
			}
			return o.run(cmd.Context(), e)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", demoListen, "`ADDR` of API and metrics; unless given, a free port is taken where this one is taken")
	f.IntVar(&o.rate, "rate", 60, "mails `PER_MINUTE`")
	f.DurationVar(&o.lasts, "for", 0, "how long mail comes; 0: until interrupted")
	f.BoolVar(&o.exit, "exit", false, "end after --for, or a minute, with a summary; 1 if the books do not balance")
	f.Uint64Var(&o.seed, "seed", 0, "mail like that of another run")
	_ = f.MarkHidden("seed") // it is defined one line above
	return cmd
}

// run is the demo from beginning to end.
func (o demoOptions) run(ctx context.Context, e *env) (err error) {
	g, err := newGround(o.place())
	if err != nil {
		return fmt.Errorf("prepare the demo: %w", err)
	}
	defer func() { err = errors.Join(err, g.close()) }()
	log, err := g.log(e.stderr)
	if err != nil {
		return err
	}
	cfg, err := Load(g.config)
	if err != nil {
		return err
	}
	d, err := startDemo(ctx, cfg, g, log)
	if err != nil {
		return err
	}
	defer func() { _ = d.stop() }() // where it failed, its error was returned
	books, err := cfg.open(ctx)
	if err != nil {
		return err
	}
	defer books.Close()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: len(habits) + 1}}
	defer client.CloseIdleConnections()
	people, boss, err := newStaff(d.url, g.token, client, o.seed, log)
	if err != nil {
		return err
	}
	letters, err := g.postman(newMailer(o.seed, time.Now))
	if err != nil {
		return err
	}
	defer letters.close()

	out := newScreen(e.stdout)
	o.greet(out, g, d.url)
	began := time.Now()
	live := &teller{books: books, out: out, last: map[string]string{}}
	watch, blind := context.WithCancel(context.WithoutCancel(ctx))
	defer blind()
	var watching sync.WaitGroup
	watching.Go(func() { live.run(watch) })

	o.work(ctx, d, letters, people, boss)
	letters.settled(d.life, books)
	blind()
	watching.Wait()
	client.CloseIdleConnections()
	// The books are read when nobody writes any more, as after any other run of the daemon.
	if err := d.stop(); err != nil {
		return err
	}
	s, err := summarize(context.WithoutCancel(ctx), &session{books: books, config: cfg}, letters, people.calls)
	if err != nil {
		return err
	}
	if err := s.write(out, o.seed, time.Since(began)); err != nil {
		return err
	}
	if letters.fault != nil {
		return letters.fault
	}
	if len(s.faults) > 0 {
		return errFound
	}
	return nil
}

// place is where the daemon is to listen.
func (o demoOptions) place() string {
	if o.anyPort {
		l, err := net.Listen("tcp", o.listen)
		if err != nil {
			return "127.0.0.1:0"
		}
		l.Close()
	}
	return o.listen
}

// work lets mail come and people work until the time is over, ctx ends, or the daemon does.
func (o demoOptions) work(ctx context.Context, d *demoDaemon, letters *postman, people *staff, boss *manager) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	mail := ctx
	if o.lasts > 0 {
		var end context.CancelFunc
		mail, end = context.WithTimeout(ctx, o.lasts)
		defer end()
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		letters.run(mail, o.rate)
		if o.exit || letters.fault != nil {
			stop()
		}
	})
	wg.Go(func() { people.run(ctx, boss, o.rate) })
	select {
	case <-ctx.Done():
	case <-d.ended:
		stop()
	}
	wg.Wait()
}

// greet says where to look.
func (o demoOptions) greet(out *screen, g *ground, url string) {
	end := "Ctrl-C, which prints a summary"
	switch {
	case o.exit:
		end = fmt.Sprintf("ends by itself in %s; Ctrl-C ends it sooner", o.lasts)
	case o.lasts > 0:
		end += fmt.Sprintf("; mail stops after %s", o.lasts)
	}
	var who []string
	for _, h := range habits {
		who = append(who, fmt.Sprintf("%s (%s)", h.id, h.says))
	}
	out.printf("", "leadfloor demo: Main Street Motors, %d mails a minute, all within this process\n\n  people   %s; %s manages\n"+
		"  metrics  %s/metrics\n  API      curl -H 'Authorization: Bearer %s' %s/api/v1/stores/%s/floor\n"+
		"  config   %s (other commands take it with --config)\n  log      %s\n  stop     %s\n\n",
		o.rate, strings.Join(who, ", "), managerID, url, g.secrets[visitor], url, demoStore, g.config, g.logFile, end)
}

// A demoDaemon is the daemon as serve runs it.
type demoDaemon struct {
	url    string
	life   context.Context // ends with it
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once it has ended
}

// startDemo runs serve until stop is called. It outlives ctx, so that what is in hand then can be finished.
func startDemo(ctx context.Context, cfg *Config, g *ground, log *slog.Logger) (*demoDaemon, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &demoDaemon{life: life, cancel: cancel, ended: make(chan struct{})}
	ready := make(chan string, 1)
	go func() {
		defer close(d.ended)
		defer cancel()
		d.err = serve(life, cfg, func() (*Config, error) { return Load(g.config) }, "", log, func(_ *daemon, addr string) { ready <- addr })
	}()
	select {
	case addr := <-ready:
		d.url = "http://" + reachable(addr)
		return d, nil
	case <-d.ended:
		return nil, d.err
	}
}

// stop ends the daemon and waits for it. It may be called twice.
func (d *demoDaemon) stop() error {
	d.cancel()
	<-d.ended
	return d.err
}

// reachable is where something can be found that listens on addr, maybe on every address of the machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

// A ground is what the daemon of a demo stands on: an IMAP server, a store that speaks Redis' protocol, and a folder with the
// configuration and the secrets of this one run.
type ground struct {
	dir, config, logFile string
	secrets              map[string]string

	listener net.Listener
	imap     *imapserver.Server
	serving  sync.WaitGroup
	redis    *miniredis.Miniredis
	logTo    *os.File
}

func newGround(listen string) (g *ground, err error) {
	g = &ground{secrets: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	if g.dir, err = os.MkdirTemp("", "leadfloor-demo-"); err != nil {
		return g, err
	}
	for _, name := range append([]string{"imap", "redis", visitor, managerID}, people()...) {
		g.secrets[name] = rand.Text()
		if err := os.WriteFile(filepath.Join(g.dir, name+".secret"), []byte(g.secrets[name]+"\n"), 0o600); err != nil {
			return g, err
		}
	}
	if err := g.startIMAP(); err != nil {
		return g, err
	}
	g.redis = miniredis.NewMiniRedis()
	g.redis.RequireAuth(g.secrets["redis"])
	if err := g.redis.Start(); err != nil {
		return g, err
	}
	g.config, g.logFile = filepath.Join(g.dir, "leadfloor.yaml"), filepath.Join(g.dir, "leadfloor.log")
	return g, os.WriteFile(g.config, []byte(g.yaml(listen)), 0o600)
}

func people() []string {
	var all []string
	for _, h := range habits {
		all = append(all, h.id)
	}
	return all
}

// yaml is the whole configuration: what a dealer would write, with the targets of minutes scaled to seconds.
func (g *ground) yaml(listen string) string {
	var tokens, roster strings.Builder
	for _, h := range habits {
		fmt.Fprintf(&tokens, "    - {name: %s, role: salesperson, person: %s, token_file: %s.secret}\n", h.id, h.id, h.id)
		fmt.Fprintf(&roster, "      - {id: %s, name: %s, email: %s@mainstreetmotors.example}\n", h.id, h.name, h.id)
	}
	return fmt.Sprintf(`listen: %q
redis: {url: "redis://%s/0", password_file: redis.secret}
auth:
  tokens:
    - {name: %[13]s, role: admin, token_file: %[13]s.secret}
    - {name: %[3]s, role: manager, person: %[3]s, token_file: %[3]s.secret}
%[4]ssources: {known: [%[5]s], max: 20}
stores:
  - id: %[6]s
    name: Main Street Motors
    timezone: America/Chicago
    hours: {mon-sun: "00:00-24:00"}
    managers: [{id: %[3]s, name: %[7]s, email: %[3]s@mainstreetmotors.example}]
    mailboxes:
      - name: %[8]s
        address: %[9]s
        tls: none
        username: %[10]s
        password_file: imap.secret
        poll_interval: 1s
        trust: {from: ["*@%[11]s"]}
    roster:
%[12]s    routing: {response_target: 6s, warn_after: 7s, reassign_after: 9s, opening_spacing: 1s}
`, listen, g.redis.Addr(), managerID, tokens.String(), strings.Join(demoSources(), ", "), demoStore, managerName, demoMailbox, g.listener.Addr(), demoInbox, demoTrusted, roster.String(), visitor)
}

// visitor is the token that is printed.
const visitor = "visitor"

// demoMailbox is the mailbox's name in the configuration.
const demoMailbox = "leads"

func (g *ground) startIMAP() (err error) {
	if g.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	user := imapmemserver.NewUser(demoInbox, g.secrets["imap"])
	if err := user.Create("INBOX", nil); err != nil {
		return err
	}
	mem := imapmemserver.New()
	mem.AddUser(user)
	g.imap = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapMove: {}, imap.CapUIDPlus: {}, imap.CapESearch: {}, imap.CapNamespace: {},
		},
		InsecureAuth: true, // on loopback, within one process
		Logger:       log.New(io.Discard, "", 0),
	})
	g.serving.Go(func() { _ = g.imap.Serve(g.listener) }) // ends when the listener is closed
	return nil
}

// token reads a person's token as that person would.
func (g *ground) token(who string) (string, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, who+".secret"))
	return strings.TrimSpace(string(b)), err
}

// log goes to a file; errors are shown as well.
func (g *ground) log(stderr io.Writer) (_ *slog.Logger, err error) {
	if g.logTo, err = os.OpenFile(g.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	return slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(g.logTo, nil), slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}),
	)), nil
}

// close ends the servers and removes every file.
func (g *ground) close() error {
	var errs []error
	if g.listener != nil {
		g.listener.Close() // which the server does not for a listener that it had no time to serve
	}
	if g.imap != nil {
		_ = g.imap.Close() // says that the listener is closed
		g.serving.Wait()
	}
	if g.redis != nil {
		g.redis.Close()
	}
	if g.logTo != nil {
		errs = append(errs, g.logTo.Close())
	}
	if g.dir != "" {
		errs = append(errs, os.RemoveAll(g.dir))
	}
	return errors.Join(errs...)
}

// A postman puts mail into the mailbox, as a mail server would.
type postman struct {
	mailer *mailer
	conn   net.Conn
	client *imapclient.Client
	sent   []posted
	fault  error // why no more can be sent
}

// posted is one mail that lies in the mailbox.
type posted struct {
	uid   uint32
	shape string
	fate  ingest.Fate
	leads int
}

// sendTimeout bounds one exchange with the server: go-imap waits for ever.
const sendTimeout = 10 * time.Second

func (g *ground) postman(m *mailer) (*postman, error) {
	conn, err := net.DialTimeout("tcp", g.listener.Addr().String(), sendTimeout)
	if err != nil {
		return nil, err
	}
	p := &postman{mailer: m, conn: conn, client: imapclient.New(conn, nil)}
	err = p.bounded(func() error { return p.client.Login(demoInbox, g.secrets["imap"]).Wait() })
	if err != nil {
		p.close()
		return nil, fmt.Errorf("log in to deliver mail: %w", err)
	}
	return p, nil
}

func (p *postman) bounded(f func() error) error {
	t := time.AfterFunc(sendTimeout, func() { p.conn.Close() })
	defer t.Stop()
	return f()
}

func (p *postman) close() { _ = p.client.Close() } // the connection goes, whatever it says

// overnight is how much mail waits when the demo begins.
const overnight = 6

// run sends mail until ctx ends.
func (p *postman) run(ctx context.Context, rate int) {
	every := time.Minute / time.Duration(rate)
	next := time.Now()
	for n := 0; ; n++ {
		if !sleep(ctx, time.Until(next)) {
			return
		}
		if n >= overnight {
			next = next.Add(every/2 + time.Duration(p.mailer.rand.Int64N(int64(every))))
		}
		if p.fault = p.send(p.mailer.next()); p.fault != nil {
			return
		}
	}
}

func (p *postman) send(x mailing) error {
	return p.bounded(func() error {
		cmd := p.client.Append("INBOX", int64(len(x.raw)), &imap.AppendOptions{Time: time.Now()})
		_, err := cmd.Write(x.raw)
		if err = cmp.Or(err, cmd.Close()); err != nil {
			return fmt.Errorf("deliver a mail: %w", err)
		}
		data, err := cmd.Wait()
		if err != nil {
			return fmt.Errorf("deliver a mail: %w", err)
		}
		p.sent = append(p.sent, posted{uid: uint32(data.UID), shape: x.shape, fate: x.fate, leads: x.leads})
		return nil
	})
}

// settleWithin is how long the end waits for the mail that is still under way.
const settleWithin = 10 * time.Second

// settled waits until every mail has a fate, within bounds: the summary says what has none.
func (p *postman) settled(ctx context.Context, b *books) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		account, err := b.ledger.Account(ctx, demoMailbox, nil)
		if err == nil {
			n := int64(0)
			for _, of := range account.ByFate {
				n += of
			}
			if n >= int64(len(p.sent)) {
				return
			}
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return
		}
	}
}
