package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"posd/store"
	"posd/store/archive"
	"posd/store/journal"
	"posd/store/wal"
)

// disks is everything that the agent keeps on its disk.
type disks struct {
	*journal.Started
	found []store.Finding // read once: mount options do not change under a running agent
}

// openDisks opens store, second copy, archive and journal, whatever became of their files.
// The store is first checked by a child process: a file that would hang or kill its reader
// is set aside, whole, and the terminal goes on with a new one; what it owed comes back
// from the second copy.
func (a *agent) openDisks(ctx context.Context) error {
	c := &complaints{}
	path := a.cfg.Store.Path.Text
	key, err := store.FileDeviceKey(a.cfg.Store.DeviceKey.Text, a.world.rand)
	if err != nil {
		return err
	}
	a.disk.found = store.CheckMount(path, 1<<20)
	a.disk.Started, err = journal.Start(ctx, journal.StartConfig{
		Store: store.Config{Path: path, Key: key, Rand: a.world.rand, MaxSize: a.cfg.maxMiB(c) << 20},
		Log:   wal.Config{Path: a.cfg.logPath(), Key: key, Rand: a.world.rand},
		Archive: archive.Config{
			Dir: a.cfg.archivePath(), Key: key, Rand: a.world.rand, Limit: a.cfg.archiveMiB(c) << 20,
		},
		Limit: int(a.cfg.maxPayments(c)), Now: a.world.now(),
		Check: func(ctx context.Context) store.Report { return a.checkStore(ctx, path) },
	})
	if err != nil {
		return err
	}
	for _, f := range a.disk.Started.Findings() {
		a.world.log.Warn("disk", "finding", f.Code, "detail", f.Detail)
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

// findings are what the disk has to say now.
func (d *disks) findings() []store.Finding { return append(slices.Clone(d.found), d.Findings()...) }

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
