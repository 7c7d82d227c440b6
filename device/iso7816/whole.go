package iso7816

import (
	"context"
	"fmt"
	"time"

	"posd/device"
	"posd/emv/apdu"
)

// Exchange carries one whole command APDU out, and the response APDU back.
type Exchange func(ctx context.Context, command []byte) (response []byte, err error)

// Whole carries one APDU (encoded, short) over a line that takes APDUs as they are, as
// ISO/IEC 14443-4 and a virtual card's do, and returns the response APDU. A card may
// answer 61xx and 6Cxx there too; both are dealt with here, so that the caller sees
// what a T=0 reader would have given it. ISO/IEC 7816-4, 5.3.4 and the status words.
// Errors are as in [T0].
func Whole(ctx context.Context, command []byte, send Exchange) ([]byte, error) {
	cmd, err := apdu.ParseCommand(command)
	if err != nil {
		return nil, fmt.Errorf("iso7816: %w", err)
	}
	out, err := whole(ctx, command, cmd.Ne, send)
	if err != nil {
		return nil, fmt.Errorf("iso7816: INS %02X: %w", cmd.INS, err)
	}
	return out, nil
}

func whole(ctx context.Context, command []byte, ne int, send Exchange) ([]byte, error) {
	var data []byte
	until := time.Now().Add(maxPatience)
	for range maxRounds {
		if time.Now().After(until) {
			return nil, fmt.Errorf("%w: no end after %v", device.ErrMute, maxPatience)
		}
		b, err := send(ctx, command)
		if err != nil {
			return nil, err
		}
		r, err := apdu.ParseResponse(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", device.ErrProtocol, err)
		}
		data = append(data, r.Data...)
		switch room := ne - len(data); {
		case len(data) > apdu.MaxResponseData:
			return nil, fmt.Errorf("%w: %d bytes of response, at most %d fit", device.ErrProtocol, len(data), apdu.MaxResponseData)
		case r.SW>>8 == 0x61 && room > 0:
			command = []byte{command[0] & 0x03, apdu.InsGetResponse, 0, 0, fewer(byte(r.SW), room)}
		case r.SW>>8 == 0x6C && ne > 0:
			command = append(command[:len(command)-1:len(command)-1], byte(r.SW))
		case r.SW>>8 == 0x61 && ne > 0: // all that was asked for is here; the card has more
			return apdu.Response{Data: data, SW: apdu.OK}.Append(nil), nil
		default:
			return apdu.Response{Data: data, SW: r.SW}.Append(nil), nil
		}
	}
	return nil, fmt.Errorf("%w: no end after %d commands", device.ErrProtocol, maxRounds)
}
