package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"posd/store/internal/disk"
)

// A migration never touches the file that it starts from:
//
//	journal.db            the older file, locked, is copied to
//	journal.db.migrating  where the steps run and each is compared with what was before;
//	                      checked, flushed, and, the older one linked as
//	journal.db.schema1    for the way back, renamed to
//	journal.db            whose folder is flushed; opened; then the older one is wiped
//
// A power cut on any line leaves journal.db whole, older or newer.

func migratingPath(path string) string { return path + ".migrating" }

func olderPath(path string, version int) string { return fmt.Sprintf("%s.schema%d", path, version) }

// migrate brings a copy of an older file up and puts it in the file's place. The DB that
// it starts from is closed then.
func (db *DB) migrate(cfg Config, s schema) error {
	from := db.schema.Version
	err := db.migrateCopy(cfg, s)
	if err == nil {
		err = switchTo(cfg.Path, from)
	}
	if err = errors.Join(err, db.abandon()); err != nil {
		return fmt.Errorf("schema %d to %d: the file stays as it was: %w", from, s.version, err)
	}
	return nil
}

// migrateCopy makes the migrated copy, whole and flushed.
func (db *DB) migrateCopy(cfg Config, s schema) error {
	temp := migratingPath(cfg.Path)
	if err := forgetCopy(temp); err != nil {
		return err
	}
	if err := db.copyFile(temp); err != nil {
		return errors.Join(err, forgetCopy(temp))
	}
	cfg.Path = temp
	next, err := openFile(cfg, db.seal, s)
	if err == nil {
		err = db.runSteps(next, s)
		err = errors.Join(err, next.Close())
	}
	if err != nil {
		return errors.Join(err, forgetCopy(temp))
	}
	return nil
}

// copyFile copies the file byte for byte: records stay sealed, slots stay with them.
func (db *DB) copyFile(to string) (err error) {
	f, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size := db.slots.lay.size
	if err := disk.Reserve(f, size); err != nil {
		if errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("a copy needs %d KiB free: %w: %w", size>>10, ErrFull, err)
		}
		return err
	}
	if _, err := io.Copy(io.NewOffsetWriter(f, 0), io.NewSectionReader(db.file, 0, size)); err != nil {
		return err
	}
	return f.Sync()
}

// runSteps brings next up, one version and one transaction at a time, compares what db
// held with what next holds, and checks it.
func (db *DB) runSteps(next *DB, s schema) error {
	var rewrites, drops []string
	for next.schema.Version < s.version {
		from, to := next.schema.Version, next.schema
		to.Version++
		st, known := s.steps[from]
		if !known {
			return fmt.Errorf("no step from %d to %d", from, to.Version)
		}
		err := next.Update(func(tx *Tx) error {
			if err := st.run(tx); err != nil {
				return err
			}
			return writeSchema(tx, to)
		})
		if err != nil {
			return fmt.Errorf("step to %d: %w", to.Version, err)
		}
		next.schema = to
		rewrites, drops = append(rewrites, st.rewrites...), append(drops, st.drops...)
	}
	if err := db.compare(next, rewrites, drops); err != nil {
		return err
	}
	return next.Check(context.Background())
}

// compare finds what a migration lost: a record that is gone, or was changed although no
// step said so, or whose secret is gone.
func (db *DB) compare(next *DB, rewrites, drops []string) error {
	return next.read(func(after *Tx) error {
		return db.read(func(before *Tx) error {
			return before.everyRecord(func(bucket string, key, sealed []byte) error {
				switch {
				case slices.Contains(drops, bucket), bucket == schemaBucket:
					return nil
				}
				return after.stillHas(bucket, key, sealed, slices.Contains(rewrites, bucket))
			})
		})
	})
}

func (tx *Tx) stillHas(bucket string, key, sealed []byte, rewritten bool) error {
	var now []byte
	err := guard(func() error {
		if b := tx.bolt.Bucket([]byte(bucket)); b != nil {
			now = bytes.Clone(b.Get(key))
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case now == nil:
		return fmt.Errorf("the migration lost record %s/%x: %w", bucket, key, ErrNotFound)
	case !rewritten && !bytes.Equal(now, sealed):
		return fmt.Errorf("the migration changed record %s/%x, and no step says that it does", bucket, key)
	case slotOf(sealed) != 0 && slotOf(now) == 0:
		return fmt.Errorf("the migration lost the secret of record %s/%x: %w", bucket, key, ErrNoSecret)
	}
	return nil
}

// switchTo puts the migrated copy in the file's place, and keeps the older one.
func switchTo(path string, from int) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	older := olderPath(path, from)
	if err := forgetOlder(path, from); err != nil {
		return err
	}
	if err := os.Link(path, older); err != nil {
		return err
	}
	if err := disk.Publish(dir, migratingPath(path), path); err != nil {
		return errors.Join(err, os.Remove(older))
	}
	return nil
}

// reopen opens the migrated file. Where it does not open, the older one comes back.
func reopen(cfg Config, seal *sealer, s schema, from int) (*DB, error) {
	db, err := openFile(cfg, seal, s)
	if err == nil {
		return db, nil
	}
	err = fmt.Errorf("the migrated file does not open, the older one is back: %w", err)
	return nil, errors.Join(err, os.Rename(olderPath(cfg.Path, from), cfg.Path))
}

// forgetCopies wipes and removes what a migration left: the older files, and a copy that
// a power cut left half done. Their slots hold keys of secrets that the file may wipe.
func forgetCopies(path string, version int) error {
	errs := []error{forgetCopy(migratingPath(path))}
	for v := 1; v < version; v++ {
		errs = append(errs, forgetOlder(path, v))
	}
	return errors.Join(errs...)
}

// forgetOlder forgets an older file. After a power cut in the middle of a switch it may
// be a second name of the file itself, of which only the name goes.
func forgetOlder(path string, version int) error {
	older := olderPath(path, version)
	one, err := os.Stat(older)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	two, err := os.Stat(path)
	if err != nil {
		return err
	}
	if os.SameFile(one, two) {
		return os.Remove(older)
	}
	return forgetCopy(older)
}

// forgetCopy overwrites the slots of a copy with zeros, so that its secrets open no
// more, and removes it.
func forgetCopy(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		lay := layoutOf(info.Size())
		_, err = f.WriteAt(make([]byte, lay.slots), lay.data)
	}
	if err := errors.Join(err, disk.Flush(f), f.Close()); err != nil {
		return fmt.Errorf("wipe %s: %w", path, err)
	}
	return os.Remove(path)
}
