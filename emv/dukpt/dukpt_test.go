package dukpt_test

import (
	"bytes"
	"crypto/des"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"posd/emv/dukpt"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(t testing.TB, s string) dukpt.Key { return dukpt.Key(unhex(t, s)) }

func ksn(t testing.TB, s string) dukpt.KSN {
	t.Helper()
	k, err := dukpt.ParseKSN(unhex(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func upper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

const bdk = "0123456789ABCDEFFEDCBA9876543210"

func TestInitialKey(t *testing.T) {
	for _, n := range []string{"FFFF9876543210E00000", "FFFF9876543210E00001", "FFFF9876543210FFF800"} {
		if got := dukpt.InitialKey(key(t, bdk), ksn(t, n)); upper(got[:]) != "6AC292FAA1315B4D858AB3A3D7D5933A" {
			t.Errorf("of %s: %s", n, upper(got[:]))
		}
	}
}

func TestTheAnnexFromTheHostsSide(t *testing.T) {
	initial := dukpt.InitialKey(key(t, bdk), ksn(t, "FFFF9876543210E00000"))
	for _, row := range annex {
		transaction, err := dukpt.TransactionKey(initial, ksn(t, row.ksn))
		if err != nil {
			t.Fatal(err)
		}
		pin, mac := transaction.For(dukpt.PIN), transaction.For(dukpt.MACRequest)
		if upper(pin[:]) != row.pin || upper(mac[:]) != row.mac {
			t.Errorf("%s: PIN key %s, MAC key %s", row.ksn, upper(pin[:]), upper(mac[:]))
		}
		if got := block(t, pin, "041274EDCBA9876F"); got != row.block {
			t.Errorf("%s: PIN block %s, want %s", row.ksn, got, row.block)
		}
	}
}

func block(t *testing.T, k dukpt.Key, clear string) string {
	t.Helper()
	c, err := des.NewTripleDESCipher(append(k[:], k[:8]...))
	if err != nil {
		t.Fatal(err)
	}
	b := unhex(t, clear)
	c.Encrypt(b, b)
	return upper(b)
}

// The variants that the table above has not: ANSI X9.24-1:2009, A.4.1.
func TestOtherVariants(t *testing.T) {
	first := key(t, "042666B49184CFA368DE9628D0397BC9")
	for usage, want := range map[dukpt.Usage]string{
		dukpt.MACResponse: "042666B46E84CFA368DE96282F397BC9",
		dukpt.DataRequest: "448D3F076D8304036A55A3D7E0055A78",
	} {
		if got := first.For(usage); upper(got[:]) != want {
			t.Errorf("usage %d: %s, want %s", usage, upper(got[:]), want)
		}
	}
	if request, response := first.For(dukpt.DataRequest), first.For(dukpt.DataResponse); request == response {
		t.Error("data keys of both ways are the same")
	}
}

// A device that never holds the initial key gives what the annex says, skips the counters
// that have more than ten one bits, and stops.
func TestTheAnnexFromTheDevicesSide(t *testing.T) {
	if testing.Short() {
		t.Skip("a million transactions")
	}
	number := ksn(t, "FFFF9876543210E00000")
	d := dukpt.NewDevice(dukpt.InitialKey(key(t, bdk), number), number)
	want := map[string]string{}
	for _, row := range annex {
		want[row.ksn] = row.pin
	}
	n, last := 0, uint32(0)
	for {
		transaction, at, err := d.Next()
		if errors.Is(err, dukpt.ErrEnd) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c := at.Counter(); c <= last || bits.OnesCount32(c) > 10 {
			t.Fatalf("counter %X after %X", c, last)
		}
		last = at.Counter()
		if pin, listed := want[at.String()]; listed {
			if got := transaction.For(dukpt.PIN); upper(got[:]) != pin {
				t.Errorf("%s: PIN key %s, want %s", at, upper(got[:]), pin)
			}
			delete(want, at.String())
		}
		n++
	}
	if len(want) > 0 || n != 1<<20-1 || last != 0x1FF800 {
		t.Errorf("%d transactions, the last %X; not met: %v", n, last, want)
	}
	if _, _, err := d.Next(); !errors.Is(err, dukpt.ErrEnd) {
		t.Errorf("after the end: %v", err)
	}
}

func TestCountersThatNoDeviceUses(t *testing.T) {
	number := ksn(t, "FFFF9876543210E00000")
	for _, c := range []uint32{0, 0x7FF, 0x1FFFFF} {
		if _, err := dukpt.TransactionKey(dukpt.Key{}, number.WithCounter(c)); !errors.Is(err, dukpt.ErrCounter) {
			t.Errorf("counter %X: %v", c, err)
		}
	}
}

func TestParseKSN(t *testing.T) {
	if got := ksn(t, "9876543210E00001").String(); got != "FFFF9876543210E00001" {
		t.Errorf("without the F on the left: %s", got)
	}
	for _, n := range []int{0, 4, 11} {
		if _, err := dukpt.ParseKSN(make([]byte, n)); !errors.Is(err, dukpt.ErrKSN) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := dukpt.ParseAESKSN(make([]byte, 10)); !errors.Is(err, dukpt.ErrKSN) {
		t.Errorf("AES with 10 bytes: %v", err)
	}
}

func TestNothingIsWrittenIntoTheCallersBytes(t *testing.T) {
	raw := unhex(t, "FFFF9876543210EFF800")
	before := bytes.Clone(raw)
	number, err := dukpt.ParseKSN(raw)
	if err != nil {
		t.Fatal(err)
	}
	_ = number.WithCounter(1)
	base := unhex(t, bdk)
	initial := dukpt.InitialKey(dukpt.Key(base), number)
	if _, err := dukpt.TransactionKey(initial, number); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, before) || number.String() != upper(before) || upper(base) != bdk {
		t.Errorf("KSN %X and %s, BDK %X", raw, number, base)
	}
	aesBase := unhex(t, aesBDK)
	aesInitial, err := dukpt.AESInitialKey(aesBase, aesID)
	if err != nil {
		t.Fatal(err)
	}
	kept := bytes.Clone(aesInitial)
	if _, err := dukpt.AESWorkingKey(aesInitial, aesKSN(3), dukpt.PINEncryption, dukpt.AES128); err != nil {
		t.Fatal(err)
	}
	d, err := dukpt.NewAESDevice(aesInitial, aesID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Next(dukpt.AES128, dukpt.PINEncryption); err != nil {
		t.Fatal(err)
	}
	if upper(aesBase) != aesBDK || !bytes.Equal(aesInitial, kept) {
		t.Error("an AES key of the caller's was changed")
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	k := key(t, bdk)
	for _, verb := range []string{"%v", "%x", "%X", "%s", "%+v", "%#v", "%d"} {
		if got := fmt.Sprintf(verb, k); got != "dukpt.Key" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func FuzzParseKSN(f *testing.F) {
	f.Add([]byte("\xFF\xFF\x98\x76\x54\x32\x10\xE0\x00\x01"), uint32(1))
	f.Add([]byte("\x98\x76\x54\x32\x10\xE0\x00\x01"), uint32(0x1FFFFF))
	f.Fuzz(func(t *testing.T, b []byte, counter uint32) {
		k, err := dukpt.ParseKSN(b)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(k[:], b) {
			t.Fatalf("%X became %s", b, k)
		}
		if again := k.WithCounter(k.Counter()); again != k {
			t.Errorf("%s with its own counter is %s", k, again)
		}
		if got := k.WithCounter(counter).Counter(); got != counter&0x1FFFFF {
			t.Errorf("counter %X became %X", counter, got)
		}
		key, err := dukpt.TransactionKey(dukpt.Key{1}, k)
		if (err == nil) != (bits.OnesCount32(k.Counter()) >= 1 && bits.OnesCount32(k.Counter()) <= 10) || err != nil && key != (dukpt.Key{}) {
			t.Errorf("counter %X: %v", k.Counter(), err)
		}
	})
}
