package journal

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"posd/emv/payment"
	"posd/store"
)

func (f *fixture) startConfig() StartConfig {
	return StartConfig{Store: f.cfg, Log: f.log, Archive: f.arc, Limit: f.limit, Now: time.Unix(1_795_000_000, 0), Check: func(ctx context.Context) store.Report {
		return store.CheckFile(ctx, f.cfg.Path, f.cfg.Key)
	}}
}

// Whatever became of the files, the terminal starts, and every debt can be reversed.
func TestStartWhateverBecameOfTheFiles(t *testing.T) {
	for _, row := range []struct {
		name    string
		edit    func(t *testing.T, f *fixture, cfg *StartConfig)
		finding string
		aside   bool
	}{
		{"nothing", func(*testing.T, *fixture, *StartConfig) {}, "", false},
		{"a record damaged", func(_ *testing.T, f *fixture, _ *StartConfig) { f.damage(bucketRecords, keyOf(5)) }, FindingRestored, false},
		{"the store is garbage", func(t *testing.T, f *fixture, _ *StartConfig) {
			overwrite(t, f.cfg.Path, bytes.Repeat([]byte{0xA5}, 1<<20))
		}, FindingAside, true},
		{"the store is cut short", func(t *testing.T, f *fixture, _ *StartConfig) {
			if err := os.Truncate(f.cfg.Path, 40_000); err != nil {
				t.Fatal(err)
			}
		}, FindingAside, true},
		{"the check hung", func(_ *testing.T, _ *fixture, cfg *StartConfig) {
			cfg.Check = func(context.Context) store.Report { return store.Report{Verdict: store.Hung} }
		}, FindingAside, true},
		{"no check", func(_ *testing.T, f *fixture, cfg *StartConfig) {
			cfg.Check = nil
			f.damage(bucketRecords, keyOf(5))
		}, FindingRestored, false},
		{"the log is garbage", func(t *testing.T, f *fixture, _ *StartConfig) {
			overwrite(t, f.log.Path, bytes.Repeat([]byte{0xA5}, 100_000))
		}, FindingAside, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFixture(t)
			want := f.mixed()
			f.close()
			cfg := f.startConfig()
			row.edit(t, f, &cfg)
			s, err := Start(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for id, rec := range want {
				if got, err := s.Journal.Get(ctx, id); err != nil {
					t.Error(err)
				} else {
					sameMoney(t, got, rec)
				}
			}
			if found := fmt.Sprint(s.Findings()); row.finding == "" && found != "[]" || !strings.Contains(found, row.finding) {
				t.Errorf("findings %s, want %q", found, row.finding)
			}
			if (s.Store.Aside != "") != row.aside {
				t.Errorf("set aside: %+v", s.Store)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			f.open() // for the clean-up
		})
	}
}

func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatTheLogAloneKnowsAsOwed(t *testing.T) {
	f := newFixture(t)
	want := 0
	for _, rec := range f.mixed() {
		if !rec.State.Final() {
			want++
		}
	}
	owed, err := LogOwed(ctx, f.wal)
	if err != nil || len(owed) != want || want != 5 {
		t.Fatalf("%d owed %v, want %d", len(owed), err, want)
	}
	for _, rec := range owed {
		if rec.Masked == "" || rec.Amount.Minor == 0 || !rec.PAN.IsZero() {
			t.Errorf("%+v", rec)
		}
	}
	if owed[0].State != payment.Requested {
		t.Errorf("first %v", owed[0].State)
	}
}
