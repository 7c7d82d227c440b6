package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/device/gpio"
	"posd/ui/text"
)

func (t *tool) deviceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "device", Short: t.word("cli.device"), Args: cobra.ArbitraryArgs, RunE: t.group,
	}
	cmd.AddCommand(t.deviceListCommand(), t.deviceTestCommand())
	return cmd
}

func (t *tool) deviceListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: t.word("cli.device_list"), Args: t.args(0),
		RunE: func(*cobra.Command, []string) error { return worked(t.listDrivers()) },
	}
	t.outputFlag(cmd)
	return cmd
}

// driverJSON is a driver of the list as JSON.
type driverJSON struct {
	Kind    string      `json:"kind"` // as in the configuration: reader, pinpad, printer, display, lamps
	Scheme  string      `json:"scheme"`
	Words   string      `json:"words"`
	Example string      `json:"example"`
	Line    string      `json:"line,omitempty"`
	Params  []paramJSON `json:"params,omitempty"`
}

type paramJSON struct {
	Name  string `json:"name"`
	Usual string `json:"usual,omitempty"`
	Words string `json:"words"`
}

// driversOf are the drivers of a table.
func driversOf[T io.Closer](t *tool, kind string, table drivers.Table[T]) []driverJSON {
	var out []driverJSON
	for _, scheme := range table.Schemes() {
		d := table[scheme]
		row := driverJSON{Kind: kind, Scheme: scheme, Words: t.word(d.Words), Example: d.Example, Line: d.Line}
		for _, p := range d.Params {
			row.Params = append(row.Params, paramJSON{p.Name, p.Usual, t.word(p.Words)})
		}
		out = append(out, row)
	}
	return out
}

func (t *tool) listDrivers() error {
	set := drivers.New()
	all := driversOf(t, "reader", set.Readers())
	all = append(all, driversOf(t, "pinpad", set.PINPads())...)
	all = append(all, driversOf(t, "printer", set.Printers())...)
	all = append(all, driversOf(t, "display", set.Displays())...)
	all = append(all, driversOf(t, "lamps", set.Lamps())...)
	if t.output == "json" {
		return t.json(all)
	}
	kind := ""
	for _, d := range all {
		if d.Kind != kind {
			kind = d.Kind
			fmt.Fprintf(t.out, "%s (devices.%s)\n", t.word(text.Key("diag."+kind)), kind)
		}
		fmt.Fprintf(t.out, "  %s%s\n", text.Fit(d.Scheme+":", 10), d.Words)
		fmt.Fprintf(t.out, "            %s\n", d.Example)
		for _, p := range d.Params {
			usual := ""
			if p.Usual != "" {
				usual = " [" + p.Usual + "]"
			}
			fmt.Fprintf(t.out, "            %s%s%s\n", text.Fit(p.Name, 10), p.Words, usual)
		}
		if d.Line != "" {
			fmt.Fprintf(t.out, "            %s%s\n", text.Fit("baud …", 10), t.word("cli.device_line", d.Line))
		}
	}
	return nil
}

const (
	deviceTestLongEN = `Open a device by its URL and try it.

Card reader: what it says of itself, whether a card is there, its answer to reset in
words, and whether it answers SELECT (the payment system directory).
PIN pad: a text on its display; with --pin-entry a PIN entry, which the user cancels.
Printer: its status, and a test page with sizes, Chinese text, a QR code and a bar code.
Display: a test text, for as long as --wait says.
Lights (gpio:): each of their indications, each for as long as --wait says.
Line (CHIP/OFFSET[,low], as devices.tamper has it): its level, which is not changed.

What failed is printed with what to do. The exit status is 1 if anything failed. A
device that posd has open is in use: stop posd first.`
	deviceTestLongZH = `按 URL 打开设备并测试。

读卡器：自述信息，是否有卡，复位应答的含义，以及对 SELECT（支付系统目录）的应答。
密码键盘：显示一行文字；--pin-entry 要求输入 PIN，由用户取消。
打印机：状态，以及包含字号、中文、二维码和条码的测试页。
显示屏：测试文字，显示时间由 --wait 指定。
指示灯（gpio:）：逐一显示每种指示，每种的时间由 --wait 指定。
输入线（CHIP/OFFSET[,low]，同 devices.tamper）：读出电平，不作改变。

失败的项目附处理办法；有失败时退出状态为 1。posd 正在使用的设备须先停止 posd。`
	deviceTestExample = `  posctl device test ccid:///dev/serial/by-id/usb-Gemalto…
  posctl device test 'escpos:///dev/ttyUSB0?baud=9600&columns=48'
  posctl device test 'gpio:///dev/gpiochip0?lights=17,27,22,23&buzzer=24'`
)

// deviceOptions are the flags of posctl device test.
type deviceOptions struct {
	wait     time.Duration
	pinEntry bool
	slot     int
}

func (t *tool) deviceTestCommand() *cobra.Command {
	var o deviceOptions
	cmd := &cobra.Command{
		Use: "test URL", Short: t.word("cli.device_test"), Args: t.args(1),
		Long: t.emvHelp(deviceTestLongEN, deviceTestLongZH), Example: deviceTestExample,
		RunE: func(cmd *cobra.Command, argv []string) error { return worked(t.deviceTest(cmd.Context(), argv[0], o)) },
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.wait, "wait", 2*time.Second, t.word("cli.flag_wait"))
	flags.BoolVar(&o.pinEntry, "pin-entry", false, t.word("cli.flag_pin_entry"))
	flags.IntVar(&o.slot, "slot", 0, t.word("cli.flag_pin_slot"))
	t.outputFlag(cmd)
	return cmd
}

