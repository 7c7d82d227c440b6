package hsm

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"testing"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
)

func suiteModule(t *testing.T) *Module {
	t.Helper()
	m, err := New(bytes.Repeat([]byte{9}, 32), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWorkingKeysBySuite(t *testing.T) {
	m := suiteModule(t)
	for _, row := range []struct {
		suite         keyblock.Suite
		layout        Layout
		pin, mac, tdk int
	}{
		{keyblock.TDES, SingleKeys, 8, 8, 0},
		{keyblock.TDES, DoubleKeys, 16, 8, 0},
		{keyblock.TDES, DoubleKeysAndTrack, 16, 8, 16},
		{keyblock.AES, DoubleKeys, 16, 16, 0},
		{keyblock.AES, DoubleKeysAndTrack, 16, 16, 16},
		{keyblock.SM4, SM4Keys, 16, 16, 16},
	} {
		tmk, err := m.NewSuiteKey(TMK, row.suite, 16)
		if err != nil {
			t.Fatal(err)
		}
		own, wrapped, err := m.NewWorkingKeys(tmk, row.layout)
		if err != nil || wrapped.Suite != row.suite {
			t.Fatalf("%s, layout %d: %v", row.suite, row.layout, err)
		}
		if len(wrapped.PIN.Bytes) != row.pin || len(wrapped.MAC.Bytes) != row.mac || len(wrapped.Track.Bytes) != row.tdk {
			t.Errorf("%s, layout %d: %d, %d, %d bytes", row.suite, row.layout, len(wrapped.PIN.Bytes), len(wrapped.MAC.Bytes), len(wrapped.Track.Bytes))
		}
		if kcv, err := m.KCV(TPK, own.TPK); err != nil || kcv != wrapped.PIN.KCV {
			t.Errorf("%s: %X, sent %X, %v", row.suite, kcv, wrapped.PIN.KCV, err)
		}
		spec, _ := row.suite.Spec()
		if block, err := m.MACCipher(own.TAK); err != nil || block.BlockSize() != spec.Block || keyblock.MethodOf(block) != spec.MAC {
			t.Errorf("%s: MAC cipher: %v", row.suite, err)
		}
		verifyPIN(t, m, row.suite, tmk, own, wrapped)
	}
	for _, row := range []struct {
		suite  keyblock.Suite
		layout Layout
	}{{keyblock.TDES, SM4Keys}, {keyblock.SM4, DoubleKeysAndTrack}, {keyblock.AES, SingleKeys}, {keyblock.AES, SM4Keys}, {keyblock.TDES, 0}} {
		tmk, err := m.NewSuiteKey(TMK, row.suite, 16)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.NewWorkingKeys(tmk, row.layout); !errors.Is(err, ErrLayout) {
			t.Errorf("%s, layout %d: %v", row.suite, row.layout, err)
		}
	}
}

// verifyPIN enciphers a PIN as the terminal's pad would, with the key that was sent.
func verifyPIN(t *testing.T, m *Module, s keyblock.Suite, tmk Key, own WorkingKeys, wrapped keyblock.WorkingKeys) {
	t.Helper()
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		t.Fatal(err)
	}
	value, err := m.PINValue(pan, "1234")
	if err != nil {
		t.Fatal(err)
	}
	var block []byte
	err = m.use(TMK, tmk, func(_ keyblock.Suite, master []byte) error {
		key, err := s.Unwrap(master, wrapped.PIN)
		if err != nil {
			return err
		}
		c, err := s.NewCipher(key)
		if err != nil {
			return err
		}
		if s != keyblock.TDES {
			four, err := pinblock.Encipher4With(c, []byte("1234"), pan, [8]byte{1, 2, 3})
			block = four[:]
			return err
		}
		zero, err := pinblock.Encode0([]byte("1234"), pan)
		block = zero[:]
		c.Encrypt(block, block)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := m.VerifyPIN(own.TPK, pan, block, value); err != nil || !ok {
		t.Errorf("%s: PIN: %v, %v", s, ok, err)
	}
	if _, err := m.VerifyPIN(own.TPK, pan, append(block, 0), value); !errors.Is(err, ErrPINBlock) {
		t.Errorf("%s: a byte more: %v", s, err)
	}
}

// A sealed key opens as what it is and as nothing else.
func TestAKeyIsOfOneSuiteAndUsage(t *testing.T) {
	m := suiteModule(t)
	for _, s := range keyblock.Suites() {
		key, err := m.NewSuiteKey(TAK, s, 16)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.SuiteOf(TAK, key); err != nil || got != s {
			t.Errorf("%s: %s, %v", s, got, err)
		}
		if _, err := m.SuiteOf(TPK, key); !errors.Is(err, ErrKey) {
			t.Errorf("%s as TPK: %v", s, err)
		}
		ok, err := m.VerifyCMAC(key, []byte("message"), make([]byte, 8))
		if s == keyblock.AES && (err != nil || ok) || s != keyblock.AES && !errors.Is(err, ErrKey) {
			t.Errorf("%s: CMAC of zeros: %v, %v", s, ok, err)
		}
	}
}

func TestCMACOfATerminal(t *testing.T) {
	m := suiteModule(t)
	// RFC 4493, example 2.
	key, err := m.ImportSuite(TAK, keyblock.AES, []byte{0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F, 0x3C})
	if err != nil {
		t.Fatal(err)
	}
	message := []byte{0x6B, 0xC1, 0xBE, 0xE2, 0x2E, 0x40, 0x9F, 0x96, 0xE9, 0x3D, 0x7E, 0x11, 0x73, 0x93, 0x17, 0x2A}
	mac := []byte{0x07, 0x0A, 0x16, 0xB4, 0x6B, 0x4D, 0x41, 0x44}
	if ok, err := m.VerifyCMAC(key, message, mac); err != nil || !ok {
		t.Errorf("got %v, %v", ok, err)
	}
	mac[7] ^= 1
	if ok, _ := m.VerifyCMAC(key, message, mac); ok {
		t.Error("a wrong MAC is right")
	}
}

func TestAKeyInTwoComponents(t *testing.T) {
	m := suiteModule(t)
	for _, s := range keyblock.Suites() {
		tmk, err := m.NewSuiteKey(TMK, s, 16)
		if err != nil {
			t.Fatal(err)
		}
		parts, kcvs, err := m.SplitTMK(tmk)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range parts {
			if got, err := s.CheckValue(part); err != nil || got != kcvs[i] {
				t.Errorf("%s, component %d: %v", s, i+1, err)
			}
		}
		key := make([]byte, 16)
		subtle.XORBytes(key, parts[0], parts[1])
		want, err := m.KCV(TMK, tmk)
		if got, _ := s.CheckValue(key); err != nil || got != want {
			t.Errorf("%s: %X, want %X, %v", s, got, want, err)
		}
	}
}

// ExportTMK gives what a key loader can load.
func TestMasterKeysOfEachSuiteInABlock(t *testing.T) {
	m, kbpk := suiteModule(t), bytes.Repeat([]byte{1, 2}, 8)
	for _, s := range keyblock.Suites() {
		tmk, err := m.NewSuiteKey(TMK, s, 16)
		if err != nil {
			t.Fatal(err)
		}
		clear, kcv, text, err := m.ExportTMK(tmk, kbpk)
		if err != nil {
			t.Fatal(err)
		}
		h, key, err := keyblock.Unwrap(kbpk, text)
		if err != nil || !bytes.Equal(key, clear) {
			t.Fatal(err)
		}
		got, err := keyblock.MasterSuite(h)
		if check, _ := s.CheckValue(key); err != nil || got != s || check != kcv {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	if _, err := m.Import(TMK, make([]byte, 16)); !errors.Is(err, keyblock.ErrWeak) {
		t.Errorf("zeros: %v", err)
	}
}

func TestCodeHashes(t *testing.T) {
	m := suiteModule(t)
	a := m.CodeHash("SN 1", "2")
	if bytes.Equal(a, m.CodeHash("SN", "1 2")) || bytes.Equal(a, m.CodeHash("SN 1", "3")) || !bytes.Equal(a, m.CodeHash("SN 1", "2")) {
		t.Error("a code is not bound to its serial number")
	}
}
