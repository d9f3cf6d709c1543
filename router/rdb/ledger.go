package rdb

import (
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed claim.lua
	claimLua string
	//go:embed settle.lua
	settleLua string
)

// ErrFenced says that a newer holder has the mailbox, and that nothing was written.
var ErrFenced = errors.New("a newer holder has the mailbox")

// Ledger keeps what became of each message of a mailbox, and who watches it.
type Ledger struct {
	store         *Store
	claim, settle *redis.Script
}

// NewLedger keeps ledgers beside a Store.
func NewLedger(s *Store) *Ledger {
	return &Ledger{store: s, claim: redis.NewScript(claimLua), settle: redis.NewScript(settleLua)}
}

// Place is what became of one UID.
type Place struct {
	UID    uint32
	Digest [8]byte
	Fate   string
	At     time.Time
	Anew   bool // the store had lost what became of it, and this was decided since: it replaces what the ledger says
}

type mailboxKeys string

func mailboxOf(name string) mailboxKeys { return mailboxKeys(prefix + "{mb:" + name + "}:") }

func (k mailboxKeys) is(name string) string { return string(k) + name }

func (k mailboxKeys) shards(validity uint32) string {
	return fmt.Sprintf("%suids:%d", string(k), validity)
}

// perShard keeps a shard of the ledger within what Redis packs tightly.
const perShard = 128

func (k mailboxKeys) shard(validity uint32, n string) string {
	return fmt.Sprintf("%suid:%d:%s", string(k), validity, n)
}

// Claim takes the lease of a mailbox or renews it.
func (l *Ledger) Claim(ctx context.Context, mailbox, holder string, ttl time.Duration) (fence int64, held bool, err error) {
	now := l.store.Now()
	out, err := l.claim.Run(ctx, l.store.rdb, []string{mailboxOf(mailbox).is("lease")}, holder, now.UnixMilli(), now.Add(ttl).UnixMilli(), 0).Int64Slice()
	if err != nil {
		return 0, false, fmt.Errorf("claim mailbox %s: %w", mailbox, err)
	}
	return out[0], out[1] == 1, nil
}

// Release gives the lease back.
func (l *Ledger) Release(ctx context.Context, mailbox, holder string, fence int64) error {
	err := l.claim.Run(ctx, l.store.rdb, []string{mailboxOf(mailbox).is("lease")}, holder, l.store.Now().UnixMilli(), 0, fence).Err()
	if err != nil {
		return fmt.Errorf("release mailbox %s: %w", mailbox, err)
	}
	return nil
}

// FirstSight is when the mailbox was first seen.
func (l *Ledger) FirstSight(ctx context.Context, mailbox string, now time.Time) (time.Time, error) {
	key := mailboxOf(mailbox).is("first")
	if err := l.store.rdb.SetNX(ctx, key, now.UnixMilli(), 0).Err(); err != nil {
		return time.Time{}, fmt.Errorf("note the first sight of mailbox %s: %w", mailbox, err)
	}
	ms, err := l.store.rdb.Get(ctx, key).Int64()
	if err != nil {
		return time.Time{}, fmt.Errorf("read the first sight of mailbox %s: %w", mailbox, err)
	}
	return time.UnixMilli(ms).UTC(), nil
}

// Settled reads every place under a UIDVALIDITY.
func (l *Ledger) Settled(ctx context.Context, mailbox string, validity uint32) ([]Place, error) {
	k := mailboxOf(mailbox)
	names, err := l.store.rdb.SMembers(ctx, k.shards(validity)).Result()
	if err != nil {
		return nil, fmt.Errorf("read the ledger of mailbox %s: %w", mailbox, err)
	}
	var all []Place
	const chunk = 200
	for len(names) > 0 {
		n := min(chunk, len(names))
		cmds := make([]*redis.MapStringStringCmd, n)
		_, err := l.store.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, name := range names[:n] {
				cmds[i] = p.HGetAll(ctx, k.shard(validity, name))
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read the ledger of mailbox %s: %w", mailbox, err)
		}
		for _, c := range cmds {
			for uid, v := range c.Val() {
				p, err := decodePlace(uid, v)
				if err != nil {
					return nil, fmt.Errorf("read the ledger of mailbox %s: %w", mailbox, err)
				}
				all = append(all, p)
			}
		}
		names = names[n:]
	}
	return all, nil
}

