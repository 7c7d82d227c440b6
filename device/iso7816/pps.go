package iso7816

import (
	"bytes"
	"context"
	"fmt"

	"posd/device"
)

// Characters of PPS. ISO/IEC 7816-3, 9.2.
//
//	0      FF  PPSS
//	1      PPS0: bits 4-1 the protocol, bit 5 says that PPS1 is there, 6 and 7 PPS2, PPS3
//	2      PPS1: transmission factors as in TA1
//	last   PCK: all characters before it, exclusive-or
const (
	ppss    = 0xFF
	hasPPS1 = 0x10
)

// PPSRequest asks a card in negotiable mode, before its first command, for a protocol and
// transmission factors; DefaultFiDi is not sent.
func PPSRequest(protocol int, fiDi byte) []byte {
	b := []byte{ppss, byte(protocol) & 0x0F}
	if fiDi != DefaultFiDi {
		b[1] |= hasPPS1
		b = append(b, fiDi)
	}
	return append(b, lrc(b))
}

// PPSAnswer returns the factors that hold after the card's answer: those asked for, if
// it repeats the request, and the default ones if it leaves PPS1 out. Anything else is
// device.ErrProtocol, and the card needs a reset. ISO/IEC 7816-3, 9.3.
func PPSAnswer(request, answer []byte) (fiDi byte, err error) {
	switch asked := request[1]&hasPPS1 != 0; {
	case bytes.Equal(request, answer) && asked:
		return request[2], nil
	case bytes.Equal(request, answer),
		asked && bytes.Equal(answer, PPSRequest(int(request[1]&0x0F), DefaultFiDi)):
		return DefaultFiDi, nil
	}
	return 0, fmt.Errorf("iso7816: PPS: %w: % X to % X", device.ErrProtocol, answer, request)
}

// PPS makes the exchange over the wire, within WorkWaiting for each character (9600 etu,
// as after reset), and returns the factors that hold from the next character on.
func (w Wire) PPS(ctx context.Context, protocol int, fiDi byte) (byte, error) {
	request := PPSRequest(protocol, fiDi)
	if err := w.write(ctx, request); err != nil {
		return 0, err
	}
	answer := make([]byte, 0, 6)
	for n := 3; len(answer) < n; {
		b, err := w.char(ctx, w.WorkWaiting)
		if err != nil {
			return 0, fmt.Errorf("iso7816: PPS: after % X: %w", answer, err)
		}
		if answer = append(answer, b); len(answer) == 2 {
			for _, bit := range []byte{hasPPS1, hasPPS1 << 1, hasPPS1 << 2} {
				if b&bit != 0 {
					n++
				}
			}
		}
	}
	return PPSAnswer(request, answer)
}
