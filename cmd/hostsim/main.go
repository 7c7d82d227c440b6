package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	hostsim "posd/host-sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and returns the exit status.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(spell(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "hostsim:", strings.TrimPrefix(err.Error(), "hostsim: "))
		return 1
	}
	return 0
}

// spell reads -fault and -enrol, with one hyphen, as --fault, and a line that begins with it as
// one of "run".
func spell(args []string) []string {
	out := make([]string, 0, len(args)+1)
	for _, a := range args {
		for _, name := range []string{"-fault", "-enrol"} {
			if a == name || strings.HasPrefix(a, name+"=") {
				a = "-" + a
			}
		}
		out = append(out, a)
	}
	if len(out) > 0 && strings.HasPrefix(out[0], "--fault") {
		out = append([]string{"run"}, out...)
	}
	return out
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "hostsim",
		Short: "The host for posd terminals: a simulator that is also a real one",
		Long: `hostsim takes sign-on, sale and reversal from terminals over mutual TLS, asks its own
issuer (accounts, PINs, cryptograms), keeps double-entry books in an embedded database,
and misbehaves on request.

Everything is in one folder, which is made on the first run: host.db (the database),
master.key (the key that seals all others, mode 0600), ca (the certificate authority),
terminals (one folder of files for each new terminal).`,
		Example: `  hostsim run                                  # a fresh host with test cards on 127.0.0.1:8583
  hostsim run --fault drop-response:3          # and it swallows its third answer to a sale
  hostsim terminal add --tid POSD0002 --mid 104403154110001 --sn SIM00000002
  hostsim invite --sn POSD00000001 --tid POSD0009 --mid 104403154110001   # a code for posctl enrol
  hostsim report                               # who paid what, and do the books balance`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	o := &options{}
	root.PersistentFlags().StringVar(&o.dir, "dir", "hostsim-data", "folder of everything that the host keeps")
	root.PersistentFlags().StringVar(&o.db, "db", "", "database: postgres://user@server/name, which any number of hosts may share; default is a file in --dir")
	root.PersistentFlags().StringVar(&o.logLevel, "log-level", "info", "what is logged to standard error: debug, info, warn, error")
	root.AddCommand(newRun(o), newSeed(o), newCA(o), newTerminal(o), newInvite(o), newReport(o), newSettle(o), newLedger(o), newRoute(o))
	return root
}

// options are the flags that all commands share.
type options struct {
	dir      string
	db       string
	logLevel string
}

// config makes the host's configuration of the flags, with the real clock and source of
// randomness.
func (o *options) config(stderr io.Writer) (hostsim.Config, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return hostsim.Config{}, fmt.Errorf("--log-level %s: debug, info, warn or error wanted", o.logLevel)
	}
	cfg, err := hostsim.InDir(o.dir)
	if err != nil {
		return hostsim.Config{}, err
	}
	if o.db != "" {
		cfg.DB = o.db
	}
	cfg.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	cfg.Now, cfg.Rand = time.Now, rand.Reader
	return cfg, nil
}

// open opens the host without listening, for commands that look or enrol.
func (o *options) open(cmd *cobra.Command) (*hostsim.Host, error) {
	cfg, err := o.config(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	return hostsim.New(cfg)
}
