package mail

import (
	"strings"
)

// vouched says whether the receiving server vouches for a sender's domain, by DMARC, or by DKIM where it says nothing of DMARC. Only its
// topmost Authentication-Results (RFC 8601) count, those that stand one upon the other: a sender may write some of the same name, which
// the server takes away (section 5), or puts its own above. Of several that speak of one method the upper is heard.
func vouched(fs fields, server, domain string) bool {
	dmarc, dkim := "", false
	heard, found := false, false // dkim; any field of the server
	for _, f := range fs {
		if !f.is("Authentication-Results") {
			if found {
				break
			}
			continue
		}
		id, results := parseResults(f.value())
		if id == "" {
			id = NoServerID
		}
		if !strings.EqualFold(id, server) {
			if found {
				break
			}
			continue
		}
		found = true
		speaks := false
		for _, r := range results {
			switch r.method {
			case "dmarc":
				if dmarc != "" {
					continue
				}
				if dmarc = r.value; dmarc == "pass" && domainOf(r.props["header.from"]) != domain {
					dmarc = "fail" // of another sender
				}
			case "dkim":
				if heard {
					continue
				}
				speaks = true
				signer := r.props["header.d"]
				if signer == "" {
					signer = r.props["header.i"]
				}
				dkim = dkim || r.value == "pass" && aligned(domainOf(signer), domain)
			}
		}
		heard = heard || speaks
	}
	switch dmarc {
	case "pass":
		return true
	case "fail":
		return false
	}
	return dkim
}

// A result is what a server says of one method.
type result struct {
	method, value string            // such as dkim and pass, in lower case
	props         map[string]string // such as header.d
}

// parseResults reads the value of an Authentication-Results field as servers write it: with comments anywhere, in which ; and = may stand,
// and without an id (Microsoft 365), which go-msgauth's own parser refuses.
func parseResults(s string) (id string, all []result) {
	for n, segment := range strings.Split(withoutComments(s), ";") {
		words := strings.Fields(strings.ReplaceAll(segment, " = ", "="))
		if len(words) == 0 {
			continue
		}
		method, value, ok := strings.Cut(words[0], "=")
		if !ok {
			if n == 0 {
				id = words[0]
			}
			continue
		}
		method, _, _ = strings.Cut(method, "/") // a version of the method
		r := result{method: strings.ToLower(method), value: strings.ToLower(value), props: map[string]string{}}
		for _, w := range words[1:] {
			if name, v, ok := strings.Cut(w, "="); ok && len(r.props) < maxProps {
				if name = strings.ToLower(name); r.props[name] == "" {
					r.props[name] = v
				}
			}
		}
		if all = append(all, r); len(all) == maxResults {
			break
		}
	}
	return id, all
}

const (
	maxResults = 50
	maxProps   = 50
)

// withoutComments leaves out comments, and takes quotes away: what they kept together becomes one word.
func withoutComments(s string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0):
			i++
			if quoted && i < len(s) {
				b.WriteByte('_')
			}
		case quoted && c == '"', depth == 0 && c == '"':
			quoted = !quoted
		case quoted && strings.IndexByte(" \t;=", c) >= 0:
			b.WriteByte('_')
		case quoted:
			b.WriteByte(c)
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
			b.WriteByte(' ')
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}
