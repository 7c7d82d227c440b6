package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	hostsim "posd/host-sim"
	"posd/host-sim/estate"
)

func newCA(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "ca",
		Short: "Show the certificate of the host's authority, making it where missing",
		Long: `ca writes the certificate of the host's certificate authority to standard output, PEM.
Terminals check the host's certificate with it. The authority is made where the folder
has none; its key stays in ca/ca-key.pem, mode 0600.`,
		Example: `  hostsim ca --dir /var/lib/hostsim > ca.pem`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			h, err := o.open(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			_, err = cmd.OutOrStdout().Write(h.CA())
			return err
		},
	}
}

func newTerminal(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "terminal",
		Short: "Enrol, list, suspend and activate terminals",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTerminalAdd(o), newTerminalList(o), newTerminalSwap(o),
		newTerminalStatus(o, "suspend", estate.Suspended, "Refuse a terminal (response code 97) until it is activated"),
		newTerminalStatus(o, "activate", estate.Active, "Take a suspended terminal back"))
	return cmd
}

func newTerminalAdd(o *options) *cobra.Command {
	var tid, mid, sn, kbpkFile string
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Enrol a terminal and write its files",
		Long: `add enrols a terminal of a merchant that the host knows, also while the host runs. It
issues a certificate (common name TID, serial number SN), makes a terminal master key,
and writes terminals/TID: terminal.pem, terminal-key.pem, ca.pem, tmk.tr31, kbpk.hex.

The master key comes in a TR-31 key block of version B. The key that protects the block
is made here, unless --kbpk names a file with the key loader's: 32 hexadecimal digits.`,
		Example: `  hostsim terminal add --tid POSD0002 --mid 104403154110001 --sn SIM00000002`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			kbpk, err := readKBPK(kbpkFile)
			if err != nil {
				return err
			}
			h, err := o.open(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			e, err := h.AddTerminal(cmd.Context(), tid, mid, sn, kbpk)
			if err != nil {
				return err
			}
			return writeEnrolments([]hostsim.Enrolment{e}, o.dir, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&tid, "tid", "", "terminal number, 8 characters")
	f.StringVar(&mid, "mid", "", "merchant number, 15 characters")
	f.StringVar(&sn, "sn", "", "serial number of the device, up to 32 characters")
	f.StringVar(&kbpkFile, "kbpk", "", "file with the key loader's protection key (default: one is made)")
	for _, name := range []string{"tid", "mid", "sn"} {
		cmd.MarkFlagRequired(name) //nolint:errcheck // the flag is defined above
	}
	return cmd
}

// readKBPK reads 32 hexadecimal digits; no file gives nil. The error does not repeat them.
func readKBPK(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--kbpk: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 16 {
		return nil, fmt.Errorf("--kbpk: %s: 32 hexadecimal digits wanted", path)
	}
	return key, nil
}

func newTerminalList(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List terminals with status, batch and whether they are signed on",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			h, err := o.open(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			terminals, err := h.Terminals(cmd.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "TID\tMID\tSN\tSTATUS\tBATCH\tSIGNED ON")
			for _, t := range terminals {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%06d\t%v\n", t.TID, t.MID, t.SN, t.Status, t.Batch, t.SignedOn)
			}
			return w.Flush()
		},
	}
}

func newTerminalStatus(o *options, verb string, s estate.Status, short string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " TID",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			h, err := o.open(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			return h.SetTerminalStatus(cmd.Context(), args[0], s)
		},
	}
}
