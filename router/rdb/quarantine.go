package rdb

import (
	"context"
	_ "embed"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
)

//go:embed admit.lua
var admitLua string

// Admit counts a message within its sender's limit. Senders share windows, so that their number is bounded; with a key of the store's in
// the hash nobody can choose with whom.
func (s *Store) Admit(ctx context.Context, store string, a *router.Admission) (bool, error) {
	keys := []string{keysOf(store).shard("adm", a.Sender)}
	n, err := s.evalInt(ctx, s.admit, keys, b64(a.Token), a.At.UnixMilli(), a.Per.Milliseconds(), a.Messages)
	return n == 1, err
}

// dispositions are what the letters before a place in a token shard stand for.
var dispositions = map[byte]router.Disposition{
	'n': router.DispositionNew, 't': router.DispositionTouch, 'd': router.DispositionDuplicate, 'o': "other", 'q': "quarantined",
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
	t := router.Taken{Disposition: dispositions[v[0]], Lead: lead, Again: where == b64(place)}
	if v[0] == 'o' || v[0] == 'q' {
		t.Fate = string(t.Disposition)
	}
	if !t.Again {
		t.Disposition = router.DispositionReplay
	}
	return t, true, nil
}
