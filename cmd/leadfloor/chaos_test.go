package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router"
	"leadfloor/router/routertest"
)

// What TestChaos does, by make chaos. Without -chaos.faults it is the short form, which every test run has.
var (
	chaosFaults   = flag.Int("chaos.faults", 0, "how many faults TestChaos has happen; a few on each kind of Redis where 0")
	chaosMessages = flag.Int("chaos.messages", 0, "how many messages it delivers; five for each fault where 0")
	chaosSeed     = flag.Uint64("chaos.seed", 0, "seed of its faults and messages; by the clock where 0")
	chaosRedis    = flag.String("chaos.redis", "always", "its Redis: always or everysec, which is when it syncs its append-only file; sentinel or cluster")
	chaosWait     = flag.Int("chaos.wait", 1, "redis.wait_replicas with sentinel or cluster")
)

const chaosConfig = `redis: %s
sources: {known: [autotrader]}
stores:
  - id: main-street
    timezone: America/Chicago
    managers: [{id: mia, name: Mia}]
    routing: {response_target: 1h}
    roster: [{id: alice}, {id: bob}, {id: carl}, {id: dora}, {id: eve}]
    mailboxes:
      - {name: keeps, address: "%[2]s", tls: none, username: "%[3]s", password_file: "%[5]s", start: all, poll_interval: 10s}
      - {name: moves, address: "%[2]s", tls: none, username: "%[4]s", password_file: "%[5]s", start: all, poll_interval: 10s, after: {lead: "move:Done", other: flag}}
`

// TestChaos has two daemons read two mailboxes of one server into one Redis, while whatever can break breaks: in the end no message may be
// lost, none may count twice, the turns must be even and the books exact.
func TestChaos(t *testing.T) {
	if *chaosFaults > 0 {
		seed := *chaosSeed
		if seed == 0 {
			seed = uint64(time.Now().UnixNano())
		}
		chaos(t, *chaosRedis, *chaosWait, seed, *chaosFaults, cmp.Or(*chaosMessages, 5**chaosFaults))
		return
	}
	for _, short := range []struct {
		redis            string
		faults, messages int
	}{{"always", 20, 150}, {"sentinel", 6, 60}, {"cluster", 6, 60}} {
		t.Run(short.redis, func(t *testing.T) {
			t.Parallel()
			chaos(t, short.redis, 1, cmp.Or(*chaosSeed, 1), short.faults, short.messages)
		})
	}
}

