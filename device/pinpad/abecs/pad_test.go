package abecs_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/pinpad/abecs"
	"posd/device/serial"
	sim "posd/device/sim/abecs"
	"posd/device/sim/card"
	"posd/device/sim/cards"
	"posd/device/sim/pty"
	"posd/emv"
	"posd/emv/dukpt"
)

func TestInfo(t *testing.T) {
	inBubble(t, "GIN", func(t *testing.T, ctx context.Context) {
		driver, _ := connect(t, abecs.Config{}, sim.Config{}, plain)
		got, err := driver.Info(ctx)
		want := abecs.Info{
			Manufacturer: "POSD", Model: "SIM PAD;1MB", Contactless: true, Software: "SIM OS 1.0",
			Specification: "2.20", Manager: "001.00 250228", Serial: "SIM0000001",
		}
		if got != want || err != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// The initial key of the published examples: ANSI X9.24-1:2009, A.4.
func TestDUKPT(t *testing.T) {
	initial := dukpt.Key([]byte("\x6A\xC2\x92\xFA\xA1\x31\x5B\x4D\x85\x8A\xB3\xA3\xD7\xD5\x93\x3A"))
	inBubble(t, "two entries", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{Cardholder: func(sim.Entry) string { return "13579E" }}, plain)
		if err := pad.Inject(12, initial, dukpt.KSN([]byte("\xFF\xFF\x98\x76\x54\x32\x10\xE0\x00\x00"))); err != nil {
			t.Fatal(err)
		}
		req := device.DUKPTRequest{PAN: request(t).PAN, KeySet: 12, MinDigits: 4, MaxDigits: 6, Prompt: "SENHA"}
		for counter := byte(1); counter <= 2; counter++ {
			sealed, err := driver.EnterDUKPT(ctx, req)
			if err != nil {
				t.Fatal(err)
			}
			ksn := dukpt.KSN(sealed.KSN)
			transaction, err := dukpt.TransactionKey(initial, ksn)
			if err != nil || ksn[9] != counter {
				t.Fatal(ksn, err)
			}
			pin := transaction.For(dukpt.PIN)
			digits, err := openBlock(t, pin[:], req.PAN)(device.PINBlock{Block: [8]byte(sealed.Block)})
			if digits != "13579" {
				t.Errorf("block has %q, %v", digits, err)
			}
		}
		req.KeySet = 13
		if _, err := driver.EnterDUKPT(ctx, req); !errors.Is(err, device.ErrRefused) {
			t.Errorf("of an empty slot: %v", err)
		}
	})
}

func TestRequestsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*device.PINRequest){
		"no card number": func(r *device.PINRequest) { r.PAN = emv.PAN{} },
		"slot":           func(r *device.PINRequest) { r.Slot = 100 },
		"short key":      func(r *device.PINRequest) { r.Key.Bytes = r.Key.Bytes[:8] },
		"three digits":   func(r *device.PINRequest) { r.MinDigits = 3 },
		"13 digits":      func(r *device.PINRequest) { r.MaxDigits = 13 },
		"min above max":  func(r *device.PINRequest) { r.MinDigits, r.MaxDigits = 8, 6 },
	} {
		inBubble(t, name, func(t *testing.T, ctx context.Context) {
			driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
			req := request(t)
			change(&req)
			_, err := driver.EnterPIN(ctx, req)
			if err == nil || strings.Contains(err.Error(), "6277") {
				t.Errorf("got %v", err)
			}
			if pad.Waiting() {
				t.Error("the pad was asked")
			}
		})
	}
}

