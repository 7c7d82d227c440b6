package acquirer

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/transport/iso8583"
)

// Verdicts of a settlement, field 48.
const (
	balanced   = 1
	unbalanced = 2
)

// States of a settlement.
const (
	settling = "compared" // the totals were compared; uploads may come
	closed   = "closed"   // the end came: the batch is closed
)

// Settlement is one settlement of a terminal's batch.
type Settlement struct {
	TID, MID          string
	Batch             uint32
	STAN              uint32
	Operator          string
	State             string // "compared" or "closed"
	Terminal, Host    Counted
	Domestic, Foreign uint8 // verdicts: 1 balanced, 2 not
	RRN               string
	End               uint16 // 202 or 207; 0 before the end
	EndCount          int    // what the end says was uploaded
	At, Ended         time.Time
}

// Counted are the totals of one side, in minor units and numbers.
type Counted struct{ Domestic, Foreign iso8583.Totals }

// settle answers 0500: it holds the terminal's totals against the host's.
func (d *Desk) settle(ctx context.Context, v *visit, m *iso8583.SettlementRequest) ([]byte, error) {
	resp := &iso8583.SettlementResponse{
		STAN: m.STAN, Time: v.now.Format("150405"), Date: v.now.Format("0102"), SettleDate: v.now.Format("0102"),
		AcquirerID: d.cfg.AcquirerID, Terminal: m.Terminal, Merchant: m.Merchant, Domestic: m.Domestic, Foreign: m.Foreign,
		Currency: m.Currency, Batch: m.Batch,
	}
	r, err := d.admit(ctx, v, sender{tid: m.Terminal, mid: m.Merchant, bare: true})
	if err == nil && !r.refused() {
		r, err = d.postUnsealed(ctx, func(tx db.Tx) (refusal, error) { return d.compareTotals(ctx, tx, v, m, resp) })
	}
	if err != nil {
		d.cfg.Log.Error("settlement failed", "tid", m.Terminal, "batch", m.Batch, "err", err)
		r = refusal{codeMalfunction, "host failed"}
	}
	resp.Code = codeApproved
	if r.refused() {
		d.cfg.Log.Warn("settlement refused", "tid", m.Terminal, "batch", m.Batch, "code", r.code, "why", r.why)
		resp.Code = r.code
	}
	return d.seal(v, resp)
}

// postUnsealed runs fn in one transaction, for messages whose answer is made anew each
// time they come: what they store, they store once.
func (d *Desk) postUnsealed(ctx context.Context, fn func(tx db.Tx) (refusal, error)) (r refusal, err error) {
	_, r, err = d.post(ctx, func(tx db.Tx) ([]byte, refusal, error) {
		r, err := fn(tx)
		return nil, r, err
	})
	return r, err
}

// compareTotals compares once, and gives the same verdicts again where the same totals
// come again: the terminal may have lost power before it stored the answer.
func (d *Desk) compareTotals(ctx context.Context, tx db.Tx, v *visit, m *iso8583.SettlementRequest, resp *iso8583.SettlementResponse) (refusal, error) {
	old, err := findSettlement(ctx, tx, m.Terminal, m.Batch)
	same := err == nil && old.Terminal == totalsOf(m)
	switch {
	case err != nil && !errors.Is(err, errNoPayment):
		return refusal{}, err
	case err != nil && m.Batch != v.terminal.Batch:
		return refusal{codeSignOn, fmt.Sprintf("batch %06d, the host has %06d", m.Batch, v.terminal.Batch)}, nil
	case err == nil && old.State == closed && !same:
		return refusal{codeDuplicate, "the batch was closed with other totals"}, nil
	}
	if !same {
		if old, err = d.compare(ctx, tx, v, m); err != nil {
			return refusal{}, err
		}
	} else if err := count(ctx, tx, repeated); err != nil {
		return refusal{}, err
	}
	resp.RRN, resp.Domestic.Verdict, resp.Foreign.Verdict = old.RRN, old.Domestic, old.Foreign
	d.cfg.Log.Info("settlement", "tid", m.Terminal, "batch", m.Batch, "domestic", old.Domestic, "foreign", old.Foreign, "repeated", same)
	return refusal{}, nil
}

// totalsOf are the totals of a request, without its verdicts.
func totalsOf(m *iso8583.SettlementRequest) Counted {
	c := Counted{m.Domestic, m.Foreign}
	c.Domestic.Verdict, c.Foreign.Verdict = 0, 0
	return c
}

