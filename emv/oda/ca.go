package oda

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"time"
)

// FindCA returns the key with RID and index that may be used on the day. Errors:
// [ErrNoKey], [ErrExpired]. EMV 4.4 Book 2, 5.2 step 1 and Book 2, 11.2.
func FindCA(keys []CAKey, rid [5]byte, index byte, on time.Time) (CAKey, error) {
	for _, k := range keys {
		if k.RID != rid || k.Index != index {
			continue
		}
		if !k.Expires.IsZero() && day(on) > day(k.Expires) {
			return CAKey{}, fmt.Errorf("oda: CA key %X index %02X: last day %s: %w", rid, index, k.Expires.Format(time.DateOnly), ErrExpired)
		}
		return k, nil
	}
	return CAKey{}, fmt.Errorf("oda: CA key %X index %02X: %w", rid, index, ErrNoKey)
}

// day numbers a calendar day so that days compare, whatever the time zone of each.
func day(t time.Time) int {
	y, m, d := t.Date()
	return (y*100+int(m))*100 + d
}

// Check tells whether the key can be used: lengths, exponent, and the published
// checksum where there is one. Errors: [ErrLength], [ErrModulus], [ErrExponent],
// [ErrChecksum]. EMV 4.4 Book 2, 11.2.
func (k CAKey) Check() error {
	if err := k.check(); err != nil {
		return fmt.Errorf("oda: CA key %X index %02X: %w", k.RID, k.Index, err)
	}
	return nil
}

func (k CAKey) check() error {
	if err := checkModulus(k.Modulus); err != nil {
		return err
	}
	if _, err := exponentSquarings(k.Exponent); err != nil {
		return err
	}
	switch len(k.SHA1) {
	case 0:
		return nil
	case sha1.Size:
	default:
		return fmt.Errorf("checksum of %d bytes, %d wanted: %w", len(k.SHA1), sha1.Size, ErrLength)
	}
	if sum := k.Checksum(); !bytes.Equal(sum[:], k.SHA1) {
		return fmt.Errorf("SHA-1 is %X, published is %X: %w", sum, k.SHA1, ErrChecksum)
	}
	return nil
}

// Checksum returns SHA-1 over RID, index, modulus and exponent, as schemes publish it.
func (k CAKey) Checksum() [sha1.Size]byte {
	message := make([]byte, 0, len(k.RID)+1+len(k.Modulus)+len(k.Exponent))
	message = append(append(message, k.RID[:]...), k.Index)
	message = append(append(message, k.Modulus...), k.Exponent...)
	return sha1.Sum(message)
}
