package oda

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"posd/emv"
)

// signer is a test key with its private exponent.
type signer struct {
	PublicKey
	d *big.Int
}

// sign is the inverse of raise. EMV 4.4 Book 2, Annex A2.1.
func (s signer) sign(message []byte) []byte {
	n := new(big.Int).SetBytes(s.Modulus)
	return new(big.Int).Exp(new(big.Int).SetBytes(message), s.d, n).FillBytes(make([]byte, len(s.Modulus)))
}

// testKeys reads testdata/keys.txt.
func testKeys(t testing.TB) map[string]signer {
	t.Helper()
	data, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]signer{}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var name string
		var e, n, d big.Int
		if _, err := fmt.Sscanf(line, "%s %d %X %X", &name, &e, &n, &d); err != nil {
			t.Fatalf("keys.txt: %q: %v", line, err)
		}
		keys[name] = signer{PublicKey{n.Bytes(), e.Bytes()}, &d}
	}
	return keys
}

var (
	testDate = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	testRID  = [5]byte{0xA0, 0x00, 0x00, 0x03, 0x33}
)

const testPAN = "6277000000000017"

func mustPAN(t testing.TB, digits string) emv.PAN {
	t.Helper()
	pan, err := emv.ParsePAN(digits)
	if err != nil {
		t.Fatal(err)
	}
	return pan
}

// chain is a card's certificates before they are signed, so that a test can spoil one
// byte of one.
type chain struct {
	ca, issuer, icc signer
	issuerCert      []byte // message: header to trailer
	issuerRemainder []byte
	iccCert         []byte
	iccRemainder    []byte
	static          []byte
}

// newChain makes a right chain; ca, issuer and icc name keys of testdata.
func newChain(t testing.TB, ca, issuer, icc string) *chain {
	t.Helper()
	keys := testKeys(t)
	c := &chain{ca: keys[ca], issuer: keys[issuer], icc: keys[icc], static: []byte("static data to be authenticated")}
	c.issuerCert, c.issuerRemainder = message(c.ca, c.issuer, "02"+"6277FFFF"+"1226"+"000001"+"0101", nil)
	c.iccCert, c.iccRemainder = message(c.issuer, c.icc, "04"+testPAN+"FFFF"+"1226"+"000002"+"0101", c.static)
	return c
}

// message builds a certificate's message from its fields in hexadecimal up to the key
// algorithm, with key, remainder and hash.
func message(by, key signer, fields string, static []byte) (m, remainder []byte) {
	var head []byte
	if _, err := fmt.Sscanf("6A"+fields, "%X", &head); err != nil {
		panic(err)
	}
	m = append(head, byte(len(key.Modulus)), byte(len(key.Exponent)))
	room := len(by.Modulus) - len(m) - 21
	part := key.Modulus[:min(room, len(key.Modulus))]
	remainder = key.Modulus[len(part):]
	m = append(append(m, part...), bytes.Repeat([]byte{0xBB}, room-len(part))...)
	return seal(m, remainder, key.Exponent, static), remainder
}

// seal appends hash and trailer.
func seal(m []byte, more ...[]byte) []byte {
	sum := sha1.Sum(slices.Concat(append([][]byte{m[1:]}, more...)...))
	return append(append(m, sum[:]...), 0xBC)
}

// reseal makes the hash right again after a change.
func reseal(m []byte, more ...[]byte) []byte { return seal(bytes.Clone(m[:len(m)-21]), more...) }

func (c *chain) caKey() CAKey {
	return CAKey{RID: testRID, Index: 0x80, Modulus: c.ca.Modulus, Exponent: c.ca.Exponent}
}

func (c *chain) recoverIssuer(t testing.TB, pan string, revoked ...Revoked) (PublicKey, error) {
	return RecoverIssuer(c.caKey(), c.ca.sign(c.issuerCert), c.issuerRemainder, c.issuer.Exponent, mustPAN(t, pan), testDate, revoked)
}

func (c *chain) recoverICC(t testing.TB, pan string) (PublicKey, error) {
	return RecoverICC(c.issuer.PublicKey, c.issuer.sign(c.iccCert), c.iccRemainder, c.icc.Exponent, mustPAN(t, pan), c.static, testDate)
}

