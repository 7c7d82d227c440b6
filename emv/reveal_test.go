package emv

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const revealList = "testdata/reveal.txt"

// Every caller of Reveal and Append of a PAN or a Track2 in the tree is on the list,
// with a reason, and nothing is on it that is not in the tree.
func TestWhoReveals(t *testing.T) {
	tree, found := parseTree(t, ".."), map[string]bool{}
	fields := fieldsOf(tree)
	for dir, files := range tree {
		for _, caller := range revealers(dir, files, fields) {
			found[caller] = true
		}
	}
	listed := map[string]bool{}
	data, err := os.ReadFile(revealList)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		caller, reason, ok := strings.Cut(line, ": ")
		if !ok || strings.TrimSpace(reason) == "" {
			t.Errorf("%s: %q gives no reason", revealList, line)
		}
		listed[caller] = true
		if !found[caller] {
			t.Errorf("%s: %s does not reveal any more: take the line out", revealList, caller)
		}
	}
	for _, caller := range slices.Sorted(maps.Keys(found)) {
		if !listed[caller] {
			t.Errorf("%s shows a card number or a track: if it must, say why in %s", caller, revealList)
		}
	}
}

// parseTree parses the program's Go files, by folder below root.
func parseTree(t *testing.T, root string) map[string][]*ast.File {
	t.Helper()
	tree := map[string][]*ast.File{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		dir, _ := filepath.Rel(root, filepath.Dir(path))
		tree[filepath.ToSlash(dir)] = append(tree[filepath.ToSlash(dir)], file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// secretType tells whether a type is PAN or Track2, a pointer to one, or holds several.
func secretType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		return secretType(e.X)
	case *ast.ArrayType:
		return secretType(e.Elt)
	case *ast.MapType:
		return secretType(e.Value) || secretType(e.Key)
	case *ast.ChanType:
		return secretType(e.Value)
	}
	name := lastName(e)
	return name == "PAN" || name == "Track2"
}

// lastName is the name that an expression ends in: digits for rec.card.digits[0], and
// parse for x.parse(b).
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.CallExpr:
		return lastName(e.Fun)
	case *ast.IndexExpr:
		return lastName(e.X)
	case *ast.ParenExpr:
		return lastName(e.X)
	case *ast.StarExpr:
		return lastName(e.X)
	case *ast.UnaryExpr:
		return lastName(e.X)
	case *ast.SliceExpr:
		return lastName(e.X)
	case *ast.TypeAssertExpr:
		return lastName(e.Type)
	case *ast.CompositeLit:
		return lastName(e.Type)
	}
	return ""
}

// fieldsOf collects the names that mean a secret wherever they stand: the types
// themselves, struct fields of these types, and functions that return one.
func fieldsOf(tree map[string][]*ast.File) map[string]bool {
	names := map[string]bool{"PAN": true, "Track2": true}
	for _, files := range tree {
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.StructType:
					addNames(names, n.Fields)
				case *ast.FuncDecl:
					if n.Type.Results != nil && len(n.Type.Results.List) > 0 && secretType(n.Type.Results.List[0].Type) {
						names[n.Name.Name] = true
					}
				}
				return true
			})
		}
	}
	return names
}

func addNames(names map[string]bool, list *ast.FieldList) {
	if list == nil {
		return
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			if secretType(field.Type) {
				names[name.Name] = true
			}
		}
	}
}

// revealers returns "folder function method" for each function that reveals. The test
// knows no types, only names: Reveal counts whoever has it, and Append counts on a name
// that the function declares as a secret or fills with one, or that is in fields.
func revealers(dir string, files []*ast.File, fields map[string]bool) []string {
	found := map[string]bool{}
	for _, file := range files {
		for _, decl := range file.Decls {
			secrets := maps.Clone(fields)
			function := "(package)"
			if f, ok := decl.(*ast.FuncDecl); ok {
				function = f.Name.Name
				if f.Recv != nil {
					function = lastName(f.Recv.List[0].Type) + "." + function
				}
				addNames(secrets, f.Recv)
				addNames(secrets, f.Type.Params)
				addNames(secrets, f.Type.Results)
			}
			learn(secrets, decl)
			ast.Inspect(decl, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if ok && (s.Sel.Name == "Reveal" || s.Sel.Name == "Append" && secrets[lastName(s.X)]) {
					found[dir+" "+function+" "+s.Sel.Name] = true
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// learn adds the names that a declaration gives to secrets, until there are no more.
func learn(secrets map[string]bool, decl ast.Decl) {
	for before := -1; before != len(secrets); {
		before = len(secrets)
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				addNames(secrets, n.Type.Params)
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if n.Type != nil && secretType(n.Type) || i < len(n.Values) && secrets[lastName(n.Values[i])] {
						secrets[name.Name] = true
					}
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if i < len(n.Rhs) && secrets[lastName(n.Rhs[i])] && lastName(left) != "_" {
						secrets[lastName(left)] = true
					}
				}
			case *ast.TypeSwitchStmt:
				learnSwitch(secrets, n)
			case *ast.RangeStmt:
				if n.Value != nil && secrets[lastName(n.X)] {
					secrets[lastName(n.Value)] = true
				}
			}
			return true
		})
	}
}

// learnSwitch adds the name of a type switch that has a case for a secret.
func learnSwitch(secrets map[string]bool, n *ast.TypeSwitchStmt) {
	assign, ok := n.Assign.(*ast.AssignStmt)
	if !ok {
		return
	}
	for _, clause := range n.Body.List {
		if slices.ContainsFunc(clause.(*ast.CaseClause).List, secretType) {
			secrets[lastName(assign.Lhs[0])] = true
		}
	}
}

// The finder is itself tested, against ways to a number and against what only looks
// like one.
func TestRevealersFindsPlantedCalls(t *testing.T) {
	const planted = `package planted
type card struct { number emv.PAN; stripes []emv.Track2; out buffer }
func reveal(c card) string { return c.number.Reveal() }
func field(c *card, b []byte) []byte { return c.number.Append(b) }
func param(p emv.PAN) []byte { return p.Append(nil) }
func (c card) parsed(s string) []byte { x, err := emv.ParsePAN(s); _ = err; y := x; return y.Append(nil) }
func list(c card) { for _, s := range c.stripes { s.Append(nil) } }
func value(c card) any { return c.number.Append }
func expression() any { return emv.PAN.Reveal }
func closure() any { return func(p *emv.PAN) []byte { return p.Append(nil) } }
func declared() { var p emv.Track2; p.Append(nil) }
func switched(v any) { switch at := v.(type) { case string: case *emv.PAN: at.Append(nil) } }
func asserted(v any) { v.(emv.PAN).Append(nil) }
func mapped(m map[string]emv.PAN) { m["x"].Append(nil) }
func literal() { emv.PAN{}.Append(nil) }
var global = emv.Track2{}.Reveal
func harmless(c card, tag tlv.Tag, p []byte) { c.out.Append(p); tag.Append(p); tlv.Append(p, tag, p); _ = append(p, 1) }
`
	file, err := parser.ParseFile(token.NewFileSet(), "planted.go", planted, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	// ParsePAN is generic in package emv; here its result is declared for the finder.
	fields := fieldsOf(map[string][]*ast.File{"planted": {file}})
	fields["ParsePAN"] = true
	got := revealers("x", []*ast.File{file}, fields)
	want := []string{
		"x (package) Reveal", "x asserted Append", "x card.parsed Append", "x closure Append", "x declared Append", "x expression Reveal",
		"x field Append", "x list Append", "x literal Append", "x mapped Append", "x param Append", "x reveal Reveal", "x switched Append", "x value Append",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
