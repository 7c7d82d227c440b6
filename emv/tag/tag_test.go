package tag

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"posd/emv/tlv"
)

func TestTableIsInTagOrderWithoutDoubles(t *testing.T) {
	for i := 1; i < len(table); i++ {
		if table[i-1].Tag >= table[i].Tag {
			t.Errorf("%v stands before %v", table[i-1].Tag, table[i].Tag)
		}
	}
}

func TestEveryRowIsWhole(t *testing.T) {
	for _, row := range table {
		if row.Name == "" || row.Source < ICC || row.Source > Issuer || row.Min > row.Max || row.Max == 0 {
			t.Errorf("row of %v: %+v", row.Tag, row)
		}
		if got, ok := Lookup(row.Tag); !ok || got != row {
			t.Errorf("Lookup(%v) = %+v, %v", row.Tag, got, ok)
		}
		if row.Source == Terminal && row.Templates != 0 {
			t.Errorf("%v is the terminal's, and the table lets a template bring it", row.Tag)
		}
	}
}

// Every constant of tags.go has its line in the dictionary, and the other way round.
func TestEveryConstantIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "tags.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		v, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := Lookup(tlv.Tag(v)); !ok {
			t.Errorf("%s (%X) is not in the dictionary", spec.Names[0].Name, v)
		}
		n++
		return true
	})
	if n != len(table) {
		t.Errorf("%d constants, %d rows", n, len(table))
	}
}

// Point 2.
func TestTerminalDataIsNotTheCards(t *testing.T) {
	for _, own := range []tlv.Tag{TVR, TSI, UnpredictableNumber, AmountAuthorised, AmountAuthorisedBinary, CVMResults, TerminalCapabilities, TransactionDate, TransactionCurrencyCode} {
		info, ok := Lookup(own)
		if !ok || info.Source != Terminal {
			t.Errorf("%v: %+v, %v", own, info, ok)
		}
	}
	if _, ok := Lookup(0xDF7F); ok {
		t.Error("a proprietary tag was found")
	}
}

func TestTemplates(t *testing.T) {
	tests := []struct {
		tag, template tlv.Tag
		want          bool
	}{
		{ApplicationPAN, ReadRecordTemplate, true},
		{ApplicationPAN, FCITemplate, false},
		{ApplicationCryptogram, ResponseTemplate2, true},
		{ApplicationCryptogram, ReadRecordTemplate, false},
		{ApplicationLabel, ApplicationTemplate, true},
		{ApplicationLabel, FCIProprietaryTemplate, true},
		{DFName, FCITemplate, true},
		{LogEntry, FCIIssuerDiscretionaryData, true},
		{LogEntry, DirectoryDiscretionaryTemplate, true},
		{IssuerScriptCommand, IssuerScriptTemplate1, true},
		{IssuerScriptCommand, IssuerScriptTemplate2, true},
		{IssuerScriptCommand, ReadRecordTemplate, false},
		{PDOL, 0xE1, false},
	}
	for _, tt := range tests {
		info, _ := Lookup(tt.tag)
		if got := info.Templates.Has(tt.template); got != tt.want {
			t.Errorf("%v in %v: %v", tt.tag, tt.template, got)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name  string
		tag   tlv.Tag
		value []byte
		want  error
	}{
		{"date", TransactionDate, []byte{0x26, 0x11, 0x23}, nil},
		{"date too short", TransactionDate, []byte{0x26, 0x11}, ErrLength},
		{"date with a letter", TransactionDate, []byte{0x26, 0x1A, 0x23}, ErrDigits},
		{"PAN padded", ApplicationPAN, []byte{0x62, 0x77, 0x00, 0x00, 0x1F}, nil},
		{"PAN with a digit after padding", ApplicationPAN, []byte{0x62, 0x77, 0xF0}, ErrDigits},
		{"PAN too long", ApplicationPAN, make([]byte, 11), ErrLength},
		{"binary", AIP, []byte{0xFF, 0xFF}, nil},
		{"padding is not n", AmountAuthorised, []byte{0, 0, 0, 0, 0, 0xFF}, ErrDigits},
	}
	for _, tt := range tests {
		info, ok := Lookup(tt.tag)
		if err := info.Check(tt.value); !ok || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Lookup(AmountAuthorised) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		N.String(): "n", CN.String(): "cn", B.String(): "b", A.String(): "a", AN.String(): "an", ANS.String(): "ans", Format(9).String(): "format 9",
		ICC.String(): "ICC", Terminal.String(): "terminal", Issuer.String(): "issuer", Source(0).String(): "nobody", Source(9).String(): "source 9",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