func TestChain(t *testing.T) {
	for _, names := range [][3]string{{"ca", "issuer", "icc"}, {"ca65537", "issuer65537", "icc"}, {"ca", "ca65537", "issuer"}, {"ca", "icc", "issuer65537"}} {
		c := newChain(t, names[0], names[1], names[2])
		issuer, err := c.recoverIssuer(t, testPAN)
		if err != nil || !bytes.Equal(issuer.Modulus, c.issuer.Modulus) || !bytes.Equal(issuer.Exponent, c.issuer.Exponent) {
			t.Errorf("%v: issuer key %v", names, err)
		}
		icc, err := c.recoverICC(t, testPAN)
		if err != nil || !bytes.Equal(icc.Modulus, c.icc.Modulus) {
			t.Errorf("%v: ICC key %v", names, err)
		}
	}
}

// A key that fits into the certificate is padded there, and has no remainder.
func TestRemainderWhereNoneIsWanted(t *testing.T) {
	c := newChain(t, "ca", "icc", "issuer65537")
	if len(c.issuerRemainder) != 0 {
		t.Fatalf("the test keys leave a remainder of %d bytes", len(c.issuerRemainder))
	}
	c.issuerRemainder = []byte{1}
	c.issuerCert = reseal(c.issuerCert, c.issuerRemainder, c.issuer.Exponent)
	if _, err := c.recoverIssuer(t, testPAN); !errors.Is(err, ErrLength) {
		t.Errorf("%v", err)
	}
}

func TestPINCertificateHasNoStaticData(t *testing.T) {
	c := newChain(t, "ca", "issuer", "icc")
	if _, err := RecoverPIN(c.issuer.PublicKey, c.issuer.sign(c.iccCert), c.iccRemainder, c.icc.Exponent, mustPAN(t, testPAN), testDate); !errors.Is(err, ErrHash) {
		t.Errorf("an ICC certificate passed for a PIN certificate: %v", err)
	}
	cert := reseal(c.iccCert, c.iccRemainder, c.icc.Exponent)
	key, err := RecoverPIN(c.issuer.PublicKey, c.issuer.sign(cert), c.iccRemainder, c.icc.Exponent, mustPAN(t, testPAN), testDate)
	if err != nil || !bytes.Equal(key.Modulus, c.icc.Modulus) {
		t.Errorf("%v", err)
	}
}

// Point 17: each check of an issuer certificate fails alone, by its own error. The hash is made
// right again where it is not the thing that is wrong.
func TestIssuerCertificateChecks(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(c *chain)
		rehash bool
		want   error
		says   string
	}{
		{"header", func(c *chain) { c.issuerCert[0] = 0x6B }, false, ErrHeader, "header 6B"},
		{"trailer", func(c *chain) { c.issuerCert[len(c.issuerCert)-1] = 0xBB }, false, ErrTrailer, "trailer BB"},
		{"format", func(c *chain) { c.issuerCert[1] = 0x04 }, true, ErrFormat, "format 04"},
		{"hash", func(c *chain) { c.issuerCert[len(c.issuerCert)-2] ^= 1 }, false, ErrHash, "hash"},
		{"hash algorithm", func(c *chain) { c.issuerCert[11] = 0x02 }, true, ErrAlgorithm, "hash algorithm 02"},
		{"key algorithm", func(c *chain) { c.issuerCert[12] = 0x02 }, true, ErrAlgorithm, "key algorithm 02"},
		{"issuer identifier", func(c *chain) { c.issuerCert[3] = 0x78 }, true, ErrIssuerID, "issuer identifier"},
		{"issuer identifier of two digits", func(c *chain) { c.issuerCert[3], c.issuerCert[2] = 0xFF, 0x62 }, true, ErrIssuerID, ""},
		{"issuer identifier with a hole", func(c *chain) { c.issuerCert[4] = 0xF0 }, true, ErrIssuerID, ""},
		{"expired last month", func(c *chain) { c.issuerCert[6] = 0x10 }, true, ErrExpired, "expiry date 10/26"},
		{"expired last year", func(c *chain) { c.issuerCert[7] = 0x25 }, true, ErrExpired, "12/25"},
		{"expired in 1950", func(c *chain) { c.issuerCert[7] = 0x50 }, true, ErrExpired, "12/50"},
		{"expired in 1999", func(c *chain) { c.issuerCert[7] = 0x99 }, true, ErrExpired, "12/99"},
		{"key length nought", func(c *chain) { c.issuerCert[13] = 0 }, true, ErrLength, "key length 0"},
		{"key length beyond 248", func(c *chain) { c.issuerCert[13] = 249 }, true, ErrLength, "key length 249"},
		{"key length and remainder differ", func(c *chain) { c.issuerCert[13]++ }, true, ErrLength, "remainder"},
		{"exponent length", func(c *chain) { c.issuerCert[14] = 3 }, true, ErrLength, "exponent of 1 bytes, 3 wanted"},
		{"remainder too long", func(c *chain) { c.issuerRemainder = make([]byte, 5) }, true, ErrLength, "remainder of 5 bytes, 4 wanted"},
		{"remainder dropped", func(c *chain) { c.issuerRemainder = nil }, true, ErrLength, "remainder of 0 bytes, 4 wanted"},
		{"remainder changed", func(c *chain) { c.issuerRemainder = []byte{1} }, false, ErrHash, ""},
		{"exponent 17", func(c *chain) { c.issuer.Exponent = []byte{17} }, true, ErrExponent, "exponent 17"},
		{"even modulus", func(c *chain) { c.issuerRemainder = []byte{1, 2, 3, 4} }, true, ErrModulus, ""},
	}
	for _, tt := range tests {
		c := newChain(t, "ca", "issuer", "icc")
		tt.spoil(c)
		if tt.rehash {
			c.issuerCert = reseal(c.issuerCert, c.issuerRemainder, c.issuer.Exponent)
		}
		_, err := c.recoverIssuer(t, testPAN)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), "oda: issuer certificate: ") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Point 17, the checks that are the ICC certificate's own.
