package text

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// key is what a key of the words table looks like in the source.
var key = regexp.MustCompile(`^(action|cli|dev|diag|find|link|outcome|reason|receipt|role|short|state|tui|txn|ui)\.[A-Za-z0-9_.-]+$`)

// literals returns the string literals of the tree's own source, tests apart, and the
// calls of functions named Word or word with a literal key.
func literals(t *testing.T) (keys map[string]string, calls map[string][]int) {
	t.Helper()
	keys, calls = map[string]string{}, map[string][]int{}
	for _, dir := range []string{"ui", "cmd", "emv/payment", "transport/control"} {
		root := filepath.Join("..", "..", dir)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, src, 0)
			if err != nil {
				return nil // somebody is writing it right now: the compiler will tell
			}
			collect(file, path, keys, calls)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return keys, calls
}

func collect(file *ast.File, path string, keys map[string]string, calls map[string][]int) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && key.MatchString(s) {
				keys[s] = path
			}
		case *ast.CallExpr:
			if name, args, ok := wordCall(n); ok {
				calls[name] = append(calls[name], args)
			}
		}
		return true
	})
}

// wordCall recognises text.Word(l, "key", …) and x.word("key", …), and returns the
// number of arguments after the key.
func wordCall(call *ast.CallExpr) (name string, args int, ok bool) {
	sel, isSel := call.Fun.(*ast.SelectorExpr)
	if !isSel || call.Ellipsis.IsValid() {
		return "", 0, false
	}
	at := map[string]int{"Word": 1, "word": 0}
	i, known := at[sel.Sel.Name]
	if !known || len(call.Args) <= i {
		return "", 0, false
	}
	lit, isLit := call.Args[i].(*ast.BasicLit)
	if !isLit {
		return "", 0, false
	}
	name, err := strconv.Unquote(lit.Value)
	return name, len(call.Args) - i - 1, err == nil
}

func TestEveryKeyInTheTreeIsInTheTable(t *testing.T) {
	keys, _ := literals(t)
	if len(keys) < 100 {
		t.Fatalf("%d keys found in the tree: the search is broken", len(keys))
	}
	for k, path := range keys {
		if !Has(Key(k)) {
			t.Errorf("%s: key %q is not in words.csv", path, k)
		}
	}
}

func TestEveryPlaceGetsItsArgument(t *testing.T) {
	_, calls := literals(t)
	if len(calls) < 50 {
		t.Fatalf("%d calls found in the tree: the search is broken", len(calls))
	}
	for k, given := range calls {
		want := strings.Count(places(Word(English, Key(k), "{1}", "{2}", "{3}")), "{")
		for _, n := range given {
			if n != want {
				t.Errorf("%s: %d arguments given, %d places", k, n, want)
			}
		}
	}
}

// The glossary's words wait for the screens that will show them; those of the tool and
// of the screen are ours alone.
func TestNoWordOfTheToolIsUnused(t *testing.T) {
	keys, _ := literals(t)
	for _, row := range table(t, words) {
		area, _, _ := strings.Cut(row[0], ".")
		if slices.Contains([]string{"cli", "tui"}, area) && keys[row[0]] == "" {
			t.Errorf("%s: nothing in the tree uses it", row[0])
		}
	}
}
