package iso8583

import (
	"bytes"
	"fmt"
)

// usualDigits is where field 60 of a payment usually ends: after 60.5.
const usualDigits = 13

// ends lists the lengths that field 60 can have, one for each subfield that can be the last.
var ends = [...]uint8{2, 8, 11, 12, 13, 14, 17}

// append appends field 60, cut after Digits, with the transaction's code as 60.1 and,
// where the message has a function, that as 60.3.
func (f *Private) append(buf []byte, code uint8, function Function) ([]byte, error) {
	n := int(f.Digits)
	if n == 0 {
		n = usualDigits
	}
	network := f.Network
	if function != 0 {
		if network != 0 && network != uint16(function) {
			return nil, fmt.Errorf("function %03d in a message of function %v: %w", network, function, ErrValue)
		}
		network = uint16(function)
	}
	out, err := f.appendWhole(buf, code, network)
	if err != nil {
		return nil, err
	}
	if !isEnd(n) {
		return nil, fmt.Errorf("ends after digit %d, which is inside a subfield: %w", n, ErrValue)
	}
	if i := bytes.IndexFunc(out[n:], func(r rune) bool { return r != '0' }); i >= 0 {
		return nil, fmt.Errorf("digit %d is set, but the field ends after %d: %w", n+i+1, n, ErrValue)
	}
	return out[:n], nil
}

func (f *Private) appendWhole(buf []byte, code uint8, network uint16) (out []byte, err error) {
	out = buf
	for _, sub := range [...]struct {
		n     uint64
		width int
	}{
		{uint64(code), 2},
		{uint64(f.Batch), 6},
		{uint64(network), 3},
		{uint64(f.Capability), 1},
		{uint64(f.Condition), 1},
		{uint64(f.Partial), 1},
		{uint64(f.Account), 3},
	} {
		if out, err = appendDecimal(out, sub.n, sub.width); err != nil {
			return nil, fmt.Errorf("subfield after digit %d: %w", len(out), err)
		}
	}
	return out, nil
}

func isEnd(n int) bool { return bytes.IndexByte(ends[:], byte(n)) >= 0 }

// parse reads field 60 of a payment.
func (f *Private) parse(chars []byte) error {
	n := len(chars)
	if !isEnd(n) {
		return fmt.Errorf("%d digits end inside a subfield: %w", n, ErrValue)
	}
	var all [17]byte
	copy(all[:], "00000000000000000")
	copy(all[:], chars)
	*f = Private{
		Type:       uint8(decimal(all[0:2])),
		Batch:      uint32(decimal(all[2:8])),
		Network:    uint16(decimal(all[8:11])),
		Capability: uint8(decimal(all[11:12])),
		Condition:  uint8(decimal(all[12:13])),
		Partial:    uint8(decimal(all[13:14])),
		Account:    uint16(decimal(all[14:17])),
		Digits:     uint8(n),
	}
	if n == usualDigits {
		f.Digits = 0
	}
	return nil
}

// append appends field 61: batch and STAN, then what there is of date, mode and
// institution, without a gap.
func (o *Original) append(buf []byte) ([]byte, error) {
	if *o == (Original{}) {
		return nil, nil
	}
	out, err := appendDecimal(buf, uint64(o.Batch), 6)
	if err == nil {
		out, err = appendDecimal(out, uint64(o.STAN), 6)
	}
	if err != nil {
		return nil, err
	}
	for _, part := range [...]struct {
		name, digits string
		length       int
	}{{"date", o.Date, 4}, {"mode", o.Mode, 2}, {"institution", o.Institution, 11}} {
		if part.digits == "" {
			break
		}
		if len(part.digits) != part.length {
			return nil, fmt.Errorf("%s of %d characters, %d wanted: %w", part.name, len(part.digits), part.length, ErrValue)
		}
		out = append(out, part.digits...)
	}
	if o.Date == "" && o.Mode != "" || o.Mode == "" && o.Institution != "" {
		return nil, fmt.Errorf("a part without the one before it: %w", ErrValue)
	}
	return out, nil
}

// chars returns field 52, unless the PIN block is the long one.
func (b *shortPIN) chars() ([]byte, error) {
	if len(*b) == longPINLength {
		return nil, nil
	}
	return bytesOrNil(*b), nil
}

// longPINLength is that of a PIN block under a cipher of 16 bytes.
const longPINLength = 16

// chars returns field 62, where the PIN block is the long one.
func (b *longPIN) chars() ([]byte, error) {
	if len(*b) != longPINLength {
		return nil, nil
	}
	return *b, nil
}

// institutionLength is that of each half of field 44.
const institutionLength = 11

// append appends field 44: two numbers of institutions, each filled up with blanks.
func (f institutions) append(buf []byte) ([]byte, error) {
	if f.m.Issuer == "" && f.m.Acquirer == "" {
		return nil, nil
	}
	for _, s := range [...]string{f.m.Issuer, f.m.Acquirer} {
		if len(s) > institutionLength || len(s) > 0 && s[len(s)-1] == ' ' {
			return nil, fmt.Errorf("half of %d characters, at most %d and no blank at the end: %w", len(s), institutionLength, ErrValue)
		}
		buf = append(buf, s...)
		for range institutionLength - len(s) {
			buf = append(buf, ' ')
		}
	}
	return buf, nil
}

// append appends field 63 of a management request: the operator's number and a blank.
func (f *operator) append(buf []byte) ([]byte, error) {
	switch s := *f; len(s) {
	case 0:
		return nil, nil
	case 2:
		return append(append(buf, s...), ' '), nil
	default:
		return nil, fmt.Errorf("operator of %d characters, 2 wanted: %w", len(s), ErrValue)
	}
}
