package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"posd/transport/control"
	"posd/ui/text"
)

func (t *tool) settleCommand() *cobra.Command {
	var who control.Person
	var ask, last, print bool
	cmd := &cobra.Command{
		Use: "settle", Short: t.word("cli.settle"), Long: t.word("cli.settle_long"), Args: t.args(0),
		Example: "  posctl settle --operator 00\n  posctl settle --last --print",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				if last {
					return t.showSettled(agent.LastSettlement(cmd.Context(), print))
				}
				if err := t.askPassword(ask, &who); err != nil {
					return err
				}
				return t.showSettled(agent.Settle(cmd.Context(), who))
			}))
		},
	}
	cmd.Flags().StringVar(&who.Number, "operator", "01", t.word("cli.flag_operator"))
	cmd.Flags().BoolVarP(&ask, "password", "p", false, t.word("cli.flag_password"))
	cmd.Flags().BoolVar(&last, "last", false, t.word("cli.flag_last"))
	cmd.Flags().BoolVar(&print, "print", false, t.word("cli.flag_print"))
	t.outputFlag(cmd)
	return cmd
}

// withAgent connects and does what is wanted of the agent.
func (t *tool) withAgent(do func(agent *control.Client) error) error {
	agent, err := t.agent()
	if err != nil {
		return err
	}
	return do(agent)
}

func (t *tool) askPassword(ask bool, who *control.Person) error {
	if err := t.checkOperator(who.Number); err != nil || !ask {
		return err
	}
	in, restore := t.secretLines()
	defer restore()
	return t.readSecrets(in, []secretField{{t.word("cli.password_of", who.Number), &who.Password}})
}

func (t *tool) showSettled(s control.Settled, err error) error {
	if err != nil {
		return err
	}
	if t.output == "json" {
		return t.json(s)
	}
	fmt.Fprint(t.out, s.Receipt)
	return nil
}

func (t *tool) forwardCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forward", Short: t.word("cli.forward"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				left, err := agent.Forward(cmd.Context())
				if err == nil {
					fmt.Fprintln(t.out, t.word("cli.forwarded", strconv.Itoa(left)))
				}
				return err
			}))
		},
	}
}

func (t *tool) findCommand() *cobra.Command {
	var s control.Search
	var from, to string
	var stan uint32
	cmd := &cobra.Command{
		Use: "find", Short: t.word("cli.find"), Long: t.word("cli.find_long"), Args: t.args(0),
		Example: "  posctl find --card 0017 --from 2026-11-01 --to 2026-11-30",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.STAN = stan
			return worked(t.find(cmd.Context(), s, from, to))
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", t.word("cli.flag_from"))
	f.StringVar(&to, "to", "", t.word("cli.flag_to"))
	f.StringVar(&s.Amount, "amount", "", t.word("cli.flag_amount"))
	f.StringVar(&s.LastFour, "card", "", t.word("cli.flag_last_four"))
	f.Uint32Var(&stan, "voucher", 0, t.word("cli.flag_voucher"))
	f.StringVar(&s.RRN, "rrn", "", t.word("cli.flag_rrn"))
	f.IntVarP(&s.Limit, "count", "n", 100, t.word("cli.flag_count"))
	t.outputFlag(cmd)
	return cmd
}

func (t *tool) find(ctx context.Context, s control.Search, from, to string) (err error) {
	if s.From, err = t.day(from, 0); err != nil {
		return err
	}
	if s.To, err = t.day(to, 1); err != nil {
		return err
	}
	return t.withAgent(func(agent *control.Client) error {
		found, err := agent.Search(ctx, s)
		if err != nil {
			return err
		}
		return t.showEntries(found)
	})
}

// day reads a date; plus days later is its end.
func (t *tool) day(s string, plus int) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	d, err := time.ParseInLocation(time.DateOnly, s, time.Local)
	if err != nil {
		return time.Time{}, &usageError{t.word("cli.bad_date", strconv.Quote(s))}
	}
	return d.AddDate(0, 0, plus), nil
}

func (t *tool) reprintCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reprint ID", Short: t.word("cli.reprint"), Args: t.args(1), Example: "  posctl reprint 000001/000042",
		RunE: func(cmd *cobra.Command, argv []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				err := agent.Reprint(cmd.Context(), argv[0])
				if err == nil {
					fmt.Fprintln(t.out, t.word("cli.reprinted", argv[0]))
				}
				return err
			}))
		},
	}
}

