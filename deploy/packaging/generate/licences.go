package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// licences are the terms of all that is linked into the binary, as their authors ask that they be passed on: of each module, and of Go.
func licences(binary string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read what %q is made of: %w", binary, err)
	}
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("ask go for its module cache: %w", err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("ask go for its root: %w", err)
	}
	var b bytes.Buffer
	// Some distributions of Go leave its licence out of GOROOT; their own package carries it.
	if _, err := addLicences(&b, "The Go standard library, "+info.GoVersion, strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		dir := filepath.Join(strings.TrimSpace(string(cache)), filepath.FromSlash(escaped(m.Path))+"@"+escaped(m.Version))
		found, err := addLicences(&b, m.Path+" "+m.Version, dir)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, fmt.Errorf("%s %s has no licence in %q: may it be passed on?", m.Path, m.Version, dir)
		}
	}
	return b.Bytes(), nil
}

func addLicences(b *bytes.Buffer, what, dir string) (found bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("look for the licence of %s: %w", what, err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return false, fmt.Errorf("read the licence of %s: %w", what, err)
		}
		fmt.Fprintf(b, "%s: %s\n\n%s\n\n%s\n\n", what, e.Name(), bytes.TrimSpace(text), strings.Repeat("-", 80))
		found = true
	}
	return found, nil
}

// escaped is how the module cache spells capitals.
func escaped(path string) string {
	var b strings.Builder
	for _, r := range path {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}
