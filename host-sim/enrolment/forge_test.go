package enrolment_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
)

func sum256(b []byte) [32]byte { return sha256.Sum256(b) }

// requestOf makes certificate request and transport key by hand; a key that Go refuses to
// make (1024 bits) is a number of that length.
func requestOf(t *testing.T, sn string, bits int) (csr, transport string) {
	t.Helper()
	key := must2(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: sn, SerialNumber: sn}}
	der := must2(x509.CreateCertificateRequest(rand.Reader, template, key))(t)
	n := must2(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1))))(t)
	n.SetBit(n.SetBit(n, bits-1, 1), 0, 1)
	public := &rsa.PublicKey{N: n, E: 65537}
	spki := must2(x509.MarshalPKIXPublicKey(public))(t)
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE REQUEST", der), encode("PUBLIC KEY", spki)
}

// garble changes a bit of the signature of a request.
func garble(t *testing.T, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("no PEM")
	}
	block.Bytes[len(block.Bytes)-1] ^= 1
	return string(pem.EncodeToMemory(block))
}
