package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/router/routertest"
)

// A list longer than a page of the store has every lead once, newest first, and ends where it is told to.
func TestLeadListPages(t *testing.T) {
	dir := t.TempDir()
	w, err := newScriptWorld(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	const leads = listPage + 20
	var want []string
	for n := range leads {
		taken, err := w.router.Take(t.Context(), "main-street", routertest.Arrival(n, scriptStart.Add(time.Duration(n-leads)*time.Second)))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, taken.Lead)
	}
	slices.Reverse(want)
	for _, limit := range []int{listPage - 1, listPage, listPage + 1, leads - 1, leads, 2 * leads} {
		code, out, errs := command(t, "lead", "list", "--format", "csv", "--limit", strconv.Itoa(limit), "--config", filepath.Join(dir, "leadfloor.yaml"))
		if cut := errs != ""; code != exitWell || cut != (limit < leads) {
			t.Errorf("lead list --limit %d = %d, %q", limit, code, errs)
		}
		var got []string
		for line := range strings.Lines(out) {
			id, _, _ := strings.Cut(line, ",")
			got = append(got, id)
		}
		if diff := cmp.Diff(append([]string{"id"}, want[:min(limit, leads)]...), got); diff != "" {
			t.Errorf("lead list --limit %d (-want +got):\n%s", limit, diff)
		}
	}
}
