package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"posd/store"
	"posd/store/internal/disk"
)

// Step names a moment of an append at which a test, or a drill, lets it fail.
type Step string

const (
	BeforeWrite Step = "before-write"
	BeforeFlush Step = "before-flush"
	AfterFlush  Step = "after-flush" // the disk has it, the caller does not know
)

// Numbers of frames.
const (
	DefaultFrames = 32 << 10 // 16 MiB: six for each of 5000 payments, and room
	MinFrames     = 16
	MaxFrames     = 1 << 20
)

// Config says where the log is and what seals it. Path, Key and Rand are required.
type Config struct {
	Path string
	Key  store.DeviceKey
	Rand io.Reader
	// Frames is how many frames the log has. It counts when the file is made. 0 is
	// DefaultFrames.
	Frames int
	// LockTimeout bounds the wait for another process to let go of the file. 0 is 5 s.
	LockTimeout time.Duration
	// Fail, where set, is called at each Step; an error it returns becomes the append's.
	Fail func(Step) error
}

func (c Config) withDefaults() (Config, error) {
	if c.Frames == 0 {
		c.Frames = DefaultFrames
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = disk.LockTime
	}
	if c.Fail == nil {
		c.Fail = func(Step) error { return nil }
	}
	switch {
	case c.Path == "":
		return c, errors.New("config: Path is missing")
	case c.Key == nil:
		return c, errors.New("config: Key is missing")
	case c.Rand == nil:
		return c, errors.New("config: Rand is missing")
	case c.Frames < MinFrames || c.Frames > MaxFrames:
		return c, fmt.Errorf("config: Frames %d: %d to %d wanted", c.Frames, MinFrames, MaxFrames)
	}
	return c, nil
}

// Log is an open log. Its methods may be called by several goroutines.
type Log struct {
	path string
	file *os.File
	seal sealer
	fail func(Step) error
	n    uint64 // frames
	buf  []byte // a frame's sealed part in the clear

	mu         sync.Mutex
	head, tail uint64 // frames tail to head are needed; head+1 == tail in an empty log
	prev       [32]byte
	left       uint64 // up to here a failed append may have left frames behind the head
	faults     []error
	stats      Stats
}

// Stats counts what the log did since it was opened.
type Stats struct {
	Appends uint64
	Flushes uint64
	Bytes   uint64
}

// Append writes one frame and returns its number when the disk has it. The secrets of
// the frames in wipe go to disk as zeros with the same flush. store.ErrFull says that the
// next place is still needed. After any error the frame counts as not written: the next
// Append takes its place.
func (l *Log) Append(payload, secret []byte, wipe ...uint64) (uint64, error) {
	return l.AppendAll([]Frame{{Payload: payload, Secret: secret}}, wipe...)
}

// AppendAll is Append of several frames with one flush. It returns the number of the
// first.
func (l *Log) AppendAll(frames []Frame, wipe ...uint64) (first uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = l.head + 1
	if first+uint64(len(frames))-1-l.tail >= l.n {
		return 0, fmt.Errorf("wal: append %d: %d of %d frames are needed: %w", first, first-l.tail, l.n, store.ErrFull)
	}
	if err = l.scrap(); err == nil {
		err = l.append(first, frames, wipe)
	}
	if err != nil {
		return 0, fmt.Errorf("wal: append %d: %w", first, err)
	}
	l.stats.Appends += uint64(len(frames))
	return first, nil
}

