package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"leadfloor/router"
)

// actorCommand is who acts in the events of what was done by a command: whoever may read the configuration may do it.
const actorCommand = "cli"

// A session is what a command that needs state works with: the configuration and the books that it names. The daemon need not run.
type session struct {
	*books
	config *Config
}

// begin reads the configuration and opens its books, which the caller closes.
func (e *env) begin(ctx context.Context) (*session, error) {
	c, err := e.load()
	if err != nil {
		return nil, err
	}
	quietRedis(slog.New(slog.DiscardHandler))
	b, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	return &session{books: b, config: c}, nil
}

// storeFlag gives cmd the flag that names a store.
func storeFlag(cmd *cobra.Command, store *string) {
	cmd.Flags().StringVar(store, "store", "", "`ID` of the store; may be left out where the configuration has one alone")
}

// pick is the store that --store names, or the only one there is.
func (c *Config) pick(id string) (*StoreConfig, error) {
	if id == "" && len(c.Stores) == 1 {
		return &c.Stores[0], nil
	}
	for i := range c.Stores {
		if c.Stores[i].ID == id {
			return &c.Stores[i], nil
		}
	}
	if id == "" {
		return nil, fmt.Errorf("--store is needed: the configuration has the stores %s", several(c.storeIDs()))
	}
	return nil, fmt.Errorf("store %q is not in the configuration, which has %s", id, several(c.storeIDs()))
}

func (c *Config) storeIDs() []string {
	ids := make([]string, len(c.Stores))
	for i, s := range c.Stores {
		ids[i] = s.ID
	}
	return ids
}

// rooftop is the store that --store names.
func (s *session) rooftop(id string) (*router.Rooftop, error) {
	store, err := s.config.pick(id)
	if err != nil {
		return nil, err
	}
	return s.router.Rooftop(store.ID)
}

// lead reads a lead and finds its store.
func (s *session) lead(ctx context.Context, id string) (*router.Rooftop, *router.Lead, error) {
	store, err := s.router.StoreOf(id)
	if err != nil {
		return nil, nil, fmt.Errorf("lead %q is at no store: an id begins with the store's, which here is %s", id, several(s.config.storeIDs()))
	}
	f, err := s.router.Rooftop(store)
	if err != nil {
		return nil, nil, err
	}
	l, err := s.router.Lead(ctx, id)
	if errors.Is(err, router.ErrNotFound) {
		return nil, nil, fmt.Errorf("lead %q is not at store %s; leadfloor lead list --store %s shows the newest there", id, store, store)
	}
	return f, l, err
}

// mustEmploy refuses whoever is neither manager, salesperson nor owner of a desk at the store.
func mustEmploy(f *router.Rooftop, who string) error {
	if _, ok := f.Person(who); ok {
		return nil
	}
	var ids []string
	for _, p := range f.People() {
		ids = append(ids, p.ID)
	}
	for _, d := range f.Desks {
		ids = append(ids, d.Owner)
	}
	slices.Sort(ids)
	return fmt.Errorf("nobody at store %s has the id %q: there are %s", f.ID, who, several(slices.Compact(ids)))
}

// several lists ids for a sentence, not all of many.
func several(ids []string) string {
	const most = 12
	if len(ids) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], ", "), len(ids)-most)
	}
	return strings.Join(ids, ", ")
}
