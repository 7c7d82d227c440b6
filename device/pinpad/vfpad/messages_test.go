package vfpad_test

import (
	"bytes"
	"context"
	"crypto/des"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"posd/device"
	"posd/device/pinpad/vfpad"
	sim "posd/device/sim/vfpad"
	"posd/emv"
	"posd/emv/dukpt"
	"posd/emv/issuer"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
)

// The initial key of the published examples: ANSI X9.24-1:2009, A.4.
var (
	initialKey = dukpt.Key([]byte("\x6A\xC2\x92\xFA\xA1\x31\x5B\x4D\x85\x8A\xB3\xA3\xD7\xD5\x93\x3A"))
	firstKSN   = dukpt.KSN([]byte("\xFF\xFF\x98\x76\x54\x32\x10\xE0\x00\x00"))
)

func dukptRequest(t *testing.T) device.DUKPTRequest {
	t.Helper()
	pan, err := emv.ParsePAN("6277000000000011")
	if err != nil {
		t.Fatal(err)
	}
	return device.DUKPTRequest{PAN: pan, MinDigits: 4, MaxDigits: 12, Prompt: "ENTER YOUR PIN", Amount: "12.00"}
}

// opened gives the digits of a PIN under its DUKPT key, as the host finds it.
func opened(t *testing.T, sealed device.SealedPIN, pan emv.PAN) string {
	t.Helper()
	ksn, err := dukpt.ParseKSN(sealed.KSN)
	if err != nil || sealed.Format != 0 || len(sealed.Block) != 8 {
		t.Fatalf("%+v, %v", sealed, err)
	}
	transaction, err := dukpt.TransactionKey(initialKey, ksn)
	if err != nil {
		t.Fatal(err)
	}
	key := transaction.For(dukpt.PIN)
	block, err := des.NewTripleDESCipher(append(key[:], key[:8]...))
	if err != nil {
		t.Fatal(err)
	}
	var clearBlock [8]byte
	block.Decrypt(clearBlock[:], sealed.Block)
	digits, err := pinblock.Decode0(clearBlock, pan)
	if err != nil {
		t.Error(err)
	}
	return string(digits)
}

func TestDUKPT(t *testing.T) {
	for name, tc := range map[string]struct {
		own vfpad.Config
		far sim.Config
	}{
		"z62":                   {},
		"z62 of VeriFone":       {far: sim.Config{Verifone: true}},
		"z60":                   {own: vfpad.Config{Entry: vfpad.EntryZ60}},
		"z60 of VeriFone":       {own: vfpad.Config{Entry: vfpad.EntryZ60}, far: sim.Config{Verifone: true}},
		"70":                    {own: vfpad.Config{Entry: vfpad.Entry70}},
		"70 with all of the F":  {own: vfpad.Config{Entry: vfpad.Entry70}, far: sim.Config{WholeKSN: true}},
		"z62 with all of the F": {far: sim.Config{WholeKSN: true}},
	} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			tc.far.Cardholder = func(sim.Entry) string { return "13579E" }
			driver, far := connectWith(t, tc.own, tc.far, plain)
			if err := far.Inject(1, initialKey, firstKSN); err != nil {
				t.Fatal(err)
			}
			req := dukptRequest(t)
			if _, err := driver.EnterDUKPT(ctx, req); !errors.Is(err, device.ErrRefused) || !strings.Contains(err.Error(), "no initial key") {
				t.Errorf("of key set 0, which is empty: %v", err)
			}
			req.KeySet = 1
			for counter := byte(1); counter <= 3; counter++ {
				sealed, err := driver.EnterDUKPT(ctx, req)
				if err != nil {
					t.Fatal(err)
				}
				if got := opened(t, sealed, req.PAN); got != "13579" || sealed.KSN[9] != counter {
					t.Errorf("entry %d: %q under %X", counter, got, sealed.KSN)
				}
			}
			sealed, err := driver.TestDUKPT(ctx, req)
			if err != nil {
				t.Fatal(err)
			}
			if got := opened(t, sealed, req.PAN); got != "1234" {
				t.Errorf("message 76: %q", got)
			}
		})
	}
}

