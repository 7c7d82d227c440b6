package hsm

import (
	"bytes"
	"crypto/des"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
)

func module(t testing.TB) *Module {
	t.Helper()
	m, err := New(bytes.Repeat([]byte{7}, masterSize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func pan(t testing.TB, s string) emv.PAN {
	t.Helper()
	p, err := emv.ParsePAN(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMasterKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	first, err := OpenMaster(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenMaster(path, rand.Reader)
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("second opening: %v, same %v", err, bytes.Equal(first, second))
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %04o, want 0600", info.Mode().Perm())
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenMaster(path, rand.Reader); err == nil {
		t.Error("a master key that the group can read was taken")
	}
}

func TestMasterKeyFileIsDamaged(t *testing.T) {
	for _, text := range []string{"", "00", "zz", string(bytes.Repeat([]byte{'0'}, 66))} {
		path := filepath.Join(t.TempDir(), "master.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenMaster(path, rand.Reader); err == nil {
			t.Errorf("a file of %d characters was taken", len(text))
		}
	}
}

func TestKeyOpensForItsUsageOnly(t *testing.T) {
	m := module(t)
	k, err := m.NewKey(TAK, 16)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.MACCipher(k); err != nil {
		t.Errorf("as TAK: %v", err)
	}
	if _, err := m.TrackCipher(k); !errors.Is(err, ErrKey) {
		t.Errorf("as TDK: %v, want ErrKey", err)
	}
	k[len(k)-1] ^= 1
	if _, err := m.MACCipher(k); !errors.Is(err, ErrKey) {
		t.Errorf("damaged: %v, want ErrKey", err)
	}
	other, _ := New(bytes.Repeat([]byte{8}, masterSize), rand.Reader)
	k[len(k)-1] ^= 1
	if _, err := other.MACCipher(k); !errors.Is(err, ErrKey) {
		t.Errorf("under another master key: %v, want ErrKey", err)
	}
}

// TestWorkingKeyVector: TMK and wrapped TPK as in vector 3 of unionpay_vectors.txt,
// which was computed from the public description of the sign-on field.
func TestWorkingKeyVector(t *testing.T) {
	m := module(t)
	tmk, err := m.Import(TMK, unhex(t, "0123456789ABCDEFFEDCBA9876543210"))
	if err != nil {
		t.Fatal(err)
	}
	if kcv, err := m.KCV(TMK, tmk); err != nil || kcv != keyblock.KCV(unhex(t, "08D7B4FB")) {
		t.Errorf("KCV of TMK = %X, %v", kcv, err)
	}
	tpk, err := m.Import(TPK, unhex(t, "11111111111111112222222222222222"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.export(TPK, tpk, tmk)
	want := unhex(t, "9B3A7B883A100F73B4ABA2BB791C50E7")
	if err != nil || !bytes.Equal(got.Bytes, want) || got.KCV != keyblock.KCV(unhex(t, "D2B91CC5")) {
		t.Errorf("TPK = %X %X, %v; want %X D2B91CC5", got.Bytes, got.KCV, err, want)
	}
}

func TestWorkingKeyLayouts(t *testing.T) {
	m := module(t)
	clear := unhex(t, "0123456789ABCDEFFEDCBA9876543210")
	tmk, err := m.Import(TMK, clear)
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		layout       Layout
		tpk, tak, td int
	}{{SingleKeys, 8, 8, 0}, {DoubleKeys, 16, 8, 0}, {DoubleKeysAndTrack, 16, 8, 16}}
	for _, row := range rows {
		own, wrapped, err := m.NewWorkingKeys(tmk, row.layout)
		if err != nil {
			t.Fatal(err)
		}
		if len(wrapped.PIN.Bytes) != row.tpk || len(wrapped.MAC.Bytes) != row.tak || len(wrapped.Track.Bytes) != row.td {
			t.Errorf("layout %d: %d %d %d bytes", row.layout, len(wrapped.PIN.Bytes), len(wrapped.MAC.Bytes), len(wrapped.Track.Bytes))
		}
		tak, err := keyblock.UnwrapECB(clear, wrapped.MAC) // checks the check value
		if err != nil {
			t.Fatal(err)
		}
		if kcv, err := m.KCV(TAK, own.TAK); err != nil || kcv != checkValue(t, tak) {
			t.Errorf("layout %d: the terminal's TAK is not the host's (%v)", row.layout, err)
		}
	}
	if _, _, err := m.NewWorkingKeys(tmk, 0); err == nil {
		t.Error("layout 0 was taken")
	}
}

func checkValue(t *testing.T, key []byte) keyblock.KCV {
	t.Helper()
	v, err := keyblock.CheckValue(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyPIN(t *testing.T) {
	m := module(t)
	card := pan(t, "6277000000000011")
	value, err := m.PINValue(card, "123456")
	if err != nil {
		t.Fatal(err)
	}
	clear := unhex(t, "11111111111111112222222222222222")
	tpk, _ := m.Import(TPK, clear)
	otherKey, _ := m.Import(TPK, unhex(t, "33333333333333334444444444444444"))
	block := pinBlock(t, clear, "123456", card)
	rows := []struct {
		name  string
		key   Key
		pan   emv.PAN
		block []byte
		value []byte
		want  bool
		err   error
	}{
		{"right", tpk, card, block, value, true, nil},
		{"last digit differs", tpk, card, pinBlock(t, clear, "123457", card), value, false, nil},
		{"first four digits only", tpk, card, pinBlock(t, clear, "1234", card), value, false, nil},
		{"value of another card", tpk, pan(t, "6277000000000029"), pinBlock(t, clear, "123456", pan(t, "6277000000000029")), value, false, nil},
		{"under another key", otherKey, card, block, value, false, ErrPINBlock},
		{"short block", tpk, card, block[:7], value, false, ErrPINBlock},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := m.VerifyPIN(row.key, row.pan, row.block, row.value)
			if got != row.want || !errors.Is(err, row.err) {
				t.Errorf("VerifyPIN = %v, %v; want %v, %v", got, err, row.want, row.err)
			}
		})
	}
}

func pinBlock(t *testing.T, key []byte, pin string, card emv.PAN) []byte {
	t.Helper()
	clear, err := pinblock.Encode0([]byte(pin), card)
	if err != nil {
		t.Fatal(err)
	}
	c, err := des.NewTripleDESCipher(append(key[:16:16], key[:8]...))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 8)
	c.Encrypt(out, clear[:])
	return out
}

func TestPINValueRefusesNoPIN(t *testing.T) {
	for _, pin := range []string{"", "123", "1234567890123", "12a4"} {
		if _, err := module(t).PINValue(pan(t, "6277000000000011"), pin); err == nil {
			t.Errorf("a PIN of %d characters was taken", len(pin))
		}
	}
}

func TestPANHashIsKeyed(t *testing.T) {
	other, _ := New(bytes.Repeat([]byte{8}, masterSize), rand.Reader)
	card := pan(t, "6277000000000011")
	if !bytes.Equal(module(t).PANHash(card), module(t).PANHash(card)) {
		t.Error("the hash is not stable")
	}
	if bytes.Equal(module(t).PANHash(card), other.PANHash(card)) {
		t.Error("the hash does not depend on the key")
	}
}

func TestSealIsBoundToItsLabel(t *testing.T) {
	m := module(t)
	sealed, err := m.Seal("reply 1", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Open("reply 1", sealed); err != nil || string(got) != "hello" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := m.Open("reply 2", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("under another label: %v", err)
	}
	if _, err := m.Open("reply 1", sealed[:5]); !errors.Is(err, ErrSealed) {
		t.Errorf("cut: %v", err)
	}
}

// TestCryptogramVectors: pyemv/012 and pyemv/034 of the project's vectors, from
// github.com/knovichikhin/pyemv, tests/test_cvn_hsm.py (MIT): Visa CVN 10 and CVN 18,
// card 1234567890123456, sequence number 00. The ARPC of CVN 10 is pyemv/013.
func TestCryptogramVectors(t *testing.T) {
	const data = "0000000040000000000000000124" + "8000048000" + "0124" + "191105" + "01" + "52BF4585" + "1800" + "001C"
	rows := []struct {
		version          CVN
		data, arqc, arpc string
	}{
		{CVN10, data + "03A06010", "29CCA15AE665FA2E", "28993816AFAE4AEB3030"},
		{CVN18, data + "06011203A0B800", "7A788EA6B8A3E733", ""},
	}
	for _, row := range rows {
		m := module(t)
		imk, err := m.Import(IMK, unhex(t, "0123456789ABCDEFFEDCBA9876543210"))
		if err != nil {
			t.Fatal(err)
		}
		c := Cryptogram{PAN: pan(t, "1234567890123456"), Version: row.version, Data: unhex(t, row.data), ATC: [2]byte{0x00, 0x1C}}
		copy(c.ARQC[:], unhex(t, row.arqc))
		if ok, err := m.VerifyARQC(imk, c); !ok || err != nil {
			t.Errorf("CVN %d: VerifyARQC = %v, %v", row.version, ok, err)
		}
		if got, err := m.ARPC(imk, c, 1, "00"); row.arpc != "" && (err != nil || !bytes.Equal(got, unhex(t, row.arpc))) {
			t.Errorf("CVN %d: ARPC = %X, %v; want %s", row.version, got, err, row.arpc)
		}
		c.Data[0] ^= 1
		if ok, _ := m.VerifyARQC(imk, c); ok {
			t.Errorf("CVN %d: another amount verifies too", row.version)
		}
	}
}

// TestARPC2Vector: pyemv/036, ARPC method 2 with an empty card status update, which is
// what a decline carries here.
func TestARPC2Vector(t *testing.T) {
	m := module(t)
	imk, _ := m.Import(IMK, unhex(t, "0123456789ABCDEFFEDCBA9876543210"))
	c := Cryptogram{PAN: pan(t, "1234567890123456"), Version: CVN18, ATC: [2]byte{0x00, 0x1C}}
	copy(c.ARQC[:], unhex(t, "7A788EA6B8A3E733"))
	got, err := m.ARPC(imk, c, 2, "51")
	if want := unhex(t, "9AF514C100000000"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("ARPC = %X, %v; want %X", got, err, want)
	}
	if got, err := m.ARPC(imk, c, 2, "00"); err != nil || got[5] != 0x80 {
		t.Errorf("approval: %X, %v; want bit 8 of byte 2 of the card status update", got, err)
	}
	if _, err := m.ARPC(imk, c, 1, "0"); err == nil {
		t.Error("a code of one character was taken")
	}
}

// TestExportTMK: the terminal's side opens the block, and sees what the key may do.
func TestExportTMK(t *testing.T) {
	m := module(t)
	kbpk := unhex(t, "89E88CF7931444F334BD7547FC3F380C")
	tmk, err := m.NewKey(TMK, 16)
	if err != nil {
		t.Fatal(err)
	}
	clear, kcv, block, err := m.ExportTMK(tmk, kbpk)
	if err != nil {
		t.Fatal(err)
	}
	header, key, err := keyblock.Unwrap(kbpk, block)
	if err != nil || !bytes.Equal(key, clear) || header.Usage != keyblock.UsageKeyEncryption {
		t.Errorf("block: %+v, same key %v, %v", header, bytes.Equal(key, clear), err)
	}
	if checkValue(t, clear) != kcv {
		t.Errorf("check value %X does not fit the key", kcv)
	}
	if _, _, _, err := m.ExportTMK(tmk, kbpk[:8]); err == nil {
		t.Error("a protection key of 8 bytes was taken")
	}
}
