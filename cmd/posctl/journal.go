package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"posd/transport/control"
	"posd/ui/text"
)

// moment is how a time is written.
const moment = "2006-01-02 15:04:05"

func (t *tool) journalCommand() *cobra.Command {
	count := 20
	cmd := &cobra.Command{
		Use: "journal", Short: t.word("cli.journal"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return worked(t.showJournal(cmd, count)) },
	}
	cmd.Flags().IntVarP(&count, "count", "n", count, t.word("cli.flag_count"))
	t.outputFlag(cmd)
	return cmd
}

func (t *tool) showJournal(cmd *cobra.Command, count int) error {
	if count < 1 || count > control.MaxJournal {
		return &usageError{t.word("cli.bad_count", strconv.Itoa(count))}
	}
	agent, err := t.agent()
	if err != nil {
		return err
	}
	entries, err := agent.Journal(cmd.Context(), count)
	if err != nil {
		return err
	}
	return t.showEntries(entries)
}

// journalRows are the payments in words, under a head.
func (t *tool) journalRows(entries []control.Entry) [][]string {
	rows := [][]string{{
		t.word("cli.head_id"), t.word("cli.head_time"), t.word("cli.head_kind"), t.word("cli.head_amount"),
		t.word("cli.head_state"), t.word("cli.head_card"), t.word("cli.head_code"),
	}}
	for _, e := range entries {
		rows = append(rows, []string{
			e.ID, e.Time.Format(moment), text.Name(t.lang, "txn", e.Kind), e.Amount + " " + e.Currency,
			text.Name(t.lang, "state", e.State), e.Card, e.Code,
		})
	}
	return rows
}

// table writes rows in columns that are as wide as they must be.
func (t *tool) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], text.Columns(printable(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(text.Fit(printable(cell), widths[i]) + "  ")
		}
		fmt.Fprintln(t.out, strings.TrimRight(b.String(), " "))
	}
}

func (t *tool) receiptCommand() *cobra.Command {
	return &cobra.Command{
		Use: "receipt ID", Short: t.word("cli.receipt"), Example: "  posctl receipt 000001/000042", Args: t.args(1),
		RunE: func(cmd *cobra.Command, argv []string) error {
			agent, err := t.agent()
			if err != nil {
				return worked(err)
			}
			slip, err := agent.Receipt(cmd.Context(), argv[0])
			if err == nil {
				fmt.Fprint(t.out, slip)
			}
			return worked(err)
		},
	}
}

func (t *tool) resolveCommand() *cobra.Command {
	var operator, reason string
	cmd := &cobra.Command{
		Use: "resolve ID", Short: t.word("cli.resolve"), Long: t.word("cli.resolve_long"), Args: t.args(1),
		Example: `  posctl resolve 000001/000042 --operator 00 --reason "acquirer settled it by phone"`,
		RunE: func(cmd *cobra.Command, argv []string) error {
			return worked(t.resolve(cmd, argv[0], operator, reason))
		},
	}
	cmd.Flags().StringVar(&operator, "operator", "", t.word("cli.flag_operator"))
	cmd.Flags().StringVar(&reason, "reason", "", t.word("cli.flag_reason"))
	return cmd
}

func (t *tool) resolve(cmd *cobra.Command, id, operator, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return &usageError{t.word("cli.no_reason")}
	}
	if err := t.checkOperator(operator); err != nil {
		return err
	}
	agent, err := t.agent()
	if err != nil {
		return err
	}
	if err := agent.Resolve(cmd.Context(), id, operator, reason); err != nil {
		return err
	}
	fmt.Fprintln(t.out, t.word("cli.resolved", id))
	return nil
}
