package kernel

import (
	"context"
	"fmt"
	"slices"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/cvm"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// session is one card's visit. It consists of pieces, each written by the phase that
// it is named after and only read by those that follow; what several phases write is
// the first block.
type session struct {
	*Kernel
	tx     Transaction
	card   Card
	holder Cardholder
	issuer Issuer

	phase   Phase
	left    int // commands that the phase may still send
	spent   int // commands sent
	tvr     emv.TVR
	tsi     emv.TSI
	arc     [2]byte // tag 8A: zero, the issuer's, or Y1, Z1, Y3, Z3
	objects objects // the card's
	scratch [32]byte
	hushed  bool // the command under way carries the card number
	reading bool // the session ends with the records: nothing is asked of the issuer
	ending  ending

	listed   listing
	chosen   choice
	profile  profile
	records  records
	auth     authentication
	verified verification
	decided  emv.Cryptogram // what the first GENERATE AC asks for
	first    answered
	online   online
	final    answered
	scripts  []byte // script results, 5 bytes each
	told     told
}

// ending is how the session ended.
type ending struct {
	outcome  emv.Outcome
	why      string
	fallback bool
}

// choice is the selected application.
type choice struct {
	app       *Application
	candidate Candidate
	preferred string
}

// profile is the card's answer to GET PROCESSING OPTIONS. EMV 4.4 Book 3, 10.1.
type profile struct {
	aip      emv.AIP
	afl      []byte
	pdolData []byte
}

// records is what was read, besides the objects themselves. EMV 4.4 Book 3, 10.2.
type records struct {
	static       []byte // records that take part in data authentication
	staticBroken bool   // one of them is no template 70
	pan          emv.PAN
	track2       emv.Track2
	sequence     int // PAN sequence number, -1 for none
}

// authentication is offline data authentication. EMV 4.4 Book 3, 10.3.
type authentication struct {
	method method
	issuer *oda.PublicKey
	icc    *oda.PublicKey // CDA is possible while it is there
	// failure is what the last check found wrong: of the method, or of a CDA signature.
	failure error
}

// verification is cardholder verification. EMV 4.4 Book 3, 10.5.
type verification struct {
	cvm.Verdict
	bypassed bool
}

// answered is a GENERATE AC: what was asked and what the card said.
type answered struct {
	data      []byte // the CDOL data as sent
	un        [4]byte
	cda       bool // a combined signature was asked for
	cdaFailed bool
	cryptogram
}

// online is the issuer's part. EMV 4.4 Book 3, 10.9.
type online struct {
	unable   bool // no usable answer
	refused  bool // and not to be approved off line
	answered bool
	approved bool
	icc      []byte // the answer's field 55
	issuer   []byte // tag 91 of it
}

func newSession(k *Kernel, tx Transaction, card Card, holder Cardholder, issuer Issuer) *session {
	s := &session{Kernel: k, tx: tx, card: card, holder: holder, issuer: issuer}
	s.objects.arena = make([]byte, 0, 2048)
	s.objects.list = make([]tlv.Object, 0, 64)
	s.verified.Verdict = cvm.NotPerformed()
	s.records.sequence = -1
	return s
}

// end notes the outcome and moves to Done.
func (s *session) end(o emv.Outcome, why string) (Phase, error) {
	s.ending.outcome, s.ending.why = o, why
	return Done, nil
}

// transmit sends one command, counts it and keeps the answer's bytes. The error is the
// card port's, or a breach of a bound.
func (s *session) transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	if s.left == 0 || s.spent >= maxCommands {
		return apdu.Response{}, broken(nil, "too many commands while %v, %d in all", s.phase, s.spent)
	}
	s.left--
	s.spent++
	if err := ctx.Err(); err != nil {
		return apdu.Response{}, fmt.Errorf("INS %02X: %w", cmd.INS, err)
	}
	resp, err := s.card.Transmit(ctx, cmd)
	if err != nil {
		s.trace(Event{Command: &cmd})
		return apdu.Response{}, fmt.Errorf("INS %02X: %w", cmd.INS, err)
	}
	if len(resp.Data) > apdu.MaxResponseData {
		return apdu.Response{}, broken(nil, "answer of %d bytes to INS %02X", len(resp.Data), cmd.INS)
	}
	s.told.sw = resp.SW
	s.trace(Event{Command: &cmd, Response: &resp})
	s.hushed = false
	resp.Data = s.objects.keep(resp.Data)
	return resp, nil
}

// result puts together what is known, whether the session ended well or not.
func (s *session) result() Result {
	r := Result{
		Outcome:       s.ending.outcome,
		Facts:         s.facts(),
		ARC:           s.arc,
		Online:        s.online.answered,
		Reverse:       s.online.approved && s.ending.outcome != emv.Approved,
		Advice:        s.first.cid&adviceBit != 0 || s.final.cid&adviceBit != 0,
		ScriptResults: s.scripts,
		Fallback:      s.ending.fallback,
		Why:           s.ending.why,
	}
	if s.chosen.app != nil {
		r.ICC = s.collect(s.cfg.CompletionTags)
	}
	if r.Outcome == emv.Approved && !r.Online {
		r.Offline = s.offline()
	}
	return r
}

// offline is what is uploaded of a payment without the issuer.
func (s *session) offline() *Offline {
	o := &Offline{Identity: s.identity(), ICC: s.collect(s.cfg.OnlineTags)}
	o.Track2 = emv.Track2{}
	if !slices.Contains(s.cfg.OnlineTags, tag.AuthorisationResponseCode) {
		o.ICC = tlv.Append(o.ICC, tag.AuthorisationResponseCode, s.arc[:])
	}
	return o
}

// identity is who the card said it is.
func (s *session) identity() Identity {
	id := Identity{PAN: s.records.pan, Track2: s.records.track2, PANSequence: s.records.sequence}
	copy(id.Expiry[:], s.objects.get(tag.ApplicationExpirationDate))
	return id
}

// facts are the values of the last cryptogram and everything before it.
func (s *session) facts() Facts {
	last := s.last()
	f := Facts{
		AID:           s.chosen.candidate.AID,
		Label:         string(s.objects.get(tag.ApplicationLabel)),
		PreferredName: s.chosen.preferred,
		TVR:           s.tvr,
		TSI:           s.tsi,
		CVMResults:    s.verified.Results,
		Kind:          last.kind(),
		ATC:           last.atc,
		UN:            s.un(),
		AIP:           s.profile.aip,
		IAD:           last.iad,
		Signature:     s.verified.Signature,
		PINEntered:    s.verified.PIN,
	}
	if last.hasAC {
		f.Cryptogram = last.ac[:]
	}
	return f
}

// last is the latest GENERATE AC that the card answered.
func (s *session) last() *answered {
	if s.final.hasAC {
		return &s.final
	}
	return &s.first
}

// un is tag 9F37 as the command under way, or the last one, has it.
func (s *session) un() [4]byte {
	if (s.phase == Completing || s.final.data != nil) && s.freshUN() {
		return s.tx.UN[1]
	}
	return s.tx.UN[0]
}

// freshUN tells that CDOL2 asks for an unpredictable number, which is a new one then.
func (s *session) freshUN() bool {
	return tlv.DOL(s.objects.get(tag.CDOL2)).Has(tag.UnpredictableNumber)
}
