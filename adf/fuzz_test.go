package adf_test

import (
	"os"
	"path/filepath"
	"testing"

	"leadfloor/adf"
)

// FuzzParse reads anything: without a panic, with bounded diagnostics that hold to their promises, and the same at each reading.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, h := range hostile {
		f.Add(h.make(300))
	}
	known := map[string]bool{}
	for _, c := range adf.Codes() {
		known[c] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := adf.Parse(data)
		if err != nil {
			if d != nil {
				t.Fatalf("a document and the error %v", err)
			}
			return
		}
		if len(d.Prospects) == 0 || len(d.Diagnostics) > 201 {
			t.Fatalf("prospects = %d, diagnostics = %d", len(d.Prospects), len(d.Diagnostics))
		}
		for _, g := range d.Diagnostics {
			if !known[g.Code] || g.Message == "" || g.Line < 0 || g.Severity != adf.Info && g.Severity != adf.Warning && g.Severity != adf.Error {
				t.Fatalf("diagnostic = %+v", g)
			}
		}
		again, err := adf.Parse(data)
		if err != nil || reading(t, again) != reading(t, d) {
			t.Fatalf("read again: %v", err)
		}
	})
}
