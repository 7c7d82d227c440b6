package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"posd/emv/describe"
)

// maxDecode is the most bytes that posctl emv decode reads.
const maxDecode = 64 << 10

const (
	decodeHelpEN = `Say in words what EMV bytes mean. They come as hexadecimal, with or without blanks
and colons, from the arguments or, for -, from standard input.

Without --as they are data objects (BER-TLV), and each object whose value has a
meaning of its own is told bit by bit. Kinds:

%s

Card numbers and tracks are masked unless --reveal is given.`
	decodeHelpZH = `用文字说明 EMV 数据的含义。数据为十六进制（可含空格和冒号），取自参数；参数为 - 时取自标准输入。

不带 --as 时按数据对象（BER-TLV）解读，凡有含义的值逐位说明。种类：

%s

卡号和磁道默认遮盖，--reveal 显示完整内容。说明文字为英文，与规范一致。`
	decodeExample = `  posctl emv decode 9F27018095050000008000
  posctl emv decode --as tvr 0000008000
  posctl emv decode --as iad 06010A03A4A002
  posctl emv decode --as atr 3B6500002063CB6800
  posctl emv decode --reveal - < record.hex`
)

// emvDecoding is what the flags of posctl emv decode say.
type emvDecoding struct {
	kind     string
	unmasked bool
}

func (t *tool) emvDecodeCommand() *cobra.Command {
	var d emvDecoding
	cmd := &cobra.Command{
		Use: "decode [--as KIND] HEX|-", Short: t.word("cli.emv_decode"), Args: t.some("cli.no_input"),
		Long:    t.emvHelp(fmt.Sprintf(decodeHelpEN, kindList()), fmt.Sprintf(decodeHelpZH, kindList())),
		Example: decodeExample,
		RunE:    func(_ *cobra.Command, argv []string) error { return worked(t.emvDecode(argv, d)) },
	}
	cmd.Flags().StringVar(&d.kind, "as", "tlv", t.word("cli.flag_as"))
	cmd.Flags().BoolVar(&d.unmasked, "reveal", false, t.word("cli.flag_reveal"))
	t.outputFlag(cmd)
	// cobra fails here only for a flag that is not there
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(kindNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// kindNames are the decoders of package describe, and the answer to reset, which is no
// part of EMV's data and is read by the card reader's package.
func kindNames() []string {
	var names []string
	for _, k := range describe.Kinds() {
		names = append(names, k.Name)
	}
	return append(names, "atr")
}

// kindList is a table of the kinds for the help.
func kindList() string {
	var b strings.Builder
	for _, k := range describe.Kinds() {
		what := k.What
		if k.Tag != 0 {
			what += ", tag " + k.Tag.String()
		}
		fmt.Fprintf(&b, "  %-14s  %s\n", k.Name, what)
	}
	fmt.Fprintf(&b, "  %-14s  %s", "atr", "Answer to Reset, ISO/IEC 7816-3, 8.2")
	return b.String()
}

func (t *tool) emvDecode(argv []string, d emvDecoding) error {
	data, err := t.emvInput(argv)
	if err != nil {
		return err
	}
	lines, err := t.emvDescribe(data, d)
	if t.output == "json" {
		return emvFirst(t.json(linesJSON(lines)), err)
	}
	for _, l := range lines {
		fmt.Fprintln(t.out, printable(l.String()))
	}
	return err
}

func emvFirst(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// emvDescribe reads by the kind of --as.
func (t *tool) emvDescribe(data []byte, d emvDecoding) ([]describe.Line, error) {
	if d.kind == "atr" {
		return describeATR(data)
	}
	k, err := describe.Named(d.kind)
	if err != nil {
		return nil, &usageError{t.word("cli.bad_kind", strconv.Quote(d.kind), strings.Join(kindNames(), ", "))}
	}
	return k.Describe(data, describe.Options{Unmasked: d.unmasked})
}

// emvInput reads the bytes of the arguments or of standard input. What cannot be read is
// not repeated: it might be a card number.
func (t *tool) emvInput(argv []string) ([]byte, error) {
	s := strings.Join(argv, "")
	if s == "-" {
		b, err := io.ReadAll(io.LimitReader(t.in, 4*maxDecode))
		if err != nil {
			return nil, fmt.Errorf("posctl: read standard input: %w", err)
		}
		s = string(b)
	}
	s = strings.Map(func(r rune) rune {
		if r == ':' || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
	data, err := hex.DecodeString(s)
	switch {
	case errors.Is(err, hex.ErrLength):
		return nil, &usageError{t.word("cli.odd_hex", strconv.Itoa(len(s)))}
	case err != nil:
		return nil, &usageError{t.word("cli.bad_hex", hexTrouble(s))}
	case len(data) == 0:
		return nil, &usageError{t.word("cli.no_input")}
	case len(data) > maxDecode:
		return nil, &usageError{t.word("cli.too_long", strconv.Itoa(maxDecode))}
	}
	return data, nil
}

// hexTrouble says at which character text stops being hexadecimal: the first that is no
// digit, or the last, which has no partner.
func hexTrouble(s string) string {
	for i, r := range s {
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return fmt.Sprintf("#%d %q", i+1, r)
		}
	}
	return fmt.Sprintf("#%d", len(s))
}

// lineJSON is a line of a description as JSON.
type lineJSON struct {
	Depth int    `json:"depth"`
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Note  string `json:"note,omitempty"`
}

func linesJSON(lines []describe.Line) []lineJSON {
	out := make([]lineJSON, 0, len(lines))
	for _, l := range lines {
		out = append(out, lineJSON(l))
	}
	return out
}
