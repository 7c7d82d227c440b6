package iso8583

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"posd/emv/keyblock"
)

// MAC returns field 64 over mab, the bytes from the message type to the field before it,
// in the way that goes with the key ([keyblock.MethodOf]): the "ECB" MAC of UnionPay
// terminals, eight hexadecimal digits in ASCII, or the first 8 bytes of a CMAC. See the
// package's documentation.
func MAC(key cipher.Block, mab []byte) [8]byte {
	var work [maxWork]byte
	return macWith(key, mab, work[:])
}

// maxWork is the space that a MAC needs to work in: a block of 16 bytes in hexadecimal.
const maxWork = 32

// macWith is MAC with maxWork bytes to work in, which it wipes.
func macWith(key cipher.Block, mab, work []byte) (mac [8]byte) {
	if keyblock.MethodOf(key) == keyblock.MACCMAC {
		copy(mac[:], keyblock.CMAC(key, mab))
		return mac
	}
	size := min(key.BlockSize(), maxWork/2)
	var folded [maxWork / 2]byte
	for ; len(mab) > 0; mab = mab[min(size, len(mab)):] {
		subtle.XORBytes(folded[:], folded[:], mab[:min(size, len(mab))])
	}
	left, right := work[:size], work[size:2*size]
	appendHex(work[:0], folded[:size])
	key.Encrypt(left, left)
	subtle.XORBytes(left, left, right)
	key.Encrypt(left, left)
	copy(folded[:], left)
	copy(mac[:], appendHex(work[:0], folded[:4]))
	clear(work)
	return mac
}

// appendHex appends two upper-case hexadecimal digits for each byte.
func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&0xF])
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
	work := append(out, make([]byte, maxWork)...)[len(out):]
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
