package issuer

import (
	"crypto/des"
	"fmt"
)

// Padding is a padding method of ISO/IEC 9797-1.
type Padding uint8

const (
	PadZeros Padding = 1 // zeros to a whole block; none where there is one already
	Pad80    Padding = 2 // 80, then zeros to a whole block: always something
)

// Append appends data, padded to a multiple of block bytes. Empty data becomes one block.
func (p Padding) Append(dst, data []byte, block int) []byte {
	start := len(dst)
	dst = append(dst, data...)
	if p == Pad80 {
		dst = append(dst, 0x80)
	}
	for n := len(dst) - start; n == 0 || n%block != 0; n++ {
		dst = append(dst, 0)
	}
	return dst
}

// MAC is algorithm 3 of ISO/IEC 9797-1 ("retail MAC"): single DES under the left half
// of the key over all blocks, and TDES for the last. Callers cut it to the length that
// they send (the leftmost bytes). EMV 4.4 Book 2, Annex A1.2.
func MAC(key, data []byte, padding Padding) (mac [8]byte, err error) {
	if len(key) != KeyLength {
		return mac, fmt.Errorf("issuer: MAC key of %d bytes: %w", len(key), ErrKey)
	}
	left, err := des.NewCipher(key[:8])
	if err != nil {
		return mac, fmt.Errorf("issuer: MAC key: %w", err)
	}
	right, err := des.NewCipher(key[8:])
	if err != nil {
		return mac, fmt.Errorf("issuer: MAC key: %w", err)
	}
	for rest := padding.Append(make([]byte, 0, len(data)+8), data, 8); len(rest) > 0; rest = rest[8:] {
		for i := range mac {
			mac[i] ^= rest[i]
		}
		left.Encrypt(mac[:], mac[:])
	}
	right.Decrypt(mac[:], mac[:])
	left.Encrypt(mac[:], mac[:])
	return mac, nil
}

// ARQC computes an application cryptogram (ARQC, TC or AAC alike; tag 9F26) over the
// data that the card's version names, with [Pad80]. Visa's version 10 pads otherwise:
// see [MAC]. EMV 4.4 Book 2, 8.1.2.
func ARQC(sk, data []byte) ([8]byte, error) { return MAC(sk, data, Pad80) }

// ARPC1 computes an answer by method 1, 8 bytes: the cryptogram, XORed with the
// authorisation response code in its first two bytes, under TDES. Tag 91 is the ARPC
// and the code. EMV 4.4 Book 2, 8.2.1.
func ARPC1(sk []byte, arqc [8]byte, arc [2]byte) (arpc [8]byte, err error) {
	block, err := newTDES(sk, "session key")
	if err != nil {
		return arpc, err
	}
	arqc[0] ^= arc[0]
	arqc[1] ^= arc[1]
	block.Encrypt(arpc[:], arqc[:])
	return arpc, nil
}

// ARPC2 computes an answer by method 2, 4 bytes: a MAC over cryptogram, card status
// update and 0 to 8 bytes of proprietary authentication data. Tag 91 is ARPC, card
// status update and these bytes. EMV 4.4 Book 2, 8.2.2.
func ARPC2(sk []byte, arqc [8]byte, csu [4]byte, proprietary []byte) (arpc [4]byte, err error) {
	if len(proprietary) > 8 {
		return arpc, fmt.Errorf("issuer: proprietary authentication data of %d bytes, at most 8: %w", len(proprietary), ErrLength)
	}
	data := append(append(make([]byte, 0, 20), arqc[:]...), csu[:]...)
	mac, err := MAC(sk, append(data, proprietary...), Pad80)
	return [4]byte(mac[:4]), err
}
