package rig_test

import (
	"context"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"posd/device/sim/card"
	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/pinblock"
	"posd/host-sim/db"
	"posd/host-sim/hsm"
	"posd/host-sim/issuer"
)

// office is the issuer's side of the host, without a line or a process: database,
// security module and the checks of host-sim/issuer. It is the kernel's Issuer, and the
// pad's other half: it holds the key of online PINs.
type office struct {
	db       *db.DB
	issuer   issuer.Issuer
	tpk      hsm.Key
	pins     cipher.Block
	pinBlock []byte // of the payment under way

	lie      func(*issuer.Request)      // what the line makes of a request
	bend     func(*kernel.OnlineAnswer) // and of an answer
	request  issuer.Request             // the last one, as the terminal sent it
	decision issuer.Decision            // and what was decided
	asked    int
}

// newOffice opens an account with money for each card.
func newOffice(t testing.TB, profiles ...*card.Profile) *office {
	t.Helper()
	o := &office{}
	fatal := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	var err error
	o.db, err = db.Open(t.Context(), filepath.Join(t.TempDir(), "issuer.db"))
	fatal(err)
	t.Cleanup(func() { _ = o.db.Close() })
	module, err := hsm.New(make([]byte, 32), rand.Reader)
	fatal(err)
	o.issuer = issuer.Issuer{Module: module}
	key := []byte("online PIN key..")
	o.tpk, err = module.Import(hsm.TPK, key)
	fatal(err)
	o.pins, err = des.NewTripleDESCipher(append(key, key[:8]...))
	fatal(err)
	for _, p := range profiles {
		imk, err := module.Import(hsm.IMK, p.IMK[:])
		fatal(err)
		fatal(o.db.Update(t.Context(), func(tx db.Tx) error {
			if err := issuer.AddIssuerKey(t.Context(), tx, issuer.IssuerKey{BIN: p.PAN.Reveal()[:6], Index: int(p.DKI), IMK: imk, ARPCMethod: p.ARPCMethod}); err != nil {
				return err
			}
			_, err := issuer.AddCard(t.Context(), tx, module, issuer.NewCard{
				PAN: p.PAN, PSN: max(p.PANSequence, 0), Expiry: fmt.Sprintf("%02X%02X", p.Expiry[0], p.Expiry[1]),
				PIN: p.PIN, Currency: emv.CNY, Opening: 1_000_000,
			}, paymentDay)
			return err
		}))
	}
	return o
}

var paymentDay = time.Date(2026, 8, 1, 10, 11, 12, 0, time.UTC)

// Authorize puts the question to the host as the acquirer does.
func (o *office) Authorize(ctx context.Context, req kernel.OnlineRequest) (kernel.OnlineAnswer, error) {
	amount := emv.Amount{Minor: 12850, Currency: emv.CNY} // the order's
	r := issuer.Request{
		PAN: req.PAN, PSN: req.PANSequence, Expiry: fmt.Sprintf("%02X%02X", req.Expiry[0], req.Expiry[1]),
		Amount: amount.Minor, Currency: amount.Currency, ICC: append([]byte(nil), req.ICC...), At: paymentDay,
	}
	if req.OnlinePIN {
		r.PINBlock, r.TPK = o.pinBlock, o.tpk
	}
	if o.lie != nil {
		o.lie(&r)
	}
	o.request = r
	if err := o.decide(ctx, r); err != nil {
		return kernel.OnlineAnswer{}, err
	}
	answer := kernel.OnlineAnswer{ARC: [2]byte([]byte(o.decision.Code)), ICC: o.decision.ICC}
	if o.bend != nil {
		o.bend(&answer)
	}
	return answer, nil
}

func (o *office) decide(ctx context.Context, r issuer.Request) error {
	o.asked++
	return o.db.Update(ctx, func(tx db.Tx) (err error) {
		o.decision, err = o.issuer.Authorise(ctx, tx, r)
		return err
	})
}

// customer types at a pad for PINs of all kinds.
type customer struct {
	typist
	office *office
	pin    string // for an online PIN
}

func (c *customer) EnterPIN(ctx context.Context, req kernel.PINRequest) (kernel.PINResult, error) {
	if !req.Online {
		return c.typist.EnterPIN(ctx, req)
	}
	c.asked = append(c.asked, req)
	block, err := pinblock.Encode0([]byte(c.pin), req.PAN)
	if err != nil {
		return kernel.PINResult{}, err
	}
	c.office.pinBlock = make([]byte, 8)
	c.office.pins.Encrypt(c.office.pinBlock, block[:])
	return kernel.PINResult{Status: kernel.PINEntered}, nil
}

// wedge sits between terminal and card, as in "Chip and PIN is broken": it may answer
// itself, change a command, or change an answer.
type wedge struct {
	card    kernel.Card
	itself  func(apdu.Command) *apdu.Response
	command func(*apdu.Command)
	answer  func(apdu.Command, *apdu.Response)
	used    int // how often it did something
}

func (w *wedge) Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	if w.itself != nil {
		if resp := w.itself(cmd); resp != nil {
			w.used++
			return *resp, nil
		}
	}
	cmd.Data = append([]byte(nil), cmd.Data...)
	before := string(cmd.Append(nil))
	if w.command != nil {
		w.command(&cmd)
	}
	resp, err := w.card.Transmit(ctx, cmd)
	if err != nil {
		return resp, err
	}
	resp.Data = append([]byte(nil), resp.Data...)
	told := string(resp.Append(nil))
	if w.answer != nil {
		w.answer(cmd, &resp)
	}
	if string(cmd.Append(nil)) != before || string(resp.Append(nil)) != told {
		w.used++
	}
	return resp, nil
}