func chaos(t *testing.T, kind string, wait int, seed uint64, faults, messages int) {
	w := chaosWorld{
		T: t, rng: rand.New(rand.NewPCG(seed, 0)), faults: faults, messages: messages, level: "info",
		redis: newChaosRedis(t, kind), imap: mailtest.Dovecot(t), busy: map[string]bool{}, happened: map[string]int{},
	}
	w.mail = newBadNetwork(t, w.imap.Addr)
	w.boxes = []*mailtest.Server{w.imap, w.imap.Account(t)}
	secret := filepath.Join(t.TempDir(), "imap.pw")
	if err := os.WriteFile(secret, []byte(w.imap.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(chaosConfig, w.redis.config(wait), w.mail.Addr, w.boxes[0].User, w.boxes[1].User, secret)
	for range 2 {
		p := newProcess(t, config)
		p.launch(w.level)
		w.daemons = append(w.daemons, p)
	}
	t.Logf("seed %d: %d faults, %d messages, redis %s, replicas to wait for %d", seed, faults, messages, kind, wait)
	began := time.Now()
	w.storm()
	calm := time.Now()
	w.settle()
	t.Logf("%s of faults, %s until all was settled: %v", calm.Sub(began).Round(time.Second), time.Since(calm).Round(time.Second), w.happened)
	w.count()
}

// A chaosWorld is what TestChaos breaks.
type chaosWorld struct {
	*testing.T
	rng              *rand.Rand
	faults, messages int
	level            string
	redis            chaosStore
	imap             *mailtest.Server
	boxes            []*mailtest.Server
	mail             *badNetwork
	daemons          []*process

	busy     map[string]bool // what a fault has in hand
	happened map[string]int

	sent chaosMail
	// dealt is when each lead was dealt, in ms, as the servers had it that were killed cut off from their replicas.
	dealt map[string]string
}

// A chaosFault is one thing that breaks. It has its parts for itself until it is mended.
type chaosFault struct {
	name   string
	parts  []string
	weight int
	// happen breaks something and says for how long; mend makes it whole again.
	happen func() (time.Duration, func())
}

// A chaosStore is a Redis to break.
type chaosStore interface {
	config(wait int) string
	faults(w *chaosWorld) []chaosFault
	heal()
}

// storm delivers the messages while the faults happen, a few at a time.
func (w *chaosWorld) storm() {
	all := append(w.redis.faults(w), w.commonFaults()...)
	total := 0
	for _, f := range all {
		total += f.weight
	}
	type broken struct {
		until time.Time
		fault chaosFault
		mend  func()
	}
	var open []broken
	mend := func(all bool) {
		open = slices.DeleteFunc(open, func(b broken) bool {
			if !all && time.Now().Before(b.until) {
				return false
			}
			b.mend()
			for _, p := range b.fault.parts {
				delete(w.busy, p)
			}
			return true
		})
	}
	for done := 0; done < w.faults; {
		mend(false)
		if due := w.messages * (done + 1) / w.faults; !w.busy["imap"] && w.sent.n < due {
			w.deliver(due - w.sent.n)
		}
		f := draw(w.rng, all, total)
		if slices.ContainsFunc(f.parts, func(p string) bool { return w.busy[p] }) || len(open) > 3 {
			time.Sleep(20 * time.Millisecond) // other processes are at work
			continue
		}
		for _, p := range f.parts {
			w.busy[p] = true
		}
		lasts, undo := f.happen()
		w.Logf("%s %s for %s", time.Now().Format("15:04:05.000"), f.name, lasts.Round(time.Millisecond))
		open = append(open, broken{time.Now().Add(lasts), f, undo})
		w.happened[f.name]++
		done++
		time.Sleep(w.within(0, 1200*time.Millisecond))
	}
	mend(true)
	w.deliver(w.messages - w.sent.n)
}

func draw(rng *rand.Rand, all []chaosFault, total int) chaosFault {
	n := rng.IntN(total)
	for _, f := range all {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	panic("weights do not add up")
}

func (w *chaosWorld) within(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)))
}

// commonFaults are those of daemons and mail servers.
func (w *chaosWorld) commonFaults() []chaosFault {
	var all []chaosFault
	for n, p := range w.daemons {
		part := []string{fmt.Sprint("daemon ", n)}
		all = append(all,
			chaosFault{"daemon killed", part, 5, func() (time.Duration, func()) {
				p.kill()
				return w.within(0, 3*time.Second), func() { p.launch(w.level) }
			}},
			chaosFault{"daemon frozen", part, 4, func() (time.Duration, func()) {
				w.signal(p, syscall.SIGSTOP)
				return w.within(100*time.Millisecond, 15*time.Second), func() { w.signal(p, syscall.SIGCONT) }
			}},
		)
	}
	network := func(name string, weight int, low, high time.Duration, way func() way) chaosFault {
		return chaosFault{"imap " + name, []string{"imap network"}, weight, func() (time.Duration, func()) {
			w.mail.set(way())
			return w.within(low, high), func() { w.mail.set(sound) }
		}}
	}
	return append(all,
		network("slow", 4, time.Second, 5*time.Second, func() way { return way{delay: w.within(10*time.Millisecond, 300*time.Millisecond)} }),
		network("silent", 3, time.Second, 8*time.Second, func() way { return way{silent: true} }),
		network("refused", 2, time.Second, 4*time.Second, func() way { return way{refuse: true} }),
		network("cut in an answer", 4, time.Second, 5*time.Second, func() way { return way{after: 500 + w.rng.Int64N(20_000)} }),
		chaosFault{"imap cut", nil, 5, func() (time.Duration, func()) {
			w.mail.cutAll()
			return 0, func() {}
		}},
		chaosFault{"imap killed", []string{"imap"}, 3, func() (time.Duration, func()) {
			w.imap.Kill()
			return w.within(0, 3*time.Second), func() { w.imap.Start(w) }
		}},
		chaosFault{"imap restarted", []string{"imap"}, 2, func() (time.Duration, func()) {
			w.imap.Restart(w)
			return 0, func() {}
		}},
		chaosFault{"imap renumbered", []string{"imap"}, 1, func() (time.Duration, func()) {
			w.boxes[w.rng.IntN(2)].NewUIDValidity(w) // everything is read again
			return 0, func() {}
		}},
	)
}

