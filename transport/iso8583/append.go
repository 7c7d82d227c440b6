package iso8583

import (
	"encoding/binary"
	"fmt"

	"posd/emv"
)

const (
	tpduLength   = 5
	headerLength = tpduLength + 6
	bitmapAt     = headerLength + 2
	fieldsAt     = bitmapAt + 8
	macLength    = 8
)

// Append appends the frame of m, from the TPDU to the last field and without the two
// length bytes, to dst. It does not allocate where dst has room ([MaxFrame] is enough).
// On an error dst is as before, and nothing of the message stays behind it.
func (d *Dialect) Append(dst []byte, h Header, m Message) ([]byte, error) {
	p := packer{d: d, dst: dst, start: len(dst)}
	err := p.message(h, m)
	clear(p.scratch[:])
	if err == nil && len(p.dst)-p.start > MaxFrame {
		err = fmt.Errorf("iso8583: pack %04X: %d bytes, at most %d: %w", p.mti, len(p.dst)-p.start, MaxFrame, ErrTooLong)
	}
	if err != nil {
		clear(p.dst[p.start:])
		return dst, err
	}
	return p.dst, nil
}

// packer is one Append under way.
type packer struct {
	d       *Dialect
	dst     []byte
	start   int // of the TPDU in dst
	mti     uint16
	in      places
	row     transaction
	code    Function               // field 60.3 of a message that is no payment
	scratch [additionalLength]byte // characters of the field being packed; wiped at the end
}

func (p *packer) message(h Header, m Message) error {
	c := &p.d.classes[m.class()]
	p.in = m.places()
	mti, err := p.d.requestType(c, &p.in)
	if err != nil {
		return fmt.Errorf("iso8583: pack: %w", err)
	}
	if t, ok := p.in[vType].(*TransactionType); ok {
		p.row = p.d.byType[*t]
	}
	p.code = c.function
	if f, ok := p.in[vFunction].(*Function); ok {
		p.code = *f
	}
	if c.class.answers() {
		mti += 0x10
	}
	p.mti = mti
	if err := p.header(h); err != nil {
		return err
	}
	return p.fields(c)
}

// header appends TPDU, application header, message type and an empty bitmap.
func (p *packer) header(h Header) error {
	if err := h.check(); err != nil {
		return fmt.Errorf("iso8583: pack %04X: %w", p.mti, err)
	}
	p.dst = append(p.dst, h.TPDU[:]...)
	p.dst = append(p.dst, h.Application, h.Version, h.Status<<4|h.Order, h.Minor[0], h.Minor[1], h.Minor[2])
	p.dst = append(p.dst, byte(p.mti>>8), byte(p.mti), 0, 0, 0, 0, 0, 0, 0, 0)
	return nil
}

func (p *packer) fields(c *compiled) error {
	var bitmap uint64
	for i := range c.slots {
		s := &c.slots[i]
		e := &p.d.elements[s.field]
		at := len(p.dst) - p.start
		chars, err := p.chars(e, s.value)
		if err == nil && chars == nil && s.required {
			err = ErrMissing
		}
		if err == nil && chars != nil {
			bitmap |= bit(s.field)
			err = p.put(e, chars)
		}
		if err != nil {
			return &FieldError{"pack", p.mti, s.field, e.name, at, err}
		}
	}
	binary.BigEndian.PutUint64(p.dst[p.start+bitmapAt:], bitmap)
	return nil
}

// put appends one field: its length prefix, and its characters in their format.
func (p *packer) put(e *element, chars []byte) (err error) {
	switch {
	case e.prefix == 0 && len(chars) != e.length:
		return fmt.Errorf("length %d, %d wanted: %w", len(chars), e.length, ErrValue)
	case len(chars) > e.length:
		return fmt.Errorf("length %d, at most %d: %w", len(chars), e.length, ErrValue)
	}
	if e.prefix > 0 {
		p.dst = appendBCD(p.dst, uint64(len(chars)), e.prefix+e.prefix%2)
	}
	if e.format == digits || e.format == nibbles {
		p.dst, err = appendPacked(p.dst, chars, e.format == nibbles, e.right)
		return err
	}
	p.dst = append(p.dst, chars...)
	return checkText(e.format, chars)
}

