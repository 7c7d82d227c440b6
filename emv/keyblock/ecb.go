package keyblock

import (
	"crypto/cipher"
	"crypto/des"
	"errors"
	"fmt"
)

var (
	// ErrKCV says that a key's check value is not the one that came with it: another
	// master key, or a garbled cryptogram.
	ErrKCV = errors.New("key check value differs")
	// ErrKey says that a key has a length that its algorithm does not know.
	ErrKey = errors.New("not a key")
)

// newTDES expands a key of 8 (single DES), 16 or 24 bytes.
func newTDES(key []byte) (cipher.Block, error) {
	switch len(key) {
	case 8:
		return des.NewCipher(key)
	case 16:
		var three [24]byte
		defer clear(three[:])
		copy(three[copy(three[:], key):], key[:8])
		return des.NewTripleDESCipher(three[:])
	case 24:
		return des.NewTripleDESCipher(key)
	}
	return nil, fmt.Errorf("TDES key of %d bytes: 8, 16 or 24 wanted: %w", len(key), ErrKey)
}

// CheckValue returns the check value of a DES or TDES key of 8, 16 or 24 bytes: the
// first 4 bytes of eight zero bytes under it. Other suites: [Suite.CheckValue].
func CheckValue(key []byte) (KCV, error) { return TDES.CheckValue(key) }

// WrapECB enciphers a key of 8 or 16 bytes under a TDES master key of 16 or 24 bytes.
// Other suites: [Suite.Wrap].
func WrapECB(master, key []byte) (Cryptogram, error) { return TDES.Wrap(master, key) }

// UnwrapECB deciphers a cryptogram under a TDES master key of 16 or 24 bytes and checks
// the check value, all 4 bytes. The key is the caller's to wipe. Errors: [ErrKCV],
// [ErrKey]. Other suites: [Suite.Unwrap].
func UnwrapECB(master []byte, c Cryptogram) ([]byte, error) { return TDES.Unwrap(master, c) }

// UnwrapECB3 is [UnwrapECB] for hosts that give three bytes of check value: the fourth
// is not compared.
func UnwrapECB3(master []byte, c Cryptogram) ([]byte, error) { return TDES.unwrap(master, c, 3) }
