package devicetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"posd/device"
)

// Slot is the far end of a reader driver. Insert puts in a card that behaves as
// [CardATR] and [CardAnswer] say; Remove pulls it. A Slot with a method ATR() []byte has a
// card with another answer to reset.
type Slot interface {
	Far
	Insert()
	Remove()
}

// Answerer is a Slot in which the suite's card answers to reset with something else than
// CardATR: of a contactless card the reader makes that answer.
type Answerer interface{ ATR() []byte }

// Unchecked is a Slot at the end of a line that needs no check of its own, as TCP does
// not: one garbled answer is the card's, and there is nothing to ask it for again.
type Unchecked interface{ Unchecked() }

// CardATR is the answer to reset of the suite's card: T=0, two historical bytes.
var CardATR = []byte{0x3B, 0x62, 0x00, 0x00, 0x50, 0x31}

// CardAnswer is the suite's card at T=0: data and status word for one TPDU.
//
//	SELECT with data          -> 61 0A (GET RESPONSE fetches ten bytes)
//	READ RECORD, P3 is not 05 -> 6C 05
//	READ RECORD, P3 05        -> five bytes, 90 00
//	GET DATA                  -> 6A 88
//	GENERATE AC               -> nil: the card dies
func CardAnswer(tpdu []byte) []byte {
	if len(tpdu) < 5 {
		return []byte{0x67, 0x00}
	}
	switch ins, p3 := tpdu[1], tpdu[4]; {
	case ins == 0xA4:
		return []byte{0x61, 0x0A}
	case ins == 0xC0:
		return append([]byte("0123456789")[:min(int(p3), 10)], 0x90, 0x00)
	case ins == 0xB2 && p3 != 5:
		return []byte{0x6C, 0x05}
	case ins == 0xB2:
		return []byte{1, 2, 3, 4, 5, 0x90, 0x00}
	case ins == 0xCA:
		return []byte{0x6A, 0x88}
	case ins == 0xAE:
		return nil
	}
	return []byte{0x6D, 0x00}
}

// The suite's commands, with what comes back at APDU level.
var exchanges = []struct {
	name          string
	command, want []byte
}{
	{"case 4 with 61xx", []byte{0, 0xA4, 4, 0, 2, 0x3F, 0, 0}, append([]byte("0123456789"), 0x90, 0)},
	{"case 2 with 6Cxx", []byte{0, 0xB2, 1, 0x0C, 0}, []byte{1, 2, 3, 4, 5, 0x90, 0}},
	{"a refusal is an answer", []byte{0x80, 0xCA, 0x9F, 0x36, 0}, []byte{0x6A, 0x88}},
	{"case 1", []byte{0, 0x70, 0, 0}, []byte{0x6D, 0}},
}

// Reader is the conformance suite of a device.Reader.
func Reader(t *testing.T, open func(t *testing.T) (device.Reader, Slot)) {
	sessions(t, open)
	removals(t, open)
	readerSilence(t, open)
	readerMends(t, open)
	readerFaults(t, open)
}

// Contacts is the conformance suite of a device.Reader that has the card at a plain UART. It
// is that of [Reader], but that a silent card cannot be told from a silent reader; and
// mends says whether the protocol can ask for a garbled answer again: T=1 can, T=0 cannot.
func Contacts(t *testing.T, mends bool, open func(t *testing.T) (device.Reader, Slot)) {
	sessions(t, open)
	removals(t, open)
	contactSilence(t, open)
	if mends {
		readerMends(t, open)
	} else {
		contactGarbled(t, open)
	}
	readerFaults(t, open)
}

func powered(t *testing.T, ctx context.Context, open func(t *testing.T) (device.Reader, Slot)) (device.Reader, Slot) {
	t.Helper()
	reader, slot := open(t)
	slot.Insert()
	must(t, "WaitCard", reader.WaitCard(ctx, true))
	atr, err := reader.PowerOn(ctx)
	must(t, "PowerOn", err)
	want := CardATR
	if a, ok := slot.(Answerer); ok {
		want = a.ATR()
	}
	if !bytes.Equal(atr, want) {
		t.Fatalf("ATR % X, want % X", atr, want)
	}
	return reader, slot
}

