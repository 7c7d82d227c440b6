package kernel

import (
	"posd/emv"
	"posd/emv/cvm"
)

// replay plays a session that some other terminal recorded: what that terminal decided
// by means that the recording does not hold is taken from it. Nil in every real kernel.
type replay struct {
	first, second *emv.Cryptogram // what the GENERATE ACs asked for
	cvmResults    *[3]byte        // cardholder verification is left out
	// after sees the end of each phase; true ends the session there.
	after func(s *session, next Phase) (stop bool)
}

// stops tells the replay of the end of a phase.
func (r *replay) stops(s *session, next Phase) bool {
	return r != nil && r.after != nil && r.after(s, next)
}

// asks returns what a GENERATE AC asked for in the recording, or what this session
// decided.
func asks(recorded *emv.Cryptogram, decided emv.Cryptogram) emv.Cryptogram {
	if recorded != nil {
		return *recorded
	}
	return decided
}

func (r *replay) asksFirst(decided emv.Cryptogram) emv.Cryptogram {
	if r == nil {
		return decided
	}
	return asks(r.first, decided)
}

func (r *replay) asksSecond(decided emv.Cryptogram) emv.Cryptogram {
	if r == nil {
		return decided
	}
	return asks(r.second, decided)
}

// verdict returns the recording's CVM Results where it has no cardholder verification.
func (r *replay) verdict() (cvm.Verdict, bool) {
	if r == nil || r.cvmResults == nil {
		return cvm.Verdict{}, false
	}
	return cvm.Verdict{Results: *r.cvmResults}, true
}
