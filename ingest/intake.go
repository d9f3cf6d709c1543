package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"leadfloor/adf"
	"leadfloor/adf/mail"
	"leadfloor/router"
)

// Business is what an Intake needs of the router. Every call may be repeated with the same token without further effect; an error means
// that nobody knows whether it happened.
type Business interface {
	Take(ctx context.Context, store string, a *router.Arrival) (router.Taken, error)
	// Prepare and TakeAll are Take for several arrivals at one store; their contracts stand at *router.Router.
	Prepare(ctx context.Context, store string, a *router.Arrival) (*router.Prepared, error)
	TakeAll(ctx context.Context, all []*router.Prepared) []router.Answer
	Park(ctx context.Context, store, token, place string, p router.Parked) (router.Taken, error)
	// Decided says what was decided under a token before, if anything was.
	Decided(ctx context.Context, store, token, place string) (router.Taken, bool, error)
	// Admit counts a message within its sender's limit, and says whether there was room.
	Admit(ctx context.Context, store, sender, token string, at time.Time, l router.Limit) (bool, error)
	// Now is the store's clock.
	Now() time.Time

	// What Release needs; their contracts stand at *router.Router.
	Held(ctx context.Context, store, id string) (router.Parked, error)
	HeldID(ctx context.Context, store, token string) (string, error)
	BeginRelease(ctx context.Context, store, id, lead, by string) error
	Release(ctx context.Context, store, id string, leads []string, by, actor string) error
	Lead(ctx context.Context, id string) (*router.Lead, error)

	// What Forget needs besides.
	StoreOf(lead string) (string, error)
	Parked(ctx context.Context, store string, quarantined bool, limit int) ([]router.Parked, error)
	Person(ctx context.Context, lead string) (func(*router.Enquiry) bool, error)
	Discard(ctx context.Context, store, id, reason, by, actor string) error
	Forget(ctx context.Context, lead, reason, by, actor string) (*router.Erased, error)
}

// Config says what belongs where. It is replaced whole.
type Config struct {
	Mailboxes map[string]Feed
	Stores    map[string]Rules
	Options   mail.Options
	Keep      time.Duration // how long a quarantined message's bytes are kept
	// LookupTXT asks DNS for the keys of those who sign mail, as net.Resolver's method of that name; nil: this machine's resolver.
	LookupTXT func(ctx context.Context, name string) ([]string, error)
	// Reread reads a message from its mailbox once more, whose bytes ours knows. The error wraps ErrGone where it is no longer there; nil
	// where mailboxes cannot be asked.
	Reread func(ctx context.Context, p Place, arrived time.Time, ours func(raw []byte) bool) ([]byte, error)
	// Apart reads the messages that are Apart; nil: they are read as all others.
	Apart Apart
}

// Feed is a mailbox and the stores that it feeds.
type Feed struct {
	Store  string  // the one store, or the one that holds what no route takes
	Routes []Route // in order; empty: everything is for Store
	Trust  Trust
}

// Route sends what matches to a store. A route that matches anything and has no store holds the rest for the manager of the feed's.
type Route struct {
	Match
	Store string
}

// Match is a pattern for each thing that it looks at, where * stands for any text, case-blind. All that are given must fit.
type Match struct {
	To, Vendor, Provider string
}

// Rules are a store's own.
type Rules struct {
	Locale Locale
	Desks  []DeskRule
}

// DeskRule says what goes to a desk.
type DeskRule struct {
	Desk string
	Match
}

// Observer counts what is read, for metrics.
type Observer interface {
	// Repaired counts one repair; kind is a code from a closed set.
	Repaired(kind string)
	// Doubted counts one message with leads for whose sender nothing vouched; the reason is one of mail.Doubts.
	Doubted(mailbox, reason string)
}

// Intake decides messages: where the leads in them are, what they say, whose store they are for. It implements Handler.
type Intake struct {
	business Business
	observer Observer
	log      *slog.Logger
	cfg      atomic.Pointer[Config]
	keys     *mail.Keys
	since    atomic.Int64 // the first message that had to wait for DNS, in Unix milliseconds
}

