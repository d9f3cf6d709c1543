package mailbox

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/endpoints"
)

// The providers of access tokens. A custom one has a TokenURL of its own.
const (
	Google    = "google"
	Microsoft = "microsoft"
	Custom    = "custom"
)

// OAuth2 gets the access tokens that a mailbox logs in with (RFC 6749), by one of three grants: a refresh token, Google's
// service account, or else the client's own credentials. It keeps the token in use, so its copies are one: share the pointer.
type OAuth2 struct {
	Provider string
	ClientID string
	Tenant   string   // Microsoft's directory
	TokenURL string   // the provider's own when empty
	Scopes   []string // what reading mail needs at the provider when empty
	// These are asked at each use, so that a rotated file is read anew; nil where there is none.
	ClientSecret   func() (string, error)
	RefreshToken   func() (string, error)
	ServiceAccount func() (string, error) // Google's key file, JSON
	// Keep puts a refresh token in the place of the one that RefreshToken gives, before the new one is used. It is needed
	// beside RefreshToken.
	Keep func(token string) error
	// TLSConfig is for the connection to TokenURL; nil takes the system's roots.
	TLSConfig *tls.Config

	transport http.RoundTripper // of tests

	mu     sync.Mutex
	token  string
	renew  time.Time        // when to get another; zero: never
	style  oauth2.AuthStyle // how the endpoint takes the client's credentials; zero: not known yet
	given  string           // the refresh token as RefreshToken last gave it,
	newer  string           // and what replaced it, where that could not be kept
	unkept error            // why not
}

const (
	// tokenTimeout bounds one request for an access token.
	tokenTimeout = 30 * time.Second
	// renewEarly is how long before its end a token is replaced, a quarter of its life at most: providers cut the
	// sessions of expired tokens, and that should not happen within a FETCH.
	renewEarly = 5 * time.Minute
	// leastSession bounds how often a session ends for its token's sake.
	leastSession = time.Minute
)

// validate names what is missing.
func (o *OAuth2) validate(fault func(format string, args ...any)) {
	switch {
	case !slices.Contains([]string{Google, Microsoft, Custom}, o.Provider):
		fault("oauth2 provider %q is not one of google, microsoft, custom", o.Provider)
	case o.Provider == Custom && o.TokenURL == "":
		fault("oauth2 token url is missing")
	case o.Provider == Microsoft && o.Tenant == "" && o.TokenURL == "":
		fault("oauth2 tenant is missing")
	}
	if o.ClientID == "" && o.ServiceAccount == nil {
		fault("oauth2 client id is missing")
	}
	if o.RefreshToken == nil && o.ServiceAccount == nil && (o.ClientSecret == nil || o.Provider == Google && o.TokenURL == "") {
		fault("oauth2 has nothing to get a token for")
	}
}

func (o *OAuth2) url() string {
	switch {
	case o.TokenURL != "":
		return o.TokenURL
	case o.Provider == Microsoft:
		return endpoints.AzureAD(o.Tenant).TokenURL
	default:
		return endpoints.Google.TokenURL
	}
}

func (o *OAuth2) scopes() []string {
	switch {
	case len(o.Scopes) > 0:
		return o.Scopes
	case o.Provider == Microsoft && o.RefreshToken != nil:
		return []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"}
	case o.Provider == Microsoft:
		return []string{"https://outlook.office365.com/.default"}
	case o.ServiceAccount != nil:
		return []string{"https://mail.google.com/"}
	}
	return nil // those that the refresh token was given for
}

// access gives an access token for the user, and until when a session on it should last; zero: as long as it likes.
func (o *OAuth2) access(ctx context.Context, user string) (token string, until time.Time, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.token == "" || !o.renew.IsZero() && !now.Before(o.renew) {
		t, err := o.fetch(ctx, user)
		if err != nil {
			return "", time.Time{}, err
		}
		o.token, o.renew = t.AccessToken, time.Time{}
		if !t.Expiry.IsZero() {
			o.renew = t.Expiry.Add(-min(renewEarly, t.Expiry.Sub(now)/4))
		}
	}
	if until = o.renew; !until.IsZero() && until.Before(now.Add(leastSession)) {
		until = now.Add(leastSession)
	}
	return o.token, until, nil
}

// refuse forgets a token that the server would not take: the next one is asked for.
func (o *OAuth2) refuse(token string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.token == token {
		o.token = ""
	}
}

// Unkept says why the refresh token that the provider gave in the place of another could not be kept, nil where it was.
func (o *OAuth2) Unkept() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unkept
}