func (t *tool) hostCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "host", Short: t.word("cli.host"), Args: cobra.ArbitraryArgs, RunE: t.group}
	cmd.AddCommand(
		&cobra.Command{
			Use: "sign-on", Short: t.word("cli.sign_on"), Args: t.args(0),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return worked(t.withAgent(func(agent *control.Client) error { return agent.SignOn(cmd.Context()) }))
			},
		},
		t.signOffCommand(), t.downloadCommand(),
	)
	return cmd
}

func (t *tool) signOffCommand() *cobra.Command {
	var who control.Person
	var ask bool
	cmd := &cobra.Command{
		Use: "sign-off", Short: t.word("cli.sign_off"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				if err := t.askPassword(ask, &who); err != nil {
					return err
				}
				return agent.SignOff(cmd.Context(), who)
			}))
		},
	}
	cmd.Flags().StringVar(&who.Number, "operator", "01", t.word("cli.flag_operator"))
	cmd.Flags().BoolVarP(&ask, "password", "p", false, t.word("cli.flag_password"))
	return cmd
}

func (t *tool) downloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "download LIST", Short: t.word("cli.download"), Long: t.word("cli.download_long"), Args: t.args(1),
		Example: "  posctl host download all",
		RunE: func(cmd *cobra.Command, argv []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				lists, err := agent.Download(cmd.Context(), argv[0])
				if err != nil {
					return err
				}
				return t.showLists(lists)
			}))
		},
	}
	t.outputFlag(cmd)
	return cmd
}

func (t *tool) showLists(lists []control.Downloaded) error {
	if t.output == "json" {
		return t.json(lists)
	}
	rows := [][]string{{t.word("cli.head_list"), t.word("cli.head_entries"), t.word("cli.head_version"), t.word("cli.head_since")}}
	for _, l := range lists {
		since := ""
		if !l.Since.IsZero() {
			since = l.Since.Format(moment)
		}
		rows = append(rows, []string{l.List, strconv.Itoa(l.Entries), l.Version, since})
	}
	t.table(rows)
	return nil
}

func (t *tool) showEntries(entries []control.Entry) error {
	if t.output == "json" {
		if entries == nil {
			entries = []control.Entry{} // a list, for those who read it
		}
		return t.json(entries)
	}
	if len(entries) == 0 {
		fmt.Fprintln(t.out, t.word("cli.no_payments"))
		return nil
	}
	t.table(t.journalRows(entries))
	return nil
}

func (t *tool) operatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "operator", Short: t.word("cli.operator"), Long: t.word("cli.operator_long"), Args: cobra.ArbitraryArgs, RunE: t.group,
	}
	list := &cobra.Command{
		Use: "list", Short: t.word("cli.operator_list"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				staff, err := agent.Operators(cmd.Context())
				if err != nil {
					return err
				}
				return t.showStaff(staff)
			}))
		},
	}
	t.outputFlag(list)
	cmd.AddCommand(list, t.setUpCommand(), t.passwordCommand(),
		t.staffCommand("add", "cli.operator_add", true, func(ctx context.Context, c *control.Client, by, who control.Person) error {
			return c.AddOperator(ctx, by, who)
		}),
		t.staffCommand("reset", "cli.operator_reset", true, func(ctx context.Context, c *control.Client, by, who control.Person) error {
			return c.ResetOperator(ctx, by, who)
		}),
		t.staffCommand("remove", "cli.operator_remove", false, func(ctx context.Context, c *control.Client, by, who control.Person) error {
			return c.RemoveOperator(ctx, by, who.Number)
		}))
	return cmd
}

func (t *tool) showStaff(staff []control.OperatorEntry) error {
	if t.output == "json" {
		return t.json(staff)
	}
	rows := [][]string{{t.word("cli.head_number"), t.word("cli.head_role"), t.word("cli.head_last_login"), t.word("cli.head_expires"), t.word("cli.head_state")}}
	for _, o := range staff {
		last := ""
		if !o.LastLogin.IsZero() {
			last = o.LastLogin.Format(moment)
		}
		state := ""
		switch {
		case o.Locked:
			state = t.word("cli.locked_out")
		case o.MustChange:
			state = t.word("cli.must_change")
		}
		rows = append(rows, []string{o.Number, text.Name(t.lang, "role", o.Role), last, o.Expires.Format(time.DateOnly), state})
	}
	t.table(rows)
	return nil
}

