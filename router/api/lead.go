package api

import (
	"context"
	"net/http"

	"leadfloor/router"
)

// taken is what became of one arrival, as its sender hears it.
type taken struct {
	ID          string             `json:"id"`
	Owner       string             `json:"owner"`
	Disposition router.Disposition `json:"disposition"`
}

// addLead takes an ADF document or a JSON entry.
func addLead(r Router, in Intake) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		kind, err := c.mediaType("application/json", "application/xml", "text/xml", "application/x-adf+xml")
		if err != nil {
			return 0, nil, err
		}
		key, err := c.key("lead at " + c.store.ID)
		if err != nil {
			return 0, nil, err
		}
		var all []router.Taken
		if kind == "application/json" {
			all, err = takeEntry(ctx, c, r, key)
		} else {
			all, err = takeDocument(ctx, c, in, key)
		}
		if err != nil {
			return 0, nil, err
		}
		leads := make([]taken, len(all))
		for i, t := range all {
			leads[i] = taken{t.Lead, t.Owner, t.Disposition}
		}
		return http.StatusCreated, map[string][]taken{"leads": leads}, nil
	}
}

func takeEntry(ctx context.Context, c *call, r Router, key string) ([]router.Taken, error) {
	var e entry
	if err := c.json(&e); err != nil {
		return nil, err
	}
	var err error
	if e.By, err = c.who.by(e.By, c.store); err != nil {
		return nil, err
	}
	a, err := e.arrival(c.store)
	if err != nil {
		return nil, err
	}
	// One place for all: the same token again is then the same call, not a copy found elsewhere.
	a.Token, a.Place, a.Actor = key, "api", c.who.Name
	t, err := r.Take(ctx, c.store.ID, a)
	if err != nil {
		return nil, err
	}
	return []router.Taken{t}, nil
}

func takeDocument(ctx context.Context, c *call, in Intake, key string) ([]router.Taken, error) {
	doc, err := c.body(mostADF)
	if err != nil {
		return nil, err
	}
	return in.Document(ctx, c.store.ID, doc, key, c.who.Name)
}

// listLeads lists a store's leads, newest first.
func listLeads(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		limit, err := c.limit()
		if err != nil {
			return 0, nil, err
		}
		p := c.URL.Query()
		q := router.Query{State: router.State(p.Get("state")), Owner: p.Get("owner"), Source: p.Get("source"), Limit: limit, Cursor: p.Get("cursor")}
		if q.Source != "" {
			q.Source = router.Slug(q.Source)
		}
		leads, next, err := r.Leads(ctx, c.store.ID, q)
		return http.StatusOK, page(leads, next), err
	}
}

// showLead reads one lead.
func showLead(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		l, err := r.Lead(ctx, c.lead)
		return http.StatusOK, l, err
	}
}

// putOwner is the manual pick.
func putOwner(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		var pick struct {
			Owner  string `json:"owner"`
			Reason string `json:"reason"`
		}
		if err := c.json(&pick); err != nil {
			return 0, nil, err
		}
		if pick.Owner == "" {
			return 0, nil, wrong(fault{"owner", "must be given"})
		}
		l, err := r.Assign(ctx, c.lead, pick.Owner, pick.Reason, c.who.Person, c.who.Name)
		return http.StatusOK, l, err
	}
}
