package vfpad

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"posd/device"
	"posd/emv/keyblock"
)

// LoadKey stores a master key in a slot from 0 to 9. The pad has to have the key block's
// protection key. device.ErrRefused tells the pad's reason.
func (p *Pad) LoadKey(ctx context.Context, slot int, block string) error {
	if _, _, err := keyblock.ParseHeader(block); err != nil {
		return fmt.Errorf("vfpad: load key: %w", err)
	}
	request, err := frame{si, fmt.Appendf(nil, "02%d%s", slot, block)}.append(nil)
	if err == nil && (slot < 0 || slot > 9) {
		err = errors.New("0 to 9 wanted")
	}
	if err == nil {
		err = p.load(ctx, request)
	}
	if err != nil {
		return fmt.Errorf("vfpad: load key into slot %d: %w", slot, err)
	}
	return nil
}

// load has the pad echo the key block, and confirms it only if the echo is right.
func (p *Pad) load(ctx context.Context, request []byte) error {
	if err := p.send(ctx, request); err != nil {
		return err
	}
	echo, err := p.answer(ctx, "02")
	if errors.Is(err, errEOT) {
		return fmt.Errorf("%w: format of the request", device.ErrRefused)
	} else if err != nil {
		return err
	}
	want := request[1 : len(request)-2]
	switch {
	case len(echo) == 4 && echo[2] == '?':
		p.unsettled = true // some pads end with EOT, some do not
		if err := p.control(ctx, ack); err != nil {
			return err
		}
		return refused(loadErrors, echo[3])
	case !bytes.Equal(echo, want):
		if err := p.control(ctx, eot); err != nil {
			return err
		}
		return p.link.Garbled("the pad's echo of the key block differs")
	}
	if err := p.control(ctx, ack); err != nil {
		return err
	}
	return p.ended(ctx)
}

// CheckKey tells whether a master key is in the slot.
func (p *Pad) CheckKey(ctx context.Context, slot int) (loaded bool, err error) {
	if slot < 0 || slot > 9 {
		return false, fmt.Errorf("vfpad: check key: slot %d, 0 to 9 wanted", slot)
	}
	data, err := p.query(ctx, fmt.Sprintf("04%d", slot))
	if err == nil && (len(data) < 3 || data[2] != 'F' && data[2] != '0') {
		err = p.link.Garbled("frame 04 of %d bytes has another form", len(data))
	}
	if err != nil {
		return false, fmt.Errorf("vfpad: check key %d: %w", slot, err)
	}
	return data[2] == 'F', nil
}

// selectKey is 08. A pad that has only EOT for an answer is content.
func (p *Pad) selectKey(ctx context.Context, slot int) error {
	data, err := p.query(ctx, fmt.Sprintf("08%d", slot))
	switch {
	case errors.Is(err, errEOT):
		return nil
	case err != nil:
		return err
	case len(data) != 3 || data[2] != '0':
		return fmt.Errorf("%w: the pad does not have this slot", device.ErrRefused)
	}
	return nil
}

// bauds are the rates of message 13 by their code.
var bauds = []int{1: 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200}

// SetBaud changes the pad's line to another rate, 8 data bits without parity, for good.
// When it returns without an error the line is at the old rate, and the pad at the new
// one: the caller closes this Pad and opens the port anew. A pad that answers EOT alone is
// content.
func (p *Pad) SetBaud(ctx context.Context, baud int) error {
	code := slices.Index(bauds, baud)
	if code < 1 {
		return fmt.Errorf("vfpad: set baud: %d is none of %v", baud, bauds[1:])
	}
	data, err := p.query(ctx, fmt.Sprintf("13%d", code))
	if errors.Is(err, errEOT) {
		return nil
	}
	if err == nil && (len(data) < 3 || data[2] != '0') {
		err = fmt.Errorf("%w: the pad does not have this rate", device.ErrRefused)
	}
	if err != nil {
		return fmt.Errorf("vfpad: set baud %d: %w", baud, err)
	}
	return nil
}

// LoadInitialKey stores an initial DUKPT key, carried by a TR-31 key block with its key
// serial number in optional block KS, as key set 0 or 1: messages 90 and 94, answered by 91.
func (p *Pad) LoadInitialKey(ctx context.Context, set int, block string) error {
	err := checkSet(set)
	if err == nil {
		_, _, err = keyblock.ParseHeader(block)
	}
	var request, answer []byte
	if err == nil {
		request, err = frame{stx, append([]byte([]string{"90", "94"}[set]), block...)}.append(nil)
	}
	if err == nil {
		err = p.send(ctx, request)
	}
	if err == nil {
		answer, err = p.answer(ctx, "91")
	}
	if errors.Is(err, errEOT) {
		err = fmt.Errorf("%w: format of the request", device.ErrRefused)
	}
	if err == nil {
		err = p.control(ctx, ack)
	}
	if err == nil {
		err = loaded(answer)
	}
	if err != nil {
		return fmt.Errorf("vfpad: load initial key %d: %w", set, err)
	}
	return nil
}

// loaded reads frame 91: 0, or 1 and the code of the reason.
func loaded(data []byte) error {
	switch {
	case len(data) == 3 && data[2] == '0':
		return nil
	case len(data) == 4 && data[2] == '1':
		return refused(initialErrors, data[3])
	case len(data) == 3 && data[2] == '1':
		return fmt.Errorf("%w: no reason given", device.ErrRefused)
	}
	return fmt.Errorf("%w: frame 91 of %d bytes has another form", device.ErrProtocol, len(data))
}

// SelectKeySet says which initial key the next PIN's comes from: 0 or 1. The pad keeps it.
func (p *Pad) SelectKeySet(ctx context.Context, set int) error {
	err := checkSet(set)
	if err == nil {
		err = p.send(ctx, mustFrame(stx, fmt.Sprintf("96%d", set)))
	}
	if err != nil {
		return fmt.Errorf("vfpad: select key set %d: %w", set, err)
	}
	return nil
}

func checkSet(set int) error {
	if set != 0 && set != 1 {
		return fmt.Errorf("key set %d, 0 or 1 wanted", set)
	}
	return nil
}

// query is an administrative request with its answer, to the EOT that ends it.
func (p *Pad) query(ctx context.Context, message string) ([]byte, error) {
	if err := p.send(ctx, mustFrame(si, message)); err != nil {
		return nil, err
	}
	data, err := p.answer(ctx, message[:2])
	if err != nil {
		return nil, err
	}
	if err := p.control(ctx, ack); err != nil {
		return nil, err
	}
	return data, p.ended(ctx)
}

// ended waits for the EOT after an administrative exchange.
func (p *Pad) ended(ctx context.Context) error {
	_, err := p.answer(ctx)
	if errors.Is(err, errEOT) {
		return nil
	}
	return err
}
