package iso8583

import (
	"fmt"
	"slices"
)

// zeros is what numbers are written over. No number has more digits.
const zeros = "00000000000000000000"

// appendBCD appends n as digits decimal digits; digits is even. Digits that do not fit
// are lost: callers check first.
func appendBCD(dst []byte, n uint64, digits int) []byte {
	at := len(dst)
	dst = append(dst, zeros[:digits/2]...)
	for i := len(dst) - 1; i >= at; i-- {
		dst[i] = byte(n%10) | byte(n/10%10)<<4
		n /= 100
	}
	return dst
}

// appendDecimal appends n as width ASCII digits, or refuses an n that needs more.
func appendDecimal(dst []byte, n uint64, width int) ([]byte, error) {
	at := len(dst)
	dst = append(dst, zeros[:width]...)
	for i := len(dst) - 1; i >= at && n > 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
	if n > 0 {
		return dst[:at], fmt.Errorf("more than %d digits: %w", width, ErrValue)
	}
	return dst, nil
}

// decimal reads ASCII digits, 18 at most, which the caller has checked.
func decimal(chars []byte) uint64 {
	var n uint64
	for _, c := range chars {
		n = n*10 + uint64(c-'0')
	}
	return n
}

// isBCD tells that both nibbles of b are digits.
func isBCD(b byte) bool { return b>>4 <= 9 && b&0xF <= 9 }

// appendPacked appends digits two to a byte; hex allows A to F as well. An odd number
// is padded with a nibble 0, in front where right is set. On an error dst has grown all
// the same: the caller wipes what was written of a number that may be a card's.
func appendPacked(dst, chars []byte, hex, right bool) ([]byte, error) {
	limit := nibbleLimit(hex)
	at := len(dst)
	dst = slices.Grow(dst, (len(chars)+1)/2)[:at+(len(chars)+1)/2]
	out, rest := dst[at:], chars
	if right && len(rest)%2 == 1 {
		if out[0] = unhex[rest[0]]; out[0] > limit {
			return dst, notDigit(chars, limit)
		}
		out, rest = out[1:], rest[1:]
	}
	for ; len(rest) > 1; out, rest = out[1:], rest[2:] {
		high, low := unhex[rest[0]], unhex[rest[1]]
		if high > limit || low > limit {
			return dst, notDigit(chars, limit)
		}
		out[0] = high<<4 | low
	}
	if len(rest) == 1 {
		n := unhex[rest[0]]
		if n > limit {
			return dst, notDigit(chars, limit)
		}
		out[0] = n << 4
	}
	return dst, nil
}

// nibbleLimit is the highest nibble that is allowed.
func nibbleLimit(hex bool) byte {
	if hex {
		return 15
	}
	return 9
}

func notDigit(chars []byte, limit byte) error {
	for i, c := range chars {
		if unhex[c] > limit {
			return fmt.Errorf("position %d is no digit: %w", i+1, ErrValue)
		}
	}
	return ErrValue
}

// unpack writes n digits of packed into chars, which has room for them, and checks the
// pad nibble. len(packed) is half of n, rounded up.
func unpack(chars, packed []byte, n int, hex, right bool) error {
	limit := nibbleLimit(hex)
	rest, out := packed, chars[:n]
	if right && n%2 == 1 {
		if rest[0]>>4 != 0 || rest[0] > limit {
			return badNibble(packed, n, right, limit)
		}
		out[0] = hexDigits[rest[0]]
		rest, out = rest[1:], out[1:]
	}
	for ; len(out) > 1; rest, out = rest[1:], out[2:] {
		high, low := rest[0]>>4, rest[0]&0xF
		if high > limit || low > limit {
			return badNibble(packed, n, right, limit)
		}
		out[0], out[1] = hexDigits[high], hexDigits[low]
	}
	if len(out) == 1 {
		if rest[0]&0xF != 0 || rest[0]>>4 > limit {
			return badNibble(packed, n, right, limit)
		}
		out[0] = hexDigits[rest[0]>>4]
	}
	return nil
}

// badNibble says which nibble it is that unpack does not like.
func badNibble(packed []byte, n int, right bool, limit byte) error {
	pad := n + 1
	if right {
		pad = 1
	}
	for i := range 2 * len(packed) {
		nibble := packed[i/2] >> (4 * (1 - i%2)) & 0xF
		switch {
		case n%2 == 1 && i+1 == pad && nibble != 0:
			return fmt.Errorf("pad nibble is %X: %w", nibble, ErrValue)
		case nibble > limit:
			return fmt.Errorf("nibble %d is %X: %w", i+1, nibble, ErrValue)
		}
	}
	return ErrValue
}

const (
	hexDigits = "0123456789ABCDEF"
	notHex    = 0xFF
)

// unhex gives a hexadecimal digit's value, upper case only; notHex for anything else.
var unhex = func() (t [256]byte) {
	for i := range t {
		t[i] = notHex
	}
	for i, c := range []byte(hexDigits) {
		t[c] = byte(i)
	}
	return t
}()