var _ Handler = (*Intake)(nil)

// New makes an Intake.
func New(b Business, cfg Config, o Observer, log *slog.Logger) *Intake {
	i := &Intake{business: b, observer: o, log: log.With("component", "ingest")}
	i.keys = mail.NewKeys(func(ctx context.Context, name string) ([]string, error) {
		if f := i.cfg.Load().LookupTXT; f != nil {
			return f(ctx, name)
		}
		return net.DefaultResolver.LookupTXT(ctx, name)
	})
	i.Configure(cfg)
	return i
}

// Configure replaces the configuration for the messages to come.
func (i *Intake) Configure(cfg Config) { i.cfg.Store(&cfg) }

// Why a message is held that the reader of mail has no fault with.
const (
	reasonUnreachable = "unreachable"     // nobody who can be called or written to
	reasonLead        = "limit-lead"      // a lead of more words than mostLead
	reasonNoLead      = "no-lead"         // from a sender whose mail must be a lead
	reasonUnroutable  = "no-route"        // for none of the stores of its mailbox
	reasonForgotten   = "forgotten"       // of before its customer was forgotten
	reasonPanic       = "reader-panicked" // our fault; the message is kept to be read again after a mend
	reasonDied        = "reader-died"     // the same, where it took a whole process with it
)

// Handle decides one message.
func (i *Intake) Handle(ctx context.Context, m Message) (Fate, error) {
	b := i.Open(ctx, []Message{m})
	defer b.Close()
	o := b.Decide(ctx)[0]
	return o.Fate, o.Err
}

const (
	// mostAhead is how many messages of a batch are read at most before those before them are decided, and so what is held of them in memory.
	mostAhead = 4 * mostTogether
	// mostTogether is how many leads are taken in one call.
	mostTogether = 64
)

// batch implements Batch: while some messages are decided those after them are read, in their order, on all processors but the one that
// the decisions need.
type batch struct {
	*Intake
	all  []delivery    // but those that are decided
	room chan struct{} // each message that is read takes a place in it until it is decided
	stop context.CancelFunc
	work sync.WaitGroup
}

// Open implements Handler.
func (i *Intake) Open(ctx context.Context, ms []Message) Batch {
	cfg := i.cfg.Load()
	b := &batch{Intake: i, all: make([]delivery, len(ms)), room: make(chan struct{}, mostAhead)}
	ctx, b.stop = context.WithCancel(ctx)
	for n, m := range ms {
		d := &b.all[n]
		*d = delivery{Intake: i, cfg: cfg, msg: m, place: m.Place.String(), opened: make(chan struct{})}
		var ok bool
		if d.feed, ok = cfg.Mailboxes[m.Place.Mailbox]; !ok {
			d.err = fmt.Errorf("mailbox %q is not configured", m.Place.Mailbox)
		}
	}
	all := b.all
	var next atomic.Int64
	for range min(max(1, runtime.GOMAXPROCS(0)-1), len(all)) {
		b.work.Go(func() {
			for {
				select {
				case b.room <- struct{}{}:
				case <-ctx.Done():
					return
				}
				n := int(next.Add(1)) - 1
				if n >= len(all) {
					return
				}
				if d := &all[n]; !d.msg.Apart {
					d.open(ctx)
					d.condense()
				}
				close(all[n].opened)
			}
		})
	}
	return b
}

// Close implements Batch.
func (b *batch) Close() {
	b.stop()
	b.work.Wait()
}

// Decide implements Batch. What holds one lead and nothing else is taken together with the next, as far as they are for one store.
func (b *batch) Decide(ctx context.Context) []Outcome {
	all := b.all[:min(len(b.all), mostTogether)]
	<-all[len(all)-1].opened // woken once
	var run []*delivery
	for n := range all {
		d := &all[n]
		<-d.opened
		if d.ready == nil || n > 0 && d.store != run[0].store {
			break
		}
		run = append(run, d)
	}
	var out []Outcome
	if len(run) > 0 {
		out = b.takeAll(ctx, run)
	} else {
		d := &b.all[0]
		out = []Outcome{d.outcome(d.finish(ctx))}
	}
	for n := range out {
		b.all[n] = delivery{}
		<-b.room
	}
	b.all = b.all[len(out):]
	return out
}

