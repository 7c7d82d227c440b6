package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/device"
	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/kernel"
	"posd/emv/payment"
	"posd/store/spool"
	"posd/ui/receipt"
	"posd/ui/text"
)

// The adapters fit devices to the ports of emv/payment. They belong to the till: only
// its goroutine calls them.

// slot is the reader as the payment sees it, and the PIN pad where that reads stripes.
type slot struct {
	reader *held[device.Reader]
	pad    *held[device.PINPad]
	eject  time.Duration // how long a card may be left in the slot
}

// Insert waits for a card and resets it. A reader that went away while nobody used it is
// opened anew first, once: nothing was asked of it yet.
func (s *slot) Insert(ctx context.Context) (payment.Card, error) {
	reader, err := s.present(ctx)
	if errors.Is(err, device.ErrGone) {
		reader, err = s.present(ctx)
	}
	if err != nil {
		return nil, err
	}
	switch _, err := reader.PowerOn(ctx); {
	case errors.Is(err, device.ErrMute):
		return nil, fmt.Errorf("posd: power up the card: %w: %w", payment.ErrChip, err)
	case err != nil:
		return nil, s.reader.failed(fmt.Errorf("posd: power up the card: %w", err))
	}
	return &card{s.reader, reader, nil}, nil
}

// Swipe implements payment.Stripe: the card is swiped at the PIN pad.
func (s *slot) Swipe(ctx context.Context) (emv.Track2, error) {
	dev, err := s.pad.get(ctx)
	if err != nil {
		return emv.Track2{}, err
	}
	stripes, ok := dev.(device.StripeReader)
	if !ok {
		return emv.Track2{}, errNoStripe
	}
	read, err := stripes.ReadStripe(ctx)
	clear(read.Track1)
	clear(read.Track3)
	if err != nil {
		return emv.Track2{}, s.pad.failed(err)
	}
	return read.Track2, nil
}

// errNoStripe says that there is nothing to swipe a card at.
var errNoStripe = errors.New("posd: neither reader nor PIN pad has a magnetic-stripe reader")

// present waits until a card is there.
func (s *slot) present(ctx context.Context) (device.Reader, error) {
	reader, err := s.reader.get(ctx)
	if err != nil {
		return nil, err
	}
	return reader, s.reader.failed(reader.WaitCard(ctx, true))
}

// Eject takes the power off and waits until the card is taken, for a bounded time.
func (s *slot) Eject(ctx context.Context) error {
	reader, err := s.reader.get(ctx)
	if err != nil {
		return err
	}
	if err := reader.PowerOff(ctx); err != nil {
		return s.reader.failed(err)
	}
	ctx, stop := context.WithTimeout(ctx, s.eject)
	defer stop()
	return s.reader.failed(reader.WaitCard(ctx, false))
}

// card is the powered card. Its command buffer may have held a PIN or track data, so
// it is wiped after each use.
type card struct {
	held   *held[device.Reader]
	reader device.Reader
	buf    []byte
}

// Transmit encodes, exchanges and decodes.
func (c *card) Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	c.buf = cmd.Append(c.buf[:0])
	defer clear(c.buf)
	answer, err := c.reader.Transmit(ctx, c.buf)
	if err != nil {
		return apdu.Response{}, c.held.failed(fmt.Errorf("posd: card command %02X: %w", cmd.INS, err))
	}
	return apdu.ParseResponse(answer)
}

// pad is the PIN pad as the payment sees it.
type pad struct {
	pad  *held[device.PINPad]
	slot int
}

// EnterPIN has an online PIN entered.
func (p *pad) EnterPIN(ctx context.Context, req payment.PINEntry) ([]byte, error) {
	dev, err := p.pad.get(ctx)
	if err != nil {
		return nil, err
	}
	block, err := dev.EnterPIN(ctx, device.PINRequest{
		PAN: req.PAN, Slot: p.slot, Key: req.Key, MinDigits: 4, MaxDigits: 12,
		Prompt: req.Amount.Currency.String() + " " + req.Amount.String(), AllowBypass: true,
	})
	switch {
	case errors.Is(err, device.ErrBypassed):
		return nil, payment.ErrPINBypassed
	case errors.Is(err, device.ErrCancelled):
		return nil, errors.Join(kernel.ErrCancelled, err)
	}
	return block.Block[:], p.pad.failed(err)
}

// Choose takes the first application that does not want the cardholder's consent:
// this terminal has no keys to choose with. EMV 4.4 Book 1, 12.4.
func (f *face) Choose(_ context.Context, candidates []kernel.Candidate) (int, error) {
	for i, c := range candidates {
		if !c.NeedsConsent {
			return i, nil
		}
	}
	return 0, fmt.Errorf("posd: every application wants to be chosen by the cardholder: %w", kernel.ErrCancelled)
}

// slips prints receipts.
type slips struct {
	printer  *held[device.Printer]
	merchant receipt.Merchant
	lang     text.Lang
}

// Print renders the record and prints it. The print queue stands before it, and wants to
// know whether anything can be on paper.
func (s *slips) Print(ctx context.Context, rec *payment.Record, c payment.Copy) error {
	dev, err := s.printer.get(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", spool.ErrUntouched, err)
	}
	slip := receipt.Render(rec, s.merchant, c, s.lang)
	return printed(s.printer.failed(dev.Print(ctx, document(slip))))
}

// document turns a slip into what a printer takes: the two do not know each other.
func document(slip receipt.Slip) device.Document {
	doc := device.Document{Cut: true, Lines: make([]device.Line, 0, len(slip.Lines))}
	for _, line := range slip.Lines {
		doc.Lines = append(doc.Lines, device.Line{
			Text: line.Text, Size: device.Size(line.Size), Bold: line.Bold, Align: device.Align(line.Align),
		})
	}
	return doc
}
