// Package routertest holds what tests of the business need: a Redis of their own, and the suite that every router.Store passes.
package routertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Redis is a real redis-server that lives as long as a test.
type Redis struct {
	Addr string
	Dir  string
	Args []string
	file string // a sentinel's configuration
	disk int64  // how large its files may grow, 0 as they like
	cmd  *exec.Cmd
	t    testing.TB
}

// StartRedis starts redis-server on a free loopback port in a temporary folder.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	return RestoreRedis(t, t.TempDir(), args...)
}

// RestoreRedis starts redis-server on what lies in a folder.
func RestoreRedis(t testing.TB, dir string, args ...string) *Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server")
	}
	r := &Redis{Addr: FreeAddr(t), Dir: dir, Args: args, t: t}
	r.Start()
	t.Cleanup(r.Kill)
	return r
}

// Start starts the server again where it was killed; its data is as its persistence left it.
func (r *Redis) Start() {
	r.t.Helper()
	host, port, _ := net.SplitHostPort(r.Addr)
	log, err := os.OpenFile(filepath.Join(r.Dir, "redis.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"--bind", host, "--port", port, "--dir", r.Dir, "--save", "", "--daemonize", "no"}, r.Args...)
	if r.file != "" {
		args = []string{r.file, "--bind", host, "--port", port, "--dir", r.Dir, "--daemonize", "no", "--sentinel"}
	}
	r.cmd = exec.Command("redis-server", args...)
	if r.disk > 0 {
		// A write beyond the limit fails, as on a full disk, where the signal that goes with it is ignored.
		script := fmt.Sprintf(`trap "" XFSZ; exec prlimit --fsize=%d: redis-server "$@"`, r.disk)
		r.cmd = exec.Command("sh", append([]string{"-c", script, "sh"}, args...)...)
	}
	r.cmd.Stdout, r.cmd.Stderr = log, log
	// The server goes when the test process goes, however it ends.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	c := r.Client()
	defer c.Close()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if err = c.Ping(context.Background()).Err(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			out, _ := os.ReadFile(log.Name())
			r.t.Fatalf("redis-server does not answer: %v\n%s", err, out)
		}
		time.Sleep(5 * time.Millisecond) // another process: there is no event to wait for
	}
}

// Running says whether the server was not killed.
func (r *Redis) Running() bool { return r.cmd != nil }

// Do gives the server a command and returns the answer, empty where there is none: it may be dead, frozen or unwilling.
func (r *Redis) Do(args ...any) string {
	c := redis.NewClient(&redis.Options{Addr: r.Addr, MaxRetries: -1, ReadTimeout: 5 * time.Second})
	defer c.Close()
	out, err := c.Do(context.Background(), args...).Result()
	if err != nil {
		return ""
	}
	return fmt.Sprint(out)
}

// Compact has the server write its append-only file anew, and waits until it has.
func (r *Redis) Compact() {
	r.t.Helper()
	r.Do("BGREWRITEAOF")
	await(r.t, "the append-only file is written anew", func() string {
		info := r.Do("INFO", "persistence")
		if strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0") {
			return ""
		}
		return info
	})
}

func (r *Redis) must(args ...any) {
	r.t.Helper()
	c := r.Client()
	defer c.Close()
	if err := c.Do(context.Background(), args...).Err(); err != nil {
		r.t.Fatalf("redis %v: %v", args, err)
	}
}

// Kill ends the server at once.
func (r *Redis) Kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	var exit *exec.ExitError
	if err := r.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		r.t.Errorf("wait for redis-server: %v", err)
	}
	r.cmd = nil
}

// FillDisk has the disk be full once a file of the server has so many bytes, from its next start on.
func (r *Redis) FillDisk(bytes int64) { r.disk = bytes }

// FreeDisk gives the server room again, whether it runs or not.
func (r *Redis) FreeDisk() {
	r.t.Helper()
	r.disk = 0
	if r.cmd == nil {
		return
	}
	if out, err := exec.Command("prlimit", "--pid", strconv.Itoa(r.cmd.Process.Pid), "--fsize=unlimited:").CombinedOutput(); err != nil {
		r.t.Fatalf("prlimit: %v: %s", err, out)
	}
}

// LoseTail cuts off the end of a killed server's append-only file, as a loss of power does, but never more than half of what there is.
func (r *Redis) LoseTail(bytes int64) {
	r.t.Helper()
	names, err := filepath.Glob(filepath.Join(r.Dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(names) == 0 {
		r.t.Fatalf("no append-only file in %s: %v", r.Dir, err)
	}
	slices.Sort(names)
	name := names[len(names)-1]
	info, err := os.Stat(name)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.Truncate(name, max(info.Size()-bytes, info.Size()/2)); err != nil {
		r.t.Fatal(err)
	}
}

// Freeze stops the server without ending it; Thaw lets it go on.
func (r *Redis) Freeze() { r.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (r *Redis) Thaw() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// URL is what a configuration would say.
func (r *Redis) URL() string { return "redis://" + r.Addr + "/0" }

// Client dials the server.
func (r *Redis) Client() *redis.Client { return redis.NewClient(&redis.Options{Addr: r.Addr}) }

// Miniredis is a store inside the process: quick, without persistence; its TTLs stand still.
func Miniredis(t testing.TB) *redis.Client {
	t.Helper()
	m := miniredis.RunT(t)
	c := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// FreeAddr is a loopback address that nobody listened on a moment ago.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(fmt.Errorf("find a free port: %w", err))
	}
	defer l.Close()
	return l.Addr().String()
}
