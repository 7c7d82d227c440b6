package describe

import (
	"bytes"
	"strings"

	"posd/emv/tag"
	"posd/emv/tlv"
)

// Tags of contactless kernels that hold tracks and are not in the dictionary of contact.
const (
	track1Mastercard tlv.Tag = 0x56
	track2Mastercard tlv.Tag = 0x9F6B
)

// mask returns what may be shown of an object that holds a card number, a track or a PIN
// block; ok is false for one that holds none of these, or where all is shown.
func mask(obj tlv.Object, o Options) (shown string, ok bool) {
	if o.Unmasked {
		return "", false
	}
	switch obj.Tag {
	case tag.ApplicationPAN, tag.Track2EquivalentData, track2Mastercard:
		return maskNumber(obj.Value), true
	case tag.Track1DiscretionaryData, tag.Track2DiscretionaryData, tag.TransactionPINData, track1Mastercard:
		return hidden(obj.Value), true
	}
	return "", false
}

// hidden says how much is not shown.
func hidden(b []byte) string { return "hidden, " + count(len(b)) }

// maskNumber keeps the first six and the last four digits of the number that the nibbles
// begin with, and the separator of a track; everything else is a star. What is no number
// of 13 to 19 digits is hidden whole.
func maskNumber(b []byte) string {
	nibbles := make([]byte, 0, 2*len(b))
	for _, c := range b {
		nibbles = append(nibbles, "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&0x0F])
	}
	digits := bytes.IndexAny(nibbles, "ABCDEF")
	if digits < 0 {
		digits = len(nibbles)
	}
	if digits < 13 || digits > 19 {
		return hidden(b)
	}
	var s strings.Builder
	s.Write(nibbles[:6])
	s.WriteString(strings.Repeat("*", digits-10))
	s.Write(nibbles[digits-4 : digits])
	rest := strings.TrimRight(string(nibbles[digits:]), "F")
	for i := range rest {
		if i == 0 && rest[0] == 'D' {
			s.WriteByte('D')
			continue
		}
		s.WriteByte('*')
	}
	return s.String()
}
