package ledger

import (
	"testing"

	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
)

// TestUnbalancedCannotBeWritten (H07): the database itself refuses what does not balance, on
// SQLite and on PostgreSQL.
func TestUnbalancedCannotBeWritten(t *testing.T) {
	rows := []struct{ name, statement string }{
		{"an entry of one account", `INSERT INTO entry (posting_id, line, account_id, amount) VALUES (1, 9, 1, 5)`},
		{"from nowhere", `INSERT INTO transfer (posting_id, line, from_account, to_account, amount) VALUES (1, 9, NULL, 1, 5)`},
		{"to nowhere", `INSERT INTO transfer (posting_id, line, from_account, to_account, amount) VALUES (1, 9, 1, NULL, 5)`},
		{"no such account", `INSERT INTO transfer (posting_id, line, from_account, to_account, amount) VALUES (1, 9, 1, 999, 5)`},
		{"no such posting", `INSERT INTO transfer (posting_id, line, from_account, to_account, amount) VALUES (999, 9, 1, 2, 5)`},
		{"negative", `INSERT INTO transfer (posting_id, line, from_account, to_account, amount) VALUES (1, 9, 1, 2, -5)`},
		{"one side changed", `UPDATE entry SET amount = amount + 1 WHERE posting_id = 1`},
		{"one side deleted", `DELETE FROM entry WHERE posting_id = 1 AND line = 1`},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		open(t, d)
		for _, row := range rows {
			if err := d.Update(t.Context(), func(tx db.Tx) error {
				_, err := tx.ExecContext(t.Context(), row.statement)
				return err
			}); err == nil {
				t.Errorf("%s: the database took it", row.name)
			}
		}
		if got := trial(t, d); !got.OK() {
			t.Errorf("trial balance = %+v", got)
		}
	})
}

// TestMoves: a posting of many lines is stored as transfers that add up to its lines.
func TestMoves(t *testing.T) {
	lines := []Line{{1, -10}, {2, 7}, {3, -2}, {4, 5}}
	sums := map[int64]int64{}
	for _, m := range moves(lines) {
		sums[m.from] -= m.amount
		sums[m.to] += m.amount
	}
	for _, l := range lines {
		if sums[l.Account] != l.Amount {
			t.Errorf("account %d moved by %d, want %d", l.Account, sums[l.Account], l.Amount)
		}
	}
}
