package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// Limits of a configuration file. Aliases are followed where they stand, so a small file can ask for much work: maxVisits bounds it.
const (
	maxConfig = 1 << 20 // bytes
	maxVisits = 200_000 // nodes read, aliased ones each time
	maxFaults = 1000
	maxMerges = 16   // "<<" within "<<"
	maxValue  = 1024 // bytes of one value, so that a fault may quote it
)

// A Fault is one thing that is wrong in a configuration file.
type Fault struct {
	File  string
	Line  int    // from 1; 0: the file as a whole
	Field string // such as stores[0].roster[1].weight; "" for the file as a whole
	Text  string // what is wrong and what to do, without any value that may be personal or secret
}

// String is "file:line: field: text".
func (f Fault) String() string {
	s := f.File
	if f.Line > 0 {
		s += ":" + strconv.Itoa(f.Line)
	}
	if f.Field != "" {
		s += ": " + f.Field
	}
	return s + ": " + f.Text
}

// Faults is every fault of a file, in the order of its lines.
type Faults []Fault

// Error is one line for each fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.String()
	}
	return strings.Join(lines, "\n")
}

// A reader walks the tree of a file into a Config and collects the faults that it meets.
type reader struct {
	file   string
	dir    string // relative paths start here
	faults Faults
	visits int
	later  []func() // what can be checked only when all has been read
}

// A field reads the value of one field, found at the path at.
type field func(n *yaml.Node, at string)

func (r *reader) fault(n *yaml.Node, at, format string, args ...any) {
	line := 0
	if n != nil {
		line = n.Line
	}
	r.faultAt(line, at, format, args...)
}

func (r *reader) faultAt(line int, at, format string, args ...any) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, Fault{File: r.file, Line: line, Field: at, Text: fmt.Sprintf(format, args...)})
	}
}

// tree parses data, which must be one YAML document, into its top node; nil after a fault or for an empty file.
func (r *reader) tree(data []byte) (top *yaml.Node) {
	// The parser's own bugs, as found by fuzzing it, are panics; a configuration must not be able to end the daemon at a reload.
	defer func() {
		if p := recover(); p != nil {
			top = nil
			r.faultAt(0, "", "this is not YAML that can be read")
		}
	}()
	if len(data) > maxConfig {
		r.faultAt(0, "", "the file is larger than %d kB", maxConfig>>10)
		return nil
	}
	d := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		r.syntax(data, err)
		return nil
	}
	if err := d.Decode(&more); err == nil {
		r.fault(&more, "", "a second document begins here; a configuration is one document")
		return nil
	} else if !errors.Is(err, io.EOF) {
		r.syntax(data, err)
		return nil
	}
	return doc.Content[0]
}

var plain = regexp.MustCompile(`^[\w-]+$`)

