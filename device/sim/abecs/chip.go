package abecs

import (
	"encoding/hex"
	"fmt"
	"strconv"
)

// socket is the chip slot, or the antenna.
type socket struct {
	card      Card
	several   bool // cards at the antenna
	powered   bool
	generated int // GENERATE AC since the card was inserted
}

// insGenerateAC is counted: a third one is taken for an attack. Abecs 2.20, 6.3.5.
const (
	insGenerateAC = 0xAE
	maxGenerateAC = 2
)

// chp is slot, operation, length, APDU.
func (p *Pad) chp(blocks []string) {
	if len(blocks) != 1 || len(blocks[0]) < 5 {
		p.respond("CHP", stInvalid)
		return
	}
	b := blocks[0]
	n, err := strconv.Atoi(b[2:5])
	if err != nil || len(b) < 5+2*n {
		p.respond("CHP", stInvalid)
		return
	}
	apdu, err := hex.DecodeString(b[5 : 5+2*n])
	s := p.socketOf(b[0])
	if err != nil || s == nil {
		p.respond("CHP", stInvalid)
		return
	}
	answer, status := p.operate(s, b[1], apdu)
	if status != stOK {
		p.respond("CHP", status)
		return
	}
	p.respond("CHP", stOK, fmt.Sprintf("%03d%X", len(answer), answer))
}

func (p *Pad) socketOf(slot byte) *socket {
	switch {
	case slot == '0':
		return &p.chip
	case slot == '9' && !p.config.NoAntenna:
		return &p.antenna
	}
	return nil
}

func (p *Pad) operate(s *socket, operation byte, apdu []byte) (answer []byte, status int) {
	switch operation {
	case '0':
		s.powered = false
		return nil, stOK
	case '1':
		return p.powerOn(s)
	case '2':
		return p.exchange(s, apdu)
	}
	return nil, stInvalid
}

func (p *Pad) powerOn(s *socket) ([]byte, int) {
	s.powered = false
	switch {
	case s.card == nil:
		return nil, stNoCard
	case s.several:
		return nil, stSeveral
	}
	atr := s.card.Reset()
	if atr == nil && s == &p.antenna {
		return nil, stAntennaError
	}
	if atr == nil {
		return nil, stDumbCard
	}
	s.powered = true
	return atr, stOK
}

func (p *Pad) exchange(s *socket, apdu []byte) ([]byte, int) {
	switch {
	case s.card == nil:
		s.powered = false
		return nil, stNoCard
	case !s.powered:
		return nil, stCardError
	case len(apdu) < 4:
		return nil, stInvalid
	}
	if s == &p.chip && apdu[1] == insGenerateAC {
		if s.generated == maxGenerateAC {
			return nil, stSecurity
		}
		s.generated++
	}
	answer := s.card.Exchange(apdu)
	switch {
	case answer != nil:
		return answer, stOK
	case s == &p.antenna:
		s.powered = false
		return nil, stAntennaError
	}
	return nil, stDumbCard
}
