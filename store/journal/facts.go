package journal

import (
	"encoding/binary"
	"fmt"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/store"
	"posd/store/wal"
)

// A frame of the second copy says what a payment is worth and what is owed for it:
//
//	byte  0      1: a payment
//	byte  1      state
//	byte  2      kind
//	byte  3      flags: 1 online PIN, 2 fallback, 4 something did not fit, 8 receipt printed
//	bytes 4-11   batch, STAN
//	bytes 12-19  amount in minor units
//	bytes 20-21  currency
//	bytes 22-29  time of the order, Unix seconds
//	byte  30     card sequence number, 255 for none
//	bytes 31-    facts: tag (1), length (1), value
//
// or that a batch is closed:
//
//	byte  0      2
//	bytes 1-8    batch and last STAN of the next
//	bytes 9-16   the first frame that is still needed
//
// The card number is the frame's secret. Numbers are big-endian.
const (
	framePayment = 1
	frameClosed  = 2
	factsHeader  = 31
	closedSize   = 17
)

const (
	factPIN      = 1
	factFallback = 2
	factCut      = 4
	factPrinted  = 8
)

// Tags of facts. They are persisted: numbers are never reused.
const (
	factOperator   = 1
	factTerminal   = 2
	factMerchant   = 3
	factMasked     = 4
	factExpiry     = 5
	factEntry      = 6
	factReason     = 7
	factCode       = 8
	factAuthCode   = 9
	factRRN        = 10
	factAnswerTime = 11
	factSettleDate = 12
	factSince      = 13
	factOriginal   = 14
	factOrigRRN    = 15
	factOrigAuth   = 16
	factOrigDate   = 17
	factBefore     = 18
	factSupervisor = 19
	factRequest    = 20
	factFinal      = 21
	factDebtICC    = 22
	factTVR        = 23
	factAID        = 24
	factNotice     = 25
)

// facts builds a payload.
type facts struct {
	b   []byte
	cut bool
}

func (f *facts) add(tag byte, value []byte) {
	switch {
	case len(value) == 0:
	case len(value) > 255 || len(f.b)+2+len(value) > wal.MaxPayload:
		f.cut = true
	default:
		f.b = append(append(f.b, tag, byte(len(value))), value...)
	}
}

func (f *facts) text(tag byte, s string) { f.add(tag, []byte(s)) }

func (f *facts) number(tag byte, n uint64) {
	if n != 0 {
		f.add(tag, binary.BigEndian.AppendUint64(nil, n))
	}
}

// encodeFacts gives the frame of a payment.
func encodeFacts(r *payment.Record) []byte {
	be := binary.BigEndian
	f := &facts{b: []byte{framePayment, byte(r.State), byte(r.Kind), factFlags(r)}}
	f.b = be.AppendUint32(f.b, r.ID.Batch)
	f.b = be.AppendUint32(f.b, r.ID.STAN)
	f.b = be.AppendUint64(f.b, uint64(r.Amount.Minor))
	f.b = be.AppendUint16(f.b, uint16(r.Amount.Currency))
	f.b = be.AppendUint64(f.b, uint64(r.Time.Unix()))
	f.b = append(f.b, byte(r.PANSequence))
	f.text(factTerminal, r.Terminal)
	f.text(factMerchant, r.Merchant)
	f.text(factMasked, r.Masked)
	f.text(factExpiry, r.Expiry)
	f.text(factEntry, r.EntryMode)
	f.addAnswer(r.Answer)
	f.addOriginal(r)
	f.number(factTVR, uint64(r.Facts.TVR))
	f.add(factAID, r.Facts.AID)
	f.text(factOperator, r.Operator)
	f.text(factSupervisor, r.Supervisor)
	f.addICC(r)
	if f.cut {
		f.b[3] |= factCut
	}
	return f.b
}

func factFlags(r *payment.Record) (flags byte) {
	if r.OnlinePIN {
		flags |= factPIN
	}
	if r.Fallback {
		flags |= factFallback
	}
	if r.Printed {
		flags |= factPrinted
	}
	return flags
}

func (f *facts) addAnswer(a *payment.Answer) {
	if a == nil {
		return
	}
	f.text(factCode, a.Code)
	f.text(factAuthCode, a.AuthCode)
	f.text(factRRN, a.RRN)
	f.text(factAnswerTime, a.Time)
	f.text(factSettleDate, a.SettleDate)
}

func (f *facts) addOriginal(r *payment.Record) {
	f.number(factBefore, uint64(r.Before.Minor))
	o := r.Original
	if o == nil {
		return
	}
	id := binary.BigEndian.AppendUint32(nil, o.ID.Batch)
	f.add(factOriginal, binary.BigEndian.AppendUint32(id, o.ID.STAN))
	f.text(factOrigRRN, o.RRN)
	f.text(factOrigAuth, o.AuthCode)
	f.text(factOrigDate, o.Date)
}

