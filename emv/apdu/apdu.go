package apdu

import (
	"errors"
	"fmt"
)

// MaxData is the most data that a short command or response carries, in bytes.
const (
	MaxCommandData  = 255
	MaxResponseData = 256
)

// ErrFormat is the cause of every refusal to read an APDU.
var ErrFormat = errors.New("not an APDU")

// Command is a command APDU. Ne is the number of bytes expected: 0 for none, 256 for
// Le=00. ISO/IEC 7816-3, 12.1.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte
	Ne               int
}

// Append appends the encoded command: CLA INS P1 P2 [Lc data] [Le]. It panics when
// the data or Ne do not fit a short APDU: no constructor makes such a command.
func (c Command) Append(dst []byte) []byte {
	if len(c.Data) > MaxCommandData || c.Ne < 0 || c.Ne > MaxResponseData {
		panic(fmt.Sprintf("apdu: INS %02X with %d bytes of data and Ne %d", c.INS, len(c.Data), c.Ne))
	}
	dst = append(dst, c.CLA, c.INS, c.P1, c.P2)
	if len(c.Data) > 0 {
		dst = append(dst, byte(len(c.Data)))
		dst = append(dst, c.Data...)
	}
	if c.Ne > 0 {
		dst = append(dst, byte(c.Ne)) // 256 becomes 00
	}
	return dst
}

// ParseCommand reads an encoded command of case 1, 2, 3 or 4 (short). Data aliases b.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 {
		return Command{}, fmt.Errorf("apdu: command of %d bytes, at least 4 wanted: %w", len(b), ErrFormat)
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	switch {
	case len(body) == 0:
		return c, nil
	case len(body) == 1:
		c.Ne = ne(body[0])
		return c, nil
	}
	lc := int(body[0])
	switch len(body) - 1 - lc {
	case 0:
	case 1:
		c.Ne = ne(body[1+lc])
	default:
		lc = 0
	}
	if lc == 0 {
		return Command{}, fmt.Errorf("apdu: INS %02X: Lc %02X with %d bytes after it: %w", c.INS, body[0], len(body)-1, ErrFormat)
	}
	c.Data = body[1 : 1+lc : 1+lc]
	return c, nil
}

func ne(le byte) int {
	if le == 0 {
		return MaxResponseData
	}
	return int(le)
}

// Response is a response APDU: data and status word.
type Response struct {
	Data []byte
	SW   SW
}

// ParseResponse reads data and the two bytes of the status word. Data aliases b.
func ParseResponse(b []byte) (Response, error) {
	n := len(b) - 2
	if n < 0 || n > MaxResponseData {
		return Response{}, fmt.Errorf("apdu: response of %d bytes, 2 to 258 wanted: %w", len(b), ErrFormat)
	}
	return Response{Data: b[:n:n], SW: SW(b[n])<<8 | SW(b[n+1])}, nil
}

// Append appends the encoded response.
func (r Response) Append(dst []byte) []byte {
	return append(append(dst, r.Data...), byte(r.SW>>8), byte(r.SW))
}

// SW is a status word SW1 SW2. As an error it says what the card refused with; OK is
// no error (see [SW.Err]). EMV 4.4 Book 3, 6.3.5.
type SW uint16

// Status words that the kernel acts on.
const (
	OK                      SW = 0x9000
	SelectedFileInvalidated SW = 0x6283 // selected application is blocked
	AuthFailed              SW = 0x6300
	AuthMethodBlocked       SW = 0x6983
	ReferenceInvalidated    SW = 0x6984
	ConditionsNotSatisfied  SW = 0x6985
	FunctionNotSupported    SW = 0x6A81
	FileNotFound            SW = 0x6A82
	RecordNotFound          SW = 0x6A83
	ReferencedDataNotFound  SW = 0x6A88
	InstructionNotSupported SW = 0x6D00
)

// Err returns nil for 9000 and the status word as an error otherwise.
func (s SW) Err() error {
	if s == OK {
		return nil
	}
	return s
}

// Error says the status word in hexadecimal.
func (s SW) Error() string { return fmt.Sprintf("status word %04X", uint16(s)) }

// Warning tells of 62xx and 63xx: processing was done, with a warning.
func (s SW) Warning() bool { return s>>8 == 0x62 || s>>8 == 0x63 }
