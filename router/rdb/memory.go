package rdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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

// Compact has the masters write their append-only files anew, once in each life, and says whether that was needed. Where the power failed
// in the middle of a script's effects Redis 7 leaves their beginning in the file: it is not there after the first start, and carried out at
// the second. A server that does not let us is left alone: it is a managed one, which keeps its data otherwise.
func (s *Store) Compact(ctx context.Context) (bool, error) {
	life, err := s.Life(ctx)
	if err != nil {
		return false, err
	}
	key := theDaemon.is("life")
	was, err := s.rdb.Get(ctx, key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("read which life redis is in: %w", err)
	}
	if was == life {
		return false, nil
	}
	err = s.eachMaster(ctx, func(ctx context.Context, c redis.Cmdable) error {
		info, err := c.Info(ctx, "persistence").Result()
		if err == nil && strings.Contains(info, "aof_enabled:1") {
			err = c.BgRewriteAOF(ctx).Err()
		}
		if err != nil && !replied(err) {
			return err
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("have redis write its append-only file anew: %w", err)
	}
	if err := s.rdb.Set(ctx, key, life, 0).Err(); err != nil {
		return false, fmt.Errorf("note which life redis is in: %w", err)
	}
	return true, nil
}

// masters tells the run and the replication history of each master.
func (s *Store) masters(ctx context.Context) ([]string, error) {
	var mu sync.Mutex
	var all []string
	err := s.eachMaster(ctx, func(ctx context.Context, c redis.Cmdable) error {
		one, err := incarnation(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, one)
		return err
	})
	slices.Sort(all)
	return all, err
}

// eachMaster calls f for each node that takes writes, from several goroutines.
func (s *Store) eachMaster(ctx context.Context, f func(ctx context.Context, c redis.Cmdable) error) error {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return f(ctx, s.rdb)
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return f(ctx, c) })
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
