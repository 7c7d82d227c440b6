package iso8583

import (
	"encoding/hex"
	"reflect"
	"testing"

	"posd/emv"
)

func TestQuick(t *testing.T) {
	d := CUP()
	pan, _ := emv.ParsePAN("6277000000000017")
	tr, _ := emv.ParseTrack2("6277000000000017D2512201123456789")
	m := &FinancialRequest{Type: Sale, PAN: pan, Amount: 1200, STAN: 42, Expiry: "2512", EntryMode: "051", PANSequence: 1, PINCapture: 12, Track2: tr, Terminal: "00000001", Merchant: "123456789012345", Currency: 156, PINBlock: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Security: "2600000000000000", ICC: []byte{0x9f, 0x26, 1, 2}, Private: Private{Batch: 1, Capability: 5}}
	h := Header{TPDU: [5]byte{0x60, 0, 1, 0, 0}, Application: 0x60}
	k, _ := NewTDES([]byte("12345678"))
	b, err := d.Seal(nil, h, m, k)
	t.Log(hex.EncodeToString(b), err)
	if err := d.VerifyMAC(b, k); err != nil {
		t.Fatal(err)
	}
	h2, m2, err := d.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	m.Private.Type = 22
	if h2 != h || !reflect.DeepEqual(m, m2) {
		t.Fatalf("%+v\n%+v", m, m2)
	}
}

func BenchmarkQ(b *testing.B) {
	d := CUP()
	pan, _ := emv.ParsePAN("6277000000000017")
	tr, _ := emv.ParseTrack2("6277000000000017D2512201123456789")
	m := &FinancialRequest{Type: Sale, PAN: pan, Amount: 1200, STAN: 42, Expiry: "2512", EntryMode: "051", PANSequence: 1, PINCapture: 12, Track2: tr, Terminal: "00000001", Merchant: "123456789012345", Currency: 156, PINBlock: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Security: "2600000000000000", ICC: make([]byte, 150), Private: Private{Batch: 1, Capability: 5}, MAC: [8]byte{1}}
	h := Header{TPDU: [5]byte{0x60, 0, 1, 0, 0}, Application: 0x60}
	buf := make([]byte, 0, 2048)
	b.Run("pack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Append(buf, h, m)
		}
	})
	f, _ := d.Append(nil, h, m)
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Parse(f)
		}
	})
	k, _ := NewTDES([]byte("1234567812345679"))
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Seal(buf, h, m, k)
		}
	})
}
