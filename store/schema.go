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
// version n to n+1.
type schema struct {
	version int
	steps   map[int]step
}

// step is one step of a migration. It runs in one transaction, in a copy of the file.
type step struct {
	run func(*Tx) error
	// rewrites lists the buckets whose values it changes, drops those that it empties. In
	// all others every record must be there afterwards, byte for byte; in those that it
	// rewrites every key, and each secret.
	rewrites, drops []string
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
	if err := db.readSchemaRecord(lay); err != nil {
		return err
	}
	if db.schema.Version > s.version {
		return fmt.Errorf("schema %d, this program knows %d: %w", db.schema.Version, s.version, ErrNewer)
	}
	return nil
}

func (db *DB) readSchemaRecord(lay layout) error {
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
	return db.schema.check(lay)
}

func (r schemaRecord) check(lay layout) error {
	switch {
	case r.Version < 1:
		return fmt.Errorf("schema %d: %w", r.Version, ErrDamaged)
	case r.Size > lay.size:
		return fmt.Errorf("cut short: %d of %d bytes: %w", lay.size, r.Size, ErrDamaged)
	case r.Size < lay.size:
		return fmt.Errorf("%d bytes, %d when it was made: %w", lay.size, r.Size, ErrDamaged)
	}
	return nil
}
