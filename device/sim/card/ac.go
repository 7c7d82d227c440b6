package card

import (
	"crypto/sha1"
	"crypto/subtle"
	"io"
	"slices"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tlv"
)

// phase is how far a payment is.
type phase uint8

const (
	idle      phase = iota // until GET PROCESSING OPTIONS
	initiated              // until the first GENERATE AC
	online                 // an ARQC is out: EXTERNAL AUTHENTICATE, scripts, second GENERATE AC
	finished               // scripts only
)

// session is one payment, from GET PROCESSING OPTIONS on.
type session struct {
	phase       phase
	pdol, cdol1 []byte // values, as the terminal sent them
	first       emv.Cryptogram
	firstAC     [8]byte
	authDone    bool
	authOK      bool
	pinDone     bool // an offline PIN was presented
	pinOK       bool
	ddaDone     bool
}

// generateAC is GENERATE AC, first or second. EMV 4.4 Book 3, 6.5.5 and 9.
func (c *Card) generateAC(cmd apdu.Command) ([]byte, apdu.SW) {
	asked, cda := emv.Cryptogram(cmd.P1&0xC0), cmd.P1&0x10 != 0
	a := c.selected
	switch {
	case cmd.P2 != 0 || cmd.P1&0x2F != 0 || asked == 0xC0:
		return nil, swWrongP1P2
	case a == nil || a.blocked:
		return nil, swConditions
	}
	switch c.session.phase {
	case initiated:
		return c.firstAC(a, asked, cda, cmd.Data)
	case online:
		return c.secondAC(a, asked, cda, cmd.Data)
	}
	return nil, swConditions
}

func (c *Card) firstAC(a *state, asked emv.Cryptogram, cda bool, data []byte) ([]byte, apdu.SW) {
	if len(data) != dolLength(a.CDOL1) {
		return nil, swWrongLength
	}
	s := &c.session
	s.cdol1 = slices.Clone(data)
	s.first = a.decideFirst(asked)
	cvr := a.results(c, s.first, 2)
	answer, ac, sw := c.cryptogram(a, s.first, cda, cvr, a.CDOL1, data, slices.Concat(s.pdol, data))
	s.firstAC, s.phase = ac, finished
	switch s.first {
	case emv.ARQC:
		s.phase, a.unfinished = online, true
	case emv.TC:
		a.offline++
		a.record(a.CDOL1, data)
	}
	a.scripts, a.scriptFailed = 0, false
	return answer, sw
}

// decideFirst is card risk management: never above what the terminal asks.
func (a *state) decideFirst(asked emv.Cryptogram) emv.Cryptogram {
	switch {
	case asked == emv.AAC || a.AC1 == "aac":
		return emv.AAC
	case asked == emv.ARQC || a.AC1 == "arqc":
		return emv.ARQC
	case a.OfflineMax > 0 && a.offline >= a.OfflineMax:
		return emv.ARQC
	}
	return emv.TC
}

func (c *Card) secondAC(a *state, asked emv.Cryptogram, cda bool, data []byte) ([]byte, apdu.SW) {
	switch {
	case asked == emv.ARQC:
		return nil, swWrongP1P2
	case len(data) != dolLength(a.CDOL2):
		return nil, swWrongLength
	}
	s := &c.session
	arc := string(dolValue(a.CDOL2, data, tagARC))
	unable := arc == "Y3" || arc == "Z3"
	if a.IssuerAuth == InSecondAC && !unable {
		s.authDone = true
		s.authOK = c.checkARPC(a, dolValue(a.CDOL2, data, tagIssuerAuth))
	}
	kind := a.decideSecond(asked, s, unable)
	cvr := a.results(c, s.first, byte(kind)>>6)
	if unable {
		cvr[1] |= 0x01
	}
	answer, _, sw := c.cryptogram(a, kind, cda, cvr, a.CDOL2, data, slices.Concat(s.pdol, s.cdol1, data))
	s.phase = finished
	a.settle(s, kind, unable)
	if kind == emv.TC {
		a.record(a.CDOL2, data)
	}
	return answer, sw
}

func (a *state) decideSecond(asked emv.Cryptogram, s *session, unable bool) emv.Cryptogram {
	switch {
	case asked == emv.AAC || a.AC2 == "aac":
		return emv.AAC
	case s.authDone && !s.authOK:
		return emv.AAC
	case a.IssuerAuthRequired && !s.authOK && !unable:
		return emv.AAC
	}
	return emv.TC
}

