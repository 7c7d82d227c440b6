package emv

import (
	"errors"
	"fmt"
	"log/slog"
)

// ErrPAN is the cause of every refusal of a card number.
var ErrPAN = errors.New("not a card number")

// PAN is a primary account number of 8 to 19 digits (tag 5A, data element 2). Its
// zero value is "no card number". It prints masked, in every verb and in logs;
// [PAN.Reveal] is the one way to the digits, and a test lists its callers.
type PAN struct {
	digits [19]byte // ASCII
	n      uint8
}

// ParsePAN reads ASCII digits. The error does not repeat them. A caller that has bytes
// passes them as they are: a string made of them would be a copy that nobody can wipe.
func ParsePAN[S string | []byte](s S) (PAN, error) {
	if len(s) < 8 || len(s) > 19 {
		return PAN{}, fmt.Errorf("emv: card number of %d digits: 8 to 19 wanted: %w", len(s), ErrPAN)
	}
	p := PAN{n: uint8(len(s))}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return PAN{}, fmt.Errorf("emv: card number: position %d is no digit: %w", i+1, ErrPAN)
		}
		p.digits[i] = s[i]
	}
	return p, nil
}

// PANFromCN reads the compressed numeric form of tag 5A: two digits a byte, padded
// on the right with nibbles F. EMV 4.4 Book 3, 4.3.
func PANFromCN(b []byte) (PAN, error) {
	digits, err := unpackCN(b)
	if err != nil {
		return PAN{}, fmt.Errorf("emv: tag 5A: %w", err)
	}
	return ParsePAN(digits)
}

// unpackCN returns the digits before the padding; padding is F to the end.
func unpackCN(b []byte) (string, error) {
	if len(b) > 10 {
		return "", fmt.Errorf("%d bytes, at most 10: %w", len(b), ErrPAN)
	}
	var out [20]byte
	n, padded := 0, false
	for i := range 2 * len(b) {
		nibble := b[i/2] >> (4 * (1 - i%2)) & 0xF
		switch {
		case nibble == 0xF:
			padded = true
		case padded || nibble > 9:
			return "", fmt.Errorf("nibble %d is %X: %w", i+1, nibble, ErrPAN)
		default:
			out[n] = '0' + nibble
			n++
		}
	}
	return string(out[:n]), nil
}

// IsZero tells that there is no card number.
func (p PAN) IsZero() bool { return p.n == 0 }

// Len returns the number of digits.
func (p PAN) Len() int { return int(p.n) }

// Reveal returns all digits.
func (p PAN) Reveal() string { return string(p.digits[:p.n]) }

// Append appends the digits to dst, for callers that wipe their buffer.
func (p PAN) Append(dst []byte) []byte { return append(dst, p.digits[:p.n]...) }

// Masked returns the first six and last four digits with stars between, the most
// that a receipt or a screen may show. Fewer than 13 digits show the last four only.
func (p PAN) Masked() string {
	if p.n == 0 {
		return ""
	}
	out := p.digits
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
// 37 characters at most: digits, and 'D' as separator. It prints masked.
type Track2 struct {
	chars [37]byte // '0'..'9', 'D'
	n     uint8
}

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
// them as they are: a string made of them would be a copy that nobody can wipe.
func ParseTrack2[S string | []byte](s S) (Track2, error) {
	t := Track2{n: uint8(min(len(s), 255))}
	if len(s) > len(t.chars) {
		return Track2{}, fmt.Errorf("emv: track 2 of %d characters, at most 37: %w", len(s), ErrTrack)
	}
	separators := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == 'D' || c == '=':
			separators++
			t.chars[i] = 'D'
		case c >= '0' && c <= '9':
			t.chars[i] = c
		default:
			return Track2{}, fmt.Errorf("emv: track 2: position %d is no digit: %w", i+1, ErrTrack)
		}
	}
	if separators != 1 {
		return Track2{}, fmt.Errorf("emv: track 2: %d separators, 1 wanted: %w", separators, ErrTrack)
	}
	return t, nil
}

// IsZero tells that there is no track.
func (t Track2) IsZero() bool { return t.n == 0 }

// Len returns the number of characters.
func (t Track2) Len() int { return int(t.n) }

// Reveal returns the characters, with 'D' as separator.
func (t Track2) Reveal() string { return string(t.chars[:t.n]) }

// Append appends the characters to dst, for callers that wipe their buffer.
func (t Track2) Append(dst []byte) []byte { return append(dst, t.chars[:t.n]...) }

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
