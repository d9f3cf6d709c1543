package mailbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"leadfloor/ingest"
)

const (
	// metaBatch is how many sizes and dates are asked for at once.
	metaBatch = 2000
	// batchCount bounds how much is read at once; mostBatches and batchBytes how much is held: what is decided and what comes after it.
	batchCount  = 250
	mostBatches = 3
	batchBytes  = 16 << 20
	// settleEvery bounds how long decisions wait for the rest of their batch before they go to the ledger.
	settleEvery = time.Second
	// maxTries is how often a message may be in hand when the process ends, until it is read apart.
	maxTries = 3
	// storeDown is how many messages in a row the handler must fail on before the fault is not theirs.
	storeDown = 3
)

// greet looks at what came since the last search alone, because a folder with much in it takes long to list, and a new
// lead should not wait for that. It proves nothing: drain follows.
func (k *keeper) greet(ctx context.Context, s *session) error {
	if n := s.exists(); n <= k.listed || n-k.listed > batchCount || k.highest == math.MaxUint32 {
		return nil
	}
	metas, err := s.fetchMeta(ctx, imap.UIDSet{{Start: imap.UID(k.highest + 1)}}, batchCount)
	if err != nil {
		return err
	}
	todo, err := k.weigh(ctx, s, slices.Sorted(maps.Keys(metas)), metas)
	if err != nil {
		return err
	}
	return k.work(ctx, s, nil, todo)
}

// drain brings the ledger in line with the folder: it looks at everything that is there and not settled, until a search
// brings nothing that could be done now.
func (k *keeper) drain(ctx context.Context, s *session) error {
	for {
		present, err := s.search(ctx)
		if err != nil {
			return err
		}
		if s.outlived() {
			return errRenew
		}
		k.book.keep(present)
		maps.DeleteFunc(k.failing, func(uid uint32, _ struct{}) bool {
			_, ok := slices.BinarySearch(present, uid)
			return !ok
		})
		k.listed, k.highest = uint32(len(present)), 0
		if len(present) > 0 {
			k.highest = present[len(present)-1]
		}
		sound, alone := k.book.due(present, time.Now())
		if len(sound)+len(alone) == 0 {
			return nil
		}
		if err := k.work(ctx, s, sound, nil); err != nil {
			return err
		}
		// What may have been the end of others comes last.
		slices.SortStableFunc(alone, func(a, b uint32) int { return cmp.Compare(k.tries[k.place(a)], k.tries[k.place(b)]) })
		for chunk := range slices.Chunk(alone, 1) {
			if err := k.work(ctx, s, chunk, nil); err != nil {
				return err
			}
		}
	}
}

// weigh sorts messages by their sizes and dates: settled and still there, too old, or to be read.
func (k *keeper) weigh(ctx context.Context, s *session, uids []uint32, metas map[uint32]meta) (todo []meta, err error) {
	var skipped []Entry
	for _, uid := range uids {
		m := metas[uid]
		p, settled := k.book.places[uid]
		switch {
		case settled && p.holds(m) && !p.doubt && !k.owes(s, uid, p):
			k.book.saw(uid, m)
		case !settled && !m.date.IsZero() && m.date.Before(k.cut):
			skipped = append(skipped, Entry{UID: uid, Fate: ingest.FateSkipped, At: m.date})
		default:
			todo = append(todo, m)
		}
	}
	return todo, k.settle(ctx, skipped, metas)
}

// look begins to ask for sizes and dates.
func (k *keeper) look(ctx context.Context, s *session, uids []uint32, then func(map[uint32]meta, error)) *task {
	var metas map[uint32]meta
	var err error
	return startTask(func() { metas, err = s.fetchMeta(ctx, uidSet(uids), len(uids)) }, func() error {
		missing := slices.DeleteFunc(slices.Clone(uids), func(uid uint32) bool { _, ok := metas[uid]; return ok })
		if err != nil {
			k.book.suspect(missing)
		}
		for _, uid := range missing {
			// A server's silence is no evidence of absence: what was left out here is asked for again as it is read.
			metas[uid] = meta{uid: uid}
		}
		then(metas, err)
		return nil
	})
}

// part is the beginning of what is to be read, as much as is read at once.
func (k *keeper) part(todo []meta) (part []meta, bytes int64) {
	n := 0
	for n < len(todo) && n < k.batchCount() {
		size := k.expected(todo[n])
		if n > 0 && bytes+size > batchBytes/2 {
			break
		}
		bytes += size
		n++
	}
	return todo[:n], bytes
}

// batchCount is how many messages are read at once: one while the handler decides none.
func (k *keeper) batchCount() int {
	if len(k.failing) >= storeDown {
		return 1
	}
	return batchCount
}

// head says whether only the beginning of a message is read.
func (k *keeper) head(m meta) bool { return m.size > k.cfg.MaxSize || k.book.troubles[m.uid].head }

// expected is how many bytes of a message will be read.
func (k *keeper) expected(m meta) int64 {
	if k.head(m) {
		return headSize
	}
	return m.size
}