// settle keeps the counters after the last cryptogram.
func (a *state) settle(s *session, kind emv.Cryptogram, unable bool) {
	if unable {
		if kind == emv.TC {
			a.offline++
		}
		return
	}
	a.unfinished, a.authFailed = false, s.authDone && !s.authOK
	if !a.authFailed {
		a.lastOnline, a.offline = a.atc, 0
	}
}

// results builds the card verification results, 4 bytes with their length first, in
// the layout that Visa's and UnionPay's chip specifications share. second is 0 AAC,
// 1 TC, 2 not asked yet.
func (a *state) results(c *Card, first emv.Cryptogram, second byte) [4]byte {
	s := &c.session
	cvr := [4]byte{0x03, second<<6 | byte(first)>>2, 0, byte(min(a.scripts, 15)) << 4}
	for _, row := range []struct {
		on   bool
		at   int
		mask byte
	}{
		{s.authDone && !s.authOK, 1, 0x08},
		{s.pinDone, 1, 0x04},
		{s.pinDone && !s.pinOK, 1, 0x02},
		{a.unfinished && s.phase == initiated, 2, 0x80},
		{c.pinTries == 0, 2, 0x40},
		{a.OfflineMax > 0 && a.offline >= a.OfflineMax, 2, 0x20},
		{a.lastOnline == 0, 2, 0x10},
		{a.authFailed, 2, 0x08},
		{s.phase == online && !s.authDone, 2, 0x04},
		{a.scriptFailed, 3, 0x08},
		{s.ddaDone, 3, 0x02},
	} {
		if row.on {
			cvr[row.at] |= row.mask
		}
	}
	return cvr
}

// cryptogram computes the application cryptogram and its answer. transaction is the
// input of the transaction data hash of CDA, before the answer's own objects.
func (c *Card) cryptogram(a *state, kind emv.Cryptogram, cda bool, cvr [4]byte, list tlv.DOL, data, transaction []byte) ([]byte, [8]byte, apdu.SW) {
	iad := append([]byte{0x06, a.DKI, a.CVN}, cvr[:]...)
	ac := a.sign(c.cryptogramData(a, list, data, iad, cvr))
	atc := uint16Bytes(a.atc)
	if cda && a.ODA.CDA && kind != emv.AAC {
		answer, sw := c.combined(a, kind, ac, iad, dolValue(list, data, tagUN), transaction)
		return answer, ac, sw
	}
	if a.Format2 {
		body := appendObjects(nil, []object{
			{Tag: tagCID, Value: []byte{byte(kind)}},
			{Tag: tagATC, Value: atc},
			{Tag: tagAC, Value: ac[:]},
			{Tag: tagIAD, Value: iad},
		})
		return tlv.Append(nil, tagFormat2, body), ac, apdu.OK
	}
	body := slices.Concat([]byte{byte(kind)}, atc, ac[:], iad)
	return tlv.Append(nil, tagFormat1, body), ac, apdu.OK
}

// cryptogramInput is what a cryptogram is computed over of the terminal's data: the
// recommended minimum set of EMV 4.4 Book 2, 8.1.1.
var cryptogramInput = tlv.DOL{
	0x9F, 0x02, 6, 0x9F, 0x03, 6, 0x9F, 0x1A, 2, 0x95, 5, 0x5F, 0x2A, 2, 0x9A, 3, 0x9C, 1, 0x9F, 0x37, 4,
}

// cryptogramData is that set, then AIP, ATC, and the whole IAD (CVN 18) or the card
// verification results (CVN 10).
func (c *Card) cryptogramData(a *state, list tlv.DOL, data, iad []byte, cvr [4]byte) []byte {
	var in []byte
	for e := range cryptogramInput.Entries() {
		value := dolValue(list, data, e.Tag)
		if value == nil {
			value = dolValue(a.CDOL1, c.session.cdol1, e.Tag)
		}
		if value == nil {
			value = dolValue(a.PDOL, c.session.pdol, e.Tag)
		}
		if value == nil {
			value = make([]byte, e.Length)
		}
		in = append(in, value...)
	}
	in = append(in, byte(a.AIP>>8), byte(a.AIP), byte(a.atc>>8), byte(a.atc))
	if a.CVN == 10 {
		return append(in, cvr[:]...)
	}
	return append(in, iad...)
}

