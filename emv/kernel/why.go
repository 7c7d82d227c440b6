package kernel

import (
	"fmt"
	"strings"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
)

// told is what the trace has said so far, and what it needs to know for saying more. A
// session without a trace only notes the values.
type told struct {
	ref             string // clause of the phase
	tvr             emv.TVR
	tsi             emv.TSI
	sw              apdu.SW // of the last answer
	atc, lastOnline []byte  // as GET DATA gave them, nil for none
}

// traceEnd is the end of a phase: what it came to, or what ended it early.
func (s *session) traceEnd(next Phase, err error) {
	if s.cfg.Trace == nil {
		return
	}
	came := s.came(next)
	if err != nil {
		came = err.Error()
	}
	s.trace(Event{Came: came})
}

// reasons explains the bits that are new since the last event.
func (s *session) reasons() []Reason {
	var out []Reason
	fresh := s.tvr &^ s.told.tvr
	for bit := emv.TVR(1) << 39; bit != 0; bit >>= 1 {
		if fresh&bit != 0 {
			out = append(out, Reason{TVR: bit, Why: s.whyTVR(bit), Clause: bit.Clause()})
		}
	}
	done := s.tsi &^ s.told.tsi
	for bit := emv.TSI(1) << 15; bit != 0; bit >>= 1 {
		if done&bit != 0 {
			out = append(out, Reason{TSI: bit, Why: s.whyTSI(bit), Clause: bit.Clause()})
		}
	}
	s.told.tvr, s.told.tsi = s.tvr, s.tsi
	return out
}

// whyTVR says what made a bit so, from what the phases left behind. Bits of one subject
// are told by one of the functions below.
func (s *session) whyTVR(bit emv.TVR) string {
	switch bit {
	case emv.ODANotPerformed, emv.SDASelected, emv.SDAFailed, emv.DDAFailed, emv.CDAFailed:
		return s.whyAuthentication(bit)
	case emv.ICCDataMissing:
		return s.whyMissing()
	case emv.VersionsDiffer, emv.Expired, emv.NotYetEffective, emv.ServiceForbidden:
		return s.whyRestricted(bit)
	case emv.CVMFailed, emv.CVMUnknown, emv.PINTryLimit, emv.PINPadMissing, emv.PINNotEntered, emv.OnlinePINEntered:
		return whyVerified(bit)
	case emv.NewCard, emv.LowerLimitExceeded, emv.UpperLimitExceeded:
		return s.whyVelocity(bit)
	case emv.OnExceptionFile:
		return "the card is on the terminal's exception file"
	case emv.MerchantForcedOnline:
		return "the merchant wants this payment online"
	case emv.FloorLimitExceeded:
		return fmt.Sprintf("amount %d and logged amount %d reach the floor limit %d, minor units",
			s.tx.Amount.Minor, s.tx.LogAmount, s.chosen.app.FloorLimitMinor)
	case emv.SelectedRandomly:
		return fmt.Sprintf("the draw %d is within the target of %d to %d percent",
			s.tx.Draw, s.chosen.app.RandomTarget, s.chosen.app.RandomMaxTarget)
	case emv.DefaultTDOLUsed:
		return "the card's CDOL asks for a hash (98), and it has no TDOL (97)"
	case emv.IssuerAuthFailed:
		return fmt.Sprintf("the card answered %04X to EXTERNAL AUTHENTICATE", uint16(s.told.sw))
	case emv.ScriptFailedBeforeGAC2, emv.ScriptFailedAfterGAC2:
		return s.whyScripts()
	}
	return ""
}

func (s *session) whyAuthentication(bit emv.TVR) string {
	switch {
	case bit == emv.ODANotPerformed:
		return fmt.Sprintf("AIP %04X and terminal capabilities %X have no method in common", uint16(s.profile.aip), s.terminal.capabilities)
	case bit == emv.SDASelected:
		return fmt.Sprintf("SDA is the best that AIP %04X and terminal capabilities %X have in common", uint16(s.profile.aip), s.terminal.capabilities)
	case s.auth.failure == nil:
		return "failed"
	}
	return s.auth.failure.Error()
}

// whyMissing names the objects that data authentication lacks, or the phase's own.
func (s *session) whyMissing() string {
	switch s.phase {
	case Verifying:
		return "the AIP asks for cardholder verification, and there is no CVM list (8E) with rules"
	case Assessing:
		return "the ATC (9F36) or the last online ATC (9F13) could not be read"
	}
	var missing []string
	for _, t := range s.auth.method.needs() {
		if s.objects.get(t) == nil {
			missing = append(missing, t.String())
		}
	}
	if missing == nil {
		return "data that authentication needs are missing"
	}
	return "missing for data authentication: " + strings.Join(missing, " ")
}

func (s *session) whyRestricted(bit emv.TVR) string {
	today := s.tx.Time.Format("060102")
	switch bit {
	case emv.VersionsDiffer:
		return fmt.Sprintf("the card's version is %X (9F08), the terminal's %X (9F09)",
			s.objects.get(tag.ApplicationVersionNumber), s.chosen.app.Version)
	case emv.Expired:
		return fmt.Sprintf("good until %X (5F24), today is %s", s.objects.get(tag.ApplicationExpirationDate), today)
	case emv.NotYetEffective:
		return fmt.Sprintf("good from %X (5F25), today is %s", s.objects.get(tag.ApplicationEffectiveDate), today)
	}
	return fmt.Sprintf("usage control %X (9F07) of country %X does not allow transaction type %02X, cashback %d, at a terminal of type %02X in country %X",
		s.objects.get(tag.ApplicationUsageControl), s.objects.get(tag.IssuerCountryCode),
		s.tx.Type, s.tx.Cashback, s.terminal.kind, s.terminal.country)
}

