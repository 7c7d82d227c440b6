package replay

import (
	"errors"
	"fmt"
	"strings"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/replay/vector"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// compare finds the first difference between a session and its recording.
func (s *Session) compare(p played) (difference, bool) {
	if s.cvm != nil {
		return s.compareCVM(p)
	}
	for i := range s.scenario.Steps {
		if d, differs := s.compareStep(p, i); differs {
			return d, true
		}
	}
	if d, differs := s.compareLog(p); differs {
		return d, true
	}
	if d, differs := s.compareRecovered(p); differs {
		return d, true
	}
	return s.compareEnd(p)
}

// reached adds up what the phases of one step did.
func (p played) reached(phases []kernel.Phase) seen {
	var out seen
	for _, phase := range phases {
		if at := p.phases[phase.String()]; at != nil {
			out.ran, out.tvr, out.tsi = true, at.tvr, at.tsi
			out.sent = append(out.sent, at.sent...)
		}
	}
	return out
}

func (s *Session) compareStep(p played, i int) (difference, bool) {
	step := s.scenario.Steps[i]
	phases := phasesOf(step.Phase)
	differs := func(field, want, got string) (difference, bool) {
		return difference{step.Phase, field, want, got}, true
	}
	if phases == nil {
		return differs("phase", "a phase that the kernel has", "none of this name")
	}
	got := p.reached(phases)
	if !got.ran {
		return differs("outcome", firstWord(step.Outcome, "reached"), "not reached: "+p.why())
	}
	if at := p.reached(phasesOf("card_action_analysis")); i == len(s.scenario.Steps)-1 && s.goesOn() && at.ran {
		got.tvr, got.tsi = at.tvr, at.tsi
	}
	fix := s.correction(i)
	if want, sent := fix.commands(step.Sent, p), fix.commands(got.sent, p); step.Sent != nil && want != sent {
		return differs("sent", p.shown(step.Sent...), p.shown(got.sent...))
	}
	if want := fix.tvr; want != nil && (*want^got.tvr)&^fix.tvrLeft != 0 {
		return differs("tvr", want.String(), got.tvr.String())
	}
	if want := fix.tsi; want != nil && (*want^got.tsi)&^fix.tsiLeft != 0 {
		return differs("tsi", want.String(), (got.tsi &^ emv.CardRiskPerformed).String())
	}
	if want, ended := fix.outcome, p.outcomeOf(phases); want != "" && want != ended {
		return differs("outcome", step.Outcome, ended)
	}
	return difference{}, false
}

func firstWord(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// why says how the session ended, for one that ended early.
func (p played) why() string {
	if p.err != nil {
		return p.err.Error()
	}
	return p.result.Why
}

// outcomeOf says how a step ended, in the words of the recordings.
func (p played) outcomeOf(phases []kernel.Phase) string {
	here := false
	for _, phase := range phases {
		here = here || phase.String() == p.ended
	}
	switch {
	case !here || p.stopped:
		return "OK"
	case p.err != nil:
		return "error: " + p.err.Error()
	case p.result.Outcome == emv.Terminated:
		return "Card error"
	case p.result.Outcome == emv.NotAccepted:
		return "Not accepted"
	}
	return "OK" // approved or declined: the card did its part
}

// correction is what a step is compared with: the recording as its verdict corrects it.
type correction struct {
	tvr            *emv.TVR
	tsi            *emv.TSI
	tvrLeft        emv.TVR // bits that are left out
	tsiLeft        emv.TSI
	outcome        string
	maskTVR        emv.TVR // bits of the TVR in the data of GENERATE AC that are left out
	anyDDA, anyCDA bool
}

// dynamicBits are those by which an authentication that turns round shows.
const (
	ddaBits = emv.DDAFailed
	cdaBits = emv.CDAFailed
)

func (s *Session) correction(i int) correction {
	step, v := s.scenario.Steps[i], s.scenario.Verdict
	last := s.scenario.Steps[len(s.scenario.Steps)-1]
	fix := correction{tvr: step.TVR, tsi: step.TSI, tsiLeft: emv.CardRiskPerformed, outcome: outcomeWord(step.Outcome)}
	corrected := v.TVR != nil || v.TSI != nil || v.Expected != ""
	if corrected && i == len(s.scenario.Steps)-1 {
		fix.outcome = ""
		if v.TVR != nil {
			fix.tvr = v.TVR
		}
		if v.TSI != nil {
			fix.tsi = v.TSI
		} else {
			fix.tsiLeft |= emv.ODAPerformed // what the verdict does not say is not settled
		}
	}
	if v.TVR == nil || last.TVR == nil || phasesOf(step.Phase)[0] < kernel.Authenticating {
		return fix
	}
	turned := *v.TVR ^ *last.TVR
	fix.maskTVR, fix.anyDDA, fix.anyCDA = turned, turned&ddaBits != 0, turned&cdaBits != 0
	if i < len(s.scenario.Steps)-1 {
		fix.tvrLeft = turned
		fix.tsiLeft |= emv.ODAPerformed
	}
	return fix
}

// outcomeWord brings the outcomes of recordings to those that a session has. A word that
// means that the terminal tries something else is not compared.
func outcomeWord(s string) string {
	switch s {
	case "OK", "Card error", "Not accepted":
		return s
	case "Card blocked":
		return "Not accepted"
	}
	return ""
}

// commands writes commands for a comparison, less what the correction leaves out.
func (fix correction) commands(sent []string, p played) string {
	if fix.maskTVR == 0 {
		return strings.Join(sent, " ")
	}
	var out []string
	for _, s := range sent {
		cmd, err := apdu.ParseCommand(unhex(s))
		switch {
		case err != nil:
			out = append(out, s)
		case cmd.INS == apdu.InsInternalAuthenticate && fix.anyDDA:
		case cmd.INS == apdu.InsGenerateAC:
			out = append(out, fix.cryptogram(cmd, p))
		default:
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

// cryptogram writes a GENERATE AC without the bits that the correction leaves out. Its
// data are by CDOL1 or CDOL2, whichever is as long.
func (fix correction) cryptogram(cmd apdu.Command, p played) string {
	if fix.anyCDA {
		cmd.P1 &^= 0x10
	}
	left := fix.maskTVR.Bytes()
	for _, list := range []tlv.Tag{tag.CDOL1, tag.CDOL2} {
		at, total := offset(p.cdols[list], tag.TVR)
		if at < 0 || total != len(cmd.Data) {
			continue
		}
		for i := range left {
			cmd.Data[at+i] &^= left[i]
		}
		break
	}
	return fmt.Sprintf("%X", cmd.Append(nil))
}

// offset finds a tag of 5 bytes in the data that a list asks for, -1 where it does not,
// and counts the data.
func offset(list tlv.DOL, t tlv.Tag) (at, total int) {
	at = -1
	for e, err := range list.Entries() {
		if err != nil {
			return -1, 0
		}
		if e.Tag == t && e.Length == 5 && at < 0 {
			at = total
		}
		total += e.Length
	}
	return at, total
}

// compareLog finds where a session left its log, or what of the log it did not send.
func (s *Session) compareLog(p played) (difference, bool) {
	log, ok := s.card.(*vector.Card)
	if !ok || !s.scenario.Ordered {
		return difference{}, false
	}
	due, left := log.Due()
	switch {
	case errors.Is(p.err, vector.ErrOrder):
		want := "the end of the log"
		if left {
			want = p.shown(fmt.Sprintf("%X", due.Command))
		}
		return difference{p.ended, "sent", want, p.lastSent()}, true
	case errors.Is(p.err, vector.ErrMute):
		return difference{}, false // the card was gone, then as now
	case left && !p.stopped:
		return difference{p.ended, "sent", p.shown(fmt.Sprintf("%X", due.Command)), "the end of the session: " + p.why()}, true
	}
	return difference{}, false
}

func (p played) lastSent() string {
	at := p.phases[p.ended]
	if at == nil || len(at.sent) == 0 {
		return "nothing"
	}
	return p.shown(at.sent[len(at.sent)-1])
}

// compareRecovered looks at what the first GENERATE AC and the signatures gave. A verdict
// that turns authentication round makes the recording's values void.
func (s *Session) compareRecovered(p played) (difference, bool) {
	if s.scenario.Verdict.TVR != nil {
		return difference{}, false
	}
	for _, t := range s.recoveredTags() {
		want := fmt.Sprintf("%X", s.scenario.Recovered[t])
		asked, final := fmt.Sprintf("%X", p.asked[t]), fmt.Sprintf("%X", p.final[t])
		if want != asked && want != final {
			return difference{"card_action_analysis", t.String(), want, asked}, true
		}
	}
	return difference{}, false
}

// compareEnd looks at how the whole ended, where the recording says so, and at what no
// step speaks of.
func (s *Session) compareEnd(p played) (difference, bool) {
	switch want := s.scenario.Outcome; {
	case want != "" && p.result.Outcome.String() != want:
		return difference{p.ended, "outcome", want, p.result.Outcome.String() + ": " + p.why()}, true
	case p.err != nil && !errors.Is(p.err, vector.ErrMute):
		return difference{p.ended, "outcome", "an end", "error: " + p.err.Error()}, true
	}
	return difference{}, false
}
