package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"posd/device/sim/card"
	"posd/device/sim/pty"
	"posd/ui/text"
)

const (
	simLongEN = `Run one simulated device until it is interrupted, so that software can be developed
against it: the agent, this tool's apdu and device commands, or anybody's driver.

It speaks the device's protocol on a pseudo-terminal, whose name (/dev/pts/N) is linked
at --link and printed; the link is removed at the end. What happens to the device is
printed line by line, without PINs and keys.

Lines on standard input drive it:
%s
The faults of this device:
%s`
	simLongZH = `运行一个模拟设备，直到被中断，供软件开发使用：posd、本工具的 apdu 和 device
命令，或任何其他驱动程序。

模拟设备在伪终端上使用真实设备的协议；伪终端的名称（/dev/pts/N）会显示出来，并
链接到 --link 指定的路径，结束时删除链接。设备上发生的事逐行显示，不含 PIN 和密钥。

标准输入的每一行驱动设备：
%s
该设备的故障：
%s`
	simExample = `  posctl sim ccid --link /tmp/reader --card union-rich
  posctl apdu --reader ccid:///tmp/reader 00A404000E315041592E5359532E4444463031`
)

func (t *tool) simCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sim", Short: t.word("cli.sim"), Args: cobra.ArbitraryArgs, RunE: t.group, Example: simExample,
	}
	for _, kind := range simKinds {
		cmd.AddCommand(t.simKindCommand(kind))
	}
	return cmd
}

// simOptions are the flags of posctl sim; each kind of device has some of them.
type simOptions struct {
	link, card, pin string
	faults          []string
	profile         string   // ccid
	radio           string   // pn532
	noEcho          bool     // phoenix
	connect, listen string   // vpcd
	kbpk            string   // vfpad
	slots           []string // vfpad, abecs
	antenna         bool     // abecs
	columns         int      // escpos
}

func (t *tool) simKindCommand(kind simKind) *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use: kind.name, Short: t.word(kind.words), Args: t.args(0),
		Long: t.emvHelp(fmt.Sprintf(simLongEN, t.simLines(kind), t.simFaults(kind)), fmt.Sprintf(simLongZH, t.simLines(kind), t.simFaults(kind))),
		RunE: func(cmd *cobra.Command, _ []string) error { return worked(t.sim(cmd.Context(), kind, o)) },
	}
	flags := cmd.Flags()
	if kind.network {
		flags.StringVar(&o.connect, "connect", "", t.word("cli.flag_connect"))
		flags.StringVar(&o.listen, "listen", "", t.word("cli.flag_listen"))
	} else {
		flags.StringVar(&o.link, "link", "", t.word("cli.flag_link"))
	}
	flags.StringArrayVar(&o.faults, "fault", nil, t.word("cli.flag_fault"))
	if kind.slot {
		flags.StringVar(&o.card, "card", "", t.word("cli.flag_card"))
	}
	if kind.keys {
		flags.StringVar(&o.pin, "pin", "", t.word("cli.flag_pin"))
	}
	if kind.flags != nil {
		kind.flags(t, flags, &o)
	}
	return cmd
}

// simLines lists what standard input takes.
func (t *tool) simLines(kind simKind) string {
	rows := [][2]string{}
	if kind.slot {
		rows = append(rows, [2]string{"insert [NAME|FILE.card]", t.word("cli.sim_do_insert")}, [2]string{"remove", t.word("cli.sim_do_remove")})
	}
	if kind.keys {
		rows = append(rows, [2]string{"press KEYS", t.word("cli.sim_do_press")}, [2]string{"show", t.word("cli.sim_do_show")})
	}
	rows = append(rows, [2]string{"fault NAME[:TIMES[:DELAY]]", t.word("cli.sim_do_fault")}, [2]string{"fault none", t.word("cli.sim_do_none")})
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "  %s%s\n", text.Fit(row[0], 28), row[1])
	}
	return b.String()
}

func (t *tool) simFaults(kind simKind) string {
	if len(kind.faults) == 0 {
		return "  -"
	}
	var b strings.Builder
	line := " "
	for _, name := range kind.faults {
		if len(line)+1+len(name) > 84 {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + name
	}
	return b.String() + line
}

// stage is one simulated device while it runs.
type stage struct {
	tool *tool
	kind simKind
	opts simOptions
	sim  simulator

	mu    sync.Mutex // of what is printed
	decks map[string]*card.Card
}

// say prints one line of what happens; any goroutine may.
func (s *stage) say(key text.Key, args ...string) {
	s.print(s.tool.word(key, args...))
}

func (s *stage) print(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.tool.out, printable(line))
}

// sim runs one device until ctx ends.
func (t *tool) sim(ctx context.Context, kind simKind, o simOptions) error {
	s := &stage{tool: t, kind: kind, opts: o, decks: map[string]*card.Card{}}
	var err error
	if s.sim, err = kind.build(s); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	where, jobs, end, err := s.open()
	if err != nil {
		return err
	}
	defer end()
	s.say("cli.sim_ready", kind.name, where)
	g, run := errgroup.WithContext(ctx)
	for _, job := range jobs {
		g.Go(func() error { return job(run) })
	}
	go s.listen(run) // ends with the program: nothing else ends a read of standard input
	return g.Wait()
}

