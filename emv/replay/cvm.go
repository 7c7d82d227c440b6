package replay

import (
	"context"
	"fmt"
	"time"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/replay/vector"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// A CVM case has no card of its own. It is given the least that comes before cardholder
// verification, with the case's AIP, list and currency, and no data authentication: a
// missing certificate would set bits that the case speaks of.

// cvmDay is a day on which the card is good.
var cvmDay = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// cvmAID is the application of that card, of the range that nobody registers.
var cvmAID = []byte{0xF0, 0x00, 0x00, 0x00, 0x01, 0x01, 0x01}

// authenticationBits of the AIP, byte 1: XDA, SDA, DDA, CDA.
const authenticationBits = 0x80 | 0x40 | 0x20 | 0x01

func prepareCVM(c *vector.CVM) *Session {
	return &Session{
		id: c.ID,
		cfg: kernel.Config{
			Data: map[tlv.Tag][]byte{
				tag.TerminalCapabilities:           c.Capabilities[:],
				tag.TerminalType:                   {c.TerminalType},
				tag.AdditionalTerminalCapabilities: {0xF0, 0, 0xF0, 0xA0, 0x01},
				tag.TerminalCountryCode:            {0x01, 0x56},
			},
			Applications: []kernel.Application{{AID: cvmAID}},
			OnlineTags:   []tlv.Tag{tag.ApplicationCryptogram},
		},
		tx: transaction(vector.Payment{
			// No condition looks at the cashback itself, and a payment has none above its amount.
			Amount: c.Amount, Cashback: min(c.Cashback, c.Amount.Minor), Type: c.Transaction, Time: cvmDay,
		}),
		outcomes: c.Outcomes,
		card:     newCVMCard(c),
		cvm:      c,
	}
}

// cvmCard is a card that gets as far as its CVM list.
type cvmCard struct{ fci, options, record apdu.Response }

func newCVMCard(c *vector.CVM) *cvmCard {
	fci := tlv.Append(nil, tag.DFName, cvmAID)
	fci = tlv.Append(fci, tag.FCIProprietaryTemplate, tlv.Append(nil, tag.ApplicationLabel, []byte("CVM")))
	var content []byte
	for _, obj := range []tlv.Object{
		{Tag: tag.ApplicationPAN, Value: []byte{0x62, 0x77, 0, 0, 0, 0, 0, 0x17}},
		{Tag: tag.ApplicationExpirationDate, Value: []byte{0x49, 0x12, 0x31}},
		{Tag: tag.CDOL1, Value: []byte{byte(tag.TVR), 5}},
		{Tag: tag.CDOL2, Value: []byte{byte(tag.TVR), 5}},
		{Tag: tag.CVMList, Value: c.List},
	} {
		content = tlv.Append(content, obj.Tag, obj.Value)
	}
	if c.Currency != nil {
		content = tlv.Append(content, tag.ApplicationCurrencyCode, c.Currency[:])
	}
	options := []byte{c.AIP[0] &^ authenticationBits, c.AIP[1], 0x08, 0x01, 0x01, 0x00}
	ok := func(t tlv.Tag, value []byte) apdu.Response {
		return apdu.Response{Data: tlv.Append(nil, t, value), SW: apdu.OK}
	}
	return &cvmCard{ok(tag.FCITemplate, fci), ok(tag.ResponseTemplate1, options), ok(tag.ReadRecordTemplate, content)}
}

func (*cvmCard) Reset() {}

func (c *cvmCard) Transmit(_ context.Context, cmd apdu.Command) (apdu.Response, error) {
	switch cmd.INS {
	case apdu.InsSelect:
		return c.fci, nil
	case apdu.InsGetProcessingOptions:
		return c.options, nil
	case apdu.InsReadRecord:
		return c.record, nil
	}
	return apdu.Response{SW: apdu.InstructionNotSupported}, nil
}

const cvmPhase = "cardholder_verification"

// compareCVM compares the results, and the bits that verification itself set.
func (s *Session) compareCVM(p played) (difference, bool) {
	differs := func(field, want, got string) (difference, bool) {
		return difference{cvmPhase, field, want, got}, true
	}
	terminated := p.err == nil && !p.stopped && p.result.Outcome == emv.Terminated && p.ended == kernel.Verifying.String()
	switch {
	case s.cvm.Terminate && !terminated:
		return differs("terminate", "true", "false")
	case s.cvm.Terminate:
		return difference{}, false
	case !p.stopped:
		return differs("outcome", "OK", firstWord(p.result.Outcome.String(), "error")+": "+p.why())
	}
	var tvr emv.TVR
	var tsi emv.TSI
	if before, at := p.phases[kernel.Restricting.String()], p.phases[kernel.Verifying.String()]; before != nil && at != nil {
		tvr, tsi = at.tvr&^before.tvr, at.tsi&^before.tsi
	}
	bits, done := tvr.Bytes(), tsi.Bytes()
	for _, row := range []struct{ field, want, got string }{
		{"9F34", fmt.Sprintf("%X", s.cvm.Results), fmt.Sprintf("%X", p.result.Facts.CVMResults)},
		{"tvr1", fmt.Sprintf("%02X", s.cvm.TVR1), fmt.Sprintf("%02X", bits[0])},
		{"tvr3", fmt.Sprintf("%02X", s.cvm.TVR3), fmt.Sprintf("%02X", bits[2])},
		{"tsi", fmt.Sprintf("%02X", s.cvm.TSI1), fmt.Sprintf("%02X", done[0])},
	} {
		if row.want != row.got {
			return differs(row.field, row.want, row.got)
		}
	}
	return difference{}, false
}
