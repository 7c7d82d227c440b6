package main

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"posd/emv"
	"posd/transport/control"
	"posd/ui/text"
)

// order is what a command of the till orders: its flags and arguments fill it.
type order struct {
	req       control.PayRequest
	passwords bool // --password
	typed     bool // --typed
	advice    bool // --advice
}

// tillCommand is a row of the commands that take money or give it back.
type tillCommand struct {
	use, kind string
	short     text.Key
	example   string
	args      []argument
	// what the command offers beside --operator and --password
	supervisor, original, typed, telephone, advice bool
}

// argument says what a place of the command line is.
type argument uint8

const (
	amountArg argument = iota + 1
	idArg
)

func tillCommands() []tillCommand {
	amount, id := []argument{amountArg}, []argument{idArg}
	return []tillCommand{
		{use: "pay AMOUNT", kind: "sale", short: "cli.pay", example: "posctl pay 12.00", args: amount, typed: true},
		{use: "void ID", kind: "void", short: "cli.void", example: "posctl void 000001/000042 --supervisor 00", args: id, supervisor: true},
		{use: "refund AMOUNT", kind: "refund", short: "cli.refund", example: "posctl refund 12.00 --original 000001/000042 --supervisor 00", args: amount, supervisor: true, original: true, typed: true},
		{use: "preauth AMOUNT", kind: "preauth", short: "cli.preauth", example: "posctl preauth 500.00", args: amount, typed: true},
		{use: "preauth-void AMOUNT", kind: "preauth_void", short: "cli.preauth_void", example: "posctl preauth-void 500.00 --original 000001/000042 --supervisor 00", args: amount, supervisor: true, original: true, typed: true},
		{use: "complete AMOUNT", kind: "preauth_comp", short: "cli.complete", example: "posctl complete 480.00 --auth A1B2C3 --date 1123", args: amount, original: true, typed: true, advice: true},
		{use: "complete-void ID", kind: "preauth_comp_void", short: "cli.complete_void", example: "posctl complete-void 000001/000043 --supervisor 00", args: id, supervisor: true},
		{use: "balance", kind: "balance", short: "cli.balance", example: "posctl balance"},
		{use: "offline AMOUNT", kind: "offline_sale", short: "cli.offline", example: "posctl offline 12.00 --telephone 123456 --supervisor 00", args: amount, supervisor: true, typed: true, telephone: true},
		{use: "adjust ID TOTAL", kind: "offline_adjust", short: "cli.adjust", example: "posctl adjust 000001/000044 15.00 --supervisor 00", args: []argument{idArg, amountArg}, supervisor: true},
		{use: "tip ID TOTAL", kind: "tip_adjust", short: "cli.tip", example: "posctl tip 000001/000042 13.50", args: []argument{idArg, amountArg}},
	}
}

func (t *tool) tillCommand(row tillCommand) *cobra.Command {
	o := &order{}
	cmd := &cobra.Command{
		Use: row.use, Short: t.word(row.short), Args: t.args(len(row.args)), Example: "  " + row.example,
		RunE: func(cmd *cobra.Command, argv []string) error { return worked(t.order(cmd, row, o, argv)) },
	}
	if row.kind == "sale" {
		cmd.Long = t.word("cli.pay_long") + "\n\n" + t.word("cli.exit")
	}
	f := cmd.Flags()
	f.StringVar(&o.req.Who.Number, "operator", "01", t.word("cli.flag_operator"))
	f.BoolVarP(&o.passwords, "password", "p", false, t.word("cli.flag_password"))
	if row.supervisor {
		f.StringVar(&o.req.Supervisor.Number, "supervisor", "", t.word("cli.flag_supervisor"))
	}
	if row.original {
		f.StringVar(&o.req.Original.ID, "original", "", t.word("cli.flag_original"))
		f.StringVar(&o.req.Original.RRN, "rrn", "", t.word("cli.flag_rrn"))
		f.StringVar(&o.req.Original.AuthCode, "auth", "", t.word("cli.flag_auth"))
		f.StringVar(&o.req.Original.Date, "date", "", t.word("cli.flag_date"))
	}
	if row.typed {
		f.BoolVar(&o.typed, "typed", false, t.word("cli.flag_typed"))
		f.BoolVar(&o.req.Swipe, "swipe", false, t.word("cli.flag_swipe"))
	}
	if row.telephone {
		f.StringVar(&o.req.AuthCode, "telephone", "", t.word("cli.flag_telephone"))
	}
	if row.advice {
		f.BoolVar(&o.advice, "advice", false, t.word("cli.flag_advice"))
	}
	t.outputFlag(cmd)
	return cmd
}