func TestICCCertificateChecks(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(c *chain)
		rehash bool
		want   error
	}{
		{"format of the issuer's", func(c *chain) { c.iccCert[1] = 0x02 }, true, ErrFormat},
		{"static data differ", func(c *chain) { c.static[0] ^= 1 }, false, ErrHash},
		{"another card", func(c *chain) { c.iccCert[9] = 0x27 }, true, ErrPANMismatch},
		{"last digit missing", func(c *chain) { c.iccCert[9] = 0x1F }, true, ErrPANMismatch},
		{"padded with zeros", func(c *chain) { c.iccCert[10], c.iccCert[11] = 0, 0 }, true, ErrPANMismatch},
		{"expired", func(c *chain) { c.iccCert[12] = 0x10 }, true, ErrExpired},
		{"hash algorithm", func(c *chain) { c.iccCert[17] = 0x00 }, true, ErrAlgorithm},
		{"key algorithm", func(c *chain) { c.iccCert[18] = 0x00 }, true, ErrAlgorithm},
	}
	for _, tt := range tests {
		c := newChain(t, "ca", "issuer", "icc")
		tt.spoil(c)
		if tt.rehash {
			c.iccCert = reseal(c.iccCert, c.iccRemainder, c.icc.Exponent, c.static)
		}
		if _, err := c.recoverICC(t, testPAN); !errors.Is(err, tt.want) || strings.Contains(err.Error(), "0017") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// EMV 4.4 Book 2, 6.3 step 8: 3 to 8 digits, the rest padded with F at any nibble.
func TestIssuerIdentifierLengths(t *testing.T) {
	for _, id := range []string{"627FFFFF", "6277FFFF", "62770FFF", "627700FF", "6277000F", "62770000"} {
		c := newChain(t, "ca", "issuer", "icc")
		var raw []byte
		if _, err := fmt.Sscanf(id, "%X", &raw); err != nil {
			t.Fatal(err)
		}
		copy(c.issuerCert[2:6], raw)
		c.issuerCert = reseal(c.issuerCert, c.issuerRemainder, c.issuer.Exponent)
		if _, err := c.recoverIssuer(t, testPAN); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if _, err := c.recoverIssuer(t, "6287000000000017"); !errors.Is(err, ErrIssuerID) {
			t.Errorf("%s and another card: %v", id, err)
		}
	}
}

func TestCertificateIsGoodToTheEndOfItsMonth(t *testing.T) {
	c := newChain(t, "ca", "issuer", "icc")
	c.issuerCert[6] = 0x11
	c.issuerCert = reseal(c.issuerCert, c.issuerRemainder, c.issuer.Exponent)
	for _, tt := range []struct {
		on   time.Time
		want error
	}{
		{time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC), nil},
		{time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), ErrExpired},
		{time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), nil},
	} {
		_, err := RecoverIssuer(c.caKey(), c.ca.sign(c.issuerCert), c.issuerRemainder, c.issuer.Exponent, mustPAN(t, testPAN), tt.on, nil)
		if !errors.Is(err, tt.want) {
			t.Errorf("%v: %v", tt.on, err)
		}
	}
}

