package rdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
)

// What can become of a call, by its error. There are three answers: where the server refused, or was never reached, nothing was done and
// the call is made again; where the reply was lost nobody knows, and the very same call is made again, which the scripts allow; where a
// key is not what it should be, calling again would only add to the damage.

// elsewhere says that another node should have been asked, or this one later: nothing was done.
func elsewhere(err error) bool {
	for _, prefix := range []string{"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "LOADING", "MASTERDOWN"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// replied says that the server answered, if only to refuse.
func replied(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// damaged says that a script met a key that it cannot work with.
func damaged(err error) bool {
	if err == nil {
		return false
	}
	for _, refusal := range []string{"OOM", "MISCONF", "NOREPLICAS", "NOPERM", "UNOPENED", "BUSY"} {
		if redis.HasErrorPrefix(err, refusal) {
			return false // they may name the script too
		}
	}
	return redis.HasErrorPrefix(err, "WRONGTYPE") || redis.HasErrorPrefix(err, "ERR") && strings.Contains(err.Error(), "user_script")
}

const (
	// restFor is how long a store whose keys are not what they should be is left alone.
	restFor = time.Minute
	// waitFor bounds how long a decision waits for its replicas before it is tried again.
	waitFor = 2 * time.Second
	// redirects is how often a call looks for the node that has its keys, and redirectPause how long it waits at most in between: some
	// seconds in all, in which a failover is usually over.
	redirects     = 8
	redirectPause = 500 * time.Millisecond
)

// run calls a script on the node of its first key. A lost reply is answered by the same call again, which the scripts allow.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, answer any, args ...any) error {
	c, err := s.call(ctx, script, keys, args...)
	if err != nil {
		return err
	}
	out, err := c.Text()
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), answer); err != nil {
		return fmt.Errorf("read a script's answer: %w", err)
	}
	return nil
}

// call does so without reading the answer.
func (s *Store) call(ctx context.Context, script *redis.Script, keys []string, args ...any) (*redis.Cmd, error) {
	tag, _, _ := strings.Cut(keys[0], "}")
	if until, ok := s.broken.Load(tag); ok && time.Now().Before(until.(time.Time)) {
		return nil, router.ErrBroken
	}
	c := s.cmd(ctx, script, keys, args...)
	switch err := c.Err(); {
	case redis.HasErrorPrefix(err, "UNOPENED"):
		return nil, router.ErrUnopened
	case damaged(err):
		s.broken.Store(tag, time.Now().Add(restFor))
		return nil, fmt.Errorf("%w: %w", router.ErrBroken, err)
	case err != nil:
		return nil, err
	}
	return c, nil
}

func (s *Store) evalInt(ctx context.Context, script *redis.Script, keys []string, args ...any) (int64, error) {
	return s.cmd(ctx, script, keys, args...).Int64()
}

// cmd calls a script and, where decisions wait for replicas, waits for them: WAIT tells of the writes of its own connection alone, so both
// go through one pipeline to one node, which in a cluster this has to find by itself.
func (s *Store) cmd(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
	if s.replies == 0 {
		return script.Run(ctx, s.rdb, keys, args...)
	}
	var err error
	loaded := true
	for n := range redirects {
		if n > 0 && !redis.HasErrorPrefix(err, "NOSCRIPT") && !pause(ctx, rand.N(redirectPause)) {
			break
		}
		var node redis.UniversalClient
		if node, err = s.node(ctx, keys[0], n > 0); err != nil {
			break
		}
		var out, acked *redis.Cmd
		_, err = node.Pipelined(ctx, func(p redis.Pipeliner) error {
			if loaded {
				out = script.EvalSha(ctx, p, keys, args...)
			} else {
				out = script.Eval(ctx, p, keys, args...)
			}
			acked = p.Do(ctx, "WAIT", s.replies, waitFor.Milliseconds())
			return nil
		})
		switch failed := out.Err(); {
		case redis.HasErrorPrefix(failed, "NOSCRIPT"): // it is another node than last time, or was restarted
			loaded, err = false, failed
			continue
		case elsewhere(failed), node != s.rdb && failed != nil && !replied(failed):
			err = failed
			continue
		case failed != nil:
			return out
		}
		if err != nil {
			break // WAIT itself failed
		}
		if got, _ := acked.Int(); got < s.replies {
			err = fmt.Errorf("only %d of %d replicas have the decision", got, s.replies)
			break
		}
		return out
	}
	if err == nil {
		err = errors.New("no node takes the call")
	}
	c := redis.NewCmd(ctx)
	c.SetErr(err)
	return c
}

// node is the client that speaks to the node of a key; anew where the one known so far was wrong.
func (s *Store) node(ctx context.Context, key string, anew bool) (redis.UniversalClient, error) {
	cluster, ok := s.rdb.(*redis.ClusterClient)
	if !ok {
		return s.rdb, nil
	}
	if anew {
		cluster.ReloadState(ctx)
	}
	return cluster.MasterForKey(ctx, key)
}

// pause waits, and says whether ctx still lasts.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
