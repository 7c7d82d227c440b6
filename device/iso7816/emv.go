package iso7816

import (
	"fmt"

	"posd/device"
)

// EMV says why a payment terminal has to refuse the answer to reset, as device.ErrMute,
// or nil. warm is an answer to a warm reset, in which TB1 may be missing or say
// anything: a terminal that refuses the answer to the cold reset asks once more like
// that, and then gives up. What passes is the basic answer and every other one that the
// specification has the terminal accept:
//
//	TA1  11 to 13 of a card in specific mode; of others anything, and it is not used
//	TB1  00, and there
//	TC1  anything, or missing
//	TD1  T=0 or T=1, or missing, which is T=0
//	TA2  the protocol of TD1, with TA1 explicit; or missing
//	TB2  missing
//	TC2  0A, or missing
//	TD2  T=1; behind T=0 also T=14 or T=15; or missing
//	TA3  10 to FE, or missing (for T=1, as the next two)
//	TB3  BWI up to 4, CWI up to 5, 2^CWI above the extra guard time plus 1, and there
//	TC3  00, or missing
//
// TS, the lengths and TCK are those of [ParseATR]. EMV 4.4 Book 1 (EMV Contact Interface
// Specification), 8.3: characters returned by the card, basic response and terminal
// behaviour.
func (a ATR) EMV(warm bool) error {
	for _, rule := range emvRules {
		if why := rule(a, warm); why != "" {
			return fmt.Errorf("iso7816: answer to reset % X: %w: not for EMV: %s", a.Raw, device.ErrMute, why)
		}
	}
	return nil
}

// emvRules are in the order of the specification; each returns what is wrong.
var emvRules = [...]func(a ATR, warm bool) string{emvTA1, emvTB1, emvTD1, emvTA2, emvTB2, emvTC2, emvTD2, emvT1}

func emvTA1(a ATR, _ bool) string {
	if _, specific := a.Specific(); specific && (a.FiDi() < 0x11 || a.FiDi() > 0x13) {
		return fmt.Sprintf("TA1 %02X in specific mode, 11 to 13 wanted", a.FiDi())
	}
	return ""
}

func emvTB1(a ATR, warm bool) string {
	switch l := a.level(1); {
	case warm:
		return ""
	case l.Has&HasTB == 0:
		return "TB1 is missing"
	case l.TB != 0:
		return fmt.Sprintf("TB1 %02X, 00 wanted", l.TB)
	}
	return ""
}

// first is the protocol of TD1.
func (a ATR) first() byte { return a.level(1).TD & 0x0F }

func emvTD1(a ATR, _ bool) string {
	if a.first() > 1 {
		return fmt.Sprintf("TD1 names T=%d, 0 or 1 wanted", a.first())
	}
	return ""
}

func emvTA2(a ATR, _ bool) string {
	protocol, specific := a.Specific()
	switch {
	case !specific:
		return ""
	case a.Implicit():
		return fmt.Sprintf("TA2 %02X: implicit parameters", a.level(2).TA)
	case protocol != int(a.first()):
		return fmt.Sprintf("TA2 names T=%d, TD1 T=%d", protocol, a.first())
	}
	return ""
}

func emvTB2(a ATR, _ bool) string {
	if l := a.level(2); l.Has&HasTB != 0 {
		return fmt.Sprintf("TB2 (%02X) is there", l.TB)
	}
	return ""
}

func emvTC2(a ATR, _ bool) string {
	if l := a.level(2); l.Has&HasTC != 0 && l.TC != 0x0A {
		return fmt.Sprintf("TC2 %02X, 0A wanted", l.TC)
	}
	return ""
}

func emvTD2(a ATR, _ bool) string {
	l := a.level(2)
	t := l.TD & 0x0F
	if l.Has&HasTD == 0 || t == 1 || a.first() == 0 && t >= 14 {
		return ""
	}
	return fmt.Sprintf("TD2 names T=%d behind T=%d", t, a.first())
}

// emvT1 is TA3, TB3 and TC3 where TD2 says that they are of T=1, or the card speaks it.
func emvT1(a ATR, _ bool) string {
	if a.first() != 1 && a.level(2).TD&0x0F != 1 {
		return ""
	}
	l := a.specific(1)
	bwi, cwi := int(l.TB>>4), int(l.TB&0x0F)
	n := int(a.ExtraGuardTime())
	if n == 0xFF {
		n = -1
	}
	switch {
	case l.Has&HasTA != 0 && (l.TA < 0x10 || l.TA == 0xFF):
		return fmt.Sprintf("TA3 %02X, 10 to FE wanted", l.TA)
	case l.Has&HasTB == 0:
		return "TB3 is missing"
	case bwi > 4 || cwi > 5:
		return fmt.Sprintf("TB3 %02X: BWI %d, at most 4 wanted, CWI %d, at most 5", l.TB, bwi, cwi)
	case 1<<cwi <= n+1:
		return fmt.Sprintf("TB3 %02X: CWI %d with an extra guard time of %d", l.TB, cwi, n)
	case l.TC != 0:
		return fmt.Sprintf("TC3 %02X, 00 wanted", l.TC)
	}
	return ""
}
