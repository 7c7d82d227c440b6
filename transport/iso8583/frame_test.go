package iso8583

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestFramesOnAStream(t *testing.T) {
	var stream bytes.Buffer
	names := []string{"sale-request", "echo-request", "ca-key-list-response"}
	for _, name := range names {
		if err := WriteFrame(&stream, fixture(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := iotest.OneByteReader(&stream)
	buf := make([]byte, MaxFrame)
	for _, name := range names {
		got, err := ReadFrame(r, buf)
		if err != nil || !bytes.Equal(got, fixture(t, name)) {
			t.Fatalf("%s: %X, %v", name, got, err)
		}
	}
	if _, err := ReadFrame(r, buf); err != io.EOF {
		t.Errorf("after the last frame: %v", err)
	}
}

func TestBadStreams(t *testing.T) {
	for _, row := range []struct {
		name   string
		stream string
		cause  error
		want   string
	}{
		{"half a length", "00", ErrTruncated, "iso8583: read length: 1 of 2 bytes: frame truncated"},
		{"length and no frame", "0010", ErrTruncated, "iso8583: read frame: 0 of 16 bytes: frame truncated"},
		{"half a frame", "0004 6000", ErrTruncated, "iso8583: read frame: 2 of 4 bytes: frame truncated"},
		{"one byte too long", "0801 6000", ErrTooLong, "iso8583: read frame: 2049 bytes, at most 2048: frame too long"},
		{"TLS record where a frame is due", "1603 0100", ErrTooLong, "iso8583: read frame: 5635 bytes, at most 2048: frame too long"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ReadFrame(bytes.NewReader(unhexString(t, row.stream)), nil)
			if !errors.Is(err, row.cause) || err.Error() != row.want {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}

func TestReadFrameKeepsTheCause(t *testing.T) {
	cause := errors.New("line cut")
	r := io.MultiReader(bytes.NewReader([]byte{0, 4, 0x60}), iotest.ErrReader(cause))
	if _, err := ReadFrame(r, nil); !errors.Is(err, cause) || errors.Is(err, ErrTruncated) {
		t.Errorf("got %v", err)
	}
}

func TestAppendFrameRefusesTheTooLong(t *testing.T) {
	dst, err := AppendFrame([]byte{1}, make([]byte, MaxFrame+1))
	if !errors.Is(err, ErrTooLong) || len(dst) != 1 {
		t.Errorf("got %d bytes, %v", len(dst), err)
	}
}

func TestReadFrameAllocatesNothingIntoABuffer(t *testing.T) {
	frame, err := AppendFrame(nil, fixture(t, "sale-request"))
	if err != nil {
		t.Fatal(err)
	}
	r, buf := bytes.NewReader(frame), make([]byte, MaxFrame)
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(frame)
		if _, err := ReadFrame(r, buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
