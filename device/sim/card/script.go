package card

import (
	"crypto/subtle"

	"posd/emv/apdu"
)

// Instructions of issuer scripts. EMV 4.4 Book 3, 6.5.
const (
	insCardBlock          = 0x16
	insApplicationUnblock = 0x18
	insApplicationBlock   = 0x1E
	insPINChange          = 0x24
)

const (
	shortestMAC = 4
	longestMAC  = 8
)

// script is an issuer script command with secure messaging (class 84): data, then a
// MAC of 4 to 8 bytes. Without imk-mac in the card's file any MAC of that length is
// taken. PIN CHANGE/UNBLOCK only unblocks.
func (c *Card) script(cmd apdu.Command) ([]byte, apdu.SW) {
	a := c.selected
	switch {
	case a == nil || c.session.phase != online && c.session.phase != finished:
		return nil, swConditions
	case cmd.P1 != 0 || cmd.P2 > 2:
		return nil, swWrongP1P2
	}
	a.scripts++
	sw := c.runScript(a, cmd)
	a.scriptFailed = a.scriptFailed || sw != apdu.OK
	return nil, sw
}

func (c *Card) runScript(a *state, cmd apdu.Command) apdu.SW {
	if n := len(cmd.Data); n < shortestMAC || n > longestMAC {
		return swWrongLength
	}
	if a.IMKMAC != [16]byte{} && !c.checkMAC(a, cmd) {
		return swMACWrong
	}
	switch cmd.INS {
	case insCardBlock:
		c.blocked = true
	case insApplicationBlock:
		a.blocked = true
	case insApplicationUnblock:
		a.blocked = false
	case insPINChange:
		c.pinTries = c.profile.PINTries
	}
	return apdu.OK
}

// checkMAC compares the MAC over header, ATC and first cryptogram; none of the four
// commands has other data. EMV 4.4 Book 2, 9.2.
func (c *Card) checkMAC(a *state, cmd apdu.Command) bool {
	header := []byte{cmd.CLA, cmd.INS, cmd.P1, cmd.P2, byte(len(cmd.Data))}
	want := a.scriptMAC(c.session.firstAC, header)
	return subtle.ConstantTimeCompare(want[:len(cmd.Data)], cmd.Data) == 1
}
