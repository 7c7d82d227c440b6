package t1

// FaultKind is a way to misbehave.
type FaultKind uint8

const (
	Behave     FaultKind = iota
	Deaf                 // a block is not heard, and nothing is said
	Silent               // a block is heard and obeyed, and nothing is said
	BadCheck             // the answer's check is wrong
	Short                // the answer's last byte is lost
	WrongNAD             // the answer has an address in it
	Reserved             // the answer has a control byte that no block has
	WrongNS              // an I-block has the number of the one before it
	Repeat               // R-block that asks for the terminal's block again, whatever it is
	KeepNR               // R-block that has had the terminal's block, and no answer to it
	Chatter              // S-block with an answer that nobody asked for
	Empty                // I-blocks without information, each says that there is more
	TooLong              // I-block with more than the terminal takes
	Waiting              // S(WTX request) before each answer, with Value
	Resize               // S(IFS request) before each answer, with Value
	Aborting             // S(ABORT request) in place of an answer
	Resynching           // S(RESYNCH request), which only a terminal may send
	BadIFS               // S(IFS response) with another size
	NoResynch            // no answer to S(RESYNCH request)
)

// Fault is misbehaviour. Skip is how many blocks to the card pass before it begins. Times
// is how often it strikes, 0 for ever; of Waiting and Resize, how many requests go before
// each answer (0 is for ever). Value is that of the S-block.
type Fault struct {
	Kind        FaultKind
	Skip, Times int
	Value       byte
}

// Misbehave does so until it is told otherwise; the zero Fault behaves.
func (c *Card) Misbehave(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault, c.rounds = f, 0
}

// strike uses up one of the times of the fault, if it is one of these kinds.
func (c *Card) strike(kinds ...FaultKind) bool {
	for _, k := range kinds {
		if c.fault.Kind != k {
			continue
		}
		if c.fault.Times == 1 {
			c.fault = Fault{}
		} else if c.fault.Times > 1 {
			c.fault.Times--
		}
		return true
	}
	return false
}

// misbehave is what goes wrong in place of hearing a block.
func (c *Card) misbehave(block []byte) (answer []byte, done bool) {
	pcb, inf, _ := c.open(block)
	switch kind := c.fault.Kind; {
	case kind == NoResynch && pcb == resynch, kind == Deaf:
		return nil, c.strike(kind)
	case pcb&0xC0 == kindS:
		return nil, false
	case kind == Repeat && pcb&0x80 == 0 && c.strike(Repeat):
		return c.seal(kindR|pcb>>2&0x10, nil), true
	case kind == Repeat && c.strike(Repeat):
		return c.seal(kindR|c.nr<<4, nil), true
	case kind == KeepNR && pcb&0x80 == 0 && c.strike(KeepNR):
		return c.seal(kindR|(pcb>>2&0x10^0x10), nil), true
	case kind == KeepNR && c.strike(KeepNR):
		return c.seal(kindR|(c.nr^1)<<4, nil), true
	case kind == Empty && c.strike(Empty):
		c.ns ^= 1
		return c.seal((c.ns^1)<<6|moreBit, nil), true
	case kind == TooLong && len(inf) > 0 && c.strike(TooLong):
		return c.seal(c.ns<<6, make([]byte, 255)), true
	case kind == Aborting && c.strike(Aborting):
		c.in, c.out = nil, nil
		return c.ask(abort, nil, nil), true
	case kind == Resynching && c.strike(Resynching):
		return c.seal(resynch, nil), true
	case kind == Chatter && c.strike(Chatter):
		return c.seal(wtx|response, []byte{1}), true
	}
	return nil, false
}

// beforeAnswer puts the requests that the fault wants before an answer.
func (c *Card) beforeAnswer(answer []byte) []byte {
	pcb := byte(wtx)
	switch c.fault.Kind {
	case Waiting:
	case Resize:
		pcb = ifs
	default:
		return c.say(answer)
	}
	if c.fault.Times > 0 && c.rounds == c.fault.Times {
		c.rounds = 0
		return c.say(answer)
	}
	c.rounds++
	if pcb == ifs && c.fault.Value > 0 && c.fault.Value <= maxIFS {
		c.ifsc = int(c.fault.Value)
	}
	return c.ask(pcb, []byte{c.fault.Value}, answer)
}

// spoil is what goes wrong on the way back.
func (c *Card) spoil(answer []byte) []byte {
	if len(answer) < 4 {
		return answer
	}
	b := append([]byte(nil), answer...)
	switch {
	case c.strike(Silent):
		return nil
	case c.strike(BadCheck):
		b[len(b)-1] ^= 0x5A
	case c.strike(Short):
		b = b[:len(b)-1]
	case c.strike(Reserved):
		return c.seal(0xBF, nil)
	case b[1]&0x80 == 0 && c.strike(WrongNS):
		return c.seal(b[1]^0x40, b[3:3+int(b[2])])
	case b[1] == ifs|response && c.strike(BadIFS):
		return c.seal(b[1], []byte{b[3] - 1})
	case c.strike(WrongNAD):
		b[0] ^= 0x21
		if !c.crc {
			b[len(b)-1] ^= 0x21
		}
	}
	return b
}
