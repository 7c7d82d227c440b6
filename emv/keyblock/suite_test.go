package keyblock

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// GB/T 32907-2016, A.1 and A.2: one encipherment, and a million of them in a chain.
func TestSM4(t *testing.T) {
	key := unhex("0123456789ABCDEFFEDCBA9876543210")
	block, err := SM4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Clone(key)
	block.Encrypt(text, text)
	if want := unhex("681EDF34D206965E86B3E94F536E4246"); !bytes.Equal(text, want) {
		t.Errorf("A.1: %X, want %X", text, want)
	}
	if testing.Short() {
		return
	}
	for range 999_999 {
		block.Encrypt(text, text)
	}
	if want := unhex("595298C7C6FD271F0402F804C33D3F66"); !bytes.Equal(text, want) {
		t.Errorf("A.2: %X, want %X", text, want)
	}
}

// NIST SP 800-38B, examples D.2 (AES-192), D.3 (AES-256) and D.5 (two-key TDES); those of
// AES-128 are RFC 4493's too, and in TestCMAC.
func TestCMACOfLongerKeys(t *testing.T) {
	message := unhex("6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411E5FBC1191A0A52EFF69F2445DF4F9B17AD2B417BE66C3710")
	for _, tt := range []struct {
		suite Suite
		key   string
		macs  map[int]string
	}{
		{AES, "8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B", map[int]string{0: "D17DDF46ADAACDE531CAC483DE7A9367", 16: "9E99A7BF31E710900662F65E617C5184", 40: "8A1DE5BE2EB31AAD089A82E6EE908B0E", 64: "A1D5DF0EED790F794D77589659F39A11"}},
		{AES, "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4", map[int]string{0: "028962F61B7BF89EFC6B551F4667D983", 16: "28A7023F452E8F82BD4BF28D8C37C35C", 40: "AAF3D8F1DE5640C232F5B169B9C911E6", 64: "E1992190549F6ED5696A2C056C315410"}},
		{TDES, "4CF15134A2850DD58A3D10BA80570D38", map[int]string{0: "BD2EBF9A3BA00361", 8: "4FF2AB813C53CE83", 20: "62DD1B471902BD4E", 32: "31B1E431DABC4EB8"}},
	} {
		block, err := tt.suite.NewCipher(unhex(tt.key))
		if err != nil {
			t.Fatal(err)
		}
		for n, want := range tt.macs {
			if got := CMAC(block, message[:n]); !bytes.Equal(got, unhex(want)) {
				t.Errorf("%s, key of %d bytes, message of %d: %X, want %s", tt.suite, len(tt.key)/2, n, got, want)
			}
		}
	}
}

// TDES: shared/domain/unionpay_vectors.txt, 3. AES and SM4: OpenSSL 3.0.19, `openssl mac
// -cipher AES-128-CBC CMAC` and `openssl enc -sm4-ecb` over a block of zeros.
func TestCheckValues(t *testing.T) {
	for _, tt := range []struct {
		suite     Suite
		key, want string
	}{
		{TDES, "0123456789ABCDEFFEDCBA9876543210", "08D7B4FB"},
		{"", "0123456789ABCDEFFEDCBA9876543210", "08D7B4FB"},
		{AES, "2B7E151628AED2A6ABF7158809CF4F3C", "7AD386C3"},
		{AES, "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4", "1A0B2DF2"},
		{SM4, "0123456789ABCDEFFEDCBA9876543210", "2677F46B"},
	} {
		if got, err := tt.suite.CheckValue(unhex(tt.key)); err != nil || got != KCV(unhex(tt.want)) {
			t.Errorf("%s: %X, %v; want %s", tt.suite, got, err, tt.want)
		}
	}
}

