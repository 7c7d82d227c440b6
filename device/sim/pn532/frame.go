package pn532

import "bytes"

// Framing. UM0701-02, 6.2.1.
const (
	fromHost  = 0xD4
	fromChip  = 0xD5
	maxLength = 265 // TFI, code and data
)

var (
	ackFrame   = []byte{0, 0, 0xFF, 0, 0xFF, 0}
	errorFrame = []byte{0, 0, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0}
)

// answerFrame is the frame of an answer; code is that of the command.
func answerFrame(code byte, data []byte) []byte {
	n := 2 + len(data)
	f := []byte{0, 0, 0xFF}
	if n <= 255 {
		f = append(f, byte(n), byte(256-n))
	} else {
		hi, lo := byte(n>>8), byte(n)
		f = append(f, 0xFF, 0xFF, hi, lo, 0-hi-lo)
	}
	f = append(f, fromChip, code+1)
	f = append(f, data...)
	check := 0 - total(f[len(f)-n:])
	return append(f, check, 0)
}

func total(b []byte) (t byte) {
	for _, c := range b {
		t += c
	}
	return t
}

// command is a command of the host.
type command struct {
	code byte
	data []byte
}

// input takes frames out of the bytes that come in, whatever the pieces are.
type input struct {
	buf    []byte
	asleep bool // all is ignored before a 55
}

type event uint8

const (
	nothing  event = iota // more bytes are needed
	received              // a command
	acked                 // the host aborts
	nacked                // the host wants the last answer again
	spoiled               // a frame with a wrong check or length: the chip says nothing
)

var startCode = []byte{0x00, 0xFF}

// next takes one event off the front of the buffer.
func (in *input) next() (event, command) {
	if in.asleep {
		at := bytes.IndexByte(in.buf, 0x55)
		if at < 0 {
			in.buf = nil
			return nothing, command{}
		}
		in.buf, in.asleep = in.buf[at:], false
	}
	at := bytes.Index(in.buf, startCode)
	if at < 0 {
		in.buf = in.buf[max(len(in.buf)-1, 0):] // perhaps the first byte of a start code
		return nothing, command{}
	}
	in.buf = in.buf[at:]
	if len(in.buf) < 4 {
		return nothing, command{}
	}
	switch n, check := in.buf[2], in.buf[3]; {
	case n == 0x00 && check == 0xFF:
		in.buf = in.buf[4:]
		return acked, command{}
	case n == 0xFF && check == 0x00:
		in.buf = in.buf[4:]
		return nacked, command{}
	case n == 0xFF && check == 0xFF:
		return in.extended()
	case n+check != 0 || n == 0:
		in.buf = in.buf[2:]
		return spoiled, command{}
	default:
		return in.body(4, int(n))
	}
}

func (in *input) extended() (event, command) {
	if len(in.buf) < 7 {
		return nothing, command{}
	}
	n := int(in.buf[4])<<8 | int(in.buf[5])
	if total(in.buf[4:7]) != 0 || n > maxLength {
		in.buf = in.buf[4:]
		return spoiled, command{}
	}
	return in.body(7, n)
}

// body takes n bytes from TFI on, and their check.
func (in *input) body(at, n int) (event, command) {
	if len(in.buf) < at+n+1 {
		return nothing, command{}
	}
	b := in.buf[at : at+n]
	good := total(in.buf[at:at+n+1]) == 0 && n >= 2 && b[0] == fromHost
	in.buf = in.buf[at+n+1:]
	if !good {
		return spoiled, command{}
	}
	return received, command{code: b[1], data: bytes.Clone(b[2:])}
}
