package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
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
	open     func(ctx context.Context, port device.Port, url serial.URL, log *slog.Logger) (T, string, error)
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
func opener[T any](drivers map[string]driver[T], text string, log *slog.Logger) func(context.Context) (T, string, error) {
	return func(ctx context.Context) (dev T, detail string, err error) {
		if text == none {
			return dev, "", errSkipped
		}
		d, url, err := parse(drivers, text)
		if err != nil {
			return dev, "", err
		}
		port, err := serial.Open(url.Config)
		if err != nil {
			return dev, "", err
		}
		dev, detail, err = d.open(ctx, port, url, log)
		if err != nil {
			_ = port.Close() // the driver's error is the one that says something
		}
		return dev, detail, err
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

func openCCID(ctx context.Context, port device.Port, url serial.URL, _ *slog.Logger) (device.Reader, string, error) {
	profile, err := ccid.ParseProfile(cmp.Or(url.Params["profile"], "gempc"))
	if err != nil {
		return nil, "", err
	}
	reader, err := ccid.New(port, ccid.Config{Profile: profile})
	if err != nil {
		return nil, "", err
	}
	firmware, err := reader.Firmware(ctx)
	return reader, firmware, err
}

// openVFPad has the pad show its idle screen: that is how it is known to be there.
func openVFPad(ctx context.Context, port device.Port, _ serial.URL, _ *slog.Logger) (device.PINPad, string, error) {
	pad, err := vfpad.New(port, vfpad.Config{})
	if err != nil {
		return nil, "", err
	}
	return pad, "", pad.Show(ctx, "")
}

// openESCPOS asks the printer for its status: that is how it is known to be there.
func openESCPOS(ctx context.Context, port device.Port, url serial.URL, _ *slog.Logger) (device.Printer, string, error) {
	columns, err := strconv.Atoi(cmp.Or(url.Params["columns"], "32"))
	if err != nil || columns < 24 || columns > 64 {
		return nil, "", fmt.Errorf("escpos: columns %q: 24 to 64 wanted", url.Params["columns"])
	}
	printer, err := escpos.New(port, escpos.Config{Columns: columns})
	if err != nil {
		return nil, "", err
	}
	_, err = printer.Status(ctx)
	return printer, "", err
}
