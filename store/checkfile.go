package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Verdict is what a check says of a file.
type Verdict string

const (
	Good    Verdict = "good"
	Missing Verdict = "missing" // there is no file
	Damaged Verdict = "damaged" // not what was written
	Foreign Verdict = "foreign" // another program's or device's, or the device key was replaced
	Newer   Verdict = "newer"   // a newer version of the program made it
	Busy    Verdict = "busy"    // another process has it
	Hung    Verdict = "hung"    // the check did not end in time
	Unknown Verdict = "unknown" // the check could not be made
)

// Report is what a check found.
type Report struct {
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail,omitempty"` // what is wrong and where
	Schema  int     `json:"schema,omitempty"`
	Records int     `json:"records,omitempty"`
	Used    int64   `json:"used,omitempty"` // bytes
	Size    int64   `json:"size,omitempty"`
	// Hurt lists the buckets with damaged records, where everything else is whole: then
	// the file can be repaired and need not be set aside.
	Hurt []string      `json:"hurt,omitempty"`
	Took time.Duration `json:"took_ns,omitempty"`
}

// String is one line for a person.
func (r Report) String() string {
	if r.Verdict == Good {
		return fmt.Sprintf("good: %d records, %d of %d KiB, schema %d", r.Records, r.Used>>10, r.Size>>10, r.Schema)
	}
	return fmt.Sprintf("%s: %s", r.Verdict, r.Detail)
}

// verdictOf says what an error of opening or checking means.
func verdictOf(err error) Verdict {
	switch {
	case err == nil:
		return Good
	case errors.Is(err, fs.ErrNotExist):
		return Missing
	case errors.Is(err, ErrDamaged):
		return Damaged
	case errors.Is(err, ErrForeign):
		return Foreign
	case errors.Is(err, ErrNewer):
		return Newer
	case errors.Is(err, ErrLocked):
		return Busy
	}
	return Unknown
}

// CheckFile opens a store that nobody writes, and verifies everything in it as
// [DB.Check] does. It writes nothing. A damaged page can make it fault or loop in spite
// of all care, or the disk may not answer: run it in a child process, see [Child].
func CheckFile(ctx context.Context, path string, key DeviceKey) Report {
	r, err := checkFile(ctx, path, key)
	if r.Verdict = verdictOf(err); err != nil {
		r.Detail = err.Error()
	}
	return r
}

func checkFile(ctx context.Context, path string, key DeviceKey) (r Report, err error) {
	seal, err := newSealer(key, nil)
	if err != nil {
		return r, err
	}
	lay, err := inspect(path)
	if err != nil {
		return r, err
	}
	db := &DB{path: path, seal: seal}
	if err := db.openBolt(lay, time.Second, true); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.abandon()) }()
	if err := db.readSchema(lay, schema1()); err != nil {
		return r, err
	}
	if db.slots, err = openSlots(db.file, lay, seal); err != nil {
		return r, err
	}
	r.Schema, r.Size = db.schema.Version, lay.size
	r.Used, _ = db.Size()
	return r, db.checkAll(ctx, &r)
}

// checkAll verifies tree, seals and slots of a store opened for reading.
func (db *DB) checkAll(ctx context.Context, r *Report) error {
	var faults []error
	err := guard(func() error {
		return db.bolt.View(func(btx *bbolt.Tx) error {
			faults = checkTree(ctx, btx)
			return nil
		})
	})
	treeWhole := err == nil && len(faults) == 0
	found, each := db.checkRecords(ctx, r)
	if !treeWhole || each != nil {
		r.Hurt = nil
	}
	return errors.Join(append(append(faults, found...), err, each)...)
}

// checkRecords opens every record and its secret.
func (db *DB) checkRecords(ctx context.Context, r *Report) (faults []error, err error) {
	err = db.read(func(tx *Tx) error {
		return tx.everyRecord(func(bucket string, key, sealed []byte) error {
			r.Records++
			if err := tx.checkRecord(bucket, key, sealed); err != nil {
				r.hurt(bucket)
				if len(faults) < maxReported {
					faults = append(faults, err)
				}
			}
			return ctx.Err()
		})
	})
	return faults, err
}

func (r *Report) hurt(bucket string) {
	if !slices.Contains(r.Hurt, bucket) {
		r.Hurt = append(r.Hurt, bucket)
	}
}

// Repairable tells whether damage is in records of the given buckets alone.
func (r Report) Repairable(buckets []string) bool {
	for _, b := range r.Hurt {
		if !slices.Contains(buckets, b) {
			return false
		}
	}
	return r.Verdict == Damaged && len(r.Hurt) > 0
}