// takeAll takes the leads of messages that hold one each, up to the first that fails.
func (i *Intake) takeAll(ctx context.Context, run []*delivery) (out []Outcome) {
	ready := make([]*router.Prepared, len(run))
	for n, d := range run {
		ready[n] = d.ready
	}
	for n, a := range i.business.TakeAll(ctx, ready) {
		d := run[n]
		fate, err := d.took(ctx, d.store, 0, a.Taken, a.Err)
		if out = append(out, d.outcome(fate, err)); err != nil {
			break
		}
		d.repaired()
	}
	return out
}

// open reads the message, unless that was done, and prepares its lead where that is all that there is to it.
func (d *delivery) open(ctx context.Context) {
	if d.token != "" || d.err != nil {
		return
	}
	d.token = tokenOf(d.msg.Raw)
	if d.msg.TooLarge {
		return
	}
	defer func() {
		if recover() != nil {
			d.reading, d.ready, d.fault = nil, nil, d.panicked()
		}
	}()
	d.reading, d.fault, d.err = d.read(ctx)
	if d.reading == nil || len(d.reading.Leads) != 1 || d.file != nil || d.feed.Trust.asks() {
		return
	}
	if store, a, hold := d.arrival(d.reading, 0); hold == "" {
		d.store = store
		d.ready, _ = d.business.Prepare(ctx, store, a) // where it cannot be prepared Take says why
	}
}

// condense lets go of a message that waits to be taken and of all that was read in it but what the taking needs.
func (d *delivery) condense() {
	if d.ready != nil {
		d.size = len(d.msg.Raw)
		d.msg.Raw, d.reading = nil, &Reading{Diagnostics: d.reading.Diagnostics}
	}
}

// finish says what becomes of the message.
func (d *delivery) finish(ctx context.Context) (Fate, error) {
	feed := d.feed
	if d.open(ctx); d.err != nil {
		return "", d.err
	}
	if d.msg.TooLarge {
		return d.park(ctx, feed.Store, FateQuarantined, mail.SuspectSize, "")
	}
	if d.fault != "" {
		return d.park(ctx, feed.Store, FateQuarantined, d.fault, "")
	}
	d.repaired()
	r := d.reading
	switch {
	case len(r.Leads) > 0:
		if fate, err := d.distrust(ctx, r); fate != "" || err != nil {
			return fate, err
		}
		return d.leads(ctx, r)
	case r.Mail.Suspect != "":
		return d.park(ctx, feed.Store, FateQuarantined, r.Mail.Suspect, "")
	case matchAny(feed.Trust.From, senders(r.Mail)):
		return d.park(ctx, feed.Store, FateQuarantined, reasonNoLead, "")
	}
	return d.park(ctx, feed.Store, FateOther, cmp.Or(r.Mail.Header.Auto, "no lead in it"), "")
}

// outcome is the message's: what its place was before stands where the store forgot nothing.
func (d *delivery) outcome(fate Fate, err error) Outcome {
	if err == nil && d.msg.Was != "" && !d.anew {
		fate = d.msg.Was
	}
	return Outcome{fate, err}
}

// repaired counts what was repaired in the message.
func (d *delivery) repaired() {
	for _, n := range d.reading.Diagnostics {
		if n.Severity != adf.Info {
			d.observer.Repaired(n.Code)
		}
	}
}

