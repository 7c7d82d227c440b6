package abecs_test

import (
	"bytes"
	"context"
	"crypto/des"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/pinpad/abecs"
	sim "posd/device/sim/abecs"
	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
)

// Keys of these tests.
var (
	master  = []byte("\x01\x23\x45\x67\x89\xAB\xCD\xEF\xFE\xDC\xBA\x98\x76\x54\x32\x10")
	working = []byte("\x2A\x2A\x2A\x2A\x2A\x2A\x2A\x2A\x4C\x4C\x4C\x4C\x4C\x4C\x4C\x4C")
)

const slot = 3

// suiteCard is the card that package devicetest describes, as a T=0 card is.
type suiteCard struct{}

func (suiteCard) Reset() []byte { return devicetest.CardATR }

func (suiteCard) Exchange(apdu []byte) []byte {
	if len(apdu) == 4 {
		apdu = append(bytes.Clone(apdu), 0)
	}
	return devicetest.CardAnswer(apdu)
}

// far moves the simulator as the suites want it.
type far struct {
	*sim.Pad
	line    net.Conn
	antenna bool
}

func (f far) Unplug()           { f.line.Close() }
func (f far) Press(keys string) { _ = f.Pad.Press(keys) } // the suite knows the keys

func (f far) Insert() {
	if f.antenna {
		f.Tap(suiteCard{})
		return
	}
	f.Pad.Insert(suiteCard{})
}

func (f far) Remove() {
	if f.antenna {
		f.Tap()
		return
	}
	f.Pad.Remove()
}

func (f far) Misbehave(fault devicetest.Fault) {
	f.Pad.Misbehave(map[devicetest.Fault]sim.Fault{
		devicetest.Silent: sim.Silent, devicetest.GarbledOnce: sim.GarbledOnce, devicetest.Garbled: sim.Garbled,
	}[fault])
}

func plain(p device.Port) device.Port { return p }

// connect makes a driver and a pad with the master key in its slot, on a line that wrap
// spoils; both end with the test.
func connect(t *testing.T, own abecs.Config, config sim.Config, wrap func(device.Port) device.Port) (*abecs.Pad, far) {
	t.Helper()
	if config.MasterKeys == nil {
		config.MasterKeys = map[int][]byte{slot: master}
	}
	pad, err := sim.New(config)
	if err != nil {
		t.Fatal(err)
	}
	near, line := net.Pipe()
	driver, err := abecs.New(wrap(near), own)
	if err != nil {
		t.Fatal(err)
	}
	run(t, pad, line)
	t.Cleanup(func() { driver.Close() })
	return driver, far{Pad: pad, line: line}
}

// run runs the pad until the test ends.
func run(t *testing.T, pad *sim.Pad, line device.Port) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = pad.Run(ctx, line) // ends with an error where a test unplugs it
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

func request(t *testing.T) device.PINRequest {
	t.Helper()
	pan, err := emv.ParsePAN("6277000000000011")
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyblock.WrapECB(master, working)
	if err != nil {
		t.Fatal(err)
	}
	return device.PINRequest{PAN: pan, Slot: slot, Key: key, MinDigits: 4, MaxDigits: 12, Prompt: "R$ 12.00 DIGITE SUA SENHA"}
}

// openBlock gives the digits in a block under a TDES key.
func openBlock(t *testing.T, key []byte, pan emv.PAN) func(device.PINBlock) (string, error) {
	return func(b device.PINBlock) (string, error) {
		block, err := des.NewTripleDESCipher(append(bytes.Clone(key), key[:8]...))
		if err != nil {
			t.Fatal(err)
		}
		block.Decrypt(b.Block[:], b.Block[:])
		digits, err := pinblock.Decode0(b.Block, pan)
		return string(digits), err
	}
}

// configs are the pads that the suites run with.
var configs = map[string]struct {
	own func() abecs.Config
	far sim.Config
}{
	"in clear":           {func() abecs.Config { return abecs.Config{} }, sim.Config{}},
	"enciphered":         {func() abecs.Config { return abecs.Config{Key: sessionKey()} }, sim.Config{Random: entropy{}}},
	"with notifications": {func() abecs.Config { return abecs.Config{} }, sim.Config{Notifies: []string{"PROCESSANDO", "AGUARDE"}}},
}

func TestPINPadConformance(t *testing.T) {
	for name, c := range configs {
		t.Run(name, func(t *testing.T) {
			devicetest.PINPad(t, func(t *testing.T) devicetest.PINPadRig {
				driver, pad := connect(t, c.own(), c.far, plain)
				if _, err := driver.Info(t.Context()); err != nil { // the first command takes its time
					t.Fatal(err)
				}
				req := request(t)
				return devicetest.PINPadRig{
					Driver: driver, Far: pad, Request: req, PIN: openBlock(t, working, req.PAN), Slot: slot, NoBypass: true,
				}
			})
		})
	}
}

func TestReaderConformance(t *testing.T) {
	for name, c := range configs {
		for view, antenna := range map[string]bool{"chip": false, "antenna": true} {
			t.Run(view+" "+name, func(t *testing.T) {
				devicetest.Reader(t, func(t *testing.T) (device.Reader, devicetest.Slot) {
					driver, pad := connect(t, c.own(), c.far, plain)
					if pad.antenna = antenna; antenna {
						return driver.Contactless(), pad
					}
					return driver.Chip(), pad
				})
			})
		}
	}
}

// inBubble runs one situation under the clock of testing/synctest.
func inBubble(t *testing.T, name string, f func(t *testing.T, ctx context.Context)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			f(t, ctx)
		})
	})
}

// pause waits on the bubble's clock.
func pause(ctx context.Context, d time.Duration) {
	limit, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-limit.Done()
}
