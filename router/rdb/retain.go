package rdb

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed sweep.lua
var sweepLua string

// Sweep forgets messages without a lead that were put aside before the given instant, some of them.
func (s *Store) Sweep(ctx context.Context, store string, now, before time.Time, limit int) (int, error) {
	k := keysOf(store)
	lists := make([]*redis.StringSliceCmd, 2)
	var raw *redis.IntCmd
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range []string{"q", "o"} {
			lists[i] = p.ZRangeByScore(ctx, k.is(name), &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(before.UnixMilli(), 10), Count: int64(limit)})
		}
		raw = p.ZCount(ctx, k.is("kept"), "-inf", strconv.FormatInt(now.UnixMilli(), 10))
		return nil
	})
	if err != nil {
		return 0, err
	}
	ids := append(lists[0].Val(), lists[1].Val()...)
	ids = ids[:min(len(ids), limit)]
	if len(ids) == 0 && raw.Val() == 0 {
		return 0, nil
	}
	keys := append(k.base(), k.is("q"), k.is("o"), k.is("park"), k.is("kept"))
	for _, id := range ids {
		keys = append(keys, k.raw(id))
	}
	var n int
	r := request{"now": now.UnixMilli(), "before": before.UnixMilli(), "ids": append([]string{}, ids...), "floor": "", "catchup": 0}
	err = s.run(ctx, s.sweep, keys, &n, s.sign(store, r))
	return n, err
}

// An ageMark is how far the leads were looked through, in the order of their arrival, for one retention.
type ageMark struct {
	score, keep int64 // ms
	id          string
}

func (m ageMark) String() string { return fmt.Sprintf("%d|%d|%s", m.score, m.keep, m.id) }

func parseAgeMark(s string) (m ageMark) {
	if p := strings.SplitN(s, "|", 3); len(p) == 3 {
		m.score, _ = strconv.ParseInt(p[0], 10, 64) // no number: from the beginning
		m.keep, _ = strconv.ParseInt(p[1], 10, 64)
		m.id = p[2]
	}
	return m
}

// Aging lists leads that may have been kept long enough: those that arrived so long ago and were not looked at yet, and those whose time has
// come since.
func (s *Store) Aging(ctx context.Context, store string, now time.Time, keep time.Duration, limit int) ([]string, string, error) {
	k := keysOf(store)
	var again *redis.StringSliceCmd
	var aged *redis.SliceCmd
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		again = p.ZRangeByScore(ctx, k.is("age"), &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(limit)})
		aged = p.HMGet(ctx, k.is("meta"), "aged")
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	ids := again.Val()
	mark := parseAgeMark(text(aged.Val()[0]))
	if mark.keep != keep.Milliseconds() {
		mark = ageMark{keep: keep.Milliseconds()} // what was too young for another retention may be old enough for this
	}
	before := strconv.FormatInt(now.Add(-keep).UnixMilli(), 10)
	const chunk = 200
	for offset, from := int64(0), strconv.FormatInt(mark.score, 10); len(ids) < limit; offset += chunk {
		z, err := s.rdb.ZRangeByScoreWithScores(ctx, k.is("leads"), &redis.ZRangeBy{Min: from, Max: before, Offset: offset, Count: chunk}).Result()
		if err != nil {
			return nil, "", err
		}
		was := mark
		for _, e := range z {
			id, score := text(e.Member), int64(e.Score)
			if score == was.score && id <= was.id || len(ids) == limit {
				continue
			}
			ids = append(ids, id)
			mark.score, mark.id = score, id
		}
		if len(z) < chunk {
			break
		}
	}
	return ids, mark.String(), nil
}

// Aged notes that leads were looked at: those that are to be kept longer with when to look again, and how far Aging has come.
func (s *Store) Aged(ctx context.Context, store string, ids []string, later map[string]time.Time, mark string) error {
	k := keysOf(store)
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, id := range ids {
			if at, ok := later[id]; ok {
				p.ZAdd(ctx, k.is("age"), redis.Z{Score: float64(at.UnixMilli()), Member: id})
			} else {
				p.ZRem(ctx, k.is("age"), id)
			}
		}
		p.HSet(ctx, k.is("meta"), "aged", mark)
		return nil
	})
	return err
}
