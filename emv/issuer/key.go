package issuer

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"posd/emv"
)

// KeyLength is the length of every key here, in bytes.
const KeyLength = 16

// What a caller can get wrong.
var (
	ErrKey    = errors.New("not a key of 16 bytes")
	ErrNumber = errors.New("number out of range")
	ErrLength = errors.New("wrong length")
)

// newTDES expands a two-key TDES key; what names the key in the error.
func newTDES(key []byte, what string) (cipher.Block, error) {
	if len(key) != KeyLength {
		return nil, fmt.Errorf("issuer: %s of %d bytes: %w", what, len(key), ErrKey)
	}
	var three [24]byte
	copy(three[copy(three[:], key):], key[:8])
	defer clear(three[:])
	return des.NewTripleDESCipher(three[:])
}

// DeriveICCMasterKey derives a card's key from the issuer's by option A: the rightmost
// 16 digits of card number and sequence number (tag 5F34; 0 to 99, and -1, which is "the
// card has none", counts as 0). EMV 4.4 Book 2, Annex A1.4.1.
func DeriveICCMasterKey(imk []byte, pan emv.PAN, psn int) ([]byte, error) {
	digits, err := cardDigits(pan, psn)
	if err != nil {
		return nil, err
	}
	return deriveFrom(imk, rightmost16(digits))
}

// DeriveICCMasterKeyB derives by option B: for card numbers of more than 16 digits from
// their hash, else as option A. EMV 4.4 Book 2, Annex A1.4.2.
func DeriveICCMasterKeyB(imk []byte, pan emv.PAN, psn int) ([]byte, error) {
	digits, err := cardDigits(pan, psn)
	if err != nil {
		return nil, err
	}
	if pan.Len() <= 16 {
		return deriveFrom(imk, rightmost16(digits))
	}
	return deriveFrom(imk, decimalise(sha1.Sum(pack(digits))))
}

// cardDigits returns card number and sequence number, a digit a byte (0 to 9).
func cardDigits(pan emv.PAN, psn int) ([]byte, error) {
	if psn < -1 || psn > 99 {
		return nil, fmt.Errorf("issuer: PAN sequence number %d: %w", psn, ErrNumber)
	}
	psn = max(psn, 0)
	digits := pan.Append(make([]byte, 0, 21))
	for i := range digits {
		digits[i] -= '0'
	}
	return append(digits, byte(psn/10), byte(psn%10)), nil
}

// rightmost16 packs the last 16 digits, padded with zeros on the left.
func rightmost16(digits []byte) (out [8]byte) {
	var last [16]byte
	n := min(len(digits), 16)
	copy(last[16-n:], digits[len(digits)-n:])
	return [8]byte(pack(last[:]))
}

// pack writes two digits a byte, with a zero before an odd number of them.
func pack(digits []byte) []byte {
	out := make([]byte, (len(digits)+1)/2)
	for i, d := range digits {
		at := i + len(digits)%2
		out[at/2] |= d << (4 * (1 - at%2))
	}
	return out
}

// decimalise takes the first 16 decimal digits of the hash, and where there are fewer
// the letters from its left, A as 0 to F as 5.
func decimalise(hash [sha1.Size]byte) [8]byte {
	out := make([]byte, 0, 16)
	for _, from := range [...]byte{0, 10} {
		for i := 0; i < 2*len(hash) && len(out) < 16; i++ {
			nibble := hash[i/2] >> (4 * (1 - i%2)) & 0xF
			if nibble >= 10 == (from == 10) {
				out = append(out, nibble-from)
			}
		}
	}
	return [8]byte(pack(out))
}

// deriveFrom enciphers a value and its complement: the two halves of the key.
func deriveFrom(imk []byte, y [8]byte) ([]byte, error) {
	block, err := newTDES(imk, "issuer master key")
	if err != nil {
		return nil, err
	}
	out := make([]byte, KeyLength)
	block.Encrypt(out[:8], y[:])
	for i := range y {
		y[i] = ^y[i]
	}
	block.Encrypt(out[8:], y[:])
	return oddParity(out), nil
}

