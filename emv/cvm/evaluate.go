package cvm

import "posd/emv"

// Attempt is what became of a method that the caller was asked to perform.
type Attempt uint8

const (
	Succeeded Attempt = iota + 1 // the card said yes, or an online PIN block was made
	Failed                       // the card said no, or the way to ask it broke
	Bypassed                     // the cardholder or the merchant chose to go on without the PIN
	PadFailed                    // the PIN pad is not there or does not work
	TryLimit                     // the card takes no more tries
)

// bits are the TVR bits of an attempt, apart from those of success.
func (a Attempt) bits() emv.TVR {
	switch a {
	case Bypassed:
		return emv.PINNotEntered
	case PadFailed:
		return emv.PINPadMissing
	case TryLimit:
		return emv.PINTryLimit
	}
	return 0
}

// Verdict is what cardholder verification came to.
type Verdict struct {
	Results   [3]byte // CVM Results, tag 9F34: method, condition, result
	TVR       emv.TVR // bits to set
	Performed bool    // TSI "cardholder verification was performed"
	Signature bool    // the cardholder is to sign
	PIN       bool    // a PIN was entered, offline or online
}

// Values of byte 3 of the CVM Results. EMV 4.4 Book 4, Annex A4.
const (
	unknown    = 0x00 // signature and online PIN: somebody else says
	failed     = 0x01
	successful = 0x02
)

// noCVM is "no CVM performed", byte 1 of the CVM Results.
const noCVM = 0x3F

// NotPerformed is the verdict where the card does not support cardholder verification.
func NotPerformed() Verdict { return Verdict{Results: [3]byte{noCVM, 0x00, unknown}} }

// NoRules is the verdict on a card that supports cardholder verification but has no
// list, or one without rules. EMV 4.4 Book 3, 7.5 and 10.5.
func NoRules() Verdict {
	v := NotPerformed()
	v.TVR = emv.ICCDataMissing
	return v
}

// Evaluate walks the list. It calls perform for each PIN method that counts, at most
// once a rule; a signature, "no CVM" and "fail" need nobody. The error is perform's,
// unchanged, and ends the walk.
func Evaluate(l List, t Terms, perform func(Method) (Attempt, error)) (Verdict, error) {
	last := [3]byte{noCVM, 0x00, failed} // the last rule that was performed
	v := Verdict{Performed: true}
	for i := range l.Len() {
		r := l.Rule(i)
		if !l.Satisfied(r, t) {
			continue
		}
		if m := r.Method(); t.Capabilities.Supports(m) {
			last = [3]byte{r.Code, r.Condition, failed}
			done, err := v.attempt(m, perform)
			if err != nil || done {
				v.Results = [3]byte{r.Code, r.Condition, result(m)}
				return v, err
			}
			if m == Fail {
				break
			}
		} else {
			v.TVR |= unsupported(m, t.Capabilities)
		}
		if !r.GoesOn() {
			break
		}
	}
	v.TVR |= emv.CVMFailed
	v.Results = last
	return v, nil
}

// attempt carries one supported method out and tells whether it succeeded.
func (v *Verdict) attempt(m Method, perform func(Method) (Attempt, error)) (bool, error) {
	switch m {
	case Fail:
		return false, nil
	case NoCVM:
		return true, nil
	case Signature:
		v.Signature = true
		return true, nil
	}
	a, err := perform(m)
	v.TVR |= a.bits()
	if err != nil || a != Succeeded {
		return false, err
	}
	v.PIN, v.Signature = true, m.Signs()
	if m == OnlinePIN {
		v.TVR |= emv.OnlinePINEntered
	}
	return true, nil
}

// result is byte 3 of the CVM Results after a method that succeeded as far as the
// terminal can tell. With a signature the whole stays unknown. Book 4, 6.3.4.5.
func result(m Method) byte {
	if m == OnlinePIN || m.Signs() {
		return unknown
	}
	return successful
}

// unsupported returns the bits for a rule that counts but cannot be carried out.
func unsupported(m Method, c Capabilities) emv.TVR {
	switch {
	case !m.recognised():
		return emv.CVMUnknown
	case c.lacksPINPad(m):
		return emv.PINPadMissing
	}
	return 0
}
