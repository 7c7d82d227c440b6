package vfpad

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"posd/device"
)

// Limits of a MAC: 224 characters a frame, in which two make a byte, and frames 00 to 99.
const (
	macChunk = 112
	maxMAC   = 100 * macChunk
)

// Kinds of frame Z66: hexadecimal, more to come or the last.
const (
	macLast = '6'
	macMore = '7'
)

// MAC has the pad make a message authentication code over a message of 1 to 11200 bytes,
// ISO 9797-1 algorithm 3 with zeros for padding: messages Z66 and Z67. device.ErrRefused
// tells the pad's reason.
func (p *Pad) MAC(ctx context.Context, req device.MACRequest, message []byte) (mac [8]byte, err error) {
	switch n := len(req.Key.Bytes); {
	case req.Slot < 0 || req.Slot > 9:
		err = fmt.Errorf("key slot %d, 0 to 9 wanted", req.Slot)
	case n != 0 && n != 8 && n != 16:
		err = fmt.Errorf("working key of %d bytes, none, 8 or 16 wanted", n)
	case len(message) == 0 || len(message) > maxMAC:
		err = fmt.Errorf("message of %d bytes, 1 to %d wanted", len(message), maxMAC)
	default:
		mac, err = p.mac(ctx, req, message)
	}
	if err != nil {
		return [8]byte{}, fmt.Errorf("vfpad: MAC: %w", err)
	}
	return mac, nil
}

func (p *Pad) mac(ctx context.Context, req device.MACRequest, message []byte) (mac [8]byte, err error) {
	for seq := 0; ; seq++ {
		chunk := message[:min(len(message), macChunk)]
		message = message[len(chunk):]
		answer, err := p.macFrame(ctx, req, seq, chunk, len(message) == 0)
		defer clear(answer)
		switch {
		case err == nil && len(message) == 0:
			return readMAC(answer)
		case err == nil:
			err = checkMore(answer)
		}
		if err != nil {
			_, _ = p.handshake(context.WithoutCancel(ctx), mustFrame(stx, "72")) // the first error says more
			return mac, err
		}
	}
}

// macFrame sends one part of the message and returns what the pad says to it.
func (p *Pad) macFrame(ctx context.Context, req device.MACRequest, seq int, chunk []byte, last bool) ([]byte, error) {
	kind := byte(macMore)
	if last {
		kind = macLast
	}
	key := req.Key.Bytes
	if len(key) == 0 {
		key = make([]byte, 16) // the master key itself
	}
	data := fmt.Appendf(make([]byte, 0, maxData), "Z66%c%02d%d\x1C", kind, seq, req.Slot)
	data = append(appendHex(data, key), fs, fs) // no second key
	data = appendHex(data, chunk)
	defer clear(data)
	request, err := frame{stx, data}.append(nil)
	defer clear(request)
	if err != nil {
		return nil, err
	}
	if err := p.send(ctx, request); err != nil {
		return nil, err
	}
	answer, err := p.answer(ctx, "Z67")
	if errors.Is(err, errEOT) {
		return nil, fmt.Errorf("%w: format of the request", device.ErrRefused)
	} else if err != nil {
		return nil, err
	}
	return answer, p.control(ctx, ack)
}

func readMAC(data []byte) (mac [8]byte, err error) {
	switch {
	case len(data) == 4 && data[3] != '0':
		return mac, refused(macErrors, data[3])
	case len(data) != 20 || data[3] != '0':
		return mac, fmt.Errorf("%w: frame Z67 of %d bytes has another form", device.ErrProtocol, len(data))
	}
	if _, err := hex.Decode(mac[:], data[4:]); err != nil {
		return [8]byte{}, fmt.Errorf("%w: frame Z67: MAC is not hexadecimal", device.ErrProtocol)
	}
	return mac, nil
}

// checkMore reads the answer to a part that is not the last.
func checkMore(data []byte) error {
	switch {
	case len(data) == 4 && data[3] == '1':
		return nil
	case len(data) == 4 && data[3] != '0':
		return refused(macErrors, data[3])
	}
	return fmt.Errorf("%w: frame Z67 of %d bytes, where the pad should ask for more", device.ErrProtocol, len(data))
}
