package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"golang.org/x/sys/unix"

	"posd/transport/control"
	"posd/ui/tui"
)

func (t *tool) diagCommand() *cobra.Command {
	return &cobra.Command{
		Use: "diag", Short: t.word("cli.diag"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return worked(t.diag(cmd.Context())) },
	}
}

// diag runs the screen. An agent that is not there yet is waited for, on the screen.
func (t *tool) diag(ctx context.Context) error {
	if !isTerminal(t.in) || !isTerminal(t.out) {
		return errors.New(t.word("cli.no_tty"))
	}
	model := tui.New(tui.Config{Source: control.At(t.socket), Socket: t.socket, Lang: t.lang})
	_, err := tea.NewProgram(model, tea.WithContext(ctx), tea.WithInput(t.in), tea.WithOutput(t.out)).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// isTerminal tells whether the stream is one: whether it has terminal settings.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func (t *tool) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: t.word("cli.man"), Args: t.args(1),
		RunE: func(cmd *cobra.Command, argv []string) error { return worked(writeManual(cmd.Root(), argv[0])) },
	}
}

// writeManual writes one page a command. Their date is today, or SOURCE_DATE_EPOCH for
// a build that can be repeated.
func writeManual(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("posctl: write manual: %w", err)
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Title: "POSCTL", Section: "1", Source: "posd"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("posctl: write manual: %w", err)
	}
	return nil
}
