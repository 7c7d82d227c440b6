package replay

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"posd/emv/replay/vector"
)

// FuzzPlay: whatever a recording holds, playing it ends with a verdict.
func FuzzPlay(f *testing.F) {
	for _, file := range []string{"scenarios.json", "cvm.json"} {
		raw, err := os.ReadFile(vectors + file)
		if err != nil {
			f.Logf("no vectors: %v", err)
			continue
		}
		var list struct{ Vectors []json.RawMessage }
		if err := json.Unmarshal(raw, &list); err != nil {
			f.Fatal(err)
		}
		for i := 0; i < len(list.Vectors); i += 40 {
			var flat bytes.Buffer
			if err := json.Compact(&flat, list.Vectors[i]); err != nil {
				f.Fatal(err)
			}
			f.Add(flat.Bytes(), uint16(i))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		cases, _ := vector.Read(data)
		for _, c := range cases {
			if s := c.Scenario; s != nil && len(s.Answers) > 0 {
				a := s.Answers[int(at)%len(s.Answers)].Answer
				a[int(at>>4)%len(a)] ^= 1 << (at & 7) // one bit of one answer
			}
			switch r := Play(c, func(Event) {}); r.Verdict {
			case Equal, Different, Review, Broken:
			default:
				t.Fatalf("%+v", r)
			}
		}
	})
}
