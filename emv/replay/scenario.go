package replay

import (
	"bytes"
	"context"
	"slices"

	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/oda"
	"posd/emv/replay/vector"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// phasesOf maps the phases of recordings to the kernel's, some of which are parts of
// theirs.
func phasesOf(name string) []kernel.Phase {
	switch name {
	case "candidate_list":
		return []kernel.Phase{kernel.Listing}
	case "select_application":
		return []kernel.Phase{kernel.Selecting}
	case "initiate_application_processing":
		return []kernel.Phase{kernel.Initiating}
	case "read_application_data":
		return []kernel.Phase{kernel.Reading}
	case "offline_data_authentication":
		return []kernel.Phase{kernel.Authenticating}
	case "processing_restrictions":
		return []kernel.Phase{kernel.Restricting}
	case "cardholder_verification":
		return []kernel.Phase{kernel.Verifying}
	case "terminal_risk_management":
		return []kernel.Phase{kernel.Assessing}
	case "terminal_action_analysis":
		return []kernel.Phase{kernel.Deciding}
	case "card_action_analysis":
		return []kernel.Phase{kernel.Deciding, kernel.Asking}
	case "online_processing":
		return []kernel.Phase{kernel.GoingOnline, kernel.ScriptingBefore}
	case "completion":
		return []kernel.Phase{kernel.Completing, kernel.ScriptingAfter}
	}
	for p := kernel.Listing; p < kernel.Done; p++ {
		if p.String() == name {
			return []kernel.Phase{p}
		}
	}
	return nil
}

// prepareScenario makes terminal, payment and recording of a scenario.
func prepareScenario(sc *vector.Scenario) *Session {
	return &Session{
		id:       sc.ID,
		cfg:      config(sc),
		rec:      kernel.Recording{First: sc.First, Second: sc.Second, CVMResults: sc.CVMResults},
		tx:       transaction(sc.Payment),
		card:     sc.Card(),
		outcomes: sc.Outcomes,
		scenario: sc,
	}
}

// pse is the command that selects the payment system environment, without its Le.
var pse = append([]byte{0x00, 0xA4, 0x04, 0x00, 0x0E}, "1PAY.SYS.DDF01"...)

func config(sc *vector.Scenario) kernel.Config {
	cfg := kernel.Config{UsePSE: true, Data: sc.Terminal.Data, OnlineTags: []tlv.Tag{tag.ApplicationCryptogram}}
	if sc.Ordered {
		cfg.UsePSE = bytes.HasPrefix(sc.Answers[0].Command, pse)
	}
	for _, a := range sc.Terminal.Apps {
		cfg.Applications = append(cfg.Applications, kernel.Application{
			AID: a.AID, Partial: a.Partial, Version: sc.Terminal.Version,
			FloorLimitMinor: sc.Terminal.FloorLimitMinor, DefaultDDOL: sc.Terminal.DefaultDDOL,
		})
	}
	// A key that is not right is not loaded: the terminal has none then.
	cfg.CAKeys = slices.DeleteFunc(slices.Clone(sc.CAKeys), func(k oda.CAKey) bool { return k.Check() != nil })
	return cfg
}

// transaction makes the payment. No payment of a recording is selected at random: what
// was, its first GENERATE AC says.
func transaction(p vector.Payment) kernel.Transaction {
	return kernel.Transaction{
		Amount: p.Amount, Cashback: p.Cashback, Type: p.Type, Time: p.Time, Sequence: p.Sequence,
		UN: [2][4]byte{p.UN, p.UN}, Draw: 99,
	}
}

// last are the phases with which the recording ends, none where it goes to the end. A
// recording that ended early, which the verdict has for wrong, is played on to the first
// GENERATE AC.
func (s *Session) last() []kernel.Phase {
	if s.cvm != nil {
		return []kernel.Phase{kernel.Verifying}
	}
	n := len(s.scenario.Steps)
	if n == 0 {
		return nil
	}
	if s.goesOn() {
		return phasesOf("card_action_analysis")
	}
	return phasesOf(s.scenario.Steps[n-1].Phase)
}

// goesOn tells of a recording that ended before the first GENERATE AC, although by the
// verdict the session should have gone on: its TVR and TSI are those of then.
func (s *Session) goesOn() bool {
	last, v := s.scenario.Steps[len(s.scenario.Steps)-1], s.scenario.Verdict
	phases := phasesOf(last.Phase)
	return v.TVR != nil && outcomeWord(last.Outcome) != "OK" && phases != nil && phases[0] < kernel.Deciding
}

// issuer answers as the recording has it.
func (s *Session) issuer() kernel.Issuer {
	if s.scenario == nil || s.scenario.Online == nil {
		return issuer{}
	}
	return issuer{s.scenario.Online}
}

type issuer struct{ online *vector.Online }

func (i issuer) Authorize(context.Context, kernel.OnlineRequest) (kernel.OnlineAnswer, error) {
	if i.online == nil {
		return kernel.OnlineAnswer{}, kernel.ErrUnableToGoOnline
	}
	return kernel.OnlineAnswer{ARC: i.online.ARC, ICC: i.online.ICC}, nil
}

// holder chooses the application that the recording selects, and enters the PIN that a
// log has.
func (s *Session) holder(c kernel.Card) kernel.Cardholder {
	h := holder{session: s}
	h.log, _ = c.(*vector.Card)
	return h
}

type holder struct {
	session *Session
	log     *vector.Card // nil for a CVM case
}

func (h holder) Select(_ context.Context, list []kernel.Candidate) (int, error) {
	for i, c := range list {
		if h.session.selects(apdu.Select(c.AID, false).Append(nil), h.log) {
			return i, nil
		}
	}
	return 0, nil
}

// selects tells whether the recording goes on with the command.
func (s *Session) selects(command []byte, log *vector.Card) bool {
	if log != nil {
		if due, ok := log.Due(); ok {
			return bytes.HasPrefix(command, due.Command)
		}
	}
	if s.scenario == nil {
		return false
	}
	for _, step := range s.scenario.Steps {
		if step.Phase == "select_application" && len(step.Sent) > 0 {
			return bytes.Equal(unhex(step.Sent[0]), command)
		}
	}
	return false
}

// EnterPIN takes the data of the VERIFY that a log has next, so that the same bytes go to
// the card. Behind a GET CHALLENGE it is the one after that.
func (h holder) EnterPIN(_ context.Context, req kernel.PINRequest) (kernel.PINResult, error) {
	if req.Online || h.log == nil {
		return kernel.PINResult{Status: kernel.PINEntered}, nil
	}
	if due, ok := h.log.Due(); ok {
		cmd, err := apdu.ParseCommand(due.Command)
		if err == nil && cmd.INS == apdu.InsVerify {
			return kernel.PINResult{Status: kernel.PINEntered, VerifyData: slices.Clone(cmd.Data)}, nil
		}
	}
	return kernel.PINResult{Status: kernel.PINBypassed}, nil
}
