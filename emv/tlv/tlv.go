package tlv

import (
	"errors"
	"fmt"
	"iter"
)

// Limits of what the codec reads. A card's answer is at most 256 bytes and a host's
// field 55 at most 255, so they leave room and still bound every loop.
const (
	MaxLength = 65535 // bytes of a value: two length bytes
	MaxDepth  = 8     // templates within templates
	MaxFields = 512   // objects in one list
)

// What can be wrong with an encoding; errors wrap one of these and say where.
var (
	ErrTruncated = errors.New("object is truncated")
	ErrTag       = errors.New("tag is malformed")
	ErrLength    = errors.New("length is malformed")
	ErrLimit     = errors.New("limit exceeded")
)

// Tag is a tag of one to three bytes as it is written: 0x82, 0x9F02, 0xBF0C.
type Tag uint32

// Constructed tells that the value is a list of objects (bit 6 of the first byte).
func (t Tag) Constructed() bool {
	for t > 0xFF {
		t >>= 8
	}
	return t&0x20 != 0
}

// String returns the tag in hexadecimal, as the Books print it.
func (t Tag) String() string { return fmt.Sprintf("%02X", uint32(t)) }

// Append appends the tag's bytes.
func (t Tag) Append(dst []byte) []byte {
	switch {
	case t > 0xFFFF:
		return append(dst, byte(t>>16), byte(t>>8), byte(t))
	case t > 0xFF:
		return append(dst, byte(t>>8), byte(t))
	}
	return append(dst, byte(t))
}

// Object is one data object. Value aliases the bytes it was read from.
type Object struct {
	Tag   Tag
	Value []byte
}

// Next reads the first object of data and returns what follows it. Padding bytes 00
// and FF before the object are skipped, so that no tag begins with either; ok is false
// when nothing but padding is left. EMV 4.4 Book 3, Annex B; ISO/IEC 7816-4.
func Next(data []byte) (obj Object, rest []byte, ok bool, err error) {
	for len(data) > 0 && (data[0] == 0x00 || data[0] == 0xFF) {
		data = data[1:]
	}
	if len(data) == 0 {
		return Object{}, nil, false, nil
	}
	tag, n, err := readTag(data)
	if err != nil {
		return Object{}, nil, false, err
	}
	length, m, err := readLength(data[n:])
	if err != nil {
		return Object{}, nil, false, fmt.Errorf("tlv: tag %v: %w", tag, err)
	}
	if left := len(data) - n - m; length > left {
		return Object{}, nil, false, fmt.Errorf("tlv: tag %v: %d bytes announced, %d there: %w", tag, length, left, ErrTruncated)
	}
	value := data[n+m : n+m+length : n+m+length]
	return Object{tag, value}, data[n+m+length:], true, nil
}

// readTag reads a tag of one to three bytes: bit 8 of each byte but the first says
// whether more follow, and the first of these may not be 00 or 80. EMV 4.4 Book 3,
// Annex B1.
func readTag(data []byte) (Tag, int, error) {
	tag := Tag(data[0])
	if data[0]&0x1F != 0x1F {
		return tag, 1, nil
	}
	for n := 1; n < 3; n++ {
		if n >= len(data) {
			return 0, 0, fmt.Errorf("tlv: tag %v: %w", tag, ErrTruncated)
		}
		if n == 1 && data[1]&0x7F == 0 {
			return 0, 0, fmt.Errorf("tlv: tag %v%02X: leading zero in the tag number: %w", tag, data[1], ErrTag)
		}
		tag = tag<<8 | Tag(data[n])
		if data[n]&0x80 == 0 {
			return tag, n + 1, nil
		}
	}
	return 0, 0, fmt.Errorf("tlv: tag %v: more than three bytes: %w", tag, ErrTag)
}

// readLength reads a length of one to three bytes. A length with more bytes than it needs
// (81 05) is read: BER allows it, and cards in the field send it. [Append] writes the
// shortest form. EMV 4.4 Book 3, Annex B2.
func readLength(data []byte) (length, n int, err error) {
	switch {
	case len(data) == 0:
		return 0, 0, fmt.Errorf("no length: %w", ErrTruncated)
	case data[0] < 0x80:
		return int(data[0]), 1, nil
	case data[0] == 0x81 && len(data) >= 2:
		return int(data[1]), 2, nil
	case data[0] == 0x82 && len(data) >= 3:
		return int(data[1])<<8 | int(data[2]), 3, nil
	case data[0] == 0x81 || data[0] == 0x82:
		return 0, 0, fmt.Errorf("length of %d bytes: %w", data[0]&0x7F, ErrTruncated)
	}
	return 0, 0, fmt.Errorf("length byte %02X: %w", data[0], ErrLength)
}

// All ranges over the objects of data in their order. It stops after the first
// error, which it yields with a zero Object.
func All(data []byte) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for i := 0; ; i++ {
			obj, rest, ok, err := Next(data)
			if err == nil && i >= MaxFields {
				err = fmt.Errorf("tlv: more than %d objects: %w", MaxFields, ErrLimit)
			}
			if err != nil {
				yield(Object{}, err)
				return
			}
			if !ok || !yield(obj, nil) {
				return
			}
			data = rest
		}
	}
}

// Find returns the value of the first object with the tag in data itself, not inside
// templates. ok is false where there is none or data is malformed before it.
func Find(data []byte, tag Tag) (value []byte, ok bool) {
	for obj, err := range All(data) {
		if err != nil {
			return nil, false
		}
		if obj.Tag == tag {
			return obj.Value, true
		}
	}
	return nil, false
}

// Template reads data as exactly one constructed object with the tag and returns its
// value. Anything after it but padding is an error.
func Template(data []byte, tag Tag) ([]byte, error) {
	obj, rest, ok, err := Next(data)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("tlv: template %v: %w", tag, ErrTruncated)
	case obj.Tag != tag:
		return nil, fmt.Errorf("tlv: tag %v where template %v is wanted: %w", obj.Tag, tag, ErrTag)
	}
	more, _, ok, err := Next(rest)
	switch {
	case err != nil:
		return nil, fmt.Errorf("tlv: after template %v: %w", tag, err)
	case ok:
		return nil, fmt.Errorf("tlv: tag %v after template %v: %w", more.Tag, tag, ErrTag)
	}
	return obj.Value, nil
}

// Check reads the whole of data, into every template, and returns the first error.
func Check(data []byte) error { return check(data, 0) }

func check(data []byte, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("tlv: templates nested more than %d deep: %w", MaxDepth, ErrLimit)
	}
	for obj, err := range All(data) {
		if err != nil {
			return err
		}
		if obj.Tag.Constructed() {
			if err := check(obj.Value, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// Append appends one object in the shortest encoding. It panics on a value of more
// than [MaxLength] bytes: no caller has one.
func Append(dst []byte, tag Tag, value []byte) []byte {
	dst = tag.Append(dst)
	switch n := len(value); {
	case n < 0x80:
		dst = append(dst, byte(n))
	case n <= 0xFF:
		dst = append(dst, 0x81, byte(n))
	case n <= MaxLength:
		dst = append(dst, 0x82, byte(n>>8), byte(n))
	default:
		panic(fmt.Sprintf("tlv: value of tag %v has %d bytes", tag, n))
	}
	return append(dst, value...)
}