// open opens what the device is reached by, and says where that is. The jobs are the device.
func (s *stage) open() (where string, jobs []func(context.Context) error, end func(), err error) {
	if s.kind.network {
		return s.sim.where, []func(context.Context) error{s.sim.serve}, func() {}, nil
	}
	if s.sim.beside != nil {
		beside, err := s.sim.beside()
		if err != nil {
			return "", nil, nil, err
		}
		jobs = append(jobs, beside)
	}
	pair, err := pty.Open()
	if err != nil {
		return "", nil, nil, err
	}
	jobs = append(jobs, func(ctx context.Context) error { return s.sim.run(ctx, pair.Port) })
	unplug := func() { _ = pair.Close() } // it is not used any more
	if s.opts.link == "" {
		return pair.Path(), jobs, unplug, nil
	}
	if err := linkTo(s.opts.link, pair.Path()); err != nil {
		unplug()
		return "", nil, nil, err
	}
	return s.opts.link + " -> " + pair.Path(), jobs, func() {
		unlink(s.opts.link, pair.Path())
		unplug()
	}, nil
}

// prepare sets the faults and puts the card in, as the flags say.
func (s *stage) prepare() error {
	for _, f := range s.opts.faults {
		if err := s.fault(f); err != nil {
			return &usageError{err.Error()}
		}
	}
	if s.opts.card == "" {
		return nil
	}
	return s.insert(s.opts.card)
}

// linkTo links a name to a pseudo-terminal, in place of one that a simulator left behind.
func linkTo(name, to string) error {
	old, err := os.Readlink(name)
	switch {
	case err == nil && strings.HasPrefix(old, "/dev/pts/"):
		err = os.Remove(name)
	case errors.Is(err, os.ErrNotExist):
		err = nil
	case err == nil:
		err = fmt.Errorf("%s links to %s already", name, old)
	default:
		err = fmt.Errorf("%s is there already, and is no link", name)
	}
	if err == nil {
		err = os.Symlink(to, name)
	}
	if err != nil {
		return fmt.Errorf("posctl: sim: link: %w", err)
	}
	return nil
}

// unlink removes a link if it is still ours.
func unlink(name, to string) {
	if now, err := os.Readlink(name); err == nil && now == to {
		_ = os.Remove(name) // whoever looks sees what is left
	}
}

// listen does what the lines of standard input say.
func (s *stage) listen(ctx context.Context) {
	in := bufio.NewScanner(s.tool.in)
	for in.Scan() && ctx.Err() == nil {
		if err := s.obey(strings.TrimSpace(in.Text())); err != nil {
			s.mu.Lock()
			s.tool.complain(printable(err.Error()))
			s.mu.Unlock()
		}
	}
}

// obey does what one line says.
func (s *stage) obey(line string) error {
	verb, what, _ := strings.Cut(line, " ")
	what = strings.TrimSpace(what)
	switch {
	case verb == "" || verb[0] == '#':
		return nil
	case verb == "insert" && s.kind.slot:
		return s.insert(what)
	case verb == "remove" && s.kind.slot:
		s.sim.remove()
		return nil
	case verb == "fault" && what != "":
		return s.fault(what)
	case verb == "press" && s.kind.keys:
		return s.sim.press(strings.ToUpper(what))
	case verb == "show" && s.kind.keys:
		s.say("cli.sim_shows", onOneLine(s.sim.show()))
		return nil
	}
	return errors.New(s.tool.word("cli.sim_bad_line", strconv.Quote(verb)))
}

// insert puts a card in, by name or file; without one the card that was in last.
func (s *stage) insert(name string) error {
	if name == "" {
		name = s.opts.card
	}
	if name == "" {
		return errors.New(s.tool.word("cli.sim_which_card"))
	}
	c := s.decks[name]
	if c == nil {
		var err error
		if c, err = newCard(name); err != nil {
			return err
		}
		s.decks[name] = c
	}
	s.opts.card = name
	return s.sim.insert(c)
}

// defaultDelay is that of faults that take their time, where none is given.
const defaultDelay = time.Second

// fault sets NAME[:TIMES[:DELAY]]; "none" ends it.
func (s *stage) fault(what string) error {
	parts := strings.Split(what, ":")
	times, delay := 0, defaultDelay
	var err error
	if len(parts) > 1 {
		times, err = strconv.Atoi(parts[1])
	}
	if len(parts) > 2 && err == nil {
		delay, err = time.ParseDuration(parts[2])
	}
	if err != nil || len(parts) > 3 || times < 0 || times > 1_000_000 || delay < 0 {
		return errors.New(s.tool.word("cli.sim_bad_fault", strconv.Quote(what)))
	}
	at := slices.Index(s.kind.faults, parts[0])
	if at < 0 && parts[0] != "none" {
		return errors.New(s.tool.word("cli.sim_no_fault", strconv.Quote(parts[0]), strings.Join(s.kind.faults, ", ")))
	}
	s.sim.misbehave(at+1, times, delay)
	s.say("cli.sim_fault", what)
	return nil
}

// simFlags lets the flags of sim, apdu and device be written with one dash as well, as
// tools for card readers have them: -link /tmp/r is --link /tmp/r.
func simFlags(args []string) []string {
	if !slices.ContainsFunc([]string{"sim", "apdu", "device"}, func(c string) bool { return slices.Contains(args, c) }) {
		return args
	}
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(arg, "=")
		if slices.Contains(oneDash, name) {
			out[i] = "-" + arg
		}
	}
	return out
}

var oneDash = []string{
	"-link", "-card", "-pin", "-fault", "-profile", "-type", "-no-echo", "-connect", "-listen", "-kbpk", "-slot", "-antenna", "-columns",
	"-reader", "-reveal", "-wait", "-pin-entry",
}
