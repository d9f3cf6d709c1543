package routertest

import (
	"cmp"
	"context"
	"errors"

	"leadfloor/router"
)

// ErrFlaky is what a Flaky's caller gets instead of an answer.
var ErrFlaky = errors.New("connection reset by the test")

// A Flaky is a store of which a writing call fails when told to: before it reached the store, or after it was carried out, with the reply
// lost. It notes what was carried out. It does not break reads, and is not for several goroutines.
type Flaky struct {
	router.Store
	in   int
	lost bool
	done []Call
}

var _ router.Store = (*Flaky)(nil)

// A Call is a writing call that was carried out.
type Call struct {
	Kind  router.Kind // of a deal, as it turned out; empty for anything else
	Held  bool        // a held lead was to be dealt
	Floor bool
	Put   bool
	Taken *router.Taken
	Lead  string
	Dealt router.Dealt
}

// Fail makes the n-th writing call from now on fail: after it was carried out where lost, else before. 0 has none fail.
func (f *Flaky) Fail(n int, lost bool) { f.in, f.lost = n, lost }

// Done returns what was carried out since it was last asked.
func (f *Flaky) Done() []Call {
	d := f.done
	f.done = nil
	return d
}

// through carries out one call, unless it is the one to fail, and notes what came of it unless that is nothing.
func through[T any](f *Flaky, call func() (T, error), note func(T) Call) (T, error) {
	var none T
	fails := f.in == 1
	f.in = max(0, f.in-1)
	if fails && !f.lost {
		return none, ErrFlaky
	}
	v, err := call()
	if err != nil {
		return none, err
	}
	if c := note(v); c != (Call{}) {
		f.done = append(f.done, c)
	}
	if fails {
		return none, ErrFlaky
	}
	return v, nil
}

// TakeAll is Store's; each arrival counts as a call.
func (f *Flaky) TakeAll(ctx context.Context, rooftop string, all []*router.Take) []router.Answer {
	out := make([]router.Answer, len(all))
	for i := range all {
		out[i].Taken, out[i].Err = through(f, func() (router.Taken, error) {
			a := f.Store.TakeAll(ctx, rooftop, all[i:i+1])[0]
			return a.Taken, a.Err
		}, func(v router.Taken) Call {
			if v.Late != "" { // nothing was decided
				return Call{}
			}
			return Call{Taken: &v, Lead: v.Lead}
		})
	}
	return out
}

// Deal is Store's.
func (f *Flaky) Deal(ctx context.Context, rooftop string, d *router.Dealing) (router.Dealt, error) {
	return through(f, func() (router.Dealt, error) { return f.Store.Deal(ctx, rooftop, d) },
		func(v router.Dealt) Call {
			return Call{Kind: cmp.Or(v.Kind, d.Kind), Held: d.To == "" && d.Miss == "", Lead: d.Lead, Dealt: v}
		})
}

// Put is Store's.
func (f *Flaky) Put(ctx context.Context, rooftop string, c *router.Change) (int64, error) {
	return through(f, func() (int64, error) { return f.Store.Put(ctx, rooftop, c) },
		func(int64) Call { return Call{Put: true, Lead: c.Before.ID} })
}

// Floor is Store's.
func (f *Flaky) Floor(ctx context.Context, rooftop string, c *router.FloorCall) (router.FloorNow, error) {
	return through(f, func() (router.FloorNow, error) { return f.Store.Floor(ctx, rooftop, c) },
		func(router.FloorNow) Call { return Call{Floor: true} })
}

// Move is Store's.
func (f *Flaky) Move(ctx context.Context, rooftop string, m *router.Move) error {
	_, err := through(f, func() (struct{}, error) { return struct{}{}, f.Store.Move(ctx, rooftop, m) },
		func(struct{}) Call { return Call{Put: true, Lead: m.From.Before.ID} })
	return err
}
