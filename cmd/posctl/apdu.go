package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/emv/apdu"
	"posd/emv/describe"
)

const (
	apduLongEN = `Wait for a card, reset it, send it commands through the driver, and say what both sides
said. Each argument is one command APDU in hexadecimal; -f reads a script (- for
standard input):

  # a comment
  > 00A404000E315041592E5359532E4444463031    a command
  < 9000                                      what its answer must be: two bytes are
                                              its status word, more are all of it;
                                              .. stands for any byte, * for any bytes
  reset                                       resets the card cold

61xx, 6Cxx and procedure bytes are dealt with by the driver. Card numbers, tracks and
data whose meaning is not known are hidden unless --reveal is given; with it each
command and answer is also printed in hexadecimal.

The exit status is 1 when an answer is not what the script expects: the rest of the
script is not sent.`
	apduLongZH = `等待插卡，复位，通过驱动程序发送命令，并用文字说明双方的内容。每个参数是一条十六进制
命令 APDU；-f 读取脚本（- 为标准输入）：

  # 注释
  > 00A404000E315041592E5359532E4444463031    命令
  < 9000                                      应答必须如此：两个字节为状态字，更多则为
                                              全部应答；.. 代表任意字节，* 代表任意长度
  reset                                       冷复位

61xx、6Cxx 和过程字节由驱动程序处理。卡号、磁道和含义不明的数据默认隐藏，--reveal
显示，并同时显示每条命令和应答的十六进制。

应答与脚本不符时退出状态为 1，其余命令不再发送。`
	apduExample = `  posctl apdu --reader ccid:///dev/ttyUSB0 00A404000E315041592E5359532E4444463031
  posctl apdu --reader pn532:///dev/ttyUSB0 -f select.apdu`
)

// apduOptions are the flags of posctl apdu.
type apduOptions struct {
	reader, script string
	reveal         bool
	wait           time.Duration
}

func (t *tool) apduCommand() *cobra.Command {
	var o apduOptions
	cmd := &cobra.Command{
		Use: "apdu --reader URL [HEX…] [-f SCRIPT]", Short: t.word("cli.apdu"), Args: cobra.ArbitraryArgs,
		Long: t.emvHelp(apduLongEN, apduLongZH), Example: apduExample,
		RunE: func(cmd *cobra.Command, argv []string) error { return worked(t.apdu(cmd.Context(), o, argv)) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.reader, "reader", "", t.word("cli.flag_reader"))
	flags.StringVarP(&o.script, "file", "f", "", t.word("cli.flag_script"))
	flags.BoolVar(&o.reveal, "reveal", false, t.word("cli.flag_reveal"))
	flags.DurationVar(&o.wait, "wait", 30*time.Second, t.word("cli.flag_wait"))
	return cmd
}

// step is one line of a script.
type step struct {
	reset   bool
	command []byte
	want    string // upper-case pattern; empty for anything
	line    int    // of the script, where want stands
}

// Limits of a script.
const (
	maxScript = 1 << 20
	maxSteps  = 10_000
)

func (t *tool) apdu(ctx context.Context, o apduOptions, argv []string) error {
	steps, err := t.steps(o.script, argv)
	if err != nil {
		return err
	}
	readers := drivers.New().Readers()
	if o.reader == "" || o.reader == drivers.None {
		return &usageError{t.word("cli.no_reader")}
	}
	if err := readers.Check(o.reader); err != nil {
		return &usageError{err.Error()}
	}
	opened, err := readers.Open(ctx, o.reader)
	if err != nil {
		return t.deviceError(err)
	}
	s := &session{tool: t, reader: opened.Device, options: describe.Options{Unmasked: o.reveal}}
	err = s.run(ctx, o.wait, steps)
	return t.deviceError(errors.Join(err, opened.Device.Close()))
}

// steps are those of the arguments and of the script, in this order.
func (t *tool) steps(script string, argv []string) ([]step, error) {
	var steps []step
	for i, arg := range argv {
		command, err := t.command1(arg)
		if err != nil {
			return nil, &usageError{t.word("cli.bad_apdu", fmt.Sprintf("#%d", i+1), err.Error())}
		}
		steps = append(steps, step{command: command})
	}
	if script == "" {
		return steps, nil
	}
	var in io.Reader = t.in
	if script != "-" {
		f, err := os.Open(script)
		if err != nil {
			return nil, fmt.Errorf("posctl: script: %v", err) // what it is must not be taken for a device's
		}
		defer f.Close()
		in = f
	}
	more, err := t.parseScript(in)
	return append(steps, more...), err
}

// command1 reads one command APDU. What cannot be read is not repeated.
func (t *tool) command1(s string) ([]byte, error) {
	s = squeeze(s)
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, errors.New(t.word("cli.bad_hex", hexTrouble(s)))
	}
	if _, err := apdu.ParseCommand(b); err != nil {
		return nil, err
	}
	return b, nil
}

func squeeze(s string) string {
	return strings.NewReplacer(" ", "", "\t", "", ":", "").Replace(s)
}

