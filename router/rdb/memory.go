package rdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A memory is what a Store knows of the server's: whether it may have forgotten something.
type memory struct {
	mu    sync.Mutex
	opens map[string]opened
	life  string
	at    time.Time // when life was asked for
}

// opened is a store as this process last saw it.
type opened struct {
	epoch string
	seq   int64 // the highest number of an event that was seen
}

func (m *memory) open(store, epoch string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opens == nil {
		m.opens = map[string]opened{}
	}
	m.opens[store] = opened{epoch: epoch}
	m.at = time.Time{}
}

// epoch is the one under which this process opened a store, empty where it has not.
func (s *Store) epoch(store string) string {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return s.memory.opens[store].epoch
}

// lifeFor is how long an answer of Life stands: many mailboxes ask.
const lifeFor = time.Second

// Life names the stretch of time in which the server has certainly forgotten nothing: by the runs and the replication histories of its
// masters, the epochs of the stores opened here, and whether one of them was ever found with fewer events than before. A server that does
// not tell of itself, as some managed ones, is known by its stores alone.
func (s *Store) Life(ctx context.Context) (string, error) {
	m := &s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.at) < lifeFor {
		return m.life, nil
	}
	parts, err := s.masters(ctx)
	if err != nil {
		return "", fmt.Errorf("ask redis who it is: %w", err)
	}
	stores := slices.Sorted(maps.Keys(m.opens))
	metas := make([]*redis.SliceCmd, len(stores))
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, store := range stores {
			metas[i] = p.HMGet(ctx, keysOf(store).is("meta"), "epoch", "seq", "forgot")
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("ask redis for its stores: %w", err)
	}
	for i, store := range stores {
		v := metas[i].Val()
		epoch, forgot, was, seq := text(v[0]), text(v[2]), m.opens[store], number(v[1])
		if epoch == was.epoch && seq < was.seq {
			// Noted there, so that every replica learns of it, before new events make up for the lost ones.
			forgot = fmt.Sprint(s.Now().UnixMilli())
			if err := s.rdb.HSet(ctx, keysOf(store).is("meta"), "forgot", forgot).Err(); err != nil {
				return "", fmt.Errorf("note that redis forgot events: %w", err)
			}
		}
		was.seq = seq
		m.opens[store] = was
		parts = append(parts, store+" "+epoch+" "+forgot)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	m.life, m.at = hex.EncodeToString(sum[:8]), time.Now()
	return m.life, nil
}

// masters tells the run and the replication history of each master.
func (s *Store) masters(ctx context.Context) ([]string, error) {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		one, err := incarnation(ctx, s.rdb)
		return []string{one}, err
	}
	var mu sync.Mutex
	var all []string
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		one, err := incarnation(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, one)
		return err
	})
	slices.Sort(all)
	return all, err
}

// incarnation tells one server's run and replication history; empty where it does not let us look.
func incarnation(ctx context.Context, c redis.Cmdable) (string, error) {
	told := ""
	for _, section := range []string{"server", "replication"} {
		info, err := c.Info(ctx, section).Result()
		if err != nil && !replied(err) {
			return "", err
		}
		for line := range strings.Lines(info) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); name == "run_id" || name == "master_replid" {
				told += value + " "
			}
		}
	}
	return told, nil
}
