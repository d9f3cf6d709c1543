package adf_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"leadfloor/adf"
)

// keyFields returns what a store needs of a lead, by place.
func keyFields(d *adf.Document) map[string]string {
	m := map[string]string{}
	if len(d.Prospects) == 0 {
		return m
	}
	p := d.Prospects[0]
	put := func(key, value string) {
		if value != "" {
			m[key] = squeeze(value)
		}
	}
	put("date", p.RequestDate)
	for i, id := range p.IDs {
		put(fmt.Sprint("id", i), id.Value)
	}
	if len(p.Customer.Contacts) > 0 {
		c := p.Customer.Contacts[0]
		for _, n := range c.Names {
			put("name "+n.Part, n.Value)
		}
		for i, e := range c.Emails {
			put(fmt.Sprint("email", i), e.Value)
		}
		for i, f := range c.Phones {
			put(fmt.Sprint("phone", i), f.Value)
		}
	}
	put("comments", p.Customer.Comments)
	for i, v := range p.Vehicles {
		for k, s := range map[string]string{"interest": v.Interest, "year": v.Year, "make": v.Make, "model": v.Model, "vin": v.VIN, "stock": v.Stock, "trim": v.Trim} {
			put(fmt.Sprint("vehicle", i, k), s)
		}
	}
	put("vendor", p.Vendor.Name)
	for i, n := range p.Provider.Names {
		put(fmt.Sprint("provider", i), n.Value)
	}
	return m
}

// squeeze leaves out what the injuries to text put in.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '&', '<', 'é', '\u00a0', ' ', '\n', '\r', '\t':
			return -1
		}
		return r
	}, s)
}

var (
	leafText = regexp.MustCompile(`>[^<>\s][^<>]*<`)
	tag      = regexp.MustCompile(`</?[a-z][^<>]*>`)
)

// injuries are what happens to documents on their way, with the share of key fields that must survive it.
var injuries = []struct {
	name string
	gate float64 // per cent
	hurt func(g generator, doc string) string
}{
	{"text", 97, func(g generator, doc string) string {
		at := leafText.FindAllStringIndex(doc, -1)
		span := at[g.IntN(len(at))]
		i := span[0] + 1 + g.IntN(span[1]-span[0]-1)
		for doc[i]&0xc0 == 0x80 || insideReference(doc[span[0]:i]) {
			i--
		}
		return doc[:i] + g.one("&", " & ", "<", " < ", "\xe9", "\xa0", "\x01", "\x00", "&nbsp;", "&eacute;", "<br>", "<br/>", "&#0;") + doc[i:]
	}},
	{"byte", 97, func(g generator, doc string) string {
		i := g.IntN(len(doc))
		return doc[:i] + string([]byte{byte(g.IntN(256))}) + doc[i+1:]
	}},
	{"tag", 95, func(g generator, doc string) string {
		at := tag.FindAllStringIndex(doc, -1)
		span := at[g.IntN(len(at))]
		return doc[:span[0]] + doc[span[1]:]
	}},
	{"cut", 60, func(g generator, doc string) string { return doc[:g.IntN(len(doc))] }},
}

// insideReference reports whether text ends within a reference, which is no text to be hurt.
func insideReference(text string) bool {
	i := strings.LastIndexByte(text, '&')
	return i >= 0 && !strings.Contains(text[i:], ";")
}

// kept returns the share, in per cent, of key fields that are read after an injury as they were before it.
func kept(tb testing.TB, documents, each int, hurt func(g generator, doc string) string, lost func(key, doc, hurt string)) float64 {
	all, same := 0, 0
	for seed := range uint64(documents) {
		g := newGenerator(seed)
		d := g.document()
		doc := string(text(tb, d))
		want := keyFields(d)
		for range each {
			broken := hurt(g, doc)
			got := map[string]string{}
			if d, err := adf.Parse([]byte(broken)); err == nil {
				got = keyFields(d)
			}
			for k, v := range want {
				all++
				if got[k] == v {
					same++
				} else if lost != nil {
					lost(k, doc, broken)
				}
			}
		}
	}
	return 100 * float64(same) / float64(all)
}

// TestInjuries holds how much of a lead survives when its document is hurt once.
func TestInjuries(t *testing.T) {
	for _, in := range injuries {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			got := kept(t, 150, 20, in.hurt, nil)
			t.Logf("%.2f %% of the key fields kept", got)
			if got < in.gate {
				t.Errorf("kept = %.2f %%, want at least %v %%", got, in.gate)
			}
		})
	}
}

// BenchmarkInjuries prints the same shares over more documents.
func BenchmarkInjuries(b *testing.B) {
	for _, in := range injuries {
		b.Run(in.name, func(b *testing.B) {
			var share float64
			for b.Loop() {
				share = kept(b, 500, 40, in.hurt, nil)
			}
			b.ReportMetric(share, "%kept")
		})
	}
}
