package packaging_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// top is the top of the checkout.
const top = "../../"

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(top + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// output runs a command that must do well.
func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dist is where the packages are made, by the first test that asks for them.
var (
	dist  string
	built = sync.OnceValue(func() error { return makePackages(dist) })
)

func makePackages(dir string) error {
	cmd := exec.Command("make", "--no-print-directory", "-C", top, "package", "DIST="+dir)
	// What a make above this test tells its children is not for this one.
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MAKE") && !strings.HasPrefix(v, "MFLAGS") && !strings.HasPrefix(v, "MAINTAINER=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("make package: %w\n%s", err, out)
	}
	return nil
}

func packages(t testing.TB) string {
	t.Helper()
	if err := built(); err != nil {
		t.Fatal(err)
	}
	return dist
}

// one is the only file that the pattern fits.
func one(t testing.TB, pattern string) string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %d files, %v; want one", pattern, len(all), err)
	}
	return all[0]
}

func TestMain(m *testing.M) {
	var err error
	if dist, err = os.MkdirTemp("", "leadfloor-packaging-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	log.SetOutput(io.Discard) // helm's library tells of each symbolic link that it follows
	code := m.Run()
	_ = os.RemoveAll(dist) // best effort, in the system's temporary folder
	os.Exit(code)
}