// chars returns a value as the characters of its element; nil for a value that is
// absent. They live until the next call.
func (p *packer) chars(e *element, v value) ([]byte, error) {
	buf := p.scratch[:0]
	if v == vProcessing || v == vCondition {
		return p.name(buf, v, e.length)
	}
	switch at := p.in[v].(type) {
	case *string:
		return stringChars(buf, *at)
	case *[]byte:
		return bytesOrNil(*at), nil
	case *uint32:
		return decimalOrNil(buf, uint64(*at), e.length)
	case *int64:
		return amountChars(buf, *at, e.length)
	case *emv.Currency:
		return decimalOrNil(buf, uint64(*at), e.length)
	case *uint8:
		return decimalOrNil(buf, uint64(*at), e.length)
	case *int:
		return sequenceChars(buf, *at, e.length)
	case *emv.PAN:
		return bytesOrNil(at.Append(buf)), nil
	case *[8]byte:
		return macChars(at)
	}
	return p.parts(buf, p.in[v])
}

// name returns field 3 or 25; nil where the message names no transaction.
func (p *packer) name(buf []byte, v value, width int) ([]byte, error) {
	switch {
	case p.row.kind == 0:
		return nil, nil
	case v == vProcessing:
		return appendDecimal(buf, uint64(p.row.processing), width)
	}
	return appendDecimal(buf, uint64(p.row.condition), width)
}

// parts returns a field that has parts, or a form of its own.
func (p *packer) parts(buf []byte, place any) ([]byte, error) {
	switch at := place.(type) {
	case *Private:
		return at.append(buf, p.row.code, p.code)
	case *batchOnly:
		private := Private{Batch: uint32(*at), Digits: 11}
		return private.append(buf, 0, p.code)
	case *Original:
		return at.append(buf)
	case track:
		return at.chars(buf)
	case *shortPIN:
		return at.chars()
	case *longPIN:
		return at.chars()
	case *tip:
		return amountChars(buf, int64(*at), tipDigits)
	case *AccountBalance:
		return at.append(buf)
	case totals:
		return at.append(buf)
	case group:
		return at.append(buf)
	case institutions:
		return at.append(buf)
	case *operator:
		return at.append(buf)
	}
	return nil, nil
}

func bytesOrNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

func stringChars(buf []byte, s string) ([]byte, error) {
	if len(s) > cap(buf) {
		return nil, fmt.Errorf("length %d: %w", len(s), ErrValue)
	}
	return bytesOrNil(append(buf, s...)), nil
}

func decimalOrNil(buf []byte, n uint64, width int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	return appendDecimal(buf, n, width)
}

func amountChars(buf []byte, minor int64, width int) ([]byte, error) {
	if minor < 0 {
		return nil, fmt.Errorf("negative: %w", ErrValue)
	}
	return decimalOrNil(buf, uint64(minor), width)
}

func sequenceChars(buf []byte, n, width int) ([]byte, error) {
	if n < 0 {
		return nil, nil
	}
	return appendDecimal(buf, uint64(n), width)
}

func macChars(mac *[8]byte) ([]byte, error) {
	if *mac == [8]byte{} {
		return nil, nil
	}
	return mac[:], nil
}

// checkText refuses what is no text: control characters, and anything beyond ASCII
// where the format is not GBK.
func checkText(f format, chars []byte) error {
	if f == binary8 {
		return nil
	}
	for i, c := range chars {
		if c < ' ' || c == 0x7F || c > 0x7F && f != gbk {
			return fmt.Errorf("byte %d is %02X: %w", i+1, c, ErrValue)
		}
	}
	return nil
}
