package estate

import (
	"context"
	"errors"
	"testing"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
)

const testMID = "104403154110001"

func estateDB(t *testing.T) func(fn func(context.Context, db.Tx) error) error {
	t.Helper()
	d := dbtest.Open(t)
	return func(fn func(context.Context, db.Tx) error) error {
		return d.Update(t.Context(), func(tx db.Tx) error { return fn(t.Context(), tx) })
	}
}

func TestTerminalLife(t *testing.T) {
	in := estateDB(t)
	err := in(func(ctx context.Context, tx db.Tx) error {
		if _, err := AddMerchant(ctx, tx, Merchant{MID: testMID, Name: "m"}, emv.CNY, noon); err != nil {
			return err
		}
		made, err := AddTerminal(ctx, tx, Terminal{TID: "POSD0001", MID: testMID, SN: "1", TMK: []byte("sealed")})
		if err != nil {
			return err
		}
		made.TPK, made.TAK = []byte("tpk"), []byte("tak")
		if err := SaveSignOn(ctx, tx, made); err != nil {
			return err
		}
		return errors.Join(SetBatch(ctx, tx, "POSD0001", 7), SetStatus(ctx, tx, "POSD0001", Suspended))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = in(func(ctx context.Context, tx db.Tx) error {
		got, err := FindTerminal(ctx, tx, "POSD0001")
		if got.Batch != 7 || got.Status != Suspended || !got.SignedOn || got.KeySet != 1 || string(got.TAK) != "tak" || len(got.TDK) != 0 {
			t.Errorf("terminal = %+v", got)
		}
		if err := SaveSignOff(ctx, tx, "POSD0001"); err != nil {
			return err
		}
		all, listErr := Terminals(ctx, tx)
		if len(all) != 1 || all[0].SignedOn {
			t.Errorf("terminals = %+v", all)
		}
		return errors.Join(err, listErr)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatDoesNotExist(t *testing.T) {
	in := estateDB(t)
	rows := []struct {
		name string
		run  func(context.Context, db.Tx) error
		want error
	}{
		{"find terminal", func(ctx context.Context, tx db.Tx) error { _, err := FindTerminal(ctx, tx, "NONE0001"); return err }, ErrNoTerminal},
		{"find merchant", func(ctx context.Context, tx db.Tx) error { _, err := FindMerchant(ctx, tx, testMID); return err }, ErrNoMerchant},
		{"suspend", func(ctx context.Context, tx db.Tx) error { return SetStatus(ctx, tx, "NONE0001", Suspended) }, ErrNoTerminal},
		{"terminal of no merchant", func(ctx context.Context, tx db.Tx) error {
			_, err := AddTerminal(ctx, tx, Terminal{TID: "POSD0001", MID: testMID, SN: "1", TMK: []byte{1}})
			return err
		}, ErrNoMerchant},
		{"merchant twice", func(ctx context.Context, tx db.Tx) error {
			_, err := AddMerchant(ctx, tx, Merchant{MID: testMID, Name: "m"}, emv.CNY, noon)
			if err == nil {
				_, err = AddMerchant(ctx, tx, Merchant{MID: testMID, Name: "m"}, emv.CNY, noon)
			}
			return err
		}, ErrExists},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if err := in(row.run); !errors.Is(err, row.want) {
				t.Errorf("err = %v, want %v", err, row.want)
			}
		})
	}
}
