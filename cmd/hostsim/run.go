package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	hostsim "posd/host-sim"
	"posd/host-sim/fault"
)

// serving are the flags of run.
type serving struct {
	listen string
	enrol  string
	hosts  []string
	seed   string
	faults []string
	node   int
}

func newRun(o *options) *cobra.Command {
	s := &serving{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve terminals until interrupted",
		Long: `run serves terminals until it is interrupted (SIGINT, SIGTERM); then it stops accepting,
answers what it has read, and closes.

A fresh folder gets a test merchant (104403154110001), a test terminal (POSD0001) and
test cards. With --seed it gets what the file says instead; rows that exist already stay
as they are. For each new terminal a folder terminals/TID is written: terminal.pem,
terminal-key.pem, ca.pem, tmk.tr31 (its master key in a TR-31 key block) and kbpk.hex
(the key that protects the block).

Faults strike after the request was posted and committed, before its answer is written:

  drop-response:3          the answer to the 3rd sale (0200) since the start is not sent
  delay-response:3:5s      it is sent five seconds later
  duplicate-response:3     it is sent twice
  garble-response:3        it is sent spoilt
  wrong-mac:3              it is sent with a wrong MAC
  disconnect:3             the connection is closed instead
  drop-response:1@0400     the same for reversals; 0800 and 0820 for management
  drop-response:+1         counted from now: here the same as 1`,
		Example: `  hostsim run --listen :8583 --hosts host.example,192.0.2.10
  hostsim run --dir /var/lib/hostsim --seed shop.yaml
  hostsim run --fault drop-response:3 --fault wrong-mac:1@0400`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:8583", "address to listen on; port 0 takes a free one")
	f.StringVar(&s.enrol, "enrol", enrolAuto, `address to listen on for new terminals; "next" is the port after --listen's, "" listens for none`)
	f.StringSliceVar(&s.hosts, "hosts", nil, "names and addresses in the host's certificate (default localhost, 127.0.0.1, ::1)")
	f.StringVar(&s.seed, "seed", "", "file of merchants, terminals, issuer keys and cards (YAML)")
	f.StringArrayVar(&s.faults, "fault", nil, "a fault, as above; may be given more than once")
	f.IntVar(&s.node, "node", 0, "number of this host in its reference numbers, 0 to 99")
	return cmd
}

func newSeed(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "seed FILE",
		Short: "Add the merchants, terminals, issuer keys and cards of a file",
		Long: `seed adds what the file has and the host has not, also while the host runs; rows that
exist already stay as they are. The default seed, which a fresh host takes by itself, is
an example of such a file: host-sim/seed.yaml in the source.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			h, err := o.open(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			return (&serving{seed: args[0]}).plant(cmd.Context(), h, o.dir, cmd.OutOrStdout())
		},
	}
}

func (s *serving) run(ctx context.Context, o *options, stdout, stderr io.Writer) (err error) {
	cfg, err := o.config(stderr)
	if err != nil {
		return err
	}
	cfg.Listen, cfg.Hosts, cfg.Node = s.listen, s.hosts, s.node
	for _, text := range s.faults {
		f, err := fault.Parse(text)
		if err != nil {
			return err
		}
		cfg.Faults = append(cfg.Faults, f)
	}
	h, err := hostsim.New(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := s.plant(ctx, h, o.dir, stdout); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "hostsim: listening on %v, data in %s\n", h.Addr(), o.dir)
	return s.serve(ctx, h, stdout)
}

// plant applies the seed file, or the default seed where the host is fresh, and writes
// the files of new terminals.
func (s *serving) plant(ctx context.Context, h *hostsim.Host, dir string, stdout io.Writer) error {
	name, text := "default seed", hostsim.DefaultSeed
	if s.seed != "" {
		var err error
		if name, text, err = readSeed(s.seed); err != nil {
			return err
		}
	} else if merchants, err := h.Merchants(ctx); err != nil || len(merchants) > 0 {
		return err
	}
	seed, err := hostsim.ParseSeed(name, text)
	if err != nil {
		return err
	}
	fresh, err := h.Apply(ctx, seed)
	return errors.Join(err, writeEnrolments(fresh, dir, stdout))
}

func readSeed(path string) (string, []byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("seed file: %w", err)
	}
	return path, text, nil
}

func writeEnrolments(fresh []hostsim.Enrolment, dir string, stdout io.Writer) error {
	for _, e := range fresh {
		folder := filepath.Join(dir, "terminals", e.TID)
		if err := e.Write(folder); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "hostsim: terminal %s of merchant %s enrolled: files in %s, key check value %X\n", e.TID, e.MID, folder, e.KCV)
	}
	return nil
}