// SessionKeyCommon derives the session key for application cryptograms by the common
// method, from the card's key and the transaction counter (tag 9F36). EMV 4.4 Book 2,
// Annex A1.3.1.
func SessionKeyCommon(mk []byte, atc uint16) ([]byte, error) {
	var r [8]byte
	binary.BigEndian.PutUint16(r[:], atc)
	return SessionKeyFrom(mk, r)
}

// SessionKeyFrom derives by the common method from any diversification value: the
// ARQC for secure messaging, or counter, two zero bytes and unpredictable number. Byte
// 3 is overwritten. EMV 4.4 Book 2, Annex A1.3.1.
func SessionKeyFrom(mk []byte, r [8]byte) ([]byte, error) {
	block, err := newTDES(mk, "ICC master key")
	if err != nil {
		return nil, err
	}
	out := make([]byte, KeyLength)
	r[2] = 0xF0
	block.Encrypt(out[:8], r[:])
	r[2] = 0x0F
	block.Encrypt(out[8:], r[:])
	return oddParity(out), nil
}

// SessionKeyVisa derives Visa's session key for secure messaging: the counter is XORed
// into the end of the left half, its complement into the end of the right one.
func SessionKeyVisa(mk []byte, atc uint16) ([]byte, error) {
	if len(mk) != KeyLength {
		return nil, fmt.Errorf("issuer: ICC master key of %d bytes: %w", len(mk), ErrKey)
	}
	out := append([]byte(nil), mk...)
	out[6] ^= byte(atc >> 8)
	out[7] ^= byte(atc)
	out[14] ^= ^byte(atc >> 8)
	out[15] ^= ^byte(atc)
	return oddParity(out), nil
}

// SessionKeyTree derives by the key tree of EMV2000 (withdrawn; cards of that time
// still use it): height levels of branch children each, which must make at least 65536
// leaves; 8 and 4, or 16 and 2. iv is the parent of the root, usually zero.
func SessionKeyTree(mk []byte, atc uint16, height, branch int, iv [KeyLength]byte) ([]byte, error) {
	if height < 1 || height > 16 || branch < 2 || branch > 16 {
		return nil, fmt.Errorf("issuer: key tree of height %d, branch factor %d: %w", height, branch, ErrNumber)
	}
	if len(mk) != KeyLength {
		return nil, fmt.Errorf("issuer: ICC master key of %d bytes: %w", len(mk), ErrKey)
	}
	path := treePath(int(atc), height, branch)
	var older [KeyLength]byte
	grandparent, parent := iv, [KeyLength]byte(mk)
	for _, child := range path {
		next, err := treeChild(parent, grandparent, child)
		if err != nil {
			return nil, err
		}
		older, grandparent, parent = grandparent, parent, next
	}
	for i := range parent {
		parent[i] ^= older[i]
	}
	return oddParity(parent[:]), nil
}

// treePath says which child to take at each level, from the root to the leaf of the
// counter.
func treePath(atc, height, branch int) []byte {
	path := make([]byte, height)
	for i := height - 1; i >= 0; i-- {
		path[i] = byte(atc % branch)
		atc /= branch
	}
	return path
}

func treeChild(parent, grandparent [KeyLength]byte, child byte) (out [KeyLength]byte, err error) {
	block, err := newTDES(parent[:], "key of the tree")
	if err != nil {
		return out, err
	}
	grandparent[7] ^= child
	grandparent[15] ^= child ^ 0xF0
	block.Encrypt(out[:8], grandparent[:8])
	block.Encrypt(out[8:], grandparent[8:])
	return out, nil
}

// oddParity sets the lowest bit of each byte so that the byte has an odd number of ones.
func oddParity(key []byte) []byte {
	for i, b := range key {
		key[i] = b&^1 | byte(bits.OnesCount8(b&^1)+1)&1
	}
	return key
}
