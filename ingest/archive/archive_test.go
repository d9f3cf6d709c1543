package archive_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadfloor/ingest/archive"
)

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// read gives every message of what is at path, and what went wrong.
func read(path string, maxSize int) (messages []string, faults []string) {
	for f, err := range archive.Files(path) {
		if err != nil {
			faults = append(faults, err.Error())
			continue
		}
		for m, err := range f.Messages(maxSize) {
			if err != nil {
				faults = append(faults, err.Error())
				continue
			}
			text := fmt.Sprintf("%q", m.Raw)
			if m.TooLarge {
				text += " and more"
			}
			if !m.Time.IsZero() {
				text += " " + m.Time.UTC().Format(time.RFC3339)
			}
			messages = append(messages, text)
		}
	}
	return messages, faults
}

func TestMbox(t *testing.T) {
	const mark = "From jo@example.com Mon Nov 23 12:00:00 2026\n"
	const at = " 2026-11-23T12:00:00Z"
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"two", mark + "A: 1\n\nbody\n\n" + mark + "B: 2\n\nmore\n\n", []string{`"A: 1\n\nbody\n"` + at, `"B: 2\n\nmore\n"` + at}},
		{"no empty line at the end", mark + "A: 1\n\nbody\n", []string{`"A: 1\n\nbody\n"` + at}},
		{"no line end at the end", mark + "A: 1\n\nbody", []string{`"A: 1\n\nbody"` + at}},
		{"CRLF", strings.ReplaceAll(mark+"A: 1\n\nbody\n\n"+mark+"B: 2\n\n", "\n", "\r\n"), []string{`"A: 1\r\n\r\nbody\r\n"` + at, `"B: 2\r\n"` + at}},
		{"mboxrd", mark + "A: 1\n\n>From me\n>>From you\n> From\n", []string{`"A: 1\n\nFrom me\n>From you\n> From\n"` + at}},
		{"mboxo", mark + "A: 1\n\n>From me\n\nFrom the desk of Bob\nyours\n", []string{`"A: 1\n\nFrom me\n\nFrom the desk of Bob\nyours\n"` + at}},
		{"a postmark in the text", mark + "A: 1\n\nFrom jo@example.com Mon Nov 23 12:00:00 2026\nis how it began\n", []string{`"A: 1\n\nFrom jo@example.com Mon Nov 23 12:00:00 2026\nis how it began\n"` + at}},
		{"a field in the text", mark + "A: 1\n\nbody\n\nFrom now on\nNote: this\n", []string{`"A: 1\n\nbody\n\nFrom now on\nNote: this\n"` + at}},
		{"without dates", "From jo\nA: 1\n\nbody\n\nFrom jo\nB: 2\n\n", []string{`"A: 1\n\nbody\n"`, `"B: 2\n"`}},
		{"Thunderbird", "From - Mon Nov 23 12:00:00 2026\nA: 1\n\nb\n", []string{`"A: 1\n\nb\n"` + at}},
		{"Takeout", "From 18@xxx Mon Nov 23 12:00:00 -0500 2026\r\nA: 1\r\n\r\nb\r\n", []string{`"A: 1\r\n\r\nb\r\n" 2026-11-23T17:00:00Z`}},
		{"an empty message", mark + mark + "B: 2\n\n", []string{fmt.Sprintf("%q", mark+"B: 2\n") + at}},
		{"a postmark alone", "From ", []string{`""`}},
		{"too large", mark + "A: 1\n\n" + strings.Repeat("x", 100_000) + "\n\n" + mark + "B: 2\n\n", []string{`"A: 1\n\n` + strings.Repeat("x", 194) + `" and more` + at, `"B: 2\n"` + at}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.mbox")
			write(t, filepath.Dir(path), map[string]string{"a.mbox": test.text})
			got, faults := read(path, 200)
			if diff := cmp.Diff(test.want, got); diff != "" || faults != nil {
				t.Errorf("faults %v; messages (-want +got):\n%s", faults, diff)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"one.eml": "A: one", "lead.XML": "<adf/>", "Inbox": "From jo\nA: inbox\n", "notes": "no mail", "notes.txt": "A: no", ".hidden.eml": "A: no",
		"Maildir/cur/1.host:2,S": "A: cur", "Maildir/new/2.host": "A: new", "Maildir/tmp/3.host.eml": "A: tmp", "Maildir/.Old/cur/4": "A: old",
		"Maildir/.Old/new/.keep": "", "cur/5": "A: no Maildir", "tmp/six.eml": "A: six", "none/a.txt": "x",
	})
	got, faults := read(dir, 100)
	want := []string{`"A: inbox\n"`, `"A: old"`, `"A: cur"`, `"A: new"`, `"<adf/>"`, `"A: one"`, `"A: six"`}
	if diff := cmp.Diff(want, got); diff != "" || faults != nil {
		t.Errorf("faults %v; messages (-want +got):\n%s", faults, diff)
	}
	if got, faults := read(filepath.Join(dir, "notes.txt"), 100); len(got) != 1 || faults != nil {
		t.Errorf("a file that is named = %v, %v, want it read whatever its name", got, faults)
	}
	for _, path := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "absent"), "/dev/null"} {
		if got, faults := read(path, 100); len(got) > 0 || len(faults) != 1 {
			t.Errorf("%s = %v, %v, want one fault", path, got, faults)
		}
	}
}

// A large mbox is read in the memory of its largest message.
func TestMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.mbox")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	one := "From jo@example.com Mon Nov 23 12:00:00 2026\nA: 1\n\n" + strings.Repeat(strings.Repeat("x", 99)+"\n", 1000) + "\n"
	const messages = 500
	for range messages {
		if _, err := io.WriteString(f, one); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, end := 0, int64(0)
	for f, err := range archive.Files(path) {
		if err != nil {
			t.Fatal(err)
		}
		for m, err := range f.Messages(1 << 20) {
			if err != nil {
				t.Fatal(err)
			}
			n, end = n+1, m.End
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; n != messages || end != int64(messages*len(one)) || used > 16<<20 { // the race detector takes some
		t.Errorf("%d messages, %d bytes, allocated %d, want %d, %d, and little", n, end, used, messages, messages*len(one))
	}
}

func FuzzMbox(f *testing.F) {
	f.Add([]byte("From jo@example.com Mon Nov 23 12:00:00 2026\nA: 1\n\n>From x\n\nFrom jo@example.com Mon Nov 23 12:00:00 2026\nB: 1\n"))
	path := filepath.Join(f.TempDir(), "a.mbox")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, append([]byte("From "), data...), 0o600); err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for f, err := range archive.Files(path) {
			if err != nil {
				t.Fatal(err)
			}
			for m, err := range f.Messages(1000) {
				if err != nil || len(m.Raw) > 1000 {
					t.Fatalf("%d bytes, %v", len(m.Raw), err)
				}
				bytes += len(m.Raw)
			}
		}
		if bytes > len(data)+5 {
			t.Errorf("%d bytes of %d", bytes, len(data)+5)
		}
	})
}
