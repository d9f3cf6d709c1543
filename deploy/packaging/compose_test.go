package packaging_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// composition reads the composition as docker compose does, which refuses unknown keys, services and secrets.
func composition(t testing.TB, file string) (*types.Project, error) {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{file}, cli.WithName("leadfloor"))
	if err != nil {
		t.Fatal(err)
	}
	return o.LoadProject(t.Context())
}

func TestCompose(t *testing.T) {
	p, err := composition(t, top+"deploy/docker/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Services {
		if s.Privileged || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.User == "root" {
			t.Errorf("%s may do more than it needs", s.Name)
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s: restart = %q", s.Name, s.Restart)
		}
		if s.Build == nil && !regexp.MustCompile(`:v?\d+\.\d+`).MatchString(s.Image) {
			t.Errorf("%s: image %q is of no version", s.Name, s.Image)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s shows port %s to other machines", s.Name, port.Published)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			if !v.ReadOnly {
				t.Errorf("%s may write to %s", s.Name, v.Target)
			}
		}
	}
	// Whatever file a configuration in it names is there: mounted, or a secret.
	for service, file := range map[string]string{"leadfloor": "deploy/docker/leadfloor.yaml", "alertmanager": "deploy/alertmanager/alertmanager.yml"} {
		named := regexp.MustCompile(`(?m)^[^#\n]*_file: *([^ ,}\n]+)`).FindAllStringSubmatch(read(t, file), -1)
		if len(named) == 0 {
			t.Errorf("%s names no secret, which cannot be", file)
		}
		var given []string
		for _, secret := range p.Services[service].Secrets {
			at := secret.Target
			if at == "" {
				at = secret.Source
			}
			if !filepath.IsAbs(at) {
				at = "/run/secrets/" + at
			}
			given = append(given, at)
		}
		for _, m := range named {
			if !slices.Contains(given, m[1]) {
				t.Errorf("%s: %s names %s; the secrets are %q", service, file, m[1], given)
			}
		}
	}
	// Every secret is made by the script.
	script := read(t, "deploy/docker/secrets.sh")
	for name, secret := range p.Secrets {
		if !strings.Contains(script, " "+name) || filepath.Base(secret.File) != name {
			t.Errorf("secrets.sh does not make %s", secret.File)
		}
	}
}

// TestComposeRefuses proves that reading it can fail.
func TestComposeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a key nobody knows": "services: {a: {image: x, entrypiont: y}}",
		"a service missing":  "services: {a: {image: x, depends_on: [b]}}",
	} {
		if _, err := composition(t, write(t, filepath.Join(t.TempDir(), "compose.yaml"), text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestComposeSecrets runs the script that makes the secrets.
func TestComposeSecrets(t *testing.T) {
	dir := t.TempDir()
	script := write(t, filepath.Join(dir, "secrets.sh"), read(t, "deploy/docker/secrets.sh"))
	output(t, "sh", script)
	before, err := os.ReadFile(filepath.Join(dir, "secrets", "redis.password"))
	if err != nil || len(before) != 48 {
		t.Fatalf("redis.password has %d bytes, %v; want 48", len(before), err)
	}
	output(t, "sh", script)
	after, err := os.ReadFile(filepath.Join(dir, "secrets", "redis.password"))
	if err != nil || string(after) != string(before) {
		t.Errorf("a secret was made anew (%v)", err)
	}
	info, err := os.Stat(filepath.Join(dir, "secrets"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start runs a command until the test ends.
func start(t testing.TB, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	run(t, cmd)
}

// run does so with a command that is made already.
func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()         // it was killed, and says so
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, log.String())
		}
	})
}

// await asks until cond holds: other processes give no event to wait for.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not yet: %s", what)
		}
	}
}

// A pair is a master and its replica, run by what is shipped, on this machine.
type pair struct{ dir, conf, secret, master string }

func newPair(t testing.TB, conf string) *pair {
	t.Helper()
	dir := t.TempDir()
	return &pair{dir, write(t, filepath.Join(dir, "redis.conf"), conf), write(t, filepath.Join(dir, "redis.password"), "correct-horse\n"), freePort(t)}
}

