package routertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Cluster is six redis-servers, three masters with a replica each, that live as long as a test.
type Cluster struct {
	Nodes []*Redis
	t     testing.TB
}

// clusterSlots is how many slots a cluster has.
const clusterSlots = 16384

// StartCluster starts a cluster. Its nodes take one another for dead after timeout.
func StartCluster(t testing.TB, timeout time.Duration, args ...string) *Cluster {
	t.Helper()
	const masters = 3
	c := &Cluster{t: t}
	for range 2 * masters {
		// Nodes talk to one another on a port of their own; any free one will do.
		_, bus, _ := net.SplitHostPort(FreeAddr(t))
		c.Nodes = append(c.Nodes, StartRedis(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", strconv.FormatInt(timeout.Milliseconds(), 10), "--cluster-port", bus,
			"--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0", "--cluster-allow-replica-migration", "no",
		}, args...)...))
	}
	for i, n := range c.Nodes[:masters] {
		n.must("CLUSTER", "ADDSLOTSRANGE", i*clusterSlots/masters, (i+1)*clusterSlots/masters-1)
		n.must("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for _, n := range c.Nodes[1:] {
		host, port, _ := net.SplitHostPort(n.Addr)
		c.Nodes[0].must("CLUSTER", "MEET", host, port, n.Args[5])
	}
	await(t, "all nodes know one another", func() string {
		for _, n := range c.Nodes {
			if told := n.Do("CLUSTER", "NODES"); strings.Count(told, "\n") != len(c.Nodes) || strings.Contains(told, "handshake") {
				return told
			}
		}
		return ""
	})
	for i, n := range c.Nodes[masters:] {
		n.must("CLUSTER", "REPLICATE", c.Nodes[i].Do("CLUSTER", "MYID"))
	}
	c.Await()
	return c
}

// Await waits until every slot is served and every replica follows.
func (c *Cluster) Await() {
	c.t.Helper()
	await(c.t, "the cluster is whole", func() string {
		for _, n := range c.Nodes {
			info, state := n.Do("INFO", "replication"), n.Do("CLUSTER", "INFO")
			linked := strings.Contains(info, "role:master\r\n") && strings.Contains(info, "state=online") || strings.Contains(info, "master_link_status:up")
			if !linked || !strings.Contains(state, "cluster_state:ok") {
				return n.Addr + "\n" + info + state
			}
		}
		return ""
	})
}

// await asks until nothing is missing any more: the servers are other processes, there is no event to wait for.
func await(t testing.TB, what string, missing func() string) {
	t.Helper()
	const bound = 3 * time.Minute // sentinels of a machine that is too busy do nothing for half a minute
	for deadline := time.Now().Add(bound); ; time.Sleep(20 * time.Millisecond) {
		why := missing()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s not yet: %s; %s", bound, what, why)
		}
	}
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	all := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		all[i] = n.Addr
	}
	return all
}

// Client dials the cluster.
func (c *Cluster) Client() *redis.ClusterClient {
	return redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
}

// Masters are the nodes that serve slots now, as far as they themselves know.
func (c *Cluster) Masters() (all []*Redis) {
	for _, n := range c.Nodes {
		if n.Running() && strings.Contains(n.Do("INFO", "replication"), "role:master") {
			all = append(all, n)
		}
	}
	return all
}

// ReplicasOf are the running nodes that follow a master.
func (c *Cluster) ReplicasOf(master *Redis) (all []*Redis) {
	_, port, _ := net.SplitHostPort(master.Addr)
	for _, n := range c.Nodes {
		if n.Running() && strings.Contains(n.Do("INFO", "replication"), "master_port:"+port+"\r\n") {
			all = append(all, n)
		}
	}
	return all
}

// A Sentineled is a master with replicas and three sentinels that watch them.
type Sentineled struct {
	Nodes     []*Redis
	Sentinels []*Redis
	t         testing.TB
}

// SentinelName is what the sentinels call their master.
const SentinelName = "leadfloor"

