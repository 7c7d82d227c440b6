package ccid_test

import (
	"bytes"
	"context"
	"net"
	"testing"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/reader/ccid"
	sim "posd/device/sim/ccid"
	"posd/device/sim/t1"
)

// suiteCard is the card that package devicetest describes.
type suiteCard struct{}

func (suiteCard) Reset() []byte               { return devicetest.CardATR }
func (suiteCard) Transmit(tpdu []byte) []byte { return devicetest.CardAnswer(tpdu) }

// suiteApplication is the same card without its T=0: what GET RESPONSE and the right length
// would have fetched comes at once.
type suiteApplication struct{}

func (suiteApplication) Reset() {}

func (suiteApplication) Exchange(command []byte) []byte {
	tpdu := append(bytes.Clone(command), 0)[:5]
	answer := devicetest.CardAnswer(tpdu)
	for len(answer) == 2 && (answer[0] == 0x61 || answer[0] == 0x6C) {
		if answer[0] == 0x61 {
			tpdu = []byte{0, 0xC0, 0, 0, 0}
		}
		tpdu[4] = answer[1]
		answer = devicetest.CardAnswer(tpdu)
	}
	return answer
}

// slot moves the simulator as the suite wants it, with a card at T=0.
type slot struct {
	*sim.Reader
	line net.Conn
}

func (s slot) Insert() { s.Reader.Insert(suiteCard{}) }
func (s slot) Unplug() { s.line.Close() }

// slotT1 has a card at T=1, with blocks of 16 bytes to it.
type slotT1 struct {
	slot
	card *t1.Card
}

func newSlotT1(t *testing.T, s slot) slotT1 {
	card, err := t1.New(t1.Config{Application: suiteApplication{}, IFSC: 16})
	if err != nil {
		t.Fatal(err)
	}
	return slotT1{s, card}
}

func (s slotT1) Insert()     { s.Reader.Insert(s.card) }
func (s slotT1) ATR() []byte { return s.card.Reset() }

func (s slot) Misbehave(f devicetest.Fault) {
	s.Reader.Misbehave(map[devicetest.Fault]sim.Fault{
		devicetest.Silent:      {Kind: sim.Silent},
		devicetest.GarbledOnce: {Kind: sim.BadLRC, Times: 1},
		devicetest.Garbled:     {Kind: sim.BadLRC},
	}[f])
}

// rig connects a driver to a simulator; it ends with the test.
func rig(t *testing.T, profile ccid.Profile, wrap func(device.Port) device.Port) (*ccid.Reader, slot) {
	t.Helper()
	return rigWith(t, ccid.Config{Profile: profile}, wrap)
}

func rigWith(t *testing.T, config ccid.Config, wrap func(device.Port) device.Port) (*ccid.Reader, slot) {
	t.Helper()
	near, far := net.Pipe()
	s := sim.New(sim.Config{Profile: sim.Profile(config.Profile)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, far) // ends with an error where a test unplugs it
	}()
	reader, err := ccid.New(wrap(near), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		cancel()
		<-ended
	})
	return reader, slot{s, far}
}

func plain(p device.Port) device.Port { return p }

var profiles = map[string]ccid.Profile{"gempc": ccid.GemPC, "sec1210": ccid.SEC1210}

func TestConformance(t *testing.T) {
	for name, profile := range profiles {
		t.Run(name+" T=0", func(t *testing.T) {
			devicetest.Reader(t, func(t *testing.T) (device.Reader, devicetest.Slot) {
				return rig(t, profile, plain)
			})
		})
		t.Run(name+" T=1", func(t *testing.T) {
			devicetest.Reader(t, func(t *testing.T) (device.Reader, devicetest.Slot) {
				r, s := rig(t, profile, plain)
				return r, newSlotT1(t, s)
			})
		})
	}
}
