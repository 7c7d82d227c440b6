package acquirer

import "testing"

// BenchmarkSale is a full sale at the desk, from frame to frame, committed to disk.
func BenchmarkSale(b *testing.B) {
	k := newBench(b)
	card := k.card("6277000000000011", "123456", 999_999_999_999)
	frames := make([][]byte, b.N)
	for i := range frames {
		frames[i] = k.term.Seal(k.term.Sale(card, 100))
	}
	b.ResetTimer()
	for _, frame := range frames {
		if _, err := k.Exchange(frame); err != nil {
			b.Fatal(err)
		}
	}
}
