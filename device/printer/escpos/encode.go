package escpos

import (
	"errors"
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
	maxQR    = 500  // bytes of one code
)

// Command bytes; see doc.go.
const (
	lf  = 0x0A
	dle = 0x10
	eot = 0x04
	esc = 0x1B
	fs  = 0x1C
	gs  = 0x1D
)

// encoder turns documents into bytes for paper of a width.
type encoder struct {
	columns, feed int
	gb            *encoding.Encoder
	out           []byte
}

func newEncoder(columns, feed int) *encoder {
	return &encoder{columns: columns, feed: feed, gb: simplifiedchinese.GB18030.NewEncoder()}
}

// document returns the bytes of a whole slip.
func (e *encoder) document(doc device.Document) ([]byte, error) {
	if len(doc.Lines) > maxLines {
		return nil, fmt.Errorf("document of %d lines, at most %d", len(doc.Lines), maxLines)
	}
	e.add(esc, '@')
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
	e.add(esc, 'a', byte(l.Align))
	if l.QR != "" {
		return e.code(l.QR)
	}
	e.style(l)
	columns := e.columns
	if l.Size == device.Large {
		columns /= 2
	}
	for _, part := range wrap(l.Text, columns) {
		e.text(part)
		e.add(lf)
	}
	return nil
}

// style sets bold and size, for ASCII and for Chinese characters.
func (e *encoder) style(l device.Line) {
	bold := byte(0)
	if l.Bold {
		bold = 1
	}
	ascii := [...]byte{device.Normal: 0x00, device.Tall: 0x01, device.Large: 0x11}[l.Size]
	chinese := [...]byte{device.Normal: 0x00, device.Tall: 0x08, device.Large: 0x0C}[l.Size]
	e.add(esc, 'E', bold, gs, '!', ascii, fs, '!', chinese)
}

// text writes characters; Chinese mode is on only where it is needed.
func (e *encoder) text(s string) {
	chinese := false
	for _, r := range s {
		b := e.character(r)
		if wide := len(b) > 1; wide != chinese {
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

// character returns one ASCII byte, or the two or four of GB18030.
func (e *encoder) character(r rune) []byte {
	switch {
	case r < 0x20 || r == 0x7F || r == utf8.RuneError:
		return []byte{'?'}
	case r < 0x7F:
		return []byte{byte(r)}
	}
	b, err := e.gb.Bytes([]byte(string(r)))
	if err != nil {
		return []byte{'?'}
	}
	return b
}

// columnsOf is the width of a character on paper: printers give two columns to each
// that is not ASCII.
func columnsOf(r rune) int {
	if r < 0x80 || r == utf8.RuneError {
		return 1
	}
	return 2
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

// code prints a QR code, model 2, correction M, 6 dots a module.
func (e *encoder) code(content string) error {
	if len(content) > maxQR {
		return fmt.Errorf("QR code of %d bytes, at most %d", len(content), maxQR)
	}
	for i := range len(content) {
		if content[i] < 0x20 || content[i] == 0x7F {
			return errors.New("QR code with a control character") // it could be a command
		}
	}
	n := len(content) + 3
	e.add(gs, '(', 'k', 4, 0, '1', 'A', '2', 0)
	e.add(gs, '(', 'k', 3, 0, '1', 'C', 6)
	e.add(gs, '(', 'k', 3, 0, '1', 'E', '1')
	e.add(gs, '(', 'k', byte(n), byte(n>>8), '1', 'P', '0')
	e.add([]byte(content)...)
	e.add(gs, '(', 'k', 3, 0, '1', 'Q', '0')
	return nil
}
