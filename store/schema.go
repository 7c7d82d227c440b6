package store

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The schema record says what the file is. It is the first thing that is read, and it
// opens only under the device key that made the file.
const schemaBucket = "store"

func schemaKey() []byte { return []byte("schema") }

type schemaRecord struct {
	Version  int   `json:"version"`
	PageSize int   `json:"page_size"`
	Size     int64 `json:"size"` // of the whole file
}

// schema is what a program knows: its version, and the step that brings a file from
// version n to n+1, which runs in one transaction with the new version number.
type schema struct {
	version int
	steps   map[int]func(*Tx) error
}

// schema1 is the first: buckets "journal", "head" and "keys", each with its package.
func schema1() schema { return schema{version: 1} }

func writeSchema(tx *Tx, rec schemaRecord) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return tx.PutBare(schemaBucket, schemaKey(), b)
}

func (db *DB) readSchema(lay layout, s schema) error {
	var value []byte
	err := db.read(func(tx *Tx) (err error) {
		value, err = tx.Get(schemaBucket, schemaKey())
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("no schema record: another program's file: %w", ErrForeign)
	case errors.Is(err, ErrDamaged):
		return fmt.Errorf("schema record does not open: it is from another device, the device key was replaced, or it is damaged: %w", ErrForeign)
	case err != nil:
		return err
	}
	if err := json.Unmarshal(value, &db.schema); err != nil {
		return fmt.Errorf("schema record: %w: %w", ErrDamaged, err)
	}
	return db.schema.check(lay, s)
}

func (r schemaRecord) check(lay layout, s schema) error {
	switch {
	case r.Version > s.version:
		return fmt.Errorf("schema %d, this program knows %d: %w", r.Version, s.version, ErrNewer)
	case r.Version < 1:
		return fmt.Errorf("schema %d: %w", r.Version, ErrDamaged)
	case r.Size > lay.size:
		return fmt.Errorf("cut short: %d of %d bytes: %w", lay.size, r.Size, ErrDamaged)
	case r.Size < lay.size:
		return fmt.Errorf("%d bytes, %d when it was made: %w", lay.size, r.Size, ErrDamaged)
	}
	return nil
}

// migrate brings an older file up, one version and one transaction at a time.
func (db *DB) migrate(s schema) error {
	for db.schema.Version < s.version {
		from, next := db.schema.Version, db.schema
		next.Version++
		step := s.steps[from]
		if step == nil {
			return fmt.Errorf("schema %d: no step to %d", from, next.Version)
		}
		err := db.Update(func(tx *Tx) error {
			if err := step(tx); err != nil {
				return err
			}
			return writeSchema(tx, next)
		})
		if err != nil {
			return fmt.Errorf("schema %d to %d: %w", from, next.Version, err)
		}
		db.schema = next
	}
	return nil
}
