package api

import (
	"context"
	"net/http"
)

// forgetLead erases the person of a lead.
func forgetLead(in Intake) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		var told struct {
			Reason string `json:"reason"`
			By     string `json:"by"`
		}
		if err := c.json(&told); err != nil {
			return 0, nil, err
		}
		by, err := c.who.by(told.By, c.store)
		if err != nil {
			return 0, nil, err
		}
		done, err := in.Forget(ctx, c.lead, told.Reason, by, c.who.Name)
		return http.StatusOK, done, err
	}
}
