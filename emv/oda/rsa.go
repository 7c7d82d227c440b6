package oda

import (
	"fmt"
	"math/big"
	"math/bits"
)

// MaxModulus is the length of the longest modulus in bytes (1984 bits). EMV 4.4 Book 2,
// Annex B2.1.
const MaxModulus = 248

// power is one computation of in^e mod n. All its numbers live in one slab, so that it
// costs one allocation and can be wiped.
type power struct {
	slab                              []big.Word
	modulus, base, result, product, q big.Int
}

// raise returns in^exponent mod modulus, as long as the modulus. in must have that
// length too. EMV 4.4 Book 2, Annex B2.1.
func raise(key PublicKey, in []byte) ([]byte, error) {
	squarings, err := exponentSquarings(key.Exponent)
	if err != nil {
		return nil, err
	}
	if err := checkModulus(key.Modulus); err != nil {
		return nil, err
	}
	if len(in) != len(key.Modulus) {
		return nil, fmt.Errorf("%d bytes where the key has %d: %w", len(in), len(key.Modulus), ErrLength)
	}
	var p power
	p.reserve(len(in))
	defer clear(p.slab)
	return p.raise(key.Modulus, in, squarings).FillBytes(make([]byte, len(in))), nil
}

// reserve cuts the slab for numbers of n bytes, as long as math/big wants each: a
// product has twice the words, and a remainder is made in a copy of the product.
func (p *power) reserve(n int) {
	w := (8*n+bits.UintSize-1)/bits.UintSize + 2
	p.slab = make([]big.Word, 8*w)
	at := 0
	for _, x := range [...]struct {
		number *big.Int
		words  int
	}{{&p.modulus, 1}, {&p.base, 1}, {&p.result, 2}, {&p.product, 2}, {&p.q, 2}} {
		x.number.SetBits(p.slab[at : at : at+x.words*w])
		at += x.words * w
	}
}

// raise squares as often as asked, then multiplies by the base once: exponents 2^k + 1.
func (p *power) raise(modulus, in []byte, squarings int) *big.Int {
	p.modulus.SetBytes(modulus)
	p.base.SetBytes(in)
	p.result.Set(&p.base)
	for range squarings {
		p.product.Mul(&p.result, &p.result)
		p.q.QuoRem(&p.product, &p.modulus, &p.result)
	}
	p.product.Mul(&p.result, &p.base)
	p.q.QuoRem(&p.product, &p.modulus, &p.result)
	return &p.result
}

// exponentSquarings returns k for the exponent 2^k + 1: 1 for 3 and 16 for 65537, the
// two that EMV 4.4 Book 2, Annex B2.1 allows.
func exponentSquarings(exponent []byte) (int, error) {
	if len(exponent) == 0 || len(exponent) > 3 {
		return 0, fmt.Errorf("exponent of %d bytes, 1 to 3 wanted: %w", len(exponent), ErrExponent)
	}
	value := 0
	for _, b := range exponent {
		value = value<<8 | int(b)
	}
	switch value {
	case 3:
		return 1, nil
	case 65537:
		return 16, nil
	}
	return 0, fmt.Errorf("exponent %d: %w", value, ErrExponent)
}

func checkModulus(modulus []byte) error {
	n := len(modulus)
	if n == 0 || n > MaxModulus {
		return fmt.Errorf("modulus of %d bytes, 1 to %d wanted: %w", n, MaxModulus, ErrLength)
	}
	if modulus[0] == 0 || modulus[n-1]&1 == 0 {
		return fmt.Errorf("modulus is even or begins with 00: %w", ErrModulus)
	}
	return nil
}