func TestRemoveCardAndPark(t *testing.T) {
	inBubble(t, "RMC, then CLO", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		if err := driver.RemoveCard(ctx, "OBRIGADO"); err != nil || pad.Display() != "OBRIGADO" {
			t.Errorf("without a card: %v, display %q", err, pad.Display())
		}
		pad.Insert()
		done := make(chan error, 1)
		go func() { done <- driver.RemoveCard(ctx, "OPERA\u00c7\u00c3O FINALIZADA") }()
		synctest.Wait()
		if got := pad.Display(); got != "OPERA\u00c7\u00c3O\nFINALIZADA\nRETIRE O CART\u00c3O" {
			t.Errorf("display %q", got)
		}
		pause(ctx, time.Hour/2)
		pad.Remove()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := driver.Park(ctx, "FECHADO"); err != nil || !pad.Parked() || pad.Display() != "FECHADO" {
			t.Errorf("Park: %v, display %q", err, pad.Display())
		}
		if err := driver.Show(ctx, "DE NOVO"); err != nil || pad.Display() != "DE NOVO" {
			t.Errorf("after Park: %v, display %q", err, pad.Display())
		}
	})
	inBubble(t, "RMC is cancelled", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		pad.Insert()
		short, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := driver.RemoveCard(short, "RETIRE"); !errors.Is(err, context.DeadlineExceeded) || pad.Waiting() {
			t.Errorf("got %v", err)
		}
	})
}

// One box, used from all sides at once: every command is whole, and a wait for a card lets the
// others through.
func TestViewsShareTheLine(t *testing.T) {
	inBubble(t, "three users", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		waits, cancel := context.WithCancel(ctx)
		var users sync.WaitGroup
		users.Go(func() {
			if err := driver.Chip().WaitCard(waits, true); err != nil {
				t.Errorf("chip: %v", err)
			}
		})
		users.Go(func() {
			if err := driver.Contactless().WaitCard(waits, true); !errors.Is(err, context.Canceled) {
				t.Errorf("antenna: %v", err)
			}
		})
		for _, text := range []string{"UM", "DOIS", "TRES"} {
			begin := time.Now()
			if err := driver.Show(ctx, text); err != nil || pad.Display() != text {
				t.Errorf("Show: %v, display %q", err, pad.Display())
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("Show waited %v for the line", took)
			}
		}
		pad.Insert()
		pause(ctx, 10*time.Second)
		cancel()
		users.Wait()
	})
}

func TestNotifications(t *testing.T) {
	inBubble(t, "shown to the merchant", func(t *testing.T, ctx context.Context) {
		var got []string
		driver, _ := connect(t, abecs.Config{Notify: func(text string) { got = append(got, text) }},
			sim.Config{Notifies: []string{"PROCESSANDO", "AGUARDE"}, Cardholder: func(sim.Entry) string { return "X" }}, plain)
		if _, err := driver.EnterPIN(ctx, request(t)); !errors.Is(err, device.ErrCancelled) {
			t.Error(err)
		}
		if !slices.Equal(got, []string{"PROCESSANDO", "AGUARDE"}) {
			t.Errorf("notified of %q", got)
		}
	})
}

