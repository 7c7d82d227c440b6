package escpos

import (
	"bytes"

	"golang.org/x/text/encoding/simplifiedchinese"

	"posd/device"
)

// style is what commands have set.
type style struct {
	width, height int
	bold, chinese bool
	align         device.Align
}

var plain = style{width: 1, height: 1}

// realtime finds commands that begin with DLE in the stream, wherever they are, in the
// middle of an image too, as printers do.
type realtime struct{ seen []byte }

// immediate lists them without their parameters: DLE EOT n, DLE ENQ n, DLE DC4 1 m t.
var immediate = []struct {
	code       []byte
	parameters int
	known      func(parameters []byte) bool
}{
	{[]byte{0x10, 0x04}, 1, func(b []byte) bool { return b[0] >= 1 && b[0] <= 4 }},
	{[]byte{0x10, 0x05}, 1, func(b []byte) bool { return b[0] == 1 || b[0] == 2 }},
	{[]byte{0x10, 0x14, 0x01}, 2, func(b []byte) bool { return b[0] <= 1 && b[1] >= 1 && b[1] <= 8 }},
}

// add takes one byte. It returns the bytes that are no real-time command, and then one
// that is complete.
func (r *realtime) add(c byte) (rest, command []byte) {
	if len(r.seen) == 0 && c != 0x10 {
		return []byte{c}, nil
	}
	r.seen = append(r.seen, c)
	complete, begun := r.match()
	switch {
	case complete:
		command, r.seen = r.seen, nil
		return nil, command
	case begun:
		return nil, nil
	}
	seen := r.seen
	rest, r.seen = seen[:1:1], nil
	for _, c := range seen[1:] { // in the middle of it the real one may have begun
		more, found := r.add(c)
		rest = append(rest, more...)
		if found != nil {
			command = found
		}
	}
	return rest, command
}

func (r *realtime) match() (complete, begun bool) {
	for _, m := range immediate {
		n := min(len(r.seen), len(m.code))
		if !bytes.Equal(r.seen[:n], m.code[:n]) {
			continue
		}
		if len(r.seen) < len(m.code)+m.parameters {
			begun = true
		} else if m.known(r.seen[len(m.code):]) {
			return true, true
		}
	}
	return false, begun
}

// work executes what is in the buffer while the printer is online. The caller has the
// lock.
func (p *Printer) work() {
	for len(p.buffer) > 0 && !p.offline() {
		n := p.execute(p.buffer)
		if n == 0 {
			return // the rest of a command has not come yet
		}
		p.buffer = p.buffer[n:]
	}
}

// parameters is how many bytes follow the two of a command; those of longer ones follow
// these.
var parameters = map[[2]byte]int{
	{0x1B, '@'}: 0, {0x1B, 'a'}: 1, {0x1B, 'E'}: 1, {0x1B, 'd'}: 1, {0x1B, 'J'}: 1, {0x1B, '!'}: 1,
	{0x1B, 'M'}: 1, {0x1B, '-'}: 1, {0x1B, '2'}: 0, {0x1B, '3'}: 1, {0x1B, 't'}: 1, {0x1B, 'R'}: 1,
	{0x1B, 'p'}: 3,
	{0x1C, '&'}: 0, {0x1C, '.'}: 0, {0x1C, '!'}: 1, {0x1C, 'W'}: 1,
	{0x1D, '!'}: 1, {0x1D, 'r'}: 1, {0x1D, 'V'}: 1, {0x1D, '('}: 3, {0x1D, 'a'}: 1, {0x1D, 'I'}: 1,
	{0x1D, 'h'}: 1, {0x1D, 'w'}: 1, {0x1D, 'H'}: 1, {0x1D, 'f'}: 1, {0x1D, 'k'}: 1, {0x1D, 'v'}: 6,
}

// execute does the first thing in b and returns its length, or 0 for an incomplete one.
func (p *Printer) execute(b []byte) int {
	switch c := b[0]; {
	case c == 0x1B || c == 0x1C || c == 0x1D:
		return p.command(b)
	case c == '\n':
		p.flush()
		return 1
	case c < 0x20:
		return 1 // CR and the like
	case c >= 0x80 && p.style.chinese:
		return p.chinese(b)
	case c >= 0x7F:
		p.character('?', 1) // a code page that this printer does not have
		return 1
	default:
		p.character(rune(c), 1)
		return 1
	}
}

