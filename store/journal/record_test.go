package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/store"
)

// No state leaves the card number readable in the file, plain, packed or as hex; and
// where no reversal can need it any longer nobody can open it.
func TestNoCardNumberInTheFile(t *testing.T) {
	bcd, err := hex.DecodeString(canary)
	if err != nil {
		t.Fatal(err)
	}
	shifted, err := hex.DecodeString("0" + canary + "F")
	if err != nil {
		t.Fatal(err)
	}
	paths := [][]payment.State{
		{},
		{payment.Answered},
		{payment.Answered, payment.Completed},
		{payment.Declined},
		{payment.ReversalOwed},
		{payment.ReversalOwed, payment.Reversed},
		{payment.ReversalOwed, payment.Resolved},
	}
	for _, path := range paths {
		t.Run(fmt.Sprint(path), func(t *testing.T) {
			f := newFixture(t)
			rec := f.begin()
			for _, to := range path {
				f.move(rec, to)
			}
			file, err := os.ReadFile(f.cfg.Path)
			if err != nil {
				t.Fatal(err)
			}
			for _, needle := range [][]byte{[]byte(canary), bcd, shifted[1:8], []byte(rec.Masked)} {
				if bytes.Contains(file, needle) {
					t.Errorf("%q is readable in the file", needle)
				}
			}
			f.restart()
			got, err := f.Get(ctx, rec.ID)
			if err != nil {
				t.Fatal(err)
			}
			if want := !forgets(rec.State, rec.Kind, owesNotice(rec)); got.PAN.IsZero() == want {
				t.Errorf("%v: card number there: %v, want %v", rec.State, !got.PAN.IsZero(), want)
			}
			if got.Masked != rec.Masked {
				t.Errorf("masked %q", got.Masked)
			}
		})
	}
}

// Every field of the record comes back: a new one that is not persisted fails here.
func TestEveryFieldIsKept(t *testing.T) {
	f := newFixture(t)
	id, _ := f.Next(ctx)
	rec := new(payment.Record)
	fill(reflect.ValueOf(rec).Elem(), new(int))
	rec.ID, rec.State, rec.PAN = id, payment.Requested, mustPAN(canary)
	rec.Before.Currency = rec.Amount.Currency // an adjustment does not change it
	rec.Printed = true
	if err := f.Begin(ctx, rec); err != nil {
		t.Fatal(err)
	}
	f.restart()
	got, err := f.Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, rec) {
		t.Errorf("got  %+v\nwant %+v", got, rec)
	}
}

// fill gives every field a value other than its zero.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(1_700_000_000+*n), 5).UTC()))
			return
		}
		if v.Type() == reflect.TypeFor[emv.PAN]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text <%d> 中", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n % 200))
	default:
		panic("no value for a " + v.Type().String())
	}
}

// A record that a damaged page no longer shows is missed.
func TestAHoleIsDamage(t *testing.T) {
	for name, seq := range map[string]uint64{"first": 1, "middle": 2, "last": 3} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			for range 3 {
				f.begin()
			}
			if err := f.db.Update(func(tx *store.Tx) error { return tx.Delete(bucketRecords, keyOf(seq)) }); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(ctx, Config{DB: f.db, Limit: 200}); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
		})
	}
}

func TestARecordOfNoKnownStateIsDamage(t *testing.T) {
	f := newFixture(t)
	f.begin()
	err := f.db.Update(func(tx *store.Tx) error {
		value, err := tx.Get(bucketRecords, keyOf(1))
		value[1] = 77
		return errors.Join(err, tx.Put(bucketRecords, keyOf(1), value))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, Config{DB: f.db, Limit: 200}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

// FuzzValue: whatever bytes a record holds, reading them is a record or an error, and a
// record is written as the bytes that read back as it.
func FuzzValue(f *testing.F) {
	good, err := encode(request(payment.ID{Batch: 1, STAN: 2}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, '{', '}'})
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		rec, err := decode(value)
		if err != nil {
			return
		}
		again, err := encode(rec)
		if err != nil {
			return // a time beyond JSON's
		}
		back, err := decode(again)
		if err != nil {
			t.Fatalf("own bytes: %v", err)
		}
		if twice, err := encode(back); err != nil || !bytes.Equal(again, twice) {
			t.Errorf("%q\n%q %v", again, twice, err)
		}
	})
}
