package iso8583

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxFrame is the most bytes that a frame may have, its two length bytes not counted.
const MaxFrame = 2048

// ReadFrame reads one frame: two bytes of length, big-endian, and as many bytes, which
// it returns in buf where they fit. It returns io.EOF where the stream ends between
// frames, ErrTruncated where it ends inside one, and ErrTooLong before it reads anything
// of a frame above MaxFrame. After an error the stream has lost its place.
func ReadFrame(r io.Reader, buf []byte) ([]byte, error) {
	if cap(buf) < 2 {
		buf = make([]byte, 2)
	}
	head := buf[:2]
	if n, err := io.ReadFull(r, head); err != nil {
		return nil, readError("length", n, 2, err)
	}
	size := int(binary.BigEndian.Uint16(head))
	if size > MaxFrame {
		return nil, fmt.Errorf("iso8583: read frame: %d bytes, at most %d: %w", size, MaxFrame, ErrTooLong)
	}
	if size > cap(buf) {
		buf = make([]byte, size)
	}
	if n, err := io.ReadFull(r, buf[:size]); err != nil {
		return nil, readError("frame", n, size, err)
	}
	return buf[:size], nil
}

// readError keeps io.EOF where nothing had come, and says ErrTruncated where the stream
// ended inside a frame.
func readError(what string, n, want int, err error) error {
	if what == "length" && n == 0 {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("iso8583: read %s: %d of %d bytes: %w", what, n, want, ErrTruncated)
	}
	return fmt.Errorf("iso8583: read %s: %d of %d bytes: %w", what, n, want, err)
}

// AppendFrame appends two bytes of length and the frame to dst.
func AppendFrame(dst, frame []byte) ([]byte, error) {
	if len(frame) > MaxFrame {
		return dst, fmt.Errorf("iso8583: frame of %d bytes, at most %d: %w", len(frame), MaxFrame, ErrTooLong)
	}
	dst = append(dst, byte(len(frame)>>8), byte(len(frame)))
	return append(dst, frame...), nil
}

// WriteFrame writes two bytes of length and the frame in one Write.
func WriteFrame(w io.Writer, frame []byte) error {
	out, err := AppendFrame(make([]byte, 0, 2+len(frame)), frame)
	if err != nil {
		return err
	}
	defer clear(out)
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("iso8583: write frame: %w", err)
	}
	return nil
}