var (
	yamlLine   = regexp.MustCompile(`^line (\d+): `)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '(.+)' referenced$`)
)

// syntax reports what the parser stumbled over.
func (r *reader) syntax(data []byte, err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	} else if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		if before, _, ok := strings.Cut(string(data), "*"+m[1]); ok { // the library names no line here
			line = 1 + strings.Count(before, "\n")
		}
	}
	r.faultAt(line, "", "not YAML: %s", text)
}

// visit follows an alias and counts the work; false when there has been too much of it, which is told once.
func (r *reader) visit(n *yaml.Node) (*yaml.Node, bool) {
	r.visits++
	if r.visits == maxVisits {
		r.faults = r.faults[:min(len(r.faults), maxFaults-1)] // this one is always told
		r.fault(n, "", "the aliases of this file unfold to too much")
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n, r.visits < maxVisits
}

// pair is one field as it stands in the file.
type pair struct{ key, value *yaml.Node }

// pairs lists the fields of a mapping, those merged in by "<<" after its own, and reports keys that stand twice.
func (r *reader) pairs(n *yaml.Node, at string, depth int) (all []pair) {
	first := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if _, ok := r.visit(key); !ok {
			return nil
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			r.fault(key, at, "a field's name must be plain text")
		case key.Tag == "!!merge":
			merged = append(merged, value)
		case first[key.Value] != 0:
			r.fault(key, join(at, key.Value), "given twice, first on line %d", first[key.Value])
		default:
			first[key.Value] = key.Line
			all = append(all, pair{key, value})
		}
	}
	for len(merged) > 0 {
		m, ok := r.visit(merged[0])
		merged = merged[1:]
		switch {
		case !ok:
			return nil
		case depth >= maxMerges:
			r.fault(m, at, "\"<<\" is nested too deep")
			return all
		case m.Kind == yaml.SequenceNode:
			merged = append(slices.Clone(m.Content), merged...)
			depth++
		case m.Kind != yaml.MappingNode:
			r.fault(m, at, "\"<<\" takes a mapping or a list of mappings")
		default:
			for _, p := range r.pairs(m, at, depth+1) {
				if first[p.key.Value] == 0 { // the mapping's own fields win
					first[p.key.Value] = p.key.Line
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// fields reads the mapping n, each of its fields by the entry of its name in known. A field without a value counts as not given.
// The fields given are returned with the line of each.
func (r *reader) fields(n *yaml.Node, at string, known map[string]field) map[string]*yaml.Node {
	given := map[string]*yaml.Node{}
	r.each(n, at, func(key, value *yaml.Node) {
		name := key.Value
		empty := value.Kind == yaml.ScalarNode && value.Tag == "!!null"
		if empty && known[name] == nil {
			// In "{username:, password_file:}" the library takes the colon for a part of the name, which YAML 1.2 (7.4.2) does not.
			name = strings.TrimSuffix(name, ":")
		}
		read, ok := known[name]
		switch {
		case !ok:
			r.fault(key, join(at, name), "unknown field; known here: %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		case !empty:
			given[name] = value
			read(value, join(at, name))
		}
	})
	return given
}

// each calls f for every field of the mapping n, aliases followed.
func (r *reader) each(n *yaml.Node, at string, f func(key, value *yaml.Node)) {
	n, ok := r.visit(n)
	if !ok {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fault(n, at, "must be a mapping of fields, not %s", kind(n))
		return
	}
	for _, p := range r.pairs(n, at, 0) {
		value, ok := r.visit(p.value)
		if !ok {
			return
		}
		f(p.key, value)
	}
}

// need reports the names that given lacks, at the line of n. What is no mapping at all has been told already.
func (r *reader) need(n *yaml.Node, at string, given map[string]*yaml.Node, names ...string) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for _, name := range names {
		if given[name] == nil {
			r.fault(n, join(at, name), "is needed")
		}
	}
}

// list reads each element of a sequence.
func (r *reader) list(each field) field {
	return func(n *yaml.Node, at string) {
		if n.Kind != yaml.SequenceNode {
			r.fault(n, at, "must be a list, not %s", kind(n))
			return
		}
		for i, c := range n.Content {
			c, ok := r.visit(c)
			if !ok {
				return
			}
			each(c, at+"["+strconv.Itoa(i)+"]")
		}
	}
}

// scalar gives the text of a value as it stands in the file, whatever YAML would make of it: a name may look like a number.
func (r *reader) scalar(n *yaml.Node, at string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		r.fault(n, at, "must be one value, not %s", kind(n))
		return "", false
	}
	if len(n.Value) > maxValue {
		r.fault(n, at, "is longer than %d bytes", maxValue)
		return "", false
	}
	return n.Value, true
}

// A check says what is wrong with a text, "" when nothing is.
type check func(string) string

// text reads a text that passes the checks.
func (r *reader) text(into *string, checks ...check) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		for _, c := range checks {
			if wrong := c(s); wrong != "" {
				r.fault(n, at, "%s", wrong)
				return
			}
		}
		*into = s
	}
}

// texts reads a list of texts.
func (r *reader) texts(into *[]string, checks ...check) field {
	return func(n *yaml.Node, at string) {
		*into = nil
		r.list(func(n *yaml.Node, at string) {
			var s string
			r.text(&s, checks...)(n, at)
			if s != "" {
				if slices.Contains(*into, s) {
					r.fault(n, at, "stands in the list twice")
				}
				*into = append(*into, s)
			}
		})(n, at)
	}
}

func (r *reader) whole(into *int, low, high int) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		i, err := strconv.Atoi(s)
		if err != nil || i < low || i > high {
			r.fault(n, at, "must be a whole number from %d to %d", low, high)
			return
		}
		*into = i
	}
}

func (r *reader) yes(into *bool) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		switch {
		case !ok:
		case s == "true" || s == "false":
			*into = s == "true"
		default:
			r.fault(n, at, "must be true or false")
		}
	}
}

// duration reads a duration of at least low.
func (r *reader) duration(into *time.Duration, low time.Duration) field {
	return func(n *yaml.Node, at string) {
		s, ok := r.scalar(n, at)
		if !ok {
			return
		}
		d, err := parseDuration(s)
		switch {
		case err != nil:
			r.fault(n, at, "%v", err)
		case d < low:
			r.fault(n, at, "must be at least %s", model.Duration(low))
		default:
			*into = d
		}
	}
}

// parseDuration reads a duration as Prometheus writes it: 90s, 5m, 1h30m, 1d.
func parseDuration(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no duration; write it as 90s, 5m, 1h30m or 1d", s)
	}
	return time.Duration(d), nil
}

// join is the path of a field of the mapping at at.
func join(at, name string) string {
	if !plain.MatchString(name) {
		name = fmt.Sprintf("%.40q", name)
	}
	if at == "" {
		return name
	}
	return at + "." + name
}

func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return "one value"
}
