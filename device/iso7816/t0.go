package iso7816

import (
	"context"
	"fmt"
	"time"

	"posd/device"
	"posd/emv/apdu"
)

// maxRounds bounds the TPDUs for one APDU. A card that gives 256 bytes at 16 a time is
// within it; one that says 61xx or 6Cxx for ever is not.
const maxRounds = 20

// TPDU carries one T=0 TPDU: CLA INS P1 P2 P3 [data] out; data and status word back.
type TPDU func(ctx context.Context, tpdu []byte) (response []byte, err error)

// T0 carries one APDU (encoded, short) and returns the response APDU. A command that is
// none is an error and sends nothing; nonsense from the card is device.ErrProtocol.
func T0(ctx context.Context, command []byte, send TPDU) ([]byte, error) {
	cmd, err := apdu.ParseCommand(command)
	if err != nil {
		return nil, fmt.Errorf("iso7816: %w", err)
	}
	if cmd.INS&0xF0 == 0x60 || cmd.INS&0xF0 == 0x90 {
		return nil, fmt.Errorf("iso7816: INS %02X cannot be told from a procedure byte", cmd.INS)
	}
	s := session{send: send, left: maxRounds, until: time.Now().Add(maxPatience)}
	out, err := s.command(ctx, cmd)
	if err != nil {
		return nil, fmt.Errorf("iso7816: INS %02X: %w", cmd.INS, err)
	}
	return out.Append(nil), nil
}

type session struct {
	send TPDU
	left int // TPDUs that this APDU may still need

	until time.Time // no TPDU is begun after it
}

// command is ISO/IEC 7816-3, 12.2.1: how each case of command is mapped.
func (s *session) command(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	header := []byte{cmd.CLA, cmd.INS, cmd.P1, cmd.P2, byte(cmd.Ne)} // case 1 has Ne 0, and P3 00
	if len(cmd.Data) > 0 {
		header[4] = byte(len(cmd.Data)) // in case 4 Le waits for GET RESPONSE
		r, err := s.exchange(ctx, append(header, cmd.Data...), 0)
		if err != nil || cmd.Ne == 0 {
			return r, err
		}
		return s.fetch(ctx, r, cmd.Ne)
	}
	r, err := s.exchange(ctx, header, cmd.Ne)
	if err != nil || cmd.Ne == 0 {
		return r, err
	}
	if r.SW>>8 == 0x61 {
		return s.fetch(ctx, r, cmd.Ne)
	}
	return r, nil
}

// warns tells of the status words behind which data may wait: 62xx, 63xx, and 9xxx other
// than 9000. EMV 4.4 Book 1, 9.3.1 (C-APDU at T=0, case 4).
func warns(sw apdu.SW) bool { return sw.Warning() || sw>>12 == 9 && sw != apdu.OK }

// fetch gets what the card has for the command that it answered with first: after 61xx
// that many bytes, and after a warning what it may have, for data can come with one.
// Of the status words the warning stays: it is the command's. EMV 4.4 Book 1, 9.3.1
// and the T=0 examples ("case 4 command using the 62 and 63 warnings").
func (s *session) fetch(ctx context.Context, first apdu.Response, ne int) (apdu.Response, error) {
	var out apdu.Response
	var want byte
	switch {
	case first.SW>>8 == 0x61:
		want = fewer(byte(first.SW), ne)
	case warns(first.SW):
	default:
		return first, nil
	}
	for {
		r, err := s.exchange(ctx, []byte{0x00, apdu.InsGetResponse, 0, 0, want}, length(want))
		if err != nil {
			return apdu.Response{}, err
		}
		out.Data = append(out.Data, r.Data...)
		out.SW = r.SW
		if len(out.Data) > apdu.MaxResponseData {
			return apdu.Response{}, fmt.Errorf("%w: %d bytes of response, at most %d fit", device.ErrProtocol, len(out.Data), apdu.MaxResponseData)
		}
		if room := ne - len(out.Data); r.SW>>8 == 0x61 && room > 0 {
			want = fewer(byte(r.SW), room)
			continue
		}
		if r.SW>>8 == 0x61 {
			out.SW = apdu.OK // all that was asked for is here; the card has more
		}
		if warns(first.SW) {
			return apdu.Response{Data: out.Data, SW: first.SW}, nil
		}
		return out, nil
	}
}

// exchange sends one TPDU, and once more with the length that 6Cxx names.
func (s *session) exchange(ctx context.Context, tpdu []byte, ne int) (apdu.Response, error) {
	for {
		if s.left == 0 {
			return apdu.Response{}, fmt.Errorf("%w: no end after %d TPDUs", device.ErrProtocol, maxRounds)
		}
		if time.Now().After(s.until) {
			return apdu.Response{}, fmt.Errorf("%w: no end after %v", device.ErrMute, maxPatience)
		}
		s.left--
		b, err := s.send(ctx, tpdu)
		if err != nil {
			return apdu.Response{}, err
		}
		r, err := apdu.ParseResponse(b)
		if err != nil {
			return apdu.Response{}, fmt.Errorf("%w: %w", device.ErrProtocol, err)
		}
		if len(r.Data) > ne {
			return apdu.Response{}, fmt.Errorf("%w: %d bytes where %d were asked for", device.ErrProtocol, len(r.Data), ne)
		}
		if r.SW>>8 != 0x6C || ne == 0 {
			return r, nil
		}
		tpdu, ne = append(tpdu[:4:4], byte(r.SW)), length(byte(r.SW))
	}
}

// length is the number of bytes that P3 asks for.
func length(p3 byte) int {
	if p3 == 0 {
		return apdu.MaxResponseData
	}
	return int(p3)
}

// fewer is P3 for what the card has (as in 61xx), or ne if that is less.
func fewer(has byte, ne int) byte { return byte(min(length(has), ne)) }
