package acquirer

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"posd/emv"
	"posd/host-sim/db"
)

// Limits of a list, as terminals have them.
const (
	maxNames   = 99
	maxNumbers = 999
	maxContent = 500 // bytes; field 62 has 512
)

// blackLabel binds a sealed card number to the black list.
const blackLabel = "black list"

// PutList stores a list in place of the one before, under the next version: terminals that
// were told of an older one are ordered to fetch it. tid is empty for the list of all
// terminals; entries of a terminal's own go before those of the same name.
func (d *Desk) PutList(ctx context.Context, tx db.Tx, list, tid string, items []Item) error {
	if err := checkList(list, items); err != nil {
		return fmt.Errorf("acquirer: put list %q: %w", list, err)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM list_item WHERE list = $1 AND tid = $2`, list, tid); err != nil {
		return fmt.Errorf("acquirer: put list %q: %w", list, err)
	}
	for i, it := range items {
		if err := d.putItem(ctx, tx, list, tid, i, it); err != nil {
			return fmt.Errorf("acquirer: put list %q: entry %d: %w", list, i, err)
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO list_version (list, version) VALUES ($1, 1)
		ON CONFLICT (list) DO UPDATE SET version = list_version.version + 1`, list)
	if err != nil {
		return fmt.Errorf("acquirer: put list %q: %w", list, err)
	}
	return nil
}

func checkList(list string, items []Item) error {
	most := maxNames
	switch list {
	case ListBlack, ListTableB, ListTableC:
		most = maxNumbers
	case ListParameters, ListCAKeys, ListApplications, ListQPS:
	default:
		return errors.New("there is no such list")
	}
	if len(items) > most {
		return fmt.Errorf("%d entries, at most %d", len(items), most)
	}
	for i, it := range items {
		if len(it.Content) == 0 || len(it.Content) > maxContent {
			return fmt.Errorf("entry %d of %d bytes, 1 to %d wanted", i, len(it.Content), maxContent)
		}
	}
	return nil
}

// putItem stores an entry. A card number is sealed, and its name is its keyed hash.
func (d *Desk) putItem(ctx context.Context, tx db.Tx, list, tid string, i int, it Item) (err error) {
	name, content := strings.ToUpper(it.Name), it.Content
	switch list {
	case ListBlack:
		pan, err := emv.ParsePAN(string(content))
		if err != nil {
			return err
		}
		name = hex.EncodeToString(d.cfg.Module.PANHash(pan))
		if content, err = d.cfg.Module.Seal(blackLabel, content); err != nil {
			return err
		}
	case ListTableB, ListTableC:
		name = string(content)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO list_item (list, name, tid, content) VALUES ($1, $2, $3, $4)`, list, name, tid, content)
	return err
}

// items returns what a terminal is sent of a list, by name: its own entries, and those of
// all terminals that it has none of its own for.
func (d *Desk) items(ctx context.Context, tx db.Tx, list, tid string) ([]Item, error) {
	rows, err := tx.QueryContext(ctx, `SELECT name, content FROM list_item a WHERE list = $1 AND (tid = $2 OR tid = '' AND NOT EXISTS
		(SELECT 1 FROM list_item b WHERE b.list = a.list AND b.name = a.name AND b.tid = $2)) ORDER BY name LIMIT $3`, list, tid, maxNumbers)
	if err != nil {
		return nil, fmt.Errorf("acquirer: list %q: %w", list, err)
	}
	defer rows.Close()
	var out []Item
	for rows.Next() {
		var it Item
		if err := rows.Scan(&it.Name, &it.Content); err != nil {
			return nil, fmt.Errorf("acquirer: list %q: %w", list, err)
		}
		if list == ListBlack {
			if it.Content, err = d.cfg.Module.Open(blackLabel, it.Content); err != nil {
				return nil, err
			}
		}
		out = append(out, it)
	}
	return out, rows.Err()
}

// ListVersion returns the version of a list, 0 for one that was never put.
func ListVersion(ctx context.Context, tx db.Tx, list string) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM list_version WHERE list = $1`, list).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("acquirer: version of list %q: %w", list, err)
	}
	return n, nil
}

