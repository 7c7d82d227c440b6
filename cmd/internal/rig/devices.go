package rig

import (
	"io"

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

// newPrinter has 58 mm paper in it.
func newPrinter() (*simescpos.Printer, error) { return simescpos.New(simescpos.Config{}) }

// Paper returns the slips that were printed, oldest first.
func (r *Rig) Paper() []string { return r.Printer.Slips() }

// PaperPNG writes what was printed as a picture.
func (r *Rig) PaperPNG(w io.Writer) error {
	return simescpos.WritePNG(w, r.Printer.Paper(), paperColumns)
}

// paperColumns is the width of 58 mm paper.
const paperColumns = 32
