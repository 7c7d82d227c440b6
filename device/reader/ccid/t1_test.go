package ccid_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/iso7816"
	"posd/device/reader/ccid"
	sim "posd/device/sim/ccid"
	"posd/device/sim/t1"
)

// A card at T=1 that breaks its protocol, through the reader: the command succeeds, or the
// card is without power and the next session is good.
func TestCardThatBreaksT1(t *testing.T) {
	for _, row := range []struct {
		name  string
		fault t1.Fault
		want  error
	}{
		{"asks for time three times", t1.Fault{Kind: t1.Waiting, Times: 3, Value: 10}, nil},
		{"asks for time for ever", t1.Fault{Kind: t1.Waiting, Value: 10}, device.ErrProtocol},
		{"silent once", t1.Fault{Kind: t1.Silent, Times: 1}, nil},
		{"silent for ever", t1.Fault{Kind: t1.Silent}, device.ErrMute},
		{"damaged twice", t1.Fault{Kind: t1.BadCheck, Times: 2}, nil},
		{"damaged for ever", t1.Fault{Kind: t1.BadCheck}, device.ErrProtocol},
		{"keeps a wrong N(R)", t1.Fault{Kind: t1.KeepNR}, device.ErrProtocol},
		{"asks for the same block for ever", t1.Fault{Kind: t1.Repeat}, device.ErrProtocol},
		{"takes less", t1.Fault{Kind: t1.Resize, Times: 1, Value: 3}, nil},
		{"aborts", t1.Fault{Kind: t1.Aborting, Times: 1}, iso7816.ErrDeactivate},
		{"chain without end", t1.Fault{Kind: t1.Empty}, device.ErrProtocol},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rig(t, ccid.SEC1210, plain)
				seat := newSlotT1(t, s)
				seat.Insert()
				if _, err := r.PowerOn(t.Context()); err != nil {
					t.Fatal(err)
				}
				seat.card.Misbehave(row.fault)
				begin := time.Now()
				got, err := r.Transmit(t.Context(), readRecord)
				if !errors.Is(err, row.want) || err == nil && !bytes.Equal(got, record) {
					t.Errorf("got % X, %v; want %v", got, err, row.want)
				}
				if took := time.Since(begin); took > 2*time.Minute {
					t.Errorf("it took %v", took)
				}
				seat.card.Misbehave(t1.Fault{})
				if _, again := r.Transmit(t.Context(), readRecord); errors.Is(err, iso7816.ErrDeactivate) && !errors.Is(again, device.ErrNoCard) {
					t.Errorf("card has its power still: %v", again)
				}
				if err := session(t.Context(), r); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// A reader that is silent for as long as the card may be is waited for, and not longer.
func TestAnswerTimeIsTheCards(t *testing.T) {
	for _, row := range []struct {
		name  string
		atr   []byte
		late  time.Duration
		waits byte // S(WTX request) of the card before its answer
		want  error
	}{
		{"T=0, as usual", []byte{0x3B, 0x60, 0x00, 0x00}, 4900 * time.Millisecond, 0, nil},
		{"T=0, as usual, later", []byte{0x3B, 0x60, 0x00, 0x00}, 5100 * time.Millisecond, 0, device.ErrTimeout},
		{"T=0, WI 112", []byte{0x3B, 0xE0, 0x00, 0x00, 0x40, 0x70}, 8 * time.Second, 0, nil},
		{"T=0, WI 255, which is 24 s: capped", []byte{0x3B, 0xE0, 0x00, 0x00, 0x40, 0xFF}, 12 * time.Second, 0, device.ErrTimeout},
		{"T=1, BWI 6", []byte{0x3B, 0xE0, 0x00, 0x00, 0x81, 0x31, 0xFE, 0x65, 0xCB}, 5500 * time.Millisecond, 0, nil},
		{"T=1, BWI 9, which is 46 s: capped", []byte{0x3B, 0xE0, 0x00, 0x00, 0x81, 0x31, 0xFE, 0x95, 0x3B}, 12 * time.Second, 0, device.ErrTimeout},
		{"T=1, BWI 4 and time asked for", []byte{0x3B, 0xE0, 0x00, 0x00, 0x81, 0x31, 0xFE, 0x45, 0xEB}, 13 * time.Second, 10, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rigWith(t, ccid.Config{Profile: ccid.SEC1210, AnyATR: true}, plain)
				lag := func() { s.Reader.Misbehave(sim.Fault{Kind: sim.Late, Times: 1, Delay: row.late}) }
				s.Reader.Insert(seatFor(t, row.atr, row.waits, lag))
				if _, err := r.PowerOn(t.Context()); err != nil {
					t.Fatal(err)
				}
				if row.waits == 0 {
					lag()
				}
				if _, err := r.Transmit(t.Context(), []byte{0, 0x70, 0, 0}); !errors.Is(err, row.want) {
					t.Errorf("got %v, want %v", err, row.want)
				}
			})
		})
	}
}

// seatFor is a card with that answer to reset. One that asks for time calls lag when it has.
func seatFor(t *testing.T, atr []byte, waits byte, lag func()) sim.Card {
	if atr[1]&0x80 == 0 || atr[4]&0x0F == 0 {
		return atrCard(atr)
	}
	card, err := t1.New(t1.Config{Application: countingApplication{&countingCard{}}, ATR: atr})
	if err != nil {
		t.Fatal(err)
	}
	if waits > 0 {
		card.Misbehave(t1.Fault{Kind: t1.Waiting, Times: 1, Value: waits})
	}
	return &laggard{card, lag}
}

// laggard calls lag once it has sent S(WTX request).
type laggard struct {
	*t1.Card
	lag func()
}

func (l *laggard) Transmit(block []byte) []byte {
	answer := l.Card.Transmit(block)
	if len(answer) > 1 && answer[1] == 0xC3 {
		l.lag()
	}
	return answer
}
