package emv

import (
	"errors"
	"fmt"
	"log/slog"
	"unique"
)

// ErrPAN is the cause of every refusal of a card number.
var ErrPAN = errors.New("not a card number")

// PAN is a primary account number of 8 to 19 digits (tag 5A, data element 2). Its
// zero value is "no card number", and == compares. It prints masked, in every verb and
// in logs; [PAN.Reveal] and [PAN.Append] are the ways to the digits, and a test lists
// their callers.
//
// The digits are a [hidden] number: with them in the struct itself, printing any struct
// that has a PAN in an unexported field would print them, for package fmt calls no
// method of such a field, and so would the trace of a crash.
type PAN struct {
	number hidden
	n      uint8
}

// hidden is a number behind a handle: neither fmt nor a crash trace follows a pointer
// to a number (to an array or a struct fmt does), and equal numbers have equal handles.
type hidden struct{ handle unique.Handle[uint64] }

// maxHidden is how many digits any hidden number can have.
const maxHidden = 19

// hide reads up to maxHidden ASCII digits.
func hide(digits []byte) hidden {
	var number uint64
	for _, d := range digits {
		number = number*10 + uint64(d-'0')
	}
	return hidden{unique.Make(number)}
}

// show writes the number over all of dst, with zeros on its left.
func (h hidden) show(dst []byte) {
	if len(dst) == 0 {
		return // the zero value has no handle
	}
	number := h.handle.Value()
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = '0' + byte(number%10)
		number /= 10
	}
}

// ParsePAN reads ASCII digits. The error does not repeat them. A caller that has bytes
// passes them as they are: a string made of them would be one more copy.
func ParsePAN[S string | []byte](s S) (PAN, error) {
	if len(s) < 8 || len(s) > 19 {
		return PAN{}, fmt.Errorf("emv: card number of %d digits: 8 to 19 wanted: %w", len(s), ErrPAN)
	}
	var digits [maxHidden]byte
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return PAN{}, fmt.Errorf("emv: card number: position %d is no digit: %w", i+1, ErrPAN)
		}
		digits[i] = s[i]
	}
	return PAN{hide(digits[:len(s)]), uint8(len(s))}, nil
}

// PANFromCN reads the compressed numeric form of tag 5A: two digits a byte, padded
// on the right with nibbles F. EMV 4.4 Book 3, 4.3.
func PANFromCN(b []byte) (PAN, error) {
	var digits [20]byte
	n, err := unpackCN(&digits, b)
	if err != nil {
		return PAN{}, fmt.Errorf("emv: tag 5A: %w", err)
	}
	return ParsePAN(digits[:n])
}

// unpackCN writes the digits before the padding and counts them; padding is F to the
// end.
func unpackCN(digits *[20]byte, b []byte) (int, error) {
	if len(b) > 10 {
		return 0, fmt.Errorf("%d bytes, at most 10: %w", len(b), ErrPAN)
	}
	n, padded := 0, false
	for i := range 2 * len(b) {
		nibble := b[i/2] >> (4 * (1 - i%2)) & 0xF
		switch {
		case nibble == 0xF:
			padded = true
		case padded:
			return 0, fmt.Errorf("nibble %d after padding: %w", i+1, ErrPAN)
		case nibble > 9:
			return 0, fmt.Errorf("nibble %d is %X: %w", i+1, nibble, ErrPAN)
		default:
			digits[n] = '0' + nibble
			n++
		}
	}
	return n, nil
}

// IsZero tells that there is no card number.
func (p PAN) IsZero() bool { return p.n == 0 }

// Len returns the number of digits.
func (p PAN) Len() int { return int(p.n) }

// value returns the digits, zeros where there is no card number.
func (p PAN) value() (digits [maxHidden]byte) {
	p.number.show(digits[:p.n])
	return digits
}

// Reveal returns all digits.
func (p PAN) Reveal() string {
	digits := p.value()
	return string(digits[:p.n])
}

// Append appends the digits to dst, for callers that wipe their buffer.
func (p PAN) Append(dst []byte) []byte {
	digits := p.value()
	return append(dst, digits[:p.n]...)
}

// Masked returns the first six and last four digits with stars between, the most
// that a receipt or a screen may show. Fewer than 13 digits show the last four only.
func (p PAN) Masked() string {
	if p.n == 0 {
		return ""
	}
	out := p.value()
	first := 6
	if p.n < 13 {
		first = 0
	}
	for i := first; i < int(p.n)-4; i++ {
		out[i] = '*'
	}
	return string(out[:p.n])
}

// String masks.
func (p PAN) String() string { return p.Masked() }

