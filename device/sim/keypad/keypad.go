package keypad

import (
	"crypto/cipher"
	"crypto/des"
	"errors"
	"fmt"
	"strings"

	"posd/emv"
	"posd/emv/pinblock"
)

// Entry is what a cardholder sees when a PIN is asked for.
type Entry struct {
	PAN    emv.PAN // a real pad does not show it; a virtual cardholder knows the card by it
	Prompt string  // both lines, with a line feed between
}

// ErrKeys is the cause of a refusal by Check.
var ErrKeys = errors.New("keys are digits, E, C and X")

// Check tells which of the keys, if any, is none.
func Check(keys string) error {
	for i := range len(keys) {
		if c := keys[i]; (c < '0' || c > '9') && c != 'E' && c != 'C' && c != 'X' {
			return fmt.Errorf("key %d: %w", i+1, ErrKeys)
		}
	}
	return nil
}

// Outcome is what a key did.
type Outcome uint8

const (
	Typing    Outcome = iota // the entry goes on
	Entered                  // enter, with enough digits
	Bypassed                 // enter without digits, where that is allowed
	Cancelled                // the cancel key
)

// PIN is a PIN while it is typed. Least and Most are 4 to 12.
type PIN struct {
	Least, Most int
	Bypass      bool // enter without digits counts
	digits      []byte
}

// Press is one key that Check takes. Enter before there are enough digits, and digits when
// there are too many, do nothing.
func (p *PIN) Press(key byte) Outcome {
	switch {
	case key == 'X':
		return Cancelled
	case key == 'C':
		p.Wipe()
	case key == 'E' && len(p.digits) == 0 && p.Bypass:
		return Bypassed
	case key == 'E' && len(p.digits) >= p.Least:
		return Entered
	case key != 'E' && len(p.digits) < p.Most:
		p.digits = append(p.digits, key)
	}
	return Typing
}

// Set has digits typed that the caller vouches for.
func (p *PIN) Set(digits string) { p.digits = append(p.digits[:0], digits...) }

// Len is the number of digits so far.
func (p *PIN) Len() int { return len(p.digits) }

// Stars are the digits as the display shows them.
func (p *PIN) Stars() string { return strings.Repeat("*", len(p.digits)) }

// Wipe forgets the digits.
func (p *PIN) Wipe() {
	clear(p.digits)
	p.digits = p.digits[:0]
}

// Seal0 makes the block of ISO 9564-1 format 0 under a TDES key of 16 or 24 bytes.
func (p *PIN) Seal0(pan emv.PAN, key []byte) [8]byte {
	block := must(pinblock.Encode0(p.digits, pan))
	TDES(key).Encrypt(block[:], block[:])
	return block
}

// Seal4 makes the block of ISO 9564-1 format 4 under an AES key of 16 bytes.
func (p *PIN) Seal4(pan emv.PAN, key []byte, random [8]byte) [16]byte {
	return must(pinblock.Encipher4(key, p.digits, pan, random))
}

// must is for digits that the keypad let through.
func must[T any](block T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("sim/keypad: digits that the keypad let through: %v", err))
	}
	return block
}

// TDES is TDES with a key of 8, 16 or 24 bytes: what comes here was measured before.
func TDES(key []byte) cipher.Block {
	three := append(append(append([]byte(nil), key...), key...), key...)[:24]
	block, err := des.NewTripleDESCipher(three)
	if err != nil {
		panic(fmt.Sprintf("sim/keypad: key of %d bytes: %v", len(key), err))
	}
	return block
}

// OpenWorking deciphers a working key of whole blocks under a TDES master key.
func OpenWorking(master, wrapped []byte) []byte {
	block, key := TDES(master), make([]byte, len(wrapped))
	for i := 0; i < len(key); i += 8 {
		block.Decrypt(key[i:], wrapped[i:])
	}
	return key
}
