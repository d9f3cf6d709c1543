package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestImage runs the binary as the image does: alone in a root that holds but it, the roots of TLS and a configuration, as nobody.
func TestImage(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "leadfloor"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "etc/leadfloor/leadfloor.yaml"), read(t, "deploy/leadfloor.example.yaml"))
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("/leadfloor", args...)
		cmd.Dir, cmd.Env = "/", []string{}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("leadfloor %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if out := run("--version"); !strings.HasPrefix(out, "leadfloor ") {
		t.Errorf("--version says %q", out)
	}
	run("check", "--offline") // the store's time zone is known without any file
	// demo wants a place for its secrets: --tmpfs /tmp.
	tmp := filepath.Join(root, "tmp")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(tmp, 65532, 65532); err != nil {
		t.Fatal(err)
	}
	if out := run("demo", "--listen", "127.0.0.1:0", "--for", "1s", "--exit"); !strings.Contains(out, "books balance") {
		t.Errorf("demo says:\n%s", out)
	}
}

// TestDockerfile holds its last stage, which is the image.
func TestDockerfile(t *testing.T) {
	text := read(t, "deploy/docker/Dockerfile")
	build, image, ok := strings.Cut(text, "\nFROM scratch\n")
	if !ok {
		t.Fatal("the image does not start from scratch")
	}
	want := `COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /leadfloor /leadfloor
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/leadfloor"]
CMD ["serve"]
`
	if image != want {
		t.Errorf("the image is\n%s\nwant\n%s", image, want)
	}
	// The compiler of the image is that of go.mod.
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if m == nil || !strings.Contains(build, "golang:"+m[1]+"-") {
		t.Errorf("go.mod says %q, the image is built from something else", m)
	}
}

// TestDockerContext builds from nothing but what Dockerfile.dockerignore lets through.
func TestDockerContext(t *testing.T) {
	ignore := read(t, "deploy/docker/Dockerfile.dockerignore")
	var needed []string
	cmd := exec.Command("go", "list", "-deps", "-f", `{{if and .Module .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}`, "./cmd/leadfloor")
	cmd.Dir = top
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	for file := range strings.FieldsSeq(string(out)) {
		rel, err := filepath.Rel(here, file)
		if err != nil {
			t.Fatal(err)
		}
		needed = append(needed, rel)
	}
	if len(needed) < 50 {
		t.Fatalf("%d files, which cannot be all", len(needed))
	}
	for _, file := range needed {
		first, _, _ := strings.Cut(file, "/")
		if !strings.Contains(ignore, "\n!"+first+"\n") || strings.Contains(file, "/testdata/") || strings.HasSuffix(file, "_test.go") {
			t.Errorf("the build needs %s, which is kept from it", file)
		}
	}
}
