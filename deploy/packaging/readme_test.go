package packaging_test

import (
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// block is the first of README.md's blocks in a language below a heading, without its indentation.
func block(t testing.TB, heading, language string) string {
	t.Helper()
	_, rest, ok := strings.Cut(read(t, "README.md"), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("README.md has no heading %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	_, rest, ok = strings.Cut(rest, "```"+language+"\n")
	if !ok {
		t.Fatalf("README.md has no %s below %q", language, heading)
	}
	text, _, _ := strings.Cut(rest, "```")
	lines := strings.SplitAfter(text, "\n")
	indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	for i, line := range lines {
		lines[i] = line[min(indent, len(line)-len(strings.TrimLeft(line, " "))):]
	}
	return strings.Join(lines, "")
}

// TestQuickStarts has leadfloor read the configuration that README.md gives a store, and Kubernetes what comes of the values that it gives
// a group.
func TestQuickStarts(t *testing.T) {
	dir := t.TempDir()
	for _, secret := range []string{"imap.pw", "imap.password", "admin.token", "redis.password"} {
		write(t, filepath.Join(dir, secret), "a-secret-of-some-length\n")
	}
	config := block(t, "Run it for a store", "yaml")
	if !strings.Contains(config, strings.TrimSpace(settingOf(t, "deploy/redis/redis-leadfloor.conf", "unixsocket"))) {
		t.Errorf("the configuration does not name the socket of the package's Redis:\n%s", config)
	}
	output(t, binary(t), "check", "--offline", "--config", write(t, filepath.Join(dir, "store.yaml"), config))

	values := block(t, "Run it for a group", "yaml")
	files, err := render(values)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objectsOf(t, files) {
		if err := judge(t, o); err != nil {
			t.Error(err)
		}
		if o["kind"] == "ConfigMap" && o.at("data", "leadfloor.yaml") != nil {
			output(t, binary(t), "check", "--offline", "--config", write(t, filepath.Join(dir, "group.yaml"), o.at("data", "leadfloor.yaml").(string)))
		}
	}
	var given struct {
		ExistingSecret string `yaml:"existingSecret"`
	}
	if err := yaml.Unmarshal([]byte(values), &given); err != nil || !strings.Contains(block(t, "Run it for a group", "sh"), "create secret generic "+given.ExistingSecret+" ") {
		t.Errorf("nobody makes the secret %q (%v)", given.ExistingSecret, err)
	}
}

// settingOf is the value of a line "NAME VALUE".
func settingOf(t testing.TB, file, name string) string {
	t.Helper()
	for line := range strings.Lines(read(t, file)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return value
		}
	}
	t.Fatalf("%s does not set %s", file, name)
	return ""
}
