package drivers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"

	"posd/cmd/internal/drivers"
	"posd/device"
	simabecs "posd/device/sim/abecs"
	"posd/emv"
	"posd/emv/keyblock"
)

// tap is somebody at the cable, who writes down what goes by.
type tap struct {
	device.Port
	mu   sync.Mutex
	seen bytes.Buffer
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Port.Read(b)
	c.note(b[:n])
	return n, err
}

func (c *tap) Write(b []byte) (int, error) {
	c.note(b)
	return c.Port.Write(b)
}

func (c *tap) note(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Write(b)
}

func (c *tap) has(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Contains(c.seen.String(), text)
}

// With secure=on no card number crosses the cable of an Abecs box, neither to the keypad
// nor from the card; without it both do, so that this test could fail.
func TestSecureCable(t *testing.T) {
	const number = "6277000000000017"
	pan, err := emv.ParsePAN(number)
	if err != nil {
		t.Fatal(err)
	}
	for secure, inClear := range map[string]bool{"on": false, "off": true} {
		t.Run("secure="+secure, func(t *testing.T) {
			pad, err := simabecs.New(simabecs.Config{
				Random: rand.Reader, MasterKeys: map[int][]byte{0: []byte("a test master key"[:16])},
				Cardholder: func(simabecs.Entry) string { return "1234E" },
			})
			if err != nil {
				t.Fatal(err)
			}
			pad.Insert(newCard(t))
			cable := &tap{}
			path := plug(t, func(ctx context.Context, port device.Port) error {
				cable.Port = port
				return pad.Run(ctx, cable)
			})
			ctx, set, url := limited(t), drivers.New(), "abecs://"+path+"?secure="+secure
			keys, err := set.PINPads().Open(ctx, url)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.HasSuffix(keys.Detail, "enciphered cable"); got == inClear {
				t.Errorf("detail %q", keys.Detail)
			}
			_, err = keys.Device.EnterPIN(ctx, device.PINRequest{
				PAN: pan, Key: keyblock.Cryptogram{Bytes: make([]byte, 16)}, MinDigits: 4, MaxDigits: 12, Prompt: "PIN",
			})
			if err != nil {
				t.Fatal(err)
			}
			reader, err := set.Readers().Open(ctx, url)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := reader.Device.PowerOn(ctx); err != nil {
				t.Fatal(err)
			}
			if answer, err := reader.Device.Transmit(ctx, selectPSE); err != nil || answer[0] != 0x6F {
				t.Fatalf("SELECT: % X, %v", answer, err)
			}
			if cable.has(number) != inClear || cable.has("00A404000E315041592E5359532E4444463031") != inClear {
				t.Errorf("on the cable: card number %v, APDU %v; want %v", cable.has(number), cable.has("00A404"), inClear)
			}
			other := map[string]string{"on": "off", "off": "on"}[secure]
			if _, err := set.Readers().Open(ctx, "abecs://"+path+"?secure="+other); !errors.Is(err, device.ErrRefused) {
				t.Errorf("secure=%s beside it: %v, want %v", other, err, device.ErrRefused)
			}
			if err := errors.Join(keys.Device.Close(), reader.Device.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A pad from before secure communication is refused, not used in clear.
func TestSecureCableIsNotGivenUp(t *testing.T) {
	pad := newAbecs(t)
	_, err := drivers.New().PINPads().Open(limited(t), "abecs://"+plug(t, pad.Run)+"?secure=on")
	if !errors.Is(err, device.ErrRefused) || !strings.Contains(err.Error(), "secure communication") {
		t.Errorf("got %v", err)
	}
}
