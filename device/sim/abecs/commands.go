package abecs

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Statuses. Abecs 2.20, 3.1.1.
const (
	stOK           = 0
	stNoSession    = 3
	stBadSession   = 9
	stInvalidCall  = 10
	stInvalid      = 11
	stTimeout      = 12
	stCancel       = 13
	stMissing      = 19
	stKey          = 42
	stNoCard       = 43
	stSecurity     = 47
	stDumbCard     = 60
	stCardError    = 61
	stSeveral      = 80
	stAntennaError = 81
)

// handlers are the commands that the pad knows. They are called with the lock and the blocks.
var handlers = map[string]func(p *Pad, blocks []string){
	"OPN": (*Pad).opn,
	"GIN": (*Pad).gin,
	"CLO": (*Pad).clo,
	"DSP": (*Pad).dsp,
	"CEX": (*Pad).cex,
	"CHP": (*Pad).chp,
	"GPN": (*Pad).gpn,
	"RMC": (*Pad).rmc,
}

// received does what a good packet asks for.
func (p *Pad) received(data []byte) {
	sealed := len(data) > 0 && data[0] == dc2
	if sealed {
		if p.session == nil {
			p.respond("ERR", stNoSession)
			return
		}
		var ok bool
		if data, ok = p.unsealed(data[1:]); !ok {
			p.shut()
			p.respond("ERR", stBadSession)
			return
		}
	}
	if len(data) < 3 {
		p.respond("ERR", stInvalidCall)
		return
	}
	id := string(data[:3])
	handle, known := handlers[id]
	switch {
	case id == "OPN" && sealed:
		p.shut()
		p.respond("OPN", stInvalidCall)
		return
	case id != "OPN" && p.session != nil && !sealed:
		p.transmitLast(encode(fmt.Appendf(nil, "%s%03d", id, stBadSession))) // in clear, and the session stays
		return
	case !known:
		p.respond("ERR", stInvalidCall)
		return
	}
	blocks, ok := split(string(data[3:]))
	if !ok {
		p.respond(id, stInvalid)
		return
	}
	p.parked = false
	handle(p, blocks)
}

// split parts the blocks of a command.
func split(text string) (blocks []string, ok bool) {
	for text != "" {
		var n int
		if len(text) < 3 {
			return nil, false
		}
		if _, err := fmt.Sscanf(text[:3], "%03d", &n); err != nil || n < 0 || len(text) < 3+n {
			return nil, false
		}
		blocks, text = append(blocks, text[3:3+n]), text[3+n:]
	}
	return blocks, true
}

// respond sends a response; blocks go with success only.
func (p *Pad) respond(id string, status int, blocks ...string) {
	data := fmt.Appendf(nil, "%s%03d", id, status)
	for _, b := range blocks {
		data = fmt.Appendf(data, "%03d%s", len(b), b)
	}
	packet := encode(p.sealed(data))
	switch p.fault {
	case LateAnswer:
		time.AfterFunc(LateBy, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.transmitLast(packet)
		})
		return
	case Strays:
		p.transmit(encode(p.sealed([]byte("GDU000020FFFF9876543210E00001"))))
	case Twice:
		p.transmit(packet)
	}
	p.transmitLast(packet)
}

func (p *Pad) transmitLast(packet []byte) {
	p.last = packet
	p.transmit(packet)
}

// shut is what CLO does, but for its text.
func (p *Pad) shut() {
	p.session = nil
	p.chip.powered, p.antenna.powered = false, false
	p.shown = ""
}

func (p *Pad) gin(blocks []string) {
	switch {
	case len(blocks) != 1 || len(blocks[0]) != 2:
		p.respond("GIN", stInvalid)
	case blocks[0] == "00":
		antenna := "C"
		if p.config.NoAntenna {
			antenna = " "
		}
		p.respond("GIN", stOK, fmt.Sprintf("%-20s%-19s%s%-20s%-4s%-16s%-20s",
			"POSD", "SIM PAD;1MB", antenna, "SIM OS 1.0", "2.20", "001.00 250228", "SIM0000001"))
	default:
		p.respond("GIN", stOK, fmt.Sprintf("%-20s%-13s%-4s%-3s%s", "Abecs", "001.00 250228", "2.20", "", "00"))
	}
}

