package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"posd/cmd/internal/qrtext"
	"posd/transport/control"
	"posd/transport/enrol"
)

// maxActivation bounds what is read for an activation.
const maxActivation = 300

func (t *tool) enrolCommand() *cobra.Command {
	var code, address, authority string
	var show bool
	cmd := &cobra.Command{
		Use: "enrol", Short: t.word("cli.enrol"), Long: t.word("cli.enrol_long"), Args: t.args(0),
		Example: "  posctl enrol\n  posctl enrol --code ABCDE-FGHJK\n  posctl enrol --show",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if show {
				return worked(t.showDevice(cmd))
			}
			return worked(t.enrol(cmd, code, address, authority))
		},
	}
	f := cmd.Flags()
	f.StringVar(&code, "code", "", t.word("cli.flag_code"))
	f.StringVar(&address, "address", "", t.word("cli.flag_enrol_address"))
	f.StringVar(&authority, "ca", "", t.word("cli.flag_authority"))
	f.BoolVar(&show, "show", false, t.word("cli.flag_show"))
	t.outputFlag(cmd)
	return cmd
}

// enrol shows who the device is, takes the code, and shows what the host gave.
func (t *tool) enrol(cmd *cobra.Command, code, address, authority string) error {
	agent, err := t.agent()
	if err != nil {
		return err
	}
	snap, err := agent.Snapshot(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintf(t.err, "%s: %s\n", t.word("cli.serial"), printable(snap.Serial))
	if code == "" {
		if code, err = t.askCode(); err != nil {
			return err
		}
	}
	act, err := t.activation(code, snap.Serial)
	if err != nil {
		return err
	}
	if address != "" {
		act.Address = address
	}
	if authority != "" {
		act.Authority = authority
	}
	fmt.Fprintln(t.err, t.word("cli.enrol_working"))
	out, err := agent.EnrolTerminal(cmd.Context(), act)
	if err != nil {
		return err
	}
	if t.output == "json" {
		return t.json(out)
	}
	fmt.Fprintln(t.out, t.word("cli.enrol_done"))
	t.enrolment(out)
	return nil
}

// askCode reads one line.
func (t *tool) askCode() (string, error) {
	fmt.Fprint(t.err, t.word("cli.enrol_ask"))
	line, err := bufio.NewReader(io.LimitReader(t.in, maxActivation+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("posctl: read the activation code: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// activation reads a code, or a whole activation as a scanner types it.
func (t *tool) activation(text, serial string) (control.Activation, error) {
	if !strings.Contains(text, "://") {
		return control.Activation{Code: text}, nil
	}
	a, err := enrol.ParseActivation(text)
	if err != nil {
		return control.Activation{}, err
	}
	if a.Serial != serial {
		return control.Activation{}, errors.New(t.word("cli.enrol_serial", printable(a.Serial), printable(serial)))
	}
	out := control.Activation{Code: a.Code, Address: a.Host}
	if a.Fingerprint != [32]byte{} {
		out.Authority = hex.EncodeToString(a.Fingerprint[:])
	}
	return out, nil
}

// showDevice shows the device to the back office: a QR code without an activation code.
func (t *tool) showDevice(cmd *cobra.Command) error {
	agent, err := t.agent()
	if err != nil {
		return err
	}
	snap, err := agent.Snapshot(cmd.Context())
	if err != nil {
		return err
	}
	a := enrol.Activation{Serial: snap.Serial, Host: snap.Enrolment.Address}
	if print, err := enrol.ParseFingerprint(snap.Enrolment.Authority); err == nil {
		a.Fingerprint = print
	}
	code, err := a.QR()
	if err != nil {
		return err
	}
	t.row("cli.serial", snap.Serial)
	fmt.Fprintf(t.out, "%s\n%s", a, qrtext.Blocks(code))
	return nil
}

func (t *tool) enrolmentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "enrolment", Short: t.word("cli.enrolment"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return worked(t.showEnrolment(cmd)) },
	}
	t.outputFlag(cmd)
	return cmd
}

func (t *tool) showEnrolment(cmd *cobra.Command) error {
	agent, err := t.agent()
	if err != nil {
		return err
	}
	snap, err := agent.Snapshot(cmd.Context())
	if err != nil {
		return err
	}
	if t.output == "json" {
		return t.json(snap.Enrolment)
	}
	t.enrolment(snap.Enrolment)
	return nil
}

// enrolment writes the record, and where it differs.
func (t *tool) enrolment(e control.Enrolment) {
	if !e.Enrolled {
		fmt.Fprintln(t.out, t.word("cli.not_enrolled"))
	}
	t.row("cli.serial", e.Serial)
	if e.Address != "" {
		t.row("cli.enrol_host", e.Address)
	}
	if e.Since.IsZero() {
		return
	}
	t.row("tui.terminal", e.Terminal)
	t.row("tui.merchant", e.Merchant, e.Name)
	t.row("cli.bank", e.Bank)
	t.row("cli.access", e.Access)
	t.row("cli.hotline", e.Hotline)
	t.row("cli.suite", e.Suite)
	t.row("cli.enrolled_since", e.Since.Format(moment))
	t.row("cli.compared", e.Compared.Format(moment))
	if !e.Expires.IsZero() {
		t.row("cli.cert_until", e.Expires.Format(moment))
	}
	for _, d := range e.Differences {
		fmt.Fprintln(t.out, t.word("cli.record_differs", printable(d.String())))
	}
	if len(e.Differences) == 0 {
		fmt.Fprintln(t.out, t.word("cli.record_same"))
	}
}
