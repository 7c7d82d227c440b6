package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"posd/store"
	"posd/transport/control"
)

// secretBuckets are those of the store that no export has: keys, passwords, the tamper
// latch and the terminal's identity.
func secretBuckets() []string { return []string{"keys", "operators", "tamper", "enrolment"} }

// StoreCheck proves everything that the agent keeps on disk: each seal of the store, the
// second copy, and the archive.
func (b backend) StoreCheck(ctx context.Context) (out control.StoreReport, err error) {
	d := &b.a.disk
	used, size := d.DB.Size()
	out.Used, out.Size = used, size
	out.Payments, _ = d.Journal.Count()
	add := func(err error) {
		if err != nil {
			out.Faults = append(out.Faults, err.Error())
		}
	}
	add(d.DB.Check(ctx))
	for _, fault := range d.Log.Faults() {
		add(fault)
	}
	if d.Archive != nil {
		var archiveErr error
		out.Archived, archiveErr = d.Archive.Check(ctx)
		add(archiveErr)
	}
	for _, f := range d.findings() {
		out.Findings = append(out.Findings, f.Code+": "+f.Detail)
	}
	return out, nil
}

// StoreExport writes an encrypted copy of the records, without keys and passwords, to a new
// file on this machine.
func (b backend) StoreExport(ctx context.Context, path, passphrase string) (records int, err error) {
	if len(passphrase) < store.MinPassphrase {
		return 0, fmt.Errorf("%w: a passphrase of at least %d characters is wanted", control.ErrInvalid, store.MinPassphrase)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	records, err = b.a.disk.DB.Export(ctx, f, store.ExportConfig{
		To: store.Passphrase{Text: []byte(passphrase), Memory: 16 << 10}, Rand: b.a.world.rand, Skip: secretBuckets(),
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return records, errors.Join(err, os.Remove(path))
	}
	return records, nil
}
