package iso8583

import (
	"bytes"
	"fmt"

	"posd/emv/keyblock"
)

// sequenceName begins field 62 of a sign-on request.
const sequenceName = "Sequence No"

// AppendSequence appends field 62 of a sign-on request to dst: who the terminal is.
//
//	Sequence No   11 characters
//	12            length of what follows, two digits
//	3060          number of the certification, 4 characters
//	00000000      serial number, 1 to 95 characters; 8 is usual
func AppendSequence(dst []byte, certificate, serial string) ([]byte, error) {
	if len(certificate) != 4 || len(serial) == 0 || len(serial) > 95 {
		return dst, fmt.Errorf("iso8583: sequence: certificate of %d characters and serial number of %d, 4 and 1 to 95 wanted: %w",
			len(certificate), len(serial), ErrValue)
	}
	dst = append(dst, sequenceName...)
	dst, _ = appendDecimal(dst, uint64(len(certificate)+len(serial)), 2)
	return append(append(dst, certificate...), serial...), nil
}

// ParseSequence reads field 62 of a sign-on request. Whatever follows the serial number
// (some terminals send their software version) is left aside.
func ParseSequence(b []byte) (certificate, serial string, err error) {
	rest, found := bytes.CutPrefix(b, []byte(sequenceName))
	if !found || len(rest) < 2 || !isDigit(rest[0]) || !isDigit(rest[1]) {
		return "", "", fmt.Errorf("iso8583: sequence: does not begin with %q and two digits: %w", sequenceName, ErrValue)
	}
	n := int(decimal(rest[:2]))
	if rest = rest[2:]; n < 5 || n > len(rest) {
		return "", "", fmt.Errorf("iso8583: sequence: length %d, 5 to %d wanted: %w", n, len(rest), ErrValue)
	}
	return string(rest[:4]), string(rest[4:n]), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// AppendSignOnKeys appends field 62 of a sign-on answer to dst. The suite and the lengths
// of the keys decide the form; each key is followed by its check value of 4 bytes:
//
//	001           24 bytes  PIN key 8, MAC key 8
//	003           40 bytes  PIN key 16, MAC key 8 and zeros 8, or MAC key 16
//	004           60 bytes  as 003, then track key 16
//	006 SM4       60 bytes  PIN key 16, MAC key 16, track key 16
//	007 AES       42 bytes and more: PIN key, MAC key, perhaps track key, each of 16 or 32
//	              bytes with a byte before it that says how long it is
//
// A key is enciphered under the terminal's master key, block by block. The AES form, and
// its function 007, are ours: no public message set has one.
func AppendSignOnKeys(dst []byte, k SignOnKeys) ([]byte, error) {
	pin, mac, track := len(k.PIN.Bytes), len(k.MAC.Bytes), len(k.Track.Bytes)
	size := 16
	switch {
	case k.Suite == keyblock.AES:
		return appendAESKeys(dst, k)
	case k.Suite == keyblock.SM4 && pin == 16 && mac == 16 && track == 16:
	case k.Suite == keyblock.SM4:
		return dst, fmt.Errorf("iso8583: SM4 sign-on keys of %d, %d and %d bytes, 16 each wanted: %w", pin, mac, track, ErrValue)
	case pin == 8 && mac == 8 && track == 0:
		size = 8
	case pin == 16 && (mac == 8 || mac == 16) && (track == 0 || track == 16):
	default:
		return dst, fmt.Errorf("iso8583: sign-on keys of %d, %d and %d bytes have no form: %w", pin, mac, track, ErrValue)
	}
	dst = appendKey(dst, k.PIN, size)
	dst = appendKey(dst, k.MAC, size)
	if track > 0 {
		dst = appendKey(dst, k.Track, size)
	}
	return dst, nil
}

func appendKey(dst []byte, c keyblock.Cryptogram, size int) []byte {
	dst = append(dst, c.Bytes...)
	for range size - len(c.Bytes) {
		dst = append(dst, 0)
	}
	return append(dst, c.KCV[:]...)
}

func appendAESKeys(dst []byte, k SignOnKeys) ([]byte, error) {
	out := dst
	for i, c := range []keyblock.Cryptogram{k.PIN, k.MAC, k.Track} {
		if c.IsZero() && i == 2 {
			break
		}
		if !isAESKey(len(c.Bytes)) {
			return dst, fmt.Errorf("iso8583: AES sign-on key of %d bytes, 16 or 32 wanted: %w", len(c.Bytes), ErrValue)
		}
		out = appendKey(append(out, byte(len(c.Bytes))), c, len(c.Bytes))
	}
	return out, nil
}

func isAESKey(n int) bool { return n == 16 || n == 32 }

// ParseKeys reads field 62 of the answer to a sign-on of the form f. It checks no check
// value: that takes the master key.
func ParseKeys(f Function, b []byte) (SignOnKeys, error) {
	switch {
	case f == SignOnSM4:
		return parseSM4Keys(b)
	case f == SignOnAES:
		return parseAESKeys(b)
	case f == SignOnSingle && len(b) != 24, f == SignOnDouble && len(b) != 40, f == SignOnTrackKey && len(b) != 60:
		return SignOnKeys{}, fmt.Errorf("iso8583: sign-on keys of %d bytes have not form %v: %w", len(b), f, ErrValue)
	case f != SignOnSingle && f != SignOnDouble && f != SignOnTrackKey:
		return SignOnKeys{}, fmt.Errorf("iso8583: function %v is no sign-on: %w", f, ErrValue)
	}
	return parseTDESKeys(b)
}

// parseTDESKeys reads field 62 of the forms 001, 003 and 004: 24, 40 or 60 bytes.
func parseTDESKeys(b []byte) (SignOnKeys, error) {
	k := SignOnKeys{Suite: keyblock.TDES}
	switch len(b) {
	case 24:
		k.PIN, k.MAC = parseKey(b[:12]), parseKey(b[12:])
	case 40, 60:
		k.PIN, k.MAC = parseKey(b[:20]), parseKey(b[20:40])
		if [8]byte(k.MAC.Bytes[8:]) == [8]byte{} {
			k.MAC.Bytes = k.MAC.Bytes[:8]
		}
	default:
		return SignOnKeys{}, fmt.Errorf("iso8583: sign-on keys of %d bytes, 24, 40 or 60 wanted: %w", len(b), ErrValue)
	}
	if len(b) == 60 {
		k.Track = parseKey(b[40:])
	}
	return k, nil
}

func parseSM4Keys(b []byte) (SignOnKeys, error) {
	if len(b) != 60 {
		return SignOnKeys{}, fmt.Errorf("iso8583: SM4 sign-on keys of %d bytes, 60 wanted: %w", len(b), ErrValue)
	}
	return SignOnKeys{PIN: parseKey(b[:20]), MAC: parseKey(b[20:40]), Track: parseKey(b[40:]), Suite: keyblock.SM4}, nil
}

func parseAESKeys(b []byte) (SignOnKeys, error) {
	var keys [3]keyblock.Cryptogram
	rest, n := b, 0
	for ; n < len(keys) && len(rest) > 0; n++ {
		size := int(rest[0])
		if !isAESKey(size) || len(rest) < 1+size+4 {
			break
		}
		keys[n], rest = parseKey(rest[1:1+size+4]), rest[1+size+4:]
	}
	if n < 2 || len(rest) > 0 {
		return SignOnKeys{}, fmt.Errorf("iso8583: AES sign-on keys: %d keys and %d bytes of %d: %w", n, len(rest), len(b), ErrValue)
	}
	return SignOnKeys{PIN: keys[0], MAC: keys[1], Track: keys[2], Suite: keyblock.AES}, nil
}

// parseKey reads a key and its check value, 4 bytes, at the end.
func parseKey(b []byte) keyblock.Cryptogram {
	n := len(b) - 4
	return keyblock.Cryptogram{Bytes: append([]byte(nil), b[:n]...), KCV: keyblock.KCV(b[n:])}
}
