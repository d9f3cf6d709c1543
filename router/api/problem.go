package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"leadfloor/router"
)

// problem is a fault as the outside sees it (RFC 9457). It is also the error that a handler returns to refuse a call.
type problem struct {
	Type        string  `json:"type"`
	Title       string  `json:"title"`
	Status      int     `json:"status"`
	Detail      string  `json:"detail"`
	Errors      []fault `json:"errors,omitempty"`      // what is wrong with the content, field by field
	Diagnostics any     `json:"diagnostics,omitempty"` // what is wrong with an ADF document

	header http.Header
}

// fault is what is wrong with one field; an empty field is the whole body.
type fault struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Detail }

// refuse is a problem of the given status.
func refuse(status int, format string, args ...any) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: cut(fmt.Sprintf(format, args...))}
}

// wrong is a 422 that says everything that is wrong with the content.
func wrong(faults ...fault) *problem {
	texts := make([]string, len(faults))
	for i := range faults {
		faults[i].Field, faults[i].Detail = cut(faults[i].Field), cut(faults[i].Detail)
		texts[i] = faults[i].Detail
		if faults[i].Field != "" {
			texts[i] = faults[i].Field + ": " + faults[i].Detail
		}
	}
	p := refuse(http.StatusUnprocessableEntity, "%s", strings.Join(texts, "; "))
	p.Errors = faults
	return p
}

// cut bounds what is echoed of a sender's own text.
func cut(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// retryAfter is when to ask again a store that cannot be asked now, in seconds.
const retryAfter = 5

// problemOf maps every error to what the outside may know of it. What it cannot tell is internal: to be logged, not to be shown.
func problemOf(err error) (p *problem, internal bool) {
	var (
		large    *http.MaxBytesError
		content  *router.FaultError
		rejected *Rejected
		ended    *router.EndedError
	)
	switch {
	case errors.As(err, &p):
		return p, false
	case errors.As(err, &large):
		return refuse(http.StatusRequestEntityTooLarge, "the body is over %d bytes", large.Limit), false
	case errors.As(err, &content):
		return wrong(fault{content.Field, content.Text}), false
	case errors.As(err, &rejected):
		p = refuse(http.StatusUnprocessableEntity, "%s", rejected.Error())
		p.Diagnostics = rejected.Diagnostics
		return p, false
	case errors.As(err, &ended):
		return refuse(http.StatusConflict, "%s", ended.Error()), false
	case errors.Is(err, router.ErrNotFound):
		return refuse(http.StatusNotFound, "nothing of that id is known here"), false
	case errors.Is(err, router.ErrConflict):
		return refuse(http.StatusConflict, "it was changed by somebody else meanwhile: read it again"), false
	}
	p = refuse(http.StatusServiceUnavailable, "the store cannot be asked now: try again")
	p.header = http.Header{"Retry-After": {strconv.Itoa(retryAfter)}}
	return p, true
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil { // diagnostics that are no JSON
		bare := *p
		bare.Diagnostics = nil
		body, _ = json.Marshal(&bare)
	}
	maps.Copy(w.Header(), p.header)
	send(w, p.Status, "application/problem+json", body)
}
