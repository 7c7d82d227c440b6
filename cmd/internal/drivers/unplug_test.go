package drivers_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	seeded "math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posd/cmd/internal/drivers"
	"posd/device"
	"posd/device/link/linktest"
	simabecs "posd/device/sim/abecs"
	simccid "posd/device/sim/ccid"
	simescpos "posd/device/sim/escpos"
	simphoenix "posd/device/sim/phoenix"
	simpn532 "posd/device/sim/pn532"
	simpole "posd/device/sim/pole"
	"posd/device/sim/pty"
	simvfpad "posd/device/sim/vfpad"
	simvpcd "posd/device/sim/vpcd"
	"posd/emv"
	"posd/emv/keyblock"
)

// user uses a device that was opened; close ends it.
type user struct {
	use   func(ctx context.Context) error
	close func() error
}

// A plugged device is a simulator behind a cable, and how its driver is opened at it.
type plugged struct {
	name string
	make func(t *testing.T) (c *cable, open func(ctx context.Context) (user, error))
	gone []error // what a call ends with where the cable is pulled; ErrGone where nil
}

// opener opens a device of a table, and makes its user.
func opener[T io.Closer](table drivers.Table[T], url string, use func(ctx context.Context, d T) error) func(context.Context) (user, error) {
	return func(ctx context.Context) (user, error) {
		o, err := table.Open(ctx, url)
		if err != nil {
			return user{}, err
		}
		return user{func(ctx context.Context) error { return use(ctx, o.Device) }, o.Device.Close}, nil
	}
}

// readCard is a card's first exchange.
func readCard(ctx context.Context, r device.Reader) error {
	if err := r.WaitCard(ctx, true); err != nil {
		return err
	}
	if _, err := r.PowerOn(ctx); err != nil {
		return err
	}
	answer, err := r.Transmit(ctx, selectPSE)
	if err == nil && (len(answer) < 4 || answer[0] != 0x6F) {
		err = fmt.Errorf("SELECT is answered % X", answer)
	}
	return err
}

// enterPIN has a PIN entered that the simulated cardholder types at once.
func enterPIN(ctx context.Context, p device.PINPad) error {
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		return err
	}
	if _, err = p.EnterPIN(ctx, device.PINRequest{
		PAN: pan, Key: keyblock.Cryptogram{Bytes: make([]byte, 16)}, MinDigits: 4, MaxDigits: 12, Prompt: "CNY 12.00",
	}); err != nil {
		return err
	}
	return p.Show(ctx, "PLEASE WAIT")
}

func printSlip(ctx context.Context, p device.Printer) error {
	return p.Print(ctx, device.Document{Cut: true, Lines: []device.Line{
		{Text: "银联 消费", Size: device.Large}, {Text: "AMOUNT CNY 12.00"}, {QR: "a slip"},
	}})
}

func serialReader(scheme, query string, run func(t *testing.T) func(context.Context, device.Port) error) func(*testing.T) (*cable, func(context.Context) (user, error)) {
	return func(t *testing.T) (*cable, func(context.Context) (user, error)) {
		c := serialCable(t, run(t))
		return c, opener(drivers.New().Readers(), scheme+"://"+c.path+query, readCard)
	}
}

