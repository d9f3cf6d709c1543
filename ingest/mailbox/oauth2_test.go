package mailbox_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/ingest"
	"leadfloor/ingest/mailbox"
	"leadfloor/ingest/mailbox/mailtest"
)

func secret(s string) func() (string, error) { return func() (string, error) { return s, nil } }

// tokened gives a rig that logs in to Dovecot by tokens of the endpoint: by the refresh token, as a client with a secret.
func tokened(t *testing.T) (*rig, *mailtest.Tokens, *mailtest.Server) {
	s := dovecotAccount(t)
	o := mailtest.NewTokens(t, s)
	r := rigFor(s)
	r.cfg.Password = nil
	r.cfg.OAuth2 = &mailbox.OAuth2{
		Provider: mailbox.Custom, ClientID: "client", TokenURL: o.URL,
		ClientSecret: secret("client-secret"), RefreshToken: secret("refresh-1"),
		Keep:      func(string) error { t.Error("a refresh token was to be kept"); return nil },
		TLSConfig: o.Client.Transport.(*http.Transport).TLSClientConfig,
	}
	return r, o, s
}

// serviceAccount makes Google's key file, and the key that checks it.
func serviceAccount(t *testing.T) (file string, public *rsa.PublicKey) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "service@example.com", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text), &key.PublicKey
}

