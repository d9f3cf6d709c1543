package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"leadfloor/router"
)

// listEvents lists every event of a lead, oldest first: what was decided and why, without how the store keeps it.
func listEvents(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		limit, err := c.limit()
		if err != nil {
			return 0, nil, err
		}
		after := int64(0) // the cursor is the number of the last event seen
		if s := c.URL.Query().Get("cursor"); s != "" {
			if after, err = strconv.ParseInt(s, 10, 64); err != nil {
				return 0, nil, wrong(fault{"cursor", "is none of ours"})
			}
		}
		all, err := r.Why(ctx, c.lead)
		if err != nil {
			return 0, nil, err
		}
		for len(all) > 0 && all[0].Seq <= after {
			all = all[1:]
		}
		next := ""
		if len(all) > limit {
			all = all[:limit]
			next = strconv.FormatInt(all[limit-1].Seq, 10)
		}
		for i := range all {
			all[i].Set, all[i].Counts = nil, nil
		}
		return http.StatusOK, page(all, next), nil
	}
}

// logEvent stores what somebody tells of a lead.
func logEvent(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		var e router.Entry
		if err := c.json(&e); err != nil {
			return 0, nil, err
		}
		return tell(ctx, c, r, c.lead, e)
	}
}

// logFound stores what a CRM tells of a customer, whose lead it does not know by our id.
func logFound(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		var told struct {
			router.Entry
			IDs    []router.ID `json:"ids"` // as an ADF document gives them
			ID     string      `json:"id"`  // or one of them
			Source string      `json:"source"`
			Email  string      `json:"email"`
			Phone  string      `json:"phone"`
		}
		if err := c.json(&told); err != nil {
			return 0, nil, err
		}
		if told.ID != "" {
			told.IDs = append(told.IDs, router.ID{Value: told.ID, Source: told.Source})
		}
		for _, id := range told.IDs {
			if id.Value == "" || id.Source == "" {
				return 0, nil, wrong(fault{"ids", "an id means something only beside its source"})
			}
		}
		if len(told.IDs) == 0 && told.Email == "" && told.Phone == "" {
			return 0, nil, wrong(fault{"", "needs the customer's id and source, email or phone"})
		}
		lead, err := r.Find(ctx, c.store.ID, told.IDs, told.Email, told.Phone)
		switch {
		case errors.Is(err, router.ErrNotFound):
			return 0, nil, refuse(http.StatusNotFound, "no lead of this customer is known at store %s", c.store.ID)
		case errors.Is(err, router.ErrConflict):
			return 0, nil, refuse(http.StatusConflict, "several leads match: give the id and source, or log to one lead's own address")
		case err != nil:
			return 0, nil, err
		}
		return tell(ctx, c, r, lead, told.Entry)
	}
}

func tell(ctx context.Context, c *call, r Router, lead string, e router.Entry) (int, any, error) {
	if e.Kind == router.KindTurnover && !c.who.Role.may(tellTurnover) {
		return 0, nil, refuse(http.StatusForbidden, "role %s may not log a turnover", c.who.Role)
	}
	var err error
	if e.By, err = c.who.by(e.By, c.store); err != nil {
		return 0, nil, err
	}
	if e.Token, err = c.key("event of " + lead); err != nil {
		return 0, nil, err
	}
	e.Actor = c.who.Name
	l, err := r.Log(ctx, lead, e)
	return http.StatusOK, l, err
}
