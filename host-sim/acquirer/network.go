package acquirer

import (
	"context"
	"errors"
	"fmt"

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
	d.cfg.Log.Info("management", "function", m.Function.String(), "tid", m.Terminal, "stan", m.STAN, "code", resp.Code, "why", r.why)
	return d.dialect.Append(nil, v.header, resp)
}

func (d *Desk) manage(ctx context.Context, v *visit, m *iso8583.NetworkRequest, resp *iso8583.NetworkResponse) (refusal, error) {
	if layout, ok := layouts[m.Function]; ok {
		return refusal{}, d.signOn(ctx, v, layout, resp)
	}
	switch m.Function {
	case iso8583.Echo:
		return refusal{}, nil
	case iso8583.SignOff:
		return refusal{}, d.cfg.DB.Update(ctx, func(tx db.Tx) error {
			return estate.SaveSignOff(ctx, tx, m.Terminal)
		})
	}
	return refusal{codeUnsupported, fmt.Sprintf("function %v is not served", m.Function)}, nil
}

// signOn gives the terminal new working keys and tells it its batch.
func (d *Desk) signOn(ctx context.Context, v *visit, layout hsm.Layout, resp *iso8583.NetworkResponse) error {
	keys, wrapped, err := d.cfg.Module.NewWorkingKeys(v.terminal.TMK, layout)
	if err != nil {
		return err
	}
	t := v.terminal
	t.TPK, t.TAK, t.TDK = keys.TPK, keys.TAK, keys.TDK
	var rrn string
	err = d.cfg.DB.Update(ctx, func(tx db.Tx) (err error) {
		rrn, err = nextRRN(ctx, tx, d.cfg.Node, v.now)
		return errors.Join(err, estate.SaveSignOn(ctx, tx, t))
	})
	if err != nil {
		return err
	}
	resp.RRN, resp.Batch = rrn, t.Batch
	resp.Data, err = iso8583.AppendSignOnKeys(nil, wrapped)
	return err
}
