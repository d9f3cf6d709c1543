package packaging_test

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unit is the unit, which names a program that is there.
func unit(t testing.TB, text string) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "leadfloor.service"), strings.Replace(text, "/usr/bin/leadfloor", "/bin/true", 1))
}

// verify is what systemd says of a unit: its exit code is 0 even for a directive that it does not know.
func verify(t testing.TB, path string) string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze verify: %v\n%s", err, out)
	}
	return string(out)
}

func TestUnit(t *testing.T) {
	text := read(t, "deploy/systemd/leadfloor.service")
	if out := verify(t, unit(t, text)); out != "" {
		t.Errorf("systemd says:\n%s", out)
	}
	if out := verify(t, unit(t, strings.Replace(text, "WatchdogSec=", "WatchdogSecs=", 1))); !strings.Contains(out, "WatchdogSecs") {
		t.Errorf("a misspelt directive passes: %q", out)
	}
	// The credentials of its comments, taken in.
	credentials := strings.ReplaceAll(text, "#   LoadCredential=", "LoadCredential=")
	if out := verify(t, unit(t, credentials)); out != "" || credentials == text {
		t.Errorf("with credentials systemd says:\n%s", out)
	}
	for _, want := range []string{"Type=notify", "WatchdogSec=60s", "User=leadfloor", "ExecStart=/usr/bin/leadfloor serve", "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'"} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + `$`).MatchString(text) {
			t.Errorf("no line %q", want)
		}
	}
}

// TestUnitExposure holds systemd's own figure of what the daemon may do to 1.5 of 10.
func TestUnitExposure(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit(t, read(t, "deploy/systemd/leadfloor.service"))).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

func TestSysusers(t *testing.T) {
	root := t.TempDir()
	file, err := filepath.Abs(top + "deploy/systemd/leadfloor.sysusers.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	output(t, "systemd-sysusers", "--root="+root, file)
	b, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil || !regexp.MustCompile(`^leadfloor:x:\d+:\d+:leadfloor daemon:/:\S*nologin\n$`).Match(b) {
		t.Errorf("passwd = %q, %v", b, err)
	}
}

func gunzip(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