// result is what became of one thing that was tried.
type result struct {
	Device string `json:"device"` // reader, pinpad, printer, display, lamps, line
	What   string `json:"what"`
	State  string `json:"state"` // loaded, skipped, failed
	Detail string `json:"detail,omitempty"`
	Do     string `json:"do,omitempty"`
}

// trial tries one device, thing by thing.
type trial struct {
	tool    *tool
	device  string
	results []result
	failed  bool
}

// openTime is the longest that opening a device may take.
const openTime = 30 * time.Second

func (t *tool) deviceTest(ctx context.Context, url string, o deviceOptions) error {
	b, set := &trial{tool: t}, drivers.New()
	if spec, err := gpio.ParseSpec(url); err == nil && !strings.Contains(url, ":") {
		b.line(spec)
	} else if err := b.byURL(ctx, set, url, o); err != nil {
		return &usageError{err.Error()}
	}
	if b.device == "" {
		return &usageError{t.word("cli.no_driver", drivers.Scheme(url))}
	}
	if t.output == "json" {
		if err := t.json(b.results); err != nil {
			return err
		}
	}
	if b.failed {
		t.status = statusError
	}
	return nil
}

// byURL tries each device that a URL stands for: a box may be several.
func (b *trial) byURL(ctx context.Context, set *drivers.Set, url string, o deviceOptions) error {
	for _, one := range []func() error{
		func() error {
			return try(ctx, b, "reader", set.Readers(), url, func(d device.Reader) { b.reader(ctx, d, o) })
		},
		func() error {
			return try(ctx, b, "pinpad", set.PINPads(), url, func(d device.PINPad) { b.pinpad(ctx, d, o) })
		},
		func() error {
			return try(ctx, b, "printer", set.Printers(), url, func(d device.Printer) { b.printer(ctx, d) })
		},
		func() error {
			return try(ctx, b, "display", set.Displays(), url, func(d device.Display) { b.display(ctx, d, o) })
		},
		func() error {
			return try(ctx, b, "lamps", set.Lamps(), url, func(d *drivers.Lamps) { b.lamps(ctx, d, o) })
		},
	} {
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

// try opens a device and has it tried, if the table is for the URL. The error is one of the
// URL.
func try[T io.Closer](ctx context.Context, b *trial, kind string, table drivers.Table[T], url string, f func(T)) error {
	if !table.Serves(url) {
		return nil
	}
	if err := table.Check(url); err != nil {
		return err
	}
	b.device = kind
	b.head(table[drivers.Scheme(url)].Words)
	open, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	o, err := table.Open(open, url)
	b.note("cli.try_open", o.Detail, err)
	if err != nil {
		return nil
	}
	f(o.Device)
	if err := o.Device.Close(); err != nil {
		b.note("cli.try_close", "", err)
	}
	return nil
}

func (b *trial) head(words text.Key) {
	if b.tool.output != "json" {
		fmt.Fprintln(b.tool.out, b.tool.word(words))
	}
}

// note says how one thing went, and returns whether it went well.
func (b *trial) note(what text.Key, detail string, err error) bool {
	r := result{Device: b.device, What: b.tool.word(what), State: "loaded", Detail: printable(detail)}
	if err != nil {
		r.State, r.Detail = "failed", printable(err.Error())
		if do := advice(err); do != "" {
			r.Do = b.tool.word(do)
		}
	}
	b.add(r)
	return err == nil
}

// skip says that something was not tried, and what is needed for it.
func (b *trial) skip(what, do text.Key) {
	b.add(result{Device: b.device, What: b.tool.word(what), State: "skipped", Do: b.tool.word(do)})
}

func (b *trial) add(r result) {
	b.results = append(b.results, r)
	b.failed = b.failed || r.State == "failed"
	if b.tool.output == "json" {
		return
	}
	line := "  " + text.Fit(r.What, 16) + text.Fit(text.Name(b.tool.lang, "dev", r.State), 8) + r.Detail
	fmt.Fprintln(b.tool.out, strings.TrimRight(line, " "))
	if r.Do != "" {
		fmt.Fprintf(b.tool.out, "  %s%s: %s\n", text.Fit("", 16), b.tool.word("cli.do"), r.Do)
	}
}

// advices say what to do about what a device answered, the first that fits.
var advices = []struct {
	err error
	do  text.Key
}{
	{gpio.ErrNoChip, "cli.dev_no_chip"},
	{fs.ErrNotExist, "cli.dev_no_path"},
	{fs.ErrPermission, "cli.dev_permission"},
	{syscall.EAGAIN, "cli.dev_in_use"},
	{device.ErrNoCard, "cli.dev_no_card"},
	{device.ErrMute, "cli.dev_mute"},
	{device.ErrGone, "cli.dev_gone"},
	{device.ErrTimeout, "cli.dev_silent"},
	{device.ErrProtocol, "cli.dev_garbled"},
	{device.ErrPaper, "cli.dev_paper"},
	{device.ErrCover, "cli.dev_cover"},
	{errNoKey, "cli.dev_no_key"},
	{device.ErrRefused, "cli.dev_refused"},
}

func advice(err error) text.Key {
	for _, a := range advices {
		if errors.Is(err, a.err) {
			return a.do
		}
	}
	return ""
}

// deviceTrouble is an error of a device, with what to do about it.
type deviceTrouble struct {
	err error
	do  text.Key
}

func (e *deviceTrouble) Error() string { return e.err.Error() }

// deviceError marks an error of a device; others stay as they are.
func (t *tool) deviceError(err error) error {
	if do := advice(err); err != nil && do != "" {
		return &deviceTrouble{err, do}
	}
	return err
}

// testPAN is a card number of the project's test range.
const testPAN = "6277000000000011"

// throwaway is a working key that opens nothing: a PIN under it is lost.
func throwaway() ([]byte, error) {
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("posctl: random key: %w", err)
	}
	return key, nil
}