// asked notes with which version of a list a terminal began.
func asked(ctx context.Context, tx db.Tx, tid, list string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO terminal_list (tid, list, asked, told)
		SELECT $1, $2, COALESCE(MAX(version), 0), 0 FROM list_version WHERE list = $2
		ON CONFLICT (tid, list) DO UPDATE SET asked = excluded.asked`, tid, list)
	if err != nil {
		return fmt.Errorf("acquirer: list %q of %s: %w", list, tid, err)
	}
	return nil
}

// SetOrder has the answers to a terminal order a job until it is done: 1 to 6, or 9.
func SetOrder(ctx context.Context, tx db.Tx, tid string, job uint8, at time.Time) error {
	if job == 0 || job > OrderUpdate && job != OrderQPS {
		return fmt.Errorf("acquirer: order job %d of %s: 1 to 6 or 9 wanted", job, tid)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO terminal_order (tid, job, at_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, tid, job, at.UnixMilli())
	if err != nil {
		return fmt.Errorf("acquirer: order job %d of %s: %w", job, tid, err)
	}
	return nil
}

// ClearOrder takes an order back.
func ClearOrder(ctx context.Context, tx db.Tx, tid string, job uint8) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM terminal_order WHERE tid = $1 AND job = $2`, tid, job); err != nil {
		return fmt.Errorf("acquirer: clear order %d of %s: %w", job, tid, err)
	}
	return nil
}

// orderOf returns the job that answers to a terminal order now, 0 for none: what a person
// asked for first, then the lists of which the terminal has an older version.
func orderOf(ctx context.Context, tx db.Tx, tid string) (job uint8, err error) {
	err = tx.QueryRowContext(ctx, `SELECT job FROM terminal_order WHERE tid = $1 ORDER BY at_ms, job LIMIT 1`, tid).Scan(&job)
	if !errors.Is(err, sql.ErrNoRows) {
		return job, err
	}
	rows, err := tx.QueryContext(ctx, `SELECT v.list FROM list_version v LEFT JOIN terminal_list t ON t.list = v.list AND t.tid = $1
		WHERE v.version > COALESCE(t.told, 0) ORDER BY v.list`, tid)
	if err != nil {
		return 0, fmt.Errorf("acquirer: orders of %s: %w", tid, err)
	}
	defer rows.Close()
	for rows.Next() {
		var list string
		if err := rows.Scan(&list); err != nil {
			return 0, fmt.Errorf("acquirer: orders of %s: %w", tid, err)
		}
		if next := jobOf(list); next != 0 && (job == 0 || next < job) {
			job = next
		}
	}
	return job, rows.Err()
}

func jobOf(list string) uint8 {
	for _, plan := range downloads {
		if plan.list == list {
			return plan.job
		}
	}
	return 0
}

// maxStatuses bounds what is kept of a terminal's statuses.
const maxStatuses = 100

// saveStatus keeps a terminal's status, the newest of a hundred.
func saveStatus(ctx context.Context, tx db.Tx, tid string, status []byte, at time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO terminal_status (tid, at_ms, status) VALUES ($1, $2, $3)
		ON CONFLICT (tid, at_ms) DO UPDATE SET status = $3`, tid, at.UnixMilli(), printable(status))
	if err == nil {
		_, err = tx.ExecContext(ctx, `DELETE FROM terminal_status WHERE tid = $1 AND at_ms NOT IN
			(SELECT at_ms FROM terminal_status WHERE tid = $1 ORDER BY at_ms DESC LIMIT $2)`, tid, maxStatuses)
	}
	if err != nil {
		return fmt.Errorf("acquirer: status of %s: %w", tid, err)
	}
	return nil
}

// printable returns text as it is, and a hash of anything else.
func printable(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' || len(b) > maxContent {
			h := sha256.Sum256(b)
			return "not text: " + hex.EncodeToString(h[:8])
		}
	}
	return string(b)
}

// Status is what a terminal said of its devices.
type Status struct {
	At   time.Time
	Text string // tag, digit, and so on: "011021031041051"
}

// Statuses returns a terminal's statuses, newest first.
func Statuses(ctx context.Context, tx db.Tx, tid string) ([]Status, error) {
	rows, err := tx.QueryContext(ctx, `SELECT at_ms, status FROM terminal_status WHERE tid = $1 ORDER BY at_ms DESC LIMIT $2`, tid, maxStatuses)
	if err != nil {
		return nil, fmt.Errorf("acquirer: statuses of %s: %w", tid, err)
	}
	defer rows.Close()
	var out []Status
	for rows.Next() {
		var s Status
		var atMS int64
		if err := rows.Scan(&atMS, &s.Text); err != nil {
			return nil, fmt.Errorf("acquirer: statuses of %s: %w", tid, err)
		}
		s.At = time.UnixMilli(atMS)
		out = append(out, s)
	}
	return out, rows.Err()
}
