package acquirer

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/transport/iso8583"
)

// malformed answers 30 to a request that cannot be read, where at least its type and
// STAN can. Nothing is posted. The answer is addressed by the certificate, not by what
// the message claims.
func (d *Desk) malformed(ctx context.Context, from Peer, frame []byte, cause error) (Reply, error) {
	mti, stan, ok := peek(frame)
	if !ok {
		return Reply{}, fmt.Errorf("acquirer: frame of %d bytes cannot be answered: %w", len(frame), cause)
	}
	v := &visit{from: from, header: peekHeader(frame).Answer(), now: d.cfg.Now()}
	err := d.cfg.DB.View(ctx, func(tx db.Tx) (err error) {
		v.terminal, err = estate.FindTerminal(ctx, tx, from.TID)
		return err
	})
	if err != nil {
		return Reply{}, fmt.Errorf("acquirer: frame of %d bytes: %w: %w", len(frame), cause, err)
	}
	d.cfg.Log.Warn("refused", "tid", from.TID, "stan", stan, "code", codeFormat, "why", cause.Error())
	out, err := d.seal(v, formatError(mti, stan, v))
	if err != nil {
		return Reply{}, fmt.Errorf("acquirer: answer format error: %w: %w", cause, err)
	}
	return Reply{MTI: mti, STAN: stan, TID: from.TID, Frame: out}, nil
}

// formatError is the answer to a request that cannot be read, in the class of its type.
func formatError(mti uint16, stan uint32, v *visit) iso8583.Message {
	tid, mid, clock, date := v.terminal.TID, v.terminal.MID, v.now.Format("150405"), v.now.Format("0102")
	switch mti {
	case classReversal:
		return &iso8583.ReversalResponse{Type: iso8583.Sale, STAN: stan, Code: codeFormat, Terminal: tid, Merchant: mid, Time: clock, Date: date}
	case classSettlement:
		return &iso8583.SettlementResponse{STAN: stan, Code: codeFormat, Terminal: tid, Merchant: mid, Time: clock, Date: date, Batch: v.terminal.Batch, Currency: emv.CNY}
	case classUpload:
		return &iso8583.UploadResponse{
			Function: iso8583.EndUnbalanced, Count: -1, STAN: stan, Code: codeFormat, Terminal: tid, Merchant: mid, Time: clock, Date: date,
			Private: iso8583.Private{Batch: v.terminal.Batch, Digits: 11},
		}
	case classScript:
		return &iso8583.ScriptResponse{Type: iso8583.Sale, STAN: stan, Code: codeFormat, Terminal: tid, Merchant: mid, Time: clock, Date: date, Private: iso8583.Private{Digits: 11}}
	}
	kind := map[uint16]iso8583.TransactionType{classFinancial: iso8583.Sale, classHold: iso8583.Preauth, classNotice: iso8583.Refund}[mti]
	return &iso8583.FinancialResponse{Type: kind, STAN: stan, Code: codeFormat, Terminal: tid, Merchant: mid, Time: clock, Date: date, PANSequence: -1}
}

// Places in a frame without its length.
const (
	bitmapOffset = bodyOffset + 2
	fieldsOffset = bitmapOffset + 8
)

// Types of request beside those of a key.
const (
	classHold       = 0x0100
	classNotice     = 0x0220
	classUpload     = 0x0320
	classSettlement = 0x0500
	classScript     = 0x0620
)

// answered are the types of which a request that cannot be read is answered.
var answered = []uint16{classFinancial, classHold, classNotice, classReversal, classUpload, classSettlement, classScript}

// peek reads message type and STAN of a request that is answered with a MAC, whatever is
// wrong with the rest. Before field 11 only fields 2, 3 and 4 may stand.
func peek(frame []byte) (mti uint16, stan uint32, ok bool) {
	if len(frame) < fieldsOffset || frame[0] != 0x60 {
		return 0, 0, false
	}
	mti = binary.BigEndian.Uint16(frame[bodyOffset:])
	bitmap := binary.BigEndian.Uint64(frame[bitmapOffset:])
	if !slices.Contains(answered, mti) || bitmap&fieldBits(1, 5, 6, 7, 8, 9, 10) != 0 || bitmap&fieldBits(11) == 0 {
		return 0, 0, false
	}
	at := fieldsOffset
	if bitmap&fieldBits(2) != 0 && at < len(frame) {
		n := int(frame[at]>>4)*10 + int(frame[at]&0xF)
		at += 1 + (n+1)/2
	}
	if bitmap&fieldBits(3) != 0 {
		at += 3
	}
	if bitmap&fieldBits(4) != 0 {
		at += 6
	}
	if at+3 > len(frame) {
		return 0, 0, false
	}
	stan, ok = bcd3(frame[at : at+3])
	return mti, stan, ok && stan != 0
}

func fieldBits(fields ...int) (bits uint64) {
	for _, f := range fields {
		bits |= 1 << (64 - f)
	}
	return bits
}

func bcd3(b []byte) (n uint32, ok bool) {
	for _, x := range b {
		if x>>4 > 9 || x&0xF > 9 {
			return 0, false
		}
		n = n*100 + uint32(x>>4)*10 + uint32(x&0xF)
	}
	return n, true
}

// peekHeader reads TPDU and application header of a frame that is long enough. Digits
// that are none become the usual ones, for the answer must be readable.
func peekHeader(frame []byte) iso8583.Header {
	h := iso8583.Header{Application: 0x60}
	copy(h.TPDU[:], frame)
	if bcdByte(frame[6]) {
		h.Version = frame[6]
	}
	return h
}

func bcdByte(b byte) bool { return b>>4 <= 9 && b&0xF <= 9 }
