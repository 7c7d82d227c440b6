package tidy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../.."

// The laws, over the tree.
func TestTheTreeKeepsItsLaws(t *testing.T) {
	found, err := Check(repository, Laws())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

const goodDoc = `// Package %s is here to be looked at by a test, and says so in a comment that is long enough.
package %s
`

// tree writes a tree of files under a folder of the test. Every folder with Go code that
// has no doc.go of its own gets a good one.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	write := func(name, content string) {
		full := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		write(name, content)
		doc := filepath.Join(filepath.Dir(name), "doc.go")
		if _, has := files[doc]; !has && !strings.HasSuffix(name, "-nodoc.go") {
			pkg := strings.ReplaceAll(filepath.Base(filepath.Dir(name)), "-", "")
			write(doc, strings.ReplaceAll(goodDoc, "%s", pkg))
		}
	}
	return root
}

// Each law finds the violation that was planted for it, at its line, and nothing else;
// and it leaves alone what looks like one and is none.
func TestEachLawFindsWhatIsPlanted(t *testing.T) {
	lines := func(n int) string { return "package tag\n" + strings.Repeat("\n", n-1) }
	for _, row := range []struct {
		name string
		file string
		text string
		want string // "law line" of each finding, joined by commas; empty for none
	}{
		{"upwards", "emv/kernel/a.go", "package kernel\nimport _ \"posd/emv/payment\"\n", "imports 2"},
		{"upwards, from the bottom", "emv/a.go", "package emv\nimport _ \"posd/emv/tlv\"\n", "imports 2"},
		{"between algorithms", "emv/cvm/a.go", "package cvm\nimport _ \"posd/emv/oda\"\n", "imports 2"},
		{"from emv to an adapter", "emv/payment/a.go", "package payment\nimport _ \"posd/store\"\n", "imports 2"},
		{"between adapters", "store/a.go", "package store\nimport _ \"posd/transport/control\"\n", "imports 2"},
		{"screen to transport, not control", "ui/tui/a.go", "package tui\nimport _ \"posd/transport/iso8583\"\n", "imports 2"},
		{"host to transport, not the codec", "host-sim/a.go", "package hostsim\nimport _ \"posd/transport/acquirer\"\n", "imports 2"},
		{"screen to control", "ui/tui/a.go", "package tui\nimport _ \"posd/transport/control\"\n", ""},
		{"host to codec", "host-sim/acquirer/a.go", "package acquirer\nimport _ \"posd/transport/iso8583\"\n", ""},
		{"downwards", "device/a.go", "package device\nimport _ \"posd/emv/keyblock\"\n", ""},
		{"inside a room", "device/reader/ccid/a.go", "package ccid\nimport _ \"posd/device/link\"\n", ""},
		{"a test upwards", "emv/kernel/a_test.go", "package kernel\nimport _ \"posd/device/sim/card\"\n", ""},
		{"a package in no room", "emv/misc/a.go", "package misc\n", "room 1"},
		{"an import of no room", "store/a.go", "package store\nimport _ \"posd/util\"\n", "imports 2"},
		{"a driver's import of cmd", "device/a.go", "package device\nimport _ \"posd/cmd/posd\"\n", "cmd 2,imports 2"},
		{"a test's import of cmd", "device/a_test.go", "package device\nimport _ \"posd/cmd/internal/rig\"\n", "cmd 2"},
		{"cmd's import of cmd", "cmd/demo/a.go", "package main\nimport _ \"posd/cmd/posd\"\n", "cmd 2"},
		{"cmd/internal inside cmd", "cmd/demo/a.go", "package main\nimport _ \"posd/cmd/internal/rig\"\n", ""},
		{"a simulator with the kernel", "device/sim/card/a.go", "package card\nimport _ \"posd/emv/kernel\"\n", "simulators 2"},
		{"the host with oda", "host-sim/issuer/a.go", "package issuer\nimport _ \"posd/emv/oda\"\n", "simulators 2"},
		{"a simulator's test with the kernel", "device/sim/card/a_test.go", "package card\nimport _ \"posd/emv/kernel\"\n", ""},
		{"os below emv", "emv/oda/a.go", "package oda\nimport _ \"os\"\n", "pure 2"},
		{"os/exec below emv", "emv/oda/a.go", "package oda\nimport _ \"os/exec\"\n", "pure 2"},
		{"net/http below emv", "emv/oda/a.go", "package oda\nimport _ \"net/http\"\n", "pure 2"},
		{"randomness below emv", "emv/oda/a.go", "package oda\nimport _ \"crypto/rand\"\n", "pure 2"},
		{"log below emv", "emv/oda/a.go", "package oda\nimport _ \"log\"\n", "pure 2"},
		{"slog below emv", "emv/oda/a.go", "package oda\nimport _ \"log/slog\"\n", ""},
		{"os in a test below emv", "emv/oda/a_test.go", "package oda\nimport _ \"os\"\n", ""},
		{"the clock below emv", "emv/payment/a.go", "package payment\nimport \"time\"\nvar Now = time.Now\n", "clock 3"},
		{"the clock under another name", "emv/payment/a.go", "package payment\nimport t \"time\"\nfunc f() { t.Since(t.Time{}) }\n", "clock 3"},
		{"somebody's own Now", "emv/payment/a.go", "package payment\nimport \"time\"\nvar _ time.Time\ntype c struct{ Now int }\nfunc f(x c) int { return x.Now }\n", ""},
		{"a goroutine below emv", "emv/kernel/a.go", "package kernel\nfunc f() {\n\tgo f()\n}\n", "goroutine 3"},
		{"a goroutine elsewhere", "device/a.go", "package device\nfunc f() {\n\tgo f()\n}\n", ""},
		{"templates in the agent", "ui/receipt/a.go", "package receipt\nimport _ \"text/template\"\n", "small 2"},
		{"cobra in the agent", "cmd/posd/a.go", "package main\nimport _ \"github.com/spf13/cobra\"\n", "small 2"},
		{"cobra in the tool", "cmd/posctl/a.go", "package main\nimport _ \"github.com/spf13/cobra\"\n", ""},
		{"no doc.go", "store/a-nodoc.go", "// Package store has its comment in the wrong place, however long that comment may be.\npackage store\n", "doc 1"},
		{"a doc.go that says nothing", "store/doc.go", "// Package store stores.\npackage store\n", "doc 2"},
		{"a doc.go without a comment", "store/doc.go", "package store\n", "doc 1"},
		{"a doc.go of another package", "store/doc.go", "// Package other is here to be looked at by a test, and says so in a comment that is long enough.\npackage store\n", "doc 2"},
		{"tests alone", "store/a-nodoc_test.go", "package store\n", ""},
		{"a test that sleeps", "store/a_test.go", "package store\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "sleep 3"},
		{"code that sleeps", "store/a.go", "package store\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", ""},
		{"init", "store/a.go", "package store\n\nfunc init() {}\n", "init 3"},
		{"a method called init", "store/a.go", "package store\ntype x int\nfunc (x) init() {}\n", ""},
		{"leftover", "store/a.go", "package store\n\n// TO" + "DO: later\n", "leftover 3"},
		{"leftover in a block", "store/a.go", "package store\n/* FIX" + "ME */\n", "leftover 2"},
		{"leftover in a string", "store/a.go", "package store\nconst x = \"TO" + "DO\"\n", ""},
		{"a long file", "emv/tag/a.go", lines(501), "long 501"},
		{"a file of 500 lines", "emv/tag/a.go", lines(500), ""},
		{"the world outside", "store/a.go", "package store\nconst x = \"../" + "shared/domain\"\n", "shared 2"},
		{"the world outside, in a test", "store/a_test.go", "package store\nconst x = \"../" + "shared/domain\"\n", ""},
		{"testify", "store/a_test.go", "package store\nimport _ \"github.com/stretchr/testify/require\"\n", "testify 2"},
		{"a card number shown", "ui/receipt/a.go", "package receipt\nfunc f(p interface{ Reveal() string }) string {\n\treturn p.Reveal()\n}\n", "reveal 3"},
		{"a card number shown where it may be", "host-sim/issuer/card.go", "package issuer\nfunc f(p interface{ Reveal() string }) string {\n\treturn p.Reveal()\n}\n", ""},
		{"a folder of test data", "store/testdata/a.go", "package x\nimport _ \"posd/cmd/posd\"\n", ""},
		{"a folder with a dot", ".cache/a.go", "package x\nimport _ \"posd/cmd/posd\"\n", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			found, err := Check(tree(t, map[string]string{row.file: row.text}), Laws())
			if err != nil {
				t.Fatal(err)
			}
			if got := short(found); got != row.want {
				t.Errorf("got %q, want %q: %v", got, row.want, found)
			}
		})
	}
}

