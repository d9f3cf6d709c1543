package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

// TestRestore is the drill of deploy/docs/backup.md on real servers, from a snapshot and from a copy of the append-only file: what the backup
// has comes back, what it has not is read again from the mailbox, each once, and the books balance.
func TestRestore(t *testing.T) {
	for name, back := range map[string]struct {
		up   func(t *testing.T, old *routertest.Redis)
		into func(t *testing.T, from, to string) []string // the arguments of the new server
	}{
		"snapshot": {
			func(t *testing.T, old *routertest.Redis) {
				if got := old.Do("SAVE"); got != "OK" {
					t.Fatalf("SAVE = %s", got)
				}
			},
			func(t *testing.T, from, to string) []string {
				copyTree(t, filepath.Join(from, "dump.rdb"), filepath.Join(to, "dump.rdb"))
				return []string{"--appendonly", "no"}
			},
		},
		"append-only file": {
			func(t *testing.T, old *routertest.Redis) {
				copyTree(t, filepath.Join(old.Dir, "appendonlydir"), filepath.Join(old.Dir, "backup"))
			},
			func(t *testing.T, from, to string) []string {
				copyTree(t, filepath.Join(from, "backup"), filepath.Join(to, "appendonlydir"))
				return []string{"--appendonly", "yes", "--appendfsync", "always"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const before, after = 20, 10
			imap := mailtest.Dovecot(t)
			old := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
			secret := filepath.Join(t.TempDir(), "imap.pw")
			if err := os.WriteFile(secret, []byte(imap.Password+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			mail, _ := world()
			p := startProcess(t, fmt.Sprintf(mainPathConfig, old.Addr, imap.Addr, imap.User, secret))
			settled := func(server *routertest.Redis, n int64) func() bool {
				return func() bool { return p.ledger(server, "leads")["lead"] == n }
			}
			imap.Append(t, time.Now(), mail[:before]...)
			p.await("the first mails have a fate", 60*time.Second, settled(old, before))
			back.up(t, old)
			imap.Append(t, time.Now(), mail[before:before+after]...)
			p.await("the others too", 60*time.Second, settled(old, before+after))
			p.stop()
			old.Kill()

			dir := t.TempDir()
			server := routertest.RestoreRedis(t, dir, back.into(t, old.Dir, dir)...)
			if got := server.Do("CONFIG", "SET", "appendonly", "yes"); got != "OK" {
				t.Fatalf("appendonly yes = %s", got)
			}
			config, err := os.ReadFile(p.config)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p.config, []byte(strings.ReplaceAll(string(config), old.Addr, server.Addr)), 0o600); err != nil {
				t.Fatal(err)
			}
			epoch := server.Do("HGET", "lf:{main-street}:meta", "epoch")
			out, err := leadfloor(t, "rebuild", "--restored", "--config", p.config).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "a new epoch begins") {
				t.Fatalf("rebuild --restored: %v\n%s", err, out)
			}
			if got := server.Do("HGET", "lf:{main-street}:meta", "epoch"); got <= epoch {
				t.Errorf("epoch = %s, want it after %s", got, epoch)
			}
			if got := p.ledger(server, "leads")["lead"]; got != before {
				t.Errorf("the backup has %d leads, want %d", got, before)
			}
			p.start()
			p.await("what came after the backup is read again", 60*time.Second, settled(server, before+after))
			c := server.Client()
			defer c.Close()
			if n := c.ZCard(context.Background(), "lf:{main-street}:leads").Val(); n != before+after {
				t.Errorf("leads = %d, want %d", n, before+after)
			}
			var floor struct{ People []struct{ Turns int } }
			p.get("/api/v1/stores/main-street/floor", &floor)
			for _, x := range floor.People {
				if x.Turns != (before+after)/5 {
					t.Errorf("turns = %+v, want %d each", floor.People, (before+after)/5)
				}
			}
			p.verify()
			p.stop()
		})
	}
}

// copyTree copies a file or a folder.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
