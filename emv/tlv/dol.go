package tlv

import (
	"fmt"
	"iter"
)

// DOL is a Data Object List as the card sent it: tags with the length that the card
// expects of each, in order. EMV 4.4 Book 3, 5.4.
type DOL []byte

// Entry is one line of a DOL. Length is in bytes, 0 to 127: one length byte.
type Entry struct {
	Tag    Tag
	Length int
}

// Entries ranges over the list in its order. It stops after the first error.
func (d DOL) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for data := []byte(d); len(data) > 0; {
			tag, n, err := readTag(data)
			if err == nil && n >= len(data) {
				err = fmt.Errorf("tlv: DOL: tag %v has no length: %w", tag, ErrTruncated)
			}
			if err == nil && data[n] >= 0x80 {
				err = fmt.Errorf("tlv: DOL: tag %v: length byte %02X: %w", tag, data[n], ErrLength)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(Entry{tag, int(data[n])}, nil) {
				return
			}
			data = data[n+1:]
		}
	}
}

// Has tells whether the list names the tag.
func (d DOL) Has(tag Tag) bool {
	for e, err := range d.Entries() {
		if err == nil && e.Tag == tag {
			return true
		}
	}
	return false
}
