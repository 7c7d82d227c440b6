package estate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// ErrRequest says that bytes are no certificate request that is signed here.
var ErrRequest = errors.New("certificate request is refused")

// ParseRequest reads a certificate request (PKCS #10, PEM) of a device: signed by the key
// in it, an ECDSA key on P-256, with the device's serial number as subject. What it asks
// for beside that (names, uses, extensions) is not looked at: the authority decides it.
// Errors: [ErrRequest].
func ParseRequest(text []byte, sn string) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		return nil, fmt.Errorf("estate: not one PEM block of a certificate request: %w", ErrRequest)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("estate: %w: %w", ErrRequest, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("estate: not signed by the key in it: %w: %w", ErrRequest, err)
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("estate: key %T, ECDSA on P-256 wanted: %w", csr.PublicKey, ErrRequest)
	}
	if csr.Subject.SerialNumber != sn {
		return nil, fmt.Errorf("estate: request of %q, device is %q: %w", csr.Subject.SerialNumber, sn, ErrRequest)
	}
	return csr, nil
}

// SignRequest issues a terminal's certificate for the key of a request, and returns it
// with the authority's behind it, PEM: common name TID, serial number SN, as
// [CA.IssueTerminal].
func (ca *CA) SignRequest(csr *x509.CertificateRequest, tid, sn string, now time.Time) ([]byte, error) {
	if err := errors.Join(checkTID(tid), checkSN(sn)); err != nil {
		return nil, fmt.Errorf("estate: sign request: %w", err)
	}
	template := leaf(pkix.Name{CommonName: tid, SerialNumber: sn}, x509.ExtKeyUsageClientAuth, now, ca.life())
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("estate: make serial number: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, csr.PublicKey, ca.key)
	if err != nil {
		return nil, fmt.Errorf("estate: sign certificate of %s: %w", tid, err)
	}
	return append(certPEM(der), ca.PEM()...), nil
}

// Public is the authority's key: with [CA.Sign] the authority is a crypto.Signer, which
// signs master keys on their way to terminals (emv/keyblock/remote).
func (ca *CA) Public() crypto.PublicKey { return ca.key.Public() }

// Sign signs a digest with the authority's key.
func (ca *CA) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return ca.key.Sign(random, digest, opts)
}

// Certificate is the authority's own, DER.
func (ca *CA) Certificate() []byte { return ca.cert.Raw }
