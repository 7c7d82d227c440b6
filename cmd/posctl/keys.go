package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"posd/transport/control"
)

// maxBlock is the longest TR-31 key block: its length field has four digits.
const maxBlock = 9999

func (t *tool) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", Short: t.word("cli.keys"), Args: cobra.ArbitraryArgs, RunE: t.group,
	}
	cmd.AddCommand(t.keysListCommand(), t.componentCommand(), &cobra.Command{
		Use: "load BLOCK|-", Short: t.word("cli.keys_load"), Args: t.args(1),
		Example: "  posctl keys load - < tmk.tr31",
		RunE:    func(cmd *cobra.Command, argv []string) error { return worked(t.loadKey(cmd, argv[0])) },
	})
	return cmd
}

func (t *tool) keysListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: t.word("cli.keys_list"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return worked(t.listKeys(cmd)) },
	}
	t.outputFlag(cmd)
	return cmd
}

func (t *tool) listKeys(cmd *cobra.Command) error {
	agent, err := t.agent()
	if err != nil {
		return err
	}
	snap, err := agent.Snapshot(cmd.Context())
	if err != nil {
		return err
	}
	if t.output == "json" {
		if snap.Keys == nil {
			snap.Keys = []control.Key{}
		}
		return t.json(snap.Keys)
	}
	rows := [][]string{{t.word("cli.head_name"), t.word("cli.head_kcv"), t.word("cli.head_since")}}
	for _, k := range snap.Keys {
		since, kcv := "", t.word("tui.no_key")
		if k.KCV != "" {
			since, kcv = k.Since.Format(moment), k.KCV
		}
		rows = append(rows, []string{k.Name, kcv, since})
	}
	t.table(rows)
	return nil
}

func (t *tool) loadKey(cmd *cobra.Command, block string) error {
	if block == "-" {
		b, err := io.ReadAll(io.LimitReader(t.in, maxBlock+2))
		if err != nil {
			return fmt.Errorf("posctl: read the key block: %w", err)
		}
		block = string(b)
	}
	block = strings.TrimSpace(block)
	if block == "" || len(block) > maxBlock {
		return &usageError{t.word("cli.bad_block")}
	}
	agent, err := t.agent()
	if err != nil {
		return err
	}
	kcv, err := agent.LoadKey(cmd.Context(), block)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, t.word("cli.key_loaded", kcv))
	return nil
}
