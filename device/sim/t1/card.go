package t1

import (
	"errors"
	"fmt"
	"sync"
)

// Application answers commands. One goroutine calls it at a time.
type Application interface {
	// Reset begins a session.
	Reset()
	// Exchange takes a command APDU and returns data and status word; nil is a card that
	// dies, and says nothing until it is reset.
	Exchange(command []byte) []byte
}

// Config is a card. Application is required.
type Config struct {
	Application Application
	// ATR is the answer to reset, 2 to 33 bytes; without it one is made of what follows.
	ATR []byte
	// IFSC is the most bytes of information in a block to the card, 254.
	IFSC int
	// BWI and CWI are the waiting integers, 4 and 5 if both are zero.
	BWI, CWI int
	// CRC ends blocks in a CRC, not an LRC.
	CRC bool
	// Historical are at most 15 bytes.
	Historical []byte
}

// Limits of what the terminal may send.
const (
	maxCommand = 261
	maxIFS     = 254
	firstIFSD  = 32 // until the terminal says S(IFS request)
)

// Card is a card at T=1. Its methods may be called from any goroutine.
type Card struct {
	app  Application
	atr  []byte
	most int // IFSC as the answer to reset says
	crc  bool

	mu     sync.Mutex
	ifsc   int // of now
	fault  Fault
	dead   bool
	ifsd   int
	ns     byte   // N(S) of the next I-block to the terminal
	nr     byte   // N(S) that the terminal's next I-block must have
	in     []byte // of the command, so far
	out    []byte // of the response, not yet sent
	last   []byte // sent last
	lastI  []byte // I-block sent last
	asked  []byte // S-block that waits for its response, or nil
	after  []byte // what is said after that response
	rounds int    // of requests before the answer that waits
	counts Counts
}

// Counts are what a card has seen since it was made.
type Counts struct {
	Commands int // whole commands that reached the application
	Blocks   int // blocks that came in
	Damaged  int // of them, with a wrong length or check
	Resynchs int
}

// New makes a card; it has to be reset before it speaks.
func New(c Config) (*Card, error) {
	if c.Application == nil {
		return nil, errors.New("sim/t1: new card: Application is missing")
	}
	if c.IFSC == 0 {
		c.IFSC = maxIFS
	}
	if c.BWI == 0 && c.CWI == 0 {
		c.BWI, c.CWI = 4, 5
	}
	if c.IFSC < 1 || c.IFSC > maxIFS || c.BWI < 0 || c.BWI > 9 || c.CWI < 0 || c.CWI > 15 || len(c.Historical) > 15 {
		return nil, fmt.Errorf("sim/t1: new card: IFSC %d, BWI %d, CWI %d or %d historical bytes out of range", c.IFSC, c.BWI, c.CWI, len(c.Historical))
	}
	card := &Card{app: c.Application, atr: c.ATR, most: c.IFSC, crc: c.CRC, dead: true}
	if c.ATR == nil {
		card.atr = answerToReset(c)
		return card, nil
	}
	var err error
	if card.most, card.crc, err = readATR(c.ATR); err != nil {
		return nil, fmt.Errorf("sim/t1: new card: %w", err)
	}
	return card, nil
}

// Counts returns the counts of now.
func (c *Card) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Reset resets the card and returns its answer to reset.
func (c *Card) Reset() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = false
	c.begin()
	c.app.Reset()
	return append([]byte(nil), c.atr...)
}

// begin is the state after reset and after resynchronisation.
func (c *Card) begin() {
	c.ifsc, c.ifsd, c.ns, c.nr = c.most, firstIFSD, 0, 0
	c.in, c.out, c.last, c.lastI, c.asked, c.after = nil, nil, nil, nil, nil, nil
}

// Transmit takes one block and returns the card's next; nil is silence.
func (c *Card) Transmit(block []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Blocks++
	if c.dead {
		return nil
	}
	if f := c.fault; f.Skip > 0 { // not yet
		f.Skip--
		c.fault = Fault{}
		defer func() { c.fault = f }()
	}
	answer, done := c.misbehave(block)
	if !done {
		answer = c.spoil(c.hear(block))
	}
	return answer
}

