package pn532

import (
	"bytes"
	"slices"
	"time"
)

// Commands. UM0701-02, 7.2 and 7.3.
const (
	diagnose            = 0x00
	getFirmwareVersion  = 0x02
	getGeneralStatus    = 0x04
	readRegister        = 0x06
	writeRegister       = 0x08
	setSerialBaudRate   = 0x10
	setParameters       = 0x12
	samConfiguration    = 0x14
	powerDown           = 0x16
	rfConfiguration     = 0x32
	inDataExchange      = 0x40
	inCommunicateThru   = 0x42
	inDeselect          = 0x44
	inListPassiveTarget = 0x4A
	inRelease           = 0x52
	inSelect            = 0x54
	inAutoPoll          = 0x60
)

// Status bytes. 7.1.
const (
	ok        = 0x00
	noAnswer  = 0x01
	overflow  = 0x0E
	noContext = 0x27
	moreInfo  = 0x40
)

const (
	maxBlock     = 262  // of an APDU in one frame
	maxChain     = 4096 // of an APDU that comes in blocks
	forever      = 0xFF // of retries and polls
	pollPeriod   = 150 * time.Millisecond
	automaticATS = 0x10 // SetParameters
)

// chip is what the chip remembers.
type chip struct {
	asleep     bool // it has just gone to sleep
	configured bool // SAMConfiguration came
	parameters byte
	retries    byte // MxRtyPassiveActivation
	registers  map[[2]byte]byte
	active     []*tag    // targets, in the order of their numbers
	pending    *command  // waits for a card
	until      time.Time // that long, or for ever
	chain      []byte    // of a command that has not ended
	rest       []byte    // of an answer that has not ended
}

// powerUp is the chip as it starts.
func powerUp() chip {
	return chip{parameters: 0x14, retries: forever, registers: map[[2]byte]byte{}}
}

// hears tells whether the chip reacts to a command: the first must be SAMConfiguration.
func (c *chip) hears(cmd command) bool { return c.configured || cmd.code == samConfiguration }

// reply is an answer; nil is an error frame.
func reply(b ...byte) *[]byte { return &b }

// execute does a command. It is not done where it waits for a card; over ends that.
func (r *Reader) execute(c command, f Fault, over bool) (data *[]byte, done bool) {
	switch c.code {
	case inListPassiveTarget:
		return r.list(c, over)
	case inAutoPoll:
		return r.poll(c, over)
	case inDataExchange:
		if f.Kind == Status {
			return reply(f.Code), true
		}
		return r.exchange(c), true
	case inCommunicateThru:
		return r.through(c), true
	case diagnose:
		return r.diagnose(c), true
	case rfConfiguration:
		return r.configureRF(c), true
	case inDeselect, inRelease:
		r.release(c)
		return reply(ok), true
	}
	return r.chip.housekeep(c), true
}

// housekeep does what needs no field.
func (p *chip) housekeep(c command) *[]byte {
	switch {
	case c.code == getFirmwareVersion:
		return reply(0x32, 0x01, 0x06, 0x07) // PN532 1.6; types A and B, ISO/IEC 18092
	case c.code == getGeneralStatus:
		b := []byte{ok, 0x00, byte(len(p.active))}
		for _, t := range p.active {
			b = append(b, t.number, 0x00, 0x00, 0x00)
		}
		return reply(append(b, 0x00)...)
	case c.code == readRegister && len(c.data) > 0 && len(c.data)%2 == 0:
		var b []byte
		for at := range slices.Chunk(c.data, 2) {
			b = append(b, p.registers[[2]byte(at)])
		}
		return reply(b...)
	case c.code == writeRegister && len(c.data) > 0 && len(c.data)%3 == 0:
		for set := range slices.Chunk(c.data, 3) {
			p.registers[[2]byte(set)] = set[2]
		}
		return reply()
	case c.code == setParameters && len(c.data) == 1:
		p.parameters = c.data[0]
		return reply()
	case c.code == samConfiguration && len(c.data) > 0 && len(c.data) <= 3 && c.data[0] >= 1 && c.data[0] <= 4:
		p.configured = true
		return reply()
	case c.code == powerDown && len(c.data) > 0:
		p.asleep, p.configured, p.active = true, false, nil
		return reply(ok)
	case c.code == setSerialBaudRate && len(c.data) == 1:
		return reply()
	case c.code == inSelect && len(c.data) == 1:
		if p.target(c.data[0]) == nil {
			return reply(noContext)
		}
		return reply(ok)
	}
	return nil
}

// target finds an active card.
func (p *chip) target(number byte) *tag {
	for _, t := range p.active {
		if t.number == number {
			return t
		}
	}
	return nil
}

// diagnose has the line test and the presence check; other tests succeed. 7.2.1.
func (r *Reader) diagnose(c command) *[]byte {
	switch {
	case len(c.data) == 0:
		return nil
	case c.data[0] == 0x00:
		return reply(c.data...)
	case c.data[0] != 0x06:
		return reply(ok)
	case len(r.chip.active) == 0:
		return reply(noContext)
	case !r.hears(r.chip.active[0]):
		return reply(noAnswer)
	}
	return reply(ok)
}

// through is InCommunicateThru: of raw frames the card knows R(NAK), by which a host asks
// whether it is still there, and gives R(ACK). 7.3.9; ISO/IEC 14443-4, 7.5.5.
func (r *Reader) through(c command) *[]byte {
	here := len(r.chip.active) > 0 && r.chip.active[0].isoDEP() && r.hears(r.chip.active[0])
	if here && len(c.data) == 1 && c.data[0]&0xFE == 0xB2 {
		return reply(ok, c.data[0]&0x01|0xA2)
	}
	return reply(noAnswer)
}

