package iso8583

import (
	"bytes"
	"testing"
)

// FuzzParse: no panic, and what parses packs to the same bytes.
func FuzzParse(f *testing.F) {
	for name := range goldens(f) {
		f.Add(fixture(f, name))
	}
	d := CUP()
	key := tdes(f, "3333333333333333")
	f.Fuzz(func(t *testing.T, frame []byte) {
		_ = d.VerifyMAC(frame, key)
		header, message, err := d.Parse(frame)
		if err != nil {
			return
		}
		_ = message.Key()
		packed, err := d.Append(nil, header, message)
		if err != nil {
			t.Fatalf("parsed, but does not pack: %v\n%X\n%+v", err, frame, message)
		}
		if !bytes.Equal(packed, frame) {
			t.Fatalf("round trip\n got %X\nwant %X", packed, frame)
		}
	})
}

// FuzzSignOn: the same for the forms of field 62.
func FuzzSignOn(f *testing.F) {
	forms := []Function{SignOnSingle, SignOnDouble, SignOnTrackKey, SignOnSM4, SignOnAES}
	for i := range forms {
		f.Add(unhexString(f, signOnVector), uint8(i))
	}
	f.Add(unhexString(f, signOnVector)[:24], uint8(0))
	f.Add(fixture(f, "aes-sign-on-response")[59:], uint8(4))
	f.Add([]byte("Sequence No12306000000000"), uint8(0))
	f.Fuzz(func(t *testing.T, field []byte, form uint8) {
		if k, err := ParseKeys(forms[int(form)%len(forms)], field); err == nil {
			if back, err := AppendSignOnKeys(nil, k); err != nil || !bytes.Equal(back, field) {
				t.Fatalf("keys: %v\n got %X\nwant %X", err, back, field)
			}
		}
		if certificate, serial, err := ParseSequence(field); err == nil {
			if back, err := AppendSequence(nil, certificate, serial); err != nil || !bytes.HasPrefix(field, back) {
				t.Fatalf("sequence: %v\n got %q\nwant the beginning of %q", err, back, field)
			}
		}
	})
}