func (p *Pad) clo(blocks []string) {
	p.shut()
	p.parked = true
	if len(blocks) > 0 {
		p.show(blocks[0])
	}
	p.respond("CLO", stOK)
}

func (p *Pad) dsp(blocks []string) {
	if len(blocks) != 1 {
		p.respond("DSP", stInvalid)
		return
	}
	p.show(blocks[0])
	p.respond("DSP", stOK)
}

// show shows two lines of 16 characters.
func (p *Pad) show(message string) { p.shown = lines(message) }

func lines(message string) string {
	message = fmt.Sprintf("%-32s", latin(message))
	runes := []rune(message)[:32]
	return strings.TrimRight(strings.TrimRight(string(runes[:16]), " ")+"\n"+strings.TrimRight(string(runes[16:]), " "), "\n")
}

// latin reads ISO 8859-1.
func latin(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// Parameters and data of CEX.
const (
	speCEXOPT  = 0x0006
	speTIMEOUT = 0x000C
	ppEVENT    = 0x8040
)

// parameters reads the objects of a flexible command.
func parameters(blocks []string) (map[uint16]string, bool) {
	found := map[uint16]string{}
	for _, b := range blocks {
		for b != "" {
			if len(b) < 4 {
				return nil, false
			}
			id, n := binary.BigEndian.Uint16([]byte(b)), int(binary.BigEndian.Uint16([]byte(b[2:])))
			if len(b) < 4+n {
				return nil, false
			}
			if _, repeated := found[id]; !repeated { // the first one counts
				found[id] = b[4 : 4+n]
			}
			b = b[4+n:]
		}
	}
	return found, true
}

// cex waits for one of the events that its option names.
func (p *Pad) cex(blocks []string) {
	found, ok := parameters(blocks)
	option, given := found[speCEXOPT]
	switch {
	case !ok:
		p.respond("CEX", stInvalid)
		return
	case !given:
		p.respond("CEX", stMissing)
		return
	}
	wants := func(i int, c byte) bool { return i < len(option) && option[i] == c }
	event := func() string {
		switch {
		case wants(2, '1') && p.chip.card != nil:
			return "92"
		case wants(2, '2') && p.chip.card == nil:
			return "91"
		case wants(3, '1') && !p.config.NoAntenna && p.antenna.card != nil:
			return "94"
		}
		return ""
	}
	p.antenna.powered = false // it is off when CEX is over
	happened := func(e string) bool {
		if e != "" {
			object := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, ppEVENT), uint16(len(e)))
			p.respond("CEX", stOK, string(object)+e)
		}
		return e != ""
	}
	if happened(event()) {
		return
	}
	w := &waiting{check: func() bool { return happened(event()) }}
	if wants(0, '1') {
		w.key = func(key byte) {
			if happened(map[byte]string{'E': "00", 'C': "08", 'X': "13"}[key]) {
				p.finish(w)
			}
		}
	}
	limit, late := time.Duration(0), func() { p.respond("CEX", stTimeout) }
	if t, limited := found[speTIMEOUT]; limited && t != "" {
		limit = time.Duration(t[0]) * time.Second
		if limit == 0 {
			late()
			return
		}
	}
	if wants(3, '1') && (limit == 0 || limit > antennaTime) {
		limit, late = antennaTime, func() { happened("93") }
	}
	p.wait(w, limit, late)
}

// rmc waits for the removal of the card.
func (p *Pad) rmc(blocks []string) {
	if len(blocks) != 1 {
		p.respond("RMC", stInvalid)
		return
	}
	p.chip.powered = false
	p.show(blocks[0])
	removed := func() bool {
		if p.chip.card == nil {
			p.show(blocks[0])
			p.respond("RMC", stOK)
		}
		return p.chip.card == nil
	}
	if removed() {
		return
	}
	p.shown += "\nRETIRE O CARTÃO"
	p.wait(&waiting{check: removed}, 0, nil)
}
