package abecs

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"posd/device/sim/keypad"
	"posd/emv"
	"posd/emv/dukpt"
)

// entry is a PIN entry that is going on.
type entry struct {
	slot    int
	working []byte // clear working key; nil with DUKPT
	pan     emv.PAN
	prompt  string
	pin     keypad.PIN
}

// gpn is method (1), slot (2), working key (32), length of the card number (2), card number
// (19), entries (1), least and most (2 each), text (32).
func (p *Pad) gpn(blocks []string) {
	if len(blocks) != 1 || len(blocks[0]) != 93 {
		p.respond("GPN", stInvalid)
		return
	}
	e, status := p.parse(blocks[0])
	if status != stOK {
		p.respond("GPN", status)
		return
	}
	p.shown = e.prompt
	w := &waiting{check: func() bool { return false }, end: e.wipe}
	w.key = func(key byte) { p.pressed(w, e, key) }
	p.wait(w, keyTime, func() {
		p.shown = ""
		p.respond("GPN", stTimeout)
	})
	if p.config.Cardholder == nil {
		return
	}
	for _, key := range []byte(p.config.Cardholder(Entry{PAN: e.pan, Prompt: e.prompt})) {
		if p.waiting == w {
			w.key(key)
		}
	}
}

func (p *Pad) parse(b string) (e *entry, status int) {
	slot, err1 := strconv.Atoi(b[1:3])
	n, err2 := strconv.Atoi(b[35:37])
	least, err3 := strconv.Atoi(b[57:59])
	most, err4 := strconv.Atoi(b[59:61])
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || b[56] != '1' || least < 4 || most < least || most > 12 || n > 19 {
		return nil, stInvalid
	}
	if n == 0 {
		return nil, stInvalidCall // no card was read before
	}
	pan, err := emv.ParsePAN(b[37 : 37+n])
	if err != nil {
		return nil, stInvalid
	}
	e = &entry{slot: slot, pan: pan, pin: keypad.PIN{Least: least, Most: most}, prompt: lines(b[61:])}
	switch b[0] {
	case '1':
		return e, p.openWorking(e, b[3:35])
	case '3':
		if p.dukpt[slot] == nil {
			return nil, stKey
		}
		return e, stOK
	}
	return nil, stInvalid
}

func (p *Pad) openWorking(e *entry, text string) int {
	master := p.config.MasterKeys[e.slot]
	wrapped, err := hex.DecodeString(text)
	switch {
	case err != nil:
		return stInvalid
	case master == nil:
		return stKey
	}
	e.working = keypad.OpenWorking(master, wrapped)
	return stOK
}

// pressed is one key during an entry.
func (p *Pad) pressed(w *waiting, e *entry, key byte) {
	w.timer.Reset(keyTime)
	switch e.pin.Press(key) {
	case keypad.Cancelled:
		p.finish(w)
		p.shown = ""
		p.respond("GPN", stCancel)
	case keypad.Entered:
		p.entered(w, e)
	default:
		p.shown = e.prompt + "\n" + e.pin.Stars()
	}
}

// entered makes the block of format 0, and its serial number; zeros without DUKPT.
func (p *Pad) entered(w *waiting, e *entry) {
	defer p.finish(w)
	p.shown = ""
	key, ksn := e.working, dukpt.KSN{}
	if key == nil {
		transaction, at, err := p.dukpt[e.slot].Next()
		if err != nil {
			p.respond("GPN", stKey)
			return
		}
		pin := transaction.For(dukpt.PIN)
		key, ksn = pin[:], at
	}
	p.respond("GPN", stOK, fmt.Sprintf("%X%s", e.pin.Seal0(e.pan, key), ksn))
}

func (e *entry) wipe() {
	e.pin.Wipe()
	clear(e.working)
}
