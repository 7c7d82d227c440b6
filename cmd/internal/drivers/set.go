package drivers

import (
	"posd/device"
	"posd/device/gpio"
)

// Set is the drivers of the tree, and what is open of boxes that are several devices at
// once. Two Sets do not know of each other. Its methods may be called by any goroutine.
type Set struct {
	abecs boxes[parked]
	cable cableKey
	line  func(gpio.Config) (outPin, error) // takes a line
}

// New makes a Set with nothing open.
func New() *Set { return &Set{line: takeLine} }

// Readers are the card readers.
func (s *Set) Readers() Table[device.Reader] {
	return Table[device.Reader]{
		"abecs": s.abecsReader(),
		"ccid":  ccidReader(), "phoenix": phoenixReader(), "pn532": pn532Reader(), "vpcd": vpcdReader(),
	}
}

// PINPads are the PIN pads.
func (s *Set) PINPads() Table[device.PINPad] {
	return Table[device.PINPad]{"abecs": s.abecsPINPad(), "vfpad": vfpadPINPad()}
}

// Printers are the printers.
func (s *Set) Printers() Table[device.Printer] {
	return Table[device.Printer]{"escpos": escposPrinter()}
}

// Displays are the text displays.
func (s *Set) Displays() Table[device.Display] {
	return Table[device.Display]{"fb": fbDisplay(), "pole": poleDisplay(), "vt": vtDisplay()}
}

// Lamps are the lights and the beeper of a contactless reader.
func (s *Set) Lamps() Table[*Lamps] { return Table[*Lamps]{"gpio": s.gpioLamps()} }
