package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"posd/device"
	"posd/device/pinpad/vfpad"
	"posd/device/printer/escpos"
	"posd/device/reader/ccid"
	"posd/device/serial"
)

// A driver turns a URL of the configuration into a device: parse checks the URL without
// touching anything, open opens it and says what the device says of itself.
type driver[T any] struct {
	defaults serial.Config
	params   []string // the driver's own parameters in the URL
	open     func(ctx context.Context, port device.Port, url serial.URL) (opened[T], error)
}

// The driver tables: the one place that knows which scheme is which driver.
var (
	readers = map[string]driver[device.Reader]{
		"ccid": {serial.Config{Baud: 115200, StopBits: 2, RTS: serial.Low}, []string{"profile"}, openCCID},
	}
	pinPads = map[string]driver[device.PINPad]{
		"vfpad": {serial.Config{Baud: 19200}, nil, openVFPad},
	}
	printers = map[string]driver[device.Printer]{
		"escpos": {serial.Config{Baud: 19200}, []string{"columns"}, openESCPOS},
	}
)

// none is the URL of a device that the terminal does not have.
const none = "none:"

// parse finds the driver of a URL.
func parse[T any](drivers map[string]driver[T], text string) (driver[T], serial.URL, error) {
	scheme, _, _ := strings.Cut(text, ":")
	d, ok := drivers[scheme]
	if !ok {
		known := slices.Sorted(maps.Keys(drivers))
		return d, serial.URL{}, fmt.Errorf("%q: no driver for scheme %q; there is %s, or %s for no device", clip(text), clip(scheme), strings.Join(known, ", "), none)
	}
	url, err := serial.ParseURL(text, d.defaults, d.params...)
	return d, url, err
}

// checkURL says what is wrong with a URL.
func checkURL[T any](drivers map[string]driver[T]) func(string) error {
	return func(text string) error {
		if text == none {
			return nil
		}
		_, _, err := parse(drivers, text)
		return err
	}
}

// opener returns what a held device opens itself with.
func opener[T any](drivers map[string]driver[T], text string) func(context.Context) (opened[T], error) {
	return func(ctx context.Context) (o opened[T], err error) {
		if text == none {
			return o, errSkipped
		}
		d, url, err := parse(drivers, text)
		if err != nil {
			return o, err
		}
		port, err := serial.Open(url.Config)
		if err != nil {
			return o, err
		}
		if o, err = d.open(ctx, port, url); err != nil {
			_ = port.Close() // the driver's error is the one that says something
		}
		return o, err
	}
}

// deviceURL is one device of the configuration, for its check.
type deviceURL struct {
	name  string
	url   Value
	check func(string) error
}

func (cfg *Config) deviceList() []deviceURL {
	return []deviceURL{
		{"devices.reader", cfg.Devices.Reader, checkURL(readers)},
		{"devices.pinpad", cfg.Devices.PINPad, checkURL(pinPads)},
		{"devices.printer", cfg.Devices.Printer, checkURL(printers)},
	}
}

func openCCID(ctx context.Context, port device.Port, url serial.URL) (opened[device.Reader], error) {
	profile, err := ccid.ParseProfile(cmp.Or(url.Params["profile"], "gempc"))
	if err != nil {
		return opened[device.Reader]{}, err
	}
	reader, err := ccid.New(port, ccid.Config{Profile: profile})
	if err != nil {
		return opened[device.Reader]{}, err
	}
	firmware, err := reader.Firmware(ctx)
	probe := func(ctx context.Context) error {
		_, err := reader.Firmware(ctx)
		return err
	}
	return opened[device.Reader]{reader, firmware, probe}, err
}

// openVFPad has the pad show its idle screen: that is how it is known to be there.
func openVFPad(ctx context.Context, port device.Port, _ serial.URL) (opened[device.PINPad], error) {
	pad, err := vfpad.New(port, vfpad.Config{})
	if err != nil {
		return opened[device.PINPad]{}, err
	}
	probe := func(ctx context.Context) error { return pad.Show(ctx, "") }
	return opened[device.PINPad]{pad, "", probe}, probe(ctx)
}

// openESCPOS asks the printer for its status: that is how it is known to be there.
func openESCPOS(ctx context.Context, port device.Port, url serial.URL) (opened[device.Printer], error) {
	columns, err := strconv.Atoi(cmp.Or(url.Params["columns"], "32"))
	if err != nil || columns < 24 || columns > 64 {
		return opened[device.Printer]{}, fmt.Errorf("escpos: columns %q: 24 to 64 wanted", url.Params["columns"])
	}
	printer, err := escpos.New(port, escpos.Config{Columns: columns})
	if err != nil {
		return opened[device.Printer]{}, err
	}
	probe := func(ctx context.Context) error { return paper(printer.Status(ctx)) }
	err = probe(ctx)
	if errors.Is(err, device.ErrPaper) || errors.Is(err, device.ErrCover) {
		err = nil // it is there; the next look says what it wants
	}
	return opened[device.Printer]{printer, "", probe}, err
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
