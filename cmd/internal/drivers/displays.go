package drivers

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"posd/device"
	"posd/device/display"
	"posd/device/display/framebuffer"
	"posd/device/display/pole"
	"posd/device/display/vt"
	"posd/device/serial"
)

// grid says what a display is, and writes on it what it shows, which is the only way to know
// that it is there.
func grid(ctx context.Context, d device.Display, what string) (Opened[device.Display], error) {
	columns, rows := d.Size()
	detail := fmt.Sprintf("%s, %d columns, %d rows", what, columns, rows)
	return Opened[device.Display]{Device: d, Detail: detail, Probe: d.Refresh}, d.Refresh(ctx)
}

func vtDisplay() Driver[device.Display] {
	d := Driver[device.Display]{
		Words: "dev.vt", Example: "vt:///dev/tty1",
		Params: []Param{
			{"columns", "", "dev.display.columns"},
			{"rows", "", "dev.display.rows"},
			{"cjk", "off", "dev.vt.cjk"},
		},
	}
	return byPath(d, func(path string, p params) (func(context.Context) (Opened[device.Display], error), error) {
		columns, err1 := p.cells("columns")
		rows, err2 := p.cells("rows")
		cjk, err3 := p.on("cjk")
		return func(ctx context.Context) (o Opened[device.Display], err error) {
			d, err := vt.Open(path, vt.Config{Columns: columns, Rows: rows, CJK: cjk})
			if err != nil {
				return o, err
			}
			return orClosed(grid(ctx, d, "terminal"))
		}, errors.Join(err1, err2, err3)
	})
}

func fbDisplay() Driver[device.Display] {
	d := Driver[device.Display]{
		Words: "dev.fb", Example: "fb:///dev/fb0?columns=24&rows=8",
		Params: []Param{
			{"columns", "24", "dev.display.columns"},
			{"rows", "8", "dev.display.rows"},
			{"ink", "FFFFFF", "dev.fb.ink"},
			{"paper", "000000", "dev.fb.paper"},
		},
	}
	return byPath(d, func(path string, p params) (func(context.Context) (Opened[device.Display], error), error) {
		columns, err1 := p.cells("columns")
		rows, err2 := p.cells("rows")
		ink, err3 := p.colour("ink")
		paper, err4 := p.colour("paper")
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return nil, err
		}
		if ink == paper {
			return nil, fmt.Errorf("ink and paper are both %s", p.text("ink"))
		}
		return func(ctx context.Context) (o Opened[device.Display], err error) {
			d, err := framebuffer.Open(framebuffer.Config{Path: path, Columns: columns, Rows: rows, Ink: ink, Paper: paper})
			if err != nil {
				return o, err
			}
			return orClosed(grid(ctx, d, "framebuffer"))
		}, nil
	})
}

func poleDisplay() Driver[device.Display] {
	d := Driver[device.Display]{
		Words: "dev.pole", Example: "pole:///dev/serial/by-path/…?baud=9600",
		Params: []Param{
			{"columns", "20", "dev.display.columns"},
			{"rows", "2", "dev.display.rows"},
		},
	}
	return onLine(d, serial.Config{Baud: 9600}, func(p params) (attach[device.Display], error) {
		columns, err1 := p.number("columns", 1, 255)
		rows, err2 := p.number("rows", 1, 255)
		return func(ctx context.Context, port device.Port) (o Opened[device.Display], err error) {
			d, err := pole.New(port, pole.Config{Columns: columns, Rows: rows})
			if err != nil {
				return o, err
			}
			return grid(ctx, d, "pole display, never answers")
		}, errors.Join(err1, err2)
	})
}

// orClosed closes a device that could not be greeted.
func orClosed(o Opened[device.Display], err error) (Opened[device.Display], error) {
	if err != nil {
		_ = o.Device.Close() // the greeting's error is the one that says something
	}
	return o, err
}

// cells is a number of columns or rows; 0 where the device says it.
func (p params) cells(name string) (int, error) {
	if p.text(name) == "" {
		return 0, nil
	}
	return p.number(name, 1, display.MaxCells)
}

// colour is six hexadecimal digits: red, green, blue.
func (p params) colour(name string) (framebuffer.Colour, error) {
	b, err := hex.DecodeString(p.text(name))
	if err != nil || len(b) != 3 {
		return framebuffer.Colour{}, fmt.Errorf("%s=%q: six hexadecimal digits wanted, RRGGBB", name, p.text(name))
	}
	return framebuffer.Colour{R: b[0], G: b[1], B: b[2]}, nil
}
