package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router/routertest"
)

// TestImportGoesOn breaks an import off in its middle and lets Redis be killed under the next: the same command brings it to its end, and
// each message counts once.
func TestImportGoesOn(t *testing.T) {
	const messages = 300
	server := routertest.StartRedis(t, "--appendonly", "yes")
	dir := t.TempDir()
	var mbox bytes.Buffer
	for n := range messages {
		at := time.Date(2026, 9, 1, 0, n, 0, 0, time.UTC)
		fmt.Fprintf(&mbox, "From leads@vendor.example %s\nFrom: leads@vendor.example\nDate: %s\nMessage-ID: <%d@vendor.example>\n\n"+
			"<adf><prospect><vehicle><make>Kia</make></vehicle><customer><contact><name>N%d</name><email>n%d@customer.example</email></contact></customer></prospect></adf>\n\n",
			at.Format("Mon Jan _2 15:04:05 2006"), at.Format(time.RFC1123Z), n, n, n)
	}
	config, archive := filepath.Join(dir, "leadfloor.yaml"), filepath.Join(dir, "all.mbox")
	for name, text := range map[string]string{
		archive: mbox.String(),
		config:  fmt.Sprintf("redis: {url: %q}\nlisten: 127.0.0.1:0\nstores: [{id: main-street, timezone: UTC, roster: [{id: alice}]}]\n", server.URL()),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := server.Client()
	t.Cleanup(func() { _ = c.Close() })
	args := []string{"import", "--config", config, "--format", "json", archive}
	begin := func(until int64, then func(stop func())) (code int, errs string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var stdout, stderr strings.Builder
		done := make(chan struct{})
		go func() {
			defer close(done)
			code = run(ctx, args, strings.NewReader(""), &stdout, &stderr)
		}()
		for leads(t, c) < until {
			select {
			case <-done:
				t.Fatalf("it ended before %d leads: %d, %s", until, code, stderr.String())
			default:
			}
		}
		then(cancel)
		<-done
		return code, stderr.String()
	}

	code, errs := begin(50, func(stop func()) { stop() })
	if got := leads(t, c); code != exitFailed || !strings.Contains(errs, "interrupted before") || got < 50 || got == messages {
		t.Fatalf("interrupted = %d, %q, %d leads", code, errs, got)
	}
	code, errs = begin(150, func(func()) { server.Kill(); server.Start() })
	if code != exitWell {
		t.Fatalf("with Redis killed = %d, %q", code, errs)
	}
	code, out, errs := command(t, args...)
	var got importing
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitWell || errs != "" {
		t.Fatalf("once more = %d, %q, %v", code, errs, err)
	}
	if got.Fates["replay"] != messages || got.Messages != messages || !got.Finished || leads(t, c) != messages {
		t.Errorf("once more = %s, want %d replays", out, messages)
	}
	if code, out, _ := command(t, "verify", "--config", config); code != exitWell {
		t.Errorf("verify: %s", out)
	}
}

func leads(t *testing.T, c *redis.Client) int64 {
	t.Helper()
	n, err := c.ZCard(t.Context(), "lf:{main-street}:leads").Result()
	if err != nil && !strings.Contains(err.Error(), "LOADING") {
		t.Fatal(err)
	}
	return n
}
