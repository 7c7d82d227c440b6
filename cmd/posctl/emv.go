package main

import (
	"slices"

	"github.com/spf13/cobra"

	"posd/ui/text"
)

func (t *tool) emvCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "emv", Short: t.word("cli.emv"), Args: cobra.ArbitraryArgs, RunE: t.group,
	}
	cmd.AddCommand(t.emvDecodeCommand(), t.emvReplayCommand())
	return cmd
}

// emvFlags lets the flags of posctl emv be written with one dash as well, as card
// engineers' tools have them: -bench 100 is --bench 100.
func emvFlags(args []string) []string {
	if !slices.Contains(args, "emv") {
		return args
	}
	out := slices.Clone(args)
	for i, arg := range out {
		for _, name := range []string{"-as", "-bench", "-params", "-reveal"} {
			if arg == name || len(arg) > len(name) && arg[:len(name)+1] == name+"=" {
				out[i] = "-" + arg
			}
		}
		if arg == "--" {
			break
		}
	}
	return out
}

// emvHelp picks a long text of posctl emv in the language of the run. The decoders
// themselves speak English: their words are the Books'.
func (t *tool) emvHelp(en, zh string) string {
	if t.lang == text.English {
		return en
	}
	return zh
}

// some wants one argument or more; missing says what is not there.
func (t *tool) some(missing text.Key) cobra.PositionalArgs {
	return func(_ *cobra.Command, got []string) error {
		if len(got) == 0 {
			return &usageError{t.word(missing)}
		}
		return nil
	}
}