var sound way

func (w *chaosWorld) signal(p *process, s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil {
		w.Errorf("signal a daemon: %v", err)
	}
}

// note keeps what a server knows that is about to die.
func (w *chaosWorld) note(r *routertest.Redis) {
	ctx, c := context.Background(), r.Client()
	defer c.Close()
	if w.dealt == nil {
		w.dealt = map[string]string{}
	}
	// It may not have the store at all; then it knows nothing.
	for _, id := range c.ZRange(ctx, "lf:{main-street}:leads", 0, -1).Val() {
		if at := c.HGet(ctx, "lf:{main-street}:l:"+id, "as").Val(); at != "" {
			w.dealt[id] = at
		}
	}
}

// settle lets everything work again and waits until each message has a fate and every mailbox was gone over.
func (w *chaosWorld) settle() {
	w.Helper()
	w.redis.heal()
	for _, p := range w.daemons {
		p.kill() // whoever waits long after many failures is not waited for
		p.start()
	}
	config := mustLoad(w, w.daemons[0].config)
	deadline := time.Now().Add(5 * time.Minute)
	for why := "not asked"; why != ""; time.Sleep(200 * time.Millisecond) { // other processes are at work
		why = w.unsettled(config)
		if time.Now().After(deadline) {
			w.Fatalf("not settled: %s", why)
		}
	}
}

// unsettled says what is still to be done.
func (w *chaosWorld) unsettled(config *Config) string {
	ctx := context.Background()
	b, err := config.open(ctx)
	if err != nil {
		return err.Error()
	}
	defer b.Close()
	s := session{books: b, config: config}
	for _, m := range config.feeding("") {
		a, err := s.auditMailbox(ctx, m, true)
		switch {
		case err != nil:
			return err.Error()
		case !a.Server.Asked:
			return a.Server.Error
		case len(a.Server.Pending) > 0:
			return fmt.Sprintf("%d messages are pending in %s", len(a.Server.Pending), m.Name)
		}
		life, err := ledger{b.ledger}.Life(ctx, m.Name)
		if err != nil {
			return err.Error()
		}
		if life.Now != life.Last {
			return fmt.Sprintf("mailbox %s is to be gone over", m.Name)
		}
	}
	return ""
}

var numbered = regexp.MustCompile(`number (\d+)\b`)

// count counts for itself what became of the messages, and has verify prove its own books.
func (w *chaosWorld) count() {
	w.Helper()
	found := map[string][]string{} // number of an enquiry -> leads
	owners := map[string]int{}
	leads, again := 0, 0
	for cursor := "first"; cursor != ""; {
		var page struct {
			Items []router.Lead
			Next  string
		}
		w.daemons[1].get("/api/v1/stores/main-street/leads?limit=500&cursor="+strings.TrimPrefix(cursor, "first"), &page)
		for _, l := range page.Items {
			leads++
			owners[l.Owner]++
			if was := w.dealt[l.ID]; was != "" && l.Assigned != nil && was != fmt.Sprint(l.Assigned.UnixMilli()) {
				again++
			}
			for _, touch := range l.Touches {
				if m := numbered.FindStringSubmatch(touch.Enquiry.Customer.Comments); m != nil {
					found[m[1]] = append(found[m[1]], l.ID)
				}
			}
		}
		cursor = page.Next
	}
	lost, doubled := 0, 0
	for number := range w.sent.enquiries {
		switch n := len(found[number]); {
		case n == 0:
			lost++
		case n > 1:
			doubled++
		}
	}
	doubled += max(0, leads-w.sent.customers) // two leads of one customer
	var floor struct {
		People []struct {
			ID    string
			Turns int
		}
	}
	w.daemons[1].get("/api/v1/stores/main-street/floor", &floor)
	turns, low, high := 0, leads, 0
	for _, p := range floor.People {
		turns += p.Turns
		low, high = min(low, p.Turns), max(high, p.Turns)
		if owners[p.ID] != p.Turns {
			w.Errorf("%s owns %d leads and had %d turns", p.ID, owners[p.ID], p.Turns)
		}
	}
	w.Logf("%d messages %v, %d enquiries of %d customers: lost %d, doubled %d, spread %d; %d leads died with a server and were dealt again",
		w.sent.n, w.sent.kinds, len(w.sent.enquiries), w.sent.customers, lost, doubled, high-low, again)
	if lost != 0 || doubled != 0 || high-low > 1 || turns != leads || leads != w.sent.customers {
		w.Errorf("lost %d, doubled %d, spread %d, leads %d of %d, turns %d; want 0, 0, at most 1, all, one each", lost, doubled, high-low, leads, w.sent.customers, turns)
	}
	fates := map[string]int64{}
	var a struct {
		Mailboxes []mailboxAudit
	}
	out, err := leadfloor(w, "verify", "--config", w.daemons[0].config, "--mailboxes", "--format", "json").Output()
	if err != nil {
		w.Errorf("verify: %v\n%.4000s", err, out)
	}
	if err := json.Unmarshal(out, &a); err != nil {
		w.Fatal(err)
	}
	for _, m := range a.Mailboxes {
		for fate, n := range m.Fates {
			fates[fate] += n
		}
	}
	w.Logf("replays %d; all fates %v", fates["replay"], fates)
	for _, p := range w.daemons {
		for _, secret := range []string{"Quentin", "Surname", "@example.net", "555-", "Remark"} {
			if strings.Contains(p.log(), secret) {
				w.Errorf("a log holds %q", secret)
			}
		}
	}
}

