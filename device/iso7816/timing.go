package iso7816

import (
	"fmt"
	"time"
)

// DefaultFiDi codes F=372 and D=1, which hold after reset. ISO/IEC 7816-3, 8.1.
const DefaultFiDi = 0x11

// Caps on what an answer to reset can ask for. WI 255 is 25 s of silence after every
// byte, BWI 9 with a time extension of 255 is 3 h 38 min: a terminal whose cardholder
// waits must not believe it. EMV cards ask for 1.7 s at the most.
const (
	maxSilence   = 10 * time.Second // before one character or block
	maxExtension = 30 * time.Second // before one block, after a request for more time
	maxPatience  = time.Minute      // for all of one command
)

// Timing are the times of one card, in one clock and at one pair of transmission
// factors. In elementary time units (etu), with the margin that EMV gives the terminal:
//
//	ETU           F/D clock cycles                              ISO/IEC 7816-3, 7.1
//	ExtraGuard    N (TC1) between characters to the card,       8.3; FF is none
//	              beside the 12 of a character itself
//	Turnaround    16 from the card's character to ours at T=0,  EMV Contact Interface, T=0
//	              22 at T=1 (block guard time)                  ISO/IEC 7816-3, 11.4.3
//	WorkWaiting   960 D WI, and 480 D, between characters of    ISO/IEC 7816-3, 10.2
//	              the card at T=0
//	CharWaiting   11 + 2^CWI, and 4, between characters of one  ISO/IEC 7816-3, 11.4.3
//	              block of the card
//	BlockWaiting  11 + 2^BWI 960 372 clock cycles, and 960 D,   ISO/IEC 7816-3, 11.4.3
//	              before a block of the card
//
// At 372, 1 and 3.579545 MHz: ETU 103.9 µs, WorkWaiting 1.05 s at WI 10, BlockWaiting
// 1.70 s at BWI 4. No time is more than 10 s, whatever the card asked for.
type Timing struct {
	ETU, ExtraGuard, Turnaround            time.Duration
	WorkWaiting, CharWaiting, BlockWaiting time.Duration
}

// The values that the nibbles of TA1 code; 0 is reserved. ISO/IEC 7816-3, 8.3, tables 7
// and 8.
var (
	rates       = [16]int{372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0}
	adjustments = [16]int{0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0}
)

// Factors are F and D as TA1 codes them; ok is false for what is reserved.
func Factors(fiDi byte) (f, d int, ok bool) {
	f, d = rates[fiDi>>4], adjustments[fiDi&0x0F]
	return f, d, f != 0 && d != 0
}

// Timing computes the card's times for its first protocol, in a clock in hertz.
func (a ATR) Timing(clockHz int, fiDi byte) (Timing, error) {
	f, d, ok := Factors(fiDi)
	if !ok || clockHz <= 0 {
		return Timing{}, fmt.Errorf("iso7816: timing: factors %02X at %d Hz are not defined", fiDi, clockHz)
	}
	cycles := func(n int) time.Duration {
		return time.Duration(int64(n) * int64(time.Second) / int64(clockHz))
	}
	etus := func(n int) time.Duration { return cycles(n * f / d) }
	bwi, cwi := a.WaitingIntegers()
	t := Timing{
		ETU:          etus(1),
		ExtraGuard:   a.extraGuard(etus, cycles),
		Turnaround:   etus(16),
		WorkWaiting:  min(cycles((960*int(a.WaitingInteger())+480)*f), maxSilence),
		CharWaiting:  min(etus(11+1<<cwi+4), maxSilence),
		BlockWaiting: min(etus(11)+cycles((960<<bwi)*372+960*f), maxSilence),
	}
	if a.Protocols()[0] == 1 {
		t.Turnaround = etus(22)
	}
	return t, nil
}

// extraGuard is N of TC1. With global bytes (T=15) it counts in units of TA1, whatever
// is in force. ISO/IEC 7816-3, 8.3.
func (a ATR) extraGuard(etus, cycles func(int) time.Duration) time.Duration {
	n := int(a.ExtraGuardTime())
	if n == 0xFF {
		return 0
	}
	if f, d, ok := Factors(a.FiDi()); ok {
		for _, t := range a.indicated() {
			if t == 15 {
				return cycles(n * f / d)
			}
		}
	}
	return etus(n)
}

// Block is how long a card has for a block, where it asked for so many block waiting times
// by S(WTX request): 30 s at the most. ISO/IEC 7816-3, 11.4.3.
func (t Timing) Block(times byte) time.Duration {
	if times <= 1 {
		return t.BlockWaiting
	}
	return min(t.BlockWaiting*time.Duration(times), maxExtension)
}
