package mailbox

import (
	"context"
	"slices"
)

// prepareActions finds out what of the after-actions this session can carry out.
func (k *keeper) prepareActions(ctx context.Context, s *session) error {
	if !k.cfg.writes() {
		return nil
	}
	marks := k.cfg.flags()
	if !s.moves() {
		for _, fate := range governing {
			marks = marks || k.cfg.action(fate).verb == "move"
		}
		if marks && !k.cfg.flags() {
			k.warn("server can neither move nor expunge by uid: messages are flagged where they lie")
		}
	}
	if !marks {
		return nil
	}
	if !s.keyword {
		k.warn("folder keeps no keywords: messages are not flagged", "keyword", Keyword)
		return nil
	}
	var err error
	s.unmarked, err = s.searchUnmarked(ctx)
	return err
}

// possible is what a session can do of an Action: a move becomes a flag where nothing can be moved without expunging
// other people's mail, and a flag becomes nothing where the folder keeps no keywords.
func (k *keeper) possible(s *session, a Action) Action {
	if a.verb == "move" && !s.moves() {
		a = Action{verb: "flag"}
	}
	if a.verb == "flag" && !s.keyword {
		a = Action{}
	}
	return a
}

// owes says whether a settled message is not yet where its fate belongs. Before it goes there its bytes are compared.
func (k *keeper) owes(s *session, uid uint32, p place) bool {
	switch k.possible(s, k.cfg.action(p.fateName())).verb {
	case "move":
		return true
	case "flag":
		_, unmarked := slices.BinarySearch(s.unmarked, uid)
		return unmarked
	}
	return false
}

// after carries out the actions for settled messages, by rising UID, of which the bytes were read in this session and have the ledger's
// digest. A move that the server refuses, or says it did and did not, is tried again later, a flag in the next session;
// only a broken connection is an error.
func (k *keeper) after(ctx context.Context, s *session, settled []Entry) error {
	groups := make(map[Action][]uint32)
	for _, e := range settled {
		if a := k.possible(s, k.cfg.action(e.Fate)); a != (Action{}) {
			groups[a] = append(groups[a], e.UID)
		}
	}
	for a, uids := range groups {
		var err error
		if a.verb == "move" {
			err = s.move(ctx, uids, a.folder)
			// Whatever the server answered, the next search is the proof.
			for _, uid := range uids {
				k.book.moving(uid)
			}
		} else {
			err = s.mark(ctx, uids)
			s.unmarked = slices.DeleteFunc(s.unmarked, func(uid uint32) bool {
				_, ok := slices.BinarySearch(uids, uid)
				return ok
			})
		}
		switch {
		case refused(err):
			k.warn("after-action refused", "action", a.String(), "messages", len(uids), "err", err)
		case err != nil:
			return err
		}
	}
	return nil
}