func TestDUKPTWithoutAPIN(t *testing.T) {
	for name, verifone := range map[string]bool{"71": false, "73": true} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			driver, far := connect(t, sim.Config{Verifone: verifone, Cardholder: func(sim.Entry) string { return "E" }})
			if err := far.Inject(0, initialKey, firstKSN); err != nil {
				t.Fatal(err)
			}
			req := dukptRequest(t)
			req.AllowBypass = true
			if _, err := driver.EnterDUKPT(ctx, req); !errors.Is(err, device.ErrBypassed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInitialKeyIsLoaded(t *testing.T) {
	inBubble(t, "into key set 1", func(t *testing.T, ctx context.Context) {
		driver, _ := connect(t, sim.Config{Cardholder: func(sim.Entry) string { return "4321E" }})
		ks := keyblock.Block{ID: "KS", Data: firstKSN.String()}
		if err := driver.LoadInitialKey(ctx, 1, tr31(t, protection, initialKey[:], keyblock.UsageDUKPTInitial, ks)); err != nil {
			t.Fatal(err)
		}
		req := dukptRequest(t)
		req.KeySet = 1
		sealed, err := driver.EnterDUKPT(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		if got := opened(t, sealed, req.PAN); got != "4321" {
			t.Errorf("block has %q", got)
		}
		for reason, block := range map[string]string{
			"MAC of the key block": tr31(t, bytes.Repeat([]byte{7}, 16), initialKey[:], keyblock.UsageDUKPTInitial, ks),
			"serial number":        tr31(t, protection, initialKey[:], keyblock.UsageDUKPTInitial),
			"malformed":            tr31(t, protection, initialKey[:], keyblock.UsagePINEncryption, ks),
		} {
			err := driver.LoadInitialKey(ctx, 0, block)
			if !errors.Is(err, device.ErrRefused) || !strings.Contains(err.Error(), reason) {
				t.Errorf("got %v, want %q", err, reason)
			}
		}
		if err := driver.LoadInitialKey(ctx, 2, ""); err == nil {
			t.Error("key set 2 was taken")
		}
	})
}

func TestFormat4(t *testing.T) {
	for name, code := range map[string]string{"code 04": "", "another code": "44"} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			aesMaster := bytes.Repeat([]byte{0xA5}, 16)
			far := sim.Config{
				AESSlots: map[int][]byte{5: aesMaster}, Random: strings.NewReader("sixteen bytes of"), Format4: code,
				Cardholder: func(sim.Entry) string { return "24680E" },
			}
			driver, _ := connectWith(t, vfpad.Config{Format4: code}, far, plain)
			req := request(t)
			req.Slot = 5
			sealed, err := driver.EnterFormat4(ctx, req)
			if err != nil || sealed.Format != 4 || len(sealed.Block) != 16 || sealed.Digits != 5 {
				t.Fatalf("%+v, %v", sealed, err)
			}
			key := deciphered(t, aesMaster, req.Key.Bytes)
			if digits, err := pinblock.Decipher4(key, [16]byte(sealed.Block), req.PAN); string(digits) != "24680" {
				t.Errorf("block has %q, %v", digits, err)
			}
			if _, err := driver.EnterPIN(ctx, req); !errors.Is(err, device.ErrProtocol) {
				t.Errorf("a block of format 4 where format 0 was asked for: %v", err)
			}
		})
	}
}

func TestMAC(t *testing.T) {
	for name, tc := range map[string]struct {
		length int
		key    bool
	}{"one frame": {8, true}, "whole frame": {112, true}, "three frames": {300, true}, "the master key itself": {20, false}} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			driver, _ := connect(t, sim.Config{})
			message := bytes.Repeat([]byte("0200 and so on "), 25)[:tc.length]
			req, key := device.MACRequest{Slot: slot}, master
			if tc.key {
				req.Key, key = request(t).Key, working
			}
			got, err := driver.MAC(ctx, req, message)
			if err != nil {
				t.Fatal(err)
			}
			if want, err := issuer.MAC(key, message, issuer.PadZeros); got != want || err != nil {
				t.Errorf("MAC %X, want %X, %v", got, want, err)
			}
		})
	}
	inBubble(t, "refusals", func(t *testing.T, ctx context.Context) {
		driver, far := connect(t, sim.Config{})
		if _, err := driver.MAC(ctx, device.MACRequest{Slot: 8}, make([]byte, 300)); !errors.Is(err, device.ErrRefused) || !strings.Contains(err.Error(), "no master key") {
			t.Errorf("of an empty slot: %v", err)
		}
		for _, n := range []int{0, 11201} {
			if _, err := driver.MAC(ctx, device.MACRequest{Slot: slot}, make([]byte, n)); err == nil {
				t.Errorf("a message of %d bytes was taken", n)
			}
		}
		if err := driver.Show(ctx, "NEXT"); err != nil || far.Display() != "NEXT" {
			t.Errorf("after a refusal: %v", err)
		}
	})
}