func (d *Desk) compare(ctx context.Context, tx db.Tx, v *visit, m *iso8583.SettlementRequest) (s Settlement, err error) {
	host, err := countBatch(ctx, tx, m.Terminal, m.Batch)
	if err != nil {
		return s, err
	}
	s = Settlement{
		TID: m.Terminal, MID: m.Merchant, Batch: m.Batch, STAN: m.STAN, Operator: m.Operator, State: settling,
		Terminal: totalsOf(m), Host: Counted{host.domestic, host.foreign}, At: v.now,
	}
	s.Domestic, s.Foreign = verdict(s.Terminal.Domestic, s.Host.Domestic), verdict(s.Terminal.Foreign, s.Host.Foreign)
	if s.RRN, err = nextRRN(ctx, tx, d.cfg.Node, v.now); err != nil {
		return s, err
	}
	return s, saveSettlement(ctx, tx, s)
}

func verdict(terminal, host iso8583.Totals) uint8 {
	if terminal == host {
		return balanced
	}
	return unbalanced
}

// closeBatch ends a settlement: what was uploaded is compared, the batch is closed, and
// the terminal has the next one.
func (d *Desk) closeBatch(ctx context.Context, tx db.Tx, v *visit, s Settlement, end uint16, uploaded int) error {
	s.State, s.End, s.EndCount, s.Ended = closed, end, uploaded, v.now
	if err := d.compareUploads(ctx, tx, s); err != nil {
		return err
	}
	if err := saveSettlement(ctx, tx, s); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE payment SET is_settled = 1 WHERE tid = $1 AND batch = $2`, s.TID, s.Batch); err != nil {
		return fmt.Errorf("acquirer: close batch %06d of %s: %w", s.Batch, s.TID, err)
	}
	if v.terminal.Batch != s.Batch {
		return nil
	}
	return estate.SetBatch(ctx, tx, s.TID, s.Batch%999999+1)
}

const selectSettlement = `SELECT tid, batch, mid, stan, operator, state, terminal_totals, host_totals, domestic, other, rrn,
	end_function, end_count, at_ms, ended_ms FROM settlement `

// findSettlement returns the settlement of a batch, or errNoPayment.
func findSettlement(ctx context.Context, tx db.Tx, tid string, batch uint32) (Settlement, error) {
	s, err := scanSettlement(tx.QueryRowContext(ctx, selectSettlement+`WHERE tid = $1 AND batch = $2`, tid, batch))
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoPayment
	}
	if err != nil {
		return Settlement{}, fmt.Errorf("acquirer: settlement of batch %06d of %s: %w", batch, tid, err)
	}
	return s, nil
}

func scanSettlement(row interface{ Scan(...any) error }) (s Settlement, err error) {
	var terminal, host []byte
	var atMS, endedMS int64
	err = row.Scan(&s.TID, &s.Batch, &s.MID, &s.STAN, &s.Operator, &s.State, &terminal, &host, &s.Domestic, &s.Foreign, &s.RRN,
		&s.End, &s.EndCount, &atMS, &endedMS)
	if err != nil {
		return s, err
	}
	s.At, s.Ended = time.UnixMilli(atMS), time.UnixMilli(endedMS)
	return s, errors.Join(json.Unmarshal(terminal, &s.Terminal), json.Unmarshal(host, &s.Host))
}

func saveSettlement(ctx context.Context, tx db.Tx, s Settlement) error {
	terminal, err := json.Marshal(s.Terminal)
	if err != nil {
		return fmt.Errorf("acquirer: settlement: %w", err)
	}
	host, err := json.Marshal(s.Host)
	if err != nil {
		return fmt.Errorf("acquirer: settlement: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO settlement (tid, batch, mid, stan, operator, state, terminal_totals, host_totals, domestic,
			other, rrn, end_function, end_count, at_ms, ended_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (tid, batch) DO UPDATE SET stan = $4, operator = $5, state = $6, terminal_totals = $7, host_totals = $8,
			domestic = $9, other = $10, rrn = $11, end_function = $12, end_count = $13, at_ms = $14, ended_ms = $15`,
		s.TID, s.Batch, s.MID, s.STAN, s.Operator, s.State, string(terminal), string(host), s.Domestic, s.Foreign, s.RRN,
		s.End, s.EndCount, s.At.UnixMilli(), s.Ended.UnixMilli())
	if err != nil {
		return fmt.Errorf("acquirer: store settlement of batch %06d of %s: %w", s.Batch, s.TID, err)
	}
	return nil
}

// Settlements returns the settlements of a terminal by batch; of all where tid is empty.
func Settlements(ctx context.Context, tx db.Tx, tid string) ([]Settlement, error) {
	rows, err := tx.QueryContext(ctx, selectSettlement+`WHERE $1 = '' OR tid = $1 ORDER BY tid, batch`, tid)
	if err != nil {
		return nil, fmt.Errorf("acquirer: list settlements: %w", err)
	}
	defer rows.Close()
	var out []Settlement
	for rows.Next() && len(out) < maxPayments {
		s, err := scanSettlement(rows)
		if err != nil {
			return nil, fmt.Errorf("acquirer: list settlements: %w", err)
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
