package vfpad

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"

	"posd/emv/dukpt"
	"posd/emv/keyblock"
)

// bauds are the rates of frame 13 by their code.
var bauds = map[byte]int{
	'1': 1200, '2': 2400, '3': 4800, '4': 9600, '5': 19200, '6': 38400, '7': 57600, '8': 115200,
}

// end sends the EOT that closes an administrative exchange.
func (p *Pad) end() { p.put(eot) }

func (p *Pad) selectKey(rest string) {
	if len(rest) != 1 || rest[0] < '0' || rest[0] > '9' {
		p.sendFrame(si, "081", p.end)
		return
	}
	p.selected = int(rest[0] - '0')
	p.sendFrame(si, "080", p.end)
}

func (p *Pad) checkKey(rest string) {
	result := "0"
	if rest != "" && (p.slots[int(rest[0]-'0')] != nil || p.aes[int(rest[0]-'0')] != nil) {
		result = "F"
	}
	p.sendFrame(si, "04"+result, p.end)
}

func (p *Pad) setBaud(rest string) {
	if rest == "" || bauds[rest[0]] == 0 {
		p.sendFrame(si, "131", p.end)
		return
	}
	p.sendFrame(si, "130", func() {
		p.baud = rest[0]
		p.end()
	})
}

// load opens a key block; the key is stored when the driver has acknowledged the echo.
func (p *Pad) load(rest string) {
	if rest == "" {
		p.sendFrame(si, "02?A", p.end)
		return
	}
	slot := int(rest[0]) - '0'
	key, code := p.open(slot, rest[1:])
	if code != 0 {
		p.sendFrame(si, "02?"+string(rune(code)), p.end)
		return
	}
	p.sendFrame(si, "02"+rest, func() {
		p.slots[slot] = key
		p.end()
	})
}

// open returns the master key in a block, or the code of the error.
func (p *Pad) open(slot int, block string) (key []byte, code byte) {
	header, key, code := p.unwrap(block)
	switch {
	case code != 0:
		return nil, code
	case slot < 0 || slot > 9 || header.Usage != keyblock.UsageKeyEncryption || header.Algorithm != keyblock.AlgorithmTDES:
		return nil, 'E'
	case len(key) != 16 && len(key) != 24:
		return nil, '7'
	}
	for other, held := range p.slots {
		if other != slot && bytes.Equal(held, key) {
			return nil, '2'
		}
	}
	return key, 0
}

func (p *Pad) unwrap(block string) (header keyblock.Header, key []byte, code byte) {
	header, key, err := keyblock.Unwrap(p.config.Protection, block)
	switch {
	case errors.Is(err, keyblock.ErrMAC):
		return header, nil, 'C'
	case errors.Is(err, keyblock.ErrFormat):
		return header, nil, 'A'
	case err != nil:
		return header, nil, '7'
	case len(key) > len(p.config.Protection):
		return header, nil, 'B'
	}
	return header, key, 0
}

// loadInitial is 90 or 94: an initial key, its serial number in optional block KS.
func (p *Pad) loadInitial(set int, block string) {
	header, key, code := p.unwrap(block)
	if code == '7' {
		code = '2'
	}
	if code == 0 && (header.Usage != keyblock.UsageDUKPTInitial || len(key) != 16) {
		code = 'A'
	}
	var ksn dukpt.KSN
	if code == 0 {
		ksn, code = serial(header)
	}
	if code != 0 {
		p.sendFrame(stx, "911"+string(rune(code)), nil)
		return
	}
	p.sets[set] = dukpt.NewDevice(dukpt.Key(key), ksn)
	p.sendFrame(stx, "910", nil)
}

func serial(header keyblock.Header) (ksn dukpt.KSN, code byte) {
	for _, b := range header.Blocks {
		if b.ID != "KS" {
			continue
		}
		raw, err := hex.DecodeString(b.Data)
		if err != nil {
			return ksn, '2'
		}
		if ksn, err = dukpt.ParseKSN(raw); err != nil {
			return ksn, '2'
		}
		return ksn, 0
	}
	return ksn, '2'
}

func (p *Pad) selectSet(rest string) {
	if rest == "0" || rest == "1" {
		p.set = strings.IndexByte("01", rest[0])
	}
}
