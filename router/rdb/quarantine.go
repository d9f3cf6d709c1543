package rdb

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
)

var (
	//go:embed admit.lua
	admitLua string
	//go:embed unpark.lua
	unparkLua string
)

// Admit counts a message within its sender's limit. Senders share windows, so that their number is bounded; with a key of the store's in
// the hash nobody can choose with whom.
func (s *Store) Admit(ctx context.Context, store string, a *router.Admission) (bool, error) {
	keys := []string{keysOf(store).shard("adm", a.Sender)}
	n, err := s.evalInt(ctx, s.admit, keys, b64(a.Token), a.At.UnixMilli(), a.Per.Milliseconds(), a.Messages)
	return n == 1, err
}

// Decided reads what was decided under a token.
func (s *Store) Decided(ctx context.Context, store string, token, place []byte) (router.Taken, bool, error) {
	v, err := s.rdb.HGet(ctx, keysOf(store).shard("tok", token), b64(token)).Result()
	if errors.Is(err, redis.Nil) || err == nil && v == "" {
		return router.Taken{}, false, nil
	}
	if err != nil {
		return router.Taken{}, false, err
	}
	where, lead, _ := strings.Cut(v[1:], " ")
	t := router.Taken{Disposition: decided[v[:1]], Lead: lead, Again: where == b64(place)}
	if v[0] == 'o' || v[0] == 'q' {
		t.Fate = string(t.Disposition)
	}
	if !t.Again {
		t.Disposition = router.DispositionReplay
	}
	return t, true, nil
}

// Held reads a quarantined message.
func (s *Store) Held(ctx context.Context, store, id string) (router.Parked, error) {
	k := keysOf(store)
	var listed *redis.FloatCmd
	var note, raw *redis.StringCmd
	// In one step: between two somebody may end it, and a message without its bytes would seem to lie in its mailbox alone.
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		listed, note, raw = p.ZScore(ctx, k.is("q"), id), p.HGet(ctx, k.is("park"), id), p.Get(ctx, k.raw(id))
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return router.Parked{}, err
	}
	for _, err := range []error{listed.Err(), note.Err()} {
		if errors.Is(err, redis.Nil) {
			return router.Parked{}, fmt.Errorf("message %q: %w", id, router.ErrNotFound)
		}
		if err != nil {
			return router.Parked{}, err
		}
	}
	if err := raw.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return router.Parked{}, err
	}
	var p router.Parked
	if err := json.Unmarshal([]byte(note.Val()), &p); err != nil {
		return router.Parked{}, fmt.Errorf("read a parked message: %w", err)
	}
	if p.Kept && raw.Err() == nil {
		p.Raw = []byte(raw.Val())
	}
	return p, nil
}

// Unpark ends that a message is held.
func (s *Store) Unpark(ctx context.Context, store string, u *router.Unparking) (router.Unparked, error) {
	k := keysOf(store)
	detail, err := json.Marshal(u.Detail)
	if err != nil {
		return router.Unparked{}, err
	}
	r := request{"now": u.Now.UnixMilli(), "id": u.ID, "kind": u.Kind, "begin": u.Begin, "by": u.By, "actor": u.Actor, "floor": "", "catchup": 0}
	var out router.Unparked
	token := u.Token
	if len(token) == 0 {
		token = make([]byte, 2) // some shard: it is not looked into
	}
	keys := append(k.base(), k.is("q"), k.is("park"), k.raw(u.ID), k.is("kept"), k.call("held/"+u.ID), k.shard("tok", token))
	err = s.run(ctx, s.unpark, keys, &out, s.sign(store, r), detail, b64(u.Token))
	return out, err
}
