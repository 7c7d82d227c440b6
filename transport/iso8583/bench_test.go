package iso8583

import "testing"

// benchSale is a sale with as much field 55 as a real one has (140 bytes).
func benchSale(t testing.TB) *FinancialRequest {
	m := goldens(t)["sale-request"].message.(*FinancialRequest)
	for len(m.ICC) < 140 {
		m.ICC = append(m.ICC, m.ICC[:9]...)
	}
	return m
}

func BenchmarkPack0200(b *testing.B) {
	d, m, buf := CUP(), benchSale(b), make([]byte, 0, MaxFrame)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Append(buf, request, m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal0200(b *testing.B) {
	d, m, buf := CUP(), benchSale(b), make([]byte, 0, MaxFrame+16)
	key := tdes(b, "11111111111111112222222222222222")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Seal(buf, request, m, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse0200(b *testing.B) {
	d := CUP()
	frame, err := d.Append(nil, request, benchSale(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.Parse(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyMAC0200(b *testing.B) {
	d, key := CUP(), tdes(b, "11111111111111112222222222222222")
	frame, err := d.Seal(nil, request, benchSale(b), key)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := d.VerifyMAC(frame, key); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations holds the codec to its bar: none to pack; to read, one for the
// message, one for all its strings, one each for ICC data and PIN block.
func TestAllocations(t *testing.T) {
	d, m, buf := CUP(), benchSale(t), make([]byte, 0, MaxFrame+16)
	key := tdes(t, "11111111111111112222222222222222")
	frame, err := d.Append(nil, request, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		want float64
		run  func()
	}{
		{"pack", 0, func() { _, _ = d.Append(buf, request, m) }},
		{"seal", 0, func() { _, _ = d.Seal(buf, request, m, key) }},
		{"parse", 4, func() { _, _, _ = d.Parse(frame) }},
	} {
		if got := testing.AllocsPerRun(200, row.run); got > row.want {
			t.Errorf("%s: %v allocations, want %v", row.name, got, row.want)
		}
	}
}
