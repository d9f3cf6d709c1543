package mailbox

import (
	"context"
	"net"
	"net/http"
	"runtime"
)

// SetDial has a Mailbox connect otherwise than by TCP.
func (m *Mailbox) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	m.dial = dial
}

// FetchOnce connects and fetches the messages in one bare FETCH of BODY.PEEK[]; all of the folder when none is named.
func FetchOnce(ctx context.Context, cfg Config, uids []uint32) error {
	return fetchOnce(ctx, cfg, dialTCP, uids)
}

// FetchOver is FetchOnce of all over one connection.
func FetchOver(ctx context.Context, cfg Config, conn net.Conn) error {
	return fetchOnce(ctx, cfg, func(context.Context, string, string) (net.Conn, error) { return conn, nil }, nil)
}

func fetchOnce(ctx context.Context, cfg Config, dial dialFunc, uids []uint32) error {
	cfg = cfg.withDefaults()
	s, err := open(ctx, cfg, dial, true)
	if err != nil {
		return err
	}
	defer s.close()
	if uids == nil {
		if uids, err = s.search(ctx); err != nil {
			return err
		}
	}
	_, err = s.fetch(ctx, uidSet(uids), false, 1<<30, cfg.MaxSize)
	return err
}

// BookSize is how many bytes the memory of settled messages takes.
func BookSize(entries []Entry, present []uint32) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	runtime.ReadMemStats(&before)
	b := newBook()
	b.begin(1)
	b.load(1, entries, present)
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := after.HeapAlloc - before.HeapAlloc
	runtime.KeepAlive([]any{b, entries, present})
	return size
}

// SetTransport has tokens asked for otherwise than over HTTPS.
func (o *OAuth2) SetTransport(t http.RoundTripper) { o.transport = t }
