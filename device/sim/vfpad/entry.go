package vfpad

import (
	"crypto/aes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"posd/device/sim/keypad"
	"posd/emv"
	"posd/emv/dukpt"
	"posd/emv/pinblock"
)

// entry is a PIN entry that is going on.
type entry struct {
	pan     emv.PAN
	working []byte // clear working key; nil with DUKPT
	aes     bool   // working is an AES key
	prompt  string
	after   string // shown when it is over
	answer  string // identifier of the answer, 71 or 73
	pin     keypad.PIN
	timer   *time.Timer
}

// Rests of messages begin with a point where there is a working key, or always in Z60 and
// Z62.

// enterWithAmount is 70: ".account FS key amount [FS timeout]", or with DUKPT "account FS
// D|C amount [FS timeout]".
func (p *Pad) enterWithAmount(rest string) {
	body, session := strings.CutPrefix(rest, ".")
	fields := strings.Split(body, "\x1C")
	e, code := newEntry(fields[0])
	if code == 0 && len(fields) < 2 {
		code = '8'
	}
	amount := ""
	if code == 0 && session {
		key := hexDigits(fields[1])
		amount = fields[1][len(key):]
		code = p.openWorking(e, key)
	} else if code == 0 {
		amount, code = debitOrCredit(fields[1])
		if code == 0 {
			code = p.haveSet()
		}
	}
	if code == 0 && (len(amount) < 4 || len(amount) > 8) {
		code = '8'
	}
	if code == 0 {
		e.prompt = "TOTAL AMOUNT\n$" + amount + "\nENTER PIN"
	}
	p.begin(e, code)
}

func debitOrCredit(field string) (amount string, code byte) {
	if field == "" || field[0] != 'D' && field[0] != 'C' {
		return "", '5'
	}
	return field[1:], 0
}

// enterAfterPrompt is Z60: ".account FS key [FS timeout]", or with DUKPT ".account [FS
// timeout]". Without a prompt before it a pad ends it at once.
func (p *Pad) enterAfterPrompt(rest string) {
	if !p.prompted {
		p.put(eot)
		return
	}
	fields := strings.Split(strings.TrimPrefix(rest, "."), "\x1C")
	e, code := newEntry(fields[0])
	if code == 0 {
		e.prompt = p.shown
		if len(fields) > 1 && len(fields[1]) > 1 {
			code = p.openWorking(e, fields[1])
		} else if code = p.haveSet(); code == 0 {
			e.answer = p.other()
		}
	}
	p.begin(e, code)
}

// enterWithPrompt is Z62: ".account FS key min max flag prompt FS prompt FS after", with
// DUKPT without the key.
func (p *Pad) enterWithPrompt(rest string) {
	account, rest, ok := strings.Cut(strings.TrimPrefix(rest, "."), "\x1C")
	fields := strings.Split(rest, "\x1C")
	head := fields[0]
	at := strings.IndexAny(head, "YN") // hexadecimal digits, then decimal ones, come before it
	e, code := newEntry(account)
	if code == 0 && (!ok || at < 4) {
		code = '8'
	}
	if code == 0 {
		code = e.limit(head[at-4:at], head[at] == 'Y')
	}
	if code == 0 && at > 4 {
		code = p.openWorking(e, head[:at-4])
	} else if code == 0 {
		e.answer = p.other()
		code = p.haveSet()
	}
	if code == 0 {
		e.prompt = head[at+1:]
		if len(fields) > 1 && fields[1] != "" {
			e.prompt += "\n" + fields[1]
		}
		if len(fields) > 2 {
			e.after = fields[2]
		}
	}
	p.begin(e, code)
}

// testDUKPT is 76: as 70 with DUKPT, and the PIN is 1234.
func (p *Pad) testDUKPT(rest string) {
	account, rest, _ := strings.Cut(rest, "\x1C")
	e, code := newEntry(account)
	if code == 0 {
		_, code = debitOrCredit(rest)
	}
	if code == 0 {
		code = p.haveSet()
	}
	if code != 0 {
		p.sendFrame(stx, "71"+string(rune(code)), nil)
		return
	}
	e.pin.Set("1234")
	p.sendFrame(stx, p.sealed(e), nil)
}

// other is the answer to Z60 and Z62 with DUKPT.
func (p *Pad) other() string {
	if p.config.Verifone {
		return "73"
	}
	return "71"
}

func (p *Pad) haveSet() (code byte) {
	if p.sets[p.set] == nil {
		return 'A'
	}
	return 0
}

// newEntry reads the account number.
func newEntry(account string) (e *entry, code byte) {
	switch {
	case account == "":
		return nil, '0'
	case len(account) < 8:
		return nil, '2'
	case len(account) > 19:
		return nil, '3'
	}
	pan, err := emv.ParsePAN(account)
	if err != nil {
		return nil, '4'
	}
	return &entry{pan: pan, pin: keypad.PIN{Least: pinblock.MinDigits, Most: pinblock.MaxDigits}, answer: "71"}, 0
}

