package mailbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"leadfloor/ingest"
)

// ErrFenced says that a newer holder writes to the ledger now, and that nothing was written.
var ErrFenced = errors.New("a newer holder has the mailbox")

// A Ledger keeps who watches a mailbox and what became of each place in it. All replicas share it. A method that returns
// an error may or may not have been carried out, and carrying it out twice does no harm.
type Ledger interface {
	// Claim takes the mailbox for holder until ttl from now, or renews it. While another holder's claim lasts, held is
	// false and nothing changes. A holder that takes the mailbox, be it anew after its own claim ran out, gets a fence
	// higher than every earlier one; a renewal gives the same fence again. The clock is the ledger's.
	Claim(ctx context.Context, mailbox, holder string, ttl time.Duration) (fence int64, held bool, err error)
	// Release gives the mailbox back, if holder still has it under this fence; otherwise it changes nothing.
	Release(ctx context.Context, mailbox, holder string, fence int64) error
	// FirstSight is when this mailbox was first seen: now at the first call ever, and the same answer from then on.
	FirstSight(ctx context.Context, mailbox string, now time.Time) (time.Time, error)
	// Settled gives every entry under this UIDVALIDITY, once each, in any order. The caller owns the slice.
	Settled(ctx context.Context, mailbox string, uidvalidity uint32) ([]Entry, error)
	// Life is what is known of the memory of all that the mailbox is decided into.
	Life(ctx context.Context, mailbox string) (Life, error)
	// GoneOver notes that the mailbox was gone over in this life, and that the ledger is whole until now.
	GoneOver(ctx context.Context, mailbox, life string) error
	// Begin notes that holder has these messages in hand, in the place of what it noted before; none: nothing. It is no
	// decision, so it has no fence.
	Begin(ctx context.Context, mailbox, holder string, uidvalidity uint32, uids []uint32) error
	// Unfinished counts for each message how many holders had it in hand and were heard of no more, but for this holder
	// itself. It may hold messages that were settled since, and forgets one after a week.
	Unfinished(ctx context.Context, mailbox, holder string) (map[ingest.Place]int, error)
	// Settle writes the entries, once for each (uidvalidity, UID): where the place has one already, the first stands and
	// the new one is dropped without an error, unless it is Anew and then takes its place. If a Claim has given a fence higher than this one, nothing is written and
	// the error is ErrFenced. The ledger keeps no reference to entries.
	Settle(ctx context.Context, mailbox string, fence int64, uidvalidity uint32, entries []Entry) error
}

// An Entry is what became of one place.
type Entry struct {
	UID uint32
	// Digest is the first bytes of the SHA-256 of the message's raw bytes, as far as they were fetched. It confirms that a
	// place still holds the same message before anything is done with it. It is zero for a message that was not read:
	// skipped or gone.
	Digest [8]byte
	Fate   ingest.Fate
	// At is the message's own INTERNALDATE, to the second: with the UID it tells without reading the mail whether the
	// place still holds the same message. It is zero where the server gave none.
	At time.Time
	// Anew says that the decision was lost and made again: the entry replaces an earlier one.
	Anew bool
}

// A Life is a stretch of time in which the ledger, and whatever else the handler decides into, has certainly forgotten nothing. A restart,
// a failover, a loss or a restored backup begins another.
type Life struct {
	Now string // names the present one
	// Last is the life in which the mailbox was gone over last, empty where that never was.
	Last string
	// Sound is until when the ledger was whole then.
	Sound time.Time
}

func digestOf(raw []byte) [8]byte {
	sum := sha256.Sum256(raw)
	return [8]byte(sum[:8])
}
