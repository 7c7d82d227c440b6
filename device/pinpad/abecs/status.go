package abecs

import (
	"errors"
	"fmt"

	"posd/device"
)

// errSession says that the pad does not know the session: it was started anew, or was opened
// by somebody else. The command was not done.
var errSession = errors.New("the pad has no session with us")

// stOK is the status of success. Abecs 2.20, 3.1.1.
const stOK = 0

// statuses are what the pad says, and which error that is. Abecs 2.20, 3.1.1.
var statuses = map[int]struct {
	err  error
	text string
}{
	3:  {errSession, "secure communication was not established"},
	9:  {errSession, "enciphered data cannot be read, or clear data where enciphered are due"},
	10: {device.ErrRefused, "the pad does not know the command, or something has to be done before it"},
	11: {device.ErrRefused, "a parameter is invalid"},
	12: {device.ErrCancelled, "nothing happened in the pad's time"},
	13: {device.ErrCancelled, "cancel key"},
	19: {device.ErrRefused, "a parameter is missing"},
	40: {device.ErrRefused, "internal error of the pad"},
	41: {device.ErrRefused, "the magnetic stripe cannot be read"},
	42: {device.ErrRefused, "no key in this slot"},
	43: {device.ErrNoCard, "no card in the slot or at the antenna"},
	44: {device.ErrRefused, "too many PIN entries in too short a time"},
	45: {device.ErrRefused, "the answer is too long"},
	46: {device.ErrRefused, "cryptographic check failed"},
	47: {device.ErrRefused, "for security: more than two GENERATE AC for one insertion"},
	60: {device.ErrMute, "no answer to reset"},
	61: {device.ErrMute, "the card stopped answering, or was not reset"},
	67: {device.ErrRefused, "the card is invalidated"},
	68: {device.ErrRefused, "the card has problems"},
	80: {device.ErrRefused, "more than one card at the antenna: present one only"},
	81: {device.ErrMute, "the card at the antenna stopped answering"},
}

// failure makes an error of a status that is not zero.
func failure(id string, status int) error {
	s, ok := statuses[status]
	if !ok {
		return fmt.Errorf("%w: %s: status %03d", device.ErrRefused, id, status)
	}
	return fmt.Errorf("%w: %s: %s (%03d)", s.err, id, s.text, status)
}