// short gives "law line" of each finding.
func short(found []Violation) string {
	var out []string
	for _, v := range found {
		out = append(out, fmt.Sprint(v.Law, " ", v.Line))
	}
	return strings.Join(out, ",")
}

func TestAViolationNamesFileLineLawAndReason(t *testing.T) {
	root := tree(t, map[string]string{"emv/oda/a.go": "package oda\n\nimport \"os\"\n"})
	found, err := Check(root, Laws())
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v %v", found, err)
	}
	want := "emv/oda/a.go:3: pure: imports os (below emv nothing does I/O"
	if got := found[0].String(); !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q …", got, want)
	}
}

// Every exception is still needed: a file that is gone or short again leaves its line.
func TestExceptionsAreNeeded(t *testing.T) {
	for file, why := range longFiles {
		b, err := os.ReadFile(filepath.Join(repository, file))
		if err != nil || strings.Count(string(b), "\n") <= maxLines || why == "" {
			t.Errorf("longFiles: %s: %v, or it is short again, or has no reason", file, err)
		}
	}
	for _, row := range revealers {
		b, err := os.ReadFile(filepath.Join(repository, row.file))
		if err != nil || !strings.Contains(string(b), ".Reveal()") || row.why == "" {
			t.Errorf("revealers: %s: %v, or it reveals nothing, or has no reason", row.file, err)
		}
	}
}

func TestAFileThatIsNoGoIsAnError(t *testing.T) {
	if _, err := Check(tree(t, map[string]string{"store/a.go": "pack age"}), Laws()); err == nil {
		t.Error("no error")
	}
}
