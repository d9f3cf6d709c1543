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
	if err := s.resting(keys[0]); err != nil {
		return nil, err
	}
	c := s.cmd(ctx, script, keys, args...)
	return c, s.failed(c, keys[0])
}

// resting says of the store of a key whether it is left alone.
func (s *Store) resting(key string) error {
	if until, ok := s.broken.Load(tagOf(key)); ok && time.Now().Before(until.(time.Time)) {
		return router.ErrBroken
	}
	return nil
}

// failed is a call's error as the business knows it, and leaves the store of a key alone where its keys are damaged.
func (s *Store) failed(c *redis.Cmd, key string) error {
	switch err := c.Err(); {
	case redis.HasErrorPrefix(err, "UNOPENED"):
		return router.ErrUnopened
	case damaged(err):
		s.broken.Store(tagOf(key), time.Now().Add(restFor))
		return fmt.Errorf("%w: %w", router.ErrBroken, err)
	default:
		return err
	}
}

func tagOf(key string) string {
	tag, _, _ := strings.Cut(key, "}")
	return tag
}

func (s *Store) evalInt(ctx context.Context, script *redis.Script, keys []string, args ...any) (int64, error) {
	return s.cmd(ctx, script, keys, args...).Int64()
}

// cmd calls a script.
func (s *Store) cmd(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
	c := append(newCommand(script, len(keys), len(keys)+len(args)), make([]any, len(keys))...)
	for i := range keys {
		c[fixed+i] = &keys[i]
	}
	return s.cmds(ctx, script, []command{append(c, args...)})[0]
}

// A command is a call of a script as it is sent: its name, the script's, how many keys, these, and arguments. Keys, and texts among the
// arguments, are pointers: a string would be copied to be among them.
type command []any

// fixed is how much of a command comes before its keys.
const fixed = 3

// newCommand is the beginning of a command with room for so many keys and arguments.
func newCommand(script *redis.Script, keys, room int) command {
	return append(make(command, 0, fixed+room), "evalsha", script.Hash(), keys)
}

// A caller is a client or a pipeline.
type caller interface {
	redis.Scripter
	Do(ctx context.Context, args ...any) *redis.Cmd
}

// whole calls the script by its text.
func (c command) whole(ctx context.Context, to caller, script *redis.Script) *redis.Cmd {
	args := c[fixed:]
	keys := make([]string, c[2].(int))
	for i := range keys {
		keys[i] = *args[i].(*string)
	}
	return script.Eval(ctx, to, keys, args[len(keys):]...)
}

// cmds calls a script several times with keys of one node, which in a cluster this has to find by itself. All go through one pipeline, so
// they are carried out in order, and each has its own answer, be it that it is unknown. Where decisions wait for replicas the pipeline ends
// in a WAIT, which tells of the writes of its own connection alone. What the server did not carry out is sent again.
func (s *Store) cmds(ctx context.Context, script *redis.Script, all []command) []*redis.Cmd {
	out := make([]*redis.Cmd, len(all))
	open := make([]int, len(all))
	for i := range all {
		open[i] = i
	}
	var err error
	loaded := true
	for n := range redirects {
		if n > 0 && !redis.HasErrorPrefix(err, "NOSCRIPT") && !pause(ctx, rand.N(redirectPause)) {
			break
		}
		var node redis.UniversalClient
		if node, err = s.node(ctx, *all[0][fixed].(*string), n > 0); err != nil {
			for _, i := range open {
				out[i] = redis.NewCmd(ctx)
				out[i].SetErr(err)
			}
			break
		}
		var acked *redis.Cmd
		send := func(to caller, i int) {
			if loaded {
				out[i] = to.Do(ctx, all[i]...)
			} else {
				out[i], loaded = all[i].whole(ctx, to, script), true // those after it find it loaded
			}
		}
		if len(open) == 1 && s.replies == 0 {
			send(node, open[0])
		} else {
			_, _ = node.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
				for _, i := range open {
					send(p, i)
				}
				if s.replies > 0 {
					acked = p.Do(ctx, "WAIT", s.replies, waitFor.Milliseconds())
				}
				return nil
			})
		}
		var short error
		if acked != nil {
			got, err := acked.Int()
			if short = err; err == nil && got < s.replies {
				short = fmt.Errorf("only %d of %d replicas have the decision", got, s.replies)
			}
		}
		var again []int
		for _, i := range open {
			switch failed := out[i].Err(); {
			case redis.HasErrorPrefix(failed, "NOSCRIPT"): // it is another node than last time, or was restarted, or flushed its scripts
				loaded, err = false, failed
				again = append(again, i)
			case elsewhere(failed), node != s.rdb && failed != nil && !replied(failed):
				err = failed
				again = append(again, i)
			case failed == nil && short != nil:
				out[i].SetErr(short)
			}
		}
		if open = again; len(open) == 0 {
			break
		}
	}
	return out
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