func TestStripe(t *testing.T) {
	const one, two, three = "B6277000000000011^TEST^3012", "6277000000000011=30122010000", "016277000000000011"
	for name, tc := range map[string]struct {
		own vfpad.Config
		far sim.Config
	}{
		"three tracks": {},
		"one track":    {own: vfpad.Config{OneTrack: true}},
		"asked for":    {own: vfpad.Config{Swipe: "Q1"}, far: sim.Config{OnSwipeRequest: "Q1"}},
	} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			driver, far := connectWith(t, tc.own, tc.far, plain)
			if far.Swipe(one, two, three) {
				t.Error("a reader that is off reports a swipe")
			}
			done := make(chan device.Stripe, 1)
			go func() {
				s, err := driver.ReadStripe(ctx)
				if err != nil {
					t.Error(err)
				}
				done <- s
			}()
			synctest.Wait()
			far.Swipe(one, two, three)
			s := <-done
			if s.Track2 != track2(t, two) || !tc.own.OneTrack && (string(s.Track1) != one || string(s.Track3) != three) {
				t.Errorf("tracks of %d, %d and %d characters", len(s.Track1), s.Track2.Len(), len(s.Track3))
			}
			if far.Swipe(one, two, three) {
				t.Error("the reader is still on")
			}
		})
	}
	inBubble(t, "nobody swipes, and cancel", func(t *testing.T, ctx context.Context) {
		driver, far := connectWith(t, vfpad.Config{Swipe: "Q1"}, sim.Config{OnSwipeRequest: "Q1"}, plain)
		if _, err := driver.ReadStripe(ctx); !errors.Is(err, device.ErrCancelled) {
			t.Errorf("nobody swipes: %v", err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := driver.ReadStripe(ctx)
			done <- err
		}()
		synctest.Wait()
		far.Press("X")
		if err := <-done; !errors.Is(err, device.ErrCancelled) {
			t.Errorf("cancel key: %v", err)
		}
	})
}

func TestCancelTellsWhetherThePadWasBusy(t *testing.T) {
	inBubble(t, "idle, then not", func(t *testing.T, ctx context.Context) {
		driver, far := connect(t, sim.Config{})
		if busy, err := driver.Cancel(ctx); busy || err != nil {
			t.Errorf("idle: %v, %v", busy, err)
		}
		limited, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			_, err := driver.EnterPIN(limited, request(t))
			done <- err
		}()
		synctest.Wait()
		stop()
		<-done
		if far.Entering() {
			t.Error("the pad still waits for a PIN")
		}
	})
}

func TestLinesAndRate(t *testing.T) {
	inBubble(t, "Z3 and 13", func(t *testing.T, ctx context.Context) {
		driver, far := connect(t, sim.Config{})
		if err := driver.ShowLines(ctx, "FIRST", "SECOND\x03", "THIRD IS TOO LONG FOR IT"); err != nil {
			t.Fatal(err)
		}
		if got := far.Display(); got != "FIRST\nSECOND?\nTHIRD IS TOO LON" {
			t.Errorf("display %q", got)
		}
		if err := driver.ShowLines(ctx); err == nil {
			t.Error("no line was taken")
		}
		if err := driver.SetBaud(ctx, 19200); err != nil || far.Baud() != 19200 {
			t.Errorf("baud %d, %v", far.Baud(), err)
		}
		if err := driver.SetBaud(ctx, 12345); err == nil {
			t.Error("12345 baud was taken")
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]vfpad.Config{
		"time": {AckTime: -1}, "entry": {Entry: 9}, "prompt": {PINPrompt: 1000}, "format": {Format4: "4"}, "swipe": {Swipe: "Q\x03"},
	} {
		if _, err := vfpad.New(nothing{}, c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := vfpad.New(nil, vfpad.Config{}); err == nil {
		t.Error("no port: taken")
	}
	for name, want := range map[string]vfpad.Entry{"z62": vfpad.EntryZ62, "Z60": vfpad.EntryZ60, "70": vfpad.Entry70} {
		if got, err := vfpad.ParseEntry(name); got != want || err != nil {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	if _, err := vfpad.ParseEntry("z99"); err == nil {
		t.Error("z99: taken")
	}
}

// nothing is a port that is not used.
type nothing struct{ device.Port }

// deciphered opens a working key under an AES master key.
func deciphered(t *testing.T, under, wrapped []byte) []byte {
	t.Helper()
	block, err := newAES(under)
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, len(wrapped))
	block.Decrypt(key, wrapped)
	return key
}

// secrets are what no error may repeat: card number, working key, PIN.
func secrets(t *testing.T) []string {
	req := request(t)
	return []string{"6277000000000011", strings.ToUpper(hex.EncodeToString(req.Key.Bytes)), hex.EncodeToString(req.Key.Bytes), "13579"}
}

func track2(t *testing.T, text string) emv.Track2 {
	t.Helper()
	track, err := emv.ParseTrack2(text)
	if err != nil {
		t.Fatal(err)
	}
	return track
}
