package binding

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"posd/emv"
	"posd/emv/keyblock"
)

var (
	// ErrFormat says that bytes are no field 59 of usage A2, or that a value does not fit.
	ErrFormat = errors.New("not the terminal's binding")
	// ErrProof says that the proof is not that of serial number and factor under this key:
	// another device, or a proof that was recorded.
	ErrProof = errors.New("proof of the serial number is wrong")
)

// Usage is the tag of field 59 under which the terminal's binding stands.
const Usage = "A2"

// Kinds of device, tag 01.
const (
	POS       = "02"
	MobilePOS = "03"
	SmartPOS  = "04"
)

// Limits.
const (
	maxSerial     = 50
	factorDigits  = 6
	proofDigits   = 8
	versionLength = 8
)

// Terminal is what field 59 says of a device.
type Terminal struct {
	Kind    string // tag 01, two digits
	Serial  string // tag 02, 1 to 50 characters
	Factor  string // tag 03, six digits
	Proof   string // tag 04, eight hexadecimal digits
	Version string // tag 05, up to 8 characters; on the line filled up with blanks
}

// Key derives the binding key from a terminal master key: 16 bytes, the caller's to wipe.
// NIST SP 800-108, counter mode with CMAC; the label is ours.
func Key(suite keyblock.Suite, master []byte) ([]byte, error) {
	block, err := suite.NewCipher(master)
	if err != nil {
		return nil, fmt.Errorf("binding: key: %w", err)
	}
	key := make([]byte, 0, 32)
	for counter := byte(1); len(key) < 16; counter++ {
		key = append(key, keyblock.CMAC(block, append([]byte{counter}, "posd serial number\x00\x00\x80"...))...)
	}
	clear(key[16:])
	return key[:16], nil
}

// Factor returns the factor of a payment: the last six digits of the card number, zeros on
// the left of a shorter one, zeros for none.
func Factor(pan emv.PAN) string {
	var buf [19]byte
	defer clear(buf[:])
	digits := []byte("000000")
	if !pan.IsZero() {
		number := pan.Append(buf[:0])
		number = number[max(0, len(number)-factorDigits):]
		copy(digits[factorDigits-len(number):], number)
	}
	return string(digits)
}

// Proof makes the proof under the binding key's cipher: CMAC over serial number and factor,
// its first four bytes in upper-case hexadecimal digits.
func Proof(key cipher.Block, serial, factor string) string {
	mac := keyblock.CMAC(key, []byte(serial+factor))
	return strings.ToUpper(hex.EncodeToString(mac[:proofDigits/2]))
}

// Verify holds the proof against the serial number that is expected, in constant time.
// Errors: [ErrProof].
func (t Terminal) Verify(key cipher.Block, serial string) error {
	want := Proof(key, serial, t.Factor)
	if t.Serial != serial || subtle.ConstantTimeCompare([]byte(want), []byte(t.Proof)) != 1 {
		return fmt.Errorf("binding: serial number %q, bound is %q: %w", t.Serial, serial, ErrProof)
	}
	return nil
}

// row is one tag of the usage.
type row struct {
	tag      string
	value    *string
	shortest int
	longest  int
	fill     bool // with blanks up to longest
	alphabet string
}

const (
	digits    = "0123456789"
	hexDigits = digits + "ABCDEF"
)

// rows is the layout, in the order of the line.
func (t *Terminal) rows() []row {
	return []row{
		{"01", &t.Kind, 2, 2, false, digits},
		{"02", &t.Serial, 1, maxSerial, false, ""},
		{"03", &t.Factor, factorDigits, factorDigits, false, digits},
		{"04", &t.Proof, proofDigits, proofDigits, false, hexDigits},
		{"05", &t.Version, 0, versionLength, true, ""},
	}
}

// Append appends field 59 to dst:
//
//	A2   usage, two characters
//	nnn  length of what follows, three digits
//	then for each of 01 to 05: tag, two characters; length, three digits; value
//
// Errors: [ErrFormat].
func Append(dst []byte, t Terminal) ([]byte, error) {
	var body strings.Builder
	for _, r := range t.rows() {
		if err := r.check(*r.value); err != nil {
			return dst, err
		}
		value := *r.value
		if r.fill {
			value += strings.Repeat(" ", r.longest-len(value))
		}
		fmt.Fprintf(&body, "%s%03d%s", r.tag, len(value), value)
	}
	return fmt.Appendf(dst, "%s%03d%s", Usage, body.Len(), body.String()), nil
}

func (r row) check(value string) error {
	if len(value) < r.shortest || len(value) > r.longest || !printable(value) || r.alphabet != "" && strings.Trim(value, r.alphabet) != "" {
		return fmt.Errorf("binding: tag %s of %d characters, %d to %d wanted: %w", r.tag, len(value), r.shortest, r.longest, ErrFormat)
	}
	return nil
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// Parse reads field 59. Other usages beside A2, and tags that are not known, are passed
// over; a tag that comes twice is refused. Errors: [ErrFormat].
func Parse(b []byte) (Terminal, error) {
	body, found, err := find(b)
	if err != nil || !found {
		return Terminal{}, fmt.Errorf("binding: field 59 of %d bytes has no usage %s: %w", len(b), Usage, ErrFormat)
	}
	var t Terminal
	rows := t.rows()
	seen := map[string]bool{}
	for len(body) > 0 {
		tag, value, rest, err := next(body)
		if err != nil || seen[tag] {
			return Terminal{}, fmt.Errorf("binding: tag %q: %w", tag, ErrFormat)
		}
		seen[tag], body = true, rest
		for _, r := range rows {
			if r.tag != tag {
				continue
			}
			if r.fill {
				value = strings.TrimRight(value, " ")
			}
			if err := r.check(value); err != nil {
				return Terminal{}, err
			}
			*r.value = value
		}
	}
	for _, r := range rows[:4] {
		if !seen[r.tag] {
			return Terminal{}, fmt.Errorf("binding: tag %s is missing: %w", r.tag, ErrFormat)
		}
	}
	return t, nil
}

// find returns the body of usage A2.
func find(b []byte) (body []byte, found bool, err error) {
	for len(b) > 0 {
		tag, value, rest, err := next(b)
		if err != nil {
			return nil, false, err
		}
		if tag == Usage {
			return []byte(value), true, nil
		}
		b = rest
	}
	return nil, false, nil
}

// next reads tag, length and value.
func next(b []byte) (tag, value string, rest []byte, err error) {
	if len(b) < 5 || strings.Trim(string(b[2:5]), digits) != "" {
		return "", "", nil, ErrFormat
	}
	n := int(b[2]-'0')*100 + int(b[3]-'0')*10 + int(b[4]-'0')
	if n > len(b)-5 {
		return "", "", nil, ErrFormat
	}
	return string(b[:2]), string(b[5 : 5+n]), b[5+n:], nil
}
