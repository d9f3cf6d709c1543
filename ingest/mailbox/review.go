package mailbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"leadfloor/ingest"
)

// A review goes over a mailbox once more, because the store may have forgotten decisions: it was restarted, failed over, emptied or
// restored. The mailbox is the log of arrivals. What the store still knows costs it a look-up and changes nothing; what it lost is decided
// again, also where it was put into another folder since.
type review struct {
	since time.Time // what arrived before is certainly known
	asked int
	anew  int // how many were decided otherwise than the ledger said, or not at all
	// heads are the messages of other folders that are larger than they say: only their beginning is asked for.
	heads map[string]bool
}

const (
	// reviewBefore is how far before the last certain moment a review begins: a replica may lag, and INTERNALDATE may be another machine's.
	reviewBefore = 24 * time.Hour
	// soundEvery is how often a ledger that forgot nothing is noted to be whole.
	soundEvery = time.Minute
)

// forgot says whether the store is no longer what it was at the claim. While it cannot be asked nobody knows, and the next renewal asks.
func (m *Mailbox) forgot(ctx context.Context, was Life) bool {
	is, err := m.ledger.Life(ctx, m.cfg.Name)
	switch {
	case err != nil:
		return false
	case is.Now != was.Now:
		return true
	case is.Last == is.Now && m.now().Sub(is.Sound) >= soundEvery:
		// An error is the next renewal's to deal with.
		_ = m.ledger.GoneOver(ctx, m.cfg.Name, is.Now)
	}
	return false
}

// beginReview finds out what is to be gone over in this life of the store.
func (k *keeper) beginReview(ctx context.Context) error {
	known := k.life
	k.life = k.memory.Now
	switch {
	case k.memory.Last == k.memory.Now:
		return nil
	case k.memory.Last != "":
		k.review = &review{since: k.memory.Sound.Add(-reviewBefore), heads: map[string]bool{}}
	case known != "":
		k.review = &review{since: k.cut, heads: map[string]bool{}} // the store lost even that it knew the mailbox
	default:
		// The very first sight: nothing was decided that could be lost.
		if err := k.ledger.GoneOver(ctx, k.cfg.Name, k.memory.Now); err != nil {
			return failf(ReasonStore, "note that the ledger is whole: %w", err)
		}
		return nil
	}
	if k.review.since.Before(k.cut) {
		k.review.since = k.cut
	}
	k.log.Info("the store may have forgotten decisions: mail is gone over again", "since", k.review.since)
	return nil
}

