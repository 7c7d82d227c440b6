package pn532_test

import (
	"context"
	"net"
	"testing"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/iso7816"
	"posd/device/reader/pn532"
	sim "posd/device/sim/pn532"
)

// suiteCard is the card that package devicetest describes, at APDU level.
type suiteCard struct{}

func (suiteCard) Reset() []byte { return nil }

func (suiteCard) Exchange(command []byte) []byte {
	dead := false
	b, err := iso7816.T0(context.Background(), command, func(_ context.Context, tpdu []byte) ([]byte, error) {
		b := devicetest.CardAnswer(tpdu)
		dead = dead || b == nil
		return b, nil
	})
	switch {
	case dead:
		return nil
	case err != nil:
		return []byte{0x6F, 0x00}
	}
	return b
}

// slot moves the simulator as the suite wants it.
type slot struct {
	*sim.Reader
	line net.Conn
	card func(sim.Chip) sim.Tag
	atr  []byte
}

func (s slot) Insert()     { s.Reader.Insert(s.card(suiteCard{})) }
func (s slot) Unplug()     { s.line.Close() }
func (s slot) ATR() []byte { return s.atr }

func (s slot) Misbehave(f devicetest.Fault) {
	s.Reader.Misbehave(map[devicetest.Fault]sim.Fault{
		devicetest.Silent:      {Kind: sim.Silent},
		devicetest.GarbledOnce: {Kind: sim.BadDCS, Times: 1},
		devicetest.Garbled:     {Kind: sim.BadDCS},
	}[f])
}

// What PC/SC makes of sim.CardA (no historical bytes) and sim.CardB.
var (
	atrA = []byte{0x3B, 0x80, 0x80, 0x01, 0x01}
	atrB = []byte{0x3B, 0x88, 0x80, 0x01, 0, 0, 0, 0, 0x00, 0x81, 0x71, 0x00, 0xF9}
)

// rig connects a driver to a simulator with cards of type A; it ends with the test.
func rig(t *testing.T, config pn532.Config, wrap func(device.Port) device.Port) (*pn532.Reader, slot) {
	t.Helper()
	return rigWith(t, config, sim.Config{}, wrap)
}

func rigWith(t *testing.T, config pn532.Config, far sim.Config, wrap func(device.Port) device.Port) (*pn532.Reader, slot) {
	t.Helper()
	near, line := net.Pipe()
	s := sim.New(far)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, line) // ends with an error where a test unplugs it
	}()
	reader, err := pn532.New(wrap(near), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		cancel()
		<-ended
	})
	return reader, slot{s, line, sim.CardA, atrA}
}

// longRig is a rig with blocks of those sizes and an active longChip.
func longRig(t *testing.T, ours, theirs int) (*pn532.Reader, *longChip) {
	t.Helper()
	r, s := rigWith(t, pn532.Config{BlockSize: ours}, sim.Config{BlockSize: theirs}, plain)
	chip := &longChip{}
	s.Reader.Insert(sim.CardA(chip))
	if _, err := r.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, chip
}

func plain(p device.Port) device.Port { return p }

func TestConformance(t *testing.T) {
	for name, row := range map[string]struct {
		config pn532.Config
		card   func(sim.Chip) sim.Tag
		atr    []byte
	}{
		"type A": {pn532.Config{}, sim.CardA, atrA},
		"type B": {pn532.Config{}, sim.CardB, atrB},
		"blocks": {pn532.Config{BlockSize: 3}, sim.CardA, atrA},
	} {
		t.Run(name, func(t *testing.T) {
			devicetest.Reader(t, func(t *testing.T) (device.Reader, devicetest.Slot) {
				reader, s := rig(t, row.config, plain)
				s.card, s.atr = row.card, row.atr
				return reader, s
			})
		})
	}
}