// fetched is a batch as it came.
type fetched struct {
	metas        map[uint32]meta
	bytes        int64 // expected
	whole, heads []uint32
	bodies       []body
	err          error
	asked        []uint32 // what was fetched last, and so when the error came
}

// fetch begins to fetch a batch.
func (k *keeper) fetch(ctx context.Context, s *session, part []meta, bytes int64, then func(*fetched)) *task {
	f := &fetched{metas: make(map[uint32]meta, len(part)), bytes: bytes}
	var size int64
	for _, m := range part {
		f.metas[m.uid] = m
		if k.head(m) {
			f.heads = append(f.heads, m.uid)
		} else {
			f.whole = append(f.whole, m.uid)
			size += m.size
		}
	}
	ask := func(uids []uint32, head bool, size int64) {
		if len(uids) == 0 || f.err != nil {
			return
		}
		var bodies []body
		bodies, f.err = s.fetch(ctx, uidSet(uids), head, size, k.cfg.MaxSize)
		f.asked = uids
		for _, b := range bodies {
			if slices.Contains(uids, b.uid) {
				f.bodies = append(f.bodies, b)
			}
		}
	}
	whole, heads := k.allowance(size, len(f.whole)), int64(len(f.heads))*headSize
	return startTask(func() {
		ask(f.whole, false, whole)
		ask(f.heads, true, heads)
	}, func() error { then(f); return nil })
}

// read gives the messages of a batch. Those that were asked for and did not come are asked for again, then alone, then by sequence number;
// only what a search does not find either is gone.
func (k *keeper) read(ctx context.Context, s *session, f *fetched) ([]body, error) {
	var bodies []body
	got := make(map[uint32]bool, len(f.whole)+len(f.heads))
	add := func(bs []body, asked []uint32) {
		for _, b := range bs {
			if !got[b.uid] && slices.Contains(asked, b.uid) {
				got[b.uid] = true
				bodies = append(bodies, b)
			}
		}
	}
	fetch := func(set imap.NumSet, head bool, size int64, asked []uint32) error {
		bs, err := s.fetch(ctx, set, head, size, k.cfg.MaxSize)
		add(bs, asked)
		return k.blame(ctx, err, lacking(asked, got))
	}
	add(f.bodies, slices.Concat(f.whole, f.heads))
	if f.err != nil {
		return bodies, k.blame(ctx, f.err, lacking(f.asked, got))
	}
	for _, part := range []struct {
		uids []uint32
		head bool
	}{{f.whole, false}, {f.heads, true}} {
		missing := lacking(part.uids, got)
		if len(missing) == 0 {
			continue
		}
		if err := fetch(uidSet(missing), part.head, k.allowance(0, len(missing)), missing); err != nil {
			return bodies, err
		}
		if missing = lacking(missing, got); len(missing) == 0 {
			continue
		}
		there, err := s.searchAmong(ctx, missing)
		if err != nil {
			return bodies, err
		}
		for _, uid := range there {
			one := []uint32{uid}
			if err := fetch(uidSet(one), part.head, k.allowance(0, 1), one); err != nil {
				return bodies, err
			}
			if got[uid] {
				continue
			}
			// Exchange 2003 puts the UID behind the text, where go-imap does not look for it.
			all, err := s.search(ctx)
			if err != nil {
				return bodies, err
			}
			if i, ok := slices.BinarySearch(all, uid); ok {
				if err := fetch(imap.SeqSetNum(uint32(i+1)), part.head, k.allowance(0, 1), one); err != nil {
					return bodies, err
				}
			}
			if !got[uid] {
				k.book.later(uid)
				k.warn("server lists a message and does not give it", "uid", uid)
			}
		}
		var gone []Entry
		for _, uid := range missing {
			if !slices.Contains(there, uid) && !got[uid] {
				gone = append(gone, Entry{UID: uid, Fate: ingest.FateGone})
			}
		}
		if err := k.settle(ctx, gone, nil); err != nil {
			return bodies, err
		}
	}
	return bodies, nil
}

// allowance is how many bytes n messages may bring that say they have size bytes together: sizes are estimates on some
// servers, so a few get room for a whole message each.
func (k *keeper) allowance(size int64, n int) int64 {
	return max(size, min(int64(n)*k.cfg.MaxSize, batchBytes))
}

// blame notes which messages a broken connection may be owed to.
func (k *keeper) blame(ctx context.Context, err error, missing []uint32) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if large := (*oversize)(nil); errors.As(err, &large) && slices.Contains(missing, large.uid) {
		t := k.book.troubles[large.uid]
		t.head = true
		k.book.troubles[large.uid] = t
		return err
	}
	k.book.suspect(missing)
	return err
}

func lacking(uids []uint32, got map[uint32]bool) []uint32 {
	return slices.DeleteFunc(slices.Clone(uids), func(uid uint32) bool { return got[uid] })
}

// A batch are messages that were fetched together.
type batch struct {
	ingest.Batch
	entries []Entry   // of the messages that are not decided yet, in order
	decided []Entry   // what is to be settled
	done    []Entry   // what may be put where it belongs, once that is
	since   time.Time // when what is to be settled began to be decided
	hand    []uint32  // what nobody had decided before
	failed  bool      // something of it was not decided
	bytes   int64
	metas   map[uint32]meta
}

