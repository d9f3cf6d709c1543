package rdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
)

// Lead reads one lead with what is personal of it.
func (s *Store) Lead(ctx context.Context, id string) (*router.Lead, error) {
	leads, err := s.leads(ctx, storeOf(id), []string{id})
	if err != nil {
		return nil, err
	}
	if len(leads) == 0 {
		return nil, fmt.Errorf("lead %q: %w", id, router.ErrNotFound)
	}
	return leads[0], nil
}

// leads reads leads in one round trip, leaving out those that are not there.
func (s *Store) leads(ctx context.Context, store string, ids []string) ([]*router.Lead, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	k := keysOf(store)
	fields, records := make([]*redis.MapStringStringCmd, len(ids)), make([]*redis.MapStringStringCmd, len(ids))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			fields[i], records[i] = p.HGetAll(ctx, k.lead(id)), p.HGetAll(ctx, k.personal(id))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read leads: %w", err)
	}
	var all []*router.Lead
	for i, id := range ids {
		f := fields[i].Val()
		if len(f) == 0 {
			continue
		}
		v, _ := strconv.ParseInt(f["v"], 10, 64)
		l, err := router.LeadFromFields(store, id, v, unpack(f))
		if err != nil {
			return nil, err
		}
		rec := make([][]byte, len(l.Touches))
		for n := range rec {
			rec[n] = []byte(records[i].Val()["r"+strconv.Itoa(l.Touches[n].N)])
		}
		if err := l.Fill(rec); err != nil {
			return nil, err
		}
		notes := []router.Note{}
		for name, text := range records[i].Val() {
			if seq, err := strconv.ParseInt(strings.TrimPrefix(name, "x"), 10, 64); name[0] == 'x' && err == nil {
				notes = append(notes, router.Note{Event: seq, Text: text})
			}
		}
		l.Write(notes)
		all = append(all, l)
	}
	return all, nil
}

// LeadFields reads leads as events set them, in one round trip.
func (s *Store) LeadFields(ctx context.Context, store string, ids []string) ([]router.Fields, error) {
	k := keysOf(store)
	cmds := make([]*redis.MapStringStringCmd, len(ids))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			cmds[i] = p.HGetAll(ctx, k.lead(id))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read leads: %w", err)
	}
	all := make([]router.Fields, len(ids))
	for i, c := range cmds {
		if len(c.Val()) > 0 {
			all[i] = unpack(c.Val())
		}
	}
	return all, nil
}

// Checked notes the outcome of a verification.
func (s *Store) Checked(ctx context.Context, store string, at time.Time, differences int) error {
	if err := s.rdb.HSet(ctx, keysOf(store).is("meta"), "checked", at.UnixMilli(), "difference", differences).Err(); err != nil {
		return fmt.Errorf("note the verification: %w", err)
	}
	return nil
}

var cursorForm = regexp.MustCompile(`^([0-9]{1,16})_([a-z0-9-]+)$`)

// Leads lists leads, newest first. Those that nobody has touched and those that owe a T.O. are found at once, others by looking through all.
func (s *Store) Leads(ctx context.Context, store string, q router.Query) ([]*router.Lead, string, error) {
	k := keysOf(store)
	from := k.is("leads")
	switch q.State {
	case router.Waiting:
		from = k.is("wait")
	case router.Untouched:
		from = k.is("ua")
	}
	if q.Turnover == router.TurnoverOwed {
		from = k.is("owed")
	}
	maxScore, after := "+inf", ""
	if q.Cursor != "" {
		m := cursorForm.FindStringSubmatch(q.Cursor)
		if m == nil {
			return nil, "", &router.FaultError{Field: "cursor", Text: "is none of ours"}
		}
		maxScore, after = m[1], m[2]
	}
	var found []*router.Lead
	chunk := int64(q.Limit + 1)
	if q.Owner != "" || q.Source != "" || q.State != "" || q.Turnover != "" {
		chunk = max(chunk, 200)
	}
	// Members of one score stand in reverse order of their names, so (score, name) says where to go on.
	offset := int64(0)
	type spot struct {
		score string
		id    string
	}
	var last spot
	for {
		z, err := s.rdb.ZRevRangeByScoreWithScores(ctx, from, &redis.ZRangeBy{Max: maxScore, Min: "-inf", Offset: offset, Count: chunk}).Result()
		if err != nil {
			return nil, "", fmt.Errorf("list leads: %w", err)
		}
		var ids []string
		scores := map[string]string{}
		for _, e := range z {
			id := text(e.Member)
			score := strconv.FormatInt(int64(e.Score), 10)
			if score == maxScore && after != "" && id >= after {
				continue
			}
			ids = append(ids, id)
			scores[id] = score
		}
		leads, err := s.leads(ctx, store, ids)
		if err != nil {
			return nil, "", err
		}
		for _, l := range leads {
			if q.State != "" && l.State != q.State || q.Owner != "" && l.Owner != q.Owner || q.Source != "" && l.Source != q.Source {
				continue
			}
			if q.Turnover != "" && (l.Turnover == nil || l.Turnover.State != q.Turnover) {
				continue
			}
			if len(found) == q.Limit {
				return found, last.score + "_" + last.id, nil
			}
			found = append(found, l)
			last = spot{score: scores[l.ID], id: l.ID}
		}
		if int64(len(z)) < chunk {
			return found, "", nil
		}
		offset += chunk
	}
}

