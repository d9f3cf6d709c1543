package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// oldestRedis is the first version that has all that the scripts use.
const oldestRedis = "6.2"

// The reasons of a redisFinding, a closed set: they are the label values of leadfloor_redis_can_lose_data.
const (
	redisAppendOnly  = "appendonly"   // nothing, or only a snapshot now and then, is written to disk
	redisAppendFsync = "appendfsync"  // the last second is lost with the power
	redisEviction    = "eviction"     // keys may be thrown away when memory is short
	redisReplicas    = "replicas"     // replicas exist, and a decision does not wait for them
	redisMinReplicas = "min-replicas" // a master cut off from its replicas goes on writing
	redisDiskFailing = "disk-failing" // the last write to disk failed
	redisUnknown     = "unknown"      // a setting could not be seen
)

// redisReasons lists every reason.
var redisReasons = []string{redisAppendOnly, redisAppendFsync, redisEviction, redisReplicas, redisMinReplicas, redisDiskFailing, redisUnknown}

// A redisFinding is a setting of the server that can lose decided leads, or that could not be looked at.
type redisFinding struct {
	Reason string
	Text   string // one sentence: what can be lost and what to do
	// Loses is false where nobody knows: the server does not let us look.
	Loses bool
}

// A redisState is what a look at the server found.
type redisState struct {
	Version  string // "" where the server does not say
	Findings []redisFinding
}

// strictly is the error that redis.strict makes of the findings that lose leads.
func (s redisState) strictly() error {
	for _, f := range s.Findings {
		if f.Loses {
			return fmt.Errorf("redis can lose decided leads and redis.strict is on: %s", f.Text)
		}
	}
	return nil
}

// inspectRedis looks at the settings of the server, of each master in a cluster, for those that can lose decided leads. An error
// means that the server cannot be used: it does not answer, it is too old, a replica, or a cluster taken for a single server.
func inspectRedis(ctx context.Context, client redis.UniversalClient, c *RedisConfig) (redisState, error) {
	var state redisState
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		if err := inspectNode(ctx, client, c, &state); err != nil {
			return redisState{}, c.explain(err)
		}
		return state, nil
	}
	var mu sync.Mutex
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		mu.Lock() // also one after another, so that each reason is told once
		defer mu.Unlock()
		return inspectNode(ctx, node, c, &state)
	})
	if err != nil {
		return redisState{}, c.explain(err)
	}
	return state, nil
}

func inspectNode(ctx context.Context, client redis.Cmdable, c *RedisConfig, state *redisState) error {
	if err := client.Ping(ctx).Err(); err != nil {
		return err
	}
	info := map[string]string{}
	for _, section := range []string{"server", "replication", "persistence"} {
		text, err := client.Info(ctx, section).Result()
		if err != nil && !isRefusal(err) {
			return err
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				info[name] = value
			}
		}
	}
	settings := map[string]string{}
	for _, name := range []string{"appendonly", "appendfsync", "maxmemory-policy", "min-replicas-to-write"} {
		// One by one: before Redis 7 CONFIG GET takes a single name. Managed servers block it, or answer with nothing.
		values, err := client.ConfigGet(ctx, name).Result()
		if err != nil && !isRefusal(err) {
			return err
		}
		settings[name] = values[name]
	}

	version := info["redis_version"]
	switch {
	case version != "" && older(version, oldestRedis):
		return fmt.Errorf("it is version %s and leadfloor needs %s or later", version, oldestRedis)
	case info["role"] == "slave":
		return fmt.Errorf("it is a replica of %s:%s, which takes no writes: name the master, or the sentinels", info["master_host"], info["master_port"])
	case info["redis_mode"] == "cluster" && len(c.Addresses) == 0:
		return fmt.Errorf("it is a node of a cluster: write redis.addresses instead of redis.url")
	}
	state.Version = version
	find := func(reason string, loses bool, format string, args ...any) {
		for _, f := range state.Findings {
			if f.Reason == reason {
				return
			}
		}
		state.Findings = append(state.Findings, redisFinding{Reason: reason, Loses: loses, Text: fmt.Sprintf(format, args...)})
	}

	switch settings["appendonly"] {
	case "yes":
		if fsync := settings["appendfsync"]; fsync != "always" && fsync != "" {
			find(redisAppendFsync, true, "appendfsync is %s, so a power failure can lose the last leads decided: set it to always", fsync)
		}
	case "no":
		find(redisAppendOnly, true, "appendonly is no, so a restart can lose every lead decided since the last snapshot: set appendonly yes and appendfsync always")
	}
	if policy := settings["maxmemory-policy"]; policy != "noeviction" && policy != "" {
		find(redisEviction, true, "maxmemory-policy is %s, so leads can be thrown away when memory is short: set it to noeviction", policy)
	}
	if info["aof_last_write_status"] == "err" || info["rdb_last_bgsave_status"] == "err" {
		find(redisDiskFailing, true, "its last write to disk failed: look at its disk and its log")
	}
	replicas, err := strconv.Atoi(info["connected_slaves"])
	seesReplicas := err == nil
	switch {
	case seesReplicas && c.WaitReplicas == 0 && replicas > 0:
		find(redisReplicas, true, "it has replicas and redis.wait_replicas is 0, so a failover can lose the last leads decided: set wait_replicas to 1")
	case seesReplicas && c.WaitReplicas > replicas:
		find(redisReplicas, false, "redis.wait_replicas is %d and %d replicas are connected, so mail is not settled until more are", c.WaitReplicas, replicas)
	}
	if least, err := strconv.Atoi(settings["min-replicas-to-write"]); err == nil && c.WaitReplicas > 0 && least < c.WaitReplicas {
		find(redisMinReplicas, true, "min-replicas-to-write is %d, so a master that is cut off goes on taking leads that are lost later: set it to %d", least, c.WaitReplicas)
	}

	var unseen []string
	for _, name := range []string{"appendonly", "appendfsync", "maxmemory-policy"} {
		if settings[name] == "" {
			unseen = append(unseen, name)
		}
	}
	if version == "" {
		unseen = append(unseen, "version")
	}
	if !seesReplicas {
		unseen = append(unseen, "replicas")
	}
	if len(unseen) > 0 {
		find(redisUnknown, false, "could not check %s: the server does not tell; see that it keeps every write and never evicts", strings.Join(unseen, ", "))
	}
	return nil
}

// isRefusal says that the server answered, and refused: it is there, and does not let us look. It has answered PING before, so a refusal
// is not about who we are.
func isRefusal(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// older compares versions such as 7.0.15 by their first two numbers.
func older(version, than string) bool {
	number := func(v string, i int) int {
		parts := strings.Split(v, ".")
		if i >= len(parts) {
			return 0
		}
		n, _ := strconv.Atoi(parts[i])
		return n
	}
	if a, b := number(version, 0), number(than, 0); a != b {
		return a < b
	}
	return number(version, 1) < number(than, 1)
}
