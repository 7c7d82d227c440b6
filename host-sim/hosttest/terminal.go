package hosttest

import (
	"crypto/cipher"
	"errors"
	"fmt"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
	"posd/transport/iso8583"
)

// Line carries a frame to the host and its answer back.
type Line interface {
	Exchange(frame []byte) (answer []byte, err error)
}

// Terminal speaks for one terminal. Its zero keys are those of a terminal that has not
// signed on.
type Terminal struct {
	TID, MID string
	TMK      []byte // 16 bytes, clear
	Batch    uint32
	STAN     uint32         // of the last payment
	Suite    keyblock.Suite // of TMK; empty is TDES

	tpk, tak, tdk cipher.Block
}

var cup = iso8583.CUP()

// header is what the terminal sends: TPDU 6000010000.
var header = iso8583.Header{TPDU: [5]byte{0x60, 0x00, 0x01, 0x00, 0x00}, Application: 0x60, Version: 0x31, Minor: [3]byte{0x31, 0x10, 0x00}}

// Manage sends a management message and returns its answer. A sign-on that is answered
// 00 sets batch and keys.
func (t *Terminal) Manage(line Line, f iso8583.Function) (*iso8583.NetworkResponse, error) {
	resp, err := t.Ask(line, f, []byte("Sequence No12306000000001"))
	if err == nil && resp.Code == "00" && len(resp.Data) > 0 {
		t.Batch = resp.Batch
		return resp, t.load(f, resp.Data)
	}
	return resp, err
}

// Ask sends a management message with field 62 and returns its answer.
func (t *Terminal) Ask(line Line, f iso8583.Function, data []byte) (*iso8583.NetworkResponse, error) {
	t.STAN++
	frame, err := cup.Append(nil, header, &iso8583.NetworkRequest{
		Function: f, STAN: t.STAN, Terminal: t.TID, Merchant: t.MID, Batch: max(t.Batch, 1), Data: data, Operator: "01",
	})
	if err != nil {
		return nil, err
	}
	answer, err := line.Exchange(frame)
	if err != nil {
		return nil, err
	}
	_, m, err := cup.Parse(answer)
	if err != nil {
		return nil, err
	}
	resp, ok := m.(*iso8583.NetworkResponse)
	if !ok {
		return nil, fmt.Errorf("answer is a %T", m)
	}
	return resp, nil
}

// load takes the working keys and checks their check values.
func (t *Terminal) load(f iso8583.Function, data []byte) error {
	keys, err := iso8583.ParseKeys(f, data)
	if err != nil {
		return err
	}
	if t.tpk, err = t.unwrap(keys.PIN); err != nil {
		return err
	}
	if t.tak, err = t.unwrap(keys.MAC); err != nil {
		return err
	}
	t.tdk = nil
	if !keys.Track.IsZero() {
		t.tdk, err = t.unwrap(keys.Track)
	}
	return err
}

func (t *Terminal) unwrap(c keyblock.Cryptogram) (cipher.Block, error) {
	suite := t.Suite
	if suite == "" {
		suite = keyblock.TDES
	}
	key, err := suite.Unwrap(t.TMK, c)
	if err != nil {
		return nil, err
	}
	return suite.NewCipher(key)
}

// Sale makes the next sale: with a PIN where the card has one, and the card's
// cryptogram over the amount.
func (t *Terminal) Sale(c *Card, amount int64) *iso8583.FinancialRequest {
	t.STAN++
	m := &iso8583.FinancialRequest{
		Type: iso8583.Sale, PAN: c.PAN, Amount: amount, STAN: t.STAN, Expiry: c.Expiry, EntryMode: "052", PANSequence: c.PSN,
		Terminal: t.TID, Merchant: t.MID, Currency: emv.CNY, ICC: c.Sign(amount, emv.CNY, c.PIN != "").Pack(),
		Private: iso8583.Private{Batch: t.Batch, Capability: 5},
	}
	if c.PIN != "" {
		m.EntryMode, m.PINCapture, m.Security = "051", 12, iso8583.SecurityControl(true, true, false)
		m.PINBlock = t.PINBlock(c)
	}
	return m
}

// PINBlock is the card's PIN in a block of format 0 under the PIN key.
func (t *Terminal) PINBlock(c *Card) []byte {
	clear := must(pinblock.Encode0([]byte(c.PIN), c.PAN))
	out := make([]byte, 8)
	t.tpk.Encrypt(out, clear[:])
	return out
}

// SealTrack moves track 2 of m under the track key.
func (t *Terminal) SealTrack(m *iso8583.FinancialRequest, track string) {
	m.Sealed = must(iso8583.SealTrack(t.tdk, must(emv.ParseTrack2(track))))
	m.Security = iso8583.SecurityControl(len(m.PINBlock) > 0, true, true)
}

// Reversal makes the reversal of a sale.
func (t *Terminal) Reversal(m *iso8583.FinancialRequest, reason string) *iso8583.ReversalRequest {
	return &iso8583.ReversalRequest{
		Type: m.Type, PAN: m.PAN, Amount: m.Amount, STAN: m.STAN, Expiry: m.Expiry, EntryMode: m.EntryMode,
		PANSequence: m.PANSequence, Code: reason, Terminal: m.Terminal, Merchant: m.Merchant, Currency: m.Currency, Private: m.Private,
		Original: m.Original,
	}
}

// Seal packs a message with its MAC.
func (t *Terminal) Seal(m iso8583.Message) []byte {
	return must(cup.Seal(nil, header, m, t.tak))
}

// Send seals a message, sends it, and returns the answer, whose MAC was checked.
func (t *Terminal) Send(line Line, m iso8583.Message) (iso8583.Message, error) {
	answer, err := line.Exchange(t.Seal(m))
	if err != nil {
		return nil, err
	}
	return t.Open(answer)
}

// Open checks the MAC of an answer and reads it.
func (t *Terminal) Open(answer []byte) (iso8583.Message, error) {
	if err := cup.VerifyMAC(answer, t.tak); err != nil {
		return nil, err
	}
	_, m, err := cup.Parse(answer)
	return m, err
}

// Code sends a message and returns field 39 of the answer.
func (t *Terminal) Code(line Line, m iso8583.Message) (string, error) {
	answer, err := t.Send(line, m)
	switch a := answer.(type) {
	case *iso8583.FinancialResponse:
		return a.Code, err
	case *iso8583.ReversalResponse:
		return a.Code, err
	case *iso8583.SettlementResponse:
		return a.Code, err
	case *iso8583.UploadResponse:
		return a.Code, err
	case *iso8583.ScriptResponse:
		return a.Code, err
	}
	return "", errors.Join(err, fmt.Errorf("answer is a %T", answer))
}
