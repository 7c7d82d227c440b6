package iso7816

import "slices"

// Inverse tells of the inverse convention (TS 3F).
func (a ATR) Inverse() bool { return a.Raw[0] == 0x3F }

// Protocols are those that the card speaks as it is after reset, its first choice first:
// one in specific mode, T=0 if it names none. Without PPS the first is the one in use.
// ISO/IEC 7816-3, 8.2.3 and 6.3.1.
func (a ATR) Protocols() []int {
	if only, ok := a.Specific(); ok {
		return []int{only}
	}
	var ts []int
	for _, t := range a.indicated() {
		if t != 15 {
			ts = append(ts, t)
		}
	}
	if len(ts) == 0 {
		return []int{0}
	}
	return ts
}

// Offers tells whether t is one of the protocols.
func (a ATR) Offers(t int) bool { return slices.Contains(a.Protocols(), t) }

// level are TAi to TDi, i from 1.
func (a ATR) level(i int) InterfaceBytes {
	if i > len(a.Interface) {
		return InterfaceBytes{}
	}
	return a.Interface[i-1]
}

// specific are the first bytes after level 2 that belong to a protocol: those behind
// the TD that names it. Bytes of T=15 are global. ISO/IEC 7816-3, 8.2.3.
func (a ATR) specific(t byte) InterfaceBytes {
	for i := 3; i <= len(a.Interface); i++ {
		if a.level(i-1).TD&0x0F == t {
			return a.level(i)
		}
	}
	return InterfaceBytes{}
}

// Specific returns the only protocol of a card in specific mode (TA2), if it is in it.
func (a ATR) Specific() (protocol int, ok bool) {
	l := a.level(2)
	return int(l.TA & 0x0F), l.Has&HasTA != 0
}

// Implicit tells that a card in specific mode uses transmission factors that TA1 does
// not tell (TA2, bit 5).
func (a ATR) Implicit() bool { return a.level(2).TA&0x10 != 0 }

// FiDi is TA1, which codes the clock rate conversion (high nibble) and the baud rate
// adjustment; 11 (372 and 1) where the card does not say.
func (a ATR) FiDi() byte {
	if l := a.level(1); l.Has&HasTA != 0 {
		return l.TA
	}
	return DefaultFiDi
}

// InForce is the FiDi after reset: TA1 only binds a card in specific mode.
func (a ATR) InForce() byte {
	if _, specific := a.Specific(); specific && !a.Implicit() {
		return a.FiDi()
	}
	return DefaultFiDi
}

// ExtraGuardTime is TC1, in elementary time units; FF is a special value.
func (a ATR) ExtraGuardTime() byte { return a.level(1).TC }

// WaitingInteger is WI of T=0 (TC2); 10 where the card does not say, or says 0, which is
// reserved.
func (a ATR) WaitingInteger() byte {
	if l := a.level(2); l.TC != 0 {
		return l.TC
	}
	return 10
}

// IFSC is the most bytes of information that the card takes in a block of T=1 (TA3):
// 1 to 254, and 32 where the card does not say. ISO/IEC 7816-3, 11.4.2.
func (a ATR) IFSC() int {
	if ifsc := a.specific(1).TA; 0 < ifsc && ifsc < 0xFF {
		return int(ifsc)
	}
	return initialIFS
}

// WaitingIntegers are BWI and CWI of T=1 (TB3): 4 and 13 where the card does not say. A
// BWI above 9 is reserved and read as 9. ISO/IEC 7816-3, 11.4.3.
func (a ATR) WaitingIntegers() (bwi, cwi int) {
	if l := a.specific(1); l.Has&HasTB != 0 {
		return min(int(l.TB>>4), 9), int(l.TB & 0x0F)
	}
	return 4, 13
}

// CRC tells that blocks of T=1 end in a CRC and not in an LRC (TC3, bit 1).
// ISO/IEC 7816-3, 11.4.4.
func (a ATR) CRC() bool { return a.specific(1).TC&0x01 != 0 }

// ClockStop is the clock stop indicator of the first TA for T=15: 0 is not allowed, 1
// in state L, 2 in state H, 3 in either. ISO/IEC 7816-3, 6.3.2.
func (a ATR) ClockStop() byte { return a.specific(15).TA >> 6 }

// Classes are the operating conditions of the first TA for T=15: bit 1 is class A
// (5 V), bit 2 class B (3 V), bit 3 class C (1.8 V); A alone where the card does not say.
// ISO/IEC 7816-3, 6.2.1.
func (a ATR) Classes() byte {
	if y := a.specific(15).TA & 0x3F; y != 0 {
		return y
	}
	return 0x01
}

// StandardUse is the first TB for T=15, which says what contact C6 is for; 00 is
// nothing. ISO/IEC 7816-3, 5.2.4.
func (a ATR) StandardUse() byte { return a.specific(15).TB }
