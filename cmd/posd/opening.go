package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"posd/store"
	"posd/store/archive"
	"posd/store/journal"
	"posd/store/wal"
	"posd/transport/control"
)

// disks is everything that the agent keeps on its disk.
type disks struct {
	db      *store.DB
	log     *wal.Log // second copy of what money did
	archive *archive.Archive
	journal *journal.Journal
	opening store.Opening   // how the store came to be open
	found   []store.Finding // read once: mount options do not change under a running agent
}

// openDisks opens store, second copy, archive and journal. The store is first checked by a
// child process: a file that would hang or kill its reader is set aside, whole, and the
// terminal goes on with a new one. What it owed then comes back from the second copy.
func (a *agent) openDisks(ctx context.Context) error {
	c, d := &complaints{}, &a.disk
	path, now := a.cfg.Store.Path.Text, a.world.now()
	key, err := store.FileDeviceKey(a.cfg.Store.DeviceKey.Text, a.world.rand)
	if err != nil {
		return err
	}
	d.found = store.CheckMount(path, 1<<20)
	report := a.checkStore(ctx, path)
	d.db, d.opening, err = store.OpenChecked(ctx, store.Config{
		Path: path, Key: key, Rand: a.world.rand, MaxSize: a.cfg.maxMiB(c) << 20,
	}, report, now, journal.Buckets()...)
	if err != nil {
		return err
	}
	if d.opening.Aside != "" {
		a.world.log.Error("the store could not be used and was set aside", "file", d.opening.Aside, "why", d.opening.Report.Detail)
	}
	if err := a.openCopies(ctx, key); err != nil {
		return errors.Join(err, d.close())
	}
	return nil
}

// checkStore has a child process look at the file. Without an executable to run it is
// looked at by nobody before the store itself opens it.
func (a *agent) checkStore(ctx context.Context, path string) store.Report {
	exe, err := os.Executable()
	if err != nil {
		return store.Report{Verdict: store.Unknown, Detail: err.Error()}
	}
	job := store.CheckJob{Path: path, DeviceKey: a.cfg.Store.DeviceKey.Text}
	report := store.Child{Exe: exe, Args: []string{"-check-store"}}.Check(ctx, job)
	a.world.log.Info("store checked", "verdict", string(report.Verdict), "took", report.Took)
	return report
}

func (a *agent) openCopies(ctx context.Context, key store.DeviceKey) (err error) {
	c, d := &complaints{}, &a.disk
	if d.log, err = a.openLog(wal.Config{Path: a.cfg.logPath(), Key: key, Rand: a.world.rand}); err != nil {
		return err
	}
	if d.archive, err = archive.Open(archive.Config{
		Dir: a.cfg.archivePath(), Key: key, Rand: a.world.rand, Limit: a.cfg.archiveMiB(c) << 20,
	}); err != nil {
		return err
	}
	cfg := journal.Config{DB: d.db, Limit: int(a.cfg.maxPayments(c)), Log: d.log, Archive: d.archive}
	if d.opening.Repair {
		done, err := journal.Repair(ctx, cfg)
		if err != nil {
			return err
		}
		a.world.log.Error("damaged records were mended from the second copy", "repaired", fmt.Sprintf("%+v", done))
	}
	if d.journal, err = journal.Open(ctx, cfg); err != nil {
		return err
	}
	if r := d.journal.Recovery(); len(r.Restored) > 0 || r.Lost > 0 {
		a.world.log.Error("payments came back from the second copy", "restored", len(r.Restored), "without_card", len(r.NoCard), "lost", r.Lost)
	}
	return nil
}

// openLog opens the second copy. One that cannot be used is set aside: the first copy is
// there, and a new log begins with it.
func (a *agent) openLog(cfg wal.Config) (*wal.Log, error) {
	log, err := wal.Open(cfg)
	if !errors.Is(err, store.ErrForeign) && !errors.Is(err, store.ErrDamaged) {
		return log, err
	}
	aside, moveErr := store.SetAside(cfg.Path, a.world.now())
	if moveErr != nil {
		return nil, errors.Join(err, moveErr)
	}
	detail := fmt.Sprintf("the second copy was set aside as %s: %v", aside, err)
	a.world.log.Error(detail)
	a.disk.found = append(a.disk.found, store.Finding{Code: string(control.StoreLog), Detail: detail})
	return wal.Open(cfg)
}

// findings are what the disk has to say now.
func (d *disks) findings() (found []store.Finding) {
	found = append(found, d.found...)
	if o := d.opening; o.Aside != "" {
		found = append(found, store.Finding{
			Code:   string(control.StoreAside),
			Detail: fmt.Sprintf("%s: %s; the file is kept as %s", o.Report.Verdict, o.Report.Detail, o.Aside),
		})
	}
	found = append(found, d.journal.Findings()...)
	return append(found, d.archive.Findings()...)
}

func (d *disks) close() error {
	var err error
	if d.journal != nil {
		err = d.journal.Flush(context.Background())
	}
	if d.log != nil {
		err = errors.Join(err, d.log.Close())
	}
	return errors.Join(err, d.db.Close())
}

// serveCheck is the child that checkStore starts.
func serveCheck(in io.Reader, out, stderr io.Writer) int {
	noCoreDump()
	if err := store.ServeCheck(context.Background(), in, out, store.ReadDeviceKey); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// logPath and archivePath lie beside the store where nothing else is said.
func (cfg *Config) logPath() string { return cfg.Store.Log.or(cfg.Store.Path.Text + ".log") }

func (cfg *Config) archivePath() string {
	return cfg.Store.Archive.or(filepath.Join(filepath.Dir(cfg.Store.Path.Text), "archive"))
}

func (cfg *Config) archiveMiB(c *complaints) int64 {
	return c.number("store.archive_mib", cfg.Store.ArchiveMiB, 64, 8, 16384)
}