// StartSentinel starts a master, two replicas and three sentinels, which take a server for dead after timeout.
func StartSentinel(t testing.TB, timeout time.Duration, args ...string) *Sentineled {
	t.Helper()
	s := &Sentineled{t: t}
	for range 3 {
		s.Nodes = append(s.Nodes, StartRedis(t, append([]string{
			"--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0",
		}, args...)...))
	}
	host, port, _ := net.SplitHostPort(s.Nodes[0].Addr)
	for _, n := range s.Nodes[1:] {
		n.must("REPLICAOF", host, port)
	}
	for range 3 {
		// A sentinel rewrites its configuration, so it needs a file.
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		text := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 2\nsentinel down-after-milliseconds %[1]s %[4]d\nsentinel failover-timeout %[1]s %[5]d\nsentinel parallel-syncs %[1]s 2\n",
			SentinelName, host, port, timeout.Milliseconds(), 3*timeout.Milliseconds())
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := &Redis{Addr: FreeAddr(t), Dir: filepath.Dir(file), file: file, t: t}
		r.Start()
		t.Cleanup(r.Kill)
		s.Sentinels = append(s.Sentinels, r)
	}
	s.Await()
	return s
}

// Await waits until the sentinels know one another and both replicas follow the master.
func (s *Sentineled) Await() {
	s.t.Helper()
	await(s.t, "the sentinels watch", func() string {
		master := s.Master()
		for _, n := range s.Sentinels {
			if told := n.Do("INFO", "sentinel"); !strings.Contains(told, fmt.Sprintf("status=ok,address=%s,slaves=2,sentinels=3", master)) {
				return told
			}
		}
		told := "no server is the master " + master
		for _, n := range s.Nodes {
			if n.Addr == master {
				if told = n.Do("INFO", "replication"); strings.Count(told, "state=online") == 2 {
					return ""
				}
			}
		}
		return told
	})
}

// Master is the address that the sentinels tell.
func (s *Sentineled) Master() string {
	for _, n := range s.Sentinels {
		at := strings.Fields(strings.Trim(n.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SentinelName), "[]"))
		if len(at) == 2 {
			return net.JoinHostPort(at[0], at[1])
		}
	}
	return ""
}

// Addrs are the addresses of the sentinels.
func (s *Sentineled) Addrs() []string {
	all := make([]string, len(s.Sentinels))
	for i, n := range s.Sentinels {
		all[i] = n.Addr
	}
	return all
}

// Client dials whatever the sentinels call the master.
func (s *Sentineled) Client() *redis.Client {
	return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: SentinelName, SentinelAddrs: s.Addrs()})
}

// Move begins to move the slot of a key to another master. Each call of what it returns moves so many keys, 0 all that are left and the slot
// itself.
func (c *Cluster) Move(key string) (keys func(n int)) {
	c.t.Helper()
	slot := c.Nodes[0].Do("CLUSTER", "KEYSLOT", key)
	var from, to *Redis
	for _, n := range c.Masters() {
		if n.Do("CLUSTER", "COUNTKEYSINSLOT", slot) != "0" {
			from = n
		} else {
			to = n
		}
	}
	if from == nil || to == nil {
		c.t.Fatalf("slot %s has no master with keys and one without", slot)
	}
	to.must("CLUSTER", "SETSLOT", slot, "IMPORTING", from.Do("CLUSTER", "MYID"))
	from.must("CLUSTER", "SETSLOT", slot, "MIGRATING", to.Do("CLUSTER", "MYID"))
	host, port, _ := net.SplitHostPort(to.Addr)
	return func(n int) {
		c.t.Helper()
		some := n
		if n == 0 {
			some = 1_000_000
		}
		client := from.Client()
		defer client.Close()
		names, err := client.ClusterGetKeysInSlot(context.Background(), number(slot), some).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, name := range names {
			from.must("MIGRATE", host, port, name, 0, 5000)
		}
		if n == 0 {
			for _, m := range []*Redis{to, from} {
				m.must("CLUSTER", "SETSLOT", slot, "NODE", to.Do("CLUSTER", "MYID"))
			}
		}
	}
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
