package keyblock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrFormat says that a text is no key block, or that a header cannot be written.
var ErrFormat = errors.New("not a key block")

// Version is the first character of a key block: how it is protected.
type Version byte

const (
	VersionB Version = 'B' // TDES keys derived from a TDES key; MAC of 8 bytes
	VersionD Version = 'D' // AES keys derived from an AES key; MAC of 16 bytes
)

// blockSize returns the block size of the cipher in bytes, 0 for a version that is not
// supported. It is the length of the MAC as well.
func (v Version) blockSize() int {
	switch v {
	case VersionB:
		return 8
	case VersionD:
		return 16
	}
	return 0
}

// Some key usages. ANSI X9.143, table of key usages.
const (
	UsageBDK            = "B0" // base derivation key of DUKPT
	UsageDUKPTInitial   = "B1" // initial DUKPT key
	UsageData           = "D0" // data encryption, symmetric
	UsageEMVCryptogram  = "E0" // EMV issuer master key, application cryptograms
	UsageKeyEncryption  = "K0" // key encryption or wrapping
	UsageKeyProtection  = "K1" // key block protection key
	UsageMACAlgorithm1  = "M1" // ISO 9797-1 algorithm 1
	UsageMACAlgorithm3  = "M3" // ISO 9797-1 algorithm 3
	UsageMACCMAC        = "M6" // ISO 9797-1 algorithm 5
	UsagePINEncryption  = "P0"
	UsagePINVerifyIBM   = "V1"
	UsagePINVerifyVisa  = "V2"
	AlgorithmAES        = 'A'
	AlgorithmTDES       = 'T'
	ModeAny             = 'N' // no restriction
	ModeBoth            = 'B' // encrypt and decrypt
	ModeEncrypt         = 'E'
	ModeDecrypt         = 'D'
	ModeMAC             = 'C' // MAC calculate and verify
	ModeDerive          = 'X'
	ExportableTrusted   = 'E' // under a key of a trusted key block
	ExportableSensitive = 'S' // under any key
	ExportableNever     = 'N'
)

// Header is the clear part of a key block. It is under the MAC, so that it cannot be
// changed. ANSI X9.143, "key block header".
type Header struct {
	Version       Version
	Usage         string // 2 characters
	Algorithm     byte   // of the key that is carried
	Mode          byte   // mode of use
	KeyVersion    string // 2 characters; "00" for none
	Exportability byte
	Blocks        []Block // optional blocks in their order, the padding block PB left out
}

// Block is one optional block of a header: an identifier of 2 characters, such as KS
// (key serial number) or KC (check value), and its data in printable ASCII.
type Block struct {
	ID   string
	Data string
}

// Limits of a key block: four digits of length, two of blocks, and what a pad's frame
// can carry.
const (
	MaxLength  = 9999 // characters
	MaxBlocks  = 16   // optional blocks that this codec reads or writes
	fixedChars = 16
)

// ParseHeader reads the header of a key block and returns how many characters it has.
// The MAC is not checked: [Unwrap] does that. Errors: [ErrFormat].
func ParseHeader(s string) (h Header, n int, err error) {
	if len(s) < fixedChars || len(s) > MaxLength {
		return Header{}, 0, fmt.Errorf("keyblock: %d characters, %d to %d wanted: %w", len(s), fixedChars, MaxLength, ErrFormat)
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		return Header{}, 0, fmt.Errorf("keyblock: character %d is not printable ASCII: %w", i+1, ErrFormat)
	}
	h = Header{Version: Version(s[0]), Usage: s[5:7], Algorithm: s[7], Mode: s[8], KeyVersion: s[9:11], Exportability: s[11]}
	if h.Version.blockSize() == 0 {
		return Header{}, 0, fmt.Errorf("keyblock: version %q, B or D wanted: %w", s[0], ErrFormat)
	}
	if length, err := decimal(s[1:5]); err != nil || length != len(s) {
		return Header{}, 0, fmt.Errorf("keyblock: length field %q with %d characters there: %w", s[1:5], len(s), ErrFormat)
	}
	count, err := decimal(s[12:14])
	if err != nil || count > MaxBlocks {
		return Header{}, 0, fmt.Errorf("keyblock: %q optional blocks, at most %d: %w", s[12:14], MaxBlocks, ErrFormat)
	}
	if s[14:16] != "00" {
		return Header{}, 0, fmt.Errorf("keyblock: reserved field %q, 00 wanted: %w", s[14:16], ErrFormat)
	}
	n = fixedChars
	for i := range count {
		block, size, err := parseBlock(s[n:])
		if err != nil {
			return Header{}, 0, fmt.Errorf("keyblock: optional block %d: %w", i+1, err)
		}
		if n += size; block.ID != "PB" {
			h.Blocks = append(h.Blocks, block)
		} else if i != count-1 {
			return Header{}, 0, fmt.Errorf("keyblock: padding block %d of %d is not the last: %w", i+1, count, ErrFormat)
		}
	}
	if n%h.Version.blockSize() != 0 {
		return Header{}, 0, fmt.Errorf("keyblock: header of %d characters is no multiple of %d: %w", n, h.Version.blockSize(), ErrFormat)
	}
	return h, n, nil
}

