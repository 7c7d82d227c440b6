package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	hostsim "posd/host-sim"
)

// on makes a command of what is done with the open host.
func on(o *options, use, short string, fn func(cmd *cobra.Command, h *hostsim.Host) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) (err error) {
		h, err := o.open(cmd)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, h.Close()) }()
		return fn(cmd, h)
	}}
}

func newSettle(o *options) *cobra.Command {
	var day, mid, network, file, zone string
	cmd := &cobra.Command{Use: "settle", Short: "Close a business day; statements and clearing files"}
	cmd.PersistentFlags().StringVar(&day, "day", "", "business day, as 2026-11-24")
	run := on(o, "run", "Make the statements of a day, post fees and pay out", func(cmd *cobra.Command, h *hostsim.Host) error {
		where, err := time.LoadLocation(zone)
		if err != nil {
			return err
		}
		cutoff, err := hostsim.Cutoff(day, where)
		if err != nil {
			return err
		}
		n, err := h.CloseDay(cmd.Context(), day, cutoff)
		fmt.Fprintf(cmd.OutOrStdout(), "%d new statements for %s\n", n, day)
		return err
	})
	run.Flags().StringVar(&zone, "zone", "Local", "time zone of the cut-off, which is at 23:00")
	statement := on(o, "statement", "A merchant's statement, as CSV in minor units", func(cmd *cobra.Command, h *hostsim.Host) error {
		s, err := h.Statement(cmd.Context(), day, mid)
		if err != nil {
			return err
		}
		w := cmd.OutOrStdout()
		fmt.Fprintln(w, "time,terminal,batch,stan,kind,card,reference,mcc,rate_bp,gross,fee,net,state")
		for _, l := range s.Lines {
			fmt.Fprintf(w, "%s,%s,%06d,%06d,%s,%s,%s,%s,%d,%d,%d,%d,%s\n", l.At.Format(time.RFC3339), l.TID, l.Batch, l.STAN, l.Kind, l.Masked, l.RRN, l.MCC, l.Rate, l.Gross, l.Fee, l.Net(), l.State)
		}
		_, err = fmt.Fprintf(w, "# gross %d, fee %d, net %d, brought %d, suspended %d, released %d, paid %d, carried %d %s\n", s.Gross, s.Fee, s.Net, s.Brought, s.Suspended, s.Released, s.Paid, s.Carried, s.Why)
		return err
	})
	statement.Flags().StringVar(&mid, "mid", "", "merchant")
	clearing := on(o, "clearing", "A network's clearing file", func(cmd *cobra.Command, h *hostsim.Host) error {
		c, err := h.Clearing(cmd.Context(), day, network)
		if err != nil {
			return err
		}
		return os.WriteFile(file, c.Text(), 0o600)
	})
	clearing.Flags().StringVar(&network, "network", "unionpay", "network")
	clearing.Flags().StringVarP(&file, "output", "o", "clearing.txt", "file to write")
	cmd.AddCommand(run, statement, clearing)
	return cmd
}
