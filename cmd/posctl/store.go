package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"posd/store"
	"posd/store/archive"
	"posd/store/journal"
	"posd/store/wal"
	"posd/transport/control"
)

// onDisk says where a store is whose posd does not run.
type onDisk struct{ path, key string }

func (t *tool) storeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: t.word("cli.store"), Long: t.word("cli.store_long"), Args: cobra.ArbitraryArgs, RunE: t.group}
	cmd.AddCommand(t.storeCheckCommand(), t.storeExportCommand(), t.storeVerifyCommand(), t.storeRepairCommand())
	return cmd
}

// diskFlags give a command the place of a store.
func (t *tool) diskFlags(cmd *cobra.Command, d *onDisk) {
	cmd.Flags().StringVar(&d.path, "store", "", t.word("cli.flag_store"))
	cmd.Flags().StringVar(&d.key, "device-key", "", t.word("cli.flag_device_key"))
}

func (t *tool) storeCheckCommand() *cobra.Command {
	var d onDisk
	cmd := &cobra.Command{
		Use: "check", Short: t.word("cli.store_check"), Args: t.args(0),
		Example: "  posctl store check\n  posctl store check --store /var/lib/posd/posd.db --device-key /var/lib/posd/device.key",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d.path != "" {
				return worked(t.checkFile(cmd.Context(), d))
			}
			return worked(t.withAgent(func(agent *control.Client) error {
				report, err := agent.StoreCheck(cmd.Context())
				if err != nil {
					return err
				}
				return t.showReport(report)
			}))
		},
	}
	t.diskFlags(cmd, &d)
	t.outputFlag(cmd)
	return cmd
}

// checkFile checks a store that nobody has open. This process may die of a damaged file;
// posd has a child of its own for that.
func (t *tool) checkFile(ctx context.Context, d onDisk) error {
	key, err := store.ReadDeviceKey(d.key)
	if err != nil {
		return err
	}
	r := store.CheckFile(ctx, d.path, key)
	if r.Verdict == store.Good {
		fmt.Fprintln(t.out, r)
		return nil
	}
	return errors.New(r.String())
}

func (t *tool) showReport(r control.StoreReport) error {
	if len(r.Faults) > 0 {
		t.status = statusError
	}
	if t.output == "json" {
		return t.json(r)
	}
	fmt.Fprintln(t.out, t.word("cli.store_report", fmt.Sprint(r.Payments), fmt.Sprint(r.Archived))+", "+megabytes(r.Used)+"/"+megabytes(r.Size))
	for _, fault := range r.Faults {
		fmt.Fprintln(t.out, "[!] "+printable(fault))
	}
	for _, finding := range r.Findings {
		fmt.Fprintln(t.out, "[i] "+printable(finding))
	}
	if len(r.Faults) == 0 {
		fmt.Fprintln(t.out, t.word("cli.store_good"))
	}
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }

func (t *tool) storeExportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "export FILE", Short: t.word("cli.store_export"), Long: t.word("cli.store_export_long"), Args: t.args(1),
		Example: "  posctl store export /media/usb/posd.export",
		RunE: func(cmd *cobra.Command, argv []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				path, err := filepath.Abs(argv[0])
				if err != nil {
					return err
				}
				phrase, err := t.passphrase()
				if err != nil {
					return err
				}
				n, err := agent.StoreExport(cmd.Context(), path, phrase)
				if err == nil {
					fmt.Fprintln(t.out, t.word("cli.store_exported", fmt.Sprint(n), path))
				}
				return err
			}))
		},
	}
}

func (t *tool) passphrase() (phrase string, err error) {
	in, restore := t.secretLines()
	defer restore()
	return phrase, t.readSecrets(in, []secretField{{t.word("cli.passphrase"), &phrase}})
}

func (t *tool) storeVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify FILE", Short: t.word("cli.store_verify"), Args: t.args(1), Example: "  posctl store verify posd.export",
		RunE: func(_ *cobra.Command, argv []string) error { return worked(t.verify(argv[0])) },
	}
}

// verify opens an export and throws away what is in it.
func (t *tool) verify(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	phrase, err := t.passphrase()
	if err != nil {
		return err
	}
	n, err := store.Import(io.Reader(f), store.Passphrase{Text: []byte(phrase)}, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, t.word("cli.store_exported", fmt.Sprint(n), path))
	return nil
}

func (t *tool) storeRepairCommand() *cobra.Command {
	var d onDisk
	var archives string
	cmd := &cobra.Command{
		Use: "repair", Short: t.word("cli.store_repair"), Long: t.word("cli.store_repair_long"), Args: t.args(0),
		Example: "  posctl store repair --store /var/lib/posd/posd.db --device-key /var/lib/posd/device.key",
		RunE:    func(cmd *cobra.Command, _ []string) error { return worked(t.repair(cmd.Context(), d, archives)) },
	}
	t.diskFlags(cmd, &d)
	cmd.Flags().StringVar(&archives, "archive", "", t.word("cli.flag_archive"))
	return cmd
}

// repair opens everything as posd does, and says what became of it.
func (t *tool) repair(ctx context.Context, d onDisk, archives string) error {
	if d.path == "" || d.key == "" {
		return &usageError{t.word("cli.need_store")}
	}
	key, err := store.ReadDeviceKey(d.key)
	if err != nil {
		return err
	}
	if archives == "" {
		archives = filepath.Join(filepath.Dir(d.path), "archive")
	}
	s, err := journal.Start(ctx, journal.StartConfig{
		Store:   store.Config{Path: d.path, Key: key, Rand: rand.Reader},
		Log:     wal.Config{Path: d.path + ".log", Key: key, Rand: rand.Reader},
		Archive: archive.Config{Dir: archives, Key: key, Rand: rand.Reader}, Now: time.Now(),
		Check: func(ctx context.Context) store.Report { return store.CheckFile(ctx, d.path, key) },
	})
	if err != nil {
		return err
	}
	r := control.StoreReport{}
	r.Used, r.Size = s.DB.Size()
	r.Payments, _ = s.Journal.Count()
	for _, f := range s.Findings() {
		r.Findings = append(r.Findings, f.Code+": "+f.Detail)
	}
	return errors.Join(t.showReport(r), s.Close())
}
