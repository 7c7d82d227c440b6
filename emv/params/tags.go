package params

import (
	"fmt"
	"strings"
	"time"

	"posd/emv/tlv"
)

// field is one object of an item.
type field struct {
	tag      tlv.Tag
	min, max int // bytes
	required bool
	read     func([]byte) error
}

// readFields reads the objects of data by the table, each once. An error names tag and
// offset. Objects that the table does not have are passed over.
func readFields(data []byte, table []field) error {
	seen := 0
	for rest := data; ; {
		at := len(data) - len(rest)
		obj, after, ok, err := tlv.Next(rest)
		switch {
		case err != nil:
			return fmt.Errorf("at byte %d: %w: %w", at, ErrFormat, err)
		case !ok:
			return missing(table, seen)
		}
		rest = after
		for i, f := range table {
			if f.tag != obj.Tag {
				continue
			}
			if err := f.take(obj.Value, seen&(1<<i) != 0); err != nil {
				return fmt.Errorf("tag %v at byte %d: %w: %w", obj.Tag, at, ErrFormat, err)
			}
			seen |= 1 << i
		}
	}
}

func (f field) take(value []byte, again bool) error {
	switch n := len(value); {
	case again:
		return fmt.Errorf("it is there twice")
	case n < f.min || n > f.max:
		return fmt.Errorf("%d bytes, %d to %d wanted", n, f.min, f.max)
	}
	return f.read(value)
}

func missing(table []field, seen int) error {
	for i, f := range table {
		if f.required && seen&(1<<i) == 0 {
			return fmt.Errorf("tag %v is missing: %w", f.tag, ErrFormat)
		}
	}
	return nil
}

// digits reads packed decimal digits.
func digits(b []byte) (n int64, err error) {
	for _, c := range b {
		if c>>4 > 9 || c&0xF > 9 {
			return 0, fmt.Errorf("%X is not decimal", b)
		}
		n = n*100 + int64(c>>4)*10 + int64(c&0xF)
	}
	return n, nil
}

// packed writes n as packed decimal digits of a number of bytes.
func packed(n int64, bytes int) []byte {
	out := make([]byte, bytes)
	for i := bytes - 1; i >= 0; i-- {
		out[i] = byte(n/10%10)<<4 | byte(n%10)
		n /= 100
	}
	return out
}

// number reads 1 to 18 characters that are digits.
func number(s string) (n int64, err error) {
	if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	for _, c := range s {
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// date reads eight characters YYYYMMDD.
func date(b []byte) (time.Time, error) {
	t, err := time.Parse("20060102", string(b))
	if err != nil || len(b) != 8 {
		return time.Time{}, fmt.Errorf("%q is no date YYYYMMDD in characters", b)
	}
	return t, nil
}
