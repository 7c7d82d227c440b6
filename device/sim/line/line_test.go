package line_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"posd/device/sim/line"
)

// run starts loops at one end of a pipe, and returns the host's end and how they ended.
func run(t *testing.T, ctx context.Context, l line.Loops) (net.Conn, <-chan error) {
	t.Helper()
	host, port := net.Pipe()
	t.Cleanup(func() {
		host.Close()
		port.Close()
	})
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx, port) }()
	return host, ended
}

// What comes in is taken, and what is queued goes out; the end of ctx is a good end, in
// the middle of a read and of a write that nobody takes.
func TestBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out, in := line.NewQueue(), make(chan []byte, 4)
		host, ended := run(t, ctx, line.Loops{Name: "sim/x", Take: line.Into(in), Out: out})
		if _, err := host.Write([]byte("ask")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until the reader has wiped its buffer
		if got := <-in; string(got) != "ask" {
			t.Errorf("got %q", got)
		}
		if err := out.Send(ctx, []byte("answer")); err != nil {
			t.Error(err)
		}
		b := make([]byte, 6)
		if _, err := io.ReadFull(host, b); err != nil || string(b) != "answer" {
			t.Errorf("%q, %v", b, err)
		}
		out.Offer([]byte("nobody reads this"))
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestPieceIsWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept []byte
		host, _ := run(t, t.Context(), line.Loops{Name: "sim/x", Take: func(_ context.Context, b []byte) error {
			kept = b
			return nil
		}})
		if _, err := host.Write([]byte("1234")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !bytes.Equal(kept, make([]byte, 4)) {
			t.Errorf("% X is left", kept)
		}
	})
}

// Whatever ends one loop ends all, and says who and why.
func TestWhatEndsIt(t *testing.T) {
	broken := errors.New("broken")
	for _, row := range []struct {
		name  string
		loops line.Loops
		do    func(host net.Conn)
		want  error
	}{
		{"a cable that is pulled", line.Loops{}, func(host net.Conn) { host.Close() }, io.EOF},
		{"what came in cannot be taken", line.Loops{Take: func(context.Context, []byte) error { return broken }}, func(host net.Conn) {
			_, _ = host.Write([]byte("x")) // its error is that of the port
		}, broken},
		{"the device itself ends", line.Loops{Work: func(context.Context) error { return broken }}, func(net.Conn) {}, broken},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				row.loops.Name = "sim/x"
				if row.loops.Take == nil {
					row.loops.Take = line.Into(make(chan []byte, 1))
				}
				host, ended := run(t, t.Context(), row.loops)
				row.do(host)
				if err := <-ended; !errors.Is(err, row.want) || !strings.HasPrefix(err.Error(), "sim/x: ") {
					t.Errorf("ended with %v, want %v", err, row.want)
				}
			})
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	q := line.NewQueue()
	for range 2 * line.MaxQueue {
		q.Offer([]byte{1})
	}
	if len(q) != line.MaxQueue {
		t.Errorf("%d pieces wait", len(q))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Send(ctx, []byte{1}); err == nil {
		t.Error("a full queue took a piece")
	}
}

// What was not written when the cable was pulled does not come over the next one.
func TestNothingIsLeftForTheNextPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := line.NewQueue()
		l := line.Loops{Name: "sim/x", Take: line.Into(make(chan []byte, 1)), Out: out}
		host, ended := run(t, t.Context(), l)
		for range 3 {
			out.Offer([]byte("late"))
		}
		host.Close()
		if err := <-ended; err == nil || len(out) != 0 {
			t.Errorf("%v, %d pieces are left", err, len(out))
		}
	})
}
