package wal

import (
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
		return c, errors.New("Path is missing")
	case c.Key == nil:
		return c, errors.New("Key is missing")
	case c.Rand == nil:
		return c, errors.New("Rand is missing")
	case c.Frames < MinFrames || c.Frames > MaxFrames:
		return c, fmt.Errorf("Frames %d: %d to %d wanted", c.Frames, MinFrames, MaxFrames)
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

	mu         sync.Mutex
	head, tail uint64 // frames tail to head are needed; head+1 == tail in an empty log
	prev       [32]byte
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
	l.mu.Lock()
	defer l.mu.Unlock()
	number := l.head + 1
	if number-l.tail >= l.n {
		return 0, fmt.Errorf("wal: append %d: all %d frames are needed: %w", number, l.n, store.ErrFull)
	}
	frame, err := l.seal.seal(number, body{l.prev, l.tail, payload}, secret)
	if err == nil {
		err = l.write(number, frame, wipe)
	}
	if err != nil {
		return 0, fmt.Errorf("wal: append %d: %w", number, err)
	}
	l.head, l.prev = number, hash(frame)
	l.stats.Appends++
	return number, nil
}

func (l *Log) write(number uint64, frame []byte, wipe []uint64) error {
	if err := l.fail(BeforeWrite); err != nil {
		return err
	}
	if err := l.put(l.place(number), frame); err != nil {
		return err
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
	return l.fail(AfterFlush)
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
// number; what fn makes of it decides. fn wipes the secret.
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
	b, err := l.seal.open(frame)
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