// check waits for the replica and has leadfloor look at both with the configuration, in which url and secret stand for this machine's:
// nothing in the settings may be able to lose a lead.
func (p *pair) check(t testing.TB, config, url, secret string) {
	t.Helper()
	cli := func(args ...string) string {
		cmd := exec.Command("redis-cli", append([]string{"-p", p.master}, args...)...)
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH=correct-horse")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return err.Error()
		}
		return string(out)
	}
	await(t, "the replica is there", func() bool { return strings.Contains(cli("info", "replication"), "state=online") })
	if out, err := exec.Command("redis-cli", "-p", p.master, "ping").CombinedOutput(); err != nil || !strings.Contains(string(out), "NOAUTH") {
		t.Errorf("without a password Redis says %q, %v", out, err)
	}
	if strings.Count(config, url) != 1 || strings.Count(config, secret) != 1 || !strings.Contains(config, "wait_replicas: 1") || !strings.Contains(config, "strict: true") {
		t.Fatalf("the configuration has not %s, %s, a replica to wait for and strict:\n%s", url, secret, config)
	}
	// Its mailbox and its tokens are somewhere else.
	text := strings.NewReplacer(url, "redis://127.0.0.1:"+p.master+"/0", secret, "password_file: "+p.secret, "0.0.0.0:", "127.0.0.1:").Replace(config)
	var file map[string]any
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	delete(file, "auth")
	delete(file["stores"].([]any)[0].(map[string]any), "mailboxes")
	b, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	out := output(t, binary(t), "check", "--config", write(t, filepath.Join(p.dir, "leadfloor.yaml"), string(b)))
	if !strings.Contains(out, "redis") || regexp.MustCompile(`can lose|appendonly|appendfsync|maxmemory|replica`).MatchString(out) {
		t.Errorf("check says:\n%s", out)
	}
}

// TestComposeRedis runs the commands of both Redis services.
func TestComposeRedis(t *testing.T) {
	p, err := composition(t, top+"deploy/docker/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	pair := newPair(t, read(t, "deploy/redis/redis-leadfloor.conf"))
	run := func(service, port string) {
		s := p.Services[service]
		data := filepath.Join(pair.dir, service)
		if err := os.Mkdir(data, 0o755); err != nil {
			t.Fatal(err)
		}
		replica := ""
		if v := s.Environment["REPLICA_OF"]; v != nil && *v != "" {
			if *v != "--replicaof redis 6379" {
				t.Fatalf("%s: REPLICA_OF = %q", service, *v)
			}
			replica = "--replicaof 127.0.0.1 " + pair.master
		}
		// What differs is what a container gives and this machine does not.
		command := strings.NewReplacer("$$", "$", "/etc/redis/redis-leadfloor.conf", pair.conf, "--bind 0.0.0.0", "--bind 127.0.0.1", "--port 6379", "--port "+port,
			"--dir /data", "--dir "+data, "/run/secrets/redis.password", pair.secret, "$REPLICA_OF", replica, "$$REPLICA_OF", replica).Replace(s.Command[0])
		start(t, s.Entrypoint[0], append(s.Entrypoint[1:], command)...)
	}
	run("redis", pair.master)
	run("redis-replica", freePort(t))
	pair.check(t, read(t, "deploy/docker/leadfloor.yaml"), "redis://redis:6379/0", "password_file: /run/secrets/redis.password")
}

// binary is leadfloor as the packages hold it.
func binary(t testing.TB) string { return filepath.Join(packages(t), "stage", "leadfloor") }

// TestComposePrometheus has Prometheus' own tool read the composition's configuration, with the rules where the composition mounts them.
func TestComposePrometheus(t *testing.T) {
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "prometheus.yml"), read(t, "deploy/docker/prometheus.yml"))
	write(t, filepath.Join(dir, "rules.yml"), read(t, "deploy/prometheus/rules.yml"))
	output(t, "promtool", "check", "config", config)
	if got, want := read(t, "deploy/docker/prometheus.yml"), read(t, "deploy/prometheus/prometheus.yml"); interval(got) != interval(want) || interval(got) == "" {
		t.Errorf("the intervals are %q, elsewhere %q", interval(got), interval(want))
	}
}

func interval(config string) string {
	return strings.Join(regexp.MustCompile(`(?m)^  (?:scrape|evaluation)_interval:.*`).FindAllString(config, -1), "")
}
