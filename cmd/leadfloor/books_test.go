package main

import (
	"strings"
	"testing"
)

func TestSeveral(t *testing.T) {
	many := strings.Fields(strings.Repeat("s ", 15))
	for want, ids := range map[string][]string{
		"": nil, "a": {"a"}, "a, b": {"a", "b"}, "s, s, s, s, s, s, s, s, s, s, s, s and 3 more": many,
	} {
		if got := several(ids); got != want {
			t.Errorf("several(%v) = %q, want %q", ids, got, want)
		}
	}
}
