package ledger

import (
	"errors"
	"testing"
	"time"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
)

// TestHolds: what is held is not available, each move happens from one state only, and the
// trial balance sees a hold that was forgotten.
func TestHolds(t *testing.T) {
	d := dbtest.OpenVolatile(t)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	err := d.Update(t.Context(), func(tx db.Tx) error {
		a, err := Open(t.Context(), tx, Account{Name: "card", Currency: emv.CNY, CreditLine: 100, Opening: 1000}, at)
		if err != nil {
			return err
		}
		want := func(held int64) {
			t.Helper()
			got, err := ByID(t.Context(), tx, a.ID)
			if err != nil || got.Held != held || got.Available() != 1100-held {
				t.Errorf("account %+v, %v; want %d held", got, err, held)
			}
			if trial, err := TrialBalance(t.Context(), tx); err != nil || !trial.OK() {
				t.Errorf("trial balance %+v, %v", trial, err)
			}
		}
		first, err := Keep(t.Context(), tx, a.ID, 300, at, at.Add(time.Hour))
		if err != nil {
			return err
		}
		second, err := Keep(t.Context(), tx, a.ID, 200, at, at.Add(2*time.Hour))
		if err != nil {
			return err
		}
		want(500)
		for _, row := range []struct {
			from, to HoldState
			held     int64
			refused  bool
		}{
			{HoldOpen, Used, 200, false},
			{HoldOpen, Released, 200, true},
			{Used, HoldOpen, 500, false},
			{Used, HoldOpen, 500, true},
			{HoldOpen, HoldOpen, 500, true},
			{HoldOpen, Released, 200, false},
			{Released, Used, 200, true},
			{Released, HoldOpen, 500, false},
		} {
			if err := MoveHold(t.Context(), tx, first, row.from, row.to); errors.Is(err, ErrNoHold) != row.refused {
				t.Errorf("%s to %s: %v", row.from, row.to, err)
			}
			want(row.held)
		}
		if ids, err := ExpireHolds(t.Context(), tx, a.ID, at.Add(time.Hour)); err != nil || len(ids) != 1 || ids[0] != first {
			t.Errorf("expired %v, %v; want %d", ids, err, first)
		}
		want(200)
		if _, err := Keep(t.Context(), tx, a.ID, 0, at, at); err == nil {
			t.Error("nothing was held")
		}
		if _, err := FindHold(t.Context(), tx, 99); !errors.Is(err, ErrNoHold) {
			t.Errorf("hold 99: %v", err)
		}
		if _, err := tx.ExecContext(t.Context(), `UPDATE hold SET state = 'released' WHERE id = $1`, second); err != nil {
			return err
		}
		if trial, err := TrialBalance(t.Context(), tx); err != nil || trial.OK() {
			t.Errorf("a hold was forgotten, and the trial balance is %+v, %v", trial, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