func whyVerified(bit emv.TVR) string {
	switch bit {
	case emv.CVMFailed:
		return "no rule of the CVM list that counts was successful"
	case emv.CVMUnknown:
		return "a rule that counts names a method that EMV does not know"
	case emv.PINTryLimit:
		return "the card takes no more PIN tries"
	case emv.PINPadMissing:
		return "a rule asks for a PIN for which there is no pad, or the pad does not work"
	case emv.PINNotEntered:
		return "PIN entry was bypassed"
	}
	return "a PIN block was made for the issuer"
}

func (s *session) whyVelocity(bit emv.TVR) string {
	switch {
	case bit == emv.NewCard:
		return "the card was never online: its last online ATC (9F13) is 0"
	case s.told.atc == nil || s.told.lastOnline == nil:
		return "the ATC (9F36) or the last online ATC (9F13) could not be read, which counts as over the limit"
	}
	limit := s.objects.get(tag.LowerConsecutiveOfflineLimit)
	if bit == emv.UpperLimitExceeded {
		limit = s.objects.get(tag.UpperConsecutiveOfflineLimit)
	}
	return fmt.Sprintf("ATC %X, last online ATC %X: more than %d apart, or not rising", s.told.atc, s.told.lastOnline, limit[0])
}

// whyScripts names the scripts that did not run to their end. EMV 4.4 Book 4, Annex A5.
func (s *session) whyScripts() string {
	var words []string
	for r := s.scripts; len(r) >= 5; r = r[5:] {
		switch r[0] & 0xF0 {
		case scriptNotPerformed:
			words = append(words, fmt.Sprintf("script %X could not be read, or is too long", r[1:5]))
		case scriptFailed:
			words = append(words, fmt.Sprintf("script %X failed at command %d", r[1:5], r[0]&0x0F))
		}
	}
	return strings.Join(words, ", ")
}

func (s *session) whyTSI(bit emv.TSI) string {
	switch bit {
	case emv.ODAPerformed:
		if s.auth.failure != nil {
			return s.auth.method.String() + " was done and failed"
		}
		return s.auth.method.String() + " was done"
	case emv.CVMPerformed:
		return "the CVM list was walked"
	case emv.CardRiskPerformed:
		return "the card answered the first GENERATE AC"
	case emv.IssuerAuthPerformed:
		return fmt.Sprintf("EXTERNAL AUTHENTICATE was sent, and answered with %04X", uint16(s.told.sw))
	case emv.TerminalRiskPerformed:
		return "terminal risk management was done"
	case emv.ScriptProcessingApplied:
		return "the issuer's answer holds a script"
	}
	return ""
}

// String names the method.
func (m method) String() string {
	return [...]string{"no data authentication", "SDA", "DDA", "CDA"}[min(m, cda)]
}

// came says what a phase came to.
func (s *session) came(next Phase) string {
	switch s.phase {
	case Listing:
		return fmt.Sprintf("%d candidates", len(s.listed.list))
	case Selecting:
		if s.chosen.app != nil {
			return fmt.Sprintf("application %X", s.chosen.candidate.AID)
		}
	case Initiating:
		if next == Selecting {
			return "the application does not want this payment"
		}
		return fmt.Sprintf("AIP %04X, AFL %X", uint16(s.profile.aip), s.profile.afl)
	case Authenticating:
		return s.cameAuthenticated()
	case Verifying:
		return fmt.Sprintf("CVM Results %X", s.verified.Results)
	case Deciding:
		return s.cameDecided()
	case Asking:
		return s.cameAnswered(s.first, next)
	case GoingOnline:
		if s.online.unable {
			return "unable to go online"
		}
		return fmt.Sprintf("the issuer answers %q", s.arc[:])
	case Completing:
		return s.cameAnswered(s.final, next)
	}
	if next == Done {
		return s.ending.why
	}
	return ""
}

func (s *session) cameAuthenticated() string {
	if s.auth.failure == nil && s.auth.method == cda {
		return "CDA: the keys are recovered, the signature comes with the cryptogram"
	}
	if s.auth.failure == nil && s.auth.method != noMethod {
		return s.auth.method.String() + " succeeded"
	}
	return s.auth.method.String()
}

// cameDecided tells which bits met which codes. Where a recording decided otherwise it
// says that as well.
func (s *session) cameDecided() string {
	codes := s.actionCodes()
	own := analyse(s.tvr, codes, s.deciding())
	words := own.String()
	switch {
	case s.tvr&codes.denial != 0:
		words += " by the denial codes: " + (s.tvr & codes.denial).Names()
	case own == emv.AAC:
		words += " by the default codes: " + (s.tvr & codes.byDefault).Names()
	case own == emv.ARQC && s.deciding().onlineOnly():
		words += ": online only, the terminal or this payment"
	case own == emv.ARQC:
		words += " by the online codes: " + (s.tvr & codes.online).Names()
	default:
		words += ": no code has a bit of the TVR"
	}
	if s.decided != own {
		words += fmt.Sprintf("; the recording asks for %v", s.decided)
	}
	return words
}

func (s *session) cameAnswered(a answered, next Phase) string {
	words := a.kind().String()
	if next == Done {
		words += ": " + s.ending.why
	}
	return words
}
