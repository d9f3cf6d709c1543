package adf_test

import (
	"io"
	"testing"

	"leadfloor/adf"
)

// benchmarkDocuments are what both contenders read, of 1 to 6 kB.
func benchmarkDocuments(tb testing.TB) (docs [][]byte, size int) {
	for seed := range uint64(64) {
		d := text(tb, newGenerator(seed).document())
		if len(d) < 1000 || len(d) > 6000 {
			continue
		}
		docs = append(docs, d)
		size += len(d)
	}
	return docs, size / len(docs)
}

func BenchmarkParse(b *testing.B) {
	docs, size := benchmarkDocuments(b)
	b.Run("leadfloor", func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := adf.Parse(docs[i%len(docs)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := unmarshal(docs[i%len(docs)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	d := newGenerator(1).document()
	b.ReportAllocs()
	for b.Loop() {
		if err := adf.Write(io.Discard, d); err != nil {
			b.Fatal(err)
		}
	}
}

// TestParseAllocations holds the number of allocations of a usual document.
func TestParseAllocations(t *testing.T) {
	docs, _ := benchmarkDocuments(t)
	var all float64
	for _, d := range docs {
		all += testing.AllocsPerRun(10, func() {
			if _, err := adf.Parse(d); err != nil {
				t.Fatal(err)
			}
		})
	}
	if got := all / float64(len(docs)); got > 12 {
		t.Errorf("allocations a document = %.1f, want at most 12", got)
	}
}
