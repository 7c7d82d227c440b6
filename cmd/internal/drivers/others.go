package drivers

import (
	"context"
	"errors"
	"fmt"

	"posd/device"
	"posd/device/pinpad/vfpad"
	"posd/device/printer/escpos"
	"posd/device/serial"
)

func vfpadPINPad() Driver[device.PINPad] {
	d := Driver[device.PINPad]{
		Words: "dev.vfpad", Example: "vfpad:///dev/serial/by-path/…?baud=9600",
		Params: []Param{
			{"entry", "z62", "dev.vfpad.entry"},
			{"prompt", "0", "dev.vfpad.prompt"},
			{"format4", "04", "dev.vfpad.format4"},
			{"tracks", "12", "dev.vfpad.tracks"},
			{"swipe", "", "dev.vfpad.swipe"},
		},
	}
	return onLine(d, serial.Config{Baud: 19200}, func(p params) (attach[device.PINPad], error) {
		config, err := vfpadConfig(p)
		return func(ctx context.Context, port device.Port) (Opened[device.PINPad], error) {
			return openVFPad(ctx, port, config)
		}, err
	})
}

func vfpadConfig(p params) (vfpad.Config, error) {
	entry, err1 := vfpad.ParseEntry(p.text("entry"))
	prompt, err2 := p.number("prompt", 0, 999)
	tracks, err3 := p.oneOf("tracks", "12", "2")
	c := vfpad.Config{Entry: entry, PINPrompt: prompt, Format4: p.text("format4"), OneTrack: tracks == "2", Swipe: p.text("swipe")}
	return c, errors.Join(err1, err2, err3)
}

var entryNames = [...]string{vfpad.EntryZ62: "Z62", vfpad.EntryZ60: "Z60", vfpad.Entry70: "70"}

// openVFPad asks the pad for a master key, to know that it is there: it has no word for what
// it is.
func openVFPad(ctx context.Context, port device.Port, config vfpad.Config) (o Opened[device.PINPad], err error) {
	pad, err := vfpad.New(port, config)
	if err != nil {
		return o, err
	}
	probe := func(ctx context.Context) error {
		_, err := pad.CheckKey(ctx, 0)
		return err
	}
	return Opened[device.PINPad]{Device: pad, Detail: "PIN entry by " + entryNames[config.Entry], Probe: probe}, probe(ctx)
}

func escposPrinter() Driver[device.Printer] {
	d := Driver[device.Printer]{
		Words: "dev.escpos", Example: "escpos:///dev/serial/by-path/…?columns=48",
		Params: []Param{
			{"columns", "32", "dev.escpos.columns"},
			{"feed", "3", "dev.escpos.feed"},
			{"confirm", "on", "dev.escpos.confirm"},
			{"auto", "on", "dev.escpos.auto"},
		},
	}
	return onLine(d, serial.Config{Baud: 19200}, func(p params) (attach[device.Printer], error) {
		columns, err1 := p.number("columns", 24, 64)
		feed, err2 := p.number("feed", 1, 20)
		confirm, err3 := p.on("confirm")
		auto, err4 := p.on("auto")
		config := escpos.Config{Columns: columns, FeedLines: feed, Unconfirmed: !confirm, NoAutoStatus: !auto}
		return func(ctx context.Context, port device.Port) (Opened[device.Printer], error) {
			return openESCPOS(ctx, port, config)
		}, errors.Join(err1, err2, err3, err4)
	})
}

// openESCPOS asks the printer for its status: that is how it is known to be there.
func openESCPOS(ctx context.Context, port device.Port, config escpos.Config) (o Opened[device.Printer], err error) {
	printer, err := escpos.New(port, config)
	if err != nil {
		return o, err
	}
	probe := func(ctx context.Context) error { return paper(printer.Status(ctx)) }
	err = probe(ctx)
	if errors.Is(err, device.ErrPaper) || errors.Is(err, device.ErrCover) {
		err = nil // it is there; the next look says what it wants
	}
	return Opened[device.Printer]{Device: printer, Detail: fmt.Sprintf("ESC/POS, %d columns", config.Columns), Probe: probe}, err
}

// paper turns a printer's status into the error that a print would end with.
func paper(s device.PrinterStatus, err error) error {
	switch {
	case err != nil:
		return err
	case s.PaperOut:
		return device.ErrPaper
	case s.CoverOpen:
		return device.ErrCover
	}
	return nil
}