func TestWorkingKeysOfEachSuite(t *testing.T) {
	master, key := unhex("0123456789ABCDEFFEDCBA9876543210"), unhex("2B7E151628AED2A6ABF7158809CF4F3C")
	for _, s := range Suites() {
		c, err := s.Wrap(master, key)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Unwrap(master, c); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%s: %v", s, err)
		}
		for _, other := range Suites() {
			if _, err := other.Unwrap(master, c); (err == nil) != (other == s) {
				t.Errorf("%s key taken as %s: %v", s, other, err)
			}
		}
		c.Bytes[3] ^= 1
		if _, err := s.Unwrap(master, c); !errors.Is(err, ErrKCV) {
			t.Errorf("%s, a bit changed: %v", s, err)
		}
		if _, err := s.Wrap(master, key[:7]); !errors.Is(err, ErrKey) {
			t.Errorf("%s, key of 7 bytes: %v", s, err)
		}
		if _, err := s.Wrap(master[:15], key); !errors.Is(err, ErrKey) {
			t.Errorf("%s, master key of 15 bytes: %v", s, err)
		}
	}
	if _, err := Suite("rot13").Wrap(master, key); !errors.Is(err, ErrSuite) {
		t.Errorf("no suite: %v", err)
	}
	if _, err := ParseSuite("AES"); !errors.Is(err, ErrSuite) {
		t.Errorf("upper case: %v", err)
	}
	if s, err := ParseSuite(""); err != nil || s != TDES {
		t.Errorf("empty: %s, %v", s, err)
	}
}

// How a MAC is made goes with the cipher.
func TestTheMethodGoesWithTheKey(t *testing.T) {
	key := make([]byte, 16)
	for s, want := range map[Suite]MACMethod{TDES: MACUnionPay, AES: MACCMAC, SM4: MACUnionPay} {
		block, err := s.NewCipher(key)
		if err != nil || MethodOf(block) != want {
			t.Errorf("%s: %d, %v", s, MethodOf(block), err)
		}
		if spec, _ := s.Spec(); block.BlockSize() != spec.Block {
			t.Errorf("%s: blocks of %d bytes", s, block.BlockSize())
		}
	}
	plain, err := aes.NewCipher(key)
	if err != nil || MethodOf(plain) != MACUnionPay {
		t.Errorf("a cipher that does not say: %d", MethodOf(plain))
	}
}

func TestWeakMasterKeys(t *testing.T) {
	equal := strings.Repeat("0123456789ABCDEF", 2)
	for name, tt := range map[string]struct {
		suite Suite
		key   string
		want  error
	}{
		"zeros":                      {AES, strings.Repeat("00", 16), ErrWeak},
		"TDES of one key":            {TDES, equal, ErrWeak},
		"TDES, parity only differs":  {TDES, "0123456789ABCDEF0022446688AACCEE", ErrWeak},
		"three parts, two are equal": {TDES, equal + "FEDCBA9876543210", ErrWeak},
		"AES with equal halves":      {AES, equal, nil},
		"8 bytes":                    {TDES, "0123456789ABCDEF", ErrKey},
		"SM4 of 32":                  {SM4, equal + equal, ErrKey},
	} {
		if err := tt.suite.CheckMaster(unhex(tt.key)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestMasterKeyBlocks(t *testing.T) {
	kek, master := unhex("89E88CF7931444F334BD7547FC3F380C"), unhex("0123456789ABCDEFFEDCBA9876543210")
	for _, s := range Suites() {
		text, err := WrapMaster(kek, s, master, VersionD, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		h, key, err := Unwrap(kek, text)
		if err != nil || !bytes.Equal(key, master) {
			t.Fatal(err)
		}
		if got, err := MasterSuite(h); err != nil || got != s {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	if _, err := WrapMaster(kek, SM4, master, VersionB, rand.Reader); !errors.Is(err, ErrUsage) {
		t.Errorf("SM4 key under TDES: %v", err)
	}
	if _, err := WrapMaster(kek, TDES, master, 'X', rand.Reader); !errors.Is(err, ErrFormat) {
		t.Errorf("version X: %v", err)
	}
	if text, err := WrapMaster(kek, TDES, make([]byte, 16), VersionB, rand.Reader); !errors.Is(err, ErrWeak) || strings.Contains(text, hex.EncodeToString(kek)) {
		t.Errorf("zeros: %v", err)
	}
}
