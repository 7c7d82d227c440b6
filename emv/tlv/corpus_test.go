package tlv

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// cardAnswers are the data of every different answer of the shared vectors' cards, none
// where the vectors are missing: they are a corpus only.
func cardAnswers(t testing.TB) [][]byte {
	t.Helper()
	raw, err := os.ReadFile("../../../shared/vectors/emv/scenarios.json")
	if err != nil {
		return nil
	}
	var file struct {
		Vectors []struct {
			Card struct{ Answers []struct{ R string } }
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	seen := map[string]bool{}
	for _, v := range file.Vectors {
		for _, a := range v.Card.Answers {
			answer, err := hex.DecodeString(a.R)
			if err != nil || len(answer) < 2 || seen[a.R] {
				continue
			}
			seen[a.R] = true
			out = append(out, answer[:len(answer)-2])
		}
	}
	return out
}
