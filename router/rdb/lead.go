package rdb

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
	"leadfloor/router/hours"
)

//go:embed lead.lua
var leadLua string

// mostHours is how many versions of a store's hours are kept: years of edits. What is older goes by the oldest that is kept.
const mostHours = 64

// Leading tells for each store that a configuration was loaded at an instant, and by which hours it is open from then on. It returns one of
// another hash that was loaded later for any of them; empty where there is none. It may be told as often as one likes: a server that forgot
// learns it again.
func (s *Store) Leading(ctx context.Context, rooftops []*router.Rooftop, hash string, loaded time.Time) (other string, at time.Time, err error) {
	last := make([]*redis.Cmd, len(rooftops))
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, f := range rooftops {
			k := keysOf(f.ID)
			last[i] = p.Eval(ctx, leadLua, []string{k.is("config"), k.is("hours")}, hash, loaded.UnixMilli(), f.Calendar().String(), mostHours)
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

// Hours are those of the configurations that led, oldest first.
func (s *Store) Hours(ctx context.Context, store string) ([]hours.Version, error) {
	lines, err := s.rdb.LRange(ctx, keysOf(store).is("hours"), 0, -1).Result()
	if err != nil {
		return nil, err
	}
	all := make([]hours.Version, len(lines))
	for i, line := range lines {
		since, text, _ := strings.Cut(line, "|")
		ms, err := strconv.ParseInt(since, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("since when they are in force: %w", err)
		}
		c, err := hours.ParseCalendar(text)
		if err != nil {
			return nil, fmt.Errorf("those in force since %s: %w", time.UnixMilli(ms).UTC().Format(time.RFC3339), err)
		}
		all[i] = hours.Version{Since: time.UnixMilli(ms).UTC(), Calendar: c}
	}
	return all, nil
}