func decodePlace(uid, v string) (Place, error) {
	n, err := strconv.ParseUint(uid, 10, 32)
	f := strings.Split(v, "|")
	if err != nil || len(f) != 3 {
		return Place{}, fmt.Errorf("uid %q: not an entry of ours", uid)
	}
	p := Place{UID: uint32(n), Fate: f[0]}
	digest, err := base64.RawURLEncoding.DecodeString(f[1])
	if err != nil || len(digest) != len(p.Digest) {
		return Place{}, fmt.Errorf("uid %s: digest cannot be read", uid)
	}
	copy(p.Digest[:], digest)
	if at, err := strconv.ParseInt(f[2], 10, 64); err == nil && at != 0 {
		p.At = time.Unix(at, 0).UTC()
	}
	return p, nil
}

// An Attempt is a message that a holder had in hand.
type Attempt struct{ UIDValidity, UID uint32 }

// triesFor is how long it is remembered that a message was in hand at a holder's end.
const triesFor = 7 * 24 * time.Hour

// Begin notes that holder has these messages in hand and no others.
func (l *Ledger) Begin(ctx context.Context, mailbox, holder string, validity uint32, uids []uint32) error {
	key := mailboxOf(mailbox).is("hand")
	var err error
	if len(uids) == 0 {
		err = l.store.rdb.Del(ctx, key).Err()
	} else {
		v := fmt.Appendf(nil, "%s %d", holder, validity)
		for _, uid := range uids {
			v = strconv.AppendUint(append(v, ' '), uint64(uid), 10)
		}
		err = l.store.rdb.Set(ctx, key, v, triesFor).Err()
	}
	if err != nil {
		return fmt.Errorf("note what is in hand of mailbox %s: %w", mailbox, err)
	}
	return nil
}

// Unfinished counts how many holders ended with a message in hand, this one left out.
func (l *Ledger) Unfinished(ctx context.Context, mailbox, holder string) (map[Attempt]int, error) {
	k := mailboxOf(mailbox)
	fault := func(err error) error {
		return fmt.Errorf("read what was in hand of mailbox %s: %w", mailbox, err)
	}
	v, err := l.store.rdb.Get(ctx, k.is("hand")).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fault(err)
	}
	var tries *redis.MapStringStringCmd
	_, err = l.store.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		if f := strings.Fields(v); len(f) > 2 && f[0] != holder {
			for _, uid := range f[2:] {
				p.HIncrBy(ctx, k.is("tries"), f[1]+"/"+uid, 1)
			}
			p.Expire(ctx, k.is("tries"), triesFor)
		}
		p.Del(ctx, k.is("hand"))
		tries = p.HGetAll(ctx, k.is("tries"))
		return nil
	})
	if err != nil {
		return nil, fault(err)
	}
	all := make(map[Attempt]int, len(tries.Val()))
	for place, n := range tries.Val() {
		var a Attempt
		if _, err := fmt.Sscanf(place, "%d/%d", &a.UIDValidity, &a.UID); err != nil {
			return nil, fault(fmt.Errorf("place %q", place))
		}
		all[a] = int(number(n))
	}
	return all, nil
}