// A chaosMail is what was delivered.
type chaosMail struct {
	n         int
	customers int
	enquiries map[string]bool // numbers, each in one message or in copies of it
	kinds     map[string]int
	leads     [][]byte // those that may be copied
	who       []int    // their customers
}

// deliver puts messages of all kinds into the mailboxes.
func (w *chaosWorld) deliver(n int) {
	m := &w.sent
	if m.kinds == nil {
		m.kinds, m.enquiries = map[string]int{}, map[string]bool{}
	}
	batch := map[int][][]byte{}
	for range n {
		kind, raw := m.next(w.rng)
		m.kinds[kind]++
		box := w.rng.IntN(len(w.boxes))
		batch[box] = append(batch[box], raw)
	}
	for _, box := range slices.Sorted(maps.Keys(batch)) {
		w.boxes[box].Append(w, time.Now(), batch[box]...)
	}
}

func (m *chaosMail) next(rng *rand.Rand) (kind string, raw []byte) {
	m.n++
	n := m.n
	enquiry := func(number, customer, id int, car string) string {
		m.enquiries[fmt.Sprint(number)] = true
		return fmt.Sprintf("<prospect><id source=\"AutoTrader\">%d</id><requestdate>2026-11-23T12:00:00Z</requestdate>"+
			"<vehicle interest=\"buy\" status=\"used\"><year>2021</year><make>Honda</make><model>%s</model></vehicle>"+
			"<customer><contact><name part=\"first\">Quentin</name><name part=\"last\">Surname%d</name><email>customer%d@example.net</email>"+
			"<phone>(312) 555-%04d</phone></contact><comments>Remark of number %d</comments></customer>"+
			"<vendor><vendorname>Main Street Motors</vendorname></vendor><provider><name>AutoTrader</name></provider></prospect>",
			id, car, customer, customer, customer, number)
	}
	adf := func(prospects ...string) []byte {
		return fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: leads@example.com\r\nSubject: Lead %d\r\nMessage-ID: <%d@autotrader.example>\r\n"+
			"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n<?xml version=\"1.0\"?><?adf version=\"1.0\"?><adf>%s</adf>\r\n",
			n, n, strings.Join(prospects, ""))
	}
	keep := func(raw []byte, customer int) []byte {
		m.leads, m.who = append(m.leads, raw), append(m.who, customer)
		return raw
	}
	dice := rng.IntN(100)
	if len(m.leads) < 5 {
		dice = 0
	}
	other := func(of int) int { return rng.IntN(of) }
	switch {
	case dice < 52:
		m.customers++
		return "new", keep(adf(enquiry(10*n, m.customers, m.customers, "Civic")), m.customers)
	case dice < 55: // two customers in one message
		m.customers += 2
		return "two new", keep(adf(enquiry(10*n, m.customers-1, m.customers-1, "Civic"), enquiry(10*n+1, m.customers, m.customers, "Civic")), m.customers)
	case dice < 67: // somebody comes back for another car
		return "returning", adf(enquiry(10*n, m.who[other(len(m.who))], 1_000_000+n, "Accord"))
	case dice < 73: // the vendor sends a customer's enquiry once more, in another mail
		c := m.who[other(len(m.who))]
		return "sent again", adf(enquiry(10*n, c, c, "Civic"))
	case dice < 82:
		return "copy", m.leads[other(len(m.leads))]
	case dice < 92:
		return "newsletter", fmt.Appendf(nil, "From: news@example.org\r\nTo: leads@example.com\r\nSubject: Dealer news %d\r\nMessage-ID: <news%d@example.org>\r\nList-Id: <news.example.org>\r\n\r\nTen ways to sell more cars.\r\n", n, n)
	case dice < 95: // nobody who could be reached
		return "poison", fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: leads@example.com\r\nSubject: Lead %d\r\nMessage-ID: <bad%d@autotrader.example>\r\nContent-Type: text/xml\r\n\r\n"+
			"<?xml version=\"1.0\"?><adf><prospect><vehicle><make>Honda</make></vehicle><customer><contact><name>Nobody%d</name></contact></customer></prospect></adf>\r\n", n, n, n)
	case dice < 97: // nested deeper than anybody nests
		return "poison", fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: leads@example.com\r\nSubject: Lead %d\r\nMessage-ID: <deep%d@autotrader.example>\r\nContent-Type: text/xml\r\n\r\n<?xml version=\"1.0\"?><adf>%s</adf>\r\n",
			n, n, strings.Repeat("<prospect>", 5000))
	case dice < 99: // more parts than anybody sends
		return "poison", fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: leads@example.com\r\nSubject: Lead %d\r\nMessage-ID: <parts%d@autotrader.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n%s",
			n, n, strings.Repeat("--x\r\nContent-Type: text/plain\r\n\r\n<adf>\r\n", 3000))
	default: // neither a charset nor XML
		return "poison", fmt.Appendf(nil, "From: leads@autotrader.example\r\nTo: leads@example.com\r\nSubject: Lead %d\r\nMessage-ID: <charset%d@autotrader.example>\r\nContent-Type: text/xml; charset=x-nobody\r\n\r\n\xff\xfe<adf\x00\xff><prospect>\x01%d", n, n, n)
	}
}

