package router

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"hash"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"
)

// E164 reads a phone number as written in the given country (ISO 3166, two letters; US where empty). It returns an empty string for
// what cannot be a number.
func E164(raw, country string) string {
	if country == "" {
		country = "US"
	}
	if len(raw) > 64 {
		return ""
	}
	n, err := phonenumbers.Parse(raw, strings.ToUpper(country))
	if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return "" // a number without its area code is nobody's in particular
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// IsCountry says whether phone numbers can be read as written in a country (ISO 3166, two capital letters).
func IsCountry(country string) bool { return phonenumbers.GetCountryCodeForRegion(country) != 0 }

// NormalEmail is an address as it is compared: trimmed and lower-cased. It returns an empty string for what cannot be an address.
func NormalEmail(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	s = strings.TrimPrefix(s, "mailto:")
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(s) > 254 || strings.ContainsAny(s, " \t\r\n<>\",;()") || strings.Contains(domain, "@") {
		return ""
	}
	if !strings.Contains(domain, ".") || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, "..") {
		return ""
	}
	return s
}

// normalName is a name as it is compared: without accents, case, or anything but letters and digits.
func normalName(s string) string {
	b := make([]byte, 0, 64)
	for _, r := range norm.NFD.String(strings.ToLower(s)) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b = utf8.AppendRune(b, r)
		}
	}
	switch n := string(b); n {
	case "unknown", "na", "none", "null", "nn", "nameunknown", "notprovided", "anonymous":
		return ""
	default:
		return n
	}
}

// names gives first and last as far as they are known; a whole name is split only into first word and last word.
func (n Name) names() (given, family string) {
	given, family = normalName(n.First), normalName(n.Last)
	if (given == "" || family == "") && n.Full != "" {
		words := strings.Fields(n.Full)
		if len(words) >= 2 {
			if given == "" {
				given = normalName(words[0])
			}
			if family == "" {
				family = normalName(words[len(words)-1])
			}
		}
	}
	return given, family
}

// nobodysEmail tells the addresses that identify nobody.
func nobodysEmail(e string) bool {
	local, domain, _ := strings.Cut(e, "@")
	switch domain {
	case "none.com", "noemail.com", "noemail.net", "nomail.com", "na.com", "email.com", "test.com", "example.invalid", "notprovided.com", "unknown.com", "no.com", "donotreply.com":
		return true
	}
	for _, d := range relayDomains {
		if sub, ok := strings.CutSuffix(domain, d); ok && (sub == "" || strings.HasSuffix(sub, ".")) {
			return true
		}
	}
	return nobodysName(local)
}

// nobodysName says of what stands before the @ that it is put in where a customer gave no address.
func nobodysName(local string) bool {
	switch local {
	case "none", "noemail", "no-email", "noreply", "no-reply", "donotreply", "do-not-reply", "na", "n.a", "n/a", "notprovided", "not-provided", "not provided", "declined", "refused", "unknown":
		return true
	}
	return false
}

// relayDomains are where vendors make up an address for each enquiry or answer for many customers.
var relayDomains = []string{"messages.cargurus.com", "messages.autotrader.com", "reply.craigslist.org", "messages.offerup.com", "facebookmail.com", "partners.gumtree.com", "leads.autotrader.com"}

// nobodysPhone tells the numbers that identify nobody: all one digit, or the 555-01xx that are nobody's only when all alike.
func nobodysPhone(e164 string) bool {
	digits := strings.TrimPrefix(e164, "+")
	if len(digits) < 7 {
		return true
	}
	tail := digits[len(digits)-7:]
	return strings.Count(tail, tail[:1]) == len(tail) || strings.HasSuffix(digits, "1234567890")
}

// A Hasher keys everything that is kept of a customer beside the lead itself.
type Hasher struct {
	macs  *sync.Pool
	epoch time.Time // of the keys that the secret is of
}

// A mac has the store's key already worked in, which takes half the time of a hash.
type mac struct {
	hash.Hash
	text []byte
}

// NewHasher takes a store's secret key.
func NewHasher(i Identity) Hasher {
	return Hasher{&sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, i.Key)} }}, i.Epoch}
}

