package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret bounds a secret file: a path that names something else by mistake must not fill the memory.
const maxSecret = 64 << 10

// A Secret is where a password or token can be read, never the thing itself: it is read anew at each use, so that a rotated file
// counts without a restart, and prints as a placeholder wherever it may be formatted. The zero Secret is not set.
type Secret struct {
	where string // the file as it was written, or the variable
	// Functions, not text: fmt prints unexported text of a struct without asking its methods.
	read    func() (string, error)
	replace func(text string) error // nil: it cannot be replaced
}

// IsSet says whether the configuration names a secret.
func (s Secret) IsSet() bool { return s.read != nil }

// Read gives the secret as it is now, "" where none is set. Errors name the source and never the content.
func (s Secret) Read() (string, error) {
	if s.read == nil {
		return "", nil
	}
	return s.read()
}

// Replace puts another secret in the place of this one, whole or not at all. Errors name the source and never the content.
func (s Secret) Replace(text string) error {
	if s.replace == nil {
		return errors.New("replace secret: only one in a file can be replaced")
	}
	return s.replace(text)
}

// String is a placeholder.
func (s Secret) String() string {
	if s.read == nil {
		return ""
	}
	return "<secret>"
}

// Format prints the placeholder whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText gives the placeholder to JSON, YAML and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// fileSecret is kept in the file at path, which is shown as it was written: what a variable in it held is nobody's business.
func fileSecret(path, shown string) Secret {
	read := func() (string, error) {
		// A pipe would hold up whoever opens it.
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return "", fmt.Errorf("read secret file %q: it is not a regular file", shown)
		}
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("read secret file %q: %w", shown, cause(err))
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
		switch text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"); {
		case err != nil:
			return "", fmt.Errorf("read secret file %q: %w", shown, cause(err))
		case len(b) > maxSecret:
			return "", fmt.Errorf("read secret file %q: larger than %d kB", shown, maxSecret>>10)
		case text == "":
			return "", fmt.Errorf("read secret file %q: it is empty", shown)
		default:
			return text, nil
		}
	}
	return Secret{where: shown, read: read, replace: func(text string) error {
		if err := replaceFile(path, text+"\n"); err != nil {
			return fmt.Errorf("replace secret file %q: %w; let leadfloor write into its folder", shown, cause(err))
		}
		return nil
	}}
}

// replaceFile writes another file and puts it in the place of the one that is there: whoever reads finds one of them whole. It
// is its owner's, and its group's to read where it was before.
func replaceFile(path, text string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	old, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".leadfloor-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // where it was renamed there is nothing left to remove
	_, err = f.WriteString(text)
	err = errors.Join(err, chownLike(f, old), f.Chmod(0o600|old.Mode()&0o040), f.Sync())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// envSecret is kept in the environment variable of that name.
func envSecret(name string) Secret {
	return Secret{where: "${" + name + "}", read: func() (string, error) {
		v := os.Getenv(name)
		if v == "" {
			return "", fmt.Errorf("read secret: the environment variable %s is not set or empty", name)
		}
		return v, nil
	}}
}

// cause strips the path that the os package puts into its errors: it may hold what a variable held.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
