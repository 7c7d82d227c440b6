package dukpt

import (
	"crypto/aes"
	"encoding/binary"
	"fmt"
)

// Sizes of the counter of AES DUKPT.
const (
	aesCounterBits = 32
	aesMaxOnes     = 16
)

// UpdateCounter in an [AESKSN] stands for no transaction: its key, of usage
// [KeyEncryption], protects the next initial key of the device. ANSI X9.24-3, "DUKPT
// update key".
const UpdateCounter = 0xFFFFFFFF

// AESKSN is the key serial number of AES DUKPT: 4 bytes that name the BDK, 4 that name
// the device, and 4 of counter. The first eight are the initial key ID.
type AESKSN [12]byte

// ParseAESKSN reads 12 bytes.
func ParseAESKSN(b []byte) (AESKSN, error) {
	if len(b) != len(AESKSN{}) {
		return AESKSN{}, fmt.Errorf("dukpt: %d bytes, %d wanted: %w", len(b), len(AESKSN{}), ErrKSN)
	}
	return AESKSN(b), nil
}

// String is the number in hexadecimal. It is no secret.
func (k AESKSN) String() string { return fmt.Sprintf("%X", k[:]) }

// ID is the initial key ID.
func (k AESKSN) ID() [8]byte { return [8]byte(k[:8]) }

// Counter returns the transaction counter.
func (k AESKSN) Counter() uint32 { return binary.BigEndian.Uint32(k[8:]) }

// WithCounter returns the number with another counter.
func (k AESKSN) WithCounter(c uint32) AESKSN {
	binary.BigEndian.PutUint32(k[8:], c)
	return k
}

// KeyType is the algorithm and length of a derived key. ANSI X9.24-3, 6.3, "key type".
type KeyType uint8

const (
	TDEA2 KeyType = iota
	TDEA3
	AES128
	AES192
	AES256
	HMAC128
	HMAC192
	HMAC256
)

// keyTypes are the algorithm indicator and the length in bits of each type.
var keyTypes = [...]struct{ algorithm, bits uint16 }{
	TDEA2: {0, 128}, TDEA3: {1, 192}, AES128: {2, 128}, AES192: {3, 192}, AES256: {4, 256},
	HMAC128: {5, 128}, HMAC192: {5, 192}, HMAC256: {5, 256},
}

// KeyUsage is what a derived key is for. ANSI X9.24-3, 6.3, "key usage".
type KeyUsage uint16

const (
	KeyEncryption     KeyUsage = 0x0002
	PINEncryption     KeyUsage = 0x1000
	MACGeneration     KeyUsage = 0x2000
	MACVerification   KeyUsage = 0x2001
	MACBothWays       KeyUsage = 0x2002
	DataEncryption    KeyUsage = 0x3000
	DataDecryption    KeyUsage = 0x3001
	DataBothWays      KeyUsage = 0x3002
	keyDerivation     KeyUsage = 0x8000
	initialDerivation KeyUsage = 0x8001
)

// derivationData is the block that is enciphered for the first 16 bytes of a key:
//
//	byte  1        2              3-4    5-6        7-8     9-16
//	      01       block counter  usage  algorithm  length  initial key ID, or for usages
//	                                                in      other than 8001 its last four
//	                                                bits    bytes and the counter
//
// ANSI X9.24-3, 6.3.2, "create derivation data".
func derivationData(usage KeyUsage, t KeyType, ksn AESKSN) (data [16]byte) {
	data[0], data[1] = 1, 1
	binary.BigEndian.PutUint16(data[2:], uint16(usage))
	binary.BigEndian.PutUint16(data[4:], keyTypes[t].algorithm)
	binary.BigEndian.PutUint16(data[6:], keyTypes[t].bits)
	copy(data[8:], ksn[4:])
	if usage == initialDerivation {
		copy(data[8:], ksn[:8])
	}
	return data
}

// deriveKey makes a key of type t under an AES key. ANSI X9.24-3, 6.3.1, "derive key".
func deriveKey(under []byte, usage KeyUsage, t KeyType, ksn AESKSN) ([]byte, error) {
	block, err := aes.NewCipher(under)
	if err != nil {
		return nil, fmt.Errorf("dukpt: derivation key: %w", err)
	}
	data := derivationData(usage, t, ksn)
	n := int(keyTypes[t].bits / 8)
	key := make([]byte, (n+15)/16*16)
	for at := 0; at < n; at += 16 {
		block.Encrypt(key[at:], data[:])
		data[1]++
	}
	clear(key[n:])
	return key[:n:n], nil
}

// aesType is the type of a key by its length.
func aesType(key []byte) (KeyType, error) {
	switch len(key) {
	case 16:
		return AES128, nil
	case 24:
		return AES192, nil
	case 32:
		return AES256, nil
	}
	return 0, fmt.Errorf("dukpt: AES key of %d bytes, 16, 24 or 32 wanted", len(key))
}

// AESInitialKey derives the key that is injected into a device: as long as the BDK, which
// has 16, 24 or 32 bytes. ANSI X9.24-3, 6.3.3.
func AESInitialKey(bdk []byte, id [8]byte) ([]byte, error) {
	t, err := aesType(bdk)
	if err != nil {
		return nil, err
	}
	var ksn AESKSN
	copy(ksn[:], id[:])
	return deriveKey(bdk, initialDerivation, t, ksn)
}

// AESWorkingKey derives a key of a transaction from the device's initial key: what the host
// does with each message. A type that is stronger than the initial key is refused. Errors:
// [ErrCounter]. ANSI X9.24-3, 6.3.4.
func AESWorkingKey(initial []byte, ksn AESKSN, usage KeyUsage, t KeyType) ([]byte, error) {
	own, err := aesType(initial)
	if err != nil {
		return nil, err
	}
	if err := checkStrength(t, own); err != nil {
		return nil, err
	}
	key, err := intermediateKey(initial, own, ksn)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return deriveKey(key, usage, t, ksn)
}

// checkStrength refuses to make a strong key of a weaker one, and a type that is none.
// ANSI X9.24-3, 6.1.
func checkStrength(t, own KeyType) error {
	if int(t) >= len(keyTypes) || t >= AES128 && keyTypes[t].bits > keyTypes[own].bits {
		return fmt.Errorf("dukpt: key type %d cannot come from an AES key of %d bits", t, keyTypes[own].bits)
	}
	return nil
}

// intermediateKey goes from the initial key to that of the counter, a step for each one
// bit; [UpdateCounter] is the one counter that has more of them than a transaction's.
func intermediateKey(initial []byte, own KeyType, ksn AESKSN) ([]byte, error) {
	counter := ksn.Counter()
	if err := checkCounter(counter, aesMaxOnes); err != nil && counter != UpdateCounter {
		return nil, err
	}
	key, done := append([]byte(nil), initial...), uint32(0)
	for bit := uint32(1) << (aesCounterBits - 1); bit > 0; bit >>= 1 {
		if counter&bit == 0 {
			continue
		}
		done |= bit
		next, err := deriveKey(key, keyDerivation, own, ksn.WithCounter(done))
		clear(key)
		if err != nil {
			return nil, err
		}
		key = next
	}
	return key, nil
}
