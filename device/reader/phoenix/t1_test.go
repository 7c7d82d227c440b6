package phoenix_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/reader/phoenix"
	sim "posd/device/sim/phoenix"
	"posd/device/sim/t1"
)

// TestT1 has a line and a card at T=1 that misbehave: what the protocol can mend is mended,
// and the rest ends in its time.
func TestT1(t *testing.T) {
	for _, row := range []struct {
		name string
		line sim.Fault
		card t1.Fault
		want error // nil for a session that succeeds
	}{
		{"as it should be", sim.Fault{}, t1.Fault{}, nil},
		{"more time, twice", sim.Fault{}, t1.Fault{Kind: t1.Waiting, Times: 2, Value: 3}, nil},
		{"two characters garbled", sim.Fault{Kind: sim.Garble, Times: 2}, t1.Fault{}, nil},
		{"two wrong checks", sim.Fault{}, t1.Fault{Kind: t1.BadCheck, Times: 2}, nil},
		{"a block without its end", sim.Fault{}, t1.Fault{Kind: t1.Short, Times: 1}, nil},
		{"a block comes too late, into ours", sim.Fault{Kind: sim.Late, Times: 1, Delay: 3 * time.Second}, t1.Fault{}, nil},
		{"garbled for ever", sim.Fault{Kind: sim.Garble}, t1.Fault{}, device.ErrProtocol},
		{"silent for ever", sim.Fault{Kind: sim.Mute}, t1.Fault{}, device.ErrMute},
		{"half a block, then dead", sim.Fault{Kind: sim.DiesHalfway}, t1.Fault{}, device.ErrMute},
		{"asks for every block again", sim.Fault{}, t1.Fault{Kind: t1.Repeat}, device.ErrProtocol},
		{"keeps its N(R)", sim.Fault{}, t1.Fault{Kind: t1.KeepNR}, device.ErrProtocol},
		{"asks for time for ever", sim.Fault{}, t1.Fault{Kind: t1.Waiting, Value: 255}, device.ErrProtocol},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rig(t, phoenix.Config{})
				card := blockCard(t)
				s.Reader.Insert(card)
				if _, err := r.PowerOn(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.Reader.Misbehave(row.line)
				card.Misbehave(row.card)
				begin := time.Now()
				got, err := r.Transmit(t.Context(), selectFile)
				if !errors.Is(err, row.want) || err == nil && !bytes.Equal(got, selected) {
					t.Fatalf("got % X, %v; want %v", got, err, row.want)
				}
				if took := time.Since(begin); took > 2*time.Minute {
					t.Errorf("it took %v", took)
				}
				s.Reader.Misbehave(sim.Fault{})
				card.Misbehave(t1.Fault{})
				if err := session(t.Context(), r); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// A card that names T=1 first, and then says nothing, is mute.
func TestT1WithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, phoenix.Config{})
		card := blockCard(t)
		card.Misbehave(t1.Fault{Kind: t1.Deaf})
		s.Reader.Insert(card)
		if _, err := r.PowerOn(t.Context()); !errors.Is(err, device.ErrMute) || errors.Is(err, device.ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
}

// A block that was spoiled on its way does not make the card do its command twice.
func TestT1CommandsReachTheCardOnce(t *testing.T) {
	for _, kind := range []sim.FaultKind{sim.Garble, sim.Late} {
		synctest.Test(t, func(t *testing.T) {
			r, s := rig(t, phoenix.Config{})
			card := blockCard(t)
			s.Reader.Insert(card)
			if _, err := r.PowerOn(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Reader.Misbehave(sim.Fault{Kind: kind, Times: 1, Delay: 3 * time.Second})
			if _, err := r.Transmit(t.Context(), []byte{0x80, 0xCA, 0x9F, 0x36, 0}); err != nil {
				t.Errorf("fault %d: %v", kind, err)
			}
			if n := card.Counts().Commands; n != 1 {
				t.Errorf("fault %d: the card had %d commands", kind, n)
			}
		})
	}
}
