package settle

import (
	"bytes"
	"testing"
)

func TestFee(t *testing.T) {
	r := Rule{Rate: 50, Min: 2, Max: 2000, Returns: true}
	for gross, want := range map[int64]int64{0: 0, 1: 2, 299: 2, 300: 2, 500: 3, 10099: 50, 10100: 51, 999_999: 2000, -10100: -51} {
		if got := r.Fee(gross); got != want {
			t.Errorf("fee of %d = %d, want %d", gross, got, want)
		}
	}
	if got := (Rule{Rate: 50}).Fee(-10100); got != 0 {
		t.Errorf("a fee that stays = %d", got)
	}
}

func FuzzClearing(f *testing.F) {
	c := Clearing{Day: "2026-11-24", Network: "unionpay", Records: []Record{{"632800000001", "POSD0001", 1, 2, "627700******0011", -5, 9}}}
	f.Add(c.Text())
	f.Add(bytes.Replace(c.Text(), []byte("-5"), []byte("-6"), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := ParseClearing(text); err == nil && !bytes.Equal(c.Text(), text) {
			t.Error("another text than was read")
		}
	})
}

func TestClearingIsWhole(t *testing.T) {
	c := Clearing{Day: "2026-11-24", Network: "unionpay", Records: []Record{{"632800000001", "POSD0001", 1, 2, "627700******0011", 5, 9}}}
	for i := range c.Text() {
		text := c.Text()
		text[i] ^= 1
		if _, err := ParseClearing(text); err == nil {
			t.Errorf("byte %d changed, and nobody saw it", i)
		}
	}
}
