package acquirer

import (
	"context"
	"fmt"
	"time"

	"posd/host-sim/db"
	"posd/host-sim/ledger"
)

// Transaction is a payment for people and for comparison with a terminal's journal.
type Transaction struct {
	TID, MID string
	Batch    uint32
	STAN     uint32
	Kind     string // "sale", "void", …: the row of the message set
	Masked   string // card number, first six and last four
	Amount   int64  // minor units, as asked
	Total    int64  // as adjusted since
	Refunded int64  // given back by refunds
	Moved    int64  // what the ledger says that the merchant got by it, reversal included; negative where he gave
	Held     int64  // of a pre-authorisation: what is still kept back for it
	Currency int    // ISO 4217 number
	State    State
	Code     string // field 39 of its answer; empty for a tombstone
	Why      string // the check that decided, in words
	RRN      string
	AuthCode string
	Original string // RRN of the payment that it is about; empty for none
	Reversal string // field 39 of the reversal that was accepted; empty for none
	Foreign  bool   // it counts in the foreign cards' totals
	Late     bool   // it came after its batch was closed
	Settled  bool   // its batch is closed
	Network  string // that it was sent to; empty for none
	Rule     int64  // of the route table, 0 for none
	StandIn  bool   // it was approved in the issuer's place
	At       time.Time
}

// Transactions returns the payments of a terminal in the order of batch and STAN; of
// all terminals where tid is empty. Reversals are not rows of their own here: they
// show in State and Reversal.
func Transactions(ctx context.Context, tx db.Tx, tid string) ([]Transaction, error) {
	rows, err := tx.QueryContext(ctx, `SELECT p.tid, p.mid, p.batch, p.stan, p.kind, p.masked, p.amount, p.total, p.refunded,
			COALESCE((SELECT SUM(e.amount) FROM entry e JOIN posting o ON o.id = e.posting_id
				WHERE (o.id = p.posting_id OR o.contra_of = p.posting_id) AND e.account_id = m.account_id), 0),
			COALESCE((SELECT h.amount FROM hold h WHERE h.id = p.hold_id AND h.state = 'open'), 0),
			p.currency, p.state, p.code, p.why, p.rrn, p.auth_code, p.original, COALESCE(r.reason, ''),
			p.is_foreign, p.is_late, p.is_settled, p.network, p.route_rule, p.stand_in, p.at_ms
		FROM payment p JOIN merchant m ON m.mid = p.mid
		LEFT JOIN payment r ON r.mid = p.mid AND r.tid = p.tid AND r.batch = p.batch AND r.stan = p.stan AND r.class = $1
		WHERE p.class <> $1 AND ($2 = '' OR p.tid = $2) ORDER BY p.tid, p.batch, p.stan, p.class`, classReversal, tid)
	if err != nil {
		return nil, fmt.Errorf("acquirer: list payments: %w", err)
	}
	defer rows.Close()
	var out []Transaction
	for rows.Next() && len(out) < maxPayments {
		var t Transaction
		var atMS int64
		if err := rows.Scan(&t.TID, &t.MID, &t.Batch, &t.STAN, &t.Kind, &t.Masked, &t.Amount, &t.Total, &t.Refunded, &t.Moved, &t.Held,
			&t.Currency, &t.State, &t.Code, &t.Why, &t.RRN, &t.AuthCode, &t.Original, &t.Reversal,
			&t.Foreign, &t.Late, &t.Settled, &t.Network, &t.Rule, &t.StandIn, &atMS); err != nil {
			return nil, fmt.Errorf("acquirer: list payments: %w", err)
		}
		t.At = time.UnixMilli(atMS)
		out = append(out, t)
	}
	return out, rows.Err()
}

// ExpireHolds ends the holds of all accounts whose time is over, and returns how many.
func ExpireHolds(ctx context.Context, tx db.Tx, now time.Time) (int, error) {
	ids, err := ledger.ExpireHolds(ctx, tx, 0, now)
	return len(ids), err
}
