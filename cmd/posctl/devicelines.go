package main

import (
	"context"
	"errors"
	"time"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/device/gpio"
	"posd/device/gpio/indicator"
	"posd/ui/text"
)

// display tries a display.
func (b *trial) display(ctx context.Context, d device.Display, o deviceOptions) {
	if b.note("cli.try_text", b.tool.word("cli.try_look_display"), d.Show(ctx, testText(d))) {
		b.note("cli.try_idle", "", errors.Join(pause(ctx, o.wait), d.Show(ctx, nil)))
	}
}

// testText fills a display: a title, a ruler as wide as it is, and what glyphs it has.
func testText(d device.Display) []string {
	columns, rows := d.Size()
	ruler := make([]byte, columns)
	for i := range ruler {
		ruler[i] = '0' + byte((i+1)%10)
	}
	lines := []string{"POSD TEST", string(ruler)}
	if d.Has('测') {
		lines[0] = "POSD TEST 测试"
	}
	for i := len(lines); i < rows; i++ {
		lines = append(lines, "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz"[:min(columns, 53)])
	}
	return lines[:min(rows, len(lines))]
}

// lamps plays every indication.
func (b *trial) lamps(ctx context.Context, l *drivers.Lamps, o deviceOptions) {
	for _, row := range []struct {
		show  indicator.Indication
		words text.Key
	}{
		{indicator.NotReady, "cli.try_lamp_notready"},
		{indicator.Idle, "cli.try_lamp_idle"},
		{indicator.Ready, "cli.try_lamp_ready"},
		{indicator.Reading, "cli.try_lamp_reading"},
		{indicator.CardRead, "cli.try_lamp_read"},
		{indicator.Alert, "cli.try_lamp_alert"},
	} {
		if !b.note("cli.try_lamps", b.tool.word(row.words), errors.Join(l.Show(row.show), pause(ctx, o.wait))) {
			return
		}
	}
}

// line reads the level of a line, and leaves its direction alone.
func (b *trial) line(spec gpio.Spec) {
	b.device = "line"
	b.head("diag.line")
	l, err := gpio.Open(spec.Config)
	if !b.note("cli.try_open", spec.String(), err) {
		return
	}
	level, err := l.Value()
	words := level.String()
	if bool(level) != spec.Low {
		words += ", " + b.tool.word("cli.try_active")
	} else {
		words += ", " + b.tool.word("cli.try_inactive")
	}
	b.note("cli.try_level", words, err)
	if err := l.Close(); err != nil {
		b.note("cli.try_close", "", err)
	}
}

// pause lets somebody look.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
