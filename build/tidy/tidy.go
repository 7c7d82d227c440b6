package tidy

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Violation is one broken law.
type Violation struct {
	File   string // from the root of the tree, with slashes
	Line   int
	Law    string
	Detail string // what is there
	Why    string // why it may not be
}

// String gives one line, in the form that editors understand.
func (v Violation) String() string {
	return fmt.Sprintf("%s:%d: %s: %s (%s)", v.File, v.Line, v.Law, v.Detail, v.Why)
}

// Law is one rule. Either check may be nil.
type Law struct {
	Name    string
	Why     string
	File    func(f *File) []Finding
	Package func(p *Package) []Finding
}

// Finding is where a law is broken in a file.
type Finding struct {
	File   string
	Line   int
	Detail string
}

// File is one Go source file.
type File struct {
	Path   string // from the root of the tree, with slashes
	Dir    string // package folder; "." at the root
	Test   bool
	Source []byte
	Lines  int
	Syntax *ast.File
	fset   *token.FileSet
}

// Package is a folder with Go files.
type Package struct {
	Dir   string
	Files []*File
}

// module is the path of the project's module: its own imports begin with it.
const module = "posd"

// Check reads the tree under root and returns every violation, by file and line.
func Check(root string, laws []Law) ([]Violation, error) {
	packages, err := read(root)
	if err != nil {
		return nil, fmt.Errorf("tidy: read %s: %w", root, err)
	}
	var found []Violation
	for _, p := range packages {
		for _, law := range laws {
			for _, f := range law.apply(p) {
				found = append(found, Violation{f.File, f.Line, law.Name, f.Detail, law.Why})
			}
		}
	}
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Law, b.Law))
	})
	return found, nil
}

func (law Law) apply(p *Package) (found []Finding) {
	if law.Package != nil {
		found = law.Package(p)
	}
	if law.File != nil {
		for _, f := range p.Files {
			found = append(found, law.File(f)...)
		}
	}
	return found
}

// read parses every Go file, folder by folder. Folders named testdata and those that
// begin with a dot are not part of the program.
func read(root string) ([]*Package, error) {
	byDir := map[string]*Package{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parse(root, name)
		if err != nil {
			return err
		}
		if byDir[f.Dir] == nil {
			byDir[f.Dir] = &Package{Dir: f.Dir}
		}
		byDir[f.Dir].Files = append(byDir[f.Dir].Files, f)
		return nil
	})
	var packages []*Package
	for _, p := range byDir {
		packages = append(packages, p)
	}
	return packages, err
}

func parse(root, name string) (*File, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	rel = filepath.ToSlash(rel)
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, rel, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{
		Path: rel, Dir: path.Dir(rel), Test: strings.HasSuffix(rel, "_test.go"),
		Source: source, Lines: bytes.Count(source, []byte("\n")), Syntax: syntax, fset: fset,
	}, nil
}

func (f *File) at(pos token.Pos, format string, args ...any) Finding {
	return Finding{f.Path, f.fset.Position(pos).Line, fmt.Sprintf(format, args...)}
}

// imports calls fn with each import path and the name by which the file knows it.
func (f *File) imports(fn func(name, path string, pos token.Pos)) {
	for _, spec := range f.Syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		fn(name, p, spec.Pos())
	}
}

// uses finds where the file uses one of the names of a package, called or not.
func (f *File) uses(pkg string, names ...string) (found []Finding) {
	local := ""
	f.imports(func(name, p string, _ token.Pos) {
		if p == pkg {
			local = name
		}
	})
	if local == "" {
		return nil
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || !slices.Contains(names, sel.Sel.Name) {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
			found = append(found, f.at(sel.Pos(), "%s.%s", pkg, sel.Sel.Name))
		}
		return true
	})
	return found
}

// under tells whether a folder is one of the given ones, or inside it.
func under(dir string, roots ...string) bool {
	for _, r := range roots {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return true
		}
	}
	return false
}