// GoString masks.
func (p PAN) GoString() string { return "emv.PAN(" + p.Masked() + ")" }

// LogValue masks.
func (p PAN) LogValue() slog.Value { return slog.StringValue(p.Masked()) }

// Format masks for every verb: without it, %d or %x would walk the fields.
func (p PAN) Format(f fmt.State, verb rune) { fmt.Fprint(f, p.Masked()) }

// MarshalJSON refuses: a card number leaves the process sealed or not at all.
func (p PAN) MarshalJSON() ([]byte, error) {
	return nil, errors.New("emv: a PAN is not for JSON: seal it, or write Masked")
}

// Track2 is Track 2 Equivalent Data (tag 57) or track 2 as read from the stripe,
// 37 characters at most: digits, and 'D' as separator. It prints its length only, and
// hides its characters as [PAN] does.
type Track2 struct {
	head, tail hidden // the digits without the separator: the first 18, and the rest
	separator  uint8  // its index
	n          uint8  // characters, the separator included
}

const (
	maxTrack2  = 37 // characters
	headDigits = 18
)

// ErrTrack is the cause of every refusal of track data.
var ErrTrack = errors.New("not track 2 data")

// Track2FromCN reads the compressed form of tag 57: a nibble D separates, nibbles F pad.
func Track2FromCN(b []byte) (Track2, error) {
	if len(b) > 19 {
		return Track2{}, fmt.Errorf("emv: tag 57: %d bytes, at most 19: %w", len(b), ErrTrack)
	}
	var chars [38]byte
	n, padded := 0, false
	for i := range 2 * len(b) {
		nibble := b[i/2] >> (4 * (1 - i%2)) & 0xF
		switch {
		case nibble == 0xF:
			padded = true
			continue
		case padded:
			return Track2{}, fmt.Errorf("emv: tag 57: nibble %d after padding: %w", i+1, ErrTrack)
		case nibble == 0xD:
			chars[n] = 'D'
		case nibble <= 9:
			chars[n] = '0' + nibble
		default:
			return Track2{}, fmt.Errorf("emv: tag 57: nibble %d is %X: %w", i+1, nibble, ErrTrack)
		}
		n++
	}
	return ParseTrack2(chars[:n])
}

// ParseTrack2 reads digits with one separator 'D' or '='. A caller that has bytes passes
// them as they are: a string made of them would be one more copy.
func ParseTrack2[S string | []byte](s S) (Track2, error) {
	if len(s) > maxTrack2 {
		return Track2{}, fmt.Errorf("emv: track 2 of %d characters, at most %d: %w", len(s), maxTrack2, ErrTrack)
	}
	var buf [maxTrack2]byte
	digits, separator, separators := buf[:0], 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == 'D' || c == '=':
			separator = i
			separators++
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		default:
			return Track2{}, fmt.Errorf("emv: track 2: position %d is no digit: %w", i+1, ErrTrack)
		}
	}
	if separators != 1 {
		return Track2{}, fmt.Errorf("emv: track 2: %d separators, 1 wanted: %w", separators, ErrTrack)
	}
	cut := min(headDigits, len(digits))
	return Track2{hide(digits[:cut]), hide(digits[cut:]), uint8(separator), uint8(len(s))}, nil
}

// IsZero tells that there is no track.
func (t Track2) IsZero() bool { return t.n == 0 }

// Len returns the number of characters.
func (t Track2) Len() int { return int(t.n) }

// value returns the characters, zeros where there is no track.
func (t Track2) value() (chars [maxTrack2]byte) {
	if t.n == 0 {
		return chars
	}
	digits := chars[:t.n-1]
	cut := min(headDigits, len(digits))
	t.head.show(digits[:cut])
	t.tail.show(digits[cut:])
	copy(chars[t.separator+1:t.n], chars[t.separator:])
	chars[t.separator] = 'D'
	return chars
}

// Reveal returns the characters, with 'D' as separator.
func (t Track2) Reveal() string {
	chars := t.value()
	return string(chars[:t.n])
}

// Append appends the characters to dst, for callers that wipe their buffer.
func (t Track2) Append(dst []byte) []byte {
	chars := t.value()
	return append(dst, chars[:t.n]...)
}

// String hides everything but the length.
func (t Track2) String() string { return fmt.Sprintf("track2(%d)", t.n) }

// Format hides for every verb.
func (t Track2) Format(f fmt.State, verb rune) { fmt.Fprint(f, t.String()) }

// LogValue hides.
func (t Track2) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON refuses: track data is never stored.
func (t Track2) MarshalJSON() ([]byte, error) {
	return nil, errors.New("emv: track data is not for JSON")
}
