package vpcd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/sim/card"
)

var _ Card = (*card.Card)(nil)

// testCard echoes a command's length; it counts resets.
type testCard struct{ resets int }

func (c *testCard) Reset() []byte {
	c.resets++
	return []byte{0x3B, byte(c.resets)}
}
func (*testCard) Exchange(b []byte) []byte { return []byte{byte(len(b)), 0x90, 0x00} }

func TestMessages(t *testing.T) {
	read := []byte{0, 5, 0, 0xB2, 1, 0x0C, 0}
	for _, row := range []struct {
		name       string
		send, want []byte
	}{
		{"answer to reset before there is power", []byte{0, 1, 4}, []byte{0, 2, 0x3B, 1}},
		{"power on is not answered, and resets", []byte{0, 1, 1, 0, 1, 4}, []byte{0, 2, 0x3B, 2}},
		{"reset too", []byte{0, 1, 1, 0, 1, 2, 0, 1, 4}, []byte{0, 2, 0x3B, 3}},
		{"power off is not answered, and resets nothing", []byte{0, 1, 0, 0, 1, 4}, []byte{0, 2, 0x3B, 1}},
		{"APDU", append([]byte{0, 1, 1}, read...), []byte{0, 3, 5, 0x90, 0}},
		{"APDU without power", read, []byte{0, 0}},
		{"APDU after power off", append([]byte{0, 1, 1, 0, 1, 0}, read...), []byte{0, 0}},
		{"unknown control, empty message", []byte{0, 1, 9, 0, 0, 0, 1, 4}, []byte{0, 2, 0x3B, 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				ended := make(chan error, 1)
				go func() {
					_, err := New(nil).Serve(t.Context(), far, &testCard{})
					ended <- err
				}()
				go near.Write(row.send)
				near.SetReadDeadline(time.Now().Add(time.Second))
				if got, _ := io.ReadAll(near); !bytes.Equal(got, row.want) {
					t.Errorf("to % X\ngot  % X\nwant % X", row.send, got, row.want)
				}
				near.Close()
				if err := <-ended; !errors.Is(err, io.EOF) {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// A reader that is not there is tried again, less and less often; a card that is
// inserted is connected at once, and one that is removed is not.
func TestRunConnectsWhatIsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		begin := time.Now()
		s := New(func(context.Context) (device.Port, error) {
			tries = append(tries, time.Since(begin))
			return nil, errors.New("nobody listens")
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		if len(tries) != 0 {
			t.Error("an empty slot connects")
		}
		s.Insert(&testCard{})
		<-time.After(10 * time.Second)
		s.Remove()
		<-time.After(time.Minute)
		if len(tries) < 6 || len(tries) > 12 || tries[0] != 0 || tries[1] != firstPause {
			t.Errorf("tries at %v", tries)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRemoveEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan net.Conn, 4)
		s := New(func(context.Context) (device.Port, error) {
			near, far := net.Pipe()
			lines <- near
			return far, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		s.Insert(&testCard{})
		first := <-lines
		s.Insert(&testCard{}) // another one
		if _, err := first.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the first card is still connected: %v", err)
		}
		second := <-lines
		s.Remove()
		if _, err := second.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a removed card is still connected: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// FuzzReceive takes messages off any stream; put together again they are the stream.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 1, 4, 0, 0, 0, 2, 0x90, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		v := session{card: &testCard{}, atr: []byte{0x3B, 0}}
		var again []byte
		for {
			left := r.Len()
			m, err := receive(r)
			if err != nil {
				again = append(again, b[len(b)-left:]...)
				break
			}
			again = append(again, frame(m)...)
			v.do(m)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("% X became % X", b, again)
		}
	})
}
