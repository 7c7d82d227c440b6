package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"posd/device"
	"posd/device/iso7816"
	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/describe"
	"posd/emv/keyblock"
)

// directories are the payment system's: of contact cards, and of contactless ones.
var directories = []string{"1PAY.SYS.DDF01", "2PAY.SYS.DDF01"}

// reader tries a card reader.
func (b *trial) reader(ctx context.Context, r device.Reader, o deviceOptions) {
	err := b.present(ctx, r, o.wait)
	if errors.Is(err, device.ErrNoCard) {
		b.skip("cli.try_card", "cli.dev_no_card")
		return
	}
	if !b.note("cli.try_card", b.tool.word("cli.try_present"), err) {
		return
	}
	atr, err := r.PowerOn(ctx)
	if !b.note("cli.try_atr", describeShort(atr), err) {
		return
	}
	for _, name := range directories {
		sw, words, err := selectName(ctx, r, name)
		if !b.note("cli.try_select", name+": "+words, err) || sw == apdu.OK {
			break
		}
	}
	if err := r.PowerOff(ctx); err != nil {
		b.note("cli.try_close", "", err)
	}
}

// present waits so long for a card, whose absence is device.ErrNoCard.
func (b *trial) present(ctx context.Context, r device.Reader, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := r.WaitCard(ctx, true)
	if ctx.Err() == context.DeadlineExceeded && err != nil && !errors.Is(err, device.ErrGone) {
		return device.ErrNoCard
	}
	return err
}

// describeShort is an answer to reset with the protocols that it offers.
func describeShort(b []byte) string {
	atr, err := iso7816.ParseATR(b)
	if err != nil {
		return fmt.Sprintf("%X", b)
	}
	words := []string{fmt.Sprintf("%X", b)}
	for _, t := range atr.Protocols() {
		words = append(words, fmt.Sprintf("T=%d", t))
	}
	if atr.Inverse() {
		words = append(words, "inverse convention")
	}
	return strings.Join(words, ", ")
}

// selectName selects a directory, which changes nothing in a card.
func selectName(ctx context.Context, r device.Reader, name string) (apdu.SW, string, error) {
	answer, err := r.Transmit(ctx, apdu.Select([]byte(name), false).Append(nil))
	if err != nil {
		return 0, "", err
	}
	response, err := apdu.ParseResponse(answer)
	if err != nil {
		return 0, "", err
	}
	return response.SW, fmt.Sprintf("%04X %s", uint16(response.SW), describe.StatusWord(uint16(response.SW))), nil
}

// pinpad tries a PIN pad.
func (b *trial) pinpad(ctx context.Context, p device.PINPad, o deviceOptions) {
	if !b.note("cli.try_display", "POSD TEST", p.Show(ctx, "POSD TEST")) {
		return
	}
	if k, ok := p.(keyed); ok {
		b.masterKey(ctx, k, o.slot)
	}
	if o.pinEntry {
		b.entry(ctx, p, o.slot)
	} else {
		b.skip("cli.try_entry", "cli.try_entry_flag")
	}
	b.note("cli.try_idle", "", p.Show(ctx, ""))
}

// keyed is a pad that tells whether it has a master key.
type keyed interface {
	CheckKey(ctx context.Context, slot int) (loaded bool, err error)
}

var errNoKey = errors.New("no master key in this slot")

func (b *trial) masterKey(ctx context.Context, p keyed, slot int) {
	loaded, err := p.CheckKey(ctx, slot)
	if err == nil && !loaded {
		err = errNoKey
	}
	b.note("cli.try_key", b.tool.word("cli.try_slot", strconv.Itoa(slot)), err)
}

var errEntered = errors.New("a PIN was entered, and is thrown away")

// entry asks for a PIN, which the user shall cancel. A PIN that is entered nonetheless is
// under a key that nobody has.
func (b *trial) entry(ctx context.Context, p device.PINPad, slot int) {
	pan, err := emv.ParsePAN(testPAN)
	key, err2 := throwaway()
	if err := errors.Join(err, err2); err != nil {
		b.note("cli.try_entry", "", err)
		return
	}
	if b.tool.output != "json" {
		fmt.Fprintf(b.tool.out, "  %s\n", b.tool.word("cli.try_cancel_now"))
	}
	_, err = p.EnterPIN(ctx, device.PINRequest{
		PAN: pan, Slot: slot, Key: keyblock.Cryptogram{Bytes: key}, MinDigits: 4, MaxDigits: 12, Prompt: "PRESS CANCEL",
	})
	switch {
	case errors.Is(err, device.ErrCancelled):
		err = nil
	case err == nil:
		err = errEntered
	}
	b.note("cli.try_entry", b.tool.word("cli.try_cancelled"), err)
}

// printer tries a printer.
func (b *trial) printer(ctx context.Context, p device.Printer) {
	status, err := p.Status(ctx)
	var wants []string
	for _, row := range []struct {
		is   bool
		what string
	}{{status.PaperOut, "paper out"}, {status.PaperLow, "paper low"}, {status.CoverOpen, "cover open"}, {status.Offline, "offline"}} {
		if row.is {
			wants = append(wants, row.what)
		}
	}
	if b.note("cli.try_status", strings.Join(wants, ", "), err) {
		b.note("cli.try_page", b.tool.word("cli.try_look"), p.Print(ctx, testPage()))
	}
}

// testPage has everything that a slip may have, on paper of 32 columns and wider.
func testPage() device.Document {
	return device.Document{Cut: true, Lines: []device.Line{
		{Text: "POSD TEST 测试页", Size: device.Large, Align: device.Centre, Bold: true},
		{Text: "12345678901234567890123456789012"},
		{Text: "ABCDEFGHIJKLMNOPQRSTUVWXYZ !#$%&"},
		{Text: "abcdefghijklmnopqrstuvwxyz ()*+,"},
		{Text: "Normal 普通 银联商户 交易成功"},
		{Text: "Bold 加粗 金额 ￥12.00", Bold: true},
		{Text: "Tall 倍高 12.00", Size: device.Tall},
		{Text: "Large 倍大", Size: device.Large},
		{Text: "left 左"},
		{Text: "centre 中", Align: device.Centre},
		{Text: "right 右", Align: device.Right},
		{QR: "posd test page 测试页", Align: device.Centre},
		{Barcode: "POSD 0123", Align: device.Centre},
	}}
}
