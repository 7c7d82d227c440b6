package main

import (
	"cmp"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"posd/transport/control"
	"posd/ui/text"
)

// command builds the tree of commands, in the language of the run.
func (t *tool) command() *cobra.Command {
	root := &cobra.Command{
		Use: "posctl", Short: t.word("cli.root"), Long: t.word("cli.root_long") + "\n\n" + t.word("cli.exit"),
		SilenceErrors: true, SilenceUsage: true, Args: cobra.ArbitraryArgs, RunE: t.group,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return t.checkFlags(cmd) },
	}
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.SetUsageTemplate(t.usageTemplate(root.UsageTemplate()))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err.Error()} })
	flags := root.PersistentFlags()
	flags.StringVar(&t.socket, "socket", cmp.Or(os.Getenv("POSD_SOCKET"), defaultSocket), t.word("cli.flag_socket"))
	flags.String("lang", t.lang.String(), t.word("cli.flag_lang"))
	flags.BoolP("help", "h", false, t.word("cli.flag_help"))
	for _, row := range tillCommands() {
		root.AddCommand(t.tillCommand(row))
	}
	root.AddCommand(t.statusCommand(), t.journalCommand(), t.findCommand(), t.receiptCommand(), t.reprintCommand(),
		t.settleCommand(), t.forwardCommand(), t.hostCommand(), t.operatorCommand(), t.storeCommand(),
		t.keysCommand(), t.resolveCommand(), t.techniciansCommand(), t.unlockCommand(), t.enrolCommand(), t.enrolmentCommand(), t.diagCommand(), t.emvCommand(),
		t.simCommand(), t.apduCommand(), t.deviceCommand(), t.manCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short = t.word("cli.help")
		case "completion":
			c.Short = t.word("cli.completion")
		}
	}
	return root
}

// usageTemplate is cobra's with its headings in the language of the run.
func (t *tool) usageTemplate(s string) string {
	if t.lang == text.English {
		return s
	}
	return strings.NewReplacer(
		"Usage:", "用法:", "Examples:", "示例:", "Available Commands:", "命令:", "Global Flags:", "通用选项:", "Flags:", "选项:",
		`Use "{{.CommandPath}} [command] --help" for more information about a command.`,
		`用 "{{.CommandPath}} [命令] --help" 查看某个命令的说明。`,
	).Replace(s)
}

// checkFlags refuses values that the flags' types cannot.
func (t *tool) checkFlags(cmd *cobra.Command) error {
	if l, _ := cmd.Flags().GetString("lang"); l != "" {
		if _, err := text.ParseLang(l); err != nil {
			return &usageError{t.word("cli.bad_lang", strconv.Quote(l))}
		}
	}
	if t.output != "" && t.output != "text" && t.output != "json" {
		return &usageError{t.word("cli.bad_output", strconv.Quote(t.output))}
	}
	return nil
}

// outputFlag gives the command -o.
func (t *tool) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&t.output, "output", "o", "text", t.word("cli.flag_output"))
	// cobra fails here only for a flag that is not there
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// args checks the number of arguments; another number is wrong usage.
func (t *tool) args(n int) cobra.PositionalArgs {
	return func(_ *cobra.Command, got []string) error {
		if len(got) != n {
			return &usageError{t.word("cli.bad_args", strconv.Itoa(n), strconv.Itoa(len(got)))}
		}
		return nil
	}
}

// group is what a command that only has commands does: it shows its help, or says that
// there is no such command.
func (t *tool) group(cmd *cobra.Command, got []string) error {
	if len(got) == 0 {
		return cmd.Help()
	}
	cmd.SuggestionsMinimumDistance = 2
	words := t.word("cli.bad_command", strconv.Quote(got[0]))
	if near := cmd.SuggestionsFor(got[0]); len(near) > 0 {
		words += ". " + t.word("cli.did_you_mean", strings.Join(near, ", "))
	}
	return &usageError{words}
}

// agent connects to posd.
func (t *tool) agent() (*control.Client, error) { return control.Dial(t.socket) }
