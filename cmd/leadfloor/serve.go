package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

const serveLong = `serve is the daemon. It watches every configured mailbox by IMAP, takes leads over its API, deals each lead to the next person on
the floor, keeps deadlines, and shows its metrics. All state lies in Redis: it may be killed at any time and run twice.

SIGHUP and POST /-/reload read the configuration anew; a bad one is refused whole and the old one goes on. SIGTERM and
SIGINT finish what is in hand and leave within 10 seconds.`

const serveExample = `  leadfloor check && leadfloor serve
  leadfloor serve --config leadfloor.yaml --log.format json
  leadfloor serve --web.config.file web.yml      # TLS and basic auth, as Prometheus' exporters take them`

// serveOptions are the flags of serve.
type serveOptions struct {
	logLevel  string
	logFormat string
	webConfig string
}

func newServeCmd(e *env) *cobra.Command {
	var o serveOptions
	var log *slog.Logger
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the daemon", Long: serveLong, Example: serveExample, Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) (err error) {
			log, err = newLog(e.stderr, o.logLevel, o.logFormat)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := e.load()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, e.load, o.webConfig, log, nil)
		},
	}
	cmd.Flags().StringVar(&o.logLevel, "log.level", "info", "least `LEVEL` that is logged: debug, info, warn, error")
	cmd.Flags().StringVar(&o.logFormat, "log.format", "text", "`FORMAT` of the log: text or json")
	cmd.Flags().StringVar(&o.webConfig, "web.config.file", "", "`FILE` with TLS and basic auth for what listens, as Prometheus' exporters take it")
	return cmd
}

func newLog(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q: want text or json", format)
}

// Bounds of the HTTP server. A whole answer takes at most 10 s of work, see router/api.
const (
	httpHeaderTimeout = 10 * time.Second
	httpReadTimeout   = 30 * time.Second
	httpWriteTimeout  = 30 * time.Second
	httpIdleTimeout   = 2 * time.Minute
	// shutdownTimeout leaves time for the mailboxes within the 10 s that a stop may take.
	shutdownTimeout = 4 * time.Second
)

// heapGrowth is by how many percent the heap grows until it is collected, where GOGC does not say: the small machine that a store has beside
// its Redis lacks memory sooner than processor time.
const heapGrowth = 70

// serve runs the daemon until ctx ends. started, if given, is called with the daemon and the address that it listens on.
func serve(ctx context.Context, cfg *Config, load func() (*Config, error), webConfig string, log *slog.Logger, started func(d *daemon, addr string)) error {
	quietRedis(log)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	d, err := newDaemon(cfg, load, log)
	if err != nil {
		return err
	}
	log.Info("leadfloor starts", "version", versionLine(), "stores", len(cfg.Stores), "config", fmt.Sprintf("%012x", cfg.Hash()))
	for _, w := range cfg.Warnings() {
		log.Warn("configuration", "warning", w)
	}
	g, ctx := errgroup.WithContext(ctx)
	health := http.NewServeMux()
	d.health(health)
	addr := ""
	for _, l := range []struct {
		addr, config string
		handler      http.Handler
	}{{cfg.Listen, webConfig, d.routes()}, {cfg.HealthListen, "", health}} {
		if l.addr == "" {
			continue
		}
		at, err := listen(ctx, g, l.addr, l.config, l.handler, log)
		if err != nil {
			return err
		}
		if addr == "" {
			addr = at
		}
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
				if err := d.reload(); err != nil {
					log.Error("configuration refused; the old one goes on", "err", err)
				}
			}
		}
	})
	g.Go(func() error { return d.run(ctx) })
	g.Go(func() error {
		d.manager.tell("READY=1", "STATUS=Running.")
		d.manager.guard(ctx)
		<-ctx.Done()
		d.manager.tell("STOPPING=1")
		return nil
	})
	if started != nil {
		started(d, addr)
	}
	err = g.Wait()
	log.Info("leadfloor stopped")
	return err
}

// listen serves h at addr until ctx ends.
func listen(ctx context.Context, g *errgroup.Group, addr, webConfig string, h http.Handler, log *slog.Logger) (string, error) {
	if webConfig != "" {
		if err := web.Validate(webConfig); err != nil {
			return "", fmt.Errorf("web configuration %q: %w", webConfig, err)
		}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen on %s: %w; is it taken, or not an address of this machine?", addr, err)
	}
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: httpHeaderTimeout, ReadTimeout: httpReadTimeout, WriteTimeout: httpWriteTimeout, IdleTimeout: httpIdleTimeout,
		ErrorLog: slog.NewLogLogger(log.With("component", "http").Handler(), slog.LevelDebug),
	}
	g.Go(func() error {
		err := web.Serve(l, s, &web.FlagConfig{WebConfigFile: &webConfig}, log.With("component", "http"))
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve http: %w", err)
	})
	g.Go(func() error {
		<-ctx.Done()
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := s.Shutdown(bound); err != nil {
			return s.Close() // somebody reads slowly; the stop does not wait
		}
		return nil
	})
	return l.Addr().String(), nil
}
