package router

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

// A Seal closes a period of a store's log: what its events say is kept, the events themselves are not. Whoever reads the log begins after it.
type Seal struct {
	Store    string    `json:"store"`
	First    int64     `json:"first"`              // event
	Last     int64     `json:"last"`               // event
	At       time.Time `json:"at"`                 // when the last was written
	Previous string    `json:"previous,omitempty"` // digest of the seal before
	Digest   string    `json:"digest"`             // SHA-256 of the period as it is exported
}

// ErrSealed says that no event was written since the last seal and before the given instant.
var ErrSealed = errors.New("there is nothing to seal: no event since the last seal is that old")

// Seal closes the log of a store up to the last event written before the given instant. What it closes goes to export, where one is given:
// a line of JSON that says what it is, then one for each event; finish comes before anything is taken from the log. It is safe beside running daemons.
func (r *Router) Seal(ctx context.Context, rooftop string, before time.Time, export io.Writer, finish func() error, actor string, progress func(done, head int64)) (*Seal, error) {
	if _, err := r.hasher(ctx, rooftop); err != nil {
		return nil, err
	}
	b, old, err := ReadSeal(ctx, r.store, rooftop)
	if err != nil {
		return nil, err
	}
	digest := sha256.New()
	to := io.Writer(digest)
	if export != nil {
		to = io.MultiWriter(digest, export)
	}
	out := bufio.NewWriter(to)
	line := json.NewEncoder(out)
	line.SetEscapeHTML(false)
	s := &Seal{Store: rooftop, First: old.Last + 1, Previous: old.Digest}
	if err := line.Encode(map[string]any{"store": s.Store, "first": s.First, "previous": s.Previous}); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	for more := true; more; {
		events, err := r.store.Events(ctx, rooftop, b.Head, 1000)
		if err != nil {
			return nil, err
		}
		more = len(events) > 0
		for _, e := range events {
			if !e.At.Before(before) {
				more = false
				break
			}
			if err := line.Encode(&e); err != nil {
				return nil, fmt.Errorf("export event %d: %w", e.Seq, err)
			}
			b.Apply(e)
			s.Last, s.At = e.Seq, e.At
		}
		if progress != nil {
			progress(b.Head, b.Head)
		}
	}
	if err := out.Flush(); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	switch {
	case len(b.Faults) > 0:
		return nil, fmt.Errorf("the log is not sound, so that it cannot be sealed: %s", b.Faults[0])
	case s.Last == 0:
		return nil, ErrSealed
	}
	s.Digest = hex.EncodeToString(digest.Sum(nil))
	if finish != nil {
		if err := finish(); err != nil {
			return nil, err
		}
	}
	snapshot, err := b.snapshot(s)
	if err != nil {
		return nil, err
	}
	x := &Sealing{
		Now: r.store.Now(), Before: old.Last, Last: s.Last, Snapshot: snapshot, Actor: actor,
		Detail: map[string]string{"event": strconv.FormatInt(s.Last, 10), "digest": s.Digest},
	}
	for range 3 { // a reply may be lost
		if err = r.store.Seal(ctx, rooftop, x); err == nil || errors.Is(err, ErrConflict) {
			break
		}
	}
	if errors.Is(err, ErrConflict) {
		return nil, fmt.Errorf("somebody else seals the same log: %w", err)
	}
	return s, err
}

// sealEvents seals what is older than the log is kept, a month at a time.
func (r *Router) sealEvents(ctx context.Context, f *Rooftop, now time.Time) error {
	const month = 31 * day
	last, err := r.store.Sealed(ctx, f.ID)
	if err != nil {
		return err
	}
	events, err := r.store.Events(ctx, f.ID, last, 1)
	if err != nil || len(events) == 0 || now.Sub(events[0].At) < f.Retention.Events+month {
		return err
	}
	_, err = r.Seal(ctx, f.ID, events[0].At.Add(month), nil, nil, "", nil)
	if errors.Is(err, ErrSealed) || errors.Is(err, ErrConflict) {
		return nil // another replica did it
	}
	return err
}

// snapshotVersion is of the form below: gzip of a line of JSON for the book, then one for each lead, by id.
const snapshotVersion = 1

type sealedBook struct {
	Version int
	Seal    Seal
	Counts  map[string]int64
	Turns   map[string]Turns
	Hands   map[string]Hand
	Ref     int64
	HasRef  bool
	Gen     int64
}

type sealedLead struct {
	ID     string `json:"i"`
	Fields Fields `json:"f"`
}

func (b *Book) snapshot(s *Seal) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	line := json.NewEncoder(z)
	err := line.Encode(&sealedBook{Version: snapshotVersion, Seal: *s, Counts: b.Counts, Turns: b.Turns, Hands: b.Hands, Ref: b.Ref, HasRef: b.hasRef, Gen: b.gen})
	for _, id := range slices.Sorted(maps.Keys(b.Leads)) {
		err = cmp.Or(err, line.Encode(&sealedLead{id, b.Leads[id]}))
	}
	if err = cmp.Or(err, z.Close()); err != nil {
		return nil, fmt.Errorf("encode a snapshot: %w", err)
	}
	return out.Bytes(), nil
}

// LastSeal is the last seal of a store, empty where there is none.
func (r *Router) LastSeal(ctx context.Context, rooftop string) (Seal, error) {
	x, _, err := openSeal(ctx, r.store, rooftop)
	return x.Seal, err
}

// openSeal reads the beginning of what the last seal of a store kept, and leaves its leads to be read. Without a seal there is nothing.
func openSeal(ctx context.Context, store Store, rooftop string) (x sealedBook, leads *json.Decoder, err error) {
	snapshot, err := store.Snapshot(ctx, rooftop)
	if err != nil || snapshot == nil {
		return x, nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(snapshot))
	if err != nil {
		return x, nil, fmt.Errorf("read the last seal: %w", err)
	}
	leads = json.NewDecoder(z)
	if err := leads.Decode(&x); err != nil {
		return x, nil, fmt.Errorf("read the last seal: %w", err)
	}
	if x.Version > snapshotVersion {
		return x, nil, fmt.Errorf("read the last seal: a newer leadfloor wrote it, version %d: upgrade this one", x.Version)
	}
	return x, leads, nil
}

// ReadSeal reads what the last seal of a store kept: the book as it stood then. Without a seal both are empty.
func ReadSeal(ctx context.Context, store Store, rooftop string) (*Book, Seal, error) {
	b := NewBook()
	x, lines, err := openSeal(ctx, store, rooftop)
	if err != nil {
		return nil, Seal{}, err
	}
	if lines == nil {
		return b, Seal{}, nil
	}
	b.Head, b.Ref, b.hasRef, b.gen = x.Seal.Last, x.Ref, x.HasRef, x.Gen
	maps.Copy(b.Counts, x.Counts)
	maps.Copy(b.Turns, x.Turns)
	maps.Copy(b.Hands, x.Hands)
	for {
		var l sealedLead
		switch err := lines.Decode(&l); {
		case errors.Is(err, io.EOF):
			return b, x.Seal, nil
		case err != nil:
			return nil, Seal{}, fmt.Errorf("read the last seal: %w", err)
		}
		b.Leads[l.ID] = l.Fields
	}
}
