package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"leadfloor/router"
)

// route is one call.
type route struct {
	method, path string
	does         action
	answer       answer
}

// answer does the work of one call: it returns a status and what is rendered as JSON, or an error.
type answer func(ctx context.Context, c *call) (status int, body any, err error)

// call is one request by somebody who may make it.
type call struct {
	*http.Request
	w     http.ResponseWriter
	who   *Token
	store *router.Rooftop // that the path names, by its id or its lead's
	lead  string          // the lead's id that the path names
}

type server struct {
	router Router
	auth   *Auth
	log    *slog.Logger
	mux    *http.ServeMux
}

type callerKey struct{}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w, r)
	who, err := s.auth.caller(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h, pattern := s.mux.Handler(r)
	if pattern == "" {
		s.fail(w, r, unrouted(h, r))
		return
	}
	r.Pattern = pattern // for the log, wherever the call ends
	s.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
}

// unrouted says in our own words what the mux says in plain text: 404, or 405 with the methods allowed.
func unrouted(h http.Handler, r *http.Request) *problem {
	told := statusOnly{header: http.Header{}}
	h.ServeHTTP(&told, r)
	if told.status == http.StatusMethodNotAllowed {
		p := refuse(told.status, "this address takes %s", told.header.Get("Allow"))
		p.header = http.Header{"Allow": told.header["Allow"]}
		return p
	}
	return refuse(http.StatusNotFound, "there is no such address")
}

// statusOnly keeps what a handler says but for its body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

// serve checks what all calls have in common, makes the call, and renders its answer.
func (s *server) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, w: w, who: r.Context().Value(callerKey{}).(*Token), lead: r.PathValue("lead")}
		if err := s.admit(c, rt.does); err != nil {
			s.fail(w, r, err)
			return
		}
		ctx := r.Context()
		if rt.method != http.MethodGet {
			ctx = context.WithoutCancel(ctx) // work begun ends, though nobody waits for the answer
		}
		ctx, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		status, body, err := rt.answer(ctx, c)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		var b bytes.Buffer
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			s.fail(w, r, fmt.Errorf("render an answer: %w", err))
			return
		}
		send(w, status, "application/json", b.Bytes())
	})
}

// admit refuses a call by role, by store, and for a store that is not configured, in this order: whoever may not ask is not told what
// there is.
func (s *server) admit(c *call, does action) error {
	if !c.who.Role.may(does) {
		return refuse(http.StatusForbidden, "role %s may not do this", c.who.Role)
	}
	store := c.PathValue("store")
	if c.lead != "" {
		var err error
		if store, err = s.router.StoreOf(c.lead); err != nil {
			return err
		}
	}
	if store == "" {
		return nil
	}
	if !c.who.covers(store) {
		return refuse(http.StatusForbidden, "this token is not good for that store")
	}
	var err error
	c.store, err = s.router.Rooftop(store)
	return err
}

// fail answers with a fault and logs what the outside must not see.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, internal := problemOf(err)
	if internal && r.Context().Err() == nil {
		s.log.Error("api call not answered", "route", r.Pattern, "err", err)
	}
	p.write(w)
}

// recover answers for a handler that panicked; nothing was written yet, since answers are rendered whole before. The panic's value may
// quote a customer's data, so the log gets its type and where it happened.
func (s *server) recover(w http.ResponseWriter, r *http.Request) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		s.log.Error("api call panicked", "route", r.Pattern, "panic", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
		refuse(http.StatusInternalServerError, "a fault of ours; it was logged").write(w)
	}
}

// send writes an answer that is wholly rendered.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store") // answers hold personal data
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // where it fails, whoever asked is gone
}

// The largest bodies taken, in bytes.
const (
	mostJSON = 1 << 20
	mostADF  = 10 << 20
)

// mediaType is what the body is said to be; 415 unless it is one of those wanted. A body of which nothing is said, or what curl -d says
// unless told, is JSON to whoever bears a token. Without tokens it is refused: a browser sends such a one across sites without asking first.
func (c *call) mediaType(wanted ...string) (string, error) {
	said := c.Header.Get("Content-Type")
	t, _, err := mime.ParseMediaType(said)
	if (said == "" || t == "application/x-www-form-urlencoded") && c.who.Sum != [sha256.Size]byte{} && slices.Contains(wanted, "application/json") {
		return "application/json", nil
	}
	if err != nil || !slices.Contains(wanted, t) {
		return "", refuse(http.StatusUnsupportedMediaType, "the content type must be %s", strings.Join(wanted, ", "))
	}
	return t, nil
}

// body reads the whole body, up to a limit.
func (c *call) body(most int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, most))
	if err != nil {
		if p, internal := problemOf(err); !internal {
			return nil, p
		}
		return nil, refuse(http.StatusBadRequest, "the body broke off")
	}
	return b, nil
}

// json reads the body strictly into v.
func (c *call) json(v any) error {
	if _, err := c.mediaType("application/json"); err != nil {
		return err
	}
	b, err := c.body(mostJSON)
	if err != nil {
		return err
	}
	return decode(b, v)
}

// key identifies the call. The same Idempotency-Key of the same token for the same thing is the same call; two senders who happen to
// choose one key do not swallow each other's leads. Without the header every call is another. It is a digest: a sender may put anything
// into a key, personal data too.
func (c *call) key(of string) (string, error) {
	k := c.Header.Get("Idempotency-Key")
	switch {
	case len(k) > 255:
		return "", wrong(fault{"Idempotency-Key", "longer than 255 bytes"})
	case k == "":
		return "api/" + rand.Text(), nil
	}
	sum := sha256.Sum256([]byte(of + "\x00" + c.who.Name + "\x00" + k))
	return "api/" + base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// list is a page of things.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// page is a list that has no null.
func page[T any](items []T, next string) list[T] {
	if items == nil {
		items = []T{}
	}
	return list[T]{items, next}
}

// limit is how many items a page is to hold: 100 unless told, never above 500, never refused for its size.
func (c *call) limit() (int, error) {
	const usual, most = 100, 500
	s := c.URL.Query().Get("limit")
	if s == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil && !outOfRange(err):
		return 0, wrong(fault{"limit", "must be a whole number"})
	case n < 1:
		return usual, nil
	}
	return min(n, most), nil
}
