package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"leadfloor/router"
)

// Role says what a token may do; the table stands in the package's comment.
type Role string

// The roles.
const (
	Admin       Role = "admin"
	Manager     Role = "manager"
	Salesperson Role = "salesperson"
	CRM         Role = "crm"
	Ingest      Role = "ingest"
	Viewer      Role = "viewer"
)

// Valid says whether r is one of the roles.
func (r Role) Valid() bool {
	switch r {
	case Admin, Manager, Salesperson, CRM, Ingest, Viewer:
		return true
	}
	return false
}

// action is what a call does, as far as roles tell calls apart.
type action int

const (
	readLeads action = iota
	readFloor
	addLeads
	tellLead
	tellStore
	tellTurnover
	assign
	forget
	setFloor
	endHold
)

// may is the one place that says what a role may do.
func (r Role) may(a action) bool {
	switch r {
	case Admin:
		return true
	case Manager:
		return a != forget
	case Salesperson:
		return a == readLeads || a == readFloor || a == tellLead || a == setFloor
	case CRM:
		return a == readLeads || a == tellLead || a == tellStore || a == tellTurnover
	case Ingest:
		return a == addLeads
	case Viewer:
		return a == readLeads || a == readFloor
	}
	return false
}

// A Token is one configured bearer token. The secret itself is not kept.
type Token struct {
	Name   string            // who acts, as events keep it
	Sum    [sha256.Size]byte // SHA-256 of the secret
	Role   Role
	Person string   // on whose behalf it acts; without one a salesperson's token can only read
	Stores []string // which stores it is good for; none: all
}

// covers says whether t is good for a store.
func (t *Token) covers(store string) bool {
	return len(t.Stores) == 0 || slices.Contains(t.Stores, store)
}

// by is the person in whose name t acts at a store where the body names the given one, or nobody.
func (t *Token) by(named string, f *router.Rooftop) (string, error) {
	switch {
	case t.Role != Salesperson:
		if _, ok := f.Person(t.Person); ok && named == "" {
			return t.Person, nil
		}
		return named, nil
	case t.Person == "":
		return "", refuse(http.StatusForbidden, "this token names no person to act as")
	case named != "" && named != t.Person:
		return "", refuse(http.StatusForbidden, "this token acts as %q only", t.Person)
	}
	return t.Person, nil
}

// Auth knows the tokens. It may be used by many goroutines.
type Auth struct {
	tokens atomic.Pointer[[]Token]
}

// NewAuth knows the given tokens; with none, every call is allowed as the admin "local".
func NewAuth(tokens []Token) *Auth {
	a := new(Auth)
	a.Replace(tokens)
	return a
}

// Replace makes the given tokens the only ones, for all calls that begin from now on.
func (a *Auth) Replace(tokens []Token) {
	tokens = slices.Clone(tokens)
	a.tokens.Store(&tokens)
}

// caller finds the token that a request bears. Every configured token is compared, in constant time, so that the time taken tells
// nothing about which of them came near.
func (a *Auth) caller(r *http.Request) (*Token, error) {
	tokens := *a.tokens.Load()
	if len(tokens) == 0 {
		return &Token{Name: "local", Role: Admin}, nil
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return nil, unauthorized(`Bearer realm="leadfloor"`)
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	var found *Token
	for i := range tokens {
		if subtle.ConstantTimeCompare(sum[:], tokens[i].Sum[:]) == 1 {
			found = &tokens[i]
		}
	}
	if found == nil {
		return nil, unauthorized(`Bearer realm="leadfloor", error="invalid_token"`)
	}
	return found, nil
}

func unauthorized(challenge string) error {
	f := refuse(http.StatusUnauthorized, "this call needs a bearer token that is known here")
	f.header = http.Header{"Www-Authenticate": {challenge}}
	return f
}

// Require lets only calls of one role through to next, with tokens good for every store: for what concerns the whole daemon.
func (a *Auth) Require(role Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := a.caller(r)
		if err == nil && (t.Role != role || len(t.Stores) > 0) {
			err = refuse(http.StatusForbidden, "this call needs a token of role %s that is good for all stores", role)
		}
		if err != nil {
			p, _ := problemOf(err)
			p.write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}