// addICC adds the chip's data, what is needed next first: it is what may not fit.
func (f *facts) addICC(r *payment.Record) {
	if d := r.Reversal; d != nil {
		f.text(factReason, string(d.Reason))
		f.number(factSince, uint64(d.Since.Unix()))
		f.add(factDebtICC, d.ICC)
	}
	if n := r.Script; n != nil && n.Answer == nil {
		f.add(factNotice, n.ICC)
	}
	if r.State == payment.Completed {
		f.add(factFinal, r.Final)
		f.add(factRequest, r.Request)
		return
	}
	f.add(factRequest, r.Request)
	f.add(factFinal, r.Final)
}

// decodeFacts gives the record of a frame, as far as its facts go.
func decodeFacts(b []byte) (*payment.Record, error) {
	if len(b) < factsHeader || b[0] != framePayment {
		return nil, fmt.Errorf("a frame of %d bytes that is no payment: %w", len(b), store.ErrDamaged)
	}
	be := binary.BigEndian
	currency := emv.Currency(be.Uint16(b[20:]))
	r := &payment.Record{
		ID:    payment.ID{Batch: be.Uint32(b[4:]), STAN: be.Uint32(b[8:])},
		State: payment.State(b[1]), Kind: payment.Kind(b[2]),
		Amount: emv.Amount{Minor: int64(be.Uint64(b[12:])), Currency: currency},
		Time:   time.Unix(int64(be.Uint64(b[22:])), 0).UTC(), PANSequence: int(b[30]),
		OnlinePIN: b[3]&factPIN != 0, Fallback: b[3]&factFallback != 0, Printed: b[3]&factPrinted != 0,
		Why: "rebuilt from the second copy",
	}
	if b[30] == 255 {
		r.PANSequence = -1
	}
	if b[3]&factCut != 0 {
		r.Why += ", which had no room for all chip data"
	}
	for rest := b[factsHeader:]; len(rest) > 0; {
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			return nil, fmt.Errorf("frame of %v: a fact overruns it: %w", r.ID, store.ErrDamaged)
		}
		setFact(r, rest[0], rest[2:2+int(rest[1])])
		rest = rest[2+int(rest[1]):]
	}
	return r, nil
}

// setFact puts a fact in its place. One that a newer version wrote is left out.
func setFact(r *payment.Record, tag byte, value []byte) {
	if at := textFact(r, tag); at != nil {
		*at = string(value)
		return
	}
	number := uint64(0)
	if len(value) == 8 {
		number = binary.BigEndian.Uint64(value)
	}
	switch tag {
	case factRequest:
		r.Request = value
	case factFinal:
		r.Final = value
	case factAID:
		r.Facts.AID = value
	case factTVR:
		r.Facts.TVR = emv.TVR(number)
	case factBefore:
		r.Before = emv.Amount{Minor: int64(number), Currency: r.Amount.Currency}
	case factOriginal:
		original(r).ID = payment.ID{Batch: uint32(number >> 32), STAN: uint32(number)}
	case factReason:
		debt(r).Reason = payment.Reason(value)
	case factSince:
		debt(r).Since = time.Unix(int64(number), 0).UTC()
	case factDebtICC:
		debt(r).ICC = value
	case factNotice:
		r.Script = &payment.Notice{ICC: value, Since: r.Time}
	}
}

// textFact returns the field of a fact that is text.
func textFact(r *payment.Record, tag byte) *string {
	switch tag {
	case factOperator:
		return &r.Operator
	case factSupervisor:
		return &r.Supervisor
	case factTerminal:
		return &r.Terminal
	case factMerchant:
		return &r.Merchant
	case factMasked:
		return &r.Masked
	case factExpiry:
		return &r.Expiry
	case factEntry:
		return &r.EntryMode
	case factCode:
		return &answer(r).Code
	case factAuthCode:
		return &answer(r).AuthCode
	case factRRN:
		return &answer(r).RRN
	case factAnswerTime:
		return &answer(r).Time
	case factSettleDate:
		return &answer(r).SettleDate
	case factOrigRRN:
		return &original(r).RRN
	case factOrigAuth:
		return &original(r).AuthCode
	case factOrigDate:
		return &original(r).Date
	}
	return nil
}

func answer(r *payment.Record) *payment.Answer {
	if r.Answer == nil {
		r.Answer = &payment.Answer{}
	}
	return r.Answer
}

func original(r *payment.Record) *payment.Original {
	if r.Original == nil {
		r.Original = &payment.Original{}
	}
	return r.Original
}

func debt(r *payment.Record) *payment.Debt {
	if r.Reversal == nil {
		r.Reversal = &payment.Debt{}
	}
	return r.Reversal
}

// closed is the frame that ends a batch.
type closed struct {
	batch, stan uint32 // of the next
	from        uint64
}

func (c closed) encode() []byte {
	b := binary.BigEndian.AppendUint32([]byte{frameClosed}, c.batch)
	b = binary.BigEndian.AppendUint32(b, c.stan)
	return binary.BigEndian.AppendUint64(b, c.from)
}

func decodeClosed(b []byte) (closed, error) {
	if len(b) != closedSize || b[0] != frameClosed {
		return closed{}, fmt.Errorf("a frame of %d bytes that closes no batch: %w", len(b), store.ErrDamaged)
	}
	be := binary.BigEndian
	return closed{be.Uint32(b[1:]), be.Uint32(b[5:]), be.Uint64(b[9:])}, nil
}
