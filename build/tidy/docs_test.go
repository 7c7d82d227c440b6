package tidy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testWord = regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w+`)
	folder   = regexp.MustCompile("`([a-z][a-z0-9/-]*)`")
)

// missingTests names what a page says of tests that is not so. A test belongs to the last
// folder named before it in its table cell, or to any where none is named.
func missingTests(page string, exists func(dir, test string) bool) (missing []string) {
	for _, line := range strings.Split(page, "\n") {
		for _, cell := range strings.Split(line, "|") {
			dir := ""
			for _, word := range regexp.MustCompile(folder.String()+`|`+testWord.String()).FindAllString(cell, -1) {
				if strings.HasPrefix(word, "`") {
					dir = strings.Trim(word, "`")
				} else if !exists(dir, word) {
					missing = append(missing, dir+" "+word)
				}
			}
		}
	}
	return missing
}

// TestDocsNameRealTests: a page under docs that names a test names one that is there.
func TestDocsNameRealTests(t *testing.T) {
	root := filepath.Join("..", "..")
	exists := func(dir, test string) bool {
		for _, d := range []string{dir, "build/tidy"} {
			files, _ := filepath.Glob(filepath.Join(root, d, "*_test.go"))
			for _, name := range files {
				if text, err := os.ReadFile(name); err == nil && strings.Contains(string(text), "func "+test+"(") {
					return true
				}
			}
		}
		return false
	}
	for _, name := range []string{"docs/compliance.md"} {
		page, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range missingTests(string(page), exists) {
			t.Errorf("%s names %s, which is not there", name, m)
		}
	}
	if got := missingTests("| x | `host-sim` TestNoSuchThing |", exists); len(got) != 1 {
		t.Errorf("a planted wrong name: %q", got)
	}
}
