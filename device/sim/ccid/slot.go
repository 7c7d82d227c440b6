package ccid

import "slices"

// Slot status and errors. USB CCID 1.1, 6.2.6.
const (
	active   = 0x00
	inactive = 0x01
	absent   = 0x02
	failed   = 0x40

	unsupported  = 0x00
	noSuchSlot   = 0x05
	badProtocol  = 0x07 // offset of bProtocolNum
	badParameter = 0x0A // offset of the first data byte
	notThisWay   = 0xF6 // ICC_PROTOCOL_NOT_SUPPORTED
	mute         = 0xFE
)

// execute does what a command says and returns the frame of its answer.
func (r *Reader) execute(c command, f Fault) []byte {
	if c.slot != 0 {
		return answer(slotStatus, c.slot, c.seq, failed|absent, noSuchSlot, 0, nil)
	}
	switch c.kind {
	case iccPowerOn:
		return r.powerOn(c, f.Kind)
	case iccPowerOff:
		return r.powerOff(c)
	case getSlotStatus:
		return r.reply(slotStatus, c, nil)
	case xfrBlock:
		return r.transfer(c)
	case getParameters, setParameters:
		return r.setParameters(c)
	case escape:
		return r.escape(c)
	}
	return r.fail(slotStatus, c, unsupported)
}

// reply is an answer that all went well.
func (r *Reader) reply(kind byte, c command, data []byte) []byte {
	return answer(kind, 0, c.seq, r.state(), 0, 0, data)
}

func (r *Reader) fail(kind byte, c command, code byte) []byte {
	return answer(kind, 0, c.seq, failed|r.state(), code, 0, nil)
}

func (r *Reader) state() byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.card == nil:
		return absent
	case !r.powered:
		return inactive
	}
	return active
}

// look returns what is in the slot now, and which insertion that is.
func (r *Reader) look() (card Card, powered bool, insertion int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.card, r.powered, r.insertion
}

// setPower changes the power if the same card is still there.
func (r *Reader) setPower(on bool, insertion int) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.card == nil || r.insertion != insertion {
		return false
	}
	changed = r.powered != on
	r.powered = on
	return changed
}

func (r *Reader) powerOn(c command, fault FaultKind) []byte {
	card, _, insertion := r.look()
	if card == nil {
		return r.fail(dataBlock, c, mute)
	}
	var atr []byte
	if fault != PowerUpFails {
		atr = card.Reset()
	}
	r.speak(atr)
	if fault == PowerUpGarbled && len(atr) > 0 {
		atr = append([]byte{^atr[0]}, atr[1:]...)
	}
	if atr == nil {
		r.setPower(false, insertion)
		return r.fail(dataBlock, c, mute)
	}
	r.setPower(true, insertion)
	if _, powered, now := r.look(); !powered || now != insertion {
		return r.fail(dataBlock, c, mute) // pulled meanwhile
	}
	r.tell(Event{Kind: PoweredOn, Power: c.params[0]})
	return r.reply(dataBlock, c, atr)
}

func (r *Reader) powerOff(c command) []byte {
	_, _, insertion := r.look()
	if r.setPower(false, insertion) {
		r.tell(Event{Kind: PoweredOff})
	}
	return r.reply(slotStatus, c, nil)
}

// spoken tells whether this is the first thing that the card hears, and whether it and the
// host agree on the protocol.
func (r *Reader) spoken() (fresh, agreed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh, r.fresh = r.fresh, false
	return fresh, r.set == r.protocol
}

// isPPS tells a protocol and parameters selection, which the card itself answers by
// repeating it. ISO/IEC 7816-3, 9.
func isPPS(b []byte) bool { return len(b) >= 3 && len(b) <= 6 && b[0] == 0xFF && check(b) == 0 }

func (r *Reader) transfer(c command) []byte {
	card, powered, insertion := r.look()
	if card == nil || !powered {
		return r.fail(dataBlock, c, mute)
	}
	var response []byte
	switch fresh, agreed := r.spoken(); {
	case fresh && isPPS(c.data):
		if c.data[1]&0x0F == r.protocol {
			response = c.data
		}
	case !agreed:
		return r.fail(dataBlock, c, notThisWay)
	default:
		response = card.Transmit(slices.Clone(c.data))
	}
	_, powered, now := r.look()
	switch {
	case response == nil, !powered, now != insertion:
		return r.fail(dataBlock, c, mute)
	case len(response) > maxData:
		return r.fail(dataBlock, c, 0xFC) // overrun
	}
	return r.reply(dataBlock, c, response)
}

// speak has the reader at the protocol that it comes to by itself: a SEC1210 reads that in
// the answer to reset, a GemPC begins with T=0 and has to be told.
func (r *Reader) speak(atr []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.protocol, r.fresh = protocolOf(atr), true
	r.set, r.parameters = 0, []byte{0x11, 0x00, 0x00, 0x0A, 0x00}
	if r.config.Profile == SEC1210 && r.protocol == 1 {
		r.set, r.parameters = 1, []byte{0x11, 0x10, 0x00, 0x4D, 0x00, 0x20, 0x00}
	}
}

// setParameters sets, and gives back, the structure of T=0 or T=1. USB CCID 1.1, 6.1.7.
func (r *Reader) setParameters(c command) []byte {
	r.mu.Lock()
	if c.kind == setParameters {
		refused := byte(0)
		switch {
		case c.params[0] > 1, c.params[0] != r.protocol && r.powered:
			refused = badProtocol
		case len(c.data) != 5+2*int(c.params[0]):
			refused = badParameter
		default:
			r.set, r.parameters = c.params[0], slices.Clone(c.data)
		}
		if refused != 0 {
			r.mu.Unlock()
			return r.fail(parameters, c, refused)
		}
	}
	p, set := r.parameters, r.set
	r.mu.Unlock()
	return answer(parameters, 0, c.seq, r.state(), 0, set, p)
}

// escape knows what libccid sends to these readers: 02 (GemPC) and 06 (SEC1210) ask
// for the firmware's name, 01 01 01 holds notifications until the next command.
func (r *Reader) escape(c command) []byte {
	name := byte(0x02)
	if r.config.Profile == SEC1210 {
		name = 0x06
	}
	switch {
	case len(c.data) == 1 && c.data[0] == name:
		return r.reply(escaped, c, []byte("posd-sim-reader 1.0"))
	case slices.Equal(c.data, []byte{1, 1, 1}):
		r.mu.Lock()
		r.held = true
		r.mu.Unlock()
		return r.reply(escaped, c, nil)
	}
	return r.fail(escaped, c, badParameter)
}
