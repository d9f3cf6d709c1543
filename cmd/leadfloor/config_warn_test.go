package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWarnsOfWhatDoesNothingYet keeps a dealer from relying on what the contract names and the daemon does not do.
func TestWarnsOfWhatDoesNothingYet(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse(filepath.Join(dir, "test.yaml"), []byte(`
redis: {url: redis://127.0.0.1:1/0}
smtp: {address: "127.0.0.1:25", from: leads@example.com}
stores:
  - id: main-street
    timezone: UTC
    hours: {mon-sun: "09:00-17:00"}
    managers: [{id: mia}]
    roster: [{id: alice}]
    routing: {reassign_after: 15m}
    notify: {owner: email}
    forward: [{to: crm@example.com}]
    mailboxes:
      - {name: leads, address: "127.0.0.1:143", tls: none, username: x, password_file: pw, sent_folder: Sent}
      - {name: talk, role: conversation, address: "127.0.0.1:143", tls: none, username: x, password_file: pw}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := c.Warnings()
	for _, want := range []string{
		"smtp does nothing yet", "mailbox leads: sent_folder is not watched yet",
		"mailbox talk: conversation mailboxes are not read yet", "store main-street: notify does nothing yet", "store main-street: forward does nothing yet",
		"there is no way to see that people answered",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no warning %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}
