package acquirer

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"posd/emv"
	"posd/emv/binding"
	"posd/emv/keyblock"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/hsm"
	"posd/host-sim/issuer"
	"posd/transport/iso8583"
)

// Response codes (field 39) that the desk itself gives; the issuer has more.
const (
	codeApproved    = "00"
	codeMerchant    = "03" // merchant not active
	codeDoNotHonour = "05" // the certificate of a chip payment was used before
	codeInvalid     = "12" // the original is of another kind, or was voided, completed or refunded
	codeCurrency    = "12" // merchant takes another currency
	codeAmount      = "13" // not an amount
	codeCard        = "14" // no usable card number
	codeTooLate     = "22" // the original's batch is closed, or its hold is over
	codeNoOriginal  = "25" // no original, or of another card
	codeFormat      = "30" // message cannot be read
	codeUnsupported = "40" // transaction type not served
	codeFunds       = "51" // completion: nothing left above the hold
	codeDevice      = "58" // field 59: not the device that the terminal number is bound to
	codeLimit       = "61" // tip above the limit
	codeOtherAmount = "64" // the original was of another amount, or less is left of it
	codeSignOn      = "77" // not signed on, or another batch
	codeDuplicate   = "94" // key used for something else, or reversed before it came
	codeMalfunction = "96" // the host failed; nothing was posted
	codeTerminal    = "97" // terminal not known, not active, or not the one of the certificate
	codeMAC         = "A0" // field 64 wrong
	codeSecurity    = "A7" // track cannot be opened
)

// Module is what the desk needs of the security module: [hsm.Module].
type Module interface {
	PANHash(emv.PAN) []byte
	Seal(label string, clear []byte) ([]byte, error)
	Open(label string, sealed []byte) ([]byte, error)
	MACCipher(tak hsm.Key) (cipher.Block, error)
	TrackCipher(tdk hsm.Key) (cipher.Block, error)
	NewWorkingKeys(tmk hsm.Key, l hsm.Layout) (hsm.WorkingKeys, keyblock.WorkingKeys, error)
	VerifyBinding(tmk hsm.Key, field59 []byte, serial, lastSix string) (binding.Terminal, error)
}

// Store is the database: [db.DB].
type Store interface {
	Update(ctx context.Context, fn func(db.Tx) error) error
	View(ctx context.Context, fn func(db.Tx) error) error
}

// DeskConfig is what a desk needs. All fields but Node are required.
type DeskConfig struct {
	DB         Store
	Module     Module
	Issuer     issuer.Issuer
	Now        func() time.Time // business clock: fields 12, 13, 15 and the ledger
	Rand       io.Reader        // authorisation codes
	Log        *slog.Logger
	Node       int    // number of this host, 0 to 99, in its reference numbers
	AcquirerID string // field 32, up to 11 digits
	Names      Names
}

// Names are the institutions of field 44, up to 11 characters each.
type Names struct{ Issuer, Acquirer string }

// Desk decides about messages and posts them.
type Desk struct {
	cfg     DeskConfig
	dialect *iso8583.Dialect
	// rekey is the identity. A test plants a fault here: keys that are never found
	// again, as if the host had no memory.
	rekey func(key) key
}

// NewDesk checks the configuration.
func NewDesk(cfg DeskConfig) (*Desk, error) {
	switch {
	case cfg.DB == nil || cfg.Module == nil || cfg.Issuer.Module == nil:
		return nil, errors.New("acquirer: new desk: DB, Module and Issuer are required")
	case cfg.Now == nil || cfg.Rand == nil || cfg.Log == nil:
		return nil, errors.New("acquirer: new desk: Now, Rand and Log are required")
	case cfg.Node < 0 || cfg.Node > 99:
		return nil, fmt.Errorf("acquirer: new desk: host number %d, 0 to 99 wanted", cfg.Node)
	}
	return &Desk{cfg: cfg, dialect: iso8583.CUP(), rekey: func(k key) key { return k }}, nil
}

// visit is one message on its way through the desk.
type visit struct {
	from     Peer
	frame    []byte // as received, for the MAC
	header   iso8583.Header
	now      time.Time
	terminal estate.Terminal // zero until admitted or refused with a known terminal
	merchant estate.Merchant
	binding  bool // the terminal has to send field 59
}

// refusal is a code with its reason; the zero value refuses nothing.
type refusal struct{ code, why string }

func (r refusal) refused() bool { return r.code != "" }

