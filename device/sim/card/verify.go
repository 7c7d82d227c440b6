package card

import (
	"bytes"
	"crypto/subtle"

	"posd/emv/apdu"
)

// verify is VERIFY with an offline PIN, in plain or enciphered. EMV 4.4 Book 3, 6.5.12;
// Book 2, 7.
func (c *Card) verify(cmd apdu.Command) ([]byte, apdu.SW) {
	a := c.selected
	switch {
	case cmd.P1 != 0 || cmd.P2 != apdu.PlaintextPIN && cmd.P2 != apdu.EncipheredPIN:
		return nil, swWrongP1P2
	case a == nil || c.session.phase != initiated || c.profile.PIN == "":
		return nil, swConditions
	case c.pinTries == 0:
		return nil, swPINBlocked
	}
	block := cmd.Data
	if cmd.P2 == apdu.EncipheredPIN {
		var ok bool
		if block, ok = c.decipherPIN(a, cmd.Data); !ok {
			return nil, swConditions
		}
	}
	if len(block) != 8 {
		return nil, swWrongLength
	}
	return nil, c.comparePIN(block)
}

func (c *Card) comparePIN(block []byte) apdu.SW {
	want := pinBlock(c.profile.PIN)
	c.session.pinDone = true
	c.session.pinOK = subtle.ConstantTimeCompare(block, want[:]) == 1
	if c.session.pinOK {
		c.pinTries = c.profile.PINTries
		return apdu.OK
	}
	if c.pinTries--; c.pinTries == 0 {
		return swPINBlocked
	}
	return swTriesLeft | apdu.SW(c.pinTries)
}

// decipherPIN opens the RSA envelope: 7F, PIN block, the challenge, random padding.
// The challenge counts once. Any fault is the same answer.
func (c *Card) decipherPIN(a *state, data []byte) ([]byte, bool) {
	challenge := c.challenge
	c.challenge = nil
	if challenge == nil || a.ICCKey == nil || len(data) != a.ICCKey.Size() || bytes.Compare(data, a.ICCKey.Modulus()) >= 0 {
		return nil, false
	}
	clear := a.ICCKey.apply(data)
	if clear[0] != 0x7F || !bytes.Equal(clear[9:17], challenge) {
		return nil, false
	}
	return clear[1:9], true
}

// pinBlock is the block of VERIFY: 2, number of digits, digits, filler F.
// EMV 4.4 Book 3, 6.5.12.
func pinBlock(pin string) [8]byte {
	var block [8]byte
	block[0] = 0x20 | byte(len(pin))
	copy(block[1:], packDigits(pin, 7))
	return block
}
