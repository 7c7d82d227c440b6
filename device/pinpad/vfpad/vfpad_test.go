package vfpad_test

import (
	"bytes"
	"context"
	"crypto/des"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/pinpad/vfpad"
	"posd/device/serial"
	"posd/device/sim/pty"
	sim "posd/device/sim/vfpad"
	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
)

// Keys of these tests.
var (
	protection = bytes.Repeat([]byte{0x0B, 0xD3}, 8)
	master     = []byte("\x01\x23\x45\x67\x89\xAB\xCD\xEF\xFE\xDC\xBA\x98\x76\x54\x32\x10")
	working    = []byte("\x2A\x2A\x2A\x2A\x2A\x2A\x2A\x2A\x4C\x4C\x4C\x4C\x4C\x4C\x4C\x4C")
)

const slot = 3

// pad moves the simulator as the suite wants it.
type pad struct {
	*sim.Pad
	line net.Conn
}

func (p pad) Unplug()           { p.line.Close() }
func (p pad) Press(keys string) { _ = p.Pad.Press(keys) } // the suite knows the keys
func (p pad) Misbehave(f devicetest.Fault) {
	p.Pad.Misbehave(map[devicetest.Fault]sim.Fault{
		devicetest.Silent: sim.Silent, devicetest.GarbledOnce: sim.GarbledOnce, devicetest.Garbled: sim.Garbled,
	}[f])
}

// connect makes a driver and a pad with the master key in its slot.
func connect(t *testing.T, config sim.Config) (*vfpad.Pad, pad) {
	t.Helper()
	return connectWith(t, vfpad.Config{}, config, plain)
}

func plain(p device.Port) device.Port { return p }

// connectWith is connect with a driver of that configuration, on a line that wrap spoils.
func connectWith(t *testing.T, own vfpad.Config, config sim.Config, wrap func(device.Port) device.Port) (*vfpad.Pad, pad) {
	t.Helper()
	if config.Protection == nil {
		config.Protection = protection
	}
	if config.Slots == nil {
		config.Slots = map[int][]byte{slot: master}
	}
	far, err := sim.New(config)
	if err != nil {
		t.Fatal(err)
	}
	near, line := net.Pipe()
	driver, err := vfpad.New(wrap(near), own)
	if err != nil {
		t.Fatal(err)
	}
	run(t, far, line)
	t.Cleanup(func() { driver.Close() })
	return driver, pad{far, line}
}

// run runs the pad until the test ends.
func run(t *testing.T, far *sim.Pad, line device.Port) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = far.Run(ctx, line) // ends with an error where a test unplugs it
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
	return device.PINRequest{PAN: pan, Slot: slot, Key: key, MinDigits: 4, MaxDigits: 12, Prompt: "CNY 12.00 ENTER YOUR PIN"}
}

// openBlock gives the digits in a block under the working key.
func openBlock(t *testing.T, pan emv.PAN) func(device.PINBlock) (string, error) {
	return func(b device.PINBlock) (string, error) {
		block, err := des.NewTripleDESCipher(append(bytes.Clone(working), working[:8]...))
		if err != nil {
			t.Fatal(err)
		}
		block.Decrypt(b.Block[:], b.Block[:])
		digits, err := pinblock.Decode0(b.Block, pan)
		return string(digits), err
	}
}

