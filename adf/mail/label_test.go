package mail

import (
	"slices"
	"strings"
	"testing"
)

// TestTables holds the tables of labels to what their readers expect. It looks inside, since a label in two rows, or one that no label can
// ever equal, cannot be seen from outside.
func TestTables(t *testing.T) {
	for name, table := range map[string]map[string]string{"labels": labels, "sections": sections, "prefixes": prefixes, "against": against} {
		for label := range table {
			if got := normalLabel(label); got != label {
				t.Errorf("%s: %q is %q in normal form", name, label, got)
			}
		}
	}
	for label, f := range labels {
		for _, scope := range []string{"", "customer", "vehicle", "trade", "vendor"} {
			if g := resolve(f, scope); !isField(g) && (g != "" || scope != "customer" && scope != "vendor") {
				t.Errorf("label %q under %q: no field %q", label, scope, g)
			}
		}
		if _, ok := against[label]; ok {
			t.Errorf("label %q speaks for and against", label)
		}
	}
	if s := strings.ToLower(makes); s != makes || !strings.HasPrefix(makes, "|") || !strings.HasSuffix(makes, "|") {
		t.Error("makes are to be in lower case between bars")
	}
	for _, b := range builtin {
		if err := b.Validate(); err != nil {
			t.Errorf("%s: %v", b.Name, err)
		}
		for _, pattern := range slices.Concat(b.From, b.Subject) {
			if pattern != strings.ToLower(pattern) {
				t.Errorf("%s: pattern %q is to be in lower case", b.Name, pattern)
			}
		}
	}
}

// TestExpand refuses a label in two rows: which one holds would change from run to run.
func TestExpand(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("expand took a label twice, want a panic")
		}
	}()
	expand(map[string]string{"a": "x|y", "b": "z|x"})
}
