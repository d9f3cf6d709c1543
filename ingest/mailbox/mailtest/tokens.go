package mailtest

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tokens is a token endpoint (RFC 6749) whose access tokens a Dovecot takes for its user's. It knows the grants of refresh
// tokens, clients and service accounts. Set its fields before it is used, or by Change.
type Tokens struct {
	URL string // https

	ClientID, ClientSecret string
	InBody                 bool           // the client's credentials are not taken by header
	Refresh                string         // the one that is valid
	Rotate                 bool           // each refresh token is good for one use
	Account                *rsa.PublicKey // of service@example.com
	Life                   time.Duration  // of access tokens
	// Answer, where set, speaks in its place when it gives true.
	Answer func(w http.ResponseWriter, form url.Values) bool

	// Client trusts the endpoint.
	Client *http.Client

	key  []byte
	user string

	mu     sync.Mutex
	issued int
	forms  []url.Values
}

// NewTokens starts a token endpoint for the server's user. It ends with the test.
func NewTokens(t testing.TB, s *Server) *Tokens {
	t.Helper()
	o := &Tokens{ClientID: "client", ClientSecret: "client-secret", Refresh: "refresh-1", Life: time.Hour, user: s.User}
	if b, ok := s.backend.(*dovecotBackend); ok {
		o.key = b.tokenKey
	}
	server := httptest.NewTLSServer(o)
	t.Cleanup(server.Close)
	o.URL, o.Client = server.URL+"/token", server.Client()
	return o
}

// Change changes the endpoint while it is in use.
func (o *Tokens) Change(f func(o *Tokens)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(o)
}

// Forms lists what was asked.
func (o *Tokens) Forms() []url.Values {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]url.Values(nil), o.forms...)
}

// ServeHTTP implements http.Handler.
func (o *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.ParseForm() != nil {
		return
	}
	form := r.PostForm
	o.forms = append(o.forms, form)
	if o.Answer != nil && o.Answer(w, form) {
		return
	}
	id, secret, header := r.BasicAuth()
	if !header {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	byClient := id == o.ClientID && secret == o.ClientSecret && !(header && o.InBody)
	answer := map[string]any{"token_type": "Bearer", "expires_in": int(o.Life.Seconds())}
	user := o.user
	switch grant := form.Get("grant_type"); {
	case grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
		if user = o.assertedUser(form.Get("assertion")); user == "" {
			Refuse(w, http.StatusBadRequest, "invalid_grant", "Invalid JWT Signature.")
			return
		}
	case !byClient:
		Refuse(w, http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided: "+secret)
		return
	case grant == "refresh_token":
		if form.Get("refresh_token") != o.Refresh {
			Refuse(w, http.StatusBadRequest, "invalid_grant", "no such refresh token: "+form.Get("refresh_token"))
			return
		}
		if o.Rotate {
			o.Refresh += "+"
			answer["refresh_token"] = o.Refresh
		}
	case grant != "client_credentials":
		Refuse(w, http.StatusBadRequest, "unsupported_grant_type", "")
		return
	}
	o.issued++
	answer["access_token"] = o.access(user)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a client that is gone needs none
}

// Refuse answers as a token endpoint that refuses.
func Refuse(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description}) // as above
}

// access makes a token in JWT, signed with the key that Dovecot knows.
func (o *Tokens) access(user string) string {
	now := time.Now()
	header, _ := json.Marshal(map[string]string{"alg": "HS256", "typ": "JWT"}) // strings and numbers have JSON
	claims, _ := json.Marshal(map[string]any{"sub": user, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(o.Life).Unix(), "n": o.issued})
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	mac := hmac.New(sha256.New, o.key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// assertedUser is whom a service account's assertion is for, "" where its signature or its claims are not as they should be.
func (o *Tokens) assertedUser(assertion string) string {
	text, signature, _ := cutLast(assertion, ".")
	_, payload, _ := strings.Cut(text, ".")
	sum := sha256.Sum256([]byte(text))
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || o.Account == nil || rsa.VerifyPKCS1v15(o.Account, crypto.SHA256, sum[:], raw) != nil {
		return ""
	}
	var claims struct {
		Iss, Sub, Aud, Scope string
		Exp                  int64
	}
	claim, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(claim, &claims) != nil || claims.Iss != "service@example.com" || claims.Aud != o.URL ||
		claims.Scope != "https://mail.google.com/" || claims.Exp < time.Now().Unix() {
		return ""
	}
	return claims.Sub
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
