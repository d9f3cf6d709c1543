package mailbox

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"leadfloor/ingest"
)

// A book is what is known in memory of the messages that are in the folder: what the ledger says of them, and what went
// wrong with the others. It holds nothing of messages that have left, so the folder's size bounds it.
type book struct {
	uidValidity uint32
	loaded      bool
	session     uint32 // counts connections: within one, a UID keeps its message
	places      map[uint32]place
	troubles    map[uint32]trouble
}

// A place is a settled message, in 32 bytes: a folder may hold a hundred thousand.
type place struct {
	digest [8]byte
	date   int64  // INTERNALDATE in Unix seconds, 0 unknown
	size   uint32 // RFC822.SIZE, 0 unknown
	seen   uint32 // the session in which date and size were last compared
	fate   uint8  // index into ingest.Fates
	moves  uint8  // how often it was told to move, and is still here
	doubt  bool   // the store may have lost the decision: it is asked again
}

// A trouble is a message that could not be read, decided or moved yet.
type trouble struct {
	times int
	next  time.Time // zero: at once
	alone bool      // a connection or a process broke over it, maybe: it is asked for alone
	head  bool      // it is larger than it says: only its beginning is asked for
}

func newBook() *book { return &book{troubles: make(map[uint32]trouble)} }

// begin starts a session, and says whether the book holds for this UIDVALIDITY.
func (b *book) begin(uidValidity uint32) bool {
	b.session++
	return b.loaded && b.uidValidity == uidValidity && uidValidity != 0
}

// load replaces the book by the ledger's entries, as far as their messages are present.
func (b *book) load(uidValidity uint32, entries []Entry, present []uint32) {
	b.uidValidity, b.loaded = uidValidity, true
	b.places = make(map[uint32]place, min(len(entries), len(present)))
	clear(b.troubles)
	if uidValidity == 0 {
		return
	}
	for _, e := range entries {
		if _, ok := slices.BinarySearch(present, e.UID); ok {
			b.settle(e, 0)
			p := b.places[e.UID]
			p.seen = 0
			b.places[e.UID] = p
		}
	}
}

// settle notes an entry of this session.
func (b *book) settle(e Entry, size int64) {
	p := place{
		digest: e.Digest,
		size:   uint32(min(size, math.MaxUint32)),
		seen:   b.session,
		fate:   uint8(slices.Index(ingest.Fates, e.Fate)),
	}
	if !e.At.IsZero() {
		p.date = e.At.Unix()
	}
	b.places[e.UID] = p
	delete(b.troubles, e.UID)
}

// doubt has what arrived since be asked about again. Nobody decided what was skipped or gone.
func (b *book) doubt(since time.Time) {
	for uid, p := range b.places {
		switch p.fateName() {
		case ingest.FateSkipped, ingest.FateGone:
			continue
		}
		if p.date == 0 || p.date >= since.Unix() {
			p.doubt = true
			b.places[uid] = p
		}
	}
}

// doubts says how many places are still to be asked about.
func (b *book) doubts() (n int) {
	for _, p := range b.places {
		if p.doubt {
			n++
		}
	}
	return n
}

// saw notes that a settled message is still there, and where it belongs.
func (b *book) saw(uid uint32, m meta) {
	p := b.places[uid]
	p.seen, p.moves = b.session, 0
	p.size = uint32(min(m.size, math.MaxUint32))
	b.places[uid] = p
	delete(b.troubles, uid)
}

// confirm notes that the bytes at a settled place were compared and are those of the entry.
func (b *book) confirm(e Entry, size int64) {
	moves := b.places[e.UID].moves
	b.settle(e, size)
	p := b.places[e.UID]
	p.moves = moves
	b.places[e.UID] = p
}

// moving notes that a message was told to leave. If a later search still finds it, it is looked at again, and not at once.
func (b *book) moving(uid uint32) {
	p := b.places[uid]
	b.troubles[uid] = trouble{times: int(p.moves)}
	p.moves = min(p.moves, math.MaxUint8-1) + 1
	b.places[uid] = p
	b.later(uid)
}

func (p place) fateName() ingest.Fate {
	if int(p.fate) < len(ingest.Fates) {
		return ingest.Fates[p.fate]
	}
	return "" // of a newer version of the ledger
}

// holds says whether a message with this date and size can be the one that was settled at the place. What is gone cannot
// be there, and where a date is missing nobody knows.
func (p place) holds(m meta) bool {
	return p.fateName() != ingest.FateGone && p.date != 0 && !m.date.IsZero() && p.date == m.date.Unix() &&
		(p.size == 0 || m.size == 0 || int64(p.size) == m.size)
}

// keep forgets what is no longer present.
func (b *book) keep(present []uint32) {
	for uid := range b.places {
		if _, ok := slices.BinarySearch(present, uid); !ok {
			delete(b.places, uid)
		}
	}
	for uid := range b.troubles {
		if _, ok := slices.BinarySearch(present, uid); !ok {
			delete(b.troubles, uid)
		}
	}
}

// due lists those present that need work now: the sound ones first, then those to be asked for alone.
func (b *book) due(present []uint32, now time.Time) (sound, alone []uint32) {
	for _, uid := range present {
		p, settled := b.places[uid]
		if settled && p.seen == b.session && p.moves == 0 {
			continue
		}
		t := b.troubles[uid]
		switch {
		case t.next.After(now):
		case t.alone:
			alone = append(alone, uid)
		default:
			sound = append(sound, uid)
		}
	}
	return sound, alone
}

// later puts a message off, the longer the more often.
func (b *book) later(uid uint32) {
	t := b.troubles[uid]
	d := time.Hour
	if t.times < 12 {
		d = backoffMin << t.times
	}
	t.times++
	t.next = time.Now().Add(d/2 + rand.N(d/2))
	b.troubles[uid] = t
}

// isolate has a message asked for alone from now on.
func (b *book) isolate(uid uint32) {
	t := b.troubles[uid]
	t.alone = true
	b.troubles[uid] = t
}

// suspect has messages asked for alone from now on: one of them may be what broke the connection.
func (b *book) suspect(uids []uint32) {
	for _, uid := range uids {
		b.isolate(uid)
	}
	if len(uids) == 1 {
		b.later(uids[0])
	}
}

// next is when the first message that was put off is due.
func (b *book) next() (first time.Time, ok bool) {
	for _, t := range b.troubles {
		if !ok || t.next.Before(first) {
			first, ok = t.next, true
		}
	}
	return first, ok
}