func (t *tool) parseScript(in io.Reader) (steps []step, err error) {
	lines := bufio.NewScanner(io.LimitReader(in, maxScript))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		at := fmt.Sprintf("%d", n)
		rest := strings.TrimSpace(text[1:])
		switch {
		case len(steps) == maxSteps:
			return nil, &usageError{t.word("cli.too_long", fmt.Sprint(maxScript))}
		case text == "reset":
			steps = append(steps, step{reset: true})
		case text[0] == '>':
			command, err := t.command1(rest)
			if err != nil {
				return nil, &usageError{t.word("cli.bad_apdu", at, err.Error())}
			}
			steps = append(steps, step{command: command})
		case text[0] == '<' && len(steps) > 0 && steps[len(steps)-1].command != nil && steps[len(steps)-1].want == "":
			want := strings.ToUpper(squeeze(rest))
			if err := checkPattern(want); err != nil {
				return nil, &usageError{t.word("cli.bad_apdu", at, err.Error())}
			}
			steps[len(steps)-1].want, steps[len(steps)-1].line = want, n
		default:
			return nil, &usageError{t.word("cli.bad_step", at)}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("posctl: script: %w", err)
	}
	return steps, nil
}

// checkPattern wants bytes, "..", and at most one "*".
func checkPattern(p string) error {
	if p == "" || strings.Count(p, "*") > 1 {
		return errors.New("an answer is bytes, .. for any byte, and one * for any bytes")
	}
	for _, part := range strings.Split(p, "*") {
		if _, err := hex.DecodeString(strings.ReplaceAll(part, "..", "00")); err != nil {
			return errors.New("an answer is bytes, .. for any byte, and one * for any bytes")
		}
	}
	return nil
}

// matches tells whether an answer is what a pattern wants; one of two bytes is that of the
// status word.
func matches(pattern string, answer []byte) bool {
	got := fmt.Sprintf("%X", answer)
	if len(pattern) == 4 && !strings.Contains(pattern, "*") {
		got = got[max(len(got)-4, 0):]
	}
	head, tail, open := strings.Cut(pattern, "*")
	if !open {
		return len(got) == len(pattern) && fits(pattern, got)
	}
	return len(got) >= len(head)+len(tail) && fits(head, got[:len(head)]) && fits(tail, got[len(got)-len(tail):])
}

func fits(pattern, got string) bool {
	for i := range len(pattern) {
		if pattern[i] != '.' && pattern[i] != got[i] {
			return false
		}
	}
	return true
}

// session is a card at a reader.
type session struct {
	tool    *tool
	reader  device.Reader
	options describe.Options
	memory  describe.Memory
}

// run takes the card through the steps, and the power from it at the end.
func (s *session) run(ctx context.Context, wait time.Duration, steps []step) error {
	if err := s.waitCard(ctx, wait); err != nil {
		return err
	}
	err := s.reset(ctx)
	for i := 0; i < len(steps) && err == nil; i++ {
		err = s.step(ctx, steps[i])
	}
	off, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return emvFirst(err, s.reader.PowerOff(off))
}

// waitCard says that a card is wanted if none is there.
func (s *session) waitCard(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	said := time.AfterFunc(time.Second, func() { fmt.Fprintln(s.tool.err, s.tool.word("cli.present_card")) })
	defer said.Stop()
	err := s.reader.WaitCard(ctx, true)
	if ctx.Err() == context.DeadlineExceeded && !errors.Is(err, device.ErrGone) {
		return fmt.Errorf("%w in %v", device.ErrNoCard, wait)
	}
	return err
}

func (s *session) reset(ctx context.Context) error {
	atr, err := s.reader.PowerOn(ctx)
	if err != nil {
		return err
	}
	s.memory = describe.Memory{}
	s.show("ATR "+fmt.Sprintf("%X", atr), nil)
	lines, err := describeATR(atr)
	if err != nil {
		s.show("", []describe.Line{{Name: "cannot be read", Value: err.Error()}})
		return nil
	}
	s.show("", lines)
	return nil
}

// show prints a heading, where it is not empty, and lines below it.
func (s *session) show(head string, lines []describe.Line) {
	if head != "" {
		fmt.Fprintln(s.tool.out, head)
	}
	for _, l := range lines {
		l.Depth++
		fmt.Fprintln(s.tool.out, printable(l.String()))
	}
}

func (s *session) step(ctx context.Context, p step) error {
	if p.reset {
		return s.reset(ctx)
	}
	command, err := apdu.ParseCommand(p.command)
	if err != nil {
		return err // read once already
	}
	s.say(">", p.command, s.memory.Command(command, s.options))
	answer, err := s.reader.Transmit(ctx, p.command)
	if err != nil {
		return err
	}
	response, err := apdu.ParseResponse(answer)
	if err != nil {
		return err
	}
	s.say("<", answer, s.memory.Response(response, s.options))
	if p.want != "" && !matches(p.want, answer) {
		return &differs{s.tool.word("cli.differs", fmt.Sprint(p.line), p.want)}
	}
	return nil
}

// say prints a message behind its mark; its bytes only where nothing is to be hidden.
func (s *session) say(mark string, b []byte, lines []describe.Line) {
	if s.options.Unmasked {
		s.show(fmt.Sprintf("%s %X", mark, b), lines)
		return
	}
	s.show(mark+" "+printable(lines[0].String()), lines[1:])
}

// differs is an answer that a script did not expect.
type differs struct{ text string }

func (d *differs) Error() string { return d.text }
