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
	badParameter = 0x0A // offset of the first data byte
	mute         = 0xFE
)

// execute does what a command says and returns the frame of its answer.
func (r *Reader) execute(c command, f Fault) []byte {
	if c.slot != 0 {
		return answer(slotStatus, c.slot, c.seq, failed|absent, noSuchSlot, 0, nil)
	}
	switch c.kind {
	case iccPowerOn:
		return r.powerOn(c, f.Kind == PowerUpFails)
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

func (r *Reader) powerOn(c command, fails bool) []byte {
	card, _, insertion := r.look()
	if card == nil {
		return r.fail(dataBlock, c, mute)
	}
	var atr []byte
	if !fails {
		atr = card.Reset()
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

func (r *Reader) transfer(c command) []byte {
	card, powered, insertion := r.look()
	if card == nil || !powered {
		return r.fail(dataBlock, c, mute)
	}
	response := card.Transmit(slices.Clone(c.data))
	_, powered, now := r.look()
	switch {
	case response == nil, !powered, now != insertion:
		return r.fail(dataBlock, c, mute)
	case len(response) > maxData:
		return r.fail(dataBlock, c, 0xFC) // overrun
	}
	return r.reply(dataBlock, c, response)
}

func (r *Reader) setParameters(c command) []byte {
	if c.kind == setParameters {
		if len(c.data) != 5 || c.params[0] != 0 {
			return r.fail(parameters, c, badParameter)
		}
		r.mu.Lock()
		copy(r.parameters[:], c.data)
		r.mu.Unlock()
	}
	r.mu.Lock()
	p := r.parameters
	r.mu.Unlock()
	return r.reply(parameters, c, p[:])
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
