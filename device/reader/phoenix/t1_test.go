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
)

// TestT1 has a card at T=1 that misbehaves: what the protocol can mend is mended.
func TestT1(t *testing.T) {
	for _, row := range []struct {
		name  string
		fault sim.Fault
		want  error // nil for a session that succeeds
	}{
		{"as it should be", sim.Fault{}, nil},
		{"responses in blocks of three bytes", sim.Fault{Kind: sim.SmallBlocks}, nil},
		{"more time, once", sim.Fault{Kind: sim.Extension, Times: 1, Delay: 4 * time.Second}, nil},
		{"two damaged blocks", sim.Fault{Kind: sim.Garble, Times: 2}, nil},
		{"one block comes too late", sim.Fault{Kind: sim.Late, Times: 1, Delay: 3 * time.Second}, nil},
		{"damaged for ever", sim.Fault{Kind: sim.Garble}, device.ErrProtocol},
		{"silent for ever", sim.Fault{Kind: sim.Mute}, device.ErrMute},
		{"half a block, then dead", sim.Fault{Kind: sim.DiesHalfway}, device.ErrMute},
		{"keeps a wrong N(R)", sim.Fault{Kind: sim.WrongNR}, device.ErrProtocol},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rig(t, phoenix.Config{})
				s.Reader.Insert(blockCard{})
				if _, err := r.PowerOn(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.Reader.Misbehave(row.fault)
				begin := time.Now()
				got, err := r.Transmit(t.Context(), selectFile)
				if !errors.Is(err, row.want) || err == nil && !bytes.Equal(got, selected) {
					t.Fatalf("got % X, %v; want %v", got, err, row.want)
				}
				if took := time.Since(begin); took > 2*time.Minute {
					t.Errorf("it took %v", took)
				}
				s.Reader.Misbehave(sim.Fault{})
				if err := session(t.Context(), r); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// A card that names T=1 first, and then does not understand it, is mute.
func TestT1WithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, phoenix.Config{})
		s.Reader.Insert(atrCard(blockCard{}.Reset()))
		if _, err := r.PowerOn(t.Context()); !errors.Is(err, device.ErrMute) || errors.Is(err, device.ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
}
