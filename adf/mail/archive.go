package mail

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"

	"leadfloor/adf"
)

// The bounds of what is unpacked: entries of a message, bytes of an entry, archives within archives, files in one zip's directory.
const (
	maxEntries      = 20
	maxEntry        = 4 << 20
	maxArchiveDepth = 2
	maxDirectory    = 1000
)

// archive searches b if it is a zip or gzip archive, and reports whether it is one.
func (f *finder) archive(b []byte, charset string, depth int) bool {
	isZip := bytes.HasPrefix(b, []byte("PK\x03\x04"))
	if !isZip && !bytes.HasPrefix(b, []byte{0x1f, 0x8b, 8}) {
		return false
	}
	switch {
	case depth >= maxArchiveDepth:
		f.note(adf.Info, "archive-limit", "an archive holds more than is unpacked")
	case isZip:
		f.zip(b, depth)
	default:
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			f.note(adf.Info, "archive-unreadable", "an archive could not be unpacked")
			break
		}
		f.entry(r, charset, depth)
	}
	return true
}

func (f *finder) zip(b []byte, depth int) {
	// The directory is read as a whole: its size is judged before.
	if bytes.Count(b, []byte("PK\x01\x02")) > maxDirectory {
		f.note(adf.Info, "archive-limit", "an archive holds more than is unpacked")
		return
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		f.note(adf.Info, "archive-unreadable", "an archive could not be unpacked")
		return
	}
	for _, e := range z.File {
		if e.FileInfo().IsDir() {
			continue
		}
		r, err := e.Open()
		if err != nil {
			f.note(adf.Info, "archive-unreadable", "an archive could not be unpacked")
			continue
		}
		more := f.entry(r, "", depth)
		if r.Close() != nil || !more { // only a wrong use of the reader makes Close fail
			return
		}
	}
}

// entry searches one file of an archive, and reports whether another may be opened. What was read before an error counts.
func (f *finder) entry(r io.Reader, charset string, depth int) bool {
	if f.unpacked++; f.unpacked > maxEntries {
		f.note(adf.Info, "archive-limit", "an archive holds more than is unpacked")
		return false
	}
	b, err := io.ReadAll(io.LimitReader(r, maxEntry+1))
	switch {
	case len(b) > maxEntry:
		f.note(adf.Info, "archive-limit", "an archive holds more than is unpacked")
		b = b[:maxEntry]
	case err != nil:
		f.note(adf.Info, "archive-unreadable", "an archive could not be unpacked")
	}
	f.leaf(&part{charset: charset, body: b}, depth+1)
	return true
}
