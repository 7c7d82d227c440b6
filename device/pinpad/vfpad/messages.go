package vfpad

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"posd/device"
	"posd/emv"
	"posd/emv/dukpt"
)

const (
	maxPrompt = 16 // characters of one line of the pad
	maxShown  = 64
)

// sessionFrame is Z62, Z60 or 70 with a working key under a master key. The caller wipes
// what it returns.
func (p *Pad) sessionFrame(req device.PINRequest) ([]byte, error) {
	switch {
	case req.Slot < 0 || req.Slot > 9:
		return nil, fmt.Errorf("key slot %d, 0 to 9 wanted", req.Slot)
	case len(req.Key.Bytes) != 8 && len(req.Key.Bytes) != 16:
		return nil, fmt.Errorf("working key of %d bytes, 8 or 16 wanted", len(req.Key.Bytes))
	}
	l := limits{req.MinDigits, req.MaxDigits, req.AllowBypass}
	switch p.cfg.Entry {
	case EntryZ60:
		return request("Z60.", req.PAN, l, func(b []byte) []byte { return appendHex(append(b, fs), req.Key.Bytes) })
	case Entry70:
		amount, err := amountIn(req.Prompt)
		if err != nil {
			return nil, err
		}
		return request("70.", req.PAN, l, func(b []byte) []byte {
			return append(appendHex(append(b, fs), req.Key.Bytes), amount...)
		})
	}
	return request("Z62.", req.PAN, l, func(b []byte) []byte {
		return l.appendPrompts(appendHex(append(b, fs), req.Key.Bytes), req.Prompt)
	})
}

// dukptFrame is Z62, Z60 or 70 without a working key.
func (p *Pad) dukptFrame(req device.DUKPTRequest) ([]byte, error) {
	l := limits{req.MinDigits, req.MaxDigits, req.AllowBypass}
	switch p.cfg.Entry {
	case EntryZ60:
		return request("Z60.", req.PAN, l, func(b []byte) []byte { return b })
	case Entry70:
		return amountFrame("70", req, l)
	}
	return request("Z62.", req.PAN, l, func(b []byte) []byte {
		return l.appendPrompts(append(b, fs), req.Prompt)
	})
}

// testFrame is 76.
func testFrame(req device.DUKPTRequest) ([]byte, error) {
	return amountFrame("76", req, limits{4, 12, false})
}

// amountFrame is 70 or 76 as they are with DUKPT: D for debit, and the amount.
func amountFrame(id string, req device.DUKPTRequest, l limits) ([]byte, error) {
	amount, err := amountIn(req.Amount)
	if err != nil {
		return nil, err
	}
	return request(id, req.PAN, l, func(b []byte) []byte { return append(append(b, fs, 'D'), amount...) })
}

// request is a frame of identifier, card number and what rest appends.
func request(id string, pan emv.PAN, l limits, rest func([]byte) []byte) ([]byte, error) {
	if pan.IsZero() {
		return nil, errors.New("no card number")
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	data := append(make([]byte, 0, 192), id...)
	data = rest(pan.Append(data))
	defer clear(data)
	return frame{stx, data}.append(make([]byte, 0, len(data)+3))
}

// limits are what an entry may be.
type limits struct {
	least, most int
	bypass      bool
}

// check refuses what a pad would refuse.
func (l limits) check() error {
	if l.least < 4 || l.least > l.most || l.most > 12 {
		return fmt.Errorf("PIN of %d to %d digits, 4 to 12 wanted", l.least, l.most)
	}
	return nil
}

// appendPrompts is the rest of Z62: lengths, flag, two lines, and none for afterwards.
func (l limits) appendPrompts(dst []byte, prompt string) []byte {
	first, second := split(printable(prompt))
	flag := 'N'
	if l.bypass {
		flag = 'Y'
	}
	return fmt.Appendf(dst, "%02d%02d%c%s\x1C%s\x1C", l.least, l.most, flag, first, second)
}

// amountIn finds the amount, 4 to 8 characters as in 12.00, that a text has: message 70
// takes nothing else.
func amountIn(text string) (string, error) {
	for _, word := range strings.Fields(text) {
		whole, cents, ok := strings.Cut(word, ".")
		if ok && len(word) >= 4 && len(word) <= 8 && decimal(whole) && len(cents) == 2 && decimal(cents) {
			return word, nil
		}
	}
	return "", errors.New("message 70 wants an amount as in 12.00, and there is none")
}

func decimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, x := range b {
		dst = append(dst, digits[x>>4], digits[x&0xF])
	}
	return dst
}

// printable replaces what a pad has no character for.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7E {
			return '?'
		}
		return r
	}, s)
}

