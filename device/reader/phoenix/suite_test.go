package phoenix_test

import (
	"context"
	"net"
	"testing"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/reader/phoenix"
	"posd/device/serial"
	sim "posd/device/sim/phoenix"
	"posd/device/sim/t1"
)

// suiteCard is the card that package devicetest describes, in either convention.
type suiteCard struct{ inverse bool }

// application is that card without its protocol.
type application struct{}

func (application) Reset() {}
func (application) Exchange(command []byte) []byte {
	if len(command) == 4 {
		command = append(command, 0)
	}
	return devicetest.CardAnswer(command)
}

// blockCard is that card at T=1.
func blockCard(t *testing.T) *t1.Card {
	t.Helper()
	c, err := t1.New(t1.Config{Application: application{}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c suiteCard) Reset() []byte {
	atr := append([]byte(nil), devicetest.CardATR...)
	if c.inverse {
		atr[0] = 0x3F
	}
	return atr
}
func (suiteCard) Transmit(tpdu []byte) []byte { return devicetest.CardAnswer(tpdu) }

// slot moves the simulator as the suite wants it.
type slot struct {
	*sim.Reader
	line net.Conn
	card sim.Card
}

func (s slot) ATR() []byte { return s.card.Reset() }

func (s slot) Insert() { s.Reader.Insert(s.card) }
func (s slot) Unplug() { s.line.Close() }

func (s slot) Misbehave(f devicetest.Fault) {
	s.Reader.Misbehave(map[devicetest.Fault]sim.Fault{
		devicetest.Silent:      {Kind: sim.Silent},
		devicetest.GarbledOnce: {Kind: sim.Garble, Times: 1},
		devicetest.Garbled:     {Kind: sim.Garble},
	}[f])
}

// uart is what a real one does with speed and parity: if they are not those of the card,
// characters arrive damaged.
type uart struct {
	net.Conn
	card   *sim.Reader
	baud   int
	parity serial.Parity
	sets   []int // speeds that were set
	flip   int   // of the bytes to come, which one has wrong parity; 0 none
	held   []byte
}

func (u *uart) SetLine(baud int, parity serial.Parity) error {
	u.baud, u.parity = baud, parity
	u.sets = append(u.sets, baud)
	return nil
}

// speeds of the values of TA1 that the tests use.
var speeds = map[byte]int{0x11: 9600, 0x13: 38400, 0x18: 115200, 0x96: 223200}

func (u *uart) Read(p []byte) (int, error) {
	if len(u.held) == 0 {
		b := make([]byte, 64)
		n, err := u.Conn.Read(b)
		if err != nil {
			return 0, err
		}
		u.held = b[:n]
	}
	b := u.held[0]
	u.held = u.held[1:]
	inverse, fidi := u.card.Wants()
	if speeds[fidi] != u.baud {
		b ^= 0x5A
	}
	wrong := inverse != (u.parity == serial.OddParity)
	if u.flip > 0 {
		u.flip--
		wrong = wrong != (u.flip == 0)
	}
	if wrong {
		return 0, serial.ParityError{Byte: b}
	}
	p[0] = b
	return 1, nil
}

// rig connects a driver to a simulator; it ends with the test.
func rig(t *testing.T, config phoenix.Config) (*phoenix.Reader, slot) {
	t.Helper()
	r, s, _ := rigOver(t, config, func(p net.Conn, _ *sim.Reader) device.Port { return p })
	return r, s
}

// rigUART is a rig whose port has speed and parity.
func rigUART(t *testing.T, config phoenix.Config) (*phoenix.Reader, slot, *uart) {
	t.Helper()
	r, s, port := rigOver(t, config, func(p net.Conn, card *sim.Reader) device.Port {
		return &uart{Conn: p, card: card, baud: 9600, parity: serial.EvenParity}
	})
	return r, s, port.(*uart)
}

func rigOver(t *testing.T, config phoenix.Config, wrap func(net.Conn, *sim.Reader) device.Port) (*phoenix.Reader, slot, device.Port) {
	t.Helper()
	near, far := net.Pipe()
	s := sim.New(sim.Config{NoEcho: config.NoEcho})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, far) // ends with an error where a test unplugs it
	}()
	lines := s.Lines()
	config.Lines = phoenix.TDA8035(lines.CMDVCCN, lines.RSTIN, lines.OFFN)
	port := wrap(near, s)
	reader, err := phoenix.New(port, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		cancel()
		<-ended
	})
	return reader, slot{s, far, suiteCard{}}, port
}

func TestConformance(t *testing.T) {
	for name, config := range map[string]phoenix.Config{"echo": {}, "no echo": {NoEcho: true}} {
		t.Run(name, func(t *testing.T) {
			devicetest.Contacts(t, false, func(t *testing.T) (device.Reader, devicetest.Slot) {
				return rig(t, config)
			})
		})
	}
	t.Run("T=1", func(t *testing.T) {
		devicetest.Contacts(t, true, func(t *testing.T) (device.Reader, devicetest.Slot) {
			r, s := rig(t, phoenix.Config{})
			s.card = blockCard(t)
			return r, s
		})
	})
	t.Run("uart", func(t *testing.T) {
		devicetest.Contacts(t, false, func(t *testing.T) (device.Reader, devicetest.Slot) {
			r, s, _ := rigUART(t, phoenix.Config{})
			return r, s
		})
	})
}
