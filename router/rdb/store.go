// Package rdb keeps the business in Redis: one Lua script a decision, every key made in keys.go. It decides nothing that its scripts and
// router do not. It runs on a single server, Sentinel or Cluster (every script's keys share one hash tag), and on Redis-compatible stores
// that know EVALSHA.
package rdb

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
)

// Schema is the version of the keys. A store written by a newer one is refused.
const Schema = 3

// ErrSchema says that a newer leadfloor wrote the keys, and that nothing was changed.
var ErrSchema = errors.New("the keys are of a newer leadfloor")

var (
	//go:embed head.lua
	headLua string
	//go:embed lib.lua
	libLua string
	//go:embed upgrade.lua
	upgradeLua string
	//go:embed request.lua
	requestLua string
	//go:embed plain.lua
	plainLua string
	//go:embed take.lua
	takeLua string
	//go:embed deal.lua
	dealLua string
	//go:embed put.lua
	putLua string
	//go:embed floor.lua
	floorLua string
	//go:embed move.lua
	moveLua string
	//go:embed park.lua
	parkLua string
)

// Store is router.Store on Redis.
type Store struct {
	rdb     redis.UniversalClient
	now     func() time.Time
	replies int // replicas that must have a decision
	clock   atomic.Pointer[reading]
	memory  memory
	broken  sync.Map // tag of a store whose keys are not what they should be -> when to look again

	take, deal, put, move, floor, park, unpark, admit, sweep, seal, mend, restore, renew *redis.Script
}

var _ router.Store = (*Store)(nil)

// Options of a Store.
type Options struct {
	// WaitReplicas is how many replicas must have a decision before it counts as made.
	WaitReplicas int
	// Now replaces the server's clock, for tests.
	Now func() time.Time
}

// New makes a Store. Call Sync before use, and now and then, to follow the server's clock.
func New(rdb redis.UniversalClient, o Options) *Store {
	script := func(body string) *redis.Script {
		return redis.NewScript("local R = cjson.decode(ARGV[1])\nlocal NOW, EPOCH, ASKED, COUNTED = R.now, R.epoch, 'seq', 'seq'\n" + headLua + libLua + body)
	}
	return &Store{
		rdb: rdb, now: o.Now, replies: o.WaitReplicas,
		take: redis.NewScript(requestLua + headLua + plainLua + libLua + takeLua), deal: script(dealLua), put: script(putLua), move: script(moveLua), floor: script(floorLua), park: script(parkLua),
		unpark: script(unparkLua), sweep: script(sweepLua), seal: script(sealLua), mend: script(mendLua), restore: script(restoreLua), admit: redis.NewScript(admitLua), renew: script(upgradeLua),
	}
}

// Open makes a store's keys where there are none.
func (s *Store) Open(ctx context.Context, store string) (router.Identity, error) {
	meta := keysOf(store).is("meta")
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return router.Identity{}, err
	}
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSetNX(ctx, meta, "schema", Schema)
		p.HSetNX(ctx, meta, "epoch", s.Now().UnixMilli())
		p.HSetNX(ctx, meta, "checked", s.Now().UnixMilli()) // an empty book balances
		p.HSetNX(ctx, meta, "difference", 0)
		p.HSetNX(ctx, meta, "key", base64.StdEncoding.EncodeToString(key))
		return nil
	})
	if err != nil {
		return router.Identity{}, fmt.Errorf("make the keys: %w", err)
	}
	m, err := s.rdb.HMGet(ctx, meta, "schema", "epoch", "key").Result()
	if err != nil {
		return router.Identity{}, fmt.Errorf("read the keys: %w", err)
	}
	if schema := number(m[0]); schema > Schema {
		return router.Identity{}, fmt.Errorf("%w: redis holds schema %d, this leadfloor knows %d: upgrade it", ErrSchema, schema, Schema)
	} else if schema < Schema {
		if err := s.upgrade(ctx, store); err != nil {
			return router.Identity{}, fmt.Errorf("upgrade the keys: %w", err)
		}
	}
	key, err = base64.StdEncoding.DecodeString(text(m[2]))
	if err != nil {
		return router.Identity{}, fmt.Errorf("read the key: %w", err)
	}
	s.memory.open(store, text(m[1]))
	return router.Identity{Epoch: time.UnixMilli(number(m[1])).UTC(), Key: key}, nil
}

