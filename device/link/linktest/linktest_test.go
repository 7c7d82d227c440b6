package linktest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/link/linktest"
)

func TestFaults(t *testing.T) {
	for _, row := range []struct {
		name string
		wrap func(device.Port) device.Port
		want string
	}{
		{"garble", func(p device.Port) device.Port { return linktest.Garble(p, 1, 2) }, "a\x9d\x9cdef"},
		{"drop", func(p device.Port) device.Port { return linktest.Drop(p, 1, 2) }, "adef"},
		{"duplicate", func(p device.Port) device.Port { return linktest.Duplicate(p, 1, 3) }, "abcdbcdef"},
		{"cut", func(p device.Port) device.Port { return linktest.Cut(p, 4) }, "abcd"},
		{"delay", func(p device.Port) device.Port { return linktest.Delay(p, 2, time.Minute) }, "abcdef"},
		{"two at once", func(p device.Port) device.Port { return linktest.Garble(linktest.Drop(p, 0, 1), 0, 1) }, "\x9dcdef"},
	} {
		for _, piece := range []int{1, 6} {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					for rest := []byte("abcdef"); len(rest) > 0; rest = rest[piece:] {
						far.Write(rest[:piece])
					}
				}()
				got, err := io.ReadAll(row.wrap(near))
				if string(got) != row.want || err != nil {
					t.Errorf("%s, %d at a time: %q, %v; want %q", row.name, piece, got, err, row.want)
				}
			})
		}
	}
}

func TestCutUnplugs(t *testing.T) {
	near, far := net.Pipe()
	p := linktest.Cut(near, 0)
	if _, err := p.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v", err)
	}
	if _, err := p.Write([]byte{1}); err == nil {
		t.Error("write went through")
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("far end: %v", err)
	}
}

func TestDelayKeepsToDeadlinesAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go far.Write([]byte("late"))
		p := linktest.Delay(near, 0, 10*time.Second)
		begin, b := time.Now(), make([]byte, 4)
		p.SetReadDeadline(begin.Add(3 * time.Second))
		if _, err := p.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Fatalf("%v after %v", err, time.Since(begin))
		}
		p.SetReadDeadline(time.Time{})
		done := make(chan error, 1)
		go func() {
			_, err := p.Read(b)
			done <- err
		}()
		synctest.Wait()
		p.SetReadDeadline(begin) // moved under a read that waits
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("moved deadline: %v", err)
		}
		p.SetReadDeadline(time.Time{})
		if n, err := p.Read(b); string(b[:n]) != "late" || err != nil || time.Since(begin) != 10*time.Second {
			t.Errorf("%q, %v after %v", b[:n], err, time.Since(begin))
		}
	})
}

func replay(t *testing.T, wire string) *linktest.Player {
	t.Helper()
	p, err := linktest.Replay(strings.NewReader(wire))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const wire = `# hello
> 01 02
> 03       # in two lines, for two writes
< 0A 0B

> 04
`

func TestReplay(t *testing.T) {
	p := replay(t, wire)
	p.SetReadDeadline(time.Now().Add(time.Hour))
	b := make([]byte, 8)
	if _, err := p.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read before its turn: %v", err)
	}
	if _, err := p.Write([]byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Read(b[:1]); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if n, err := p.Read(b[1:]); !bytes.Equal(b[:1+n], []byte{0x0A, 0x0B}) || err != nil {
		t.Fatalf("% X, %v", b[:1+n], err)
	}
	if err := p.Done(); err == nil || !strings.Contains(err.Error(), "line 6: > 04 was not reached") {
		t.Errorf("done too early: %v", err)
	}
	p.Write([]byte{4})
	if err := p.Done(); err != nil {
		t.Error(err)
	}
	p.SetReadDeadline(time.Time{})
	if _, err := p.Read(b); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	p.Close()
	if _, err := p.Write([]byte{1}); err != io.ErrClosedPipe {
		t.Errorf("closed: %v", err)
	}
}

func TestReplayTellsWhatIsWrong(t *testing.T) {
	for _, row := range []struct {
		name  string
		write []byte
		want  string
	}{
		{"another byte", []byte{1, 9}, "line 2: wrote 01 09, want 01 02"},
		{"too much", []byte{1, 2, 3, 4}, "wrote 04 where the wire has nothing to write"},
	} {
		p := replay(t, wire)
		if _, err := p.Write(row.write); err == nil || err.Error() != "linktest: "+row.want {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
		if err := p.Done(); err == nil || err.Error() != "linktest: "+row.want {
			t.Errorf("%s: done: %v", row.name, err)
		}
	}
	for _, bad := range []string{"= 01", "> 0", "> xx"} {
		if _, err := linktest.Replay(strings.NewReader("# why\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRecordIsWhatReplayReads(t *testing.T) {
	near, far := net.Pipe()
	var out bytes.Buffer
	p := linktest.Record(near, &out)
	go func() {
		io.ReadFull(far, make([]byte, 2))
		far.Write([]byte{0xFF})
	}()
	p.Write([]byte{0x00, 0xA4})
	p.Read(make([]byte, 4))
	if got, want := out.String(), "> 00 A4\n< FF\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	replay(t, out.String())
}

// A knife cuts behind the byte that it was told, counted both ways, once and for both ends.
func TestKnife(t *testing.T) {
	near, far := net.Pipe()
	k, ended := linktest.NewKnife(), 0
	p := k.Wrap(far, func() {
		ended++
		far.Close()
	})
	echo := make(chan string, 1)
	go func() {
		near.Write([]byte("12345"))
		b := make([]byte, 9)
		n, _ := io.ReadFull(near, b)
		echo <- string(b[:n])
	}()
	b := make([]byte, 5)
	if n, err := p.Read(b); n != 5 || err != nil || k.Bytes() != 5 {
		t.Fatalf("%d bytes, %v, counted %d", n, err, k.Bytes())
	}
	k.After(3)
	if n, err := p.Write([]byte("ab")); n != 2 || err != nil {
		t.Errorf("2 of 3: %d, %v", n, err)
	}
	if n, err := p.Write([]byte("cdef")); n != 1 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("4 where there is room for 1: %d, %v", n, err)
	}
	if got := <-echo; got != "abc" {
		t.Errorf("the other end has %q", got)
	}
	if n, err := p.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("after the cut: %d, %v", n, err)
	}
	k.Cut()
	<-k.Gone()
	if ended != 1 || k.Bytes() != 8 {
		t.Errorf("ended %d times, %d bytes", ended, k.Bytes())
	}
}
