package hsm

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
)

// pinValueSize is the length of a PIN value in bytes.
const pinValueSize = 16

// PINValue makes the value that a PIN of 4 to 12 digits is checked against.
func (m *Module) PINValue(pan emv.PAN, pin string) ([]byte, error) {
	if len(pin) < 4 || len(pin) > 12 || strings.Trim(pin, "0123456789") != "" {
		return nil, errors.New("hsm: PIN value: a PIN has 4 to 12 digits")
	}
	return m.valueOf(pan, []byte(pin)), nil
}

// valueOf is HMAC-SHA-256 over card number, separator and PIN.
func (m *Module) valueOf(pan emv.PAN, pin []byte) []byte {
	mac := hmac.New(sha256.New, m.pinValue)
	mac.Write(append(pan.Append(nil), '/'))
	mac.Write(pin)
	return mac.Sum(nil)[:pinValueSize]
}

// VerifyPIN deciphers a PIN block and holds the PIN against its value: format 0 of 8 bytes
// under a TDES key, format 4 of 16 bytes under one of another suite. A block that has no
// PIN format, or not that of the key, fails with [ErrPINBlock].
func (m *Module) VerifyPIN(tpk Key, pan emv.PAN, block, value []byte) (ok bool, err error) {
	key, suite, err := m.cipherOf(TPK, tpk)
	if err != nil {
		return false, err
	}
	pin, err := decipherPIN(key, suite, pan, block)
	if err != nil {
		return false, fmt.Errorf("hsm: verify PIN: block of %d bytes: %w", len(block), ErrPINBlock)
	}
	defer zero(pin)
	return subtle.ConstantTimeCompare(m.valueOf(pan, pin), value) == 1, nil
}

func decipherPIN(key cipher.Block, suite keyblock.Suite, pan emv.PAN, block []byte) ([]byte, error) {
	if len(block) != key.BlockSize() {
		return nil, ErrPINBlock
	}
	if spec, _ := suite.Spec(); spec.PINFormat == 4 {
		return pinblock.Decipher4With(key, [16]byte(block), pan)
	}
	var clear [8]byte
	defer zero(clear[:])
	key.Decrypt(clear[:], block)
	return pinblock.Decode0(clear, pan)
}