// upgrade brings a store's keys to this Schema. Where it is cut off it begins anew.
func (s *Store) upgrade(ctx context.Context, store string) error {
	k := keysOf(store)
	leads, err := s.rdb.ZRange(ctx, k.is("ud"), 0, -1).Result()
	if err != nil {
		return err
	}
	const chunk = 500
	for first := true; first || len(leads) > 0; first = false {
		some := leads[:min(len(leads), chunk)]
		leads = leads[len(some):]
		keys := append(k.base(), k.is("src"), k.is("last"))
		for _, id := range some {
			keys = append(keys, k.lead(id))
		}
		r := request{"now": s.Now().UnixMilli(), "leads": append([]string{}, some...), "done": len(leads) == 0, "floor": "", "catchup": 0}
		if err := s.run(ctx, s.renew, keys, &struct{}{}, s.sign(store, r)); err != nil {
			return err
		}
	}
	return nil
}

// scriptKeys is how many keys every script of a store opens with.
const scriptKeys = 13

// base are these keys; see head.lua.
func (k storeKeys) base() []string {
	names := [scriptKeys]string{"meta", "ev", "rot", "hand", "unt", "cnt", "leads", "wait", "ua", "ud", "over", "due", "owed"}
	keys := make([]string, scriptKeys, scriptKeys+16)
	for i, n := range names {
		keys[i] = k.is(n)
	}
	return keys
}

type request map[string]any

func (r request) floor(c []router.Candidate, catchUp int) request {
	r["floor"], r["word"] = roster(c)
	r["catchup"] = catchUp
	return r
}

// roster is the floor as the scripts read it, and a word that stands for it.
func roster(c []router.Candidate) (text, word string) {
	b := make([]byte, 0, 32*len(c))
	for _, p := range c {
		on := byte('0')
		if p.On {
			on = '1'
		}
		b = append(append(append(b, p.ID...), ' ', on, ' '), strconv.Itoa(p.Weight)...)
		b = append(strconv.AppendInt(append(b, ' '), int64(p.Cap), 10), ',')
	}
	h := fnv.New64a()
	_, _ = h.Write(b)
	return string(b), strconv.FormatUint(h.Sum64(), 36)
}

// sign writes a request, with the epoch that this process opened the store under: to keys of another epoch nothing is done, because
// their secret is another and so every identity.
func (s *Store) sign(store string, r request) string {
	r["epoch"] = s.epoch(store)
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // numbers and strings always marshal
	}
	return string(b)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// TakeAll decides arrivals in order: one round trip for every 64 of them, and some more for those whose customers are known or when the floor
// has changed.
func (s *Store) TakeAll(ctx context.Context, store string, all []*router.Take) []router.Answer {
	k := keysOf(store)
	out := make([]router.Answer, len(all))
	open := make([]*asked, len(all))
	for i, t := range all {
		open[i] = newAsked(k, t, &out[i])
	}
	stuck := false
	for range 10 + 3*len(all) { // one is decided every third time at least, unless others keep changing its customer's leads
		if len(open) == 0 {
			return out
		}
		if err := s.resting(string(k)); err != nil {
			return fail(out, open, err)
		}
		runs, left := runsOf(open)
		calls := make([]command, len(runs))
		for i, r := range runs {
			calls[i] = r.call(k, s.take)
		}
		var again []*asked
		for i, c := range s.cmds(ctx, s.take, calls) {
			more, none := s.answered(ctx, k, runs[i], c)
			if none {
				// Once the first is decided the floor may be one where those after it can be at once. Where it is not either, each goes alone.
				for _, q := range more {
					q.more = q.more || stuck
				}
				stuck = true
			}
			again = append(again, more...)
		}
		open = slices.Concat(again, left)
	}
	return fail(out, open, errors.New("the customer's leads kept changing: again later"))
}

func fail(out []router.Answer, open []*asked, err error) []router.Answer {
	for _, q := range open {
		q.answer.Err = err
	}
	return out
}

// asked is an arrival as take.lua is asked about it.
type asked struct {
	t      *router.Take
	answer *router.Answer
	keys   []string // but those of the candidates
	args   []string
	more   bool // what is seldom needed is asked for
	floor  string
	cand   []string // leads of the same customer, as far as it was said
}

// Which argument is the record, whose bytes are sent as they are, and which what is seldom needed.
const record, rest = 5, 18

