package card

import (
	"errors"
	"io"
	"slices"
	"sync"

	"posd/emv/apdu"
)

// Card is a virtual card: what its profile says, and what happened to it since it was
// made. Its methods may be called by any goroutine; a session is one after the other.
type Card struct {
	profile *Profile
	rand    io.Reader

	mu       sync.Mutex
	apps     []*state
	pinTries int
	blocked  bool // CARD BLOCK

	// Since the last reset.
	mute      bool
	selected  *state // nil: nothing, or the payment system environment
	pse       bool
	found     []*state // what the last SELECT matches, for its next occurrence
	foundName []byte
	foundNext int
	session   session
	challenge []byte
	counts    map[string]int // commands by name
	pending   []byte         // for GET RESPONSE
	held      held           // the answer behind a 6Cxx
}

// held is an answer that waits for the same command with the right length.
type held struct {
	header [4]byte
	answer []byte
}

// New makes a card with full PIN tries that has never paid. rand feeds GET CHALLENGE
// and the ICC dynamic number; a source that fails makes the card answer 6F00.
func New(p *Profile, rand io.Reader) (*Card, error) {
	if p == nil || len(p.Applications) == 0 {
		return nil, errors.New("card: new card: profile has no application")
	}
	if rand == nil {
		return nil, errors.New("card: new card: Rand is missing")
	}
	c := &Card{profile: p, rand: rand, pinTries: p.PINTries}
	for _, a := range p.Applications {
		c.apps = append(c.apps, &state{Application: a})
	}
	return c, nil
}

// Profile returns what the card was made of.
func (c *Card) Profile() *Profile { return c.profile }

// ATC returns the transaction counter of the first application: the number of GET
// PROCESSING OPTIONS that it answered.
func (c *Card) ATC() uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apps[0].atc
}

// Blocked tells that an issuer script blocked the card or its first application.
func (c *Card) Blocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocked || c.apps[0].blocked
}

// PINTriesLeft returns tag 9F17.
func (c *Card) PINTriesLeft() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pinTries
}

// Reset is a cold reset. It returns the answer to reset, or nil for a mute card.
func (c *Card) Reset() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute, c.selected, c.pse, c.session, c.challenge = false, nil, false, session{}, nil
	c.found, c.foundName, c.foundNext = nil, nil, 0
	c.pending, c.held, c.counts = nil, held{}, map[string]int{}
	return c.misbehave("atr", slices.Clone(c.profile.ATR), 0)
}

// Transmit takes one T=0 command TPDU (five bytes of header, and the data where the
// instruction takes data) and returns data and status word as a T=0 card does: 61xx
// where an answer waits for GET RESPONSE, 6Cxx where P3 is not the length of what the
// card has. nil is a mute card. Procedure bytes are the reader's business.
// ISO/IEC 7816-3, 12.2; EMV Contact Interface Specification, T=0.
func (c *Card) Transmit(tpdu []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.mute || c.counts == nil: // or not reset yet
		return nil
	case len(tpdu) == 4: // case 1 without P3
		tpdu = append(slices.Clone(tpdu), 0)
	case len(tpdu) < 4:
		return swBytes(swWrongLength)
	}
	p3 := int(tpdu[4])
	if tpdu[1] == apdu.InsGetResponse {
		return c.getResponse(p3, len(tpdu) == 5)
	}
	row, known := instructions[tpdu[1]]
	if known && row.outgoing {
		return c.outgoing(tpdu, p3)
	}
	c.pending, c.held = nil, held{}
	if known && len(tpdu) != 5+p3 {
		return swBytes(swWrongLength)
	}
	answer := c.run(apdu.Command{CLA: tpdu[0], INS: tpdu[1], P1: tpdu[2], P2: tpdu[3], Data: tpdu[5:]})
	return c.holdBack(answer)
}

// holdBack keeps the data of an answer to a command that brought data, and says how
// many bytes there are; after a warning the terminal has to ask by itself.
func (c *Card) holdBack(answer []byte) []byte {
	n := len(answer) - 2
	if n <= 0 {
		return answer
	}
	if sw := answer[n:]; sw[0] != 0x90 {
		c.pending = append(slices.Clone(answer[:n]), swBytes(apdu.OK)...)
		return sw
	}
	c.pending = answer
	return []byte{0x61, byte(n)}
}