func tr31(t *testing.T, under, key []byte, usage string, blocks ...keyblock.Block) string {
	t.Helper()
	h := keyblock.Header{
		Version: keyblock.VersionB, Usage: usage, Algorithm: keyblock.AlgorithmTDES, Mode: keyblock.ModeDecrypt,
		KeyVersion: "00", Exportability: keyblock.ExportableNever, Blocks: blocks,
	}
	s, err := keyblock.Wrap(under, h, key, make([]byte, 6))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	for name, config := range map[string]vfpad.Config{
		"z62":                          {},
		"z60":                          {Entry: vfpad.EntryZ60},
		"z60 after a prompt by number": {Entry: vfpad.EntryZ60, PINPrompt: 1},
		"70":                           {Entry: vfpad.Entry70},
	} {
		t.Run(name, func(t *testing.T) {
			devicetest.PINPad(t, func(t *testing.T) devicetest.PINPadRig {
				driver, far := connectWith(t, config, sim.Config{}, plain)
				req := request(t)
				return devicetest.PINPadRig{
					Driver: driver, Far: far, Request: req, PIN: openBlock(t, req.PAN),
					Slot: slot, KeyBlock: tr31(t, protection, master, keyblock.UsageKeyEncryption),
					NoBypass: config.Entry != vfpad.EntryZ62,
				}
			})
		})
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

func TestLoadedKeyIsTheOneThatOpensWorkingKeys(t *testing.T) {
	inBubble(t, "into an empty pad", func(t *testing.T, ctx context.Context) {
		req := request(t)
		driver, far := connect(t, sim.Config{Slots: map[int][]byte{}, Cardholder: func(e sim.Entry) string {
			if e.PAN != req.PAN || !strings.Contains(e.Prompt, "CNY 12.00") {
				t.Errorf("cardholder is asked %q", e.Prompt)
			}
			return "13579E"
		}})
		if loaded, err := driver.CheckKey(ctx, slot); loaded || err != nil {
			t.Errorf("CheckKey of an empty slot: %v, %v", loaded, err)
		}
		if _, err := driver.EnterPIN(ctx, req); !errors.Is(err, device.ErrRefused) {
			t.Errorf("EnterPIN without master key: %v", err)
		}
		if err := driver.LoadKey(ctx, slot, tr31(t, protection, master, keyblock.UsageKeyEncryption)); err != nil {
			t.Fatal(err)
		}
		if loaded, err := driver.CheckKey(ctx, slot); !loaded || err != nil || !far.Loaded(slot) {
			t.Errorf("CheckKey after the load: %v, %v", loaded, err)
		}
		block, err := driver.EnterPIN(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		if digits, err := openBlock(t, req.PAN)(block); digits != "13579" || block.Digits != 5 {
			t.Errorf("block has %q (%d digits, %v)", digits, block.Digits, err)
		}
	})
}

func TestRefusedKeyLoads(t *testing.T) {
	for _, tc := range []struct {
		name, block, want string
	}{
		{"another protection key", tr31(t, bytes.Repeat([]byte{0x45}, 16), master, keyblock.UsageKeyEncryption), "MAC of the key block"},
		{"a PIN key where a master key belongs", tr31(t, protection, master, keyblock.UsagePINEncryption), "key usage"},
		{"a key of another slot", tr31(t, protection, master, keyblock.UsageKeyEncryption), "another slot"},
	} {
		inBubble(t, tc.name, func(t *testing.T, ctx context.Context) {
			driver, far := connect(t, sim.Config{})
			err := driver.LoadKey(ctx, 5, tc.block)
			if !errors.Is(err, device.ErrRefused) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to say %q", err, tc.want)
			}
			if far.Loaded(5) {
				t.Error("the slot has a key")
			}
			if err := driver.Show(ctx, "NEXT"); err != nil {
				t.Errorf("after a refusal: %v", err)
			}
		})
	}
}

func TestLateBlockIsAcknowledgedAndThrownAway(t *testing.T) {
	inBubble(t, "two minutes late", func(t *testing.T, ctx context.Context) {
		driver, far := connect(t, sim.Config{})
		far.Pad.Misbehave(sim.LateAnswer)
		done := make(chan error, 1)
		go func() {
			_, err := driver.EnterPIN(ctx, request(t))
			done <- err
		}()
		synctest.Wait()
		far.Press("1234E")
		if err := <-done; !errors.Is(err, device.ErrCancelled) {
			t.Fatalf("EnterPIN: %v", err)
		}
		far.Pad.Misbehave(sim.None)
		pause(ctx, sim.LateBy) // now the line has 71 three times, and an EOT
		req := request(t)
		go func() {
			block, err := driver.EnterPIN(ctx, req)
			if digits, _ := openBlock(t, req.PAN)(block); err == nil && digits != "5678" {
				err = fmt.Errorf("block of %q: the late one was taken", digits)
			}
			done <- err
		}()
		synctest.Wait()
		far.Press("5678E")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pause waits on the bubble's clock.
func pause(ctx context.Context, d time.Duration) {
	limit, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-limit.Done()
}

func TestNAKStorm(t *testing.T) {
	inBubble(t, "a pad that understands nothing", func(t *testing.T, ctx context.Context) {
		driver, far := connect(t, sim.Config{})
		far.Pad.Misbehave(sim.NAKs)
		if err := driver.Show(ctx, "A"); !errors.Is(err, device.ErrProtocol) || !strings.Contains(err.Error(), "3 tries") {
			t.Errorf("Show: %v", err)
		}
		far.Pad.Misbehave(sim.None)
		if err := driver.Show(ctx, "B"); err != nil || far.Display() != "B" {
			t.Errorf("Show after it: %v, display %q", err, far.Display())
		}
	})
}

func TestShortPINWaitsForMore(t *testing.T) {
	inBubble(t, "enter after three digits, then clear", func(t *testing.T, ctx context.Context) {
		driver, far := connect(t, sim.Config{})
		req := request(t)
		done := make(chan device.PINBlock, 1)
		go func() {
			block, err := driver.EnterPIN(ctx, req)
			if err != nil {
				t.Error(err)
			}
			done <- block
		}()
		synctest.Wait()
		far.Press("123E")
		if !far.Entering() || !strings.Contains(far.Display(), "***") || strings.Contains(far.Display(), "123") {
			t.Errorf("display %q", far.Display())
		}
		far.Press("C4321E")
		if digits, err := openBlock(t, req.PAN)(<-done); digits != "4321" {
			t.Errorf("block has %q, %v", digits, err)
		}
	})
}

func TestRequestsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*device.PINRequest){
		"no card number": func(r *device.PINRequest) { r.PAN = emv.PAN{} },
		"slot":           func(r *device.PINRequest) { r.Slot = 10 },
		"no key":         func(r *device.PINRequest) { r.Key = keyblock.Cryptogram{} },
		"three digits":   func(r *device.PINRequest) { r.MinDigits = 3 },
		"13 digits":      func(r *device.PINRequest) { r.MaxDigits = 13 },
		"min above max":  func(r *device.PINRequest) { r.MinDigits, r.MaxDigits = 8, 6 },
	} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			driver, far := connect(t, sim.Config{})
			req := request(t)
			change(&req)
			_, err := driver.EnterPIN(ctx, req)
			if err == nil || strings.Contains(err.Error(), "6277") {
				t.Errorf("got %v", err)
			}
			if far.Entering() {
				t.Error("the pad was asked")
			}
		})
	}
}

