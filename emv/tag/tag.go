package tag

import (
	"errors"
	"fmt"
	"slices"

	"posd/emv/tlv"
)

// Format is how a value is written. EMV 4.4 Book 3, 4.3.
type Format uint8

const (
	B   Format = iota // binary, or a list of objects
	N                 // decimal digits, two a byte, right justified, padded with 0 on the left
	CN                // decimal digits, two a byte, left justified, padded with F on the right
	A                 // letters
	AN                // letters and digits
	ANS               // any printable character
)

// String returns the abbreviation of the Books: "n", "cn".
func (f Format) String() string {
	names := [...]string{"b", "n", "cn", "a", "an", "ans"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// Source says whose word an object is.
type Source uint8

const (
	ICC      Source = iota + 1 // the card
	Terminal                   // the terminal; a card that sends one is not believed
	Issuer                     // the issuer's answer (8A: or the terminal, when it decides offline)
)

// String names the source.
func (s Source) String() string {
	names := [...]string{"nobody", "ICC", "terminal", "issuer"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("source %d", uint8(s))
}

// Templates is the set of templates that an object may come in.
type Templates uint16

const (
	in61 Templates = 1 << iota
	in6F
	in70
	in71
	in72
	in73
	in77
	inA5
	inBF0C
)

// Has tells whether the set holds the template.
func (t Templates) Has(template tlv.Tag) bool {
	switch template {
	case ApplicationTemplate:
		return t&in61 != 0
	case FCITemplate:
		return t&in6F != 0
	case ReadRecordTemplate:
		return t&in70 != 0
	case IssuerScriptTemplate1:
		return t&in71 != 0
	case IssuerScriptTemplate2:
		return t&in72 != 0
	case DirectoryDiscretionaryTemplate:
		return t&in73 != 0
	case ResponseTemplate2:
		return t&in77 != 0
	case FCIProprietaryTemplate:
		return t&inA5 != 0
	case FCIIssuerDiscretionaryData:
		return t&inBF0C != 0
	}
	return false
}

// Info is what the dictionary knows of one data object. Min and Max are lengths in
// bytes; an empty value counts as an absent object whatever Min says. Templates is
// empty for an object that travels in no template: the terminal's own, those of GET
// DATA, and those that a signature carries.
type Info struct {
	Tag       tlv.Tag
	Name      string
	Format    Format
	Min, Max  int
	Source    Source
	Templates Templates
}

// Lookup returns what the dictionary knows of a tag; ok is false for a tag that it does
// not list.
func Lookup(t tlv.Tag) (info Info, ok bool) {
	i, ok := slices.BinarySearchFunc(table[:], t, func(row Info, t tlv.Tag) int {
		return int(row.Tag) - int(t)
	})
	if !ok {
		return Info{}, false
	}
	return table[i], true
}

// What [Info.Check] refuses.
var (
	ErrLength = errors.New("wrong length")
	ErrDigits = errors.New("not decimal digits")
)

// Check tells whether a value has a length and, for n and cn, digits that the format
// allows. The error does not repeat the value.
func (i Info) Check(value []byte) error {
	if n := len(value); n < i.Min || n > i.Max {
		return fmt.Errorf("tag: %v (%s): %d bytes, %d to %d wanted: %w", i.Tag, i.Name, n, i.Min, i.Max, ErrLength)
	}
	padded := false
	for k := range 2 * len(value) {
		nibble := value[k/2] >> (4 * (1 - k%2)) & 0xF
		switch {
		case i.Format != N && i.Format != CN:
			return nil
		case i.Format == CN && nibble == 0xF:
			padded = true
		case padded || nibble > 9:
			return fmt.Errorf("tag: %v (%s): nibble %d: %w", i.Tag, i.Name, k+1, ErrDigits)
		}
	}
	return nil
}
