package packaging_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRedisSocket runs the server as its unit and drop-in do, but for the folders: who is of leadfloor's group may use the socket, nobody
// else, and nothing in its settings can lose a lead.
func TestRedisSocket(t *testing.T) {
	const redisUser, leadfloorUser, stranger = 64001, 64002, 64003
	const at, post = "/run/redis-leadfloor/redis-server.sock", "ExecStartPost=+/bin/chgrp leadfloor %t/redis-leadfloor/redis-server.sock"
	dropIn := read(t, "deploy/redis/redis-server@leadfloor.service.conf")
	if !strings.Contains(dropIn, "\n"+post+"\n") {
		t.Fatal("the drop-in does not give the socket to leadfloor")
	}
	if !strings.Contains(dropIn, "\nPIDFile=\n") {
		t.Error("systemd waits for a file of Debian's unit that nobody writes, and never takes the start to be done")
	}
	dir, err := os.MkdirTemp("", "leadfloor-redis-") // short: the path of a socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // best effort, in the system's temporary folder
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "redis.sock")
	if err := os.Mkdir(data, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(dir, redisUser, redisUser), os.Chown(data, redisUser, redisUser)); err != nil {
		t.Fatalf("packages are tried as root: %v", err)
	}
	settings := read(t, "deploy/redis/redis-leadfloor.conf")
	if strings.Count(settings, "\nunixsocket "+at+"\n") != 1 {
		t.Fatalf("the server listens somewhere else than at %s", at)
	}
	conf := write(t, filepath.Join(dir, "redis.conf"), strings.Replace(settings, "unixsocket "+at, "unixsocket "+socket, 1))
	server := exec.Command("redis-server", conf, "--dir", data)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: redisUser, Gid: redisUser}}
	run(t, server)
	await(t, "redis is up", func() bool {
		out, err := exec.Command("redis-cli", "-s", socket, "ping").Output()
		return err == nil && string(out) == "PONG\n"
	})
	if err := os.Chown(socket, -1, leadfloorUser); err != nil {
		t.Fatal(err)
	}

	config := write(t, filepath.Join(dir, "leadfloor.yaml"), "listen: 127.0.0.1:0\nredis: {url: \"unix://"+socket+"\", strict: true}\n"+
		"stores: [{id: main-street, timezone: America/Chicago, hours: {mon-sun: closed}, managers: [{id: mia}], roster: [{id: alice}]}]\n")
	program := filepath.Join(dir, "leadfloor")
	b, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	check := func(user uint32) (string, error) {
		cmd := exec.Command(program, "check", "--config", config)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(leadfloorUser); err != nil || strings.Contains(out, "lose") {
		t.Errorf("leadfloor's user: %v\n%s", err, out)
	}
	if out, err := check(stranger); err == nil || !strings.Contains(out, "permission denied; may this user use that socket?") {
		t.Errorf("a stranger: %v\n%s", err, out)
	}
}

// TestRestore goes the way of deploy/docs/backup.md, with this machine's Redis: a snapshot comes back, whole, into the append-only file.
func TestRestore(t *testing.T) {
	conf, err := filepath.Abs(top + "deploy/redis/redis-leadfloor.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cli := func(args ...string) string {
		cmd := exec.Command("redis-cli", append([]string{"-s", "restore.sock"}, args...)...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput() // the output says it too
		return strings.TrimSpace(string(out))
	}
	up := func(args ...string) {
		t.Helper()
		start(t, "redis-server", append([]string{conf, "--unixsocket", "restore.sock", "--dir", dir}, args...)...)
		await(t, "redis is up", func() bool { return cli("ping") == "PONG" })
	}
	down := func() {
		t.Helper()
		cli("shutdown")
		await(t, "redis is down", func() bool { return strings.Contains(cli("ping"), "Could not connect") })
	}
	up()
	cli("set", "lead", "dealt")
	backup := filepath.Join(dir, "backup.rdb")
	cli("--rdb", backup)
	cli("set", "later", "lost")
	down()

	if err := os.Rename(filepath.Join(dir, "appendonlydir"), filepath.Join(dir, "appendonlydir.before")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(backup, filepath.Join(dir, "leadfloor.rdb")); err != nil {
		t.Fatal(err)
	}
	up("--appendonly", "no", "--save", "")
	if got := cli("config", "set", "appendonly", "yes"); got != "OK" {
		t.Fatalf("appendonly yes: %s", got)
	}
	await(t, "the file is written", func() bool {
		info := cli("info", "persistence")
		return strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
	})
	down()
	up()
	if got := cli("keys", "*"); got != "lead" {
		t.Errorf("keys = %q, want the snapshot's", got)
	}
	for setting, want := range map[string]string{"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"} {
		if got := cli("config", "get", setting); got != setting+"\n"+want {
			t.Errorf("config get = %q, want %s", got, want)
		}
	}
}
