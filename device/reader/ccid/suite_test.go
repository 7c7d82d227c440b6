package ccid_test

import (
	"context"
	"net"
	"testing"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/reader/ccid"
	sim "posd/device/sim/ccid"
)

// suiteCard is the card that package devicetest describes.
type suiteCard struct{}

func (suiteCard) Reset() []byte               { return devicetest.CardATR }
func (suiteCard) Transmit(tpdu []byte) []byte { return devicetest.CardAnswer(tpdu) }

// slot moves the simulator as the suite wants it.
type slot struct {
	*sim.Reader
	line net.Conn
}

func (s slot) Insert() { s.Reader.Insert(suiteCard{}) }
func (s slot) Unplug() { s.line.Close() }

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

func TestConformance(t *testing.T) {
	for name, profile := range map[string]ccid.Profile{"gempc": ccid.GemPC, "sec1210": ccid.SEC1210} {
		t.Run(name, func(t *testing.T) {
			devicetest.Reader(t, func(t *testing.T) (device.Reader, devicetest.Slot) {
				return rig(t, profile, plain)
			})
		})
	}
}
