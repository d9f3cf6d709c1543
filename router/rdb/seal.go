package rdb

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
)

//go:embed seal.lua
var sealLua string

const (
	// sealChunk bounds one value of a snapshot, so that none takes long to write or to read.
	sealChunk = 1 << 20
	// sealKeep is how many closed events stay: as far as an event may look back for the people that it was decided among, see lib.lua.
	sealKeep = 256
	// sealDraft is how long a snapshot stays whose writer died before it was put in its place.
	sealDraft = time.Hour
)

// Sealed is the number of the last event that a seal closed.
func (s *Store) Sealed(ctx context.Context, store string) (int64, error) {
	n, err := s.rdb.HGet(ctx, keysOf(store).is("meta"), "sealed").Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return n, err
}

// Snapshot reads what the last seal kept.
func (s *Store) Snapshot(ctx context.Context, store string) ([]byte, error) {
	for range 5 {
		before, err := s.Sealed(ctx, store)
		if err != nil || before == 0 {
			return nil, err
		}
		all, err := s.pieces(ctx, keysOf(store).is("seal"))
		if err != nil {
			return nil, fmt.Errorf("read a snapshot: %w", err)
		}
		// The next seal may have taken its place in between.
		if after, err := s.Sealed(ctx, store); err != nil || after == before {
			return all, err
		}
	}
	return nil, errors.New("the log is sealed again and again: again later")
}

func (s *Store) pieces(ctx context.Context, key string) ([]byte, error) {
	n, err := s.rdb.HLen(ctx, key).Result()
	var all bytes.Buffer
	for i := int64(0); err == nil && i < n; i++ {
		var piece []byte
		if piece, err = s.rdb.HGet(ctx, key, strconv.FormatInt(i, 10)).Bytes(); errors.Is(err, redis.Nil) {
			break
		}
		all.Write(piece)
	}
	if errors.Is(err, redis.Nil) {
		err = nil // it was replaced, which the caller sees
	}
	return all.Bytes(), err
}

// Seal keeps a snapshot in place of events.
func (s *Store) Seal(ctx context.Context, store string, x *router.Sealing) error {
	k := keysOf(store)
	draft := k.is("seal:" + rand.Text())
	n := 0
	for chunk := range slices.Chunk(x.Snapshot, sealChunk) {
		_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.HSet(ctx, draft, strconv.Itoa(n), chunk)
			p.Expire(ctx, draft, sealDraft)
			return nil
		})
		if err != nil {
			return fmt.Errorf("write a snapshot: %w", err)
		}
		n++
	}
	detail, err := json.Marshal(x.Detail)
	if err != nil {
		return err
	}
	r := request{"now": x.Now.UnixMilli(), "actor": x.Actor, "before": x.Before, "last": x.Last, "keep": sealKeep, "floor": "", "catchup": 0}
	var out struct{ Conflict bool }
	if err := s.run(ctx, s.seal, append(k.base(), k.is("seal"), draft), &out, s.sign(store, r), detail); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if out.Conflict {
		_ = s.rdb.Del(ctx, draft).Err() // else it expires
		return router.ErrConflict
	}
	return nil
}