// Life is Store.Life and, of this mailbox, the life in which it was gone over last and until when its ledger was then known to be whole.
func (l *Ledger) Life(ctx context.Context, mailbox string) (life, gone string, sound time.Time, err error) {
	v, err := l.store.rdb.HMGet(ctx, mailboxOf(mailbox).is("lease"), "life", "sound").Result()
	if err != nil {
		return "", "", time.Time{}, fmt.Errorf("read what is known of mailbox %s: %w", mailbox, err)
	}
	if life, err = l.store.Life(ctx); err != nil {
		return "", "", time.Time{}, err
	}
	if ms := number(v[1]); ms != 0 {
		sound = time.UnixMilli(ms).UTC()
	}
	return life, text(v[0]), sound, nil
}

// GoneOver notes that a mailbox was gone over in a life, and that its ledger is whole until now.
func (l *Ledger) GoneOver(ctx context.Context, mailbox, life string) error {
	err := l.store.rdb.HSet(ctx, mailboxOf(mailbox).is("lease"), "life", life, "sound", l.store.Now().UnixMilli()).Err()
	if err != nil {
		return fmt.Errorf("note what is known of mailbox %s: %w", mailbox, err)
	}
	return nil
}

// Settle sets the fate of places, each once.
func (l *Ledger) Settle(ctx context.Context, mailbox string, fence int64, validity uint32, all []Place) error {
	if len(all) == 0 {
		return nil
	}
	k := mailboxOf(mailbox)
	type group struct {
		shard uint32
		fate  string
		anew  bool
	}
	places, order := map[group][]any{}, []group{}
	for _, p := range all {
		g := group{p.UID / perShard, p.Fate, p.Anew}
		if places[g] == nil {
			order = append(order, g)
		}
		at := int64(0)
		if !p.At.IsZero() {
			at = p.At.Unix()
		}
		places[g] = append(places[g], p.UID, p.Fate+"|"+b64(p.Digest[:])+"|"+strconv.FormatInt(at, 10))
	}
	keys := []string{k.is("lease"), k.is("fate"), k.shards(validity), k.is("vals")}
	args := make([]any, 2, 2+2*len(all)+3*len(order))
	args[0], args[1] = fence, validity
	for _, g := range order {
		keys = append(keys, k.shard(validity, strconv.FormatUint(uint64(g.shard), 10)))
		args = append(append(args, g.fate, len(places[g])/2, g.anew), places[g]...)
	}
	n, err := l.store.evalInt(ctx, l.settle, keys, args...)
	if err != nil {
		return fmt.Errorf("settle %d places of mailbox %s: %w", len(all), mailbox, err)
	}
	if n < 0 {
		return fmt.Errorf("settle mailbox %s: %w", mailbox, ErrFenced)
	}
	return nil
}

// Account is what the ledger of a mailbox says in sum.
type Account struct {
	Fates  map[string]int64 // as counted when they were set
	Places map[uint32]int64 // by UIDVALIDITY, as they lie in the ledger
	ByFate map[string]int64 // the same by fate
}

// Account counts the ledger of a mailbox, place by place, and reads what was counted as they were set: both must agree.
func (l *Ledger) Account(ctx context.Context, mailbox string, each func(validity uint32, p Place)) (*Account, error) {
	k := mailboxOf(mailbox)
	fates, err := l.store.rdb.HGetAll(ctx, k.is("fate")).Result()
	if err != nil {
		return nil, fmt.Errorf("read the ledger of mailbox %s: %w", mailbox, err)
	}
	validities, err := l.store.rdb.SMembers(ctx, k.is("vals")).Result()
	if err != nil {
		return nil, fmt.Errorf("read the ledger of mailbox %s: %w", mailbox, err)
	}
	a := &Account{Fates: numbers(fates), Places: map[uint32]int64{}, ByFate: map[string]int64{}}
	for _, s := range validities {
		v, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read the ledger of mailbox %s: uidvalidity %q", mailbox, s)
		}
		places, err := l.Settled(ctx, mailbox, uint32(v))
		if err != nil {
			return nil, err
		}
		a.Places[uint32(v)] = int64(len(places))
		for _, p := range places {
			a.ByFate[p.Fate]++
			if each != nil {
				each(uint32(v), p)
			}
		}
	}
	return a, nil
}
