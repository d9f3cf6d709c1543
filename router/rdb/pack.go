package rdb

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leadfloor/router"
)

// A new lead lies packed, and its event tells it in the same words, for most leads change little and there are many:
//
//	b  number of its event|w where it waits|decided|arrived in ms|channel unless email|desk unless sales|response due|warn|due|person's due|reassign
//	o  source|owner|what it cost the owner's pass
//
// Times but the arrival are milliseconds after it, or with an s seconds, empty where there is none; = stands for the response's. Whatever changes later lies in
// a field of its own beside, as router.Fields has it, an empty one where something is gone.

// birth is the part of b that is known before the decision, from the channel on.
func birth(t *router.Take) string {
	b := make([]byte, 0, 64)
	if t.Channel != router.Email {
		b = append(b, t.Channel...)
	}
	b = append(b, '|')
	if t.Desk != router.DeskSales {
		b = append(b, t.Desk...)
	}
	after := func(at time.Time) {
		b = append(b, '|')
		if !at.IsZero() {
			ms := at.Sub(t.At).Milliseconds()
			if ms%1000 == 0 {
				b = append(strconv.AppendInt(b, ms/1000, 10), 's')
			} else {
				b = strconv.AppendInt(b, ms, 10)
			}
		}
	}
	after(t.Due)
	after(t.Timers.Warn)
	if due := t.Timers.Due; !due.IsZero() && due.Equal(t.Due) {
		b = append(b, "|="...)
	} else {
		after(due)
	}
	after(t.Timers.PersonDue)
	after(t.Timers.Reassign)
	return string(b)
}

const (
	partsOfB = 11
	partsOfO = 3
)

// born is a lead as it was born.
func born(b, o []string) router.Fields {
	f := router.Fields{
		"fe": b[0], "ar": b[3], "ch": b[4], "dk": b[5], "so": o[0], "sl": o[0], "ow": o[1], "st": string(router.Untouched), "n": "1",
		"la": b[3], "ra": b[3], "rr": b[3], "rc": b[3],
	}
	if f["ch"] == "" {
		f["ch"] = string(router.Email)
	}
	if f["dk"] == "" {
		f["dk"] = router.DeskSales
	}
	arrived, _ := strconv.ParseInt(b[3], 10, 64)
	after := func(name, ms string) {
		s, whole := strings.CutSuffix(ms, "s")
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return
		}
		if whole {
			n *= 1000
		}
		f[name] = strconv.FormatInt(arrived+n, 10)
	}
	after("dl", b[6])
	if b[8] == "=" {
		b[8] = b[6]
	}
	after("td", b[8])
	if b[1] == "w" {
		f["st"] = string(router.Waiting)
	} else {
		after("as", b[2])
		after("tw", b[7])
		after("tp", b[9])
		after("tr", b[10])
	}
	if o[2] != "" {
		f["c."+o[1]] = o[2]
	}
	f["t1"] = strings.Join([]string{b[3], f["ch"], o[0], string(router.DispositionNew)}, "|")
	return f
}

// unpack makes of a lead's hash what events tell of it.
func unpack(m map[string]string) router.Fields {
	f := router.Fields{}
	if b, o := strings.Split(m["b"], "|"), strings.Split(m["o"], "|"); len(b) == partsOfB && len(o) == partsOfO {
		f = born(b, o)
	}
	for name, v := range m {
		switch {
		case name == "b" || name == "o":
		case v == "":
			delete(f, name)
		default:
			f[name] = v
		}
	}
	return f
}

// told is a deal as it is stored.
type told struct {
	router.Deal
	Since int64 `json:"since"` // how many events ago it was told who is in and who is out; 0: here, or it does not matter
	pass  string
}

// sides are who is eligible with which pass, and who is skipped for what, between two events.
type sides struct {
	known bool
	in    map[string]int64
	out   map[string]string
}

