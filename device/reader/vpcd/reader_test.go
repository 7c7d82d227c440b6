package vpcd_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/devicetest"
	"posd/device/link/linktest"
	"posd/device/reader/vpcd"
	sim "posd/device/sim/vpcd"
)

var (
	readRecord = []byte{0x00, 0xB2, 0x01, 0x0C, 0x00}
	record     = []byte{1, 2, 3, 4, 5, 0x90, 0x00}
)

var errWrongBytes = errors.New("wrong bytes")

// session is what every row does: it returns the first error of it.
func session(ctx context.Context, r *vpcd.Reader) error {
	if err := r.WaitCard(ctx, true); err != nil {
		return err
	}
	atr, err := r.PowerOn(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(atr, devicetest.CardATR) {
		return errWrongBytes
	}
	got, err := r.Transmit(ctx, readRecord)
	if err == nil && !bytes.Equal(got, record) {
		err = errWrongBytes
	}
	return err
}

// TestOverTCP is the protocol on the loopback network, in both roles.
func TestOverTCP(t *testing.T) {
	t.Run("the card connects", func(t *testing.T) {
		cards, err := vpcd.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		overTCP(t, cards, sim.Dial(cards.Addr().String()))
	})
	t.Run("the card listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close() // the card opens it anew
		overTCP(t, vpcd.Dial(l.Addr().String()), sim.Accept(l.Addr().String()))
	})
}

func overTCP(t *testing.T, cards vpcd.Cards, connect sim.Connect) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := vpcd.New(cards, vpcd.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := sim.New(connect)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for range 2 { // a card, and the one after it
		s.Insert(suiteCard{})
		if err := session(ctx, r); err != nil {
			t.Error(err)
		}
		s.Remove()
		if _, err := r.Transmit(ctx, readRecord); !errors.Is(err, device.ErrNoCard) {
			t.Errorf("of a card that was pulled: %v", err)
		}
		if err := r.WaitCard(ctx, false); err != nil {
			t.Error(err)
		}
	}
	waits := make(chan error, 1)
	go func() { waits <- r.WaitCard(ctx, true) }()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waits; !errors.Is(err, device.ErrGone) {
		t.Errorf("who waited when it was closed: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestOneFault runs a session over a line with one fault at every byte that the driver
// reads of each connection. TCP has no damaged bytes: that what they can do is bounded is
// all that is asked. A card that goes before it has told its answer to reset never was in.
func TestOneFault(t *testing.T) {
	const lineBytes = 40 // more than a session reads
	bounded := []error{device.ErrTimeout, device.ErrProtocol, device.ErrMute, device.ErrNoCard, errWrongBytes}
	for _, f := range []struct {
		name    string
		wrap    func(device.Port, int64) device.Port
		mends   bool // always
		allowed []error
	}{
		{"one byte garbled", func(p device.Port, at int64) device.Port { return linktest.Garble(p, at, 1) }, false, bounded},
		{"one byte lost", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 1) }, false, bounded},
		{"one byte twice", func(p device.Port, at int64) device.Port { return linktest.Duplicate(p, at, 1) }, false, bounded},
		{"a pause of one second", func(p device.Port, at int64) device.Port { return linktest.Delay(p, at, time.Second) }, true, nil},
		{"never an answer", func(p device.Port, at int64) device.Port { return linktest.Drop(p, at, 1<<40) }, false, []error{device.ErrTimeout}},
		{"connection ends", func(p device.Port, at int64) device.Port { return linktest.Cut(p, at) }, false, []error{device.ErrNoCard, context.DeadlineExceeded}},
	} {
		t.Run(f.name, func(t *testing.T) {
			for at := int64(0); at < lineBytes; at++ {
				synctest.Test(t, func(t *testing.T) {
					r, s := rig(t, vpcd.Config{}, func(p device.Port) device.Port { return f.wrap(p, at) })
					s.Insert()
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					defer cancel()
					err := session(ctx, r)
					switch {
					case err == nil:
						return
					case f.mends:
						t.Errorf("at byte %d: %v", at, err)
					}
					for _, want := range f.allowed {
						if errors.Is(err, want) {
							return
						}
					}
					t.Errorf("at byte %d: %v, want one of %v", at, err, f.allowed)
				})
			}
		})
	}
}

func TestCardThatMisbehaves(t *testing.T) {
	for _, row := range []struct {
		name  string
		fault sim.Fault
		want  error // nil for an exchange that succeeds
		text  string
	}{
		{"answer delayed, in time", sim.Fault{Kind: sim.Late, Times: 1, Delay: 20 * time.Second}, nil, ""},
		{"answer delayed beyond its time", sim.Fault{Kind: sim.Late, Times: 1, Delay: 40 * time.Second}, device.ErrTimeout, ""},
		{"no answer", sim.Fault{Kind: sim.Silent, Times: 1}, device.ErrTimeout, ""},
		{"no status word", sim.Fault{Kind: sim.Short, Times: 1}, device.ErrProtocol, ""},
		{"longer than any answer", sim.Fault{Kind: sim.TooLong, Times: 1}, device.ErrProtocol, "65535 bytes, at most 258"},
		{"half an answer, then silence", sim.Fault{Kind: sim.Half, Times: 1}, device.ErrTimeout, ""},
		{"hung up", sim.Fault{Kind: sim.Hangup, Times: 1}, device.ErrNoCard, "disconnected"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rig(t, vpcd.Config{}, plain)
				s.Insert()
				if err := session(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				s.Slot.Misbehave(row.fault)
				got, err := r.Transmit(t.Context(), readRecord)
				if !errors.Is(err, row.want) || err != nil && !strings.Contains(err.Error(), row.text) {
					t.Fatalf("got % X, %v; want %v with %q", got, err, row.want, row.text)
				}
				if err := session(t.Context(), r); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// rawCard leaves 61xx and 6Cxx to the reader, as vsmartcard's own cards do.
type rawCard struct{ resets int }

func (c *rawCard) Reset() []byte {
	c.resets++
	return devicetest.CardATR
}

func (*rawCard) Exchange(command []byte) []byte {
	if len(command) == 4 {
		command = append(command, 0)
	}
	return devicetest.CardAnswer(command)
}

func TestACardThatAnswersAsAtT0(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, vpcd.Config{}, plain)
		s.Slot.Insert(&rawCard{})
		if err := session(t.Context(), r); err != nil {
			t.Error(err)
		}
		got, err := r.Transmit(t.Context(), []byte{0, 0xA4, 4, 0, 2, 0x3F, 0, 0})
		if want := append([]byte("0123456789"), 0x90, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("SELECT: % X, %v", got, err)
		}
	})
}

// Asking whether the card is there must not reset it.
func TestWaitCardKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, vpcd.Config{}, plain)
		card := &rawCard{}
		s.Slot.Insert(card)
		if err := session(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		before := card.resets
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := r.WaitCard(short, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited for its removal: %v", err)
		}
		if _, err := r.Transmit(t.Context(), readRecord); err != nil || card.resets != before {
			t.Errorf("afterwards: %v, %d resets", err, card.resets-before)
		}
	})
}

