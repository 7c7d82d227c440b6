package tidy

import (
	"bytes"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// Laws returns every law of the tree.
func Laws() []Law {
	return []Law{
		{"imports", "imports point down only, so that a room can be understood without those above it", importsPointDown, nil},
		{"room", "a package whose level nobody knows can import anything", nil, everyPackageHasARoom},
		{"cmd", "cmd wires; what it wires does not know it", nobodyImportsCmd, nil},
		{"simulators", "a simulator that shares the kernel's code shares its bugs", simulatorsStandAlone, nil},
		{"pure", "below emv nothing does I/O, reads a clock or draws a random number: the same input gives the same payment", emvDoesNoIO, nil},
		{"clock", "time is data below emv: it comes in with the payment", emvReadsNoClock, nil},
		{"goroutine", "below emv one goroutine runs a payment, and its caller owns it", emvStartsNoGoroutine, nil},
		{"small", "what the agent links must not reach reflect.MethodByName: it keeps every method and costs megabytes", agentStaysSmall, nil},
		{"doc", "a package says what it is for, three words, what it does not do, and its specification", nil, everyPackageHasDoc},
		{"sleep", "a test that sleeps is slow or flaky: time comes through testing/synctest", testsDoNotSleep, nil},
		{"init", "what is done at start is seen in main", noInit, nil},
		{"leftover", "the tree holds what is finished; what is not is an issue", noLeftovers, nil},
		{"long", "a file is read in one sitting", noLongFile, nil},
		{"shared", "a clone alone builds and runs: only tests may look outside of it", noOutside, nil},
		{"testify", "the standard library compares well enough", noTestify, nil},
		{"reveal", "every place that shows a whole card number or track is known", revealsAreListed, nil},
	}
}

func emvDoesNoIO(f *File) (found []Finding) {
	if f.Test || !under(f.Dir, "emv") {
		return nil
	}
	f.imports(func(_, p string, pos token.Pos) {
		if under(p, "os", "net", "crypto/rand", "syscall", "golang.org/x/sys", "math/rand") || p == "log" {
			found = append(found, f.at(pos, "imports %s", p))
		}
	})
	return found
}

func emvReadsNoClock(f *File) []Finding {
	if f.Test || !under(f.Dir, "emv") {
		return nil
	}
	return f.uses("time", "Now", "Since", "Until")
}

func emvStartsNoGoroutine(f *File) (found []Finding) {
	if f.Test || !under(f.Dir, "emv") {
		return nil
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			found = append(found, f.at(g.Pos(), "go statement"))
		}
		return true
	})
	return found
}

// agentRooms is what cmd/posd links.
var agentRooms = []string{"emv", "device", "transport", "store", "ui/text", "ui/prompt", "ui/receipt", "cmd/posd"}

func agentStaysSmall(f *File) (found []Finding) {
	if f.Test || !under(f.Dir, agentRooms...) || under(f.Dir, "device/sim") {
		return nil
	}
	f.imports(func(_, p string, pos token.Pos) {
		if under(p, "text/template", "html/template", "google.golang.org/protobuf", "github.com/spf13/cobra") {
			found = append(found, f.at(pos, "imports %s", p))
		}
	})
	return found
}

func everyPackageHasDoc(p *Package) []Finding {
	code, first := false, ""
	for _, f := range p.Files {
		if f.Path == p.Dir+"/doc.go" || f.Path == "doc.go" {
			return docOf(f)
		}
		code = code || !f.Test
		if first == "" || f.Path < first {
			first = f.Path
		}
	}
	if !code {
		return nil // tests alone are no package that anybody imports
	}
	return []Finding{{first, 1, "package " + p.Dir + " has no doc.go"}}
}

// A package comment shorter than this says nothing.
const minDoc = 80

func docOf(f *File) []Finding {
	text := f.Syntax.Doc.Text()
	name := f.Syntax.Name.Name
	switch {
	case len(text) < minDoc:
		return []Finding{f.at(f.Syntax.Package, "package comment of %d characters, at least %d wanted", len(text), minDoc)}
	case name != "main" && !strings.HasPrefix(text, "Package "+name+" "):
		return []Finding{f.at(f.Syntax.Package, "package comment does not begin with %q", "Package "+name)}
	}
	return nil
}

func testsDoNotSleep(f *File) []Finding {
	if !f.Test {
		return nil
	}
	return f.uses("time", "Sleep")
}

func noInit(f *File) (found []Finding) {
	for _, d := range f.Syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			found = append(found, f.at(fn.Pos(), "func init"))
		}
	}
	return found
}

var leftover = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "X" + "XX"}, "|") + `)\b`)

func noLeftovers(f *File) (found []Finding) {
	for _, group := range f.Syntax.Comments {
		for _, c := range group.List {
			if word := leftover.FindString(c.Text); word != "" {
				found = append(found, f.at(c.Pos(), "%s", word))
			}
		}
	}
	return found
}

const maxLines = 500

// longFiles are tables: they are looked up, not read.
var longFiles = map[string]string{}

func noLongFile(f *File) []Finding {
	if f.Lines <= maxLines || longFiles[f.Path] != "" {
		return nil
	}
	return []Finding{{f.Path, maxLines + 1, "file is longer than 500 lines: split it, or list it as a table in build/tidy/laws.go"}}
}

var outside = []byte("../" + "shared")

func noOutside(f *File) (found []Finding) {
	if f.Test {
		return nil
	}
	for i, line := range bytes.Split(f.Source, []byte("\n")) {
		if bytes.Contains(line, outside) {
			found = append(found, Finding{f.Path, i + 1, "mentions " + string(outside)})
		}
	}
	return found
}

func noTestify(f *File) (found []Finding) {
	f.imports(func(_, p string, pos token.Pos) {
		if under(p, "github.com/stretchr/testify") {
			found = append(found, f.at(pos, "imports %s", p))
		}
	})
	return found
}

// revealers are the files that may call Reveal on a card number or a track.
var revealers = []struct{ file, why string }{
	{"host-sim/acquirer/card.go", "the host finds the account by its number"},
	{"host-sim/acquirer/routing.go", "the way of a payment depends on the first digits of the number"},
	{"cmd/internal/simulate/audit.go", "looks for the numbers of its test cards in every file"},
	{"cmd/internal/simulate/scene.go", "issuer keys belong to the beginning of a test card's number"},
	{"host-sim/issuer/card.go", "the issuer finds the card by its number"},
	{"device/sim/card/parse.go", "a card file holds a test card's number"},
	{"device/sim/card/cert.go", "an ICC certificate carries the number"},
	{"device/sim/card/personalise.go", "a card carries its number"},
	{"cmd/internal/rig/rig.go", "the rig opens an account for the test card"},
}

func revealsAreListed(f *File) (found []Finding) {
	if f.Test || f.Dir == "emv" {
		return nil
	}
	for _, row := range revealers {
		if f.Path == row.file {
			return nil
		}
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if ok && sel.Sel.Name == "Reveal" {
			found = append(found, f.at(sel.Pos(), "calls Reveal: use Masked or Append, or list the file in build/tidy/laws.go"))
		}
		return true
	})
	return found
}
