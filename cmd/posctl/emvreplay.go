package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"posd/emv/replay"
	"posd/emv/replay/vector"
)

// Limits of posctl emv replay.
const (
	maxReplayFile = 64 << 20 // bytes of a file
	maxBench      = 1_000_000
)

const (
	replayHelpEN = `Run the EMV kernel on card sessions that were recorded elsewhere, and print one line of
JSON for each:

  {"id":"…","verdict":"equal"}       the kernel did what the recording has
  {"id":"…","verdict":"different","phase":"…","field":"…","want":"…","got":"…"}
                                     the first difference
  {"id":"…","verdict":"review"}      those who recorded it could not decide; what differs
                                     is told, and is no failure
  {"id":"…","verdict":"error"}       the case cannot be played

A FILE holds scenarios or CVM cases as JSON: a file with "vectors", one case, or one case a
line; - is standard input. A file that begins with > or # is a log of APDUs (> command,
< answer, # remark) and needs --params: a scenario without its card, which tells the
terminal and the payment:

  {"terminal":{"config":{"9F33":"E0F8C8","9F35":"22","9F40":"F000F0A001","9F1A":"0156",
                         "9F09":"0020","9F1B":"00002710"},
               "params":{"9A":"260801","9F21":"101112","9C":"00","9F02":"000000001234",
                         "5F2A":"0156","9F41":"00000007"},
               "apps":[{"aid":"A000000333010101","match":"partial"}],
               "unpredictable_number":"A1B2C3D4","online":{"arc":"3030"}},
   "capks":[],"outcomes":"02=S","expect":{"outcome":"approved"}}

Tag 9F34 in params leaves cardholder verification out; outcomes says what became of PIN
methods (S success, F wrong, B bypassed, P no pad, L try limit); genac1_type and genac2_type
beside online force what GENERATE AC asks for. A log is equal if the kernel sends each of
its commands, in its order.

With -v the session is shown phase by phase: commands and answers object by object, TVR, TSI
and CVM results spelled out, and why each bit was set, with its clause. Card numbers, tracks
and PINs are masked; --reveal shows them.

A summary goes to standard error. Exit status: 0 no difference, 1 a difference or an
error, 2 wrong usage.`
	replayHelpZH = `在内核中重放别处记录的卡会话，每个案例输出一行 JSON：

  {"id":"…","verdict":"equal"}       与记录一致
  {"id":"…","verdict":"different","phase":"…","field":"…","want":"…","got":"…"}
                                     第一处差异
  {"id":"…","verdict":"review"}      记录者自己未能裁定；列出差异，但不算失败
  {"id":"…","verdict":"error"}       案例无法重放

FILE 为 JSON 格式的会话或 CVM 案例：含 "vectors" 的文件、单个案例、或每行一个案例；- 为标准输入。
以 > 或 # 开头的文件是 APDU 记录（> 命令，< 应答，# 注释），须用 --params 给出终端和交易的参数
（即不含 card 的会话），例如：

  {"terminal":{"config":{"9F33":"E0F8C8","9F35":"22","9F40":"F000F0A001","9F1A":"0156",
                         "9F09":"0020","9F1B":"00002710"},
               "params":{"9A":"260801","9F21":"101112","9C":"00","9F02":"000000001234",
                         "5F2A":"0156","9F41":"00000007"},
               "apps":[{"aid":"A000000333010101","match":"partial"}],
               "unpredictable_number":"A1B2C3D4","online":{"arc":"3030"}},
   "capks":[],"outcomes":"02=S","expect":{"outcome":"approved"}}

params 中的 9F34 表示跳过持卡人验证；outcomes 给出各 PIN 方法的结果（S 成功，F 错误，B 跳过，
P 无键盘，L 次数用尽）；genac1_type、genac2_type 指定 GENERATE AC 请求的类型。内核按记录的
顺序发出全部命令即为一致。

-v 逐阶段显示会话：命令和应答逐个对象、TVR、TSI、CVM 结果，以及每一位因何设置、依据哪一条。
卡号、磁道和 PIN 默认遮盖，--reveal 显示完整内容。

汇总写到标准错误。退出状态：0 无差异，1 有差异或错误，2 用法错误。`
	replayExample = `  posctl emv replay scenarios.json cvm.json
  posctl emv replay -v one-session.json
  posctl emv replay --params terminal.json session.apdu
  posctl emv replay --bench 1000 scenarios.json`
)

// emvReplay is a run of posctl emv replay.
type emvReplay struct {
	tool     *tool
	params   string
	verbose  bool
	unmasked bool
	bench    int
	total    benchTotal
	verdicts map[replay.Verdict]int
}