// newAsked puts an arrival into keys and arguments.
func newAsked(k storeKeys, t *router.Take, answer *router.Answer) *asked {
	known := ""
	if slices.Contains(t.Known, t.Source) {
		known = "1"
	}
	closed := ""
	if t.AfterHours {
		closed = "1"
	}
	floor, word := roster(t.Floor)
	deadline, _, timer := router.FallsDue(ms(t.Due), t.Timers)
	q := &asked{t: t, answer: answer, more: !plain(t), floor: floor, keys: make([]string, 0, 3+len(t.Prints)), args: make([]string, 0, rest+2+2*len(t.Prints))}
	q.keys = append(q.keys, k.shard("tok", t.Token), k.lead(t.LeadID), k.personal(t.LeadID))
	q.args = append(q.args,
		some(ms(t.Now)), some(ms(t.At)), t.LeadID, b64(t.Token), b64(t.Place), "", t.Source, known,
		t.IDPrint+"|"+t.ContentPrint, birth(t), some(deadline), some(timer),
		t.Bucket, strconv.FormatInt(int64(t.Waited*1000), 10), closed, t.By, t.Actor, word, "", strconv.Itoa(len(t.Prints)),
	)
	for _, p := range t.Prints {
		q.keys = append(q.keys, k.shard("fp", p.Hash))
		q.args = append(q.args, string(p.Kind)+b64(p.Hash), b64(p.Last))
	}
	return q
}

// plain says whether an arrival may well be one that plain.lua decides, unless its customer is known: there nothing more is asked for.
func plain(t *router.Take) bool {
	if t.Fixed != "" || t.Named != "" || t.History || t.Late != nil {
		return false
	}
	on := false
	for _, c := range t.Floor {
		if c.Cap > 0 {
			return false // who is capped comes and goes with every lead
		}
		on = on || c.On
	}
	return on
}

// A run is one call's arrivals: several that may be plain, or one.
type run []*asked

// mostInRun bounds for how long one call keeps the server from all others.
const mostInRun = 64

// runsOf are the calls of one round trip; what is left comes after it. Of what may be plain the answer may be that it is not, and comes before
// those after it, so none of them are called yet.
func runsOf(all []*asked) (runs []run, left []*asked) {
	for len(all) > 0 {
		n := 1
		for !all[0].more && n < len(all) && n < mostInRun && !all[n].more && all[n].t.Epoch.Equal(all[0].t.Epoch) {
			n++
		}
		runs, all = append(runs, all[:n]), all[n:]
		if !runs[len(runs)-1][0].more {
			break
		}
	}
	return runs, all
}

// call is the next call, with the candidates known by now.
func (r run) call(k storeKeys, script *redis.Script) command {
	keys, args := k.base(), 2
	for _, q := range r {
		if q.more {
			q.args[rest] = seldom(q.t, q.floor, q.cand)
		}
		keys, args = append(keys, q.keys...), args+len(q.args)
		for _, id := range q.cand {
			keys = append(keys, k.lead(id), k.personal(id))
		}
	}
	c := newCommand(script, len(keys), len(keys)+args)
	for i := range keys {
		c = append(c, &keys[i])
	}
	c = append(c, some(ms(r[0].t.Epoch)), len(r))
	for _, q := range r {
		first := len(c)
		for i := range q.args {
			c = append(c, &q.args[i])
		}
		c[first+record] = q.t.Record
	}
	return c
}

// answered reads the answers to a call, and gives the arrivals that are to be asked about again; these may be all of several.
func (s *Store) answered(ctx context.Context, k storeKeys, r run, c *redis.Cmd) (again []*asked, none bool) {
	answers, err := c.Slice()
	if failed := s.failed(c, string(k)); failed != nil {
		err = failed
	}
	if len(r) == 1 {
		answers = []any{answers}
	}
	for i, q := range r {
		if err != nil {
			q.answer.Err = err
			continue
		}
		if i < len(answers) {
			if a, ok := answers[i].([]any); !ok || len(a) == 0 {
				q.answer.Err = fmt.Errorf("take answers arrival %d of %d with %T", i+1, len(r), answers[i])
				continue
			} else if s.decided(ctx, k, q, a) {
				continue
			}
		}
		again = append(again, q)
	}
	return again, len(r) > 1 && len(again) == len(r)
}