// Point 16, the revocation list.
func TestRevokedCertificate(t *testing.T) {
	c := newChain(t, "ca", "issuer", "icc")
	listed := Revoked{testRID, 0x80, [3]byte{0, 0, 1}}
	if _, err := c.recoverIssuer(t, testPAN, listed); !errors.Is(err, ErrRevoked) || !strings.Contains(err.Error(), "000001") {
		t.Errorf("listed: %v", err)
	}
	for _, other := range []Revoked{{testRID, 0x80, [3]byte{0, 0, 2}}, {testRID, 0x81, listed.Serial}, {[5]byte{1}, 0x80, listed.Serial}} {
		if _, err := c.recoverIssuer(t, testPAN, other); err != nil {
			t.Errorf("%v listed: %v", other, err)
		}
	}
}

func TestCertificateLengths(t *testing.T) {
	c := newChain(t, "ca", "issuer", "icc")
	cert := c.ca.sign(c.issuerCert)
	pan := mustPAN(t, testPAN)
	for _, n := range []int{0, 1, 36, len(cert) - 1} {
		if _, err := RecoverIssuer(c.caKey(), cert[:n], nil, c.issuer.Exponent, pan, testDate, nil); !errors.Is(err, ErrLength) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := RecoverIssuer(CAKey{}, cert, nil, c.issuer.Exponent, pan, testDate, nil); !errors.Is(err, ErrExponent) {
		t.Errorf("no CA key: %v", err)
	}
	if _, err := RecoverICC(PublicKey{}, nil, nil, nil, pan, nil, testDate); !errors.Is(err, ErrLength) {
		t.Errorf("nothing: %v", err)
	}
}

// ssad is the message of signed static data.
func ssad(by signer, static []byte) []byte {
	m := []byte{0x6A, 0x03, 0x01, 0xDA, 0xC5}
	m = append(m, bytes.Repeat([]byte{0xBB}, len(by.Modulus)-26)...)
	return seal(m, static)
}

func TestVerifySSAD(t *testing.T) {
	by, static := testKeys(t)["issuer"], []byte("static")
	dac, err := VerifySSAD(by.PublicKey, by.sign(ssad(by, static)), static)
	if err != nil || dac != [2]byte{0xDA, 0xC5} {
		t.Errorf("%X, %v", dac, err)
	}
	tests := []struct {
		name  string
		spoil func(m []byte) []byte
		want  error
	}{
		{"header", func(m []byte) []byte { m[0] = 0x4A; return m }, ErrHeader},
		{"trailer", func(m []byte) []byte { m[len(m)-1] = 0xCC; return m }, ErrTrailer},
		{"format", func(m []byte) []byte { m[1] = 0x05; return reseal(m, static) }, ErrFormat},
		{"hash algorithm", func(m []byte) []byte { m[2] = 0x02; return reseal(m, static) }, ErrAlgorithm},
		{"hash", func(m []byte) []byte { m[len(m)-5] ^= 1; return m }, ErrHash},
		{"padding changed", func(m []byte) []byte { m[9] ^= 1; return m }, ErrHash},
		{"other data", func(m []byte) []byte { return reseal(m, []byte("others")) }, ErrHash},
	}
	for _, tt := range tests {
		if _, err := VerifySSAD(by.PublicKey, by.sign(tt.spoil(ssad(by, static))), static); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := VerifySSAD(by.PublicKey, make([]byte, 25), static); !errors.Is(err, ErrLength) {
		t.Errorf("short: %v", err)
	}
}

// sdad is the message of signed dynamic data over terminal data.
func sdad(by signer, dynamic, terminal []byte) []byte {
	m := append([]byte{0x6A, 0x05, 0x01, byte(len(dynamic))}, dynamic...)
	m = append(m, bytes.Repeat([]byte{0xBB}, len(by.Modulus)-25-len(dynamic))...)
	return seal(m, terminal)
}

func TestVerifyDDA(t *testing.T) {
	by, ddol := testKeys(t)["icc"], []byte{0xA1, 0xB2, 0xC3, 0xD4}
	for n := 0; n <= 9; n++ {
		dynamic := append([]byte{byte(n)}, bytes.Repeat([]byte{7}, n)...)
		got, err := VerifyDDA(by.PublicKey, by.sign(sdad(by, dynamic, ddol)), ddol)
		if good := n >= 2 && n <= 8; good && (err != nil || !bytes.Equal(got, dynamic[1:])) || !good && !errors.Is(err, ErrLength) {
			t.Errorf("number of %d bytes: %X, %v", n, got, err)
		}
	}
	dynamic := []byte{2, 1, 2}
	tests := []struct {
		name  string
		spoil func(m []byte) []byte
		want  error
	}{
		{"format", func(m []byte) []byte { m[1] = 0x03; return reseal(m, ddol) }, ErrFormat},
		{"hash algorithm", func(m []byte) []byte { m[2] = 0x02; return reseal(m, ddol) }, ErrAlgorithm},
		{"other terminal data", func(m []byte) []byte { return reseal(m, []byte{1, 2, 3, 4}) }, ErrHash},
		{"empty dynamic data", func(m []byte) []byte { m[3] = 0; return reseal(m, ddol) }, ErrLength},
		{"dynamic data overrun", func(m []byte) []byte { m[3] = byte(len(m) - 24); return reseal(m, ddol) }, ErrLength},
		{"number overruns", func(m []byte) []byte { m[4] = 3; return reseal(m, ddol) }, ErrLength},
	}
	for _, tt := range tests {
		if _, err := VerifyDDA(by.PublicKey, by.sign(tt.spoil(sdad(by, dynamic, ddol))), ddol); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestVerifyCDA(t *testing.T) {
	by, un, tx := testKeys(t)["icc"], [4]byte{1, 2, 3, 4}, []byte("PDOL CDOL1 answer")
	sum := sha1.Sum(tx)
	dynamic := slices.Concat([]byte{4, 9, 9, 9, 9, 0x80}, []byte("CRYPTOGR"), sum[:])
	sign := func(dynamic []byte) []byte { return by.sign(sdad(by, dynamic, un[:])) }
	got, err := VerifyCDA(by.PublicKey, sign(dynamic), un, tx)
	if err != nil || !bytes.Equal(got.DynamicNumber, []byte{9, 9, 9, 9}) || got.CID != 0x80 || string(got.Cryptogram[:]) != "CRYPTOGR" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := VerifyCDA(by.PublicKey, sign(append(bytes.Clone(dynamic), 1, 2, 3)), un, tx); err != nil {
		t.Errorf("with proprietary data behind: %v", err)
	}
	if _, err := VerifyCDA(by.PublicKey, sign(dynamic), un, []byte("another answer")); !errors.Is(err, ErrTransactionHash) {
		t.Errorf("other transaction data: %v", err)
	}
	if _, err := VerifyCDA(by.PublicKey, sign(dynamic), [4]byte{}, tx); !errors.Is(err, ErrHash) {
		t.Errorf("other unpredictable number: %v", err)
	}
	for n := range dynamic {
		if _, err := VerifyCDA(by.PublicKey, sign(dynamic[:n]), un, tx); !errors.Is(err, ErrLength) {
			t.Errorf("dynamic data cut to %d bytes: %v", n, err)
		}
	}
}

func TestEncipherPIN(t *testing.T) {
	for _, name := range []string{"icc", "issuer65537"} {
		key := testKeys(t)[name]
		block, challenge := [8]byte{0x24, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
		padding := bytes.Repeat([]byte{0x5A}, len(key.Modulus)-17)
		out, err := EncipherPIN(key.PublicKey, block, challenge, padding)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Concat([]byte{0x7F}, block[:], challenge[:], padding)
		if got := key.sign(out); !bytes.Equal(got, want) {
			t.Errorf("%s: the card reads %X", name, got)
		}
		for _, n := range []int{0, len(padding) - 1, len(padding) + 1} {
			if _, err := EncipherPIN(key.PublicKey, block, challenge, make([]byte, n)); !errors.Is(err, ErrLength) {
				t.Errorf("padding of %d bytes: %v", n, err)
			}
		}
	}
	if _, err := EncipherPIN(PublicKey{}, [8]byte{}, [8]byte{}, nil); !errors.Is(err, ErrLength) {
		t.Errorf("no key: %v", err)
	}
}