func (h Hasher) sum(parts ...string) []byte {
	m := h.macs.Get().(*mac)
	defer h.macs.Put(m)
	m.text = m.text[:0]
	for _, p := range parts {
		m.text = append(append(m.text, p...), 0)
	}
	return m.sum()
}

func (m *mac) sum() []byte {
	m.Reset()
	m.Write(m.text)
	return m.Sum(nil)
}

func (h Hasher) short(parts ...string) string { return short(h.sum(parts...)) }

func short(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:6]) }

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// LeadID is the id of the lead that an arrival makes: the same whenever it is made again.
func (h Hasher) LeadID(store, token string) string {
	return store + "-" + idEncoding.EncodeToString(h.sum("lead", token)[:8])[:12]
}

// Token is an arrival's identity as it is kept.
func (h Hasher) Token(token string) []byte { return h.sum("token", token)[:12] }

// Place is where it was read, as it is kept.
func (h Hasher) Place(place string) []byte { return h.sum("place", place)[:6] }

// Prints are the fingerprints of all who ask, emails before phones before names. What identifies nobody gives none.
func (h Hasher) Prints(e *Enquiry, relays []string) []Print {
	var emails, phones, names []Print
	seen := map[string]bool{}
	add := func(to *[]Print, kind PrintKind, value string, last []byte) {
		if !seen[string(kind)+value] {
			seen[string(kind)+value] = true
			*to = append(*to, Print{Kind: kind, Hash: h.sum("print", string(kind), value)[:8], Last: last})
		}
	}
	ignored := func(v string) bool {
		for _, r := range relays {
			if strings.EqualFold(r, v) {
				return true
			}
		}
		return false
	}
	contact := func(n Name, mails []string, tels []Phone, a *Address) {
		given, family := n.names()
		var last []byte
		if family != "" {
			last = h.sum("last", family)[:3]
		}
		for _, m := range mails {
			if m = NormalEmail(m); m != "" && !nobodysEmail(m) && !ignored(m) {
				add(&emails, PrintEmail, m, last)
			}
		}
		for _, t := range tels {
			if t.E164 != "" && !nobodysPhone(t.E164) && !ignored(t.E164) {
				add(&phones, PrintPhone, t.E164, last)
			}
		}
		if a != nil && given != "" && family != "" {
			if post := normalName(a.PostalCode); post != "" {
				add(&names, PrintName, given+" "+family+" "+post, last)
			}
		}
	}
	c := &e.Customer
	contact(c.Name, c.Emails, c.Phones, c.Address)
	for _, x := range c.Contacts {
		contact(x.Name, x.Emails, x.Phones, x.Address)
	}
	all := append(append(emails, phones...), names...)
	return all[:min(len(all), mostPrints)]
}

// mostPrints bounds the fingerprints of one enquiry: nobody has more; a forged document may.
const mostPrints = 16

func (h Hasher) idHash(source, value string) []byte {
	return h.sum("print", string(PrintID), Slug(source), value)[:8]
}

// idPrints are what a lead can be found by from outside, by the ids that it came with.
func (h Hasher) idPrints(e *Enquiry) (all []Print) {
	const most = 3
	for _, id := range e.IDs {
		if id.Value != "" && len(all) < most {
			all = append(all, Print{Kind: PrintID, Hash: h.idHash(cmp.Or(id.Source, e.Provider.Name), id.Value)})
		}
	}
	return all
}

// IDPrint is of the provider and its id of the prospect; empty without an id.
func (h Hasher) IDPrint(e *Enquiry) string {
	for _, id := range e.IDs {
		if id.Value != "" {
			return h.short("id", Slug(cmp.Or(id.Source, e.Provider.Name)), id.Value)
		}
	}
	return ""
}

// ContentPrint is of what an enquiry says, see encodeRecord.
func (h Hasher) ContentPrint(says []byte) string {
	m := h.macs.Get().(*mac)
	defer h.macs.Put(m)
	m.text = append(append(append(m.text[:0], "content\x00{"+saysFrom...), says...), 0)
	return short(m.sum())
}
