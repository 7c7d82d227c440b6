package ccid

import (
	"fmt"

	"posd/device"
)

// command is a message to the reader: its type, and that of its answer.
type command struct {
	name         string
	kind, answer byte
}

// USB CCID 1.1, 6.1 and 6.2.
var (
	iccPowerOn    = command{"IccPowerOn", 0x62, 0x80}
	iccPowerOff   = command{"IccPowerOff", 0x63, 0x81}
	getSlotStatus = command{"GetSlotStatus", 0x65, 0x81}
	xfrBlock      = command{"XfrBlock", 0x6F, 0x80}
	setParameters = command{"SetParameters", 0x61, 0x82}
	escape        = command{"Escape", 0x6B, 0x83}
)

// Fields of bStatus. USB CCID 1.1, 6.2.6.
const (
	cardMask     = 0x03
	cardActive   = 0x00
	cardInactive = 0x01
	cardAbsent   = 0x02

	resultMask = 0xC0
	failed     = 0x40
	moreTime   = 0x80
)

// notSupported is bError of a command that the reader does not have.
const notSupported = 0x00

// slotErrors are the values of bError. USB CCID 1.1, 6.2.6. What says that the card
// cannot be understood is device.ErrMute, as silence is: it is the chip that failed.
var slotErrors = map[byte]struct {
	text  string
	cause error
}{
	0xFF: {"command aborted", device.ErrRefused},
	0xFE: {"card does not answer", device.ErrMute},
	0xFD: {"parity error on the card's line", device.ErrMute},
	0xFC: {"overrun on the card's line", device.ErrMute},
	0xFB: {"hardware error, such as a shorted card", device.ErrMute},
	0xF8: {"answer to reset: bad TS", device.ErrMute},
	0xF7: {"answer to reset: bad TCK", device.ErrMute},
	0xF6: {"card's protocol is not supported by the reader", device.ErrRefused},
	0xF5: {"class of voltage or instruction is not supported by the reader", device.ErrRefused},
	0xF4: {"procedure byte conflict", device.ErrMute},
	0xF3: {"protocol is not active", device.ErrRefused},
	0xF2: {"busy with an automatic sequence", device.ErrRefused},
	0xF0: {"PIN entry took too long", device.ErrRefused},
	0xEF: {"PIN entry cancelled", device.ErrRefused},
	0xE0: {"slot is busy", device.ErrRefused},
}

// failure is what a failed command becomes.
func failure(c command, status, code byte) error {
	text, cause := "", device.ErrRefused
	known, ok := slotErrors[code]
	switch {
	case status&cardMask == cardAbsent:
		text, cause = "slot is empty", device.ErrNoCard
	case status&cardMask == cardInactive && c.kind == xfrBlock.kind:
		text, cause = "card has lost its power, was it pulled and put back", device.ErrNoCard
	case ok:
		text, cause = known.text, known.cause
	case code == notSupported:
		text = "command is not supported"
	case code < 0x80:
		text = fmt.Sprintf("parameter at offset %d is not supported", code)
	default:
		text = "reason of the reader's own"
	}
	return fmt.Errorf("ccid: %s: %w: %s (bStatus %02X, bError %02X)", c.name, cause, text, status, code)
}
