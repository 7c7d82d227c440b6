package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"posd/transport/control"
	"posd/ui/text"
)

// usageError is a command line that cannot be meant.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// errPaymentLost marks a payment whose result did not arrive.
var errPaymentLost = errors.New("the payment may have happened")

// causes say in both languages what an error means and what to do; the first that fits
// is told. An empty meaning leaves the error's own text.
var causes = []struct {
	err     error
	meaning text.Key // {1} is the socket
	do      text.Key
	status  int
}{
	{control.ErrNoAgent, "cli.no_agent", "cli.no_agent_do", statusError},
	{fs.ErrPermission, "cli.forbidden", "cli.forbidden_do", statusError},
	{errPaymentLost, "cli.lost", "cli.lost_do", statusError},
	{control.ErrBusy, "", "cli.busy_do", statusError},
	{control.ErrLocked, "", "find.tampered.do", statusError},
	{control.ErrPassword, "", "cli.password_do", statusError},
	{control.ErrNotReady, "", "cli.not_ready_do", statusError},
	{control.ErrNoPayment, "", "cli.no_payment_do", statusError},
	{control.ErrInvalid, "", "cli.invalid_do", statusUsage},
}

// explain tells the error and what to do about it, and returns the exit status.
func (t *tool) explain(root *cobra.Command, err error) int {
	for _, c := range causes {
		if !errors.Is(err, c.err) {
			continue
		}
		if c.meaning == "" {
			t.complain(err.Error())
		} else {
			t.complain(t.word(c.meaning, t.socket))
		}
		fmt.Fprintf(t.err, "%s: %s\n", t.word("cli.do"), t.word(c.do))
		return c.status
	}
	t.complain(err.Error())
	var trouble *deviceTrouble
	if errors.As(err, &trouble) {
		fmt.Fprintf(t.err, "%s: %s\n", t.word("cli.do"), t.word(trouble.do))
	}
	var known *runError
	if errors.As(err, &known) {
		return statusError
	}
	fmt.Fprintln(t.err, t.word("cli.usage_hint", root.Name()))
	return statusUsage // cobra's own errors are about the command line
}

func (t *tool) complain(what string) {
	fmt.Fprintf(t.err, "posctl: %s: %s\n", t.word("cli.error"), what)
}

// runError is an error of the work itself, as opposed to one of the command line.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// worked marks an error as one of the work; nil stays nil.
func worked(err error) error {
	var usage *usageError
	if err == nil || errors.As(err, &usage) {
		return err
	}
	return &runError{err}
}
