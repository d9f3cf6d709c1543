package api

import (
	"context"
	"net/http"

	"leadfloor/router"
)

// A Release is what a held message gave.
type Release struct {
	Taken []router.Taken
	Held  int // leads in it that nobody can reach: each stays held, by itself
}

// A Held is what stands in a message that is held.
type Held struct {
	router.Parked
	From    []string         `json:"from"` // whom it says to be from
	Subject string           `json:"subject"`
	Leads   []router.Enquiry `json:"leads"` // none where it cannot be read
}

// showMessage tells what stands in a message that is held.
func showMessage(in Intake) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		held, err := in.Look(ctx, c.store.ID, c.PathValue("message"))
		return http.StatusOK, held, err
	}
}

// releaseMessage takes the leads of a message that is held.
func releaseMessage(in Intake) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		var none struct{}
		if err := c.json(&none); err != nil {
			return 0, nil, err
		}
		by, err := c.who.by("", c.store)
		if err != nil {
			return 0, nil, err
		}
		out, err := in.Release(ctx, c.store.ID, c.PathValue("message"), by, c.who.Name)
		if err != nil {
			return 0, nil, err
		}
		leads := make([]taken, len(out.Taken))
		for i, t := range out.Taken {
			leads[i] = taken{t.Lead, t.Owner, t.Disposition}
		}
		return http.StatusOK, struct {
			Leads []taken `json:"leads"`
			Held  int     `json:"held"`
		}{leads, out.Held}, nil
	}
}

// discardMessage ends that a message is held.
func discardMessage(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		var why struct {
			Reason string `json:"reason"`
		}
		if err := c.json(&why); err != nil {
			return 0, nil, err
		}
		by, err := c.who.by("", c.store)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, struct{}{}, r.Discard(ctx, c.store.ID, c.PathValue("message"), why.Reason, by, c.who.Name)
	}
}
