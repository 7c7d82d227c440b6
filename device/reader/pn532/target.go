package pn532

import (
	"fmt"

	"posd/device"
)

// target is a card that the chip has activated.
type target struct {
	number byte   // Tg
	isoDEP bool   // it speaks ISO/IEC 14443-4
	past   []byte // historical bytes, as PC/SC has them
}

const (
	maxTargets    = 2 // the chip's limit
	sakISODEP     = 0x20
	maxHistorical = 15
	sizeATQB      = 12
)

// parseTargets reads the answer to InListPassiveTarget. UM0701-02, 7.3.5.
func parseTargets(baud byte, b []byte) ([]target, error) {
	if len(b) < 1 || b[0] > maxTargets {
		return nil, fmt.Errorf("targets % X", b[:min(len(b), 8)])
	}
	c := cutter{rest: b[1:]}
	targets := make([]target, 0, maxTargets)
	for range b[0] {
		if baud == typeB {
			targets = append(targets, c.targetB())
		} else {
			targets = append(targets, c.targetA())
		}
	}
	if c.short || len(c.rest) > 0 {
		return nil, fmt.Errorf("%d targets in %d bytes: they do not fit", b[0], len(b))
	}
	return targets, nil
}

// cutter takes bytes off the front of an answer. Once there are too few it is short, and
// gives zeros.
type cutter struct {
	rest  []byte
	short bool
}

func (c *cutter) take(n int) []byte {
	if n > len(c.rest) {
		c.short = true
		return make([]byte, n)
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

// targetA is Tg, SENS_RES (2 bytes), SEL_RES, the length of NFCID1, NFCID1, and of a card
// with ISO/IEC 14443-4 the ATS, whose first byte is its length.
func (c *cutter) targetA() target {
	head := c.take(5)
	t := target{number: head[0], isoDEP: head[3]&sakISODEP != 0}
	c.take(int(head[4]))
	if !t.isoDEP {
		return t
	}
	tl := int(c.take(1)[0])
	if tl == 0 {
		c.short = true
		return t
	}
	t.past = historical(c.take(tl - 1))
	return t
}

// historical returns T1 to Tk of an ATS after its length: T0 says which of TA(1), TB(1)
// and TC(1) come before them. ISO/IEC 14443-4, 5.2.
func historical(ats []byte) []byte {
	if len(ats) == 0 {
		return nil
	}
	at := 1
	for _, bit := range []byte{0x10, 0x20, 0x40} {
		if ats[0]&bit != 0 {
			at++
		}
	}
	return ats[min(at, len(ats)):]
}

// targetB is Tg, ATQB (50, PUPI in 4 bytes, application data in 4, protocol information
// in 3), and the answer to ATTRIB after its length. ISO/IEC 14443-3, 7.9 and 7.10.
func (c *cutter) targetB() target {
	head := c.take(1 + sizeATQB + 1)
	attrib := c.take(int(head[1+sizeATQB]))
	t := target{number: head[0], isoDEP: head[1+10]&0x01 != 0}
	t.past = append(t.past, head[1+5:1+sizeATQB]...)
	var mbli byte
	if len(attrib) > 0 {
		mbli = attrib[0] & 0xF0
	}
	t.past = append(t.past, mbli)
	return t
}

// atr is the answer to reset that PC/SC part 3 makes of the target.
func (t target) atr() []byte {
	past := t.past[:min(len(t.past), maxHistorical)]
	b := append([]byte{0x3B, 0x80 | byte(len(past)), 0x80, 0x01}, past...)
	var tck byte
	for _, c := range b[1:] {
		tck ^= c
	}
	return append(b, tck)
}

// check refuses a card that cannot be paid with.
func (t target) check() error {
	if !t.isoDEP {
		return fmt.Errorf("%w: card does not speak ISO/IEC 14443-4", device.ErrRefused)
	}
	return nil
}