// hear is how a card that behaves takes a block.
func (c *Card) hear(block []byte) []byte {
	pcb, inf, ok := c.open(block)
	switch {
	case !ok || len(inf) > c.ifsc:
		c.counts.Damaged++
		return c.damaged()
	case pcb&0x80 == 0:
		return c.information(pcb, inf)
	case pcb&0xC0 == kindR:
		return c.acknowledged(pcb)
	case pcb&response == 0:
		return c.asks(pcb, inf)
	}
	return c.answered(pcb, inf)
}

// damaged asks for the block again; a card that waits for the response to a request of
// its own asks that again. ISO/IEC 7816-3, 11.6.2.3 (rules 7.1 to 7.3).
func (c *Card) damaged() []byte {
	if c.asked != nil {
		return c.asked
	}
	return c.say(c.seal(kindR|c.nr<<4|checkError, nil))
}

func (c *Card) say(b []byte) []byte {
	c.last = b
	return b
}

func (c *Card) information(pcb byte, inf []byte) []byte {
	if pcb>>6&1 != c.nr || pcb&0x1F != 0 || c.asked != nil {
		return c.say(c.seal(kindR|c.nr<<4|otherError, nil))
	}
	c.nr ^= 1
	c.in = append(c.in, inf...)
	switch {
	case len(c.in) > maxCommand:
		c.in = nil
		return c.ask(abort, nil, nil)
	case pcb&moreBit != 0:
		return c.say(c.seal(kindR|c.nr<<4, nil))
	}
	return c.execute()
}

func (c *Card) execute() []byte {
	command := c.in
	c.in = nil
	c.counts.Commands++
	if c.out = c.app.Exchange(command); c.out == nil {
		c.dead = true
		return nil
	}
	return c.beforeAnswer(c.chunk())
}

// chunk is the next I-block of the response.
func (c *Card) chunk() []byte {
	n := min(len(c.out), c.ifsd)
	pcb := c.ns << 6
	if n < len(c.out) {
		pcb |= moreBit
	}
	b := c.seal(pcb, c.out[:n])
	c.out = c.out[n:]
	c.ns ^= 1
	c.lastI = b
	return c.say(b)
}

// acknowledged takes an R-block: the next block of the chain, or the last thing again.
func (c *Card) acknowledged(pcb byte) []byte {
	switch nr := pcb >> 4 & 1; {
	case c.asked != nil:
		return c.asked
	case nr == c.ns && len(c.out) > 0:
		return c.chunk()
	case nr != c.ns && c.lastI != nil:
		return c.say(c.lastI)
	case c.last != nil:
		return c.last
	}
	return c.say(c.seal(kindR|c.nr<<4, nil))
}

// asks takes a request of the terminal.
func (c *Card) asks(pcb byte, inf []byte) []byte {
	switch {
	case pcb == resynch && len(inf) == 0:
		c.counts.Resynchs++
		c.begin()
	case pcb == ifs && len(inf) == 1 && inf[0] > 0 && inf[0] <= maxIFS:
		c.ifsd = int(inf[0])
	case pcb == abort && len(inf) == 0:
		c.in, c.out = nil, nil
	default:
		return c.say(c.seal(kindR|c.nr<<4|otherError, nil))
	}
	return c.say(c.seal(pcb|response, inf))
}

// ask sends a request of the card; after is what it says when the response has come.
func (c *Card) ask(pcb byte, inf, after []byte) []byte {
	c.asked, c.after = c.seal(pcb, inf), after
	return c.say(c.asked)
}

// answered takes the response to a request of the card.
func (c *Card) answered(pcb byte, inf []byte) []byte {
	if c.asked == nil || string(c.seal(pcb&^response, inf)) != string(c.asked) {
		return c.damaged()
	}
	after := c.after
	c.asked, c.after = nil, nil
	if after == nil { // the chain was aborted: the terminal may begin anew
		return c.say(c.seal(kindR|c.nr<<4, nil))
	}
	return c.beforeAnswer(after)
}
