package rdb

import (
	"context"
	"fmt"
	"time"
)

// A reading is the server's clock and this machine's at one instant.
type reading struct{ server, local time.Time }

// Sync reads the server's clock, so that all replicas tell the same time. Until the next reading this machine's monotonic clock is
// followed: whoever sets its wall clock moves nothing.
func (s *Store) Sync(ctx context.Context) error {
	before := time.Now()
	t, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("read the clock of redis: %w", err)
	}
	s.clock.Store(&reading{server: t, local: before.Add(time.Since(before) / 2)})
	return nil
}

// Now is the server's clock, in milliseconds; this machine's before the first Sync.
func (s *Store) Now() time.Time {
	now := time.Now()
	if s.now != nil {
		now = s.now()
	} else if r := s.clock.Load(); r != nil {
		now = r.server.Add(time.Since(r.local))
	}
	return now.UTC().Truncate(time.Millisecond)
}