// delivery is one message on its way.
type delivery struct {
	*Intake
	cfg          *Config
	feed         Feed
	msg          Message
	token, place string
	size         int // of the message, once that is let go

	opened  chan struct{} // closed once it was opened
	reading *Reading
	fault   string           // why it cannot be read
	err     error            // why it was not
	ready   *router.Prepared // its lead, where that is all that there is to it
	store   string           // that it is for

	apart *apartAnswer // what the process of its own said, where it was read in one

	file    *File    // where it came as one, not from a mailbox
	reasons []string // why parts of it are held, of a file

	doubted bool // nothing vouches for its sender: whom it names is nobody's to go by

	anew bool // the store did not know of the message at this place, or not of a part of it

	release *release       // where it was held and a person gives it free
	taken   []router.Taken // its leads
	held    int            // leads that nobody can reach
}

// read reads the message. A panic of a reader is our fault, not the message's end: it is kept for after the mend.
func (d *delivery) read(ctx context.Context) (r *Reading, fault string, err error) {
	defer func() {
		if recover() != nil {
			r, fault, err = nil, d.panicked(), nil
		}
	}()
	switch {
	case d.file != nil:
		return ReadFile(d.msg.Raw, d.cfg.Options, d.locale()), "", nil
	case d.msg.Apart && d.cfg.Apart != nil:
		return d.readApart(ctx)
	}
	return Read(d.msg.Raw, d.cfg.Options, d.locale()), "", nil
}

// locale is what the message is read with: of the store that it most likely is for.
func (d *delivery) locale() Locale { return d.cfg.Stores[d.feed.Store].Locale }

// panicked tells of a panic in whoever calls it deferred. The value of a panic may quote the message, so only where it happened is told.
func (d *delivery) panicked() (fault string) {
	d.log.Error("the reader panicked; the message is quarantined", "place", d.place, "stack", frames(debug.Stack()))
	return reasonPanic
}

// frames keeps of a stack the names and lines of our own code.
func frames(stack []byte) string {
	var own []string
	for _, line := range strings.Split(string(stack), "\n") {
		if name, _, ok := strings.Cut(line, "("); ok && strings.HasPrefix(name, "leadfloor/") {
			own = append(own, name)
		}
	}
	return strings.Join(own[:min(len(own), 12)], " < ")
}

// leads takes every lead of the message. The message's fate is the best of theirs.
func (d *delivery) leads(ctx context.Context, r *Reading) (Fate, error) {
	best := FateReplay
	for n := range r.Leads {
		if !d.release.wants(n) {
			continue
		}
		store, a, hold := d.arrival(r, n)
		var taken router.Taken
		var err error
		if hold == "" {
			if taken, err = d.business.Take(ctx, store, a); errors.Is(err, router.ErrTooLong) {
				hold = reasonLead
			}
		}
		var fate Fate
		if hold != "" {
			fate, err = d.park(ctx, store, FateQuarantined, hold, fmt.Sprint("/", n))
		} else {
			fate, err = d.took(ctx, store, n, taken, err)
		}
		if err != nil {
			return "", err
		}
		if hold == reasonUnreachable {
			d.held++
		}
		best = better(best, fate)
	}
	return best, nil
}

// arrival is one lead of the message as it is taken at a store, or held there for a reason.
func (d *delivery) arrival(r *Reading, n int) (store string, a *router.Arrival, hold string) {
	store, e, ok := d.lead(r, n)
	switch {
	case !ok:
		return d.feed.Store, nil, reasonUnroutable
	case !e.Reachable():
		return store, nil, reasonUnreachable
	}
	rules := d.cfg.Stores[store]
	a = &router.Arrival{
		Token: tokenOfLead(d.token, n), Place: d.place, Channel: channel(r.Mail.Channel), Source: source(r.Mail, &e),
		Desk: rules.desk(r.Mail, &e), At: d.msg.Arrived, Enquiry: e, Message: r.Mail.Header.MessageID,
		Named: named(&r.Mail.Prospects[n].Vendor),
	}
	a.Trusted = !d.doubted && slices.Contains(d.feed.Trust.Salesperson, a.Source)
	if d.file != nil {
		d.file.arrive(a, r)
	}
	if x := d.release; x == nil {
		a.Most = mostLead
	} else { // somebody looked at it and gives it free, however long it is
		a.Actor = x.actor
		if store == x.store {
			a.By = x.by
		}
	}
	return store, a, ""
}

