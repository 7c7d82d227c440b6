package kernel

import (
	"context"

	"posd/emv"
	"posd/emv/tag"
)

// complete is the second GENERATE AC, the last word between terminal and card.
// EMV 4.4 Book 3, 10.11, and 10.7 where the issuer could not be asked.
func (s *session) complete(ctx context.Context) (Phase, error) {
	kind := s.cfg.replay.asksSecond(s.decideLast())
	if s.online.unable {
		s.arc = unableAndDecline
		if kind == emv.TC {
			s.arc = unableAndApprove
		}
	}
	wantCDA := s.auth.method == cda && s.auth.icc != nil && !s.first.cdaFailed
	a, err := s.generate(ctx, kind, tag.CDOL2, wantCDA)
	s.final = a
	if err != nil {
		return Done, err
	}
	if a.kind() == emv.ARQC {
		return Done, broken(nil, "ARQC to the second GENERATE AC")
	}
	s.ending.outcome, s.ending.why = s.judge(kind, a)
	if s.online.answered {
		return ScriptingAfter, nil
	}
	return Done, nil
}

// decideLast decides what the second GENERATE AC asks for.
func (s *session) decideLast() emv.Cryptogram {
	switch {
	case s.first.cdaFailed:
		return emv.AAC
	case s.online.refused:
		return emv.AAC
	case s.online.unable:
		return unable(s.tvr, s.actionCodes(), s.deciding())
	case s.online.approved:
		return emv.TC
	}
	return emv.AAC
}

// unable decides for a terminal that wanted to go online and could not: by the default
// codes, but a terminal that is made to be online declines. EMV 4.4 Book 3, 10.7.
func unable(tvr emv.TVR, codes actionCodes, t terminal) emv.Cryptogram {
	if t.onlineOnly() || tvr&codes.byDefault != 0 {
		return emv.AAC
	}
	return emv.TC
}

// judge is point 42: the payment is good if a TC was asked for and given, and its
// signature, where one was asked for, is right.
func (s *session) judge(asked emv.Cryptogram, a answered) (emv.Outcome, string) {
	switch {
	case s.first.cdaFailed:
		return emv.Declined, "CDA failed on an ARQC"
	case asked == emv.AAC && s.online.answered:
		return emv.Declined, "declined by the issuer with " + string(s.arc[:])
	case asked == emv.AAC && (s.online.refused || s.deciding().onlineOnly()):
		return emv.Declined, "unable to go online"
	case asked == emv.AAC:
		return emv.Declined, "unable to go online: " + (s.tvr & s.actionCodes().byDefault).Names()
	case a.kind() != emv.TC:
		return emv.Declined, "declined by the card after going online"
	case a.cdaFailed:
		return emv.Declined, "CDA failed on the final TC"
	case s.online.unable:
		return emv.Approved, "unable to go online, approved by the card"
	}
	return emv.Approved, "approved by issuer and card"
}
