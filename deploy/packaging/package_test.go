package packaging_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestReproducible makes the packages twice: the same commit gives the same bytes.
func TestReproducible(t *testing.T) {
	again := t.TempDir()
	if err := makePackages(again); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"deb", "rpm"} {
		first, second := one(t, filepath.Join(packages(t), "*."+kind)), one(t, filepath.Join(again, "*."+kind))
		if a, b := sum(t, first), sum(t, second); a != b {
			t.Errorf("%s: sha256 %s, then %s", filepath.Base(first), a, b)
		}
	}
}

func sum(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// TestDeb installs the package into a folder, upgrades it and removes it, scripts included.
func TestDeb(t *testing.T) {
	deb := one(t, filepath.Join(packages(t), "*.deb"))
	root := t.TempDir()
	for _, dir := range []string{"etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "var/lib/dpkg/status"), "")
	dpkg := func(args ...string) {
		t.Helper()
		// What it depends on is not in this folder, and its scripts run outside of it, told by DPKG_ROOT.
		output(t, "dpkg", append([]string{"--root=" + root, "--force-depends", "--force-script-chrootless", "--log=" + filepath.Join(root, "dpkg.log")}, args...)...)
	}
	for line := range strings.Lines(output(t, "dpkg-deb", "--contents", deb)) {
		if strings.HasPrefix(line, "d") && !strings.HasPrefix(line, "drwxr-x") || !strings.Contains(line, " root/root ") {
			t.Errorf("not as files lie in Debian: %s", line)
		}
	}
	dpkg("--install", deb)

	group := regexp.MustCompile(`(?m)^leadfloor:[^:]*:(\d+):`).FindStringSubmatch(read(t, relative(t, root, "etc/group")))
	if group == nil || !strings.Contains(read(t, relative(t, root, "etc/passwd")), "\nleadfloor:") && !strings.HasPrefix(read(t, relative(t, root, "etc/passwd")), "leadfloor:") {
		t.Fatal("there is no user leadfloor")
	}
	info, err := os.Stat(filepath.Join(root, "etc/leadfloor"))
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if got, want := fmt.Sprintf("%v %d:%d", info.Mode().Perm(), owner.Uid, owner.Gid), "-rwxr-x--- 0:"+group[1]; got != want {
		t.Errorf("/etc/leadfloor is %s, want %s", got, want)
	}

	for _, path := range []string{
		"usr/bin/leadfloor", "usr/lib/systemd/system/leadfloor.service", "usr/lib/systemd/system/redis-server@leadfloor.service.d/leadfloor.conf",
		"usr/share/man/man1/leadfloor.1.gz", "usr/share/bash-completion/completions/leadfloor", "usr/share/zsh/vendor-completions/_leadfloor",
		"usr/share/fish/vendor_completions.d/leadfloor.fish", "usr/share/doc/leadfloor/copyright", "usr/share/doc/leadfloor/licences.gz",
		"usr/share/doc/leadfloor/changelog.gz", "usr/share/doc/leadfloor/changelog.Debian.gz", "usr/share/doc/leadfloor/examples/leadfloor.yaml",
		"usr/share/doc/leadfloor/metrics.md", "usr/share/doc/leadfloor/runbooks/LeadUntouched.md", "usr/share/leadfloor/prometheus/rules.yml",
		"usr/share/doc/leadfloor/examples/prometheus.yml", "usr/share/doc/leadfloor/examples/alertmanager.yml", "usr/share/doc/leadfloor/grafana.md",
		"usr/share/leadfloor/grafana/dashboards/floor.json", "usr/share/leadfloor/grafana/dashboards/manager.json", "usr/share/leadfloor/grafana/dashboards/operations.json",
		"usr/share/leadfloor/grafana/provisioning/dashboards/leadfloor.yaml", "etc/redis/redis-leadfloor.conf",
	} {
		if info, err := os.Stat(filepath.Join(root, path)); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty (%v)", path, err)
		}
	}
	if out := output(t, filepath.Join(root, "usr/bin/leadfloor"), "check", "--offline", "--config", filepath.Join(root, "usr/share/doc/leadfloor/examples/leadfloor.yaml")); strings.Contains(out, "fault") {
		t.Errorf("the example has faults:\n%s", out)
	}

	// What the operator writes stays, upgraded or removed.
	mine := write(t, filepath.Join(root, "etc/leadfloor/leadfloor.yaml"), "mine\n")
	conf := write(t, filepath.Join(root, "etc/redis/redis-leadfloor.conf"), "mine too\n")
	dpkg("--install", deb)
	dpkg("--remove", "leadfloor")
	for path, want := range map[string]string{mine: "mine\n", conf: "mine too\n"} {
		if b, err := os.ReadFile(path); err != nil || string(b) != want {
			t.Errorf("%s holds %q afterwards (%v), want %q", path, b, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "usr/bin/leadfloor")); err == nil {
		t.Error("the binary is still there")
	}
}

// TestLintian has Debian's own judge look at the package.
func TestLintian(t *testing.T) {
	if out := output(t, "lintian", "--allow-root", "--fail-on", "error", one(t, filepath.Join(packages(t), "*.deb"))); out != "" {
		t.Logf("lintian says:\n%s", out)
	}
}

// TestMaintainer: no package goes out that nobody answers for.
func TestMaintainer(t *testing.T) {
	want := strings.TrimSpace(output(t, "git", "log", "-1", "--format=%cn <%ce>"))
	if got := strings.TrimSpace(output(t, "dpkg-deb", "--field", one(t, filepath.Join(packages(t), "*.deb")), "Maintainer")); got != want {
		t.Errorf("Maintainer = %q, want who committed this: %q", got, want)
	}
	if changes := string(gunzip(t, filepath.Join(packages(t), "stage", "changelog.Debian.gz"))); !strings.Contains(changes, "\n -- "+want+"  ") {
		t.Errorf("changelog.Debian says\n%s\nwant %q", changes, want)
	}
}

// TestRelease holds what goreleaser does to what make does.
func TestRelease(t *testing.T) {
	var release struct {
		Before struct{ Hooks []string }
		Builds []struct {
			Main                        string
			Env, Goarch, Flags, Ldflags []string
		}
		Checksum, Release struct {
			ExtraFiles []struct{ Glob string } `yaml:"extra_files"`
		}
		Nfpms []any
	}
	if err := yaml.Unmarshal([]byte(read(t, ".goreleaser.yaml")), &release); err != nil {
		t.Fatal(err)
	}
	recipe := read(t, "Makefile")
	if len(release.Nfpms) > 0 || len(release.Builds) != 1 {
		t.Fatal("there is a second list of what a package holds, or a second build")
	}
	b := release.Builds[0]
	_, ldflags, _ := strings.Cut(recipe, "\nLDFLAGS  := ")
	ldflags, _, _ = strings.Cut(ldflags, "\n")
	ldflags = strings.NewReplacer("$(VERSION)", "{{ .Tag }}", "$(REVISION)", "{{ .ShortCommit }}").Replace(ldflags)
	if got := strings.Join(b.Ldflags, " "); got != ldflags {
		t.Errorf("ldflags = %q, in the Makefile %q", got, ldflags)
	}
	if want := strings.Join(b.Env, " ") + " go build " + strings.Join(b.Flags, " ") + " "; !strings.Contains(recipe, want) || b.Main != "./cmd/leadfloor" {
		t.Errorf("the Makefile does not %q", want)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if want := "make package GOARCH=" + arch + " DIST=dist/packages"; !slices.Contains(release.Before.Hooks, want) || !slices.Contains(b.Goarch, arch) {
			t.Errorf("no packages for %s", arch)
		}
	}
	for _, files := range [][]struct{ Glob string }{release.Checksum.ExtraFiles, release.Release.ExtraFiles} {
		if len(files) != 2 || files[0].Glob != "dist/packages/*.deb" || files[1].Glob != "dist/packages/*.rpm" {
			t.Errorf("the packages are not among %v", files)
		}
	}
}

// relative is a path below root as read takes it.
func relative(t testing.TB, root, path string) string {
	t.Helper()
	here, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(here, filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

// TestRPM looks at the package with the one tool for it that Debian's dpkg users have no need of, where it is installed; its bytes are
// held by TestReproducible and its content comes from the same list as the deb's.
func TestRPM(t *testing.T) {
	b, err := os.ReadFile(one(t, filepath.Join(packages(t), "*.rpm")))
	if err != nil {
		t.Fatal(err)
	}
	// The lead and the header begin so, and the scripts and paths stand in the header as text.
	if !strings.HasPrefix(string(b), "\xed\xab\xee\xdb") {
		t.Error("it does not begin as an rpm does")
	}
	for _, want := range []string{"leadfloor.service", "systemd-sysusers", "site-functions", "licences.gz", "Apache-2.0"} {
		if !strings.Contains(string(b[:min(len(b), 1<<16)]), want) {
			t.Errorf("its header does not name %s", want)
		}
	}
	if strings.Contains(string(b[:min(len(b), 1<<16)]), "vendor-completions") {
		t.Error("it holds what only the deb should")
	}
}

// TestScripts has each maintainer script read by the shell that will run it.
func TestScripts(t *testing.T) {
	all, err := filepath.Glob(top + "deploy/package/*.sh")
	if err != nil || len(all) != 3 {
		t.Fatalf("%d scripts, %v; want 3", len(all), err)
	}
	for _, script := range all {
		output(t, "sh", "-n", script)
	}
}

// TestMan has the man page formatted, with every warning.
func TestMan(t *testing.T) {
	page := string(gunzip(t, filepath.Join(packages(t), "stage", "leadfloor.1.gz")))
	for _, want := range []string{".SH EXIT STATUS", ".SS leadfloor serve", ".SS leadfloor lead log", `\-\-config`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, ".") && !regexp.MustCompile(`^\.(TH|SH|SS|PP|TP|B|I|nf|fi)\b`).MatchString(line) {
			t.Errorf("not a request that it should use: %q", line)
		}
	}
}

// TestCompletion has bash read its completion and complete with it.
func TestCompletion(t *testing.T) {
	file := filepath.Join(packages(t), "stage", "leadfloor.bash")
	output(t, "bash", "-n", file)
	cmd := exec.Command(binary(t), "__complete", "lead", "lo")
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "log\t") {
		t.Errorf("lead lo completes to %q, %v", out, err)
	}
}
