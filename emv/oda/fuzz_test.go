package oda

import (
	"bytes"
	"crypto/sha1"
	"testing"
)

// A card that holds a signed certificate or signature with anything in it makes no
// panic: the fuzzer writes the message, the hash and frame are made right, and a test
// key signs it. What passes is a key, or a number, within the Book's limits.
func FuzzRecovered(f *testing.F) {
	c := newChain(f, "ca", "issuer", "icc")
	pan := mustPAN(f, testPAN)
	f.Add(c.issuerCert[1:100], c.issuerRemainder, c.issuer.Exponent)
	f.Add(c.iccCert[1:100], c.iccRemainder, c.icc.Exponent)
	f.Add(sdad(c.icc, []byte{2, 9, 9}, nil)[1:60], []byte{}, []byte{3})
	f.Add(ssad(c.icc, nil)[1:60], []byte{}, []byte{1, 0, 1})
	f.Fuzz(func(t *testing.T, body, remainder, exponent []byte) {
		m := bytes.Repeat([]byte{0xBB}, len(c.ca.Modulus)-21)
		m[0] = 0x6A
		copy(m[1:], body)
		signature := c.ca.sign(seal(bytes.Clone(m), remainder, exponent))
		if key, err := RecoverIssuer(c.caKey(), signature, remainder, exponent, pan, testDate, nil); err == nil && checkModulus(key.Modulus) != nil {
			t.Errorf("issuer key %+v", key)
		}
		if key, err := RecoverPIN(c.ca.PublicKey, signature, remainder, exponent, pan, testDate); err == nil && checkModulus(key.Modulus) != nil {
			t.Errorf("PIN key %+v", key)
		}
		if number, err := VerifyDDA(c.ca.PublicKey, signature, append(remainder, exponent...)); err == nil && (len(number) < 2 || len(number) > 8) {
			t.Errorf("dynamic number %X", number)
		}
		_, _ = VerifySSAD(c.ca.PublicKey, signature, remainder)
		_, _ = VerifyCDA(c.ca.PublicKey, signature, [4]byte(append(remainder, make([]byte, 4)...)), exponent)
		sum := sha1.Sum(exponent)
		_, _ = VerifyCDA(c.ca.PublicKey, c.ca.sign(sdad(c.ca, append(body[:min(len(body), 40)], sum[:]...), make([]byte, 4))), [4]byte{}, exponent)
	})
}

// Whatever a card sends as it is, without any key, is refused or read, never a panic.
func FuzzRaw(f *testing.F) {
	c := newChain(f, "ca", "issuer", "icc")
	f.Add(c.ca.sign(c.issuerCert), c.issuerRemainder, c.issuer.Exponent, c.ca.Modulus)
	f.Add([]byte{}, []byte{}, []byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, cert, remainder, exponent, modulus []byte) {
		pan := mustPAN(t, testPAN)
		key := PublicKey{modulus, exponent}
		_, _ = RecoverICC(key, cert, remainder, exponent, pan, remainder, testDate)
		_, _ = VerifySSAD(key, cert, remainder)
		_, _ = VerifyDDA(key, cert, remainder)
		_, _ = EncipherPIN(key, [8]byte{}, [8]byte{}, remainder)
	})
}
