package replay

import (
	"os"
	"testing"

	"posd/emv/replay/vector"
)

const vectors = "../../../shared/vectors/emv/"

func readCases(t testing.TB, name string) []vector.Case {
	t.Helper()
	raw, err := os.ReadFile(vectors + name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no vectors: %v", err)
	}
	cases, err := vector.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestVectors: whole sessions and CVM cases that independent kernels judged.
func TestVectors(t *testing.T) {
	for _, row := range []struct {
		file                   string
		equal, review, differs int
	}{
		{"scenarios.json", 140, 5, 0},
		{"cvm.json", 400, 18, 0},
	} {
		got := map[Verdict]int{}
		for _, c := range readCases(t, row.file) {
			r := Play(c, nil)
			got[r.Verdict]++
			if r.Verdict == Different || r.Verdict == Broken {
				t.Errorf("%+v", r)
			}
		}
		if got[Equal] != row.equal || got[Review] != row.review {
			t.Errorf("%s: %v", row.file, got)
		}
	}
}
