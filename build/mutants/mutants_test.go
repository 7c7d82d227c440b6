package main

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestMutantsFit: every mutant's text stands exactly once in its file, what replaces it
// is another, and the result can be parsed. A change of the kernel that takes a mutant's
// text away is told here, not minutes later.
func TestMutantsFit(t *testing.T) {
	names := map[string]bool{}
	for _, m := range table {
		if m.name == "" || names[m.name] {
			t.Errorf("name %q: empty, or twice", m.name)
		}
		names[m.name] = true
		src, err := m.plant("../..")
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if m.old == m.new || !strings.HasPrefix(m.file, "emv/") {
			t.Errorf("%s: changes nothing, or not in emv", m.name)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), m.file, src, parser.SkipObjectResolution); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	if len(table) < 30 {
		t.Errorf("%d mutants, at least 30 wanted", len(table))
	}
}

func TestWanted(t *testing.T) {
	if got := wanted(nil); len(got) != len(table) {
		t.Errorf("%d of %d without words", len(got), len(table))
	}
	if got := wanted([]string{"no such fault"}); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := wanted([]string{strings.ToUpper(table[0].name)}); len(got) != 1 || got[0] != table[0] {
		t.Errorf("%v", got)
	}
}
