package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Bounds of one Redis call. go-redis does not let a context's deadline stop a read, and to make it do so would close a connection at
// each deadline that passes: the read's own timeout is what ends a call to a server that is silent.
const (
	redisDialTimeout = 3 * time.Second
	redisReadTimeout = 3 * time.Second
)

// name is how the server is called in what we print.
func (c *RedisConfig) name() string {
	switch {
	case c.Sentinel != nil:
		return fmt.Sprintf("%s by sentinel %s", c.Sentinel.Master, strings.Join(c.Sentinel.Addresses, ", "))
	case len(c.Addresses) > 0:
		return "cluster " + strings.Join(c.Addresses, ", ")
	}
	return c.Address
}

// named says whether there is any server to dial.
func (c *RedisConfig) named() bool {
	return c.Address != "" || len(c.Addresses) > 0 || c.Sentinel != nil
}

// open makes a client, which dials when it is first used. The password is read at each new connection, so that a rotated one counts.
func (c *RedisConfig) open() (redis.UniversalClient, error) {
	o := &redis.UniversalOptions{
		Addrs: c.Addresses,
		DB:    c.DB,
		CredentialsProviderContext: func(context.Context) (string, string, error) {
			password, err := c.Password.Read()
			return c.Username, password, err
		},
		DialTimeout:   redisDialTimeout,
		DialerRetries: 2,
		ReadTimeout:   redisReadTimeout,
		WriteTimeout:  redisReadTimeout,
		// Announcements of a vendor's own maintenance: a handshake that plain Redis answers with an error.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if c.CAFile != "" {
			pool, err := certificates(c.CAFile)
			if err != nil {
				return nil, fmt.Errorf("read certificates %q: %w", c.CAFile, err)
			}
			o.TLSConfig.RootCAs = pool
		}
	}
	switch {
	case c.Sentinel != nil:
		password, err := c.Sentinel.Password.Read()
		if err != nil {
			return nil, err
		}
		o.Addrs, o.MasterName = c.Sentinel.Addresses, c.Sentinel.Master
		o.SentinelUsername, o.SentinelPassword = c.Sentinel.Username, password
		return redis.NewFailoverClient(o.Failover()), nil
	case len(c.Addresses) > 0:
		return redis.NewClusterClient(o.Cluster()), nil // also of a single seed
	}
	o.Addrs = []string{c.Address}
	return redis.NewClient(o.Simple()), nil
}

// explain says in one sentence why c could not be used and what to do.
func (c *RedisConfig) explain(err error) error {
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var dns *net.DNSError
	var network net.Error
	advice := ""
	switch text := err.Error(); {
	case strings.HasPrefix(text, "NOAUTH"):
		advice = "it wants a password: add redis.password_file"
	case strings.HasPrefix(text, "WRONGPASS"), strings.HasPrefix(text, "ERR AUTH"):
		advice = "it refuses the user name or password: see redis.username and redis.password_file"
	case strings.HasPrefix(text, "NOPERM"):
		advice = "its user may not do what leadfloor needs: see its ACL"
	case strings.HasPrefix(text, "LOADING"):
		advice = "it is still loading its data: try again later"
	case strings.HasPrefix(text, "OOM"):
		advice = "its memory is full: raise maxmemory"
	case strings.HasPrefix(text, "MISCONF"):
		advice = "it cannot write to its disk: see its log, and make room"
	case strings.HasPrefix(text, "READONLY"):
		advice = "it is a replica, which takes no writes: name the master, or the sentinels"
	case strings.HasPrefix(text, "NOREPLICAS"):
		advice = "too few replicas follow it for its min-replicas-to-write: see INFO replication"
	case strings.HasPrefix(text, "CLUSTERDOWN"):
		advice = "no node serves some of the slots: see CLUSTER INFO"
	case errors.As(err, &unknown):
		advice = "its certificate is signed by nobody known: add redis.tls.ca_file"
	case errors.As(err, &wrongName):
		advice = "its certificate is for another name: write the name that the certificate holds"
	case errors.As(err, &dns):
		advice = "that name is not known: is it written right?"
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		advice = "it does not speak TLS: write redis:// and take tls out"
	case errors.Is(err, fs.ErrPermission):
		advice = "may this user use that socket? leadfloor's group has to own it"
	case errors.As(err, &network), errors.Is(err, io.EOF), strings.Contains(text, "all sentinels specified in configuration are unreachable"):
		advice = "is Redis running, and may this machine reach it?"
	}
	if advice == "" {
		return fmt.Errorf("redis %s: %w", c.name(), err)
	}
	return fmt.Errorf("redis %s: %w; %s", c.name(), err, advice)
}

// quietRedis sends what go-redis logs, by default without bound to standard error, to log at level debug: whoever calls Redis has the
// error and reports it once. The library has one logger for the whole process, so this is called once, by the command.
func quietRedis(log *slog.Logger) { redis.SetLogger(redisLog{log.With("component", "go-redis")}) }

type redisLog struct{ log *slog.Logger }

// Printf is go-redis' logger.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis client", "text", fmt.Sprintf(format, args...))
	}
}
