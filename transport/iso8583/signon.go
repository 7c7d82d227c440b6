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

// AppendSignOnKeys appends field 62 of a sign-on answer to dst. The lengths of the keys
// decide the form:
//
//	24 bytes  PIN key 8, check value 4 | MAC key 8, check value 4
//	40 bytes  PIN key 16, check value 4 | MAC key 8, zeros 8 (or MAC key 16), check value 4
//	60 bytes  as 40, then track key 16, check value 4
//
// A key is enciphered under the terminal's master key, block by block.
func AppendSignOnKeys(dst []byte, k SignOnKeys) ([]byte, error) {
	pin, mac, track := len(k.PIN.Bytes), len(k.MAC.Bytes), len(k.Track.Bytes)
	size := 16
	switch {
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

// ParseSignOnKeys reads field 62 of a sign-on answer: 24, 40 or 60 bytes. It checks no
// check value: that takes the master key.
func ParseSignOnKeys(b []byte) (SignOnKeys, error) {
	var k SignOnKeys
	switch len(b) {
	case 24:
		k.PIN, k.MAC = parseKey(b[:12]), parseKey(b[12:])
	case 40, 60:
		k.PIN, k.MAC = parseKey(b[:20]), parseKey(b[20:40])
		if [8]byte(k.MAC.Bytes[8:]) == [8]byte{} {
			k.MAC.Bytes = k.MAC.Bytes[:8]
		}
	default:
		return k, fmt.Errorf("iso8583: sign-on keys of %d bytes, 24, 40 or 60 wanted: %w", len(b), ErrValue)
	}
	if len(b) == 60 {
		k.Track = parseKey(b[40:])
	}
	return k, nil
}

// parseKey reads a key and its check value, 4 bytes, at the end.
func parseKey(b []byte) keyblock.Cryptogram {
	n := len(b) - 4
	return keyblock.Cryptogram{Bytes: append([]byte(nil), b[:n]...), KCV: keyblock.KCV(b[n:])}
}
