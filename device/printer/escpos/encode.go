package escpos

import (
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"posd/device"
)

// Limits of a document.
const (
	maxLines = 500
	maxText  = 1024 // bytes of one line
)

// Command bytes; see doc.go.
const (
	nul = 0x00
	eot = 0x04
	lf  = 0x0A
	dle = 0x10
	esc = 0x1B
	fs  = 0x1C
	gs  = 0x1D
)

// style is what the printer was told last. The zero value is what ESC @ sets.
type style struct {
	size  device.Size
	bold  bool
	align device.Align
}

// encoder turns documents into bytes for paper of a width.
type encoder struct {
	columns, feed int
	auto          bool
	gb            *encoding.Encoder
	now           style
	out           []byte
}

func newEncoder(columns, feed int, auto bool) *encoder {
	return &encoder{columns: columns, feed: feed, auto: auto, gb: simplifiedchinese.GB18030.NewEncoder()}
}

// document returns the bytes of a whole slip.
func (e *encoder) document(doc device.Document) ([]byte, error) {
	switch {
	case len(doc.Lines) > maxLines:
		return nil, fmt.Errorf("document of %d lines, at most %d", len(doc.Lines), maxLines)
	case doc.Drawer > device.Drawer2:
		return nil, fmt.Errorf("drawer %d", doc.Drawer)
	}
	e.add(esc, '@')
	if e.auto {
		e.add(gs, 'a', autoOffline|autoError|autoPaper)
	}
	if doc.Drawer != device.NoDrawer {
		e.add(esc, 'p', byte(doc.Drawer-device.Drawer1), drawerOn, drawerOff)
	}
	for i, line := range doc.Lines {
		if err := e.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if len(doc.Lines) > 0 {
		e.add(esc, 'd', byte(e.feed))
	}
	if doc.Cut {
		e.add(gs, 'V', 'B', 0)
	}
	return e.out, nil
}

// The pulse of a drawer, in units of 2 ms.
const (
	drawerOn  = 50  // 100 ms
	drawerOff = 250 // 500 ms before the next one
)

func (e *encoder) add(b ...byte) { e.out = append(e.out, b...) }

func (e *encoder) line(l device.Line) error {
	switch {
	case l.Align > device.Right:
		return fmt.Errorf("alignment %d", l.Align)
	case l.Size > device.Large:
		return fmt.Errorf("size %d", l.Size)
	case len(l.Text) > maxText:
		return fmt.Errorf("text of %d bytes, at most %d", len(l.Text), maxText)
	}
	e.align(l.Align)
	content := 0
	for _, set := range [...]bool{l.QR != "", l.Barcode != "", l.Image != nil} {
		if set {
			content++
		}
	}
	switch {
	case content > 1:
		return fmt.Errorf("more than one of QR code, bar code and image")
	case l.QR != "":
		return e.code(l.QR)
	case l.Barcode != "":
		return e.barcode(l.Barcode)
	case l.Image != nil:
		return e.image(l.Image)
	}
	e.words(l)
	return nil
}

// words prints text, in as many lines as it takes.
func (e *encoder) words(l device.Line) {
	e.style(l)
	columns := e.columns
	if l.Size == device.Large {
		columns /= 2
	}
	for _, part := range wrap(l.Text, columns) {
		e.text(part)
		e.add(lf)
	}
}

func (e *encoder) align(a device.Align) {
	if a != e.now.align {
		e.now.align = a
		e.add(esc, 'a', byte(a))
	}
}

// style sets bold and size, for ASCII and for Chinese characters, where they change.
func (e *encoder) style(l device.Line) {
	if l.Bold != e.now.bold {
		e.now.bold = l.Bold
		bold := byte(0)
		if l.Bold {
			bold = 1
		}
		e.add(esc, 'E', bold)
	}
	if l.Size != e.now.size {
		e.now.size = l.Size
		ascii := [...]byte{device.Normal: 0x00, device.Tall: 0x01, device.Large: 0x11}[l.Size]
		chinese := [...]byte{device.Normal: 0x00, device.Tall: 0x08, device.Large: 0x0C}[l.Size]
		e.add(gs, '!', ascii, fs, '!', chinese)
	}
}

// text writes characters; Chinese mode is on only where it is needed.
func (e *encoder) text(s string) {
	chinese := false
	for _, r := range s {
		b := e.character(r)
		if wide := len(b) > 1; len(b) > 0 && wide != chinese {
			chinese = wide
			e.mode(chinese)
		}
		e.add(b...)
	}
	if chinese {
		e.mode(false)
	}
}

func (e *encoder) mode(chinese bool) {
	if chinese {
		e.add(fs, '&')
		return
	}
	e.add(fs, '.')
}

// character returns one ASCII byte, the two or four of GB18030, or nothing for what has
// no width: control characters are no text, and a printer cannot combine.
func (e *encoder) character(r rune) []byte {
	switch {
	case columnsOf(r) == 0:
		return nil
	case 0x80 <= r && r < 0xA0, r == utf8.RuneError:
		return []byte{'?'}
	case r < 0x80:
		return []byte{byte(r)}
	}
	b, err := e.gb.Bytes([]byte(string(r)))
	if err != nil {
		return []byte{'?'}
	}
	return b
}

// wrap parts s so that each part fits; an empty text is one empty line.
func wrap(s string, columns int) (parts []string) {
	start, width := 0, 0
	for i, r := range s {
		if w := columnsOf(r); width+w > columns {
			parts = append(parts, s[start:i])
			start, width = i, w
		} else {
			width += w
		}
	}
	return append(parts, s[start:])
}
