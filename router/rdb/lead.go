package rdb

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lead.lua
var leadLua string

// Leading tells for each store that a configuration was loaded at an instant. It returns one of another hash that was loaded later for any of
// them; empty where there is none. It may be told as often as one likes: a server that forgot learns it again.
func (s *Store) Leading(ctx context.Context, stores []string, hash string, loaded time.Time) (other string, at time.Time, err error) {
	last := make([]*redis.Cmd, len(stores))
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, store := range stores {
			last[i] = p.Eval(ctx, leadLua, []string{keysOf(store).is("config")}, hash, loaded.UnixMilli())
		}
		return nil
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("ask which configuration was loaded last: %w", err)
	}
	for _, c := range last {
		if v, err := c.Slice(); err == nil && len(v) == 2 && text(v[0]) != hash {
			return text(v[0]), time.UnixMilli(number(v[1])).UTC(), nil
		}
	}
	return "", time.Time{}, nil
}
