package main

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

// A mailbox whose provider replaces refresh tokens is read, again and again, and each refusal is one sentence in check.
func TestCheckOAuth2(t *testing.T) {
	r := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	imap := mailtest.Dovecot(t)
	tokens := mailtest.NewTokens(t, imap)
	tokens.Rotate = true
	var ca strings.Builder
	for _, addr := range []string{imap.TLSAddr, strings.TrimSuffix(strings.TrimPrefix(tokens.URL, "https://"), "/token")} {
		if err := pem.Encode(&ca, &pem.Block{Type: "CERTIFICATE", Bytes: serverCertificate(t, addr)}); err != nil {
			t.Fatal(err)
		}
	}
	path := write(t, fmt.Sprintf(`
redis: {url: %q}
listen: 127.0.0.1:8080
stores:
  - id: main
    timezone: America/Chicago
    hours: {mon-fri: "09:00-20:00"}
    managers: [{id: mia}]
    roster: [{id: alice}]
    mailboxes:
      - name: leads
        address: %q
        ca_file: ca.pem
        username: %q
        oauth2: {provider: custom, token_url: %q, client_id: client, client_secret_file: client, token_file: token}
`, r.URL(), imap.TLSAddr, imap.User, tokens.URL), map[string]string{"ca.pem": ca.String(), "client": "client-secret", "token": "refresh-1"})
	token := filepath.Join(filepath.Dir(path), "token")

	for _, want := range []string{"refresh-1+", "refresh-1++"} {
		code, stdout, stderr := command(t, "check", "--config", path)
		if code != exitWell || stderr != "" || !strings.Contains(stdout, "mailbox leads: INBOX can be read at "+imap.TLSAddr) || strings.Contains(stdout, "warning") {
			t.Fatalf("exit code = %d, %q, %q, want that the mailbox can be read", code, stdout, stderr)
		}
		got, err := os.ReadFile(token)
		if err != nil || string(got) != want+"\n" {
			t.Errorf("token file = %q, %v, want the newest, %q", got, err, want)
		}
		if info, err := os.Stat(token); err != nil || info.Mode() != 0o600 {
			t.Errorf("token file has the mode %v, %v, want -rw-------", info.Mode(), err)
		}
	}
	code, stdout, stderr := command(t, "verify", "--mailboxes", "--config", path)
	if code != exitWell || strings.Contains(stdout+stderr, "oauth2") {
		t.Errorf("verify: exit code = %d, %q, %q, want that the mailbox is asked", code, stdout, stderr)
	}

	// The daemon reads it too.
	if cfg, err := Load(path); err != nil {
		t.Error(err)
	} else if all, err := cfg.mailboxes(); err != nil || len(all) != 1 || all[0].OAuth2 == nil {
		t.Errorf("mailboxes = %d, %v, want the one, by tokens", len(all), err)
	}

	tokens.Change(func(o *mailtest.Tokens) { o.Refresh = "another" })
	code, _, stderr = command(t, "check", "--config", path)
	if code != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, `mailbox "leads": log in to `+imap.TLSAddr) || !strings.Contains(stderr, "sign in anew and put the new one into token_file") || strings.Contains(stderr, "refresh-1") {
		t.Errorf("exit code = %d, %q, want one sentence that says what to do", code, stderr)
	}
}

func TestReplaceSecret(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "token"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("token", link); err != nil {
		t.Fatal(err)
	}
	s := fileSecret(link, "link")
	if err := s.Replace("new"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read()
	if err != nil || got != "new" {
		t.Errorf("Read = %q, %v, want new", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode = %v, %v, want that others can no longer read it", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info, err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("folder holds %v, %v, want the file and the link", names, err)
	}
	if err := fileSecret(filepath.Join(dir, "gone", "token"), "gone/token").Replace("opensesame"); err == nil || !strings.Contains(err.Error(), `replace secret file "gone/token"`) || strings.Contains(err.Error(), "opensesame") {
		t.Errorf("Replace = %v, want an error that names the file alone", err)
	}
	if err := envSecret("LEADFLOOR_TOKEN").Replace("opensesame"); err == nil || !strings.Contains(err.Error(), "only one in a file") {
		t.Errorf("Replace = %v, want that it cannot be", err)
	}
}
