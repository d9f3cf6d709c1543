package adf_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"leadfloor/adf"
)

// hostile are documents that are meant to take time or memory, made to a size.
var hostile = []struct {
	name string
	make func(size int) []byte
}{
	{"nested unknown", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("<a>", n/3)) }},
	{"nested contacts", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("<contact>", n/9)) }},
	{"nested and closed", func(n int) []byte {
		return []byte("<adf><prospect>" + strings.Repeat("<a>", n/7) + strings.Repeat("</a>", n/7) + "</prospect></adf>")
	}},
	{"nested with text", func(n int) []byte { return []byte("<adf><prospect><comments>" + strings.Repeat("<b>x", n/4)) }},
	{"siblings", func(n int) []byte {
		return []byte("<adf><prospect>" + strings.Repeat("<vehicle/>", n/10) + "</prospect></adf>")
	}},
	{"unknown siblings", func(n int) []byte {
		return []byte("<adf><prospect><customer>" + strings.Repeat("<x>1</x>", n/8) + "</customer></prospect></adf>")
	}},
	{"attributes", func(n int) []byte {
		return []byte("<adf><prospect " + strings.Repeat(`a="1" `, n/6) + "></prospect></adf>")
	}},
	{"known attributes", func(n int) []byte {
		return []byte("<adf><prospect " + strings.Repeat(`status="x" `, n/11) + "></prospect></adf>")
	}},
	{"open quotes", func(n int) []byte {
		return []byte("<adf><prospect>" + strings.Repeat(`<id source="a <id source='b `, n/28))
	}},
	{"open attributes", func(n int) []byte { return []byte("<adf><prospect " + strings.Repeat(`type="a=`+"\n", n/9)) }},
	{"comments", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("<!--", n/4)) }},
	{"comments with one end", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("<!--\n", n/5) + "-->") }},
	{"endless comment", func(n int) []byte { return []byte("<adf><prospect/><!-- " + strings.Repeat("- ", n/2)) }},
	{"sections", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("<![CDATA[<id>", n/13) + "]]>") }},
	{"instructions", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("<?xml <", n/7) + "?>") }},
	{"doctypes", func(n int) []byte { return []byte(strings.Repeat(`<!DOCTYPE a [">`, n/15) + "<adf><prospect/></adf>") }},
	{"references", func(n int) []byte {
		return []byte("<adf><prospect><comments>" + strings.Repeat("&amp;&x;&#0;", n/12) + "</comments></prospect></adf>")
	}},
	{"ampersands", func(n int) []byte {
		return []byte("<adf><prospect><comments>" + strings.Repeat("&", n) + "</comments>")
	}},
	{"less-than signs", func(n int) []byte { return []byte("<adf><prospect><comments>" + strings.Repeat("<", n)) }},
	{"end tags", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("</customer>", n/11)) }},
	{"children and end tags", func(n int) []byte {
		return []byte("<adf><prospect>" + strings.Repeat("<id>1</id>x", n/22) + strings.Repeat("</email></contact>x", n/38))
	}},
	{"orphans", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("<q1><q2></email>", n/16)) }},
	{"end names", func(n int) []byte {
		var b bytes.Buffer
		b.WriteString("<adf><prospect>")
		for i := 0; b.Len() < n; i++ {
			b.WriteString("</n")
			b.WriteString(strings.Repeat("z", i%40))
			b.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + ">")
		}
		return b.Bytes()
	}},
	{"broken names", func(n int) []byte { return []byte("<adf><prospect>" + strings.Repeat("<email@", n/7) + "</x></adf>") }},
	{"one long name", func(n int) []byte { return []byte("<adf><prospect><" + strings.Repeat("n", n)) }},
	{"prospects", func(n int) []byte { return []byte("<adf>" + strings.Repeat("<prospect></prospect>", n/21) + "</adf>") }},
	{"prospects within", func(n int) []byte { return []byte("<adf>" + strings.Repeat("<prospect><id>1</id>", n/20)) }},
	{"escaped", func(n int) []byte { return []byte(strings.Repeat("&lt;adf&gt;", n/11)) }},
	{"hidden", func(n int) []byte { return []byte(strings.Repeat("<!-- <adf> -->", n/14)) }},
	{"zeros", func(n int) []byte { return append([]byte("<adf><prospect><comments>"), make([]byte, n)...) }},
	{"stray bytes", func(n int) []byte {
		return append([]byte("<adf><prospect><comments>"), bytes.Repeat([]byte("\xe9<"), n/2)...)
	}},
	{"billion laughs", func(n int) []byte {
		return []byte(`<!DOCTYPE adf [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><adf><prospect><comments>` + strings.Repeat("&b;", n/3) + "</comments></prospect></adf>")
	}},
}

// TestHostile reads 10 MiB of each: in bounded memory, and in no more than a minute on the slowest machine, where a second is usual and anything but
// linear time would take hours.
func TestHostile(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			data := h.make(10<<20 - 200)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			d, err := adf.Parse(data)
			spent := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil && len(d.Diagnostics) > 201 {
				t.Errorf("diagnostics = %d, want at most 201", len(d.Diagnostics))
			}
			if err == nil && len(d.Prospects) > 100 {
				t.Errorf("prospects = %d, want at most 100", len(d.Prospects))
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 300<<20 {
				t.Errorf("allocated = %d MiB, want at most 300", got>>20)
			}
			if spent > time.Minute {
				t.Errorf("time = %v, want at most a minute", spent)
			}
			t.Logf("%v, %d MiB", spent, (after.TotalAlloc-before.TotalAlloc)>>20)
		})
	}
}

func TestLimits(t *testing.T) {
	lead := "<prospect><customer><contact><name>N</name><email>n@example.com</email></contact></customer></prospect>"
	t.Run("size", func(t *testing.T) {
		_, err := adf.Parser{MaxSize: 50}.Parse([]byte("<adf>" + lead + "</adf>"))
		var pe *adf.ParseError
		if !errors.Is(err, adf.ErrTooLarge) || !errors.As(err, &pe) || pe.Code != adf.CodeLimitSize {
			t.Errorf("error = %v, want ErrTooLarge with code %s", err, adf.CodeLimitSize)
		}
	})
	t.Run("prospects", func(t *testing.T) {
		d, err := adf.Parser{MaxProspects: 2}.Parse([]byte("<adf>" + strings.Repeat(lead+"\n", 4) + "</adf>"))
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Prospects) != 2 {
			t.Errorf("prospects = %d, want 2", len(d.Prospects))
		}
		var lines []int
		for _, g := range d.Diagnostics {
			if g.Code == adf.CodeLimitLeads {
				lines = append(lines, g.Line)
			}
		}
		if len(lines) != 2 || lines[0] != 3 || lines[1] != 4 {
			t.Errorf("lines of the prospects left out = %v, want [3 4]", lines)
		}
	})
	t.Run("depth", func(t *testing.T) {
		d, err := adf.Parser{MaxDepth: 3}.Parse([]byte("<adf><prospect><comments>a <b>deep <i>deeper</i></b> end</comments></prospect></adf>"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.Prospects[0].Comments, "a deep deeper end"; got != want {
			t.Errorf("comments = %q, want %q", got, want)
		}
		if !hasCode(d.Diagnostics, adf.CodeLimitDepth) {
			t.Errorf("diagnostics = %v, want one with %s", d.Diagnostics, adf.CodeLimitDepth)
		}
	})
}

func hasCode(list []adf.Diagnostic, code string) bool {
	for _, d := range list {
		if d.Code == code {
			return true
		}
	}
	return false
}
