package kernel

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// acceptance are the 48 points of ../shared/domain/emv-contact.md, the list by which
// this kernel is accepted. Each is named by a test of a package below emv (its comment or
// its text says "point 25"), or is, wholly or in part, the business of another package:
// then that package's test stands here.
var acceptance = [...]struct {
	subject   string
	elsewhere []string // folder and function
}{
	1:  {"TLV: tags, lengths, padding, bounds", nil},
	2:  {"source, length and template of each tag", []string{"emv/tag TestTerminalDataIsNotTheCards", "emv/tag TestTemplates"}},
	3:  {"duplicate and empty objects", nil},
	4:  {"DOL", nil},
	5:  {"amounts are integers of 64 bits", nil},
	6:  {"payment system environment", nil},
	7:  {"directory records", nil},
	8:  {"list of AIDs", nil},
	9:  {"match of AIDs", nil},
	10: {"choice and confirmation", nil},
	11: {"final SELECT, fall-back to the stripe", nil},
	12: {"GET PROCESSING OPTIONS", nil},
	13: {"READ RECORD", nil},
	14: {"choice of data authentication", nil},
	15: {"static data", nil},
	16: {"CA keys", []string{"emv/oda TestFindCA", "emv/oda TestCheckRefuses", "emv/oda TestPublishedKeys", "emv/oda TestRevokedCertificate"}},
	17: {"certificates", []string{"emv/oda TestIssuerCertificateChecks", "emv/oda TestICCCertificateChecks"}},
	18: {"missing authentication data", nil},
	19: {"DDA", nil},
	20: {"CDA", nil},
	21: {"failed CDA", nil},
	22: {"XDA and ECC", nil},
	23: {"processing restrictions", nil},
	24: {"no CVM list", nil},
	25: {"CVM conditions", nil},
	26: {"CVM methods", nil},
	27: {"CVM results", nil},
	28: {"offline PIN", []string{"cmd/internal/rig TestOfflinePIN"}},
	29: {"enciphered PIN", []string{"cmd/internal/rig TestOfflinePIN"}},
	30: {"online PIN", nil},
	31: {"terminal risk management, floor limit", nil},
	32: {"random selection", []string{"emv/payment TestRandomSource"}},
	33: {"velocity", nil},
	34: {"exception file, forced online", nil},
	35: {"terminal action analysis", nil},
	36: {"GENERATE AC", nil},
	37: {"what a card may answer", nil},
	38: {"the request", nil},
	39: {"response codes", nil},
	40: {"issuer authentication", nil},
	41: {"scripts", nil},
	42: {"second GENERATE AC", nil},
	43: {"pulled cards and reversals", []string{"emv/payment TestEveryCrashAndFault"}},
	44: {"transport", []string{"device/iso7816 TestT0", "device/iso7816 TestWhole", "device/iso7816 TestWorkWaitingTime"}},
	45: {"no panic", nil},
	46: {"logs", []string{"emv TestWhoReveals", "emv/payment TestLogHoldsNoSecret"}},
	47: {"a pure step machine", nil},
	48: {"the vectors run in CI", []string{"emv/issuer TestVectors", "emv/cvm TestVectors", "emv/oda TestPublishedKeys"}},
}

// readings is the table of cases on which public kernels differ, and the test that
// holds to the reading that was chosen: a scenario of the vectors, or a function.
var readings = []struct{ reading, scenario, test string }{
	{"CDA fails: TSI says that data authentication was performed", "cda-genac1-trailer", "TestScenarios"},
	{"hash or key algorithm indicator that is not 01 fails", "dda-icc-cert-hash-algorithm", "TestScenarios"},
	{"years 50 to 99 are 19YY, in certificates", "dda-issuer-cert-expires-1999", "TestScenarios"},
	{"years 50 to 99 are 19YY, in dates", "terminal-date-991231", "TestValidity"},
	{"issuer identifier padded at an odd digit is good", "sda-issuer-cert-issuer-id-3-digits-padded", "TestScenarios"},
	{"card number of the ICC certificate padded with 0 fails", "dda-icc-cert-pan-not-padded", "TestScenarios"},
	{"ICC dynamic number of 0 or 1 byte fails", "dda-icc-dynamic-number-1-bytes", "TestScenarios"},
	{"INTERNAL AUTHENTICATE refused, 9F4B missing or unknown template terminates", "", "TestInternalAuthenticate"},
	{"5A, 8C or 8D missing, or a record that is no clean 70, terminates", "", "TestRecords"},
	{"PSE with an SFI outside 1 to 10, or a broken directory record: AID list", "", "TestDirectory"},
	{"no signature after CDA was asked for: CDA failed, then AAC", "cda-genac1-no-signature", "TestCDAAnswers"},
	{"AAC after CDA was asked for is accepted", "cda-genac1-aac-in-answer", "TestCDAAnswers"},
	{"GET DATA 9F36 and 9F13 only with 9F14 and 9F23", "", "TestVelocityCommands"},
	{"EXTERNAL AUTHENTICATE 6985 is a failed issuer authentication", "", "TestIssuerAuthentication"},
	{"CVM list absent or without rule: ICC data missing, 3F0000", "", "TestPINs"},
	{"satisfied rules that name unsupported or unknown methods only: 3F0001", "", "TestUnsupportedRulesOnly"},
	{"offline PIN and signature passed: result unknown", "", "TestPINs"},
	{"a remainder that the certificate needs is missing: failed, no ICC data missing", "dda-icc-remainder-dropped", "TestMissingRemainder"},
}

