package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"leadfloor/router"
)

// message is a mail without a lead, as the manager sees it in the list.
type message struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"` // when it was put aside
	Fate    string    `json:"fate"`
	Reason  string    `json:"reason"`
	Where   string    `json:"where"`
	Arrived time.Time `json:"arrived_at"`
	Size    int       `json:"size"` // bytes
	Kept    bool      `json:"kept"`
}

// mostMessages bounds how far back the list of messages goes.
const mostMessages = 5000

// listMessages lists what was quarantined, or what held no lead, newest first.
func listMessages(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		limit, err := c.limit()
		if err != nil {
			return 0, nil, err
		}
		fate := c.URL.Query().Get("fate")
		if fate != "" && fate != "quarantined" && fate != "other" {
			return 0, nil, wrong(fault{"fate", "messages are listed by fate quarantined or other"})
		}
		read, seen := limit+1, func(*router.Parked) bool { return false }
		if s := c.URL.Query().Get("cursor"); s != "" {
			// The list has no marks to go on from but the messages themselves, and they come and go: it is read from its beginning.
			read = mostMessages
			if seen, err = upTo(s); err != nil {
				return 0, nil, err
			}
		}
		parked, err := r.Parked(ctx, c.store.ID, fate != "other", read)
		if err != nil {
			return 0, nil, err
		}
		for len(parked) > 0 && seen(&parked[0]) {
			parked = parked[1:]
		}
		next := ""
		if len(parked) > limit {
			parked = parked[:limit]
			last := parked[limit-1]
			next = fmt.Sprintf("%d_%s", last.Now.UnixMilli(), last.ID)
		}
		items := make([]message, len(parked))
		for i, p := range parked {
			items[i] = message{p.ID, p.Now.UTC(), p.Fate, p.Reason, p.Where, p.Arrived.UTC(), p.Size, p.Kept}
		}
		return http.StatusOK, page(items, next), nil
	}
}

// upTo tells the messages that stand before a cursor's or are the cursor's own.
func upTo(cursor string) (func(*router.Parked) bool, error) {
	ms, id, ok := strings.Cut(cursor, "_")
	at, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil {
		return nil, wrong(fault{"cursor", "is none of ours"})
	}
	return func(p *router.Parked) bool {
		t := p.Now.UnixMilli()
		return t > at || t == at && p.ID >= id
	}, nil
}
