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

// Leading tells that a configuration was loaded at an instant, and which of all was loaded last. It may be told as often as one likes: a
// server that forgot learns it again.
func (s *Store) Leading(ctx context.Context, hash string, loaded time.Time) (last string, at time.Time, err error) {
	v, err := redis.NewScript(leadLua).Run(ctx, s.rdb, []string{theDaemon.is("config")}, hash, loaded.UnixMilli()).Slice()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("ask which configuration was loaded last: %w", err)
	}
	return text(v[0]), time.UnixMilli(number(v[1])).UTC(), nil
}
