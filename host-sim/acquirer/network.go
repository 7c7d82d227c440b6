package acquirer

import (
	"context"
	"errors"
	"fmt"

	"posd/emv/keyblock"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/hsm"
	"posd/transport/iso8583"
)

// layouts are the working keys that a sign-on brings.
var layouts = map[iso8583.Function]hsm.Layout{
	iso8583.SignOnSingle:   hsm.SingleKeys,
	iso8583.SignOnDouble:   hsm.DoubleKeys,
	iso8583.SignOnTrackKey: hsm.DoubleKeysAndTrack,
	iso8583.SignOnSM4:      hsm.SM4Keys,
	iso8583.SignOnAES:      hsm.DoubleKeysAndTrack,
}

// network answers a management message. It carries no MAC: TLS with the terminal's
// certificate says who speaks, and working keys come wrapped under its master key.
func (d *Desk) network(ctx context.Context, v *visit, m *iso8583.NetworkRequest) ([]byte, error) {
	r, err := d.identify(ctx, v, m.Terminal, m.Merchant)
	if err != nil {
		return nil, err
	}
	resp := &iso8583.NetworkResponse{
		Function: m.Function, STAN: m.STAN, Terminal: m.Terminal, Merchant: m.Merchant,
		Time: v.now.Format("150405"), Date: v.now.Format("0102"), AcquirerID: d.cfg.AcquirerID,
		Batch: m.Batch, Code: codeApproved,
	}
	if !r.refused() {
		r, err = d.manage(ctx, v, m, resp)
	}
	if err != nil {
		d.cfg.Log.Error("management message failed", "function", m.Function.String(), "tid", m.Terminal, "err", err)
		r = refusal{codeMalfunction, "host failed"}
	}
	if r.refused() {
		resp.Code, resp.Data = r.code, nil
	}
	if v.terminal.TID != "" {
		v.order(ctx, d) // again: what was asked for may be done by now
	}
	d.cfg.Log.Info("management", "function", m.Function.String(), "tid", m.Terminal, "stan", m.STAN, "code", resp.Code, "why", r.why)
	return d.dialect.Append(nil, v.header, resp)
}

func (d *Desk) manage(ctx context.Context, v *visit, m *iso8583.NetworkRequest, resp *iso8583.NetworkResponse) (refusal, error) {
	if layout, ok := layouts[m.Function]; ok {
		return d.signOn(ctx, v, m.Function, layout, resp)
	}
	_, ends := ends[m.Function]
	_, asks := downloads[m.Function]
	switch {
	case m.Function == iso8583.Echo:
		return refusal{}, nil
	case m.Function == iso8583.SignOff:
		return refusal{}, d.cfg.DB.Update(ctx, func(tx db.Tx) error {
			return estate.SaveSignOff(ctx, tx, m.Terminal)
		})
	case m.Function == iso8583.Status:
		return refusal{}, d.cfg.DB.Update(ctx, func(tx db.Tx) error {
			return errors.Join(saveStatus(ctx, tx, m.Terminal, m.Data, v.now), ClearOrder(ctx, tx, m.Terminal, OrderStatus))
		})
	case ends || asks:
		err := d.cfg.DB.Update(ctx, func(tx db.Tx) (err error) {
			resp.Data, err = d.list(ctx, tx, v, m)
			return err
		})
		if errors.Is(err, errQuestion) {
			return refusal{codeFormat, err.Error()}, nil
		}
		return refusal{}, err
	}
	return refusal{codeUnsupported, fmt.Sprintf("function %v is not served", m.Function)}, nil
}

// signOn gives the terminal new working keys and tells it its batch. The function has to
// go with the suite of the terminal's master key.
func (d *Desk) signOn(ctx context.Context, v *visit, f iso8583.Function, layout hsm.Layout, resp *iso8583.NetworkResponse) (refusal, error) {
	keys, wrapped, err := d.cfg.Module.NewWorkingKeys(v.terminal.TMK, layout)
	if errors.Is(err, hsm.ErrLayout) || err == nil && (wrapped.Suite == keyblock.AES) != (f == iso8583.SignOnAES) {
		return refusal{codeUnsupported, fmt.Sprintf("sign-on %v does not go with the terminal's master key", f)}, nil
	}
	if err != nil {
		return refusal{}, err
	}
	t := v.terminal
	t.TPK, t.TAK, t.TDK = keys.TPK, keys.TAK, keys.TDK
	var rrn string
	err = d.cfg.DB.Update(ctx, func(tx db.Tx) (err error) {
		rrn, err = nextRRN(ctx, tx, d.cfg.Node, v.now)
		return errors.Join(err, estate.SaveSignOn(ctx, tx, t), ClearOrder(ctx, tx, t.TID, OrderSignOn))
	})
	if err != nil {
		return refusal{}, err
	}
	resp.RRN, resp.Batch = rrn, t.Batch
	resp.Data, err = iso8583.AppendSignOnKeys(nil, wrapped)
	return refusal{}, err
}
