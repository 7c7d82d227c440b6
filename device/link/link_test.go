package link_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/link"
)

// bubble runs f with a link and its far end, in a bubble of its own.
func bubble(t *testing.T, name string, f func(t *testing.T, l *link.Link, far net.Conn)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			defer near.Close()
			f(t, link.New("pad", near), far)
		})
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestReads(t *testing.T) {
	bubble(t, "exactly what was asked for, whatever the pieces", func(t *testing.T, l *link.Link, far net.Conn) {
		go func() {
			for _, piece := range []string{"\x02", "PIN", "PAD\x03", "X"} {
				<-time.After(time.Millisecond)
				far.Write([]byte(piece))
			}
		}()
		ctx := within(t, time.Second)
		if b, err := l.Byte(ctx); b != 2 || err != nil {
			t.Fatalf("byte %02X, %v", b, err)
		}
		got := make([]byte, 7)
		if err := l.ReadFull(ctx, got); err != nil || string(got) != "PINPAD\x03" {
			t.Fatalf("got %q, %v", got, err)
		}
		if b, err := l.Byte(ctx); b != 'X' || err != nil {
			t.Errorf("byte %02X, %v", b, err)
		}
	})
	bubble(t, "the deadline is that of ctx, to the instant", func(t *testing.T, l *link.Link, far net.Conn) {
		go far.Write([]byte("torn"))
		begin := time.Now()
		ctx := within(t, 3*time.Second)
		err := l.ReadFull(ctx, make([]byte, 9))
		if took := time.Since(begin); !errors.Is(err, device.ErrTimeout) || took != 3*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if !strings.Contains(err.Error(), "pad: read 4 of 9 bytes") || ctx.Err() == nil {
			t.Errorf("error %v, ctx %v", err, ctx.Err())
		}
	})
	bubble(t, "ctx cancelled in the middle, and the next read is not hurt", func(t *testing.T, l *link.Link, far net.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := l.Byte(ctx)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, device.ErrTimeout) {
			t.Fatalf("got %v, want cancelled", err)
		}
		go far.Write([]byte("A"))
		if b, err := l.Byte(within(t, time.Second)); b != 'A' || err != nil {
			t.Errorf("byte %02X, %v", b, err)
		}
	})
	bubble(t, "without a deadline it waits for Close", func(t *testing.T, l *link.Link, far net.Conn) {
		done := make(chan error, 1)
		go func() {
			_, err := l.Byte(context.Background())
			done <- err
		}()
		synctest.Wait()
		l.Close()
		if err := <-done; !errors.Is(err, device.ErrGone) {
			t.Errorf("got %v, want gone", err)
		}
	})
	bubble(t, "unplugged", func(t *testing.T, l *link.Link, far net.Conn) {
		far.Close()
		if _, err := l.Byte(within(t, time.Second)); !errors.Is(err, device.ErrGone) {
			t.Errorf("read: %v", err)
		}
		if err := l.Write(within(t, time.Second), []byte("A")); !errors.Is(err, device.ErrGone) {
			t.Errorf("write: %v", err)
		}
		if err := l.Discard(within(t, time.Second), time.Millisecond); !errors.Is(err, device.ErrGone) {
			t.Errorf("discard: %v", err)
		}
	})
}

// A socket whose other end went away with bytes unread is reset, which is no less gone.
func TestResetIsGone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := far.(*net.TCPConn).SetLinger(0); err != nil { // its close is a reset
		t.Fatal(err)
	}
	far.Close()
	if _, err := link.New("card", near).Byte(within(t, 10*time.Second)); !errors.Is(err, device.ErrGone) {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	bubble(t, "nobody takes it", func(t *testing.T, l *link.Link, far net.Conn) {
		go io.ReadFull(far, make([]byte, 3))
		err := l.Write(within(t, time.Second), []byte("frame"))
		if !errors.Is(err, device.ErrTimeout) || !strings.Contains(err.Error(), "write 3 of 5 bytes") {
			t.Errorf("got %v", err)
		}
	})
	short := &port{write: func(b []byte) (int, error) { return 2, nil }}
	if err := link.New("pad", short).Write(t.Context(), []byte("frame")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("short write: %v", err)
	}
}

