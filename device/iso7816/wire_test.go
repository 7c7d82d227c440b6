package iso7816

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/link"
	"posd/device/link/linktest"
)

// overWire runs one TPDU over a wire given as text, see linktest.
func overWire(t *testing.T, tpdu, wire string) ([]byte, *linktest.Player, error) {
	t.Helper()
	line, err := linktest.Replay(strings.NewReader(wire))
	if err != nil {
		t.Fatal(err)
	}
	w := Wire{Bytes: link.New("phoenix", line), WorkWaiting: time.Second}
	got, err := w.TPDU(t.Context(), unhex(t, tpdu))
	return got, line, err
}

func TestProcedureBytes(t *testing.T) {
	for _, row := range []struct{ name, tpdu, wire, want string }{
		{"status word at once", "00 70 00 00 00", "> 00 70 00 00 00\n< 90 00", "90 00"},
		{"all in", "00 B2 01 0C 03", "> 00 B2 01 0C 03\n< B2 01 02 03 90 00", "01 02 03 90 00"},
		{"all out", "00 82 00 00 02 AA BB", "> 00 82 00 00 02\n< 82\n> AA BB\n< 90 00", "90 00"},
		{"byte by byte in", "00 B2 01 0C 02", "> 00 B2 01 0C 02\n< 4D 01 4D 02 90 00", "01 02 90 00"},
		{"byte by byte out, then the rest", "00 82 00 00 03 AA BB CC", "> 00 82 00 00 03\n< 7D\n> AA\n< 82\n> BB CC\n< 61 08", "61 08"},
		{"NULL before everything", "00 B2 01 0C 01", "> 00 B2 01 0C 01\n< 60 60 B2 07 60 90 00", "07 90 00"},
		{"60 as data is no NULL", "00 B2 01 0C 02", "> 00 B2 01 0C 02\n< B2 60 60 90 00", "60 60 90 00"},
		{"card ends early", "00 B2 01 0C 00", "> 00 B2 01 0C 00\n< 6C 05", "6C 05"},
	} {
		got, line, err := overWire(t, row.tpdu, row.wire)
		if err != nil || !bytes.Equal(got, unhex(t, row.want)) {
			t.Errorf("%s: got % X, %v", row.name, got, err)
		}
		if err := line.Done(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	all := strings.Repeat(" 5A", 256)
	if got, _, err := overWire(t, "00 B2 01 0C 00", "> 00 B2 01 0C 00\n< B2"+all+" 90 00"); err != nil || len(got) != 258 {
		t.Errorf("256 bytes: got %d, %v", len(got), err)
	}
}

func TestProcedureBytesThatCannotBe(t *testing.T) {
	for _, row := range []struct {
		name, tpdu, wire string
		want             error
	}{
		{"silence", "00 B2 01 0C 01", "> 00 B2 01 0C 01", device.ErrMute},
		{"silence within data", "00 B2 01 0C 02", "> 00 B2 01 0C 02\n< B2 01", device.ErrMute},
		{"half a status word", "00 B2 01 0C 02", "> 00 B2 01 0C 02\n< 90", device.ErrMute},
		{"neither ACK nor status", "00 B2 01 0C 01", "> 00 B2 01 0C 01\n< A4", device.ErrProtocol},
		{"ACK after the last byte", "00 82 00 00 01 AA", "> 00 82 00 00 01\n< 82\n> AA\n< 82", device.ErrProtocol},
		{"NULL for ever", "00 B2 01 0C 01", "> 00 B2 01 0C 01\n<" + strings.Repeat(" 60", 1001), device.ErrProtocol},
	} {
		if got, _, err := overWire(t, row.tpdu, row.wire); !errors.Is(err, row.want) {
			t.Errorf("%s: got % X, %v; want %v", row.name, got, err, row.want)
		}
	}
	if _, _, err := overWire(t, "00 B2 01 0C 05 AA", ""); err == nil {
		t.Error("a TPDU that does not fit its P3 was sent")
	}
}

// Each NULL gives the card another work waiting time, and no silence is longer.
func TestWorkWaitingTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		w := Wire{Bytes: link.New("phoenix", near), WorkWaiting: time.Second}
		go func() {
			far.Read(make([]byte, 5))
			for range 5 {
				<-time.After(900 * time.Millisecond)
				far.Write([]byte{0x60})
			}
		}()
		begin := time.Now()
		_, err := w.TPDU(context.Background(), []byte{0, 0xB2, 1, 0x0C, 1})
		if took := time.Since(begin); !errors.Is(err, device.ErrMute) || took != 5*900*time.Millisecond+time.Second {
			t.Errorf("%v after %v, want mute after 5.5 s", err, took)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) != true {
			t.Errorf("%v does not say why", err)
		}
	})
}

func FuzzWire(f *testing.F) {
	f.Add([]byte{0, 0xB2, 1, 0x0C, 2}, []byte{0x60, 0xB2, 1, 2, 0x90, 0})
	f.Add([]byte{0, 0x82, 0, 0, 2, 0xAA, 0xBB}, []byte{0x7D, 0x82, 0x90, 0})
	f.Fuzz(func(t *testing.T, tpdu, card []byte) {
		b := &cannedCard{in: card}
		got, err := Wire{Bytes: b, WorkWaiting: time.Second}.TPDU(t.Context(), tpdu)
		if err == nil && len(got) < 2 || len(got) > 258 {
			t.Errorf("% X gave %d bytes", card, len(got))
		}
		if !bytes.HasPrefix(tpdu, b.out) {
			t.Errorf("sent % X of % X", b.out, tpdu)
		}
	})
}

type cannedCard struct{ in, out []byte }

func (c *cannedCard) Write(_ context.Context, p []byte) error {
	c.out = append(c.out, p...)
	return nil
}

func (c *cannedCard) ByteWithin(context.Context, time.Duration) (byte, error) {
	if len(c.in) == 0 {
		return 0, device.ErrTimeout
	}
	b := c.in[0]
	c.in = c.in[1:]
	return b, nil
}
