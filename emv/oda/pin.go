package oda

import "fmt"

// EncipherPIN makes the data of VERIFY for an enciphered offline PIN: block is the PIN
// block of EMV 4.4 Book 3, 6.5.12 (format 2), challenge is the card's answer to GET
// CHALLENGE, and padding is random, 17 bytes shorter than the key. Errors: [ErrLength],
// [ErrModulus], [ErrExponent]. What is enciphered is wiped. EMV 4.4 Book 2, 7.2:
//
//	7F | PIN block (8) | challenge (8) | padding
func EncipherPIN(key PublicKey, block, challenge [8]byte, padding []byte) ([]byte, error) {
	n := len(key.Modulus)
	if len(padding) != n-17 {
		return nil, fmt.Errorf("oda: encipher PIN: padding of %d bytes for a key of %d, 17 less wanted: %w", len(padding), n, ErrLength)
	}
	message := make([]byte, 0, n)
	defer func() { clear(message[:n]) }()
	message = append(message, 0x7F)
	message = append(append(append(message, block[:]...), challenge[:]...), padding...)
	out, err := raise(key, message)
	if err != nil {
		return nil, fmt.Errorf("oda: encipher PIN: %w", err)
	}
	return out, nil
}
