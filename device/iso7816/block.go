package iso7816

import (
	"errors"
	"fmt"
)

// The block of T=1. ISO/IEC 7816-3, 11.3.
//
//	0         NAD, 00: no addresses are used
//	1         PCB, see below
//	2         LEN, number of bytes of information, 0 to 254
//	3 to ..   INF
//	last      LRC: all bytes before it, exclusive-or; or CRC in two bytes
const (
	prologue   = 3
	maxIFS     = 254
	initialIFS = 32 // of the card where TA3 does not say, and of the terminal until S(IFS)
	maxBlock   = prologue + maxIFS + 2
)

// Bits of PCB. ISO/IEC 7816-3, 11.3.2.2.
//
//	0NM0 0000   I: N(S) is N, M says that the chain goes on
//	100N eeee   R: N(R) is N, e is 0 for none, 1 EDC or parity, 2 other errors
//	11Rk kkkk   S: R in the response; k is the kind
const (
	pcbR    = 0x80
	pcbS    = 0xC0
	iSeq    = 0x40
	iMore   = 0x20
	rSeq    = 0x10
	rEDC    = 0x01
	rOther  = 0x02
	sAnswer = 0x20

	sResynch = pcbS
	sIFS     = pcbS | 0x01
	sAbort   = pcbS | 0x02
	sWTX     = pcbS | 0x03
)

// block is a block of T=1 without its check.
type block struct {
	pcb byte
	inf []byte
}

func (b block) isI() bool { return b.pcb&0x80 == 0 }
func (b block) isR() bool { return b.pcb&0xC0 == pcbR }

// seq is N(S) of an I-block or N(R) of an R-block.
func (b block) seq() byte {
	if b.isI() {
		return b.pcb >> 6 & 1
	}
	return b.pcb >> 4 & 1
}

// more tells that the chain goes on behind an I-block.
func (b block) more() bool { return b.isI() && b.pcb&iMore != 0 }

// asks tells of an S-block that wants an answer.
func (b block) asks() bool { return b.pcb&0xE0 == pcbS }

func (b block) append(dst []byte, crc bool) []byte {
	start := len(dst)
	dst = append(dst, 0, b.pcb, byte(len(b.inf)))
	dst = append(dst, b.inf...)
	if crc {
		c := crc16(dst[start:])
		return append(dst, byte(c>>8), byte(c))
	}
	return append(dst, lrc(dst[start:]))
}

// errEDC is a block whose check is wrong; other errors are blocks that cannot be.
var errEDC = errors.New("check is wrong")

// parseBlock reads a block; inf aliases b.
func parseBlock(b []byte, crc bool) (block, error) {
	edc := edcSize(crc)
	switch {
	case len(b) < prologue+edc:
		return block{}, fmt.Errorf("%w: block of %d bytes", errEDC, len(b))
	case len(b) != prologue+int(b[2])+edc:
		return block{}, fmt.Errorf("%w: block of %d bytes with LEN %d", errEDC, len(b), b[2])
	case !intact(b, crc):
		return block{}, errEDC
	case b[0] != 0:
		return block{}, fmt.Errorf("NAD %02X, 00 wanted", b[0])
	}
	k := block{pcb: b[1], inf: b[prologue : len(b)-edc]}
	return k, k.check()
}

// check refuses what no block can be.
func (b block) check() error {
	want := -1 // bytes of information, where the kind of block says it
	switch {
	case len(b.inf) > maxIFS:
		return fmt.Errorf("LEN %d is reserved", len(b.inf))
	case b.isI() && b.pcb&0x1F != 0, b.isR() && (b.pcb&0x20 != 0 || b.pcb&0x0F > rOther):
		return fmt.Errorf("PCB %02X is reserved", b.pcb)
	case b.isI():
	case b.isR():
		want = 0
	default:
		switch b.pcb &^ sAnswer {
		case sResynch, sAbort:
			want = 0
		case sIFS, sWTX:
			want = 1
		default:
			return fmt.Errorf("PCB %02X is reserved", b.pcb)
		}
	}
	if want >= 0 && len(b.inf) != want {
		return fmt.Errorf("PCB %02X with LEN %d, %d wanted", b.pcb, len(b.inf), want)
	}
	return nil
}

func (b block) String() string {
	switch kinds := [...]string{"RESYNCH", "IFS", "ABORT", "WTX"}; {
	case b.isI():
		return fmt.Sprintf("I(%d,%d)", b.seq(), b.pcb>>5&1)
	case b.isR():
		return fmt.Sprintf("R(%d)", b.seq())
	case b.asks():
		return fmt.Sprintf("S(%s request)", kinds[b.pcb&0x03])
	default:
		return fmt.Sprintf("S(%s response)", kinds[b.pcb&0x03])
	}
}

func edcSize(crc bool) int {
	if crc {
		return 2
	}
	return 1
}

func intact(b []byte, crc bool) bool {
	if !crc {
		return lrc(b) == 0
	}
	n := len(b) - 2
	return crc16(b[:n]) == uint16(b[n])<<8|uint16(b[n+1])
}

func lrc(b []byte) (x byte) {
	for _, c := range b {
		x ^= c
	}
	return x
}

// crc16 is that of ISO/IEC 13239 (x^16 + x^12 + x^5 + 1, lowest bit first, from FFFF),
// without its final complement and high byte first: so do the public driver libccid and
// the cards that were tried with it; the standard's text leaves it open. A card with a
// CRC is not for EMV.
func crc16(b []byte) uint16 {
	x := uint16(0xFFFF)
	for _, c := range b {
		x ^= uint16(c)
		for range 8 {
			x = x>>1 ^ 0x8408*(x&1)
		}
	}
	return x
}
