package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

// schema holds the migrations, named NNNN_what.sql, in the order of their names.
//
//go:embed schema/*.sql
var schema embed.FS

// migrate applies the files that the database has not seen, each in a transaction
// together with its version. A database of a newer program is refused.
func (d *DB) migrate(ctx context.Context) error {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return fmt.Errorf("db: list migrations: %w", err)
	}
	have, err := d.version(ctx)
	if err != nil {
		return err
	}
	if have > len(files) {
		return fmt.Errorf("db: schema version %d is newer than this program's %d", have, len(files))
	}
	for i, name := range files[have:] {
		if err := d.apply(ctx, name, have+i+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) version(ctx context.Context) (n int, err error) {
	err = d.Update(ctx, func(tx Tx) error {
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL)`); err != nil {
			return fmt.Errorf("db: create schema_version: %w", err)
		}
		return tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&n)
	})
	return n, err
}

func (d *DB) apply(ctx context.Context, name string, version int) error {
	text, err := schema.ReadFile(name)
	if err != nil {
		return fmt.Errorf("db: read migration %s: %w", name, err)
	}
	return d.Update(ctx, func(tx Tx) error {
		var n int // another host may have been faster
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&n); err != nil || n >= version {
			return err
		}
		for i, statement := range strings.Split(string(text), ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("db: migration %s, statement %d: %w", name, i+1, err)
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version, name) VALUES ($1, $2)`, version, name)
		return err
	})
}
