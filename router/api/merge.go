package api

import (
	"context"
	"net/http"
)

// mergeLead makes one lead of two that are of one customer, and answers with the one that stays.
func mergeLead(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		var told struct {
			Into   string `json:"into"`
			Reason string `json:"reason"`
			By     string `json:"by"`
		}
		if err := c.json(&told); err != nil {
			return 0, nil, err
		}
		if told.Into == "" {
			return 0, nil, wrong(fault{"into", "must be given: the lead that stays"})
		}
		by, err := c.who.by(told.By, c.store)
		if err != nil {
			return 0, nil, err
		}
		l, err := r.Merge(ctx, c.lead, told.Into, told.Reason, by, c.who.Name)
		return http.StatusOK, l, err
	}
}

// splitLead makes a lead of its own of arrivals that are another customer's, and answers with it.
func splitLead(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		var told struct {
			Touches []int  `json:"touches"`
			Reason  string `json:"reason"`
			By      string `json:"by"`
		}
		if err := c.json(&told); err != nil {
			return 0, nil, err
		}
		by, err := c.who.by(told.By, c.store)
		if err != nil {
			return 0, nil, err
		}
		l, err := r.Split(ctx, c.lead, told.Touches, told.Reason, by, c.who.Name)
		return http.StatusCreated, l, err
	}
}
