package iso8583

import (
	"crypto/cipher"
	"errors"
	"fmt"

	"posd/emv"
)

// ErrTrack says that field 35 does not give a track under the key.
var ErrTrack = errors.New("track cannot be opened")

// SealedTrack is track 2 with a block of its bytes enciphered under the track key (TDK),
// as field 35 carries it. Its zero value is none. It prints its length only.
//
// Enciphered are the packed bytes that end one byte before the last, as many as the key's
// cipher has in a block: with 8, the 16 characters before the last one or two. 16 are
// ours, by analogy. The separator may be among them, so the card number cannot
// be read before the track is opened.
type SealedTrack struct {
	packed [19]byte
	n      uint8 // characters
}

// shortestTrack is how many characters there must be for a block of 8 bytes before the
// last.
const shortestTrack = 17

// sealedLength is how many characters there must be for a block of the key before the last
// byte; a shorter track is filled up with F on the left. It is 0 for a key that is none.
func sealedLength(key cipher.Block) int {
	if n := key.BlockSize(); n == 8 || n == 16 {
		return 2*n + 1
	}
	return 0
}

// SealTrack enciphers track 2 under the track key, a block cipher of 8 or 16 bytes.
func SealTrack(key cipher.Block, t emv.Track2) (SealedTrack, error) {
	if t.IsZero() || sealedLength(key) == 0 {
		return SealedTrack{}, fmt.Errorf("iso8583: seal track: no track, or a block of %d bytes: %w", key.BlockSize(), ErrTrack)
	}
	var chars [37]byte
	defer clear(chars[:])
	fill := max(sealedLength(key)-t.Len(), 0)
	for i := range fill {
		chars[i] = 'F'
	}
	clearText := t.Append(chars[:fill])
	s := SealedTrack{n: uint8(len(clearText))}
	if _, err := appendPacked(s.packed[:0], clearText, true, false); err != nil {
		return SealedTrack{}, fmt.Errorf("iso8583: seal track: %w", ErrTrack)
	}
	block := s.block(key)
	key.Encrypt(block, block)
	return s, nil
}

// Open deciphers the track. What does not read as track 2 afterwards is ErrTrack: most
// likely the key is another one.
func (s SealedTrack) Open(key cipher.Block) (emv.Track2, error) {
	if size := sealedLength(key); size == 0 || int(s.n) < size {
		return emv.Track2{}, fmt.Errorf("iso8583: open track: %d characters, block of %d bytes: %w", s.n, key.BlockSize(), ErrTrack)
	}
	var chars [37]byte
	defer clear(chars[:])
	defer clear(s.packed[:])
	block := s.block(key)
	key.Decrypt(block, block)
	track := chars[:s.n]
	if err := unpack(track, s.packed[:(s.n+1)/2], int(s.n), true, false); err != nil {
		return emv.Track2{}, fmt.Errorf("iso8583: open track: %w", ErrTrack)
	}
	for len(track) > 0 && track[0] == 'F' {
		track = track[1:]
	}
	t, err := emv.ParseTrack2(track)
	if err != nil {
		return emv.Track2{}, fmt.Errorf("iso8583: open track: no track 2 under this key: %w", ErrTrack)
	}
	return t, nil
}

// block is the part that is enciphered.
func (s *SealedTrack) block(key cipher.Block) []byte {
	last := (int(s.n)+1)/2 - 1
	return s.packed[last-key.BlockSize() : last]
}

// IsZero tells that there is no track.
func (s SealedTrack) IsZero() bool { return s.n == 0 }

// Len returns the number of characters, as field 35 gives it.
func (s SealedTrack) Len() int { return int(s.n) }

// String hides everything but the length.
func (s SealedTrack) String() string { return fmt.Sprintf("sealed track2(%d)", s.n) }

// Format hides for every verb.
func (s SealedTrack) Format(f fmt.State, verb rune) { fmt.Fprint(f, s.String()) }

// parse takes the packed bytes of field 35.
func (s *SealedTrack) parse(packed []byte, n int) error {
	if n < shortestTrack {
		return fmt.Errorf("%d characters, at least %d when enciphered: %w", n, shortestTrack, ErrValue)
	}
	if n%2 == 1 && packed[len(packed)-1]&0xF != 0 {
		return fmt.Errorf("pad nibble is %X: %w", packed[len(packed)-1]&0xF, ErrValue)
	}
	s.n = uint8(n)
	copy(s.packed[:], packed)
	return nil
}

// chars returns field 35, which is sealed exactly where field 53 says so.
func (f track) chars(buf []byte) ([]byte, error) {
	m := f.m
	sealed := len(m.Security) == 16 && m.Security[2] == '1'
	switch {
	case m.Sealed.IsZero() && m.Track2.IsZero():
		return nil, nil
	case !m.Sealed.IsZero() && !m.Track2.IsZero():
		return nil, fmt.Errorf("both in clear and enciphered: %w", ErrValue)
	case sealed == m.Sealed.IsZero():
		return nil, fmt.Errorf("field 53 says otherwise about its encryption: %w", ErrValue)
	case sealed:
		chars := buf[:m.Sealed.n]
		return chars, unpack(chars, m.Sealed.packed[:(m.Sealed.n+1)/2], int(m.Sealed.n), true, false)
	}
	return m.Track2.Append(buf), nil
}

// SecurityControl returns field 53: how the PIN block, if any, was made, and whether the
// track is enciphered. It is empty where there is neither.
//
//	digit 1  2 ANSI X9.8 with the card number, 0 no PIN
//	digit 2  6 key of double length, 0 single length; 3 SM4 (not confirmed by a public
//	         source), 4 AES (ours)
//	digit 3  1 track under the track key
func SecurityControl(pin, doubleLength, sealedTrack bool) string {
	if doubleLength {
		return SignOnTrackKey.Security(pin, sealedTrack)
	}
	return SignOnSingle.Security(pin, sealedTrack)
}

// Security returns field 53 as [SecurityControl] does, for keys from a sign-on of the form f.
func (f Function) Security(pin, sealedTrack bool) string {
	if !pin && !sealedTrack {
		return ""
	}
	out := []byte("0600000000000000")
	switch f {
	case SignOnSingle:
		out[1] = '0'
	case SignOnSM4:
		out[1] = '3'
	case SignOnAES:
		out[1] = '4'
	}
	if pin {
		out[0] = '2'
	}
	if sealedTrack {
		out[2] = '1'
	}
	return string(out)
}