func TestLogInByToken(t *testing.T) {
	key, public := serviceAccount(t)
	for _, tt := range []struct {
		name   string
		change func(c *mailbox.OAuth2, o *mailtest.Tokens)
		asked  []url.Values // without the assertion
	}{
		{"custom, refresh token", func(c *mailbox.OAuth2, o *mailtest.Tokens) {},
			[]url.Values{{"grant_type": {"refresh_token"}, "refresh_token": {"refresh-1"}}}},
		{"custom, client", func(c *mailbox.OAuth2, o *mailtest.Tokens) { c.RefreshToken, c.Scopes = nil, []string{"mail", "read"} },
			[]url.Values{{"grant_type": {"client_credentials"}, "scope": {"mail read"}}}},
		{"custom, client in the body", func(c *mailbox.OAuth2, o *mailtest.Tokens) { c.RefreshToken, o.InBody = nil, true },
			[]url.Values{{"grant_type": {"client_credentials"}},
				{"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {"client-secret"}}}},
		{"custom, client without a secret", func(c *mailbox.OAuth2, o *mailtest.Tokens) { c.ClientSecret, o.ClientSecret = nil, "" },
			[]url.Values{{"grant_type": {"refresh_token"}, "refresh_token": {"refresh-1"}, "client_id": {"client"}}}},
		{"google, refresh token", func(c *mailbox.OAuth2, o *mailtest.Tokens) { c.Provider = mailbox.Google },
			[]url.Values{{"grant_type": {"refresh_token"}, "refresh_token": {"refresh-1"}, "client_id": {"client"}, "client_secret": {"client-secret"}}}},
		{"google, service account", func(c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.Provider, c.ClientID, c.ClientSecret, c.RefreshToken, c.ServiceAccount = mailbox.Google, "", nil, nil, secret(key)
			o.Account = public
		}, []url.Values{{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "scope": {"https://mail.google.com/"}}}},
		{"microsoft, refresh token", func(c *mailbox.OAuth2, o *mailtest.Tokens) { c.Provider = mailbox.Microsoft },
			[]url.Values{{"grant_type": {"refresh_token"}, "refresh_token": {"refresh-1"}, "client_id": {"client"}, "client_secret": {"client-secret"},
				"scope": {"https://outlook.office.com/IMAP.AccessAsUser.All offline_access"}}}},
		{"microsoft, client", func(c *mailbox.OAuth2, o *mailtest.Tokens) { c.Provider, c.RefreshToken = mailbox.Microsoft, nil },
			[]url.Values{{"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {"client-secret"},
				"scope": {"https://outlook.office365.com/.default"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, o, _ := tokened(t)
			tt.change(r.cfg.OAuth2, o)
			for range 2 { // the second takes the token that the first was given
				if err := mailbox.Check(t.Context(), r.cfg); err != nil {
					t.Fatalf("Check = %v, want nil", err)
				}
			}
			asked := o.Forms()
			for _, form := range asked {
				form.Del("assertion")
			}
			if diff := cmp.Diff(asked, tt.asked); diff != "" {
				t.Errorf("asked (-got +want):\n%s", diff)
			}
		})
	}
}

// Exchange Online knows XOAUTH2 alone.
func TestLogInByXOAUTH2(t *testing.T) {
	r, _, s := tokened(t)
	s.Append(t, arrived, leads(1, 3)...)
	var said bytes.Buffer
	r.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := s.Dial(ctx, network, addr)
		return &hiding{Conn: conn, word: "AUTH=OAUTHBEARER", said: &said}, err
	}
	stop := r.run(t)
	r.observer.Await(t, "3 leads", settled(ingest.FateLead, 3))
	stop()
	if !strings.Contains(said.String(), "AUTHENTICATE XOAUTH2 ") {
		t.Error("the client did not log in by XOAUTH2")
	}
}

// Dovecot takes the wrong answer to its refusal for a broken command: with the right one it says why.
func TestXOAUTH2Refused(t *testing.T) {
	r, o, s := tokened(t)
	o.Life = -time.Hour
	r.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := s.Dial(ctx, network, addr)
		return &hiding{Conn: conn, word: "AUTH=OAUTHBEARER", said: &bytes.Buffer{}}, err
	}
	stop := r.run(t)
	r.observer.Await(t, "the refusal", func(o mailtest.Observed) bool { return o.Errors[mailbox.ReasonAuth] > 0 })
	stop()
	if log := r.log.String(); !strings.Contains(log, "NO [AUTHENTICATIONFAILED]") {
		t.Errorf("log = %s, want the server's own reason", log)
	}
}

// A hiding connection takes a word out of what the server says, and keeps what the client says.
type hiding struct {
	net.Conn
	word string
	said *bytes.Buffer
}

func (h *hiding) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	copy(p, bytes.ReplaceAll(p[:n], []byte(h.word), bytes.Repeat([]byte("X"), len(h.word))))
	return n, err
}

func (h *hiding) Write(p []byte) (int, error) {
	h.said.Write(p)
	return h.Conn.Write(p)
}

// Every refusal is one sentence that says what to do, in check and in the log alike, and no secret is in it.
func TestTokenRefusals(t *testing.T) {
	key, public := serviceAccount(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	answer := func(status int, code, description string) func(http.ResponseWriter, url.Values) bool {
		return func(w http.ResponseWriter, form url.Values) bool {
			w.Header().Set("Retry-After", "120")
			mailtest.Refuse(w, status, code, description+" "+form.Get("refresh_token")+form.Get("client_secret"))
			return true
		}
	}
	text := func(status int, kind, body string) func(http.ResponseWriter, url.Values) bool {
		return func(w http.ResponseWriter, _ url.Values) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	for _, tt := range []struct {
		name   string
		change func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens)
		reason string
		want   []string
	}{
		{"revoked or expired refresh token", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { o.Refresh = "another" },
			mailbox.ReasonAuth, []string{`"invalid_grant"`, "expired or was revoked: sign in anew and put the new one into token_file"}},
		{"revoked client", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { o.ClientSecret = "another" },
			mailbox.ReasonAuth, []string{`"invalid_client" AADSTS7000215`, "correct client_id and client_secret_file"}},
		{"revoked client without a secret", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { c.ClientSecret = nil },
			mailbox.ReasonAuth, []string{`"invalid_client"`, "or add client_secret_file"}},
		{"unknown tenant", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.Provider, o.Answer = mailbox.Microsoft, answer(400, "invalid_request", "AADSTS90002: Tenant 'x' not found.")
		}, mailbox.ReasonAuth, []string{`"invalid_request" AADSTS90002`, "correct token_url, tenant and client_id"}},
		{"unknown client", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.Provider, c.RefreshToken, o.Answer = mailbox.Microsoft, nil, answer(400, "unauthorized_client", "AADSTS700016: Application was not found")
		}, mailbox.ReasonAuth, []string{"AADSTS700016", "correct tenant and client_id"}},
		{"scope not allowed", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { o.Answer = answer(400, "invalid_scope", "") },
			mailbox.ReasonAuth, []string{`"invalid_scope"`, "correct scopes"}},
		{"consent taken back", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			o.Answer = answer(400, "interaction_required", "AADSTS50076")
		}, mailbox.ReasonAuth, []string{"sign in anew"}},
		{"a word of the provider's own", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { o.Answer = answer(400, "no\r\nway", "") },
			mailbox.ReasonAuth, []string{`"noway"`, "see the client's registration"}},
		{"service account not delegated", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.RefreshToken, c.ClientSecret, c.ServiceAccount = nil, nil, secret(key)
			o.Account, o.Answer = public, answer(401, "unauthorized_client", "Client is unauthorized to retrieve access tokens")
		}, mailbox.ReasonAuth, []string{`"unauthorized_client"`, "delegate https://mail.google.com/"}},
		{"no service account", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.RefreshToken, c.ServiceAccount = nil, secret("refresh-1")
		}, mailbox.ReasonAuth, []string{"it is no JSON: put the service account's JSON key into service_account_file"}},
		{"unreadable token", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.RefreshToken = func() (string, error) { return "", errors.New("open token: permission denied") }
		}, mailbox.ReasonAuth, []string{"permission denied: make token_file readable"}},
		{"unreadable secret", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.ClientSecret = func() (string, error) { return "", errors.New("open secret: permission denied") }
		}, mailbox.ReasonAuth, []string{"permission denied: make client_secret_file readable"}},
		{"endpoint in trouble", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			o.Answer = text(503, "text/html", "<h1>Sorry</h1>")
		},
			mailbox.ReasonNetwork, []string{"status 503", "the provider is in trouble; leadfloor tries again"}},
		{"endpoint throttles", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			o.Answer = answer(429, "temporarily_unavailable", "")
		},
			mailbox.ReasonThrottled, []string{"status 429", "left alone for a while"}},
		{"no endpoint there", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { o.Answer = text(404, "text/html", "not found") },
			mailbox.ReasonAuth, []string{"status 404", "correct token_url"}},
		{"endpoint elsewhere", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			o.Answer = func(w http.ResponseWriter, _ url.Values) bool {
				w.Header().Set("Location", o.URL)
				w.WriteHeader(http.StatusTemporaryRedirect)
				return true
			}
		}, mailbox.ReasonProtocol, []string{"status 307", "correct token_url"}},
		{"endpoint speaks in riddles", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			o.Answer = text(200, "application/json", "refresh-1")
		},
			mailbox.ReasonProtocol, []string{"its answer cannot be read: correct token_url"}},
		{"endpoint without a token", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { o.Answer = text(200, "application/json", "{}") },
			mailbox.ReasonProtocol, []string{"its answer cannot be read"}},
		{"endpoint down", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.TokenURL = "https://" + nobody.Addr().String() + "/token"
		},
			mailbox.ReasonNetwork, []string{nobody.Addr().String(), "connection refused", "correct the port in token_url"}},
		{"endpoint of no host", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { c.TokenURL = "https://login.invalid/token" },
			mailbox.ReasonNetwork, []string{"login.invalid", "correct the host in token_url"}},
		{"endpoint with a bad certificate", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { c.TLSConfig = nil },
			mailbox.ReasonTLS, []string{"unknown authority", "nobody this machine trusts"}},
		{"expired access token", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { o.Life = -time.Hour },
			mailbox.ReasonAuth, []string{"log in to ", "token refused with status", "see that the token is for username"}},
		{"somebody else's token", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) { r.cfg.Username = "somebody" },
			mailbox.ReasonAuth, []string{"token refused", "see that the token is for username"}},
		{"google's user without IMAP", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.Provider, r.cfg.Username = mailbox.Google, "somebody"
		}, mailbox.ReasonAuth, []string{"https://mail.google.com/, and that IMAP is on"}},
		{"microsoft's app without the mailbox", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.Provider, c.RefreshToken, r.cfg.Username = mailbox.Microsoft, nil, "somebody"
		}, mailbox.ReasonAuth, []string{"IMAP.AccessAsApp", "Add-MailboxPermission"}},
		{"microsoft's user without IMAP", func(r *rig, c *mailbox.OAuth2, o *mailtest.Tokens) {
			c.Provider, r.cfg.Username = mailbox.Microsoft, "somebody"
		}, mailbox.ReasonAuth, []string{"IMAP.AccessAsUser.All"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, o, _ := tokened(t)
			tt.change(r, r.cfg.OAuth2, o)
			err := mailbox.Check(t.Context(), r.cfg)
			if err == nil {
				t.Fatal("Check = nil, want a refusal")
			}
			stop := r.run(t)
			r.observer.Await(t, "the failure", func(o mailtest.Observed) bool { return o.Errors[tt.reason] > 0 })
			stop()
			log := strings.ReplaceAll(r.log.String(), `\"`, `"`)
			for _, words := range tt.want {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("Check = %v, want it to say %q", err, words)
				}
				if !strings.Contains(log, words) {
					t.Errorf("log = %s, want it to say %q", log, words)
				}
			}
			for _, secret := range []string{"refresh-1", "client-secret", "eyJ", "PRIVATE"} {
				if strings.Contains(err.Error()+log, secret) {
					t.Errorf("a secret is shown: %v\n%s", err, log)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("Check = %q, want one line", err)
			}
		})
	}
}

