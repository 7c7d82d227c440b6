package vfpad

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"posd/emv/issuer"
)

// maxMessage bounds what the pad keeps of a message: 100 frames of 224 characters.
const maxMessage = 22400

// mac is Z66: kind, number (2), slot, FS key FS second key FS part of the message. Kinds 4
// and 6 are the last part, 5 and 7 one before it; 6 and 7 come in hexadecimal.
func (p *Pad) mac(rest string) {
	code, mac := p.addToMAC(rest)
	p.sendFrame(stx, "Z67"+string(rune(code))+mac, nil)
	if code != '1' {
		p.forgetMAC()
	}
}

func (p *Pad) forgetMAC() {
	clear(p.message)
	p.message, p.next = nil, 0
}

func (p *Pad) addToMAC(rest string) (code byte, mac string) {
	fields := strings.Split(rest, "\x1C")
	if len(fields) != 4 || len(fields[0]) != 4 {
		return '5', ""
	}
	head := fields[0]
	kind, slot := head[0], int(head[3])-'0'
	seq, err := strconv.Atoi(head[1:3])
	switch {
	case kind < '4' || kind > '7':
		return '6', ""
	case err != nil || seq != p.next:
		return '2', ""
	case fields[2] != "":
		return '4', ""
	}
	part := []byte(fields[3])
	if kind >= '6' {
		if part, err = hex.DecodeString(fields[3]); err != nil {
			return '7', ""
		}
	}
	if len(part) == 0 || len(fields[3]) > 224 || len(p.message)+len(part) > maxMessage {
		return '5', ""
	}
	p.message = append(p.message, part...)
	if p.next++; kind == '5' || kind == '7' {
		return '1', ""
	}
	return p.finishMAC(slot, fields[1])
}

// finishMAC makes the code over the message: ISO 9797-1 algorithm 3, zeros for padding.
func (p *Pad) finishMAC(slot int, text string) (code byte, mac string) {
	wrapped, err := hex.DecodeString(text)
	if err != nil || len(wrapped) != 8 && len(wrapped) != 16 {
		return '8', ""
	}
	key := p.decipher(slot, wrapped)
	if key == nil {
		return '3', ""
	}
	if strings.Trim(text, "0") == "" { // the master key itself
		key = append([]byte(nil), p.slots[slot]...)
	}
	defer clear(key)
	if len(key) == 8 {
		key = append(key, key...)
	}
	out, err := issuer.MAC(key[:16], p.message, issuer.PadZeros)
	if err != nil {
		return '9', ""
	}
	return '0', fmt.Sprintf("%X", out)
}
