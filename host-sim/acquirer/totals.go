package acquirer

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/host-sim/db"
	"posd/transport/iso8583"
)

// maxRules bounds the table of domestic cards.
const maxRules = 1000

// foreign tells on which half of the totals a card counts: it is domestic where its number
// begins with a prefix of the table, or its application's identifier with one of its RIDs.
func foreign(ctx context.Context, tx db.Tx, pan emv.PAN, icc []byte) (bool, error) {
	rows, err := tx.QueryContext(ctx, `SELECT kind, prefix FROM domestic_rule ORDER BY kind, prefix`)
	if err != nil {
		return false, fmt.Errorf("acquirer: domestic cards: %w", err)
	}
	defer rows.Close()
	aid, _ := tlv.Find(icc, tag.DFName)
	names := map[string]string{"bin": string(pan.Append(nil)), "rid": strings.ToUpper(hex.EncodeToString(aid))}
	out := true
	for n := 0; rows.Next() && n < maxRules; n++ {
		var kind, prefix string
		if err := rows.Scan(&kind, &prefix); err != nil {
			return false, fmt.Errorf("acquirer: domestic cards: %w", err)
		}
		if prefix != "" && strings.HasPrefix(names[kind], prefix) {
			out = false
		}
	}
	return out, rows.Err()
}

// counts are the totals of a batch by the host's books.
type counts struct{ domestic, foreign iso8583.Totals }

// countBatch adds up what a terminal's batch has by the host's books. What was voided
// counts on both sides: the void is a payment of its own. An adjustment shows in the
// amount of its original.
func countBatch(ctx context.Context, tx db.Tx, tid string, batch uint32) (c counts, err error) {
	payments, err := ofBatch(ctx, tx, tid, batch)
	if err != nil {
		return counts{}, err
	}
	for _, p := range payments {
		to := &c.domestic
		if p.Foreign {
			to = &c.foreign
		}
		switch sideOf(p) {
		case 1:
			to.DebitAmount += p.Total
			to.DebitCount++
		case -1:
			to.CreditAmount += p.Total
			to.CreditCount++
		}
	}
	return c, nil
}

// byName are the rules by the names of the types.
func byName(kind string) (rule, bool) {
	for t, r := range rules {
		if t.String() == kind {
			return r, true
		}
	}
	return rule{}, false
}

// counted tells that money moved by a payment, whatever later ones did.
func counted(p payment) bool { return p.State == Approved || p.State == Voided }

// sideOf tells on which side of the totals a payment counts: 1 debit, -1 credit, 0 neither.
func sideOf(p payment) int {
	if r, ok := byName(p.Kind); ok && counted(p) {
		return r.side
	}
	return 0
}

// ofBatch returns the payments of a terminal's batch by STAN.
func ofBatch(ctx context.Context, tx db.Tx, tid string, batch uint32) ([]payment, error) {
	rows, err := tx.QueryContext(ctx, selectPayment+`WHERE tid = $1 AND batch = $2 AND class = $3 ORDER BY stan`, tid, batch, classFinancial)
	if err != nil {
		return nil, fmt.Errorf("acquirer: payments of batch %06d of %s: %w", batch, tid, err)
	}
	defer rows.Close()
	var out []payment
	for rows.Next() && len(out) < maxPayments {
		p, err := scanPayment(rows)
		if err != nil {
			return nil, fmt.Errorf("acquirer: payments of batch %06d of %s: %w", batch, tid, err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}