// combined is the answer of CDA: the cryptogram inside a signature. EMV 4.4 Book 2, 6.6.1.
func (c *Card) combined(a *state, kind emv.Cryptogram, ac [8]byte, iad, un, transaction []byte) ([]byte, apdu.SW) {
	number, err := c.dynamicNumber()
	if err != nil {
		return nil, swInternal
	}
	before := appendObjects(nil, []object{{Tag: tagCID, Value: []byte{byte(kind)}}, {Tag: tagATC, Value: uint16Bytes(a.atc)}})
	after := tlv.Append(nil, tagIAD, iad)
	hash := sha1.Sum(slices.Concat(transaction, before, after))
	dynamic := append([]byte{byte(len(number))}, number...)
	dynamic = append(append(append(dynamic, byte(kind)), ac[:]...), hash[:]...)
	signed := tlv.Append(nil, tagSDAD, signedDynamic(a.ICCKey, dynamic, un))
	answer := tlv.Append(nil, tagFormat2, slices.Concat(before, signed, after))
	if len(answer) > apdu.MaxResponseData {
		return nil, swInternal
	}
	return answer, apdu.OK
}

// dynamicNumber is tag 9F4C: 8 bytes, never the same.
func (c *Card) dynamicNumber() ([]byte, error) {
	number := make([]byte, 8)
	_, err := io.ReadFull(c.rand, number)
	return number, err
}

// internalAuthenticate is dynamic data authentication. EMV 4.4 Book 2, 6.5.1.
func (c *Card) internalAuthenticate(cmd apdu.Command) ([]byte, apdu.SW) {
	a := c.selected
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return nil, swWrongP1P2
	case a == nil || !a.ODA.DDA || c.session.phase == idle:
		return nil, swConditions
	case len(cmd.Data) != dolLength(a.DDOL):
		return nil, swWrongLength
	}
	number, err := c.dynamicNumber()
	if err != nil {
		return nil, swInternal
	}
	c.session.ddaDone = true
	signed := signedDynamic(a.ICCKey, append([]byte{byte(len(number))}, number...), cmd.Data)
	if a.Format2 {
		return tlv.Append(nil, tagFormat2, tlv.Append(nil, tagSDAD, signed)), apdu.OK
	}
	return tlv.Append(nil, tagFormat1, signed), apdu.OK
}

// externalAuthenticate checks the issuer's cryptogram, once. EMV 4.4 Book 3, 6.5.4.
func (c *Card) externalAuthenticate(cmd apdu.Command) ([]byte, apdu.SW) {
	a, s := c.selected, &c.session
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return nil, swWrongP1P2
	case a == nil || s.phase != online || s.authDone || a.IssuerAuth != ExternalAuthenticate:
		return nil, swConditions
	case len(cmd.Data) < 8 || len(cmd.Data) > 16:
		return nil, swWrongLength
	}
	s.authDone = true
	if s.authOK = c.checkARPC(a, cmd.Data); !s.authOK {
		return nil, apdu.AuthFailed
	}
	return nil, apdu.OK
}

// checkARPC compares tag 91 with what the card computes: method 1 has 8 bytes of
// cryptogram and 2 of response code, method 2 has 4 bytes of cryptogram, 4 of card
// status update and 0 to 8 of proprietary data. EMV 4.4 Book 2, 8.2.
func (c *Card) checkARPC(a *state, data []byte) bool {
	if a.ARPCMethod == 1 {
		if len(data) < 10 {
			return false
		}
		want := a.arpc1(c.session.firstAC, [2]byte(data[8:10]))
		return subtle.ConstantTimeCompare(want[:], data[:8]) == 1
	}
	if len(data) < 8 {
		return false
	}
	want := a.arpc2(c.session.firstAC, [4]byte(data[4:8]), data[8:])
	return subtle.ConstantTimeCompare(want[:], data[:4]) == 1
}

// record appends to the log, newest first.
func (a *state) record(list tlv.DOL, data []byte) {
	var line []byte
	for e := range logFormat.Entries() {
		value := dolValue(list, data, e.Tag)
		if e.Tag == tagATC {
			value = uint16Bytes(a.atc)
		}
		if value == nil {
			value = make([]byte, e.Length)
		}
		line = append(line, value...)
	}
	a.log = append([][]byte{line}, a.log[:min(len(a.log), logSize-1)]...)
}
