package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"posd/transport/control"
	"posd/ui/text"
)

// maxPassword bounds what is read for a password.
const maxPassword = 128

func (t *tool) techniciansCommand() *cobra.Command {
	return t.two("technicians", [3]text.Key{"cli.technicians", "cli.technicians_long", "cli.enrolled"}, (*control.Client).Enrol)
}

func (t *tool) unlockCommand() *cobra.Command {
	return t.two("unlock", [3]text.Key{"cli.unlock", "cli.unlock_long", "cli.unlocked"}, (*control.Client).Unlock)
}

// two is a command that wants two technicians with their passwords; words are its short
// and long help and what it says when it is done.
func (t *tool) two(name string, words [3]text.Key, do func(c *control.Client, ctx context.Context, a, b control.Technician) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " NAME NAME", Short: t.word(words[0]), Long: t.word(words[1]), Args: t.args(2),
		Example: "  posctl " + name + " li wang",
		RunE: func(cmd *cobra.Command, argv []string) error {
			agent, err := t.agent()
			if err != nil {
				return worked(err)
			}
			people, err := t.passwords(argv)
			if err != nil {
				return worked(err)
			}
			if err := do(agent, cmd.Context(), people[0], people[1]); err != nil {
				return worked(err)
			}
			fmt.Fprintln(t.out, t.word(words[2]))
			return nil
		},
	}
}

// passwords reads one line for each name.
func (t *tool) passwords(names []string) (people [2]control.Technician, err error) {
	in, restore := t.secretLines()
	defer restore()
	for i, name := range names {
		people[i].Name = name
		if err := t.readSecrets(in, []secretField{{t.word("cli.password_of", name), &people[i].Password}}); err != nil {
			return people, err
		}
	}
	return people, nil
}

// hideInput turns the echo of a terminal off and returns what turns it on again.
func (t *tool) hideInput() func() {
	file, ok := t.in.(*os.File)
	if !ok {
		return func() {}
	}
	settings, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	if err != nil { // no terminal
		return func() {}
	}
	hidden := *settings
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(file.Fd()), unix.TCSETS, &hidden); err != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(int(file.Fd()), unix.TCSETS, settings) } // the shell repairs it if need be
}
