package pn532

import (
	"fmt"

	"posd/device"
)

// command is a command to the chip: its code; that of the answer is one more.
type command struct {
	name string
	code byte
}

// UM0701-02, 7.2 and 7.3.
var (
	diagnose            = command{"Diagnose", 0x00}
	getFirmwareVersion  = command{"GetFirmwareVersion", 0x02}
	setParameters       = command{"SetParameters", 0x12}
	samConfiguration    = command{"SAMConfiguration", 0x14}
	rfConfiguration     = command{"RFConfiguration", 0x32}
	inDataExchange      = command{"InDataExchange", 0x40}
	inListPassiveTarget = command{"InListPassiveTarget", 0x4A}
)

// Parameters of the commands.
const (
	testPresence = 0x06 // Diagnose: is the target still there. 7.2.1

	// SetParameters: the chip answers ATR_REQ and sends RATS by itself, as after its
	// reset; another program may have said otherwise. 7.2.9
	automatic = 0x14

	normalMode = 0x01 // SAMConfiguration: there is no security module. 7.2.10

	itemField   = 0x01 // RFConfiguration: the field. 7.3.1
	itemRetries = 0x05 // MxRtyATR, MxRtyPSL, MxRtyPassiveActivation
	fieldOff    = 0x00
	fieldOn     = 0x01

	typeA = 0x00 // InListPassiveTarget: 106 kbit/s type A. 7.3.5
	typeB = 0x03

	moreToCome = 0x40 // MI: in Tg of a command, in the status of an answer. 7.3.8
	statusMask = 0x3F
)

// statuses are the errors of the status byte. UM0701-02, 7.1. What the radio could not
// carry has no cause here: a look at the field tells whether the card is mute or gone.
var statuses = map[byte]struct {
	text  string
	cause error
}{
	0x01: {"target has not answered in time", nil},
	0x02: {"CRC error", nil},
	0x03: {"parity error", nil},
	0x04: {"wrong bit count in anticollision", nil},
	0x05: {"framing error", nil},
	0x06: {"bit collision in anticollision", nil},
	0x07: {"communication buffer is too small", device.ErrRefused},
	0x09: {"RF buffer overflow", nil},
	0x0A: {"RF field was not switched on in time by the other side", nil},
	0x0B: {"RF protocol error", nil},
	0x0D: {"chip is too hot and has switched its antenna off", device.ErrRefused},
	0x0E: {"internal buffer overflow", device.ErrRefused},
	0x10: {"invalid parameter", device.ErrRefused},
	0x12: {"command is not supported in DEP mode", device.ErrRefused},
	0x13: {"data format does not match the specification", nil},
	0x14: {"authentication error", device.ErrRefused},
	0x23: {"check byte of the UID is wrong", nil},
	0x25: {"invalid state in DEP mode", device.ErrRefused},
	0x26: {"operation is not allowed in this configuration", device.ErrRefused},
	0x27: {"command is not acceptable: no target is active", device.ErrNoCard},
	0x29: {"target was released", device.ErrNoCard},
	0x2A: {"card was exchanged for another", device.ErrNoCard},
	0x2B: {"card has disappeared", device.ErrNoCard},
	0x2C: {"NFCID3 of initiator and target do not match", device.ErrRefused},
	0x2D: {"over-current", device.ErrRefused},
	0x2E: {"NAD is missing", nil},
}

// radio tells a status that a card which is gone gives as well as one that is mute.
func radio(status byte) bool {
	s, known := statuses[status&statusMask]
	return known && s.cause == nil
}

// statusError is what an answer with that status becomes, 00 excepted. cause is for
// where the status alone does not say it.
func statusError(c command, status byte, cause error) error {
	s, known := statuses[status&statusMask]
	switch {
	case !known:
		s.text, s.cause = "reason of the chip's own", device.ErrRefused
	case s.cause == nil:
		s.cause = cause
	}
	return fmt.Errorf("pn532: %s: %w: %s (status %02X)", c.name, s.cause, s.text, status)
}