// hears tells whether a card that was activated still answers.
func (r *Reader) hears(t *tag) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !t.gone && !t.mute
}

// configureRF takes note of the field and of the retries. 7.3.1.
func (r *Reader) configureRF(c command) *[]byte {
	switch {
	case len(c.data) == 0:
		return nil
	case c.data[0] == 0x01 && len(c.data) == 2 && c.data[1]&0x01 == 0:
		r.chip.active, r.chip.rest, r.chip.chain = nil, nil, nil
		r.tell(FieldOff)
	case c.data[0] == 0x05 && len(c.data) == 4:
		r.chip.retries = c.data[3]
	}
	return reply()
}

func (r *Reader) release(c command) {
	p := &r.chip
	p.rest, p.chain = nil, nil
	p.active = slices.DeleteFunc(p.active, func(t *tag) bool {
		return len(c.data) == 0 || c.data[0] == 0 || c.data[0] == t.number
	})
}

// list is InListPassiveTarget. 7.3.5.
func (r *Reader) list(c command, over bool) (*[]byte, bool) {
	if len(c.data) < 2 || c.data[0] < 1 || c.data[0] > MaxTags || c.data[1] > 0x04 {
		return nil, true
	}
	r.release(command{})
	types := map[byte]Type{0x00: TypeA, 0x03: TypeB}
	kind, known := types[c.data[1]]
	for _, t := range r.inField() {
		wanted := len(c.data) == 2 || kind == TypeB || bytes.HasSuffix(c.data[2:], t.UID)
		if known && t.Type == kind && wanted && len(r.chip.active) < int(c.data[0]) {
			r.activate(t)
		}
	}
	b := []byte{byte(len(r.chip.active))}
	for _, t := range r.chip.active {
		b = append(b, t.describe(t.number, r.chip.parameters&automaticATS != 0)...)
	}
	if len(r.chip.active) == 0 && r.chip.retries == forever && !over {
		r.chip.pending, r.chip.until = &c, time.Time{}
		return nil, false
	}
	r.chip.pending = nil
	return &b, true
}

func (r *Reader) inField() []*tag {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tags)
}

// activate makes a card the next target.
func (r *Reader) activate(t *tag) {
	t.Chip.Reset()
	r.mu.Lock()
	t.mute = false
	gone := t.gone
	r.mu.Unlock()
	if gone {
		return
	}
	r.chip.active = append(r.chip.active, t)
	t.number = byte(len(r.chip.active))
	r.tell(Activated)
}

// poll is InAutoPoll. 7.3.13. Of each target it tells the type, and the length of what
// follows.
func (r *Reader) poll(c command, over bool) (*[]byte, bool) {
	if len(c.data) < 3 || c.data[0] == 0 || c.data[1] == 0 {
		return nil, true
	}
	r.release(command{})
	b := []byte{0}
	for _, t := range r.inField() {
		kind, wanted := pollType(t.Tag, c.data[2:])
		if !wanted || len(r.chip.active) == MaxTags {
			continue
		}
		before := len(r.chip.active)
		if r.activate(t); len(r.chip.active) == before {
			continue
		}
		d := t.describe(t.number, true)
		b[0]++
		b = append(append(b, kind, byte(len(d))), d...)
	}
	if b[0] > 0 || over {
		r.chip.pending = nil
		return &b, true
	}
	if r.chip.pending == nil {
		r.chip.until = time.Time{}
		if c.data[0] != forever {
			rounds := time.Duration(c.data[0]) * time.Duration(c.data[1]) * time.Duration(len(c.data)-2)
			r.chip.until = time.Now().Add(rounds * pollPeriod)
		}
		r.chip.pending = &c
	}
	return nil, false
}

// pollType tells as what a card is reported to a poll for those types.
func pollType(t Tag, wanted []byte) (byte, bool) {
	kinds := []byte{0x10, 0x00} // MIFARE, or any of type A
	switch {
	case t.Type == TypeB:
		kinds = []byte{0x23, 0x03}
	case t.isoDEP():
		kinds = []byte{0x20, 0x00}
	}
	for _, k := range kinds {
		if bytes.IndexByte(wanted, k) >= 0 {
			return kinds[0], true
		}
	}
	return 0, false
}

// exchange is InDataExchange. 7.3.8.
func (r *Reader) exchange(c command) *[]byte {
	if len(c.data) == 0 {
		return nil
	}
	p := &r.chip
	number, block := c.data[0], c.data[1:]
	t := p.target(number &^ moreInfo)
	switch {
	case t == nil:
		return reply(noContext)
	case !r.hears(t), !t.isoDEP():
		return reply(noAnswer)
	case len(p.chain)+len(block) > maxChain:
		p.chain = nil
		return reply(overflow)
	case number&moreInfo != 0:
		p.chain, p.rest = append(p.chain, block...), nil
		return reply(ok)
	case len(block) == 0 && len(p.rest) > 0:
		return p.part(r.config.BlockSize)
	}
	command := append(p.chain, block...)
	p.chain, p.rest = nil, nil
	response := t.Chip.Exchange(command)
	if response == nil {
		r.mu.Lock()
		t.mute = true
		r.mu.Unlock()
	}
	if !r.hears(t) {
		return reply(noAnswer)
	}
	p.rest = response
	return p.part(r.config.BlockSize)
}

// part gives the next block of an answer.
func (p *chip) part(size int) *[]byte {
	n := min(size, len(p.rest))
	status := byte(ok)
	if n < len(p.rest) {
		status = moreInfo
	}
	b := append([]byte{status}, p.rest[:n]...)
	p.rest = p.rest[n:]
	return &b
}
