package phoenix_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	pin "periph.io/x/conn/v3/gpio"

	"posd/device"
	"posd/device/link/linktest"
	"posd/device/reader/phoenix"
	"posd/device/serial"
	sim "posd/device/sim/phoenix"
)

// rateCard offers a speed in negotiable mode.
type rateCard struct {
	suiteCard
	fidi byte
}

func (c rateCard) Reset() []byte {
	return []byte{0x3B, 0x30, c.fidi, 0x00}
}

func TestSpeed(t *testing.T) {
	for _, row := range []struct {
		name  string
		card  rateCard
		max   int
		fault sim.Fault
		want  []int // speeds that were set, in order
	}{
		{"as after reset", rateCard{fidi: 0x11}, 0, sim.Fault{}, nil},
		{"four times that, by PPS", rateCard{fidi: 0x13}, 0, sim.Fault{}, []int{38400}},
		{"F=512 and D=32, beyond the bar", rateCard{fidi: 0x96}, 0, sim.Fault{}, nil},
		{"F=512 and D=32, with the bar higher", rateCard{fidi: 0x96}, 250_000, sim.Fault{}, []int{223200}},
		{"PPS is never made", rateCard{fidi: 0x13}, 9600, sim.Fault{}, nil},
		{"factors that are reserved are not used", rateCard{fidi: 0x71}, 0, sim.Fault{}, nil},
		{"PPS without an answer", rateCard{fidi: 0x13}, 0, sim.Fault{Kind: sim.PPSMute}, nil},
		{"PPS with a wrong answer", rateCard{fidi: 0x13}, 0, sim.Fault{Kind: sim.PPSWrong}, nil},
		{"PPS that leaves the speed", rateCard{fidi: 0x13}, 0, sim.Fault{Kind: sim.PPSDeclined}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s, u := rigUART(t, phoenix.Config{MaxBaud: row.max})
				s.Reader.Insert(row.card)
				s.Reader.Misbehave(row.fault)
				if err := session(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(u.sets, row.want) {
					t.Errorf("speeds %v, want %v", u.sets, row.want)
				}
				s.Reader.Remove() // the next card begins at 9600
				s.Insert()
				if err := session(t.Context(), r); err != nil {
					t.Errorf("the next card: %v", err)
				}
			})
		})
	}
}

// A card in specific mode has its speed right after its answer to reset.
func TestSpecificMode(t *testing.T) {
	for _, tuned := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			line := "< 3B B0 13 00 10 00\n"
			card := sim.New(sim.Config{})
			card.Insert(suiteCard{})
			lines := card.Lines()
			player, err := linktest.Replay(strings.NewReader(line + "> 00 70 00 00 00\n< 00 70 00 00 00 90 00\n"))
			if err != nil {
				t.Fatal(err)
			}
			var port device.Port = afterReset{Player: player, rstin: lines.RSTIN}
			u := &tunedPort{Port: port}
			if tuned {
				port = u
			}
			r, err := phoenix.New(port, phoenix.Config{AnyCard: true, Lines: phoenix.TDA8035(lines.CMDVCCN, lines.RSTIN, lines.OFFN)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.PowerOn(t.Context())
			if !tuned {
				if !errors.Is(err, device.ErrRefused) || !strings.Contains(err.Error(), "neither speed nor parity") {
					t.Errorf("a port that cannot: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Transmit(t.Context(), []byte{0, 0x70, 0, 0}); err != nil || !slices.Equal(u.sets, []int{38400}) {
				t.Errorf("%v at speeds %v", err, u.sets)
			}
		})
	}
}

// afterReset is a line that is silent while the card is held in reset.
type afterReset struct {
	*linktest.Player
	rstin pin.PinIO
}

func (p afterReset) Read(b []byte) (int, error) {
	if p.rstin.Read() == pin.Low {
		return 0, os.ErrDeadlineExceeded
	}
	return p.Player.Read(b)
}

// tunedPort notes the speeds.
type tunedPort struct {
	device.Port
	sets []int
}

func (p *tunedPort) SetLine(baud int, _ serial.Parity) error {
	p.sets = append(p.sets, baud)
	return nil
}
