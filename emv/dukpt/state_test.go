package dukpt

import (
	"bytes"
	"errors"
	"testing"
)

// A device that is stored and restored before each transaction gives the same keys as one
// that never lost its power.
func TestADeviceOutlivesEachPowerCut(t *testing.T) {
	initial, ksn := Key{1, 2, 3}, KSN{0xFF, 0xFF, 0x98, 0x76, 0x54, 0x32, 0x10, 0xE0}
	whole, cut := NewDevice(initial, ksn), NewDevice(initial, ksn)
	wholeAES, err := NewAESDevice(make([]byte, 32), [8]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	cutAES, err := NewAESDevice(make([]byte, 32), [8]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if cut, err = RestoreDevice(cut.AppendState(nil)); err != nil {
			t.Fatal(err)
		}
		if cutAES, err = RestoreAESDevice(cutAES.AppendState(nil)); err != nil {
			t.Fatal(err)
		}
		wantKey, wantKSN, _ := whole.Next()
		if key, ksn, err := cut.Next(); err != nil || key != wantKey || ksn != wantKSN {
			t.Fatalf("%s: %v", wantKSN, err)
		}
		want, wantAES, _ := wholeAES.Next(AES256, PINEncryption)
		if keys, ksn, err := cutAES.Next(AES256, PINEncryption); err != nil || !bytes.Equal(keys[0], want[0]) || ksn != wantAES {
			t.Fatalf("%s: %v", wantAES, err)
		}
	}
}

// What was used is not in the state any more.
func TestTheStateHasNoKeyOfThePast(t *testing.T) {
	initial := Key{1, 2, 3}
	d := NewDevice(initial, KSN{})
	for range 50 {
		under, err := d.future.key()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.Next(); err != nil {
			t.Fatal(err)
		}
		if state := d.AppendState(nil); bytes.Contains(state, under[:]) || bytes.Contains(state, initial[:]) {
			t.Fatalf("%s: a used key is there", d.KSN())
		}
	}
}

func TestStatesThatCannotBe(t *testing.T) {
	good := NewDevice(Key{1}, KSN{}).AppendState(nil)
	aes, err := NewAESDevice(make([]byte, 16), [8]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	goodAES := aes.AppendState(nil)
	change := func(b []byte, at int, to byte) []byte {
		b = bytes.Clone(b)
		b[at] = to
		return b
	}
	for name, state := range map[string][]byte{
		"empty": nil, "cut short": good[:40], "other kind": goodAES, "counter zero": change(good, 14, 0),
		"counter beyond 21 bits": change(good, 11, 1), "end is 2": change(good, 15, 2),
	} {
		if _, err := RestoreDevice(state); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, state := range map[string][]byte{
		"empty": nil, "cut short": goodAES[:40], "other kind": good, "key length": change(goodAES, 14, 17), "counter zero": change(goodAES, 12, 0),
	} {
		if _, err := RestoreAESDevice(state); !errors.Is(err, ErrState) {
			t.Errorf("AES: %s: %v", name, err)
		}
	}
}
