package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
)

// boxes runs one goroutine a mailbox, and changes them at a reload.
type boxes struct {
	start func(mailbox.Config) (*mailbox.Mailbox, error)
	log   *slog.Logger

	mu      sync.Mutex
	ctx     context.Context // of run; nil before
	wanted  []mailbox.Config
	running map[string]box
	wg      sync.WaitGroup
}

type box struct {
	print  string // of its configuration
	cancel context.CancelFunc
	done   chan struct{}
}

func newBoxes(all []mailbox.Config, h ingest.Handler, l mailbox.Ledger, o mailbox.Observer, log *slog.Logger, now func() time.Time) *boxes {
	return &boxes{
		start:   func(c mailbox.Config) (*mailbox.Mailbox, error) { return mailbox.New(c, h, l, o, log, now) },
		log:     log,
		wanted:  all,
		running: map[string]box{},
	}
}

// run watches the mailboxes until ctx ends and all have finished what they have in hand. It may be called again then.
func (b *boxes) run(ctx context.Context) {
	b.mu.Lock()
	b.ctx = ctx
	b.apply()
	b.mu.Unlock()
	<-ctx.Done()
	b.wg.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ctx = nil
	clear(b.running)
}

// replace changes what is watched: what is the same goes on undisturbed.
func (b *boxes) replace(all []mailbox.Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted = all
	b.apply()
}

func (b *boxes) apply() {
	if b.ctx == nil || b.ctx.Err() != nil {
		return
	}
	wanted := map[string]mailbox.Config{}
	for _, c := range b.wanted {
		wanted[c.Name] = c
	}
	for name, x := range b.running {
		if c, ok := wanted[name]; !ok || fingerprint(c) != x.print {
			x.cancel()
			<-x.done // one holder at a time, also within one process
			delete(b.running, name)
		}
	}
	for _, c := range b.wanted {
		if _, ok := b.running[c.Name]; ok {
			continue
		}
		m, err := b.start(c)
		if err != nil {
			b.log.Error("mailbox cannot be watched", "mailbox", c.Name, "err", err)
			continue
		}
		ctx, cancel := context.WithCancel(b.ctx)
		x := box{print: fingerprint(c), cancel: cancel, done: make(chan struct{})}
		b.running[c.Name] = x
		b.wg.Go(func() {
			defer close(x.done)
			if err := m.Run(ctx); err != nil {
				b.log.Error("mailbox is no longer watched", "mailbox", c.Name, "err", err)
			}
		})
	}
}

// fingerprint tells whether two configurations of a mailbox are the same. What is in a secret does not count: it is read at each log-in.
func fingerprint(c mailbox.Config) string {
	text := fmt.Sprint(c.Address, c.TLS, c.Username, c.Keys, c.Folder, c.PollInterval, c.Start, c.After, c.MaxSize, c.ReadOnly)
	if o := c.OAuth2; o != nil {
		text += fmt.Sprint(o.Provider, o.ClientID, o.Tenant, o.TokenURL, o.Scopes)
	}
	return text
}
