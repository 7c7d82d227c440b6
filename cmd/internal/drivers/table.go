package drivers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"posd/device"
	"posd/device/pinpad/vfpad"
	"posd/device/printer/escpos"
	"posd/device/reader/ccid"
	"posd/device/serial"
)

// Readers are the card readers.
func Readers() Table[device.Reader] {
	return Table[device.Reader]{
		"ccid": {"contact reader, serial CCID", serial.Config{Baud: 115200, StopBits: 2, RTS: serial.Low}, []string{"profile"}, openCCID},
	}
}

// PINPads are the PIN pads.
func PINPads() Table[device.PINPad] {
	return Table[device.PINPad]{
		"vfpad": {"PIN pad, Verifone-compatible character protocol", serial.Config{Baud: 19200}, nil, openVFPad},
	}
}

// Printers are the printers.
func Printers() Table[device.Printer] {
	return Table[device.Printer]{
		"escpos": {"receipt printer, ESC/POS", serial.Config{Baud: 19200}, []string{"columns"}, openESCPOS},
	}
}

func openCCID(ctx context.Context, port device.Port, url serial.URL) (Opened[device.Reader], error) {
	profile, err := ccid.ParseProfile(cmp.Or(url.Params["profile"], "gempc"))
	if err != nil {
		return Opened[device.Reader]{}, err
	}
	reader, err := ccid.New(port, ccid.Config{Profile: profile})
	if err != nil {
		return Opened[device.Reader]{}, err
	}
	firmware, err := reader.Firmware(ctx)
	probe := func(ctx context.Context) error {
		_, err := reader.Firmware(ctx)
		return err
	}
	return Opened[device.Reader]{Device: reader, Detail: firmware, Probe: probe}, err
}

// openVFPad has the pad show its idle screen: that is how it is known to be there.
func openVFPad(ctx context.Context, port device.Port, _ serial.URL) (Opened[device.PINPad], error) {
	pad, err := vfpad.New(port, vfpad.Config{})
	if err != nil {
		return Opened[device.PINPad]{}, err
	}
	probe := func(ctx context.Context) error { return pad.Show(ctx, "") }
	return Opened[device.PINPad]{Device: pad, Probe: probe}, probe(ctx)
}

// openESCPOS asks the printer for its status: that is how it is known to be there.
func openESCPOS(ctx context.Context, port device.Port, url serial.URL) (Opened[device.Printer], error) {
	columns, err := strconv.Atoi(cmp.Or(url.Params["columns"], "32"))
	if err != nil || columns < 24 || columns > 64 {
		return Opened[device.Printer]{}, fmt.Errorf("escpos: columns %q: 24 to 64 wanted", url.Params["columns"])
	}
	printer, err := escpos.New(port, escpos.Config{Columns: columns})
	if err != nil {
		return Opened[device.Printer]{}, err
	}
	probe := func(ctx context.Context) error { return paper(printer.Status(ctx)) }
	err = probe(ctx)
	if errors.Is(err, device.ErrPaper) || errors.Is(err, device.ErrCover) {
		err = nil // it is there; the next look says what it wants
	}
	return Opened[device.Printer]{Device: printer, Probe: probe}, err
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
