package adf_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"leadfloor/adf"
)

// sameDocument compares what documents say: not where in the text it stood nor what was repaired.
var sameDocument = cmp.Options{
	cmpopts.IgnoreFields(adf.Document{}, "Diagnostics"),
	cmpopts.IgnoreFields(adf.Prospect{}, "Line"),
}

// TestWriteParse reads back what was written.
func TestWriteParse(t *testing.T) {
	for seed := range uint64(500) {
		want := newGenerator(seed).document()
		data := text(t, want)
		got, err := adf.Parser{Strict: true}.Parse(data)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, data)
		}
		if diff := cmp.Diff(want, got, sameDocument); diff != "" {
			t.Fatalf("seed %d: read back (-want +got):\n%s\n%s", seed, diff, data)
		}
		if again := text(t, got); !bytes.Equal(again, data) {
			t.Fatalf("seed %d: written again = %s, want %s", seed, again, data)
		}
	}
}

// TestWriteExtra keeps what ADF 1.0 does not know.
func TestWriteExtra(t *testing.T) {
	want := newGenerator(1).document()
	p := &want.Prospects[0]
	p.Comments = "beside\nthe customer's"
	p.Extra = []adf.Element{{Name: "leadtype", Text: "Sales & more"}, {Text: "stray"}}
	p.Customer.Contacts[0].Extra = []adf.Element{{Name: "birthday", Attrs: []adf.Attr{{Name: "form", Value: "\"iso\"\n"}}, Text: "1970-01-01"}}
	p.Customer.Contacts[0].Comments = "on the contact"
	p.Vehicles[0].Extra = []adf.Element{{Name: "engine", Text: "V8", Children: []adf.Element{{Name: "fuel", Text: "diesel"}, {Name: "power"}}}}
	want.Extra = []adf.Element{{Name: "metadata", Children: []adf.Element{{Name: "source", Text: "form"}}}}
	data := text(t, want)
	got, err := adf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	want.Prospects[0].Customer.Contacts[0].Extra[0].Attrs[0].Value = `"iso"` // white space around text goes
	if diff := cmp.Diff(want, got, sameDocument); diff != "" {
		t.Errorf("read back (-want +got):\n%s\n%s", diff, data)
	}
}

// TestWriteDropsForbidden writes well-formed XML whatever a document holds.
func TestWriteDropsForbidden(t *testing.T) {
	d := newGenerator(2).document()
	d.Prospects[0].Customer.Comments = "a\x00b\x1fc\xffd\ufffee]]>f<g>&amp;\r\nh"
	d.Prospects[0].Extra = []adf.Element{{Name: "1 bad<name", Attrs: []adf.Attr{{Name: "", Value: "<\x02\">"}}, Text: "x"}}
	data := text(t, d)
	dec := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("written document: %v\n%s", err, data)
		}
	}
	got, err := adf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := got.Prospects[0].Customer.Comments, "abcde]]>f<g>&amp;\r\nh"; got != want {
		t.Errorf("comments = %q, want %q", got, want)
	}
}

type failingWriter struct{}

var errFull = errors.New("full")

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

func TestWriteError(t *testing.T) {
	if err := adf.Write(failingWriter{}, newGenerator(3).document()); !errors.Is(err, errFull) {
		t.Errorf("Write = %v, want %v", err, errFull)
	}
}

func FuzzWriteParse(f *testing.F) {
	f.Add([]byte(`<adf><prospect><customer><contact><name>A &amp; B</name><x y="1">t<z/></x></contact></customer></prospect></adf>`))
	f.Add([]byte(`<prospect>a<b>c</b>d<customer><name>N</name></customer><customer>e<f/></customer></prospect><vendor>g</vendor>`))
	f.Add([]byte(`<adf><prospect><vehicle><make>a</make><make>b</make><color>red</color><option>o</option></vehicle></prospect><id>1</id>t<u/></adf>`))
	for seed := range uint64(3) {
		f.Add(text(f, newGenerator(seed).document()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := adf.Parse(data)
		if err != nil {
			return
		}
		written := text(t, first)
		second, err := adf.Parse(written)
		if err != nil {
			t.Fatalf("read back: %v\n%q", err, written)
		}
		if diff := cmp.Diff(first, second, sameDocument); diff != "" {
			t.Fatalf("read back (-first +second):\n%s\n%q", diff, written)
		}
	})
}