// decided reads an answer. It is false where the call is to be made again, with more.
func (s *Store) decided(ctx context.Context, k storeKeys, q *asked, a []any) bool {
	if seq, ok := a[0].(int64); ok {
		q.answer.Taken = router.Taken{Disposition: router.DispositionNew, Lead: q.t.LeadID, Owner: text(a[1]), State: router.Untouched, Seq: seq}
		return true
	}
	switch first := text(a[0]); {
	case first == "more":
		q.more = true
		return false
	case first == "match":
		q.more, q.cand = true, q.cand[:0]
		for _, id := range a[1:] {
			q.cand = append(q.cand, text(id))
		}
		return false
	case first == "late":
		q.answer.Taken = router.Taken{Late: text(a[1])}
	case len(a) == 3:
		q.answer.Taken, q.answer.Err = s.before(ctx, k, first, text(a[1]) != "", text(a[2]))
	default:
		seq, _ := a[5].(int64)
		q.answer.Taken = router.Taken{
			Disposition: router.Disposition(first), Lead: text(a[1]), Owner: text(a[2]), CoveredBy: text(a[3]), State: router.State(text(a[4])), Seq: seq,
		}
	}
	return true
}

// seldom is what a plain new lead does not need of the request, and is sent where it is needed.
func seldom(t *router.Take, floor string, cand []string) string {
	managers := map[string]bool{t.Holder: true}
	for _, m := range t.Managers {
		managers[m] = true
	}
	var late request
	if t.Late != nil {
		late = change(t.Late)
	}
	b, err := json.Marshal(&struct {
		Channel  router.Channel   `json:"ch"`
		Max      int              `json:"smax"`
		Desk     string           `json:"desk"`
		Resend   bool             `json:"resend"`
		ID       string           `json:"idp"`
		Content  string           `json:"cop"`
		Holder   string           `json:"holder"`
		Managers map[string]bool  `json:"managers"`
		Rostered bool             `json:"rostered"`
		Created  int64            `json:"created"`
		Active   int64            `json:"active"`
		Same     int64            `json:"same"`
		Floor    string           `json:"floor"`
		CatchUp  int              `json:"catchup"`
		Fields   router.Fields    `json:"fields"`
		Cand     []string         `json:"cand"`
		Written  int64            `json:"written"`
		Present  bool             `json:"present"`
		Timers   map[string]int64 `json:"timers"`
		Due      string           `json:"due"`
		Late     request          `json:"late,omitempty"`
		Fixed    string           `json:"fixed"`
		Named    string           `json:"named"`
		Past     bool             `json:"past"`
	}{
		t.Channel, max(0, t.MaxSources-len(t.Known)), t.Desk, t.Resend, t.IDPrint, t.ContentPrint, t.Holder, managers, len(t.Floor) > 0,
		t.Windows.CreatedWithin.Milliseconds(), t.Windows.ActiveWithin.Milliseconds(), t.Windows.SameEnquiryWithin.Milliseconds(),
		floor, t.CatchUp, newborn(t), append([]string{}, cand...), t.Written.UnixMilli(), t.Present, t.Timers.ByCode(), some(ms(t.Due)), late, t.Fixed, t.Named, t.History,
	})
	if err != nil {
		panic(err) // numbers and strings always marshal
	}
	return string(b)
}

// newborn is a new lead as far as it is known before the decision.
func newborn(t *router.Take) router.Fields {
	l := router.Lead{
		Channel: t.Channel, Source: t.Source, Desk: t.Desk, ArrivedAt: t.At, Activity: t.At, Arrivals: 1, Personal: true,
		Running: router.Running{Attempt: t.At, Response: t.At, Contact: t.At},
	}
	if t.History {
		l.Running = router.Running{}
	}
	if !t.Due.IsZero() {
		l.DueAt = &t.Due
	}
	return l.Fields()
}

// before is what became of an arrival that was decided before: of a lead, what it is now is the lead's to say.
func (s *Store) before(ctx context.Context, k storeKeys, letter string, again bool, id string) (router.Taken, error) {
	was := decided[letter]
	out := router.Taken{Disposition: was, Lead: id, Again: again}
	if !again {
		out.Disposition = router.DispositionReplay
	}
	if letter == "o" || letter == "q" {
		out.Fate = string(was)
		return out, nil
	}
	for range mostMerges {
		m, err := s.rdb.HGetAll(ctx, k.lead(out.Lead)).Result()
		if err != nil {
			return router.Taken{}, err
		}
		f := unpack(m)
		out.Owner, out.CoveredBy, out.State = f["ow"], f["cb"], router.State(f["st"])
		if f["in"] == "" {
			break
		}
		out.Lead = f["in"]
	}
	return out, nil
}

