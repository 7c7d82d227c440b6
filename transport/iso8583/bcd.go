package iso8583

import "fmt"

// appendBCD appends n as digits decimal digits; digits is even. Digits that do not fit
// are lost: callers check first.
func appendBCD(dst []byte, n uint64, digits int) []byte {
	at := len(dst)
	for range digits / 2 {
		dst = append(dst, 0)
	}
	for i := len(dst) - 1; i >= at; i-- {
		dst[i] = byte(n%10) | byte(n/10%10)<<4
		n /= 100
	}
	return dst
}

// appendDecimal appends n as width ASCII digits, or refuses an n that needs more.
func appendDecimal(dst []byte, n uint64, width int) ([]byte, error) {
	at := len(dst)
	for range width {
		dst = append(dst, '0')
	}
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
// is padded with a nibble 0, in front where right is set.
func appendPacked(dst, chars []byte, hex, right bool) ([]byte, error) {
	high := true
	if right && len(chars)%2 == 1 {
		dst, high = append(dst, 0), false
	}
	for i, c := range chars {
		n := unhex[c]
		if n == notHex || n > 9 && !hex {
			return dst, fmt.Errorf("position %d is no digit: %w", i+1, ErrValue)
		}
		if high {
			dst = append(dst, n<<4)
		} else {
			dst[len(dst)-1] |= n
		}
		high = !high
	}
	return dst, nil
}

// unpack writes n digits of packed into chars, which has room for them, and checks the
// pad nibble.
func unpack(chars, packed []byte, n int, hex, right bool) error {
	skip := 0
	if n%2 == 1 && right {
		skip = 1
	}
	limit := byte(9)
	if hex {
		limit = 15
	}
	for i := range 2 * len(packed) {
		nibble := packed[i/2] >> (4 * (1 - i%2)) & 0xF
		at := i - skip
		if at < 0 || at >= n {
			if nibble != 0 {
				return fmt.Errorf("pad nibble is %X: %w", nibble, ErrValue)
			}
			continue
		}
		if nibble > limit {
			return fmt.Errorf("nibble %d is %X: %w", i+1, nibble, ErrValue)
		}
		chars[at] = hexDigits[nibble]
	}
	return nil
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
