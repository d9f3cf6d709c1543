package api

import (
	"context"
	"net/http"

	"leadfloor/router"
)

// turnoverPages bounds how many pages of leads one call looks through.
const turnoverPages = 10

// listTurnovers lists the leads that have a T.O., by its state where one is given: those that owe one by their deadline, the latest first,
// others newest first. T.O.s are few among leads: a page may hold less than its limit, even nothing, while there is a next one.
func listTurnovers(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		limit, err := c.limit()
		if err != nil {
			return 0, nil, err
		}
		state := router.TurnoverState(c.URL.Query().Get("state"))
		switch state {
		case "", router.TurnoverOwed, router.TurnoverTaken, router.TurnoverDone:
		default:
			return 0, nil, wrong(fault{"state", "unknown state of a turnover: want owed, taken or done"})
		}
		q := router.Query{Limit: limit, Cursor: c.URL.Query().Get("cursor")}
		if state == router.TurnoverOwed {
			q.Turnover = state
			leads, next, err := r.Leads(ctx, c.store.ID, q)
			return http.StatusOK, page(leads, next), err
		}
		var found []*router.Lead
		for range turnoverPages {
			leads, next, err := r.Leads(ctx, c.store.ID, q)
			if err != nil {
				return 0, nil, err
			}
			for _, l := range leads {
				if l.Turnover != nil && (state == "" || l.Turnover.State == state) {
					found = append(found, l)
				}
			}
			q.Cursor = next
			if len(found) > 0 || next == "" {
				break
			}
		}
		return http.StatusOK, page(found, q.Cursor), nil
	}
}