// fetch asks the provider for a token.
func (o *OAuth2) fetch(ctx context.Context, user string) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	client := &http.Client{
		Transport: o.transport,
		// Whoever answers elsewhere is not whom the secrets are for.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if client.Transport == nil {
		t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLSConfig, DisableKeepAlives: true, ForceAttemptHTTP2: true}
		defer t.CloseIdleConnections()
		client.Transport = t
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	for again := false; ; again = true {
		grant, refresh, err := o.grant(user)
		if err != nil {
			return nil, err
		}
		token, err := o.ask(ctx, grant)
		if err == nil {
			o.keep(refresh, token.RefreshToken)
			return token, nil
		}
		if code, _ := refusalCode(err); code == "invalid_grant" && !again && o.RefreshToken != nil {
			// Another process may just have exchanged it.
			if now, err := o.RefreshToken(); err == nil && now != o.given {
				continue
			}
		}
		return nil, o.explain(err)
	}
}

// ask makes one request. Its error is golang.org/x/oauth2's own.
func (o *OAuth2) ask(ctx context.Context, grant url.Values) (*oauth2.Token, error) {
	c := &clientcredentials.Config{
		ClientID: o.ClientID, TokenURL: o.url(), Scopes: o.scopes(), EndpointParams: grant, AuthStyle: oauth2.AuthStyleInParams,
	}
	if o.ServiceAccount != nil {
		c.ClientID = "" // the assertion says who asks
	} else if o.ClientSecret != nil {
		var err error
		if c.ClientSecret, err = o.ClientSecret(); err != nil {
			return nil, &failure{reason: ReasonAuth, advice: "make client_secret_file readable", err: err}
		}
	}
	styles := []oauth2.AuthStyle{oauth2.AuthStyleInParams}
	switch {
	case o.style != 0:
		styles[0] = o.style
	case o.Provider == Custom && c.ClientSecret != "":
		// RFC 6749 wants every endpoint to take a header, and some take the body alone.
		styles = []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams}
	}
	var token *oauth2.Token
	var err error
	for _, c.AuthStyle = range styles {
		if token, err = c.Token(ctx); err == nil {
			o.style = c.AuthStyle
			return token, nil
		}
		if code, status := refusalCode(err); code != "invalid_client" && code != "invalid_request" && status != http.StatusUnauthorized {
			break
		}
	}
	return nil, err
}

// grant gives what the request says beyond the client and the scopes, and the refresh token in it.
func (o *OAuth2) grant(user string) (values url.Values, refresh string, err error) {
	switch {
	case o.RefreshToken != nil:
		given, err := o.RefreshToken()
		if err != nil {
			return nil, "", &failure{reason: ReasonAuth, advice: "make token_file readable", err: err}
		}
		refresh = given
		if o.newer != "" && given == o.given {
			refresh = o.newer
		} else {
			o.given, o.newer, o.unkept = given, "", nil
		}
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}, refresh, nil
	case o.ServiceAccount != nil:
		key, err := o.ServiceAccount()
		if err == nil {
			key, err = assertion(key, user, o.url(), o.scopes(), time.Now())
		}
		if err != nil {
			return nil, "", &failure{reason: ReasonAuth, advice: "put the service account's JSON key into service_account_file", err: err}
		}
		return url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {key}}, "", nil
	}
	return nil, "", nil
}

// keep stores the refresh token that the provider gave in the place of another. Where it cannot be stored it is used until
// this process ends, or somebody else replaces the old one.
func (o *OAuth2) keep(old, newer string) {
	if o.RefreshToken == nil || newer == "" || newer == old {
		return
	}
	if o.unkept = o.Keep(newer); o.unkept == nil {
		o.given, o.newer = newer, ""
	} else {
		o.newer = newer
	}
}

// assertion signs in as the user by a service account's key (RFC 7523).
func assertion(key, user, audience string, scopes []string, now time.Time) (string, error) {
	var account struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
		ID    string `json:"private_key_id"`
	}
	// The errors of these say where, and may quote what: it is a secret.
	if json.Unmarshal([]byte(key), &account) != nil {
		return "", errors.New("read service account: it is no JSON")
	}
	block, _ := pem.Decode([]byte(account.Key))
	if account.Email == "" || block == nil {
		return "", errors.New("read service account: client_email or private_key is missing")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return "", errors.New("read service account: private_key is no RSA key in PKCS #8")
	}
	header, _ := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": account.ID}) // strings have JSON
	claims, _ := json.Marshal(map[string]any{
		"iss": account.Email, "sub": user, "aud": audience, "scope": strings.Join(scopes, " "),
		"iat": now.Add(-10 * time.Second).Unix(), "exp": now.Add(time.Hour - time.Minute).Unix(),
	})
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:])
	if err != nil {
		return "", errors.New("sign with the service account's key: the key is too small")
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// refusalCode is the provider's own word for why it refused (RFC 6749, section 5.2), and the HTTP status; "" and 0 where it
// did not answer.
func refusalCode(err error) (code string, status int) {
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) || said.Response == nil {
		return "", 0
	}
	return said.ErrorCode, said.Response.StatusCode
}

// entraCode is the number that Microsoft gives each of its refusals, and explains on a page of its own.
var entraCode = regexp.MustCompile(`\bAADSTS[0-9]{4,8}\b`)

