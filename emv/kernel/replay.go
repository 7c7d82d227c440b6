package kernel

import (
	"bytes"

	"posd/emv"
	"posd/emv/cvm"
	"posd/emv/tlv"
)

// Recording is what is known of a session that some other terminal had, beyond what the
// card answered: decisions by means that the recording does not hold. It is for replaying
// such a session ([NewReplay]), to compare two kernels or to find out what happened. A
// real terminal never has one.
type Recording struct {
	// First and Second are what the GENERATE ACs asked for, whatever action analysis says;
	// nil leaves the decision to this kernel.
	First, Second *emv.Cryptogram
	// CVMResults, where set, are tag 9F34 of the recording, and cardholder verification is
	// left out.
	CVMResults *[3]byte
	// PIN, where set, says what became of a method that takes a PIN. Neither the
	// cardholder nor the card is asked then.
	PIN func(cvm.Method) (cvm.Attempt, error)
	// After, where set, sees the end of each phase that came to its end; true ends the
	// session there, without an outcome. It must not keep its argument.
	After func(Moment) (stop bool)
}

// NewReplay makes a kernel that plays a recorded session. A real terminal never uses it:
// what the recording decides, no card and no cardholder is asked about.
func NewReplay(cfg Config, rec Recording) (*Kernel, error) {
	cfg.replay = &rec
	return New(cfg)
}

// Moment is the end of a phase of a replayed session.
type Moment struct {
	Phase, Next Phase
	s           *session
}

// Value returns a data object as the session has it at this moment, its own, the
// terminal's or the card's; nil where nobody has it.
func (m Moment) Value(t tlv.Tag) []byte {
	if m.s.chosen.app == nil {
		return nil // before the final SELECT there are none
	}
	return bytes.Clone(m.s.value(t))
}

// stops tells the recording of the end of a phase.
func (r *Recording) stops(s *session, next Phase) bool {
	return r != nil && r.After != nil && r.After(Moment{s.phase, next, s})
}

// asks returns what a GENERATE AC asked for in the recording, or what this session
// decided.
func asks(recorded *emv.Cryptogram, decided emv.Cryptogram) emv.Cryptogram {
	if recorded != nil {
		return *recorded
	}
	return decided
}

func (r *Recording) asksFirst(decided emv.Cryptogram) emv.Cryptogram {
	if r == nil {
		return decided
	}
	return asks(r.First, decided)
}

func (r *Recording) asksSecond(decided emv.Cryptogram) emv.Cryptogram {
	if r == nil {
		return decided
	}
	return asks(r.Second, decided)
}

// verdict returns the recording's CVM Results where it has no cardholder verification.
func (r *Recording) verdict() (cvm.Verdict, bool) {
	if r == nil || r.CVMResults == nil {
		return cvm.Verdict{}, false
	}
	return cvm.Verdict{Results: *r.CVMResults}, true
}

// performs tells that the recording says what became of a PIN.
func (r *Recording) performs() bool { return r != nil && r.PIN != nil }