// passwordCommand changes one's own password, and sets the first ones.
func (t *tool) passwordCommand() *cobra.Command {
	return &cobra.Command{
		Use: "password NUMBER", Short: t.word("cli.operator_password"), Args: t.args(1), Example: "  posctl operator password 07",
		RunE: func(cmd *cobra.Command, argv []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				who, next := control.Person{Number: argv[0]}, ""
				if err := t.checkOperator(who.Number); err != nil {
					return err
				}
				fields := []secretField{{t.word("cli.password_of", who.Number), &who.Password}, {t.word("cli.new_password"), &next}}
				in, restore := t.secretLines()
				defer restore()
				if err := t.readSecrets(in, fields); err != nil {
					return err
				}
				if err := agent.ChangePassword(cmd.Context(), who, next); err != nil {
					return err
				}
				fmt.Fprintln(t.out, t.word("cli.password_changed", who.Number))
				return nil
			}))
		},
	}
}

// setUpCommand makes the first two members of staff known.
func (t *tool) setUpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "setup", Short: t.word("cli.operator_setup"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				administrator, supervisor := control.Person{Number: "99"}, control.Person{Number: "00"}
				in, restore := t.secretLines()
				defer restore()
				err := t.readSecrets(in, []secretField{
					{t.word("cli.first_password", administrator.Number), &administrator.Password},
					{t.word("cli.first_password", supervisor.Number), &supervisor.Password},
				})
				if err != nil {
					return err
				}
				if err := agent.SetUp(cmd.Context(), administrator, supervisor); err != nil {
					return err
				}
				fmt.Fprintln(t.out, t.word("cli.staff_done", "99, 00"))
				return nil
			}))
		},
	}
}

// staffCommand is one that a superior gives about an operator.
func (t *tool) staffCommand(name string, short text.Key, password bool, do func(ctx context.Context, c *control.Client, by, who control.Person) error) *cobra.Command {
	by := control.Person{}
	cmd := &cobra.Command{
		Use: name + " NUMBER", Short: t.word(short), Args: t.args(1), Example: "  posctl operator " + name + " 07 --by 00",
		RunE: func(cmd *cobra.Command, argv []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				who := control.Person{Number: argv[0]}
				for _, number := range []string{by.Number, who.Number} {
					if err := t.checkOperator(number); err != nil {
						return err
					}
				}
				fields := []secretField{{t.word("cli.password_of", by.Number), &by.Password}}
				if password {
					fields = append(fields, secretField{t.word("cli.first_password", who.Number), &who.Password})
				}
				in, restore := t.secretLines()
				defer restore()
				if err := t.readSecrets(in, fields); err != nil {
					return err
				}
				if err := do(cmd.Context(), agent, by, who); err != nil {
					return err
				}
				fmt.Fprintln(t.out, t.word("cli.staff_done", who.Number))
				return nil
			}))
		},
	}
	cmd.Flags().StringVar(&by.Number, "by", "00", t.word("cli.flag_by"))
	return cmd
}

// componentCommand takes one half of a master key.
func (t *tool) componentCommand() *cobra.Command {
	var who control.Person
	var part control.Component
	cmd := &cobra.Command{
		Use: "component", Short: t.word("cli.component"), Long: t.word("cli.component_long"), Args: t.args(0),
		Example: "  posctl keys component --operator 00 --kcv 08D7B4",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return worked(t.withAgent(func(agent *control.Client) error {
				if err := t.checkOperator(who.Number); err != nil {
					return err
				}
				in, restore := t.secretLines()
				defer restore()
				err := t.readSecrets(in, []secretField{
					{t.word("cli.password_of", who.Number), &who.Password}, {t.word("cli.component_part"), &part.Part},
				})
				if err != nil {
					return err
				}
				kcv, err := agent.LoadComponent(cmd.Context(), who, part)
				switch {
				case err != nil:
					return err
				case kcv == "":
					fmt.Fprintln(t.out, t.word("cli.component_first"))
				default:
					fmt.Fprintln(t.out, t.word("cli.key_loaded", kcv))
				}
				return nil
			}))
		},
	}
	cmd.Flags().StringVar(&who.Number, "operator", "00", t.word("cli.flag_operator"))
	cmd.Flags().StringVar(&part.KCV, "kcv", "", t.word("cli.flag_component_kcv"))
	cmd.Flags().StringVar(&part.Whole, "whole", "", t.word("cli.flag_whole_kcv"))
	cmd.Flags().StringVar(&part.Suite, "suite", "tdes", t.word("cli.flag_suite"))
	return cmd
}
