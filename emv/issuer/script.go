package issuer

import (
	"crypto/cipher"
	"fmt"
)

// Encipherment is how command data of a script is padded and enciphered.
type Encipherment uint8

const (
	// EncipherEMV always pads by [Pad80] and enciphers by CBC from a zero block. EMV 4.4
	// Book 2, 9.3 and Annex A1.1.
	EncipherEMV Encipherment = iota + 1
	// EncipherMastercard is the same, but does not pad data of whole blocks.
	EncipherMastercard
	// EncipherVisa puts a byte with the length before the data, always pads, and
	// enciphers block by block (ECB).
	EncipherVisa
)

// Encipher enciphers the data of a script command under the session key for
// confidentiality. data has at most 255 bytes.
func (e Encipherment) Encipher(sk, data []byte) ([]byte, error) {
	block, err := newTDES(sk, "session key")
	if err != nil {
		return nil, err
	}
	if len(data) > 255 {
		return nil, fmt.Errorf("issuer: command data of %d bytes, at most 255: %w", len(data), ErrLength)
	}
	out := make([]byte, 0, len(data)+16)
	switch {
	case e == EncipherVisa:
		out = append(append(out, byte(len(data))), data...)
		return encryptECB(block, Pad80.Append(nil, out, 8)), nil
	case e == EncipherMastercard && len(data) > 0 && len(data)%8 == 0:
		out = append(out, data...)
	default:
		out = Pad80.Append(out, data, 8)
	}
	cipher.NewCBCEncrypter(block, make([]byte, 8)).CryptBlocks(out, out)
	return out, nil
}

func encryptECB(block cipher.Block, data []byte) []byte {
	for rest := data; len(rest) > 0; rest = rest[8:] {
		block.Encrypt(rest[:8], rest[:8])
	}
	return data
}

// VisaPINBlock is Visa's block for a new PIN: length and digits padded with F, XORed
// with the last four bytes of the left half of the card's key for cryptograms, and with
// the current PIN where there is one. PINs are ASCII digits, 4 to 12.
func VisaPINBlock(mk, pin, current []byte) (block [8]byte, err error) {
	if len(mk) != KeyLength {
		return block, fmt.Errorf("issuer: ICC master key of %d bytes: %w", len(mk), ErrKey)
	}
	if block, err = pinBlock(0x00, pin); err != nil {
		return block, err
	}
	for i := range 4 {
		block[4+i] ^= mk[4+i]
	}
	if current == nil {
		return block, nil
	}
	if err := checkPIN(current); err != nil {
		return [8]byte{}, err
	}
	for i, d := range current {
		block[i/2] ^= (d - '0') << (4 * (1 - i%2))
	}
	return block, nil
}

// PINBlock2 is a PIN block of format 2, as a card takes it: 2, length, digits, F to the
// end. ISO 9564-1; EMV 4.4 Book 3, 6.5.12. The PIN is ASCII digits, 4 to 12.
func PINBlock2(pin []byte) ([8]byte, error) { return pinBlock(0x20, pin) }

func pinBlock(control byte, pin []byte) (block [8]byte, err error) {
	if err := checkPIN(pin); err != nil {
		return block, err
	}
	block = [8]byte{control | byte(len(pin)), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	for i, d := range pin {
		block[1+i/2] ^= (0xF ^ (d - '0')) << (4 * (1 - i%2))
	}
	return block, nil
}

func checkPIN(pin []byte) error {
	if len(pin) < 4 || len(pin) > 12 {
		return fmt.Errorf("issuer: PIN of %d digits, 4 to 12 wanted: %w", len(pin), ErrLength)
	}
	for i, d := range pin {
		if d < '0' || d > '9' {
			return fmt.Errorf("issuer: PIN: position %d is no digit: %w", i+1, ErrNumber)
		}
	}
	return nil
}
