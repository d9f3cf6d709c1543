package mailtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
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
)

// courierRoot is where .ci/setup unpacks Courier, whose package cannot be installed beside Dovecot's.
const courierRoot = "/opt/courier-imap"

// Courier starts Courier IMAP in a temporary folder on a free loopback port, which ends with the test. A machine without it
// fails the test. It has neither MOVE nor TLS here, its folders lie below INBOX, and its IDLE looks every second.
func Courier(t testing.TB) *Server {
	t.Helper()
	binary := ""
	for _, root := range []string{courierRoot, ""} {
		if _, err := os.Stat(root + "/usr/bin/imapd"); err == nil && binary == "" {
			binary = root + "/usr/bin/imapd"
		}
	}
	if binary == "" {
		t.Fatal("courier is not installed: run .ci/setup as root, or unpack the Debian package courier-imap to " + courierRoot)
	}
	dir, err := os.MkdirTemp("", "courier")
	if err != nil {
		t.Fatal(err)
	}
	b := &courierBackend{binary: binary, dir: dir, addr: "127.0.0.1:0", running: make(map[*exec.Cmd]string)}
	t.Cleanup(b.remove)
	if b.mailUser, err = user.Current(); err == nil && b.mailUser.Uid == "0" {
		b.mailUser, err = user.Lookup("nobody") // Courier does not work as root
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	s := &Server{Password: "secret", backend: b, prefix: "INBOX."}
	if err == nil {
		s.User, err = b.account()
	}
	if err == nil {
		err = b.start()
	}
	if err != nil {
		t.Fatalf("start courier: %v", err)
	}
	s.Addr = b.addr
	return s
}

// A courierBackend is what couriertcpd and imaplogin are to Courier's imapd: it listens, lets users in and hands the
// connection to a process of their own.
type courierBackend struct {
	binary, dir string
	mailUser    *user.User

	mu       sync.Mutex
	addr     string
	listener net.Listener
	conns    map[net.Conn]struct{}
	running  map[*exec.Cmd]string // by user
	users    int
	wg       sync.WaitGroup
}

const courierCaps = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"

func (b *courierBackend) maildir(name string) string { return filepath.Join(b.dir, name, "Maildir") }

func (b *courierBackend) ids() (uid, gid int) {
	uid, _ = strconv.Atoi(b.mailUser.Uid) // on unix it is a number
	gid, _ = strconv.Atoi(b.mailUser.Gid)
	return uid, gid
}

func (b *courierBackend) account() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.users++
	name := "user" + strconv.Itoa(b.users)
	uid, gid := b.ids()
	for _, dir := range []string{"", "Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp"} {
		dir = filepath.Join(b.dir, name, dir)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, uid, gid)); err != nil {
			return "", err
		}
	}
	return name, nil
}

func (b *courierBackend) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, addr)
}

func (b *courierBackend) start() error {
	l, err := net.Listen("tcp", b.addr)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.listener, b.addr, b.conns = l, l.Addr().String(), make(map[net.Conn]struct{})
	b.mu.Unlock()
	b.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			if b.listener != l {
				conn.Close()
			}
			b.conns[conn] = struct{}{}
			b.mu.Unlock()
			b.wg.Go(func() {
				defer func() {
					conn.Close()
					b.mu.Lock()
					delete(b.conns, conn)
					b.mu.Unlock()
				}()
				if name, tag := logIn(conn); name != "" {
					_ = b.serve(conn.(*net.TCPConn), name, tag) // the client sees the connection end
				}
			})
		}
	})
	return nil
}

// logIn speaks with a client until it has logged in, and reads not a byte beyond.
func logIn(conn net.Conn) (name, tag string) {
	fmt.Fprintf(conn, "* OK [CAPABILITY %s] Courier-IMAP ready\r\n", courierCaps)
	line := make([]byte, 0, 80)
	for one := make([]byte, 1); len(line) < 1000; {
		if _, err := conn.Read(one); err != nil {
			return "", ""
		}
		if line = append(line, one[0]); one[0] != '\n' {
			continue
		}
		words := strings.Fields(string(bytes.ReplaceAll(line, []byte(`"`), nil)))
		line = line[:0]
		switch {
		case len(words) == 2 && words[1] == "CAPABILITY":
			fmt.Fprintf(conn, "* CAPABILITY %s\r\n%s OK done\r\n", courierCaps, words[0])
		case len(words) == 4 && words[1] == "LOGIN" && words[3] == "secret":
			return words[2], words[0]
		case len(words) == 4 && words[1] == "LOGIN":
			fmt.Fprintf(conn, "%s NO Login failed.\r\n", words[0])
		default:
			fmt.Fprintf(conn, "* BYE what?\r\n")
			return "", ""
		}
	}
	return "", ""
}

