// Package archive reads files in which people keep mail: mbox, Maildir, single messages, ADF documents, and folders of them. It gives each
// message as it was delivered; it knows nothing of what stands in it.
package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A File holds one message, or many.
type File struct {
	Path string
	Size int64
	Time time.Time // when it was last written
}

// A Message is one message of a file.
type Message struct {
	N        int       // which of the file's, from 1; 0 where the file is the message
	Raw      []byte    // the reader's own: good until the next message is asked for
	TooLarge bool      // Raw holds the beginning alone
	Time     time.Time // when it was delivered, as an mbox notes it; zero where it does not say
	End      int64     // how many bytes of the file are read
}

// Where names a message of f for people.
func (f File) Where(m Message) string {
	if m.N == 0 {
		return f.Path
	}
	return fmt.Sprintf("%s:%d", f.Path, m.N)
}

// errEmpty says that a folder holds no mail.
var errEmpty = errors.New("there is no mail in it: want .eml, .xml or mbox files, or a Maildir")

// Files lists what is at path: the file itself, or of a folder every file in it, and in those below, that holds mail by its name, by being in
// a Maildir, or by beginning as an mbox does. What a Maildir has not finished writing is left out. An error is about one file or folder, and
// the others go on.
func Files(path string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		any := false
		err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				if !yield(File{Path: p}, err) {
					return fs.SkipAll
				}
				any = true
				return nil
			}
			if p == path {
				// What is named is taken, through a link too.
				info, err := os.Stat(path)
				if err != nil || !info.IsDir() {
					any = true
					if err == nil && !info.Mode().IsRegular() {
						err = errors.New("it is no file")
					}
					f := File{Path: p}
					if err == nil {
						f = File{p, info.Size(), info.ModTime()}
					}
					yield(f, err)
					return fs.SkipAll
				}
				return nil
			}
			switch {
			case d.IsDir() && d.Name() == "tmp" && inMaildir(p):
				return fs.SkipDir
			case !d.Type().IsRegular() || !holdsMail(p):
				return nil
			}
			any = true
			info, err := d.Info()
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					return nil // its reader renamed it
				}
				if !yield(File{Path: p}, err) {
					return fs.SkipAll
				}
				return nil
			}
			if !yield(File{p, info.Size(), info.ModTime()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		switch {
		case err != nil:
			yield(File{Path: path}, err)
		case !any:
			yield(File{Path: path}, errEmpty)
		}
	}
}

// inMaildir says whether p is one of the three folders of a Maildir.
func inMaildir(p string) bool {
	for _, name := range []string{"cur", "new"} {
		if info, err := os.Stat(filepath.Join(filepath.Dir(p), name)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

func holdsMail(p string) bool {
	name := filepath.Base(p)
	if strings.HasPrefix(name, ".") {
		return false
	}
	if folder := filepath.Dir(p); (filepath.Base(folder) == "cur" || filepath.Base(folder) == "new") && inMaildir(folder) {
		return true
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".eml", ".xml", ".adf", ".mbox", ".mbx":
		return true
	case "":
		f, err := os.Open(p)
		if err != nil {
			return false
		}
		defer f.Close()
		return isMbox(bufio.NewReader(f))
	}
	return false
}

// Messages reads every message of f, of each at most maxSize bytes. An error ends the file.
func (f File) Messages(maxSize int) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		file, err := os.Open(f.Path)
		if err != nil {
			yield(Message{}, err)
			return
		}
		defer file.Close()
		r := bufio.NewReaderSize(file, readSize)
		if isMbox(r) {
			mbox(r, maxSize, yield)
			return
		}
		raw, err := io.ReadAll(io.LimitReader(r, int64(maxSize)+1))
		if err != nil {
			yield(Message{}, err)
			return
		}
		m := Message{Raw: raw, TooLarge: len(raw) > maxSize, End: f.Size}
		m.Raw = m.Raw[:min(len(raw), maxSize)]
		yield(m, nil)
	}
}

// readSize is the longest line that is looked at whole.
const readSize = 64 << 10
