package iso8583

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"posd/emv/keyblock"
)

func suiteKey(t testing.TB, s keyblock.Suite, key string) cipher.Block {
	t.Helper()
	block, err := s.NewCipher(unhexString(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// TestMACOfAES: NIST SP 800-38B, D.1, examples 2 and 3: the first 8 bytes of the CMAC.
func TestMACOfAES(t *testing.T) {
	key := suiteKey(t, keyblock.AES, "2b7e151628aed2a6abf7158809cf4f3c")
	for message, want := range map[string]string{
		"6bc1bee22e409f96e93d7e117393172a":                                                 "070a16b46b4d4144",
		"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411": "dfa66747de9ae630",
	} {
		if got := MAC(key, unhexString(t, message)); hex.EncodeToString(got[:]) != want {
			t.Errorf("got %x, want %s", got, want)
		}
	}
}

// TestMACOfSM4 follows the steps of the package's documentation one by one, with blocks of
// 16 bytes. No public vector is known: it pins our form.
func TestMACOfSM4(t *testing.T) {
	key := suiteKey(t, keyblock.SM4, "0123456789abcdeffedcba9876543210")
	for _, mab := range []string{"", "1", strings.Repeat("A", 16), strings.Repeat("posd", 9)} {
		var folded, block [16]byte
		for i := range len(mab) {
			folded[i%16] ^= mab[i]
		}
		text := strings.ToUpper(hex.EncodeToString(folded[:]))
		key.Encrypt(block[:], []byte(text[:16]))
		for i := range block {
			block[i] ^= text[16+i]
		}
		key.Encrypt(block[:], block[:])
		want := strings.ToUpper(hex.EncodeToString(block[:]))[:8]
		if got := MAC(key, []byte(mab)); string(got[:]) != want {
			t.Errorf("%d bytes: got %s, want %s", len(mab), got, want)
		}
	}
}

// TestSealUnderEverySuite seals and verifies each kind of message that has a MAC, and a
// flipped bit is noticed.
func TestSealUnderEverySuite(t *testing.T) {
	d := CUP()
	for _, s := range keyblock.Suites() {
		key := suiteKey(t, s, "0123456789abcdeffedcba9876543210")
		other := suiteKey(t, s, "0123456789abcdeffedcba9876543211")
		if s == keyblock.TDES {
			other = suiteKey(t, s, "2123456789abcdeffedcba9876543210")
		}
		for name, g := range goldens(t) {
			frame, err := d.Seal(nil, g.header, g.message, key)
			if err != nil {
				t.Fatalf("%s, %s: %v", s, name, err)
			}
			if err := d.VerifyMAC(frame, key); err != nil {
				t.Errorf("%s, %s: %v", s, name, err)
			}
			if err := d.VerifyMAC(frame, other); !errors.Is(err, ErrMAC) {
				t.Errorf("%s, %s: under another key: %v", s, name, err)
			}
			frame[len(frame)/2] ^= 4
			if err := d.VerifyMAC(frame, key); !errors.Is(err, ErrMAC) {
				t.Errorf("%s, %s: flipped: %v", s, name, err)
			}
		}
	}
}

// TestSignOnOfSuites wraps keys as a host does and unwraps them as a terminal does.
func TestSignOnOfSuites(t *testing.T) {
	const master = "0123456789abcdeffedcba9876543210"
	for _, row := range []struct {
		suite keyblock.Suite
		form  Function
		keys  [3]string
		size  int
	}{
		{keyblock.SM4, SignOnSM4, [3]string{strings.Repeat("11", 16), strings.Repeat("22", 16), strings.Repeat("33", 16)}, 60},
		{keyblock.AES, SignOnAES, [3]string{strings.Repeat("11", 16), strings.Repeat("22", 16), ""}, 42},
		{keyblock.AES, SignOnAES, [3]string{strings.Repeat("11", 32), strings.Repeat("22", 16), strings.Repeat("33", 32)}, 95},
	} {
		k := SignOnKeys{Suite: row.suite}
		for i, to := range []*keyblock.Cryptogram{&k.PIN, &k.MAC, &k.Track} {
			if row.keys[i] == "" {
				continue
			}
			var err error
			if *to, err = row.suite.Wrap(unhexString(t, master), unhexString(t, row.keys[i])); err != nil {
				t.Fatal(err)
			}
		}
		field, err := AppendSignOnKeys(nil, k)
		if err != nil || len(field) != row.size {
			t.Fatalf("%s: %d bytes, %v", row.suite, len(field), err)
		}
		back, err := ParseKeys(row.form, field)
		if err != nil || back.Suite != row.suite {
			t.Fatalf("%s: %v, %v", row.suite, back.Suite, err)
		}
		for i, c := range []keyblock.Cryptogram{back.PIN, back.MAC, back.Track} {
			if row.keys[i] == "" {
				continue
			}
			if key, err := row.suite.Unwrap(unhexString(t, master), c); err != nil || hex.EncodeToString(key) != row.keys[i] {
				t.Errorf("%s, key %d: %x, %v", row.suite, i+1, key, err)
			}
		}
	}
}

func TestParseKeysRefuses(t *testing.T) {
	aes := fixture(t, "aes-sign-on-response")[59:]
	for _, row := range []struct {
		name  string
		form  Function
		field []byte
		want  string
	}{
		{"60 bytes for 003", SignOnDouble, make([]byte, 60), "iso8583: sign-on keys of 60 bytes have not form 003: bad value"},
		{"40 bytes for SM4", SignOnSM4, make([]byte, 40), "iso8583: SM4 sign-on keys of 40 bytes, 60 wanted: bad value"},
		{"no sign-on", Echo, make([]byte, 60), "iso8583: function 301 is no sign-on: bad value"},
		{"one AES key", SignOnAES, aes[:21], "iso8583: AES sign-on keys: 1 keys and 0 bytes of 21: bad value"},
		{"AES key cut", SignOnAES, aes[:41], "iso8583: AES sign-on keys: 1 keys and 20 bytes of 41: bad value"},
		{"AES key of 24 bytes", SignOnAES, append([]byte{24}, make([]byte, 41)...), "iso8583: AES sign-on keys: 0 keys and 42 bytes of 42: bad value"},
		{"four AES keys", SignOnAES, append(bytes.Clone(aes), aes...), "iso8583: AES sign-on keys: 3 keys and 21 bytes of 84: bad value"},
	} {
		if k, err := ParseKeys(row.form, row.field); err == nil || err.Error() != row.want || !k.PIN.IsZero() {
			t.Errorf("%s:\n got %v\nwant %s", row.name, err, row.want)
		}
	}
	for name, k := range map[string]SignOnKeys{
		"SM4 without a track key": {Suite: keyblock.SM4, PIN: keyblock.Cryptogram{Bytes: make([]byte, 16)}, MAC: keyblock.Cryptogram{Bytes: make([]byte, 16)}},
		"AES of 8 bytes":          {Suite: keyblock.AES, PIN: keyblock.Cryptogram{Bytes: make([]byte, 8)}, MAC: keyblock.Cryptogram{Bytes: make([]byte, 16)}},
	} {
		if out, err := AppendSignOnKeys([]byte{1}, k); !errors.Is(err, ErrValue) || len(out) != 1 {
			t.Errorf("%s: %x, %v", name, out, err)
		}
	}
}

// TestTrackUnderBlocksOf16: a track of every length comes back, and not under another key.
func TestTrackUnderBlocksOf16(t *testing.T) {
	const digits = "123456789012345678901234567890123456"
	for _, s := range []keyblock.Suite{keyblock.SM4, keyblock.AES} {
		key := suiteKey(t, s, "0123456789abcdeffedcba9876543210")
		for n := 9; n <= 36; n++ {
			track := track2(t, digits[:n-1]+"D"+digits[:1])
			sealed, err := SealTrack(key, track)
			if err != nil || sealed.Len() != max(n+1, 33) {
				t.Fatalf("%s, %d: %d characters, %v", s, n+1, sealed.Len(), err)
			}
			if got, err := sealed.Open(key); err != nil || got != track {
				t.Errorf("%s, %d characters: %v", s, n+1, err)
			}
			if _, err := sealed.Open(tdes(t, "44444444444444445555555555555555")); !errors.Is(err, ErrTrack) {
				t.Errorf("%s, %d characters, another key: %v", s, n+1, err)
			}
		}
	}
}

func TestSecurityOfForms(t *testing.T) {
	for form, want := range map[Function]string{
		SignOnSingle: "2000000000000000", SignOnDouble: "2600000000000000", SignOnTrackKey: "2600000000000000",
		SignOnSM4: "2300000000000000", SignOnAES: "2400000000000000",
	} {
		if got := form.Security(true, false); got != want {
			t.Errorf("%v: got %s, want %s", form, got, want)
		}
		if got := form.Security(false, false); got != "" {
			t.Errorf("%v without PIN and track: %s", form, got)
		}
	}
}

func TestSignedBalance(t *testing.T) {
	if got := (AccountBalance{Minor: 5, Debit: true}).Signed(); got != -5 {
		t.Errorf("debit: %d", got)
	}
	if got := (AccountBalance{Minor: 5}).Signed(); got != 5 {
		t.Errorf("credit: %d", got)
	}
}
