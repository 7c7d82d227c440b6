package vfpad

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
)

// entry is a PIN entry that is going on.
type entry struct {
	pan      emv.PAN
	working  []byte // clear working key
	min, max int
	bypass   bool
	prompt   string
	after    string // shown when it is over
	digits   []byte
	timer    *time.Timer
}

// request does what a good frame asks for. The caller has the lock.
func (p *Pad) request(e event) {
	id := e.data[:min(2, len(e.data))]
	if p.entry != nil && id != "72" {
		return // during entry a pad hears nothing but cancel
	}
	p.settle()
	if p.entry != nil {
		p.endEntry()
		p.shown = idleText
		p.put(eot)
		return
	}
	switch {
	case e.start == si && id == "02" && len(e.data) > 3:
		p.put(ack)
		p.load(e.data)
	case e.start == si && id == "04" && len(e.data) >= 3:
		p.put(ack)
		p.checkKey(e.data[2])
	case e.start == si && id == "08" && len(e.data) == 3:
		p.put(ack)
		p.selectKey(e.data[2])
	case e.start == stx && id == "Z2":
		p.put(ack)
		p.show(e.data[2:])
	case e.start == stx && (id == "Z1" || id == "72"):
		p.put(ack)
		p.shown = idleText
	case e.start == stx && strings.HasPrefix(e.data, "Z62."):
		p.put(ack)
		p.begin(e.data[4:])
	} // a packet that it does not know a pad ignores
}

func (p *Pad) show(text string) {
	if rest, clears := strings.CutPrefix(text, "\x1A"); clears {
		p.shown = rest
		return
	}
	p.shown += text
}

// end sends the EOT that closes an administrative exchange.
func (p *Pad) end() { p.put(eot) }

func (p *Pad) selectKey(slot byte) {
	if slot < '0' || slot > '9' {
		p.sendFrame(si, "081", p.end)
		return
	}
	p.selected = int(slot - '0')
	p.sendFrame(si, "080", p.end)
}

func (p *Pad) checkKey(slot byte) {
	result := "0"
	if p.slots[int(slot-'0')] != nil {
		result = "F"
	}
	p.sendFrame(si, "04"+result, p.end)
}

// load opens a key block; the key is stored when the driver has acknowledged the echo.
func (p *Pad) load(data string) {
	slot := int(data[2]) - '0'
	key, code := p.open(slot, data[3:])
	if code != 0 {
		p.sendFrame(si, "02?"+string(rune(code)), p.end)
		return
	}
	p.sendFrame(si, data, func() {
		p.slots[slot] = key
		p.end()
	})
}

// open returns the key in a block, or the code of the error.
func (p *Pad) open(slot int, block string) (key []byte, code byte) {
	header, key, err := keyblock.Unwrap(p.config.Protection, block)
	switch {
	case errors.Is(err, keyblock.ErrMAC):
		return nil, 'C'
	case errors.Is(err, keyblock.ErrFormat):
		return nil, 'A'
	case err != nil:
		return nil, '7'
	case slot < 0 || slot > 9 || header.Usage != keyblock.UsageKeyEncryption || header.Algorithm != keyblock.AlgorithmTDES:
		return nil, 'E'
	case len(key) != 16 && len(key) != 24:
		return nil, '7'
	case len(key) > len(p.config.Protection):
		return nil, 'B'
	}
	for other, held := range p.slots {
		if other != slot && bytes.Equal(held, key) {
			return nil, '2'
		}
	}
	return key, 0
}

// begin reads Z62 after its point: account FS key min max flag prompt FS prompt FS after.
func (p *Pad) begin(text string) {
	e, code := p.parse(text)
	if code != 0 {
		p.sendFrame(stx, "71"+string(rune(code)), nil)
		return
	}
	p.entry = e
	p.shown = e.prompt
	e.timer = time.AfterFunc(p.config.EntryTime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.entry == e {
			p.cancelled()
		}
	})
	if p.config.Cardholder == nil {
		return
	}
	for _, key := range []byte(p.config.Cardholder(Entry{PAN: e.pan, Prompt: e.prompt})) {
		p.press(key)
	}
}

