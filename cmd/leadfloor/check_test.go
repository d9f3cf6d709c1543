package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"leadfloor/ingest/mailbox/mailtest"
	"leadfloor/router/routertest"
)

func TestMain(m *testing.M) {
	if how := os.Getenv(asVictim); how != "" {
		victim(how)
	}
	if os.Getenv(asCommand) != "" || len(os.Args) > 1 && os.Args[1] == "read-apart" {
		main()
	}
	quietRedis(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// reasons lists what inspectRedis found.
func reasons(s redisState) string {
	var all []string
	for _, f := range s.Findings {
		r := f.Reason
		if !slices.Contains(redisReasons, r) {
			r += " (not in redisReasons)"
		}
		if !f.Loses {
			r += "?"
		}
		all = append(all, r)
	}
	return strings.Join(all, " ")
}

func inspect(t *testing.T, c *RedisConfig) (redisState, error) {
	t.Helper()
	client, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return inspectRedis(t.Context(), client, c)
}

func TestInspectRedis(t *testing.T) {
	safe := []string{"--appendonly", "yes", "--appendfsync", "always"}
	with := func(args ...string) []string { return append(append([]string{}, safe...), args...) }
	for _, test := range []struct {
		name string
		args []string
		wait int
		want string
	}{
		{"safe", safe, 0, ""},
		{"safe with replicas asked for", with("--min-replicas-to-write", "1"), 1, "replicas?"},
		{"as Debian ships it", nil, 0, "appendonly"},
		{"every second", []string{"--appendonly", "yes", "--appendfsync", "everysec"}, 0, "appendfsync"},
		{"eviction", with("--maxmemory-policy", "volatile-lru"), 0, "eviction"},
		{"a master that writes alone", safe, 1, "replicas? min-replicas"},
		{"CONFIG is blocked", with("--rename-command", "CONFIG", ""), 0, "unknown?"},
		{"INFO is blocked", with("--rename-command", "INFO", ""), 0, "unknown?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := routertest.StartRedis(t, test.args...)
			got, err := inspect(t, &RedisConfig{Address: r.Addr, WaitReplicas: test.wait})
			if err != nil {
				t.Fatal(err)
			}
			if reasons(got) != test.want {
				t.Errorf("findings = %q, want %q: %v", reasons(got), test.want, got.Findings)
			}
			loses := slices.ContainsFunc(strings.Fields(test.want), func(r string) bool { return !strings.HasSuffix(r, "?") })
			if err := got.strictly(); (err != nil) != loses {
				t.Errorf("strictly = %v, want an error = %t", err, loses)
			}
		})
	}
}

func TestInspectRedisOfReplicas(t *testing.T) {
	master := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0")
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := routertest.StartRedis(t, "--replicaof", host+" "+port)
	_, err = inspect(t, &RedisConfig{Address: replica.Addr})
	if err == nil || !strings.Contains(err.Error(), "it is a replica of "+host+":"+port) {
		t.Errorf("inspect the replica: %v, want an error that names its master", err)
	}
	// WAIT comes back when the replica is connected and has the write.
	client := master.Client()
	defer client.Close()
	conn := client.Conn()
	defer conn.Close()
	if err := conn.Set(t.Context(), "x", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Do(t.Context(), "wait", 1, 4000).Int(); n != 1 || err != nil {
		t.Fatalf("wait = %d, %v, want a replica", n, err)
	}
	got, err := inspect(t, &RedisConfig{Address: master.Addr})
	if err != nil || reasons(got) != "replicas" {
		t.Errorf("findings = %q, %v, want replicas", reasons(got), err)
	}
}

// A server as a vendor runs it, or an old one, is played by a few answers.
func TestInspectRedisOfOthers(t *testing.T) {
	for _, test := range []struct {
		name, info string
		want, err  string
	}{
		{"too old", "redis_version:6.0.16\r\nrole:master\r\nconnected_slaves:0\r\n", "", "it is version 6.0.16 and leadfloor needs 6.2 or later"},
		{"a node of a cluster", "redis_version:7.2.1\r\nredis_mode:cluster\r\nrole:master\r\nconnected_slaves:0\r\n", "", "write redis.addresses"},
		{"one that hides its settings", "redis_version:7.2.1\r\nrole:master\r\nconnected_slaves:0\r\n", "unknown?", ""},
		{"one that hides all", "", "unknown?", ""},
		{"a failing disk", "redis_version:7.2.1\r\nrole:master\r\nconnected_slaves:0\r\naof_last_write_status:err\r\n", "disk-failing unknown?", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := server.NewServer("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			for name, answer := range map[string]server.Cmd{
				"PING":   func(p *server.Peer, _ string, _ []string) { p.WriteInline("PONG") },
				"INFO":   func(p *server.Peer, _ string, _ []string) { p.WriteBulk(test.info) },
				"CONFIG": func(p *server.Peer, _ string, _ []string) { p.WriteLen(0) },
			} {
				if err := s.Register(name, answer); err != nil {
					t.Fatal(err)
				}
			}
			got, err := inspect(t, &RedisConfig{Address: s.Addr().String()})
			switch {
			case test.err != "":
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("inspect = %v, want %q", err, test.err)
				}
			case err != nil || reasons(got) != test.want:
				t.Errorf("findings = %q, %v, want %q", reasons(got), err, test.want)
			}
		})
	}
}