// split puts a prompt on two lines, at a space where one is near; what does not fit is
// cut off.
func split(s string) (first, second string) {
	if len(s) <= maxPrompt {
		return s, ""
	}
	at := strings.LastIndexByte(s[:maxPrompt+1], ' ')
	if at <= 0 {
		return s[:maxPrompt], s[maxPrompt:min(len(s), 2*maxPrompt)]
	}
	second = s[at+1:]
	return s[:at], second[:min(len(second), maxPrompt)]
}

// format is how 71 tells a kind of block.
type format struct {
	number int
	code   string
	length int // bytes
}

var formats = map[string]format{"01": {0, "01", 8}}

// readSession reads frame 71 of master and session keys: a block, a PIN left out, or an
// error.
func readSession(data []byte, f format, l limits) (sealed device.SealedPIN, err error) {
	if len(data) == 3 && data[2] != '.' {
		return sealed, refused(entryErrors, data[2])
	}
	if len(data) < 8 || data[2] != '.' || data[3] != '0' {
		return sealed, fmt.Errorf("%w: frame 71 of %d bytes has another form", device.ErrProtocol, len(data))
	}
	tens, units := data[4]-'0', data[5]-'0'
	if tens > 9 || units > 9 {
		return sealed, fmt.Errorf("%w: frame 71: number of digits is no number", device.ErrProtocol)
	}
	digits := int(tens)*10 + int(units)
	switch {
	case digits == 0 && l.bypass:
		return sealed, device.ErrBypassed
	case digits < 4 || digits > 12:
		return sealed, fmt.Errorf("%w: frame 71: PIN of a length that there is not", device.ErrProtocol)
	case digits < l.least || digits > l.most:
		return sealed, fmt.Errorf("%w: PIN of another length than asked for", device.ErrRefused)
	case string(data[6:8]) != f.code || len(data) != 8+2*f.length:
		return sealed, fmt.Errorf("%w: frame 71 of %d bytes is no block of format %d", device.ErrProtocol, len(data), f.number)
	}
	block := make([]byte, f.length)
	if _, err := hex.Decode(block, data[8:]); err != nil {
		return sealed, fmt.Errorf("%w: frame 71: block is not hexadecimal", device.ErrProtocol)
	}
	return device.SealedPIN{Format: f.number, Block: block, Digits: digits}, nil
}

// readDUKPT reads frame 71 (flag, key serial number without the F on its left, block) or 73
// (a point and five zeros before them), a PIN left out (no number and no block), or an error.
func readDUKPT(data []byte, bypass bool) (sealed device.SealedPIN, err error) {
	rest := data[2:]
	long := len(rest) >= 6 && string(rest[:6]) == ".00000"
	switch {
	case data[1] == '3' && long:
		rest = rest[6:]
	case len(rest) == 1 && rest[0] != '0', len(rest) == 1 && !bypass:
		return sealed, refused(dukptErrors, rest[0])
	case data[1] == '1' && len(rest) > 0 && rest[0] == '0':
		rest = rest[1:]
	default:
		return sealed, fmt.Errorf("%w: frame 7%c of %d bytes has another form", device.ErrProtocol, data[1], len(data))
	}
	if len(rest) == 0 || strings.Trim(string(rest), "0") == "" {
		if !bypass {
			return sealed, fmt.Errorf("%w: frame 7%c: no PIN, where one was asked for", device.ErrProtocol, data[1])
		}
		return sealed, device.ErrBypassed
	}
	return readSerial(rest)
}

// readSerial parts key serial number and block, which their lengths tell: 10 to 20 and 16
// digits with TDES keys, 24 and 32 with AES keys.
func readSerial(text []byte) (sealed device.SealedPIN, err error) {
	raw := make([]byte, len(text)/2+1)
	odd := len(text) % 2
	if _, err := hex.Decode(raw, append([]byte("F")[:odd:odd], text...)); err != nil {
		return sealed, fmt.Errorf("%w: frame 71: not hexadecimal", device.ErrProtocol)
	}
	raw = raw[:(len(text)+odd)/2]
	if len(text) == 56 {
		return device.SealedPIN{Format: 4, KSN: raw[:12:12], Block: raw[12:]}, nil
	}
	cut := len(raw) - 8
	if cut < 0 {
		return sealed, fmt.Errorf("%w: frame 71 of %d digits has another form", device.ErrProtocol, len(text))
	}
	ksn, err := dukpt.ParseKSN(raw[:cut:cut])
	if err != nil {
		return sealed, fmt.Errorf("%w: frame 71: %w", device.ErrProtocol, err)
	}
	return device.SealedPIN{KSN: ksn[:], Block: raw[cut:]}, nil
}