// Answer posts what the frame asks for and returns the answer. An error says that the
// frame is not a request, or so broken that no answer can be addressed.
func (d *Desk) Answer(ctx context.Context, from Peer, frame []byte) (Reply, error) {
	header, msg, err := d.dialect.Parse(frame)
	if err != nil {
		return d.malformed(ctx, from, frame, err)
	}
	v := &visit{from: from, frame: frame, header: header.Answer(), now: d.cfg.Now()}
	var out []byte
	switch m := msg.(type) {
	case *iso8583.NetworkRequest:
		out, err = d.network(ctx, v, m)
	case *iso8583.FinancialRequest:
		out, err = d.financial(ctx, v, m)
	case *iso8583.ReversalRequest:
		out, err = d.reversal(ctx, v, m)
	case *iso8583.SettlementRequest:
		out, err = d.settle(ctx, v, m)
	case *iso8583.UploadRequest:
		out, err = d.upload(ctx, v, m)
	case *iso8583.ScriptRequest:
		out, err = d.script(ctx, v, m)
	default:
		return Reply{}, fmt.Errorf("acquirer: message %T is not a request", msg)
	}
	if err != nil {
		return Reply{}, err
	}
	k := msg.Key()
	return Reply{MTI: k.MTI, Function: functionOf(msg), STAN: k.STAN, TID: k.Terminal, Frame: out}, nil
}

// functionOf returns field 60.3 of a request, 0 for one without.
func functionOf(m iso8583.Message) uint16 {
	switch m := m.(type) {
	case *iso8583.NetworkRequest:
		return uint16(m.Function)
	case *iso8583.UploadRequest:
		return uint16(m.Function)
	case *iso8583.SettlementRequest:
		return uint16(iso8583.Settle)
	case *iso8583.ScriptRequest:
		return uint16(iso8583.Script)
	}
	return 0
}

// setOrder puts the job that the terminal should do next into the answer's header.
func (v *visit) setOrder(ctx context.Context, tx db.Tx) error {
	job, err := orderOf(ctx, tx, v.terminal.TID)
	v.header.Order = iso8583.Order(job)
	return err
}

// order is setOrder outside a transaction. An order that cannot be read is none.
func (v *visit) order(ctx context.Context, d *Desk) {
	err := d.cfg.DB.View(ctx, func(tx db.Tx) error { return v.setOrder(ctx, tx) })
	if err != nil {
		d.cfg.Log.Error("orders cannot be read", "tid", v.terminal.TID, "err", err)
	}
}

// identify finds the terminal that a message names and holds it against the
// certificate and the register.
func (d *Desk) identify(ctx context.Context, v *visit, tid, mid string) (refusal, error) {
	if tid != v.from.TID {
		return refusal{codeTerminal, "terminal number is not the certificate's"}, nil
	}
	err := d.cfg.DB.View(ctx, func(tx db.Tx) (err error) {
		if v.terminal, err = estate.FindTerminal(ctx, tx, tid); err != nil {
			return err
		}
		if v.merchant, err = estate.FindMerchant(ctx, tx, v.terminal.MID); err != nil {
			return err
		}
		if v.binding, err = mustBind(ctx, tx, tid); err != nil {
			return err
		}
		return v.setOrder(ctx, tx)
	})
	switch {
	case errors.Is(err, estate.ErrNoTerminal):
		return refusal{codeTerminal, "terminal not registered"}, nil
	case err != nil:
		return refusal{}, err
	case v.terminal.SN != v.from.SN:
		return refusal{codeTerminal, "serial number is not the certificate's"}, nil
	case v.terminal.MID != mid:
		return refusal{codeTerminal, "terminal belongs to another merchant"}, nil
	case v.terminal.Status != estate.Active:
		return refusal{codeTerminal, "terminal is suspended"}, nil
	case v.merchant.Status != estate.Active:
		return refusal{codeMerchant, "merchant is suspended"}, nil
	}
	return refusal{}, nil
}

// sender is who a message says that it is from.
type sender struct {
	tid, mid string
	device   []byte  // field 59; empty where the terminal sends none
	pan      emv.PAN // of the same message
	bare     bool    // the message class has no field 59
}

// admit lets a message pass that may post something: terminal known and signed on, MAC
// right over the bytes as received, and sent by the device that the terminal number is
// bound to.
func (d *Desk) admit(ctx context.Context, v *visit, s sender) (refusal, error) {
	r, err := d.identify(ctx, v, s.tid, s.mid)
	if err != nil || r.refused() {
		return r, err
	}
	if !v.terminal.SignedOn {
		return refusal{codeSignOn, "not signed on"}, nil
	}
	block, err := d.cfg.Module.MACCipher(v.terminal.TAK)
	if err != nil {
		return refusal{}, err
	}
	if err := d.dialect.VerifyMAC(v.frame, block); err != nil {
		return refusal{codeMAC, err.Error()}, nil
	}
	return d.bound(v, s), nil
}

