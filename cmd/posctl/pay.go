package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"posd/emv"
	"posd/transport/control"
	"posd/ui/text"
)

func (t *tool) payCommand() *cobra.Command {
	operator := "01"
	cmd := &cobra.Command{
		Use: "pay AMOUNT", Short: t.word("cli.pay"), Long: t.word("cli.pay_long") + "\n\n" + t.word("cli.exit"), Example: "  posctl pay 12.00",
		Args: t.args(1),
		RunE: func(cmd *cobra.Command, argv []string) error { return worked(t.pay(cmd, argv[0], operator)) },
	}
	cmd.Flags().StringVar(&operator, "operator", operator, t.word("cli.flag_operator"))
	t.outputFlag(cmd)
	return cmd
}

func (t *tool) pay(cmd *cobra.Command, amount, operator string) error {
	// The agent knows the currency: here only what no currency allows is refused.
	if _, err := emv.ParseAmount(amount, emv.CNY); err != nil {
		return &usageError{t.word("cli.bad_amount", strconv.Quote(amount))}
	}
	if err := t.checkOperator(operator); err != nil {
		return err
	}
	agent, err := t.agent()
	if err != nil {
		return err
	}
	fmt.Fprintln(t.err, t.word("cli.waiting"))
	res, err := agent.Pay(cmd.Context(), control.PayRequest{Amount: amount, Who: control.Person{Number: operator}, Lang: t.lang.String()})
	if errors.Is(err, control.ErrLost) {
		return fmt.Errorf("%w: %w", errPaymentLost, err)
	}
	if err != nil {
		return err
	}
	t.status = exitStatus(res.Outcome)
	if t.output == "json" {
		return t.json(res)
	}
	t.showResult(res)
	return nil
}

func (t *tool) checkOperator(operator string) error {
	if len(operator) != 2 || strings.Trim(operator, "0123456789") != "" {
		return &usageError{t.word("cli.bad_operator", strconv.Quote(operator))}
	}
	return nil
}

// exitStatus is 0 for money that moved, and tells a decline from a payment that did
// not come to one.
func exitStatus(outcome string) int {
	switch outcome {
	case emv.Approved.String():
		return statusDone
	case emv.Declined.String():
		return statusDeclined
	}
	return statusNotDone
}

// showResult writes how it ended in one line, what to do where it did not end well,
// and the slip.
func (t *tool) showResult(res control.PayResult) {
	e := res.Entry
	line := []string{text.Name(t.lang, "outcome", res.Outcome)}
	if e.ID != "" {
		line = append(line, e.ID, e.Amount+" "+e.Currency)
	}
	if e.AuthCode != "" {
		line = append(line, t.word("receipt.auth_no")+" "+e.AuthCode)
	}
	fmt.Fprintln(t.out, printable(strings.Join(line, "  ")))
	if res.Message != "" && res.Message != line[0] {
		fmt.Fprintln(t.out, printable(res.Message))
	}
	if code := text.ForCode(t.lang, e.Code); e.Code != "" && e.Code != "00" {
		if code.Display != res.Message {
			fmt.Fprintf(t.out, "%s %s\n", printable(e.Code), printable(code.Display))
		}
		fmt.Fprintf(t.out, "%s: %s\n", t.word("cli.do"), code.Do)
	}
	if res.Receipt != "" {
		fmt.Fprintf(t.out, "\n%s", res.Receipt)
	}
}