// chinese reads one character of GB18030: two bytes, or four where the second is a digit.
func (p *Printer) chinese(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	n := 2
	if b[1] >= '0' && b[1] <= '9' {
		n = 4
	}
	if len(b) < n {
		return 0
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b[:n])
	runes := []rune(string(text))
	if err != nil || len(runes) != 1 {
		p.character('?', 2)
		return n
	}
	p.character(runes[0], 2)
	return n
}

// character puts one on the line, and begins a new line where there is no room.
func (p *Printer) character(r rune, columns int) {
	columns *= p.style.width
	if p.used+columns > p.config.Columns {
		p.flush()
	}
	p.row = append(p.row, r)
	p.used += columns
}

func (p *Printer) flush() {
	s := p.style
	p.print(Line{Text: string(p.row), Width: s.width, Height: s.height, Bold: s.bold, Align: s.align})
	p.row, p.used = p.row[:0], 0
}

// print puts a line on paper, and notices the end of the roll.
func (p *Printer) print(l Line) {
	if len(p.paper) < maxPaper {
		p.paper = append(p.paper, l)
	}
	if p.config.OnLine != nil {
		p.config.OnLine(l)
	}
	if p.linesLeft > 0 {
		p.linesLeft--
	}
	p.paperOut = p.paperOut || p.linesLeft == 0
	p.tell()
}

// command executes one of ESC, FS or GS.
func (p *Printer) command(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	code := [2]byte(b[:2])
	count, known := parameters[code]
	if !known {
		p.unknown++
		return 2
	}
	n := 2 + count
	if len(b) < n {
		return 0
	}
	switch code {
	case [2]byte{0x1D, 'V'}:
		return p.cut(b)
	case [2]byte{0x1D, '('}:
		return p.long(b)
	case [2]byte{0x1D, 'k'}:
		return p.barcode(b)
	case [2]byte{0x1D, 'v'}:
		return p.raster(b)
	}
	var parameter byte
	if count > 0 {
		parameter = b[2]
	}
	p.simple(code, parameter)
	return n
}

// simple is a command of at most one parameter.
func (p *Printer) simple(code [2]byte, n byte) {
	switch code {
	case [2]byte{0x1B, '@'}:
		p.initialise()
	case [2]byte{0x1B, 'a'}:
		p.style.align = device.Align(n & 0x0F % 3)
	case [2]byte{0x1B, 'E'}:
		p.style.bold = n&1 != 0
	case [2]byte{0x1B, 'd'}:
		for range n {
			p.flush()
		}
	case [2]byte{0x1C, '&'}:
		p.style.chinese = true
	case [2]byte{0x1C, '.'}:
		p.style.chinese = false
	case [2]byte{0x1D, '!'}:
		p.style.width, p.style.height = int(n>>4&7)+1, int(n&7)+1
	case [2]byte{0x1B, 'p'}:
		p.kicks++
	case [2]byte{0x1D, 'h'}:
		p.bars.height = int(max(n, 1))
	case [2]byte{0x1D, 'w'}:
		p.bars.width = int(min(max(n, 1), 6))
	case [2]byte{0x1D, 'a'}:
		p.auto = n
		if n != 0 {
			p.sendAuto()
		}
	case [2]byte{0x1D, 'r'}:
		if p.fault != Unconfirming {
			p.answer(0x00)
		}
	}
}

// initialise sets what a printer is switched on with, and forgets the line that is being
// filled.
func (p *Printer) initialise() {
	p.style, p.row, p.used = plain, p.row[:0], 0
	p.bars = bars{width: 3, height: 162}
	p.auto = 0
}

// cut is GS V: some of its forms have one parameter more.
func (p *Printer) cut(b []byte) int {
	n := 3
	if b[2] == 'A' || b[2] == 'B' {
		n = 4
	}
	if len(b) < n {
		return 0
	}
	if p.used > 0 {
		p.flush()
	}
	p.print(Line{Width: 1, Height: 1, Cut: true})
	return n
}

// long is GS ( with its length of two bytes.
func (p *Printer) long(b []byte) int {
	n := 5 + int(b[3]) + int(b[4])<<8
	if len(b) < n {
		return 0
	}
	body := b[5:n]
	switch {
	case b[2] != 'k' || len(body) < 3 || body[0] != '1':
		p.unknown++
	case body[1] == 'P':
		p.qr = append(p.qr[:0], body[3:]...)
	case body[1] == 'Q' && len(p.qr) > 0:
		p.print(Line{QR: string(p.qr), Width: 1, Height: 1, Align: p.style.align})
	}
	return n
}