// order fills the request, sends it and shows how it ended.
func (t *tool) order(cmd *cobra.Command, row tillCommand, o *order, argv []string) error {
	o.req.Kind, o.req.Lang = row.kind, t.lang.String()
	if o.advice {
		o.req.Kind = "preauth_adv"
	}
	if err := t.orderArgs(row, o, argv); err != nil {
		return err
	}
	agent, err := t.agent()
	if err != nil {
		return err
	}
	if err := t.orderSecrets(o); err != nil {
		return err
	}
	fmt.Fprintln(t.err, t.word("cli.waiting"))
	res, err := agent.Pay(cmd.Context(), o.req)
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

// orderArgs reads the arguments, and refuses what cannot be meant.
func (t *tool) orderArgs(row tillCommand, o *order, argv []string) error {
	for i, arg := range row.args {
		switch arg {
		case idArg:
			o.req.Original.ID = argv[i]
		case amountArg:
			// The agent knows the currency: here only what no currency allows is refused.
			if _, err := emv.ParseAmount(argv[i], emv.CNY); err != nil {
				return &usageError{t.word("cli.bad_amount", strconv.Quote(argv[i]))}
			}
			o.req.Amount = argv[i]
		}
	}
	for _, number := range []string{o.req.Who.Number, o.req.Supervisor.Number} {
		if number == "" {
			continue
		}
		if err := t.checkOperator(number); err != nil {
			return err
		}
	}
	return nil
}

// orderSecrets asks for what is not typed on a command line: passwords and a card number.
func (t *tool) orderSecrets(o *order) error {
	if !o.passwords && !o.typed {
		return nil
	}
	in, restore := t.secretLines()
	defer restore()
	var fields []secretField
	if o.passwords {
		fields = append(fields, secretField{t.word("cli.password_of", o.req.Who.Number), &o.req.Who.Password})
		if o.req.Supervisor.Number != "" {
			fields = append(fields, secretField{t.word("cli.password_of", o.req.Supervisor.Number), &o.req.Supervisor.Password})
		}
	}
	if o.typed {
		fields = append(fields, secretField{t.word("cli.card_number"), &o.req.Card.Number}, secretField{t.word("cli.card_expiry"), &o.req.Card.Expiry})
	}
	return t.readSecrets(in, fields)
}

// secretField is a line that is asked for and not shown.
type secretField struct {
	prompt string
	into   *string
}

// secretLines reads lines from standard input; a terminal does not show what is typed.
func (t *tool) secretLines() (*bufio.Scanner, func()) {
	restore := t.hideInput()
	in := bufio.NewScanner(t.in)
	in.Buffer(make([]byte, 0, maxPassword+2), maxPassword+2)
	return in, restore
}

func (t *tool) readSecrets(in *bufio.Scanner, fields []secretField) error {
	for _, f := range fields {
		fmt.Fprint(t.err, f.prompt)
		if !in.Scan() || strings.TrimSpace(in.Text()) == "" {
			return errors.New(t.word("cli.no_line", strings.TrimRight(f.prompt, " ：:")))
		}
		fmt.Fprintln(t.err)
		*f.into = in.Text()
	}
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
	if res.Balance != "" {
		line = append(line, t.word("receipt.balance")+" "+res.Balance)
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
