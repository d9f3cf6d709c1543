//go:build unix

package adf_test

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"leadfloor/adf"
)

// processTime returns the time that the process has spent on its processors: what other processes do does not count.
func processTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkParseRatio runs both contenders by turns and reports the median of their ratios, the garbage collector's work included.
func BenchmarkParseRatio(b *testing.B) {
	docs, _ := benchmarkDocuments(b)
	const rounds, passes = 11, 20
	contenders := [...]func([]byte) error{
		func(d []byte) error { _, err := adf.Parse(d); return err },
		func(d []byte) error { _, err := unmarshal(d); return err },
	}
	for b.Loop() {
		var ratios, own []float64
		for range rounds {
			var spent [len(contenders)]time.Duration
			for i, parse := range contenders {
				runtime.GC()
				before := processTime(b)
				for range passes * (1 + 4*(1-i)) { // enough to be measured for the faster one
					for _, d := range docs {
						if err := parse(d); err != nil {
							b.Fatal(err)
						}
					}
				}
				spent[i] = (processTime(b) - before) / time.Duration(1+4*(1-i))
			}
			ratios = append(ratios, float64(spent[1])/float64(spent[0]))
			own = append(own, float64(spent[0])/float64(passes*len(docs)))
		}
		slices.Sort(ratios)
		slices.Sort(own)
		b.ReportMetric(ratios[rounds/2], "times-encoding-xml")
		b.ReportMetric(own[rounds/2], "cpu-ns/document")
	}
}

// BenchmarkHostile reads each hostile document at 1 and at 10 MiB: time is linear where a byte of the second takes no longer than one of the first.
func BenchmarkHostile(b *testing.B) {
	for _, h := range hostile {
		for _, mib := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s/%dMiB", h.name, mib), func(b *testing.B) {
				data := h.make(mib<<20 - 200)
				b.ReportAllocs()
				runtime.GC()
				before := processTime(b)
				for b.Loop() {
					_, _ = adf.Parse(data) // some of them hold no lead, which is as it should be
				}
				b.ReportMetric(float64(processTime(b)-before)/float64(b.N)/float64(len(data)), "cpu-ns/byte")
			})
		}
	}
}