// took is the fate of a lead that was taken.
func (d *delivery) took(ctx context.Context, store string, n int, taken router.Taken, err error) (Fate, error) {
	if err != nil {
		return "", err
	}
	if taken.Disposition == router.DispositionForgotten {
		return d.park(ctx, store, FateOther, reasonForgotten, fmt.Sprint("/", n))
	}
	d.taken = append(d.taken, taken)
	return d.fateOf(taken), nil
}

// mostLead bounds one lead, in bytes as it is kept: what a page of leads takes in memory is this by the number of them, and nobody reads more.
const mostLead = 128 << 10

// lead is one lead of the message as the store that it is for reads it. It is not ok where that is none of ours.
func (d *delivery) lead(r *Reading, n int) (store string, e router.Enquiry, ok bool) {
	store, ok = d.route(r.Mail, &r.Leads[n])
	if !ok && d.release != nil {
		store, ok = d.release.store, true // who gives it free there says that it is theirs
	}
	if !ok {
		return "", router.Enquiry{}, false
	}
	if l := d.cfg.Stores[store].Locale; l != d.locale() {
		return store, enquiry(&r.Mail.Prospects[n], l), true
	}
	return store, r.Leads[n], true
}

func (d *delivery) fateOf(t router.Taken) Fate {
	d.anew = d.anew || !t.Again
	if d.file != nil && t.Again {
		return FateReplay // whoever reads a file once more wants to hear what is new in it
	}
	switch t.Disposition {
	case router.DispositionNew:
		return FateLead
	case router.DispositionTouch:
		return FateTouch
	case router.DispositionDuplicate:
		return FateDuplicate
	case router.DispositionReplay:
		return FateReplay
	case router.DispositionExpired:
		return FateSkipped
	}
	return Fate(t.Disposition) // parked before, in this very place
}

// worth orders fates by what they tell of a message that holds several leads.
var worth = []Fate{FateReplay, FateSkipped, FateOther, FateQuarantined, FateDuplicate, FateTouch, FateLead}

func better(a, b Fate) Fate {
	if slices.Index(worth, b) > slices.Index(worth, a) {
		return b
	}
	return a
}

// budget bounds the bytes of one message that are kept.
const keepBytes = 1 << 20

func (d *delivery) park(ctx context.Context, store string, fate Fate, reason, part string) (Fate, error) {
	if d.file != nil {
		d.reasons = append(d.reasons, reason)
		if d.file.History {
			return fate, nil // the file has it, and nobody is to look into what is over
		}
	}
	p := router.Parked{
		Fate: string(fate), Reason: reason, Where: d.place, Arrived: d.msg.Arrived, Size: cmp.Or(d.size, len(d.msg.Raw)), KeepFor: d.cfg.Keep,
	}
	if fate == FateQuarantined && len(d.msg.Raw) <= keepBytes {
		p.Raw = d.msg.Raw
	}
	taken, err := d.business.Park(ctx, store, d.token+part, d.place, p)
	if err != nil {
		return "", err
	}
	return d.fateOf(taken), nil
}

// route finds the store that a lead is for.
func (d *delivery) route(m *mail.Mail, e *router.Enquiry) (string, bool) {
	if len(d.feed.Routes) == 0 {
		return d.feed.Store, true
	}
	for _, r := range d.feed.Routes {
		if r.fits(m, e) {
			return r.Store, r.Store != ""
		}
	}
	return "", false
}

func (r Rules) desk(m *mail.Mail, e *router.Enquiry) string {
	for _, d := range r.Desks {
		if d.Match != (Match{}) && d.fits(m, e) {
			return d.Desk
		}
	}
	return router.DeskSales
}

