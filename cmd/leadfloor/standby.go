package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"leadfloor/router"
)

// Of replicas with different configurations the one that was loaded last leads. The others stand by: they watch no mailbox, work off no
// timer and take nothing over the API, because they would decide by rosters, hours and rules that somebody has replaced. Services that have no
// store in common are no replicas of one another and do not care.

// leadEvery is how often a replica looks whether another configuration was loaded.
const leadEvery = 2 * time.Second

// A standby says why a replica stands by.
type standby struct {
	ours, last string
	since      time.Time
}

func (s *standby) Error() string {
	return fmt.Sprintf("it stands by: another configuration, %s, was loaded at %s, after this one, %s; bring the same file to every replica and reload each",
		s.last, s.since.Format(time.RFC3339), s.ours)
}

// lead works while this replica's configuration is the one that was loaded last, and stands by while it is not. What cannot be asked
// changes nothing.
func (d *daemon) lead(ctx context.Context) {
	stop := func() {}
	defer func() { stop() }()
	working := false
	var recalled time.Time // the loading since which the past of all hours is known
	for {
		d.manager.beat()
		rooftops, hash, loaded := d.loaded()
		other, at, err := d.store.Leading(ctx, rooftops, hash, loaded)
		if err == nil && other == "" && !recalled.Equal(loaded) {
			if err = d.router.Recall(ctx); err == nil {
				recalled = loaded
			}
		}
		switch {
		case err != nil && working:
		case err == nil && other != "":
			if d.standby.Swap(&standby{ours: hash, last: other, since: at}) == nil {
				d.log.Warn("standing by: another configuration was loaded since; bring the same file to every replica and reload each", "ours", hash, "loaded", other, "at", at)
			}
			stop()
			stop, working = func() {}, false
			recalled = time.Time{} // others have their hours in force meanwhile
		case err == nil && !working:
			if d.standby.Swap(nil) != nil {
				d.log.Info("leading again: this configuration is the one that was loaded last", "hash", hash)
			}
			stop, working = d.work(ctx), true
		}
		if !sleep(ctx, leadEvery) {
			return
		}
	}
}

// loaded is the configuration in use, its stores, and when it was loaded, by Redis' clock.
func (d *daemon) loaded() (rooftops []*router.Rooftop, hash string, at time.Time) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	return d.router.Rooftops(), fmt.Sprintf("%012x", d.cfg.Load().Hash()), d.since
}

// work begins all that decides, and returns what ends it.
func (d *daemon) work(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { d.router.Run(ctx, tickEvery, d.ticked()) })
	wg.Go(func() { d.boxes.run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// leading lets through only what changes nothing while the replica stands by.
func (d *daemon) leading(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why := d.standby.Load()
		if why == nil || r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]any{ // the client is gone; nobody else wants to know
			"type": "about:blank", "title": http.StatusText(http.StatusServiceUnavailable), "status": http.StatusServiceUnavailable, "detail": why.Error(),
		})
	})
}
