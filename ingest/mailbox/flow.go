package mailbox

import (
	"context"
	"errors"
	"time"

	"leadfloor/ingest"
)

// A flow takes messages of the folder to the ledger. One goroutine has it, and the keeper. Beside that the session brings what comes next, a
// batch is decided, and what was decided before goes into the ledger, each at its own pace.
type flow struct {
	*keeper
	s    *session
	uids []uint32 // of which nothing is known yet
	todo []meta   // to be fetched
	line []*batch // the first is decided, and those after it are read

	errand, decision, settling *task

	settled []Entry // what may be put where it belongs
	broken  error   // why the session brings no more; what came whole before is decided all the same
}

// A task is done beside the flow.
type task struct {
	done chan struct{}
	then func() error // what the flow makes of it
}

func startTask(work func(), then func() error) *task {
	t := &task{make(chan struct{}), then}
	go func() {
		defer close(t.done)
		work()
	}()
	return t
}

// over is closed once a task is done, if there is one.
func (t *task) over() <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.done
}

// finish waits for a task, if there is one.
func finish(t **task) error {
	if *t == nil {
		return nil
	}
	<-(*t).done
	then := (*t).then
	*t = nil
	return then()
}

// work deals with messages in the folder: uids, of which nothing is known, and todo, of which it is. Afterwards each of them is settled, or put
// off, or has left.
func (k *keeper) work(ctx context.Context, s *session, uids []uint32, todo []meta) (err error) {
	f := &flow{keeper: k, s: s, uids: uids, todo: todo}
	defer func() {
		for _, t := range []*task{f.errand, f.decision, f.settling} {
			if t != nil {
				<-t.done // it is in use until then
			}
		}
		for n, b := range f.line {
			k.leave(ctx, b, f.line[n+1:])
		}
	}()
	for err == nil {
		if err = f.advance(ctx); err != nil {
			break
		}
		if f.errand == nil && f.decision == nil && f.settling == nil {
			break
		}
		select {
		case <-f.errand.over():
			err = finish(&f.errand)
		case <-f.decision.over():
			err = finish(&f.decision)
		case <-f.settling.over():
			err = finish(&f.settling)
		}
	}
	switch {
	case err != nil:
		return err
	case f.broken != nil:
		return f.broken
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case len(f.uids)+len(f.todo) > 0:
		return errRenew
	}
	return nil
}

// advance begins whatever can be done now.
func (f *flow) advance(ctx context.Context) error {
	for f.decision == nil && len(f.line) > 0 && (len(f.line[0].entries) == 0 || ctx.Err() != nil) {
		b := f.line[0]
		f.line = f.line[1:]
		f.leave(ctx, b, f.line)
		if err := f.put(ctx, b); err != nil {
			return err
		}
	}
	if f.decision == nil && len(f.line) > 0 {
		b := f.line[0]
		if b.since.IsZero() {
			b.since = time.Now()
		}
		var outcomes []ingest.Outcome
		f.decision = startTask(func() { outcomes = f.decide(ctx, b) }, func() error { return f.decided(ctx, b, outcomes) })
	}
	if f.errand == nil && f.broken == nil && ctx.Err() == nil {
		settled := f.settled
		f.settled = nil
		if f.broken = f.after(ctx, f.s, settled); f.broken == nil && !f.s.outlived() {
			f.send(ctx)
		}
	}
	return nil
}

// send sends the session for what comes next. It asks for sizes before it needs them, where it has nothing else to do.
func (f *flow) send(ctx context.Context) {
	full := len(f.line) >= mostBatches
	switch {
	case len(f.uids) > 0 && (len(f.todo) == 0 || full && len(f.todo) < metaBatch/2):
		n := metaBatch
		if len(f.line) == 0 {
			n = batchCount // there is nothing to decide meanwhile
		}
		chunk := f.uids[:min(len(f.uids), n)]
		f.uids = f.uids[len(chunk):]
		f.errand = f.look(ctx, f.s, chunk, func(metas map[uint32]meta, err error) {
			if f.broken = err; err == nil {
				var more []meta
				more, f.broken = f.weigh(ctx, f.s, chunk, metas)
				f.todo = append(f.todo, more...)
			}
		})
	case len(f.todo) > 0 && !full:
		part, size := f.part(f.todo)
		held := int64(0)
		for _, b := range f.line {
			held += b.bytes
		}
		if held > 0 && held+size > batchBytes {
			return
		}
		f.todo = f.todo[len(part):]
		f.errand = f.fetch(ctx, f.s, part, size, func(got *fetched) {
			var b *batch
			b, f.broken = f.open(ctx, f.s, got, f.line)
			f.line = append(f.line, b)
		})
	}
}

// decided notes what became of messages at the head of a batch.
func (f *flow) decided(ctx context.Context, b *batch, outcomes []ingest.Outcome) error {
	var failed error
	for i, o := range outcomes {
		e := b.entries[i]
		switch {
		case errors.Is(o.Err, ingest.ErrLater):
			b.failed = true
			f.book.later(e.UID)
			f.log.Debug("message waits", "uid", e.UID, "uidvalidity", f.book.uidValidity, "err", o.Err)
			continue
		case o.Err != nil:
			b.failed, failed = true, o.Err
			f.book.later(e.UID)
			f.failing[e.UID] = struct{}{}
			f.log.Warn("message not decided", "uid", e.UID, "uidvalidity", f.book.uidValidity, "err", o.Err)
			continue
		}
		clear(f.failing)
		e.Fate = o.Fate
		b.done = append(b.done, e)
		if e.Anew {
			f.review.asked++
			if e.Fate == f.book.places[e.UID].fateName() {
				f.book.confirm(e, b.metas[e.UID].size) // the store had it, or decided as before
				continue
			}
			f.review.anew++
		}
		b.decided = append(b.decided, e)
	}
	b.entries = b.entries[len(outcomes):]
	if failed != nil && len(f.failing) >= storeDown {
		return errors.Join(f.put(ctx, b), finish(&f.settling), failf(ReasonStore, "decide %d messages: %w", len(f.failing), failed))
	}
	if time.Since(b.since) > settleEvery {
		return f.put(ctx, b)
	}
	return nil
}

// put has what was decided of a batch settled.
func (f *flow) put(ctx context.Context, b *batch) error {
	entries, done := b.decided, b.done
	b.decided, b.done, b.since = nil, nil, time.Time{}
	if err := finish(&f.settling); err != nil {
		return err
	}
	var err error
	f.settling = startTask(func() { err = f.write(ctx, entries) }, func() error {
		if err != nil {
			return err
		}
		f.enter(entries, b.metas)
		f.settled = append(f.settled, done...)
		return nil
	})
	return nil
}
