package abecs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"posd/device"
)

// errMessage is the cause of every refusal to read or write a message.
var errMessage = errors.New("not a message")

// Limits of a message. Abecs 2.20, 2.3.
const (
	maxBlock  = 999
	maxBlocks = 3 // that a packet has room for
)

// command is an identifier of three characters and blocks.
func appendCommand(dst []byte, id string, blocks ...[]byte) ([]byte, error) {
	dst = append(dst, id...)
	for _, b := range blocks {
		if len(b) > maxBlock {
			return nil, fmt.Errorf("block of %d bytes, at most %d: %w", len(b), maxBlock, errMessage)
		}
		dst = append(fmt.Appendf(dst, "%03d", len(b)), b...)
	}
	return dst, nil
}

// response is what the pad answers. blocks alias what it was read from.
type response struct {
	id     string
	status int
	blocks [][]byte
}

// parseResponse reads identifier, status and blocks; only success has blocks.
func parseResponse(b []byte) (r response, err error) {
	if len(b) < 6 {
		return r, fmt.Errorf("response of %d bytes: %w", len(b), errMessage)
	}
	r.id = string(b[:3])
	if r.status, err = number(b[3:6]); err != nil {
		return response{}, fmt.Errorf("status: %w", err)
	}
	rest := b[6:]
	for len(rest) > 0 {
		var block []byte
		if block, rest, err = cutBlock(rest); err != nil || len(r.blocks) == maxBlocks {
			return response{}, fmt.Errorf("block %d: %w", len(r.blocks)+1, errors.Join(err, errMessage))
		}
		r.blocks = append(r.blocks, block)
	}
	return r, nil
}

func cutBlock(b []byte) (block, rest []byte, err error) {
	if len(b) < 3 {
		return nil, nil, fmt.Errorf("length of %d digits: %w", len(b), errMessage)
	}
	n, err := number(b[:3])
	if err != nil {
		return nil, nil, err
	}
	if len(b) < 3+n {
		return nil, nil, fmt.Errorf("%d bytes where %d are told: %w", len(b)-3, n, errMessage)
	}
	return b[3 : 3+n : 3+n], b[3+n:], nil
}

// number reads decimal digits.
func number(b []byte) (n int, err error) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("no number: %w", errMessage)
		}
		n = 10*n + int(c-'0')
	}
	return n, nil
}

// block returns a block of the response.
func (r response) block(i int) []byte {
	if i < len(r.blocks) {
		return r.blocks[i]
	}
	return nil
}

// Parameters of the flexible commands, and data of their answers. Abecs 2.20, 3.1.3.
const (
	speCEXOPT  = 0x0006
	speTIMEOUT = 0x000C
	ppEVENT    = 0x8040
)

// appendParameter writes one parameter: identifier, length, value.
func appendParameter(dst []byte, id uint16, value ...byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, id)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// find returns the first value of an identifier in the response; what is unknown is passed
// over.
func (r response) find(id uint16) ([]byte, error) {
	for _, b := range r.blocks {
		for len(b) > 0 {
			if len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint16(b[2:])) {
				return nil, fmt.Errorf("%w: data of %s end in the middle of an object", device.ErrProtocol, r.id)
			}
			n := 4 + int(binary.BigEndian.Uint16(b[2:]))
			if binary.BigEndian.Uint16(b) == id {
				return b[4:n:n], nil
			}
			b = b[n:]
		}
	}
	return nil, fmt.Errorf("%w: answer to %s has no object %04X", device.ErrProtocol, r.id, id)
}

// Size of the display in messages of 32 characters.
const columns = 16

// twoLines is a message of two lines of 16 characters in ISO 8859-1, parted at a space where
// one is near. What does not fit is cut off, and a character that is not there is a question
// mark. Abecs 2.20, 7.3.2.
func twoLines(text string) []byte {
	latin := make([]byte, 0, len(text))
	for _, r := range text {
		if r < 0x20 || r > 0xFF || r >= 0x7F && r < 0xA0 {
			r = '?'
		}
		latin = append(latin, byte(r))
	}
	first, second := split(string(latin))
	return fmt.Appendf(nil, "%s%s%s%s", first, spaces(first), second, spaces(second))
}

func spaces(line string) string { return strings.Repeat(" ", columns-len(line)) }

func split(s string) (first, second string) {
	if len(s) <= columns {
		return s, ""
	}
	at := strings.LastIndexByte(s[:columns+1], ' ')
	if at <= 0 {
		return s[:columns], s[columns:min(len(s), 2*columns)]
	}
	second = s[at+1:]
	return s[:at], second[:min(len(second), columns)]
}

// printable is what of a text is shown or put into an error: ASCII without blanks at its
// ends.
func printable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7E {
			return '?'
		}
		return r
	}, string(b)))
}
