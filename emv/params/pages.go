package params

import (
	"fmt"

	"posd/emv"
)

// PageSize is the most entries of one page of a black list or a table.
const PageSize = 15

// Page is one answer of a black list or a BIN table: the place of its first entry in the
// whole, counted from 0, and the entries: digits, each with its length in two digits
// before it.
type Page struct {
	From    int
	Entries []string
}

// ParsePage reads a page: the place in three digits, then entries. shortest and longest
// bound the digits of an entry. No error repeats an entry: they may be card numbers.
func ParsePage(data []byte, shortest, longest int) (Page, error) {
	if len(data) < 3 {
		return Page{}, fmt.Errorf("params: page of %d characters: %w", len(data), ErrFormat)
	}
	from, err := number(string(data[:3]))
	if err != nil {
		return Page{}, fmt.Errorf("params: page: place at byte 0: %w: %w", ErrFormat, err)
	}
	p := Page{From: int(from)}
	for at := 3; at < len(data); {
		if len(data)-at < 2 {
			return Page{}, fmt.Errorf("params: page: at byte %d: half a length: %w", at, ErrFormat)
		}
		n, err := number(string(data[at : at+2]))
		if err != nil || int(n) < shortest || int(n) > longest || int(n) > len(data)-at-2 {
			return Page{}, fmt.Errorf("params: page: entry %d at byte %d: length %q of %d left, %d to %d wanted: %w", len(p.Entries), at, data[at:at+2], len(data)-at-2, shortest, longest, ErrFormat)
		}
		entry := string(data[at+2 : at+2+int(n)])
		if !allDigits(entry) {
			return Page{}, fmt.Errorf("params: page: entry %d at byte %d has other characters than digits: %w", len(p.Entries), at, ErrFormat)
		}
		if len(p.Entries) == PageSize {
			return Page{}, fmt.Errorf("params: page: more than %d entries: %w", PageSize, ErrLimit)
		}
		p.Entries = append(p.Entries, entry)
		at += 2 + int(n)
	}
	return p, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Append writes the page as the host does.
func (p Page) Append(dst []byte) []byte {
	dst = fmt.Appendf(dst, "%03d", p.From)
	for _, e := range p.Entries {
		dst = fmt.Appendf(dst, "%02d%s", len(e), e)
	}
	return dst
}

// Lengths of entries.
const (
	shortestBIN, longestBIN = 4, 12
	shortestPAN, longestPAN = 8, 19
)

// ParseBlackList reads a page of card numbers.
func ParseBlackList(data []byte) ([]emv.PAN, error) {
	p, err := ParsePage(data, shortestPAN, longestPAN)
	if err != nil {
		return nil, err
	}
	out := make([]emv.PAN, 0, len(p.Entries))
	for i, e := range p.Entries {
		pan, err := emv.ParsePAN(e)
		if err != nil {
			return nil, fmt.Errorf("params: black list: entry %d: %w: %w", i, ErrFormat, err)
		}
		out = append(out, pan)
	}
	return out, nil
}

// ParseBINs reads a page of BIN table B or C.
func ParseBINs(data []byte) ([]string, error) {
	p, err := ParsePage(data, shortestBIN, longestBIN)
	return p.Entries, err
}
