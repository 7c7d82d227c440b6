package pinblock

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"posd/emv"
)

// Encipher4 returns the enciphered block of format 4 under an AES key of 16, 24 or 32
// bytes: the PIN field (control 4, length, digits, fill A, 8 random bytes) is
// enciphered, XORed with the card number field and enciphered again. Errors: [ErrPIN],
// [ErrPAN], and a key that AES refuses. ISO 9564-1, format 4.
func Encipher4(key, pin []byte, pan emv.PAN, random [8]byte) ([16]byte, error) {
	block, err := aes4(key)
	if err != nil {
		return [16]byte{}, err
	}
	return Encipher4With(block, pin, pan, random)
}

// Encipher4With is [Encipher4] under a cipher with blocks of 16 bytes: AES, or SM4, for
// which the format is used by analogy. Errors: [ErrPIN], [ErrPAN], [ErrCipher].
func Encipher4With(block cipher.Block, pin []byte, pan emv.PAN, random [8]byte) ([16]byte, error) {
	if err := checkPIN(pin); err != nil {
		return [16]byte{}, err
	}
	account, err := account4(block, pan)
	if err != nil {
		return [16]byte{}, err
	}
	field := [16]byte{0x40 | byte(len(pin)), 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA}
	putDigits(field[:], pin)
	copy(field[8:], random[:])
	block.Encrypt(field[:], field[:])
	for i := range field {
		field[i] ^= account[i]
	}
	block.Encrypt(field[:], field[:])
	return field, nil
}

// Decipher4 returns the PIN of an enciphered block of format 4; the caller wipes it.
// Errors: [ErrBlock], [ErrPAN], and a key that AES refuses.
func Decipher4(key []byte, enciphered [16]byte, pan emv.PAN) ([]byte, error) {
	block, err := aes4(key)
	if err != nil {
		return nil, err
	}
	return Decipher4With(block, enciphered, pan)
}

// Decipher4With is [Decipher4] under a cipher with blocks of 16 bytes. Errors: [ErrBlock],
// [ErrPAN], [ErrCipher].
func Decipher4With(block cipher.Block, enciphered [16]byte, pan emv.PAN) ([]byte, error) {
	account, err := account4(block, pan)
	if err != nil {
		return nil, err
	}
	field := enciphered
	defer clear(field[:])
	block.Decrypt(field[:], field[:])
	for i := range field {
		field[i] ^= account[i]
	}
	block.Decrypt(field[:], field[:])
	return takeDigits(field[:], 4, 0xA)
}

func aes4(key []byte) (cipher.Block, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("pinblock: format 4: %w", err)
	}
	return block, nil
}

// account4 returns the card number field: how many digits the number has beyond 12, its
// digits (12 at least, zeros on the left), zeros to the end.
func account4(block cipher.Block, pan emv.PAN) (field [16]byte, err error) {
	if pan.IsZero() {
		return field, fmt.Errorf("pinblock: format 4: %w", ErrPAN)
	}
	if block == nil || block.BlockSize() != len(field) {
		return field, fmt.Errorf("pinblock: format 4: %w", ErrCipher)
	}
	var buf [19]byte
	digits := pan.Append(buf[:0])
	field[0] = byte(max(0, len(digits)-12)) << 4
	for i, d := range digits {
		at := 1 + max(0, 12-len(digits)) + i
		field[at/2] |= (d - '0') << (4 * (1 - at%2))
	}
	return field, nil
}
