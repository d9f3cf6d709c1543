package mailbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"leadfloor/ingest"
)

// ErrGone says that a message is neither where it was read nor in the folder to which such messages are moved.
var ErrGone = errors.New("the message is no longer there")

// Reread reads a quarantined message once more and changes nothing. It is looked for at its place, then by its INTERNALDATE in the folder
// and in the one that quarantined messages are moved to, which keep it; ours says whether the bytes are its. Besides ErrGone its errors
// are those of Check, or of a server that does not give the message.
func Reread(ctx context.Context, cfg Config, p ingest.Place, arrived time.Time, ours func(raw []byte) bool) ([]byte, error) {
	s, err := visit(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.close()
	cfg = cfg.withDefaults()
	raw, err := s.reread(ctx, cfg, p, arrived, ours)
	if err != nil {
		return nil, fmt.Errorf("mailbox %q on %s: %w", cfg.Name, cfg.Address, err)
	}
	return raw, nil
}

func (s *session) reread(ctx context.Context, cfg Config, p ingest.Place, arrived time.Time, ours func(raw []byte) bool) ([]byte, error) {
	look := func(uids []uint32) ([]byte, error) {
		for _, uid := range uids {
			bodies, err := s.fetch(ctx, uidSet([]uint32{uid}), false, cfg.MaxSize, cfg.MaxSize)
			if err != nil {
				return nil, err
			}
			if len(bodies) == 1 && bodies[0].uid == uid && ours(bodies[0].raw) {
				return bodies[0].raw, nil
			}
		}
		return nil, nil
	}
	if s.uidValidity == p.UIDValidity && p.UID != 0 {
		if raw, err := look([]uint32{p.UID}); raw != nil || err != nil {
			return raw, err
		}
	}
	folders := []string{cfg.Folder}
	if a := cfg.action(ingest.FateQuarantined); a.verb == "move" {
		folders = append(folders, a.folder)
	}
	for n, folder := range folders {
		if n > 0 {
			if err := s.sel(ctx, folder, true); refused(err) {
				continue // nothing was moved yet
			} else if err != nil {
				return nil, err
			}
		}
		uids, err := s.arrivedAt(ctx, arrived)
		if err != nil {
			return nil, err
		}
		if raw, err := look(uids); raw != nil || err != nil {
			return raw, err
		}
	}
	return nil, ErrGone
}

// arrivedAt lists the messages of the folder with this INTERNALDATE.
func (s *session) arrivedAt(ctx context.Context, at time.Time) ([]uint32, error) {
	// The server compares days as its own zone has them.
	around := &imap.SearchCriteria{Since: at.AddDate(0, 0, -1), Before: at.AddDate(0, 0, 2)}
	near, err := s.searchBy(ctx, around, int64(s.exists())*11)
	if err != nil {
		return nil, fmt.Errorf("search by date: %w", err)
	}
	var uids []uint32
	for chunk := range slices.Chunk(near, metaBatch) {
		metas, err := s.fetchMeta(ctx, uidSet(chunk), len(chunk))
		if err != nil {
			return nil, err
		}
		for _, uid := range slices.Sorted(maps.Keys(metas)) {
			if metas[uid].date.Unix() == at.Unix() {
				uids = append(uids, uid)
			}
		}
	}
	return uids, nil
}