// parse returns an entry, or the code of the error for frame 71.
func (p *Pad) parse(text string) (*entry, byte) {
	account, rest, ok := strings.Cut(text, "\x1C")
	fields := strings.Split(rest, "\x1C")
	head := fields[0]
	at := strings.IndexAny(head, "YN") // hexadecimal digits, then decimal ones, come before it
	switch {
	case account == "":
		return nil, '0'
	case len(account) < 8:
		return nil, '2'
	case len(account) > 19:
		return nil, '3'
	case !ok || len(fields) < 1 || at < 4:
		return nil, '8'
	}
	pan, err := emv.ParsePAN(account)
	if err != nil {
		return nil, '4'
	}
	e := &entry{pan: pan, bypass: head[at] == 'Y', prompt: head[at+1:]}
	if len(fields) > 1 && fields[1] != "" {
		e.prompt += "\n" + fields[1]
	}
	if len(fields) > 2 {
		e.after = fields[2]
	}
	least, err1 := strconv.Atoi(head[at-4 : at-2])
	most, err2 := strconv.Atoi(head[at-2 : at])
	if errors.Join(err1, err2) != nil || least < pinblock.MinDigits || least > most || most > pinblock.MaxDigits {
		return nil, '8'
	}
	e.min, e.max = least, most
	var code byte
	e.working, code = p.openWorking(head[:at-4])
	return e, code
}

// openWorking deciphers the working key under the selected master key, block by block.
func (p *Pad) openWorking(text string) (key []byte, code byte) {
	master := p.slots[p.selected]
	wrapped, err := hex.DecodeString(text)
	switch {
	case master == nil:
		return nil, '9'
	case err != nil || len(wrapped) != 8 && len(wrapped) != 16:
		return nil, '5'
	}
	block := tdes(master)
	key = make([]byte, len(wrapped))
	for i := 0; i < len(key); i += 8 {
		block.Decrypt(key[i:], wrapped[i:])
	}
	return key, 0
}

// tdes expands a key of 8, 16 or 24 bytes: what comes here was measured before.
func tdes(key []byte) cipher.Block {
	three := append(append(append([]byte(nil), key...), key...), key...)[:24]
	block, err := des.NewTripleDESCipher(three)
	if err != nil {
		panic(fmt.Sprintf("sim/vfpad: key of %d bytes: %v", len(key), err))
	}
	return block
}

// press is one key. The caller has the lock.
func (p *Pad) press(key byte) {
	e := p.entry
	switch {
	case e == nil:
	case key == 'X':
		p.cancelled()
	case key == 'C':
		clear(e.digits)
		e.digits = e.digits[:0]
		p.stars()
	case key == 'E':
		p.entered()
	case len(e.digits) < e.max:
		e.digits = append(e.digits, key)
		p.stars()
	}
}

func (p *Pad) stars() {
	p.shown = p.entry.prompt + "\n" + strings.Repeat("*", len(p.entry.digits))
}

func (p *Pad) cancelled() {
	p.endEntry()
	p.shown = idleText
	p.put(eot)
}

// entered is the enter key: it counts only with enough digits, or with none where the
// PIN may be left out.
func (p *Pad) entered() {
	e := p.entry
	answer := ""
	switch {
	case len(e.digits) == 0 && e.bypass:
		answer = "71.00001" + strings.Repeat("0", 16)
	case len(e.digits) < e.min:
		return
	default:
		answer = fmt.Sprintf("71.0%02d01%X", len(e.digits), seal(e))
	}
	p.endEntry()
	p.shown = e.after
	if p.fault != LateAnswer {
		p.sendFrame(stx, answer, nil)
		return
	}
	time.AfterFunc(LateBy, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.entry == nil {
			p.sendFrame(stx, answer, nil)
		}
	})
}

// seal makes the block of ISO 9564-1 format 0 under the working key.
func seal(e *entry) [8]byte {
	block, err := pinblock.Encode0(e.digits, e.pan)
	if err != nil {
		panic(fmt.Sprintf("sim/vfpad: digits that the keypad let through: %v", err))
	}
	tdes(e.working).Encrypt(block[:], block[:])
	return block
}

// endEntry wipes the digits and the working key.
func (p *Pad) endEntry() {
	e := p.entry
	if e == nil {
		return
	}
	e.timer.Stop()
	clear(e.digits)
	clear(e.working)
	p.entry = nil
}
