package mailtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Dovecot starts a private Dovecot 2.3 in a temporary folder on free loopback ports, which ends with the test. A machine
// without Dovecot fails the test: a suite that skips its real server proves nothing.
func Dovecot(t testing.TB) *Server {
	t.Helper()
	s, err := StartDovecot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// StartDovecot is Dovecot for a TestMain, which must call Stop. Its tests share the server by Account. On Linux the server
// ends with the process at the latest.
func StartDovecot() (*Server, error) {
	binary, err := dovecotBinary()
	if err != nil {
		return nil, err
	}
	// Sockets live in the folder, and their names may have 108 bytes: t.TempDir is too long.
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		return nil, err
	}
	b := &dovecotBackend{binary: binary, dir: dir}
	s := &Server{Password: "secret", backend: b}
	b.tokenKey = make([]byte, 32)
	_, _ = rand.Read(b.tokenKey) // never fails
	if s.ClientTLS, err = b.configure(); err == nil {
		err = b.start()
	}
	if err != nil {
		b.remove()
		return nil, err
	}
	s.User, _ = b.account()
	s.Addr, s.TLSAddr = b.addr(0), b.addr(1)
	return s, nil
}

func dovecotBinary() (string, error) {
	binary, err := exec.LookPath("dovecot")
	if err != nil {
		binary, err = exec.LookPath("/usr/sbin/dovecot")
	}
	if err != nil {
		return "", errors.New("dovecot is not installed: install the Debian packages dovecot-imapd and dovecot-lmtpd")
	}
	for _, service := range []string{"imap", "lmtp"} {
		if _, err := os.Stat("/usr/lib/dovecot/" + service); err != nil {
			return "", fmt.Errorf("dovecot has no %s: install the Debian package dovecot-%sd", service, service)
		}
	}
	return binary, nil
}

type dovecotBackend struct {
	binary, dir string
	ports       [3]int // imap, imaps, lmtp
	tokenKey    []byte // of the access tokens that are taken
	mailUser    *user.User

	mu    sync.Mutex
	users int
	cmd   *exec.Cmd
	ended chan struct{}
}

func (b *dovecotBackend) addr(i int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.ports[i]))
}