// scrap takes frames away that an append which failed may have left behind the head.
func (l *Log) scrap() error {
	for number := l.head + 1; number <= l.left; number++ {
		if err := l.put(l.place(number), make([]byte, frameSize)); err != nil {
			return err
		}
	}
	if l.left > l.head {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.left = 0
	return nil
}

func (l *Log) append(number uint64, frames []Frame, wipe []uint64) error {
	if err := l.fail(BeforeWrite); err != nil {
		return err
	}
	prev := l.prev
	l.left = max(l.left, number+uint64(len(frames))-1)
	for _, f := range frames {
		sealed, err := l.seal.seal(number, body{prev, l.tail, f.Payload}, f.Secret)
		if err != nil {
			return err
		}
		if err := l.put(l.place(number), sealed); err != nil {
			return err
		}
		prev = hash(sealed)
		number++
	}
	if err := l.zero(wipe); err != nil {
		return err
	}
	if err := l.fail(BeforeFlush); err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	if err := l.fail(AfterFlush); err != nil {
		return err
	}
	l.head, l.prev, l.left = number-1, prev, 0
	return nil
}

func (l *Log) put(at int64, b []byte) error {
	_, err := l.file.WriteAt(b, at)
	l.stats.Bytes += uint64(len(b))
	return err
}

func (l *Log) flush() error {
	l.stats.Flushes++
	return disk.Flush(l.file)
}

// zero overwrites the secrets of frames that are still in the file.
func (l *Log) zero(wipe []uint64) error {
	area, blank := make([]byte, frameSize-secretAt), make([]byte, frameSize-secretAt)
	for _, number := range wipe {
		if number == 0 || number > l.head || l.head-number >= l.n {
			continue
		}
		at := l.place(number) + secretAt
		if _, err := l.file.ReadAt(area, at); err == nil && allZero(area) {
			continue
		}
		if err := l.put(at, blank); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) place(number uint64) int64 {
	return headerSize + int64((number-1)%l.n)*frameSize
}

// Wipe overwrites the secrets of frames with zeros, and returns when the disk has it.
func (l *Log) Wipe(numbers ...uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(numbers) == 0 {
		return nil
	}
	if err := errors.Join(l.zero(numbers), l.flush()); err != nil {
		return fmt.Errorf("wal: wipe %d secrets: %w", len(numbers), err)
	}
	return nil
}

// Release says that the frames below number are no longer needed. Their secrets are
// wiped; that they may be written over is on disk with the next Append.
func (l *Log) Release(number uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	number = min(number, l.head+1)
	if number <= l.tail {
		return nil
	}
	var all []uint64
	for n := l.tail; n < number; n++ {
		all = append(all, n)
	}
	if err := l.zero(all); err != nil {
		return fmt.Errorf("wal: release up to %d: %w", number, err)
	}
	if err := l.flush(); err != nil {
		return fmt.Errorf("wal: release up to %d: %w", number, err)
	}
	l.tail = number
	return nil
}

// Each calls fn for each frame from the tail to the head, with its secret, until fn
// returns an error. A frame that is damaged comes as an error in its turn, with its
// number; what fn makes of it decides. fn wipes the secret; the payload is good only until
// fn returns.
func (l *Log) Each(fn func(f Frame, damage error) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	frame := make([]byte, frameSize)
	for number := l.tail; number <= l.head; number++ {
		if _, err := l.file.ReadAt(frame, l.place(number)); err != nil {
			return fmt.Errorf("wal: read frame %d: %w", number, err)
		}
		f, err := l.frame(number, frame)
		if err := fn(f, err); err != nil {
			return err
		}
	}
	return nil
}

// Read returns a frame from the tail to the head, with its secret; the caller wipes it.
func (l *Log) Read(number uint64) (Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number < l.tail || number > l.head {
		return Frame{}, fmt.Errorf("wal: frame %d: %w", number, store.ErrNotFound)
	}
	frame := make([]byte, frameSize)
	if _, err := l.file.ReadAt(frame, l.place(number)); err != nil {
		return Frame{}, fmt.Errorf("wal: read frame %d: %w", number, err)
	}
	f, err := l.frame(number, frame)
	f.Payload = bytes.Clone(f.Payload)
	return f, err
}

func (l *Log) frame(number uint64, frame []byte) (Frame, error) {
	b, err := l.body(number, frame)
	if err != nil {
		return Frame{Number: number}, err
	}
	f := Frame{Number: number, Payload: b.payload}
	if f.Secret, err = l.seal.secret(frame); err != nil {
		return f, damaged(number, err.Error())
	}
	return f, nil
}

func (l *Log) body(number uint64, frame []byte) (body, error) {
	if numberOf(frame) != number {
		return body{}, damaged(number, "another frame is in its place")
	}
	b, err := l.seal.open(l.buf, frame)
	if err != nil {
		return body{}, damaged(number, err.Error())
	}
	return b, nil
}

func damaged(number uint64, why string) error {
	return fmt.Errorf("wal: frame %d: %s: %w", number, why, store.ErrDamaged)
}

// Faults returns what was found wrong at Open, each wrapping store.ErrDamaged.
func (l *Log) Faults() []error { return l.faults }

// Span returns the numbers of the tail and of the head; tail is head+1 in an empty log.
func (l *Log) Span() (tail, head uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail, l.head
}

// Free returns how many frames may be appended before one must be released.
func (l *Log) Free() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.n - (l.head + 1 - l.tail))
}

// Size returns how many frames the log has.
func (l *Log) Size() int { return int(l.n) }

// Path returns the path of the file.
func (l *Log) Path() string { return l.path }

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Close lets go of the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
