package db_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
)

func count(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	err := d.View(t.Context(), func(tx db.Tx) error {
		return tx.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM rrn_counter`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(ctx context.Context, tx db.Tx, node int) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO rrn_counter (node, day, last) VALUES ($1, $2, 1)`, node, "today")
	return err
}

// Many updates at one time: each that returned nil is there, each that failed left nothing,
// and one that fails does not take the others of its commit with it.
func TestUpdatesShareCommits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const callers = 200
		boom := errors.New("boom")
		var wait sync.WaitGroup
		for i := range callers {
			wait.Go(func() {
				err := d.Update(t.Context(), func(tx db.Tx) error {
					if err := insert(t.Context(), tx, i); err != nil {
						return err
					}
					switch i % 4 {
					case 1:
						return boom
					case 2: // an error of the database itself, which the transaction must outlive
						return insert(t.Context(), tx, i)
					}
					return nil
				})
				if failed := i%4 == 1 || i%4 == 2; (err != nil) != failed {
					t.Errorf("update %d: %v", i, err)
				}
				if i%4 == 1 && !errors.Is(err, boom) {
					t.Errorf("update %d: %v, want its own error", i, err)
				}
			})
		}
		wait.Wait()
		if n := count(t, d); n != callers/2 {
			t.Errorf("%d rows, want %d", n, callers/2)
		}
	})
}

// A caller who panics keeps its panic, and what it did is gone; the next one goes on.
func TestAPanicIsItsCallersOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		got := func() (got any) {
			defer func() { got = recover() }()
			d.Update(t.Context(), func(tx db.Tx) error { //nolint:errcheck // it panics
				if err := insert(t.Context(), tx, 1); err != nil {
					return err
				}
				panic("out of order")
			})
			return nil
		}()
		if fmt.Sprint(got) != "out of order" || count(t, d) != 0 {
			t.Errorf("panic %v, %d rows", got, count(t, d))
		}
		if err := d.Update(t.Context(), func(tx db.Tx) error { return insert(t.Context(), tx, 1) }); err != nil || count(t, d) != 1 {
			t.Errorf("the next update: %v, %d rows", err, count(t, d))
		}
	})
}

// A fn that ends its goroutine commits nothing, and the writer goes on.
func TestAnEndedGoroutineLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.Update(context.Background(), func(tx db.Tx) error { //nolint:errcheck // it does not return
				if err := insert(context.Background(), tx, 1); err != nil {
					t.Error(err)
				}
				runtime.Goexit()
				return nil
			})
		}()
		<-ended
		if err := d.Update(t.Context(), func(tx db.Tx) error { return insert(t.Context(), tx, 2) }); err != nil || count(t, d) != 1 {
			t.Errorf("the next update: %v, %d rows", err, count(t, d))
		}
	})
}

// Read, decide, write: nobody comes between, however many hosts there are.
func TestUpdatesFollowOneAnother(t *testing.T) {
	dbtest.EachName(t, func(t *testing.T, name string) {
		const rounds = 25
		var wait sync.WaitGroup
		for range 2 {
			d, err := db.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			for range 4 {
				wait.Go(func() {
					for range rounds {
						if err := d.Update(t.Context(), addOne); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		wait.Wait()
		d, err := db.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		var last int
		err = d.View(t.Context(), func(tx db.Tx) error {
			return tx.QueryRowContext(t.Context(), `SELECT last FROM rrn_counter`).Scan(&last)
		})
		if want := 2 * 4 * rounds; err != nil || last != want {
			t.Errorf("counted %d, %v; want %d", last, err, want)
		}
	})
}

// addOne reads a counter and writes what it read, plus one.
func addOne(tx db.Tx) error {
	ctx := context.Background()
	var last int
	if _, err := tx.ExecContext(ctx, `INSERT INTO rrn_counter (node, day, last) VALUES ($1, 'x', 0) ON CONFLICT (node, day) DO NOTHING`, 1); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `SELECT last FROM rrn_counter WHERE node = $1`, 1).Scan(&last); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE rrn_counter SET last = $1`, last+1)
	return err
}

// A view sees what was there when it began, and cannot write.
func TestViews(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.View(t.Context(), func(tx db.Tx) error { return insert(t.Context(), tx, 1) })
		if err == nil || count(t, d) != 0 {
			t.Errorf("a view wrote: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Update(ctx, func(tx db.Tx) error { return insert(ctx, tx, 1) }); !errors.Is(err, context.Canceled) || count(t, d) != 0 {
			t.Errorf("an update of a caller who is gone: %v", err)
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", kind, callers), func(b *testing.B) { benchmarkUpdate(b, kind, callers) })
		}
	}
}

func benchmarkUpdate(b *testing.B, kind string, callers int) {
	name := b.TempDir() + "/host.db"
	if kind == "postgres" {
		name = dbtest.URL(b)
	}
	d, err := db.Open(b.Context(), name)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	b.SetParallelism(max(callers/2, 1))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := d.Update(b.Context(), addOne); err != nil {
				b.Error(err)
			}
		}
	})
}