// everyDevice is every driver that has a simulator.
var everyDevice = []plugged{
	{name: "ccid gempc", make: serialReader("ccid", "", func(t *testing.T) func(context.Context, device.Port) error {
		r := simccid.New(simccid.Config{})
		r.Insert(newCard(t))
		return r.Run
	})},
	{name: "ccid sec1210", make: serialReader("ccid", "?profile=sec1210", func(t *testing.T) func(context.Context, device.Port) error {
		r := simccid.New(simccid.Config{Profile: simccid.SEC1210})
		r.Insert(newCard(t))
		return r.Run
	})},
	{name: "phoenix", make: func(t *testing.T) (*cable, func(context.Context) (user, error)) {
		r := simphoenix.New(simphoenix.Config{})
		r.Insert(newCard(t))
		c := serialCable(t, r.Run)
		return c, opener(drivers.New().Readers(), "phoenix://"+c.path+"?slack=5s&chip="+lines(t, r), readCard)
	}},
	{name: "pn532", make: serialReader("pn532", "", func(t *testing.T) func(context.Context, device.Port) error {
		r := simpn532.New(simpn532.Config{})
		r.Insert(simpn532.CardA(newCard(t)))
		return r.Run
	})},
	{name: "vpcd", make: makeVPCD, gone: []error{device.ErrNoCard, context.Canceled}},
	{name: "abecs chip, enciphered", make: serialReader("abecs", "?secure=on", func(t *testing.T) func(context.Context, device.Port) error {
		pad := typingAbecs(t)
		pad.Insert(newCard(t))
		return pad.Run
	})},
	{name: "abecs antenna", make: serialReader("abecs", "?slot=contactless", func(t *testing.T) func(context.Context, device.Port) error {
		pad := typingAbecs(t)
		pad.Tap(newCard(t))
		return pad.Run
	})},
	{name: "abecs PIN pad", make: func(t *testing.T) (*cable, func(context.Context) (user, error)) {
		c := serialCable(t, typingAbecs(t).Run)
		return c, opener(drivers.New().PINPads(), "abecs://"+c.path, enterPIN)
	}},
	{name: "vfpad", make: func(t *testing.T) (*cable, func(context.Context) (user, error)) {
		pad, err := simvfpad.New(simvfpad.Config{
			Protection: make([]byte, 16), Slots: map[int][]byte{0: []byte("a test master key"[:16])},
			Cardholder: func(simvfpad.Entry) string { return "1234E" },
		})
		if err != nil {
			t.Fatal(err)
		}
		c := serialCable(t, pad.Run)
		return c, opener(drivers.New().PINPads(), "vfpad://"+c.path, enterPIN)
	}},
	{name: "escpos", make: func(t *testing.T) (*cable, func(context.Context) (user, error)) {
		p, err := simescpos.New(simescpos.Config{})
		if err != nil {
			t.Fatal(err)
		}
		c := serialCable(t, func(ctx context.Context, port device.Port) error {
			p.SetPower(true) // it loses its power with its cable, as one on USB does
			return p.Run(ctx, port)
		})
		return c, opener(drivers.New().Printers(), "escpos://"+c.path, printSlip)
	}},
	{name: "pole", make: makePole},
}