// newChaosRedis starts the Redis that -chaos.redis names.
func newChaosRedis(t *testing.T, kind string) chaosStore {
	t.Helper()
	switch kind {
	case "sentinel":
		return &chaosSentinel{T: t, Sentineled: routertest.StartSentinel(t, time.Second)}
	case "cluster":
		return &chaosCluster{T: t, Cluster: routertest.StartCluster(t, 1500*time.Millisecond)}
	case "always", "everysec":
		s := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", kind, "--enable-debug-command", "yes")
		return &chaosSingle{T: t, server: s, net: newBadNetwork(t, s.Addr)}
	}
	t.Fatalf("-chaos.redis %q: want always, everysec, sentinel or cluster", kind)
	return nil
}

// A chaosSingle is one server behind a bad network.
type chaosSingle struct {
	*testing.T
	server *routertest.Redis
	net    *badNetwork
}

func (s *chaosSingle) config(int) string { return `{url: "redis://` + s.net.Addr + `/0"}` }

func (s *chaosSingle) heal() {
	s.net.set(sound)
	s.net.cutAll()
	s.server.Do("CONFIG", "SET", "maxmemory", "0")
}

func (s *chaosSingle) faults(w *chaosWorld) []chaosFault {
	nothing := func() {}
	network := func(name string, weight int, low, high time.Duration, way func() way) chaosFault {
		return chaosFault{"redis " + name, []string{"redis network"}, weight, func() (time.Duration, func()) {
			s.net.set(way())
			return w.within(low, high), func() { s.net.set(sound) }
		}}
	}
	server := func(name string, weight int, happen func() (time.Duration, func())) chaosFault {
		return chaosFault{"redis " + name, []string{"redis"}, weight, happen}
	}
	return []chaosFault{
		network("slow", 4, time.Second, 4*time.Second, func() way { return way{delay: w.within(5*time.Millisecond, 100*time.Millisecond)} }),
		network("silent", 3, time.Second, 6*time.Second, func() way { return way{silent: true} }),
		network("replies lost", 6, 100*time.Millisecond, 2*time.Second, func() way { return way{replies: true} }),
		network("cut in a reply", 4, time.Second, 3*time.Second, func() way { return way{after: 100 + w.rng.Int64N(5000)} }),
		network("refused", 2, time.Second, 3*time.Second, func() way { return way{refuse: true} }),
		{"redis cut", nil, 5, func() (time.Duration, func()) { s.net.cutAll(); return 0, nothing }},
		{"clock jumps", []string{"redis network", "daemon 0"}, 2, func() (time.Duration, func()) {
			// Redis' clock is what counts; a daemon that starts now believes it until it asks again.
			by := time.Hour
			if w.rng.IntN(2) == 0 {
				by = -by
			}
			s.net.set(way{clock: by})
			w.daemons[0].kill()
			w.daemons[0].launch(w.level)
			return w.within(2*time.Second, 6*time.Second), func() { s.net.set(sound) }
		}},
		server("killed", 3, func() (time.Duration, func()) {
			s.server.Kill()
			return w.within(0, 2*time.Second), s.server.Start
		}),
		server("lost power", 3, func() (time.Duration, func()) {
			s.server.Kill()
			s.server.LoseTail(int64(w.rng.IntN(20_000)))
			return w.within(0, time.Second), func() {
				s.server.Start()
				s.server.Compact() // the daemons do so too, when they are neither frozen nor dead
			}
		}),
		server("frozen", 3, func() (time.Duration, func()) {
			s.server.Freeze()
			return w.within(100*time.Millisecond, 5*time.Second), s.server.Thaw
		}),
		server("paused", 3, func() (time.Duration, func()) {
			s.server.Do("CLIENT", "PAUSE", w.rng.IntN(3000), []string{"ALL", "WRITE"}[w.rng.IntN(2)])
			return 0, nothing
		}),
		server("asleep", 2, func() (time.Duration, func()) {
			c := s.server.Client()
			go func() { // it answers when it is awake again
				defer c.Close()
				_ = c.Do(context.Background(), "DEBUG", "SLEEP", fmt.Sprint(w.rng.IntN(20)/10)).Err()
			}()
			return 2 * time.Second, nothing
		}),
		server("without scripts", 3, func() (time.Duration, func()) { s.server.Do("SCRIPT", "FLUSH"); return 0, nothing }),
		server("without memory", 3, func() (time.Duration, func()) {
			s.server.Do("CONFIG", "SET", "maxmemory", "1")
			return w.within(500*time.Millisecond, 3*time.Second), func() { s.server.Do("CONFIG", "SET", "maxmemory", "0") }
		}),
		server("read-only", 3, func() (time.Duration, func()) {
			s.server.Do("REPLICAOF", "127.0.0.1", "1")
			return w.within(500*time.Millisecond, 3*time.Second), func() { s.server.Do("REPLICAOF", "NO", "ONE") }
		}),
	}
}

