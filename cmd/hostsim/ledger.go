package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	hostsim "posd/host-sim"
)

func newLedger(o *options) *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "The books"}
	cmd.AddCommand(on(o, "check", "Add up books and statements anew; exit status 1 where something is wrong", func(cmd *cobra.Command, h *hostsim.Host) error {
		wrong, err := h.CheckLedger(cmd.Context())
		for _, w := range wrong {
			fmt.Fprintln(cmd.OutOrStdout(), "wrong:", w)
		}
		if err == nil && len(wrong) > 0 {
			err = errors.New("the books are wrong")
		}
		return err
	}))
	return cmd
}
