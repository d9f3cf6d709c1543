package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Decided says what a message or an arrival of this token was taken for before, if it was; the place tells whether that was here.
func (r *Router) Decided(ctx context.Context, rooftop, token, place string) (Taken, bool, error) {
	if _, err := r.Rooftop(rooftop); err != nil {
		return Taken{}, false, err
	}
	h, err := r.hasher(ctx, rooftop)
	if err != nil {
		return Taken{}, false, err
	}
	taken, ok, err := r.store.Decided(ctx, rooftop, h.Token(token), h.Place(place))
	if err != nil {
		return Taken{}, false, fmt.Errorf("look up a message at %s: %w", rooftop, err)
	}
	return taken, ok, nil
}

// A Limit is how many messages of one sender are taken within a time. The zero Limit is none.
type Limit struct {
	Messages int
	Per      time.Duration
}

// Admit counts a message that arrived at the given instant within its sender's limit, and says whether there was room; where there was
// none nothing is counted. The same token is counted once.
func (r *Router) Admit(ctx context.Context, rooftop, sender, token string, at time.Time, l Limit) (bool, error) {
	if _, err := r.Rooftop(rooftop); err != nil {
		return false, err
	}
	h, err := r.hasher(ctx, rooftop)
	if err != nil {
		return false, err
	}
	ok, err := r.store.Admit(ctx, rooftop, &Admission{Sender: h.sum("sender", sender)[:8], Token: h.Token(token), At: at, Limit: l})
	if err != nil {
		return false, fmt.Errorf("count a message at %s: %w", rooftop, err)
	}
	return ok, nil
}

// HeldID is the id under which a message of this token is held, or would be.
func (r *Router) HeldID(ctx context.Context, rooftop, token string) (string, error) {
	h, err := r.hasher(ctx, rooftop)
	if err != nil {
		return "", err
	}
	return h.heldID(token), nil
}

// heldID may be typed: it begins with no dash, and there is no case to mind.
func (h Hasher) heldID(token string) string {
	return idEncoding.EncodeToString(h.sum("parked", token)[:8])[:10]
}

// An EndedError says that a message is no longer held, and how that ended.
type EndedError struct {
	ID    string
	Event Event // of KindReleased or KindDiscarded
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("message %s was %s at %s, event %d", e.ID, e.Event.Kind, e.Event.At.UTC().Format(time.RFC3339), e.Event.Seq)
}

// Is makes it a conflict.
func (e *EndedError) Is(target error) bool { return target == ErrConflict }

// Leads are those that a released message gave.
func (e *EndedError) Leads() []string {
	return strings.FieldsFunc(e.Event.Detail["leads"], func(c rune) bool { return c == ',' })
}

// Held reads a quarantined message, with its bytes where they are kept. The error wraps ErrNotFound where nothing is held under the id, or
// is an *EndedError where that ended within the last day.
func (r *Router) Held(ctx context.Context, rooftop, id string) (Parked, error) {
	if _, err := r.hasher(ctx, rooftop); err != nil {
		return Parked{}, err
	}
	p, err := r.store.Held(ctx, rooftop, id)
	if errors.Is(err, ErrNotFound) {
		// Whoever asks the same again hears what came of it.
		return Parked{}, r.unparked(ctx, rooftop, &Unparking{ID: id, Kind: KindReleased, Begin: true})
	}
	if err != nil {
		return Parked{}, fmt.Errorf("read a held message at %s: %w", rooftop, err)
	}
	return p, nil
}

// BeginRelease comes before the leads of a held message are taken: from now on it can be released alone. Where it is one lead of a message
// that is held, lead is its token: it is free to be taken. The errors are those of Held, or a *FaultError where by is nobody's.
func (r *Router) BeginRelease(ctx context.Context, rooftop, id, lead, by string) error {
	f, err := r.Rooftop(rooftop)
	if err != nil {
		return err
	}
	if err := f.known(by); err != nil {
		return err
	}
	u := &Unparking{ID: id, Kind: KindReleased, Begin: true}
	if lead != "" {
		h, err := r.hasher(ctx, rooftop)
		if err != nil {
			return err
		}
		u.Token = h.Token(lead)
	}
	return r.unparked(ctx, rooftop, u)
}

// Release ends that a message is held, once its leads are taken. Repeating it changes nothing.
func (r *Router) Release(ctx context.Context, rooftop, id string, leads []string, by, actor string) error {
	err := r.unparked(ctx, rooftop, &Unparking{
		ID: id, Kind: KindReleased, By: by, Actor: actor, Detail: map[string]string{"message": id, "leads": strings.Join(leads, ",")},
	})
	if ended := (*EndedError)(nil); errors.As(err, &ended) && ended.Event.Kind == KindReleased {
		return nil // by somebody else at the same moment, with the same leads
	}
	return err
}

// Discard ends that a message is held, for a reason that stands in the log, and forgets its bytes. It is refused once its release has begun.
// The errors are those of Held, or a *FaultError. Repeating it changes nothing.
func (r *Router) Discard(ctx context.Context, rooftop, id, reason, by, actor string) error {
	f, err := r.Rooftop(rooftop)
	if err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(reason) == "":
		return fault("reason", "must be given")
	case len(reason) > 200:
		return fault("reason", "longer than 200 bytes")
	}
	if err := f.known(by); err != nil {
		return err
	}
	err = r.unparked(ctx, rooftop, &Unparking{ID: id, Kind: KindDiscarded, By: by, Actor: actor, Detail: map[string]string{"message": id, "reason": reason}})
	if ended := (*EndedError)(nil); errors.As(err, &ended) && ended.Event.Kind == KindDiscarded {
		return nil
	}
	return err
}

// known refuses whoever is given as acting and is nobody of the store's.
func (f *Rooftop) known(by string) error {
	if _, ok := f.Person(by); by != "" && !ok {
		return fault("by", "nobody of id %q at store %s", by, f.ID)
	}
	return nil
}

func (r *Router) unparked(ctx context.Context, rooftop string, u *Unparking) error {
	if _, err := r.hasher(ctx, rooftop); err != nil {
		return err
	}
	u.Now = r.store.Now()
	done, err := r.store.Unpark(ctx, rooftop, u)
	switch err := r.forget(rooftop, err); {
	case err != nil:
		return fmt.Errorf("end a quarantine at %s: %w", rooftop, err)
	case done.None:
		return fmt.Errorf("message %q is not held at %s: %w", u.ID, rooftop, ErrNotFound)
	case done.Busy:
		return fault("", "the release of message %s has begun, and leads of it may have been dealt: release it again to end that", u.ID)
	case !done.Again:
		return nil
	}
	events, err := r.store.Events(ctx, rooftop, done.Seq-1, 1)
	if err != nil {
		return err
	}
	if len(events) == 0 || events[0].Seq != done.Seq {
		return fmt.Errorf("message %q is not held at %s: %w", u.ID, rooftop, ErrNotFound) // its event was sealed
	}
	return &EndedError{ID: u.ID, Event: events[0]}
}
