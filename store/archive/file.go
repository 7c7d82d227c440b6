package archive

import (
	"bufio"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"posd/store"
)

// A batch file:
//
//	bytes 0-7   "posdarc1"
//	then parts: length (4, big-endian), nonce (24), XChaCha20-Poly1305 of
//	  part 0    the summary
//	  part n    an entry: Unix time in seconds (8), amount (8), currency (2), batch (4),
//	            STAN (4), last four (4), RRN (12), body
//	  last      nothing
//
// The associated data is the file's name, the part's number (8), and 1 for the last part,
// else 0.
const (
	magic      = "posdarc1"
	nonceSize  = chacha20poly1305.NonceSizeX
	overhead   = chacha20poly1305.Overhead
	entryFixed = 8 + 8 + 2 + 4 + 4 + 4 + 12
	maxPart    = 64 << 10
	label      = "posd store archive v1"
)

// Entry is an archived payment: what it is searched by, and a body that its writer
// understands.
type Entry struct {
	Time     time.Time // to the second
	Minor    int64     // minor units
	Currency uint16    // ISO 4217
	Batch    uint32
	STAN     uint32
	LastFour string // of the card number
	RRN      string // at most 12 characters
	Body     []byte
}

func (e Entry) append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, uint64(e.Time.Unix()))
	b = be.AppendUint64(b, uint64(e.Minor))
	b = be.AppendUint16(b, e.Currency)
	b = be.AppendUint32(b, e.Batch)
	b = be.AppendUint32(b, e.STAN)
	b = append(b, padded(e.LastFour, 4)...)
	b = append(b, padded(e.RRN, 12)...)
	return append(b, e.Body...)
}

func padded(s string, n int) []byte {
	b := make([]byte, n)
	copy(b, s)
	return b
}

func unpadded(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return string(b)
}

func parseEntry(b []byte) (Entry, error) {
	if len(b) < entryFixed {
		return Entry{}, fmt.Errorf("an entry of %d bytes: %w", len(b), store.ErrDamaged)
	}
	be := binary.BigEndian
	return Entry{
		Time: time.Unix(int64(be.Uint64(b)), 0).UTC(), Minor: int64(be.Uint64(b[8:])), Currency: be.Uint16(b[16:]),
		Batch: be.Uint32(b[18:]), STAN: be.Uint32(b[22:]), LastFour: unpadded(b[26:30]), RRN: unpadded(b[30:42]),
		Body: b[entryFixed:],
	}, nil
}

// writer writes the parts of a batch file.
type writer struct {
	w    *bufio.Writer
	aead cipher.AEAD
	rand io.Reader
	name string
	n    uint64
	size int64
}

func place(name string, n uint64, last bool) []byte {
	b := binary.BigEndian.AppendUint64([]byte(name), n)
	if last {
		return append(b, 1)
	}
	return append(b, 0)
}

func (w *writer) part(plain []byte, last bool) error {
	if len(plain) > maxPart {
		return fmt.Errorf("a part of %d bytes, at most %d", len(plain), maxPart)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(plain)))
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(w.rand, nonce); err != nil {
		return fmt.Errorf("draw a nonce: %w", err)
	}
	out = append(out, nonce...)
	out = w.aead.Seal(out, nonce, plain, place(w.name, w.n, last))
	w.n++
	w.size += int64(len(out))
	_, err := w.w.Write(out)
	return err
}

// reader reads the parts of a batch file.
type reader struct {
	r    *bufio.Reader
	aead cipher.AEAD
	name string
	n    uint64
	buf  []byte
}

// next returns the next part, and io.EOF at the last. It is good until the next call.
func (r *reader) next() ([]byte, error) {
	var head [4 + nonceSize]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return nil, r.broken("cut short")
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size > maxPart {
		return nil, r.broken("its length overruns it")
	}
	if cap(r.buf) < size+overhead {
		r.buf = make([]byte, maxPart+overhead)
	}
	sealed := r.buf[:size+overhead]
	if _, err := io.ReadFull(r.r, sealed); err != nil {
		return nil, r.broken("cut short")
	}
	last := size == 0
	plain, err := r.aead.Open(sealed[:0], head[4:], sealed, place(r.name, r.n, last))
	if err != nil {
		return nil, r.broken("its seal is broken")
	}
	r.n++
	if !last {
		return plain, nil
	}
	if _, err := r.r.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, r.broken("more behind its end")
	}
	return nil, io.EOF
}

func (r *reader) broken(why string) error {
	return fmt.Errorf("%s: part %d: %s: %w", r.name, r.n, why, store.ErrDamaged)
}