func TestInspectRedisErrors(t *testing.T) {
	locked := routertest.StartRedis(t)
	admin := locked.Client()
	defer admin.Close()
	if err := admin.ConfigSet(t.Context(), "requirepass", "opensesame").Err(); err != nil {
		t.Fatal(err)
	}
	password := func(s string) Secret { return Secret{read: func() (string, error) { return s, nil }} }
	gone := routertest.FreeAddr(t)
	socket := filepath.Join(t.TempDir(), "redis.sock")
	routertest.StartRedis(t, "--unixsocket", socket, "--unixsocketperm", "770")
	for _, test := range []struct {
		name string
		c    RedisConfig
		want string // "" for well
	}{
		{"no password", RedisConfig{Address: locked.Addr}, "add redis.password_file"},
		{"wrong password", RedisConfig{Address: locked.Addr, Password: password("sesame")}, "see redis.username and redis.password_file"},
		{"right password", RedisConfig{Address: locked.Addr, Password: password("opensesame")}, ""},
		{"nobody there", RedisConfig{Address: gone}, "is Redis running"},
		{"no cluster there", RedisConfig{Addresses: []string{gone}}, "is Redis running"},
		{"no sentinel there", RedisConfig{Sentinel: &SentinelConfig{Master: "floor", Addresses: []string{gone}}}, "floor by sentinel " + gone},
		{"unknown host", RedisConfig{Address: "redis.invalid:6379"}, "is it written right?"},
		{"a socket", RedisConfig{Address: socket}, ""},
		{"no socket there", RedisConfig{Address: socket + "s"}, "redis " + socket + "s: dial unix"},
		{"TLS to a plain server", RedisConfig{Address: locked.Addr, TLS: true}, "redis " + locked.Addr},
		{"password that cannot be read", RedisConfig{Address: locked.Addr, Password: fileSecret("testdata/none", "none")}, `read secret file "none"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // some take their time to give up
			_, err := inspect(t, &test.c)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("inspect: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("inspect: %v, want %q", err, test.want)
			case err != nil && strings.Contains(err.Error(), "sesame"):
				t.Errorf("inspect shows a password: %v", err)
			}
		})
	}
}

func TestExplainSocket(t *testing.T) {
	c := RedisConfig{Address: "/run/redis.sock"}
	err := c.explain(&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)})
	if want := "redis /run/redis.sock: dial unix: connect: permission denied; may this user use that socket?"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("explain = %q, want %q first", err, want)
	}
}

// A cluster of one node is a cluster: each master is looked at, and a client for a single server is refused.
func TestInspectRedisCluster(t *testing.T) {
	r := routertest.StartRedis(t, "--cluster-enabled", "yes", "--appendonly", "yes", "--appendfsync", "everysec")
	admin := r.Client()
	defer admin.Close()
	if err := admin.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	got, err := inspect(t, &RedisConfig{Addresses: []string{r.Addr}})
	if err != nil || reasons(got) != redisAppendFsync || got.Version == "" {
		t.Errorf("findings = %q of version %q, %v, want those of the one master", reasons(got), got.Version, err)
	}
	if _, err := inspect(t, &RedisConfig{Address: r.Addr}); err == nil || !strings.Contains(err.Error(), "write redis.addresses") {
		t.Errorf("inspect as a single server: %v, want that it is refused", err)
	}
}

func TestRedisTLS(t *testing.T) {
	dir := t.TempDir()
	selfSigned(t, dir)
	addr := routertest.FreeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	routertest.StartRedis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	if _, err := inspect(t, &RedisConfig{Address: addr, TLS: true, CAFile: cert}); err != nil {
		t.Errorf("inspect with the right certificate: %v", err)
	}
	if _, err := inspect(t, &RedisConfig{Address: addr, TLS: true}); err == nil || !strings.Contains(err.Error(), "add redis.tls.ca_file") {
		t.Errorf("inspect without its certificate: %v, want what to add", err)
	}
	if _, err := inspect(t, &RedisConfig{Address: "localhost:" + port, TLS: true, CAFile: cert}); err == nil || !strings.Contains(err.Error(), "another name") {
		t.Errorf("inspect by another name: %v, want that its certificate is for another", err)
	}
}

// selfSigned writes cert.pem and key.pem for 127.0.0.1.
func selfSigned(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedisClients(t *testing.T) {
	m := miniredis.RunT(t)
	c := RedisConfig{Address: m.Addr(), DB: 3}
	client, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := m.DB(3).Get("k"); got != "v" || err != nil {
		t.Errorf("database 3 has %q, %v, want what was written", got, err)
	}
	cluster := RedisConfig{Addresses: []string{m.Addr()}}
	one, err := cluster.open()
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if _, ok := one.(*redis.ClusterClient); !ok {
		t.Errorf("a cluster of one address gives a %T", one)
	}
	bad := RedisConfig{Address: m.Addr(), TLS: true, CAFile: "testdata/config/secret"}
	if _, err := bad.open(); err == nil {
		t.Error("open took a file without certificates")
	}
}

func TestOlder(t *testing.T) {
	for version, want := range map[string]bool{"5.0.14": true, "6.0.16": true, "6.2.0": false, "6.10": false, "7.0.15": false, "10.0": false, "255.255.255": false} {
		if got := older(version, oldestRedis); got != want {
			t.Errorf("older(%q) = %t, want %t", version, got, want)
		}
	}
}

// write puts a configuration and its secrets into a folder of their own.
func write(t *testing.T, text string, secrets map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range secrets {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "leadfloor.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	r := routertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	imap := mailtest.Memory(t)
	smtp := startSMTP(t, "opensesame")
	gone := routertest.FreeAddr(t)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: serverCertificate(t, imap.TLSAddr)}))
	text := func(redis, address, password, mail string) string {
		return fmt.Sprintf(`
redis: {url: %q}
smtp: {address: %q, username: leads, password_file: %s, from: leads@example.com}
listen: 127.0.0.1:8080
stores:
  - id: main
    timezone: America/Chicago
    hours: {mon-fri: "09:00-20:00"}
    managers: [{id: mia}]
    roster: [{id: alice}]
    mailboxes:
      - {name: leads, address: %q, ca_file: ca.pem, username: %q, password_file: imap}
`, redis, mail, password, address, imap.User)
	}
	secrets := map[string]string{"imap": imap.Password, "smtp": "opensesame", "wrong": "sesame", "ca.pem": ca}

	t.Run("well", func(t *testing.T) {
		code, stdout, stderr := command(t, "check", "--config", write(t, text(r.URL(), imap.TLSAddr, "smtp", smtp), secrets))
		if code != exitWell || stderr != "" {
			t.Errorf("exit code = %d, standard error %q, want 0 and nothing", code, stderr)
		}
		for _, want := range []string{": well\n", "redis " + r.Addr + ": answers, version ", "mailbox leads: INBOX can be read at " + imap.TLSAddr, "smtp " + smtp + ": takes the log-in"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("standard output = %q, want %q in it", stdout, want)
			}
		}
		if rest := strings.Replace(stdout, "warning: smtp does nothing yet: leadfloor sends no mail\n", "", 1); strings.Contains(rest, "warning") {
			t.Errorf("standard output = %q, want no other warning", stdout)
		}
	})
	t.Run("nobody answers", func(t *testing.T) {
		code, stdout, stderr := command(t, "check", "--config", write(t, text("redis://"+gone, gone, "smtp", gone), secrets))
		if code != exitFailed {
			t.Errorf("exit code = %d, want 1", code)
		}
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		if len(lines) != 3 {
			t.Fatalf("standard error = %q, want a line for each server", stderr)
		}
		for i, want := range []string{"leadfloor: redis ", `leadfloor: mailbox "leads"`, "leadfloor: smtp "} {
			if !strings.HasPrefix(lines[i], want) || !strings.Contains(lines[i], gone) || !strings.Contains(lines[i], "refused") {
				t.Errorf("line %d = %q, want %q with the server's name and the cause", i, lines[i], want)
			}
		}
		if !strings.Contains(stdout, ": well\n") {
			t.Errorf("standard output = %q, want that the file is well", stdout)
		}
	})
	t.Run("one refuses", func(t *testing.T) {
		code, stdout, stderr := command(t, "check", "--config", write(t, text(r.URL(), imap.TLSAddr, "wrong", smtp), secrets))
		if code != exitFailed || !strings.Contains(stderr, "see smtp.username") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("exit code = %d, standard error %q, want 1 and the mail server's refusal", code, stderr)
		}
		if !strings.Contains(stdout, "mailbox leads: INBOX can be read") {
			t.Errorf("standard output = %q, want the others' answers too", stdout)
		}
	})
	t.Run("offline", func(t *testing.T) {
		code, stdout, stderr := command(t, "check", "--offline", "--config", write(t, text("redis://"+gone, gone, "smtp", gone), secrets))
		if code != exitWell || stderr != "" || !strings.Contains(stdout, "no server was asked") {
			t.Errorf("exit code = %d, %q, %q, want that no server was asked", code, stdout, stderr)
		}
	})
}

// strict turns what can lose leads from a warning into a failure.
func TestCheckStrict(t *testing.T) {
	r := routertest.StartRedis(t)
	for strict, want := range map[string]int{"false": exitWell, "true": exitFailed} {
		path := write(t, strings.Replace(minimal, `{url: "redis://127.0.0.1:6379/0"}`, "{url: "+r.URL()+", strict: "+strict+"}", 1), nil)
		code, stdout, stderr := command(t, "check", "--config", path)
		if code != want || !strings.Contains(stdout, "warning: redis "+r.Addr+": appendonly is no") {
			t.Errorf("strict %s: exit code %d, %q, want %d and a warning", strict, code, stdout, want)
		}
		if (code == exitFailed) != strings.Contains(stderr, "redis.strict is on") {
			t.Errorf("strict %s: standard error = %q", strict, stderr)
		}
	}
}

func TestSMTPErrors(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_ = c.Close()
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&SMTPConfig{Address: silent.Addr().String()}).probe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("probe = %v, want that it was cancelled", err)
	}
	if _, err := (&SMTPConfig{Address: other.Addr().String()}).probe(t.Context()); err == nil || !strings.Contains(err.Error(), "is this a mail server?") {
		t.Errorf("probe = %v, want a doubt that it is a mail server", err)
	}
	lines, err := (&SMTPConfig{Address: startSMTP(t, "x")}).probe(t.Context())
	if err != nil || len(lines) != 1 || !strings.HasSuffix(lines[0], ": answers") {
		t.Errorf("probe = %q, %v, want that it answers", lines, err)
	}
}

// startSMTP plays a mail server that takes one password. It knows no TLS and takes no mail.
func startSMTP(t *testing.T, password string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talkSMTP(c, password)
		}
	}()
	return l.Addr().String()
}

func talkSMTP(c net.Conn, password string) {
	defer c.Close()
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 mail.example.com ready")
	for in := bufio.NewScanner(c); in.Scan(); {
		verb, rest, _ := strings.Cut(in.Text(), " ")
		switch verb {
		case "EHLO":
			say("250-mail.example.com\r\n250 AUTH LOGIN PLAIN")
		case "AUTH":
			if rest == "PLAIN "+plainResponse("leads", password) {
				say("235 welcome")
			} else {
				say("535 no")
			}
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

// plainResponse is what SASL PLAIN sends (RFC 4616).
func plainResponse(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// serverCertificate is what a server shows, self-signed.
func serverCertificate(t *testing.T, addr string) []byte {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Raw
}

func TestProbeDNS(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		well bool
	}{
		{"a key", nil, true},
		{"no such key", &net.DNSError{Err: "no such host", IsNotFound: true}, true},
		{"no answer", &net.DNSError{Err: "i/o timeout", IsTimeout: true}, false},
		{"no way there", errors.New("connection refused"), false},
	} {
		lines, err := probeDNS(func(context.Context, string) ([]string, error) { return nil, test.err })(t.Context())
		if well := err == nil && len(lines) == 1; well != test.well {
			t.Errorf("%s: %q, %v, want well = %t", test.name, lines, err, test.well)
		}
		if err != nil && !strings.Contains(err.Error(), "correct the name servers") {
			t.Errorf("%s: %v, want what to do", test.name, err)
		}
	}
}
