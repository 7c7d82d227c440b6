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
	t0        bool // the card is bound to T=0, or offers it first
	generated int  // GENERATE AC since the card was inserted
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
	s.powered, s.t0 = true, offersT0(atr)
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
	answer := p.ask(s, apdu)
	switch {
	case answer != nil:
		return answer, stOK
	case s == &p.antenna:
		s.powered = false
		return nil, stAntennaError
	}
	return nil, stDumbCard
}

// ask takes an APDU to the card as the slot does: by a TPDU in the chip slot with T=0.
func (p *Pad) ask(s *socket, apdu []byte) []byte {
	card, speaks := s.card.(TPDUs)
	if s != &p.chip || !s.t0 || !speaks {
		return s.card.Exchange(apdu)
	}
	switch n := len(apdu); {
	case n == 4: // case 1
		apdu = append(append([]byte(nil), apdu...), 0)
	case n > 5 && n == 6+int(apdu[4]): // case 4: Le waits for GET RESPONSE
		apdu = apdu[:n-1]
	}
	return card.Transmit(append([]byte(nil), apdu...))
}

// offersT0 tells whether the first protocol of an answer to reset is T=0: that of TD1, and T=0
// where there is none. ISO/IEC 7816-3, 8.2.3.
func offersT0(atr []byte) bool {
	if len(atr) < 2 || atr[1]&0x80 == 0 {
		return true
	}
	at := 1
	for bit := byte(0x10); bit != 0; bit <<= 1 {
		if atr[1]&bit != 0 {
			at++
		}
	}
	return at < len(atr) && atr[at]&0x0F == 0
}
