package iso7816

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/link"
	"posd/device/link/linktest"
)

// ISO/IEC 7816-3, 9.3: what a card may answer. FF 11 96 78 is a request that the OsEID
// project published a log of (doc/T1_CRC.txt).
func TestPPS(t *testing.T) {
	for _, row := range []struct {
		name     string
		protocol int
		fiDi     byte
		request  string
		answer   string
		want     byte
		err      error
	}{
		{name: "taken", protocol: 1, fiDi: 0x96, request: "FF 11 96 78", answer: "FF 11 96 78", want: 0x96},
		{name: "taken, T=0", protocol: 0, fiDi: 0x13, request: "FF 10 13 FC", answer: "FF 10 13 FC", want: 0x13},
		{name: "only the protocol is asked for", protocol: 1, fiDi: 0x11, request: "FF 01 FE", answer: "FF 01 FE", want: 0x11},
		{name: "card leaves the factors out", protocol: 1, fiDi: 0x96, request: "FF 11 96 78", answer: "FF 01 FE", want: 0x11},
		{name: "other factors", protocol: 1, fiDi: 0x96, request: "FF 11 96 78", answer: "FF 11 95 7B", err: device.ErrProtocol},
		{name: "other protocol", protocol: 1, fiDi: 0x96, request: "FF 11 96 78", answer: "FF 10 96 79", err: device.ErrProtocol},
		{name: "more than was asked for", protocol: 1, fiDi: 0x96, request: "FF 11 96 78", answer: "FF 71 96 00 00 18", err: device.ErrProtocol},
		{name: "wrong check", protocol: 1, fiDi: 0x96, request: "FF 11 96 78", answer: "FF 11 96 79", err: device.ErrProtocol},
		{name: "no answer", protocol: 1, fiDi: 0x96, request: "FF 11 96 78", answer: "", err: device.ErrMute},
		{name: "half an answer", protocol: 1, fiDi: 0x96, request: "FF 11 96 78", answer: "FF 11", err: device.ErrMute},
	} {
		if got := PPSRequest(row.protocol, row.fiDi); !bytes.Equal(got, unhex(t, row.request)) {
			t.Errorf("%s: request % X", row.name, got)
		}
		line, err := linktest.Replay(strings.NewReader("> " + row.request + "\n< " + row.answer))
		if err != nil {
			t.Fatal(err)
		}
		w := Wire{Bytes: link.New("phoenix", line), WorkWaiting: time.Second}
		got, err := w.PPS(t.Context(), row.protocol, row.fiDi)
		if got != row.want || !errors.Is(err, row.err) {
			t.Errorf("%s: %02X, %v; want %02X, %v", row.name, got, err, row.want, row.err)
		}
		if err := line.Done(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestBlocksOverAWire(t *testing.T) {
	const out = "> 00 80 00 80\n"
	for _, row := range []struct {
		name, wire, want string
		crc              bool
		err              error
	}{
		{name: "whole", wire: out + "< 00 00 02 90 00 92", want: "00 00 02 90 00 92"},
		{name: "in pieces", wire: out + "< 00 00\n< 02 90 00\n< 92", want: "00 00 02 90 00 92"},
		{name: "with a CRC", crc: true, wire: out + "< 00 E1 01 FE 57 75", want: "00 E1 01 FE 57 75"},
		{name: "wrong check: the rest of the line is taken off", wire: out + "< 00 00 00 90 00 92 55", want: "00 00 00 90"},
		{name: "silence", wire: out, err: device.ErrMute},
		{name: "silence within", wire: out + "< 00 00 05 90", err: device.ErrMute},
	} {
		line, err := linktest.Replay(strings.NewReader(row.wire))
		if err != nil {
			t.Fatal(err)
		}
		w := Wire{Bytes: link.New("phoenix", line), BlockWaiting: time.Second, CharWaiting: time.Second, CRC: row.crc}
		got, err := w.Block(t.Context(), unhex(t, "00 80 00 80"), 1)
		if !bytes.Equal(got, unhex(t, row.want)) || !errors.Is(err, row.err) {
			t.Errorf("%s: % X, %v; want %s, %v", row.name, got, err, row.want, row.err)
		}
		if err := line.Done(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// parityCard is a line on which the n-th character has wrong parity.
type parityCard struct {
	cannedCard
	bad int
}

func (c *parityCard) ByteWithin(ctx context.Context, limit time.Duration) (byte, error) {
	b, err := c.cannedCard.ByteWithin(ctx, limit)
	if c.bad--; err == nil && c.bad == 0 {
		return 0, device.ErrProtocol
	}
	return b, err
}

// Wrong parity damages a block, and the line is at its end before the next is asked for.
func TestParityIsMendedByABlockAskedForAgain(t *testing.T) {
	for bad := 1; bad <= 6; bad++ {
		c := &parityCard{bad: bad, cannedCard: cannedCard{in: unhex(t, "00 00 02 90 00 92")}}
		w := Wire{Bytes: c, BlockWaiting: time.Second, CharWaiting: time.Second}
		_, err := w.Block(t.Context(), unhex(t, "00 80 00 80"), 1)
		if !errors.Is(err, device.ErrMute) || len(c.in) > 0 {
			t.Errorf("character %d: %v with % X left", bad, err, c.in)
		}
	}
	endless := &babbler{}
	w := Wire{Bytes: endless, BlockWaiting: time.Second, CharWaiting: time.Second}
	if _, err := w.Block(t.Context(), unhex(t, "00 80 00 80"), 1); !errors.Is(err, device.ErrProtocol) || errors.Is(err, device.ErrMute) || endless.n > 1000 {
		t.Errorf("a card that does not stop: %v after %d", err, endless.n)
	}
}

type babbler struct{ n int }

func (*babbler) Write(context.Context, []byte) error { return nil }

func (b *babbler) ByteWithin(context.Context, time.Duration) (byte, error) {
	b.n++
	return 0x55, nil
}

// The guard times, and those of T=1: a block has BWT times what WTX said, then each
// character CWT.
func TestTimesOfAWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		w := Wire{
			Bytes: link.New("phoenix", near), Turnaround: 22 * time.Millisecond, ExtraGuard: time.Millisecond,
			BlockWaiting: time.Second, CharWaiting: 5 * time.Millisecond,
		}
		var arrived []time.Duration
		begin := time.Now()
		go func() {
			for range 4 {
				far.Read(make([]byte, 1))
				arrived = append(arrived, time.Since(begin))
			}
			<-time.After(2900 * time.Millisecond)
			far.Write([]byte{0, 0, 2, 0x90})
		}()
		_, err := w.Block(t.Context(), []byte{0, 0x80, 0, 0x80}, 3)
		took := time.Since(begin)
		for i, at := range arrived {
			if want := 22*time.Millisecond + time.Duration(i)*time.Millisecond; at != want {
				t.Errorf("character %d after %v, want %v", i, at, want)
			}
		}
		if want := 2935*time.Millisecond + 0; !errors.Is(err, device.ErrMute) || took != want {
			t.Errorf("%v after %v, want mute after %v", err, took, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		w := Timing{Turnaround: time.Hour}.Wire(link.New("phoenix", near), false, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.Block(ctx, []byte{0, 0x80, 0, 0x80}, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a guard time does not end with ctx: %v", err)
		}
	})
}

// A card that says NULL for ever has a minute.
func TestNullForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		defer func() { // time stands still once this function has returned
			cancel()
			<-ended
		}()
		go func() {
			defer close(ended)
			far.Read(make([]byte, 5))
			for ctx.Err() == nil {
				<-time.After(700 * time.Millisecond)
				far.SetWriteDeadline(time.Now().Add(time.Second))
				far.Write([]byte{0x60})
			}
		}()
		w := Wire{Bytes: link.New("phoenix", near), WorkWaiting: time.Second}
		begin := time.Now()
		_, err := w.TPDU(ctx, []byte{0, 0xB2, 1, 0x0C, 1})
		if took := time.Since(begin); !errors.Is(err, device.ErrMute) || took < time.Minute || took > 61*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A card that is slow with each of many TPDUs has a minute for all of them, at T=0 as with
// whole APDUs.
func TestCommandsInManyPartsEnd(t *testing.T) {
	slow := func(answer []byte) func(context.Context, []byte) ([]byte, error) {
		return func(context.Context, []byte) ([]byte, error) {
			<-time.After(9 * time.Second)
			return answer, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for name, carry := range map[string]func() ([]byte, error){
			"T=0":   func() ([]byte, error) { return T0(t.Context(), []byte{0, 0xB2, 1, 0x0C, 0}, slow([]byte{0x6C, 1})) },
			"whole": func() ([]byte, error) { return Whole(t.Context(), []byte{0, 0xB2, 1, 0x0C, 0}, slow([]byte{0x61, 1})) },
		} {
			begin := time.Now()
			_, err := carry()
			if took := time.Since(begin); !errors.Is(err, device.ErrMute) || took > 70*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		}
	})
}