// parseBlock reads identifier, length (two hexadecimal digits that count the whole
// block, or 00, the number of digits and these) and data.
func parseBlock(s string) (b Block, size int, err error) {
	if len(s) < 4 {
		return Block{}, 0, fmt.Errorf("%d characters left, at least 4 wanted: %w", len(s), ErrFormat)
	}
	id, start := s[:2], 4
	size, err = hexadecimal(s[2:4])
	if err == nil && size == 0 {
		size, start, err = extendedLength(s)
	}
	if err != nil || size < start || size > len(s) {
		return Block{}, 0, fmt.Errorf("%q: length does not fit the %d characters left: %w", id, len(s), ErrFormat)
	}
	return Block{ID: id, Data: s[start:size]}, size, nil
}

// extendedLength reads "00", two digits that say how many digits the length has, and
// the length. At most four digits: MaxLength needs no more.
func extendedLength(s string) (size, start int, err error) {
	if len(s) < 6 {
		return 0, 0, ErrFormat
	}
	digits, err := hexadecimal(s[4:6])
	if err != nil || digits < 1 || digits > 4 || len(s) < 6+digits {
		return 0, 0, ErrFormat
	}
	size, err = hexadecimal(s[6 : 6+digits])
	return size, 6 + digits, err
}

// decimal reads digits only: no sign, no space.
func decimal(s string) (int, error) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, ErrFormat
	}
	return strconv.Atoi(s)
}

func hexadecimal(s string) (int, error) {
	if strings.Trim(s, "0123456789ABCDEF") != "" {
		return 0, ErrFormat
	}
	n, err := strconv.ParseUint(s, 16, 16)
	return int(n), err
}

// format writes the header for a block with bodyChars characters after it, with a
// padding block where the optional blocks do not fill whole cipher blocks.
func (h Header) format(bodyChars int) (string, error) {
	if err := h.check(); err != nil {
		return "", err
	}
	var blocks strings.Builder
	count := len(h.Blocks)
	for _, b := range h.Blocks {
		if len(b.Data)+4 <= 0xFF {
			fmt.Fprintf(&blocks, "%s%02X%s", b.ID, len(b.Data)+4, b.Data)
		} else {
			fmt.Fprintf(&blocks, "%s0004%04X%s", b.ID, len(b.Data)+10, b.Data)
		}
	}
	if over := blocks.Len() % h.Version.blockSize(); over != 0 {
		pad := h.Version.blockSize() - over
		if pad < 4 {
			pad += h.Version.blockSize()
		}
		fmt.Fprintf(&blocks, "PB%02X%s", pad, strings.Repeat("0", pad-4))
		count++
	}
	total := fixedChars + blocks.Len() + bodyChars
	if total > MaxLength {
		return "", fmt.Errorf("keyblock: %d characters, at most %d: %w", total, MaxLength, ErrFormat)
	}
	return fmt.Sprintf("%c%04d%s%c%c%s%c%02d00%s", h.Version, total, h.Usage, h.Algorithm, h.Mode, h.KeyVersion, h.Exportability, count, blocks.String()), nil
}

func (h Header) check() error {
	printable := func(s string) bool {
		return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
	}
	switch {
	case h.Version.blockSize() == 0:
		return fmt.Errorf("keyblock: header: version %q, B or D wanted: %w", byte(h.Version), ErrFormat)
	case len(h.Usage) != 2 || len(h.KeyVersion) != 2 || !printable(h.Usage+h.KeyVersion):
		return fmt.Errorf("keyblock: header: usage %q, key version %q: 2 characters wanted: %w", h.Usage, h.KeyVersion, ErrFormat)
	case !printable(string([]byte{h.Algorithm, h.Mode, h.Exportability})):
		return fmt.Errorf("keyblock: header: algorithm %q, mode %q, exportability %q: %w", h.Algorithm, h.Mode, h.Exportability, ErrFormat)
	case len(h.Blocks) >= MaxBlocks:
		return fmt.Errorf("keyblock: header: %d optional blocks, fewer than %d wanted: %w", len(h.Blocks), MaxBlocks, ErrFormat)
	}
	for i, b := range h.Blocks {
		if len(b.ID) != 2 || b.ID == "PB" || len(b.Data) > MaxLength || !printable(b.ID+b.Data) {
			return fmt.Errorf("keyblock: header: optional block %d %q: %w", i+1, b.ID, ErrFormat)
		}
	}
	return nil
}
