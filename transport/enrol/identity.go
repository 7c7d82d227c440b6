package enrol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"posd/emv/keyblock/remote"
)

// DefaultBits is the length of the RSA key that a master key is wrapped for. A key lives
// for one enrolment only. Measured: 0.07 s on a PC and 3 s on an emulated ARM; at 3072 bits
// 0.35 s and 12 s.
const DefaultBits = 2048

// Identity is the terminal's side of an enrolment. It prints as its serial number.
type Identity struct {
	serial    string
	key       *ecdsa.PrivateKey
	transport *rsa.PrivateKey // nil for a renewal
	nonce     []byte
}

// NewIdentity makes the keys of a first enrolment; bits is 2048 (0) to 4096.
func NewIdentity(serial string, bits int) (*Identity, error) {
	if bits == 0 {
		bits = DefaultBits
	}
	if bits < remote.MinBits || bits > remote.MaxBits || serial == "" {
		return nil, fmt.Errorf("enrol: new identity of %q: RSA key of %d bits, %d to %d wanted", serial, bits, remote.MinBits, remote.MaxBits)
	}
	id, err := NewRenewal(serial)
	if err != nil {
		return nil, err
	}
	if id.transport, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
		return nil, fmt.Errorf("enrol: new identity: %w", err)
	}
	id.nonce = make([]byte, remote.NonceSize)
	if _, err := rand.Read(id.nonce); err != nil {
		return nil, fmt.Errorf("enrol: new identity: %w", err)
	}
	return id, nil
}

// NewRenewal makes the key of the next certificate.
func NewRenewal(serial string) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("enrol: new key: %w", err)
	}
	return &Identity{serial: serial, key: key}, nil
}

// Serial is the serial number.
func (id *Identity) Serial() string { return id.serial }

// String is the serial number; the keys do not print.
func (id *Identity) String() string { return "identity of " + id.serial }

// Format hides the keys for every verb.
func (id *Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, id.String()) }

// Transport is the RSA key that the master key comes wrapped for; nil for a renewal.
func (id *Identity) Transport() *rsa.PrivateKey { return id.transport }

// stored is an identity as bytes to seal: the numbers that the keys follow from, for a
// sealed secret has a small place (store.MaxSecret).
type stored struct {
	Serial string   `json:"serial"`
	Key    []byte   `json:"key"`              // scalar on P-256
	Primes [][]byte `json:"primes,omitempty"` // of the RSA key; none for a renewal
	Nonce  []byte   `json:"nonce,omitempty"`
}

func (s *stored) wipe() {
	clear(s.Key)
	for _, p := range s.Primes {
		clear(p)
	}
}

// exponent of every transport key. RFC 8017.
const exponent = 65537

// Marshal returns the identity with its keys: a secret of less than 1 KiB, to be sealed and
// wiped.
func (id *Identity) Marshal() ([]byte, error) {
	s := stored{Serial: id.serial, Nonce: id.nonce}
	defer s.wipe()
	var err error
	if s.Key, err = id.key.Bytes(); err != nil {
		return nil, fmt.Errorf("enrol: identity of %s: %w", id.serial, err)
	}
	if id.transport != nil {
		for _, p := range id.transport.Primes {
			s.Primes = append(s.Primes, p.Bytes())
		}
	}
	return json.Marshal(s)
}

// ParseIdentity reads what Marshal wrote. Its errors say nothing of the bytes.
func ParseIdentity(secret []byte) (*Identity, error) {
	var s stored
	if err := json.Unmarshal(secret, &s); err != nil || s.Serial == "" {
		return nil, errors.New("enrol: identity: not understood")
	}
	defer s.wipe()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), s.Key)
	if err != nil {
		return nil, errors.New("enrol: identity: no key")
	}
	id := &Identity{serial: s.Serial, key: key, nonce: s.Nonce}
	if len(s.Primes) > 0 {
		if id.transport, err = transportOf(s.Primes); err != nil {
			return nil, err
		}
	}
	return id, nil
}

// transportOf makes the RSA key of its two primes. FIPS 186-5, A.1.1.
func transportOf(primes [][]byte) (*rsa.PrivateKey, error) {
	bad := errors.New("enrol: identity: no transport key")
	if len(primes) != 2 || len(primes[0]) > remote.MaxBits/16 || len(primes[1]) > remote.MaxBits/16 {
		return nil, bad
	}
	p, q := new(big.Int).SetBytes(primes[0]), new(big.Int).SetBytes(primes[1])
	if p.BitLen() < remote.MinBits/2 || q.BitLen() < remote.MinBits/2 {
		return nil, bad
	}
	one := big.NewInt(1)
	pLess, qLess := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	gcd := new(big.Int).GCD(nil, nil, pLess, qLess)
	lcm := new(big.Int).Div(new(big.Int).Mul(pLess, qLess), gcd)
	d := new(big.Int).ModInverse(big.NewInt(exponent), lcm)
	if d == nil {
		return nil, bad
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: exponent}, D: d, Primes: []*big.Int{p, q}}
	key.Precompute()
	if key.Validate() != nil {
		return nil, bad
	}
	return key, nil
}

// csr is the certificate request, PEM.
func (id *Identity) csr() (string, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: id.serial, SerialNumber: id.serial},
	}, id.key)
	if err != nil {
		return "", fmt.Errorf("enrol: certificate request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

// transportPEM is the RSA public key, PEM.
func (id *Identity) transportPEM() (string, error) {
	if id.transport == nil {
		return "", errors.New("enrol: a renewal's identity enrols nothing")
	}
	der, err := x509.MarshalPKIXPublicKey(&id.transport.PublicKey)
	if err != nil {
		return "", fmt.Errorf("enrol: transport key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// keyPEM is the TLS key, PKCS #8.
func (id *Identity) keyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return nil, fmt.Errorf("enrol: key: %w", err)
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