// decided are the letters of a token's decision.
var decided = map[string]router.Disposition{
	"n": router.DispositionNew, "t": router.DispositionTouch, "d": router.DispositionDuplicate, "o": "other", "q": "quarantined",
}

// ms is an instant in milliseconds, 0 where there is none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// some writes a number other than 0.
func some(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// prints encodes prints for a script, each with the number of its shard among the keys given.
func (k storeKeys) prints(all []router.Print) (prints []request, shards []string) {
	prints = make([]request, len(all))
	at := map[string]int{}
	for i, p := range all {
		shard := k.shard("fp", p.Hash)
		n, ok := at[shard]
		if !ok {
			n = len(at) + 1
			at[shard] = n
			shards = append(shards, shard)
		}
		last := ""
		if len(p.Last) > 0 {
			last = b64(p.Last)
		}
		prints[i] = request{"k": p.Kind, "s": n, "f": string(p.Kind) + b64(p.Hash), "x": last}
	}
	return prints, shards
}

// mostMerges is how often what a lead was merged into was merged itself, as far as anybody follows.
const mostMerges = 16

// Deal gives a lead a new owner.
func (s *Store) Deal(ctx context.Context, store string, d *router.Dealing) (router.Dealt, error) {
	k := keysOf(store)
	set := map[string]string{}
	if d.Miss != "" {
		set["mi"] = strings.Join(d.Exclude, ",")
		set["rn"] = strconv.Itoa(len(d.Exclude))
	}
	r := request{
		"now": d.Now.UnixMilli(), "id": d.Lead, "v": d.Version, "kind": d.Kind, "to": d.To, "exclude": append([]string{}, d.Exclude...), "charge": d.Charge,
		"reason": d.Reason, "by": d.By, "actor": d.Actor, "timers": d.Timers.ByCode(), "spacing": d.Spacing.Milliseconds(), "hold": d.Hold,
		"bucket": d.Bucket, "waited": int64(d.Waited * 1000), "set": set,
	}.floor(d.Floor, d.CatchUp)
	var a struct {
		Conflict, None, Early bool
		Owner                 string
		Kind                  router.Kind
		Seq                   int64
	}
	if err := s.run(ctx, s.deal, append(k.base(), k.lead(d.Lead)), &a, s.sign(store, r)); err != nil {
		return router.Dealt{}, fmt.Errorf("deal lead %s: %w", d.Lead, err)
	}
	if a.Conflict {
		return router.Dealt{}, router.ErrConflict
	}
	return router.Dealt{Owner: a.Owner, Kind: a.Kind, Seq: a.Seq, Early: a.Early}, nil
}

// Put stores what became of a lead.
func (s *Store) Put(ctx context.Context, store string, c *router.Change) (int64, error) {
	k := keysOf(store)
	r := change(c)
	r["now"], r["actor"], r["floor"], r["catchup"], r["pending"] = c.Now.UnixMilli(), c.Event.Actor, "", 0, strconv.FormatInt(router.PendingSeq, 10)
	if c.Note != "" {
		r["note"] = true
	}
	var out struct {
		Seq      int64
		Conflict bool
	}
	keys := append(k.base(), k.lead(c.Before.ID), k.personal(c.Before.ID), k.call(c.Token))
	if c.Erase != nil {
		tombs := c.Erase.Tombstones
		prints, shards := k.prints(append(slices.Clone(tombs), slices.DeleteFunc(slices.Clone(c.Erase.Prints), func(p router.Print) bool {
			return slices.ContainsFunc(tombs, p.Equal)
		})...))
		keys = append(keys, shards...)
		r["erase"], r["tombs"], r["n"] = prints, len(tombs), c.Before.Arrivals
	}
	if err := s.run(ctx, s.put, keys, &out, s.sign(store, r), c.Note); err != nil {
		return 0, fmt.Errorf("store lead %s: %w", c.Before.ID, err)
	}
	if out.Conflict {
		return 0, router.ErrConflict
	}
	return out.Seq, nil
}

// Move stores what became of two leads between which arrivals moved.
func (s *Store) Move(ctx context.Context, store string, m *router.Move) error {
	k := keysOf(store)
	from, to := change(m.From), change(m.To)
	a, b := m.From.Before.ID, m.To.Before.ID
	marks, records := [][2]int{}, [][2]string{}
	for _, n := range slices.Sorted(maps.Keys(m.Touches)) {
		marks = append(marks, [2]int{n, m.Touches[n]})
		records = append(records, [2]string{"r" + strconv.Itoa(n), "r" + strconv.Itoa(m.Touches[n])})
	}
	for _, e := range m.Notes {
		note := "x" + strconv.FormatInt(e, 10)
		records = append(records, [2]string{note, note})
	}
	prints, shards := k.prints(slices.Concat(m.Drop, m.Add))
	for i, p := range prints {
		if i < len(m.Drop) {
			p["drop"] = a
		} else {
			p["add"] = fmt.Sprint(b, ":", p["x"])
		}
	}
	keys := append(append(k.base(), k.lead(a), k.personal(a), k.lead(b), k.personal(b)), shards...)
	r := request{"now": m.Now.UnixMilli(), "actor": m.Actor, "floor": "", "catchup": 0, "from": from, "to": to, "marks": marks, "records": records, "prints": prints}
	var out struct{ Conflict bool }
	if err := s.run(ctx, s.move, keys, &out, s.sign(store, r)); err != nil {
		return fmt.Errorf("move arrivals of lead %s to lead %s: %w", a, b, err)
	}
	if out.Conflict {
		return router.ErrConflict
	}
	return nil
}

// change tells the scripts what became of a lead.
func change(c *router.Change) request {
	before, after := c.Before, c.After
	set := map[string]string{}
	old, now := before.Fields(), after.Fields()
	for name, v := range now {
		if old[name] != v {
			set[name] = v
		}
	}
	for name := range old {
		if _, ok := now[name]; !ok {
			set[name] = ""
		}
	}

	z, unt := map[string]int64{}, map[string]int64{}
	move := func(letter string, was, is int64) {
		if was != is {
			z[letter] = is
		}
	}
	b, a := places(before), places(after)
	for letter := range b {
		move(letter, b[letter], a[letter])
	}
	if before.State == router.Untouched {
		unt[before.Owner]--
	}
	if after.State == router.Untouched {
		unt[after.Owner]++
	}
	for p, n := range unt {
		if n == 0 {
			delete(unt, p)
		}
	}
	r := request{
		"id": before.ID, "v": before.Version, "kind": c.Event.Kind, "by": c.Event.By, "set": set, "counts": c.Counts, "z": z, "unt": unt,
	}
	if c.Counts == nil {
		r["counts"] = map[string]int64{} // nothing must not become null
	}
	detail := map[string]string{}
	for name, v := range c.Event.Detail {
		detail[name] = v
	}
	if !c.Event.At.IsZero() && !c.Event.At.Equal(c.Now) {
		detail["at"] = c.Event.At.UTC().Format(time.RFC3339Nano)
	}
	if len(detail) > 0 {
		text, err := json.Marshal(detail)
		if err != nil {
			panic(err) // strings always marshal
		}
		r["detail"] = string(text)
	}
	if d := c.Event.Deal; d != nil {
		r["to"], r["why"] = d.To, d.Reason
	}
	if len(c.Back) > 0 {
		var back [][2]any
		for _, who := range slices.Sorted(maps.Keys(c.Back)) {
			back = append(back, [2]any{who, c.Back[who]})
		}
		r["back"] = back
	}
	return r
}

// places says where a lead stands in the sorted sets, -1 where it does not.
func places(l *router.Lead) map[string]int64 {
	p := map[string]int64{"a": -1, "d": -1, "v": -1, "w": -1, "o": -1, "l": -1, "t": -1}
	put := func(letter string, at int64) {
		if at != 0 {
			p[letter] = at
		}
	}
	deadline := int64(0)
	if l.Arrivals > 0 || l.Into != "" {
		p["l"] = l.ArrivedAt.UnixMilli()
	}
	if l.Untouched() {
		p["a"] = l.Running.Attempt.UnixMilli()
		if l.DueAt != nil {
			deadline = l.DueAt.UnixMilli()
		}
	}
	toCome, passed, timer := router.FallsDue(deadline, l.Timers)
	put("d", toCome)
	put("v", passed)
	put("t", timer)
	if l.State == router.Waiting {
		p["w"] = l.ArrivedAt.UnixMilli()
	}
	if t := l.Turnover; t != nil && t.State == router.TurnoverOwed {
		p["o"] = t.DueAt.UnixMilli()
	}
	return p
}

// Floor admits and drops people and tells who is on.
func (s *Store) Floor(ctx context.Context, store string, f *router.FloorCall) (router.FloorNow, error) {
	r := request{"now": f.Now.UnixMilli(), "who": f.Who, "status": f.Status, "till": 0, "by": f.By, "actor": f.Actor}.floor(f.Floor, f.CatchUp)
	if !f.Until.IsZero() {
		r["till"] = f.Until.UnixMilli()
	}
	var a struct {
		People  json.RawMessage
		Next    string
		Waiting int
	}
	if err := s.run(ctx, s.floor, keysOf(store).base(), &a, s.sign(store, r)); err != nil {
		return router.FloorNow{}, err
	}
	out := router.FloorNow{Next: a.Next, Waiting: a.Waiting, People: []router.FloorPerson{}}
	var rows [][10]any
	if string(a.People) != "{}" { // what cjson makes of an empty list
		if err := json.Unmarshal(a.People, &rows); err != nil {
			return router.FloorNow{}, fmt.Errorf("read a script's answer: %w", err)
		}
	}
	low, high := map[float64]float64{}, map[float64]float64{}
	for _, x := range rows {
		n := func(i int) float64 { v, _ := x[i].(float64); return v }
		t := func(i int) string { v, _ := x[i].(string); return v }
		p := router.FloorPerson{
			ID: t(0), Status: router.Status(t(1)), SetBy: t(2), Eligible: n(4) == 1, Turns: int64(n(5)), Pass: n(6) / router.Turn, Untouched: int64(n(7)),
		}
		if n(3) > 0 {
			till := time.UnixMilli(int64(n(3))).UTC()
			p.Until = &till
		}
		if p.Eligible && n(8) >= 0 {
			w, since := n(9), n(8)
			if v, ok := low[w]; !ok || since < v {
				low[w] = since
			}
			high[w] = max(high[w], since)
		}
		out.People = append(out.People, p)
	}
	for w := range low {
		out.Spread = max(out.Spread, int(high[w]-low[w]))
	}
	return out, nil
}

// maxOther bounds the list of messages without a lead.
const maxOther = 1000

// quarantineBudget bounds the raw messages that a store keeps at a time, in bytes. Beyond it the mailbox alone has them.
const quarantineBudget = 64 << 20

// Park notes a message without a lead.
func (s *Store) Park(ctx context.Context, store string, p *router.Parked) (router.Taken, error) {
	k := keysOf(store)
	list, limit := k.is("o"), maxOther
	var raw []byte
	if p.Fate == "quarantined" {
		list, limit = k.is("q"), 0
		raw = p.Raw
	}
	note, err := json.Marshal(p)
	if err != nil {
		return router.Taken{}, err
	}
	r := request{"now": p.Now.UnixMilli(), "id": p.ID, "fate": p.Fate, "cap": limit, "keep": max(p.KeepFor, time.Hour).Milliseconds(), "budget": quarantineBudget, "floor": "", "catchup": 0}
	var a struct {
		D, Fate, Lead string
		Again         bool
	}
	keys := append(k.base(), k.shard("tok", p.Token), list, k.is("park"), k.raw(p.ID), k.is("kept"))
	if err := s.run(ctx, s.park, keys, &a, s.sign(store, r), note, b64(p.Token), b64(p.Place), raw); err != nil {
		return router.Taken{}, err
	}
	return router.Taken{Disposition: router.Disposition(a.D), Fate: a.Fate, Again: a.Again, Lead: a.Lead}, nil
}

// Parked lists what was parked, newest first.
func (s *Store) Parked(ctx context.Context, store string, quarantined bool, limit int) ([]router.Parked, error) {
	k := keysOf(store)
	list := k.is("o")
	if quarantined {
		list = k.is("q")
	}
	ids, err := s.rdb.ZRevRange(ctx, list, 0, int64(limit)-1).Result()
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	notes, err := s.rdb.HMGet(ctx, k.is("park"), ids...).Result()
	if err != nil {
		return nil, err
	}
	var all []router.Parked
	for _, n := range notes {
		var p router.Parked
		if n == nil {
			continue
		}
		if err := json.Unmarshal([]byte(text(n)), &p); err != nil {
			return nil, fmt.Errorf("read a parked message: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int64 {
	n, _ := strconv.ParseInt(text(v), 10, 64)
	return n
}
