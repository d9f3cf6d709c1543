package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRestore goes the way of deploy/docs/backup.md, with this machine's Redis: a snapshot comes back, whole, into the append-only file.
func TestRestore(t *testing.T) {
	conf, err := filepath.Abs(top + "deploy/redis/redis-leadfloor.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), freePort(t)
	cli := func(args ...string) string {
		out, _ := exec.Command("redis-cli", append([]string{"-p", port}, args...)...).CombinedOutput() // the output says it too
		return strings.TrimSpace(string(out))
	}
	up := func(args ...string) {
		t.Helper()
		start(t, "redis-server", append([]string{conf, "--port", port, "--dir", dir}, args...)...)
		await(t, "redis is up", func() bool { return cli("ping") == "PONG" })
	}
	down := func() {
		t.Helper()
		cli("shutdown")
		await(t, "redis is down", func() bool { return strings.Contains(cli("ping"), "refused") })
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
