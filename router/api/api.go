// Package api is the business over HTTP: JSON under /api/v1, bearer tokens, and what each role may do. It holds no rule of the
// business: it reads what was sent, asks the router, and renders the answer. It does not know ADF; a posted document goes to an Intake.
//
// What a role may do, at the stores that its token names or at all where it names none:
//
//	                                         admin manager salesperson crm ingest viewer
//	GET leads, one lead, its events            x      x         x       x            x
//	GET stores, floor, turnovers, messages     x      x         x                    x
//	POST a lead                                x      x                       x
//	POST events to a lead                      x      x       own (1)   x
//	POST events to a store                     x      x                 x
//	GET a held message, POST its end           x      x
//	PUT a lead's owner, merge and split it     x      x
//	PUT somebody's floor status                x      x       own (1)
//	log a turnover                             x      x                 x
//	POST that a person is to be forgotten      x
//
// (1) as the token's own person only; naming another is refused. A token of another role that names a person logs as that person
// where the body names nobody.
//
// Where no token is configured at all, every call is allowed as an admin called "local". The configuration allows that on loopback only.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"leadfloor/router"
)

// Router is the business as the calls need it; *router.Router is one. An error is a *router.FaultError (the request cannot be met as
// it stands: 422), wraps router.ErrNotFound (404) or router.ErrConflict (409), or means that nobody knows whether it happened: 503,
// and the caller asks again.
type Router interface {
	// Rooftops lists the configured stores in the order of the configuration.
	Rooftops() []*router.Rooftop
	// Rooftop finds one of them.
	Rooftop(store string) (*router.Rooftop, error)
	// StoreOf is the configured store that a lead's id belongs to, whether or not there is such a lead.
	StoreOf(lead string) (string, error)

	// Take decides an arrival. The same token and place again give the same answer and change nothing.
	Take(ctx context.Context, store string, a *router.Arrival) (router.Taken, error)
	// Log stores what somebody tells of a lead and returns the lead as it then is. A token seen before changes nothing.
	Log(ctx context.Context, lead string, e router.Entry) (*router.Lead, error)
	// Assign gives a lead to the person named and returns the lead as it then is.
	Assign(ctx context.Context, lead, to, reason, by, actor string) (*router.Lead, error)
	// Merge makes one lead of two of one customer and returns the one that stays, into. Merging the same two again changes nothing.
	Merge(ctx context.Context, lead, into, reason, by, actor string) (*router.Lead, error)
	// Split makes a lead of its own of a lead's arrivals of the given numbers and returns it. Splitting the same off again changes nothing.
	Split(ctx context.Context, lead string, touches []int, reason, by, actor string) (*router.Lead, error)
	// Find returns the lead of a store that somebody outside means by an id that it came with, else by email or phone, each as written
	// and empty where it is not known; an error that wraps router.ErrNotFound where there is none, router.ErrConflict where several fit.
	Find(ctx context.Context, store string, ids []router.ID, email, phone string) (lead string, err error)

	// Lead reads one lead.
	Lead(ctx context.Context, lead string) (*router.Lead, error)
	// Leads lists leads, newest first; next is empty at the end.
	Leads(ctx context.Context, store string, q router.Query) (leads []*router.Lead, next string, err error)
	// Why returns every event of a lead, in order.
	Why(ctx context.Context, lead string) ([]router.Event, error)
	// Parked lists messages without a lead, newest first, those of one instant by falling id.
	Parked(ctx context.Context, store string, quarantined bool, limit int) ([]router.Parked, error)

	// Discard ends that a message is held, for a reason. A message that was released is a *router.EndedError.
	Discard(ctx context.Context, store, message, reason, by, actor string) error

	// Floor tells who is on and who is next.
	Floor(ctx context.Context, store string) (router.FloorNow, error)
	// SetFloor sets somebody on, off, busy or back to the schedule; a zero until leaves the end to the business.
	SetFloor(ctx context.Context, store, who string, s router.Status, until time.Time, by, actor string) (router.FloorNow, error)
}

var _ Router = (*router.Router)(nil)

// An Intake takes in posted ADF documents, and messages that were held.
type Intake interface {
	// Document takes every prospect of an ADF document and returns what became of each, in document order. The key identifies the
	// call: the same key at the same store gives the same answer and changes nothing. The actor is the acting token's name. An error
	// is a *Rejected where no lead could be read, or means that nobody knows whether it happened: send it again with the same key.
	Document(ctx context.Context, store string, adf []byte, key, actor string) ([]router.Taken, error)
	// Look reads a held message as its release would, and changes nothing. The errors are those of Release.
	Look(ctx context.Context, store, message string) (*Held, error)
	// Release takes the leads of a held message. Repeating it gives the same leads. The error is a *router.FaultError where the message
	// stays held, a *router.EndedError where it was discarded, wraps router.ErrNotFound, or means that nobody knows: release it again.
	Release(ctx context.Context, store, message, by, actor string) (*Release, error)
	// Forget erases the person of a lead, held messages of theirs too, and tells which mails still hold them. It may be repeated.
	Forget(ctx context.Context, lead, reason, by, actor string) (*router.Erased, error)
}

// Rejected is the error of an Intake for a document that no lead could be read from.
type Rejected struct {
	Diagnostics any // what was found wrong, rendered as JSON beside the fault
}

func (*Rejected) Error() string { return "no lead could be read from the document" }

// Options is what the calls work with. Router, Intake and Auth are needed.
type Options struct {
	Router Router
	Intake Intake
	Auth   *Auth
	Log    *slog.Logger // nil: nowhere
}

// deadline bounds the work of one call.
const deadline = 10 * time.Second

// New makes the handler of everything under /api/v1.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{router: o.Router, auth: o.Auth, log: o.Log, mux: http.NewServeMux()}
	for _, rt := range routes(o.Router, o.Intake) {
		s.mux.Handle(rt.method+" /api/v1"+rt.path, s.serve(rt))
	}
	return s
}
