package kernel

import (
	"context"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// Authorisation response codes that the terminal gives itself, tag 8A.
// EMV 4.4 Book 4, Annex A6.
var (
	offlineApproved  = [2]byte{'Y', '1'}
	offlineDeclined  = [2]byte{'Z', '1'}
	unableAndApprove = [2]byte{'Y', '3'}
	unableAndDecline = [2]byte{'Z', '3'}
)

// actionCodes are one pair's bits: those of the issuer and of the terminal together.
// EMV 4.4 Book 3, 10.7.
type actionCodes struct {
	denial, online, byDefault emv.TVR
}

// allBits is what an issuer who says nothing means: online and default, always.
const allBits emv.TVR = 0xFFFFFFFFFF

// actionCodes joins the card's codes with the terminal's.
func (s *session) actionCodes() actionCodes {
	app := s.chosen.app
	return actionCodes{
		denial:    issuerCode(s.objects.get(tag.IssuerActionCodeDenial), 0) | app.TACDenial,
		online:    issuerCode(s.objects.get(tag.IssuerActionCodeOnline), allBits) | app.TACOnline,
		byDefault: issuerCode(s.objects.get(tag.IssuerActionCodeDefault), allBits) | app.TACDefault,
	}
}

// issuerCode reads an issuer action code, or returns what stands for an absent one.
func issuerCode(raw []byte, absent emv.TVR) emv.TVR {
	code, err := emv.TVRFromBytes(raw)
	if err != nil {
		return absent
	}
	return code
}

// decide is terminal action analysis.
func (s *session) decide(context.Context) (Phase, error) {
	s.decided = s.cfg.replay.asksFirst(analyse(s.tvr, s.actionCodes(), s.deciding()))
	switch s.decided {
	case emv.AAC:
		s.arc = offlineDeclined
	case emv.TC:
		s.arc = offlineApproved
	}
	return Asking, nil
}

// deciding is the terminal as it decides about this payment: one that may not be taken
// without the issuer makes it an online-only terminal.
func (s *session) deciding() terminal {
	t := s.terminal
	if kind := t.kind & 0x0F; s.tx.NoOffline && (kind == 2 || kind == 5) {
		t.kind--
	}
	return t
}

// analyse is point 35: denial comes first; then a terminal that is always online goes
// online, one that can goes by the online codes, and one that cannot by the default
// codes. EMV 4.4 Book 3, 10.7.
func analyse(tvr emv.TVR, codes actionCodes, t terminal) emv.Cryptogram {
	switch {
	case tvr&codes.denial != 0:
		return emv.AAC
	case t.onlineOnly():
		return emv.ARQC
	case t.offlineOnly() && tvr&codes.byDefault != 0:
		return emv.AAC
	case !t.offlineOnly() && tvr&codes.online != 0:
		return emv.ARQC
	}
	return emv.TC
}

// ask is the first GENERATE AC. EMV 4.4 Book 3, 10.8, and Book 2, 6.6.
func (s *session) ask(ctx context.Context) (Phase, error) {
	wantCDA := s.auth.method == cda && s.auth.icc != nil
	a, err := s.generate(ctx, s.decided, tag.CDOL1, wantCDA)
	s.first = a
	if err != nil {
		return Done, err
	}
	s.tsi |= emv.CardRiskPerformed
	if !lowerOrEqual(a.kind(), s.decided) {
		return Done, broken(nil, "%v where %v was asked for", a.kind(), s.decided)
	}
	switch a.kind() {
	case emv.AAC:
		s.arc = offlineDeclined
		return s.end(emv.Declined, s.whyAAC())
	case emv.TC:
		if a.cdaFailed {
			s.arc = offlineDeclined
			return s.end(emv.Declined, "CDA failed on a TC")
		}
		return s.end(emv.Approved, "approved offline by the card")
	}
	if a.cdaFailed {
		s.arc = offlineDeclined
		return Completing, nil
	}
	s.arc = [2]byte{}
	return GoingOnline, nil
}

func (s *session) whyAAC() string {
	if s.decided == emv.AAC {
		return "declined by the terminal: " + (s.tvr & s.actionCodes().denial).Names()
	}
	return "declined offline by the card"
}

// lowerOrEqual is point 37: a card may answer with what it was asked for or with less;
// TC stands above ARQC, ARQC above AAC.
func lowerOrEqual(got, asked emv.Cryptogram) bool {
	order := func(c emv.Cryptogram) int {
		switch c {
		case emv.TC:
			return 2
		case emv.ARQC:
			return 1
		}
		return 0
	}
	return order(got) <= order(asked)
}

// generate sends one GENERATE AC and reads the answer. CDA is never asked for with an
// AAC, and an AAC in answer is never signed. Where it was asked for and the signature
// is missing or wrong, the answer says so.
func (s *session) generate(ctx context.Context, kind emv.Cryptogram, list tlv.Tag, wantCDA bool) (answered, error) {
	a := answered{cda: wantCDA && kind != emv.AAC, un: s.un()}
	cdol := tlv.DOL(s.objects.get(list))
	s.noteDefaultTDOL(cdol)
	var err error
	if a.data, err = s.dolData(list, cdol); err != nil {
		return a, err
	}
	resp, err := s.sendGenerate(ctx, kind, a)
	if err != nil {
		return a, err
	}
	if a.cryptogram, err = parseCryptogram(resp); err != nil {
		return a, broken(err, "GENERATE AC")
	}
	if a.cda && a.kind() != emv.AAC {
		s.auth.failure = s.checkCDA(&a)
		a.cdaFailed = s.auth.failure != nil
		s.tsi |= emv.ODAPerformed
	}
	if a.cdaFailed {
		s.tvr |= emv.CDAFailed
	}
	if !a.hasAC && !a.cdaFailed {
		return a, broken(nil, "GENERATE AC: tag %v is missing", tag.ApplicationCryptogram)
	}
	s.takeCryptogram(&a)
	return a, nil
}
