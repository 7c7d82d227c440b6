package keyblock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrMAC says that a key block's MAC is wrong: another protection key, or a block that
// was changed.
var ErrMAC = errors.New("key block MAC differs")

// MaxKey is the length of the longest key that a block carries here, in bytes.
const MaxKey = 64

// Wrap makes a key block under a protection key: 16 or 24 bytes (version B), or 16, 24
// or 32 (version D). padding is random and fills length (2 bytes), key and padding up to
// a multiple of 8 (B) or 16 bytes (D); more of it hides the key's length. Errors:
// [ErrKey], [ErrFormat]. ANSI X9.143, key block binding method.
func Wrap(protection []byte, h Header, key, padding []byte) (string, error) {
	size := h.Version.blockSize()
	clearText := 2 + len(key) + len(padding)
	switch {
	case size == 0:
		return "", h.check()
	case len(key) == 0 || len(key) > MaxKey:
		return "", fmt.Errorf("keyblock: wrap: key of %d bytes, 1 to %d wanted: %w", len(key), MaxKey, ErrKey)
	case clearText%size != 0 || clearText > 4*MaxKey:
		return "", fmt.Errorf("keyblock: wrap: length, key and padding of %d bytes: no multiple of %d: %w", clearText, size, ErrFormat)
	}
	encryption, authentication, err := bind(protection, h.Version)
	if err != nil {
		return "", fmt.Errorf("keyblock: wrap: %w", err)
	}
	header, err := h.format(2 * (clearText + size))
	if err != nil {
		return "", err
	}
	message := make([]byte, 0, len(header)+clearText)
	message = append(message, header...)
	message = append(message, byte(8*len(key)>>8), byte(8*len(key)))
	message = append(append(message, key...), padding...)
	defer clear(message)
	mac := cmac(authentication, message)
	body := message[len(header):]
	cipher.NewCBCEncrypter(encryption, mac).CryptBlocks(body, body)
	return header + strings.ToUpper(hex.EncodeToString(body)+hex.EncodeToString(mac)), nil
}

// Unwrap checks a key block under its protection key and returns header and key, which
// is the caller's to wipe. Errors: [ErrFormat], [ErrMAC], [ErrKey].
func Unwrap(protection []byte, s string) (Header, []byte, error) {
	h, n, err := ParseHeader(s)
	if err != nil {
		return Header{}, nil, err
	}
	body, err := hex.DecodeString(s[n:])
	size := h.Version.blockSize()
	if err != nil || len(body) < 2*size || len(body)%size != 0 {
		return Header{}, nil, fmt.Errorf("keyblock: unwrap: %d characters after the header are not cipher text and MAC: %w", len(s)-n, ErrFormat)
	}
	encryption, authentication, err := bind(protection, h.Version)
	if err != nil {
		return Header{}, nil, fmt.Errorf("keyblock: unwrap: %w", err)
	}
	mac := body[len(body)-size:]
	message := append([]byte(s[:n]), body[:len(body)-size]...)
	defer clear(message)
	body = message[n:]
	cipher.NewCBCDecrypter(encryption, mac).CryptBlocks(body, body)
	if subtle.ConstantTimeCompare(cmac(authentication, message), mac) != 1 {
		return Header{}, nil, fmt.Errorf("keyblock: unwrap: %w", ErrMAC)
	}
	bitLength := int(body[0])<<8 | int(body[1])
	if bitLength%8 != 0 || bitLength == 0 || bitLength/8 > min(len(body)-2, MaxKey) {
		return Header{}, nil, fmt.Errorf("keyblock: unwrap: key of %d bits in %d bytes: %w", bitLength, len(body)-2, ErrKey)
	}
	return h, append([]byte(nil), body[2:2+bitLength/8]...), nil
}

// bind derives the two keys of a block from the protection key.
func bind(protection []byte, v Version) (encryption, authentication cipher.Block, err error) {
	newCipher, algorithm, err := cipherOf(protection, v)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range [...]struct {
		usage byte
		block *cipher.Block
	}{{0x00, &encryption}, {0x01, &authentication}} {
		derived, err := derive(newCipher, protection, k.usage, algorithm)
		if err != nil {
			return nil, nil, err
		}
		*k.block, err = newCipher(derived)
		clear(derived)
		if err != nil {
			return nil, nil, err
		}
	}
	return encryption, authentication, nil
}

// cipherOf returns the cipher of a version and the number of its algorithm in the
// derivation data.
func cipherOf(protection []byte, v Version) (newCipher func([]byte) (cipher.Block, error), algorithm byte, err error) {
	switch n := len(protection); {
	case v == VersionB && n == 16:
		return newTDES, 0x00, nil
	case v == VersionB && n == 24:
		return newTDES, 0x01, nil
	case v == VersionD && (n == 16 || n == 24 || n == 32):
		return aes.NewCipher, byte(n / 8), nil
	}
	return nil, 0, fmt.Errorf("protection key of %d bytes for version %c: %w", len(protection), v, ErrKey)
}

// derive is the key derivation in counter mode with CMAC: counter (1), usage (2: 0 for
// encryption, 1 for MAC), zero (1), algorithm (2), length of the key in bits (2).
func derive(newCipher func([]byte) (cipher.Block, error), protection []byte, usage, algorithm byte) ([]byte, error) {
	block, err := newCipher(protection)
	if err != nil {
		return nil, err
	}
	n := len(protection)
	key := make([]byte, 0, n+16)
	for counter := byte(1); len(key) < n; counter++ {
		key = append(key, cmac(block, []byte{counter, 0x00, usage, 0x00, 0x00, algorithm, byte(8 * n >> 8), byte(8 * n)})...)
	}
	return key[:n], nil
}