// A provider may give a new refresh token at each use and end the old one: the new one is kept before it is used.
func TestRefreshTokenIsReplaced(t *testing.T) {
	r, o, _ := tokened(t)
	o.Rotate = true
	file := "refresh-1"
	r.cfg.OAuth2.RefreshToken = func() (string, error) { return file, nil }
	r.cfg.OAuth2.Keep = func(token string) error { file = token; return nil }
	for range 3 {
		o.Life += time.Minute
		cfg := r.cfg
		cfg.OAuth2 = &mailbox.OAuth2{
			Provider: mailbox.Custom, ClientID: "client", TokenURL: o.URL, ClientSecret: secret("client-secret"),
			RefreshToken: r.cfg.OAuth2.RefreshToken, Keep: r.cfg.OAuth2.Keep, TLSConfig: r.cfg.OAuth2.TLSConfig,
		}
		if err := mailbox.Check(t.Context(), cfg); err != nil { // as another process does
			t.Fatal(err)
		}
	}
	if file != "refresh-1+++" {
		t.Errorf("kept %q, want the newest", file)
	}
	// Another process is quicker: what it put there counts.
	reads := 0
	r.cfg.OAuth2.RefreshToken = func() (string, error) {
		if reads++; reads == 1 {
			return "refresh-1", nil
		}
		return file, nil
	}
	if err := mailbox.Check(t.Context(), r.cfg); err != nil {
		t.Errorf("Check = %v, want that the newer token is tried", err)
	}
}

