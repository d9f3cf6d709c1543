package api

import (
	"context"
	"net/http"
	"time"

	"leadfloor/router"
)

// listStores names the stores that the token is good for.
func listStores(r Router) answer {
	type store struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	return func(_ context.Context, c *call) (int, any, error) {
		var all []store
		for _, f := range r.Rooftops() {
			if c.who.covers(f.ID) {
				all = append(all, store{f.ID, f.Name})
			}
		}
		return http.StatusOK, page(all, ""), nil
	}
}

// showFloor tells who is on and who is next.
func showFloor(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		now, err := r.Floor(ctx, c.store.ID)
		return http.StatusOK, floor(now), err
	}
}

// putFloor sets somebody's status by hand and answers with the floor as it then is.
func putFloor(r Router) answer {
	return func(ctx context.Context, c *call) (int, any, error) {
		who := c.PathValue("person")
		if c.who.Role == Salesperson {
			if _, err := c.who.by(who, c.store); err != nil {
				return 0, nil, err
			}
		}
		var set struct {
			Status router.Status `json:"status"`
			Until  time.Time     `json:"until"`
		}
		if err := c.json(&set); err != nil {
			return 0, nil, err
		}
		now, err := r.SetFloor(ctx, c.store.ID, who, set.Status, set.Until, c.who.Person, c.who.Name)
		return http.StatusOK, floor(now), err
	}
}

// floor is the floor without a null list.
func floor(now router.FloorNow) router.FloorNow {
	if now.People == nil {
		now.People = []router.FloorPerson{}
	}
	return now
}