// testedPackages are where the points are named, from this folder.
var testedPackages = []string{".", "../cvm", "../oda", "../oda/ecc", "../tlv", "../tag"}

// testFunctions returns the tests, fuzz targets and examples of a folder with their
// comment and text; an absent folder has none.
func testFunctions(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !slices.ContainsFunc([]string{"Test", "Fuzz", "Example"}, func(p string) bool { return strings.HasPrefix(f.Name.Name, p) }) {
				continue
			}
			out[f.Name.Name] = f.Doc.Text() + string(src[set.Position(f.Pos()).Offset:set.Position(f.End()).Offset])
		}
	}
	return out
}

var (
	naming  = regexp.MustCompile(`\b[Pp]oints?\s+\d+(?:(?:, and |, | and | to )\d+)*`)
	numbers = regexp.MustCompile(`\d+(?: to \d+)?`)
)

// namedPoints are the numbers of a text such as "points 13 to 15, 20 and 24". A range
// says too little about each of its points to count: this text names 20 and 24.
func namedPoints(text string) (points []int) {
	for _, run := range naming.FindAllString(strings.Join(strings.Fields(text), " "), -1) {
		for _, one := range numbers.FindAllString(run, -1) {
			if n, err := strconv.Atoi(one); err == nil {
				points = append(points, n)
			}
		}
	}
	return points
}

// TestPoints: each of the 48 points is named by a test, and each test that another
// package is said to have is there.
func TestPoints(t *testing.T) {
	by := map[int][]string{}
	for _, dir := range testedPackages {
		for name, text := range testFunctions(t, dir) {
			if dir == "." && (name == "TestPoints" || name == "TestNamedPoints") {
				continue
			}
			for _, n := range namedPoints(text) {
				if n < 1 || n >= len(acceptance) {
					t.Errorf("%s names point %d", name, n)
				}
				by[n] = append(by[n], dir+"/"+name)
			}
		}
	}
	for n, point := range acceptance {
		if n == 0 {
			continue
		}
		if len(by[n]) == 0 && len(point.elsewhere) == 0 {
			t.Errorf("no test names point %d: %s", n, point.subject)
		}
		for _, place := range point.elsewhere {
			dir, name, _ := strings.Cut(place, " ")
			if _, ok := testFunctions(t, filepath.Join("../..", dir))[name]; !ok {
				t.Errorf("point %d: package %s has no %s", n, dir, name)
			}
		}
	}
}

// TestReadings: each row of the table of readings has its test, and its scenario is in
// the vectors.
func TestReadings(t *testing.T) {
	here := testFunctions(t, ".")
	there := map[string]bool{}
	for _, sc := range readScenarios(t) {
		there[strings.TrimPrefix(sc.ID, "synth/")] = true
	}
	for _, r := range readings {
		if _, ok := here[r.test]; !ok {
			t.Errorf("%s: no %s", r.reading, r.test)
		}
		if r.scenario != "" && !there[r.scenario] {
			t.Errorf("%s: no scenario %s", r.reading, r.scenario)
		}
	}
}

// The reading of the names is itself tested.
func TestNamedPoints(t *testing.T) {
	for text, want := range map[string]string{
		"point 7: so":                "[7]",
		"points 20, 21 and 42, what": "[20 21 42]",
		"point 10, and 11 for":       "[10 11]",
		"Points 35,\n37":             "[35 37]",
		"points 13 to 21, 23":        "[23]",
		"pointed 4 people":           "[]",
		"no number":                  "[]",
	} {
		if got := fmt.Sprint(namedPoints(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestVectorsRunInCI: point 48. Where CI=true a missing folder of vectors fails, and what
// CI runs includes these tests.
func TestVectorsRunInCI(t *testing.T) {
	run, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	make, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(run), "make test") || !regexp.MustCompile(`(?m)^test:.*\brace\b`).Match(make) || !strings.Contains(string(make), "test -race -timeout 20m ./...") {
		t.Error("CI does not run every test")
	}
	if n := len(readScenarios(t)); n != 145 {
		t.Errorf("%d scenarios, 145 were there when the expectations were written", n)
	}
}