// chaosNodes are the faults of servers that replicate. Each has the servers for itself until all of them are whole again.
type chaosNodes struct {
	masters  func() []*routertest.Redis
	replicas func(*routertest.Redis) []*routertest.Redis
	promote  func(w *chaosWorld)
	whole    func()
}

func (n chaosNodes) faults(w *chaosWorld) []chaosFault {
	one := func(all []*routertest.Redis) *routertest.Redis {
		if len(all) == 0 {
			w.Fatal("no server of that kind is left")
		}
		return all[w.rng.IntN(len(all))]
	}
	fault := func(name string, weight int, happen func() (time.Duration, func())) chaosFault {
		return chaosFault{name, []string{"redis"}, weight, func() (time.Duration, func()) {
			lasts, mend := happen()
			return lasts, func() {
				mend()
				n.whole()
			}
		}}
	}
	killed := func(r *routertest.Redis) (time.Duration, func()) {
		r.Kill()
		return w.within(time.Second, 6*time.Second), r.Start
	}
	frozen := func(r *routertest.Redis) (time.Duration, func()) {
		r.Freeze()
		return w.within(200*time.Millisecond, 6*time.Second), r.Thaw
	}
	each := func(args ...any) func() (time.Duration, func()) {
		return func() (time.Duration, func()) {
			for _, r := range n.masters() {
				r.Do(args...)
			}
			return 0, func() {}
		}
	}
	return []chaosFault{
		fault("master killed", 5, func() (time.Duration, func()) { return killed(one(n.masters())) }),
		fault("master killed with its replicas cut off", 6, func() (time.Duration, func()) {
			masters := n.masters()
			master := one(masters)
			for _, r := range masters {
				if r.Do("EXISTS", "lf:{main-street}:meta") == "1" {
					master = r // the one that decides
				}
			}
			replicas := n.replicas(master)
			for _, r := range replicas {
				r.Freeze()
			}
			master.Do("CLIENT", "KILL", "TYPE", "replica")
			if !w.busy["imap"] {
				w.deliver(min(20, w.messages-w.sent.n))
			}
			// It decides alone for a while, if a daemon is there that has it decide.
			has := func() string { return master.Do("ZCARD", "lf:{main-street}:leads") }
			had := has()
			for until := time.Now().Add(w.within(2*time.Second, 6*time.Second)); had == has() && time.Now().Before(until); {
				time.Sleep(50 * time.Millisecond)
			}
			time.Sleep(w.within(0, time.Second))
			w.note(master)
			lasts, mend := killed(master)
			for _, r := range replicas {
				r.Thaw()
			}
			return lasts, mend
		}),
		fault("master frozen", 4, func() (time.Duration, func()) { return frozen(one(n.masters())) }),
		fault("replica killed", 3, func() (time.Duration, func()) { return killed(one(n.replicas(one(n.masters())))) }),
		fault("replica frozen", 3, func() (time.Duration, func()) { return frozen(one(n.replicas(one(n.masters())))) }),
		fault("failed over by hand", 4, func() (time.Duration, func()) {
			n.promote(w)
			return time.Second, func() {}
		}),
		fault("clients cut", 4, each("CLIENT", "KILL", "TYPE", "normal")),
		fault("without scripts", 3, each("SCRIPT", "FLUSH")),
	}
}

