package keyblock

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
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
// first 4 bytes of eight zero bytes under it.
func CheckValue(key []byte) (KCV, error) {
	block, err := newTDES(key)
	if err != nil {
		return KCV{}, fmt.Errorf("keyblock: check value: %w", err)
	}
	var zeros [8]byte
	block.Encrypt(zeros[:], zeros[:])
	return KCV(zeros[:4]), nil
}

// WrapECB enciphers a key of 8 or 16 bytes under a TDES master key of 16 or 24 bytes.
func WrapECB(master, key []byte) (Cryptogram, error) {
	block, err := masterCipher(master, len(key))
	if err != nil {
		return Cryptogram{}, fmt.Errorf("keyblock: wrap: %w", err)
	}
	kcv, err := CheckValue(key)
	if err != nil {
		return Cryptogram{}, err
	}
	out := make([]byte, len(key))
	for i := 0; i < len(key); i += 8 {
		block.Encrypt(out[i:], key[i:])
	}
	return Cryptogram{Bytes: out, KCV: kcv}, nil
}

// UnwrapECB deciphers a cryptogram under a TDES master key of 16 or 24 bytes and checks
// the check value, all 4 bytes. The key is the caller's to wipe. Errors: [ErrKCV],
// [ErrKey].
func UnwrapECB(master []byte, c Cryptogram) ([]byte, error) {
	return unwrapECB(master, c, len(c.KCV))
}

// UnwrapECB3 is [UnwrapECB] for hosts that give three bytes of check value: the fourth
// is not compared.
func UnwrapECB3(master []byte, c Cryptogram) ([]byte, error) {
	return unwrapECB(master, c, 3)
}

func unwrapECB(master []byte, c Cryptogram, compared int) ([]byte, error) {
	block, err := masterCipher(master, len(c.Bytes))
	if err != nil {
		return nil, fmt.Errorf("keyblock: unwrap: %w", err)
	}
	key := make([]byte, len(c.Bytes))
	for i := 0; i < len(key); i += 8 {
		block.Decrypt(key[i:], c.Bytes[i:])
	}
	kcv, err := CheckValue(key)
	if err == nil && subtle.ConstantTimeCompare(kcv[:compared], c.KCV[:compared]) != 1 {
		err = fmt.Errorf("keyblock: unwrap key of %d bytes: %w", len(key), ErrKCV)
	}
	if err != nil {
		clear(key)
		return nil, err
	}
	return key, nil
}

func masterCipher(master []byte, keyLength int) (cipher.Block, error) {
	if len(master) != 16 && len(master) != 24 {
		return nil, fmt.Errorf("master key of %d bytes, 16 or 24 wanted: %w", len(master), ErrKey)
	}
	if keyLength != 8 && keyLength != 16 {
		return nil, fmt.Errorf("key of %d bytes, 8 or 16 wanted: %w", keyLength, ErrKey)
	}
	return newTDES(master)
}
