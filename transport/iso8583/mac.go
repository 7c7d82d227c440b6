package iso8583

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// NewTDES returns the block cipher of a working key: DES for 8 bytes, two-key Triple DES
// for 16. The key may be wiped afterwards.
func NewTDES(key []byte) (cipher.Block, error) {
	switch len(key) {
	case 8:
		return des.NewCipher(key)
	case 16:
		var whole [24]byte
		defer clear(whole[:])
		copy(whole[copy(whole[:], key):], key)
		return des.NewTripleDESCipher(whole[:])
	}
	return nil, fmt.Errorf("iso8583: key of %d bytes, 8 or 16 wanted", len(key))
}

// MAC returns field 64 over mab, the bytes from the message type to the field before it:
// the "ECB" MAC of UnionPay terminals, eight hexadecimal digits in ASCII. See the
// package's documentation.
func MAC(key cipher.Block, mab []byte) [8]byte {
	var work [16]byte
	return macWith(key, mab, work[:])
}

// macWith is MAC with 16 bytes to work in, which it wipes.
func macWith(key cipher.Block, mab, work []byte) (mac [8]byte) {
	var folded uint64
	for ; len(mab) >= 8; mab = mab[8:] {
		folded ^= binary.BigEndian.Uint64(mab)
	}
	var last [8]byte
	copy(last[:], mab)
	appendHex(work[:0], folded^binary.BigEndian.Uint64(last[:]))
	key.Encrypt(work[:8], work[:8])
	subtle.XORBytes(work[:8], work[:8], work[8:16])
	key.Encrypt(work[:8], work[:8])
	appendHex(work[:0], binary.BigEndian.Uint64(work[:8]))
	copy(mac[:], work)
	clear(work)
	return mac
}

// appendHex appends 16 upper-case hexadecimal digits.
func appendHex(dst []byte, n uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[n>>shift&0xF])
	}
	return dst
}

// Seal appends the frame of m to dst with its MAC in field 64, and sets m's MAC.
func (d *Dialect) Seal(dst []byte, h Header, m Message, key cipher.Block) ([]byte, error) {
	mac, ok := m.places()[vMAC].(*[8]byte)
	if !ok || d.classes[m.class()].byField[64] != vMAC {
		return dst, fmt.Errorf("iso8583: seal: field 64: %w", ErrUnknown)
	}
	*mac = [8]byte{1}
	out, err := d.Append(dst, h, m)
	if err != nil {
		*mac = [8]byte{}
		return dst, err
	}
	frame := out[len(dst):]
	// The work space is behind the frame, so that the interface call allocates none.
	work := append(out, make([]byte, 16)...)[len(out):]
	*mac = macWith(key, frame[headerLength:len(frame)-macLength], work)
	copy(frame[len(frame)-macLength:], mac[:])
	return out, nil
}

// VerifyMAC checks field 64 of a frame as it was received, in constant time: ErrMAC
// where it is wrong, ErrNoMAC where there is none, ErrTruncated where there is no room
// for one. It needs no more of the frame to be right than message type and bitmap.
func (d *Dialect) VerifyMAC(frame []byte, key cipher.Block) error {
	if len(frame) < fieldsAt {
		return fmt.Errorf("iso8583: verify MAC: %d bytes, at least %d: %w", len(frame), fieldsAt, ErrTruncated)
	}
	if binary.BigEndian.Uint64(frame[bitmapAt:])&bit(64) == 0 {
		return fmt.Errorf("iso8583: verify MAC of %04X: %w", binary.BigEndian.Uint16(frame[headerLength:]), ErrNoMAC)
	}
	if len(frame) < fieldsAt+macLength {
		return fmt.Errorf("iso8583: verify MAC: %d bytes, at least %d: %w", len(frame), fieldsAt+macLength, ErrTruncated)
	}
	want := MAC(key, frame[headerLength:len(frame)-macLength])
	if subtle.ConstantTimeCompare(want[:], frame[len(frame)-macLength:]) != 1 {
		return fmt.Errorf("iso8583: verify MAC of %04X: %w", binary.BigEndian.Uint16(frame[headerLength:]), ErrMAC)
	}
	return nil
}
