package adf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadfloor/adf"
)

var update = flag.Bool("update", false, "write the golden files anew; read the difference before keeping it")

// reading prints what was read, empty fields left out, and every diagnostic.
func reading(tb testing.TB, d *adf.Document) string {
	tb.Helper()
	raw, err := json.Marshal(adf.Document{Prospects: d.Prospects, Extra: d.Extra})
	if err != nil {
		tb.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		tb.Fatal(err)
	}
	prune(v)
	if len(d.Diagnostics) > 0 {
		var list []string
		for _, g := range d.Diagnostics {
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s line %d %s", g.Severity, g.Code, g.Line, g.Path)))
		}
		v["Diagnostics"] = list
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// prune leaves out what is empty and reports whether v is.
func prune(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if _, inList := x.(map[string]any); prune(x) || inList && len(x.(map[string]any)) == 0 {
				delete(v, k)
			}
		}
	case []any:
		for _, x := range v {
			prune(x)
		}
		return len(v) == 0
	case string:
		return v == ""
	case bool:
		return !v
	case nil:
		return true
	}
	return false
}

// TestMaladies reads one document for each malady that documents come with.
func TestMaladies(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("files = %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".xml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, err := adf.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			got := reading(t, d)
			golden := strings.TrimSuffix(file, ".xml") + ".json"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			known := adf.Codes()
			for _, g := range d.Diagnostics {
				if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+g.Code+" ") {
					t.Errorf("code %q is not among Codes", g.Code)
				}
				if strings.Contains(g.Message+g.Path, "Ada") || strings.Contains(g.Message+g.Path, "example.com") {
					t.Errorf("diagnostic %v holds the customer's data", g)
				}
			}
		})
	}
}

// TestParseKeepsNoData overwrites a document after it was read: what was read stays.
func TestParseKeepsNoData(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := adf.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		want := reading(t, d)
		for i := range data {
			data[i] = '#'
		}
		if diff := cmp.Diff(want, reading(t, d)); diff != "" {
			t.Errorf("%s: read anew (-before +after its bytes changed):\n%s", filepath.Base(file), diff)
		}
	}
}

func TestNoProspect(t *testing.T) {
	for _, s := range []string{"", " \n", "hello", "<adf></adf>", "<adf", "<adf><metadata/></adf>", "<html><body>hi</body></html>", "<id>1</id>", "&lt;adf&gt;&lt;/adf&gt;", "\x00\xff"} {
		d, err := adf.Parse([]byte(s))
		var pe *adf.ParseError
		if d != nil || !errors.Is(err, adf.ErrNoProspect) || !errors.As(err, &pe) || pe.Code != adf.CodeNoProspect {
			t.Errorf("Parse(%q) = %v, %v, want no document and ErrNoProspect", s, d, err)
		}
	}
}

// TestStrict refuses every malady, names it, and takes what conforms.
func TestStrict(t *testing.T) {
	conform := map[string]bool{"well-formed": true, "utf-8-mark": true, "carriage-returns": true, "cdata": true, "timeframe-as-text": true,
		"double-escape": true, "instructions-in-comments": true, "iso-8859-2": true, "utf-16-mark": true}
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".xml")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := adf.Parser{Strict: true}.Parse(data)
		if conform[name] {
			if err != nil {
				t.Errorf("%s: strict Parse = %v, want none", name, err)
			}
			continue
		}
		var se *adf.StrictError
		var pe *adf.ParseError
		if d != nil || !errors.As(err, &se) || !errors.As(err, &pe) {
			t.Errorf("%s: strict Parse = %v, %v, want a StrictError", name, d, err)
			continue
		}
		tolerant, err := adf.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tolerant.Diagnostics, se.Diagnostics); diff != "" {
			t.Errorf("%s: diagnostics differ from those of the tolerant parser:\n%s", name, diff)
		}
		if !strings.Contains(pe.Error(), pe.Path) || pe.Code == "" {
			t.Errorf("%s: error = %v with code %q, want its place and a code", name, pe, pe.Code)
		}
	}
}

func TestManyDiagnostics(t *testing.T) {
	d, err := adf.Parse([]byte("<adf><prospect>" + strings.Repeat("<unknown/>\n", 1000) + "</prospect></adf>"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.Diagnostics); n > 201 || n < 200 || d.Diagnostics[n-1].Code != adf.CodeMore {
		t.Errorf("diagnostics = %d, the last %v, want 201 and %s", n, d.Diagnostics[n-1], adf.CodeMore)
	}
}

func TestValidate(t *testing.T) {
	d := newGenerator(7).document()
	if got := adf.Validate(d); len(got) != 0 {
		t.Errorf("Validate = %v, want none", got)
	}
	p := &d.Prospects[0]
	p.Vehicles[0].Year, p.Vehicles[0].Interest = "", "barter"
	p.Customer.Contacts[0].Emails, p.Customer.Contacts[0].Phones = nil, nil
	p.RequestDate = "yesterday"
	p.Vendor = adf.Vendor{}
	p.Extra = []adf.Element{{Name: "leadtype"}}
	var got []string
	for _, g := range adf.Validate(d) {
		got = append(got, g.Code+" "+g.Path)
	}
	want := []string{"missing-element adf/prospect", "bad-date adf/prospect/requestdate", "bad-value adf/prospect/vehicle", "empty-element adf/prospect/vehicle/year",
		"missing-element adf/prospect/customer/contact", "unknown-element adf/prospect/leadtype"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Validate (-want +got):\n%s", diff)
	}
	if got := adf.Validate(&adf.Document{}); len(got) != 1 || got[0].Code != adf.CodeMissing {
		t.Errorf("Validate of an empty document = %v, want one %s", got, adf.CodeMissing)
	}
}

// TestCorpus reads every document of a directory named by LEADFLOOR_CORPUS and prints what a person should find in it.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("LEADFLOOR_CORPUS")
	if dir == "" {
		return
	}
	for _, pattern := range []string{"*.xml", "rendered/*.xml", "spec-fragments/*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, err := adf.Parse(data)
			if err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
				continue
			}
			t.Logf("%s\n%s", filepath.Base(file), reading(t, d))
		}
	}
}