func sessions(t *testing.T, open func(t *testing.T) (device.Reader, Slot)) {
	row(t, "two sessions with every case of APDU", func(t *testing.T, ctx context.Context) {
		reader, _ := powered(t, ctx, open)
		for range 2 {
			for _, x := range exchanges {
				got, err := reader.Transmit(ctx, x.command)
				must(t, x.name, err)
				if !bytes.Equal(got, x.want) {
					t.Errorf("%s: got % X, want % X", x.name, got, x.want)
				}
			}
			must(t, "PowerOff", reader.PowerOff(ctx))
			_, err := reader.PowerOn(ctx)
			must(t, "PowerOn again", err)
		}
	})
	row(t, "a command that is no APDU is refused before the wire", func(t *testing.T, ctx context.Context) {
		reader, _ := powered(t, ctx, open)
		for _, bad := range [][]byte{nil, {0, 0xA4, 4}, {0, 0xA4, 4, 0, 9, 1}} {
			if got, err := reader.Transmit(ctx, bad); err == nil {
				t.Errorf("% X: answered % X", bad, got)
			}
		}
	})
	row(t, "wait for a card, for its removal, and for nothing", func(t *testing.T, ctx context.Context) {
		reader, slot := open(t)
		must(t, "absent at once", reader.WaitCard(ctx, false))
		wait := func(present bool) <-chan result[struct{}] {
			return start(func() (struct{}, error) { return struct{}{}, reader.WaitCard(ctx, present) })
		}
		done := wait(true)
		slot.Insert()
		must(t, "insertion", (<-done).err)
		must(t, "present at once", reader.WaitCard(ctx, true))
		done = wait(false)
		slot.Remove()
		must(t, "removal", (<-done).err)

		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		wantError(t, "no card", reader.WaitCard(short, true), context.DeadlineExceeded)
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		wantError(t, "cancelled", reader.WaitCard(cancelled, true), context.Canceled)
		slot.Insert()
		must(t, "insertion after all that", reader.WaitCard(ctx, true))
	})
}

func removals(t *testing.T, open func(t *testing.T) (device.Reader, Slot)) {
	row(t, "empty slot", func(t *testing.T, ctx context.Context) {
		reader, _ := open(t)
		_, err := reader.PowerOn(ctx)
		wantError(t, "PowerOn", err, device.ErrNoCard)
		_, err = reader.Transmit(ctx, exchanges[0].command)
		wantError(t, "Transmit", err, device.ErrNoCard)
		must(t, "PowerOff", reader.PowerOff(ctx))
	})
	row(t, "card pulled in the middle of a session", func(t *testing.T, ctx context.Context) {
		reader, slot := powered(t, ctx, open)
		slot.Remove()
		_, err := reader.Transmit(ctx, exchanges[0].command)
		wantError(t, "Transmit", err, device.ErrNoCard)
		must(t, "PowerOff", reader.PowerOff(ctx))
		must(t, "WaitCard absent", reader.WaitCard(ctx, false))
	})
	row(t, "card pulled and put back needs a new reset", func(t *testing.T, ctx context.Context) {
		reader, slot := powered(t, ctx, open)
		slot.Remove()
		slot.Insert()
		if got, err := reader.Transmit(ctx, exchanges[0].command); err == nil {
			t.Fatalf("a card that was not reset answered % X", got)
		}
		_, err := reader.PowerOn(ctx)
		must(t, "PowerOn", err)
		_, err = reader.Transmit(ctx, exchanges[0].command)
		must(t, "Transmit", err)
	})
	row(t, "card that dies", func(t *testing.T, ctx context.Context) {
		reader, _ := powered(t, ctx, open)
		_, err := reader.Transmit(ctx, []byte{0x80, 0xAE, 0x80, 0, 1, 0, 0})
		wantError(t, "Transmit", err, device.ErrMute)
		_, err = reader.PowerOn(ctx)
		must(t, "PowerOn after it", err)
	})
}