// serve runs imapd over the connection until it ends.
func (b *courierBackend) serve(conn *net.TCPConn, name, tag string) error {
	file, err := conn.File()
	if err != nil {
		return err
	}
	defer file.Close()
	uid, gid := b.ids()
	cmd := exec.Command(b.binary, "Maildir")
	cmd.Dir = filepath.Dir(b.maildir(name))
	root := strings.TrimSuffix(b.binary, "/usr/bin/imapd")
	cmd.Env = []string{
		"LD_LIBRARY_PATH=" + root + "/usr/lib/" + multiarch() + ":" + root + "/usr/lib/courier-authlib:" + root + "/usr/lib",
		"HOME=" + cmd.Dir, "AUTHENTICATED=" + name, "IMAPLOGINTAG=" + tag, "TCPREMOTEIP=127.0.0.1", "TCPREMOTEPORT=1", "PROTOCOL=IMAP",
		"IMAP_CAPABILITY=" + courierCaps, "IMAP_KEYWORDS=1", "IMAP_IDLE_TIMEOUT=1", "IMAP_CHECK_ALL_FOLDERS=0", "IMAP_USELOCKS=0", "IMAP_EMPTYTRASH=",
	}
	cmd.Stdin, cmd.Stdout = file, file
	cmd.SysProcAttr = processGroup()
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	// A process that ends with its parent ends with the very thread that began it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.mu.Lock()
	if _, ok := b.conns[conn]; !ok || b.listener == nil {
		b.mu.Unlock()
		return net.ErrClosed
	}
	err = cmd.Start()
	if err == nil {
		b.running[cmd] = name
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	err = cmd.Wait()
	b.mu.Lock()
	delete(b.running, cmd)
	b.mu.Unlock()
	return err
}

// multiarch is Debian's name of this machine's kind, in paths of libraries.
func multiarch() string {
	switch runtime.GOARCH {
	case "arm64":
		return "aarch64-linux-gnu"
	case "amd64":
		return "x86_64-linux-gnu"
	}
	return runtime.GOARCH + "-linux-gnu"
}

// end ends the processes of a user, or all of them and the listener.
func (b *courierBackend) end(how syscall.Signal, name string) {
	b.mu.Lock()
	if name == "" && b.listener != nil {
		b.listener.Close()
		b.listener = nil
		for c := range b.conns {
			c.Close()
		}
	}
	for cmd, user := range b.running {
		if name == "" || name == user {
			_ = cmd.Process.Signal(how) // it may have ended already
		}
	}
	b.mu.Unlock()
	if name == "" {
		b.wg.Wait()
	}
}

func (b *courierBackend) stop() { b.end(syscall.SIGTERM, "") }
func (b *courierBackend) kill() { b.end(syscall.SIGKILL, "") }

func (b *courierBackend) remove() {
	b.kill()
	_ = os.RemoveAll(b.dir) // a temporary folder; what is left hurts nobody
}

func (b *courierBackend) renumber(s *Server, keepMail, keepValidity bool) error {
	c, err := s.client("")
	if err != nil {
		return err
	}
	data, err := c.Select("INBOX", nil).Wait()
	c.Close()
	if err != nil {
		return err
	}
	b.end(syscall.SIGKILL, s.User)
	maildir := b.maildir(s.User)
	if !keepMail {
		mails, err := filepath.Glob(filepath.Join(maildir, "[cn]*", "*"))
		if err != nil {
			return err
		}
		for _, mail := range mails {
			if err := os.Remove(mail); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	validity := data.UIDValidity
	if !keepValidity {
		validity++
	}
	// Version, UIDVALIDITY, next UID; then a line for each mail that has a UID.
	db := filepath.Join(maildir, "courierimapuiddb")
	uid, gid := b.ids()
	return errors.Join(os.WriteFile(db, fmt.Appendf(nil, "1 %d 1\n", validity), 0o600), os.Chown(db, uid, gid))
}
