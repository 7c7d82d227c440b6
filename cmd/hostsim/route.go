package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"posd/emv"
	hostsim "posd/host-sim"
	"posd/host-sim/route"
)

func newRoute(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "Upstream networks, the route table, and stand-in",
		Long: `route shows and changes where payments go, also while hosts run: the next payment sees it.

A network that is down takes nothing: its payments go to the fallback of their rule, or are
approved in the issuer's place where its BIN has a stand-in policy, or get code 91. One that is
draining takes only what follows an earlier payment. A payment without rule gets code 92.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		routeState(o, "up", route.Up, "Take a network up, and bring it what waits for it"),
		routeState(o, "down", route.Down, "Take a network down"),
		routeState(o, "drain", route.Draining, "Send a network nothing new"),
		withHost(o, &cobra.Command{Use: "list", Short: "List networks, rules and what waits", Args: cobra.NoArgs}, routeList),
		routeAdd(o), routeExplain(o), routeStandIn(o), routeSwitch(o),
		withHost(o, &cobra.Command{Use: "remove NUMBER", Short: "Take a rule out of the table", Args: cobra.ExactArgs(1)}, func(cmd *cobra.Command, h *hostsim.Host, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return fmt.Errorf("number of a rule: %w", err)
			}
			return h.RemoveRouteRule(cmd.Context(), id)
		}),
		withHost(o, &cobra.Command{Use: "serve NETWORK BINS", Short: "Let a network serve a range of BINs (6277, or 2221-2720)", Args: cobra.ExactArgs(2)}, func(cmd *cobra.Command, h *hostsim.Host, args []string) error {
			low, high, err := route.Range(args[1])
			if err != nil {
				return err
			}
			return h.AddNetworkRange(cmd.Context(), args[0], low, high)
		}),
		withHost(o, &cobra.Command{Use: "group MID NAME", Short: `Put a merchant into a group of the table ("" takes it out)`, Args: cobra.ExactArgs(2)}, func(cmd *cobra.Command, h *hostsim.Host, args []string) error {
			return h.SetMerchantGroup(cmd.Context(), args[0], args[1])
		}),
	)
	return cmd
}

// withHost lets a command run on the host, which it opens and closes.
func withHost(o *options, cmd *cobra.Command, run func(*cobra.Command, *hostsim.Host, []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		h, err := o.open(cmd)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, h.Close()) }()
		return run(cmd, h, args)
	}
	return cmd
}

func routeState(o *options, verb string, s route.State, short string) *cobra.Command {
	return withHost(o, &cobra.Command{Use: verb + " NETWORK", Short: short, Args: cobra.ExactArgs(1)}, func(cmd *cobra.Command, h *hostsim.Host, args []string) error {
		n, err := h.SetNetwork(cmd.Context(), args[0], s)
		if n > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "hostsim: %d stand-in advices forwarded\n", n)
		}
		return err
	})
}

func routeList(cmd *cobra.Command, h *hostsim.Host, _ []string) error {
	networks, err := h.Networks(cmd.Context())
	rules, err2 := h.RouteRules(cmd.Context())
	advices, err3 := h.Advices(cmd.Context())
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NETWORK\tNAME\tKIND\tSTATE\tSINCE\tLAST ECHO\tECHOES\tFAILED\tPAYMENTS\tAPPROVED\tWAITING\tBINS")
	for _, n := range networks {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s %s\t%d\t%d\t%d\t%d\t%d\t%s\n", n.ID, n.Name, n.Kind, n.State, moment(n.Since), moment(n.Echo),
			answered(n), n.Echoes, n.Failures, n.Payments, n.Approved, n.Waiting, strings.Join(n.Ranges, " "))
	}
	fmt.Fprintln(w, "\nRULE\tMERCHANT\tGROUP\tBINS\tTYPE\tAMOUNT\tTIME\tPRIORITY\tNETWORK\tFALLBACK")
	for _, r := range rules {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s-%s\t%s\t%d-%d\t%s-%s\t%d\t%s\t%s\n", r.ID, r.Merchant, r.Group, r.Low, r.High, r.Kind, r.Min, r.Max,
			clock(r.From), clock(r.Until), r.Priority, r.Network, r.Fallback)
	}
	writeAdvices(w, advices)
	return w.Flush()
}

func writeAdvices(w io.Writer, advices []route.Advice) {
	if len(advices) == 0 {
		return
	}
	fmt.Fprintln(w, "\nSTAND-IN\tNETWORK\tAMOUNT\tAT\tSTATE\tWHY")
	for _, a := range advices {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", a.RRN, a.Network, a.Amount, moment(a.At), a.State, a.Why)
	}
}

func answered(n route.Network) string {
	switch {
	case n.Echo.UnixMilli() == 0:
		return ""
	case n.EchoOK:
		return "answered"
	}
	return "failed"
}

func moment(t time.Time) string {
	if t.UnixMilli() == 0 {
		return "-"
	}
	return t.Format("01-02 15:04:05")
}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// minute reads hh:mm; nothing is midnight.
func minute(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("time %q: hh:mm wanted", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// minor reads an amount in major units; nothing is zero.
func minor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	a, err := emv.ParseAmount(text, emv.CNY)
	return a.Minor, err
}

func routeAdd(o *options) *cobra.Command {
	var r route.Rule
	var bins, least, most, from, until string
	cmd := withHost(o, &cobra.Command{
		Use: "add", Short: "Add a rule to the route table", Args: cobra.NoArgs,
		Example: `  hostsim route add --bins 6277 --type sale --min 1000.00 --from 22:00 --until 06:00 --priority 9 --network visa-mc --fallback unionpay`,
	}, func(cmd *cobra.Command, h *hostsim.Host, _ []string) (err error) {
		var errs [5]error
		r.Low, r.High, errs[0] = route.Range(bins)
		r.Min, errs[1] = minor(least)
		r.Max, errs[2] = minor(most)
		r.From, errs[3] = minute(from)
		r.Until, errs[4] = minute(until)
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
		id, err := h.AddRouteRule(cmd.Context(), r)
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "hostsim: rule %d\n", id)
		}
		return err
	})
	f := cmd.Flags()
	f.StringVar(&r.Merchant, "mid", "", "merchant (default all)")
	f.StringVar(&r.Group, "group", "", "group of merchants (default all)")
	f.StringVar(&bins, "bins", "", "prefix of card numbers, or a range of two (default all)")
	f.StringVar(&r.Kind, "type", "", `type of transaction, such as "sale" (default all)`)
	f.StringVar(&least, "min", "", "least amount")
	f.StringVar(&most, "max", "", "largest amount (default no bound)")
	f.StringVar(&from, "from", "", "begin of the time of day, hh:mm")
	f.StringVar(&until, "until", "", "its end; before --from: over midnight")
	f.IntVar(&r.Priority, "priority", 1, "the highest wins")
	f.StringVar(&r.Network, "network", "", "where such payments go")
	f.StringVar(&r.Fallback, "fallback", "", "where they go while it is not up")
	return cmd
}

func routeExplain(o *options) *cobra.Command {
	var mid, prefix, kind, amount, at string
	cmd := withHost(o, &cobra.Command{
		Use: "explain", Short: "Say where a payment would go, by which rule", Args: cobra.NoArgs,
		Example: `  hostsim route explain --mid 104403154110001 --pan-prefix 627700 --type sale --amount 12.00 --at 23:30`,
	}, func(cmd *cobra.Command, h *hostsim.Host, _ []string) error {
		minutes, err := minute(at)
		value, err2 := minor(amount)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		when := time.Now()
		if at != "" {
			when = time.Date(when.Year(), when.Month(), when.Day(), minutes/60, minutes%60, 0, 0, when.Location())
		}
		r, ok, err := h.ExplainRoute(cmd.Context(), mid, prefix, kind, value, when)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), explain(r, ok))
		return nil
	})
	f := cmd.Flags()
	f.StringVar(&mid, "mid", "", "merchant")
	f.StringVar(&prefix, "pan-prefix", "", "first digits of the card number, up to eight")
	f.StringVar(&kind, "type", "sale", "type of transaction")
	f.StringVar(&amount, "amount", "1.00", "amount")
	f.StringVar(&at, "at", "", "time of day, hh:mm (default now)")
	return cmd
}

func explain(r hostsim.Route, ok bool) string {
	if !ok {
		return "no route: code 92"
	}
	text := fmt.Sprintf("rule %d: network %s", r.Rule, r.Network)
	switch {
	case r.Fell:
		text += ", the fallback"
	}
	text += ", which is " + string(r.State)
	switch {
	case r.Open:
	case r.StandIn:
		text += ": the host stands in for the issuer, within its policy"
	default:
		text += ": code 91"
	}
	return text
}

func routeStandIn(o *options) *cobra.Command {
	p := route.Policy{}
	var most, day string
	var accept bool
	cmd := withHost(o, &cobra.Command{
		Use: "stand-in BIN", Short: "Let the host stand in for the issuer of a BIN (six digits) while its network is down", Args: cobra.ExactArgs(1),
		Example: "  hostsim route stand-in 627700 --max 100.00 --day 300.00 --count 3\n  hostsim route stand-in 627700 --max 0   # not any more",
	}, func(cmd *cobra.Command, h *hostsim.Host, args []string) error {
		var err, err2 error
		p.BIN, p.PIN = args[0], route.RefusePIN
		if accept {
			p.PIN = route.AcceptPIN
		}
		p.Max, err = minor(most)
		p.DayAmount, err2 = minor(day)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		return h.SetStandIn(cmd.Context(), p)
	})
	f := cmd.Flags()
	f.StringVar(&most, "max", "", "largest payment; 0 switches stand-in off")
	f.StringVar(&day, "day", "", "largest sum of a card's day")
	f.IntVar(&p.DayCount, "count", 3, "payments of a card's day")
	f.BoolVar(&accept, "accept-unverified-pin", false, "also payments with a PIN, which nobody verifies: the acquirer's risk")
	return cmd
}

func routeSwitch(o *options) *cobra.Command {
	var tid, mid string
	cmd := withHost(o, &cobra.Command{
		Use: "switch TYPE on|off", Short: "Switch a type of transaction off or on for a terminal (code 58) or a merchant (code 57)", Args: cobra.ExactArgs(2),
		Example: `  hostsim route switch refund off --tid POSD0001`,
	}, func(cmd *cobra.Command, h *hostsim.Host, args []string) error {
		scope, id := route.OfTerminal, tid
		if tid == "" {
			scope, id = route.OfMerchant, mid
		}
		if (tid == "") == (mid == "") || (args[1] != "on" && args[1] != "off") {
			return errors.New("on or off, and one of --tid and --mid, wanted")
		}
		return h.SwitchKind(cmd.Context(), scope, id, args[0], args[1] == "on")
	})
	cmd.Flags().StringVar(&tid, "tid", "", "terminal")
	cmd.Flags().StringVar(&mid, "mid", "", "merchant")
	return cmd
}
