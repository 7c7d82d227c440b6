package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"posd/emv/payment"
	"posd/store"
	"posd/store/archive"
	"posd/store/wal"
)

// StartConfig is what Start opens.
type StartConfig struct {
	Store   store.Config
	Log     wal.Config
	Archive archive.Config
	Limit   int // payments; 0 is DefaultLimit
	// Check gives the report on the store's file, from a child process: see store.Child.
	// nil has none made, and the file is opened by the reader that trusts nothing.
	Check func(ctx context.Context) store.Report
	Now   time.Time // names files that are set aside
}

// Started is an open journal with what it is made of, and what had to be put right.
type Started struct {
	DB      *store.DB
	Log     *wal.Log
	Archive *archive.Archive
	Journal *Journal

	Store      store.Opening // a file that was set aside is in Store.Aside
	LogAside   string        // where a log that cannot be used was moved to
	Repaired   *Repaired     // nil where no record was damaged
	ArchiveErr error         // why there is no archive: no batch can be closed
}

// Start opens a journal whatever became of its files. A store that cannot be used is set
// aside, whole, and what was owed comes back from the log; one with damaged records is
// repaired; a log that cannot be used is set aside, and written anew from the store. A
// file that is busy or from a newer version is an error.
func Start(ctx context.Context, cfg StartConfig) (*Started, error) {
	s := &Started{}
	if err := s.open(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: start: %w", err), s.Close())
	}
	return s, nil
}

func (s *Started) open(ctx context.Context, cfg StartConfig) (err error) {
	report := store.Report{Verdict: store.Unknown, Detail: "not checked"}
	if cfg.Check != nil {
		report = cfg.Check(ctx)
	}
	if s.DB, s.Store, err = store.OpenChecked(ctx, cfg.Store, report, cfg.Now, Buckets()...); err != nil {
		return err
	}
	if err := s.openLog(cfg); err != nil {
		return err
	}
	if s.Archive, s.ArchiveErr = archive.Open(cfg.Archive); s.ArchiveErr != nil {
		s.Archive = nil
	}
	parts := Config{DB: s.DB, Limit: cfg.Limit, Log: s.Log, Archive: s.Archive}
	if s.Journal, err = Open(ctx, parts); err == nil || !errors.Is(err, store.ErrDamaged) {
		return err
	}
	repaired, err := Repair(ctx, parts)
	if err == nil {
		s.Repaired = &repaired
		s.Journal, err = Open(ctx, parts)
	}
	if err != nil {
		return s.anew(ctx, cfg, parts)
	}
	return nil
}

func (s *Started) openLog(cfg StartConfig) (err error) {
	s.Log, err = wal.Open(cfg.Log)
	if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrForeign) {
		return err
	}
	if s.LogAside, err = store.SetAside(cfg.Log.Path, cfg.Now); err != nil {
		return err
	}
	s.Log, err = wal.Open(cfg.Log)
	return err
}

// anew sets a store aside that Repair could not mend.
func (s *Started) anew(ctx context.Context, cfg StartConfig, parts Config) (err error) {
	_ = s.DB.Close() // it may be damaged beyond that
	s.DB = nil
	if s.Store.Aside, err = store.SetAside(cfg.Store.Path, cfg.Now); err != nil {
		return err
	}
	s.Store.Made, s.Repaired = true, nil
	if s.DB, err = store.Open(cfg.Store); err != nil {
		return err
	}
	parts.DB = s.DB
	s.Journal, err = Open(ctx, parts)
	return err
}

// Close lets go of everything, after a last Flush.
func (s *Started) Close() error {
	var errs []error
	if s.Journal != nil {
		errs = append(errs, s.Journal.Flush(context.Background()))
	}
	if s.Log != nil {
		errs = append(errs, s.Log.Close())
	}
	if s.DB != nil {
		errs = append(errs, s.DB.Close())
	}
	return errors.Join(errs...)
}

// Findings are all that a technician must know of what was opened.
func (s *Started) Findings() []store.Finding {
	found := s.Journal.Findings()
	add := func(code, format string, args ...any) {
		found = append(found, store.Finding{Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	if s.Store.Aside != "" {
		add(FindingAside, "the store was set aside as %s: %v", s.Store.Aside, s.Store.Report)
	}
	if s.LogAside != "" {
		add(FindingAside, "the second copy was set aside as %s, and written anew", s.LogAside)
	}
	if r := s.Repaired; r != nil {
		add(FindingRestored, "%d damaged records were repaired: %d came back, %d are lost", r.Damaged, len(r.Restored), r.Lost)
	}
	if s.ArchiveErr != nil {
		add(archive.FindingReserve, "no batch can be closed: %v", s.ArchiveErr)
		return found
	}
	return append(found, s.Archive.Findings()...)
}

// FindingAside says that a file was set aside.
const FindingAside = "store-aside"

// LogOwed returns what a log, on its own, knows as owed to the host: payments that are
// neither completed nor given back, oldest first, without card number. It is for a
// terminal whose store does not open.
func LogOwed(ctx context.Context, log *wal.Log) (owed []*payment.Record, err error) {
	last := map[payment.ID]*payment.Record{}
	var order []payment.ID
	err = log.Each(func(f wal.Frame, damage error) error {
		clear(f.Secret)
		rec, err := decodeFacts(bytes.Clone(f.Payload))
		if err != nil {
			return ctx.Err()
		}
		if last[rec.ID] == nil {
			order = append(order, rec.ID)
		}
		last[rec.ID] = rec
		return ctx.Err()
	})
	for _, id := range order {
		if rec := last[id]; !rec.State.Final() {
			owed = append(owed, rec)
		}
	}
	if err != nil {
		return owed, fmt.Errorf("journal: what the log knows as owed: %w", err)
	}
	return owed, nil
}
