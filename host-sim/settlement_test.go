package hostsim

import (
	"bytes"
	"testing"
	"time"

	"posd/host-sim/db"
	"posd/host-sim/settle"
	"posd/transport/iso8583"
)

// TestBusinessDay (H07, H14): sales and a reversal, closed twice, are paid once less the fee; a
// reversal after the cut-off is on the next statement; what is planted is found.
func TestBusinessDay(t *testing.T) {
	r := boot(t)
	c := r.dial()
	if _, err := r.term.Manage(c, iso8583.SignOnDouble); err != nil {
		t.Fatal(err)
	}
	m := r.term.Sale(r.rich, 10101)
	r.want(c, m, "00")
	gone := r.term.Sale(r.rich, 777)
	r.want(c, gone, "00")
	r.want(c, r.term.Reversal(gone, "98"), "00")
	last := r.term.Sale(r.rich, 300)
	r.want(c, last, "00")
	next := func() time.Time { // the next millisecond, begun
		at := time.Now().Truncate(time.Millisecond).Add(time.Millisecond)
		for time.Now().Before(at) {
		}
		return at
	}
	first := next()
	for i, want := range []int{1, 0} {
		if n, err := r.CloseDay(t.Context(), "2026-11-24", first); err != nil || n != want {
			t.Fatalf("close %d: %d, %v", i+1, n, err)
		}
	}
	s, err := r.Statement(t.Context(), "2026-11-24", testMID)
	// 0.50 %: 50.505 is 51, and 1.5 is 2; the reversed sale is there and back
	if err != nil || s.Gross != 10401 || s.Fee != 53 || s.Paid != 10348 || s.Carried != 0 || len(s.Lines) != 4 {
		t.Fatalf("statement = %+v, %v", s, err)
	}
	r.want(c, r.term.Reversal(last, "98"), "00")
	if _, err := r.CloseDay(t.Context(), "2026-11-25", next()); err != nil {
		t.Fatal(err)
	}
	s, err = r.Statement(t.Context(), "2026-11-25", testMID)
	if err != nil || s.Gross != -300 || s.Fee != -2 || s.Paid != 0 || s.Carried != -298 || s.Why == "" {
		t.Errorf("next statement = %+v, %v", s, err)
	}
	file, err := r.Clearing(t.Context(), "2026-11-24", "unionpay")
	back, errBack := settle.ParseClearing(file.Text())
	if err != nil || errBack != nil || len(back.Records) != 4 || bytes.Contains(file.Text(), []byte("6277000000000011")) {
		t.Errorf("clearing = %s, %v, %v", file.Text(), err, errBack)
	}
	if wrong, err := r.CheckLedger(t.Context()); err != nil || len(wrong) != 0 {
		t.Errorf("ledger check: %q, %v", wrong, err)
	}
	for _, planted := range []string{
		`UPDATE statement_line SET fee = fee + 1 WHERE gross = 10101`,
		`DELETE FROM statement_line WHERE gross = -300 AND part = 'payment'`,
		`UPDATE statement SET fee = fee * 2, net = net - fee, carried = carried - fee WHERE fee > 0`,
	} {
		found := false
		err := r.Host.db.Update(t.Context(), func(tx db.Tx) error {
			if _, err := tx.ExecContext(t.Context(), planted); err != nil {
				return err
			}
			wrong, err := settle.Check(t.Context(), tx)
			found = len(wrong) > 0
			if err != nil {
				return err
			}
			return settle.ErrNoStatement // undone
		})
		if !found {
			t.Errorf("not found: %s (%v)", planted, err)
		}
	}
}