// outgoing runs a command that only returns data. P3 is the length asked for.
func (c *Card) outgoing(tpdu []byte, p3 int) []byte {
	c.pending = nil
	if len(tpdu) != 5 {
		return swBytes(swWrongLength)
	}
	answer := c.held.answer
	if answer == nil || c.held.header != [4]byte(tpdu[:4]) {
		answer = c.run(apdu.Command{CLA: tpdu[0], INS: tpdu[1], P1: tpdu[2], P2: tpdu[3]})
	}
	c.held = held{}
	if n := len(answer) - 2; n > 0 && n != p3 && (p3 != 0 || n != 256) {
		c.held = held{[4]byte(tpdu[:4]), answer}
		return []byte{0x6C, byte(n)}
	}
	return answer
}

func (c *Card) getResponse(p3 int, whole bool) []byte {
	if p3 == 0 {
		p3 = 256
	}
	n := len(c.pending) - 2
	switch {
	case !whole:
		return swBytes(swWrongLength)
	case n <= 0:
		return swBytes(apdu.ConditionsNotSatisfied)
	case p3 > n:
		return []byte{0x6C, byte(n)}
	case p3 < n:
		part := append(slices.Clone(c.pending[:p3]), 0x61, byte(n-p3))
		c.pending = c.pending[p3:]
		return part
	}
	answer := c.pending
	c.pending = nil
	return answer
}

// Exchange takes a whole command APDU and returns data and status word, with 61xx and
// 6Cxx dealt with: the card without a reader, for tests in one process. nil is a mute
// card.
func (c *Card) Exchange(command []byte) []byte {
	cmd, err := apdu.ParseCommand(command)
	if err != nil {
		return swBytes(swWrongLength)
	}
	tpdu := append([]byte{cmd.CLA, cmd.INS, cmd.P1, cmd.P2, byte(cmd.Ne)}, cmd.Data...)
	if len(cmd.Data) > 0 {
		tpdu[4] = byte(len(cmd.Data))
	}
	answer := c.Transmit(tpdu)
	var data, warning []byte
	for range 4 { // 61xx, 6Cxx and their answers: more is a card that goes round in circles
		n := len(answer) - 2
		switch {
		case n == 0 && answer[0] == 0x6C:
			tpdu = append(slices.Clone(tpdu[:4]), answer[1])
		case n >= 0 && answer[n] == 0x61:
			data = append(data, answer[:n]...)
			tpdu = []byte{0x00, apdu.InsGetResponse, 0x00, 0x00, answer[n+1]}
		case n == 0 && warning == nil && len(cmd.Data) > 0 && (answer[0] == 0x62 || answer[0] == 0x63):
			warning = answer
			tpdu = []byte{0x00, apdu.InsGetResponse, 0x00, 0x00, 0x00}
		case warning != nil && n <= 0:
			return warning
		case warning != nil:
			return append(append(data, answer[:n]...), warning...)
		case n < 0:
			return nil
		default:
			return append(data, answer...)
		}
		answer = c.Transmit(tpdu)
	}
	return answer
}

// misbehave applies the lines of the card's file to an answer whose last tail bytes
// are the status word.
func (c *Card) misbehave(name string, answer []byte, tail int) []byte {
	if c.counts[name]++; name != "atr" {
		c.counts["any"]++
	}
	for i := range c.profile.Misbehaviour {
		m := &c.profile.Misbehaviour[i]
		if m.Command != name && (m.Command != "any" || name == "atr") {
			continue
		}
		if m.Nth == 0 || m.Nth == c.counts[m.Command] {
			answer, c.mute = m.spoil(answer, min(tail, len(answer)))
		}
		if c.mute {
			return nil
		}
	}
	return answer
}

func swBytes(sw apdu.SW) []byte { return []byte{byte(sw >> 8), byte(sw)} }