// explain makes one sentence of a failed request. Of the provider's words the code alone is repeated: what it says beyond
// may hold what it was sent.
func (o *OAuth2) explain(err error) error {
	where := o.url()
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) || said.Response == nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // the rest stands before it
		}
		f := asFailure(fmt.Errorf("ask %s for a token: %w", where, err))
		f.advice = connectAdvice("token_url", err)
		if f.reason == ReasonProtocol {
			f.err = fmt.Errorf("ask %s for a token: its answer cannot be read", where)
			f.advice = "correct token_url"
		}
		return f
	}
	code, status := refusalCode(err)
	text := fmt.Sprintf("status %d", status)
	if code != "" {
		text += " " + clip(strings.Map(printable, code))
	}
	if number := entraCode.FindString(said.ErrorDescription); number != "" {
		text += " " + number
	}
	f = failf(ReasonAuth, "ask %s for a token: it refuses with %s", where, text)
	f.advice = o.advice(code, status)
	switch {
	case status == http.StatusTooManyRequests:
		f.reason = ReasonThrottled
		if s, err := strconv.Atoi(said.Response.Header.Get("Retry-After")); err == nil && s > 0 {
			f.wait = min(time.Duration(s)*time.Second, maxSuggested)
		}
	case status >= 500, code == "temporarily_unavailable", code == "server_error":
		f.reason = ReasonNetwork
	case status < 400 && code == "":
		f.reason = ReasonProtocol
	}
	return f
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// advice says what to do about a refusal.
func (o *OAuth2) advice(code string, status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "the provider asks to be left alone for a while"
	case status >= 500, code == "temporarily_unavailable", code == "server_error":
		return "the provider is in trouble; leadfloor tries again"
	case code == "invalid_client" && o.ClientSecret != nil:
		return "the client is revoked or its secret expired: correct client_id and client_secret_file"
	case code == "invalid_client":
		return "correct client_id, or add client_secret_file"
	case o.ServiceAccount != nil && (code == "invalid_grant" || code == "unauthorized_client" || code == "access_denied"):
		return "delegate https://mail.google.com/ to the service account for the whole domain, and see that username is in it and service_account_file is its newest key"
	case o.RefreshToken != nil && slices.Contains([]string{"invalid_grant", "interaction_required", "consent_required", "login_required"}, code):
		return "the refresh token expired or was revoked: sign in anew and put the new one into token_file"
	case code == "unauthorized_client", code == "unsupported_grant_type", code == "access_denied":
		return "correct tenant and client_id, and allow the client this kind of sign-in at the provider"
	case code == "invalid_scope":
		return "correct scopes, and allow them to the client at the provider"
	case code == "" || code == "invalid_request" || code == "invalid_resource":
		return "correct token_url, tenant and client_id"
	}
	return "see the client's registration at the provider"
}

// refusedAdvice says what to do when the provider gives a token and the mail server does not take it.
func (o *OAuth2) refusedAdvice() string {
	switch {
	case o.Provider == Microsoft && o.RefreshToken == nil:
		return "give the app the permission IMAP.AccessAsApp with an administrator's consent, register it in Exchange Online with New-ServicePrincipal, and let it into the mailbox with Add-MailboxPermission"
	case o.Provider == Microsoft:
		return "see that token_file was made for username with the scope IMAP.AccessAsUser.All, and that IMAP is on for the mailbox"
	case o.Provider == Google:
		return "see that the token is for username with the scope https://mail.google.com/, and that IMAP is on for the account"
	}
	return "see that the token is for username and its scopes let it read mail"
}

// A bearer is the SASL client of OAUTHBEARER (RFC 7628) and XOAUTH2, which differ in how they say the same.
type bearer struct {
	mechanism, user, token string
	status                 string // of the server's refusal
}

// bearerMechanisms are in the order of our liking.
var bearerMechanisms = []string{"OAUTHBEARER", "XOAUTH2"}

func (b *bearer) Start() (mechanism string, response []byte, err error) {
	if b.mechanism == "XOAUTH2" {
		return b.mechanism, []byte("user=" + b.user + "\x01auth=Bearer " + b.token + "\x01\x01"), nil
	}
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(b.user)
	return b.mechanism, []byte("n,a=" + name + ",\x01auth=Bearer " + b.token + "\x01\x01"), nil
}

// Next is called with a refusal in JSON. It must be answered, by something that means nothing: only then the server says NO.
// An empty answer, as XOAUTH2 wants it, leaves go-imap as "=", which Dovecot takes for a broken one.
func (b *bearer) Next(challenge []byte) ([]byte, error) {
	if b.status != "" {
		return nil, failf(ReasonProtocol, "server goes on asking after it refused the token")
	}
	var said struct {
		Status string `json:"status"`
	}
	b.status = "unknown"
	if json.Unmarshal(challenge, &said) == nil && said.Status != "" {
		b.status = said.Status
	}
	return []byte{1}, nil
}
