package emv

import "fmt"

// PAN returns the card number of the track: the digits before the separator. ISO/IEC 7813.
func (t Track2) PAN() (PAN, error) {
	chars := t.value()
	defer clear(chars[:])
	pan, err := ParsePAN(chars[:t.separator])
	if err != nil {
		return PAN{}, fmt.Errorf("emv: track 2: %w", err)
	}
	return pan, nil
}

// Expiry returns the four digits after the separator, YYMM; empty where the track ends
// before.
func (t Track2) Expiry() string { return t.after(0, 4) }

// ServiceCode returns the three digits after the expiry; empty where the track ends
// before. A first digit 2 or 6 says that the card has a chip. ISO/IEC 7813.
func (t Track2) ServiceCode() string { return t.after(4, 3) }

// HasChip tells that the service code speaks of a chip.
func (t Track2) HasChip() bool {
	code := t.ServiceCode()
	return code != "" && (code[0] == '2' || code[0] == '6')
}

// after returns n characters, skip behind the separator; empty where they are not there.
func (t Track2) after(skip, n int) string {
	from := int(t.separator) + 1 + skip
	if t.n == 0 || from+n > int(t.n) {
		return ""
	}
	chars := t.value()
	defer clear(chars[:])
	return string(chars[from : from+n])
}

// CheckDigit tells whether the last digit is the right one for those before it: what a
// typed number must pass. ISO/IEC 7812-1 (Luhn).
func (p PAN) CheckDigit() bool {
	if p.n == 0 {
		return false
	}
	digits := p.value()
	defer clear(digits[:])
	sum, double := 0, false
	for i := int(p.n) - 1; i >= 0; i-- {
		d := int(digits[i] - '0')
		if double {
			d = d*2/10 + d*2%10
		}
		sum += d
		double = !double
	}
	return sum%10 == 0
}
