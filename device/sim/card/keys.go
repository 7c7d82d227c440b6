package card

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
)

// Key is an RSA key pair of the virtual payment scheme, by the name that card files
// use for it.
type Key struct {
	Name    string
	private *rsa.PrivateKey
}

// Keys are key pairs by name.
type Keys map[string]*Key

const maxKeys = 64

// ParseKeys reads PEM blocks RSA PRIVATE KEY (PKCS #1), each with a header Name. Text
// between blocks is skipped. EMV uses exponents 3 and 65537.
func ParseKeys(text []byte) (Keys, error) {
	keys := Keys{}
	for n := 1; ; n++ {
		block, rest := pem.Decode(text)
		if block == nil {
			return keys, nil
		}
		k, err := parseKey(block)
		if err == nil && keys[k.Name] != nil {
			err = fmt.Errorf("name %q is taken", k.Name)
		}
		if err == nil && n > maxKeys {
			err = fmt.Errorf("more than %d keys", maxKeys)
		}
		if err != nil {
			return nil, fmt.Errorf("card: read key %d: %w", n, err)
		}
		keys[k.Name], text = k, rest
	}
}

func parseKey(block *pem.Block) (*Key, error) {
	name := block.Headers["Name"]
	if block.Type != "RSA PRIVATE KEY" || name == "" {
		return nil, fmt.Errorf("PEM block %q with name %q: RSA PRIVATE KEY with a name wanted", block.Type, name)
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	if private.E != 3 && private.E != 65537 {
		return nil, fmt.Errorf("key %q: exponent %d, 3 or 65537 wanted", name, private.E)
	}
	if n := private.Size(); private.N.BitLen() != 8*n || n > 248 {
		return nil, fmt.Errorf("key %q: %d bits: whole bytes up to 1984 bits wanted", name, private.N.BitLen())
	}
	return &Key{Name: name, private: private}, nil
}

// Modulus returns the public modulus, most significant byte first.
func (k *Key) Modulus() []byte { return k.private.N.Bytes() }

// Exponent returns the public exponent in 1 or 3 bytes, as EMV writes it.
func (k *Key) Exponent() []byte { return big.NewInt(int64(k.private.E)).Bytes() }

// Size returns the length of the modulus in bytes.
func (k *Key) Size() int { return k.private.Size() }

// apply computes block^d mod n by the Chinese remainder theorem: a signature, or the
// decipherment of a PIN. The block has the length of the modulus and is below it.
func (k *Key) apply(block []byte) []byte {
	p, q := k.private.Primes[0], k.private.Primes[1]
	pre := k.private.Precomputed
	m := new(big.Int).SetBytes(block)
	m1 := new(big.Int).Exp(m, pre.Dp, p)
	m2 := new(big.Int).Exp(m, pre.Dq, q)
	h := m1.Sub(m1, m2)
	h.Mul(h, pre.Qinv).Mod(h, p)
	return h.Mul(h, q).Add(h, m2).FillBytes(make([]byte, k.Size()))
}