// A connection that is there already is line and card in one.
func TestOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := sim.New(nil).Serve(ctx, far, suiteCard{})
			ended <- err
		}()
		r, err := vpcd.New(vpcd.One(near), vpcd.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := session(ctx, r); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrGone) {
			t.Errorf("after its end: %v", err)
		}
		if c := r.Counters(); c.Read != 8+8+9 || c.Written != 3+3+3+7 {
			t.Errorf("counters %+v", c)
		}
		r.Close()
	})
}

// An old card's end is told before the next one's beginning.
func TestTheNextCardWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := rig(t, vpcd.Config{}, plain)
		s.Insert()
		if err := session(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		next := sim.New(s.pipes.connect)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- next.Run(ctx) }()
		next.Insert(suiteCard{})
		synctest.Wait()
		s.Remove()
		if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrNoCard) {
			t.Errorf("the next card answered for the one before: %v", err)
		}
		if err := session(t.Context(), r); err != nil {
			t.Errorf("the next card: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestOpenAndNewNameWhatIsWrong(t *testing.T) {
	if _, err := vpcd.New(nil, vpcd.Config{}); err == nil || !strings.Contains(err.Error(), "no cards") {
		t.Errorf("no cards: %v", err)
	}
	if _, err := vpcd.New(vpcd.Dial(""), vpcd.Config{PollTime: -1}); err == nil || !strings.Contains(err.Error(), "below zero") {
		t.Errorf("negative time: %v", err)
	}
	l, err := vpcd.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if _, _, err := vpcd.Open("vpcd://127.0.0.1:"+port, vpcd.Config{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	r, detail, err := vpcd.Open("vpcd://127.0.0.1:"+port+"?role=connect", vpcd.Config{})
	if err != nil || detail != "card at 127.0.0.1:"+port {
		t.Fatalf("%q, %v", detail, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
