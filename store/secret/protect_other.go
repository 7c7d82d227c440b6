//go:build !linux

package secret

import (
	"errors"
	"fmt"
)

var errOther = errors.New("known for Linux only")

func noCore() error     { return errOther }
func noDebugger() error { return errOther }
func lockAll() error    { return errOther }

// Buffer is memory for a secret; here it is Go's own. It prints as nothing.
type Buffer struct{ bytes []byte }

// New returns a buffer of n bytes, at most 64 KiB.
func New(n int) (*Buffer, error) {
	if n < 1 || n > maxBuffer {
		return nil, fmt.Errorf("secret: buffer of %d bytes, 1 to %d wanted", n, maxBuffer)
	}
	return &Buffer{make([]byte, n)}, nil
}

// Bytes is the secret's place; good until Close.
func (b *Buffer) Bytes() []byte { return b.bytes }

// Locked is false.
func (b *Buffer) Locked() bool { return false }

// Close wipes the buffer.
func (b *Buffer) Close() error {
	clear(b.bytes)
	b.bytes = nil
	return nil
}

// String hides the secret.
func (b *Buffer) String() string { return "********" }

// Format hides the secret for every verb.
func (b *Buffer) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.String()) }