// next tells a deal among whom it was decided, where that was told before, and takes in what it changes.
func (s *sides) next(e *router.Event, d *told) {
	if d == nil {
		return
	}
	here := e.Kind == router.KindFloor || d.In != nil || d.Out != nil
	if here {
		s.known, s.in, s.out = true, maps.Clone(d.In), maps.Clone(d.Out)
	} else if d.Since > 0 && s.known {
		d.In, d.Out = maps.Clone(s.in), maps.Clone(s.out)
	}
	for _, who := range d.Missed {
		if _, ok := d.In[who]; ok {
			delete(d.In, who)
			if d.Out == nil {
				d.Out = map[string]string{}
			}
			d.Out[who] = "missed"
		}
	}
	if _, ok := d.In[d.To]; ok && d.pass != "" {
		d.In[d.To] = number(d.pass)
	}
	for who, cost := range d.Back {
		if pass, ok := s.in[who]; ok {
			s.in[who] = max(0, pass-cost)
		}
	}
	if pass, ok := s.in[d.To]; ok {
		s.in[d.To] = pass + d.Cost
	}
}

// partsOfN are those of the field n: of b all but the event's number and the arrival, which follow; o; then the label unless it is the source,
// who covers, bucket and ms waited, 1 after hours, the owner's pass before, since, and the reason unless it was the owner's turn.
const partsOfN = partsOfB - 2 + partsOfO + 8

func decodeEvent(m redis.XMessage) (e router.Event, d *told, err error) {
	id, _, _ := strings.Cut(m.ID, "-")
	seq, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return e, nil, fmt.Errorf("event %s: not one of ours", m.ID)
	}
	get := func(name string) string { return text(m.Values[name]) }
	e = router.Event{Seq: seq, Kind: router.Kind(get("k")), At: time.UnixMilli(number(m.Values["t"])).UTC(), Lead: get("l"), By: get("b"), Actor: get("a")}
	for _, part := range []struct {
		name string
		to   any
	}{{"s", &e.Set}, {"c", &e.Counts}, {"x", &e.Detail}, {"d", &d}} {
		if s := get(part.name); s != "" {
			if err := json.Unmarshal([]byte(s), part.to); err != nil {
				return e, nil, fmt.Errorf("event %d: field %s: %w", seq, part.name, err)
			}
		}
	}
	if s := get("n"); s != "" {
		if d == nil {
			d = &told{}
		}
		if err := decodeBirth(&e, d, s); err != nil {
			return e, nil, fmt.Errorf("event %d: %w", seq, err)
		}
	}
	if d != nil {
		e.Deal = &d.Deal
	}
	return e, d, nil
}

func decodeBirth(e *router.Event, d *told, s string) error {
	p := strings.SplitN(s, "|", partsOfN)
	if len(p) != partsOfN {
		return fmt.Errorf("field n: %d parts, want %d", len(p), partsOfN)
	}
	const endOfB, endOfO = partsOfB - 2, partsOfB - 2 + partsOfO
	arrived := e.At.UnixMilli() - number(p[1])
	b := append([]string{strconv.FormatInt(e.Seq, 10), p[0], p[1], strconv.FormatInt(arrived, 10)}, p[2:endOfB]...)
	o := p[endOfB:endOfO]
	f := born(b, o)
	p = p[endOfO:]
	source, cover, bucket, waited, closed, pass, since, reason := p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
	if source != "" {
		f["sl"] = source
	}
	if cover != "" {
		f["cb"] = cover
	}
	maps.Copy(f, e.Set)
	e.Set = f
	owner, label := f["ow"], f["sl"]
	e.Counts = map[string]int64{router.CountReceived + "|" + label: 1, router.CountTouches + "|" + label: 1}
	if closed != "" {
		e.Counts[router.CountAfterHours+"|"+label] = 1
	}
	if f["st"] != string(router.Waiting) {
		e.Counts[router.CountAssigned+"|"+owner] = 1
		e.Counts[router.CountBucket+"|"+string(router.ClockAssignment)+"|"+label+"|"+bucket] = 1
		if n := number(waited); n != 0 {
			e.Counts[router.CountSum+"|"+string(router.ClockAssignment)+"|"+label] = n
		}
	}
	d.To, d.Cover, d.Cost, d.Since, d.Reason = owner, cover, number(o[2]), number(since), reason
	if reason == "" {
		d.Reason = "rotation"
	}
	d.pass = pass
	return nil
}