// canned answers requests for tokens within a bubble.
type canned struct {
	mu   sync.Mutex
	n    int
	life time.Duration
	used []string // refresh tokens
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	c.n++
	c.used = append(c.used, r.PostForm.Get("refresh_token"))
	body := fmt.Sprintf(`{"access_token":"token-%d","refresh_token":"refresh-%d","expires_in":%d}`, c.n, c.n, int(c.life.Seconds()))
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func (c *canned) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// tokenScripted is scripted with log-in by XOAUTH2 and tokens that live so long.
func tokenScripted(t *testing.T, life time.Duration, test func(t *testing.T, s *mailtest.Script, r *rig, c *canned)) {
	scripted(t, func(t *testing.T, s *mailtest.Script, r *rig) {
		s.Caps = "IMAP4rev1 IDLE MOVE UIDPLUS SASL-IR LOGINDISABLED AUTH=XOAUTH2"
		c := &canned{life: life}
		r.cfg.Password = nil
		r.cfg.OAuth2 = &mailbox.OAuth2{Provider: mailbox.Microsoft, Tenant: "example.com", ClientID: "client", ClientSecret: secret("s")}
		r.cfg.OAuth2.SetTransport(c)
		test(t, s, r, c)
	})
}

// response is the token that an AUTHENTICATE XOAUTH2 shows.
func response(t *testing.T, command string) string {
	_, initial, _ := strings.Cut(command, "AUTHENTICATE XOAUTH2 ")
	text, err := base64.StdEncoding.DecodeString(initial)
	if err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	return strings.ReplaceAll(string(text), "\x01", "|")
}

// Exchange Online ends the session of an expired token, perhaps within a FETCH: sessions end themselves before that.
func TestSessionEndsBeforeItsToken(t *testing.T) {
	tokenScripted(t, time.Hour, func(t *testing.T, s *mailtest.Script, r *rig, c *canned) {
		r.run(t)
		after(54 * time.Minute)
		if got := []int{s.Dials(), c.asked()}; !slices.Equal(got, []int{1, 1}) {
			t.Errorf("connections and tokens after 54 minutes = %v, want one each", got)
		}
		after(2 * time.Minute)
		if got := []int{s.Dials(), c.asked()}; !slices.Equal(got, []int{2, 2}) {
			t.Errorf("connections and tokens after 56 minutes = %v, want two each", got)
		}
		s.Hangup() // whatever else breaks costs no token
		s.Add(arrived, lead(1))
		after(time.Minute)
		if got := []int{s.Dials(), c.asked()}; !slices.Equal(got, []int{3, 2}) {
			t.Errorf("connections and tokens after a break = %v, want 3 and 2", got)
		}
		after(9 * time.Hour)
		r.all(t, leads(1, 1))
		r.errors(t, map[string]int{mailbox.ReasonNetwork: 1})
		if n := c.asked(); n < 10 || n > 12 {
			t.Errorf("tokens in ten hours = %d, want one an hour", n)
		}
		var shown []string
		for _, command := range s.Commands() {
			if strings.HasPrefix(command, "AUTHENTICATE") {
				shown = append(shown, response(t, command))
			}
		}
		if want := "user=store|auth=Bearer token-2||"; len(shown) < 3 || shown[2] != want {
			t.Errorf("third log-in shows %q, want %q", shown, want)
		}
	})
}

// However short a token's life, its sessions do some work; and one without an end is no reason to leave.
func TestTokensOfOddLives(t *testing.T) {
	for life, want := range map[time.Duration][2]int{0: {1, 1}, time.Second: {50, 62}, 2 * time.Minute: {39, 42}} {
		t.Run(life.String(), func(t *testing.T) {
			tokenScripted(t, life, func(t *testing.T, s *mailtest.Script, r *rig, c *canned) {
				r.run(t)
				s.Add(arrived, lead(1))
				after(time.Hour)
				r.all(t, leads(1, 1))
				if n := s.Dials(); n < want[0] || n > want[1] || n != c.asked() {
					t.Errorf("connections in an hour = %d with %d tokens, want %v", n, c.asked(), want)
				}
				r.errors(t, map[string]int{})
			})
		})
	}
}

// A server that does not take a token says why in JSON and waits for an answer. The same token is not shown twice.
func TestTokenTakenBackBeforeItsTime(t *testing.T) {
	tokenScripted(t, time.Hour, func(t *testing.T, s *mailtest.Script, r *rig, c *canned) {
		s.Add(arrived, lead(1))
		tag, answers := "", 0
		s.On("AUTHENTICATE", once(func(c *mailtest.ScriptConn, t, args string) bool {
			tag = t
			c.Send("+ %s", base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"bearer","scope":"https://mail.google.com/"}`)))
			return true
		}))
		s.On("", func(c *mailtest.ScriptConn, line, _ string) bool {
			answers++
			c.Send("%s NO AUTHENTICATE failed.", tag)
			return true
		})
		r.run(t)
		after(time.Minute)
		r.all(t, leads(1, 1))
		r.errors(t, map[string]int{mailbox.ReasonAuth: 1})
		if answers != 1 || s.Dials() != 2 || c.asked() != 2 {
			t.Errorf("answers, connections and tokens = %d, %d, %d, want 1, 2, 2", answers, s.Dials(), c.asked())
		}
		if log := r.log.String(); !strings.Contains(log, `token refused with status \"400\"`) || !strings.Contains(log, "Add-MailboxPermission") || strings.Contains(log, "token-1") {
			t.Errorf("log = %s", log)
		}
	})
}

// Exchange lets an app in that may not see the mailbox, and refuses all that follows: no reason to hammer it.
func TestAuthenticatedButNotConnected(t *testing.T) {
	tokenScripted(t, time.Hour, func(t *testing.T, s *mailtest.Script, r *rig, c *canned) {
		s.On("EXAMINE", refuse("BAD User is authenticated but not connected."))
		r.run(t)
		after(2 * time.Hour)
		if n := s.Dials(); n < 4 || n > 8 {
			t.Errorf("connections in two hours = %d, want 4 to 8", n)
		}
		if log := r.log.String(); !strings.Contains(log, "let username into the mailbox") || strings.Count(log, "mailbox down") != 1 {
			t.Errorf("log = %s", log)
		}
	})
}

// Where the new refresh token cannot be kept, it serves until the process ends, and the log says so; a file that was
// replaced by hand counts.
func TestRefreshTokenThatCannotBeKept(t *testing.T) {
	tokenScripted(t, time.Hour, func(t *testing.T, s *mailtest.Script, r *rig, c *canned) {
		var file atomic.Value
		file.Store("first")
		r.cfg.OAuth2.RefreshToken = func() (string, error) { return file.Load().(string), nil }
		r.cfg.OAuth2.Keep = func(string) error { return errors.New("write token: read-only file system") }
		r.run(t)
		after(time.Minute)
		if log := r.log.String(); !strings.Contains(log, "cannot be kept") || !strings.Contains(log, "read-only file system") {
			t.Errorf("log = %s", log)
		}
		after(2 * time.Hour)
		file.Store("by-hand")
		after(time.Hour)
		if diff := cmp.Diff(c.used, []string{"first", "refresh-1", "refresh-2", "by-hand"}); diff != "" {
			t.Errorf("refresh tokens used (-got +want):\n%s", diff)
		}
		r.errors(t, map[string]int{})
	})
}

func TestServerWithoutTokens(t *testing.T) {
	r, o, _ := tokened(t)
	s := mailtest.NewScript(t)
	r.cfg.Address = s.Addr
	err := mailbox.Check(t.Context(), r.cfg)
	if err == nil || !strings.Contains(err.Error(), "neither OAUTHBEARER nor XOAUTH2: set password_file instead of oauth2") {
		t.Errorf("Check = %v, want what to do", err)
	}
	if len(o.Forms()) != 0 || count(s.Commands(), "LOGIN") != 0 {
		t.Error("a token or a password was asked for or shown")
	}
}

func TestOAuth2Validate(t *testing.T) {
	for _, tt := range []struct {
		o    *mailbox.OAuth2
		want string
	}{
		{&mailbox.OAuth2{Provider: "yahoo", ClientID: "x", RefreshToken: secret("")}, `provider "yahoo"`},
		{&mailbox.OAuth2{Provider: mailbox.Custom, ClientID: "x", RefreshToken: secret("")}, "token url is missing"},
		{&mailbox.OAuth2{Provider: mailbox.Microsoft, ClientID: "x", RefreshToken: secret("")}, "tenant is missing"},
		{&mailbox.OAuth2{Provider: mailbox.Google, RefreshToken: secret("")}, "client id is missing"},
		{&mailbox.OAuth2{Provider: mailbox.Google, ClientID: "x", ClientSecret: secret("")}, "nothing to get a token for"},
		{&mailbox.OAuth2{Provider: mailbox.Microsoft, ClientID: "x", Tenant: "t"}, "nothing to get a token for"},
	} {
		cfg := newRig("localhost:143", "store", nil).cfg
		cfg.OAuth2 = tt.o
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Validate = %v, want it to say %q", err, tt.want)
		}
	}
}