// limit reads two digits each of least and most.
func (e *entry) limit(text string, bypass bool) (code byte) {
	least, err1 := strconv.Atoi(text[:2])
	most, err2 := strconv.Atoi(text[2:])
	if errors.Join(err1, err2) != nil || least < pinblock.MinDigits || least > most || most > pinblock.MaxDigits {
		return '8'
	}
	e.pin = keypad.PIN{Least: least, Most: most, Bypass: bypass}
	return 0
}

// hexDigits is what a text has of a key: 32 or 16 hexadecimal digits.
func hexDigits(text string) string {
	n := 0
	for n < len(text) && strings.IndexByte("0123456789ABCDEF", text[n]) >= 0 {
		n++
	}
	switch {
	case n >= 32:
		return text[:32]
	case n >= 16:
		return text[:16]
	}
	return text[:n]
}

// openWorking deciphers the working key under the selected master key, block by block.
func (p *Pad) openWorking(e *entry, text string) (code byte) {
	wrapped, err := hex.DecodeString(text)
	if err != nil || len(wrapped) != 8 && len(wrapped) != 16 {
		return '5'
	}
	if master := p.aes[p.selected]; master != nil {
		if len(wrapped) != 16 {
			return '1'
		}
		block, err := aes.NewCipher(master)
		if err != nil {
			return 'B'
		}
		e.working, e.aes = make([]byte, 16), true
		block.Decrypt(e.working, wrapped)
		return 0
	}
	e.working = p.decipher(p.selected, wrapped)
	if e.working == nil {
		return '9'
	}
	return 0
}

// decipher opens a TDES key under the master key in a slot; nil if that has none.
func (p *Pad) decipher(slot int, wrapped []byte) []byte {
	master := p.slots[slot]
	if master == nil {
		return nil
	}
	return keypad.OpenWorking(master, wrapped)
}

// begin starts an entry, or says why not.
func (p *Pad) begin(e *entry, code byte) {
	p.prompted = false
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

// press is one key. The caller has the lock.
func (p *Pad) press(key byte) {
	e := p.entry
	switch {
	case e == nil && p.asked && key == 'X': // it waits for a swipe
		p.asked = false
		p.put(eot)
	case e != nil:
		p.typed(e, e.pin.Press(key))
	}
}

func (p *Pad) typed(e *entry, o keypad.Outcome) {
	switch o {
	case keypad.Cancelled:
		p.cancelled()
	case keypad.Entered:
		p.entered(p.sealed(e))
	case keypad.Bypassed:
		p.entered(e.withoutPIN())
	default:
		p.shown = e.prompt + "\n" + e.pin.Stars()
	}
}

func (p *Pad) cancelled() {
	p.endEntry()
	p.shown = idleText
	p.put(eot)
}

// entered ends the entry with its answer.
func (p *Pad) entered(answer string) {
	p.shown = p.entry.after
	p.endEntry()
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

// withoutPIN is the answer where no PIN was entered.
func (e *entry) withoutPIN() string {
	switch {
	case e.working != nil:
		return "71.00001" + strings.Repeat("0", 16)
	case e.answer == "73":
		return "73.00000"
	}
	return "710"
}

// sealed makes the answer with the block: ISO 9564-1 format 0, or 4 under an AES key.
func (p *Pad) sealed(e *entry) string {
	switch {
	case e.aes:
		var random [8]byte
		if p.config.Random != nil {
			if _, err := io.ReadFull(p.config.Random, random[:]); err != nil {
				return "71B"
			}
		}
		return fmt.Sprintf("71.0%02d%s%X", e.pin.Len(), p.config.Format4, e.pin.Seal4(e.pan, e.working, random))
	case e.working != nil:
		return fmt.Sprintf("71.0%02d01%X", e.pin.Len(), e.pin.Seal0(e.pan, e.working))
	}
	key, ksn, err := p.sets[p.set].Next()
	if err != nil {
		return "71F"
	}
	pin := key.For(dukpt.PIN)
	text := ksn.String()
	if !p.config.WholeKSN {
		text = strings.TrimLeft(text, "F")
	}
	if e.answer == "73" {
		return fmt.Sprintf("73.00000%s%X", text, e.pin.Seal0(e.pan, pin[:]))
	}
	return fmt.Sprintf("710%s%X", text, e.pin.Seal0(e.pan, pin[:]))
}

// endEntry wipes the digits and the working key.
func (p *Pad) endEntry() {
	e := p.entry
	if e == nil {
		return
	}
	e.timer.Stop()
	e.pin.Wipe()
	clear(e.working)
	p.entry = nil
}