// endReview goes over the folders that messages were moved to, once all that lies in the watched one was decided, and notes that
// everything was looked at.
func (k *keeper) endReview(ctx context.Context) error {
	if k.review == nil || k.book.doubts() > 0 {
		return nil
	}
	folders := map[string]bool{}
	for _, fate := range governing {
		if a := k.cfg.action(fate); a.verb == "move" {
			folders[a.folder] = true
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		if err := k.reviewFolder(ctx, folder); err != nil {
			return fmt.Errorf("go over folder %q: %w", folder, err)
		}
	}
	lctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := k.ledger.GoneOver(lctx, k.cfg.Name, k.memory.Now); err != nil {
		return failf(ReasonStore, "note that the mailbox was gone over: %w", err)
	}
	k.log.Info("mail was gone over again", "messages", k.review.asked, "decided anew", k.review.anew)
	k.review = nil
	return nil
}

// reviewFolder asks about what was moved to a folder since the review's beginning, over a connection of its own. What the store knows from
// the watched folder is a replay here and has its place in the ledger there; what it does not know gets one here.
func (k *keeper) reviewFolder(ctx context.Context, folder string) error {
	cfg := k.cfg
	cfg.Folder = folder
	s, err := open(ctx, cfg, k.dial, true)
	if refused(err) && asFailure(err).reason != ReasonAuth {
		return nil // it does not exist yet
	}
	if err != nil {
		return err
	}
	defer s.close()
	lctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	entries, err := k.ledger.Settled(lctx, k.cfg.Name, s.uidValidity)
	if err != nil {
		return failf(ReasonStore, "load settled places: %w", err)
	}
	settled := make(map[uint32]Entry, len(entries))
	for _, e := range entries {
		settled[e.UID] = e
	}
	// SINCE knows days of the server's zone, so one more is asked for and the dates are compared.
	since := &imap.SearchCriteria{Since: k.review.since.Add(-24 * time.Hour)}
	uids, err := s.searchBy(ctx, since, int64(s.exists())*11)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	known := func(e Entry) bool { return settled[e.UID].Fate == e.Fate }
	for chunk := range slices.Chunk(uids, batchCount) {
		metas, err := s.fetchMeta(ctx, uidSet(chunk), len(chunk))
		if err != nil {
			return err
		}
		var whole, heads []uint32
		var size int64
		for _, uid := range chunk {
			m := metas[uid]
			switch {
			case !m.date.IsZero() && m.date.Before(k.review.since):
			case m.size > k.cfg.MaxSize || k.review.heads[headKey(folder, uid)]:
				heads = append(heads, uid)
			default:
				if size += m.size; len(whole) > 0 && size > batchBytes {
					if err := k.reviewBatch(ctx, s, folder, whole, false, known); err != nil {
						return err
					}
					whole, size = nil, m.size
				}
				whole = append(whole, uid)
			}
		}
		if err := k.reviewBatch(ctx, s, folder, whole, false, known); err != nil {
			return err
		}
		if err := k.reviewBatch(ctx, s, folder, heads, true, known); err != nil {
			return err
		}
	}
	return nil
}

func headKey(folder string, uid uint32) string { return fmt.Sprint(uid, "/", folder) }

// reviewBatch asks about some messages, and settles those that are neither replays nor known.
func (k *keeper) reviewBatch(ctx context.Context, s *session, folder string, wanted []uint32, head bool, known func(Entry) bool) error {
	var open []Entry
	for tries := 0; len(wanted) > 0; tries++ {
		bodies, err := s.fetch(ctx, uidSet(wanted), head, k.allowance(0, len(wanted)), k.cfg.MaxSize)
		if large := (*oversize)(nil); errors.As(err, &large) {
			k.review.heads[headKey(folder, large.uid)] = true
		}
		if err != nil {
			return err
		}
		var got []uint32
		for _, b := range bodies {
			if !slices.Contains(wanted, b.uid) || slices.Contains(got, b.uid) {
				continue
			}
			got = append(got, b.uid)
			e, err := k.ask(ctx, s, b, head)
			if err != nil {
				return err
			}
			if e.Fate != ingest.FateReplay && !known(e) {
				open = append(open, e)
			}
		}
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(uid uint32) bool { return slices.Contains(got, uid) })
		if len(wanted) == 0 {
			break
		}
		// Somebody may take mail out of the folder meanwhile; what is there must come.
		if wanted, err = s.searchAmong(ctx, wanted); err != nil {
			return err
		}
		if len(wanted) > 0 && tries > 0 {
			return failf(ReasonProtocol, "server lists %d messages and does not give them", len(wanted))
		}
	}
	if len(open) == 0 {
		return nil
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := k.ledger.Settle(sctx, k.cfg.Name, k.fence, s.uidValidity, open); err != nil {
		return failf(ReasonStore, "settle %d messages: %w", len(open), err)
	}
	for _, e := range open {
		k.observer.Settled(k.cfg.Name, e.Fate, max(k.now().Sub(e.At), 0))
	}
	k.review.anew += len(open)
	return nil
}

// ask has the handler decide a message of another folder.
func (k *keeper) ask(ctx context.Context, s *session, b body, head bool) (Entry, error) {
	msg := ingest.Message{Place: ingest.Place{Mailbox: k.cfg.Name, UIDValidity: s.uidValidity, UID: b.uid}, Arrived: b.date, Raw: b.raw, TooLarge: head}
	if msg.Arrived.IsZero() {
		msg.Arrived = k.now()
	}
	msg.Apart, msg.Last = k.tries[msg.Place] >= maxTries, true
	if err := k.begin(ctx, s.uidValidity, []uint32{b.uid}); err != nil {
		return Entry{}, err
	}
	one := &batch{Batch: k.handler.Open(context.WithoutCancel(ctx), []ingest.Message{msg}), hand: []uint32{b.uid}}
	o := k.decide(ctx, one)[0]
	one.failed = o.Err != nil
	k.leave(ctx, one, nil)
	if o.Err != nil {
		return Entry{}, failf(ReasonStore, "decide uid %d: %w", b.uid, o.Err)
	}
	k.review.asked++
	return Entry{UID: b.uid, Digest: b.digest, Fate: o.Fate, At: b.date, Anew: true}, nil
}