func TestPromptCannotEndTheFrame(t *testing.T) {
	inBubble(t, "control characters and Chinese", func(t *testing.T, ctx context.Context) {
		driver, far := connect(t, sim.Config{Cardholder: func(sim.Entry) string { return "X" }})
		req := request(t)
		req.Prompt = "A\x03B\x1C请输入密码"
		if _, err := driver.EnterPIN(ctx, req); !errors.Is(err, device.ErrCancelled) {
			t.Errorf("EnterPIN: %v", err)
		}
		if err := driver.Show(ctx, "\x03\x02"+strings.Repeat("W", 80)); err != nil || far.Display() != "??"+strings.Repeat("W", 62) {
			t.Errorf("Show: %v, display %q", err, far.Display())
		}
	})
}

// A smoke test over what hardware looks like: a path, and the serial driver.
func TestOverAPseudoTerminal(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	far, err := sim.New(sim.Config{
		Protection: protection, Slots: map[int][]byte{slot: master},
		Cardholder: func(sim.Entry) string { return "2468E" },
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, far, pair.Port)
	port, err := serial.Open(serial.Config{Path: pair.Path(), Baud: 9600})
	if err != nil {
		t.Fatal(err)
	}
	driver, err := vfpad.New(port, vfpad.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { driver.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req := request(t)
	block, err := driver.EnterPIN(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if digits, err := openBlock(t, req.PAN)(block); digits != "2468" {
		t.Errorf("block has %q, %v", digits, err)
	}
}