func (t *tool) emvReplayCommand() *cobra.Command {
	r := &emvReplay{tool: t, verdicts: map[replay.Verdict]int{}}
	cmd := &cobra.Command{
		Use: "replay FILE…", Short: t.word("cli.emv_replay"), Args: t.some("cli.no_file"),
		Long: t.emvHelp(replayHelpEN, replayHelpZH), Example: replayExample,
		RunE: func(cmd *cobra.Command, argv []string) error {
			if cmd.Flags().Changed("bench") && (r.bench < 1 || r.bench > maxBench) {
				return &usageError{t.word("cli.bad_bench", strconv.Itoa(r.bench))}
			}
			return worked(r.run(cmd.Context(), argv))
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&r.verbose, "verbose", "v", false, t.word("cli.flag_verbose"))
	flags.BoolVar(&r.unmasked, "reveal", false, t.word("cli.flag_reveal"))
	flags.IntVar(&r.bench, "bench", 0, t.word("cli.flag_bench"))
	flags.StringVar(&r.params, "params", "", t.word("cli.flag_params"))
	return cmd
}

// run plays every case of every file. The tool's status is 1 where one was not equal.
func (r *emvReplay) run(ctx context.Context, files []string) error {
	for _, file := range files {
		cases, err := r.read(file)
		for _, c := range cases {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.one(ctx, c); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	r.summary()
	if r.verdicts[replay.Different]+r.verdicts[replay.Broken] > 0 {
		r.tool.status = statusError
	}
	return nil
}

// read reads the cases of a file.
func (r *emvReplay) read(file string) ([]vector.Case, error) {
	data, err := r.load(file)
	if err != nil {
		return nil, err
	}
	if !isLog(data) {
		cases, err := vector.Read(data)
		if err != nil {
			return cases, fmt.Errorf("posctl: %s: %w", file, err)
		}
		return cases, nil
	}
	if r.params == "" {
		return nil, &usageError{r.tool.word("cli.need_params", file)}
	}
	params, err := r.load(r.params)
	if err != nil {
		return nil, err
	}
	s, err := vector.ReadLog(data, params, filepath.Base(file))
	if err != nil {
		return nil, fmt.Errorf("posctl: %s: %w", file, err)
	}
	return []vector.Case{{ID: s.ID, Scenario: s}}, nil
}

// load reads a file, or standard input for -, up to a limit.
func (r *emvReplay) load(file string) ([]byte, error) {
	in := r.tool.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("posctl: replay: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxReplayFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("posctl: read %s: %w", file, err)
	case len(data) > maxReplayFile:
		return nil, fmt.Errorf("posctl: %s: %s", file, r.tool.word("cli.too_long", strconv.Itoa(maxReplayFile)))
	}
	return data, nil
}

// isLog tells a log of APDUs from JSON.
func isLog(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && (data[0] == '>' || data[0] == '#' || data[0] == '<')
}

// one plays a case, and prints it.
func (r *emvReplay) one(ctx context.Context, c vector.Case) error {
	report, bench, err := r.play(ctx, c)
	if err != nil {
		return err
	}
	r.verdicts[report.Verdict]++
	enc := json.NewEncoder(r.tool.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		replay.Report
		*benchFigures
	}{report, bench})
}

func (r *emvReplay) play(ctx context.Context, c vector.Case) (replay.Report, *benchFigures, error) {
	s, err := replay.Prepare(c)
	if err != nil {
		return replay.Report{ID: c.ID, Verdict: replay.Broken, Why: err.Error()}, nil, nil
	}
	var listen func(replay.Event)
	if r.verbose {
		listen = newEMVSession(r.tool.out, s.ID(), r.unmasked).event
	}
	report := s.Play(listen)
	if r.bench == 0 {
		return report, nil, nil
	}
	figures, err := benchSession(ctx, s, r.bench)
	if err == nil {
		r.total.add(figures, r.bench)
	}
	return report, &figures, err
}

// summary is one line for people.
func (r *emvReplay) summary() {
	var parts []string
	total := 0
	for _, v := range []replay.Verdict{replay.Equal, replay.Different, replay.Review, replay.Broken} {
		if n := r.verdicts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
			total += n
		}
	}
	fmt.Fprintf(r.tool.err, "posctl: emv replay: %d cases: %s\n", total, strings.Join(parts, ", "))
	if r.bench > 0 {
		fmt.Fprintf(r.tool.err, "posctl: emv replay: %s\n", r.total)
	}
}
