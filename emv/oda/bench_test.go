package oda

import (
	"crypto/sha1"
	"slices"
	"testing"
)

// One recovery of each kind, with the sizes that cards have: CA 1408, issuer 1152,
// ICC 1024 bits, exponent 3.
func BenchmarkRecoverIssuer(b *testing.B) {
	c := newChain(b, "ca", "issuer", "icc")
	cert, ca, pan := c.ca.sign(c.issuerCert), c.caKey(), mustPAN(b, testPAN)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := RecoverIssuer(ca, cert, c.issuerRemainder, c.issuer.Exponent, pan, testDate, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecoverICC(b *testing.B) {
	c := newChain(b, "ca", "issuer", "icc")
	cert, pan := c.issuer.sign(c.iccCert), mustPAN(b, testPAN)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := RecoverICC(c.issuer.PublicKey, cert, c.iccRemainder, c.icc.Exponent, pan, c.static, testDate); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyCDA(b *testing.B) {
	icc, un, tx := testKeys(b)["icc"], [4]byte{1, 2, 3, 4}, make([]byte, 120)
	sum := sha1.Sum(tx)
	signature := icc.sign(sdad(icc, slices.Concat([]byte{2, 9, 9, 0x80}, []byte("CRYPTOGR"), sum[:]), un[:]))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := VerifyCDA(icc.PublicKey, signature, un, tx); err != nil {
			b.Fatal(err)
		}
	}
}

// The two certificates and the signature of a session stay well under what a session
// may allocate.
func TestAllocationsOfASession(t *testing.T) {
	c := newChain(t, "ca", "issuer", "icc")
	issuerCert, iccCert := c.ca.sign(c.issuerCert), c.issuer.sign(c.iccCert)
	ca, pan, un := c.caKey(), mustPAN(t, testPAN), []byte{1, 2, 3, 4}
	signature := c.icc.sign(sdad(c.icc, []byte{2, 9, 9}, un))
	n := testing.AllocsPerRun(20, func() {
		issuer, err := RecoverIssuer(ca, issuerCert, c.issuerRemainder, c.issuer.Exponent, pan, testDate, nil)
		if err != nil {
			t.Fatal(err)
		}
		icc, err := RecoverICC(issuer, iccCert, c.iccRemainder, c.icc.Exponent, pan, c.static, testDate)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyDDA(icc, signature, un); err != nil {
			t.Fatal(err)
		}
	})
	if n > 24 { // 20, and a few more under the race detector
		t.Errorf("%v allocations", n)
	}
	t.Logf("%v allocations", n)
}
