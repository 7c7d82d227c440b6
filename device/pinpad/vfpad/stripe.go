package vfpad

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"posd/device"
	"posd/emv"
)

// ReadStripe switches the stripe reader on (Q4), waits for a swipe (81), and switches it
// off again. It waits as long as for a PIN. Errors: device.ErrCancelled (cancel key, or
// nobody swiped), device.ErrRefused (the stripe cannot be read).
func (p *Pad) ReadStripe(ctx context.Context) (device.Stripe, error) {
	stripe, err := p.readStripe(ctx)
	if err != nil {
		return device.Stripe{}, fmt.Errorf("vfpad: read stripe: %w", err)
	}
	return stripe, nil
}

func (p *Pad) readStripe(ctx context.Context) (stripe device.Stripe, err error) {
	on := "Q42"
	if p.cfg.OneTrack {
		on = "Q40"
	}
	request := mustFrame(stx, on)
	if p.cfg.Swipe != "" {
		if err := p.send(ctx, request); err != nil {
			return stripe, err
		}
		request = mustFrame(stx, p.cfg.Swipe)
	}
	answer, err := p.waitFor(ctx, request, "81")
	defer clear(answer)
	if errors.Is(err, device.ErrGone) {
		return stripe, err
	}
	if off := p.send(context.WithoutCancel(ctx), mustFrame(stx, "Q41")); err == nil {
		err = off
	}
	if err != nil {
		return stripe, err
	}
	return readTracks(answer)
}

// readTracks reads frame 81: after a point, three tracks with FS between, or track 2 alone.
// A sentinel at a track's beginning tells which one it is.
func readTracks(data []byte) (stripe device.Stripe, err error) {
	fields := bytes.Split(bytes.TrimPrefix(data[2:], []byte(".")), []byte{fs})
	if len(fields) > 3 {
		return stripe, fmt.Errorf("%w: frame 81 with %d tracks", device.ErrProtocol, len(fields))
	}
	for i, field := range fields {
		which, track := whichTrack(field, i, len(fields))
		switch {
		case len(track) == 0:
		case which == 1:
			stripe.Track1 = bytes.Clone(track)
		case which == 3:
			stripe.Track3 = bytes.Clone(track)
		default:
			if stripe.Track2, err = emv.ParseTrack2(track); err != nil {
				return device.Stripe{}, fmt.Errorf("%w: %w", device.ErrRefused, err)
			}
		}
	}
	if stripe.Track2.IsZero() && stripe.Track1 == nil && stripe.Track3 == nil {
		return stripe, fmt.Errorf("%w: no track could be read", device.ErrRefused)
	}
	return stripe, nil
}

// whichTrack tells the number of a track, and takes its sentinels off.
func whichTrack(field []byte, at, of int) (int, []byte) {
	which := at + 1
	if of == 1 {
		which = 2
	}
	if len(field) > 0 {
		if n := bytes.IndexByte([]byte("%;+"), field[0]); n >= 0 {
			which, field = n+1, field[1:]
		}
	}
	return which, bytes.TrimSuffix(field, []byte("?"))
}
