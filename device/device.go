package device

import (
	"context"
	"errors"
	"image"
	"io"
	"time"

	"posd/emv"
	"posd/emv/keyblock"
)

// Port is a byte stream with deadlines: a serial port (package serial), one end of a
// pseudo-terminal (package sim/pty) or of net.Pipe. A deadline in the past fails the
// call with os.ErrDeadlineExceeded; the zero time is no deadline.
type Port interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// What can become of a call on a device. Drivers wrap these; users ask errors.Is.
var (
	ErrGone      = errors.New("device is gone")            // the port is closed or unplugged: open it anew
	ErrTimeout   = errors.New("device did not answer")     // in its time, after the retries of its protocol
	ErrProtocol  = errors.New("device broke its protocol") // a frame that cannot be, after the retries
	ErrRefused   = errors.New("device refused")            // a well-formed no, with its reason in the text
	ErrNoCard    = errors.New("no card")                   // the slot is empty, or the card was pulled
	ErrMute      = errors.New("card is mute")              // no answer to reset, or the card stopped answering
	ErrBypassed  = errors.New("PIN bypassed")              // ENTER without digits
	ErrCancelled = errors.New("cancelled at the device")   // the cancel key, or no key in time
	ErrPaper     = errors.New("out of paper")
	ErrCover     = errors.New("cover is open")
	ErrDocument  = errors.New("document cannot be printed") // by this printer, nor ever: too wide, too long …
	ErrUnprinted = errors.New("nothing was printed")        // beside another: not a byte of the document went out
)

// Reader is a contact slot. One goroutine uses it at a time.
type Reader interface {
	// WaitCard returns when a card is present (or, with false, absent), or with ctx's error.
	WaitCard(ctx context.Context, present bool) error
	// PowerOn resets the card cold and returns its answer to reset.
	PowerOn(ctx context.Context) (atr []byte, err error)
	// Transmit exchanges one APDU (encoded, short). 61xx, 6Cxx and procedure bytes are
	// dealt with inside. A pulled card is ErrNoCard.
	Transmit(ctx context.Context, command []byte) (response []byte, err error)
	// PowerOff takes the power away. It is no error if there is no card.
	PowerOff(ctx context.Context) error
	// Close ends the driver; its Port is closed with it.
	Close() error
}

// PINPad is a secure PIN entry device with master and session keys. Ending ctx during
// entry cancels at the pad.
type PINPad interface {
	EnterPIN(ctx context.Context, req PINRequest) (PINBlock, error)
	// Show writes one line to the pad's display; an empty line returns it to idle.
	Show(ctx context.Context, line string) error
	// LoadKey stores a master key, carried by a TR-31 key block, in a slot.
	LoadKey(ctx context.Context, slot int, block string) error
	Close() error
}

// PINRequest is one online PIN entry.
type PINRequest struct {
	PAN                  emv.PAN
	Slot                 int                 // master key slot, 0 to 9
	Key                  keyblock.Cryptogram // working key under that master key
	MinDigits, MaxDigits int                 // 4 to 12
	Prompt               string              // shown with the amount; ASCII or what the pad has
	AllowBypass          bool
}

// PINBlock is what entry gives: ISO 9564-1 format 0 under the working key.
type PINBlock struct {
	Block  [8]byte
	Digits int // number of PIN digits where the pad tells it, else 0
}

// Printer prints slips.
type Printer interface {
	// Print returns when the printer has confirmed the whole document, or with ErrPaper,
	// ErrCover, ErrTimeout …: then it is not known how much is on paper, unless the error
	// is ErrUnprinted as well.
	Print(ctx context.Context, doc Document) error
	Status(ctx context.Context) (PrinterStatus, error)
	Close() error
}

// PrinterStatus is what the printer says of itself.
type PrinterStatus struct {
	PaperOut, PaperLow, CoverOpen, Offline bool
}

// Document is a slip, line by line. Cut cuts after the feed at the end.
type Document struct {
	Lines []Line
	Cut   bool
	// Drawer is opened before the first line. What is printed as a copy must leave it
	// alone: nobody stands at the till.
	Drawer Drawer
}

// Drawer is a cash drawer at the printer's connector.
type Drawer uint8

const (
	NoDrawer Drawer = iota
	Drawer1         // the one that almost everybody has: pin 2
	Drawer2         // pin 5
)

// Line is one line of text with its style; or, where one of them is set, a QR code, a bar
// code or an image, for which only Align counts. CJK characters are two columns wide. A
// line longer than the paper wraps at the printer; what does not wrap and is too wide is
// ErrDocument.
type Line struct {
	Text  string
	Size  Size
	Bold  bool
	Align Align
	QR    string // content of a QR code
	// Barcode is the content of a Code 128 bar code, ASCII 20 to 7E, which is also
	// printed below it.
	Barcode string
	// Image is printed a pixel a dot (8 a millimetre), black where it is darker than half;
	// what is transparent is paper.
	Image image.Image
}

// Size scales characters.
type Size uint8

const (
	Normal Size = iota
	Tall        // double height
	Large       // double height and width
)

// Align places a line.
type Align uint8

const (
	Left Align = iota
	Centre
	Right
)