// A pad that loses its power forgets the session, and is opened again without anybody's doing;
// the card has to be reset.
func TestPadThatRestarts(t *testing.T) {
	inBubble(t, "in secure communication", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{Key: sessionKey()}, sim.Config{Random: entropy{}}, plain)
		pad.Insert()
		if _, err := driver.Chip().PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
		pad.Restart()
		if err := driver.Show(ctx, "DE NOVO"); err != nil || pad.Display() != "DE NOVO" {
			t.Errorf("Show: %v", err)
		}
		if _, err := driver.Chip().Transmit(ctx, []byte{0, 0xA4, 4, 0, 2, 0x3F, 0, 0}); err == nil {
			t.Error("a card that was not reset answered")
		}
		if _, err := driver.Chip().PowerOn(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestPadWithoutSecureCommunication(t *testing.T) {
	inBubble(t, "is refused where it is wanted", func(t *testing.T, ctx context.Context) {
		driver, _ := connect(t, abecs.Config{Key: sessionKey()}, sim.Config{}, plain)
		if err := driver.Show(ctx, "A"); !errors.Is(err, device.ErrRefused) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTwoCardsAtTheAntenna(t *testing.T) {
	inBubble(t, "present one only", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		pad.Tap(suiteCard{}, suiteCard{})
		if _, err := driver.Contactless().PowerOn(ctx); !errors.Is(err, device.ErrRefused) || !strings.Contains(err.Error(), "one only") {
			t.Errorf("got %v", err)
		}
	})
}

func TestThirdGenerateACIsRefused(t *testing.T) {
	inBubble(t, "until the card is pulled", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		for range 2 { // a card put back is a new one
			pad.Pad.Insert(plastic{})
			if _, err := driver.Chip().PowerOn(ctx); err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= 3; n++ {
				_, err := driver.Chip().Transmit(ctx, []byte{0x80, 0xAE, 0x80, 0, 1, 0, 0})
				if (n == 3) != errors.Is(err, device.ErrRefused) || n < 3 && err != nil {
					t.Errorf("GENERATE AC %d: %v", n, err)
				}
			}
		}
	})
}

// plastic answers 9000 to everything.
type plastic struct{ suiteCard }

func (plastic) Exchange([]byte) []byte { return []byte{0x90, 0x00} }

// A card of package device/sim/card goes through both readers, by T=0 and by whole APDUs.
func TestVirtualCard(t *testing.T) {
	plastic, err := card.New(profile(t), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, "SELECT of the payment environment", func(t *testing.T, ctx context.Context) {
		driver, pad := connect(t, abecs.Config{}, sim.Config{}, plain)
		pad.Pad.Insert(plastic)
		pad.Tap(plastic)
		for name, reader := range map[string]device.Reader{"chip": driver.Chip(), "antenna": driver.Contactless()} {
			if err := reader.WaitCard(ctx, true); err != nil {
				t.Fatal(name, err)
			}
			if _, err := reader.PowerOn(ctx); err != nil {
				t.Fatal(name, err)
			}
			got, err := reader.Transmit(ctx, append([]byte{0, 0xA4, 4, 0, 14}, "1PAY.SYS.DDF01\x00"...))
			if err != nil || !bytes.HasSuffix(got, []byte{0x90, 0}) || got[0] != 0x6F {
				t.Errorf("%s: % X, %v", name, got, err)
			}
		}
	})
}

func profile(t *testing.T) *card.Profile {
	t.Helper()
	names := cards.Names()
	p, err := cards.Load(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConfigIsChecked(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]abecs.Config{
		"time": {AnswerTime: -1}, "poll": {PollTime: time.Millisecond}, "long poll": {PollTime: 256 * time.Second}, "key": {Key: small},
	} {
		if _, err := abecs.New(nothing{}, c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := abecs.New(nil, abecs.Config{}); err == nil {
		t.Error("no port: taken")
	}
}

// nothing is a port that is not used.
type nothing struct{ device.Port }

// A smoke test over what hardware looks like: a path, and the serial driver.
func TestOverAPseudoTerminal(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	pad, err := sim.New(sim.Config{
		MasterKeys: map[int][]byte{slot: master}, Random: entropy{},
		Cardholder: func(sim.Entry) string { return "2468E" },
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, pad, pair.Port)
	port, err := serial.Open(serial.Config{Path: pair.Path(), Baud: 19200})
	if err != nil {
		t.Fatal(err)
	}
	driver, err := abecs.New(port, abecs.Config{Key: sessionKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { driver.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req := request(t)
	block, err := driver.EnterPIN(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if digits, err := openBlock(t, working, req.PAN)(block); digits != "2468" {
		t.Errorf("block has %q, %v", digits, err)
	}
	pad.Insert(suiteCard{})
	if err := driver.Chip().WaitCard(ctx, true); err != nil {
		t.Fatal(err)
	}
	if _, err := driver.Chip().PowerOn(ctx); err != nil {
		t.Error(err)
	}
}