// configure writes the certificate and dovecot.conf. Any user may log in with the password; their mail is made on sight.
func (b *dovecotBackend) configure() (*tls.Config, error) {
	certPEM, keyPEM, client, err := certificate()
	if err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	internal, login := me.Username, me.Username
	b.mailUser = me
	if me.Uid == "0" {
		// As root Dovecot wants its own users, which its package makes, and mail that is not root's.
		internal, login = "dovecot", "dovenull"
		if b.mailUser, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return nil, err
	}
	mail := filepath.Join(b.dir, "mail")
	if err := os.Mkdir(mail, 0o700); err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(b.mailUser.Uid)
	gid, _ := strconv.Atoi(b.mailUser.Gid)
	if err := os.Chown(mail, uid, gid); err != nil {
		return nil, err
	}
	if b.ports, err = freePorts(); err != nil {
		return nil, err
	}
	group := me.Gid
	if g, err := user.LookupGroupId(b.mailUser.Gid); err == nil {
		group = g.Name
	}
	conf := fmt.Sprintf(`
base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = %[1]s/log
protocols = imap lmtp
listen = 127.0.0.1
default_internal_user = %[2]s
default_internal_group = %[9]s
default_login_user = %[3]s
first_valid_uid = 1
mail_fsync = never
mail_location = maildir:~/Maildir
mail_home = %[1]s/mail/%%u
mail_max_userip_connections = 1000
auth_mechanisms = plain login oauthbearer xoauth2
auth_failure_delay = 0
disable_plaintext_auth = no
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
passdb {
  driver = static
  mechanisms = plain login
  args = password=secret
}
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = %[1]s/oauth2.conf
}
userdb {
  driver = static
  args = uid=%[4]s gid=%[5]s home=%[1]s/mail/%%u allow_all_users=yes
}
service anvil {
  chroot =
  # A test that tries a wrong password must not slow down the others.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {
    port = %[6]d
  }
  inet_listener imaps {
    port = %[7]d
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = %[8]d
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`, b.dir, internal, login, b.mailUser.Uid, group, b.ports[0], b.ports[1], b.ports[2], groupOf(internal))
	keys := filepath.Join(b.dir, "keys", "default", "HS256")
	if err := os.MkdirAll(keys, 0o755); err != nil {
		return nil, err
	}
	oauth := fmt.Sprintf("introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=%s/keys/\nusername_attribute = sub\n", b.dir)
	for name, text := range map[string]string{
		filepath.Join(b.dir, "oauth2.conf"): oauth,
		filepath.Join(keys, "default"):      base64.StdEncoding.EncodeToString(b.tokenKey),
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM, "dovecot.conf": []byte(conf)} {
		if err := os.WriteFile(filepath.Join(b.dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	return client, nil
}

func groupOf(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		return name
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return name
	}
	return g.Name
}

func freePorts() (ports [3]int, err error) {
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports, err
		}
		defer l.Close() // after all are taken, so that they differ
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func (b *dovecotBackend) start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out bytes.Buffer
	cmd := exec.Command(b.binary, "-F", "-c", filepath.Join(b.dir, "dovecot.conf"))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = processGroup()
	ended, started := make(chan struct{}), make(chan error)
	go func() {
		// A process that ends with its parent ends with the very thread that began it.
		// Whatever else this thread began would end with it, so it is given back.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it was ended, and says so
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start dovecot: %w", err)
	}
	b.cmd, b.ended = cmd, ended
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, i := range []int{0, 1, 2} {
		for {
			if c, err := b.dial(ctx, "tcp", b.addr(i)); err == nil {
				c.Close()
				break
			}
			select {
			case <-ended:
				log, _ := os.ReadFile(filepath.Join(b.dir, "log"))
				return fmt.Errorf("dovecot ended: %s%s", out.Bytes(), log)
			case <-ctx.Done():
				return errors.New("dovecot does not listen")
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	return nil
}

func (b *dovecotBackend) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// end ends what start has started, and all its children: they are one process group.
func (b *dovecotBackend) end(how syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return
	}
	pid := b.cmd.Process.Pid
	_ = syscall.Kill(pid, how) // it may be gone already
	if how == syscall.SIGKILL {
		_ = syscall.Kill(-pid, how)
	}
	select {
	case <-b.ended:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		<-b.ended
	}
	b.cmd = nil
	// Its master process says where it listens; one that was killed cannot take that back.
	_ = os.Remove(filepath.Join(b.dir, "run", "master.pid"))
}

func (b *dovecotBackend) kill() { b.end(syscall.SIGKILL) }

func (b *dovecotBackend) stop() { b.end(syscall.SIGTERM) }

func (b *dovecotBackend) remove() {
	b.stop()
	_ = os.RemoveAll(b.dir) // a temporary folder; what is left hurts nobody
}

func (b *dovecotBackend) account() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.users++
	return "user" + strconv.Itoa(b.users), nil
}

func (b *dovecotBackend) doveadm(args ...string) error {
	args = append([]string{"-c", filepath.Join(b.dir, "dovecot.conf")}, args...)
	out, err := exec.Command("doveadm", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("doveadm %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (b *dovecotBackend) renumber(s *Server, keepMail, keepValidity bool) error {
	c, err := s.client("")
	if err != nil {
		return err
	}
	data, err := c.Select("INBOX", nil).Wait()
	c.Close()
	if err != nil {
		return err
	}
	maildir := filepath.Join(b.dir, "mail", s.User, "Maildir")
	if err := b.doveadm("kick", s.User); err != nil && !strings.Contains(err.Error(), "exit status 68") {
		return err // 68: nobody was there
	}
	names, err := filepath.Glob(filepath.Join(maildir, "dovecot*"))
	if err != nil {
		return err
	}
	if !keepMail {
		for _, sub := range []string{"cur", "new"} {
			mails, err := filepath.Glob(filepath.Join(maildir, sub, "*"))
			if err != nil {
				return err
			}
			names = append(names, mails...)
		}
	}
	for _, name := range names {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	validity := data.UIDValidity
	if !keepValidity {
		validity++
	}
	return b.doveadm("mailbox", "update", "-u", s.User, "--uid-validity", strconv.FormatUint(uint64(validity), 10), "INBOX")
}

// Deliver hands a message to the server by LMTP, as a mail exchanger does. Only Dovecot takes it.
func (s *Server) Deliver(t testing.TB, raw []byte) {
	t.Helper()
	b, ok := s.backend.(*dovecotBackend)
	if !ok {
		t.Fatal("deliver: only Dovecot has LMTP")
	}
	if err := lmtp(b.addr(2), s.User, raw); err != nil {
		t.Fatalf("deliver: %v", err)
	}
}

func lmtp(addr, rcpt string, raw []byte) error {
	c, err := textproto.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, step := range []struct {
		say  string
		want int
	}{
		{"", 220}, {"LHLO localhost", 250}, {"MAIL FROM:<sender@example.com>", 250}, {"RCPT TO:<" + rcpt + ">", 250}, {"DATA", 354},
	} {
		if step.say != "" {
			if err := c.PrintfLine("%s", step.say); err != nil {
				return err
			}
		}
		if _, _, err := c.ReadResponse(step.want); err != nil {
			return fmt.Errorf("%s: %w", step.say, err)
		}
	}
	w := c.DotWriter()
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, _, err = c.ReadResponse(250)
	return err
}

// Fill puts messages into INBOX past the server: many come within seconds. By their INTERNALDATE the first came at an instant, and each of the
// others a second after the one before. Only Dovecot takes it.
func (s *Server) Fill(t testing.TB, first time.Time, raws iter.Seq[[]byte]) {
	t.Helper()
	b, ok := s.backend.(*dovecotBackend)
	if !ok {
		t.Fatal("fill: only Dovecot has a Maildir")
	}
	s.Held(t, "INBOX") // makes the Maildir
	uid, _ := strconv.Atoi(b.mailUser.Uid)
	gid, _ := strconv.Atoi(b.mailUser.Gid)
	n := 0
	for raw := range raws {
		date := first.Add(time.Duration(n) * time.Second)
		n++
		name := filepath.Join(b.dir, "mail", s.User, "Maildir", "new", fmt.Sprintf("%d.M%06d.test", date.Unix(), n))
		if err := errors.Join(os.WriteFile(name, raw, 0o600), os.Chown(name, uid, gid), os.Chtimes(name, date, date)); err != nil {
			t.Fatalf("fill: %v", err)
		}
	}
}

// Fetch reads all of INBOX with one bare FETCH, and keeps nothing.
func (s *Server) Fetch(t testing.TB) {
	t.Helper()
	c, err := s.client("INBOX")
	if err != nil {
		t.Fatalf("fetch: %v", err)
	}
	defer c.Close()
	var all imap.SeqSet
	all.AddRange(1, 0)
	cmd := c.Fetch(all, &imap.FetchOptions{UID: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		for item := msg.Next(); item != nil; item = msg.Next() {
			if body, ok := item.(imapclient.FetchItemDataBodySection); ok {
				if _, err := io.Copy(io.Discard, body.Literal); err != nil {
					t.Fatalf("fetch: %v", err)
				}
			}
		}
	}
	if err := cmd.Close(); err != nil {
		t.Fatalf("fetch: %v", err)
	}
}
