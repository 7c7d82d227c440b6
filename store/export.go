package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// An export is a stream of entries, sealed for its reader (see [Recipient]):
//
//	"posd export 1", then entries of
//	bucket, key, value: length (4, big-endian) and bytes each
//	secret: length + 1 (4) and bytes; 0 for none
//	at the end: length 0 of a bucket, and the number of entries (8)
const exportMagic = "posd export 1"

// maxBucket bounds what an importer takes for a bucket's name or a key.
const maxBucket = 1 << 10

// Entry is a record in the clear.
type Entry struct {
	Bucket     string
	Key, Value []byte
	Secret     []byte // nil for none
}

// ExportConfig says for whom an export is and what is in it.
type ExportConfig struct {
	To   Recipient
	Rand io.Reader
	// Skip lists buckets that stay at home: those of keys, always.
	Skip []string
}

// Export writes a copy of the store that opens elsewhere, without the device key: every
// record with its secret, as one transaction sees them, sealed for cfg.To. It returns
// the number of records. A damaged record is an error: mend the store first.
func (db *DB) Export(ctx context.Context, w io.Writer, cfg ExportConfig) (int, error) {
	n, err := db.export(ctx, w, cfg)
	if err != nil {
		return n, fmt.Errorf("store: export %s: %w", db.path, err)
	}
	return n, nil
}

func (db *DB) export(ctx context.Context, w io.Writer, cfg ExportConfig) (n int, err error) {
	if cfg.To == nil || cfg.Rand == nil {
		return 0, errors.New("recipient or random source is missing")
	}
	out, err := seal(w, cfg.To, cfg.Rand)
	if err != nil {
		return 0, err
	}
	if _, err := io.WriteString(out, exportMagic); err != nil {
		return 0, err
	}
	err = db.View(func(tx *Tx) error {
		return tx.everyRecord(func(bucket string, key, sealed []byte) error {
			if slices.Contains(cfg.Skip, bucket) || bucket == schemaBucket {
				return ctx.Err()
			}
			n++
			return errors.Join(tx.exportRecord(out, bucket, key, sealed), ctx.Err())
		})
	})
	if err != nil {
		return n, err
	}
	end := binary.BigEndian.AppendUint64(make([]byte, 4), uint64(n))
	if _, err := out.Write(end); err != nil {
		return n, err
	}
	return n, out.Close()
}

func (tx *Tx) exportRecord(w io.Writer, bucket string, key, sealed []byte) error {
	r, err := tx.seal.openRecord(bucket, key, sealed)
	if err != nil {
		return err
	}
	e := Entry{Bucket: bucket, Key: key, Value: r.value}
	if r.slot != 0 {
		if e.Secret, err = tx.openSecret(bucket, key, r); err != nil && !errors.Is(err, ErrNoSecret) {
			return err
		}
	}
	b := e.append(nil)
	defer clear(b)
	clear(e.Secret)
	_, err = w.Write(b)
	return err
}

func (e Entry) append(b []byte) []byte {
	for _, part := range [][]byte{[]byte(e.Bucket), e.Key, e.Value} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	if e.Secret == nil {
		return binary.BigEndian.AppendUint32(b, 0)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Secret))+1)
	return append(b, e.Secret...)
}

// Import reads an export, calls fn for each entry until it returns an error, and returns
// their number. What it says is true only if it returns no error: a stream that was cut
// or changed ends as ErrDamaged, and another reader's as ErrForeign. A nil fn verifies.
// fn wipes the secret.
func Import(r io.Reader, id Identity, fn func(Entry) error) (int, error) {
	n, err := importAll(r, id, fn)
	if err != nil {
		return n, fmt.Errorf("store: import: %w", err)
	}
	return n, nil
}

func importAll(r io.Reader, id Identity, fn func(Entry) error) (n int, err error) {
	if fn == nil {
		fn = func(e Entry) error { clear(e.Secret); return nil }
	}
	in, err := unseal(r, id)
	if err != nil {
		return 0, err
	}
	magic := make([]byte, len(exportMagic))
	if _, err := io.ReadFull(in, magic); err != nil {
		return 0, err
	}
	if !bytes.Equal(magic, []byte(exportMagic)) {
		return 0, fmt.Errorf("it begins with %.20q: %w", magic, ErrForeign)
	}
	for ; ; n++ {
		e, err := readEntry(in)
		if errors.Is(err, io.EOF) {
			return n, readEnd(in, n)
		}
		if err == nil {
			err = fn(e)
		}
		if err != nil {
			return n, err
		}
	}
}

// readEntry returns io.EOF where an entry of an empty bucket ends the list.
func readEntry(r io.Reader) (e Entry, err error) {
	bucket, err := readPart(r, maxBucket)
	if err != nil {
		return e, err
	}
	if len(bucket) == 0 {
		return e, io.EOF
	}
	e.Bucket = string(bucket)
	if e.Key, err = readPart(r, maxBucket); err != nil {
		return e, err
	}
	if e.Value, err = readPart(r, MaxValue); err != nil {
		return e, err
	}
	size, err := readSize(r)
	if err != nil || size == 0 {
		return e, err
	}
	e.Secret, err = readBytes(r, size-1, MaxSecret)
	return e, err
}

func readPart(r io.Reader, limit uint32) ([]byte, error) {
	size, err := readSize(r)
	if err != nil {
		return nil, err
	}
	return readBytes(r, size, limit)
}

func readSize(r io.Reader) (uint32, error) {
	var b [4]byte
	_, err := io.ReadFull(r, b[:])
	return binary.BigEndian.Uint32(b[:]), notEOF(err)
}

func readBytes(r io.Reader, size, limit uint32) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("a part of %d bytes, at most %d: %w", size, limit, ErrDamaged)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	return b, notEOF(err)
}

func readEnd(r io.Reader, n int) error {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return notEOF(err)
	}
	if got := binary.BigEndian.Uint64(b[:]); got != uint64(n) {
		return fmt.Errorf("%d records, %d were exported: %w", n, got, ErrDamaged)
	}
	if _, err := io.ReadFull(r, b[:1]); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more after its end: %w", ErrDamaged)
	}
	return nil
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut short: %w", ErrDamaged)
	}
	return err
}