func readerSilence(t *testing.T, open func(t *testing.T) (device.Reader, Slot)) {
	row(t, "silence, then good again", func(t *testing.T, ctx context.Context) {
		reader, slot := powered(t, ctx, open)
		slot.Misbehave(Silent)
		begin := time.Now()
		_, err := reader.Transmit(ctx, exchanges[0].command)
		wantError(t, "Transmit", err, device.ErrTimeout)
		_, err = reader.PowerOn(ctx)
		wantError(t, "PowerOn", err, device.ErrTimeout)
		if took := time.Since(begin); took > 2*time.Minute {
			t.Errorf("a silent reader was found after %v", took)
		}
		slot.Misbehave(None)
		_, err = reader.PowerOn(ctx)
		must(t, "PowerOn", err)
	})
}

func readerMends(t *testing.T, open func(t *testing.T) (device.Reader, Slot)) {
	row(t, "one garbled answer does no harm", func(t *testing.T, ctx context.Context) {
		reader, slot := powered(t, ctx, open)
		if _, ok := slot.(Unchecked); ok {
			return
		}
		slot.Misbehave(GarbledOnce)
		got, err := reader.Transmit(ctx, exchanges[0].command)
		must(t, "Transmit", err)
		if !bytes.Equal(got, exchanges[0].want) {
			t.Errorf("got % X, want % X", got, exchanges[0].want)
		}
	})
}

func contactSilence(t *testing.T, open func(t *testing.T) (device.Reader, Slot)) {
	row(t, "silence, then good again", func(t *testing.T, ctx context.Context) {
		reader, slot := powered(t, ctx, open)
		slot.Misbehave(Silent)
		begin := time.Now()
		_, err := reader.Transmit(ctx, exchanges[0].command)
		wantError(t, "Transmit", err, device.ErrTimeout, device.ErrMute)
		_, err = reader.PowerOn(ctx)
		wantError(t, "PowerOn", err, device.ErrTimeout, device.ErrMute)
		if took := time.Since(begin); took > 2*time.Minute {
			t.Errorf("silence was found after %v", took)
		}
		slot.Misbehave(None)
		_, err = reader.PowerOn(ctx)
		must(t, "PowerOn", err)
	})
}

func contactGarbled(t *testing.T, open func(t *testing.T) (device.Reader, Slot)) {
	row(t, "one garbled character ends the command, and no more than that", func(t *testing.T, ctx context.Context) {
		reader, slot := powered(t, ctx, open)
		slot.Misbehave(GarbledOnce)
		_, err := reader.Transmit(ctx, exchanges[0].command)
		wantError(t, "Transmit", err, device.ErrProtocol, device.ErrMute)
		_, err = reader.PowerOn(ctx)
		must(t, "PowerOn", err)
		got, err := reader.Transmit(ctx, exchanges[0].command)
		must(t, "Transmit", err)
		if !bytes.Equal(got, exchanges[0].want) {
			t.Errorf("got % X, want % X", got, exchanges[0].want)
		}
	})
}

func readerFaults(t *testing.T, open func(t *testing.T) (device.Reader, Slot)) {
	row(t, "garbled for ever", func(t *testing.T, ctx context.Context) {
		reader, slot := powered(t, ctx, open)
		slot.Misbehave(Garbled)
		_, err := reader.Transmit(ctx, exchanges[0].command)
		wantError(t, "Transmit", err, device.ErrProtocol)
		slot.Misbehave(None)
		_, err = reader.PowerOn(ctx)
		must(t, "PowerOn", err)
	})
	row(t, "unplugged while it waits for a card", func(t *testing.T, ctx context.Context) {
		reader, slot := open(t)
		done := start(func() (struct{}, error) { return struct{}{}, reader.WaitCard(ctx, true) })
		slot.Unplug()
		wantError(t, "WaitCard", (<-done).err, device.ErrGone)
	})
	row(t, "unplugged in the middle of a session", func(t *testing.T, ctx context.Context) {
		reader, slot := powered(t, ctx, open)
		slot.Unplug()
		_, err := reader.Transmit(ctx, exchanges[0].command)
		wantError(t, "Transmit", err, device.ErrGone)
	})
	row(t, "closed", func(t *testing.T, ctx context.Context) {
		reader, _ := powered(t, ctx, open)
		must(t, "Close", reader.Close())
		_, err := reader.Transmit(ctx, exchanges[0].command)
		wantError(t, "Transmit", err, device.ErrGone)
		wantError(t, "WaitCard", reader.WaitCard(ctx, true), device.ErrGone)
	})
}
