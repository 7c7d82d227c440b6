package control

import (
	"slices"
	"testing"
)

func TestCatalogueIsInOrder(t *testing.T) {
	known := map[Code]bool{}
	for _, d := range Catalogue() {
		if known[d.Code] {
			t.Errorf("%s: twice", d.Code)
		}
		if !slices.Contains([]Severity{Error, Warning, Note}, d.Severity) {
			t.Errorf("%s: severity %q", d.Code, d.Severity)
		}
		for _, c := range d.DependsOn {
			if !known[c] { // so there is no cycle either
				t.Errorf("%s depends on %s, which does not come before it", d.Code, c)
			}
		}
		known[d.Code] = true
	}
}

func TestVisible(t *testing.T) {
	for _, row := range []struct {
		name string
		in   []Code
		want []Code
	}{
		{"nothing", nil, nil},
		{"worst first", []Code{TestKeys, ClockSkew, LinkDown}, []Code{LinkDown, ClockSkew, TestKeys}},
		{"a consequence is hidden", []Code{NotSignedOn, LinkDown, ReversalOwed}, []Code{LinkDown}},
		{"and shown by itself", []Code{ReversalOwed, NotSignedOn}, []Code{NotSignedOn}},
		{"an unknown one is an error", []Code{ClockSkew, "new-trouble"}, []Code{"new-trouble", ClockSkew}},
	} {
		var in []Finding
		for _, c := range row.in {
			in = append(in, c.With(""))
		}
		var got []Code
		for _, f := range Visible(in) {
			got = append(got, f.Code)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
		if len(in) > 0 && in[0].Code != row.in[0] {
			t.Errorf("%s: the argument was changed", row.name)
		}
	}
}