// open takes a batch that was fetched in hand and begins to read it, while those before it are decided. An error says why it is not whole.
func (k *keeper) open(ctx context.Context, s *session, f *fetched, before []*batch) (*batch, error) {
	bodies, broken := k.read(ctx, s, f)
	slices.SortFunc(bodies, func(a, b body) int { return cmp.Compare(a.uid, b.uid) })
	b := &batch{bytes: f.bytes, metas: f.metas}
	for _, body := range bodies {
		if p, ok := k.book.places[body.uid]; !ok || p.doubt {
			b.hand = append(b.hand, body.uid)
		}
	}
	var msgs []ingest.Message
	if err := k.begin(ctx, k.book.uidValidity, hands(append(slices.Clip(before), b))); err != nil {
		broken, bodies = err, nil
	}
	for _, body := range bodies {
		e := Entry{UID: body.uid, Digest: body.digest, At: body.date}
		was := ingest.Fate("")
		if p, ok := k.book.places[body.uid]; ok {
			switch same := p.digest == e.Digest && p.fateName() != ingest.FateGone; {
			case same && !p.doubt:
				e.Fate = p.fateName()
				k.book.confirm(e, b.metas[body.uid].size)
				b.done = append(b.done, e)
				continue
			case same:
				e.Anew, was = true, p.fateName()
			default:
				k.warn("a settled place holds another message: it is read as new", "uid", body.uid)
			}
		}
		msg := ingest.Message{
			Place:    k.place(body.uid),
			Arrived:  body.date,
			Raw:      body.raw,
			TooLarge: k.head(b.metas[body.uid]),
			Apart:    k.tries[k.place(body.uid)] >= maxTries,
			Was:      was,
		}
		if msg.Arrived.IsZero() {
			msg.Arrived = k.now()
		}
		msgs, b.entries = append(msgs, msg), append(b.entries, e)
	}
	// What is in hand is finished when the daemon is told to leave.
	b.Batch = k.handler.Open(context.WithoutCancel(ctx), msgs)
	return b, broken
}

// hands are what is in hand of batches.
func hands(all []*batch) (uids []uint32) {
	for _, b := range all {
		uids = append(uids, b.hand...)
	}
	return uids
}

// leave closes a batch, and notes that nothing of it is in hand where something was not decided and lived to tell. Those after it go on.
func (k *keeper) leave(ctx context.Context, b *batch, after []*batch) {
	b.Close()
	if len(b.hand) == 0 || !b.failed && len(b.entries) == 0 {
		return
	}
	bctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	// Where this fails too a later process may read some messages more carefully than they need.
	_ = k.ledger.Begin(bctx, k.cfg.Name, k.holder, k.book.uidValidity, hands(after))
}

func (k *keeper) place(uid uint32) ingest.Place {
	return ingest.Place{Mailbox: k.cfg.Name, UIDValidity: k.book.uidValidity, UID: uid}
}

// begin notes what is in hand, for whoever comes after should this process end over it. What is settled needs no taking back.
func (k *keeper) begin(ctx context.Context, uidValidity uint32, uids []uint32) error {
	if len(uids) == 0 {
		return nil
	}
	bctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := k.ledger.Begin(bctx, k.cfg.Name, k.holder, uidValidity, uids); err != nil {
		return failf(ReasonStore, "note %d messages in hand: %w", len(uids), err)
	}
	return nil
}

// decide calls the handler. A message in hand is finished when the daemon is told to leave, within bounds.
func (k *keeper) decide(ctx context.Context, b *batch) []ingest.Outcome {
	hctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handleTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(handleGrace, cancel)
		context.AfterFunc(hctx, func() { t.Stop() })
	})
	defer stop()
	outcomes := b.Decide(hctx)
	for i, o := range outcomes {
		if o.Err == nil && !slices.Contains(ingest.Fates, o.Fate) {
			outcomes[i].Err = fmt.Errorf("unknown fate %q", o.Fate)
		}
	}
	return outcomes
}

// settle writes entries to the ledger, then to the book.
func (k *keeper) settle(ctx context.Context, entries []Entry, metas map[uint32]meta) error {
	err := k.write(ctx, entries)
	if err == nil {
		k.enter(entries, metas)
	}
	return err
}

// write writes entries to the ledger.
func (k *keeper) write(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := k.ledger.Settle(sctx, k.cfg.Name, k.fence, k.book.uidValidity, entries); err != nil {
		return failf(ReasonStore, "settle %d messages: %w", len(entries), err)
	}
	return nil
}

// enter writes entries that the ledger has to the book.
func (k *keeper) enter(entries []Entry, metas map[uint32]meta) {
	now := k.now()
	for _, e := range entries {
		k.book.settle(e, metas[e.UID].size)
		var delay time.Duration
		if e.Fate != ingest.FateSkipped && e.Fate != ingest.FateGone && !e.At.IsZero() {
			delay = max(now.Sub(e.At), 0)
		}
		k.observer.Settled(k.cfg.Name, e.Fate, delay)
	}
}