// Find returns every lead that has any of the prints.
func (s *Store) Find(ctx context.Context, store string, prints []router.Print) ([]string, error) {
	k := keysOf(store)
	cmds := make([]*redis.StringCmd, len(prints))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, x := range prints {
			cmds[i] = p.HGet(ctx, k.shard("fp", x.Hash), string(x.Kind)+b64(x.Hash))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("look up a customer: %w", err)
	}
	var all []string
	for _, c := range cmds {
		if c.Err() != nil {
			if !errors.Is(c.Err(), redis.Nil) {
				return nil, fmt.Errorf("look up a customer: %w", c.Err())
			}
			continue
		}
		for _, entry := range strings.Split(c.Val(), ",") {
			if id, _, _ := strings.Cut(entry, ":"); id[0] != '!' && !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all, nil
}

// Called says whether a call with this token was carried out.
func (s *Store) Called(ctx context.Context, store, token string) (bool, error) {
	n, err := s.rdb.Exists(ctx, keysOf(store).call(token)).Result()
	if err != nil {
		return false, fmt.Errorf("look up a call: %w", err)
	}
	return n == 1, nil
}

// Fallen returns the leads of which a timer fell due.
func (s *Store) Fallen(ctx context.Context, store string, now time.Time, limit int) ([]router.Timer, error) {
	k := keysOf(store)
	var sets [2]*redis.ZSliceCmd
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range []string{"due", "ud"} {
			sets[i] = p.ZRangeByScoreWithScores(ctx, k.is(name), &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(limit)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read timers: %w", err)
	}
	z := slices.Concat(sets[0].Val(), sets[1].Val())
	slices.SortStableFunc(z, func(a, b redis.Z) int { return cmp.Compare(a.Score, b.Score) })
	all := make([]router.Timer, 0, min(len(z), limit))
	for _, e := range z[:min(len(z), limit)] {
		all = append(all, router.Timer{Lead: text(e.Member), At: time.UnixMilli(int64(e.Score)).UTC()})
	}
	return all, nil
}

// FirstWaiting is the lead that has waited longest.
func (s *Store) FirstWaiting(ctx context.Context, store string) (string, error) {
	ids, err := s.rdb.ZRange(ctx, keysOf(store).is("wait"), 0, 0).Result()
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// Events returns events after the given number.
func (s *Store) Events(ctx context.Context, store string, after int64, limit int) ([]router.Event, error) {
	msgs, err := s.rdb.XRangeN(ctx, keysOf(store).is("ev"), strconv.FormatInt(after+1, 10)+"-0", "+", int64(limit)).Result()
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	var now sides
	all := make([]router.Event, 0, len(msgs))
	for _, m := range msgs {
		e, d, err := decodeEvent(m)
		if err != nil {
			return nil, err
		}
		if d != nil && d.Since > 0 && !now.known {
			if now, err = s.sidesAt(ctx, store, e.Seq-d.Since, after, all); err != nil {
				return nil, err
			}
		}
		now.next(&e, d)
		all = append(all, e)
	}
	return all, nil
}

// sidesAt reads who is in and who is out after the event head, and after those that follow it, from the event on in which that was told.
func (s *Store) sidesAt(ctx context.Context, store string, from, head int64, then []router.Event) (sides, error) {
	msgs, err := s.rdb.XRange(ctx, keysOf(store).is("ev"), strconv.FormatInt(from, 10)+"-0", strconv.FormatInt(head, 10)+"-0").Result()
	if err != nil {
		return sides{}, fmt.Errorf("read events: %w", err)
	}
	var now sides
	for _, m := range msgs {
		e, d, err := decodeEvent(m)
		if err != nil {
			return sides{}, err
		}
		now.next(&e, d)
	}
	for i := range then {
		if d := then[i].Deal; d != nil {
			now.next(&then[i], &told{Deal: *d})
		}
	}
	return now, nil
}

// Derived reads in one transaction everything that can be rebuilt from the events.
func (s *Store) Derived(ctx context.Context, store string) (*router.Derived, error) {
	k := keysOf(store)
	hashes := map[string]*redis.MapStringStringCmd{"meta": nil, "cnt": nil, "rot": nil, "unt": nil, "hand": nil}
	var last *redis.XMessageSliceCmd
	sets := map[string]*redis.ZSliceCmd{"ua": nil, "ud": nil, "over": nil, "wait": nil, "due": nil, "owed": nil, "leads": nil}
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		last = p.XRevRangeN(ctx, k.is("ev"), "+", "-", 1)
		for name := range hashes {
			hashes[name] = p.HGetAll(ctx, k.is(name))
		}
		for name := range sets {
			sets[name] = p.ZRangeWithScores(ctx, k.is(name), 0, -1)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is derived: %w", err)
	}
	zset := func(name string) map[string]int64 {
		m := map[string]int64{}
		for _, e := range sets[name].Val() {
			m[text(e.Member)] = int64(e.Score)
		}
		return m
	}
	m := hashes["meta"].Val()
	d := &router.Derived{
		Head: number(m["seq"]), Gen: number(m["gen"]), Hands: map[string]router.Hand{}, Ref: number(m["ref"]),
		ByArrival: zset("ua"), ByDue: zset("ud"), Overdue: zset("over"), Waiting: zset("wait"), Due: zset("due"), Owed: zset("owed"), Leads: zset("leads"),
	}
	if d.Turns, d.Untouched, d.Counts, err = people(m, hashes["rot"].Val(), hashes["unt"].Val(), hashes["cnt"].Val()); err != nil {
		return nil, err
	}
	for _, m := range last.Val() {
		id, _, _ := strings.Cut(m.ID, "-")
		d.Last, _ = strconv.ParseInt(id, 10, 64) // no number: none of ours
	}
	for who, v := range hashes["hand"].Val() {
		p := strings.SplitN(v+"||", "|", 3)
		x := router.Hand{Status: router.Status(p[0]), By: strings.TrimRight(p[2], "|")}
		if till := number(p[1]); till > 0 {
			x.Until = time.UnixMilli(till).UTC()
		}
		d.Hands[who] = x
	}
	return d, nil
}

func numbers(m map[string]string) map[string]int64 {
	out := make(map[string]int64, len(m))
	for k, v := range m {
		out[k] = number(v)
	}
	return out
}

var errTurns = errors.New("a person's standing in the rotation cannot be read")

// people reads how everybody stands in the rotation, how many leads each has that are untouched, and what was counted: rot, unt and cnt, and
// what plain new leads were written down as, in meta alone: the line, see head.lua, and of each source and bucket how many there were.
func people(meta, rot, unt, cnt map[string]string) (turns map[string]router.Turns, untouched, counts map[string]int64, err error) {
	turns, untouched, counts = map[string]router.Turns{}, numbers(unt), numbers(cnt)
	for id, v := range rot {
		p := strings.Split(v, "|")
		if len(p) != 6 {
			return nil, nil, nil, errTurns
		}
		turns[id] = router.Turns{Pass: number(p[0]), Last: number(p[1]), Eligible: p[2] == "1", Turns: number(p[3]), Since: number(p[4]), Gen: number(p[5])}
	}
	for i, person := range strings.Split(meta["line"], ";") {
		p := strings.Fields(person)
		if i == 0 || len(p) == 0 {
			continue
		}
		if len(p) != 7 {
			return nil, nil, nil, errTurns
		}
		turns[p[0]] = router.Turns{Pass: number(p[2]), Last: number(p[3]), Eligible: true, Turns: number(p[4]), Since: number(p[5]), Gen: number(meta["gen"])}
		untouched[p[0]] += number(p[6])
		counts[router.CountAssigned+"|"+p[0]] += number(p[6])
	}
	for name, v := range meta {
		of, ok := strings.CutPrefix(name, "n:")
		if label, bucket, _ := strings.Cut(of, "|"); ok {
			n := number(v)
			counts[router.CountReceived+"|"+label] += n
			counts[router.CountTouches+"|"+label] += n
			counts[router.CountBucket+"|"+string(router.ClockAssignment)+"|"+label+"|"+bucket] += n
		}
	}
	return turns, untouched, counts, nil
}

// Figures reads what the metrics show: one round trip, and two more while somebody waits, however many leads there are.
func (s *Store) Figures(ctx context.Context, store string) (*router.Figures, error) {
	k := keysOf(store)
	now := strconv.FormatInt(s.Now().UnixMilli(), 10)
	var (
		meta, cnt, unt, rot                    *redis.MapStringStringCmd
		ua, wait, q, owed                      *redis.IntCmd
		over, late                             *redis.IntCmd
		firstUA, firstUD, firstOver, firstOwed *redis.ZSliceCmd
		firstWait                              *redis.StringSliceCmd
	)
	// In one transaction: what the line has dealt moves to unt and cnt when it ends, and no counter may go back.
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		meta, cnt, unt, rot = p.HGetAll(ctx, k.is("meta")), p.HGetAll(ctx, k.is("cnt")), p.HGetAll(ctx, k.is("unt")), p.HGetAll(ctx, k.is("rot"))
		ua, wait, q, owed = p.ZCard(ctx, k.is("ua")), p.ZCard(ctx, k.is("wait")), p.ZCard(ctx, k.is("q")), p.ZCard(ctx, k.is("owed"))
		over, late = p.ZCount(ctx, k.is("over"), "-inf", "("+now), p.ZCount(ctx, k.is("ud"), "-inf", "("+now)
		first := func(name string) *redis.ZSliceCmd { return p.ZRangeWithScores(ctx, k.is(name), 0, 0) }
		firstUA, firstUD, firstOver, firstOwed = first("ua"), first("ud"), first("over"), first("owed")
		firstWait = p.ZRange(ctx, k.is("wait"), 0, 0)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the figures: %w", err)
	}
	m := meta.Val()
	if m["epoch"] == "" {
		return nil, router.ErrUnopened
	}
	when := func(all ...*redis.ZSliceCmd) (first time.Time) {
		for _, z := range all {
			for _, e := range z.Val() {
				if at := time.UnixMilli(int64(e.Score)).UTC(); first.IsZero() || at.Before(first) {
					first = at
				}
			}
		}
		return first
	}
	f := &router.Figures{
		Epoch: time.UnixMilli(number(m["epoch"])).UTC(), Gen: number(m["gen"]), Difference: number(m["difference"]),
		Untouched: ua.Val(), Overdue: over.Val() + late.Val(), Waiting: wait.Val(), Quarantined: q.Val(), TurnoversOwed: owed.Val(),
		OldestUntouched: when(firstUA), OldestDeadline: when(firstUD, firstOver), TurnoverDue: when(firstOwed), LastLead: map[string]time.Time{},
	}
	if at := number(m["checked"]); at != 0 {
		f.Checked = time.UnixMilli(at).UTC()
	}
	for name, v := range m {
		label, ok := strings.CutPrefix(name, "s:")
		if !ok {
			continue
		}
		f.Labels = append(f.Labels, label) // a label once counted stays, though the configuration no longer names it
		if at := number(v); at != 0 {
			f.LastLead[label] = time.UnixMilli(at).UTC()
		}
	}
	if f.Turns, f.PersonUntouched, f.Counts, err = people(m, rot.Val(), unt.Val(), cnt.Val()); err != nil {
		return nil, err
	}
	if ids := firstWait.Val(); len(ids) > 0 {
		// Whoever came first is due first, so the head of those who wait has the earliest deadline.
		for _, name := range []string{"ud", "over"} {
			at, err := s.rdb.ZScore(ctx, k.is(name), ids[0]).Result()
			switch {
			case err == nil:
				f.WaitingDeadline = time.UnixMilli(int64(at)).UTC()
			case !errors.Is(err, redis.Nil):
				return nil, fmt.Errorf("read the figures: %w", err)
			}
		}
	}
	return f, nil
}
