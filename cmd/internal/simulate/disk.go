package simulate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"posd/emv/payment"
	"posd/store"
	"posd/store/archive"
	"posd/store/journal"
	"posd/store/keys"
	"posd/store/spool"
	"posd/store/wal"
)

// Sizes of the terminal's files: small, so that they are copied fast.
const (
	storeSize   = 1 << 20
	logFrames   = 1024
	archiveSize = 1 << 20
	reserveSize = 256 << 10
)

// open opens all that is on disk, as cmd/posd does.
func (l *life) open() error {
	var err error
	path := func(name string) string { return filepath.Join(l.w.dir, name) }
	if l.db, err = store.Open(store.Config{
		Path: path("posd.db"), Key: deviceKey{}, Rand: l.w.storeRand, MaxSize: storeSize, Fail: l.commit,
	}); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if l.log, err = wal.Open(wal.Config{
		Path: path("posd.log"), Key: deviceKey{}, Rand: l.w.storeRand, Frames: logFrames, Fail: l.append,
	}); err != nil {
		return errors.Join(err, l.close())
	}
	if l.archive, err = archive.Open(archive.Config{
		Dir: path("archive"), Key: deviceKey{}, Rand: l.w.storeRand, Limit: archiveSize, Reserve: reserveSize,
	}); err != nil {
		return errors.Join(err, l.close())
	}
	l.journal, err = journal.Open(l.ctx, journal.Config{DB: l.db, Limit: l.w.limit, Log: l.log, Archive: l.archive})
	if err == nil {
		l.keys, err = keys.Open(keys.Config{DB: l.db, Now: l.w.now})
	}
	if err == nil {
		l.spool, err = spool.Open(l.ctx, spool.Config{
			DB: l.db, Journal: printable{l.journal, l.archive}, Receipts: printer{l, l.w.paperDice}, Documents: noDocuments,
		})
	}
	if err != nil {
		return errors.Join(err, l.close())
	}
	return nil
}

// close lets go of the files and writes nothing that the disk does not have.
func (l *life) close() error {
	err := l.db.Close()
	if l.log != nil {
		err = errors.Join(err, l.log.Close())
	}
	return err
}

// commit is store.Config.Fail: what disk and power do at a commit.
func (l *life) commit(p store.Point, _ uint64) error {
	return l.write(string(p), p == store.BeforeCommit)
}

// append is wal.Config.Fail: the same for the second copy.
func (l *life) append(s wal.Step) error {
	return l.write(string(s), s == wal.BeforeWrite)
}

func (l *life) write(place string, first bool) error {
	if l.isDead() {
		return errPower
	}
	weather := l.w.weather()
	switch {
	case l.disk.hits(weather.power / 2):
		l.cut(place)
		return errPower
	case first && l.w.diskFull():
		return syscall.ENOSPC
	case l.disk.hits(weather.disk / 2):
		l.w.note("disk: error %s", place)
		return errDisk
	}
	return nil
}

// settledPayments is the archive as a payment looks into it.
type settledPayments struct{ archive *archive.Archive }

// Get returns a payment of a closed batch.
func (s settledPayments) Get(ctx context.Context, id payment.ID) (*payment.Record, error) {
	found, err := s.archive.Search(ctx, archive.Query{Batch: id.Batch, STAN: id.STAN, Limit: 1})
	if len(found) == 0 {
		return nil, errors.Join(payment.ErrNoRecord, err)
	}
	return journal.FromArchive(found[0])
}

// printable is the journal as the print queue sees it: a slip may be printed after its
// batch was closed.
type printable struct {
	*journal.Journal
	archive *archive.Archive
}

// Get finds the record wherever it is.
func (p printable) Get(ctx context.Context, id payment.ID) (*payment.Record, error) {
	rec, err := p.Journal.Get(ctx, id)
	if errors.Is(err, payment.ErrNoRecord) {
		return settledPayments{p.archive}.Get(ctx, id)
	}
	return rec, err
}

// noDocuments prints what is no slip: nothing here.
func noDocuments(context.Context, spool.Job, bool) error { return spool.ErrUnprintable }