// port is a port whose calls are given.
type port struct {
	net.Conn
	read, write func([]byte) (int, error)
}

func (p *port) Read(b []byte) (int, error)         { return p.read(b) }
func (p *port) Write(b []byte) (int, error)        { return p.write(b) }
func (p *port) SetReadDeadline(t time.Time) error  { return nil }
func (p *port) SetWriteDeadline(t time.Time) error { return nil }

func TestReadThatGivesNothing(t *testing.T) {
	empty := &port{read: func([]byte) (int, error) { return 0, nil }}
	if _, err := link.New("pad", empty).Byte(t.Context()); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

func TestDiscard(t *testing.T) {
	bubble(t, "stale input in pieces", func(t *testing.T, l *link.Link, far net.Conn) {
		go func() {
			far.Write([]byte("stale"))
			<-time.After(5 * time.Millisecond)
			far.Write([]byte("and more"))
			<-time.After(time.Second)
			far.Write([]byte("!"))
		}()
		ctx := within(t, 10*time.Second)
		if _, err := l.Byte(ctx); err != nil { // some of it is read ahead
			t.Fatal(err)
		}
		if err := l.Discard(ctx, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if b, err := l.Byte(ctx); b != '!' || err != nil {
			t.Errorf("byte %q, %v", b, err)
		}
		if got := l.Counters().Discarded; got != uint64(len("taleand more")) {
			t.Errorf("discarded %d bytes", got)
		}
	})
	babble := &port{read: func(b []byte) (int, error) { return len(b), nil }}
	if err := link.New("pad", babble).Discard(t.Context(), time.Second); !errors.Is(err, device.ErrProtocol) {
		t.Errorf("a line that never stops: %v", err)
	}
	bubble(t, "ctx ends first", func(t *testing.T, l *link.Link, far net.Conn) {
		if err := l.Discard(within(t, time.Millisecond), time.Second); !errors.Is(err, device.ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRetry(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		name  string
		ctx   context.Context
		fails []error
		calls int
		want  error
	}{
		{"at once", t.Context(), nil, 1, nil},
		{"after silence", t.Context(), []error{device.ErrTimeout}, 2, nil},
		{"after a bad frame", t.Context(), []error{device.ErrProtocol, device.ErrTimeout}, 3, nil},
		{"three times", t.Context(), []error{device.ErrTimeout, device.ErrTimeout, device.ErrProtocol}, 3, device.ErrProtocol},
		{"gone is final", t.Context(), []error{device.ErrGone}, 1, device.ErrGone},
		{"refused is final", t.Context(), []error{device.ErrRefused}, 1, device.ErrRefused},
		{"ctx has ended", ended, []error{device.ErrTimeout}, 1, device.ErrTimeout},
	} {
		l := link.New("pad", &port{})
		calls := 0
		err := l.Retry(row.ctx, 3, func(context.Context) error {
			calls++
			if calls <= len(row.fails) {
				return row.fails[calls-1]
			}
			return nil
		})
		if calls != row.calls || !errors.Is(err, row.want) {
			t.Errorf("%s: %d calls, %v; want %d, %v", row.name, calls, err, row.calls, row.want)
		}
		if got := l.Counters().Retries; got != uint64(calls-1) {
			t.Errorf("%s: %d retries counted", row.name, got)
		}
	}
}

func TestLRC(t *testing.T) {
	if got := link.LRC([]byte{0x03, 0x15}...); got != 0x16 {
		t.Errorf("LRC of a CCID NAK: %02X", got)
	}
	if got := link.LRC(); got != 0 {
		t.Errorf("LRC of nothing: %02X", got)
	}
}

func TestCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		l := link.New("pad", near)
		go func() {
			io.ReadFull(far, make([]byte, 3))
			far.Write(bytes.Repeat([]byte{6}, 5))
			far.Close()
		}()
		ctx := within(t, time.Second)
		l.Write(ctx, []byte("abc"))
		l.ReadFull(ctx, make([]byte, 5))
		if err := l.Garbled("LRC %02X", 7); !errors.Is(err, device.ErrProtocol) || !strings.HasSuffix(err.Error(), "LRC 07") {
			t.Errorf("garbled: %v", err)
		}
		want := link.Counters{Read: 5, Written: 3, Garbled: 1}
		if got := l.Counters(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// One character at a time, each with a limit of its own, under contexts that end in between.
func TestByteWithin(t *testing.T) {
	bubble(t, "the limit is kept to the instant, call by call", func(t *testing.T, l *link.Link, far net.Conn) {
		ctx := within(t, time.Hour)
		for _, limit := range []time.Duration{time.Second, 3 * time.Millisecond, time.Minute} {
			begin := time.Now()
			if _, err := l.ByteWithin(ctx, limit); !errors.Is(err, device.ErrTimeout) || time.Since(begin) != limit {
				t.Errorf("limit %v: %v after %v", limit, err, time.Since(begin))
			}
		}
		go far.Write([]byte("ab"))
		for _, want := range []byte("ab") {
			if b, err := l.ByteWithin(ctx, time.Second); b != want || err != nil {
				t.Errorf("got %q, %v", b, err)
			}
		}
		if n := l.Counters(); n.Timeouts != 3 || n.Read != 2 {
			t.Errorf("%+v", n)
		}
	})
	bubble(t, "ctx ends before the limit", func(t *testing.T, l *link.Link, _ net.Conn) {
		begin := time.Now()
		ctx := within(t, time.Second)
		if _, err := l.ByteWithin(ctx, time.Hour); !errors.Is(err, device.ErrTimeout) || ctx.Err() == nil || time.Since(begin) != time.Second {
			t.Errorf("%v after %v, ctx: %v", err, time.Since(begin), ctx.Err())
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := l.ByteWithin(ctx, time.Hour); !errors.Is(err, context.Canceled) || errors.Is(err, device.ErrTimeout) {
			t.Errorf("cancelled: %v", err)
		}
		if _, err := l.ByteWithin(ctx, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled already: %v", err)
		}
	})
	bubble(t, "a context that ends strikes no call but its own", func(t *testing.T, l *link.Link, far net.Conn) {
		reads := []func(ctx context.Context) error{
			func(ctx context.Context) error { _, err := l.Byte(ctx); return err },
			func(ctx context.Context) error { _, err := l.ByteWithin(ctx, time.Hour); return err },
			func(ctx context.Context) error { return l.ReadFull(ctx, make([]byte, 1)) },
		}
		for i, next := range reads {
			old, cancel := context.WithCancel(t.Context())
			if _, err := l.ByteWithin(old, time.Millisecond); !errors.Is(err, device.ErrTimeout) {
				t.Fatal(err)
			}
			cancel() // its watch may strike from now on
			go func() {
				<-time.After(time.Second)
				far.Write([]byte{1})
			}()
			if err := next(within(t, time.Minute)); err != nil {
				t.Errorf("read %d: %v", i, err)
			}
		}
	})
	bubble(t, "closed by another goroutine", func(t *testing.T, l *link.Link, _ net.Conn) {
		time.AfterFunc(time.Second, func() { l.Close() })
		if _, err := l.ByteWithin(within(t, time.Minute), time.Hour); !errors.Is(err, device.ErrGone) {
			t.Error(err)
		}
		if _, err := l.ByteWithin(t.Context(), time.Hour); !errors.Is(err, device.ErrGone) {
			t.Error(err)
		}
	})
}
