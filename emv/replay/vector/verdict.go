package vector

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"posd/emv"
)

func (r *rawScenario) readSteps(s *Scenario) (err error) {
	s.Outcome = r.Expect.Outcome
	for i, raw := range r.Expect.Steps {
		field := fmt.Sprintf("expect.steps[%d]", i)
		step := Step{Phase: raw.Phase, Outcome: raw.Outcome}
		if raw.Phase == "" {
			return bad(field+".phase", "missing")
		}
		if step.TVR, err = tvrOf(field+".tvr", raw.TVR); err != nil {
			return err
		}
		if step.TSI, err = tsiOf(field+".tsi", raw.TSI); err != nil {
			return err
		}
		if raw.Sent != nil {
			step.Sent = []string{}
		}
		for j, sent := range raw.Sent {
			b, err := bytesOf(fmt.Sprintf("%s.sent[%d]", field, j), sent, 4, 261)
			if err != nil {
				return err
			}
			step.Sent = append(step.Sent, fmt.Sprintf("%X", b))
		}
		s.Steps = append(s.Steps, step)
	}
	s.Recovered, err = dataOf("expect.recovered", r.Expect.Recovered)
	return err
}

// readVerdict reads the correction of a recording. Its words are in "expected"; "expect"
// may hold words, or the values themselves.
func (r *rawScenario) readVerdict(s *Scenario) (err error) {
	raw := r.Verdict
	v := Verdict{Why: raw.Why, Expected: raw.Expected}
	switch raw.Use {
	case "", "assert":
	case "review":
		v.Review = true
	default:
		return bad("verdict.use", "assert or review wanted")
	}
	if len(raw.Expect) > 0 && string(raw.Expect) != "null" {
		var values struct{ TVR, TSI, Outcome string }
		switch {
		case json.Unmarshal(raw.Expect, &v.Expected) == nil:
		case json.Unmarshal(raw.Expect, &values) == nil:
			raw.TVR, raw.TSI = firstOf(values.TVR, raw.TVR), firstOf(values.TSI, raw.TSI)
			v.Expected = firstOf(values.Outcome, "values of verdict.expect")
		default:
			return bad("verdict.expect", "neither words nor values")
		}
	}
	if v.TVR, err = tvrOf("verdict.tvr", raw.TVR); err != nil {
		return err
	}
	if v.TSI, err = tsiOf("verdict.tsi", raw.TSI); err != nil {
		return err
	}
	s.Verdict = v
	return nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func tvrOf(field, s string) (*emv.TVR, error) {
	if s == "" {
		return nil, nil
	}
	b, err := bytesOf(field, s, 5, 5)
	if err != nil {
		return nil, err
	}
	tvr, err := emv.TVRFromBytes(b)
	return &tvr, err
}

func tsiOf(field, s string) (*emv.TSI, error) {
	if s == "" {
		return nil, nil
	}
	b, err := bytesOf(field, s, 2, 2)
	if err != nil {
		return nil, err
	}
	tsi := emv.TSI(binary.BigEndian.Uint16(b))
	return &tsi, nil
}

// readCard reads the card's script.
func (r *rawScenario) readCard(s *Scenario) (err error) {
	if r.Card == nil || len(r.Card.Answers) == 0 {
		return bad("card.answers", "missing")
	}
	if m := r.Card.Match; m != "" && m != "exact" {
		return bad("card.match", "exact wanted")
	}
	for i, a := range r.Card.Answers {
		field := fmt.Sprintf("card.answers[%d]", i)
		var x Exchange
		if x.Command, err = bytesOf(field+".c", a.C, 4, 261); err != nil {
			return err
		}
		if x.Answer, err = bytesOf(field+".r", a.R, 2, 258); err != nil {
			return err
		}
		s.Answers = append(s.Answers, x)
	}
	s.Else, err = elseOf(strings.TrimSpace(r.Card.Else))
	return err
}
