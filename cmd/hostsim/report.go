package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"posd/emv"
	hostsim "posd/host-sim"
)

func newReport(o *options) *cobra.Command {
	var tid string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Payments, balances, and whether the books balance",
		Long: `report writes the payments, the cards' and merchants' balances, and the trial balance,
which it adds up anew. It may run while the host does. The exit status is 1 where the
books do not balance.`,
		Example: `  hostsim report --tid POSD0001`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			h, err := o.open(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			return report(cmd.Context(), h, tid, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&tid, "tid", "", "payments of this terminal only")
	return cmd
}

func report(ctx context.Context, h *hostsim.Host, tid string, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if err := errors.Join(payments(ctx, h, tid, w), cards(ctx, h, w), merchants(ctx, h, w)); err != nil {
		return err
	}
	trial, err := h.TrialBalance(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\ntrial balance: %d postings over %d accounts add up to %d\n", trial.Postings, trial.Accounts, trial.Sum)
	for _, wrong := range trial.Wrong {
		fmt.Fprintln(w, "  wrong:", wrong)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !trial.OK() {
		return errors.New("the books do not balance")
	}
	return nil
}

func payments(ctx context.Context, h *hostsim.Host, tid string, w io.Writer) error {
	rows, err := h.Transactions(ctx, tid)
	fmt.Fprintln(w, "TERMINAL\tBATCH/STAN\tTIME\tKIND\tCARD\tAMOUNT\tSTATE\tCODE\tREFERENCE\tREVERSAL\tROUTE\tWHY")
	for _, t := range rows {
		fmt.Fprintf(w, "%s\t%06d/%06d\t%s\t%s\t%s\t%v\t%s\t%s\t%s\t%s\t%s\t%s\n", t.TID, t.Batch, t.STAN, t.At.Format("01-02 15:04:05"),
			t.Kind, t.Masked, emv.Amount{Minor: t.Amount, Currency: emv.Currency(t.Currency)}, t.State, t.Code, t.RRN, t.Reversal, routed(t), t.Why)
	}
	return err
}

// routed says by which rule a payment went where.
func routed(t hostsim.Transaction) string {
	switch {
	case t.Network == "":
		return "-"
	case t.StandIn:
		return fmt.Sprintf("rule %d: %s, stand-in", t.Rule, t.Network)
	}
	return fmt.Sprintf("rule %d: %s", t.Rule, t.Network)
}

func cards(ctx context.Context, h *hostsim.Host, w io.Writer) error {
	rows, err := h.Balances(ctx)
	fmt.Fprintln(w, "\nCARD\tSEQ\tSTATUS\tOPENING\tBALANCE\tAVAILABLE\tPIN TRIES")
	for _, b := range rows {
		fmt.Fprintf(w, "%s\t%02d\t%s\t%s\t%s\t%s\t%d\n", b.Masked, b.PSN, b.Status, money(b.Currency, b.Opening), money(b.Currency, b.Ledger), money(b.Currency, b.Available), b.PINTries)
	}
	return err
}

func merchants(ctx context.Context, h *hostsim.Host, w io.Writer) error {
	rows, err := h.Merchants(ctx)
	fmt.Fprintln(w, "\nMERCHANT\tNAME\tBALANCE")
	for _, m := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.MID, m.Name, money(m.Currency, m.Balance))
	}
	return err
}

func money(c emv.Currency, minor int64) string {
	return emv.Amount{Minor: minor, Currency: c}.String() + " " + c.String()
}