func (x Match) fits(m *mail.Mail, e *router.Enquiry) bool {
	if x.To != "" && !matchAny([]string{x.To}, recipients(m)) {
		return false
	}
	if x.Vendor != "" {
		names := []string{e.Vendor.Name, e.Vendor.Email}
		for _, id := range e.Vendor.IDs {
			names = append(names, id.Value)
		}
		if !matchAny([]string{x.Vendor}, names) {
			return false
		}
	}
	return x.Provider == "" || matchAny([]string{x.Provider}, []string{e.Provider.Name, e.Provider.Service})
}

func senders(m *mail.Mail) (all []string) {
	for _, a := range m.Header.From {
		all = append(all, a.Address)
	}
	return all
}

func recipients(m *mail.Mail) []string {
	all := slices.Clone(m.Header.DeliveredTo)
	for _, a := range append(slices.Clone(m.Header.To), m.Header.Cc...) {
		all = append(all, a.Address)
	}
	return all
}

func matchAny(patterns, values []string) bool {
	for _, p := range patterns {
		for _, v := range values {
			if glob(strings.ToLower(p), strings.ToLower(v)) {
				return true
			}
		}
	}
	return false
}

// glob matches * with any text, in time linear in the text for each star.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		at := strings.Index(s, p)
		if at < 0 {
			return false
		}
		s = s[at+len(p):]
	}
	return strings.HasSuffix(s, last)
}

// source is who sent a lead: the provider, else the one whose form the mail has, else the sender's domain.
func source(m *mail.Mail, e *router.Enquiry) string {
	if e.Provider.Name != "" {
		return router.Slug(e.Provider.Name)
	}
	if m.Source != "" {
		return router.Slug(m.Source)
	}
	for _, a := range m.Header.From {
		if _, domain, ok := strings.Cut(a.Address, "@"); ok {
			return router.Slug(domain)
		}
	}
	return router.Slug("")
}

func channel(c string) router.Channel {
	if x := router.Channel(c); x.Valid() {
		return x
	}
	return router.Email
}

// ErrNoLead says that a document holds no lead that could be dealt.
var ErrNoLead = errors.New("no lead")

// Document takes an ADF document that came over HTTP. The key makes it once; the same document under another key is a message of its own.
// Where it holds no lead that could be dealt the error is ErrNoLead, and the diagnostics say why.
func (i *Intake) Document(ctx context.Context, store string, doc []byte, key, actor string) ([]router.Taken, []adf.Diagnostic, error) {
	cfg := i.cfg.Load()
	rules := cfg.Stores[store]
	d, err := adf.Parse(doc)
	if err != nil {
		var fault *adf.ParseError
		if errors.As(err, &fault) {
			return nil, []adf.Diagnostic{{Severity: adf.Error, Code: fault.Code, Line: fault.Line, Path: fault.Path, Message: fault.Error()}}, ErrNoLead
		}
		return nil, nil, fmt.Errorf("%w: %w", ErrNoLead, err)
	}
	var taken []router.Taken
	notes := d.Diagnostics
	for n := range d.Prospects {
		e := enquiry(&d.Prospects[n], rules.Locale)
		if !e.Reachable() {
			notes = append(notes, adf.Diagnostic{
				Severity: adf.Error, Code: reasonUnreachable, Line: d.Prospects[n].Line, Path: "adf/prospect/customer/contact", Message: "neither an email address nor a phone number",
			})
			continue
		}
		t, err := i.business.Take(ctx, store, &router.Arrival{
			Token: fmt.Sprintf("http/%s/%d", key, n), Place: "http/" + key, Channel: router.HTTP, Source: source(&mail.Mail{}, &e),
			Desk: rules.desk(&mail.Mail{}, &e), Enquiry: e, Most: mostLead, Actor: actor, Named: named(&d.Prospects[n].Vendor),
		})
		if errors.Is(err, router.ErrTooLong) {
			notes = append(notes, adf.Diagnostic{
				Severity: adf.Error, Code: reasonLead, Line: d.Prospects[n].Line, Path: "adf/prospect", Message: fmt.Sprintf("over %d bytes for one lead", mostLead),
			})
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		taken = append(taken, t)
	}
	if len(taken) == 0 {
		return nil, notes, ErrNoLead
	}
	return taken, notes, nil
}
