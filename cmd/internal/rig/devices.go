package rig

import (
	simescpos "posd/device/sim/escpos"
	simvfpad "posd/device/sim/vfpad"
)

// newPad is a pad whose cardholder types what pin says, and ENTER.
func newPad(protection []byte, pin func() string) (*simvfpad.Pad, error) {
	return simvfpad.New(simvfpad.Config{
		Protection: protection,
		Cardholder: func(simvfpad.Entry) string { return pin() + "E" },
	})
}

func newPrinter() *simescpos.Printer { return &simescpos.Printer{} }

// Paper returns the slips that were printed, oldest first.
func (r *Rig) Paper() []string { return nil }
