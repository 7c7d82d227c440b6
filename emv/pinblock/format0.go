package pinblock

import (
	"errors"
	"fmt"

	"posd/emv"
)

// Limits of a PIN in digits. ISO 9564-1.
const (
	MinDigits = 4
	MaxDigits = 12
)

var (
	// ErrPIN says that what was given is no PIN.
	ErrPIN = errors.New("not a PIN of 4 to 12 digits")
	// ErrPAN says that there is no card number to bind the PIN to.
	ErrPAN = errors.New("no card number")
	// ErrBlock says that a block does not decode: another format, key or card number.
	ErrBlock = errors.New("not a PIN block of this format, key and card number")
	// ErrCipher says that a cipher is none with blocks of 16 bytes.
	ErrCipher = errors.New("blocks of 16 bytes wanted")
)

// Encode0 returns the clear block of format 0: control 0, length, digits and fill F,
// XORed with four zeros and the 12 rightmost digits of the card number without its
// check digit. Errors: [ErrPIN], [ErrPAN]. ISO 9564-1, format 0; ANSI X9.8.
func Encode0(pin []byte, pan emv.PAN) ([8]byte, error) {
	if err := checkPIN(pin); err != nil {
		return [8]byte{}, err
	}
	account, err := account0(pan)
	if err != nil {
		return [8]byte{}, err
	}
	block := [8]byte{byte(len(pin)), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	putDigits(block[:], pin)
	for i := range block {
		block[i] ^= account[i]
	}
	return block, nil
}

// Decode0 returns the PIN of a clear block of format 0; the caller wipes it. Errors:
// [ErrBlock], [ErrPAN].
func Decode0(block [8]byte, pan emv.PAN) ([]byte, error) {
	account, err := account0(pan)
	if err != nil {
		return nil, err
	}
	for i := range block {
		block[i] ^= account[i]
	}
	defer clear(block[:])
	return takeDigits(block[:], 0, 0xF)
}

// account0 returns the account number field: 0000 and 12 digits, zeros on the left of a
// shorter number.
func account0(pan emv.PAN) (field [8]byte, err error) {
	if pan.IsZero() {
		return field, fmt.Errorf("pinblock: format 0: %w", ErrPAN)
	}
	var buf [19]byte
	digits := pan.Append(buf[:0])
	digits = digits[:len(digits)-1]
	digits = digits[max(0, len(digits)-12):]
	for i, d := range digits {
		at := 16 - len(digits) + i
		field[at/2] |= (d - '0') << (4 * (1 - at%2))
	}
	return field, nil
}

func checkPIN(pin []byte) error {
	if len(pin) < MinDigits || len(pin) > MaxDigits {
		return fmt.Errorf("pinblock: %d digits: %w", len(pin), ErrPIN)
	}
	for i, d := range pin {
		if d < '0' || d > '9' {
			return fmt.Errorf("pinblock: position %d is no digit: %w", i+1, ErrPIN)
		}
	}
	return nil
}

// putDigits writes the PIN over the fill, from the third nibble on.
func putDigits(field, pin []byte) {
	for i, d := range pin {
		shift := 4 * (1 - i%2)
		field[1+i/2] = field[1+i/2]&^(0xF<<shift) | (d-'0')<<shift
	}
}

// takeDigits reads control, length, digits and fill out of the first 16 nibbles.
func takeDigits(field []byte, control, fill byte) ([]byte, error) {
	nibble := func(i int) byte { return field[i/2] >> (4 * (1 - i%2)) & 0xF }
	if nibble(0) != control {
		return nil, fmt.Errorf("pinblock: format %d: control nibble differs: %w", control, ErrBlock)
	}
	n := int(nibble(1))
	if n < MinDigits || n > MaxDigits {
		return nil, fmt.Errorf("pinblock: format %d: length nibble is none of 4 to 12: %w", control, ErrBlock)
	}
	for i := 2; i < 16; i++ {
		if digit := i-2 < n; digit && nibble(i) > 9 || !digit && nibble(i) != fill {
			return nil, fmt.Errorf("pinblock: format %d: nibble %d is neither digit nor fill: %w", control, i+1, ErrBlock)
		}
	}
	pin := make([]byte, n)
	for i := range pin {
		pin[i] = '0' + nibble(2+i)
	}
	return pin, nil
}
