package oda

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"posd/emv/tlv"
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
	for _, card := range cardCertificates(f) {
		f.Add(card.cert, card.remainder, card.exponent, card.ca)
	}
	f.Fuzz(func(t *testing.T, cert, remainder, exponent, modulus []byte) {
		pan := mustPAN(t, testPAN)
		key := PublicKey{modulus, exponent}
		_, _ = RecoverICC(key, cert, remainder, exponent, pan, remainder, testDate)
		_, _ = VerifySSAD(key, cert, remainder)
		_, _ = VerifyDDA(key, cert, remainder)
		_, _ = EncipherPIN(key, [8]byte{}, [8]byte{}, remainder)
	})
}

// FuzzChain: the certificates of the shared vectors' cards, spoilt by the fuzzer, up to
// the card's own key: what comes out is a key, and only of certificates that nobody spoilt.
func FuzzChain(f *testing.F) {
	cards := cardCertificates(f)
	for i := range cards {
		f.Add(uint8(i), 0, byte(0))
		f.Add(uint8(i), 7, byte(1))
		f.Add(uint8(i), 1000, byte(0x80))
	}
	f.Fuzz(func(t *testing.T, which uint8, at int, flip byte) {
		if len(cards) == 0 {
			t.Skip("no vectors")
		}
		card := cards[int(which)%len(cards)]
		ca := CAKey{RID: testRID, Modulus: card.ca, Exponent: card.caExponent}
		cert := bytes.Clone(card.cert)
		cert[(at%len(cert)+len(cert))%len(cert)] ^= flip
		pan := mustPAN(t, testPAN)
		before, beforeErr := RecoverIssuer(ca, card.cert, card.remainder, card.exponent, pan, testDate, nil)
		key, err := RecoverIssuer(ca, cert, card.remainder, card.exponent, pan, testDate, nil)
		switch {
		case flip == 0 && ((err == nil) != (beforeErr == nil) || !bytes.Equal(key.Modulus, before.Modulus)):
			t.Fatalf("%v, before %v", err, beforeErr)
		case flip != 0 && err == nil:
			t.Fatalf("byte %d ^ %02X: a key of %d bytes", at, flip, len(key.Modulus))
		}
	})
}

// cardCertificate is what a card of the shared vectors has for its issuer's key.
type cardCertificate struct{ cert, remainder, exponent, ca, caExponent []byte }

// cardCertificates reads the shared vectors; there are none without them.
func cardCertificates(t testing.TB) (out []cardCertificate) {
	t.Helper()
	raw, err := os.ReadFile("../../../shared/vectors/emv/scenarios.json")
	if err != nil {
		return nil
	}
	var file struct {
		Vectors []struct {
			CAPKs []struct{ Modulus, Exponent string }
			Card  struct{ Answers []struct{ R string } }
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		var c cardCertificate
		for _, a := range v.Card.Answers {
			answer, err := hex.DecodeString(a.R)
			if err != nil {
				t.Fatal(err)
			}
			content, _ := tlv.Template(answer[:len(answer)-2], 0x70)
			for dst, tag := range map[*[]byte]tlv.Tag{&c.cert: 0x90, &c.remainder: 0x92, &c.exponent: 0x9F32} {
				if value, ok := tlv.Find(content, tag); ok {
					*dst = value
				}
			}
		}
		if c.cert != nil && len(v.CAPKs) > 0 {
			c.ca, _ = hex.DecodeString(v.CAPKs[0].Modulus)
			c.caExponent, _ = hex.DecodeString(v.CAPKs[0].Exponent)
			out = append(out, c)
		}
	}
	return out
}
