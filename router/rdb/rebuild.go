package rdb

import (
	"context"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
)

var (
	//go:embed mend.lua
	mendLua string
	//go:embed restore.lua
	restoreLua string
)

// mendKeys are the keys of what is derived, by what differences call it.
var (
	mendSets   = map[string]string{"untouched": "ua", "deadline": "ud", "overdue": "over", "waiting": "wait", "timer": "due", "owed": "owed", "arrival": "leads"}
	mendHashes = map[string]string{"untouched of": "unt"}
	mendMeta   = map[string]string{"last event": "seq", "rotation reference": "ref", "rotation generation": "gen"}
)

// Mend sets right what is derived.
func (s *Store) Mend(ctx context.Context, store string, head int64, mends []router.Mend) error {
	k := keysOf(store)
	keys := k.base()
	numbers := map[string]int{}
	key := func(name string) int {
		n, ok := numbers[name]
		if !ok {
			keys = append(keys, name)
			n = len(keys) - scriptKeys
			numbers[name] = n
		}
		return n
	}
	h, z, n, leads, meta := [][]any{}, [][]any{}, [][]any{}, [][]any{}, map[string]string{}
	for _, m := range mends {
		amount := strconv.FormatInt(m.Value, 10)
		var value any = amount
		if m.Gone {
			value = false
		}
		switch {
		case mendSets[m.Kind] != "":
			z = append(z, []any{key(k.is(mendSets[m.Kind])), m.Field, value})
		case mendHashes[m.Kind] != "":
			h = append(h, []any{key(k.is(mendHashes[m.Kind])), m.Field, value})
		case m.Kind == "counter": // which may stand in several places, see people
			n = append(n, []any{key(k.is("cnt")), m.Field, strconv.FormatInt(m.Value-m.Was, 10)})
		case mendMeta[m.Kind] != "":
			meta[mendMeta[m.Kind]] = amount
		case m.Turns != nil:
			if t := m.Turns; !m.Gone {
				eligible := "1"
				if !t.Eligible {
					eligible = "o" // why not is found out when it is next looked at
				}
				value = fmt.Sprintf("%d|%d|%s|%d|%d|%d", t.Pass, t.Last, eligible, t.Turns, t.Since, t.Gen)
			}
			h = append(h, []any{key(k.is("rot")), m.Field, value})
		case m.Hand != nil:
			if x := m.Hand; !m.Gone {
				till := int64(0)
				if !x.Until.IsZero() {
					till = x.Until.UnixMilli()
				}
				value = fmt.Sprintf("%s|%d|%s", x.Status, till, x.By)
			}
			h = append(h, []any{key(k.is("hand")), m.Field, value})
		case m.Lead != nil:
			leads = append(leads, []any{key(k.lead(m.Field)), strconv.FormatInt(m.Version, 10), m.Lead})
		case m.Print.Kind != "":
			value = false
			if len(m.Holders) > 0 {
				value = encodeHolders(m.Holders)
			}
			h = append(h, []any{key(k.shard("fp", m.Print.Hash)), string(m.Print.Kind) + b64(m.Print.Hash), value})
		default:
			return fmt.Errorf("mend %q: nothing of that kind is derived", m.Kind)
		}
	}
	r := request{"now": s.Now().UnixMilli(), "head": head, "h": h, "z": z, "n": n, "leads": leads, "meta": meta, "floor": "", "catchup": 0}
	var out struct{ Conflict bool }
	if err := s.run(ctx, s.mend, keys, &out, s.sign(store, r)); err != nil {
		return fmt.Errorf("mend: %w", err)
	}
	if out.Conflict {
		return router.ErrConflict
	}
	return nil
}

// Restored begins a new epoch.
func (s *Store) Restored(ctx context.Context, store, actor string) error {
	r := request{"now": s.Now().UnixMilli(), "actor": actor, "floor": "", "catchup": 0}
	return s.run(ctx, s.restore, keysOf(store).base(), &struct{}{}, s.sign(store, r))
}

func encodeHolders(all []router.Holder) string {
	parts := make([]string, len(all))
	for i, x := range all {
		who := x.Lead
		if !x.Forgotten.IsZero() {
			who = "!" + strconv.FormatInt(x.Forgotten.UnixMilli(), 10)
		}
		parts[i] = who + ":"
		if len(x.Last) > 0 {
			parts[i] += b64(x.Last)
		}
	}
	return strings.Join(parts, ",")
}

// Index reads every fingerprint. What cannot be read is given as one that nobody has.
func (s *Store) Index(ctx context.Context, store string, each func(p router.Print, has []router.Holder)) error {
	k := keysOf(store)
	const chunk = 128
	for from := 0; from < shards; from += chunk {
		cmds := make([]*redis.MapStringStringCmd, chunk)
		_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range cmds {
				cmds[i] = p.HGetAll(ctx, k.is("fp")+":"+itoa(from+i))
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read fingerprints: %w", err)
		}
		for _, c := range cmds {
			for field, v := range c.Val() {
				if len(field) < 2 {
					continue
				}
				hash, err := base64.RawURLEncoding.DecodeString(field[1:])
				if err != nil || len(hash) != 8 {
					continue // none of ours
				}
				each(router.Print{Kind: router.PrintKind(field[:1]), Hash: hash}, decodeHolders(v))
			}
		}
	}
	return nil
}

func decodeHolders(v string) []router.Holder {
	var all []router.Holder
	for part := range strings.SplitSeq(v, ",") {
		who, last, ok := strings.Cut(part, ":")
		if !ok || who == "" {
			continue
		}
		x := router.Holder{Lead: who}
		if b, err := base64.RawURLEncoding.DecodeString(last); err == nil && len(b) > 0 {
			x.Last = b
		}
		if ms, ok := strings.CutPrefix(who, "!"); ok {
			n, _ := strconv.ParseInt(ms, 10, 64) // no number: long ago
			x.Lead, x.Forgotten = "", time.UnixMilli(n).UTC()
		}
		all = append(all, x)
	}
	return all
}