func typingAbecs(t *testing.T) *simabecs.Pad {
	t.Helper()
	pad, err := simabecs.New(simabecs.Config{
		Random: rand.Reader, MasterKeys: map[int][]byte{0: []byte("a test master key"[:16])},
		Cardholder: func(simabecs.Entry) string { return "1234E" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return pad
}

// makeVPCD has a TCP connection for a cable: a card that is pulled, in this protocol. The
// reader finds each card at the same address.
func makeVPCD(t *testing.T) (*cable, func(context.Context) (user, error)) {
	address := freePort(t)
	slot, card := simvpcd.New(nil), newCard(t)
	c := &cable{plugIn: func(k *linktest.Knife) (func(), error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		return simulate(func(ctx context.Context, _ device.Port) error {
			stop := context.AfterFunc(ctx, func() { _ = l.Close() })
			defer stop()
			conn, err := l.Accept()
			_ = l.Close() // one card: who comes after it is refused
			if err != nil {
				return err
			}
			_, err = slot.Serve(ctx, k.Wrap(conn, func() { _ = conn.Close() }), card)
			return err
		}, nil, func() {}), nil
	}}
	return c, opener(drivers.New().Readers(), "vpcd://"+address+"?role=connect", func(ctx context.Context, r device.Reader) error {
		ctx, cancel := context.WithCancel(ctx)
		var waits sync.WaitGroup
		gone := c.knife.Gone()
		waits.Go(func() { // a reader without a card waits for one
			select {
			case <-gone:
				cancel()
			case <-ctx.Done():
			}
		})
		err := readCard(ctx, r)
		cancel()
		waits.Wait()
		return err
	})
}

// makePole waits for what it has shown: the display itself says nothing.
func makePole(t *testing.T) (*cable, func(context.Context) (user, error)) {
	seen := make(chan struct{}, 1)
	pole := simpole.New(func() {
		select {
		case seen <- struct{}{}:
		default:
		}
	})
	c, times := serialCable(t, pole.Run), 0
	return c, opener(drivers.New().Displays(), "pole://"+c.path, func(ctx context.Context, d device.Display) error {
		times++
		text := fmt.Sprintf("TEXT NUMBER %d", times)
		if err := d.Show(ctx, []string{text}); err != nil {
			return err
		}
		for strings.TrimSpace(pole.Rows()[0]) != text {
			select {
			case <-seen:
			case <-c.knife.Gone():
				return nil // the next text finds it out
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
}

// Every device is unplugged and plugged in again a hundred times, at any byte of what is
// said: while it is opened, and while it is used. Each time the driver says that it is gone
// and works when it is there again; nothing is left over.
func TestUnplugEveryDevice(t *testing.T) {
	times := 100
	if testing.Short() {
		times = 8
	}
	if pair, err := pty.Open(); err != nil { // the runtime's own descriptors come with the first
		t.Fatal(err)
	} else if err := pair.Close(); err != nil {
		t.Fatal(err)
	}
	goroutines, files := goleak.IgnoreCurrent(), descriptors(t)
	t.Run("devices", func(t *testing.T) {
		var all sync.WaitGroup // at once, for what takes time is silence on lines
		for _, p := range everyDevice {
			all.Go(func() { t.Run(p.name, func(t *testing.T) { p.unplug(t, times) }) })
		}
		all.Wait()
	})
	if after := descriptors(t); after != files {
		t.Errorf("%d descriptors, %d before", after, files)
	}
	goleak.VerifyNone(t, goroutines)
}

// unplug pulls the cable so often. A third of the pulls are while the device is opened.
func (p plugged) unplug(t *testing.T, times int) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	hash := fnv.New64()
	hash.Write([]byte(p.name))
	random := seeded.New(seeded.NewPCG(1, hash.Sum64())) // the same points in each run
	c, open := p.make(t)
	c.plug(t)
	defer c.unplug()
	opening, using := p.measure(t, ctx, c, open)
	for n := range times {
		what, at := "used", 1+random.IntN(using)
		if n%3 == 0 && opening > 0 {
			what, at = "opened", 1+random.IntN(opening)
		}
		c.unplug()
		c.plug(t)
		err := pullWhile(ctx, c, open, what, at)
		if !p.isGone(err) {
			t.Fatalf("pull %d, at byte %d while it is %s: %v", n+1, at, what, err)
		}
		c.unplug()
		c.plug(t)
		if _, _, err := exchange(ctx, c, open); err != nil {
			t.Fatalf("plugged in after pull %d, at byte %d while it is %s: %v", n+1, at, what, err)
		}
	}
}

// measure opens and uses the device once, and tells how many bytes each takes.
func (p plugged) measure(t *testing.T, ctx context.Context, c *cable, open func(context.Context) (user, error)) (opening, using int) {
	t.Helper()
	opening, using, err := exchange(ctx, c, open)
	if err != nil || using == 0 {
		t.Fatalf("%d bytes, %v", using, err)
	}
	t.Logf("%d bytes to open it, %d to use it", opening, using)
	return opening, using
}

// exchange opens, uses and closes the device.
func exchange(ctx context.Context, c *cable, open func(context.Context) (user, error)) (opening, using int, err error) {
	u, err := open(ctx)
	if err != nil {
		return 0, 0, err
	}
	opening = c.knife.Bytes()
	err = u.use(ctx)
	using = c.knife.Bytes() - opening
	return opening, using, errors.Join(err, u.close())
}

// pullWhile has the cable pulled after so many bytes, and returns how the call ended that
// met it.
func pullWhile(ctx context.Context, c *cable, open func(context.Context) (user, error), what string, at int) error {
	if what == "opened" {
		c.knife.After(at)
	}
	u, err := open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = u.close() }() // it is gone
	if what == "used" {
		c.knife.After(at)
	}
	for range 8 { // the byte may be one that nobody waits for, or of a later use
		if err := u.use(ctx); err != nil {
			return err
		}
	}
	return errors.New("it goes on working")
}

func (p plugged) isGone(err error) bool {
	if p.gone == nil {
		return errors.Is(err, device.ErrGone)
	}
	for _, want := range p.gone {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(files)
}