// bound holds field 59 against the serial number that the terminal number is bound to.
// A message that says nothing of the device passes unless the terminal has to send it.
func (d *Desk) bound(v *visit, s sender) refusal {
	switch {
	case len(s.device) == 0 && v.binding && !s.bare:
		d.cfg.Log.Error("the device does not say who it is", "tid", s.tid)
		return refusal{codeDevice, "field 59 is missing"}
	case len(s.device) == 0:
		return refusal{}
	}
	if _, err := d.cfg.Module.VerifyBinding(v.terminal.TMK, s.device, v.terminal.SN, binding.Factor(s.pan)); err != nil {
		d.cfg.Log.Error("the device is not the one that is bound", "tid", s.tid, "why", err.Error())
		return refusal{codeDevice, "field 59: " + err.Error()}
	}
	return refusal{}
}

// seal writes an answer's frame with its MAC under the terminal's key. An answer to a
// terminal that has no key goes without: nobody could check it.
func (d *Desk) seal(v *visit, m iso8583.Message) ([]byte, error) {
	if len(v.terminal.TAK) == 0 {
		return d.dialect.Append(nil, v.header, m)
	}
	block, err := d.cfg.Module.MACCipher(v.terminal.TAK)
	if err != nil {
		return nil, err
	}
	return d.dialect.Seal(nil, v.header, m, block)
}

// macSize is the length of field 64, the last one.
const macSize = 8

// reseal renews field 64 of a stored answer in place.
func (d *Desk) reseal(frame []byte, tak hsm.Key) error {
	if len(frame) < bodyOffset+macSize {
		return fmt.Errorf("acquirer: stored answer of %d bytes has no MAC", len(frame))
	}
	block, err := d.cfg.Module.MACCipher(tak)
	if err != nil {
		return err
	}
	end := len(frame) - macSize
	mac := iso8583.MAC(block, frame[bodyOffset:end])
	copy(frame[end:], mac[:])
	return nil
}

// replyLabel binds a stored answer to the payment that it answers.
func replyLabel(k key) string {
	return fmt.Sprintf("reply %s %s %06d %06d %04X", k.MID, k.TID, k.Batch, k.STAN, k.Class)
}

// repeated is the counter of requests that came again.
const repeated = "repeated"

// again answers a request whose key is known: the stored bytes where it asks for the
// same, with the MAC renewed where the terminal has new keys since; 94 otherwise.
func (d *Desk) again(ctx context.Context, tx db.Tx, v *visit, old payment, print []byte) ([]byte, refusal, error) {
	switch {
	case old.State == Tombstone:
		return nil, refusal{codeDuplicate, "reversed before it came"}, nil
	case string(old.Fingerprint) != string(print):
		return nil, refusal{codeDuplicate, "key was used for another payment"}, nil
	}
	frame, err := d.cfg.Module.Open(replyLabel(old.key), old.Reply)
	if err == nil && old.KeySet != v.terminal.KeySet {
		err = d.reseal(frame, v.terminal.TAK)
	}
	d.cfg.Log.Info("repeated", "tid", old.TID, "batch", old.Batch, "stan", old.STAN, "code", old.Code)
	return frame, refusal{}, errors.Join(err, count(ctx, tx, repeated))
}

// post runs fn in one transaction. What fn answers goes out after the commit. Where the
// commit fails, fn runs once more, and finds by key what the disk has.
func (d *Desk) post(ctx context.Context, fn func(tx db.Tx) ([]byte, refusal, error)) (out []byte, r refusal, err error) {
	for range 2 {
		err = d.cfg.DB.Update(ctx, func(tx db.Tx) (err error) {
			out, r, err = fn(tx)
			return err
		})
		if !errors.Is(err, db.ErrCommit) {
			break
		}
		d.cfg.Log.Error("commit failed: asking by key", "err", err)
	}
	if errors.Is(err, db.ErrCommit) {
		return nil, refusal{}, fmt.Errorf("acquirer: no answer can be given: %w", err)
	}
	if err != nil {
		d.cfg.Log.Error("posting failed, nothing was posted", "err", err)
		return nil, refusal{codeMalfunction, "host failed"}, nil
	}
	return out, r, nil
}