// A chaosSentinel is a master with two replicas under three sentinels.
type chaosSentinel struct {
	*testing.T
	*routertest.Sentineled
}

func (s *chaosSentinel) config(wait int) string {
	return fmt.Sprintf("{sentinel: {master: %s, addresses: [%s]}, wait_replicas: %d}", routertest.SentinelName, quoted(s.Addrs()), wait)
}

func quoted(all []string) string { return `"` + strings.Join(all, `", "`) + `"` }

func (s *chaosSentinel) heal() { s.Await() }

func (s *chaosSentinel) faults(w *chaosWorld) []chaosFault {
	split := func(masters bool) (all []*routertest.Redis) {
		for _, n := range s.Nodes {
			if (n.Addr == s.Master()) == masters {
				all = append(all, n)
			}
		}
		return all
	}
	return chaosNodes{
		masters:  func() []*routertest.Redis { return split(true) },
		replicas: func(*routertest.Redis) []*routertest.Redis { return split(false) },
		promote:  func(*chaosWorld) { s.Sentinels[0].Do("SENTINEL", "FAILOVER", routertest.SentinelName) },
		whole:    s.Await,
	}.faults(w)
}

// A chaosCluster is three masters with a replica each.
type chaosCluster struct {
	*testing.T
	*routertest.Cluster
}

func (c *chaosCluster) config(wait int) string {
	return fmt.Sprintf("{addresses: [%s], wait_replicas: %d}", quoted(c.Addrs()), wait)
}

func (c *chaosCluster) heal() { c.Await() }

func (c *chaosCluster) faults(w *chaosWorld) []chaosFault {
	return chaosNodes{
		masters: c.Masters, replicas: c.ReplicasOf, whole: c.Await,
		promote: func(w *chaosWorld) {
			masters := c.Masters()
			for _, r := range c.ReplicasOf(masters[w.rng.IntN(len(masters))]) {
				r.Do("CLUSTER", "FAILOVER")
			}
		},
	}.faults(w)
}
